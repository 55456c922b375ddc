//! Allocation: which pages are in use, and the fixed places of the pages that say so
//! (docs/page-format.md, section 4).
//!
//! A PFS page holds one byte for each of 8,088 pages; a GAM, SGAM, DIFF or ML page holds one bit
//! for each of 63,904 extents. All of them recur through the whole file.

use super::address::{ExtentId, FileId, PageAddress, PageId};
use super::header::PageHeader;
use super::kind::PageType;
use super::{EXTENT_PAGES, Page, torn};

/// Pages that one PFS page describes.
pub const PFS_INTERVAL_PAGES: u32 = 8088;
/// Extents that one PFS page describes: none lies in two intervals.
pub const PFS_INTERVAL_EXTENTS: u32 = PFS_INTERVAL_PAGES / EXTENT_PAGES;
/// Extents that one GAM, SGAM, DIFF or ML page describes.
pub const GAM_INTERVAL_EXTENTS: u32 = 63_904;
/// Pages that one GAM, SGAM, DIFF or ML page describes.
pub const GAM_INTERVAL_PAGES: u32 = GAM_INTERVAL_EXTENTS * EXTENT_PAGES;
/// Byte offset of the first PFS byte in a PFS page.
pub const PFS_BYTES_OFFSET: usize = 100;
/// Byte offset of the bitmap in a GAM, SGAM, DIFF, ML or IAM page.
pub const BITMAP_OFFSET: usize = 194;
/// Bytes of that bitmap.
pub const BITMAP_BYTES: usize = GAM_INTERVAL_EXTENTS as usize / 8;
/// Page id of the boot page, in the primary file only.
pub const BOOT_PAGE: PageId = PageId(9);

/// (1:12), an IAM page that nothing protects. Page 12 of other files is an ordinary one.
const SPECIAL_IAM: PageAddress = PageAddress { file: FileId(1), page: PageId(12) };
const FIRST_PFS: u32 = 1;
const FIRST_GAM: u32 = 2;
const FIRST_SGAM: u32 = 3;
const DIFF_OFFSET: u32 = 6;
const ML_OFFSET: u32 = 7;

/// How full a page is at most, in percent, by the lowest bits of its PFS byte.
const FULL_PERCENT: [u8; 5] = [0, 50, 80, 95, 100];

/// One byte of a PFS page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PfsByte(pub u8);

impl PfsByte {
    /// Bit of an allocated page.
    pub const ALLOCATED: u8 = 0x40;
    /// Bit of a page in a mixed extent.
    pub const MIXED: u8 = 0x20;
    /// Bit of an IAM page.
    pub const IAM: u8 = 0x10;
    /// Bit of a page with ghost records.
    const GHOST: u8 = 0x08;
    /// Bits that tell how full a page of a heap or of LOB values is.
    const FULL: u8 = 0x07;

    /// The byte that `pfs` (torn bits already restored) holds for `page`.
    pub fn of(pfs: &Page, page: PageId) -> Self {
        let index = page.0 % PFS_INTERVAL_PAGES;
        Self(pfs.bytes()[PFS_BYTES_OFFSET + index as usize])
    }

    /// True if the page is in use. Lower bits may be stale on free pages, so only this one counts.
    pub fn is_allocated(self) -> bool {
        self.0 & Self::ALLOCATED != 0
    }

    /// True if the page is in use and stands in a mixed extent.
    pub fn is_mixed(self) -> bool {
        self.is_allocated() && self.0 & Self::MIXED != 0
    }

    /// In the words of DBCC PAGE, such as `0x60 MIXED_EXT ALLOCATED 0_PCT_FULL`.
    pub fn words(self) -> String {
        let flags = [
            (Self::IAM, "IAM_PG "),
            (Self::MIXED, "MIXED_EXT "),
            (Self::ALLOCATED, "ALLOCATED "),
            (Self::GHOST, "HAS_GHOST "),
        ];
        let set = flags.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, word)| *word);
        let full = FULL_PERCENT.get(usize::from(self.0 & Self::FULL));
        let full = full.map_or("?".to_owned(), ToString::to_string);
        format!("{:#x} {}{full}_PCT_FULL", self.0, set.collect::<String>())
    }

    /// True if the page is in use and an IAM page.
    pub fn is_iam(self) -> bool {
        self.is_allocated() && self.0 & Self::IAM != 0
    }
}

/// Which pages of a PFS interval are in use: a byte for each extent, a bit for each of its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagesInUse([u8; PFS_INTERVAL_EXTENTS as usize]);

impl PagesInUse {
    /// As `pfs` (torn bits already restored) says.
    pub fn of(pfs: &Page) -> Self {
        // Of eight bytes, brings bit 6 of each down to its lowest bit, and then these together.
        const LOWEST: u64 = 0x0101_0101_0101_0101;
        const GATHER: u64 = 0x0102_0408_1020_4080;
        let (extents, _) = pfs.bytes()[PFS_BYTES_OFFSET..].as_chunks();
        let gather = |bytes: [u8; 8]| {
            (u64::from_le_bytes(bytes) >> 6 & LOWEST).wrapping_mul(GATHER).to_be_bytes()[0]
        };
        Self(std::array::from_fn(|extent| gather(extents[extent])))
    }

    /// The pages in use of an extent, the first one in the lowest bit; the extent is counted from
    /// the first one of its interval.
    #[inline]
    pub fn in_extent(&self, extent: u32) -> u8 {
        self.0[extent as usize]
    }

    /// Takes out a page; it is counted from the first one of its interval.
    pub fn remove(&mut self, page: u32) {
        self.0[(page / EXTENT_PAGES) as usize] &= !(1 << (page % EXTENT_PAGES));
    }
}

/// True if `pfs` (torn bits already restored) calls no page of `extent` allocated.
#[inline]
pub fn is_free_by_pfs(pfs: &Page, extent: ExtentId) -> bool {
    const ALLOCATED: u64 = u64::from_ne_bytes([PfsByte::ALLOCATED; EXTENT_PAGES as usize]);
    let (extents, _) = pfs.bytes()[PFS_BYTES_OFFSET..].as_chunks();
    u64::from_ne_bytes(extents[(extent.0 % PFS_INTERVAL_EXTENTS) as usize]) & ALLOCATED == 0
}

/// True if something may stand in `extent` that is there by its position alone: only such extents
/// have pages of which [`fixed_page_type`] tells.
#[inline]
pub fn has_fixed_pages(extent: ExtentId) -> bool {
    extent.0 <= BOOT_PAGE.extent().0
        || extent.0.is_multiple_of(PFS_INTERVAL_EXTENTS)
        || extent.0.is_multiple_of(GAM_INTERVAL_EXTENTS)
}

/// The first bytes of the one record on a PFS page.
const PFS_RECORD: [u8; 4] = [0x00, 0x00, 0x9c, 0x1f];
/// Byte offset of that record.
const PFS_RECORD_OFFSET: usize = 96;

/// True if `pfs`, the PFS page at `at` of file `file` (torn bits already restored), has its record
/// and calls the pages allocated that always are: itself, and the fixed pages of the first extents.
pub fn is_plausible_pfs(pfs: &Page, file: FileId, at: PageId) -> bool {
    let has_record = pfs.bytes()[PFS_RECORD_OFFSET..PFS_BYTES_OFFSET] == PFS_RECORD;
    let fixed = |page: &PageId| *page == at || fixed_page_type(file, *page).is_some();
    let interval = at.0 - at.0 % PFS_INTERVAL_PAGES;
    let first_pages = (interval..=interval + BOOT_PAGE.0).map(PageId);
    has_record && first_pages.filter(fixed).all(|page| PfsByte::of(pfs, page).is_allocated())
}

/// True if `gam`, the first GAM page of a file (torn bits already restored), calls its own extent
/// used, which it always is. Nobody here has seen a later one.
fn is_plausible_first_gam(gam: &Page) -> bool {
    !extent_bit(gam, PageId(FIRST_GAM))
}

/// True if `page`, which says that it is at `place`, can be what must stand there: it has the type
/// that the place asks for, and a PFS page or the first GAM page is a plausible one.
pub fn fits_its_place(page: &Page, place: PageAddress) -> bool {
    let Some(expected) = fixed_page_type(place.file, place.page) else { return true };
    let is = PageType::of(PageHeader::of(page).page_type);
    match (expected, is) {
        (PageType::Pfs, PageType::Pfs) => {
            is_plausible_pfs(&torn::restored(page), place.file, place.page)
        }
        (PageType::Gam, PageType::Gam) if place.page == PageId(FIRST_GAM) => {
            is_plausible_first_gam(&torn::restored(page))
        }
        // Where the formulas meet, either may be there.
        (PageType::Pfs, PageType::Gam) => place.page.0.is_multiple_of(GAM_INTERVAL_PAGES),
        _ => is == expected,
    }
}

/// The bit that the map page `map` (torn bits already restored) holds for `page`'s extent. In a
/// GAM, true means that the extent is free.
pub fn extent_bit(map: &Page, page: PageId) -> bool {
    let extent = page.extent().0 % GAM_INTERVAL_EXTENTS;
    map.bytes()[BITMAP_OFFSET + extent as usize / 8] >> (extent % 8) & 1 != 0
}

/// The PFS page that describes `page`.
pub fn pfs_page_of(page: PageId) -> PageId {
    match page.0 / PFS_INTERVAL_PAGES {
        0 => PageId(FIRST_PFS),
        interval => PageId(interval * PFS_INTERVAL_PAGES),
    }
}

/// The GAM page that describes `page`.
pub fn gam_page_of(page: PageId) -> PageId {
    match page.0 / GAM_INTERVAL_PAGES {
        0 => PageId(FIRST_GAM),
        interval => PageId(interval * GAM_INTERVAL_PAGES),
    }
}

/// The SGAM page that describes `page`.
pub fn sgam_page_of(page: PageId) -> PageId {
    match page.0 / GAM_INTERVAL_PAGES {
        0 => PageId(FIRST_SGAM),
        interval => PageId(interval * GAM_INTERVAL_PAGES + 1),
    }
}

/// The DIFF map that describes `page`.
pub fn diff_map_of(page: PageId) -> PageId {
    PageId(page.0 - page.0 % GAM_INTERVAL_PAGES + DIFF_OFFSET)
}

/// The ML map that describes `page`.
pub fn ml_map_of(page: PageId) -> PageId {
    PageId(page.0 - page.0 % GAM_INTERVAL_PAGES + ML_OFFSET)
}

/// What must stand at `page` of file `file` by its position alone; `None` for ordinary pages.
///
/// At page 516,855,552 (3.85 TiB) and its multiples the formulas for PFS and GAM meet; PFS is
/// answered there.
pub fn fixed_page_type(file: FileId, page: PageId) -> Option<PageType> {
    let in_gam_interval = page.0 % GAM_INTERVAL_PAGES;
    let first_interval = page.0 < GAM_INTERVAL_PAGES;
    match page.0 {
        0 => Some(PageType::FileHeader),
        FIRST_PFS => Some(PageType::Pfs),
        FIRST_GAM => Some(PageType::Gam),
        FIRST_SGAM => Some(PageType::Sgam),
        n if n == BOOT_PAGE.0 && file == FileId(1) => Some(PageType::Boot),
        n if n % PFS_INTERVAL_PAGES == 0 => Some(PageType::Pfs),
        _ if in_gam_interval == DIFF_OFFSET => Some(PageType::DiffMap),
        _ if in_gam_interval == ML_OFFSET => Some(PageType::MlMap),
        _ if in_gam_interval == 0 => Some(PageType::Gam),
        _ if in_gam_interval == 1 && !first_interval => Some(PageType::Sgam),
        _ => None,
    }
}

/// True for the pages that healthy protected files leave without checksum and torn bits: ML maps in
/// every file, and the special IAM page of the primary one (section 2.1).
pub fn is_never_protected(place: PageAddress) -> bool {
    place == SPECIAL_IAM || fixed_page_type(place.file, place.page) == Some(PageType::MlMap)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::checksum;
    use super::super::header::FLAG_CHECKSUM;
    use super::*;

    /// A page of file 1 that carries its checksum.
    fn sealed(kind: PageType, at: u32, content: impl Fn(&mut [u8])) -> Page {
        let mut page = Page::ZERO;
        content(page.bytes_mut());
        *PageHeader::of_mut(&mut page) = PageHeader {
            header_version: 1,
            page_type: kind.m_type(),
            flag_bits: FLAG_CHECKSUM,
            page_id: at,
            file_id: 1,
            free_data: 96,
            ..bytemuck::Zeroable::zeroed()
        };
        checksum::seal(&mut page);
        page
    }

    /// The PFS page at `at`, which calls these pages of its interval allocated.
    pub(crate) fn pfs(at: u32, in_use: &[usize]) -> Page {
        sealed(PageType::Pfs, at, |bytes| {
            bytes[PFS_RECORD_OFFSET..PFS_BYTES_OFFSET].copy_from_slice(&PFS_RECORD);
            for page in in_use {
                bytes[PFS_BYTES_OFFSET + page] = PfsByte::ALLOCATED | 0x04;
            }
        })
    }

    /// The GAM page at `at`, which calls all extents of its interval but these free.
    pub(crate) fn gam(at: u32, in_use: std::ops::Range<usize>) -> Page {
        sealed(PageType::Gam, at, |bytes| {
            bytes[BITMAP_OFFSET..][..BITMAP_BYTES].fill(0xff);
            for extent in in_use.clone() {
                bytes[BITMAP_OFFSET + extent / 8] &= !(1 << (extent % 8));
            }
        })
    }

    #[test]
    fn pages_in_use_are_those_that_their_bytes_call_allocated() {
        let mut pfs = Page::ZERO;
        for (page, byte) in pfs.bytes_mut()[PFS_BYTES_OFFSET..].iter_mut().enumerate() {
            *byte = (page * page * 7 / 3) as u8;
        }
        let mut in_use = PagesInUse::of(&pfs);
        let is_in_use =
            |in_use: &PagesInUse, page: u32| in_use.in_extent(page / 8) >> (page % 8) & 1;
        for page in 0..PFS_INTERVAL_PAGES {
            let expected = PfsByte::of(&pfs, PageId(page)).is_allocated();
            assert_eq!(is_in_use(&in_use, page), u8::from(expected), "{page}");
        }
        let used = (0..PFS_INTERVAL_PAGES).find(|page| is_in_use(&in_use, *page) != 0).unwrap();
        in_use.remove(used);
        assert_eq!(is_in_use(&in_use, used), 0);
        assert_eq!(
            is_in_use(&in_use, used + 1),
            u8::from(pfs.bytes()[101 + used as usize] & 0x40 != 0)
        );
    }

    #[test]
    fn an_extent_is_free_if_all_of_its_bytes_say_so_and_has_fixed_pages_if_one_is_there() {
        let mut pfs = Page::ZERO;
        for (page, byte) in pfs.bytes_mut()[PFS_BYTES_OFFSET..].iter_mut().enumerate() {
            *byte = if page % 23 == 0 { 0xff } else { !PfsByte::ALLOCATED };
        }
        for extent in (0..4 * PFS_INTERVAL_EXTENTS).chain(63_800..64_000).map(ExtentId) {
            let first = extent.first_page().0;
            let pages = || (first..first + EXTENT_PAGES).map(PageId);
            let is_free = !pages().any(|page| PfsByte::of(&pfs, page).is_allocated());
            assert_eq!(is_free_by_pfs(&pfs, extent), is_free, "{extent:?}");
            let is_fixed = pages().any(|page| fixed_page_type(FileId(1), page).is_some());
            assert_eq!(has_fixed_pages(extent), is_fixed, "{extent:?}");
        }
    }

    /// A published DBCC PAGE of (1:8777733) names the pages that describe it.
    #[test]
    fn the_maps_of_a_published_page_are_found() {
        let page = PageId(8_777_733);
        assert_eq!(gam_page_of(page), PageId(8_690_944));
        assert_eq!(pfs_page_of(page), PageId(8_775_480));
        assert_eq!(sgam_page_of(page), PageId(8_690_945));
        assert_eq!(diff_map_of(page), PageId(8_690_950));
        assert_eq!(ml_map_of(page), PageId(8_690_951));
        let kind = |n| fixed_page_type(FileId(1), PageId(n));
        assert_eq!(kind(8_690_944), Some(PageType::Gam));
        assert_eq!(kind(8_690_945), Some(PageType::Sgam));
        assert_eq!(kind(8_690_950), Some(PageType::DiffMap));
        assert_eq!(kind(8_690_951), Some(PageType::MlMap));
        assert_eq!(kind(8_775_480), Some(PageType::Pfs));
        assert_eq!(kind(8_777_733), None);
    }

    #[test]
    fn the_first_extents_of_a_primary_file_are_as_documented() {
        use PageType::{Boot, DiffMap, FileHeader, Gam, MlMap, Pfs, Sgam};
        let kinds: Vec<_> = (0..10).map(|n| fixed_page_type(FileId(1), PageId(n))).collect();
        assert_eq!(kinds[..4], [Some(FileHeader), Some(Pfs), Some(Gam), Some(Sgam)]);
        assert_eq!(kinds[4..], [None, None, Some(DiffMap), Some(MlMap), None, Some(Boot)]);
        assert_eq!(fixed_page_type(FileId(3), PageId(9)), None);
    }

    #[test]
    fn what_stands_at_a_fixed_place_must_be_what_the_place_asks_for() {
        let fits = |page: u32, kind: PageType| {
            let mut content = Page::ZERO;
            PageHeader::of_mut(&mut content).page_type = kind.m_type();
            fits_its_place(&content, PageAddress::new(FileId(1), PageId(page)))
        };
        assert!(fits(2, PageType::Gam) && !fits(2, PageType::Sgam));
        assert!(fits(9, PageType::Boot) && !fits(9, PageType::Data));
        assert!(fits(20, PageType::Data) && fits(516_855_552, PageType::Gam));
        // It has no record, and calls itself free.
        assert!(!fits(1, PageType::Pfs) && !fits(8088, PageType::Gam));
    }

    #[test]
    fn of_single_pages_only_1_12_is_never_protected_and_maps_are_in_every_file() {
        let is_exempt =
            |file, page| is_never_protected(PageAddress::new(FileId(file), PageId(page)));
        assert!(is_exempt(1, 12) && !is_exempt(3, 12) && !is_exempt(1, 13));
        assert!(is_exempt(1, 7) && is_exempt(3, 7) && is_exempt(3, GAM_INTERVAL_PAGES + 7));
    }

    #[test]
    fn bits_and_bytes_are_counted_from_the_interval_start() {
        let mut map = Page::ZERO;
        map.bytes_mut()[BITMAP_OFFSET + 1] = 0b100;
        assert!(extent_bit(&map, PageId(10 * 8 + 3)));
        assert!(extent_bit(&map, PageId(GAM_INTERVAL_PAGES + 10 * 8)));
        assert!(!extent_bit(&map, PageId(11 * 8)));
        map.bytes_mut()[PFS_BYTES_OFFSET + 5] = 0x64;
        assert!(PfsByte::of(&map, PageId(PFS_INTERVAL_PAGES * 3 + 5)).is_allocated());
    }

    /// As DBCC PAGE prints them, from published outputs.
    #[test]
    fn a_pfs_byte_in_words_is_as_dbcc_page_prints_it() {
        for (byte, words) in [
            (0x60, "0x60 MIXED_EXT ALLOCATED 0_PCT_FULL"),
            (0x64, "0x64 MIXED_EXT ALLOCATED 100_PCT_FULL"),
            (0x40, "0x40 ALLOCATED 0_PCT_FULL"),
            (0x70, "0x70 IAM_PG MIXED_EXT ALLOCATED 0_PCT_FULL"),
            (0x00, "0x0 0_PCT_FULL"),
        ] {
            assert_eq!(PfsByte(byte).words(), words);
        }
    }

    /// The bytes as DBCC PAGE prints them of a PFS page.
    #[test]
    fn what_a_pfs_byte_says_of_a_page_counts_only_while_that_is_in_use() {
        for (byte, told) in [
            (0x60, [true, true, false]),  // MIXED_EXT ALLOCATED 0_PCT_FULL
            (0x70, [true, true, true]),   // IAM_PG MIXED_EXT ALLOCATED 0_PCT_FULL
            (0x50, [true, false, true]),  // IAM_PG ALLOCATED 0_PCT_FULL
            (0x44, [true, false, false]), // ALLOCATED 100_PCT_FULL
            (0x30, [false; 3]),           // IAM_PG MIXED_EXT 0_PCT_FULL
            (0x04, [false; 3]),           // 100_PCT_FULL
            (0x00, [false; 3]),           // 0_PCT_FULL
        ] {
            let byte = PfsByte(byte);
            assert_eq!([byte.is_allocated(), byte.is_mixed(), byte.is_iam()], told, "{byte:?}");
        }
    }

    #[test]
    fn a_pfs_page_that_calls_a_fixed_page_free_is_not_plausible() {
        let is_plausible = |file, at, free: usize| {
            let mut pfs = Page::ZERO;
            pfs.bytes_mut()[PFS_RECORD_OFFSET..PFS_BYTES_OFFSET].copy_from_slice(&PFS_RECORD);
            pfs.bytes_mut()[PFS_BYTES_OFFSET..].fill(PfsByte::ALLOCATED);
            pfs.bytes_mut()[PFS_BYTES_OFFSET + free] = 0;
            is_plausible_pfs(&pfs, FileId(file), PageId(at))
        };
        for fixed in [0, 1, 2, 3, 6, 7, 9] {
            assert!(!is_plausible(1, 1, fixed), "{fixed}");
        }
        for other in [4, 5, 8, 10, 17] {
            assert!(is_plausible(1, 1, other), "{other}");
        }
        assert!(is_plausible(3, 1, 9), "only the primary file has a boot page");
        assert!(!is_plausible(1, 8088, 0) && is_plausible(1, 8088, 1));
        assert!(!is_plausible_pfs(&Page::new(&[PfsByte::ALLOCATED; 8192]), FileId(1), PageId(1)));
    }

    #[test]
    fn only_of_the_first_gam_page_it_is_known_that_it_calls_its_own_extent_used() {
        let fits = |page: u32| {
            let mut gam = Page::ZERO;
            PageHeader::of_mut(&mut gam).page_type = PageType::Gam.m_type();
            gam.bytes_mut()[BITMAP_OFFSET..].fill(0xff);
            fits_its_place(&gam, PageAddress::new(FileId(1), PageId(page)))
        };
        assert!(!fits(FIRST_GAM) && fits(GAM_INTERVAL_PAGES));
    }

    #[test]
    fn types_of_fixed_places_are_those_that_a_place_asks_for() {
        let kind = |page| fixed_page_type(FileId(1), PageId(page));
        let asked_for: Vec<PageType> = (0..64).filter_map(kind).collect();
        for kind in (0..=u8::MAX).map(PageType::of) {
            assert_eq!(kind.has_fixed_place(), asked_for.contains(&kind), "{kind:?}");
        }
    }
}
