//! What protects each byte of a backup file: a map without gaps (docs/page-format.md,
//! section 9.2.3).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// The most ranges that a map keeps. A backup has some four for each virtual log file.
pub const RANGES_MAX: usize = 1 << 20;

/// What a byte of a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByteClass {
    /// Header of a descriptor block. Protected by its 16-bit check.
    BlockHeader,
    /// Header of a stream. Protected by its 16-bit check.
    StreamHeader,
    /// Pages. Protected by their own checksums or torn bits where they carry them, and all of
    /// them by the stream's checksum in a backup WITH CHECKSUM.
    Pages,
    /// The two bytes in front of pages or log. Protected by nothing, and without a meaning.
    StreamPad,
    /// Log. Protected by the stream's checksum in a backup WITH CHECKSUM, else by nothing known.
    Log {
        /// A checksum of the stream follows.
        has_checksum: bool,
    },
    /// The stored checksum of a stream. Protects itself: a wrong bit in it shows.
    ChecksumValue,
    /// The description of database and files (`MQCI`). Protected by nothing; written twice, and
    /// the copies are compared where they must agree.
    Configuration,
    /// Names, dates and tables behind the header of a descriptor block. Protected by nothing.
    Description,
    /// Room up to the next boundary. Protected by nothing, and without a meaning.
    Padding,
    /// The catalogue of the medium at its end (`OTCP`, `TSMP`). Protected by nothing known;
    /// nothing here is needed to restore.
    Trailer,
    /// Skipped because the structure is damaged, behind the end, or of an unknown kind. Protected
    /// by nothing known.
    Unaccounted,
}

impl ByteClass {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::BlockHeader => "block_header",
            Self::StreamHeader => "stream_header",
            Self::Pages => "pages",
            Self::StreamPad => "stream_pad",
            Self::Log { .. } => "log",
            Self::ChecksumValue => "checksum_value",
            Self::Configuration => "configuration",
            Self::Description => "description",
            Self::Padding => "padding",
            Self::Trailer => "trailer",
            Self::Unaccounted => "unaccounted",
        }
    }

    /// True if a changed bit is found: by a check of 16 bits or more. Pages count as protected;
    /// those without a checksum of their own are told by whoever reads them.
    pub fn is_protected(self) -> bool {
        match self {
            Self::BlockHeader | Self::StreamHeader | Self::Pages | Self::ChecksumValue => true,
            Self::Log { has_checksum } => has_checksum,
            Self::StreamPad
            | Self::Configuration
            | Self::Description
            | Self::Padding
            | Self::Trailer
            | Self::Unaccounted => false,
        }
    }
}

/// Ranges of bytes, each with its class.
pub type ClassRanges = Vec<(Range<u64>, ByteClass)>;

/// Ranges with their classes, made from the front to the end of the file.
#[derive(Debug)]
pub struct ClassMap {
    ranges: ClassRanges,
    bytes: BTreeMap<ByteClass, u64>,
    covered_bytes: u64,
    file_bytes: u64,
}

impl ClassMap {
    /// A map of a file of `file_bytes`, of which nothing is known yet.
    pub fn new(file_bytes: u64) -> Self {
        Self { ranges: Vec::new(), bytes: BTreeMap::new(), covered_bytes: 0, file_bytes }
    }

    /// All that has no class yet before `end_bytes` is of `class`.
    pub fn mark(&mut self, end_bytes: u64, class: ByteClass) {
        let end = end_bytes.min(self.file_bytes);
        if end <= self.covered_bytes {
            return;
        }
        *self.bytes.entry(class).or_default() += end - self.covered_bytes;
        let has_room = self.ranges.len() < RANGES_MAX;
        match self.ranges.last_mut() {
            Some((range, last)) if *last == class && range.end == self.covered_bytes => {
                range.end = end;
            }
            _ if has_room => self.ranges.push((self.covered_bytes..end, class)),
            _ => {}
        }
        self.covered_bytes = end;
    }

    /// The map, to the end of the file, and how many bytes nothing protects, by class.
    pub fn finish(mut self) -> (ClassRanges, BTreeMap<String, u64>) {
        self.mark(self.file_bytes, ByteClass::Unaccounted);
        let mut not_protected = BTreeMap::new();
        for (class, bytes) in self.bytes.iter().filter(|(class, _)| !class.is_protected()) {
            *not_protected.entry(class.name().to_owned()).or_default() += bytes;
        }
        (self.ranges, not_protected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_neither_gaps_nor_overlaps_and_ends_with_the_file() {
        let mut map = ClassMap::new(100);
        for (end, class) in [
            (10, ByteClass::BlockHeader),
            (5, ByteClass::Pages),
            (20, ByteClass::Padding),
            (30, ByteClass::Padding),
            (u64::MAX, ByteClass::Pages),
        ] {
            map.mark(end, class);
        }
        let expected = [
            (0..10, ByteClass::BlockHeader),
            (10..30, ByteClass::Padding),
            (30..100, ByteClass::Pages),
        ];
        let (ranges, not_protected) = map.finish();
        assert_eq!(ranges, expected);
        assert_eq!(not_protected, BTreeMap::from([("padding".to_owned(), 20)]));
        assert_eq!(ClassMap::new(7).finish().0, [(0..7, ByteClass::Unaccounted)]);
        assert_eq!(ClassMap::new(0).finish().0, []);
    }
}
