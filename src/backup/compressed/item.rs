//! What can stand at an offset of the container: a record, padding, an index or a file mark.

use super::record::{RecordHeader, checksum_fast};
use super::{MAGIC, SECTOR_BYTES, Version};

const INDEX_MAGIC: [u8; 4] = [1, 0, 1, 0];
/// What an index begins with and ends with.
const INDEX_FRAME_BYTES: usize = 16;
/// Bytes of one entry of an index.
pub(super) const INDEX_ENTRY_BYTES: usize = 16;
/// No index seen was larger than 284 bytes.
const INDEX_BYTES_MAX: usize = 128 << 10;
const FILE_MARK: &[u8; 4] = b"SFMB";
/// The words of a descriptor block that the one behind them is the XOR of.
const DESCRIPTOR_WORDS: usize = 25;
/// The part of a file mark that its own check covers, with the check.
pub(super) const FILE_MARK_HEADER_BYTES: usize = 2 * (DESCRIPTOR_WORDS + 1);
/// The largest block that BACKUP writes.
const BLOCK_BYTES_MAX: usize = 64 << 10;
/// How many bytes behind an item's first decide what it is.
pub(super) const LOOKAHEAD_BYTES: usize = 256 << 10;

/// Something in the container, as its first bytes have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Packed bytes.
    Record(RecordHeader),
    /// Zeros up to the next block.
    Padding { bytes: usize },
    /// Where descriptor blocks begin in the packed stream, at the end of a backup set.
    Index { bytes: usize, entries: usize, intact: bool },
    /// A block of its own that is not packed.
    FileMark { intact: bool },
    /// The container's header once more.
    Header,
}

impl Version {
    /// What `bytes`, all from `offset` up to the end of the file or for at least
    /// [`LOOKAHEAD_BYTES`], begin with; `None` if nothing can begin so.
    pub(super) fn item(self, bytes: &[u8], offset: u64) -> Option<Item> {
        let tag = *bytes.first()?;
        if tag == self.record_tag() {
            self.record(bytes).map(Item::Record)
        } else if tag == self.padding_tag() {
            self.padding(bytes, offset)
        } else if tag == self.index_tag() {
            self.index(bytes, offset)
        } else if !offset.is_multiple_of(SECTOR_BYTES) {
            None
        } else if bytes.starts_with(FILE_MARK) {
            Some(Item::FileMark { intact: file_mark_is_intact(bytes) })
        } else {
            self.is_header(bytes).then_some(Item::Header)
        }
    }

    /// True if `bytes` begin with something whose own check agrees.
    pub(super) fn is_proven(self, bytes: &[u8], offset: u64) -> bool {
        match self.item_that_proves_itself(bytes, offset) {
            Some(Item::Record(header)) => header.agrees(bytes),
            other => matches!(other, Some(Item::FileMark { intact: true })),
        }
    }

    /// A record or a file mark.
    pub(super) fn item_that_proves_itself(self, bytes: &[u8], offset: u64) -> Option<Item> {
        match *bytes.first()? {
            b'S' => self.item(bytes, offset),
            tag => (tag == self.record_tag()).then(|| self.record(bytes).map(Item::Record))?,
        }
    }

    /// A word that means nothing may be damaged if the payload is right.
    fn record(self, bytes: &[u8]) -> Option<RecordHeader> {
        let header = RecordHeader::of(self, bytes).filter(RecordHeader::is_possible)?;
        header.payload(bytes)?;
        (header.reserved == 0 || header.agrees(bytes)).then_some(header)
    }

    /// Padding ends with its block, and nothing is beneath it.
    fn padding(self, bytes: &[u8], offset: u64) -> Option<Item> {
        let header = RecordHeader::of(self, bytes)?;
        let end = self.bare_header_bytes() + header.payload_bytes as usize;
        let ends_well = end <= bytes.len() && (offset + end as u64).is_multiple_of(SECTOR_BYTES);
        if !ends_well || header.uncompressed_bytes > 0 {
            return None;
        }
        let first = (offset.next_multiple_of(SECTOR_BYTES) - offset) as usize;
        let mut inside = (first..end).step_by(SECTOR_BYTES as usize);
        let hides = inside.any(|at| self.is_proven(&bytes[at..], offset + at as u64));
        (!hides).then_some(Item::Padding { bytes: end })
    }

    fn index(self, bytes: &[u8], offset: u64) -> Option<Item> {
        let tag_is_bare = bytes.get(1..4)? == [0; 3];
        let body = bytes.get(self.bare_header_bytes()..)?;
        let frame: &[u8; INDEX_FRAME_BYTES] = body.first_chunk()?;
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| frame[at + i])) as usize;
        let (entries, total, sum) = (word(4), word(8), word(12));
        let end = self.bare_header_bytes() + total;
        let fits =
            (2 * INDEX_FRAME_BYTES..=INDEX_BYTES_MAX).contains(&total) && total <= body.len();
        let ends_well = fits && (offset + end as u64).is_multiple_of(SECTOR_BYTES);
        if !tag_is_bare || !ends_well || frame[..4] != INDEX_MAGIC {
            return None;
        }
        let list =
            entries.checked_mul(INDEX_ENTRY_BYTES).map(|list| INDEX_FRAME_BYTES + list.min(end));
        let room = &body[..total - INDEX_FRAME_BYTES];
        let list = list.and_then(|list| room.get(INDEX_FRAME_BYTES..list));
        let repeats = body[total - INDEX_FRAME_BYTES..total] == *frame;
        let intact = repeats && list.is_some_and(|list| checksum_fast(list) as usize == sum);
        Some(Item::Index { bytes: end, entries, intact })
    }

    /// The entries of an intact index that `bytes` begin with: an offset in the packed stream from
    /// the last file mark on, and the offset of its record in the file.
    pub(super) fn index_entries(
        self,
        bytes: &[u8],
        entries: usize,
    ) -> impl Iterator<Item = (u64, u64)> {
        let start = self.bare_header_bytes() + INDEX_FRAME_BYTES;
        let list = bytes.get(start..).unwrap_or_default();
        list.as_chunks::<INDEX_ENTRY_BYTES>().0.iter().take(entries).map(|entry| {
            let number =
                |at: usize| u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| entry[at + i]));
            (number(0), number(8))
        })
    }

    fn is_header(self, bytes: &[u8]) -> bool {
        let version = bytes.get(MAGIC.len()..MAGIC.len() + 4);
        bytes.starts_with(MAGIC)
            && version == Some(&self.number().to_le_bytes())
            && bytes.len() >= self.header_bytes()
    }

    /// How large the file mark is that `bytes` begin with. Where it does not say so itself: so
    /// large that something follows, or the file ends; `known` is asked first, and answers where
    /// nothing follows.
    pub(super) fn file_mark_bytes(self, bytes: &[u8], offset: u64, known: Option<u64>) -> u64 {
        if let Some(stated) = stated_file_mark_bytes(bytes) {
            return stated;
        }
        let follows = |block: &u64| {
            let next = bytes.get(*block as usize..);
            next.is_some_and(|next| next.is_empty() || self.item(next, offset + block).is_some())
        };
        let mut sizes = (0..).map(|power| SECTOR_BYTES << power);
        let sizes = sizes.by_ref().take_while(|size| *size <= BLOCK_BYTES_MAX as u64);
        known.into_iter().chain(sizes).find(follows).or(known).unwrap_or(SECTOR_BYTES)
    }
}

/// What a file mark says of its size; `None` from one that fails its own check, or is of 64 KiB,
/// which is more than it can say.
fn stated_file_mark_bytes(mark: &[u8]) -> Option<u64> {
    let stated = u16::from_le_bytes(*mark.get(8..)?.first_chunk()?);
    let is_size = stated.is_power_of_two() && u64::from(stated) >= SECTOR_BYTES;
    (is_size && file_mark_is_intact(mark)).then_some(stated.into())
}

fn file_mark_is_intact(bytes: &[u8]) -> bool {
    let Some(header) = bytes.get(..FILE_MARK_HEADER_BYTES) else { return false };
    // The XOR of all words and their XOR is 0.
    header.as_chunks::<2>().0.iter().fold(0, |sum, word| sum ^ u16::from_le_bytes(*word)) == 0
}
