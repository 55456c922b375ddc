//! What a report says of a backup file beside its pages.

use crate::backup::BackupKind;
use crate::backup::Fault;
use crate::page::header::Lsn;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A backup file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// The media set's GUID, in hexadecimal digits.
    pub media_set: Option<Arc<str>>,
    /// Which member of its media set it is, from 1; 0 if it does not say.
    pub member: u16,
    /// How many members the media set has; 0 if it does not say.
    pub members: u16,
    /// Members that are not among the files of this scan.
    #[serde(default)]
    pub missing_members: Vec<u16>,
    /// Its backup sets, by position.
    pub sets: Vec<SetReport>,
    /// What is damaged in it, beside pages.
    pub faults: Vec<Fault>,
    /// More faults than are listed.
    #[serde(default)]
    pub faults_not_listed: u64,
    /// Streams whose checksum (WITH CHECKSUM) is that of their bytes.
    pub streams_verified: u64,
    /// Streams without a checksum: RESTORE VERIFYONLY WITH CHECKSUM would say 3187.
    pub streams_without_checksum: u64,
    /// Streams whose checksum could not be computed.
    pub streams_not_computed: u64,
    /// Records of a compressed backup that pass their checksums.
    pub records_verified: u64,
    /// Bytes of log.
    pub log_bytes: u64,
    /// Padding pages that pass their checksums.
    pub padding_pages: u64,
    /// Pages of which a later copy follows.
    pub superseded_pages: u64,
    /// Pages that do not tell where they belong, and that no stream checksum vouches for.
    pub unplaced_pages: u64,
}

/// A backup set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetReport {
    /// As in `RESTORE ... FILE = n`.
    pub position: u32,
    /// What kind of backup.
    pub kind: BackupKind,
    /// Its name.
    pub name: Arc<str>,
    /// The database.
    pub database: Arc<str>,
    /// The server that took it.
    pub server: Arc<str>,
    /// When it was begun, by the server's clock.
    pub started: Option<String>,
    /// When it was finished.
    pub finished: Option<String>,
    /// First LSN of its log.
    pub first_lsn: Option<Lsn>,
    /// LSN after its log.
    pub last_lsn: Option<Lsn>,
    /// Checkpoint at its begin.
    pub checkpoint_lsn: Option<Lsn>,
    /// Of the full backup before it, that a differential one is based on.
    pub database_backup_lsn: Option<Lsn>,
    /// Taken WITH CHECKSUM.
    pub has_checksum: Option<bool>,
    /// Its GUID, `backup_set_uuid` in msdb, in hexadecimal digits, as all GUIDs here.
    #[serde(default)]
    pub set_id: Option<Arc<str>>,
    /// What all files of the database shared when it was taken.
    #[serde(default)]
    pub binding_id: Option<Arc<str>>,
    /// Of a differential backup: the GUID of the full one that it is based on.
    #[serde(default)]
    pub differential_base_id: Option<Arc<str>>,
    /// The files of the database, by the backup.
    pub files: Vec<SetFile>,
    /// Its end is there.
    pub is_complete: bool,
}

/// A database's file in a backup set's list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFile {
    /// File id.
    pub file_id: u16,
    /// Logical name.
    pub logical_name: Arc<str>,
    /// Physical name.
    pub physical_name: Arc<str>,
    /// Size in pages when it was backed up.
    pub pages: u32,
    /// Pages that this backup file has of it.
    #[serde(default)]
    pub pages_here: u64,
}

impl BackupReport {
    /// All that is damaged, also what is not listed.
    pub fn fault_count(&self) -> u64 {
        (self.faults.len() as u64).saturating_add(self.faults_not_listed)
    }

    /// Something in it could not be verified that should have been.
    pub fn is_incomplete(&self) -> bool {
        !self.missing_members.is_empty() || self.streams_not_computed > 0 || self.unplaced_pages > 0
    }
}

impl SetReport {
    /// In a few words: `full backup of Sales, 2017-05-18 04:18:19`.
    pub fn words(&self) -> String {
        let kind = kind_words(self.kind);
        let when = self.finished.as_ref().map(|at| format!(", {at}")).unwrap_or_default();
        format!("{kind} of {}{when}", self.database)
    }
}

/// What a kind of backup is called.
pub fn kind_words(kind: BackupKind) -> &'static str {
    match kind {
        BackupKind::Full => "full backup",
        BackupKind::Differential => "differential backup",
        BackupKind::Log => "log backup",
        BackupKind::File => "file backup",
        BackupKind::Unknown => "backup",
    }
}
