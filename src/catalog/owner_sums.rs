//! Whether the pages of a PFS interval belong to whom the IAM pages say, without keeping the pages:
//! a sum over what the headers say is held against the same sum over what IAM and PFS pages say.
//!
//! The sum has a term for each page in use of types 1 to 4: a hash of its extent, times an odd
//! number for its place in the extent, times a hash of its unit. So one page with a wrong unit
//! always changes the sum, and several do but for chance (1 in 2^50, about); and what a whole
//! extent adds follows from its unit and its PFS bytes with two multiplications.

use super::claims::IamClaims;
use super::owners::interchangeable;
use crate::page::EXTENT_PAGES;
use crate::page::address::{ExtentId, FileId, PageId};
use crate::page::allocation::{PFS_INTERVAL_EXTENTS, PFS_INTERVAL_PAGES, PagesInUse};
use crate::page::header::PageHeader;
use std::collections::BTreeMap;

/// Types of pages that belong to a unit and are claimed by one: 1 to this one.
const OWNED_TYPE_MAX: u8 = 4;
/// Odd, and no pattern in its bits: the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// True if a page with `header`, in use, must be claimed by exactly one unit.
#[inline]
pub fn is_owned(header: &PageHeader) -> bool {
    header.page_type.wrapping_sub(1) < OWNED_TYPE_MAX
}

/// The sums of some pages, by PFS interval. Pages come in order, mostly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerSums {
    current: (u32, u64),
    before: Vec<(u32, u64)>,
}

impl OwnerSums {
    /// Adds the page at `page`, which is in use, if it is one that somebody must own.
    #[inline]
    pub fn add(&mut self, page: PageId, header: &PageHeader) {
        if !is_owned(header) {
            return;
        }
        let interval = page.0 / PFS_INTERVAL_PAGES;
        if interval != self.current.0 {
            self.begin(interval);
        }
        let term = of_extent(page.extent()).wrapping_mul(place(page.0 % EXTENT_PAGES));
        self.current.1 =
            self.current.1.wrapping_add(term.wrapping_mul(of_unit(header.allocation_unit_id())));
    }

    #[cold]
    fn begin(&mut self, interval: u32) {
        self.before.push(self.current);
        self.current = (interval, 0);
    }

    /// Intervals with what the pages add to their sums.
    pub fn by_interval(self) -> impl Iterator<Item = (u32, u64)> {
        self.before.into_iter().chain([self.current]).filter(|(_, sum)| *sum != 0)
    }
}

/// What the sums of certain intervals of one file must be, by the IAM and PFS pages.
pub struct ExpectedSums<'a> {
    file: FileId,
    /// Pages in use that were added to the sums.
    in_use: &'a BTreeMap<u32, Box<PagesInUse>>,
    sums: BTreeMap<u32, u64>,
}

impl<'a> ExpectedSums<'a> {
    /// Of the intervals of `file` whose pages `in_use` are known. Nobody has claimed any yet.
    pub fn of(file: FileId, in_use: &'a BTreeMap<u32, Box<PagesInUse>>) -> Self {
        Self { file, in_use, sums: BTreeMap::new() }
    }

    /// Adds the pages in use that `iam` claims.
    pub fn add(&mut self, iam: &IamClaims) {
        let unit = of_unit(iam.unit);
        let file = self.file;
        for single in iam.singles.iter().filter(|single| single.file == file) {
            let extent = single.page.extent();
            let own = 1 << (single.page.0 % EXTENT_PAGES);
            self.add_extents(extent.0..extent.0 + 1, own, unit);
        }
        if iam.extents_of == self.file {
            iam.extents.iter().for_each(|run| self.add_extents(run.clone(), u8::MAX, unit));
        }
    }

    /// Adds the pages in use among those of `extents` that `mask` has.
    fn add_extents(&mut self, extents: std::ops::Range<u32>, mask: u8, unit: u64) {
        let mut first = extents.start;
        while first < extents.end {
            let interval = first / PFS_INTERVAL_EXTENTS;
            let start = interval * PFS_INTERVAL_EXTENTS;
            let end = extents.end.min(start + PFS_INTERVAL_EXTENTS);
            if let Some(in_use) = self.in_use.get(&interval) {
                let term = |extent: u32| {
                    let places = PLACES[usize::from(in_use.in_extent(extent - start) & mask)];
                    of_extent(ExtentId(extent)).wrapping_mul(places)
                };
                let terms = (first..end).map(term).fold(0, u64::wrapping_add);
                let sum = self.sums.entry(interval).or_default();
                *sum = sum.wrapping_add(terms.wrapping_mul(unit));
            }
            first = end;
        }
    }

    /// True if the interval is known, and `sum` is what its sum must be.
    pub fn is(&self, interval: u32, sum: u64) -> bool {
        let expected = self.sums.get(&interval).copied().unwrap_or_default();
        self.in_use.contains_key(&interval) && expected == sum
    }
}

/// Odd, so that nothing is lost by multiplying with it.
#[inline]
fn of_extent(extent: ExtentId) -> u64 {
    mixed(u64::from(extent.0) + 1) | 1
}

/// Units that a header may mix up (docs/page-format.md, section 6.3) are one.
#[inline]
fn of_unit(unit: u64) -> u64 {
    mixed(interchangeable(unit))
}

/// Other numbers give other ones.
#[inline]
fn mixed(number: u64) -> u64 {
    let product = number.wrapping_mul(FACTOR);
    product ^ product >> 32
}

/// The number of a page for its place in its extent.
#[inline]
const fn place(page: u32) -> u64 {
    2 * page as u64 + 1
}

/// The sums of these numbers for the pages that a byte has.
const PLACES: [u64; 256] = {
    let mut sums = [0; 256];
    let mut byte = 0;
    while byte < sums.len() {
        let mut page = 0;
        while page < EXTENT_PAGES {
            sums[byte] += if byte >> page & 1 == 0 { 0 } else { place(page) };
            page += 1;
        }
        byte += 1;
    }
    sums
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Page;
    use crate::page::address::PageAddress;
    use crate::page::allocation::PFS_BYTES_OFFSET;
    use crate::page::iam::SINGLE_PAGES;
    use bytemuck::Zeroable;

    const FILE: FileId = FileId(3);
    const UNIT: u64 = 256 << 48 | 101 << 16;

    fn header(unit: u64, page_type: u8) -> PageHeader {
        let (index_id, object_id) = ((unit >> 48) as u16, (unit >> 16) as u32);
        PageHeader { page_type, index_id, object_id, ..PageHeader::zeroed() }
    }

    /// All pages of two intervals from number 1 on are in use, but for every fifth one.
    fn in_use() -> BTreeMap<u32, Box<PagesInUse>> {
        let mut pfs = Page::ZERO;
        for (page, byte) in pfs.bytes_mut()[PFS_BYTES_OFFSET..].iter_mut().enumerate() {
            *byte = if page % 5 == 0 { 0x21 } else { 0x44 };
        }
        (1..3).map(|interval| (interval, Box::new(PagesInUse::of(&pfs)))).collect()
    }

    fn claims(unit: u64, extents: std::ops::Range<u32>, single: Option<u32>) -> IamClaims {
        let none = PageAddress::new(FileId(0), PageId(0));
        let mut singles = [none; SINGLE_PAGES];
        singles[7] = single.map_or(none, |page| PageAddress::new(FILE, PageId(page)));
        IamClaims { unit, singles, extents_of: FILE, extents: Box::new([extents]) }
    }

    fn sums(unit_of: impl Fn(u32) -> Option<u64>) -> BTreeMap<u32, u64> {
        let mut sums = OwnerSums::default();
        for page in (8088..3 * 8088).filter(|page| page % 8088 % 5 != 0) {
            if let Some(unit) = unit_of(page) {
                sums.add(PageId(page), &header(unit, 1 + (page % 4) as u8));
                sums.add(PageId(page), &header(unit, 10));
            }
        }
        sums.by_interval().collect()
    }

    /// Unit 101 has extents in both intervals, 102 the rest of the first and a single page of the
    /// second.
    fn owner(page: u32) -> Option<u64> {
        match (page / 8, page) {
            (1500..2200, _) => Some(UNIT),
            (_, 17_601) | (1011..1500, _) => Some(UNIT + (1 << 16)),
            _ => None,
        }
    }

    fn agree(sums: &BTreeMap<u32, u64>) -> [bool; 2] {
        let in_use = in_use();
        let mut expected = ExpectedSums::of(FILE, &in_use);
        expected.add(&claims(UNIT, 1500..2200, None));
        expected.add(&claims(UNIT + (1 << 16), 1011..1500, Some(17_601)));
        [1, 2].map(|interval| expected.is(interval, sums[&interval]))
    }

    #[test]
    fn headers_and_claims_that_say_the_same_have_the_same_sums() {
        assert_eq!(agree(&sums(owner)), [true; 2]);
    }

    #[test]
    fn each_single_page_of_another_unit_is_seen_in_its_interval() {
        for page in (8088..2200 * 8).filter(|page| page % 8088 % 5 != 0) {
            let other = |at: u32| owner(at).map(|unit| unit ^ u64::from(at == page) << 20);
            let is_second = page >= 2 * 8088;
            assert_eq!(agree(&sums(other)), [is_second, !is_second], "{page}");
        }
    }

    #[test]
    fn an_interval_whose_pfs_page_is_not_known_never_agrees() {
        let in_use = in_use();
        let expected = ExpectedSums::of(FILE, &in_use);
        assert_eq!([1, 2, 3].map(|interval| expected.is(interval, 0)), [true, true, false]);
    }

    #[test]
    fn pages_from_sql_server_2000_are_those_of_their_unit() {
        let by = |unit: u64| {
            let mut sums = OwnerSums::default();
            sums.add(PageId(8200), &header(unit, 1));
            sums
        };
        assert_eq!(by(5 << 16), by(1 << 48 | 5 << 16));
        assert_ne!(by(5 << 16), by(2 << 48 | 5 << 16));
    }
}
