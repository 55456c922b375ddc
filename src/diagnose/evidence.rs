//! What the bytes of a suspect page show. Nothing is concluded here.

use crate::page::checksum::Checksum;
use crate::page::header::Lsn;
use crate::page::{PAGE_SECTORS, Page};
use serde::{Deserialize, Serialize};

/// The evidence of one suspect page. Small: a scan may find a million.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Stored checksum XOR computed one, of pages that carry a checksum that does not hold.
    pub syndrome: Option<Checksum>,
    /// Bits set in it.
    pub syndrome_bits: Option<u8>,
    /// Bits of the page that explain a syndrome of one bit, each if flipped alone. A count, and no
    /// help for a repair.
    pub candidate_bits: Option<u16>,
    /// What each sector of 512 bytes holds.
    pub sectors: SectorMap,
    /// Entropy of the page's bytes, in thousandths of a bit per byte.
    pub entropy_millibits: u16,
    /// The bounds hold that hold on every healthy page.
    pub header_is_sane: bool,
    /// Whether the slot array leads to records.
    pub slots: Slots,
    /// Byte offset, a multiple of 512, at which what looks like this page ends or begins.
    pub breaks_at: Option<u16>,
    /// `m_lsn`, if the header can be believed.
    pub lsn: Option<Lsn>,
    /// The lowest `m_lsn` of the sound pages beside it in its extent.
    pub neighbours_lsn_low: Option<Lsn>,
    /// The highest.
    pub neighbours_lsn_high: Option<Lsn>,
    /// The database's last checkpoint, by its boot page.
    pub checkpoint_lsn: Option<Lsn>,
    /// Times the page was read.
    pub looks: u8,
    /// These did not all see the same bytes.
    pub looks_differ: bool,
    /// The kind of file that the page's first bytes belong to, if that is not a data file.
    pub foreign: Option<Foreign>,
    /// Of a page that stands in another one's place: what stands in its own.
    pub home: Option<Home>,
}

/// One letter for each sector: `.` anything, `0` zeros, `p` one byte repeated, `n` noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SectorMap([Sector; PAGE_SECTORS]);

/// What a sector holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sector {
    /// Nothing remarkable.
    #[default]
    Other,
    /// Zeros.
    Zero,
    /// One byte or word repeated.
    Pattern,
    /// Bytes as random as encrypted or compressed ones.
    Noise,
}

/// The state of a page's slot array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slots {
    /// Not a page that has one, or its header does not tell.
    #[default]
    None,
    /// Every slot leads to a record.
    Sound,
    /// Not every one does.
    Broken,
}

/// Something that is no page of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Foreign {
    /// Text.
    Text,
}

/// What stands in the place that a page names as its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// The same bytes.
    Same,
    /// An older version of the page: the write that came here never came there.
    Older,
    /// A newer version.
    Newer,
    /// Nothing sound.
    Damaged,
    /// The place is not in the files scanned.
    Elsewhere,
}

impl Evidence {
    /// The evidence of `page`.
    pub fn of(page: &Page) -> Self {
        let _ = page;
        Self::default()
    }
}

impl From<SectorMap> for String {
    fn from(map: SectorMap) -> Self {
        let letter = |sector: &Sector| match sector {
            Sector::Other => '.',
            Sector::Zero => '0',
            Sector::Pattern => 'p',
            Sector::Noise => 'n',
        };
        map.0.iter().map(letter).collect()
    }
}

impl TryFrom<String> for SectorMap {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let sector = |letter: u8| match letter {
            b'0' => Sector::Zero,
            b'p' => Sector::Pattern,
            b'n' => Sector::Noise,
            _ => Sector::Other,
        };
        let letters: [u8; PAGE_SECTORS] =
            text.as_bytes().try_into().map_err(|_| format!("{text:?} is no map of 16 sectors"))?;
        Ok(Self(letters.map(sector)))
    }
}
