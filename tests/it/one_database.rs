//! Reports of some databases only, and the answer alone.

use crate::harness::pagescrub;
use pagescrub::consolidate::merge::merge;
use pagescrub::consolidate::only::only;
use pagescrub::consolidate::report::{RunVerdict, ScrubReport};
use pagescrub::report::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn saved(name: &str) -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    json::read(&fs::read(path).expect("it is in the repository")).expect("it is a report")
}

fn all_reports() -> Vec<ScrubReport> {
    let (one, mut other) = (saved("it/html/sample.json"), saved("it/html/sample.json"));
    (other.run.host, other.run.id) = (Some("other".into()), "run-2".to_owned());
    let merged = merge(vec![one, other]).expect("two hosts");
    vec![saved("golden/report.json"), saved("it/html/sample.json"), merged]
}

fn names(report: &ScrubReport) -> BTreeSet<String> {
    report
        .databases
        .iter()
        .filter_map(|database| database.name.as_deref())
        .map(Into::into)
        .collect()
}

#[test]
fn what_is_left_of_a_report_is_one_that_can_be_read() {
    for report in all_reports() {
        for name in names(&report) {
            let kept = only(report.clone(), &[name.to_uppercase()]).expect("it is there");
            let mut written = Vec::new();
            json::write(&kept, &mut written).expect("memory takes everything");
            json::read(&written).unwrap_or_else(|why| panic!("{name}: {why}"));
            let others: Vec<_> = names(&kept).into_iter().filter(|other| *other != name).collect();
            assert!(others.is_empty(), "{name}: {others:?}");
            let is_other = |of: &Option<_>| of.as_deref().is_some_and(|of: &str| of != name);
            assert!(!kept.suspects.iter().any(|suspect| is_other(&suspect.database)), "{name}");
        }
    }
}

#[test]
fn what_is_damaged_is_so_alone_and_no_more_is_told() {
    let whole = saved("it/html/sample.json");
    let count = |report: &ScrubReport, name: &str| {
        report.suspects.iter().filter(|s| s.database.as_deref() == Some(name)).count()
    };
    let kept = only(whole.clone(), &["SALES".to_owned()]).expect("it is there");
    assert_eq!(kept.verdict, RunVerdict::Damaged);
    assert_eq!(kept.suspects.len(), count(&whole, "sales"));
    assert_eq!(kept.coverage.suspect, kept.suspects.len() as u64);
    assert!(kept.plan.iter().all(|step| !step.text.contains("billing")));
    let hr = only(whole, &["hr".to_owned()]).expect("it is there");
    assert!(hr.suspects.is_empty() && hr.incidents.is_empty() && hr.verdict != RunVerdict::Damaged);
}

#[test]
fn all_names_together_are_the_whole_report() {
    for report in all_reports() {
        let all: Vec<String> = names(&report).into_iter().collect();
        let kept = only(report.clone(), &all).expect("they are there");
        assert_eq!((kept.verdict, &kept.coverage), (report.verdict, &report.coverage));
        assert_eq!(kept.incidents.len(), report.incidents.len());
        let places = |report: &ScrubReport| -> Vec<_> {
            report.suspects.iter().map(|s| (s.rank, s.incident, s.address)).collect()
        };
        assert_eq!(places(&kept), places(&report));
    }
}

#[test]
fn a_name_that_is_nowhere_is_no_clean_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.mdf").to_str().expect("text").to_owned();
    assert_eq!(pagescrub(&["generate", &path, "--size=1MiB", "--seed=4"]).code, 0);
    let run = pagescrub(&["scan", &path, "--database=DRILL"]);
    assert!(run.code == 0 && run.result_line().contains("verdict=clean"), "{}", run.stdout);
    let saved = folder.path().join("r.json").to_str().expect("text").to_owned();
    let output = ["--format=json", "--output", &saved];
    let wrong = pagescrub(&[&["scan", &path, "--database=Dril"][..], &output].concat());
    assert_eq!((wrong.code, &*wrong.stdout), (2, ""));
    assert!(wrong.stderr.contains("no database Dril: there are Drill"), "{}", wrong.stderr);
    assert!(!Path::new(&saved).exists());
    assert_eq!(pagescrub(&[&["scan", &path][..], &output].concat()).code, 0);
    assert_eq!(pagescrub(&["report", &saved, "--database=other"]).code, 2);
    let run = pagescrub(&["report", &saved, "--database", "drill", "--format=csv"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn a_quiet_report_is_the_answer_and_the_last_line() {
    let report = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/html/sample.json");
    let report = report.to_str().expect("text");
    let (whole, quiet) = (pagescrub(&["report", report]), pagescrub(&["report", report, "-q"]));
    let head: Vec<&str> = whole.stdout.lines().take_while(|line| !line.is_empty()).collect();
    let lines: Vec<&str> = quiet.stdout.lines().collect();
    assert_eq!(lines[..lines.len() - 1], head);
    assert_eq!(quiet.result_line(), whole.result_line());
    for word in ["DAMAGED", "LOST", "BACK", "ACTION"] {
        assert!(head.iter().any(|line| line.starts_with(word)), "{word} is not in {head:?}");
    }
    assert_eq!(pagescrub(&["report", report, "-q", "-v"]).code, 2);
}
