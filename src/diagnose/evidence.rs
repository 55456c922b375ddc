//! What the bytes of a suspect page show. Nothing is concluded here.

mod foreign;
mod sectors;
mod structure;
mod words;

pub use foreign::Foreign;
pub use sectors::{Sector, SectorMap, SectorSet};

use super::verdict::SuspectReason;
use crate::page::checksum::{Checksum, ONE_BIT_CANDIDATES};
use crate::page::header::{FLAG_CHECKSUM, FLAG_WORD_OFFSET, Lsn, PageHeader, Protection};
use crate::page::{PAGE_SECTORS, Page, torn};
use serde::{Deserialize, Serialize};
use structure::Structure;

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
    /// Those that hold zeros or a fill pattern where the header, records or slots must be.
    pub lost_sectors: SectorSet,
    /// Entropy of the page's bytes, in thousandths of a bit per byte.
    pub entropy_millibits: u16,
    /// Bytes of noise that a page begins with whose records and slot array are intact.
    pub noise_head_bytes: Option<u16>,
    /// The bounds hold that hold on every healthy page.
    pub header_is_sane: bool,
    /// One flipped bit, be it of the header, explains all that is seen.
    pub one_bit_explains: bool,
    /// Carries what looks like a checksum, and no flag that says so.
    pub has_lost_flag: bool,
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
    /// Of a page of zeros: the file system stores nothing there.
    pub in_hole: bool,
    /// The header is whole and names another page.
    pub names_another: bool,
    /// Sectors, from the first on, that are the same in the page that the header names; `None` if
    /// there is none to compare with.
    pub shared_sectors: Option<u8>,
}

const _: () = assert!(size_of::<Evidence>() <= 128);

/// The state of a page's slot array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slots {
    /// Not a page that has one, or its header does not tell.
    #[default]
    None,
    /// Every slot leads to a record.
    Sound,
    /// All but the last ones do, and these are zeros: the header counts rows that are not there.
    /// An insert leaves that if only its first sectors arrived, and so do rows that were deleted
    /// from a heap.
    Unwritten,
    /// Not every one does.
    Broken,
}

/// What stands in the place that a page names as its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// The same bytes, or at least the same LSN.
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
    /// The evidence of `page`, which is suspect for `reason`, by one look.
    pub fn of(page: &Page, reason: &SuspectReason) -> Self {
        let header = PageHeader::of(page);
        let lacks_flag = header.protection() == Protection::None;
        let whole = match reason {
            SuspectReason::TornPage(_) if lacks_flag => torn::restored_without_flag(page),
            _ => torn::restored(page),
        };
        let (sectors, entropy_millibits) = SectorMap::and_entropy(page);
        let sectors = structure::without_rows(&whole, sectors);
        let structure = Structure::of(&whole, sectors);
        let header_is_sane = header.is_sane();
        let mut evidence = Self {
            sectors,
            lost_sectors: structure.lost,
            entropy_millibits,
            noise_head_bytes: structure::noise_head_bytes(&whole, sectors),
            header_is_sane,
            slots: structure.slots,
            breaks_at: structure.breaks_at,
            lsn: header_is_sane.then(|| header.lsn()),
            looks: 1,
            has_lost_flag: lacks_flag && matches!(reason, SuspectReason::TornPage(_)),
            foreign: (!header_is_sane).then(|| Foreign::of(page)).flatten(),
            ..Self::default()
        };
        if let SuspectReason::BadChecksum { stored, computed } = *reason {
            evidence.add_syndrome(page, &structure, Checksum(stored.0 ^ computed.0));
        }
        evidence
    }

    fn add_syndrome(&mut self, page: &Page, structure: &Structure, syndrome: Checksum) {
        let bits = syndrome.0.count_ones();
        self.syndrome = Some(syndrome);
        self.syndrome_bits = Some(bits as u8);
        self.has_lost_flag = PageHeader::of(page).protection() == Protection::None;
        if bits == 1 {
            self.candidate_bits = candidate_bits(syndrome, self.has_lost_flag);
            self.one_bit_explains = structure.fits_one_bit(self.sectors)
                || structure::header_bit_explains(page, self.sectors, syndrome);
        }
    }

    /// Sectors from the first on, but not all, that are those of the page that the header names.
    pub fn foreign_sectors(&self) -> Option<u8> {
        self.shared_sectors.filter(|shared| (1..PAGE_SECTORS as u8).contains(shared))
    }

    /// True for a syndrome of one bit, which one flipped bit leaves.
    pub fn has_one_bit_syndrome(&self) -> bool {
        self.syndrome_bits == Some(1)
    }
}

/// Each word has one bit that explains a syndrome of one bit. The flag that says that there is a
/// checksum explains one only where it is missing, and nothing else does there.
fn candidate_bits(syndrome: Checksum, has_lost_flag: bool) -> Option<u16> {
    let is_the_flags = syndrome.0 == flag_delta();
    match (has_lost_flag, is_the_flags) {
        (true, true) => Some(1),
        (true, false) => None,
        (false, is_the_flags) => Some(ONE_BIT_CANDIDATES - u16::from(is_the_flags)),
    }
}

/// What flipping the checksum flag does to the checksum.
fn flag_delta() -> u32 {
    Checksum::header_delta(u32::from(FLAG_CHECKSUM), FLAG_WORD_OFFSET)
}

#[cfg(test)]
pub(super) mod tests;
