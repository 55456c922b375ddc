//! The description of database, filegroups and files that a backup set carries twice: in `MSCI`
//! before its pages and in `MSLS` behind them (docs/page-format.md, section 9.2.2).

use super::set::{BackedUpFile, BackupKind, BackupSet};
use super::{date, fields};
use crate::page::boot::PageVerify;
use crate::page::header::Lsn;
use crate::page::line::Line;
use jiff::civil::DateTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most bytes of a description that are read.
pub(super) const CONFIGURATION_BYTES_MAX: u64 = 64 << 20;
/// The most files of a database, by SQL Server's own limits.
const FILES_MAX: usize = 32_767;
const CHUNK_HEADER_BYTES: usize = 8;

const FLAGS: usize = 0x08;
const FLAG_CHECKSUM: u32 = 0x10;
const FIRST_LSN: usize = 0x20;
const LAST_LSN: usize = 0x2a;
const CHECKPOINT_LSN: usize = 0x34;
const DATABASE_BACKUP_LSN: usize = 0x3e;
const CREATED: usize = 0x48;
const STARTED: usize = 0x4d;
const FINISHED: usize = 0x52;
const KIND: usize = 0x57;
const INTERNAL_VERSION: usize = 0x5e;
const DATABASE: usize = 0x68;
const SERVER: usize = 0x6c;
const BINDING_ID: usize = 0x7c;
const RECOVERY_FORK: usize = 0x9c;
const FORK_POINT: usize = 0xac;
const EARLIER_FORK: usize = 0xb8;
const DIFFERENTIAL_BASE: usize = 0xc8;
const FAMILY: usize = 0xe0;
const STATUS: usize = 0xf4;
const CHAIN_ORIGIN: usize = 0xf8;

const GROUP_ID: usize = 12;
const GROUP_NAME: usize = 16;

const FILE_ID: usize = 20;
const FILE_PAGES: usize = 24;
const FILE_TYPE: usize = 28;
const FILE_GROUP: usize = 36;
const LOGICAL_NAME: usize = 48;
const PHYSICAL_NAME: usize = 52;
const FILE_GUID: usize = 186;
const TYPE_LOG: u32 = 2;

/// What one `MQCI` stream says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Configuration {
    kind: BackupKind,
    has_checksum: Option<bool>,
    /// First, last, checkpoint, database backup.
    lsns: [Option<Lsn>; 4],
    created: Option<DateTime>,
    started: Option<DateTime>,
    finished: Option<DateTime>,
    internal_version: Option<u16>,
    database: String,
    server: String,
    binding_id: Option<[u8; 16]>,
    line: Line,
    chain_origin_lsn: Option<Lsn>,
    differential_base_id: Option<[u8; 16]>,
    page_verify: Option<PageVerify>,
    files: Vec<BackedUpFile>,
}

impl Configuration {
    /// Reads the chunks of the stream, and in words what is wrong with them.
    pub(super) fn of(bytes: &[u8]) -> (Self, Option<&'static str>) {
        let mut found = Self::default();
        let mut groups = BTreeMap::new();
        let mut rest = bytes;
        while rest.len() >= CHUNK_HEADER_BYTES {
            let length = fields::u32_at(rest, 4).and_then(|length| usize::try_from(length).ok());
            let fits = |length: &usize| (CHUNK_HEADER_BYTES..=rest.len()).contains(length);
            let Some((chunk, behind)) = length.filter(fits).map(|at| rest.split_at(at)) else {
                return (
                    found.grouped(&groups),
                    Some("a part of the description has a wrong length"),
                );
            };
            match &chunk[..4] {
                b"SCIN" => found.read_database(chunk),
                b"SFGI" if groups.len() < FILES_MAX => {
                    groups.extend(fields::u32_at(chunk, GROUP_ID).map(|id| (id, chunk)));
                }
                b"SFIN" if found.files.len() < FILES_MAX => found.files.push(file(chunk)),
                _ => {}
            }
            rest = behind;
        }
        let wrong =
            found.lsns.iter().all(Option::is_none).then_some("the description tells no LSN");
        (found.grouped(&groups), wrong)
    }

    fn read_database(&mut self, chunk: &[u8]) {
        let lsns = [FIRST_LSN, LAST_LSN, CHECKPOINT_LSN, DATABASE_BACKUP_LSN];
        self.kind = chunk.get(KIND).map_or(BackupKind::Unknown, |letter| kind_of(*letter));
        self.has_checksum = fields::u32_at(chunk, FLAGS).map(|flags| flags & FLAG_CHECKSUM != 0);
        self.lsns = lsns.map(|offset| fields::lsn_at(chunk, offset));
        self.created = chunk.get(CREATED..).and_then(date::packed);
        self.started = chunk.get(STARTED..).and_then(date::packed);
        self.finished = chunk.get(FINISHED..).and_then(date::packed);
        self.internal_version = fields::u16_at(chunk, INTERNAL_VERSION);
        self.database = fields::text(chunk, DATABASE);
        self.server = fields::text(chunk, SERVER);
        self.binding_id = fields::guid_at(chunk, BINDING_ID);
        self.line = Line {
            family_id: fields::guid_at(chunk, FAMILY),
            fork_id: fields::guid_at(chunk, RECOVERY_FORK),
            earlier_fork_id: fields::guid_at(chunk, EARLIER_FORK),
            fork_point_lsn: fields::lsn_at(chunk, FORK_POINT),
        };
        self.chain_origin_lsn = fields::lsn_at(chunk, CHAIN_ORIGIN);
        self.differential_base_id = fields::guid_at(chunk, DIFFERENTIAL_BASE);
        self.page_verify = fields::u32_at(chunk, STATUS).map(PageVerify::of_status);
    }

    fn grouped(mut self, groups: &BTreeMap<u32, &[u8]>) -> Self {
        // One name for many files.
        let named = |(id, group): (&u32, &&[u8])| (*id, Arc::from(fields::text(group, GROUP_NAME)));
        let groups: BTreeMap<u32, Arc<str>> = groups.iter().map(named).collect();
        for file in self.files.iter_mut().filter(|file| !file.is_log) {
            let group = groups.get(&u32::from(file.filegroup_id));
            file.filegroup = group.cloned().unwrap_or_default();
        }
        self
    }

    /// True if the two cannot be of one backup set. LSNs, dates and page counts are filled in
    /// while the backup runs and may differ.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        let names = |file: &BackedUpFile| {
            (file.file_id, file.is_log, file.logical_name.clone(), file.physical_name.clone())
        };
        (self.kind, &self.database, &self.server, self.internal_version, self.binding_id)
            != (
                other.kind,
                &other.database,
                &other.server,
                other.internal_version,
                other.binding_id,
            )
            || !self.files.iter().map(names).eq(other.files.iter().map(names))
    }

    /// Writes into `set` what this says. The later of two counts, except for the files: the one
    /// before the pages tells how many pages of each there are.
    pub(super) fn describe(self, set: &mut BackupSet) {
        let [first, last, checkpoint, database_backup] = self.lsns;
        if self.kind != BackupKind::Unknown {
            set.kind = self.kind;
        }
        set.has_checksum = self.has_checksum.or(set.has_checksum);
        set.first_lsn = first.or(set.first_lsn);
        set.last_lsn = last.or(set.last_lsn);
        set.checkpoint_lsn = checkpoint.or(set.checkpoint_lsn);
        set.database_backup_lsn = database_backup.or(set.database_backup_lsn);
        set.created = self.created.or(set.created);
        set.started = self.started.or(set.started);
        set.finished = self.finished.or(set.finished);
        set.internal_version = self.internal_version.or(set.internal_version);
        set.binding_id = self.binding_id.or(set.binding_id);
        if self.line.is_told() {
            set.line = self.line;
        }
        set.chain_origin_lsn = self.chain_origin_lsn.or(set.chain_origin_lsn);
        let base = self.differential_base_id.filter(|_| set.kind == BackupKind::Differential);
        set.differential_base_id = base.or(set.differential_base_id);
        set.page_verify = self.page_verify.or(set.page_verify);
        replace_empty(&mut set.database, self.database);
        replace_empty(&mut set.server, self.server);
        if set.files.is_empty() {
            set.files = self.files;
        }
    }
}

fn replace_empty(text: &mut String, other: String) {
    if text.is_empty() {
        *text = other;
    }
}

fn file(chunk: &[u8]) -> BackedUpFile {
    let number = |offset| fields::u32_at(chunk, offset).unwrap_or_default();
    let narrow = |offset| u16::try_from(number(offset)).unwrap_or_default();
    BackedUpFile {
        file_id: narrow(FILE_ID),
        filegroup_id: narrow(FILE_GROUP),
        filegroup: Arc::from(""),
        pages: number(FILE_PAGES),
        logical_name: fields::text(chunk, LOGICAL_NAME),
        physical_name: fields::text(chunk, PHYSICAL_NAME),
        is_log: number(FILE_TYPE) == TYPE_LOG,
        guid: fields::guid_at(chunk, FILE_GUID),
    }
}

/// The letters that msdb uses in `backupset.type`.
fn kind_of(letter: u8) -> BackupKind {
    match letter {
        b'D' => BackupKind::Full,
        b'I' => BackupKind::Differential,
        b'L' => BackupKind::Log,
        b'F' | b'G' | b'P' | b'Q' => BackupKind::File,
        _ => BackupKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "tags are literals")]
    fn chunk(tag: &[u8; 4], bytes: usize) -> Vec<u8> {
        let mut chunk = vec![0; bytes];
        chunk[..4].copy_from_slice(tag);
        chunk[4..8].copy_from_slice(&(bytes as u32).to_le_bytes());
        chunk
    }

    fn description(file_id: u8) -> Vec<u8> {
        let mut database = chunk(b"SCIN", 0x110);
        database[KIND] = b'D';
        database[FIRST_LSN] = 7;
        let mut group = chunk(b"SFGI", 32);
        group[GROUP_ID] = 1;
        group[GROUP_NAME..GROUP_NAME + 4].copy_from_slice(&[4, 0, 28, 0]);
        group[28..].copy_from_slice(b"P\0R\0");
        let mut file = chunk(b"SFIN", 60);
        (file[FILE_ID], file[FILE_TYPE], file[FILE_GROUP]) = (file_id, 1, 1);
        [database, group, file].concat()
    }

    #[test]
    fn a_file_is_given_the_name_of_its_filegroup() {
        let (read, wrong) = Configuration::of(&description(3));
        let mut set = BackupSet::default();
        read.describe(&mut set);
        assert_eq!((wrong, set.kind, set.files.len()), (None, BackupKind::Full, 1));
        assert_eq!((set.files[0].file_id, &*set.files[0].filegroup), (3, "PR"));
        assert_eq!(set.first_lsn.map(|lsn| lsn.vlf), Some(7));
    }

    #[test]
    fn two_descriptions_of_different_files_contradict_each_other() {
        let [one, same, other] = [3, 3, 4].map(|id| Configuration::of(&description(id)).0);
        assert!(!one.contradicts(&same));
        assert!(one.contradicts(&other));
    }

    #[test]
    fn wrong_lengths_end_the_reading() {
        for length in [0_u32, 7, 0x111, u32::MAX] {
            let mut bytes = description(3);
            bytes[4..8].copy_from_slice(&length.to_le_bytes());
            assert!(Configuration::of(&bytes).1.is_some(), "{length}");
        }
        assert_eq!(Configuration::of(&[]).1, Some("the description tells no LSN"));
    }
}
