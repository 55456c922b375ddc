//! What reports say of backups: a copy is damaged, and nothing is restored because of it.

use crate::harness::pagescrub;
use pagescrub::backup::{BackupKind, FaultKind};
use pagescrub::consolidate::merge::{MergeError, merge};
use pagescrub::consolidate::report::{FileReport, ScrubReport, Suspect};
use pagescrub::discover::FileKind;
use pagescrub::report::{csv as csv_format, html, prometheus, terminal, tsql};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const BACKUP: &str = "D:\\backup\\sales=1.bak";

fn golden() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report.json");
    pagescrub::report::json::read(&fs::read(path).expect("it is in the repository"))
        .expect("it is a report")
}

/// The golden report with nothing damaged but its backup.
fn only_backup() -> ScrubReport {
    let mut report = golden();
    report.suspects.retain(Suspect::is_in_backup);
    report.incidents.retain(|incident| &*incident.path == BACKUP);
    report.suspects[0].rank = 1;
    report.incidents[0].suspects = vec![1];
    report.files.retain(|file| &*file.path == BACKUP);
    report.coverage = report.files[1].coverage.clone();
    report.patterns.clear();
    report.run.host = Some("sql01".into());
    report
}

fn advised(report: ScrubReport) -> ScrubReport {
    merge(vec![report]).expect("one report can be merged")
}

fn written(write: impl Fn(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("memory takes everything");
    String::from_utf8(out).expect("UTF-8")
}

fn printed(report: &ScrubReport, width: u16) -> String {
    let look = terminal::Look { width: Some(width), rows_max: 20, verbose: false };
    // What is no terminal gets no styles.
    let styled = written(|out| terminal::write(report, look, out));
    anstream::adapter::strip_str(&styled).to_string()
}

fn holds(text: &str, words: &[&str]) {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in words {
        assert!(flat.contains(words), "{words} is not in\n{text}");
    }
}

#[test]
fn damage_in_a_backup_is_no_loss_of_rows_and_restores_nothing() {
    let report = advised(only_backup());
    let action = &*report.suspects[0].action;
    holds(action, &["do not rely on this backup", "Msg 3183", "scan the data files"]);
    assert!(!action.contains("PAGE"), "{action}");
    holds(&report.incidents[0].action, &["in a backup only"]);
    let titles: Vec<&str> = report.plan.iter().map(|step| &*step.title).collect();
    assert!(titles.contains(&"Scan the data files of these backups"), "{titles:?}");
    assert!(!titles.iter().any(|title| title.contains("estore")), "{titles:?}");
    let script = written(|out| tsql::write(&report, out));
    let is_statement = |line: &&str| line.starts_with("--") && !line.starts_with("-- ");
    let statements: Vec<&str> = script.lines().filter(is_statement).collect();
    assert_eq!(statements.len(), 2, "{statements:?}");
    let looks = ["--RESTORE HEADERONLY ", "--RESTORE VERIFYONLY "];
    assert!(statements.iter().all(|line| looks.iter().any(|look| line.starts_with(look))));
    assert!(script.lines().all(|line| line.is_empty() || line.starts_with("--")), "{script}");
}

#[test]
fn a_script_for_databases_leaves_out_the_pages_of_their_backups() {
    let script = written(|out| tsql::write(&advised(golden()), out));
    let is_row = |line: &&str| ["--(DB_ID(", "--(NULL, "].iter().any(|row| line.starts_with(row));
    let inserts = script.lines().filter(is_row);
    let suspects = golden().suspects.len();
    assert_eq!(inserts.count(), suspects - 1, "all but the one in the backup");
    holds(&script, &["Damaged backups: do not rely on these", "page (1:57) of sales, set 1"]);
}

#[test]
fn what_the_data_file_says_of_the_same_page_is_told() {
    let with_original = |page: Option<u32>| {
        let mut report = golden();
        for file in &mut report.files {
            if (&*file.path, file.file_id) == ("/data/sales.mdf", Some(1))
                || file.backup_set.is_some()
            {
                file.binding_id = Some("00ff".into());
            }
        }
        let in_backup = report.suspects.iter_mut().find(|suspect| suspect.is_in_backup());
        let suspect = in_backup.expect("there is one");
        suspect.page_id = page.unwrap_or(suspect.page_id);
        let report = advised(report);
        let suspect = report.suspects.iter().find(|suspect| suspect.is_in_backup());
        suspect.expect("it stays").action.clone().into_owned()
    };
    holds(&with_original(Some(100)), &["is no suspect: restore nothing"]);
    holds(&with_original(None), &["is suspect, too", "look for an older backup"]);
    holds(&with_original(Some(70_000)), &["scan the data files"]);
}

#[test]
fn a_backup_without_checksums_may_hold_pages_that_redo_cures() {
    let mut report = only_backup();
    let backup = report.files[0].backup.as_mut().expect("it is one");
    backup.sets[0].has_checksum = Some(false);
    let report = advised(report);
    let action = &report.suspects[0].action;
    holds(action, &["without CHECKSUM", "will not notice", "the log", "cures it"]);
    assert!(!advised(only_backup()).suspects[0].action.contains("cures it"));
    let blind = "RESTORE and VERIFYONLY will not notice: they restore the damage";
    let text = printed(&report, 80);
    holds(&text, &[blind]);
    holds(&written(|out| html::write(&report, out)), &[blind]);
    let script = written(|out| tsql::write(&report, out));
    let keep = report.plan.iter().find(|step| step.title.contains("Do not rely"));
    let keep = &keep.expect("a step").text;
    for text in [&**action, &text, &script, keep] {
        assert!(!text.contains("3183"), "{text}");
    }
}

#[test]
fn the_array_is_frozen_only_where_storage_may_be_at_fault() {
    let freeze = |report: &ScrubReport| {
        let plan = advised(report.clone()).plan;
        plan.iter().find(|step| step.title == "Freeze the array").map(|step| step.text.clone())
    };
    assert!(freeze(&golden()).is_some_and(|text| text.starts_with("No scrub")));
    let mut report = only_backup();
    let of_backups = "The storage that holds the damaged backups: no scrub";
    assert!(freeze(&report).is_some_and(|text| text.starts_with(of_backups)));
    report.suspects.clear();
    report.incidents.clear();
    report.coverage.suspect = 0;
    report.files[1].coverage.suspect = 0;
    assert!(freeze(&report).is_some(), "a stream checksum is wrong");
    let backup = report.files[0].backup.as_mut().expect("it is one");
    backup.faults_not_listed = 0;
    backup.faults.retain(|fault| fault.kind == FaultKind::Truncated);
    assert_eq!(backup.faults.len(), 1);
    assert_eq!(freeze(&report), None);
    let plan = advised(report).plan;
    assert!(!plan.is_empty() && plan.iter().all(|step| !step.text.contains("Unfreeze")));
}

#[test]
fn an_incident_in_a_data_file_and_a_backup_restores_what_the_data_file_lost() {
    let mut report = golden();
    let in_backup = report.suspects.iter().position(Suspect::is_in_backup).expect("there is one");
    let own = |s: &Suspect| &*s.path == "/data/sales.mdf" && s.page_id == 57;
    let own = report.suspects.iter().position(own).expect("there is one");
    let incident = report.incidents.iter_mut().find(|incident| &*incident.path == BACKUP);
    let incident = incident.expect("there is one");
    incident.suspects = vec![report.suspects[in_backup].rank, report.suspects[own].rank];
    let action = |report: ScrubReport| {
        let report = advised(report);
        let incident = report.incidents.iter().find(|incident| &*incident.path == BACKUP);
        incident.expect("it stays").action.clone()
    };
    let joined = action(report);
    assert!(!joined.contains("in a backup only") && joined.contains("restore"), "{joined}");
    holds(&action(golden()), &["in a backup only"]);
}

#[test]
fn a_compressed_backup_says_what_was_not_unpacked_and_a_log_backup_has_no_pages() {
    let mut report = only_backup();
    report.suspects.clear();
    report.incidents.clear();
    let part = report.files.remove(1);
    report.files[0].kind = FileKind::CompressedBackup;
    let backup = report.files[0].backup.as_mut().expect("it is one");
    backup.sets[0].files[0].pages_here = 0;
    backup.faults.clear();
    (backup.faults_not_listed, backup.records_verified) = (0, 49);
    (backup.streams_verified, backup.streams_without_checksum) = (0, 0);
    backup.streams_not_computed = 0;
    let packed = printed(&report, 160);
    holds(&packed, &["file 1 sales: 256 pages, not unpacked: --deep verifies them"]);
    let backup = report.files[0].backup.as_mut().expect("it is one");
    backup.streams_without_checksum = 1;
    report.files.push(FileReport { kind: FileKind::CompressedBackup, why: None, ..part });
    let unpacked = printed(&report, 160);
    holds(&unpacked, &["file 1 sales: 0 of 256 pages here", "checksums in 1 stream,"]);
    holds(&unpacked, &["49 compressed records verified", "the pages carry their own"]);
    assert!(!unpacked.contains("Not scanned"), "{unpacked}");
    let backup = report.files[0].backup.as_mut().expect("it is one");
    backup.sets.iter_mut().for_each(|set| set.kind = BackupKind::Log);
    let log = printed(&report, 160);
    holds(&log, &["the log is not protected"]);
    assert!(!log.contains("carry their own"), "{log}");
}

#[test]
fn the_terminal_tells_sets_faults_and_missing_members_at_any_width() {
    let mut report = only_backup();
    for width in [80, 160] {
        let text = printed(&report, width);
        let essentials = [
            "DAMAGED 1 suspect page in 1 incident, 5 faults in 1 backup",
            "COPIES 1 page of sales is damaged in backups; nothing of the database itself is known \
             to be lost",
            "sales=1.bak (member 1 of 3)",
            "set 1: full backup of sales, 2026-01-01 22:04:09; server SQL01",
            "log (53:296:37) to (53:328:1)",
            "file 1 sales: 128 of 256 pages here",
            "1 of 2 stream checksums verified",
            "FAULT at byte 8704",
            "Msg 3189",
            "and 3 more faults",
            "1 incomplete backup: D:\\backup\\sales=1.bak (without member 2 of 3)",
            "member 2 of 3 is not in this scan",
            "backup_faults=5 failed=0 incomplete_backups=1 missing_members=1",
        ];
        holds(&text, &essentials);
        assert!(!text.contains("LOST"), "{text}");
        assert!(!text.contains("Not scanned") && !text.contains("T2 rows: 1"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        let last = text.lines().last().expect("a line");
        assert!(last.contains(" refused=0 ") && last.contains(" backup_faults=5 "), "{last}");
    }
    report.suspects.clear();
    report.incidents.clear();
    report.coverage.suspect = 0;
    report.files[1].coverage.suspect = 0;
    holds(&printed(&report, 80), &["DAMAGED 5 faults in 1 backup (see Backups), no suspect page"]);
    let plan = advised(report).plan;
    assert!(plan.iter().any(|step| step.title == "Do not rely on the damaged backups"));
}

#[test]
fn other_formats_tell_parts_of_backups_apart() {
    let mut report = golden();
    let part = report.files.iter().find(|file| file.backup_set.is_some()).cloned();
    let part = part.expect("there is one");
    report.files.push(FileReport { file_id: Some(3), ..part.clone() });
    report.files.push(FileReport { backup_set: Some(2), ..part });
    let metrics = written(|out| prometheus::write(&report, out));
    for labels in ["backup_set=\"1\",file_id=\"1\"", "backup_set=\"1\",file_id=\"3\""] {
        assert_eq!(metrics.matches(labels).count(), 4, "{metrics}");
    }
    holds(
        &metrics,
        &["pagescrub_backup_faults 5", "pagescrub_backup_streams{outcome=\"wrong\"} 1"],
    );
    let table = written(|out| csv_format::write(&report, out));
    assert!(table.lines().next().is_some_and(|line| line.contains(",backup_set,")));
    assert!(
        table.lines().any(|line| line.contains("sales=1.bak") && line.ends_with(",1,,,,false"))
    );
    let page = written(|out| html::write(&report, out));
    let missing = "member 2 of 3 is not in this scan";
    let essentials = ["id=\"backups\"", missing, "full backup of sales", "(set 1, file 3)"];
    holds(&page, &essentials);
    assert!(!page.contains("<b>name</b>"));
}

#[test]
fn a_backup_that_two_reports_have_counts_twice_and_its_parts_do_not() {
    let named = |host: &str, id: &str| {
        let mut report = only_backup();
        let part = report.files[1].clone();
        let other = FileReport { file_id: Some(3), ..part };
        report.coverage += &other.coverage;
        report.suspects_not_listed = 1;
        report.files.push(other);
        (report.run.host, report.run.id) = (Some(host.into()), id.to_owned());
        report
    };
    let merged = merge(vec![named("a", "1"), named("b", "2")]).expect("two machines");
    assert_eq!((merged.files.len(), merged.coverage.suspect), (6, 4));
    assert_eq!(merged.backup_faults(), 10);
    let keys: Vec<_> = merged.files.iter().map(FileReport::key).collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
    let twice = merge(vec![named("a", "1"), named("a", "2")]);
    assert!(matches!(twice, Err(MergeError::SameFile { .. })));
}

fn real(name: &str) -> PathBuf {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    PathBuf::from(folder).join(name)
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn real_backups_are_clean_and_say_what_was_verified() {
    let names = ["sqltools_Full_859.bak", "db1_661_diff_filler_file3.bak"].map(real);
    let words = [&["scan".as_ref()], &names.each_ref().map(|name| name.as_os_str())[..]].concat();
    let run = pagescrub(&words);
    assert_eq!(run.code, 0, "{}", run.stdout);
    let essentials = [
        "CLEAN",
        "2 backups with 2 stream checksums verified",
        "2 streams without a backup checksum",
        "sqltools_Full_859.bak (set 1, file 1)",
        "set 1: full backup of BackupTestDb, 2017-07-19 16:24:06; server LEILALALI-PC",
        "log (53:296:37) to (53:328:1); without CHECKSUM",
        "file 1 BackupTestDb: 320 of 320 pages here",
        "Msg 3187: the pages carry their own, the log is not protected",
        "differential backup of db1",
        "2 of 2 stream checksums verified",
        "refused=0",
        "backup_faults=0",
    ];
    holds(&run.stdout, &essentials);
    assert!(!run.stdout.contains("Not scanned"), "{}", run.stdout);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_bit_flipped_in_a_real_backup_is_a_suspect_and_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flipped.bak");
    let mut bytes = fs::read(real("db1_661_diff_filler_file3.bak")).expect("it is there");
    bytes[300_000] ^= 1;
    fs::write(&path, bytes).expect("room");
    let run = pagescrub(&["scan".as_ref(), path.as_os_str()]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    let essentials = [
        "DAMAGED 1 suspect page in 1 incident, 1 fault in 1 backup",
        "COPIES 1 page of db1 is damaged in backups; nothing of the database itself",
        "(3:3)",
        "(set 1, byte 295424)",
        "1 of 2 stream checksums verified",
        "DAMAGED 1 suspect page: RESTORE stops at the first with Msg 3183",
        "FAULT at byte 8704",
        "Scan the data files of these backups",
    ];
    holds(&run.stdout, &essentials);
    assert!(!run.stdout.contains("the database may not start"), "{}", run.stdout);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn bad_records_of_a_compressed_backup_are_no_errors_of_the_system() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("packed.bak");
    let mut bytes = fs::read(real("TutorialDB_compressed.bak")).expect("it is there");
    pagescrub_clean_deep(&path, &bytes);
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&path, bytes).expect("room");
    let words = ["scan".as_ref(), "--deep".as_ref(), path.as_os_str(), "-v".as_ref()];
    let run = pagescrub(&words);
    assert_eq!(run.code, 1, "{}", run.stdout);
    holds(&run.stdout, &["unpacked)", "of what it unpacks to, in", "unreadable ("]);
    for claimed in ["operating system", "io error", "Msg 3189", "Not scanned"] {
        assert!(!run.stdout.contains(claimed), "{claimed} is in\n{}", run.stdout);
    }
    let json = pagescrub(&[&words[..3], &["--format=json".as_ref()]].concat()).json();
    let suspects = json["suspects"].as_array().expect("a list");
    let is_packed = |s: &serde_json::Value| {
        s["offset_unpacked"] == true && s["cause"].is_null() && s["device"].is_null()
    };
    assert!(!suspects.is_empty() && suspects.iter().all(is_packed), "{suspects:#?}");
}

fn pagescrub_clean_deep(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("room");
    let run = pagescrub(&["scan".as_ref(), "--deep".as_ref(), path.as_os_str()]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    holds(
        &run.stdout,
        &["1 backup with 49 compressed records verified", "packed.bak (set 1, file"],
    );
    assert!(!run.stdout.contains("Not scanned"), "{}", run.stdout);
}

/// A full backup, and of the logs behind it the second is not there: how far the others lead, and
/// what is missing, stands in the first line of what people read, and in the script.
#[test]
fn newer_backups_that_cannot_be_reached_are_told_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let generate = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let path = path.to_str().expect("text").to_owned();
        let base = ["generate", &path, "--size=2MiB", "--seed=7"];
        assert_eq!(pagescrub(&[&base[..], more].concat()).code, 0);
        path
    };
    let full = generate("full.bak", &["--backup=full"]);
    let [first, third] =
        ["1", "3"].map(|n| generate(&format!("{n}.trn"), &["--backup=log", "--log-number", n]));
    let first_line = |paths: &[&str], format: &str| {
        let run = pagescrub(&[&["scan"], paths, &["--format", format]].concat());
        let line = run.stdout.lines().next().unwrap_or_default().to_owned();
        (run.code, line, run.stdout)
    };
    assert_eq!(first_line(&[&full, &first], "terminal").0, 0);
    let (code, line, _) = first_line(&[&full, &first, &third], "terminal");
    assert_eq!(code, 3);
    holds(&line, &["1 database with newer backups that cannot be reached: Drill comes back to 20"]);
    holds(&line, &["LSN (41:418:1); log (41:418:1) to (41:458:1) is missing"]);
    for format in ["tsql", "html"] {
        let (_, _, all) = first_line(&[&full, &first, &third], format);
        holds(&all, &["newer backups that cannot be reached"]);
    }
}
