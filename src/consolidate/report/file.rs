//! What a report says of one file.

use crate::consolidate::backup::BackupReport;
use crate::consolidate::file_facts::CatalogEntry;
use crate::consolidate::tally::Coverage;
use crate::consolidate::tally::Verified;
use crate::discover::FileKind;
use crate::page::address::PageRange;
use crate::page::boot::PageVerify;
use crate::page::header::Lsn;
use crate::page::line::Line;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its pages were verified.
    Scanned,
    /// Looked at and declined.
    Refused,
    /// Could not be opened, or not read to its end.
    Failed,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// The machine that scanned it; null unless the report is a merged one.
    #[serde(default)]
    pub host: Option<Arc<str>>,
    /// As given or found.
    pub path: Arc<str>,
    /// What it is.
    pub kind: FileKind,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was not scanned, or not to its end.
    pub why: Option<String>,
    /// The run is incomplete if it was not scanned; null in reports of before that was told.
    #[serde(default)]
    pub counts: Option<bool>,
    /// How much could be verified of the database or the backup set that it belongs to; of a
    /// backup, of the set of which least was. Null in reports of before that was told.
    #[serde(default)]
    pub verified: Option<Verified>,
    /// What a refused file holds in place of pages: `empty`, `zeros`, `noise` or `unknown`; null if
    /// it holds something that is known.
    #[serde(default)]
    pub content: Option<Cow<'static, str>>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
    /// Its id in its database.
    pub file_id: Option<u16>,
    /// What all files of its database share, by their file headers; null if that is damaged.
    #[serde(default)]
    pub binding_id: Option<Arc<str>>,
    /// The GUID of the file itself, by its file header.
    #[serde(default)]
    pub file_guid: Option<Arc<str>>,
    /// Its logical name, by its file header.
    #[serde(default)]
    pub logical_name: Option<Arc<str>>,
    /// Origin and line of its database, by the boot page.
    #[serde(default)]
    pub line: Line,
    /// Its database's last checkpoint, by the boot page.
    #[serde(default)]
    pub checkpoint_lsn: Option<Lsn>,
    /// Of a primary file: all files of its database, by its own catalog.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub database_files: Vec<CatalogEntry>,
    /// The database's name.
    pub database: Option<Arc<str>>,
    /// The database's internal version.
    pub internal_version: Option<u16>,
    /// The release that writes this version.
    pub sql_server: Option<Cow<'static, str>>,
    /// The option PAGE_VERIFY.
    pub page_verify: Option<PageVerify>,
    /// Shut down cleanly.
    pub clean_shutdown: Option<bool>,
    /// SIMPLE recovery model: no page restore.
    #[serde(default)]
    pub simple_recovery: Option<bool>,
    /// Whole pages.
    pub pages: u64,
    /// Its part of the tally.
    pub coverage: Coverage,
    /// Where the pages are that were not reached; `None` if only their number is known.
    #[serde(default)]
    pub not_reached_ranges: Option<Vec<PageRange>>,
    /// Of a backup as a whole; its pages are in entries of their own with the same path.
    #[serde(default)]
    pub backup: Option<BackupReport>,
    /// Of pages in a backup: the position of their backup set.
    #[serde(default)]
    pub backup_set: Option<u32>,
}

/// The folder of `path`, as on every system: a report may be read on another one than it was
/// written on.
pub fn folder(path: &str) -> &str {
    path.rfind(['/', '\\']).map_or("", |end| &path[..end])
}

/// The last part of `path`, likewise.
pub fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
