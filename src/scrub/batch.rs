//! One batch: read, verified, judged, and what looked bad looked at again.

pub(super) mod doubts;
mod judge;
mod looked;
mod settle;

use super::Shared;
use super::at_gpus::Unseen;
use super::file::FileScan;
use crate::diagnose::allocation::Interval;
use crate::diagnose::verdict::SuspectReason;
use crate::page::address::{PageId, PageRange};
use crate::page::checksum::Checksum;
use crate::page::{PAGE_BYTES, Page};
use crate::read::salvage::{Salvaged, salvage};
use crate::read::{PageSource, ReadError, Way, aligned, visit_in_pieces};
use crate::verify::engine::Engine;
use crate::verify::gpu::pool::{Gpu, Gpus};
use doubts::Doubted;
use looked::{Doubtful, Looked};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The memory of one thread.
#[derive(Default)]
pub(super) struct Memory {
    buffer: Vec<Page>,
    sums: Vec<Checksum>,
}

/// A file while one worker looks at its pages.
pub(super) struct View<'a> {
    file: &'a FileScan<'a>,
    source: &'a dyn PageSource,
    engine: &'a Engine,
    shared: &'a Shared<'a>,
    /// The allocation of the pages last looked at.
    interval: Option<Arc<Interval>>,
    /// Bytes that were read once more than planned.
    reread_bytes: u64,
    /// The LSNs of its pages are held against those of copies.
    has_relatives: bool,
    /// Second looks are left to who has this: in a queue, others need not wait for them.
    later: Option<Vec<Doubted>>,
}

impl<'a> View<'a> {
    pub(super) fn new(
        file: &'a FileScan<'a>,
        source: &'a dyn PageSource,
        shared: &'a Shared<'a>,
    ) -> Self {
        Self {
            file,
            source,
            engine: shared.settings.engine,
            shared,
            interval: None,
            reread_bytes: 0,
            has_relatives: shared.lost_writes.as_ref().is_some_and(|of| of.wants(file.index)),
            later: None,
        }
    }

    /// The same; its second looks are left to who takes [`Self::doubted`].
    pub(super) fn leaving_second_looks(self) -> Self {
        Self { later: Some(Vec::new()), ..self }
    }

    /// What must be read again before it can be settled.
    pub(super) fn doubted(&mut self) -> Vec<Doubted> {
        self.later.take().unwrap_or_default()
    }

    /// Bytes read again so far: after errors, and for second looks.
    pub(super) fn reread_bytes(&self) -> u64 {
        self.reread_bytes
    }

    /// Scrubs pages that are not stored and read as zeros.
    pub(super) fn scrub_hole(&mut self, range: PageRange) {
        let looked = self.look_at_hole(range);
        self.settle(range, looked, Vec::new());
    }

    /// Scrubs a range that memory holds; false if it does not. Only then is it known whether what
    /// was seen is in the file, so that nothing is learned from it that others would rely on.
    pub(super) fn scrub_mapped(&mut self, range: PageRange, memory: &mut Memory) -> bool {
        let started = Instant::now();
        let mut looked = Looked::default();
        let source = self.source;
        let is_shown = source.visit_mapped(range, &mut |first, pages| {
            self.look(first, pages, &mut memory.sums, &mut looked);
        });
        if is_shown {
            let read = started.elapsed().saturating_sub(looked.verify);
            looked.was_read(read, Way::Mmap);
            self.settle(range, looked, Vec::new());
        }
        is_shown
    }

    /// Reads a range, waiting for it, and scrubs it. Says how long the reading took.
    pub(super) fn scrub_and_wait(&mut self, range: PageRange, memory: &mut Memory) -> Duration {
        let started = Instant::now();
        let Memory { buffer, sums } = memory;
        let mut looked = Looked::default();
        let source = self.source;
        let shown = source.visit_pieces(range, buffer, &mut |first, pages| {
            if first == range.first {
                looked = Looked::default();
            }
            self.learn_and_look(first, pages, sums, &mut looked);
        });
        if let Err(error) = shown {
            return self.scrub_readable(range, &error, started, memory);
        }
        let read = started.elapsed().saturating_sub(looked.verify);
        looked.was_read(read, source.way());
        self.settle(range, looked, Vec::new());
        read
    }

    /// Copies `range` into `pages` if memory holds it, and does not look at it. Says how long that
    /// took.
    pub(super) fn copy_cached(&mut self, range: PageRange, pages: &mut [Page]) -> Option<Duration> {
        let started = Instant::now();
        let is_copied = self.source.visit_mapped(range, &mut |first, piece| {
            let at = (first.0 - range.first.0) as usize;
            pages[at..at + piece.len()].copy_from_slice(piece);
        });
        is_copied.then(|| started.elapsed())
    }

    /// Reads `range` into `pages`, waiting for it, and does not look at it. Says how long that
    /// took, and in which way. Where it fails, the range is scrubbed as far as it can be read, and
    /// the error is how long all of that took.
    pub(super) fn fill(
        &mut self,
        range: PageRange,
        pages: &mut [Page],
        memory: &mut Memory,
    ) -> Result<(Duration, Way), Duration> {
        let started = Instant::now();
        let filled = self.source.fill(range.first, pages);
        filled
            .map(|()| (started.elapsed(), self.source.way()))
            .map_err(|error| self.scrub_readable(range, &error, started, memory))
    }

    /// Scrubs what can be read of `range`, of which a read that began at `started` failed. Says
    /// how long all reading took.
    fn scrub_readable(
        &mut self,
        range: PageRange,
        error: &ReadError,
        started: Instant,
        memory: &mut Memory,
    ) -> Duration {
        let mut looked = Looked::default();
        let lost = self.salvage(range, error, memory, &mut looked);
        let read = started.elapsed().saturating_sub(looked.verify);
        looked.was_read(read, self.source.way());
        self.settle(range, looked, lost);
        read
    }

    /// Scrubs `pages`, which were read before.
    pub(super) fn scrub_read(&mut self, read: &Unseen, pages: &[Page], memory: &mut Memory) {
        let mut looked = Looked::default();
        visit_in_pieces(read.range.first, pages, &mut |first, piece| {
            self.learn_and_look(first, piece, &mut memory.sums, &mut looked);
        });
        looked.was_read(read.read, read.way);
        self.settle(read.range, looked, Vec::new());
    }

    /// Scrubs pages of which a GPU computed `sums`, which took `verify`.
    pub(super) fn scrub_sums(
        &mut self,
        read: &Unseen,
        pages: &[Page],
        sums: &[Checksum],
        by: (&Gpus, &Gpu),
        verify: Duration,
    ) {
        let mut looked = Looked { verify, ..Looked::default() };
        self.look_at_sums(read.range.first, pages, sums, by, &mut looked);
        by.1.took_part(read.range.pages);
        looked.was_read(read.read, read.way);
        self.settle(read.range, looked, Vec::new());
    }

    /// Scrubs a page whose read failed with `error`: it gets a second try.
    pub(super) fn scrub_failed_page(&mut self, page: PageId, error: ReadError) {
        let mut looked = Looked { failed_pages: true, ..Looked::default() };
        let mut lost = Vec::new();
        let started = Instant::now();
        self.reread_bytes += PAGE_BYTES as u64;
        match self.source.fill_uncached(page) {
            Ok(again) => self.doubt_healed(page, &again, error, &mut looked),
            Err(_) => lost.push((page, error)),
        }
        looked.was_read(started.elapsed(), self.source.way());
        self.settle(PageRange::between(page.0, page.0 + 1), looked, lost);
    }

    /// Scrubs the pages of `range`, which lie in a run of pages that could not be read: `error`
    /// says so.
    pub(super) fn scrub_in_a_run(&mut self, range: PageRange, error: &ReadError) {
        let looked = Looked { failed_pages: true, ..Looked::default() };
        self.settle(range, looked, range.ids().map(|page| (page, error.clone())).collect());
    }

    /// Reads page by page what could not be read in one go.
    fn salvage(
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
    fn doubt_healed(&mut self, page: PageId, seen: &Page, error: ReadError, to: &mut Looked) {
        let (place, _) = self.place_of(page, to);
        let (seen, reason) = (Some(Box::new(*seen)), SuspectReason::Unreadable(error));
        to.doubtful.push(Doubtful::new(place.page, seen, reason));
    }
}
