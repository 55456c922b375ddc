//! The IAM page: which extents and single pages belong to one allocation unit
//! (docs/page-format.md, section 4.5).

use super::address::{FileId, PageAddress, PageId};
use super::allocation::{GAM_INTERVAL_EXTENTS, GAM_INTERVAL_PAGES};
use super::header::PageHeader;
use super::kind::PageType;
use super::{EXTENT_PAGES, PAGE_BYTES, Page};
use std::ops::{Range, RangeInclusive};

/// Single pages that one IAM page has room for.
pub const SINGLE_PAGES: usize = 8;
const SEQUENCE_OFFSET: usize = 100;
const START_PAGE_OFFSET: usize = 136;
const SINGLE_PAGES_OFFSET: usize = 142;
/// Bytes of a page id followed by a file id.
const ADDRESS_BYTES: usize = 6;
/// Byte offset of the first record, and its first bytes.
const HEAD: (usize, [u8; 4]) = (96, [0x00, 0x00, 0x5e, 0x00]);
/// Byte offsets of the second record, the bitmap's: 190, and 192 on page 12 of the primary file.
const BITMAP_RECORD: RangeInclusive<usize> = 190..=192;
/// Its first bytes.
const BITMAP_RECORD_START: [u8; 4] = [0x00, 0x00, 0x38, 0x1f];

/// An IAM page that looks like one.
#[derive(Clone, Copy)]
pub struct IamPage<'a> {
    page: &'a Page,
    /// Byte offset of the bitmap.
    bitmap: usize,
}

impl<'a> IamPage<'a> {
    /// `page` (torn bits already restored), if it has the type and the two records of an IAM page
    /// and describes an interval that there can be.
    pub fn of(page: &'a Page) -> Option<Self> {
        let slot = |slot: usize| usize::from(page.u16_at(PAGE_BYTES - 2 * (slot + 1)));
        let starts = |at: usize, with: [u8; 4]| page.bytes()[at..at + 4] == with;
        let bitmap_record = slot(1);
        let has_records = (slot(0), BITMAP_RECORD.contains(&bitmap_record)) == (HEAD.0, true)
            && starts(HEAD.0, HEAD.1)
            && starts(bitmap_record, BITMAP_RECORD_START);
        if !has_records || PageHeader::of(page).page_type != PageType::Iam.m_type() {
            return None;
        }
        let iam = Self { page, bitmap: bitmap_record + BITMAP_RECORD_START.len() };
        let start = iam.start();
        let is_aligned = start.page.0.is_multiple_of(GAM_INTERVAL_PAGES);
        (is_aligned && start.file != FileId(0)).then_some(iam)
    }

    /// The allocation unit it belongs to and speaks of.
    pub fn unit(self) -> u64 {
        PageHeader::of(self.page).allocation_unit_id()
    }

    /// Its place in the chain of the unit's IAM pages, from 0.
    pub fn sequence(self) -> u32 {
        self.page.u32_at(SEQUENCE_OFFSET)
    }

    /// The first page of the GAM interval that its bitmap describes.
    pub fn start(self) -> PageAddress {
        self.address_at(START_PAGE_OFFSET)
    }

    /// Pages of mixed extents that belong to the unit, in any file. Only the first page of a chain
    /// has some.
    pub fn single_pages(self) -> impl Iterator<Item = PageAddress> {
        self.slots().into_iter().filter(|place| has_file(*place))
    }

    /// The places for them; those that are not used name file 0.
    pub fn slots(self) -> [PageAddress; SINGLE_PAGES] {
        std::array::from_fn(|slot| self.address_at(SINGLE_PAGES_OFFSET + slot * ADDRESS_BYTES))
    }

    /// Where it says that it is.
    pub fn place(self) -> PageAddress {
        PageHeader::of(self.page).address()
    }

    /// The page before it in the chain.
    pub fn previous(self) -> Option<PageAddress> {
        PageHeader::of(self.page).previous().filter(|place| has_file(*place))
    }

    /// The page after it in the chain.
    pub fn next(self) -> Option<PageAddress> {
        PageHeader::of(self.page).next().filter(|place| has_file(*place))
    }

    /// The pages before and after it in the chain.
    pub fn links(self) -> impl Iterator<Item = PageAddress> {
        self.previous().into_iter().chain(self.next())
    }

    /// The extents that belong to the unit, by their numbers in the file that the bitmap is of,
    /// ascending: those that begin before page `end`.
    pub fn extents(self, end: PageId) -> impl Iterator<Item = Range<u32>> {
        let first = self.start().page.extent().0;
        let extents = end.0.div_ceil(EXTENT_PAGES).saturating_sub(first).min(GAM_INTERVAL_EXTENTS);
        let bitmap = &self.page.bytes()[self.bitmap..][..extents.div_ceil(8) as usize];
        let is_owned = |extent: u32| bitmap[extent as usize / 8] >> (extent % 8) & 1 != 0;
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < extents && !is_owned(at) {
                // Most bitmaps are empty but for a few extents.
                let is_empty = at.is_multiple_of(8) && bitmap[at as usize / 8] == 0;
                at += if is_empty { 8 } else { 1 };
            }
            let start = at;
            while at < extents && is_owned(at) {
                at += 1;
            }
            (start < at).then(|| first + start..first + at)
        })
    }

    /// True if the extent of `page`, which is in the interval it describes, belongs to the unit.
    pub fn owns_extent_of(self, page: PageId) -> bool {
        let extent = page.extent().0 % GAM_INTERVAL_EXTENTS;
        self.page.bytes()[self.bitmap + extent as usize / 8] >> (extent % 8) & 1 != 0
    }

    fn address_at(self, offset: usize) -> PageAddress {
        let file = self.page.u16_at(offset + 4);
        PageAddress::new(FileId(file), PageId(self.page.u32_at(offset)))
    }
}

/// What names file 0 leads nowhere.
fn has_file(place: PageAddress) -> bool {
    place.file != FileId(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(page: &mut Page, offset: usize, (id, file): (u32, u16)) {
        page.bytes_mut()[offset..offset + 4].copy_from_slice(&id.to_le_bytes());
        page.bytes_mut()[offset + 4..offset + 6].copy_from_slice(&file.to_le_bytes());
    }

    fn put_records(page: &mut Page, bitmap_record: usize) {
        for (slot, at, first) in [(0, HEAD.0, HEAD.1), (1, bitmap_record, BITMAP_RECORD_START)] {
            page.bytes_mut()[at..at + 4].copy_from_slice(&first);
            let end = PAGE_BYTES - 2 * slot;
            page.bytes_mut()[end - 2..end].copy_from_slice(&(at as u16).to_le_bytes());
        }
    }

    fn iam(id: u32) -> Page {
        let mut page = Page::ZERO;
        *PageHeader::of_mut(&mut page) = PageHeader {
            page_type: 10,
            page_id: id,
            file_id: 1,
            object_id: 101,
            index_id: 256,
            ..bytemuck::Zeroable::zeroed()
        };
        put_records(&mut page, 190);
        put(&mut page, START_PAGE_OFFSET, (GAM_INTERVAL_PAGES, 3));
        page
    }

    #[test]
    fn fields_are_read_from_their_documented_offsets() {
        let mut page = iam(80);
        page.bytes_mut()[100] = 1;
        put(&mut page, 142, (70_000, 1));
        put(&mut page, 142 + 7 * 6, (9, 4));
        page.bytes_mut()[195] = 0b10;
        PageHeader::of_mut(&mut page).prev_page = 79;
        PageHeader::of_mut(&mut page).prev_file = 1;
        let iam = IamPage::of(&page).unwrap();
        let place = |file, page| PageAddress::new(FileId(file), PageId(page));
        assert_eq!((iam.unit(), iam.sequence()), (256 << 48 | 101 << 16, 1));
        assert_eq!(iam.start(), place(3, GAM_INTERVAL_PAGES));
        assert!(iam.single_pages().eq([place(1, 70_000), place(4, 9)]));
        assert!(iam.links().eq([place(1, 79)]));
        let owned = |extent: u32| iam.owns_extent_of(PageId(GAM_INTERVAL_PAGES + 8 * extent + 5));
        assert_eq!([8, 9, 10].map(owned), [false, true, false]);
    }

    /// Read from where other pages have it, the head of the record would pass for extents.
    #[test]
    fn the_bitmap_of_page_12_begins_two_bytes_later() {
        let mut page = iam(12);
        put_records(&mut page, 192);
        page.bytes_mut()[192 - 2..192].fill(0);
        page.bytes_mut()[196] = 1;
        let iam = IamPage::of(&page).unwrap();
        let owned = (0..PAGE_BYTES as u32).filter(|extent| iam.owns_extent_of(PageId(8 * extent)));
        assert!(owned.eq([0]));
        assert!(!iam.owns_extent_of(PageId(GAM_INTERVAL_PAGES - 1)));
    }

    #[test]
    fn extents_are_told_as_runs_that_end_with_the_file() {
        let mut page = iam(80);
        put(&mut page, START_PAGE_OFFSET, (0, 1));
        page.bytes_mut()[194] = 0b1000_0110;
        page.bytes_mut()[195] = 1;
        page.bytes_mut()[194 + 7_987] = 0x80;
        let iam = IamPage::of(&page).unwrap();
        let runs = |end: u32| {
            let runs = iam.extents(PageId(end)).map(|run| (run.start, run.end));
            runs.collect::<Vec<_>>()
        };
        assert_eq!(runs(u32::MAX), [(1, 3), (7, 9), (63_903, 63_904)]);
        assert_eq!(runs(8 * 8), [(1, 3), (7, 8)]);
        assert_eq!(runs(2 * 8 + 1), runs(3 * 8));
        assert_eq!((runs(2 * 8), runs(8), runs(0)), (vec![(1, 2)], vec![], vec![]));
        put(&mut page, START_PAGE_OFFSET, (GAM_INTERVAL_PAGES, 3));
        let runs: Vec<_> =
            IamPage::of(&page).unwrap().extents(PageId(GAM_INTERVAL_PAGES)).collect();
        assert!(runs.is_empty());
    }

    #[test]
    fn what_has_not_its_records_or_an_odd_interval_is_no_iam_page() {
        let spoilt: [fn(&mut Page); 7] = [
            |page| page.bytes_mut()[8189] = 0xff,
            |page| page.bytes_mut()[8190] = 98,
            |page| PageHeader::of_mut(page).page_type = 8,
            |page| page.bytes_mut()[98] = 0,
            |page| page.bytes_mut()[193] = 0,
            |page| put(page, START_PAGE_OFFSET, (8, 1)),
            |page| put(page, START_PAGE_OFFSET, (0, 0)),
        ];
        for spoil in spoilt {
            let mut page = iam(80);
            assert!(IamPage::of(&page).is_some());
            spoil(&mut page);
            assert!(IamPage::of(&page).is_none());
        }
    }
}
