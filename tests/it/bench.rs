//! `pagescrub bench` measures everything it promises, and says so in every format. How fast
//! anything is is nothing that a test can know.

use crate::harness::{Run, pagescrub};
use pagescrub::bench::report::{BenchReport, Row};
use pagescrub::verify::engine::supported;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn bench(args: &[&OsStr]) -> Run {
    let quick = ["bench", "--memory=2MiB", "--rounds=1"].map(OsStr::new);
    pagescrub(&[&quick[..], args].concat())
}

fn data_file(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("sales.mdf");
    let generate = ["generate".as_ref(), path.as_os_str(), "--size=4MiB".as_ref()];
    assert_eq!(pagescrub(&[&generate[..], &["--seed=6".as_ref()]].concat()).code, 0);
    path
}

fn report(run: &Run) -> BenchReport {
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).expect("the report is JSON")
}

fn rows(report: &BenchReport) -> impl Iterator<Item = &Row> {
    report.sections.iter().flat_map(|section| &section.rows)
}

#[test]
fn every_kernel_and_every_row_is_measured_and_a_verdict_given() {
    let report = report(&bench(&["--json".as_ref()]));
    assert_eq!(report.schema, "pagescrub.bench/1");
    let names: Vec<_> = report.sections.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, ["kernels", "threads", "diagnostics"]);
    for row in rows(&report) {
        assert!(row.gb_per_second.min > 0.0, "{row:?}");
        assert_eq!(row.is_limit, row.of_limit.is_none(), "{row:?}");
    }
    for kernel in supported() {
        for work in ["read", "checksum"] {
            let name = format!("{work} {} linear", kernel.name);
            assert!(report.sections[0].row(&name).is_some(), "{name}");
        }
    }
    assert_eq!(report.verdicts.len(), report.sections.len());
    assert!(report.verdicts.iter().all(|verdict| verdict.ratio > 0.0), "{:?}", report.verdicts);
}

#[test]
fn a_file_is_read_by_every_reader_and_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = data_file(&folder);
    for name in ["chart.svg", "chart.html"] {
        let chart = folder.path().join(name);
        let args = [path.as_os_str(), "--json".as_ref(), "--chart".as_ref(), chart.as_os_str()];
        let report = report(&bench(&args));
        let hot = report.sections.iter().find(|section| section.name == "hot").expect("hot");
        assert!(hot.row("scan auto").is_some() && hot.row("read pread").is_some(), "{hot:?}");
        assert_eq!(report.file_bytes, Some(4 << 20));
        let text = fs::read_to_string(&chart).expect("drawn");
        assert_eq!(unclosed(&text), Vec::<String>::new(), "{text}");
        for row in rows(&report) {
            assert!(text.contains(&row.name), "{} is not drawn", row.name);
        }
    }
}

/// Elements of a document that were opened and not closed, or the other way round.
fn unclosed(document: &str) -> Vec<String> {
    let mut open = Vec::new();
    for tag in document.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.split_whitespace().next().unwrap_or_default().to_owned();
        if let Some(closed) = name.strip_prefix('/') {
            if open.last().is_some_and(|last| last == closed) {
                open.pop();
            } else {
                open.push(name);
            }
        } else if !tag.ends_with('/') && !name.starts_with(['!', '?']) {
            open.push(name);
        }
    }
    open
}

#[test]
fn no_more_of_a_file_is_read_than_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = data_file(&folder);
    let args = [path.as_os_str(), "--json".as_ref(), "--size-max=1MiB".as_ref()];
    assert_eq!(report(&bench(&args)).file_bytes, Some(1 << 20));
}

#[test]
fn people_get_tables_and_scripts_a_last_line() {
    let run = bench(&[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("of limit") && run.stdout.contains("Verdict"), "{}", run.stdout);
    assert!(run.result_line().starts_with("RESULT verdict="), "{}", run.result_line());
    assert!(!run.stdout.contains('\u{1b}'), "colours belong on terminals");
    assert_eq!(run.stderr, "", "no progress where nobody watches");
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.txt");
    fs::write(&text, "no pages here").expect("written");
    for path in [text.as_path(), Path::new("/no/such/file.mdf")] {
        let run = bench(&[path.as_os_str()]);
        assert_eq!(run.code, 3, "{}", run.stderr);
        assert!(run.stderr.contains("pagescrub generate"), "{}", run.stderr);
    }
    let file = data_file(&folder);
    let image = folder.path().join("data.svg");
    fs::rename(&file, &image).expect("renamed");
    let run = bench(&[image.as_os_str(), "--chart".as_ref(), image.as_os_str()]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(bench(&["--chart=chart.png".as_ref()]).code, 2);
    assert_eq!(bench(&["--memory=4KiB".as_ref()]).code, 2);
}

#[cfg(feature = "gpu")]
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_gpu_is_measured_next_to_its_memory_its_bus_and_the_cpu() {
    let args = ["--json", "--allow-software-gpu", "--gpu-memory=8MiB"].map(OsStr::new);
    let report = report(&bench(&args));
    let section = report.sections.iter().find(|section| section.name == "gpu").expect("gpu");
    let gpu = section.gpu.as_ref().expect("what it is");
    assert_eq!((gpu.resident_bytes, gpu.bus_bytes, gpu.arena_bytes), (8 << 20, 8 << 20, 4 << 20));
    let kernel = format!("checksum, resident, {}", gpu.shader);
    let end_to_end = format!("end to end, {}", gpu.upload.replace('_', " "));
    for limit in ["device memory read", "bus, copied"] {
        assert!(section.row(limit).expect(limit).is_limit, "{limit}");
    }
    for (name, limits) in [(&kernel, "device memory"), (&end_to_end, "bus")] {
        let row = section.row(name).expect(name);
        let limit = row.of_limit.as_ref().expect("a limit");
        assert!(limit.row.starts_with(limits) && limit.ratio.median > 0.0, "{row:?}");
    }
    assert!(section.row("end to end, copy").is_some(), "every GPU can be copied to");
    let has_row = |way: &str| section.row(&format!("end to end, {way}")).is_some();
    assert_eq!(has_row("import copy"), has_row("host import"), "both, or none");
    let cpu = section.row("checksum on the CPU").expect("in comparison");
    assert!(cpu.of_limit.is_none() && !cpu.is_limit, "{cpu:?}");
    let is_judged = section.goals.iter().map(|goal| goal.is_met.is_some());
    assert!(is_judged.clone().all(|judged| judged != gpu.is_software), "{:?}", section.goals);
    assert!(is_judged.count() >= 1, "the kernel has a goal everywhere");
    assert!(report.verdicts.iter().any(|verdict| verdict.section == "gpu"));
}

#[cfg(feature = "gpu")]
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn an_emulation_says_that_it_judges_nothing() {
    let args = ["--allow-software-gpu", "--adapter=llvmpipe", "--gpu-memory=2MiB"].map(OsStr::new);
    let run = bench(&args);
    if run.code == 2 {
        return; // No software here, but a real GPU.
    }
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("judge nothing"), "{}", run.stdout);
    assert!(!run.result_line().contains("gpu="), "{}", run.result_line());
}

#[test]
fn a_gpu_that_is_named_must_be_there() {
    let run = bench(&["--adapter=no such GPU".as_ref()]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(run.stderr.contains("no such GPU"), "{}", run.stderr);
    assert_eq!(bench(&["--gpu-memory=1MiB".as_ref()]).code, 2);
}

#[cfg(feature = "gpu")]
#[test]
fn software_is_not_measured_unless_asked_for() {
    let report = report(&bench(&["--json".as_ref()]));
    let mut gpus = report.sections.iter().filter_map(|section| section.gpu.as_ref());
    assert!(gpus.all(|gpu| !gpu.is_software));
}
