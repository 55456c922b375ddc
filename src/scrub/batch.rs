//! One batch: read, verified, judged, and what looked bad looked at again.

mod apart;
pub(super) mod doubts;
mod judge;
mod looked;
mod settle;

use super::Shared;
use super::at_gpus::Unseen;
use super::file::FileScan;
use crate::diagnose::allocation::Interval;
use crate::page::Page;
use crate::page::checksum::Checksum;
use crate::page::ranges::PageRanges;
use crate::read::{PageSource, ReadError, Way, aligned, copy_mapped, visit_in_pieces};
use crate::verify::engine::Engine;
use crate::verify::gpu::pool::{Gpu, Gpus};
use doubts::Doubted;
use looked::Looked;
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
    /// What its pages say of each other is collected.
    is_checked: bool,
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
            is_checked: shared.settings.check && file.file.has_pages(),
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
    pub(super) fn scrub_hole(&mut self, ranges: &PageRanges) {
        let mut looked = Looked::default();
        ranges.iter().for_each(|range| self.look_at_hole(range, &mut looked));
        self.settle(ranges, looked, Vec::new());
    }

    /// Scrubs what memory holds; false if it does not. Only then is it known whether what was seen
    /// is in the file, so that nothing is learned from it that others would rely on.
    pub(super) fn scrub_mapped(&mut self, ranges: &PageRanges, memory: &mut Memory) -> bool {
        let started = Instant::now();
        let mut looked = Looked::default();
        let source = self.source;
        let is_shown = source.visit_mapped(ranges, &mut |first, pages| {
            self.look(first, pages, &mut memory.sums, &mut looked);
        });
        if is_shown {
            let read = started.elapsed().saturating_sub(looked.verify);
            looked.was_read(read, Way::Mmap);
            self.settle(ranges, looked, Vec::new());
        }
        is_shown
    }

    /// Reads pages, waiting for them, and scrubs them. Says how long the reading took.
    pub(super) fn scrub_and_wait(&mut self, ranges: &PageRanges, memory: &mut Memory) -> Duration {
        let started = Instant::now();
        let mut looked = Looked::default();
        if let Err(error) = self.read_and_look(ranges, memory, &mut looked) {
            return self.scrub_readable(ranges, &error, started, memory);
        }
        let read = started.elapsed().saturating_sub(looked.verify);
        looked.was_read(read, self.source.way());
        self.settle(ranges, looked, Vec::new());
        read
    }

    /// Reads pages and looks at them: a range in the pieces that its source makes of it, several in
    /// one read.
    fn read_and_look(
        &mut self,
        ranges: &PageRanges,
        memory: &mut Memory,
        looked: &mut Looked,
    ) -> Result<(), ReadError> {
        let (source, Memory { buffer, sums }) = (self.source, memory);
        if let Some(range) = ranges.only() {
            return source.visit_pieces(range, buffer, &mut |first, pages| {
                if first == range.first {
                    *looked = Looked::default();
                }
                self.learn_and_look(first, pages, sums, looked);
            });
        }
        let pages = aligned(buffer, ranges.pages() as usize);
        source.fill_all(ranges, pages)?;
        visit_in_pieces(ranges, pages, &mut |first, piece| {
            self.learn_and_look(first, piece, sums, looked);
        });
        Ok(())
    }

    /// Copies `ranges` into `pages` if memory holds them, and does not look at them. Says how long
    /// that took.
    pub(super) fn copy_cached(
        &mut self,
        ranges: &PageRanges,
        pages: &mut [Page],
    ) -> Option<Duration> {
        let started = Instant::now();
        copy_mapped(self.source, ranges, pages).then(|| started.elapsed())
    }

    /// Reads `ranges` into `pages`, waiting for them, and does not look at them. Says how long that
    /// took, and in which way. Where it fails, they are scrubbed as far as they can be read, and
    /// the error is how long all of that took.
    pub(super) fn fill(
        &mut self,
        ranges: &PageRanges,
        pages: &mut [Page],
        memory: &mut Memory,
    ) -> Result<(Duration, Way), Duration> {
        let started = Instant::now();
        let filled = self.source.fill_all(ranges, pages);
        filled
            .map(|()| (started.elapsed(), self.source.way()))
            .map_err(|error| self.scrub_readable(ranges, &error, started, memory))
    }

    /// Scrubs what can be read of `ranges`, of which a read that began at `started` failed. Says
    /// how long all reading took.
    fn scrub_readable(
        &mut self,
        ranges: &PageRanges,
        error: &ReadError,
        started: Instant,
        memory: &mut Memory,
    ) -> Duration {
        let mut looked = Looked::default();
        let lost = match ranges.only() {
            Some(range) => self.salvage(range, error, memory, &mut looked),
            None => self.read_apart(ranges, error, memory, &mut looked),
        };
        let read = started.elapsed().saturating_sub(looked.verify);
        looked.was_read(read, self.source.way());
        self.settle(ranges, looked, lost);
        read
    }

    /// Scrubs `pages`, which were read before.
    pub(super) fn scrub_read(&mut self, read: &Unseen, pages: &[Page], memory: &mut Memory) {
        let mut looked = Looked::default();
        visit_in_pieces(&read.ranges, pages, &mut |first, piece| {
            self.learn_and_look(first, piece, &mut memory.sums, &mut looked);
        });
        looked.was_read(read.read, read.way);
        self.settle(&read.ranges, looked, Vec::new());
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
        let mut rest = sums;
        for (first, part) in read.ranges.each_of(pages) {
            let (own, others) = rest.split_at(part.len());
            rest = others;
            self.look_at_sums(first, part, own, by, &mut looked);
        }
        by.1.took_part(read.ranges.pages());
        looked.was_read(read.read, read.way);
        self.settle(&read.ranges, looked, Vec::new());
    }
}
