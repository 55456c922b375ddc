//! The configuration stream `MQCI`: what was backed up, for RESTORE HEADERONLY and FILELISTONLY.
//! Records `SCIN` (the backup), `SFGI` (the filegroup) and one `SFIN` per file, with lengths and
//! fixed parts as SQL Server 2019 writes them. Nothing protects them.

use super::identity::Identity;
use super::recipe::{BackupKind, BackupRecipe};
use super::record::{Record, packed_date};
use crate::drill::database_files::{LOG_FILE_BYTES, logical_name, physical_name};
use crate::drill::front::{
    CHECKPOINT_LSN, COMPATIBILITY_LEVEL, DATABASE, DATABASE_ID, INTERNAL_VERSION, binding_id,
    verify_status,
};
use crate::drill::identity as of_database;
use crate::drill::recipe::LOG_FILE_ID;
use crate::page::PAGE_BYTES;
use crate::page::address::FileId;
use crate::page::header::Lsn;

pub(super) const SERVER: &str = "DRILL\\SQL2019";
const SCIN_BYTES: usize = 400;
const SFGI_BYTES: usize = 224;
const SFIN_BYTES: usize = 1028;
/// Of `SCIN`: zeros that tell nobody anything.
pub(super) const SCIN_IDLE: std::ops::Range<usize> = 272..332;
const FLAG_DATABASE: u32 = 0x200;
const FLAG_DIFFERENTIAL: u32 = 0x800;
const FLAG_CHECKSUM: u32 = 0x10;
const BUILD: u16 = 2000;
const MAJOR_VERSION: u8 = 15;
const COLLATION: u32 = 0x0c0a;
const SECTOR_BYTES: u32 = 512;
const FILE_BYTES_MAX: u64 = 0x1fff_ffff_e000;
/// How far the log gets between two full backups.
const LSN_BLOCKS_A_DAY: u32 = 40;
const GROWTH_BYTES: u64 = 64 << 20;

/// What belongs to one backup set, apart from its recipe.
#[derive(Clone, Copy, Debug)]
pub(super) struct SetFacts<'a> {
    pub(super) recipe: &'a BackupRecipe,
    /// Position in its file, from 1.
    pub(super) position: u16,
    /// Of log backups, from 1.
    pub(super) log_number: u32,
    pub(super) identity: Identity,
    /// Extents per data file, of all members together.
    pub(super) file_extents: &'a [u64],
}

impl SetFacts<'_> {
    /// When the set was finished; it took a few seconds.
    pub(super) fn date(&self) -> [u8; 5] {
        let (turn, second) = self.turn();
        packed_date(turn, second + 4)
    }

    fn started(&self) -> [u8; 5] {
        let (turn, second) = self.turn();
        packed_date(turn, second)
    }

    /// The day of the backup, counted from 1, and the second in which it begins. On one day the
    /// full backup is first, then the differential, then the log of the day.
    fn turn(&self) -> (u32, u32) {
        let position = u32::from(self.position);
        match self.recipe.kind {
            BackupKind::Full => (position, 1),
            BackupKind::Differential => (position, 11),
            BackupKind::Log => (self.log_number, 21),
        }
    }

    /// Log `n` begins where a full backup at position `n` ends, and ends where log `n` + 1 begins.
    fn first_lsn(&self) -> Lsn {
        match self.recipe.kind {
            BackupKind::Log => behind_checkpoint(self.turn().0, 0),
            _ => CHECKPOINT_LSN,
        }
    }

    fn last_lsn(&self) -> Lsn {
        match (self.recipe.kind, self.turn().0) {
            (BackupKind::Full, day) => behind_checkpoint(day, 0),
            (BackupKind::Differential, day) => behind_checkpoint(day, LSN_BLOCKS_A_DAY / 2),
            (BackupKind::Log, day) => behind_checkpoint(day.saturating_add(1), 0),
        }
    }

    /// The checkpoint of the full backup that a differential is based on.
    fn base_lsn(&self) -> Option<Lsn> {
        (self.recipe.kind != BackupKind::Full).then_some(CHECKPOINT_LSN)
    }

    fn data_bytes(&self) -> u64 {
        self.file_extents.iter().sum::<u64>() * super::extents::EXTENT_BYTES
    }
}

fn behind_checkpoint(day: u32, blocks: u32) -> Lsn {
    let blocks = day.saturating_mul(LSN_BLOCKS_A_DAY).saturating_add(blocks);
    Lsn { block: CHECKPOINT_LSN.block.saturating_add(blocks), slot: 1, ..CHECKPOINT_LSN }
}

/// The data of the stream.
pub(super) fn configuration(set: &SetFacts<'_>) -> Vec<u8> {
    let mut bytes = backup_record(set).0;
    bytes.extend(filegroup_record(set).0);
    for n in 0..set.recipe.files.len() {
        bytes.extend(data_file_record(set, n).0);
    }
    bytes.extend(log_file_record(set).0);
    bytes
}

/// Begins a record; its length is written when it is complete.
fn begin(tag: [u8; 4], bytes: usize) -> Record {
    let mut record = Record::new(bytes);
    record.bytes(0, &tag);
    record
}

fn complete(mut record: Record) -> Record {
    record.u32(4, record.0.len() as u32);
    record
}

fn backup_record(set: &SetFacts<'_>) -> Record {
    let (recipe, kind) = (set.recipe, set.recipe.kind);
    let (flags, letter) = match kind {
        BackupKind::Full => (FLAG_DATABASE, b'D'),
        BackupKind::Differential => (FLAG_DATABASE | FLAG_DIFFERENTIAL, b'I'),
        BackupKind::Log => (0, b'L'),
    };
    let mut record = begin(*b"SCIN", SCIN_BYTES);
    record.u32(8, flags | if recipe.with_checksum { FLAG_CHECKSUM } else { 0 });
    record.u32(12, recipe.files.len() as u32);
    record.u32(16, 1);
    record.u16(24, BUILD);
    record.bytes(27, &[MAJOR_VERSION, 9]);
    for (at, lsn) in [(32, set.first_lsn()), (42, set.last_lsn()), (52, CHECKPOINT_LSN)] {
        record.lsn(at, lsn);
    }
    record.lsn(62, set.base_lsn().unwrap_or(Lsn { vlf: 0, block: 0, slot: 0 }));
    record.bytes(72, &packed_date(0, 0));
    record.bytes(77, &set.started());
    record.bytes(82, &set.date());
    record.bytes(87, &[letter]);
    record.bytes(91, &[COMPATIBILITY_LEVEL]);
    record.u16(92, DATABASE_ID);
    record.u16(94, INTERNAL_VERSION);
    record.u64(97, set.data_bytes());
    record.u32(116, COLLATION);
    record.bytes(124, &binding_id(recipe.seed()));
    record.lsn(144, set.last_lsn());
    record.bytes(156, &of_database::family(recipe.seed()));
    if kind == BackupKind::Differential {
        record.bytes(200, &set.identity.base);
        record.lsn(260, CHECKPOINT_LSN);
    }
    record.bytes(224, &of_database::family(recipe.seed()));
    record.u32(244, recipe.files.first().map_or(0, |file| verify_status(file.page_verify)));
    record.lsn(248, CHECKPOINT_LSN);
    record.lsn(332, CHECKPOINT_LSN);
    record.text(104, DATABASE);
    record.text(108, SERVER);
    complete(record)
}

fn filegroup_record(set: &SetFacts<'_>) -> Record {
    let mut record = begin(*b"SFGI", SFGI_BYTES);
    record.u32(8, 0x10);
    record.u32(12, 1);
    record.u32(20, 1);
    record.u32(40, 4);
    record.lsn(52, CHECKPOINT_LSN);
    record.lsn(64, set.last_lsn());
    record.bytes(140, &binding_id(set.recipe.seed()));
    record.text(16, "PRIMARY");
    complete(record)
}

fn data_file_record(set: &SetFacts<'_>, n: usize) -> Record {
    let file = &set.recipe.files[n];
    let extents = set.file_extents.get(n).copied().unwrap_or(0);
    let mut record = file_record(set, file.file_id, file.size_bytes);
    record.u32(8, 0x84);
    record.u32(24, (extents * super::extents::EXTENT_BYTES / PAGE_BYTES as u64) as u32);
    record.u32(28, 1);
    record.u32(36, 1);
    if let Some(base) = set.base_lsn() {
        record.lsn(158, base);
    }
    record.u64(250, extents * super::extents::EXTENT_BYTES);
    name_file(record, file.file_id)
}

fn log_file_record(set: &SetFacts<'_>) -> Record {
    let mut record = file_record(set, LOG_FILE_ID, LOG_FILE_BYTES);
    record.u32(8, 0x04);
    record.u32(28, 2);
    name_file(record, LOG_FILE_ID)
}

fn file_record(set: &SetFacts<'_>, file_id: FileId, size_bytes: u64) -> Record {
    let size_bytes = size_bytes - size_bytes % super::extents::EXTENT_BYTES;
    let mut record = begin(*b"SFIN", SFIN_BYTES);
    record.u32(16, PAGE_BYTES as u32);
    record.u32(20, file_id.0.into());
    record.u32(32, SECTOR_BYTES);
    record.u64(40, size_bytes);
    for (at, value) in [(86, FILE_BYTES_MAX), (94, GROWTH_BYTES), (114, size_bytes)] {
        record.u64(at, value);
    }
    record.u64(122, FILE_BYTES_MAX);
    record.u64(130, size_bytes);
    record.bytes(186, &of_database::file(set.recipe.seed(), file_id));
    for (at, lsn) in [(202, CHECKPOINT_LSN), (218, set.last_lsn()), (234, CHECKPOINT_LSN)] {
        record.lsn(at, lsn);
    }
    record
}

fn name_file(mut record: Record, file: FileId) -> Record {
    record.text(48, &logical_name(file));
    record.text(52, &physical_name(file));
    complete(record)
}
