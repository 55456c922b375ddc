//! Where in a file the pages of a data file are: one after another, or as a backup has them.

use crate::backup::compressed::RecordIndex;
use crate::page::PAGE_BYTES;
use crate::page::address::{PageId, PageRange};
use crate::page::ranges::PageRanges;
use std::path::PathBuf;
use std::sync::Arc;

/// Where pages begin.
#[derive(Clone, Debug, Default)]
pub enum Layout {
    /// Page n at byte n x 8192, as in a data file.
    #[default]
    Whole,
    /// Whole extents, as a backup has them; all others are absent.
    Runs(Arc<PageRuns>),
}

/// The extents of one data file that a backup holds. Each page at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRuns {
    /// By first page; disjoint.
    runs: Vec<PageRun>,
}

/// What another member of the backup has of the same data file.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// The member.
    pub path: PathBuf,
    /// Where its pages are.
    pub layout: Layout,
    /// If it is compressed: where its records are.
    pub records: Option<Arc<RecordIndex>>,
}

/// Extents that follow each other in the data file and in the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// The pages, whole extents.
    pub range: PageRange,
    /// Where the first of them begins in the backup.
    pub offset_bytes: u64,
}

impl Layout {
    /// Where the pages of `range` begin, if they follow each other there; `None` if they do not,
    /// or are absent.
    pub fn offset_bytes(&self, range: PageRange) -> Option<u64> {
        match self {
            Self::Whole => Some(range.offset_bytes()),
            Self::Runs(runs) => {
                let run = runs.run_of(range.first)?;
                (range.end() <= run.range.end()).then(|| run.offset_of(range.first))
            }
        }
    }

    /// Where the pages of `ranges` begin, if they follow each other there; `None` if they do not,
    /// or are absent.
    pub fn offset_of_all(&self, ranges: &PageRanges) -> Option<u64> {
        let (mut first, mut end) = (None, None);
        for (range, offset) in self.offsets(ranges.iter()) {
            let offset = offset.filter(|offset| end.is_none_or(|end| end == *offset))?;
            first = first.or(Some(offset));
            end = Some(offset + range.bytes());
        }
        first
    }

    /// `ranges`, ascending, each of which follows itself there, put together as they follow each
    /// other there.
    pub fn together(&self, ranges: &[PageRange]) -> Vec<PageRanges> {
        let mut together: Vec<Vec<PageRange>> = Vec::new();
        let mut end = None;
        for (range, offset) in self.offsets(ranges.iter().copied()) {
            match together.last_mut() {
                Some(before) if end.is_some() && end == offset => before.push(range),
                _ => together.push(vec![range]),
            }
            end = offset.map(|offset| offset + range.bytes());
        }
        together.iter().filter_map(|ranges| PageRanges::of(ranges)).collect()
    }

    /// `ranges`, ascending, with where they begin.
    fn offsets(
        &self,
        ranges: impl Iterator<Item = PageRange>,
    ) -> impl Iterator<Item = (PageRange, Option<u64>)> {
        let mut near = 0;
        ranges.map(move |range| match self {
            Self::Whole => (range, Some(range.offset_bytes())),
            Self::Runs(runs) => (range, runs.offset_near(&mut near, range)),
        })
    }

    /// Where `page` begins; `None` if it is absent.
    pub fn page_offset_bytes(&self, page: PageId) -> Option<u64> {
        self.offset_bytes(PageRange::between(page.0, page.0.saturating_add(1)))
    }

    /// The parts of `range` that follow each other, with where they begin; `None` for a part that
    /// is absent.
    pub fn pieces(&self, range: PageRange) -> Vec<(PageRange, Option<u64>)> {
        match self {
            Self::Whole => vec![(range, Some(range.offset_bytes()))],
            Self::Runs(runs) => runs.pieces(range),
        }
    }
}

impl PageRuns {
    /// Of `runs` in the order in which they were written: where two have the same page, the later
    /// one counts. Says also what of them does not count.
    pub fn last_copies(runs: &[PageRun]) -> (Self, Vec<PageRun>) {
        let (mut kept, mut superseded) = (Vec::new(), Vec::new());
        let mut by_page: Vec<(usize, PageRun)> = runs.iter().copied().enumerate().collect();
        by_page.sort_by_key(|(_, run)| run.range.first);
        let is_disjoint =
            |pair: &[(usize, PageRun)]| pair[0].1.range.end() <= pair[1].1.range.first.0;
        if by_page.windows(2).all(is_disjoint) {
            kept.extend(by_page.into_iter().map(|(_, run)| run));
        } else {
            overlay(by_page, &mut kept, &mut superseded);
        }
        kept.dedup_by(|next, run| run.absorbs(next));
        (Self { runs: kept }, superseded)
    }

    /// The runs, by first page.
    pub fn runs(&self) -> &[PageRun] {
        &self.runs
    }

    /// The page ranges, ascending and disjoint.
    pub fn ranges(&self) -> Vec<PageRange> {
        self.runs.iter().map(|run| run.range).collect()
    }

    /// Pages in it.
    pub fn pages(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.range.pages)).sum()
    }

    /// The page after the last.
    pub fn end(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.range.end())
    }

    /// True if it holds `page`.
    pub fn has(&self, page: PageId) -> bool {
        self.run_of(page).is_some()
    }

    fn run_of(&self, page: PageId) -> Option<&PageRun> {
        let after = self.runs.partition_point(|run| run.range.first <= page);
        let run = self.runs.get(after.checked_sub(1)?)?;
        (page.0 < run.range.end()).then_some(run)
    }

    /// Where `range` begins, if one run holds it. The run at `near` and the next one are tried
    /// first: who asks for one range after another need not search each time.
    fn offset_near(&self, near: &mut usize, range: PageRange) -> Option<u64> {
        let holds = |at: &usize| {
            let run = self.runs.get(*at).map(|run| run.range);
            run.is_some_and(|run| run.first <= range.first && range.end() <= run.end())
        };
        let is_before = |run: &PageRun| run.range.first <= range.first;
        let found = [*near, *near + 1].into_iter().find(holds);
        *near = found.or_else(|| self.runs.partition_point(is_before).checked_sub(1))?;
        holds(near).then(|| self.runs[*near].offset_of(range.first))
    }

    fn pieces(&self, range: PageRange) -> Vec<(PageRange, Option<u64>)> {
        let mut pieces = Vec::new();
        let mut at = range.first.0;
        while at < range.end() {
            let (end, offset) = match self.run_of(PageId(at)) {
                Some(run) => (run.range.end(), Some(run.offset_of(PageId(at)))),
                None => (self.next_first(at), None),
            };
            let end = end.min(range.end());
            pieces.push((PageRange::between(at, end), offset));
            at = end;
        }
        pieces
    }

    /// The first page of the run after page `at`, which is in none.
    fn next_first(&self, at: u32) -> u32 {
        let after = self.runs.partition_point(|run| run.range.first.0 <= at);
        self.runs.get(after).map_or(u32::MAX, |run| run.range.first.0)
    }
}

impl PageRun {
    /// Bytes of its pages.
    pub fn bytes(&self) -> u64 {
        self.range.bytes()
    }

    fn offset_of(&self, page: PageId) -> u64 {
        self.offset_bytes + u64::from(page.0 - self.range.first.0) * PAGE_BYTES as u64
    }

    /// The part from page `first` to before `end`, both inside.
    fn part(&self, first: u32, end: u32) -> Self {
        Self { range: PageRange::between(first, end), offset_bytes: self.offset_of(PageId(first)) }
    }

    /// Takes `next` in if it follows in both places.
    fn absorbs(&mut self, next: &Self) -> bool {
        let follows = next.range.first.0 == self.range.end()
            && next.offset_bytes == self.offset_bytes + self.bytes();
        if follows {
            self.range.pages += next.range.pages;
        }
        follows
    }
}

/// Cuts overlapping runs, sorted by first page and numbered in the order in which they were
/// written, into extents of which the last written one is kept.
fn overlay(by_page: Vec<(usize, PageRun)>, kept: &mut Vec<PageRun>, superseded: &mut Vec<PageRun>) {
    let mut waiting = std::collections::BinaryHeap::new();
    let mut runs = by_page.into_iter().peekable();
    // The runs over page `at`, the last written first.
    let mut over: Vec<(usize, PageRun)> = Vec::new();
    let mut at = 0;
    loop {
        over.retain(|(_, run)| run.range.end() > at);
        if over.is_empty() {
            let Some((_, next)) = runs.peek() else { break };
            at = next.range.first.0;
        }
        while let Some(next) = runs.next_if(|(_, run)| run.range.first.0 <= at) {
            waiting.push(std::cmp::Reverse(next.1.range.end()));
            over.push(next);
        }
        over.sort_by_key(|(written, _)| std::cmp::Reverse(*written));
        while waiting.peek().is_some_and(|end| end.0 <= at) {
            waiting.pop();
        }
        let next_end = waiting.peek().map_or(u32::MAX, |end| end.0);
        let next_first = runs.peek().map_or(u32::MAX, |(_, run)| run.range.first.0);
        let end = next_end.min(next_first);
        for (rank, (_, run)) in over.iter().enumerate() {
            let to = if rank == 0 { &mut *kept } else { &mut *superseded };
            to.push(run.part(at, end));
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u32, end: u32, offset_bytes: u64) -> PageRun {
        PageRun { range: PageRange::between(first, end), offset_bytes }
    }

    #[test]
    fn pages_are_found_where_their_run_has_them() {
        let (runs, superseded) =
            PageRuns::last_copies(&[run(0, 16, 512), run(64, 72, 512 + 16 * 8192)]);
        assert!(superseded.is_empty());
        let layout = Layout::Runs(Arc::new(runs));
        assert_eq!(layout.offset_bytes(PageRange::between(3, 16)), Some(512 + 3 * 8192));
        assert_eq!(layout.offset_bytes(PageRange::between(3, 17)), None);
        assert_eq!(layout.page_offset_bytes(PageId(16)), None);
        assert_eq!(layout.page_offset_bytes(PageId(65)), Some(512 + 17 * 8192));
        let pieces = layout.pieces(PageRange::between(8, 80));
        let expected = [
            (PageRange::between(8, 16), Some(512 + 8 * 8192)),
            (PageRange::between(16, 64), None),
            (PageRange::between(64, 72), Some(512 + 16 * 8192)),
            (PageRange::between(72, 80), None),
        ];
        assert_eq!(pieces, expected);
    }

    #[test]
    fn runs_that_follow_each_other_in_the_backup_are_put_together() {
        let at = |extents: u64| 512 + extents * 8 * 8192;
        let runs = [run(0, 16, at(0)), run(64, 72, at(2)), run(80, 88, at(9)), run(88, 96, at(3))];
        let layout = Layout::Runs(Arc::new(PageRuns::last_copies(&runs).0));
        let ranges = [(0, 16), (64, 72), (80, 88), (88, 96)].map(|(a, b)| PageRange::between(a, b));
        let together = layout.together(&ranges);
        let expected = [&ranges[..2], &ranges[2..3], &ranges[3..]].map(PageRanges::of);
        assert_eq!(together.iter().cloned().map(Some).collect::<Vec<_>>(), expected);
        let offsets = together.iter().map(|ranges| layout.offset_of_all(ranges));
        assert_eq!(offsets.collect::<Vec<_>>(), [0, 9, 3].map(|extents| Some(at(extents))));
        // Parts of runs: what begins or ends inside follows nothing, or nothing follows it.
        let parts = |parts: &[(u32, u32)]| {
            let parts: Vec<_> = parts.iter().map(|&(a, b)| PageRange::between(a, b)).collect();
            layout.offset_of_all(&PageRanges::of(&parts).unwrap())
        };
        assert_eq!(parts(&[(9, 16), (64, 70)]), Some(at(0) + 9 * 8192));
        assert_eq!(parts(&[(9, 15), (64, 70)]), None);
        assert_eq!(parts(&[(9, 16), (65, 70)]), None);
        assert_eq!(parts(&[(0, 16), (88, 96)]), None);
        assert_eq!((parts(&[(0, 17)]), parts(&[(16, 20)]), parts(&[(96, 99)])), (None, None, None));
        let all = PageRanges::of(&ranges).unwrap();
        assert_eq!(Layout::Whole.offset_of_all(&all), None);
        assert_eq!(Layout::Whole.offset_of_all(&ranges[1].into()), Some(64 * 8192));
    }

    #[test]
    fn of_two_copies_of_an_extent_the_last_one_counts() {
        let first = [run(0, 64, 0), run(80, 88, 64 * 8192)];
        let second = [run(8, 16, 1 << 30), run(56, 88, 1 << 31)];
        let (runs, superseded) = PageRuns::last_copies(&[first, second].concat());
        let kept =
            [run(0, 8, 0), run(8, 16, 1 << 30), run(16, 56, 16 * 8192), run(56, 88, 1 << 31)];
        assert_eq!(runs.runs(), kept);
        let lost: u64 = superseded.iter().map(|run| u64::from(run.range.pages)).sum();
        assert_eq!((runs.pages(), lost), (88, 8 + 8 + 8));
        // What is written twice at the same place in the file: the later again.
        let (runs, superseded) = PageRuns::last_copies(&[run(0, 8, 100), run(0, 8, 900)]);
        assert_eq!((runs.runs(), &*superseded), (&[run(0, 8, 900)][..], &[run(0, 8, 100)][..]));
    }
}
