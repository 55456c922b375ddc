//! From one item of the container to the next, and on behind damage.

use super::item::{Item, LOOKAHEAD_BYTES};
use super::record::RecordHeader;
use super::resync::{Resync, unpacks};
use super::{Lost, SIZE_UNIT_BYTES, Version, WORD_BYTES};
use rayon::prelude::*;

/// Records whose checksums are computed in one go.
const BURST_RECORDS_MAX: usize = 4096;
/// What a record of pages unpacks to.
const EXTENT_BYTES: u32 = 1 << 16;
/// What a thread is given at least.
const RECORDS_PER_TASK: usize = 8;

/// A part of the file in memory.
pub(super) struct Window<'a> {
    pub(super) bytes: &'a [u8],
    /// Where it begins in the file.
    pub(super) start: u64,
    /// The size of the file.
    pub(super) file_bytes: u64,
}

impl Window<'_> {
    pub(super) fn rest(&self, at: u64) -> &[u8] {
        let at = at.saturating_sub(self.start) as usize;
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Up to where enough is known to tell what an item is.
    fn limit(&self) -> u64 {
        let end = self.start + self.bytes.len() as u64;
        if end >= self.file_bytes { end } else { end.saturating_sub(LOOKAHEAD_BYTES as u64) }
    }
}

/// What checking a record gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The payload agrees with its checksum.
    Right,
    /// It does not.
    BadSum,
    /// It does, and does not unpack to what the header says.
    BadSize,
}

/// What the walk has passed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A record, and where it begins in the packed stream.
    Record { offset: u64, stream: u64, stream_bytes: u64, header: RecordHeader, fate: Fate },
    /// Anything else that was well-formed.
    Other { offset: u64, bytes: u64, item: Item, stream: u64 },
    /// Bytes that make no sense; `cut` if the file ends in what they promise.
    Lost { lost: Lost, cut: bool },
}

/// Where the walk is.
pub(super) struct Walk {
    version: Version,
    at: u64,
    stream: u64,
    /// The unpacked size of the last record.
    last_bytes: u32,
    block_bytes: Option<u64>,
    file_marks: u64,
    /// True if a file mark was the last item, and whole.
    at_mark: bool,
    /// Where the bytes begin that make no sense, and whether that is the end of the file.
    lost: Option<(u64, bool)>,
    records: u64,
    resync: Resync,
    checks: Checks,
}

impl Walk {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            at: version.header_bytes() as u64,
            stream: 0,
            last_bytes: 0,
            block_bytes: None,
            file_marks: 0,
            at_mark: false,
            lost: None,
            records: 0,
            resync: Resync::new(version),
            checks: Checks::default(),
        }
    }

    /// Up to where the file was walked; the next window begins there.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The bytes of a file mark, once one was seen.
    pub(super) fn block_bytes(&self) -> Option<u64> {
        self.block_bytes
    }

    /// The size of the packed stream so far.
    pub(super) fn stream(&self) -> u64 {
        self.stream
    }

    /// The next event, or `None` if the next window is needed, or the file is at its end.
    pub(super) fn next(&mut self, window: &Window<'_>) -> Option<Event> {
        while self.at < window.limit() {
            let event = match self.lost {
                Some(lost) => self.find_way_back(window, lost),
                None => self.step(window),
            };
            if event.is_some() {
                return event;
            }
        }
        let (from, cut) = self.lost.filter(|_| self.at >= window.file_bytes)?;
        Some(self.lose(from, window.file_bytes, cut))
    }

    /// True if a backup may end where the walk is: behind the mark that closes a set. One mark
    /// follows the description of the medium, and two each set.
    pub(super) fn may_end(&self) -> bool {
        self.at_mark && self.file_marks >= 3 && self.file_marks % 2 == 1
    }

    fn step(&mut self, window: &Window<'_>) -> Option<Event> {
        let (offset, rest) = (self.at, window.rest(self.at));
        match self.version.item(rest, offset) {
            Some(Item::Record(header)) => self.record(window, header),
            Some(item) => Some(self.pass(window, item)),
            None => {
                self.lost = Some((offset, self.is_cut(rest, offset, window.file_bytes)));
                self.at += 1;
                None
            }
        }
    }

    fn record(&mut self, window: &Window<'_>, header: RecordHeader) -> Option<Event> {
        let offset = self.at;
        let next = offset + header.bytes() as u64;
        let fate = self.checks.get(window, offset, header, self.last_bytes);
        let is_led_on = || self.leads_on(window, next, self.version.records_that_convince());
        if fate == Fate::BadSum && !is_led_on() {
            self.lost = Some((offset, false));
            self.at += 1;
            return None;
        }
        // A size that is wrong is taken to be that of the record before.
        let is_believed = fate != Fate::BadSize || self.last_bytes == 0;
        let stream_bytes = if is_believed { header.uncompressed_bytes } else { self.last_bytes };
        let stream = self.stream;
        self.at = next;
        self.records += 1;
        self.at_mark = false;
        self.last_bytes = stream_bytes;
        self.stream += u64::from(stream_bytes);
        Some(Event::Record { offset, stream, stream_bytes: stream_bytes.into(), header, fate })
    }

    /// True if `records` records or anything else follow at `at`.
    fn leads_on(&self, window: &Window<'_>, at: u64, records: u32) -> bool {
        if at >= window.file_bytes || records == 0 {
            return true;
        }
        match self.version.item(window.rest(at), at) {
            Some(Item::Record(next)) => {
                self.leads_on(window, at + next.bytes() as u64, records - 1)
            }
            other => other.is_some(),
        }
    }

    fn pass(&mut self, window: &Window<'_>, item: Item) -> Event {
        let offset = self.at;
        let bytes = match item {
            Item::Record(header) => header.bytes() as u64,
            Item::Padding { bytes } | Item::Index { bytes, .. } => bytes as u64,
            Item::Header => {
                self.file_marks = 0;
                self.version.header_bytes() as u64
            }
            Item::FileMark { .. } => {
                let rest = window.rest(offset);
                let bytes = self.version.file_mark_bytes(rest, offset, self.block_bytes);
                self.block_bytes = Some(bytes);
                self.file_marks += 1;
                bytes
            }
        };
        let is_whole = offset + bytes <= window.file_bytes;
        self.at_mark = matches!(item, Item::FileMark { .. }) && is_whole;
        self.at = (offset + bytes).min(window.file_bytes);
        Event::Other { offset, bytes: self.at - offset, item, stream: self.stream }
    }

    fn find_way_back(&mut self, window: &Window<'_>, (from, _): (u64, bool)) -> Option<Event> {
        let limit = window.limit();
        let found = self.resync.find(window.bytes, window.start, self.at, limit);
        self.at = found.unwrap_or(limit);
        found.map(|at| self.lose(from, at, false))
    }

    /// True if `rest` is the beginning of an item whose end the file does not have.
    fn is_cut(&self, rest: &[u8], offset: u64, file_bytes: u64) -> bool {
        let version = self.version;
        let Some(header) = RecordHeader::of(version, rest) else { return true };
        let is_index = header.method == version.index_tag();
        let bare = is_index || header.method == version.padding_tag();
        if !bare && !header.is_possible() {
            return false;
        }
        let bytes = if bare { header.bytes() - WORD_BYTES } else { header.bytes() };
        offset + bytes as u64 > file_bytes
            || (is_index && file_bytes - offset < LOOKAHEAD_BYTES as u64)
    }

    /// The bytes from `from` to `to` are given up. They held about as many records as elsewhere.
    fn lose(&mut self, from: u64, to: u64, cut: bool) -> Event {
        let each = (from / self.records.max(1)).max(self.version.record_header_bytes() as u64);
        let few = u16::try_from(to - from).is_ok();
        let records = if few { 1 } else { (to - from).div_ceil(each) };
        let bytes = records.saturating_mul(self.last_bytes.max(SIZE_UNIT_BYTES).into());
        let lost =
            Lost { from, to, stream: self.stream, stream_bytes: if cut { 0 } else { bytes } };
        self.stream = self.stream.saturating_add(lost.stream_bytes);
        self.at = to;
        self.lost = None;
        self.at_mark = false;
        Event::Lost { lost, cut }
    }
}

/// Records ahead whose checksums are known already.
///
/// They are found by following the lengths, and checked by all threads. Where the walk comes by
/// another way, what was checked in vain is at most twice of what was of use.
#[derive(Default)]
struct Checks {
    ready: Vec<(Ahead, Fate)>,
    used: usize,
    burst: usize,
}

/// A record that may follow, and the unpacked size of the one before it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ahead {
    offset: u64,
    header: RecordHeader,
    last_bytes: u32,
}

impl Checks {
    fn get(&mut self, window: &Window<'_>, offset: u64, header: RecordHeader, last: u32) -> Fate {
        let wanted = Ahead { offset, header, last_bytes: last };
        if let Some((_, fate)) = self.ready.get(self.used).filter(|(ahead, _)| *ahead == wanted) {
            self.used += 1;
            return *fate;
        }
        let all_used = self.used == self.ready.len();
        self.burst = if all_used { (2 * self.burst).clamp(1, BURST_RECORDS_MAX) } else { 1 };
        let chain: Vec<Ahead> = chain(window, wanted).take(self.burst).collect();
        let checked = chain.into_par_iter().with_min_len(RECORDS_PER_TASK);
        self.ready = checked.map(|ahead| (ahead, ahead.fate(window))).collect();
        self.used = 1;
        self.ready.first().map_or(Fate::BadSum, |(_, fate)| *fate)
    }
}

impl Ahead {
    /// No checksum covers the size. One extent after one extent is believed, for no single bit
    /// makes that of a smaller size, and no larger one was seen; all others are checked by
    /// unpacking.
    fn fate(&self, window: &Window<'_>) -> Fate {
        let bytes = window.rest(self.offset);
        if !self.header.agrees(bytes) {
            Fate::BadSum
        } else if self.is_usual() || unpacks(&self.header, bytes) {
            Fate::Right
        } else {
            Fate::BadSize
        }
    }

    fn is_usual(&self) -> bool {
        [self.header.uncompressed_bytes, self.last_bytes] == [EXTENT_BYTES; 2]
    }
}

fn chain<'a>(window: &'a Window<'_>, first: Ahead) -> impl Iterator<Item = Ahead> + 'a {
    std::iter::successors(Some(first), move |ahead| {
        let offset = ahead.offset + ahead.header.bytes() as u64;
        let rest = window.rest(offset);
        let header = RecordHeader::of(first.header.version, rest);
        let header = header.filter(RecordHeader::is_possible)?;
        header.payload(rest)?;
        Some(Ahead { offset, header, last_bytes: ahead.header.uncompressed_bytes })
    })
}
