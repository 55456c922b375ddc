//! Databases made by SQL Server 2005 to 2022, each file alone and all together: none is called
//! damaged or incomplete that is not, and no chain has a gap.
//!
//! They are read from the folder named by `PAGESCRUB_REAL_DATA` and from the folder `backups`
//! beside it, and are not part of this project; without them these tests show as ignored.

use crate::harness::scanned::scanned;
use pagescrub::consolidate::report::database::{DatabaseReport, FileState};
use pagescrub::consolidate::report::{RunVerdict, ScrubReport};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Members of striped backups, which are nothing without the others.
const MEMBERS: [&str; 3] = ["_s1.", "_s2.", "stripe2_alone"];

fn folders() -> [PathBuf; 2] {
    let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let data = PathBuf::from(data);
    let beside = data.parent().expect("it has a neighbour").join("backups");
    [data, beside]
}

fn files() -> Vec<PathBuf> {
    let is_database = |path: &Path| {
        path.extension().is_some_and(|ending| {
            ["mdf", "ndf", "ldf", "bak", "trn"].iter().any(|known| ending == *known)
        })
    };
    let (mut found, mut folders) = (Vec::new(), Vec::from(folders()));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if is_database(&path) {
                found.push(path);
            }
        }
    }
    assert!(found.len() >= 35, "{} files", found.len());
    found
}

/// What is wrong with what `report` says of `database`, if its verdict should be `verdict`.
fn assert_right(report: &ScrubReport, database: &DatabaseReport, verdict: RunVerdict) {
    let place = report.files.first().map(|file| &file.path);
    assert_eq!(database.verdict, verdict, "{place:?}: {database:#?}");
    let restore = &database.restore;
    let is_gap = restore.gap || restore.gap_log.is_some() || !restore.bridged.is_empty();
    assert!(!is_gap && restore.damaged_log.is_none(), "{place:?}: {restore:#?}");
    assert_eq!((database.suspects, database.way_back as u8), (0, 0), "{place:?}: {database:#?}");
    for file in &database.files {
        let wanted = if file.path.is_some() { FileState::Scanned } else { FileState::Missing };
        assert_eq!(file.state, wanted, "{place:?}: {file:#?}");
    }
    // What is there is of the one database or of the other.
    assert!(database.name.is_some() || !database.files.is_empty());
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn a_file_alone_is_a_whole_database_unless_it_is_a_member_or_a_log() {
    let mut told = 0;
    for path in files() {
        let report = scanned(std::slice::from_ref(&path));
        let name = path.display().to_string();
        let is_part = MEMBERS.iter().any(|member| name.contains(member)) || name.ends_with("ldf");
        let verdict = if is_part { RunVerdict::Incomplete } else { RunVerdict::Clean };
        assert!(report.databases.len() <= 1, "{name}: {:#?}", report.databases);
        for database in &report.databases {
            assert_right(&report, database, verdict);
            let (kept, missing) = (&database.restore.sets, &database.restore.missing);
            let is_striped = database.backup_sets > 0 && is_part;
            assert_eq!(missing.len(), usize::from(is_striped), "{name}: {missing:?}");
            assert!(kept.len() as u64 <= database.backup_sets, "{name}");
            told += 1;
        }
    }
    // One backup has no set.
    assert!(told + 1 >= files().len(), "{told} of {} files tell their database", files().len());
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn all_files_together_are_the_databases_that_they_are_alone() {
    let report = scanned(&folders());
    let mut restores: BTreeMap<String, Vec<(u64, usize)>> = BTreeMap::new();
    for database in &report.databases {
        let name = database.name.as_deref().unwrap_or_default();
        let is_part = name == "MasterFloor";
        let verdict = if is_part { RunVerdict::Incomplete } else { RunVerdict::Clean };
        assert_right(&report, database, verdict);
        assert_eq!(database.restore.missing.len(), usize::from(is_part), "{database:#?}");
        let found = (database.backup_sets, database.restore.sets.len());
        restores.entry(name.to_owned()).or_default().push(found);
    }
    assert_eq!(report.databases.len(), 21, "{restores:#?}");
    // Sets there are, and sets of the shortest restore.
    let wanted = [
        ("BackupTestDb", vec![(2, 2)]),
        ("QLBH_DATA", vec![(1, 1), (1, 1)]),
        ("RestoreTimeClean", vec![(8, 5)]),
        ("RestoreTimeStripe", vec![(4, 4)]),
        ("Test", vec![(3, 2)]),
        ("MasterFloor", vec![(1, 0)]),
        ("db1", vec![(1, 0)]),
    ];
    for (name, sets) in wanted {
        assert_eq!(restores[name], sets, "{name}");
    }
}
