//! What can come back of a damaged database: by which way, from which backups, and to when.

use super::names::{Names, listed};
use crate::backup::BackupKind;
use crate::consolidate::report::database::{DatabaseReport, FileState, RestoreSet, WayBack};
use crate::consolidate::report::{FileReport, ScrubReport};
use crate::report::escape::terminal as safe;
use crate::report::terminal::layout::{counted, number};
use std::sync::Arc;

/// `sales: 14 of 18 suspect pages have a clean copy; restore pages from full.bak, 3 logs: reaches
/// 2026-11-28 23:00:00, LSN (39:642:1)`.
pub(super) fn words(report: &ScrubReport, database: &DatabaseReport, names: &Names<'_>) -> String {
    let parts = if is_damaged_itself(database) {
        vec![copies(database), Some(way(report, database, names))]
    } else {
        vec![Some(sound_backups(database, names))]
    };
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}: {}", names.database(database), parts.join("; "))
}

/// It has to be restored, and nothing that could is in the scan.
pub(super) fn is_without_backup(database: &DatabaseReport) -> bool {
    use WayBack::{Confirm, None, RebuildIndexes};
    let is_restored = !matches!(database.way_back, None | RebuildIndexes | Confirm);
    is_restored && database.backup_sets == 0
}

/// Something of its own files is lost, and not only of its backups.
fn is_damaged_itself(database: &DatabaseReport) -> bool {
    database.suspects > 0 || database.lost_files().next().is_some()
}

fn copies(database: &DatabaseReport) -> Option<String> {
    let DatabaseReport { suspects, suspects_with_copy, backup_sets, .. } = database;
    let pages = counted(*suspects, "suspect page");
    Some(match suspects_with_copy {
        _ if *suspects == 0 => return None,
        0 if *backup_sets == 0 => return None,
        0 if *suspects == 1 => format!("{pages} has no clean copy"),
        0 => format!("none of {pages} has a clean copy"),
        1 if *suspects == 1 => format!("{pages} has a clean copy"),
        n => format!("{} of {pages} have a clean copy", number(*n)),
    })
}

fn way(report: &ScrubReport, database: &DatabaseReport, names: &Names<'_>) -> String {
    let way = restored(report, database, names);
    if is_moved(report, database) {
        return format!("copy again from its source what has moved; only if there is none, {way}");
    }
    way
}

fn restored(report: &ScrubReport, database: &DatabaseReport, names: &Names<'_>) -> String {
    let way = match database.way_back {
        WayBack::NothingHelps => return nothing_helps(database, names),
        WayBack::None if is_made_anew(database) => {
            return "nothing of it is restored: the server makes it anew".to_owned();
        }
        WayBack::None => {
            return "look again before anything is restored: what is damaged is not \
             known to be in use, or changed between looks"
                .to_owned();
        }
        WayBack::Confirm => {
            return "restore nothing before DBCC CHECKDB has confirmed what is inconsistent: \
             backups may have it as well"
                .to_owned();
        }
        WayBack::RebuildIndexes => "make its indexes again, or restore".to_owned(),
        WayBack::Pages => "restore pages".to_owned(),
        WayBack::File | WayBack::FilegroupOnline => files(report, database),
        WayBack::Database => "restore the database".to_owned(),
    };
    match chain(database, names) {
        Some(chain) => format!("{way} from {chain}"),
        None if database.backup_sets == 0 => {
            format!("{way} from a backup: none of it is in this scan")
        }
        None => format!("{way} from a full backup: none in this scan is sound"),
    }
}

/// The content of one of its files has moved.
fn is_moved(report: &ScrubReport, database: &DatabaseReport) -> bool {
    let moved = |path: &Arc<str>| {
        report.shifts.iter().any(|shift| shift.host == database.host && shift.path == *path)
    };
    database.data_files().any(|file| file.path.as_ref().is_some_and(moved))
}

/// `restore file 3`: those that are lost or have suspects.
fn files(report: &ScrubReport, database: &DatabaseReport) -> String {
    let is_damaged = |path: &Arc<str>| {
        let is_it = |file: &&FileReport| file.host == database.host && file.path == *path;
        let own = report.files.iter().filter(|file| file.backup_set.is_none());
        own.filter(is_it).any(|file| file.coverage.suspect > 0)
    };
    let damaged = database.data_files().filter(|file| {
        file.state == FileState::Empty || file.path.as_ref().is_some_and(is_damaged)
    });
    let ids: Vec<String> = damaged.map(|file| file.file_id.to_string()).collect();
    let files = if ids.len() == 1 { "file" } else { "files" };
    format!("restore {files} {}", listed(ids.into_iter()))
}

fn nothing_helps(database: &DatabaseReport, names: &Names<'_>) -> String {
    let missing = &database.restore.missing;
    let why = if missing.is_empty() {
        "no full backup is among its backups".to_owned()
    } else {
        listed(missing.iter().map(|why| names.shortened(database, why)))
    };
    format!("nothing in this scan restores it: {why}")
}

fn sound_backups(database: &DatabaseReport, names: &Names<'_>) -> String {
    match chain(database, names) {
        Some(chain) => format!("its sound backups restore it: {chain}"),
        None => nothing_helps(database, names),
    }
}

/// `full.bak, diff.bak, 3 logs: reaches 2026-11-28 23:00:00, LSN (39:642:1)`.
fn chain(database: &DatabaseReport, names: &Names<'_>) -> Option<String> {
    let restore = &database.restore;
    let is_log = |set: &&RestoreSet| set.kind == BackupKind::Log;
    let (logs, bases): (Vec<_>, Vec<_>) = restore.sets.iter().partition(is_log);
    let mut words: Vec<String> = bases.iter().map(|set| set_words(database, set, names)).collect();
    words.extend(match logs[..] {
        [] => None,
        [log] => Some(set_words(database, log, names)),
        _ => Some(counted(logs.len() as u64, "log")),
    });
    let at = restore.reachable_to.as_ref().map(|at| safe(&at.replacen('T', " ", 1)).into_owned());
    let lsn = restore.reachable_to_lsn.map(|lsn| format!("LSN {lsn}"));
    let end: Vec<String> = at.into_iter().chain(lsn).collect();
    let gap = if restore.gap { "; newer backups cannot be reached" } else { "" };
    (!words.is_empty()).then(|| format!("{}: reaches {}{gap}", words.join(", "), end.join(", ")))
}

fn set_words(database: &DatabaseReport, set: &RestoreSet, names: &Names<'_>) -> String {
    let first = set.paths.first().map_or("", |path| path);
    let name = names.file(database.host.as_deref(), first);
    let members = match set.paths.len() {
        0 | 1 => String::new(),
        many => format!(" and {}", counted(many as u64 - 1, "more member")),
    };
    let position =
        if set.position > 1 { format!(" (set {})", set.position) } else { String::new() };
    format!("{name}{members}{position}")
}

fn is_made_anew(database: &DatabaseReport) -> bool {
    database.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case("tempdb"))
}

/// For the table; empty where nothing has to be done.
pub(super) fn way_words(database: &DatabaseReport) -> &'static str {
    match database.way_back {
        WayBack::None if !is_damaged_itself(database) => "",
        WayBack::None if is_made_anew(database) => "restart",
        WayBack::None => "look again",
        WayBack::RebuildIndexes => "rebuild indexes",
        WayBack::Confirm => "CHECKDB",
        WayBack::Pages => "pages",
        WayBack::FilegroupOnline => "filegroup",
        WayBack::File => "files",
        WayBack::Database => "database",
        WayBack::NothingHelps => "nothing helps",
    }
}

/// For the table: to the minute.
pub(super) fn reaches(database: &DatabaseReport) -> String {
    let restore = &database.restore;
    let at = restore.reachable_to.as_ref().map(|at| at.replacen('T', " ", 1));
    let lsn = restore.reachable_to_lsn.map(|lsn| format!("LSN {lsn}"));
    let words = match (at.map(|at| at.chars().take(16).collect()).or(lsn), database.backup_sets) {
        (Some(at), _) => at,
        (None, 0) => "no backup here".to_owned(),
        (None, _) => "no chain".to_owned(),
    };
    safe(&words).into_owned() + if restore.gap { ", gap" } else { "" }
}
