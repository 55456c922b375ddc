//! Looking at what comes back: at reads from devices, and at what GPUs say.

use super::{Queue, Task, Worker};
use crate::page::ranges::PageRanges;
use crate::read::arena::PageBuffer;
use crate::read::direct::queue::Finished;
use crate::read::{ReadError, Way};
use crate::scrub::at_gpus::{Returned, Unseen};
use crate::scrub::buffers::Buffers;
use std::io;
use std::time::Duration;

/// How long a thread that has handed pages to a GPU waits for a device alone.
const GPU_PATIENCE: Duration = Duration::from_millis(1);

impl Worker<'_> {
    /// Looks at the next pages that come back within `patience`, from a device or from a GPU.
    pub(super) fn look_at_next(&mut self, patience: Duration) -> bool {
        if self.look_at_next_answer(Duration::ZERO) {
            return true;
        }
        if self.in_flight() == 0 {
            return !self.at_gpus.is_empty() && self.look_at_next_answer(patience);
        }
        // A GPU cannot wake who waits for a device.
        let is_waited_for = !self.at_gpus.is_empty();
        let patience = if is_waited_for { patience.min(GPU_PATIENCE) } else { patience };
        let Queue::Open(queue) = &mut self.queue else { return false };
        match queue.next(patience) {
            Ok(Some(read)) => {
                self.look_at(read);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.abandon_queue(&error);
                true
            }
        }
    }

    fn look_at_next_answer(&mut self, patience: Duration) -> bool {
        if self.at_gpus.is_empty() {
            return false;
        }
        if let Some(returned) = self.at_gpus.next(patience) {
            self.look_at_answer(returned);
            return true;
        }
        let given_up = self.at_gpus.give_up_overdue();
        self.buffers.lose(given_up.len());
        for Unseen { file, ranges, .. } in given_up {
            let device = self.dispatch.device_of(file);
            self.waiting[device].push_front(Task::ReadAgain(file, ranges));
        }
        false
    }

    fn look_at(&mut self, read: Finished) {
        let (file, ranges, buffer) = (read.token, read.ranges, read.buffer);
        let device = self.dispatch.device_of(file);
        self.in_flight[device] -= 1;
        self.dispatch.returned(device, read.latency_min);
        if !self.must_stop() {
            // The device first: it must not wait while this thread computes.
            self.begin_waiting();
        }
        if self.doubts.wait_for(file, &ranges) {
            let pages = &buffer[..ranges.pages() as usize];
            self.looked_again(file, &ranges, read.outcome.is_ok().then_some(pages));
            return self.buffers.give_back(buffer);
        }
        match read.outcome {
            Ok(()) => {
                self.was_read(file, &ranges);
                if let Queue::Open(queue) = &mut self.queue {
                    queue.send();
                }
                let (read, way) = (read.latency, Way::Uring);
                self.look_at_pages(Unseen { file, ranges, read, way }, buffer);
            }
            Err(error) => {
                self.look_at_failed(file, ranges, error);
                self.buffers.give_back(buffer);
            }
        }
    }

    /// Hands pages to a GPU, or looks at them here.
    pub(super) fn look_at_pages(&mut self, unseen: Unseen, buffer: PageBuffer) {
        let buffers = self.buffers.count();
        if let Err((unseen, buffer)) = self.at_gpus.hand_over(unseen, buffer, buffers) {
            self.look_at_here(&unseen, buffer);
        }
    }

    fn look_at_here(&mut self, unseen: &Unseen, buffer: PageBuffer) {
        let pages = &buffer[..unseen.ranges.pages() as usize];
        self.with_source(unseen.file, |view, memory| view.scrub_read(unseen, pages, memory));
        self.buffers.give_back(buffer);
    }

    /// Looks at what a GPU said; where it said nothing, at the same bytes.
    fn look_at_answer(&mut self, Returned { unseen, answer, took }: Returned) {
        let (Some(gpus), Ok(sums)) = (self.shared.gpus, &answer.sums) else {
            return self.look_at_here(&unseen, answer.buffer);
        };
        let pages = &answer.buffer[..unseen.ranges.pages() as usize];
        let by = (gpus, gpus.gpu(answer.gpu));
        self.with_source(unseen.file, |view, _| view.scrub_sums(&unseen, pages, sums, by, took));
        self.buffers.give_back(answer.buffer);
    }

    /// A failed read is read in parts, unless the medium is not to blame.
    fn look_at_failed(&mut self, file: usize, ranges: PageRanges, error: ReadError) {
        let device = self.dispatch.device_of(file);
        if error == ReadError::Ended || error.is_shortage() {
            // The end of the file, or the system's fault: reading once more will tell.
            self.was_read(file, &ranges);
            self.with_source(file, |view, memory| view.scrub_and_wait(&ranges, memory));
        } else if error.is_refusal() {
            // The file remembers, and is read through the cache from now on.
            self.waiting[device].push_front(Task::ReadAgain(file, ranges));
        } else if let Some(range) = ranges.only() {
            self.rescue(file, range, error);
        } else {
            self.read_apart(device, file, &ranges);
        }
    }

    /// What was in flight is read again in another way.
    fn abandon_queue(&mut self, error: &io::Error) {
        let given_up = self.give_up_queue(error);
        let Queue::Open(queue) = std::mem::replace(&mut self.queue, given_up) else { return };
        let unfinished = queue.unfinished();
        // The kernel may still write into their buffers: those are gone with the queue.
        self.buffers.lose(unfinished.len());
        for (ranges, file) in unfinished {
            let device = self.dispatch.device_of(file);
            self.dispatch.returned(device, Duration::ZERO);
            self.in_flight[device] -= 1;
            let is_doubt = self.doubts.wait_for(file, &ranges);
            let read = if is_doubt { Task::LookAgain } else { Task::Read };
            self.waiting[device].push_back(read(file, ranges));
        }
        if !self.has_gpus() {
            // Nothing will fill the others any more.
            self.buffers = Buffers::default();
        }
    }
}
