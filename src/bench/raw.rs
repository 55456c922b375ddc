//! The limit of each reader: the bytes as it delivers them to a scan, and nothing computed.
//!
//! What is mapped is read, since mapped bytes are only had by looking at them; what is copied or
//! queued only has to arrive. Queued reads have the geometry of a scan: as many in flight, as
//! large, from as many threads.

use super::BenchError;
use crate::discover::paths::explain;
use crate::page::Page;
use crate::page::ranges::PageRanges;
use crate::plan::pace::QUEUE_DEPTH_DEFAULT;
use crate::plan::{Batches, ExtentBatch, Plan, PlannedFile};
use crate::read::arena::{Arena, BUFFER_PAGES, PageBuffer};
use crate::read::direct::DirectFile;
use crate::read::direct::queue::{ReadQueue, SPARE_BUFFERS};
use crate::read::open::Reader;
use crate::read::{PageSource, ReadError};
use crate::verify::engine::{Engine, Kernel, supported};
use crate::verify::order::PageOrder;
use crate::verify::yardstick::AccessOrder;
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A read that takes longer is asked for again.
const PATIENCE: Duration = Duration::from_mins(1);

/// The files of a plan, opened with one reader.
pub(super) struct Raw<'a> {
    plan: &'a Plan,
    sources: Vec<Box<dyn PageSource>>,
    batches: Mutex<Batches<'a>>,
    threads: usize,
    look: Option<Look>,
}

impl<'a> Raw<'a> {
    pub(super) fn new(plan: &'a Plan, reader: Reader, threads: usize) -> Result<Self, BenchError> {
        let open = |file: &PlannedFile| {
            reader.open(&file.path).map_err(|e| BenchError::cannot_read(&file.path, explain(&e)))
        };
        let sources = plan.files.iter().map(open).collect::<Result<_, _>>()?;
        let batches = Mutex::new(plan.batches());
        Ok(Self { plan, sources, batches, threads, look: Look::at_every_word() })
    }

    /// Reads every stored byte once.
    pub(super) fn read_all(&self) -> Result<(), BenchError> {
        std::thread::scope(|scope| {
            let others: Vec<_> =
                (1..self.threads).map(|_| scope.spawn(|| self.read_some())).collect();
            let own = self.read_some();
            let joined = others.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            joined.chain([own]).collect()
        })
    }

    /// One thread's part.
    fn read_some(&self) -> Result<(), BenchError> {
        let mut buffer = Vec::new();
        let mut queued = Queued::default();
        loop {
            let batch = self.next_stored();
            let is_last = batch.is_none();
            if let Some(batch) = batch {
                self.read(&batch, &mut buffer, &mut queued)?;
            }
            queued.run(is_last).map_err(|(file, e)| self.cannot_read(file, e))?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn next_stored(&self) -> Option<ExtentBatch> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.find(|batch| batch.stored)
    }

    fn read(
        &self,
        batch: &ExtentBatch,
        buffer: &mut Vec<Page>,
        queued: &mut Queued,
    ) -> Result<(), BenchError> {
        let source = &*self.sources[batch.file];
        let is_mapped = source.visit_mapped(&batch.ranges, &mut |_, pages| {
            if let Some(look) = self.look {
                look.at(pages);
            }
        });
        if is_mapped {
            return Ok(());
        }
        if let Some(direct) = source.direct()
            && queued.open(self.threads)
        {
            queued.add(batch, direct);
            return Ok(());
        }
        let mut ranges = batch.ranges.iter();
        let shown = ranges.try_for_each(|range| source.visit_pieces(range, buffer, &mut |_, _| ()));
        shown.map_err(|e| self.cannot_read(batch.file, e))
    }

    fn cannot_read(&self, file: usize, why: ReadError) -> BenchError {
        BenchError::cannot_read(&self.plan.files[file].path, why)
    }
}

/// Reads that are queued past the page cache.
#[derive(Default)]
struct Queued {
    queue: Option<ReadQueue>,
    /// Buffers that no read is filling.
    free: Vec<PageBuffer>,
    waiting: VecDeque<(usize, Arc<DirectFile>, PageRanges)>,
}

impl Queued {
    fn open(&mut self, threads: usize) -> bool {
        if self.queue.is_none() {
            if self.free.is_empty() {
                let count = (QUEUE_DEPTH_DEFAULT as usize).div_ceil(threads) + SPARE_BUFFERS;
                let taken = Arena::new(count).ok().and_then(|arena| arena.take(count));
                self.free = taken.unwrap_or_default();
            }
            self.queue = ReadQueue::new(&self.free).ok();
        }
        self.queue.is_some()
    }

    fn add(&mut self, batch: &ExtentBatch, direct: &Arc<DirectFile>) {
        for read in batch.ranges.pieces(BUFFER_PAGES) {
            self.waiting.push_back((batch.file, Arc::clone(direct), read));
        }
    }

    /// Until nothing waits any more, or with `to_the_end` until everything has come back.
    fn run(&mut self, to_the_end: bool) -> Result<(), (usize, ReadError)> {
        let Some(queue) = &mut self.queue else { return Ok(()) };
        loop {
            let count = self.waiting.len().min(self.free.len());
            let reads = self.waiting.drain(..count).zip(self.free.drain(..count));
            reads.for_each(|((file, direct, read), to)| queue.begin(&direct, read, file, to));
            let is_done = if to_the_end { queue.in_flight() == 0 } else { !self.free.is_empty() };
            if is_done {
                return Ok(());
            }
            let next = queue.next(PATIENCE).map_err(|e| (0, e.into()))?;
            if let Some(read) = next {
                read.outcome.map_err(|e| (read.token, e))?;
                self.free.push(read.buffer);
            }
        }
    }
}

/// How every word is read: with the registers and in the order of a scan. Found out once, because
/// to ask the CPU what it is costs as much as to read many pages.
#[derive(Clone, Copy)]
struct Look {
    kernel: &'static Kernel,
    order: AccessOrder,
}

impl Look {
    fn at_every_word() -> Option<Self> {
        let order = match PageOrder::of_this_cpu() {
            PageOrder::Linear => AccessOrder::Linear,
            PageOrder::ExtentAbreast => AccessOrder::PagesAbreast,
        };
        let taken = Engine::named("auto").ok()?.kernel_names();
        let kernel = supported().find(|kernel| taken.contains(&kernel.name))?;
        Some(Self { kernel, order })
    }

    fn at(self, pages: &[Page]) {
        black_box(self.kernel.read_only(black_box(pages), self.order));
    }
}
