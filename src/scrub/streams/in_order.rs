//! Pages that follow each other, read several requests at a time past the cache and shown in their
//! order. Where nothing can be queued, one is read after another.

use super::requests::{Queue, Requests, buffers};
use crate::page::Page;
use crate::page::address::PageRange;
use crate::plan::pace::Turn;
use crate::read::arena::{BUFFER_PAGES, PageBuffer};
use crate::read::direct::queue::Finished;
use crate::read::{PageSource, ReadError, copy_mapped};
use crate::scrub::lane::Lane;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

/// How long is waited at most before it is seen that the scan is to stop.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long who has nothing in flight waits for a device that has enough of others.
const A_MOMENT: Duration = Duration::from_millis(1);

/// A run of pages on its way.
pub(super) struct InOrder<'a> {
    source: Box<dyn PageSource>,
    requests: Requests<'a>,
    /// What is not begun, in its order: each range follows itself in the file, and the one before
    /// it in its numbers.
    left: VecDeque<PageRange>,
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

impl<'a> InOrder<'a> {
    /// The pages of `ranges`, each of which begins where the one before it ends, of `source`.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(super) fn new(
        source: Box<dyn PageSource>,
        ranges: impl IntoIterator<Item = PageRange>,
        mut requests: Requests<'a>,
    ) -> io::Result<Self> {
        let left: VecDeque<PageRange> = ranges.into_iter().collect();
        let first = left.front().map_or(0, |range| range.first.0);
        let end = left.back().map_or(first, |range| range.end());
        requests.prepare(end - first)?;
        Ok(Self {
            source,
            requests,
            left,
            end,
            is_admitted: false,
            pause: PATIENCE,
            ready: BTreeMap::new(),
            next: first,
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
        self.left.front().and_then(|range| range.pieces(BUFFER_PAGES).next())
    }

    /// That has been begun, or read.
    fn has_begun(&mut self) {
        self.is_admitted = false;
        let begun = self.upcoming().map_or(0, PageRange::end);
        if let Some(range) = self.left.front_mut() {
            *range = PageRange::between(begun, range.end());
        }
        self.left.pop_front_if(|range| range.pages == 0);
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
        let is_there = copy_mapped(&*self.source, &range.into(), &mut buffer);
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
        let Some(direct) = self.source.direct().cloned() else { return false };
        if !matches!(self.requests.queue, Queue::Open(_)) {
            return false;
        }
        match self.requests.may_begin() {
            Turn::Now => {}
            Turn::After(wait) => {
                self.pause = wait.min(PATIENCE);
                return false;
            }
            Turn::WhenOneReturns => {
                self.pause = A_MOMENT;
                return false;
            }
        }
        let Requests { queue: Queue::Open(queue), free, run, .. } = &mut self.requests else {
            return false;
        };
        if let Some(buffer) = free.pop() {
            queue.begin(&direct, range, *run, buffer);
            self.has_begun();
        }
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
            Ok(Some(Finished { ranges, token, outcome, latency_min, buffer, .. })) => {
                self.requests.lane.returned(latency_min);
                match ranges.only().filter(|_| token == self.requests.run) {
                    Some(range) => self.has_come(range, outcome, buffer),
                    None => self.requests.free.push(buffer),
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
        let mut lost = Vec::new();
        for (ranges, token) in queue.unfinished() {
            requests.lane.returned(Duration::ZERO);
            if token == run {
                lost.extend(ranges.only());
                // It was admitted once.
                requests.lane.owe(ranges.bytes());
            }
        }
        // The first one comes first.
        lost.sort_by_key(|range| std::cmp::Reverse(range.first));
        for range in lost {
            self.left.push_front(range);
        }
        self.is_admitted = false;
    }

    /// Reads the next piece, when its turn has come.
    fn read(&mut self) {
        let wait = match self.requests.may_begin() {
            Turn::Now => Duration::ZERO,
            Turn::After(wait) => wait.min(PATIENCE),
            Turn::WhenOneReturns => A_MOMENT,
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
