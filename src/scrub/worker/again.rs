//! What is read once more: pages that looked bad, all in a range in one read, and parts of ranges
//! that could not be read.

use super::{Queue, Task, Worker};
use crate::page::Page;
use crate::page::address::{PageId, PageRange};
use crate::page::ranges::PageRanges;
use crate::plan::pace::Turn;
use crate::read::ReadError;
use crate::read::salvage::{Failed, Rescue};

impl Worker<'_> {
    /// Queues a second look; where nothing can be queued any more, its pages are read one by one.
    pub(super) fn begin_second_look(
        &mut self,
        device: usize,
        file: usize,
        ranges: &PageRanges,
    ) -> bool {
        let source = self.shared.files[file].source(self.shared.settings.open);
        let direct = source.and_then(|source| source.direct().cloned());
        // A GPU that is stuck may have kept all buffers.
        let Some(direct) = direct.filter(|_| self.has_queue() && self.has_buffers()) else {
            self.looked_again(file, ranges, None);
            return true;
        };
        let buffer = if self.has_room_for(device) { self.buffers.next() } else { None };
        let Some(buffer) = buffer else { return false };
        let turn = self.dispatch.begin(device);
        if let (Turn::Now, Queue::Open(queue)) = (turn, &mut self.queue) {
            if !direct.can_tell(ranges) {
                self.shared.note_perhaps_cached();
            }
            queue.begin(&direct, ranges.clone(), file, buffer);
            self.in_flight[device] += 1;
            return true;
        }
        self.buffers.give_back(buffer);
        if let Turn::After(wait) = turn {
            self.pause = self.pause.min(wait);
        }
        false
    }

    /// A second look has come back, with its pages or without: what waited for it is settled.
    pub(super) fn looked_again(
        &mut self,
        file: usize,
        ranges: &PageRanges,
        pages: Option<&[Page]>,
    ) {
        if let Some(doubted) = self.doubts.came_back(file, ranges, pages) {
            self.with_source(file, |view, _| view.settle_doubted(doubted));
        }
    }

    /// The read that a rescue of `file` waits for is of `range`.
    fn rescue_of(&mut self, file: usize, range: PageRange) -> Option<usize> {
        let is_it = |of: &mut (usize, Rescue)| of.0 == file && of.1.next_read() == Some(range);
        self.rescues.iter_mut().position(is_it)
    }

    /// `ranges` of `file` could be read, or are read in a way in which what fails is rescued at
    /// once. If they are part of a rescue, that goes on.
    pub(super) fn was_read(&mut self, file: usize, ranges: &PageRanges) {
        if let Some(at) = ranges.only().and_then(|range| self.rescue_of(file, range)) {
            self.rescues[at].1.succeeded();
            self.go_on_rescuing(at);
        }
    }

    /// A queued read of several ranges failed: each of them is read by itself, and what fails then
    /// is rescued.
    pub(super) fn read_apart(&mut self, device: usize, file: usize, ranges: &PageRanges) {
        self.shared.files[file].read_failed();
        for range in ranges.iter().rev() {
            self.waiting[device].push_front(Task::ReadAgain(file, range.into()));
        }
    }

    /// A queued read failed; its parts take their turn like other reads, one after another.
    pub(super) fn rescue(&mut self, file: usize, range: PageRange, error: ReadError) {
        let scan = &self.shared.files[file];
        let Some(at) = self.rescue_of(file, range) else {
            self.failed.push((file, range, error));
            return self.begin_rescue(file);
        };
        match self.rescues[at].1.failed(error) {
            Failed::Open => {}
            Failed::InARun(range, error) => {
                self.with_source(file, |view, _| view.scrub_in_a_run(range, &error));
            }
            Failed::Page(page, error) => {
                self.with_source(file, |view, _| view.scrub_failed_page(page, error));
                if scan.unreadable_before(PageId(page.0 + 1)) == 0 {
                    self.rescues[at].1.healed();
                }
            }
        }
        self.go_on_rescuing(at);
    }

    /// Begins to rescue the first range of `file` that failed, unless another one is being rescued.
    fn begin_rescue(&mut self, file: usize) {
        let scan = &self.shared.files[file];
        while !self.rescues.iter().any(|(of, _)| *of == file) {
            let failed = self.failed.iter().enumerate().filter(|(_, failed)| failed.0 == file);
            let Some((at, _)) = failed.min_by_key(|(_, failed)| failed.1.first) else { return };
            let (_, range, error) = self.failed.swap_remove(at);
            if range.pages == 1 {
                self.with_source(file, |view, _| view.scrub_failed_page(range.first, error));
                continue;
            }
            scan.read_failed();
            let before = scan.unreadable_before(range.first);
            self.rescues.push((file, Rescue::of(range, before, error)));
            self.go_on_rescuing(self.rescues.len() - 1);
        }
    }

    /// Queues the next read of a rescue. It ends where none is left, and another one begins.
    fn go_on_rescuing(&mut self, at: usize) {
        let file = self.rescues[at].0;
        let device = self.dispatch.device_of(file);
        if let Some(range) = self.rescues[at].1.next_read() {
            return self.waiting[device].push_front(Task::ReadAgain(file, range.into()));
        }
        self.rescues.swap_remove(at);
        self.begin_rescue(file);
    }
}
