//! Pages that follow each other where they are stored, though perhaps not in their numbers: a
//! backup has the extents of a file one after another, whatever is missing between them.

use super::address::{PageId, PageRange};
use super::{PAGE_BYTES, Page};
use std::ops::Range;
use std::sync::Arc;

/// Pages of one file: at least one range, none of them empty, ascending and disjoint. A page of
/// them is also called by its position, which counts from the first one and leaves out the gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRanges(Arc<[PageRange]>);

impl From<PageRange> for PageRanges {
    fn from(range: PageRange) -> Self {
        Self(Arc::new([range]))
    }
}

impl PageRanges {
    /// Of `ranges`, ascending and disjoint; `None` if there are none.
    pub fn of(ranges: &[PageRange]) -> Option<Self> {
        let is_in_order = ranges.windows(2).all(|pair| pair[0].end() <= pair[1].first.0);
        assert!(is_in_order, "ranges are ascending and disjoint");
        (!ranges.is_empty()).then(|| Self(ranges.into()))
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = PageRange> + Clone {
        self.0.iter().copied()
    }

    /// The first page.
    pub fn first(&self) -> PageId {
        self.0[0].first
    }

    /// How many pages.
    pub fn pages(&self) -> u32 {
        self.iter().map(|range| range.pages).sum()
    }

    /// Bytes of all pages.
    pub fn bytes(&self) -> u64 {
        u64::from(self.pages()) * PAGE_BYTES as u64
    }

    /// The range, if it is only one.
    pub fn only(&self) -> Option<PageRange> {
        if let [range] = *self.0 { Some(range) } else { None }
    }

    /// Parts of at most `pages_max` pages (at least 1), ascending.
    pub fn pieces(&self, pages_max: u32) -> impl DoubleEndedIterator<Item = Self> {
        let pages = self.pages();
        let count = pages.div_ceil(pages_max);
        (0..count).filter_map(move |piece| {
            let start = piece * pages_max;
            self.part(start..pages.min(start.saturating_add(pages_max)))
        })
    }

    /// The pages at `positions`, as far as there are any.
    pub fn part(&self, positions: Range<u32>) -> Option<Self> {
        let mut before = 0;
        let parts = self.iter().filter_map(|range| {
            let at =
                |position: u32| range.first.0 + (position.max(before) - before).min(range.pages);
            let part = PageRange::between(at(positions.start), at(positions.end));
            before += range.pages;
            (part.pages > 0).then_some(part)
        });
        Self::of(&parts.collect::<Vec<_>>())
    }

    /// Each page with its position, ascending.
    pub fn positions(&self) -> impl Iterator<Item = (PageId, u32)> {
        self.iter().flat_map(PageRange::ids).zip(0..)
    }

    /// The ranges with what `pages`, which are all of theirs, has of each.
    pub fn each_of<'p>(&self, mut pages: &'p [Page]) -> impl Iterator<Item = (PageId, &'p [Page])> {
        self.iter().map(move |range| {
            let (these, behind) = pages.split_at(range.pages as usize);
            pages = behind;
            (range.first, these)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &[(u32, u32)]) -> Option<PageRanges> {
        let ranges: Vec<_> = ranges.iter().map(|&(a, b)| PageRange::between(a, b)).collect();
        PageRanges::of(&ranges)
    }

    fn three() -> PageRanges {
        of(&[(8, 16), (24, 32), (80, 96)]).unwrap()
    }

    #[test]
    fn parts_are_cut_by_positions() {
        let three = three();
        assert_eq!((three.first(), three.pages(), three.bytes()), (PageId(8), 32, 32 * 8192));
        assert_eq!(three.part(0..8), of(&[(8, 16)]));
        assert_eq!(three.part(7..9), of(&[(15, 16), (24, 25)]));
        assert_eq!(three.part(4..30), of(&[(12, 16), (24, 32), (80, 94)]));
        assert_eq!(three.part(16..99), of(&[(80, 96)]));
        assert_eq!((three.part(32..40), three.part(5..5)), (None, None));
        assert_eq!(
            (three.only(), three.part(1..2).unwrap().only().unwrap().first),
            (None, PageId(9))
        );
    }

    #[test]
    fn pieces_are_all_pages_once_and_none_is_too_large() {
        let three = three();
        for pages_max in [1, 3, 8, 12, 31, 32, 64] {
            let pieces: Vec<_> = three.pieces(pages_max).collect();
            assert!(pieces.iter().all(|piece| piece.pages() <= pages_max));
            let of_pieces = pieces.iter().flat_map(|piece| piece.iter().flat_map(PageRange::ids));
            assert!(of_pieces.eq(three.iter().flat_map(PageRange::ids)), "{pages_max}");
        }
        let whole = PageRanges::from(PageRange::between(5, 200));
        let alike = PageRange::between(5, 200).pieces(64).map(PageRanges::from);
        assert!(whole.pieces(64).eq(alike));
    }

    #[test]
    fn each_range_has_its_own_of_the_pages() {
        let three = three();
        let mut pages = vec![Page::ZERO; 32];
        for ((id, position), page) in three.positions().zip(&mut pages) {
            page.bytes_mut()[..2].copy_from_slice(&[id.0 as u8, position as u8]);
        }
        let each: Vec<_> = three.each_of(&pages).collect();
        let seen = each.iter().map(|(first, pages)| (first.0, pages.len(), pages[0].bytes()[1]));
        assert_eq!(seen.collect::<Vec<_>>(), [(8, 8, 0), (24, 8, 8), (80, 16, 16)]);
        assert!(each.iter().all(|(first, pages)| pages[0].bytes()[0] == first.0 as u8));
    }

    #[test]
    #[should_panic(expected = "ascending")]
    fn what_is_not_in_order_is_no_such_thing() {
        let _ = of(&[(8, 16), (15, 20)]);
    }
}
