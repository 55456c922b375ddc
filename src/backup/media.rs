//! One backup file: its medium, its backup sets, and where their pages and log stand. How the
//! file is walked is in `walk.rs`.

use super::class::ByteClass;
use super::set::BackupSet;
use super::walk::Walk;
use super::{Fault, FaultKind, NotRead, ReadAt, date, fields};
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

/// The first bytes of an uncompressed backup.
pub const MAGIC: [u8; 4] = *b"TAPE";
/// The most backup sets that are read: of log, backed up every five minutes into one file, those of
/// nearly a year.
pub const SETS_MAX: usize = 100_000;
/// The most pieces of pages and log of all sets that are read; some 130 bytes are kept of each.
pub const PIECES_MAX: usize = 1 << 20;
/// The most faults that are kept; more are counted.
pub const FAULTS_MAX: usize = 1000;

const FAMILY_ID: usize = 52;
const MEDIA_SEQUENCE: usize = 60;
const PHYSICAL_BLOCK: usize = 64;
const SOFTWARE: usize = 80;
const WRITTEN: usize = 88;
/// The physical block is told in units of this.
const PHYSICAL_BLOCK_UNIT: u32 = 512;
const RAID_FAMILY_COUNT: usize = 20;
const RAID_FAMILY_NUMBER: usize = 24;

/// What one backup file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// Which medium of which set of media it is.
    pub family: Option<MediaFamily>,
    /// Bytes of a physical block.
    pub block_bytes: u32,
    /// Backup sets in the order of the file.
    pub sets: Vec<BackupSet>,
    /// What is wrong with the structure, in the order in which it was found.
    pub faults: Vec<Fault>,
    /// Faults beyond those that are kept.
    #[serde(default)]
    pub faults_not_listed: u64,
    /// What was not read of it because it has more of something than is kept.
    #[serde(default)]
    pub not_read: Option<NotRead>,
    /// Descriptor blocks, by type.
    #[serde(with = "by_name")]
    pub blocks: BTreeMap<[u8; 4], u64>,
    /// The class of every byte of the file: ascending, without gaps; of a file with more ranges
    /// than [`super::class::RANGES_MAX`] only the first ones.
    pub classes: Vec<(Range<u64>, ByteClass)>,
    /// Bytes that no check protects, by their class; of the whole file.
    #[serde(default)]
    pub not_protected: BTreeMap<String, u64>,
}

/// Which medium a backup file is: of a striped backup there are several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFamily {
    /// GUID of the media set, `media_uuid` in msdb; the same in all stripes (inferred).
    pub media_set_id: Option<[u8; 16]>,
    /// Id of the family in Microsoft Tape Format.
    pub family_id: u32,
    /// Which stripe it is, from 1.
    pub family_number: u16,
    /// How many stripes there are.
    pub family_count: u16,
    /// Which tape of the family it is, from 1; 1 on disk.
    pub media_sequence: u16,
    /// Software that wrote it.
    pub software: String,
    /// When the medium was made, local time of the server.
    pub written: Option<DateTime>,
}

impl Media {
    /// Reads the structure of a backup; `None` if it does not begin with `TAPE`. Whatever is wrong
    /// with it is a fault; pages and log are not read. An error is one of reading the first
    /// bytes; bytes further on that cannot be read are faults.
    pub fn read(source: &dyn ReadAt) -> io::Result<Option<Self>> {
        Self::walk(source, true)
    }

    /// The same of what a compressed backup unpacks to, which has no file marks: those stand
    /// between its records.
    pub fn read_unpacked(source: &dyn ReadAt) -> io::Result<Option<Self>> {
        Self::walk(source, false)
    }

    fn walk(source: &dyn ReadAt, has_marks: bool) -> io::Result<Option<Self>> {
        let mut magic = [0; 4];
        if source.bytes() < magic.len() as u64 {
            return Ok(None);
        }
        source.read_exact_at(0, &mut magic)?;
        Ok((magic == MAGIC).then(|| Walk::new(source, has_marks).run()))
    }

    /// It has a beginning, the mark behind it or a part of that, and nothing else: BACKUP made the
    /// medium and wrote no set to it.
    pub fn is_blank(&self) -> bool {
        let is_end = |fault: &Fault| fault.kind == FaultKind::Truncated;
        self.sets.is_empty()
            && self.blocks == BTreeMap::from([(*b"TAPE", 1), (*b"SFMB", 1)])
            && self.faults.iter().all(is_end)
    }
}

impl MediaFamily {
    /// What `TAPE` says; `block` is the block up to its first stream.
    pub(super) fn of(block: &[u8]) -> Self {
        Self {
            family_id: fields::u32_at(block, FAMILY_ID).unwrap_or_default(),
            media_sequence: fields::u16_at(block, MEDIA_SEQUENCE).unwrap_or_default(),
            software: fields::text(block, SOFTWARE),
            written: block.get(WRITTEN..).and_then(date::packed),
            ..Self::default()
        }
    }

    /// Adds what the stream `RAID` says.
    pub(super) fn join(&mut self, raid: &[u8]) {
        self.media_set_id = fields::guid_at(raid, 0);
        self.family_count = fields::u16_at(raid, RAID_FAMILY_COUNT).unwrap_or_default();
        self.family_number = fields::u16_at(raid, RAID_FAMILY_NUMBER).unwrap_or_default();
    }
}

/// Bytes of a physical block as `TAPE` tells them; `None` if it is no size that BACKUP offers.
pub(super) fn physical_block_bytes(block: &[u8]) -> Option<u32> {
    let bytes = u32::from(fields::u16_at(block, PHYSICAL_BLOCK)?) * PHYSICAL_BLOCK_UNIT;
    (bytes.is_power_of_two() && bytes <= 65_536).then_some(bytes)
}

/// Types of blocks as text, which is all that JSON has for keys.
mod by_name {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: Serializer>(
        blocks: &BTreeMap<[u8; 4], u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let name = |tag: &[u8; 4]| tag.iter().map(|byte| char::from(*byte)).collect::<String>();
        let named: BTreeMap<_, _> = blocks.iter().map(|(tag, count)| (name(tag), count)).collect();
        named.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<[u8; 4], u64>, D::Error> {
        let named = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let tag = |name: &str| <[u8; 4]>::try_from(name.as_bytes()).ok();
        let tags = named.iter().map(|(name, count)| Some((tag(name)?, *count)));
        tags.collect::<Option<_>>().ok_or_else(|| serde::de::Error::custom("a type has 4 letters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_begin_with_tape_is_no_backup() {
        for bytes in [&b""[..], b"TAP", b"MSSQLBAK", &[0; 8192]] {
            assert_eq!(Media::read(&bytes.to_vec()).unwrap(), None);
        }
    }

    #[test]
    fn media_survive_json() {
        let media = Media {
            blocks: [(*b"MSDA", 3)].into(),
            classes: vec![(0..5, ByteClass::Log { has_checksum: true })],
            sets: vec![BackupSet::default()],
            ..Media::default()
        };
        let text = serde_json::to_string(&media).unwrap();
        assert!(text.contains("\"MSDA\":3"), "{text}");
        assert_eq!(serde_json::from_str::<Media>(&text).unwrap(), media);
        assert!(serde_json::from_str::<Media>(&text.replace("MSDA", "MSD")).is_err());
    }
}
