//! Second looks that are queued: what waits until its doubtful pages have been read again.

use super::looked::{Looked, to_read_again};
use crate::page::Page;
use crate::page::address::PageId;
use crate::page::ranges::PageRanges;
use crate::read::ReadError;
use std::collections::BTreeMap;

/// Pages that were looked at, and of which some looked bad.
pub(in crate::scrub) struct Doubted {
    pub(super) ranges: PageRanges,
    pub(super) looked: Looked,
    pub(super) lost: Vec<(PageId, ReadError)>,
}

impl Doubted {
    /// What to read again, in reads of at most `pages_max` pages.
    pub(super) fn to_read_again(&self, pages_max: u32) -> Vec<PageRanges> {
        to_read_again(&self.looked.doubtful, &self.ranges, pages_max)
    }

    /// `pages`, which are those of `ranges`, were read again.
    pub(super) fn were_read_again(&mut self, ranges: &PageRanges, pages: &[Page]) {
        for (first, pages) in ranges.each_of(pages) {
            for doubtful in &mut self.looked.doubtful {
                let at = doubtful.page.0.checked_sub(first.0);
                if let Some(now) = at.and_then(|at| pages.get(at as usize)) {
                    doubtful.was_read_again(now);
                }
            }
        }
    }
}

/// What one thread has in doubt, by the reads that will tell.
#[derive(Default)]
pub(in crate::scrub) struct Doubts {
    /// By file and first page: what to read, and whose it is.
    reads: BTreeMap<(usize, PageId), (PageRanges, u64)>,
    /// By number: how many reads are still to come, and what waits for them.
    waiting: BTreeMap<u64, (usize, Doubted)>,
    /// Given so far.
    numbers: u64,
}

impl Doubts {
    /// Keeps `doubted`, of file number `file`, until the reads that are returned have come back.
    /// There is at least one.
    pub(in crate::scrub) fn keep(
        &mut self,
        file: usize,
        doubted: Doubted,
        pages_max: u32,
    ) -> Vec<PageRanges> {
        let reads = doubted.to_read_again(pages_max);
        self.numbers += 1;
        for ranges in &reads {
            self.reads.insert((file, ranges.first()), (ranges.clone(), self.numbers));
        }
        self.waiting.insert(self.numbers, (reads.len(), doubted));
        reads
    }

    /// True if a read of `ranges` is a second look. No page is read for the first time while it is
    /// in doubt, so that the ranges tell.
    pub(in crate::scrub) fn wait_for(&self, file: usize, ranges: &PageRanges) -> bool {
        self.reads.get(&(file, ranges.first())).is_some_and(|(asked, _)| asked == ranges)
    }

    /// A read has come back, with its pages or without. What waited for it, if it was the last one.
    pub(in crate::scrub) fn came_back(
        &mut self,
        file: usize,
        ranges: &PageRanges,
        pages: Option<&[Page]>,
    ) -> Option<Doubted> {
        let (_, number) = self.reads.remove(&(file, ranges.first()))?;
        let (left, doubted) = self.waiting.get_mut(&number)?;
        if let Some(pages) = pages {
            doubted.were_read_again(ranges, pages);
        }
        *left -= 1;
        let is_last = *left == 0;
        if is_last { self.waiting.remove(&number).map(|(_, doubted)| doubted) } else { None }
    }
}
