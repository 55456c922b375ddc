//! What the blocks and streams of a walk mean: sets begin and end, pieces of pages and log are
//! listed, descriptions are read.

use super::block::{BlockHeader, HAS_CHECKSUM, PAD_BYTES, StreamHeader, Tag};
use super::class::ByteClass;
use super::configuration::{CONFIGURATION_BYTES_MAX, Configuration};
use super::media::{MediaFamily, PIECES_MAX, SETS_MAX, physical_block_bytes};
use super::set::{BackupSet, StreamPiece};
use super::walk::Walk;
use super::{FaultKind, date, fields};
use std::collections::BTreeMap;

/// The most types of blocks that are counted apart.
const BLOCK_TYPES_MAX: usize = 64;
const RAID_BYTES: u64 = 32;
const CHECKSUM_BYTES: u64 = 4;
/// Where the end of a set, `ESET`, has its date.
const ESET_WRITTEN: usize = 80;
/// Each set ends with two blocks `ESET`, the catalogue of the medium between them.
pub(super) const ENDS_OF_SET: u32 = 2;

/// What the walk is in the middle of.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// A set has begun and not ended.
    is_open: bool,
    /// `ESET` blocks since the last set began.
    ends: u32,
    /// Its description was seen before its pages, and behind them.
    is_described: [bool; 2],
    last_block: Tag,
    data_blocks: u32,
    log_blocks: u32,
    pieces: usize,
    /// Files of all sets, to bound what descriptions may add.
    files: usize,
    /// The stream just walked was pages or log; true if a checksum was promised.
    awaits_checksum: Option<bool>,
    is_log: bool,
    first_description: Option<Configuration>,
}

/// The most files of all sets that are kept: with five for each set, as many sets as are read.
const FILES_MAX: usize = 1 << 19;

impl Contents {
    /// Counts a block.
    pub(super) fn count(&mut self, blocks: &mut BTreeMap<Tag, u64>, tag: Tag) {
        self.last_block = tag;
        if blocks.len() < BLOCK_TYPES_MAX || blocks.contains_key(&tag) {
            *blocks.entry(tag).or_default() += 1;
        }
    }

    /// True if the last set has its end, and the file its last soft filemark; what a compressed
    /// backup unpacks to has none at all.
    pub(super) fn has_ended(&self, blocks: &BTreeMap<Tag, u64>) -> bool {
        let is_closed = !blocks.contains_key(b"SFMB") || &self.last_block == b"SFMB";
        !self.is_open && self.ends >= ENDS_OF_SET && is_closed
    }
}

impl Walk<'_> {
    /// A block begins; `block` is all of it up to its first stream, or nothing if that is lost.
    pub(super) fn begin(&mut self, header: &BlockHeader, block: &[u8]) {
        self.contents.awaits_checksum = None;
        match &header.tag {
            b"TAPE" => self.begin_media(block),
            b"SSET" => self.begin_set(header.address, block),
            b"MSDA" => self.contents.data_blocks += u32::from(self.set().is_some()),
            b"MSTL" => self.contents.log_blocks += u32::from(self.set().is_some()),
            b"ESET" => self.end_set(block),
            _ => {}
        }
    }

    fn begin_media(&mut self, block: &[u8]) {
        if self.media.family.is_some() {
            let text = "a second medium begins inside the file";
            return self.fault(FaultKind::Structure, self.at, 0, text);
        }
        self.media.family = Some(MediaFamily::of(block));
        self.media.block_bytes = physical_block_bytes(block).unwrap_or(self.media.block_bytes);
    }

    fn begin_set(&mut self, address: u64, block: &[u8]) {
        if self.contents.is_open {
            let text = "a backup set begins before the one before it has ended";
            self.fault(FaultKind::Structure, self.at, 0, text);
        } else if !self.media.sets.is_empty() && self.contents.ends < ENDS_OF_SET {
            self.wrong_ends(self.contents.ends);
        }
        if self.media.sets.len() >= SETS_MAX {
            return self.stop("it has more than 100,000 backup sets");
        }
        self.begin_order(address, block);
        let position = self.media.sets.last().map_or(0, |set| set.position);
        self.media.sets.push(BackupSet::begun_by(block, position));
        let (pieces, files) = (self.contents.pieces, self.contents.files);
        let last_block = self.contents.last_block;
        self.contents =
            Contents { is_open: true, last_block, pieces, files, ..Contents::default() };
    }

    /// The open set; one without a beginning where none is open. `None` if a limit is reached.
    fn set(&mut self) -> Option<&mut BackupSet> {
        if !self.contents.is_open {
            let text = "the beginning of a backup set is missing";
            self.fault(FaultKind::Structure, self.at, 0, text);
            self.begin_set(0, &[]);
        }
        if self.is_stopped { None } else { self.media.sets.last_mut() }
    }

    /// Of the set that is open, bytes are missing, or are of no block.
    pub(super) fn mark_gap(&mut self) {
        if self.contents.is_open
            && let Some(set) = self.media.sets.last_mut()
        {
            set.has_gap = true;
        }
    }

    fn end_set(&mut self, block: &[u8]) {
        self.contents.ends += 1;
        if self.contents.ends > ENDS_OF_SET {
            self.wrong_ends(self.contents.ends);
        }
        if !self.contents.is_open {
            return;
        }
        self.contents.is_open = false;
        self.check_descriptions(self.contents.is_described);
        if let Some(set) = self.media.sets.last_mut() {
            set.is_complete = true;
            let written = block.get(ESET_WRITTEN..).and_then(date::packed);
            set.finished = set.finished.or(written);
        }
    }

    /// Takes in a stream whose data stand from `data` to `end`, and gives each byte its class.
    pub(super) fn take(&mut self, header: &StreamHeader, data: u64, end: u64) {
        let awaited = self.contents.awaits_checksum.take();
        if awaited == Some(true) && &header.tag != b"CSUM" {
            let text = "the checksum that a stream promises does not follow it";
            self.fault(FaultKind::Structure, data, 0, text);
        }
        let class = match &header.tag {
            b"MQDA" => return self.take_piece(header, data, end, ByteClass::Pages),
            b"MQTL" => {
                let has_checksum = header.media_attributes & HAS_CHECKSUM != 0;
                return self.take_piece(header, data, end, ByteClass::Log { has_checksum });
            }
            b"CSUM" => self.take_checksum(header, data, awaited.is_some()),
            b"MQCI" => self.take_description(data, end),
            b"RAID" => self.take_family(data, end),
            b"SPAD" | b"APAD" => ByteClass::Padding,
            b"OTCP" | b"TSMP" => ByteClass::Trailer,
            _ => ByteClass::Unaccounted,
        };
        self.map.mark(end, class);
    }

    fn take_piece(&mut self, header: &StreamHeader, data: u64, end: u64, class: ByteClass) {
        let is_log = matches!(class, ByteClass::Log { .. });
        if !header.is_plausible() {
            let text = "pages or log have a length that is none";
            self.fault(FaultKind::Structure, data, header.data_bytes, text);
        }
        self.map.mark(data.saturating_add(PAD_BYTES.min(header.data_bytes)), ByteClass::StreamPad);
        self.map.mark(end, class);
        let has_checksum = header.media_attributes & HAS_CHECKSUM != 0;
        // The one that closes the pages is empty; a member may also have none to begin with.
        if header.data_bytes <= PAD_BYTES && !has_checksum {
            return;
        }
        self.contents.awaits_checksum = Some(has_checksum);
        self.contents.is_log = is_log;
        let offset_bytes = data.saturating_add(PAD_BYTES);
        self.list(
            is_log,
            StreamPiece {
                block: 0,
                offset_bytes,
                bytes: end.saturating_sub(offset_bytes),
                promised_bytes: header.data_bytes.saturating_sub(PAD_BYTES),
                checksum: None,
                checksum_offset_bytes: None,
            },
        );
    }

    fn list(&mut self, is_log: bool, mut piece: StreamPiece) {
        if self.contents.pieces >= PIECES_MAX {
            return self.stop("it has more than 1,048,576 streams of pages and log");
        }
        self.contents.pieces += 1;
        let blocks = [self.contents.data_blocks, self.contents.log_blocks];
        piece.block = blocks[usize::from(is_log)].saturating_sub(1);
        if let Some(set) = self.set() {
            let pieces = if is_log { &mut set.logs } else { &mut set.data };
            pieces.push(piece);
        }
    }

    fn take_checksum(&mut self, header: &StreamHeader, data: u64, is_awaited: bool) -> ByteClass {
        if header.data_bytes != CHECKSUM_BYTES || !is_awaited {
            let text = "a checksum stands where none belongs";
            self.fault(FaultKind::Structure, data, header.data_bytes, text);
            return ByteClass::Unaccounted;
        }
        let stored = self.vec(data, CHECKSUM_BYTES).and_then(|bytes| fields::u32_at(&bytes, 0));
        let is_log = self.contents.is_log;
        if let Some(set) = self.media.sets.last_mut() {
            set.has_checksum.get_or_insert(true);
            let pieces = if is_log { &mut set.logs } else { &mut set.data };
            if let Some(piece) = pieces.last_mut() {
                (piece.checksum, piece.checksum_offset_bytes) = (stored, stored.map(|_| data));
            }
        }
        ByteClass::ChecksumValue
    }

    fn take_family(&mut self, data: u64, end: u64) -> ByteClass {
        let raid = self.vec(data, RAID_BYTES.min(end - data)).unwrap_or_default();
        if let Some(family) = &mut self.media.family {
            family.join(&raid);
        }
        ByteClass::Description
    }

    fn take_description(&mut self, data: u64, end: u64) -> ByteClass {
        let bytes = self.vec(data, CONFIGURATION_BYTES_MAX.min(end - data)).unwrap_or_default();
        let (read, wrong) = Configuration::of(&bytes);
        self.contents.is_described[usize::from(&self.contents.last_block == b"MSLS")] = true;
        if let Some(text) = wrong {
            self.fault(FaultKind::Structure, data, end - data, text);
        }
        let contradicts = self
            .contents
            .first_description
            .as_ref()
            .is_some_and(|first| wrong.is_none() && first.contradicts(&read));
        if contradicts {
            let text = "the two descriptions of a backup set contradict each other";
            self.fault(FaultKind::Structure, data, end - data, text);
        }
        self.describe(read, wrong.is_some());
        ByteClass::Configuration
    }

    /// A damaged description counts only where there is no other.
    fn describe(&mut self, read: Configuration, is_damaged: bool) {
        let is_first = self.contents.first_description.is_none();
        let room = FILES_MAX.saturating_sub(self.contents.files);
        let Some(set) = self.set() else { return };
        let before = set.files.len();
        if is_first || !is_damaged {
            read.clone().describe(set);
        }
        let is_too_many = set.files.len() > before.saturating_add(room);
        set.files.truncate(before.saturating_add(room));
        let added = set.files.len() - before;
        self.contents.files += added;
        if is_too_many {
            self.stop("its backup sets have more than 524,288 files of databases");
        }
        if is_first && !is_damaged {
            self.contents.first_description = Some(read);
        }
    }
}
