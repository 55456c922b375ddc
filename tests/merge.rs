//! Reports of many machines become one, in whatever order they come.

#![allow(clippy::expect_used, reason = "a test that cannot go on must fail")]

mod harness;

use harness::{Run, pagescrub};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// The report on a damaged file, as if the machine `host` had made it.
fn report(folder: &TempDir, host: &str, seed: u32, faults: &[(&str, &str)]) -> PathBuf {
    let data = folder.path().join("same.mdf");
    let seed = format!("--seed={seed}");
    let _ = fs::remove_file(&data);
    let _ = fs::remove_file(folder.path().join("same.mdf.key.json"));
    assert_eq!(pagescrub(&["generate", text(&data), "--size=4MiB", &seed]).code, 0);
    for (fault, pages) in faults {
        let fault = format!("--fault={fault}");
        let run = pagescrub(&["inject", text(&data), &fault, pages, &seed]);
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    let mut report = pagescrub(&["scan", text(&data), "--format=json"]).json();
    assert!(report["run"]["host"].as_str().is_some_and(|name| !name.is_empty()));
    report["run"]["host"] = json!(host);
    report["run"]["id"] = json!(format!("run-{host}-{seed}"));
    let path = folder.path().join(format!("{host}{seed}.json"));
    fs::write(&path, report.to_string()).expect("room");
    path
}

/// Three machines with the same path: one badly damaged, one a little, one not at all.
fn fleet(folder: &TempDir) -> [PathBuf; 3] {
    [
        report(folder, "web-b", 1, &[("bit-flip", "--random=3"), ("zero-page", "--page=9")]),
        report(folder, "web-a", 2, &[("misdirected-write", "--random=2")]),
        report(folder, "web-c", 3, &[]),
    ]
}

fn merge(reports: &[&Path], more: &[&str]) -> Run {
    let mut words = vec!["merge"];
    words.extend(reports.iter().map(|path| text(path)));
    words.extend(more);
    pagescrub(&words)
}

fn merged(reports: &[&Path]) -> Value {
    let run = merge(reports, &["--format=json"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    run.json()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON")
}

fn numbers(list: &Value, key: &str) -> Vec<u64> {
    list.as_array().expect("a list").iter().map(|e| e[key].as_u64().expect("a number")).collect()
}

#[test]
fn many_reports_make_one_ranking_and_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b, c] = fleet(&folder);
    let merged = merged(&[&a, &b, &c]);
    let parts = [&a, &b, &c].map(|path| read(path));
    for key in ["pages_planned", "intact", "suspect", "free", "bytes_read"] {
        let sum: u64 = parts.iter().map(|p| p["coverage"][key].as_u64().expect("a number")).sum();
        assert_eq!(merged["coverage"][key], sum, "{key}");
    }
    let suspects = merged["suspects"].as_array().expect("a list");
    assert_eq!(suspects.len(), 6);
    assert_eq!(numbers(&merged["suspects"], "rank"), (1..=6).collect::<Vec<_>>());
    let (first, rest) = suspects.split_first().expect("six");
    assert_eq!((&first["address"], &first["host"]), (&json!("(1:9)"), &json!("web-b")));
    let scores: Vec<u64> = rest.iter().map(|s| s["score"].as_u64().expect("a number")).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let hosts: Vec<_> = merged["sources"].as_array().expect("a list").iter().collect();
    assert_eq!(hosts.len(), 3);
    assert_eq!(hosts[0]["host"], "web-a");
    assert_eq!(merged["files"].as_array().expect("a list").len(), 3);
    for incident in merged["incidents"].as_array().expect("a list") {
        for rank in incident["suspects"].as_array().expect("a list") {
            let suspect = &suspects[rank.as_u64().expect("a number") as usize - 1];
            assert_eq!(suspect["incident"], incident["rank"]);
            assert_eq!(suspect["host"], incident["host"]);
        }
    }
}

#[test]
fn neither_order_nor_merging_in_steps_changes_the_result() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b, c] = fleet(&folder);
    let at_once = merged(&[&a, &b, &c]);
    assert_eq!(at_once, merged(&[&c, &a, &b]));
    let step = folder.path().join("step.json");
    let run = merge(&[&b, &c], &["--format=json", "--output", text(&step)]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(at_once, merged(&[&a, &step]));
    assert_eq!(at_once, merged(&[&step, &a]));
}

#[test]
fn every_format_tells_machines_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b, c] = fleet(&folder);
    let all: [&Path; 3] = [&a, &b, &c];
    let run = merge(&all, &[]);
    assert!(run.stdout.starts_with("DAMAGED  6 suspect pages"), "{}", run.stdout);
    assert!(run.stdout.contains("web-a:same.mdf") && run.stdout.contains("web-b:same.mdf"));
    let csv = merge(&all, &["--format=csv"]).stdout;
    assert_eq!(csv.lines().filter(|line| line.contains("web-b")).count(), 4, "{csv}");
    let metrics = merge(&all, &["--format=prometheus"]).stdout;
    let of_a = "file_pages{host=\"web-a\",path=";
    assert!(metrics.contains(of_a), "{metrics}");
    let maps = folder.path().join("maps");
    assert_eq!(merge(&all, &["--format=mapfile", "--output", text(&maps)]).code, 1);
    let bad = |name: &str| {
        let map = fs::read_to_string(maps.join(name)).expect("written");
        map.lines().filter(|line| line.ends_with('-')).count()
    };
    assert_eq!(["file-0000.map", "file-0001.map", "file-0002.map"].map(bad), [2, 4, 0]);
}

#[test]
fn what_would_count_twice_or_cannot_be_compared_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = report(&folder, "web-a", 1, &[]);
    let again = report(&folder, "web-a", 2, &[]);
    let refused = |reports: &[&Path], complaint: &str| {
        let run = merge(reports, &[]);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(run.stderr.contains(complaint), "{}", run.stderr);
    };
    refused(&[&one, &one], "is there twice");
    refused(&[&one, &again], "is in two of the reports");
    let mut other = read(&report(&folder, "web-b", 3, &[]));
    other["weights"]["sha256"] = json!("00");
    let weighted = folder.path().join("weighted.json");
    fs::write(&weighted, other.to_string()).expect("room");
    refused(&[&one, &weighted], "different weights");
}

/// A saved report may come from anybody.
#[test]
fn a_report_whose_ranks_lead_nowhere_is_refused_and_never_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b, _] = fleet(&folder);
    let changes: [fn(&mut Value); 5] = [
        |report| report["incidents"][0]["suspects"] = json!([0]),
        |report| report["incidents"][0]["suspects"] = json!([99]),
        |report| report["incidents"][0]["suspects"] = json!([]),
        |report| report["suspects"][0]["rank"] = json!(7),
        |report| report["files"][0]["coverage"]["suspect"] = json!(u64::MAX),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut report = read(&a);
        change(&mut report);
        let path = folder.path().join(format!("hostile{number}.json"));
        fs::write(&path, report.to_string()).expect("room");
        let run = merge(&[&path, &b], &[]);
        assert_eq!(run.code, 2, "{number}: {}", run.stdout);
        assert!(run.stderr.contains("contradicts itself"), "{}", run.stderr);
    }
}

/// Pages that were bad and then good are listed with their machines, in an order of their own.
#[test]
fn pages_that_healed_are_listed_by_machine_and_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    let on = |host: &str, pages: [u32; 2]| {
        let mut report = read(&golden);
        (report["run"]["host"], report["run"]["id"]) = (json!(host), json!(host));
        let healed = report["transients"][0].clone();
        let of_page = |page: u32| {
            let mut healed = healed.clone();
            (healed["page_id"], healed["address"]) = (json!(page), json!(format!("(1:{page})")));
            healed
        };
        report["transients"] = pages.into_iter().map(of_page).collect();
        report["transients_not_listed"] = json!(0);
        let file = 3;
        for coverage in ["/coverage".to_owned(), format!("/files/{file}/coverage")] {
            let coverage = report.pointer_mut(&coverage).expect("it is there");
            assert_eq!(coverage["transient"], 1, "the file with the page that healed");
            coverage["transient"] = json!(2);
            for key in ["intact", "intact_checksum"] {
                coverage[key] = json!(coverage[key].as_u64().expect("a number") - 1);
            }
        }
        let path = folder.path().join(format!("{host}.json"));
        fs::write(&path, report.to_string()).expect("room");
        path
    };
    let paths = [on("b", [9, 300]), on("a", [300, 8])];
    let run = merge(&[&paths[0], &paths[1]], &["--format=json"]);
    let merged = run.json();
    let listed: Vec<_> = merged["transients"].as_array().expect("a list").iter().collect();
    let places: Vec<_> =
        listed.iter().map(|healed| (&healed["host"], &healed["page_id"])).collect();
    let wanted = [("a", 8), ("a", 300), ("b", 9), ("b", 300)].map(|(h, p)| (json!(h), json!(p)));
    let wanted: Vec<_> = wanted.iter().map(|(host, page)| (host, page)).collect();
    assert_eq!(places, wanted, "{}", run.stderr);
}
