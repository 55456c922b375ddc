//! Reports of many machines become one, in whatever order they come.

use crate::harness::{Run, pagescrub};
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

/// The report on the replica of one database at `host`, with further words for its making.
fn replica(folder: &TempDir, host: &str, faults: &[(&str, &str)], more: &[&str]) -> PathBuf {
    let data = folder.path().join(format!("{host}.mdf"));
    let mut words = vec!["generate", text(&data), "--size=4MiB", "--seed=77"];
    words.extend(more);
    assert_eq!(pagescrub(&words).code, 0);
    for (fault, pages) in faults {
        let fault = format!("--fault={fault}");
        assert_eq!(pagescrub(&["inject", text(&data), &fault, pages, "--seed=1"]).code, 0);
    }
    let mut report = pagescrub(&["scan", text(&data), "--format=json"]).json();
    (report["run"]["host"], report["run"]["id"]) = (json!(host), json!(host));
    let path = folder.path().join(format!("{host}.json"));
    fs::write(&path, report.to_string()).expect("room");
    path
}

/// By machine and page, the machines that are named for it.
fn elsewhere(merged: &Value) -> Vec<(&str, u64, Vec<&str>)> {
    let suspects = merged["suspects"].as_array().expect("a list").iter();
    let told = suspects.map(|suspect| {
        let others = suspect["other_hosts"].as_array().map_or(&[][..], Vec::as_slice);
        let host = suspect["host"].as_str().expect("text");
        let hosts = others.iter().map(|other| other["host"].as_str().expect("text"));
        (host, suspect["page_id"].as_u64().expect("a number"), hosts.collect())
    });
    let mut told: Vec<_> = told.collect();
    told.sort_unstable();
    told
}

/// Two replicas: a page that is bad on one of them is named on the other, unless it is bad there.
#[test]
fn a_page_that_is_sound_on_another_host_is_named_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let a =
        replica(&folder, "sql-a", &[("bit-flip", "--page=100"), ("bit-flip", "--page=200")], &[]);
    let b =
        replica(&folder, "sql-b", &[("zero-page", "--page=200"), ("zero-page", "--page=33")], &[]);
    let other = report(&folder, "web-c", 3, &[]);
    let merged = merged(&[&a, &b, &other]);
    assert_eq!(
        elsewhere(&merged),
        [
            ("sql-a", 100, vec!["sql-b"]),
            ("sql-a", 200, vec![]),
            ("sql-b", 33, vec!["sql-a"]),
            ("sql-b", 200, vec![]),
        ]
    );
    let copy = merged["suspects"].as_array().expect("a list").iter();
    let copy = copy.filter_map(|suspect| suspect["other_hosts"].as_array()).flatten();
    let words: Vec<&str> = copy.map(|copy| copy["in_words"].as_str().expect("text")).collect();
    let said = |words: &&str| words.contains("host sql-b has scanned its copy, ");
    assert!(words.iter().any(said) && words.iter().all(|words| words.contains("another version")));
    let steps = merged["plan"].as_array().expect("a list");
    let step = steps.iter().find(|step| step["title"] == "Use the copies on other hosts");
    let step = step.expect("a step");
    assert_eq!(step["suspects"], 2);
    assert!(step["text"].as_str().is_some_and(|text| text.contains("automatic page repair")));
    let shown = merge(&[&a, &b], &["-v"]).stdout;
    assert!(shown.contains("elsewhere: host sql-"), "{shown}");
    let page = merge(&[&a, &b], &["--format=html"]).stdout;
    assert!(page.contains("host sql-b has scanned its copy"), "the HTML says it");

    // In steps as at once.
    let step = folder.path().join("step.json");
    assert_eq!(merge(&[&b, &other], &["--format=json", "--output", text(&step)]).code, 1);
    assert_eq!(merged, self::merged(&[&a, &step]));
}

/// A machine of which not all is known says nothing of single pages.
#[test]
fn a_host_that_does_not_tell_all_is_not_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let a = replica(&folder, "sql-a", &[("bit-flip", "--page=100")], &[]);
    let none = replica(&folder, "sql-n", &[], &["--page-verify=none"]);
    let merged_with = |other: &Path| merged(&[&a, other]);
    let merged = merged_with(&none);
    let words = merged["suspects"][0]["other_hosts"][0]["in_words"].as_str().expect("named");
    assert!(words.contains("carry nothing to verify them by"), "{words}");
    // Its PFS page is bad: whether the page is in use there, nobody knows.
    let b = replica(&folder, "sql-b", &[("bit-flip", "--page=1")], &[]);
    let merged = merged_with(&b);
    let of_a: Vec<_> = elsewhere(&merged).into_iter().filter(|told| told.0 == "sql-a").collect();
    assert_eq!(of_a, [("sql-a", 100, vec![])]);
    // A file that was cut.
    let data = folder.path().join("sql-c.mdf");
    let c = replica(&folder, "sql-c", &[], &[]);
    let cut = fs::OpenOptions::new().write(true).open(&data).expect("there");
    cut.set_len(3 << 20).expect("cut");
    let mut report = pagescrub(&["scan", text(&data), "--format=json"]).json();
    (report["run"]["host"], report["run"]["id"]) = (json!("sql-c"), json!("sql-c"));
    fs::write(&c, report.to_string()).expect("room");
    let merged = merged_with(&c);
    let of_a: Vec<_> = elsewhere(&merged).into_iter().filter(|told| told.0 == "sql-a").collect();
    assert_eq!(of_a, [("sql-a", 100, vec![])], "{}", report["files"]);
}
