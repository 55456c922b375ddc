//! What reads of a backup are made with: a queue and its buffers, and what they are held to.

use crate::plan::pace::Turn;
use crate::read::arena::{Arena, BUFFER_PAGES, PageBuffer};
use crate::read::direct::queue::ReadQueue;
use crate::scrub::buffers::Buffers;
use crate::scrub::lane::Lane;
use std::cell::Cell;
use std::io;

thread_local! {
    /// Backups that this thread has begun to read.
    static READING: Cell<u32> = const { Cell::new(0) };
}

/// What reads of one backup need, for one run of pages after another.
pub(super) struct Requests<'a> {
    pub(super) lane: &'a Lane,
    /// Backups that are read at the same time.
    sharers: usize,
    pub(super) must_stop: Box<dyn Fn() -> bool + 'a>,
    // Before the buffers that it knows: fields drop in order.
    pub(super) queue: Queue,
    pub(super) free: Vec<PageBuffer>,
    /// This thread has put another backup aside for this one: while it waits for checksums, it
    /// takes whatever else there is to do. What that one has in flight does not come back
    /// meanwhile.
    is_nested: bool,
    /// Which run it is, so that reads left over from an earlier one are known.
    pub(super) run: usize,
}

/// Queued reads, as far as they can be had.
pub(super) enum Queue {
    Untried,
    Open(Box<ReadQueue>),
    Unavailable,
}

impl<'a> Requests<'a> {
    /// For a backup on the device of `lane`, of which `sharers` are read at the same time.
    pub(super) fn new(lane: &'a Lane, sharers: usize, must_stop: impl Fn() -> bool + 'a) -> Self {
        let is_nested = READING.replace(READING.get() + 1) > 0;
        let (must_stop, free) = (Box::new(must_stop), Vec::new());
        Self { lane, sharers, must_stop, queue: Queue::Untried, free, is_nested, run: 0 }
    }

    /// Makes room for reads of `pages`, and a queue if that is more than one.
    pub(super) fn prepare(&mut self, pages: u32) -> io::Result<()> {
        self.run += 1;
        if matches!(self.queue, Queue::Untried) && pages > BUFFER_PAGES {
            let count = Buffers::share(self.lane.depth(), self.sharers);
            self.free = buffers(count)?;
            let queue = ReadQueue::new(&self.free);
            self.queue = queue.map_or(Queue::Unavailable, |queue| Queue::Open(Box::new(queue)));
        } else if self.free.is_empty() {
            self.free = buffers(1)?;
        }
        Ok(())
    }

    /// Whether a read that was admitted may begin now.
    pub(super) fn may_begin(&self) -> Turn {
        self.lane.begin(self.is_nested.then(|| self.in_flight() as u32))
    }

    /// Reads under way.
    pub(super) fn in_flight(&self) -> usize {
        if let Queue::Open(queue) = &self.queue { queue.in_flight() } else { 0 }
    }
}

impl Drop for Requests<'_> {
    fn drop(&mut self) {
        READING.set(READING.get() - 1);
    }
}

/// `count` buffers that are neighbours.
pub(super) fn buffers(count: usize) -> io::Result<Vec<PageBuffer>> {
    Arena::new(count)?.take(count).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}
