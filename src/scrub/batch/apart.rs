//! Reading apart what could not be read in one go: range by range, then page by page.

use super::looked::{Doubtful, Looked};
use super::{Memory, View};
use crate::diagnose::verdict::SuspectReason;
use crate::page::address::{PageId, PageRange};
use crate::page::ranges::PageRanges;
use crate::page::{PAGE_BYTES, Page};
use crate::read::salvage::{Salvaged, salvage};
use crate::read::{ReadError, aligned};
use std::time::Instant;

impl View<'_> {
    /// Reads range by range what could not be read in one go, and page by page what fails then.
    pub(super) fn read_apart(
        &mut self,
        ranges: &PageRanges,
        error: &ReadError,
        memory: &mut Memory,
        looked: &mut Looked,
    ) -> Vec<(PageId, ReadError)> {
        looked.failed_reads |= *error != ReadError::Ended;
        let mut lost = Vec::new();
        for range in ranges.iter() {
            self.reread_bytes += range.bytes();
            let pages = aligned(&mut memory.buffer, range.pages as usize);
            match self.source.fill(range.first, pages) {
                Ok(()) => self.learn_and_look(range.first, pages, &mut memory.sums, looked),
                Err(error) => lost.extend(self.salvage(range, &error, memory, looked)),
            }
        }
        lost
    }

    /// Scrubs a page whose read failed with `error`: it gets a second try.
    pub(in crate::scrub) fn scrub_failed_page(&mut self, page: PageId, error: ReadError) {
        let mut looked = Looked { failed_pages: true, ..Looked::default() };
        let mut lost = Vec::new();
        let started = Instant::now();
        self.reread_bytes += PAGE_BYTES as u64;
        match self.source.fill_uncached(page) {
            Ok(again) => self.doubt_healed(page, &again, error, &mut looked),
            Err(_) => lost.push((page, error)),
        }
        looked.was_read(started.elapsed(), self.source.way());
        self.settle(&PageRange::between(page.0, page.0 + 1).into(), looked, lost);
    }

    /// Scrubs the pages of `range`, which lie in a run of pages that could not be read: `error`
    /// says so.
    pub(in crate::scrub) fn scrub_in_a_run(&mut self, range: PageRange, error: &ReadError) {
        let looked = Looked { failed_pages: true, ..Looked::default() };
        let lost = range.ids().map(|page| (page, error.clone())).collect();
        self.settle(&range.into(), looked, lost);
    }

    /// Reads page by page what could not be read in one go.
    pub(super) fn salvage(
        &mut self,
        range: PageRange,
        error: &ReadError,
        memory: &mut Memory,
        looked: &mut Looked,
    ) -> Vec<(PageId, ReadError)> {
        let Memory { buffer, sums } = memory;
        let pages = aligned(buffer, range.pages as usize);
        let before = self.file.unreadable_before(range.first);
        let failed = (range, error.clone());
        let Salvaged { lost, healed, pages_read } = salvage(self.source, failed, before, pages);
        self.reread_bytes += pages_read * PAGE_BYTES as u64;
        if !lost.is_empty() || !healed.is_empty() {
            looked.failed_pages = true;
        } else if *error != ReadError::Ended {
            looked.failed_reads = true;
        }
        let index = |page: u32| (page - range.first.0) as usize;
        let mut apart: Vec<u32> = lost.iter().map(|(page, _)| page.0).collect();
        apart.extend(healed.iter().map(|(page, _)| page.0));
        apart.sort_unstable();
        let mut start = range.first.0;
        for end in apart.into_iter().chain([range.end()]) {
            let readable = &pages[index(start)..index(end)];
            self.learn_and_look(PageId(start), readable, sums, looked);
            start = end + 1;
        }
        // A page that was only had at the second try is looked at like one that looked bad.
        for (page, error) in healed {
            self.doubt_healed(page, &pages[index(page.0)], error, looked);
        }
        lost
    }

    /// `seen` is what the second read of `page` gave, the first of which failed with `error`.
    pub(super) fn doubt_healed(
        &mut self,
        page: PageId,
        seen: &Page,
        error: ReadError,
        to: &mut Looked,
    ) {
        let (place, _) = self.place_of(page, to);
        let (seen, reason) = (Some(Box::new(*seen)), SuspectReason::Unreadable(error));
        to.doubtful.push(Doubtful::new(place.page, seen, reason));
    }
}
