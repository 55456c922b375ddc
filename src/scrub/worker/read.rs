//! Begins reads: queued past the page cache, or waited for where nothing can be queued.

use super::{Queue, Worker};
use crate::page::ranges::PageRanges;
use crate::plan::pace::Turn;
use crate::read::Way;
use crate::read::arena::{BUFFER_PAGES, PageBuffer};
use crate::read::direct::DirectFile;
use crate::read::direct::queue::ReadQueue;
use crate::scrub::at_gpus::Unseen;
use crate::scrub::buffers::Buffers;
use std::io;
use std::sync::Arc;
use std::time::Duration;

impl Worker<'_> {
    pub(super) fn may_queue(&mut self, file: usize) -> bool {
        let source = self.shared.files[file].source(self.shared.settings.open);
        source.is_some_and(|source| source.direct().is_some()) && self.has_queue()
    }

    /// Whether there is a queue; it is opened at its first use.
    pub(super) fn has_queue(&mut self) -> bool {
        if matches!(self.queue, Queue::Untried) {
            self.has_buffers();
        }
        if let Queue::Refused(error) = &self.queue {
            self.queue = self.give_up_queue(error);
        }
        matches!(self.queue, Queue::Open(_))
    }

    /// Whether this thread has buffers. They are taken at their first use, and the queue is opened
    /// while they are all there.
    pub(super) fn has_buffers(&mut self) -> bool {
        if self.buffers.are_untaken() {
            let threads = self.shared.settings.threads;
            let taken = match self.shared.gpus {
                // Who had them before may not have given them back yet.
                Some(gpus) => match Buffers::part_of(gpus.arena(), threads) {
                    Ok(buffers) => Ok(buffers),
                    Err(_) => return false,
                },
                None => Buffers::of_own(Buffers::share(self.dispatch.depth(), threads)),
            };
            let opened = taken.and_then(|buffers| {
                let queue = ReadQueue::new(buffers.free());
                self.buffers = buffers;
                queue
            });
            self.queue = opened.map_or_else(Queue::Refused, |queue| Queue::Open(Box::new(queue)));
        }
        self.buffers.has_any()
    }

    pub(super) fn give_up_queue(&self, error: &io::Error) -> Queue {
        self.shared.note(format!(
            "io_uring cannot be used here ({error}): each thread read past the page cache one read \
             at a time, which is slower"
        ));
        Queue::Unavailable
    }

    /// Queues a read, or reads and waits where nothing can be queued.
    pub(super) fn begin_read(&mut self, device: usize, file: usize, ranges: &PageRanges) -> bool {
        let Some(source) = self.shared.files[file].source(self.shared.settings.open) else {
            return true;
        };
        let fits = ranges.pages() <= BUFFER_PAGES;
        let direct = source.direct().filter(|_| fits).cloned();
        let queued = direct.filter(|_| self.has_queue());
        let may_use_gpu = fits && self.has_gpus();
        let needs_buffer = (queued.is_some() || may_use_gpu) && self.has_buffers();
        if needs_buffer && !self.has_room_for(device) {
            return false;
        }
        let mut buffer = if needs_buffer { self.buffers.next() } else { None };
        if let Some(empty) = buffer.take() {
            buffer = self.copy_for_gpu(empty, file, ranges);
            if buffer.is_none() {
                self.was_read(file, ranges);
                return true;
            }
        }
        let turn = self.dispatch.begin(device);
        match (turn, buffer) {
            (Turn::Now, Some(buffer)) => self.read_into(buffer, device, file, ranges, queued),
            (Turn::Now, None) => self.read_and_wait(device, file, ranges),
            (Turn::WhenOneReturns | Turn::After(_), buffer) => {
                if let Some(buffer) = buffer {
                    self.buffers.give_back(buffer);
                }
                if let Turn::After(wait) = turn {
                    self.pause = self.pause.min(wait);
                }
                return false;
            }
        }
        true
    }

    /// Reads into `buffer`: queued what can be queued, all else at once.
    pub(super) fn read_into(
        &mut self,
        mut buffer: PageBuffer,
        device: usize,
        file: usize,
        ranges: &PageRanges,
        queued: Option<Arc<DirectFile>>,
    ) {
        if let (Some(direct), Queue::Open(queue)) = (queued, &mut self.queue) {
            queue.begin(&direct, ranges.clone(), file, buffer);
            self.in_flight[device] += 1;
            return;
        }
        self.was_read(file, ranges);
        let pages = &mut buffer[..ranges.pages() as usize];
        let filled = self.with_source(file, |view, memory| view.fill(ranges, pages, memory));
        match filled.unwrap_or(Err(Duration::ZERO)) {
            Ok((read, way)) => {
                self.dispatch.returned(device, read);
                self.look_at_pages(Unseen { file, ranges: ranges.clone(), read, way }, buffer);
            }
            Err(took) => {
                self.dispatch.returned(device, took);
                self.buffers.give_back(buffer);
            }
        }
    }

    /// Takes what the cache holds for a GPU, which cannot read it there. No device has any part in
    /// that. The buffer comes back if the cache does not hold it.
    pub(super) fn copy_for_gpu(
        &mut self,
        mut buffer: PageBuffer,
        file: usize,
        ranges: &PageRanges,
    ) -> Option<PageBuffer> {
        if !self.is_for_gpus() {
            return Some(buffer);
        }
        let pages = &mut buffer[..ranges.pages() as usize];
        let copied = self.with_source(file, |view, _| view.copy_cached(ranges, pages));
        let Some(read) = copied.flatten() else { return Some(buffer) };
        let unseen = Unseen { file, ranges: ranges.clone(), read, way: Way::Mmap };
        self.look_at_pages(unseen, buffer);
        None
    }

    pub(super) fn read_and_wait(&mut self, device: usize, file: usize, ranges: &PageRanges) {
        self.was_read(file, ranges);
        let took = self.with_source(file, |view, memory| view.scrub_and_wait(ranges, memory));
        self.dispatch.returned(device, took.unwrap_or_default());
    }

    pub(super) fn has_room_for(&self, device: usize) -> bool {
        self.buffers.has_room_for(self.in_flight[device], self.in_flight.len() - 1)
    }
}
