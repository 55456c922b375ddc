//! GPUs in bad company: io_uring that gives up, files that cannot be read past the cache, power
//! that fails, a program that is wrong.

#![cfg(all(feature = "gpu", target_os = "linux"))]

use crate::harness::forbid::forbidding;
use crate::harness::gpu::{Damaged, PAGE_ID, STORED, adapters, found, started_with};
use crate::harness::{pagescrub, pagescrub_in};
use pagescrub::read::arena::Arena;
use pagescrub::read::open::Reader;
use pagescrub::scrub::checkpoint::{Checkpoint, Checkpointing};
use pagescrub::scrub::{Progress, Settings, Silent, Stop, scrub};
use pagescrub::verify::engine::Engine;
use pagescrub::verify::gpu::calibration;
use pagescrub::verify::gpu::job::Job;
use pagescrub::verify::gpu::pipeline::Shader;
use pagescrub::verify::gpu::pool::{Gpus, Share};
use pagescrub::verify::gpu::upload::Upload;
use pagescrub::verify::gpu::worker::{Drill, start};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

const SHARES: [Share; 2] = [Share::Gpu, Share::Hybrid];

fn small() -> Drill {
    Drill { slot_jobs: Some(2), ..Drill::default() }
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn reads_that_never_come_back_cost_their_buffers_and_not_the_scan() {
    const ENOMEM: i32 = 12;
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    for share in SHARES {
        for threads in [1, 2, 64] {
            let selected = started_with(share, threads, 1000, small());
            let no_enter = BTreeMap::from([(libc::SYS_io_uring_enter, Vec::new())]);
            let scan = || file.scan_with(Some(&selected), threads, &Silent);
            let report = forbidding(no_enter, ENOMEM, scan);
            assert_eq!(found(&report), expected, "{share:?}, {threads} threads");
        }
    }
}

/// The first file's reads are filled into buffers, the second's are queued, by the same thread.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn files_that_cannot_be_read_past_the_cache_share_buffers_with_those_that_can() {
    let (first, second) = (Damaged::new(), Damaged::new());
    let paths = [&first, &second].map(|file| file.discovery.files[0].path.clone());
    let discovery = pagescrub::discover::discover(&paths);
    let engine = Engine::named("cpu").expect("there is one");
    let without = &paths[0];
    let open = |path: &Path| {
        if path == without { Reader::Pread.open(path) } else { Reader::Direct.open(path) }
    };
    let stop = Stop::default();
    let settings = Settings::new(&engine, &open, &stop);
    let expected = found(&scrub(&discovery, &settings, &Silent).report);
    for share in SHARES {
        for threads in [1, 2, 4] {
            let selected = started_with(share, threads, 1000, small());
            let gpus = selected.gpus.as_ref();
            let settings = Settings { threads, gpus, ..settings.clone() };
            let report = scrub(&discovery, &settings, &Silent).report;
            assert_eq!(found(&report), expected, "{share:?}, {threads} threads");
            assert!(report.run.gpus[0].pages > 5000, "{share:?}: {:?}", report.run.gpus);
        }
    }
}

/// The power fails when a scan begins for the second time.
struct PowerFails(AtomicU64);

impl Progress for PowerFails {
    fn begin(&self, _: u64) {
        let begun = self.0.fetch_add(1, Ordering::Relaxed);
        assert_eq!(begun, 0, "the power fails");
    }
    fn advance(&self, _: u64) {
        thread::sleep(Duration::from_millis(5));
    }
    fn suspects(&self, _: u64) {}
    fn end(&self) {}
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn nothing_that_a_liar_said_survives_in_a_checkpoint() {
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    // It calls everything good for a while, which is not found out, and then everything bad.
    let sum = format!("select(select(sum, {STORED}, {PAGE_ID} >= 1000u), 0u, {PAGE_ID} >= 2000u)");
    let late = Shader::Portable.source().replace("vec2(sum,", &format!("vec2({sum},"));
    let drill = Drill { shader: Some(Shader::Custom(late.into())), ..small() };
    let selected = started_with(Share::Gpu, 1, u32::MAX, drill);
    let path = file.discovery.files[0].path.with_extension("checkpoint");
    let engine = Engine::named("cpu").expect("there is one");
    let open = |path: &Path| Reader::Direct.open(path);
    let stop = Stop::default();
    let failed = |error: &std::io::Error| panic!("{error}");
    let checkpoint = |resume| {
        let interval = Duration::from_millis(10);
        Some(Checkpointing { path: &path, interval, resume, failed: &failed })
    };
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let settings = Settings {
            gpus: selected.gpus.as_ref(),
            checkpoint: checkpoint(None),
            ..Settings::new(&engine, &open, &stop)
        };
        scrub(&file.discovery, &settings, &PowerFails(AtomicU64::new(0)))
    }));
    assert!(ended.is_err() && selected.gpus.as_ref().is_some_and(|gpus| gpus.wrong().is_some()));
    let kept = Checkpoint::read(&path, &file.discovery).expect("ours");
    let settings =
        Settings { checkpoint: checkpoint(Some(&kept)), ..Settings::new(&engine, &open, &stop) };
    let report = scrub(&file.discovery, &settings, &Silent).report;
    assert_eq!(found(&report), expected);
    assert_eq!((report.exit_code, report.host_findings.len()), (4, 1));
}

/// Stops a scan when it begins for the second time.
struct StopsTheSecond<'a>(AtomicU64, &'a Stop);

impl Progress for StopsTheSecond<'_> {
    fn begin(&self, _: u64) {
        if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
            self.1.ask();
        }
    }
    fn advance(&self, _: u64) {}
    fn suspects(&self, _: u64) {}
    fn end(&self) {}
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_liar_is_not_asked_again_after_an_interruption() {
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    let path = file.discovery.files[0].path.with_extension("checkpoint");
    let engine = Engine::named("cpu").expect("there is one");
    let open = |path: &Path| Reader::Direct.open(path);
    let stop = Stop::default();
    let failed = |error: &std::io::Error| panic!("{error}");
    let with = |resume| {
        let interval = Duration::from_hours(1);
        Some(Checkpointing { path: &path, interval, resume, failed: &failed })
    };
    let wrong = Shader::Portable.source().replace("sum = ((sum << 1u)", "sum = ((sum << 2u)");
    let wrong = Drill { shader: Some(Shader::Custom(wrong.into())), ..small() };
    let liar = started_with(Share::Gpu, 1, 1000, wrong);
    let settings = Settings {
        gpus: liar.gpus.as_ref(),
        checkpoint: with(None),
        ..Settings::new(&engine, &open, &stop)
    };
    let progress = StopsTheSecond(AtomicU64::new(0), &stop);
    let stopped = scrub(&file.discovery, &settings, &progress).report;
    assert_eq!((stopped.exit_code, stopped.run.stopped), (4, true));
    // The next time it seems to be right.
    let stop = Stop::default();
    let kept = Checkpoint::read(&path, &file.discovery).expect("ours");
    let reformed = started_with(Share::Gpu, 1, 1000, small());
    let settings = Settings {
        gpus: reformed.gpus.as_ref(),
        checkpoint: with(Some(&kept)),
        stop: &stop,
        ..settings
    };
    let report = scrub(&file.discovery, &settings, &Silent).report;
    assert_eq!(found(&report), expected);
    assert_eq!((report.exit_code, report.host_findings.len()), (4, 1));
    assert_eq!(reformed.gpus.as_ref().map(|gpus| gpus.gpu(0).pages()), Some(0), "not asked");
    assert!(report.run.notes.iter().any(|note| note.contains("scanned again")));
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn measuring_leaves_no_buffer_at_a_gpu() {
    let selected = started_with(Share::Hybrid, 2, 1000, Drill::default());
    let gpus = selected.gpus.expect("a GPU");
    for _ in 0..3 {
        let all = gpus.arena().take(gpus.arena().buffers()).expect("nobody has any");
        calibration::gpus(&gpus, all).expect("it works");
    }
    let lost = Drill { lost_after: Some(3), ..small() };
    let gpus = started_with(Share::Hybrid, 2, 1000, lost).gpus.expect("a GPU");
    let all = gpus.arena().take(gpus.arena().buffers()).expect("nobody has any");
    calibration::gpus(&gpus, all).expect_err("it is lost");
    assert!(gpus.arena().take(gpus.arena().buffers()).is_some());
}

/// A job that no reader would give makes the GPU's thread panic.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_gpu_whose_thread_ends_by_a_fault_of_ours_is_noticed_at_once() {
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    let arena = Arena::new(64).expect("memory");
    let buffer = arena.take(1).expect("there are 64").remove(0);
    let drill = Drill { uploads: Some(vec![Upload::Copy]), ..small() };
    let gpu = start(&adapters()[0], 0, &arena, &drill).expect("it starts");
    let gpus = Gpus::new(Arc::clone(&arena), vec![gpu], Share::Gpu, 1000);
    let (answer_to, _answers) = channel();
    let started = Instant::now();
    let report = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(5));
            let job = Job { buffer, pages: 100, token: 1, answer_to };
            drop(gpus.give(job));
        });
        file.scan_by(Some(&gpus), Vec::new(), None, 2, &Silent)
    });
    assert_eq!(found(&report), expected);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// A driver that takes its process with it takes another process than this.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_driver_that_crashes_does_not_take_the_scan_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let crash = "#include <stdlib.h>\n__attribute__((constructor)) void f(void) { abort(); }\n";
    std::fs::write(at("crash.c"), crash).expect("room");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([at("libcrash.so"), at("crash.c")])
        .status();
    assert!(compiled.expect("there is a C compiler").success());
    let library = at("libcrash.so");
    let icd = serde_json::json!({
        "file_format_version": "1.0.0",
        "ICD": { "library_path": library, "api_version": "1.3.0" },
    });
    std::fs::write(at("crash.json"), icd.to_string()).expect("room");
    let data = at("a.mdf");
    let args = ["generate".as_ref(), data.as_os_str(), "--size=1MiB".as_ref(), "--seed=1".as_ref()];
    assert_eq!(pagescrub(&args).code, 0);
    let driver = at("crash.json");
    let driver = driver.to_str().expect("text");
    let variables = [("VK_DRIVER_FILES", driver), ("VK_ICD_FILENAMES", driver)];
    let scan = |engine: &str| {
        let args = ["scan".as_ref(), data.as_os_str(), "--engine".as_ref(), engine.as_ref()];
        pagescrub_in(&variables, &args)
    };
    for engine in ["gpu", "hybrid"] {
        let run = scan(engine);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(run.stderr.contains("a driver fails"), "{}", run.stderr);
    }
    assert_eq!(scan("auto").code, 0);
}
