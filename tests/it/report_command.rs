//! `pagescrub report`, --report-dir and --exit-style, as scripts use them.

use crate::harness::pagescrub;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn generated(folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    assert_eq!(pagescrub(&["generate", text(&path), "--size=4MiB", "--seed=6"]).code, 0);
    path
}

fn damaged(folder: &TempDir) -> PathBuf {
    let path = generated(folder, "sales.mdf");
    let inject = ["inject", text(&path), "--fault=zero-page", "--page=9", "--seed=6"];
    assert_eq!(pagescrub(&inject).code, 0);
    path
}

fn saved(folder: &TempDir, change: impl FnOnce(&mut Value)) -> PathBuf {
    let path = folder.path().join("report.json");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    let mut report: Value =
        serde_json::from_slice(&fs::read(golden).expect("there")).expect("JSON");
    change(&mut report);
    fs::write(&path, report.to_string()).expect("room");
    path
}

#[test]
fn a_saved_report_gives_what_the_scan_would_have_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, directory) = (damaged(&folder), folder.path().join("out"));
    let metrics = folder.path().join("now.prom");
    let scan = ["scan", text(&path), "--report-dir", text(&directory), "--format=prometheus"];
    let run = pagescrub(&[&scan[..], &["--output", text(&metrics)]].concat());
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.result_line().starts_with("RESULT verdict=damaged"), "{}", run.stdout);
    let written = |name: &str| fs::read_to_string(directory.join(name)).expect(name);
    assert_eq!(fs::read_to_string(&metrics).expect("written"), written("metrics.prom"));
    let saved = directory.join("report.json");
    for (format, name) in [
        ("json", "report.json"),
        ("csv", "suspects.csv"),
        ("tsql", "restore.sql"),
        ("html", "report.html"),
        ("prometheus", "metrics.prom"),
    ] {
        let run = pagescrub(&["report", text(&saved), "--format", format]);
        assert_eq!((run.code, run.stdout), (0, written(name)), "{format}");
    }
    assert!(written("restore.sql").contains("(1:9) boot"));
    assert!(written("file-0000.map").contains("0x00012000  0x00002000  -"));
    let names: Vec<_> = fs::read_dir(&directory).expect("there").collect();
    assert_eq!(names.len(), 5 + 1 + 4, "reports, a map, histograms and nothing else: {names:?}");
}

type Change<'a> = &'a dyn Fn(&mut Value);

#[test]
fn what_is_no_report_of_ours_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = |r: &mut Value| r["schema"] = "pagescrub.report/2".into();
    let counts = |r: &mut Value| r["coverage"]["intact"] = u64::MAX.into();
    let list = |r: &mut Value| drop(r["suspects"].as_array_mut().expect("a list").pop());
    let stray = |r: &mut Value| r["incidents"][0]["path"] = "elsewhere".into();
    let changes: [(&str, Change<'_>); 6] = [
        ("has the schema pagescrub.report/2", &schema),
        ("is no JSON report", &|r| *r = Value::Array(Vec::new())),
        ("has no schema", &|r| *r = serde_json::json!({"files": []})),
        ("do not add up", &counts),
        ("are not those counted", &list),
        ("an incident in a file without a suspect", &stray),
    ];
    for (why, change) in changes {
        let path = saved(&folder, change);
        let run = pagescrub(&["report", text(&path), "--format=csv"]);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{why}");
        assert!(run.stderr.contains(why), "{why}: {}", run.stderr);
    }
    let run = pagescrub(&["report", "/no/such/report.json"]);
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("/no/such/report.json"), "{}", run.stderr);
}

#[test]
fn keys_of_later_versions_are_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = saved(&folder, |report| {
        report["invented"] = "later".into();
        report["files"][0]["invented"] = 7.into();
        let file = report["files"][1].as_object_mut().expect("an object");
        file.remove("not_reached_ranges").expect("an earlier version had none");
        file.remove("simple_recovery").expect("an earlier version had none");
    });
    let run = pagescrub(&["report", text(&path)]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.result_line().starts_with("RESULT verdict=damaged suspects=14"));
}

#[test]
fn a_report_is_not_replaced_by_what_is_made_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = saved(&folder, |_| {});
    let before = fs::read(&path).expect("there");
    let args = ["report", text(&path), "--format=csv", "--output", text(&path)];
    assert_eq!(pagescrub(&args).code, 2);
    assert_eq!(fs::read(&path).expect("there"), before);
    let run = pagescrub(&["report", text(&path), "--format=mapfile"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--output DIR"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn metrics_are_replaced_as_a_whole_and_devices_are_not() {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let folder = tempfile::tempdir().expect("a folder");
    let (report, target) = (saved(&folder, |_| {}), folder.path().join("real.prom"));
    let link = folder.path().join("link.prom");
    fs::write(&target, "old").expect("room");
    let held = fs::File::open(&target).expect("there");
    std::os::unix::fs::symlink(&target, &link).expect("room");
    let to = |output: &Path| {
        let args = ["report", text(&report), "--format=prometheus", "--output", text(output)];
        assert_eq!(pagescrub(&args).code, 0);
    };
    to(&link);
    assert!(link.is_symlink(), "the link stays a link");
    let (old, new) = (held.metadata().expect("open"), fs::metadata(&target).expect("there"));
    assert!(old.ino() != new.ino() && old.len() == 3, "the old file is whole for who reads it");
    assert!(fs::read_to_string(&target).expect("there").starts_with("# HELP pagescrub_"));
    let names: Vec<_> = fs::read_dir(folder.path()).expect("there").collect();
    assert_eq!(names.len(), 3, "nothing is left behind: {names:?}");
    to(Path::new("/dev/null"));
    assert!(fs::metadata("/dev/null").expect("there").file_type().is_char_device());
}

#[test]
fn nagios_is_told_in_its_own_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bad, good) = (damaged(&folder), generated(&folder, "good.mdf"));
    let torn = folder.path().join("none.mdf");
    let none = ["generate", text(&torn), "--size=4MiB", "--seed=6", "--page-verify=none"];
    assert_eq!(pagescrub(&none).code, 0);
    let code =
        |args: &[&str]| pagescrub(&[&["scan", "--exit-style", "nagios"][..], args].concat()).code;
    assert_eq!(code(&[text(&good)]), 0, "OK");
    assert_eq!(code(&[text(&torn)]), 1, "WARNING: nothing could be verified");
    assert_eq!(code(&[text(&bad)]), 2, "CRITICAL");
    assert_eq!(code(&["/no/such/file.mdf"]), 3, "UNKNOWN: incomplete");
    assert_eq!(code(&["--no-such-option"]), 3, "UNKNOWN: wrong usage");
    assert_eq!(pagescrub(&["scan", "--no-such-option"]).code, 2);
    assert_eq!(pagescrub(&["scan", text(&torn)]).code, 3);
}
