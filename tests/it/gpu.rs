//! GPUs give the reports that the CPU gives, for everything and in every way.

#![cfg(feature = "gpu")]

use crate::harness::{pagescrub, pagescrub_in, scan_json, timeless};
use pagescrub::discover::discover;
use pagescrub::drill::FAULTS;
use pagescrub::drill::faulty_source::{FaultySource, ReadFault};
use pagescrub::page::address::PageId;
use pagescrub::read::open::Reader;
use pagescrub::scrub::{Settings, Silent, Stop, scrub};
use pagescrub::verify::engine::Engine;
use pagescrub::verify::gpu::adapter::{Wish, choose};
use pagescrub::verify::gpu::pool::Share;
use pagescrub::verify::gpu::select::{Terms, start_all};
use pagescrub::verify::gpu::upload::Upload;
use pagescrub::verify::gpu::worker::Drill;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SHARES: [&str; 2] = ["gpu", "hybrid"];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn generated(folder: &Path, name: &str, options: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let mut args = vec!["generate".as_ref(), path.as_os_str()];
    args.extend(options.iter().map(std::ffi::OsStr::new));
    let run = pagescrub(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
    path
}

/// What a scan says that must not depend on how it was done.
fn outcome(path: &Path, args: &[&str]) -> (i32, Value) {
    let (code, report) = scan_json(path, args);
    (code, timeless(report))
}

fn by_gpu(path: &Path, engine: &str, more: &[&str]) -> (i32, Value) {
    let args = [&["--allow-software-gpu", "--engine", engine], more].concat();
    let (code, report) = scan_json(path, &args);
    let gpus = report["run"]["gpus"].as_array().expect("a list");
    assert!(!gpus.is_empty(), "{engine}: no GPU took part");
    assert_eq!(gpus[0]["errors"], serde_json::json!({}), "{gpus:?}");
    (code, timeless(report))
}

fn assert_all_agree(path: &Path) {
    let expected = outcome(path, &["--engine", "cpu"]);
    for engine in SHARES {
        for more in [
            &["--reader", "auto"][..],
            &["--reader", "direct", "--batch-size", "64KiB", "--threads", "1"],
            &["--reader", "direct", "--batch-size", "192KiB", "--threads", "3"],
            &["--reader", "pread", "--batch-size", "1984KiB"],
            &["--reader", "mmap", "--batch-size", "576KiB"],
        ] {
            let found = by_gpu(path, engine, more);
            assert_eq!(found, expected, "{} {engine} {more:?}", path.display());
        }
    }
}

#[test]
#[cfg_attr(
    not(all(gpu_tests, real_data)),
    ignore = "needs a GPU or lavapipe, REQUIRE_GPU=1, and PAGESCRUB_REAL_DATA"
)]
fn every_real_file_is_the_same_to_gpus() {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("built with it");
    assert_all_agree(Path::new(&folder));
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn every_dataset_is_the_same_to_gpus() {
    assert_all_agree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets"));
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn every_injected_fault_is_the_same_to_gpus() {
    let folder = folder();
    for page_verify in ["checksum", "torn", "none"] {
        let option = format!("--page-verify={page_verify}");
        let original =
            generated(folder.path(), "original", &["--size=5MiB", "--seed=9", &option, "--force"]);
        for (_, fault, _) in FAULTS {
            let path = folder.path().join(format!("{page_verify}-{fault}.mdf"));
            fs::copy(&original, &path).expect("room");
            let fault = format!("--fault={fault}");
            let run = pagescrub(&[
                "inject".as_ref(),
                path.as_os_str(),
                fault.as_ref(),
                "--random=7".as_ref(),
                "--seed=3".as_ref(),
                "--force".as_ref(),
            ]);
            // Not every fault shows on every kind of page.
            if run.code != 0 {
                fs::remove_file(&path).expect("ours");
            }
        }
        fs::remove_file(&original).expect("ours");
    }
    assert!(fs::read_dir(folder.path()).expect("ours").count() >= 9 + 9 + 5);
    assert_all_agree(folder.path());
}

/// All ways in which pages reach a GPU, with one thread and with several, and devices that fail.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn every_way_to_a_gpu_gives_the_same_report_also_where_pages_cannot_be_read() {
    let folder = folder();
    let path = generated(folder.path(), "a.mdf", &["--size=21MiB", "--seed=4"]);
    let run = pagescrub(&[
        "inject".as_ref(),
        path.as_os_str(),
        "--fault=bit-flip".as_ref(),
        "--random=40".as_ref(),
        "--seed=5".as_ref(),
    ]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let discovery = discover(&[path]);
    let engine = Engine::named("cpu").expect("there is one");
    let faults =
        [(7, ReadFault::Unreadable), (300, ReadFault::Unreadable), (301, ReadFault::Unreadable)];
    let open = |path: &Path| -> std::io::Result<Box<dyn pagescrub::read::PageSource>> {
        let faults = faults.into_iter().map(|(page, fault)| (PageId(page), fault));
        Ok(Box::new(FaultySource::new(Reader::Pread.open(path)?, faults)))
    };
    let stop = Stop::default();
    let settings = Settings { batch_pages: 56, ..Settings::new(&engine, &open, &stop) };
    let json = |settings: &Settings<'_>| {
        let report = scrub(&discovery, settings, &Silent).report;
        let pages: u64 = report.run.gpus.iter().map(|gpu| gpu.pages).sum();
        (timeless(serde_json::to_value(report).expect("JSON")), pages)
    };
    let (expected, _) = json(&settings);
    let wish = Wish { allow_software: true, ..Wish::default() };
    let adapters = choose(&wish).expect("these tests were asked for");
    for upload in adapters[0].facts.uploads() {
        for (threads, slot_jobs) in [(1, 64), (3, 64), (2, 1)] {
            let drill = Drill {
                uploads: Some(vec![upload]),
                slot_jobs: Some(slot_jobs),
                ..Drill::default()
            };
            let terms = Terms { threads, check_one_in: 10, drivers_answer: &|| Ok(()), drill };
            let gpus = start_all(&adapters, Share::Gpu, &terms).gpus.expect("a GPU");
            let settings = Settings { threads, gpus: Some(&gpus), ..settings.clone() };
            let (found, pages) = json(&settings);
            assert_eq!(found, expected, "{upload:?}, {threads} threads");
            assert!(pages > 2000, "{pages} of 2,688 pages");
        }
    }
    assert!(adapters[0].facts.uploads().contains(&Upload::Copy));
}

#[test]
fn a_gpu_that_is_not_there_is_wrong_usage_and_says_what_was_looked_for() {
    let folder = folder();
    let path = generated(folder.path(), "a.mdf", &["--size=1MiB", "--seed=4"]);
    let nothing = [("VK_DRIVER_FILES", "/nonexistent"), ("VK_ICD_FILENAMES", "/nonexistent")];
    for engine in SHARES {
        let run = pagescrub_in(
            &nothing,
            &["scan".as_ref(), path.as_os_str(), "--engine".as_ref(), engine.as_ref()],
        );
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(run.stderr.contains("no usable GPU"), "{}", run.stderr);
        assert!(run.stderr.contains("--engine cpu"), "{}", run.stderr);
    }
    let run = pagescrub_in(&nothing, &["scan".as_ref(), path.as_os_str()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn an_adapter_of_no_such_name_is_wrong_usage_and_lists_what_exists() {
    let folder = folder();
    let path = generated(folder.path(), "a.mdf", &["--size=1MiB", "--seed=4"]);
    for engine in ["gpu", "hybrid", "auto"] {
        // A number is a place, not a digit of a name.
        for name in ["Voodoo2", "1", "15"] {
            let run = pagescrub(&[
                "scan".as_ref(),
                path.as_os_str(),
                "--allow-software-gpu".as_ref(),
                "--engine".as_ref(),
                engine.as_ref(),
                "--adapter".as_ref(),
                name.as_ref(),
            ]);
            assert_eq!(run.code, 2, "{engine} {name}: {}", run.stdout);
            let error = run.stderr;
            assert!(error.contains(&format!("'{name}'")) && error.contains("(usable)"), "{error}");
        }
    }
    let run = pagescrub(&[
        "scan".as_ref(),
        path.as_os_str(),
        "--engine=avx2".as_ref(),
        "--adapter=0".as_ref(),
    ]);
    assert_eq!(run.code, 2, "{}", run.stdout);
}
