//! What a run's answer is: it follows from what the report lists, whoever reads it, and it never
//! calls clean what nothing could be verified of, or what was not looked at.

use crate::harness::{Run, pagescrub};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn generated(folder: &Path, name: &str, more: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let generate = ["generate", text(&path), "--size=4MiB"];
    let run = pagescrub(&[&generate[..], more].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    path
}

const NONE: [&str; 2] = ["--seed=1", "--page-verify=none"];
const SOUND: [&str; 1] = ["--seed=2"];

fn scan(words: &[&str]) -> Run {
    pagescrub(&[&["scan"][..], words].concat())
}

/// The exit code, the verdict and the text without line breaks.
fn answer(words: &[&str]) -> (i32, String, String) {
    let run = scan(words);
    let verdict = run.result_line().split("verdict=").nth(1).unwrap_or_default();
    let verdict = verdict.split(' ').next().unwrap_or_default().to_owned();
    (run.code, verdict, run.stdout.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn is(words: &[&str], code: i32, verdict: &str) -> String {
    let (was, found, text) = answer(words);
    assert_eq!((was, &*found), (code, verdict), "{words:?}: {text}");
    text
}

fn saved(folder: &TempDir, words: &[&str]) -> Value {
    let run = scan(&[words, &["--format=json"]].concat());
    let report = run.json();
    fs::write(folder.path().join("report.json"), report.to_string()).expect("room");
    report
}

fn read_again(folder: &TempDir, report: &Value) -> [Run; 2] {
    let path = folder.path().join("changed.json");
    fs::write(&path, report.to_string()).expect("room");
    ["report", "merge"].map(|command| pagescrub(&[command, text(&path)]))
}

type Change = fn(&mut Value);

#[test]
fn a_report_that_somebody_has_changed_is_refused_with_what_contradicts_what() {
    let folder = folder();
    let none = generated(folder.path(), "none.mdf", &NONE);
    fs::write(folder.path().join("empty.mdf"), "").expect("room");
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets");
    let damaged = saved(&folder, &[text(&datasets)]);
    let incomplete = saved(&folder, &[text(folder.path())]);
    let unverified = saved(&folder, &[text(&none)]);
    let changes: [(&Value, &str, Change); 15] = [
        (&damaged, "its verdict is clean, and what it lists is damaged", |report| {
            (report["verdict"], report["exit_code"]) = ("clean".into(), 0.into());
        }),
        (&damaged, "its exit code is 0, and from the verdict damaged follows 1", |report| {
            report["exit_code"] = 0.into();
        }),
        (&damaged, "its exit code is 1, and from the verdict damaged follows 3", |report| {
            report["run"]["stopped"] = true.into();
        }),
        (&damaged, "follows 4", |report| report["host_findings"] = json!(["wrong"])),
        (&incomplete, "its verdict is clean, and what it lists is incomplete", |report| {
            (report["verdict"], report["exit_code"]) = ("clean".into(), 0.into());
        }),
        (&incomplete, "its verdict is incomplete, and what it lists is unverified", |report| {
            report["files"][0]["counts"] = false.into();
        }),
        (&unverified, "its verdict is clean, and what it lists is unverified", |report| {
            (report["verdict"], report["exit_code"]) = ("clean".into(), 0.into());
        }),
        (&unverified, "does not follow from its counts", |report| {
            report["files"][0]["verified"] = "pages".into();
        }),
        (&incomplete, "those of different versions", |report| {
            report["files"][0]["counts"] = Value::Null;
        }),
        (&unverified, "do not add up", |report| {
            let pages = report["files"][0]["coverage"]["unprotected"].clone();
            report["files"][0]["coverage"]["intact"] = pages;
        }),
        (&damaged, "are not those of the report", |report| {
            let pages = &mut report["files"][0]["coverage"];
            pages["free"] = sum(pages, &["free", "intact"]).into();
            for key in ["intact", "intact_checksum", "intact_torn"] {
                pages[key] = 0.into();
            }
        }),
        (&damaged, "are not those counted", |report| {
            report["suspects_not_listed"] = 1.into();
        }),
        (&damaged, "suspects are listed of", |report| {
            let path = report["files"][1]["path"].clone();
            report["suspects"][0]["path"] = path;
        }),
        (&damaged, "the ranges that were not reached", |report| {
            report["files"][0]["not_reached_ranges"] = json!([{"first": 0, "pages": 7}]);
        }),
        (&damaged, "no damage is listed", |report| {
            let source = json!({
                "host": "a", "run": report["run"], "verdict": "damaged", "exit_code": 1,
                "throughput": report["throughput"],
            });
            report["sources"] = json!([source]);
            clear(report);
        }),
    ];
    for (number, (report, why, change)) in changes.into_iter().enumerate() {
        let mut lie = report.clone();
        change(&mut lie);
        for run in read_again(&folder, &lie) {
            assert_eq!((run.code, &*run.stdout), (2, ""), "{number} {why}: {}", run.stderr);
            let is_said = run.stderr.contains("contradicts itself") && run.stderr.contains(why);
            assert!(is_said, "{number} {why}: {}", run.stderr);
        }
    }
    for report in [&damaged, &incomplete, &unverified] {
        for run in read_again(&folder, report) {
            assert!(run.stderr.is_empty() && run.code != 2, "{}", run.stderr);
        }
    }
}

fn sum(coverage: &Value, keys: &[&str]) -> u64 {
    keys.iter().map(|key| coverage[key].as_u64().expect("a number")).sum()
}

/// Nothing damaged is listed any more.
fn clear(report: &mut Value) {
    for list in ["files", "suspects", "incidents", "patterns", "plan"] {
        report[list] = json!([]);
    }
    for (_, count) in report["coverage"].as_object_mut().expect("an object") {
        if count.is_number() {
            *count = 0.into();
        } else {
            *count = json!({});
        }
    }
}

/// They said less: neither which refused files count, nor that nothing could be verified.
#[test]
fn reports_of_earlier_versions_are_judged_by_their_own_rules_and_that_is_said() {
    let folder = folder();
    let none = generated(folder.path(), "none.mdf", &NONE);
    let sound = generated(folder.path(), "sound.mdf", &SOUND);
    fs::write(folder.path().join("empty.mdf"), "").expect("room");
    let earlier = |mut report: Value| {
        for file in report["files"].as_array_mut().expect("a list") {
            let file = file.as_object_mut().expect("an object");
            file.remove("counts").expect("written");
            file.remove("verified").expect("written");
        }
        report
    };
    let mut unverified = earlier(saved(&folder, &[text(&none)]));
    (unverified["verdict"], unverified["exit_code"]) = ("clean".into(), 0.into());
    let empty = folder.path().join("empty.mdf");
    let refused = earlier(saved(&folder, &[text(&sound), text(&empty)]));
    let mut beside = refused.clone();
    (beside["verdict"], beside["exit_code"]) = ("clean".into(), 0.into());
    for (report, code) in [(&unverified, 0), (&refused, 3), (&beside, 0)] {
        let [read, merged] = read_again(&folder, report);
        assert_eq!((read.code, merged.code), (0, code), "{}", read.stderr + &merged.stderr);
        assert!(read.stderr.contains("by an earlier version"), "{}", read.stderr);
    }
    let mut damaged = unverified;
    damaged["verdict"] = "damaged".into();
    assert_eq!(read_again(&folder, &damaged).map(|run| run.code), [2, 2]);
}

#[test]
fn a_database_without_protection_is_unverified_and_named_beside_clean_ones() {
    let folder = folder();
    let none = generated(folder.path(), "none.mdf", &NONE);
    let said = is(&[text(&none)], 3, "unverified");
    assert!(said.starts_with("UNVERIFIED 1 database could not be verified: "), "{said}");
    assert!(said.contains("(none.mdf): no page in use carries a checksum"), "{said}");
    assert_eq!(scan(&["--exit-style=nagios", text(&none)]).code, 1);
    let page = scan(&[text(&none), "--format=html"]).stdout;
    assert!(page.contains("<h1>UNVERIFIED</h1>"), "{page}");
    let sound = generated(folder.path(), "sound.mdf", &SOUND);
    let said = is(&[text(&none), text(&sound)], 0, "clean");
    assert!(said.starts_with("CLEAN") && said.contains("UNVERIFIED 1 database"), "{said}");
    assert!(said.contains("unverified=1"), "{said}");
    assert_eq!(scan(&["--exit-style=nagios", text(&none), text(&sound)]).code, 1);
    is(&["--require-checksums", text(&none), text(&sound)], 3, "unverified");
    is(&["--require-checksums", text(&sound)], 0, "clean");
}

/// Every healthy file has unprotected pages, and torn bits are weak, but more than nothing.
#[test]
fn a_small_secondary_file_belongs_to_its_primary_and_torn_bits_count() {
    let folder = folder();
    let torn = generated(folder.path(), "torn.mdf", &["--seed=3", "--page-verify=torn"]);
    is(&[text(&torn)], 0, "clean");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for folder in [&one, &two] {
        fs::create_dir(folder).expect("room");
    }
    let primary = generated(&one, "x.mdf", &["--seed=4"]);
    let secondary = ["--seed=4", "--file-id=3", "--page-verify=none"];
    let beside = generated(&one, "x.ndf", &secondary);
    is(&["--require-checksums", text(&one)], 0, "clean");
    // Alone, and beside another copy of the primary file, which has none either.
    is(&[text(&beside)], 3, "unverified");
    generated(&two, "x.mdf", &["--seed=4", "--page-verify=none"]);
    generated(&two, "x.ndf", &secondary);
    let said = is(&[text(&one), text(&two)], 0, "clean");
    assert!(said.contains("UNVERIFIED 1 database"), "{said}");
    is(&[text(&primary)], 0, "clean");
}

#[test]
fn backups_are_verified_by_pages_or_streams_and_log_by_its_structure_at_least() {
    let folder = folder();
    let backup = |name: &str, more: &[&str]| generated(folder.path(), name, more);
    let full = ["--seed=5", "--backup=full", "--page-verify=none"];
    let bare = backup("bare.bak", &full);
    let said = is(&[text(&bare)], 3, "unverified");
    assert!(said.contains("1 backup set could not be verified: bare.bak (full backup"), "{said}");
    let summed = backup("summed.bak", &[&full[..], &["--with-checksum"]].concat());
    is(&["--require-checksums", text(&summed)], 0, "clean");
    let pages = backup("pages.bak", &["--seed=5", "--backup=full"]);
    is(&["--require-checksums", text(&pages)], 0, "clean");
    let log = backup("log.trn", &["--seed=5", "--backup=log", "--log-number=1"]);
    let said = is(&[text(&log)], 0, "clean");
    assert!(said.contains("structure only of 1 log backup: log.trn"), "{said}");
    assert!(said.contains("coverage=100.000%"), "{said}");
    is(&["--require-checksums", text(&log)], 3, "unverified");
    is(&["--require-checksums", text(&log), text(&pages)], 3, "unverified");
    // A log that nothing protects does not vouch for a database.
    let none = generated(folder.path(), "none.mdf", &NONE);
    is(&[text(&log), text(&none)], 3, "unverified");
    let report = saved(&folder, &[text(folder.path())]);
    let verified = report["files"].as_array().expect("a list");
    let of = |name: &str| {
        let is_it = |file: &&Value| file["path"].as_str().expect("text").ends_with(name);
        verified.iter().find(is_it).expect("there")["verified"].clone()
    };
    let names = ["bare.bak", "summed.bak", "pages.bak", "log.trn", "none.mdf"];
    assert_eq!(names.map(of), ["none", "streams", "pages", "structure", "none"]);
}

#[test]
fn what_was_missed_stands_in_the_first_line_and_in_the_last_one() {
    let folder = folder();
    generated(folder.path(), "sound.mdf", &SOUND);
    for name in ["a.mdf", "b.mdf", "c.mdf", "d.mdf"] {
        fs::write(folder.path().join(name), "").expect("room");
    }
    let said = is(&[text(folder.path())], 3, "incomplete");
    let names = "4 files refused: a.mdf, b.mdf, c.mdf and 1 more";
    assert!(said.split("(see below)").next().is_some_and(|first| first.contains(names)), "{said}");
    assert!(said.contains("coverage=99.999%") && said.contains("refused=4"), "{said}");
    let metrics = scan(&[text(folder.path()), "--format=prometheus"]).stdout;
    assert!(metrics.contains("pagescrub_coverage_ratio 0.99998"), "{metrics}");

    let stripes = folder.path().join("stripes");
    fs::create_dir(&stripes).expect("room");
    generated(&stripes, "s.bak", &["--seed=5", "--backup=full", "--stripes=3"]);
    fs::remove_file(stripes.join("s_2.bak")).expect("it was written");
    let said = is(&[text(&stripes)], 3, "incomplete");
    assert!(said.contains("s_1.bak (without member 2 of 3), s_3.bak (without member 2"), "{said}");
    assert!(!said.contains("coverage=100") && said.contains("missing_members=1"), "{said}");

    // Also in a run that is damaged.
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets");
    let said = is(&[text(folder.path()), text(&datasets)], 1, "damaged");
    assert!(said.starts_with("DAMAGED") && said.contains(" INCOMPLETE "), "{said}");
    assert!(said.contains(names) && said.contains("2 incomplete backups"), "{said}");
    let page = scan(&[text(folder.path()), text(&datasets), "--format=html"]).stdout;
    assert!(
        page.contains("4 files refused: ") && page.contains("2 incomplete backups: "),
        "{page}"
    );
}

#[test]
fn the_worst_of_several_scans_is_the_answer_of_all() {
    let folder = folder();
    let none = generated(folder.path(), "none.mdf", &NONE);
    let sound = generated(folder.path(), "sound.mdf", &SOUND);
    let mut reports = Vec::new();
    for (host, path) in [("web", &none), ("db", &sound)] {
        let mut report = saved(&folder, &[text(path)]);
        report["run"]["host"] = host.into();
        let saved = folder.path().join(format!("{host}.json"));
        fs::write(&saved, report.to_string()).expect("room");
        reports.push(saved);
    }
    let [web, db] = [&reports[0], &reports[1]].map(|path| text(path));
    let merged = folder.path().join("merged.json");
    let run = pagescrub(&["merge", web, db, "--format=json", "--output", text(&merged)]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let report: Value = serde_json::from_slice(&fs::read(&merged).expect("there")).expect("JSON");
    assert_eq!((&report["verdict"], &report["exit_code"]), (&"unverified".into(), &3.into()));
    let nagios = ["merge", web, db, "--exit-style=nagios"];
    let run = pagescrub(&nagios);
    assert_eq!(run.code, 1);
    assert!(run.stdout.starts_with("UNVERIFIED"), "{}", run.stdout);
    assert_eq!(pagescrub(&["report", text(&merged)]).code, 0);
    let mut changed = report;
    (changed["verdict"], changed["exit_code"]) = ("clean".into(), 0.into());
    assert_eq!(read_again(&folder, &changed)[0].code, 2);
}

fn real(path: &str) -> String {
    let folder = PathBuf::from(std::env::var_os("PAGESCRUB_REAL_DATA").expect("built with it"));
    text(&folder.join(path)).to_owned()
}

/// Ten of its pages carry torn bits: that is little, and not nothing.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_real_database_with_page_verify_none_is_not_clean_by_the_pages_that_carry_nothing() {
    let path = real("Northwind_661_verifynone.mdf");
    let said = is(&[&path], 0, "clean");
    assert!(said.contains("183 pages in use without protection"), "{said}");
    assert_eq!(scan(&["--exit-style=nagios", &path]).code, 1);
    let folder = folder();
    let copy = folder.path().join("none.mdf");
    let mut bytes = fs::read(&path).expect("there");
    // Pages with torn bits: flag 0x100 of m_flagBits, at byte 4.
    bytes.chunks_exact_mut(8192).for_each(|page| page[5] &= !1);
    fs::write(&copy, bytes).expect("room");
    let report = saved(&folder, &[text(&copy)]);
    assert_eq!(report["coverage"]["intact"], 0, "{}", report["coverage"]);
    assert_eq!((&report["verdict"], &report["exit_code"]), (&"unverified".into(), &3.into()));
}

/// SQL Server's default: no CHECKSUM.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn real_log_backups_without_checksum_are_clean_by_their_structure() {
    let path = real("../backups/chain_2016/log1.trn");
    let said = is(&[&path], 0, "clean");
    assert!(said.contains("structure only of 1 log backup: log1.trn"), "{said}");
    is(&["--require-checksums", &path], 3, "unverified");
}
