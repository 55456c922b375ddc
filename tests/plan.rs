//! What to do, in order, and what to do about an incident as a whole.

#![allow(clippy::expect_used, reason = "a test that cannot go on must fail")]

use pagescrub::consolidate::advice::advise;
use pagescrub::consolidate::report::{Pattern, ScrubReport, Step, Suspect};
use pagescrub::report::json;
use std::path::Path;

fn report() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    json::read(&std::fs::read(path).expect("it is in the repository")).expect("a report")
}

fn steps(report: &ScrubReport) -> Vec<Step> {
    let mut report = report.clone();
    advise(&mut report);
    report.plan
}

fn titles(report: &ScrubReport) -> Vec<String> {
    steps(report).into_iter().map(|step| step.title).collect()
}

fn step(report: &ScrubReport, title: &str) -> Step {
    let mut all = steps(report).into_iter();
    all.find(|step| step.title == title).unwrap_or_else(|| panic!("no step {title}"))
}

/// The rank of page `page` of file 1.
fn rank(report: &ScrubReport, page: u32) -> usize {
    let is_it = |suspect: &&Suspect| (suspect.file_id, suspect.page_id) == (1, page);
    report.suspects.iter().find(is_it).expect("there").rank
}

/// What the first incident asks for after `change`.
fn action(change: &dyn Fn(&mut ScrubReport)) -> String {
    let mut report = report();
    report.incidents[0].path = "/data/sales.mdf".into();
    report.incidents[0].pages = 2;
    report.incidents[0].suspects = vec![rank(&report, 57), rank(&report, 58)];
    change(&mut report);
    advise(&mut report);
    report.incidents[0].action.clone()
}

fn member(scope: &str) -> Pattern {
    Pattern {
        host: None,
        kind: "stripe_member".into(),
        scope: scope.into(),
        on_device: false,
        unit_bytes: 65_536,
        members: 8,
        member: 3,
        events: 9,
        hits: 9,
        p_value: 1e-6,
        given: false,
        text: "all on member 3 of 8".into(),
    }
}

#[test]
fn what_preserves_comes_before_what_changes_and_what_proves_comes_last() {
    let mut report = report();
    report.host_findings = vec!["avx2 and reference disagree".to_owned()];
    let (unused, index) = (rank(&report, 210) - 1, rank(&report, 202) - 1);
    report.suspects[unused].database = Some("master".into());
    report.suspects[index].path = "/data/simple.mdf".into();
    report.suspects[index].database = Some("simple".into());
    let expected = [
        "Scan again from another machine",
        "Freeze the array",
        "Leave the databases as they are",
        "Save the tail of the log",
        "Copy the damaged files as they are",
        "Find the newest clean backup",
        "Restore system databases",
        "Restore files or databases as a whole",
        "Restore single pages",
        "Make indexes again",
        "Look again at what is not settled",
        "Run CHECKDB",
        "Scan again",
        "Find the cause",
    ];
    assert_eq!(titles(&report), expected);
}

#[test]
fn steps_that_do_not_apply_are_left_out() {
    let mut report = report();
    report.suspects.retain(|suspect| suspect.database.as_deref() == Some("simple"));
    report.files.iter_mut().for_each(|file| file.coverage.not_reached = 0);
    let titles = titles(&report);
    for title in ["Save the tail of the log", "Restore single pages", "Make indexes again"] {
        assert!(!titles.iter().any(|t| t == title), "{title} under SIMPLE, of rows alone");
    }
    assert!(!titles.iter().any(|title| title.starts_with("Look again")), "{titles:?}");
    report.suspects.clear();
    assert!(steps(&report).is_empty(), "nothing to do for a clean report");
}

#[test]
fn steps_name_databases_and_the_ranks_they_are_for() {
    let report = report();
    let whole = step(&report, "Restore files or databases as a whole");
    assert_eq!((&*whole.ranks, whole.suspects), ("1-4, 6-7, 10-13", 10));
    assert!(whole.text.contains("file 3 of sales") && whole.text.contains("database simple"));
    let pages = step(&report, "Restore single pages");
    assert_eq!((&*pages.ranks, pages.suspects), ("5, 8-9", 3));
    assert!(!pages.text.contains("sales"), "its files are restored as a whole: {}", pages.text);
    assert_eq!(step(&report, "Look again at what is not settled").ranks, "10, 12");
}

#[test]
fn the_golden_report_has_the_plan_that_follows_from_it() {
    let report = report();
    assert_eq!(report.plan, steps(&report));
}

#[test]
fn an_incident_says_whether_pages_or_the_file_and_why() {
    let pages = |suspect: u64, pages: u64| {
        action(&move |report| {
            let file = report.files.iter_mut().find(|file| &*file.path == "/data/sales.mdf");
            let file = file.expect("there");
            (file.coverage.suspect, file.pages) = (suspect, pages);
        })
    };
    assert!(pages(2, 40).starts_with("restore its"), "5 % are not more than 5 %");
    assert!(pages(2, 39).contains("more than 5 %"));
    assert!(pages(1000, 1_000_000).starts_with("restore its"));
    assert!(pages(1001, 1_000_000).contains("page restore takes 1000"));
    let control =
        action(&|report| report.incidents[0].suspects = vec![rank(report, 9), rank(report, 57)]);
    assert!(control.contains("(1:9) is a boot page"), "{control}");
}

#[test]
fn of_one_members_damage_the_array_comes_first() {
    let scoped = |scope: &'static str| action(&move |report| report.patterns = vec![member(scope)]);
    assert!(scoped("/data/sales.mdf").starts_with("member 3 of 8 (from 0): see to the array"));
    assert!(scoped("/data/other.mdf").starts_with("restore its"));
}
