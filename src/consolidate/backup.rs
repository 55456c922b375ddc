//! What a report says of a backup file beside its pages.

use super::tally::Verified;
use crate::backup::BackupKind;
use crate::backup::{Fault, FaultKind, NotRead};
use crate::page::header::Lsn;
use crate::page::line::Line;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    /// What was not read of it because it has more of something than pagescrub keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_read: Option<NotRead>,
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
    /// Bytes in which a flipped bit is not found, by what they are: names and descriptions,
    /// padding, log without a checksum (docs/page-format.md, section 9.2.3). Free pages, and pages
    /// without checksum or torn bits, are counted as pages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_protected: BTreeMap<String, u64>,
    /// Sectors of log that no stream checksum vouches for and that do not look like log.
    #[serde(default)]
    pub log_sectors_doubtful: u64,
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
    /// Whose backup it is.
    #[serde(default)]
    pub line: Line,
    /// No log backup of its database begins before it.
    #[serde(default)]
    pub chain_origin_lsn: Option<Lsn>,
    /// The files of the database, by the backup.
    pub files: Vec<SetFile>,
    /// Its end is there.
    pub is_complete: bool,
    /// How many of the faults listed may concern it; null where that is not known, as in a
    /// compressed backup.
    #[serde(default)]
    pub faults: Option<u64>,
    /// How much of it could be verified; null in reports of before that was told.
    #[serde(default)]
    pub verified: Option<Verified>,
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
    /// Its GUID, as on its page 0.
    #[serde(default)]
    pub guid: Option<Arc<str>>,
    /// Log, which has no pages.
    #[serde(default)]
    pub is_log: bool,
}

impl BackupReport {
    /// All that is damaged, also what is not listed.
    pub fn fault_count(&self) -> u64 {
        (self.faults.len() as u64).saturating_add(self.faults_not_listed)
    }

    /// Something in it could not be verified that should have been.
    pub fn is_incomplete(&self) -> bool {
        !self.gaps().is_empty()
    }
}

impl SetReport {
    /// In a few words: `full backup of Sales, 2017-05-18 04:18:19`.
    pub fn words(&self) -> String {
        let kind = kind_words(self.kind);
        let when = self.finished.as_ref().map(|at| format!(", {}", at.replacen('T', " ", 1)));
        let when = when.unwrap_or_default();
        format!("{kind} of {}{when}", self.database)
    }
}

/// What is said of a backup, in words that stand in every format; names are as the file has them
/// and must be escaped.
impl BackupReport {
    /// Streams that were looked at.
    pub fn streams(&self) -> u64 {
        let Self { streams_verified, streams_without_checksum, streams_not_computed, .. } = self;
        streams_verified
            .saturating_add(*streams_without_checksum)
            .saturating_add(*streams_not_computed)
            .saturating_add(self.wrong_streams())
    }

    /// Listed streams whose checksum is wrong.
    pub fn wrong_streams(&self) -> u64 {
        let is_wrong = |fault: &&Fault| fault.kind == FaultKind::StreamChecksum;
        self.faults.iter().filter(is_wrong).count() as u64
    }

    /// What the checksums of its streams came to.
    pub fn checksum_words(&self) -> String {
        let with = self.streams().saturating_sub(self.streams_without_checksum);
        let mut words = match with {
            0 => String::new(),
            with => {
                format!(
                    "{} of {} verified",
                    self.streams_verified,
                    counted(with, "stream checksum")
                )
            }
        };
        let mut say = |text: &str| {
            words += if words.is_empty() { "" } else { "; " };
            words += text;
        };
        if self.records_verified > 0 {
            say(&format!("{} verified", counted(self.records_verified, "compressed record")));
        }
        if self.streams_not_computed > 0 {
            say(&format!("{} not computed", counted(self.streams_not_computed, "stream checksum")));
        }
        let bare = counted(self.streams_without_checksum, "stream");
        let pages = if self.is_log_only() { "" } else { "the pages carry their own, " };
        match self.streams_without_checksum {
            0 => {}
            _ if with == 0 => say(&format!(
                "no backup checksums in {bare}, so VERIFYONLY WITH CHECKSUM would say Msg 3187: \
                 {pages}the log is not protected"
            )),
            _ => say(&format!(
                "{bare} without a checksum (Msg 3187): {pages}the log is not protected"
            )),
        }
        if words.is_empty() { "no streams were found".to_owned() } else { words }
    }

    /// It has log, and no pages.
    pub fn is_log_only(&self) -> bool {
        !self.sets.is_empty() && self.sets.iter().all(|set| set.kind == BackupKind::Log)
    }

    /// Which member of its media set it is, and which ones are missing.
    pub fn member_words(&self) -> Option<String> {
        (self.members > 1).then(|| format!("member {} of {}", self.member, self.members))
    }

    /// What could not be verified; a sentence each.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if !self.missing_members.is_empty() {
            let members: Vec<String> =
                self.missing_members.iter().map(ToString::to_string).collect();
            let pages = if self.is_log_only() {
                ""
            } else {
                "; allocation is unknown where the PFS pages are in another member"
            };
            gaps.push(format!(
                "member {} of {} is not in this scan: RESTORE needs all of them{pages}",
                members.join(", "),
                self.members
            ));
        }
        if self.streams_not_computed > 0 {
            gaps.push(format!(
                "{} stream checksums could not be computed",
                self.streams_not_computed
            ));
        }
        if self.unplaced_pages > 0 {
            gaps.push(format!(
                "{} pages do not tell where they belong, and were not verified",
                self.unplaced_pages
            ));
        }
        if let Some(NotRead { offset_bytes, why }) = &self.not_read {
            gaps.push(format!("it was read up to byte {offset_bytes} and no further: {why}"));
        }
        gaps.extend(self.doubtful_log());
        gaps
    }

    /// That of its log, which no checksum protects, some does not look like log.
    pub fn doubtful_log(&self) -> Option<String> {
        let sectors = Some(self.log_sectors_doubtful).filter(|sectors| *sectors > 0)?;
        Some(format!(
            "{sectors} sectors of its log do not begin as sectors of a log do, and there is no \
             backup checksum to tell: RESTORE may fail at them, or recovery after it"
        ))
    }

    /// The set at `position`.
    pub fn set(&self, position: u32) -> Option<&SetReport> {
        self.sets.iter().find(|set| set.position == position)
    }
}

/// `at byte 1234: stream checksum: ... (RESTORE VERIFYONLY WITH CHECKSUM says Msg 3189)`; what a
/// server says of other faults is not known.
pub fn fault_words(fault: &Fault) -> String {
    let Fault { kind, offset_bytes, bytes, text } = fault;
    let size = if *bytes > 0 { format!(", {bytes} bytes") } else { String::new() };
    let server = match kind {
        FaultKind::StreamChecksum => " (RESTORE VERIFYONLY WITH CHECKSUM says Msg 3189)",
        _ => "",
    };
    format!("at byte {offset_bytes}{size}: {}: {text}{server}", fault_kind_words(*kind))
}

/// `1 stream`, `2 streams`.
fn counted(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// What a kind of fault is called.
fn fault_kind_words(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::DescriptorCheck => "descriptor check",
        FaultKind::Structure => "structure",
        FaultKind::Truncated => "truncated",
        FaultKind::StreamChecksum => "stream checksum",
        FaultKind::RecordChecksum => "record checksum",
        FaultKind::Unreadable => "unreadable",
        FaultKind::UnusedPage => "unused page",
    }
}

impl SetReport {
    /// Server, backup name and log, as far as they are known: `server S, name N, LSN a to b`.
    pub fn facts(&self) -> Vec<String> {
        let named = |what: &str, name: &str| (!name.is_empty()).then(|| format!("{what} {name}"));
        let lsns = self.first_lsn.zip(self.last_lsn);
        let lsns = lsns.map(|(first, last)| format!("log {first} to {last}"));
        let base = self.database_backup_lsn.filter(|_| self.kind == BackupKind::Differential);
        let checksum = match self.has_checksum {
            Some(true) => Some("WITH CHECKSUM".to_owned()),
            Some(false) => Some("without CHECKSUM".to_owned()),
            None => None,
        };
        let cut = (!self.is_complete).then(|| "its end is missing".to_owned());
        let server = named("server", &self.server);
        let base = base.map(|lsn| format!("based on the full backup at {lsn}"));
        let name = named("name", &self.name);
        [server, name, lsns, base, checksum, cut].into_iter().flatten().collect()
    }
}

impl SetFile {
    /// `file 1 Sales: 320 of 4096 pages here`; of a backup that is packed, nobody has seen them.
    pub fn words(&self, is_packed: bool) -> String {
        let Self { file_id, logical_name, pages, pages_here, .. } = self;
        match (pages_here, pages) {
            (0, 0) => format!("file {file_id} {logical_name}: no pages"),
            (0, all) if is_packed => format!(
                "file {file_id} {logical_name}: {}, not unpacked: --deep verifies them",
                counted(u64::from(*all), "page")
            ),
            (here, 0) => format!("file {file_id} {logical_name}: {here} pages here"),
            (here, all) => format!("file {file_id} {logical_name}: {here} of {all} pages here"),
        }
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
