//! What is written where, and in which form.

use crate::harness::pagescrub;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn damaged(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("sales.mdf");
    let generate = ["generate".as_ref(), path.as_os_str(), "--size=4MiB".as_ref()];
    let seed = OsStr::new("--seed=6");
    assert_eq!(pagescrub(&[&generate[..], &[seed]].concat()).code, 0);
    let inject = ["inject".as_ref(), path.as_os_str(), "--fault=zero-page".as_ref()];
    assert_eq!(pagescrub(&[&inject[..], &["--page=9".as_ref(), seed]].concat()).code, 0);
    path
}

#[test]
fn the_first_line_says_what_must_be_known_and_the_last_is_for_scripts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = damaged(&folder);
    let run = pagescrub(&["scan".as_ref(), path.as_os_str()]);
    assert_eq!(run.code, 1);
    let first = run.stdout.lines().next().unwrap_or_default();
    assert_eq!(first, "DAMAGED  1 suspect page in 1 incident; most urgent first");
    let result = "RESULT verdict=damaged suspects=1 incidents=1 coverage=100.000% unprotected=";
    assert!(run.result_line().starts_with(result), "{}", run.result_line());
    assert!(run.stdout.contains("cannot be restored alone"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'), "colours belong on terminals");
    assert_eq!(run.stderr, "", "no progress where nobody watches");
}

#[test]
fn what_all_messages_end_with_stands_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = damaged(&folder);
    let inject = ["inject".as_ref(), path.as_os_str(), "--fault=bit-flip".as_ref()];
    assert_eq!(
        pagescrub(&[&inject[..], &["--random=3".as_ref(), "--seed=6".as_ref()]].concat()).code,
        0
    );
    let run = pagescrub(&["scan".as_ref(), path.as_os_str(), "-v".as_ref()]);
    assert_eq!(run.stdout.matches("detected a logical consistency-based I/O error").count(), 4);
    assert_eq!(run.stdout.matches("threatens database integrity").count(), 1, "{}", run.stdout);
    assert!(run.stdout.contains("The messages of #1-4 end: Additional messages"), "{}", run.stdout);
}

#[test]
fn formats_and_outputs_go_in_pairs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = damaged(&folder);
    let (json, text) = (folder.path().join("r.json"), folder.path().join("r.txt"));
    let mut args = vec![OsStr::new("scan"), path.as_os_str()];
    for (format, output) in [("json", &json), ("terminal", &text)] {
        args.extend([
            "--format".as_ref(),
            format.as_ref(),
            "--output".as_ref(),
            output.as_os_str(),
        ]);
    }
    let run = pagescrub(&args);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let report: Value =
        serde_json::from_slice(&fs::read(&json).expect("written")).expect("it is JSON");
    assert_eq!(report["schema"], "pagescrub.report/1");
    assert!(fs::read_to_string(&text).expect("written").contains("RESULT verdict=damaged"));
    assert!(run.result_line().starts_with("RESULT"), "stdout still shows the report");
}

#[test]
fn a_report_directory_holds_the_report_and_its_histograms() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = damaged(&folder);
    let directory = folder.path().join("out/deep");
    let args = ["scan".as_ref(), path.as_os_str(), "--report-dir".as_ref(), directory.as_os_str()];
    assert_eq!(pagescrub(&args).code, 1);
    let report: Value =
        serde_json::from_slice(&fs::read(directory.join("report.json")).expect("written"))
            .expect("it is JSON");
    let names = report["throughput"]["histogram_files"].as_array().expect("a list");
    assert_eq!(names.len(), 4, "{names:?}");
    for name in names {
        let text = fs::read_to_string(directory.join(name.as_str().expect("text")));
        assert!(text.expect("written").contains("#[Max"), "{name}");
    }
}

#[test]
fn what_cannot_be_written_is_said_and_is_not_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = damaged(&folder);
    let args = ["scan".as_ref(), path.as_os_str(), "--format=json".as_ref()];
    let run = pagescrub(&[&args[..], &["--output=/no/such/folder/r.json".as_ref()]].concat());
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("/no/such/folder/r.json"), "{}", run.stderr);
}

/// A disk that fills up while the report is written must not cost the answer.
#[cfg(target_os = "linux")]
#[test]
fn damage_is_told_even_if_the_report_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = damaged(&folder);
    let args = ["scan".as_ref(), path.as_os_str(), "--format=json".as_ref()];
    let run = pagescrub(&[&args[..], &["--output=/dev/full".as_ref()]].concat());
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("/dev/full"), "{}", run.stderr);
    assert!(run.result_line().starts_with("RESULT verdict=damaged"), "{}", run.stdout);
}

#[test]
fn a_database_is_never_overwritten_by_its_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let scanned = damaged(&folder);
    let before = fs::read(&scanned).expect("readable");
    // Also one that is not scanned, whatever its name; and nothing takes the name of one.
    let [other, unnamed, new] = ["other.mdf", "export", "new.ndf"].map(|n| folder.path().join(n));
    fs::copy(&scanned, &other).expect("room");
    fs::copy(&scanned, &unnamed).expect("room");
    for output in [&scanned, &other, &unnamed, &new] {
        let args = ["scan".as_ref(), scanned.as_os_str(), "--format=json".as_ref()];
        let run = pagescrub(&[&args[..], &["--output".as_ref(), output.as_os_str()]].concat());
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("give another name"), "{}", run.stderr);
    }
    for kept in [&scanned, &other, &unnamed] {
        assert!(fs::read(kept).expect("readable") == before, "the database was overwritten");
    }
    assert!(!new.exists());
}

#[test]
fn every_key_of_the_contract_is_in_the_json_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = damaged(&folder);
    let report = pagescrub(&["scan".as_ref(), path.as_os_str(), "--format=json".as_ref()]).json();
    let keys = |value: &Value, wanted: &str| {
        let object = value.as_object().expect("an object");
        for key in wanted.split_whitespace() {
            assert!(object.contains_key(key), "{key} is missing in {value}");
        }
    };
    keys(&report, "schema tool run verdict exit_code coverage files suspects incidents throughput");
    keys(&report["tool"], "name version");
    keys(&report["run"], "id started_at elapsed_seconds engine devices readers threads");
    keys(
        &report["coverage"],
        "pages_planned intact intact_checksum intact_torn unprotected free transient suspect \
         not_reached bytes_planned bytes_read",
    );
    keys(
        &report["files"][0],
        "path kind outcome why file_id database internal_version sql_server page_verify \
         clean_shutdown pages coverage",
    );
    keys(
        &report["suspects"][0],
        "rank priority score path database address file_id page_id offset_bytes reason \
         event_type stored computed page_type allocated object cause message action",
    );
    keys(&report["throughput"], "bytes_per_second stages histogram_files");
    keys(&report["throughput"]["stages"]["read"], "p50_us");
}

#[test]
fn a_plan_shows_what_would_be_read_and_reads_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = damaged(&folder);
    let run = pagescrub(&["plan".as_ref(), path.as_os_str()]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.result_line().starts_with("PLAN files=1 pages=512 bytes_to_read=4194304"));
    let json = pagescrub(&["plan".as_ref(), path.as_os_str(), "--json".as_ref()]).stdout;
    let plan: pagescrub::plan::Plan = serde_json::from_str(&json).expect("a plan");
    assert_eq!((plan.files.len(), plan.pages()), (1, 512));
}

#[test]
fn every_command_explains_itself() {
    for command in ["scan", "report", "plan", "generate", "inject", "bench", "devices"] {
        let run = pagescrub(&[command, "--help"]);
        assert_eq!(run.code, 0);
        assert!(run.stdout.contains("Usage: pagescrub"), "{}", run.stdout);
    }
}
