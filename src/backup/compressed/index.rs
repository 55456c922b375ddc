//! Where records begin: a sparse list, and what was lost between them.

use super::record::RecordHeader;
use super::{MAGIC, SECTOR_BYTES, Version};
use std::io;

/// How far the entries are apart in the packed stream: 10 TB take 160 MB.
const STRIDE_BYTES: u64 = 1 << 20;
/// More stretches are not kept; the stream then ends at the first that was not.
pub(super) const LOST_MAX: usize = 65_536;
/// Items passed from an entry on: no more records than of the smallest size, and what stands
/// between them.
const STEPS_MAX: u64 = 2 * STRIDE_BYTES / SECTOR_BYTES;
/// The header of the longest item that is passed by its header alone: tag and frame of an index.
const STEP_BYTES: u64 = 40;

/// Reads at an offset.
pub(super) type Read<'a> = dyn FnMut(u64, &mut [u8]) -> io::Result<()> + 'a;

/// Bytes of the file that make no sense, and what they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where they begin in the file.
    pub from: u64,
    /// Where the next item begins.
    pub to: u64,
    /// Where they begin in the packed stream.
    pub stream: u64,
    /// How many bytes of the stream they are taken to have been; a guess.
    pub stream_bytes: u64,
}

/// Where the records of a container begin, one in a MiB of what they unpack to.
#[derive(Clone, Debug, Default)]
pub struct RecordIndex {
    version: Version,
    /// (offset in the stream, offset in the file), both ascending.
    entries: Vec<(u64, u64)>,
    lost: Vec<Lost>,
    stream_bytes: u64,
    file_bytes: u64,
    block_bytes: u64,
    is_full: bool,
}

/// A record, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) stream: u64,
    pub(super) header: RecordHeader,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// The record that holds this byte of the stream.
    Stream(u64),
    /// The record that begins at this offset of the file.
    Offset(u64),
}

impl RecordIndex {
    pub(super) fn new(version: Version, file_bytes: u64) -> Self {
        Self { version, file_bytes, block_bytes: SECTOR_BYTES, ..Self::default() }
    }

    /// What its records are those of.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// What all records unpack to.
    pub fn stream_bytes(&self) -> u64 {
        self.stream_bytes
    }

    /// What the records do not tell, in the order of the file.
    pub fn lost(&self) -> &[Lost] {
        &self.lost
    }

    pub(super) fn add(&mut self, stream: u64, offset: u64, stream_bytes: u64) {
        if self.is_full {
            return;
        }
        if self.entries.last().is_none_or(|(last, _)| stream - last >= STRIDE_BYTES) {
            self.entries.push((stream, offset));
        }
        self.stream_bytes = stream + stream_bytes;
    }

    pub(super) fn lose(&mut self, lost: Lost) {
        self.is_full |= self.lost.len() == LOST_MAX;
        if !self.is_full {
            self.lost.push(lost);
            self.stream_bytes = lost.stream.saturating_add(lost.stream_bytes);
            // A stretch is passed in one step however long it is, so the list goes on behind it.
            self.entries.push((self.stream_bytes, lost.to));
        }
    }

    pub(super) fn set_block_bytes(&mut self, block_bytes: Option<u64>) {
        self.block_bytes = block_bytes.unwrap_or(SECTOR_BYTES);
    }

    /// Finds a record, from the last entry before it on.
    ///
    /// # Errors
    /// `InvalidData` where the bytes wanted are lost; what the system says when reading fails.
    pub(super) fn find(&self, read: &mut Read<'_>, wanted: Wanted) -> io::Result<Place> {
        let (mut stream, mut offset) = self.entry_before(wanted);
        for _ in 0..STEPS_MAX {
            match self.step(read, offset)? {
                Step::Record(header) => {
                    let place = Place { offset, stream, header };
                    let end = stream + u64::from(header.uncompressed_bytes);
                    match wanted {
                        Wanted::Stream(byte) if byte < end => return Ok(place),
                        Wanted::Offset(from) if from == offset => return Ok(place),
                        Wanted::Offset(from) if from < offset => break,
                        _ => {}
                    }
                    (stream, offset) = (end, offset + header.bytes() as u64);
                }
                Step::Lost(lost) => {
                    let end = lost.stream.saturating_add(lost.stream_bytes);
                    if matches!(wanted, Wanted::Stream(byte) if byte < end) {
                        break;
                    }
                    (stream, offset) = (end, lost.to);
                }
                Step::Over(bytes) => offset += bytes,
            }
        }
        let text = format!("the record is lost that should be at byte {offset} of the backup");
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    fn entry_before(&self, wanted: Wanted) -> (u64, u64) {
        let after = match wanted {
            Wanted::Stream(byte) => self.entries.partition_point(|(stream, _)| *stream <= byte),
            Wanted::Offset(from) => self.entries.partition_point(|(_, offset)| *offset <= from),
        };
        let first = (0, self.version.header_bytes() as u64);
        after.checked_sub(1).and_then(|i| self.entries.get(i)).copied().unwrap_or(first)
    }

    fn step(&self, read: &mut Read<'_>, offset: u64) -> io::Result<Step> {
        if let Ok(i) = self.lost.binary_search_by_key(&offset, |lost| lost.from) {
            return Ok(Step::Lost(self.lost[i]));
        }
        let mut room = [0; STEP_BYTES as usize];
        let count = self.file_bytes.saturating_sub(offset).min(STEP_BYTES) as usize;
        read(offset, &mut room[..count])?;
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, "the backup has changed");
        self.step_of(&room[..count]).ok_or_else(unknown)
    }

    /// What was verified before is believed by its header.
    fn step_of(&self, bytes: &[u8]) -> Option<Step> {
        let version = self.version;
        let (tag, bare) = (*bytes.first()?, version.bare_header_bytes());
        if tag == version.record_tag() {
            let header = RecordHeader::of(version, bytes)?;
            header.is_possible().then_some(Step::Record(header))
        } else if tag == version.padding_tag() {
            let length = u16::from_le_bytes(*bytes.get(2..)?.first_chunk()?);
            Some(Step::Over(bare as u64 + u64::from(length)))
        } else if tag == version.index_tag() {
            let total = u32::from_le_bytes(*bytes.get(bare + 8..)?.first_chunk()?);
            Some(Step::Over(bare as u64 + u64::from(total)))
        } else if tag == b'S' {
            Some(Step::Over(self.block_bytes))
        } else {
            let is_header = bytes.starts_with(MAGIC);
            is_header.then_some(Step::Over(version.header_bytes() as u64))
        }
    }
}

/// How to go on from an item.
enum Step {
    Record(RecordHeader),
    Lost(Lost),
    /// So many bytes hold nothing of the stream.
    Over(u64),
}
