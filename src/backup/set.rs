//! One backup set: what its start block says (docs/page-format.md, section 9.2.1), and the places
//! of its pages and log. What `MQCI` says is read by `configuration.rs`.

use super::{date, fields};
use crate::page::boot::PageVerify;
use crate::page::header::Lsn;
use crate::page::line::{Guid, Line};
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const OS_DATA: usize = 44;
const ATTRIBUTES: usize = 52;
const NUMBER: usize = 62;
const NAME: usize = 64;
const USER: usize = 76;
const WRITTEN: usize = 88;
const NORMAL: u32 = 0x4;
const DIFFERENTIAL: u32 = 0x8;

/// What a backup set holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupKind {
    /// All of a database.
    Full,
    /// What changed since the last full backup.
    Differential,
    /// Log.
    Log,
    /// Some files or filegroups, whole or their changes; a partial backup as well.
    File,
    /// It says nothing that is known.
    #[default]
    Unknown,
}

/// A file of the database, as the backup describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUpFile {
    /// File id.
    pub file_id: u16,
    /// Filegroup id; 0 for log.
    pub filegroup_id: u16,
    /// Name of the filegroup; empty if it is not told.
    pub filegroup: Arc<str>,
    /// Pages of this file that the backup holds, not the size of the file.
    pub pages: u32,
    /// Logical name.
    pub logical_name: String,
    /// Path on the server.
    pub physical_name: String,
    /// Log, which has no pages.
    pub is_log: bool,
    /// Its GUID, as on its page 0.
    #[serde(default)]
    pub guid: Option<Guid>,
}

/// A stretch of pages or log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPiece {
    /// Which `MSDA` or `MSTL` block of the set it belongs to, from 0.
    pub block: u32,
    /// Where its first byte stands in the backup, behind the pad bytes.
    pub offset_bytes: u64,
    /// Bytes that are present, without the pad bytes.
    pub bytes: u64,
    /// Bytes that its header promises, without the pad bytes.
    pub promised_bytes: u64,
    /// The stored checksum of the stream.
    pub checksum: Option<u32>,
    /// Where that stands.
    pub checksum_offset_bytes: Option<u64>,
}

/// One backup set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackupSet {
    /// As in `RESTORE ... WITH FILE = n`, from 1.
    pub position: u32,
    /// GUID of the set, `backup_set_uuid` in msdb.
    pub set_id: Option<[u8; 16]>,
    /// What it holds.
    pub kind: BackupKind,
    /// Name given to the backup; mostly empty.
    pub name: String,
    /// Who made it.
    pub user: String,
    /// Server that made it.
    pub server: String,
    /// Database.
    pub database: String,
    /// When that was created, local time of the server.
    #[serde(default)]
    pub created: Option<DateTime>,
    /// Begin, local time of the server.
    pub started: Option<DateTime>,
    /// End, local time of the server.
    pub finished: Option<DateTime>,
    /// First LSN.
    pub first_lsn: Option<Lsn>,
    /// Last LSN: of the record behind the last one in the backup.
    pub last_lsn: Option<Lsn>,
    /// Checkpoint LSN.
    pub checkpoint_lsn: Option<Lsn>,
    /// Checkpoint LSN of the full backup before.
    pub database_backup_lsn: Option<Lsn>,
    /// Made WITH CHECKSUM; `None` if the description cannot be read.
    pub has_checksum: Option<bool>,
    /// Internal version of the database.
    pub internal_version: Option<u16>,
    /// Binding id, as on page 0 of all files of the database.
    pub binding_id: Option<[u8; 16]>,
    /// Whose backup it is.
    #[serde(default)]
    pub line: Line,
    /// No log backup of its database begins before it.
    #[serde(default)]
    pub chain_origin_lsn: Option<Lsn>,
    /// Of a differential: the `set_id` of the full backup that it builds upon.
    pub differential_base_id: Option<[u8; 16]>,
    /// The option in force when it was made.
    #[serde(default)]
    pub page_verify: Option<PageVerify>,
    /// Files of the database.
    pub files: Vec<BackedUpFile>,
    /// Pages, in the order of the backup.
    pub data: Vec<StreamPiece>,
    /// Log, in the order of the backup.
    pub logs: Vec<StreamPiece>,
    /// Its end was seen.
    pub is_complete: bool,
    /// Between its blocks bytes are missing, or are of no block.
    #[serde(default)]
    pub has_gap: bool,
}

impl BackupSet {
    /// What the start of the set, `SSET`, says; `block` is the block up to its first stream. The
    /// set follows one at `position`.
    pub(super) fn begun_by(block: &[u8], position: u32) -> Self {
        let number = fields::u16_at(block, NUMBER).map_or(0, u32::from);
        let os_data = fields::referred(block, OS_DATA).unwrap_or_default();
        Self {
            position: if number > position { number } else { position.saturating_add(1) },
            set_id: fields::guid_at(os_data, 0),
            kind: kind_of(fields::u32_at(block, ATTRIBUTES).unwrap_or_default()),
            name: fields::text(block, NAME),
            user: fields::text(block, USER),
            started: block.get(WRITTEN..).and_then(date::packed),
            ..Self::default()
        }
    }
}

fn kind_of(attributes: u32) -> BackupKind {
    if attributes & DIFFERENTIAL != 0 {
        BackupKind::Differential
    } else if attributes & NORMAL != 0 {
        BackupKind::Full
    } else {
        BackupKind::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_block_of_nothing_gives_a_set_that_knows_its_place() {
        let set = BackupSet::begun_by(&[], 2);
        assert_eq!((set.position, set.kind), (3, BackupKind::Unknown));
        assert_eq!(BackupSet::begun_by(&[0xff; 100], u32::MAX).position, u32::MAX);
    }

    #[test]
    fn the_number_in_the_block_counts_if_sets_before_it_are_lost() {
        let mut block = [0; 100];
        block[NUMBER] = 5;
        assert_eq!(BackupSet::begun_by(&block, 1).position, 5);
        assert_eq!(BackupSet::begun_by(&block, 7).position, 8);
    }
}
