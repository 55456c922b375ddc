//! How the walk goes on behind a damaged header: by the header that it must have been, by what
//! follows it, or by the next one that can be recognised (docs/page-format.md, section 9.2.4).
//! Everything here looks and changes nothing; what cannot be read counts as not there.

use super::ReadAt;
use super::block::{
    BLOCK_ALIGNMENT_BYTES, BLOCK_HEADER_BYTES, BlockHeader, PAD_BYTES, STREAM_ALIGNMENT_BYTES,
    STREAM_HEADER_BYTES, StreamHeader, repairs,
};
use super::extents::EXTENT_BYTES;
use crate::page::header::{HEADER_BYTES, HEADER_VERSION};

/// From the header of page data to its first page.
const TO_PAGES: u64 = STREAM_HEADER_BYTES as u64 + PAD_BYTES;
/// Behind the header of an empty stream, and of one that holds a checksum.
const TO_NEXT: [u64; 2] = [24, 28];
const CHUNK_BYTES_MIN: u64 = 4096;
const CHUNK_BYTES_MAX: u64 = 1 << 20;

/// What the next valid header is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A descriptor block at this offset.
    Block(u64),
    /// The header of page or log data at this offset.
    Data(u64, StreamHeader),
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Search {
    /// The first valid header, if there is one.
    pub found: Option<Found>,
    /// Bytes that were looked through.
    pub searched_bytes: u64,
    /// All of them are zero.
    pub only_zeros: bool,
}

/// Looks at headers of a backup.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    source: &'a dyn ReadAt,
    file_bytes: u64,
}

impl<'a> Probe<'a> {
    /// Looks into `source`.
    pub(super) fn new(source: &'a dyn ReadAt) -> Self {
        Self { source, file_bytes: source.bytes() }
    }

    /// The valid header of a stream at `at`.
    pub(super) fn stream(&self, at: u64) -> Option<StreamHeader> {
        StreamHeader::checked(&self.array(at)?)
    }

    /// The header of the block at `at` that damage inside one word made of `bytes`: one that
    /// leads to a valid header. `block_bytes` is the length of a soft filemark.
    pub(super) fn repaired_block(
        &self,
        at: u64,
        bytes: [u8; BLOCK_HEADER_BYTES],
        block_bytes: u64,
    ) -> Option<BlockHeader> {
        let leads_on = |header: &BlockHeader| {
            let first = u64::from(header.first_stream_bytes);
            match &header.tag {
                b"SFMB" => self.is_block_or_end(at.saturating_add(block_bytes)),
                _ if first < BLOCK_HEADER_BYTES as u64 => false,
                _ => self.stream(at.saturating_add(first)).is_some(),
            }
        };
        let headers = repairs(bytes).map(|bytes| BlockHeader::of(&bytes));
        headers.filter(BlockHeader::is_known).find(leads_on)
    }

    /// The header of the stream at `at` that damage inside one word made of `bytes`: one of a
    /// usual length that leads to a valid header.
    pub(super) fn repaired_stream(
        &self,
        at: u64,
        bytes: [u8; STREAM_HEADER_BYTES],
    ) -> Option<StreamHeader> {
        let leads_on = |header: &StreamHeader| {
            let data = at.saturating_add(STREAM_HEADER_BYTES as u64);
            let Some(end) = data.checked_add(header.data_bytes) else { return false };
            match &header.tag {
                b"SPAD" => self.is_block_or_end(end),
                _ => {
                    aligned(end, STREAM_ALIGNMENT_BYTES).is_some_and(|at| self.stream(at).is_some())
                }
            }
        };
        let headers = repairs(bytes).map(|bytes| StreamHeader::of(&bytes));
        headers.filter(StreamHeader::is_plausible).find(leads_on)
    }

    /// A header at `at` of which nothing is left, followed at once by a valid one: it was of an
    /// empty piece of pages, or of a checksum.
    pub(super) fn lost_mark(&self, at: u64) -> Option<StreamHeader> {
        let next = TO_NEXT.into_iter().find(|next| self.stream(at.saturating_add(*next)).is_some());
        let header =
            |tag: &[u8; 4], data_bytes| StreamHeader { tag: *tag, media_attributes: 0, data_bytes };
        next.map(|next| if next == TO_NEXT[0] { header(b"MQDA", 0) } else { header(b"CSUM", 4) })
    }

    /// Pages whose header at `at` says nothing or a wrong length: they begin at the next multiple
    /// of 512 if that looks like a page, and end, whole extents further, where a valid header
    /// closes them. At most `extents_max` are tried, and counted off. Where the header stood, and
    /// what it said.
    pub(super) fn lost_pages(&self, at: u64, extents_max: &mut u64) -> Option<(u64, StreamHeader)> {
        let pages = aligned(at.max(TO_PAGES), BLOCK_ALIGNMENT_BYTES)?;
        let extents = (self.file_bytes.saturating_sub(pages) / EXTENT_BYTES).min(*extents_max);
        if !self.looks_like_a_page(pages) {
            return None;
        }
        let closes = |extents: &u64| {
            let header = self.stream(pages + extents * EXTENT_BYTES);
            header.is_some_and(|header| matches!(&header.tag, b"MQDA" | b"CSUM"))
        };
        let end = (1..=extents).find(closes);
        *extents_max -= end.unwrap_or(extents);
        let data_bytes = end? * EXTENT_BYTES + PAD_BYTES;
        Some((pages - TO_PAGES, StreamHeader { tag: *b"MQDA", media_attributes: 0, data_bytes }))
    }

    /// The first valid header at or behind `from`, of a block at a multiple of 512 or of pages or
    /// log that begin at one; at most `bytes_max` are searched.
    pub(super) fn search(&self, from: u64, bytes_max: u64) -> Search {
        let until = self.file_bytes.min(from.saturating_add(bytes_max));
        let (mut at, mut chunk, mut only_zeros) = (from, CHUNK_BYTES_MIN, true);
        while at < until {
            let room = BLOCK_HEADER_BYTES as u64 + TO_PAGES;
            let end = self.file_bytes.min(at.saturating_add(chunk + room));
            let bytes = match self.vec(at, end - at) {
                Some(bytes) => bytes,
                None if chunk == CHUNK_BYTES_MIN => self.readable_sectors(at, end),
                None => {
                    chunk = CHUNK_BYTES_MIN;
                    continue;
                }
            };
            only_zeros &= bytes.iter().all(|byte| *byte == 0);
            if let Some(found) = found_in(&bytes, at) {
                return Search { found: Some(found), searched_bytes: end - from, only_zeros };
            }
            (at, chunk) = (at.saturating_add(chunk), (chunk * 2).min(CHUNK_BYTES_MAX));
        }
        Search { found: None, searched_bytes: until.saturating_sub(from), only_zeros }
    }

    fn is_block_or_end(&self, at: u64) -> bool {
        let header = || BlockHeader::checked(&self.array(at)?);
        let aligned = at.is_multiple_of(BLOCK_ALIGNMENT_BYTES);
        aligned && (at == self.file_bytes || header().is_some_and(|header| header.is_known()))
    }

    fn looks_like_a_page(&self, at: u64) -> bool {
        let header = self.array::<HEADER_BYTES>(at);
        header.is_some_and(|header| {
            header[0] == HEADER_VERSION && header[1] != 0 && header[64..].iter().all(|b| *b == 0)
        })
    }

    /// `N` bytes at `at`, if they are there and can be read.
    pub(super) fn array<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        if at.checked_add(N as u64)? > self.file_bytes {
            return None;
        }
        self.source.read_exact_at(at, &mut bytes).ok().map(|()| bytes)
    }

    /// The bytes from `at` to `end`, and 0xff for those of sectors that cannot be read.
    fn readable_sectors(&self, at: u64, end: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = at;
        while at < end {
            let next = aligned(at + 1, BLOCK_ALIGNMENT_BYTES).unwrap_or(end).min(end);
            let count = next - at;
            bytes.extend(self.vec(at, count).unwrap_or_else(|| vec![0xff; count as usize]));
            at = next;
        }
        bytes
    }

    fn vec(&self, at: u64, count: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(count).ok()?];
        self.source.read_exact_at(at, &mut bytes).ok().map(|()| bytes)
    }
}

/// `at`, rounded up to a multiple of `alignment`; `None` behind the last number.
pub(super) fn aligned(at: u64, alignment: u64) -> Option<u64> {
    at.checked_next_multiple_of(alignment)
}

/// The first header in `bytes`, which stand at `at`.
fn found_in(bytes: &[u8], at: u64) -> Option<Found> {
    let first = aligned(at, BLOCK_ALIGNMENT_BYTES)?;
    let end = at + bytes.len() as u64;
    (first..=end).step_by(BLOCK_ALIGNMENT_BYTES as usize).find_map(|start| {
        let within = |start: u64, count: usize| {
            let start = usize::try_from(start.checked_sub(at)?).ok()?;
            bytes.get(start..start + count)
        };
        data_before(start, within).or_else(|| {
            let header = within(start, BLOCK_HEADER_BYTES)?.try_into().ok()?;
            BlockHeader::checked(header).filter(BlockHeader::is_known).map(|_| Found::Block(start))
        })
    })
}

/// The header of the data that begin at `start`, behind header and pad bytes.
fn data_before<'a>(start: u64, within: impl Fn(u64, usize) -> Option<&'a [u8]>) -> Option<Found> {
    let header_at = start.checked_sub(TO_PAGES)?;
    let header = within(header_at, STREAM_HEADER_BYTES)?.try_into().ok()?;
    let is_data = |header: &StreamHeader| header.is_data() && header.data_bytes > PAD_BYTES;
    StreamHeader::checked(header).filter(is_data).map(|header| Found::Data(header_at, header))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILEMARK: [u8; 8] = *b"SFMB\0\0\0\0";

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "tags are literals")]
    fn block(tag: &[u8; 4]) -> [u8; BLOCK_HEADER_BYTES] {
        let mut block = [0; BLOCK_HEADER_BYTES];
        block[..8].copy_from_slice(&FILEMARK);
        block[..4].copy_from_slice(tag);
        let [low, high] = super::super::block::excess(&block).to_le_bytes();
        (block[50], block[51]) = (low, high);
        block
    }

    fn file_with(header: &[u8], at: usize) -> Vec<u8> {
        let mut bytes = vec![0; 3 << 20];
        bytes[at..at + header.len()].copy_from_slice(header);
        bytes
    }

    #[test]
    fn the_next_block_is_found_at_every_multiple_of_512() {
        for at in [512, 4096, 4608, (1 << 20) - 512, 1 << 20, (3 << 20) - 512] {
            let bytes = file_with(&block(b"MSLS"), at);
            let search = Probe::new(&bytes).search(512, u64::MAX);
            assert_eq!(search.found, Some(Found::Block(at as u64)), "{at}");
        }
    }

    #[test]
    fn what_is_no_block_or_stands_elsewhere_is_not_found() {
        let (odd, unknown) = (file_with(&block(b"MSLS"), 1028), file_with(&block(b"WXYZ"), 1024));
        for bytes in [odd, unknown] {
            let search = Probe::new(&bytes).search(512, u64::MAX);
            assert_eq!((search.found, search.only_zeros), (None, false));
        }
        let nothing = vec![0; 100_000];
        let search = Probe::new(&nothing).search(512, 1 << 14);
        assert_eq!(search, Search { found: None, searched_bytes: 1 << 14, only_zeros: true });
    }
}
