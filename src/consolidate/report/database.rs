//! What a report says of one database.

use crate::backup::BackupKind;
use crate::consolidate::report::RunVerdict;
use crate::page::header::Lsn;
use crate::page::line::Line;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// A database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseReport {
    /// The machine that scanned it; null unless the report is a merged one.
    pub host: Option<Arc<str>>,
    /// Its name, by its boot page or its backups.
    pub name: Option<Arc<str>>,
    /// The server that took its newest backup.
    pub server: Option<Arc<str>>,
    /// Origin and line.
    pub line: Line,
    /// What all of its files share.
    pub binding_id: Option<Arc<str>>,
    /// SIMPLE recovery model, by the boot page in its primary file, else in its newest backup that
    /// tells.
    #[serde(default)]
    pub simple_recovery: Option<bool>,
    /// The answer for it.
    pub verdict: RunVerdict,
    /// Every file that its catalog or its backups name, by id.
    pub files: Vec<DatabaseFile>,
    /// Suspect pages in its data files, as far as they are listed.
    #[serde(default)]
    pub suspects: u64,
    /// Those of them with a clean copy in a backup that can be restored.
    #[serde(default)]
    pub suspects_with_copy: u64,
    /// How it is made good.
    #[serde(default)]
    pub way_back: WayBack,
    /// Backup sets of it in this scan.
    pub backup_sets: u64,
    /// How it comes back from them.
    pub restore: Restore,
}

impl DatabaseReport {
    /// Data files that hold nothing of their pages.
    pub fn lost_files(&self) -> impl Iterator<Item = &DatabaseFile> {
        self.data_files().filter(|file| file.state == FileState::Empty)
    }

    /// Data files that are not in this scan, if any is: a scan of backups alone misses none.
    pub fn missing_files(&self) -> impl Iterator<Item = &DatabaseFile> {
        let is_seen = self.data_files().any(|file| file.state != FileState::Missing);
        self.data_files().filter(move |file| is_seen && file.state == FileState::Missing)
    }

    /// Files with pages.
    pub fn data_files(&self) -> impl Iterator<Item = &DatabaseFile> {
        self.files.iter().filter(|file| file.kind == "data")
    }
}

/// A file of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFile {
    /// File id.
    pub file_id: u16,
    /// Its filegroup, where that is known; 0 for a log.
    #[serde(default)]
    pub filegroup_id: Option<u32>,
    /// `data`, `log`, or `other`: FILESTREAM, memory-optimized, full-text.
    pub kind: Cow<'static, str>,
    /// Logical name, where it is known.
    pub logical_name: Option<Arc<str>>,
    /// Where the scan found it; null if it is missing.
    pub path: Option<Arc<str>>,
    /// Where it stood on the server, where that is known.
    pub physical_name: Option<Arc<str>>,
    /// What became of it.
    pub state: FileState,
    /// Pages that it should have, where that is known.
    pub pages_expected: Option<u64>,
    /// Pages that it has.
    pub pages_seen: u64,
}

/// What became of a file of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Its pages were verified.
    Scanned,
    /// The same, and it ends before its end.
    Cut,
    /// It is not in this scan.
    Missing,
    /// It was declined, or could not be read.
    Refused,
    /// It holds nothing of its pages: no byte, zeros, noise, or nothing that is known.
    Empty,
}

/// How a database is made good, from the least to the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBack {
    /// Nothing of it has to be restored.
    #[default]
    None,
    /// Indexes are made again.
    RebuildIndexes,
    /// DBCC CHECKDB has to confirm what is inconsistent, before anything is restored.
    Confirm,
    /// Single pages are restored.
    Pages,
    /// A secondary filegroup is restored, in Enterprise edition while the rest is in use.
    FilegroupOnline,
    /// Files are restored.
    File,
    /// All of it is restored.
    Database,
    /// It would have to be restored, and none of its backups in this scan restores anything.
    NothingHelps,
}

/// How a database comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// In the order in which they are restored; empty if no full backup of the scan is sound.
    pub sets: Vec<RestoreSet>,
    /// There are newer sets that these do not reach.
    pub gap: bool,
    /// The log that is not there, from where the sets end to the next one.
    pub gap_log: Option<LogGap>,
    /// Log that is not there, and that the differential backup makes up for.
    pub bridged: Vec<LogGap>,
    /// The next log backup, if that is damaged: it may be restored up to its damage.
    #[serde(default)]
    pub damaged_log: Option<RestoreSet>,
    /// The end of the last set, by the server's clock.
    pub reachable_to: Option<String>,
    /// The LSN behind it.
    pub reachable_to_lsn: Option<Lsn>,
    /// What cannot be used, and why.
    pub missing: Vec<String>,
}

/// A set to restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSet {
    /// The files that have it, by member.
    pub paths: Vec<Arc<str>>,
    /// As in `RESTORE ... FILE = n`.
    pub position: u32,
    /// What it is.
    pub kind: BackupKind,
}

/// Log that no sound set of the scan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGap {
    /// Where it begins.
    pub first_lsn: Lsn,
    /// Where the next set begins.
    pub end_lsn: Lsn,
}
