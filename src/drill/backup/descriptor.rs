//! Descriptor blocks, still without their address and check.

use super::configuration::SetFacts;
use super::mark;
use super::recipe::BackupKind;
use super::record::{BLOCK_HEADER_BYTES, Record, packed_date};
use crate::drill::database_files::LOG_FILE_BYTES;
use crate::drill::front::{CHECKPOINT_LSN, DATABASE};

pub(super) const SOFT_FILEMARK: [u8; 4] = *b"SFMB";
/// With the two zeros that SQL Server counts among it.
const SOFTWARE: &str = "Microsoft SQL Server\0\0";
pub(super) const USER: &str = "DRILL\\pagescrub";
const MACHINE: &str = "DRILL";
const TEXT_IS_UTF16: u8 = 2;
/// Windows NT.
const OS: [u8; 2] = [14, 1];
const VENDOR: u16 = 0x1200;
/// Addresses of blocks count in these.
pub(super) const LOGICAL_BLOCK_BYTES: u16 = 1024;
const SSET_BYTES: usize = 122;
const SSET_NORMAL: u32 = 0x4;
const SSET_DIFFERENTIAL: u32 = 0x8;
const SSET_INCREMENTAL: u32 = 0x10;
const FILEMARKS: usize = 72;

/// A block of `bytes`, with the fields that all blocks have.
fn block(kind: [u8; 4], bytes: usize, has_text: bool) -> Record {
    let mut record = Record::new(bytes);
    record.bytes(0, &kind);
    record.bytes(10, &OS);
    if has_text {
        record.bytes(48, &[TEXT_IS_UTF16]);
    }
    record
}

/// The first block of a member: the medium.
pub(super) fn tape(family_id: u32, block_bytes: u32) -> Record {
    let mut record = block(*b"TAPE", 94, true);
    record.u32(4, 0x3_0000);
    record.u32(52, family_id);
    record.u32(56, 5);
    record.u16(60, 1);
    record.u16(64, (block_bytes / 512) as u16);
    record.u16(66, 3);
    record.u16(84, LOGICAL_BLOCK_BYTES);
    record.u16(86, VENDOR);
    record.bytes(88, &packed_date(1, 5));
    record.bytes(93, &[1]);
    record.text(80, SOFTWARE);
    record
}

/// The stream that says which member of which media set this is, as real members of striped
/// backups have it. Offsets are told here once more, apart from those of the reader: a wrong one
/// would else agree with itself.
pub(super) fn raid(media_set: [u8; 16], family: u16, families: u16) -> Record {
    let mut record = Record::new(32);
    record.bytes(0, &media_set);
    record.u32(16, 0xf000_00ad);
    record.u16(20, families);
    record.u16(22, 1);
    record.u16(24, family);
    record.u16(30, 1);
    record
}

/// A soft filemark, one physical block; it knows where those before it are, newest first.
pub(super) fn filemark(block_bytes: u32, before: &[u64]) -> Record {
    let mut record = block(SOFT_FILEMARK, block_bytes as usize, false);
    let room = (block_bytes as usize - FILEMARKS) / 8;
    record.u32(4, 0x8000_0000);
    // The whole block is header; 65,536 is more than the field can say, and is written as 0.
    record.u16(8, block_bytes as u16);
    record.u32(52, room as u32);
    record.u32(56, before.len().min(room) as u32);
    record.u32(60, FILEMARKS as u32);
    for (n, &at) in before.iter().rev().take(room).enumerate() {
        record.u64(FILEMARKS + 8 * n, at);
    }
    record
}

/// The start of a set at byte `at` of its file.
pub(super) fn set_start(set: &SetFacts<'_>, at: u64) -> Record {
    let kind = match set.recipe.kind {
        BackupKind::Full => "Full Database",
        BackupKind::Differential => "Differential Database",
        BackupKind::Log => "Transaction Log",
    };
    let mut record = block(*b"SSET", SSET_BYTES, true);
    record.u16(44, 21);
    record.u16(46, 100);
    record.u32(52, set_attributes(set));
    record.u16(60, VENDOR);
    record.u16(62, set.position);
    record.u64(80, at);
    record.bytes(88, &set.date());
    record.bytes(93, &[15, 0, 0, 0, 2]);
    record.bytes(100, &set.identity.set);
    record.text(64, &format!("{DATABASE}-{kind} Backup"));
    record.text(68, &mark::text_of(set.recipe));
    record.text(76, USER);
    record
}

fn set_attributes(set: &SetFacts<'_>) -> u32 {
    match set.recipe.kind {
        BackupKind::Full => SSET_NORMAL,
        BackupKind::Differential => SSET_DIFFERENTIAL,
        BackupKind::Log => SSET_INCREMENTAL,
    }
}

/// The volume.
pub(super) fn volume(set: &SetFacts<'_>) -> Record {
    let mut record = block(*b"VOLB", 73, true);
    record.u32(52, 2);
    record.bytes(68, &set.date());
    record.text(56, "C:");
    record.u16(62, 77);
    record.text(64, MACHINE);
    record
}

/// The block before a configuration stream: `MSCI` first, `MSLS` at the end.
pub(super) fn configuration_block(kind: [u8; 4]) -> Record {
    block(kind, 56, true)
}

/// The block before streams of pages.
pub(super) fn data_block(set: &SetFacts<'_>) -> Record {
    let mut record = block(*b"MSDA", 60, false);
    record.u16(58, set.position);
    record
}

/// The block of virtual log file `n` of `all`; the first has log in the backup.
pub(super) fn log_block(set: &SetFacts<'_>, n: u64, all: u64, log_bytes: u64) -> Record {
    let vlf_bytes = LOG_FILE_BYTES / all;
    let mut record = block(*b"MSTL", 596, false);
    record.u16(58, set.position);
    if n == 0 {
        record.bytes(60, &(512 * 1024_u64).to_le_bytes());
        record.u64(68, 512 * 1024 + log_bytes);
        record.u32(92, CHECKPOINT_LSN.vlf);
    }
    record.u32(76, 2);
    record.u16(80, 504);
    record.u16(82, 92);
    record.u64(96, vlf_bytes);
    record.u64(104, n * vlf_bytes + 8192);
    record.bytes(112, &[2, 0, 0x40]);
    record.u16(126, 4);
    record
}

/// The end of a set. The second of the two knows where the first is.
pub(super) fn set_end(set: &SetFacts<'_>, first_at: Option<u64>) -> Record {
    let mut record = block(*b"ESET", 88, false);
    record.u32(52, set_attributes(set));
    record.u64(60, first_at.unwrap_or(0));
    record.u16(78, set.position);
    record.bytes(80, &set.date());
    record
}

/// The catalog between the two ends: the set once more, in short.
pub(super) fn short_catalog(set: &SetFacts<'_>, family_id: u32, set_at: u64) -> Record {
    let mut record = Record::new(8 + 92);
    record.u32(0, family_id);
    record.u32(4, 1);
    record.u16(10, 1);
    record.u32(16, set_attributes(set));
    record.u64(20, set_at);
    record.u16(8 + 46, set.position);
    record.bytes(8 + 86, &set.date());
    record.text(8 + 82, USER);
    let bytes = record.0.len() as u16 - 8;
    record.u16(8, bytes);
    record
}

/// Bytes of the header of a block, in which the first stream begins.
pub(super) fn begin_of_streams(record: &Record) -> usize {
    record.0.len().max(BLOCK_HEADER_BYTES).next_multiple_of(4)
}
