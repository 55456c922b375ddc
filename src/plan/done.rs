//! Which pages of a file are done, as page ranges: they are finished out of order, and a scan that
//! is resumed must count out exactly the others.

use crate::page::address::PageRange;
use crate::page::ranges::PageRanges;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Pages of one file: ranges that are not empty, ascending, and neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<PageRange>", try_from = "Vec<PageRange>")]
pub struct DoneRanges {
    /// First page to end.
    ends: BTreeMap<u32, u32>,
    /// Pages in them: asked for after each batch, so it is kept, not counted.
    pages: u32,
}

impl DoneRanges {
    /// Adds `range`, whatever of it is done already.
    pub fn add(&mut self, range: PageRange) {
        if range.pages == 0 {
            return;
        }
        let (mut first, mut end) = (range.first.0, range.end());
        // All ranges that touch the new one melt into it.
        while let Some((&a, &b)) = self.ends.range(..=end).next_back().filter(|(_, b)| **b >= first)
        {
            self.ends.remove(&a);
            self.pages -= b - a;
            (first, end) = (first.min(a), end.max(b));
        }
        self.ends.insert(first, end);
        self.pages += end - first;
    }

    /// Adds all of `ranges`. Most often nothing is done between the first and the last of them.
    pub fn add_all(&mut self, ranges: &PageRanges) {
        let (first, last) = (ranges.iter().next(), ranges.iter().next_back());
        let (Some(first), Some(last)) = (first, last) else { return };
        self.add(first);
        if first == last {
            return;
        }
        self.add(last);
        let mut inside = self.ends.range(first.first.0 + 1..=last.first.0);
        let is_free = self.next_left(first.first.0) == first.end()
            && inside.next().is_none_or(|(&page, _)| page == last.first.0);
        let mut before = first.end();
        for range in ranges.iter().skip(1) {
            let is_apart = range.first.0 > before && range.end() < last.first.0;
            if is_free && is_apart {
                self.ends.insert(range.first.0, range.end());
                self.pages += range.pages;
            } else if range != last {
                self.add(range);
            }
            before = range.end();
        }
    }

    /// How many pages are done.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// The first page at or after `page` that is not done.
    pub fn next_left(&self, page: u32) -> u32 {
        let before = self.ends.range(..=page).next_back();
        before.map_or(page, |(_, &end)| end.max(page))
    }

    /// The first page at or after `page` that is done, if there is one.
    pub fn next_done(&self, page: u32) -> Option<u32> {
        let is_done = self.next_left(page) > page;
        if is_done { Some(page) } else { self.ends.range(page..).next().map(|(&first, _)| first) }
    }

    /// How many pages right before `page` are done.
    pub fn run_before(&self, page: u32) -> u32 {
        let before = page.checked_sub(1).filter(|last| self.next_left(*last) > *last);
        let first = before.and_then(|last| self.ends.range(..=last).next_back());
        first.map_or(0, |(first, _)| page - first)
    }

    /// The end of the last range; 0 if nothing is done.
    pub fn end(&self) -> u32 {
        self.ends.last_key_value().map_or(0, |(_, &end)| end)
    }

    /// The parts of `range` that are not done, ascending.
    pub fn left(&self, range: PageRange) -> impl Iterator<Item = PageRange> {
        let mut page = range.first.0;
        std::iter::from_fn(move || {
            let first = self.next_left(page);
            let end = self.next_done(first).map_or(range.end(), |done| done.min(range.end()));
            page = end;
            (first < range.end()).then(|| PageRange::between(first, end))
        })
    }

    /// How many pages of `range` are not done.
    pub fn left_in(&self, range: PageRange) -> u32 {
        self.left(range).map(|left| left.pages).sum()
    }
}

impl From<DoneRanges> for Vec<PageRange> {
    fn from(done: DoneRanges) -> Self {
        done.ends.into_iter().map(|(first, end)| PageRange::between(first, end)).collect()
    }
}

impl TryFrom<Vec<PageRange>> for DoneRanges {
    type Error = &'static str;

    fn try_from(ranges: Vec<PageRange>) -> Result<Self, Self::Error> {
        let mut done = Self::default();
        let mut next = 0;
        for range in ranges {
            let end = range.first.0.checked_add(range.pages).filter(|end| *end > range.first.0);
            if range.first.0 < next {
                return Err("page ranges that are not ascending");
            }
            next = end.ok_or("a page range that is empty or has no end")?;
            done.add(range);
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::SplitMix64;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    fn done(ranges: &[(u32, u32)]) -> DoneRanges {
        let mut done = DoneRanges::default();
        for &(first, end) in ranges {
            done.add(PageRange::between(first, end));
        }
        done
    }

    fn listed(done: &DoneRanges) -> Vec<(u32, u32)> {
        let ranges = Vec::from(done.clone());
        ranges.into_iter().map(|range| (range.first.0, range.end())).collect()
    }

    #[test]
    fn neighbours_melt_together_in_whatever_order_they_come() {
        assert_eq!(listed(&done(&[(0, 8), (16, 24), (8, 16)])), [(0, 24)]);
        assert_eq!(listed(&done(&[(16, 24), (0, 8)])), [(0, 8), (16, 24)]);
        assert_eq!(listed(&done(&[(0, 8), (16, 24), (32, 40), (4, 33)])), [(0, 40)]);
        assert_eq!(listed(&done(&[(0, 40), (8, 16), (8, 8)])), [(0, 40)]);
        assert!(listed(&done(&[])).is_empty());
    }

    #[test]
    fn what_is_left_lies_between_what_is_done() {
        let done = done(&[(8, 16), (24, 32)]);
        assert_eq!(
            [0, 7, 8, 15, 16, 24, 40].map(|p| done.next_left(p)),
            [0, 7, 16, 16, 16, 32, 40]
        );
        let next_done = [0, 8, 15, 16, 31, 32].map(|page| done.next_done(page));
        assert_eq!(next_done, [Some(8), Some(8), Some(15), Some(24), Some(31), None]);
        assert_eq!((done.pages(), done.end()), (16, 32));
        assert_eq!(done.left_in(PageRange::between(4, 30)), 4 + 8);
        let left: Vec<_> = done.left(PageRange::between(4, 40)).collect();
        assert_eq!(left, [(4, 8), (16, 24), (32, 40)].map(|(a, b)| PageRange::between(a, b)));
        assert_eq!(done.left_in(PageRange::between(8, 16)), 0);
        assert_eq!(done.left_in(PageRange::between(32, 40)), 8);
        assert_eq!([0, 8, 9, 16, 17, 32].map(|page| done.run_before(page)), [0, 0, 1, 8, 0, 8]);
    }

    #[test]
    fn it_tells_the_same_as_a_list_of_all_pages() {
        let mut random = SplitMix64::seed_from_u64(3);
        let mut below = |end: u64| (random.next_u64() % end) as u32;
        for _ in 0..200 {
            let (mut done, mut pages) = (DoneRanges::default(), [false; 64]);
            for _ in 0..below(12) {
                let (mut ranges, mut next) = (Vec::new(), below(60));
                for _ in 0..=below(4) {
                    let first = (next + below(5)).min(63);
                    let end = (first + 1 + below(9)).min(64);
                    ranges.push(PageRange::between(first, end));
                    (first..end).for_each(|page| pages[page as usize] = true);
                    next = end;
                    if below(2) == 0 || next == 64 {
                        break;
                    }
                }
                match ranges[..] {
                    [range] if below(2) == 0 => done.add(range),
                    _ => done.add_all(&PageRanges::of(&ranges).unwrap()),
                }
            }
            assert_eq!(done.pages() as usize, pages.iter().filter(|done| **done).count());
            for page in 0..64 {
                let left = (page..64).find(|p| !pages[*p as usize]).unwrap_or(64);
                assert_eq!(done.next_left(page), left, "{done:?} {page}");
                let next = (page..64).find(|p| pages[*p as usize]);
                assert_eq!(done.next_done(page), next, "{done:?} {page}");
            }
            let text = serde_json::to_string(&done).unwrap();
            assert_eq!(serde_json::from_str::<DoneRanges>(&text).unwrap(), done);
        }
    }

    #[test]
    fn ranges_that_cannot_be_ours_are_refused() {
        for text in [
            r#"[{"first":8,"pages":0}]"#,
            r#"[{"first":8,"pages":4294967295}]"#,
            r#"[{"first":8,"pages":8},{"first":0,"pages":8}]"#,
        ] {
            assert!(serde_json::from_str::<DoneRanges>(text).is_err(), "{text}");
        }
    }
}
