//! Pages that follow each other, read several requests at a time past the cache and shown in their
//! order. Where nothing can be queued, one is read after another.

use super::lanes::Lane;
use crate::page::Page;
use crate::page::address::PageRange;
use crate::plan::pace::Turn;
use crate::read::arena::{Arena, BUFFER_PAGES, PageBuffer};
use crate::read::direct::queue::{Finished, ReadQueue};
use crate::read::{PageSource, ReadError};
use crate::scrub::buffers::Buffers;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// How long is waited at most before it is seen that the scan is to stop.
const PATIENCE: Duration = Duration::from_millis(20);

/// What reads of one backup need, for one run of pages after another.
pub(super) struct Requests<'a> {
    lane: &'a Lane,
    /// Backups that are read at the same time.
    sharers: usize,
    must_stop: Box<dyn Fn() -> bool + 'a>,
    // Before the buffers that it knows: fields drop in order.
    queue: Queue,
    free: Vec<PageBuffer>,
    /// Which run it is, so that reads left over from an earlier one are known.
    run: usize,
}

enum Queue {
    Untried,
    Open(Box<ReadQueue>),
    Unavailable,
}

/// A run of pages on its way.
pub(super) struct InOrder<'a> {
    source: Box<dyn PageSource>,
    requests: Requests<'a>,
    /// What is not begun: ranges whose reads were lost, and all pages from here on.
    again: Vec<PageRange>,
    from: u32,
    end: u32,
    /// The rate lets the first of them be read.
    is_admitted: bool,
    /// How long until it may begin.
    pause: Duration,
    /// By first page: what has come, and not its turn.
    ready: BTreeMap<u32, Piece>,
    /// Whose turn it is.
    next: u32,
    shown: Option<Piece>,
}

/// Some of the pages.
pub(super) struct Piece {
    pub(super) range: PageRange,
    outcome: Result<(), ReadError>,
    buffer: PageBuffer,
}

impl Piece {
    /// What was read, or why not.
    pub(super) fn pages(&self) -> Result<&[Page], &ReadError> {
        self.outcome.as_ref().map(|()| &self.buffer[..self.range.pages as usize])
    }
}

impl<'a> Requests<'a> {
    /// For a backup on the device of `lane`, of which `sharers` are read at the same time.
    pub(super) fn new(
        lane: &'a Lane,
        sharers: usize,
        must_stop: impl Fn() -> bool + 'a,
    ) -> Self {
        let must_stop = Box::new(must_stop);
        Self { lane, sharers, must_stop, queue: Queue::Untried, free: Vec::new(), run: 0 }
    }

    /// Makes room for reads of `range`, and a queue if it is more than one.
    fn prepare(&mut self, range: PageRange) -> io::Result<()> {
        self.run += 1;
        if matches!(self.queue, Queue::Untried) && range.pages > BUFFER_PAGES {
            let count = Buffers::share(self.lane.depth(), self.sharers);
            self.free = buffers(count)?;
            let queue = ReadQueue::new(&self.free);
            self.queue = queue.map_or(Queue::Unavailable, |queue| Queue::Open(Box::new(queue)));
        } else if self.free.is_empty() {
            self.free = buffers(1)?;
        }
        Ok(())
    }

    /// Reads under way.
    fn in_flight(&self) -> usize {
        if let Queue::Open(queue) = &self.queue { queue.in_flight() } else { 0 }
    }
}

fn buffers(count: usize) -> io::Result<Vec<PageBuffer>> {
    Arena::new(count)?.take(count).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

impl<'a> InOrder<'a> {
    /// The pages `range` of `source`.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(super) fn new(
        source: Box<dyn PageSource>,
        range: PageRange,
        mut requests: Requests<'a>,
    ) -> io::Result<Self> {
        requests.prepare(range)?;
        Ok(Self {
            source,
            requests,
            again: Vec::new(),
            from: range.first.0,
            end: range.end(),
            is_admitted: false,
            pause: PATIENCE,
            ready: BTreeMap::new(),
            next: range.first.0,
            shown: None,
        })
    }

    /// Goes on to the next piece; false at the end, or if the scan is to stop.
    pub(super) fn go_on(&mut self) -> bool {
        self.requests.free.extend(self.shown.take().map(|piece| piece.buffer));
        while self.next < self.end && !(self.requests.must_stop)() {
            self.begin_more();
            if let Some(piece) = self.ready.remove(&self.next) {
                self.next = piece.range.end();
                self.shown = Some(piece);
                return true;
            }
            self.wait();
        }
        false
    }

    /// The piece that it has come to.
    pub(super) fn here(&self) -> Option<&Piece> {
        self.shown.as_ref()
    }

    /// What the pages are read from.
    pub(super) fn source(&self) -> &dyn PageSource {
        &*self.source
    }

    /// What the reads are held to.
    pub(super) fn lane(&self) -> &Lane {
        self.requests.lane
    }

    /// What is needed to read other pages of the same backup.
    pub(super) fn end(self) -> Requests<'a> {
        let mut requests = self.requests;
        let left = self.ready.into_values().chain(self.shown).map(|piece| piece.buffer);
        requests.free.extend(left);
        requests
    }

    /// Begins reads as long as there is room, and the device takes them.
    fn begin_more(&mut self) {
        self.pause = PATIENCE;
        while let Some(range) = self.upcoming().filter(|_| !self.requests.free.is_empty()) {
            if !self.is_admitted(range) {
                break;
            }
            if self.is_in_memory(range) {
                continue;
            }
            if !self.begin(range) {
                break;
            }
        }
        if let Queue::Open(queue) = &mut self.requests.queue {
            queue.send();
        }
    }

    /// What is to be begun next.
    fn upcoming(&self) -> Option<PageRange> {
        let new = || PageRange::between(self.from, self.after_next());
        self.again.last().copied().or_else(|| (self.from < self.end).then(new))
    }

    /// That has been begun, or read.
    fn has_begun(&mut self) {
        self.is_admitted = false;
        if self.again.pop().is_none() {
            self.from = self.after_next();
        }
    }

    fn after_next(&self) -> u32 {
        self.end.min(self.from.saturating_add(BUFFER_PAGES))
    }

    fn is_admitted(&mut self, range: PageRange) -> bool {
        if !self.is_admitted {
            match self.requests.lane.admit(range.bytes()) {
                Ok(()) => self.is_admitted = true,
                Err(wait) => self.pause = wait.min(PATIENCE),
            }
        }
        self.is_admitted
    }

    /// Takes `range` from memory, if that holds it.
    fn is_in_memory(&mut self, range: PageRange) -> bool {
        let Some(mut buffer) = self.requests.free.pop() else { return false };
        let is_there = self.source.lend_mapped(range, &mut |at, pages| {
            let at = (at.0 - range.first.0) as usize;
            buffer[at..at + pages.len()].copy_from_slice(pages);
        });
        if is_there {
            self.has_come(range, Ok(()), buffer);
            self.has_begun();
        } else {
            self.requests.free.push(buffer);
        }
        is_there
    }

    /// Queues a read; false if it may not begin yet, or there is no queue for it.
    fn begin(&mut self, range: PageRange) -> bool {
        let requests = &mut self.requests;
        let Queue::Open(queue) = &mut requests.queue else { return false };
        let Some(direct) = self.source.direct() else { return false };
        match requests.lane.begin() {
            Turn::Now => {}
            Turn::After(wait) => {
                self.pause = wait.min(PATIENCE);
                return false;
            }
            Turn::WhenOneReturns => return false,
        }
        let Some(buffer) = requests.free.pop() else { return false };
        queue.begin(direct, range, requests.run, buffer);
        self.has_begun();
        true
    }

    /// Waits for what is under way; where nothing can be, reads and waits.
    fn wait(&mut self) {
        let can_queue = matches!(self.requests.queue, Queue::Open(_));
        if self.requests.in_flight() > 0 {
            self.wait_for_queue();
        } else if self.requests.free.is_empty() {
            // Those of a queue that was lost have gone with it.
            self.requests.free.extend(buffers(1).unwrap_or_default());
            std::thread::sleep(self.pause);
        } else if self.is_admitted && !(can_queue && self.source.direct().is_some()) {
            self.read();
        } else {
            std::thread::sleep(self.pause);
        }
    }

    fn wait_for_queue(&mut self) {
        let Queue::Open(queue) = &mut self.requests.queue else { return };
        match queue.next(self.pause) {
            Ok(None) => {}
            Ok(Some(Finished { range, token, outcome, latency_min, buffer, .. })) => {
                self.requests.lane.returned(latency_min);
                if token == self.requests.run {
                    self.has_come(range, outcome, buffer);
                } else {
                    self.requests.free.push(buffer);
                }
            }
            Err(_) => self.lose_queue(),
        }
    }

    /// What was under way is read again in another way. Its buffers do not come back.
    fn lose_queue(&mut self) {
        let requests = &mut self.requests;
        let Queue::Open(queue) = std::mem::replace(&mut requests.queue, Queue::Unavailable) else {
            return;
        };
        let run = requests.run;
        for (range, token) in queue.unfinished() {
            requests.lane.returned(Duration::ZERO);
            if token == run {
                self.again.push(range);
                // It was admitted once.
                requests.lane.owe(range.bytes());
            }
        }
        // The first one comes first.
        self.again.sort_by_key(|range| std::cmp::Reverse(range.first));
        self.is_admitted = false;
    }

    /// Reads the next piece, when its turn has come.
    fn read(&mut self) {
        let wait = match self.requests.lane.begin() {
            Turn::Now => Duration::ZERO,
            Turn::After(wait) => wait.min(PATIENCE),
            Turn::WhenOneReturns => PATIENCE,
        };
        if !wait.is_zero() {
            return std::thread::sleep(wait);
        }
        let started = Instant::now();
        let next = self.upcoming().zip(self.requests.free.pop());
        if let Some((range, mut buffer)) = next {
            let read = self.source.fill(range.first, &mut buffer[..range.pages as usize]);
            self.has_come(range, read, buffer);
            self.has_begun();
        }
        self.requests.lane.returned(started.elapsed());
    }

    fn has_come(&mut self, range: PageRange, outcome: Result<(), ReadError>, buffer: PageBuffer) {
        self.ready.insert(range.first.0, Piece { range, outcome, buffer });
    }
}
