//! One thread of a scan: takes batches, reads them in the best way, and looks at what it has read.
//!
//! What memory holds is looked at at once. Everything else is split into reads that are queued
//! past the page cache, as many as the device takes, and looked at in the order in which they come
//! back. Where nothing can be queued, the thread reads and waits. A device that is stuck holds its
//! own reads only: the thread goes on with what the others deliver.

mod again;
mod look;
mod read;

use super::Shared;
use super::at_gpus::AtGpus;
use super::batch::doubts::Doubts;
use super::batch::{Memory, View};
use super::buffers::Buffers;
use super::dispatch::Dispatch;
use super::holes::WaitingHoles;
use crate::page::address::PageRange;
use crate::page::ranges::PageRanges;
use crate::plan::ExtentBatch;
use crate::read::ReadError;
use crate::read::arena::BUFFER_PAGES;
use crate::read::direct::queue::ReadQueue;
use crate::read::salvage::Rescue;
use crate::verify::gpu::pool::Share;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a thread sleeps or waits at most before it looks around for other work.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long reads in flight are waited for once the scan is to stop.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Worker<'a> {
    shared: &'a Shared<'a>,
    dispatch: &'a Dispatch<'a>,
    node: Option<u32>,
    memory: Memory,
    queue: Queue,
    /// What its reads fill.
    buffers: Buffers,
    /// What GPUs have of them.
    at_gpus: AtGpus<'a>,
    /// What looked bad and is read again.
    doubts: Doubts,
    /// By file: what could not be read and is read in parts.
    rescues: Vec<(usize, Rescue)>,
    /// The same of what waits for that: where a dead region ends is seen from its beginning.
    failed: Vec<(usize, PageRange, ReadError)>,
    holes: WaitingHoles,
    /// By device: what has been taken and not begun.
    waiting: Vec<VecDeque<Task>>,
    /// By device: reads that are queued.
    in_flight: Vec<usize>,
    /// How long until the next of them may begin.
    pause: Duration,
}

/// Queued reads, as far as they can be had.
enum Queue {
    Untried,
    Open(Box<ReadQueue>),
    /// Not to be had, which nobody has asked for yet.
    Refused(io::Error),
    Unavailable,
}

enum Task {
    /// A stored batch that is not yet admitted at its device's rate.
    Batch(ExtentBatch),
    /// Pages of a file that follow each other there, to read.
    Read(usize, PageRanges),
    /// A part of a read that failed, not yet admitted.
    ReadAgain(usize, PageRanges),
    /// A second look, not yet admitted, ...
    Doubt(usize, PageRanges),
    /// ... and admitted.
    LookAgain(usize, PageRanges),
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        dispatch: &'a Dispatch<'a>,
        node: Option<u32>,
    ) -> Self {
        let waiting = (0..dispatch.devices()).map(|_| VecDeque::new()).collect();
        Self {
            shared,
            dispatch,
            node,
            memory: Memory::default(),
            queue: Queue::Untried,
            buffers: Buffers::default(),
            at_gpus: AtGpus::new(shared.gpus),
            doubts: Doubts::default(),
            rescues: Vec::new(),
            failed: Vec::new(),
            holes: WaitingHoles::default(),
            waiting,
            in_flight: vec![0; dispatch.devices()],
            pause: PATIENCE,
        }
    }

    /// Works until nothing is left, or until the scan is to stop.
    pub(super) fn run(&mut self) {
        while !self.must_stop() {
            let has_begun = self.begin_waiting() | self.take_batch();
            let patience = if has_begun { Duration::ZERO } else { self.pause };
            let has_looked = self.look_at_next(patience);
            self.look_at_holes();
            if has_begun || has_looked || self.is_expecting() {
                continue;
            }
            if self.waiting.iter().all(VecDeque::is_empty) {
                return;
            }
            std::thread::sleep(self.pause);
        }
        let deadline = Instant::now() + FAREWELL;
        while self.is_expecting() && Instant::now() < deadline {
            self.look_at_next(PATIENCE);
        }
    }

    /// Pages will come back, from a device or from a GPU.
    fn is_expecting(&self) -> bool {
        self.in_flight() > 0 || !self.at_gpus.is_empty()
    }

    fn must_stop(&self) -> bool {
        self.shared.must_stop()
    }

    fn in_flight(&self) -> usize {
        self.in_flight.iter().sum()
    }

    /// Takes the next batch of a device of which this thread has nothing waiting.
    fn take_batch(&mut self) -> bool {
        let may_serve = |device: usize| self.waiting[device].is_empty();
        let Some(taken) = self.dispatch.take(self.node, may_serve) else { return false };
        let batch = taken.batch;
        taken.hole_behind.into_iter().for_each(|hole| self.holes.push(hole));
        if batch.stored {
            let device = self.dispatch.device_of(batch.file);
            self.waiting[device].push_back(Task::Batch(batch));
            self.begin_waiting_of(device);
        } else {
            self.holes.push(batch);
        }
        true
    }

    /// Looks at the holes of which it is known what should be there, and once nothing is on its way
    /// at all others.
    fn look_at_holes(&mut self) {
        let is_waiting = self.waiting.iter().any(|tasks| !tasks.is_empty());
        let (files, may_wait) = (&self.shared.files, is_waiting || self.is_expecting());
        let is_known = |hole: &ExtentBatch| files[hole.file].allocation.knows(hole.ranges.first());
        while let Some(hole) = self.holes.next(is_known, may_wait) {
            self.with_source(hole.file, |view, _| view.scrub_hole(&hole.ranges));
        }
    }

    /// Begins what waits, as far as it may begin.
    fn begin_waiting(&mut self) -> bool {
        self.pause = PATIENCE;
        (0..self.waiting.len()).fold(false, |any, device| self.begin_waiting_of(device) | any)
    }

    fn begin_waiting_of(&mut self, device: usize) -> bool {
        let mut any = false;
        while let Some(task) = self.waiting[device].pop_front() {
            let has_begun = match &task {
                Task::Batch(batch) => self.begin_batch(device, batch),
                Task::Read(file, ranges) => self.begin_read(device, *file, ranges),
                Task::LookAgain(file, ranges) => self.begin_second_look(device, *file, ranges),
                Task::ReadAgain(file, ranges) | Task::Doubt(file, ranges) => {
                    if self.is_admitted(device, ranges.bytes()) {
                        let is_doubt = matches!(task, Task::Doubt(..));
                        let admitted = if is_doubt { Task::LookAgain } else { Task::Read };
                        self.waiting[device].push_front(admitted(*file, ranges.clone()));
                        continue;
                    }
                    false
                }
            };
            if !has_begun {
                self.waiting[device].push_front(task);
                break;
            }
            any = true;
        }
        any
    }

    /// Looks at what memory holds of a batch, and makes reads of all else.
    fn begin_batch(&mut self, device: usize, batch: &ExtentBatch) -> bool {
        if !self.is_admitted(device, batch.ranges.bytes()) {
            return false;
        }
        let is_for_gpus = self.is_for_gpus();
        for part in self.parts_of(batch) {
            let mapped = self.with_source(batch.file, |view, memory| {
                // A GPU cannot read the cache where it is.
                !is_for_gpus && view.scrub_mapped(&part, memory)
            });
            if mapped == Some(false) {
                self.push_reads(device, batch.file, &part);
            }
        }
        true
    }

    /// The parts of a batch that can be read in one go: they follow each other in the file. What
    /// GPUs may look at is one range.
    fn parts_of(&self, batch: &ExtentBatch) -> Vec<PageRanges> {
        if batch.ranges.only().is_some() {
            return vec![batch.ranges.clone()];
        }
        if self.has_gpus() {
            return batch.ranges.iter().map(PageRanges::from).collect();
        }
        let ranges: Vec<PageRange> = batch.ranges.iter().collect();
        self.shared.files[batch.file].file.layout().together(&ranges)
    }

    fn push_reads(&mut self, device: usize, file: usize, part: &PageRanges) {
        let in_buffers = self.may_queue(file) || self.has_gpus();
        let pages_max = if in_buffers { BUFFER_PAGES } else { part.pages() };
        let reads = part.pieces(pages_max).map(|piece| Task::Read(file, piece));
        self.waiting[device].extend(reads);
    }

    /// Whether the rate lets `bytes` be read now.
    fn is_admitted(&mut self, device: usize, bytes: u64) -> bool {
        let wait = self.dispatch.admit(device, bytes);
        self.pause = self.pause.min(wait.unwrap_or(PATIENCE));
        wait.is_none()
    }

    /// True if there are GPUs that may look at what is read.
    fn has_gpus(&self) -> bool {
        self.shared.gpus.is_some_and(|gpus| !gpus.are_retired())
    }

    /// True if GPUs are to look at everything, also at what the cache holds.
    fn is_for_gpus(&self) -> bool {
        self.has_gpus() && self.shared.gpus.is_some_and(|gpus| gpus.share() == Share::Gpu)
    }

    /// Does `work` on an open file. Where it cannot be opened, its pages are not reached.
    fn with_source<T>(
        &mut self,
        file: usize,
        work: impl FnOnce(&mut View<'_>, &mut Memory) -> T,
    ) -> Option<T> {
        let scanned = &self.shared.files[file];
        let source = scanned.source(self.shared.settings.open)?;
        let view = View::new(scanned, &*source, self.shared);
        let is_queued = source.direct().is_some() && matches!(self.queue, Queue::Open(_));
        let mut view = if is_queued { view.leaving_second_looks() } else { view };
        let done = work(&mut view, &mut self.memory);
        let (reread_bytes, doubted) = (view.reread_bytes(), view.doubted());
        let device = self.dispatch.device_of(file);
        self.dispatch.owe(device, reread_bytes);
        for doubted in doubted {
            let reads = self.doubts.keep(file, doubted, BUFFER_PAGES);
            let reads = reads.into_iter().map(|ranges| Task::Doubt(file, ranges));
            reads.rev().for_each(|read| self.waiting[device].push_front(read));
        }
        Some(done)
    }
}

impl Drop for Worker<'_> {
    /// A thread that panics must not leave the others waiting for the reads it had begun.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.has_panicked.store(true, Ordering::Relaxed);
        }
    }
}
