//! What each byte of a container is, and whether a changed bit in it is found.

use super::item::{FILE_MARK_HEADER_BYTES, Item};
use super::walk::{Event, Walk, Window};
use super::{Version, version_of_records};
use std::ops::Range;

/// What a byte of a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ByteClass {
    /// What the container begins with, and its version.
    ContainerMagic,
    /// The rest of its header; of no known meaning, and not protected.
    ContainerHeader,
    /// Method and sizes of a record.
    RecordTag,
    /// Bytes in a record's header that were never written; not protected.
    RecordJunk,
    /// A word that is 0 in every record; not protected.
    RecordReserved,
    /// The checksum of a record.
    RecordChecksum,
    /// Packed bytes.
    Payload,
    /// The tag of padding: its length.
    PaddingTag,
    /// Padding; not protected.
    Padding,
    /// The tag of an index.
    IndexTag,
    /// What stands between the tag and the index; not protected.
    IndexJunk,
    /// An index, the part that its checksum covers, with the checksum.
    Index,
    /// What fills up an index; not protected.
    IndexPadding,
    /// The part of a file mark that its own check covers.
    FileMark,
    /// The rest of a file mark; not protected.
    FileMarkRest,
    /// Bytes that make no sense.
    Unknown,
}

impl ByteClass {
    /// True if a changed bit in such a byte is found.
    pub fn is_protected(self) -> bool {
        !matches!(
            self,
            Self::ContainerHeader
                | Self::RecordJunk
                | Self::RecordReserved
                | Self::Padding
                | Self::IndexJunk
                | Self::IndexPadding
                | Self::FileMarkRest
                | Self::Unknown
        )
    }
}

/// The class of every byte of `container`, in order and without gaps. For small files and tests.
pub fn classes(container: &[u8]) -> Vec<(Range<u64>, ByteClass)> {
    let version = version_of_records(container).unwrap_or_default();
    let bytes = container.len() as u64;
    let window = Window { bytes: container, start: 0, file_bytes: bytes };
    let mut map = Map { version, ranges: Vec::new(), at: 0, end: bytes };
    map.header(version.header_bytes() as u64);
    let mut walk = Walk::new(version);
    while let Some(event) = walk.next(&window) {
        map.note(&event);
    }
    map.ranges
}

struct Map {
    version: Version,
    ranges: Vec<(Range<u64>, ByteClass)>,
    at: u64,
    end: u64,
}

impl Map {
    fn add(&mut self, bytes: u64, class: ByteClass) {
        let to = self.end.min(self.at + bytes);
        if to > self.at {
            self.ranges.push((self.at..to, class));
        }
        self.at = to;
    }

    fn note(&mut self, event: &Event) {
        match *event {
            Event::Record { header, .. } => {
                self.add(4, ByteClass::RecordTag);
                // Version 1 has neither.
                if let Some(junk) = self.version.gap_bytes().checked_sub(4) {
                    self.add(junk as u64, ByteClass::RecordJunk);
                    self.add(4, ByteClass::RecordReserved);
                }
                self.add(4, ByteClass::RecordChecksum);
                self.add(header.payload_bytes.into(), ByteClass::Payload);
            }
            Event::Other { bytes, item, .. } => self.other(bytes, item),
            Event::Lost { lost, .. } => self.add(lost.to - lost.from, ByteClass::Unknown),
        }
    }

    fn other(&mut self, bytes: u64, item: Item) {
        match item {
            Item::Record(_) => self.add(bytes, ByteClass::Unknown),
            Item::Header => self.header(bytes),
            Item::Padding { .. } => {
                self.add(4, ByteClass::PaddingTag);
                self.add(bytes - 4, ByteClass::Padding);
            }
            Item::Index { entries, .. } => self.index(bytes, entries as u64),
            Item::FileMark { .. } => {
                let header = FILE_MARK_HEADER_BYTES as u64;
                self.add(header.min(bytes), ByteClass::FileMark);
                self.add(bytes.saturating_sub(header), ByteClass::FileMarkRest);
            }
        }
    }

    fn header(&mut self, bytes: u64) {
        self.add(12, ByteClass::ContainerMagic);
        self.add(bytes.saturating_sub(12), ByteClass::ContainerHeader);
    }

    /// Tag, nothing or 20 bytes of it, the frame, the entries, zeros, and the frame again.
    fn index(&mut self, bytes: u64, entries: u64) {
        let (end, gap) = (self.at + bytes, self.version.gap_bytes() as u64);
        let list = entries.saturating_mul(16).min(bytes.saturating_sub(4 + gap + 32));
        self.add(4, ByteClass::IndexTag);
        self.add(gap, ByteClass::IndexJunk);
        self.add(16 + list, ByteClass::Index);
        self.add(end.saturating_sub(self.at + 16), ByteClass::IndexPadding);
        self.add(end.saturating_sub(self.at), ByteClass::Index);
    }
}
