//! The 96-byte page header, read in place (docs/page-format.md, section 1).

use super::address::{FileId, PageAddress, PageId};
use super::kind::PageType;
use super::{PAGE_BYTES, Page};
use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 96;
/// Byte offset of `m_tornBits`, the stored checksum or torn bits.
pub const TORN_BITS_OFFSET: usize = 60;
/// Byte offset of the word that holds `m_flagBits` in its low half.
pub const FLAG_WORD_OFFSET: usize = 4;
/// `m_flagBits`: the page carries torn-page bits.
pub const FLAG_TORN: u16 = 0x0100;
/// `m_flagBits`: the page carries a checksum.
pub const FLAG_CHECKSUM: u16 = 0x0200;
/// The only header version seen since SQL Server 7.0.
pub const HEADER_VERSION: u8 = 1;
/// Where the server configuration page stands, in master only.
const SERVER_CONFIGURATION: PageAddress = PageAddress { file: FileId(1), page: PageId(10) };
/// Free bytes of an empty page, the most `m_freeCnt` can say.
const FREE_COUNT_MAX: u16 = (PAGE_BYTES - HEADER_BYTES) as u16;

/// The header of a page; field names follow Microsoft's `m_` names.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct PageHeader {
    /// `m_headerVersion`, always 1.
    pub header_version: u8,
    /// `m_type`, see [`super::kind::PageType`].
    pub page_type: u8,
    /// `m_typeFlagBits`.
    pub type_flag_bits: u8,
    /// `m_level`: level in the B-tree, 0 = leaf.
    pub level: u8,
    /// `m_flagBits`: see [`FLAG_TORN`] and [`FLAG_CHECKSUM`]; all other bits say nothing here.
    pub flag_bits: u16,
    /// `m_indexId`: high part of the allocation unit id.
    pub index_id: u16,
    /// `m_prevPage`: page id.
    pub prev_page: u32,
    /// `m_prevPage`: file id.
    pub prev_file: u16,
    /// `pminlen`: bytes of the fixed part of the rows.
    pub pminlen: u16,
    /// `m_nextPage`: page id.
    pub next_page: u32,
    /// `m_nextPage`: file id.
    pub next_file: u16,
    /// `m_slotCnt`: rows on the page.
    pub slot_count: u16,
    /// `m_objId`: low part of the allocation unit id.
    pub object_id: u32,
    /// `m_freeCnt`: free bytes.
    pub free_count: u16,
    /// `m_freeData`: offset of the first free byte.
    pub free_data: u16,
    /// `m_pageId`: the page's own id.
    pub page_id: u32,
    /// `m_pageId`: the page's own file id.
    pub file_id: u16,
    /// `m_reservedCnt`.
    pub reserved_count: u16,
    /// `m_lsn`: sequence number of the virtual log file.
    pub lsn_vlf: u32,
    /// `m_lsn`: log block.
    pub lsn_block: u32,
    /// `m_lsn`: slot in the block.
    pub lsn_slot: u16,
    /// `m_xactReserved`.
    pub xact_reserved: u16,
    /// `m_xdesId`, second part.
    pub xdes_id_low: u32,
    /// `m_xdesId`, first part.
    pub xdes_id_high: u16,
    /// `m_ghostRecCnt`.
    pub ghost_record_count: u16,
    /// `m_tornBits`: stored checksum, or the 2-bit signature and the displaced bits.
    pub torn_bits: u32,
    /// Zero on every healthy page.
    pub reserved: [u8; 32],
}

const _: () = assert!(size_of::<PageHeader>() == HEADER_BYTES);
const _: () = assert!(std::mem::offset_of!(PageHeader, torn_bits) == TORN_BITS_OFFSET);
const _: () = assert!(std::mem::offset_of!(PageHeader, page_id) == 32);
const _: () = assert!(std::mem::offset_of!(PageHeader, lsn_vlf) == 40);

/// A log sequence number: virtual log file, block, slot; ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Lsn {
    /// Sequence number of the virtual log file.
    pub vlf: u32,
    /// Log block inside it.
    pub block: u32,
    /// Slot inside the block.
    pub slot: u16,
}

/// How a page says it is protected. The page's own flag decides, never the database option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// `m_tornBits` holds a checksum.
    Checksum,
    /// `m_tornBits` holds a torn-page signature.
    Torn,
    /// Neither: nothing on the page can be verified.
    None,
}

impl PageHeader {
    /// The header of `page`, in place.
    pub fn of(page: &Page) -> &Self {
        bytemuck::from_bytes(&page.bytes()[..HEADER_BYTES])
    }

    /// Plausible headers, of pages that can exist, at any offset in `bytes`, and where.
    pub fn search(bytes: &[u8]) -> impl Iterator<Item = (usize, Self)> {
        let whole = bytes.windows(HEADER_BYTES).enumerate();
        let begins = whole.filter(|(_, window)| window[0] == HEADER_VERSION);
        begins.filter_map(|(at, window)| {
            let header: Self = bytemuck::pod_read_unaligned(window);
            (header.is_plausible() && header.address().can_exist()).then_some((at, header))
        })
    }

    /// The header of `page`, writable in place.
    pub fn of_mut(page: &mut Page) -> &mut Self {
        bytemuck::from_bytes_mut(&mut page.bytes_mut()[..HEADER_BYTES])
    }

    /// Where the page says it belongs.
    pub fn address(&self) -> PageAddress {
        PageAddress::new(FileId(self.file_id), PageId(self.page_id))
    }

    /// `m_prevPage`: the page before it; (0:0) is none.
    pub fn previous(&self) -> Option<PageAddress> {
        link(self.prev_file, self.prev_page)
    }

    /// `m_nextPage`: the page after it; (0:0) is none.
    pub fn next(&self) -> Option<PageAddress> {
        link(self.next_file, self.next_page)
    }

    /// `m_lsn`.
    pub fn lsn(&self) -> Lsn {
        Lsn { vlf: self.lsn_vlf, block: self.lsn_block, slot: self.lsn_slot }
    }

    /// The protection the page claims. Both flags were never seen together; checksum then wins.
    pub fn protection(&self) -> Protection {
        if self.flag_bits & FLAG_CHECKSUM != 0 {
            Protection::Checksum
        } else if self.flag_bits & FLAG_TORN != 0 {
            Protection::Torn
        } else {
            Protection::None
        }
    }

    /// True if the bounds hold that held on every one of 29,077 healthy allocated pages: version
    /// 1, free space and slot array inside the page.
    pub fn is_sane(&self) -> bool {
        let slot_array_bytes = 2 * usize::from(self.slot_count);
        let free_data = usize::from(self.free_data);
        self.header_version == HEADER_VERSION
            && free_data >= HEADER_BYTES
            && free_data + slot_array_bytes <= PAGE_BYTES
            && self.free_count <= FREE_COUNT_MAX
    }

    /// True if the header also has what every healthy allocated page has, of whatever protection: a
    /// type that pages in use have, and zeros in the reserved bytes. For pages that carry nothing
    /// better to be checked by.
    pub fn is_plausible(&self) -> bool {
        let is_in_use = PageType::of(self.page_type).is_of_pages_in_use();
        self.is_sane() && is_in_use && self.reserved == [0; 32]
    }

    /// True for the header of the server configuration page, (1:10) of master, which nothing
    /// protects.
    pub fn is_server_configuration(&self) -> bool {
        PageType::of(self.page_type) == PageType::ServerConfiguration
            && self.address() == SERVER_CONFIGURATION
            && self.is_sane()
            && self.reserved == [0; 32]
    }

    /// The allocation unit id that the header implies: `m_indexId << 48 | m_objId << 16`.
    pub fn allocation_unit_id(&self) -> u64 {
        u64::from(self.index_id) << 48 | u64::from(self.object_id) << 16
    }
}

fn link(file: u16, page: u32) -> Option<PageAddress> {
    ((file, page) != (0, 0)).then(|| PageAddress::new(FileId(file), PageId(page)))
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

impl TryFrom<String> for Lsn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bare = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        let parts: Option<Vec<u32>> =
            bare.and_then(|bare| bare.split(':').map(|part| part.parse().ok()).collect());
        match parts.as_deref() {
            Some(&[vlf, block, slot]) if slot <= u16::MAX.into() => {
                Ok(Self { vlf, block, slot: slot as u16 })
            }
            _ => Err(format!("{text:?} is no log sequence number")),
        }
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}:{}:{})", self.vlf, self.block, self.slot)
    }
}

impl fmt::Debug for PageHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageHeader")
            .field("m_type", &self.page_type)
            .field("m_flagBits", &format_args!("{:#x}", self.flag_bits))
            .field("m_pageId", &format_args!("{}", self.address()))
            .field("m_objId", &self.object_id)
            .field("m_indexId", &self.index_id)
            .field("m_slotCnt", &self.slot_count)
            .field("m_freeData", &self.free_data)
            .field("m_lsn", &format_args!("{}", self.lsn()))
            .field("m_tornBits", &format_args!("{:#010x}", self.torn_bits))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_sit_at_their_documented_offsets() {
        let mut page = Page::ZERO;
        page.bytes_mut()[..64].copy_from_slice(&std::array::from_fn::<u8, 64, _>(|i| i as u8));
        let header = PageHeader::of(&page);
        assert_eq!(header.flag_bits, 0x0504);
        assert_eq!(header.slot_count, 0x1716);
        assert_eq!(header.address().page, PageId(0x2322_2120));
        assert_eq!(header.address().file, FileId(0x2524));
        assert_eq!(
            header.lsn().to_string(),
            format!("({}:{}:{})", 0x2b2a_2928, 0x2f2e_2d2c, 0x3130)
        );
        assert_eq!(header.torn_bits, 0x3f3e_3d3c);
    }

    #[test]
    fn checksum_wins_where_both_flags_are_set() {
        let mut page = Page::ZERO;
        PageHeader::of_mut(&mut page).flag_bits = FLAG_CHECKSUM | FLAG_TORN;
        assert_eq!(PageHeader::of(&page).protection(), Protection::Checksum);
    }

    #[test]
    fn a_page_of_zeros_is_not_sane() {
        assert!(!PageHeader::of(&Page::ZERO).is_sane());
    }

    #[test]
    fn a_plausible_header_has_a_type_of_pages_in_use_and_zeros_where_they_belong() {
        let of_data: PageHeader = PageHeader {
            header_version: 1,
            page_type: 1,
            free_data: 96,
            ..bytemuck::Zeroable::zeroed()
        };
        let mut reserved = [0; 32];
        reserved[31] = 1;
        assert!(of_data.is_plausible());
        // The types: none, server configuration, a page that CHECKDB gave up.
        for page_type in [0, 14, 18] {
            assert!(!PageHeader { page_type, ..of_data }.is_plausible(), "{page_type}");
        }
        assert!(!PageHeader { reserved, ..of_data }.is_plausible());
        assert!(!PageHeader { header_version: 0, ..of_data }.is_plausible());
    }

    #[test]
    fn slots_and_free_space_are_inside_a_sane_page() {
        let is_sane = |free_data, slot_count, free_count| {
            let header: PageHeader = PageHeader {
                header_version: 1,
                free_data,
                slot_count,
                free_count,
                ..bytemuck::Zeroable::zeroed()
            };
            header.is_sane()
        };
        assert!(is_sane(96, 0, 8096) && is_sane(8190, 1, 0) && is_sane(8192, 0, 0));
        assert!(!is_sane(95, 0, 8096) && !is_sane(8191, 1, 0) && !is_sane(96, 0, 8097));
    }

    /// As `sys.allocation_units` has it: 72057594037927936 and so many times 65536.
    #[test]
    fn the_allocation_unit_is_told_by_index_and_object() {
        let header: PageHeader =
            PageHeader { index_id: 256, object_id: 101, ..bytemuck::Zeroable::zeroed() };
        assert_eq!(header.allocation_unit_id(), 72_057_594_044_547_072);
    }
}
