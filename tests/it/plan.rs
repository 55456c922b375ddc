//! What to do, in order, and what to do about an incident as a whole.

use pagescrub::consolidate::advice::advise;
use pagescrub::consolidate::database;
use pagescrub::consolidate::report::{FileReport, Pattern, ScrubReport, Step, Suspect};
use pagescrub::report::json;
use std::path::Path;

fn report() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    json::read(&std::fs::read(path).expect("it is in the repository")).expect("a report")
}

fn steps(report: &ScrubReport) -> Vec<Step> {
    let mut report = report.clone();
    // The suspects say which databases there are.
    for file in &mut report.files {
        let own = report.suspects.iter().find(|suspect| suspect.path == file.path);
        file.database = own.map_or(file.database.take(), |suspect| suspect.database.clone());
    }
    database::tell(&mut report);
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

/// A report of so many bad pages with rows in one file of so many pages, all in one incident.
fn rows(bad: u32, pages: u64) -> ScrubReport {
    let mut report = report();
    let row = report.suspects[rank(&report, 57) - 1].clone();
    let row = Suspect { action: "RESTORE DATABASE ... PAGE".into(), ..row };
    let bad_row = |i: u32| Suspect { rank: i as usize + 1, page_id: 57 + i, ..row.clone() };
    report.suspects = (0..bad).map(bad_row).collect();
    let file = report.files.iter_mut().find(|file| &*file.path == "/data/sales.mdf");
    let file = file.expect("there");
    (file.coverage.suspect, file.pages) = (bad.into(), pages);
    report.incidents.truncate(1);
    let incident = &mut report.incidents[0];
    incident.path = "/data/sales.mdf".into();
    incident.pages = bad as usize;
    incident.suspects = (1..=bad as usize).collect();
    report
}

/// What its incident asks for.
fn action(mut report: ScrubReport) -> String {
    advise(&mut report);
    report.incidents[0].action.clone()
}

fn member(scope: &str) -> Pattern {
    Pattern {
        damage: None,
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
    let (system, index) = (rank(&report, 201) - 1, rank(&report, 202) - 1);
    report.suspects[system].database = Some("master".into());
    report.suspects[index].path = "/data/simple.mdf".into();
    report.suspects[index].database = Some("simple".into());
    let expected = [
        "Scan again from another machine",
        "Freeze the array",
        "Leave the databases as they are",
        "Save the tail of the log",
        "Copy the damaged files as they are",
        "Do not rely on the damaged backups",
        "Scan the data files of these backups",
        "Find the newest clean backup",
        "Restore system databases",
        "Ask the other replicas first",
        "Restore files or databases as a whole",
        "Restore single pages",
        "Make indexes again",
        "Look again at what is not settled",
        "Run CHECKDB",
        "Take a new full backup of what is mended",
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
    report.files.iter_mut().for_each(|file| file.backup = None);
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
    let again = step(&report, "Look again at what is not settled");
    assert_eq!(again.ranks, "", "what is restored with its file is looked at after that");
    assert!(again.text.contains("pages were not reached"), "{}", again.text);
}

#[test]
fn the_golden_report_has_the_plan_that_follows_from_it() {
    let report = report();
    assert_eq!(report.plan, steps(&report));
}

#[test]
fn an_incident_says_whether_pages_or_the_file_and_why() {
    let asked = |bad, pages| action(rows(bad, pages));
    assert!(asked(2, 40).starts_with("restore its 2 pages"), "5 % are not more than 5 %");
    assert!(asked(2, 39).contains("more than 5 %"));
    assert!(asked(1000, 1_000_000).starts_with("restore its 1000 pages"));
    assert!(asked(1001, 1_000_000).starts_with("restore the file"));
    let mut with_boot = rows(2, 10_000);
    with_boot.suspects[1].page_id = 9;
    assert!(action(with_boot).contains("cannot be restored alone"));
}

/// Nothing else would tell which of two ways is right.
#[test]
fn a_suspect_is_told_the_way_of_its_file() {
    let mut many = rows(1001, 1_000_000);
    advise(&mut many);
    assert!(many.suspects.iter().all(|suspect| suspect.action.starts_with("with its file")));
    let mut few = rows(2, 10_000);
    advise(&mut few);
    assert!(few.suspects.iter().all(|suspect| suspect.action.starts_with("RESTORE DATABASE")));
}

/// A sound twin says as much as a damaged one: the server uses one of them.
#[test]
fn nothing_is_restored_because_of_a_copy() {
    let mut report = rows(2, 10_000);
    let file = report.files.iter().find(|file| &*file.path == "/data/sales.mdf").expect("there");
    let mut copy = file.clone();
    copy.path = "/backup/sales.mdf".into();
    copy.coverage.suspect = 0;
    report.files.push(copy);
    assert_eq!(step(&report, "Find out which files the server uses").ranks, "1-2");
    let titles = titles(&report);
    assert!(!titles.iter().any(|title| title.starts_with("Restore")), "{titles:?}");
    advise(&mut report);
    assert!(report.suspects[0].action.contains("find out which one the server uses"));
}

#[test]
fn an_attack_that_may_go_on_is_stopped_first() {
    let mut report = rows(9, 10_000);
    assert_eq!(titles(&report)[0], "Freeze the array");
    let caused = |report: &mut ScrubReport, cause: &'static str| {
        report.suspects.iter_mut().for_each(|suspect| suspect.cause = Some(cause.into()));
    };
    // A period alone is none: a failing part flips bits at one as well.
    report.patterns = vec![Pattern { kind: "period".into(), ..member("/data/sales.mdf") }];
    for (cause, first) in [("bit_flip", "Freeze the array"), ("garbage", "Isolate the host")] {
        caused(&mut report, cause);
        assert_eq!(titles(&report)[0], first);
    }
    report.patterns.clear();
    assert_eq!(titles(&report)[0], "Freeze the array");
    caused(&mut report, "encrypted");
    assert_eq!(titles(&report)[0], "Isolate the host");
    // Noise from one member of an array is no attack.
    report.patterns = vec![member("/data/sales.mdf")];
    assert_eq!(titles(&report)[0], "Freeze the array");
}

/// A file whose first extent is noise: by its name, or by another file that is like it.
#[test]
fn files_that_begin_with_noise_are_an_attack_if_a_name_or_a_second_one_says_so() {
    let with_heads = |paths: &[&str]| {
        let mut report = rows(100, 10_000);
        let row = report.suspects[0].clone();
        let file = report.files.iter().find(|file| &*file.path == "/data/sales.mdf");
        let file = file.expect("there").clone();
        for path in paths {
            report.files.push(FileReport { path: (*path).into(), ..file.clone() });
            let head = [0, 1, 2, 3, 6].map(|page_id| Suspect {
                page_id,
                rank: report.suspects.len() + 1 + page_id as usize,
                path: (*path).into(),
                cause: Some("encrypted".into()),
                ..row.clone()
            });
            report.suspects.extend(head);
        }
        titles(&report)[0].clone()
    };
    assert_eq!(with_heads(&["/data/a.mdf.lockbit"]), "Isolate the host");
    assert_eq!(with_heads(&["/data/a.mdf", "/data/b.mdf"]), "Isolate the host");
    for benign in ["/data/a.mdf", "/data/a.mdf.old", "/data/a.mdf.gpg"] {
        assert_eq!(with_heads(&[benign]), "Freeze the array", "{benign}");
    }
}

#[test]
fn of_one_members_damage_the_array_comes_first() {
    let scoped = |scope: &str, member_of_it: u32| {
        let mut report = rows(2, 10_000);
        // The first pages of unit 8 k + 3.
        let unit = (8 + member_of_it) * 8;
        for (i, suspect) in report.suspects.iter_mut().enumerate() {
            suspect.page_id = unit + i as u32;
            suspect.offset_bytes = u64::from(suspect.page_id) * 8192;
        }
        report.patterns = vec![member(scope)];
        action(report)
    };
    assert!(scoped("/data/sales.mdf", 3).starts_with("member 3 of 8 (from 0): see to the array"));
    assert!(scoped("/data/sales.mdf", 4).starts_with("restore its"), "it is on another member");
    assert!(scoped("/data/other.mdf", 3).starts_with("restore its"));
}
