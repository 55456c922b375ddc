//! Chains that can be restored, and those that cannot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::backup::{Fault, FaultKind};
use crate::consolidate::backup::{BackupReport, SetFile, SetReport};
use crate::consolidate::clean_copy::{CleanCopy, Version};
use crate::consolidate::report::{Outcome, ScrubReport};
use crate::consolidate::tally::Coverage;
use crate::discover::FileKind;

/// Block `block` of the log.
fn lsn(block: u32) -> Lsn {
    Lsn { vlf: 53, block, slot: 1 }
}

/// A backup of `sales`, whose files share the id `aa`, with log from `first` to `last`.
fn set(kind: BackupKind, [first, last]: [u32; 2], base: Option<u32>) -> SetReport {
    let file = SetFile { file_id: 1, pages: 8, pages_here: 8, ..SetFile::default() };
    SetReport {
        position: 1,
        kind,
        database: "sales".into(),
        first_lsn: Some(lsn(first)),
        last_lsn: Some(lsn(last)),
        checkpoint_lsn: Some(lsn(first)),
        database_backup_lsn: base.map(lsn),
        binding_id: Some("aa".into()),
        files: if kind == BackupKind::Log { Vec::new() } else { vec![file] },
        is_complete: true,
        ..SetReport::default()
    }
}

fn full(lsns: [u32; 2]) -> SetReport {
    set(BackupKind::Full, lsns, None)
}

fn differential(lsns: [u32; 2], base: u32) -> SetReport {
    set(BackupKind::Differential, lsns, Some(base))
}

fn log(lsns: [u32; 2]) -> SetReport {
    set(BackupKind::Log, lsns, None)
}

fn golden() -> ScrubReport {
    serde_json::from_str(include_str!("../../../tests/golden/report.json")).unwrap()
}

fn file(path: &str, sets: Vec<SetReport>) -> FileReport {
    FileReport {
        path: path.into(),
        kind: FileKind::Backup,
        outcome: Outcome::Scanned,
        why: None,
        file_id: None,
        binding_id: None,
        coverage: Coverage::default(),
        backup: Some(BackupReport { sets, ..BackupReport::default() }),
        backup_set: None,
        ..golden().files.remove(0)
    }
}

/// The pages of the only set of `file`.
fn pages_of(file: &FileReport) -> FileReport {
    FileReport { backup: None, backup_set: Some(1), binding_id: Some("aa".into()), ..file.clone() }
}

/// Member `number` of 2.
fn member(path: &str, number: u16, mut set: SetReport) -> FileReport {
    set.files.iter_mut().for_each(|file| file.pages_here = 4);
    let mut file = file(path, vec![set]);
    if let Some(backup) = &mut file.backup {
        (backup.member, backup.members) = (number, 2);
        backup.media_set = Some("5e7".into());
    }
    file
}

fn wanted(pages: Vec<&Suspect>) -> Wanted<'_> {
    let can_name = |path: &str| !path.contains('<');
    Wanted { host: None, binding_id: "aa", line: Line::default(), end: None, pages, can_name }
}

/// The paths of full, differential and logs, and the gap.
fn chosen(files: &[FileReport]) -> (String, Option<LogGap>) {
    let chain = Chain::of(files, &wanted(Vec::new()));
    let media = chain.full.iter().chain(&chain.differential).chain(&chain.logs);
    let paths: Vec<String> = media.map(|medium| medium.paths.join("+")).collect();
    (paths.join(" "), chain.gap)
}

fn week() -> Vec<FileReport> {
    vec![
        file("full", vec![full([10, 12])]),
        file("diff1", vec![differential([20, 22], 10)]),
        file("diff2", vec![differential([30, 32], 10)]),
        file("log1", vec![log([5, 15])]),
        file("log2", vec![log([15, 31])]),
        file("log3", vec![log([31, 40])]),
        file("log4", vec![log([40, 50])]),
    ]
}

#[test]
fn the_newest_full_its_newest_differential_and_the_logs_from_there_on() {
    let mut files = week();
    assert_eq!(chosen(&files), ("full diff2 log3 log4".to_owned(), None));
    files.reverse();
    assert_eq!(chosen(&files), ("full diff2 log3 log4".to_owned(), None));
    files.push(file("newer", vec![full([33, 34])]));
    assert_eq!(chosen(&files), ("newer log3 log4".to_owned(), None));
    assert_eq!(chosen(&[]), (String::new(), None));
}

#[test]
fn logs_end_where_one_is_missing_and_the_gap_is_told() {
    let mut files = week();
    files.retain(|file| &*file.path != "log3");
    let gap = LogGap { first_lsn: lsn(32), end_lsn: lsn(40) };
    assert_eq!(chosen(&files), ("full diff2".to_owned(), Some(gap)));
    // One that begins where the last one ends, and one that overlaps.
    files.push(file("log3", vec![log([32, 40])]));
    assert_eq!(chosen(&files), ("full diff2 log3 log4".to_owned(), None));
    files.push(file("long", vec![log([25, 45])]));
    assert_eq!(chosen(&files), ("full diff2 long log4".to_owned(), None));
}

#[test]
fn a_differential_of_another_full_backup_is_left_out() {
    let mut files = vec![file("full", vec![full([10, 12])])];
    files.push(file("other", vec![differential([30, 32], 11)]));
    assert_eq!(chosen(&files).0, "full");
    // The GUID of the base decides where it is known.
    let based = |id: &str| SetReport {
        differential_base_id: Some(id.into()),
        ..differential([20, 22], 10)
    };
    let named = SetReport { set_id: Some("f1".into()), ..full([10, 12]) };
    for (id, expected) in [("f1", "full diff"), ("f2", "full")] {
        let files = [file("full", vec![named.clone()]), file("diff", vec![based(id)])];
        assert_eq!(chosen(&files).0, expected);
    }
}

#[test]
fn no_backup_is_named_that_is_damaged_cut_or_not_seen_as_a_whole() {
    type Spoil = fn(&mut FileReport, &mut FileReport);
    let fault = || Fault {
        kind: FaultKind::StreamChecksum,
        offset_bytes: 0,
        bytes: 0,
        text: String::new(),
    };
    let spoils: [Spoil; 8] = [
        |_, pages| pages.coverage.suspect = 1,
        |_, pages| pages.coverage.not_reached = 1,
        |_, pages| pages.outcome = Outcome::Failed,
        |whole, _| whole.outcome = Outcome::Failed,
        |whole, _| whole.backup.as_mut().unwrap().faults_not_listed = 1,
        |whole, _| whole.backup.as_mut().unwrap().streams_not_computed = 1,
        |whole, _| whole.backup.as_mut().unwrap().sets[0].is_complete = false,
        |whole, _| whole.path = "<full>".into(),
    ];
    for (i, spoil) in spoils.into_iter().enumerate() {
        let old = file("old", vec![full([10, 12])]);
        let new = file("new", vec![full([20, 22])]);
        let mut files = vec![pages_of(&old), old, pages_of(&new), new];
        assert_eq!(chosen(&files).0, "new");
        let (pages, whole) = files.split_at_mut(3);
        spoil(&mut whole[0], &mut pages[2]);
        assert_eq!(chosen(&files).0, "old", "{i}");
    }
    let mut files = week();
    files[2].backup.as_mut().unwrap().faults.push(fault());
    assert_eq!(chosen(&files).0, "full diff1 log2 log3 log4");
}

#[test]
fn a_striped_set_is_named_with_all_its_members_or_not_at_all() {
    let [first, second] = [("b", 1), ("a", 2)].map(|(path, n)| member(path, n, full([10, 12])));
    assert_eq!(chosen(&[second.clone(), first.clone()]).0, "b+a");
    assert_eq!(chosen(std::slice::from_ref(&first)).0, "");
    // The same member twice is not two members.
    let twin = FileReport { path: "c".into(), ..first.clone() };
    assert_eq!(chosen(&[first.clone(), twin.clone()]).0, "");
    assert_eq!(chosen(&[twin, first.clone(), second.clone()]).0, "b+a");
    // Members of one media set that do not say the same.
    let other = member("a", 2, differential([10, 12], 1));
    assert_eq!(chosen(&[first.clone(), other]).0, "");
    let bad = FileReport { coverage: pages_of(&second).coverage, ..pages_of(&second) };
    let mut files = vec![first, second, bad];
    files[2].coverage.suspect = 1;
    assert_eq!(chosen(&files).0, "");
}

/// A file of the media set that all nights share.
fn night(path: &str, id: Option<&str>, set: SetReport) -> FileReport {
    let mut file = file(path, vec![SetReport { set_id: id.map(Into::into), ..set }]);
    if let Some(backup) = &mut file.backup {
        (backup.member, backup.members) = (1, 1);
        backup.media_set = Some("5e7".into());
    }
    file
}

/// BACKUP WITH INIT and without FORMAT keeps the media set, and every set is the first.
#[test]
fn nights_under_one_media_set_do_not_hide_each_other() {
    for ids in [[Some("f1"), Some("f2")], [None, None], [None, Some("f2")]] {
        let old = night("a_old", ids[0], full([10, 12]));
        let new = night("b_new", ids[1], full([20, 22]));
        for mut files in [[old.clone(), new.clone()], [new, old]] {
            assert_eq!(chosen(&files).0, "b_new", "{ids:?}");
            let newest = files.iter_mut().find(|file| &*file.path == "b_new").unwrap();
            newest.coverage.suspect = 1;
            assert_eq!(chosen(&files).0, "a_old", "{ids:?}");
        }
    }
    // Copies of one set are one set, and equal LSNs are none.
    let twin = |path| night(path, Some("f1"), full([10, 12]));
    assert_eq!(chosen(&[twin("b"), twin("a")]).0, "a");
    let other = night("a", Some("f2"), full([10, 12]));
    let wanted = wanted(Vec::new());
    let files = [twin("b"), other];
    assert_eq!(sets(&files, wanted.host, wanted.can_name).len(), 2);
}

#[test]
fn logs_under_one_media_set_all_take_part_and_a_gap_is_told() {
    for has_ids in [true, false] {
        let id = |id| has_ids.then_some(id);
        let mut files = vec![
            night("full", id("f"), full([10, 12])),
            night("log1", id("l1"), log([5, 20])),
            night("log2", id("l2"), log([20, 30])),
            night("log3", id("l3"), log([40, 50])),
        ];
        let gap = LogGap { first_lsn: lsn(30), end_lsn: lsn(40) };
        assert_eq!(chosen(&files), ("full log1 log2".to_owned(), Some(gap)));
        files.push(night("log2b", id("l4"), log([30, 40])));
        assert_eq!(chosen(&files), ("full log1 log2 log2b log3".to_owned(), None));
    }
}

#[test]
fn members_of_different_nights_are_no_set() {
    let stripe = |path: &str, number, id: &str| {
        let set = SetReport { set_id: Some(id.into()), ..full([10, 12]) };
        member(path, number, set)
    };
    let mut files = vec![stripe("mon1", 1, "f1"), stripe("tue2", 2, "f2")];
    assert_eq!(chosen(&files).0, "");
    files.push(stripe("tue1", 1, "f2"));
    assert_eq!(chosen(&files).0, "tue1+tue2");
}

#[test]
fn a_set_without_all_of_its_pages_is_not_offered() {
    let files = |file: &mut FileReport, change: fn(&mut SetFile)| {
        let sets = &mut file.backup.as_mut().unwrap().sets;
        sets[0].files.iter_mut().for_each(change);
    };
    let mut old = file("old", vec![full([10, 12])]);
    let mut new = file("new", vec![full([20, 22])]);
    files(&mut new, |file| file.pages_here = 7);
    assert_eq!(chosen(&[old.clone(), new]).0, "old");
    files(&mut old, |file| file.pages = 9);
    assert_eq!(chosen(&[old]).0, "");
    // Of two copies, the whole one.
    let [mut cut, whole] = ["a", "b"].map(|path| night(path, Some("f1"), full([10, 12])));
    files(&mut cut, |file| file.pages_here = 7);
    assert_eq!(chosen(&[cut, whole]).0, "b");
    // Members tell the pages of all, or their own.
    let [mut first, second] = [("b", 1), ("a", 2)].map(|(path, n)| member(path, n, full([10, 12])));
    files(&mut first, |file| file.pages_here = 3);
    assert_eq!(chosen(&[first.clone(), second.clone()]).0, "");
    let mut both = [first, second];
    for member in &mut both {
        files(member, |file| file.pages = 4);
    }
    assert_eq!(chosen(&both).0, "");
    files(&mut both[0], |file| file.pages_here = 4);
    assert_eq!(chosen(&both).0, "b+a");
}

#[test]
fn of_two_sets_at_one_position_of_a_file_none_can_be_named() {
    let files = [file("both", vec![full([10, 12]), full([20, 22])])];
    assert_eq!(chosen(&files).0, "");
}

#[test]
fn of_databases_with_one_name_each_has_backups_of_its_own() {
    let mut files = week();
    let other = |set| SetReport { binding_id: Some("bb".into()), ..set };
    files.push(file("theirs", vec![other(full([90, 92]))]));
    files.push(file("their_diff", vec![other(differential([95, 96], 10))]));
    files.push(file("their_log", vec![other(log([50, 99]))]));
    assert_eq!(chosen(&files).0, "full diff2 log3 log4");
    // So has each host.
    let hosted = FileReport { host: Some("web01".into()), ..file("far", vec![full([90, 92])]) };
    files.push(hosted);
    assert_eq!(chosen(&files).0, "full diff2 log3 log4");
}

/// RESTORE gives a database a new binding id: only its differential leads to the full backup.
#[test]
fn the_full_backup_of_before_a_restore_is_named_with_its_differential_only() {
    let base =
        SetReport { set_id: Some("f1".into()), binding_id: Some("bb".into()), ..full([10, 12]) };
    let based = SetReport { differential_base_id: Some("f1".into()), ..differential([30, 32], 10) };
    let mut files = vec![file("base", vec![base]), file("diff", vec![based])];
    assert_eq!(chosen(&files).0, "base diff");
    files.truncate(1);
    assert_eq!(chosen(&files).0, "");
}

#[test]
fn a_full_backup_without_one_of_the_pages_is_passed_over() {
    let files = [file("old", vec![full([10, 12])]), file("new", vec![full([20, 22])])];
    let copy = |path: &str| CleanCopy {
        path: path.into(),
        backup_set: Some(1),
        kind: "full backup".into(),
        finished: None,
        set_last_lsn: None,
        lsn: lsn(1),
        version: Version::Unknown,
        offset_bytes: 0,
        from_damaged_backup: false,
        in_words: String::new(),
    };
    let template = golden().suspects.remove(0);
    let suspect = |paths: &[&str]| Suspect {
        clean_copies: paths.iter().map(|path| copy(path)).collect(),
        ..template.clone()
    };
    let [both, old, none] = [&["old", "new", "new"][..], &["old"], &[]].map(suspect);
    for (pages, expected) in
        [(vec![&both], Some("new")), (vec![&both, &old], Some("old")), (vec![&both, &none], None)]
    {
        let chain = Chain::of(&files, &wanted(pages));
        assert_eq!(chain.full.map(|medium| medium.paths[0]), expected);
    }
}

#[test]
fn sets_are_named_by_their_position_where_a_file_has_several() {
    let second = SetReport { position: 2, ..full([20, 22]) };
    let files = [file("both", vec![full([10, 12]), second])];
    let chain = Chain::of(&files, &wanted(Vec::new()));
    let full = chain.full.unwrap();
    assert!(full.is_one_of_several && full.set.position == 2, "{full:?}");
    let alone = Chain::of(&files[..0], &wanted(Vec::new()));
    assert!(alone.full.is_none() && alone.logs.is_empty());
}

#[test]
fn lsns_that_make_no_sense_end_a_chain_and_nothing_else() {
    let mut files = week();
    files.push(file("backwards", vec![log([45, 1])]));
    files.push(file("empty", vec![log([40, 40])]));
    let none = SetReport { first_lsn: None, last_lsn: None, ..log([1, 2]) };
    files.push(file("none", vec![none]));
    assert_eq!(chosen(&files), ("full diff2 log3 log4".to_owned(), None));
}
