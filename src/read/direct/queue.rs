//! Many reads at a time: an io_uring.
//!
//! Each thread has a queue of its own. A read is given the buffer that it fills and brings it
//! back; meanwhile it is the kernel's. Buffers are known to the kernel in advance, so that a read
//! costs no walk through page tables; so are files.

#[cfg(not(all(target_os = "linux", feature = "uring")))]
pub use none::ReadQueue;
#[cfg(all(target_os = "linux", feature = "uring"))]
pub use ring::ReadQueue;

use super::super::ReadError;
use super::super::arena::PageBuffer;
use crate::page::Page;
use crate::page::ranges::PageRanges;
use std::time::Duration;

/// Buffers of a thread beyond its share of the reads in flight: one is being looked at, one is
/// ready for the next read, so that the device is never left without one.
pub const SPARE_BUFFERS: usize = 2;

/// A read that has come back.
#[derive(Debug)]
pub struct Finished {
    /// What was asked for.
    pub ranges: PageRanges,
    /// Whose it is, as said when it was begun.
    pub token: usize,
    /// Whether its pages are there.
    pub outcome: Result<(), ReadError>,
    /// From when it was begun to when it was noticed that it had come back.
    pub latency: Duration,
    /// The part of that in which somebody looked out for it: it may have come back at any time of
    /// the rest. What a device is blamed for is this.
    pub latency_min: Duration,
    /// What it was given to fill.
    pub buffer: PageBuffer,
}

impl Finished {
    /// What was read, if it succeeded.
    pub fn pages(&self) -> &[Page] {
        &self.buffer[..self.ranges.pages() as usize]
    }
}

#[cfg(not(all(target_os = "linux", feature = "uring")))]
mod none {
    use super::super::DirectFile;
    use super::{Finished, PageBuffer};
    use crate::page::ranges::PageRanges;
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    /// There are no queued reads on this system, or they were left out of this build.
    pub enum ReadQueue {}

    #[allow(missing_docs, reason = "documented where it exists")]
    impl ReadQueue {
        pub fn new(_: &[PageBuffer]) -> io::Result<Self> {
            Err(io::Error::new(io::ErrorKind::Unsupported, "not in this build"))
        }

        pub fn in_flight(&self) -> usize {
            match *self {}
        }

        pub fn begin(
            &mut self,
            _: &Arc<DirectFile>,
            _: impl Into<PageRanges>,
            _: usize,
            _: PageBuffer,
        ) {
            match *self {}
        }

        pub fn next(&mut self, _: Duration) -> io::Result<Option<Finished>> {
            match *self {}
        }

        pub fn send(&mut self) {
            match *self {}
        }

        pub fn unfinished(&self) -> Vec<(PageRanges, usize)> {
            match *self {}
        }
    }
}

#[cfg(all(target_os = "linux", feature = "uring"))]
mod ring {
    use super::super::super::arena::{Arena, BUFFER_BYTES, BUFFER_PAGES};
    use super::super::{DirectFile, Witness};
    use super::{Finished, PageBuffer, ReadError};
    use crate::page::ranges::PageRanges;
    use io_uring::squeue::{self, Flags};
    use io_uring::types::{Fd, Fixed, SubmitArgs, Timespec};
    use io_uring::{IoUring, opcode};
    use rustix::io::Errno;
    use std::cell::Cell;
    use std::collections::VecDeque;
    use std::io;
    use std::ops::Range;
    use std::os::fd::AsRawFd;
    use std::sync::{Arc, Weak};
    use std::time::{Duration, Instant};

    /// Files that a ring knows in advance; the one unused for longest makes room for the next.
    const FIXED_FILES: usize = 16;
    /// Where in the ring's table the buffers are: they are one piece.
    const BUFFERS: u16 = 0;
    /// A kernel that is short of something for so many times in a row is given up.
    const SHORTAGES_MAX: u32 = 1000;
    const RESPITE: Duration = Duration::from_millis(5);
    /// A wait that is over so soon was none.
    const AT_ONCE: Duration = Duration::from_micros(100);
    /// How long the end of a queue waits for reads that nobody wants any more.
    const FAREWELL: Duration = Duration::from_millis(500);

    /// Reads in flight and the buffers they fill.
    pub struct ReadQueue {
        // The ring must be closed before its buffers may go: fields drop in order.
        ring: IoUring,
        arena: Arc<Arena>,
        /// Which buffers of the arena it may fill.
        indices: Range<usize>,
        buffers_are_fixed: bool,
        files: FixedFiles,
        /// By place in `indices`: the read that is filling the buffer.
        slots: Vec<Option<Begun>>,
        in_flight: usize,
        /// Come back and not yet handed out.
        finished: VecDeque<Finished>,
        /// How often in a row the kernel was short of something.
        shortages: Cell<u32>,
        /// When it was last known that nothing else had come back.
        looked_out_until: Instant,
    }

    struct Begun {
        ranges: PageRanges,
        token: usize,
        at: Instant,
        /// Kept open, so that its number means the same file until the read is over.
        file: Arc<DirectFile>,
        /// Its place in the ring's table, if the read names it by that.
        fixed: Option<usize>,
        witness: Witness,
        /// Nobody may look at it before the kernel is done with it.
        buffer: PageBuffer,
    }

    impl ReadQueue {
        /// A queue whose reads fill `buffers`, which are neighbours. Fails without any, and where
        /// io_uring is forbidden, too old or out of memory.
        pub fn new(buffers: &[PageBuffer]) -> io::Result<Self> {
            let ring = ring(buffers.len() as u32)?;
            if !ring.params().is_feature_ext_arg() {
                // Before Linux 5.11 a wait cannot be given a limit.
                return Err(io::ErrorKind::Unsupported.into());
            }
            let (arena, indices) = region(buffers);
            Ok(Self {
                buffers_are_fixed: fix_buffers(&ring, buffers),
                files: FixedFiles::of(&ring),
                ring,
                arena: Arc::clone(arena),
                indices,
                slots: buffers.iter().map(|_| None).collect(),
                in_flight: 0,
                finished: VecDeque::new(),
                shortages: Cell::new(0),
                looked_out_until: Instant::now(),
            })
        }

        /// Reads begun and not handed out yet.
        pub fn in_flight(&self) -> usize {
            self.in_flight + self.finished.len()
        }

        /// Queues a read of `ranges` of `file`, whose pages follow each other there and are at most
        /// [`BUFFER_PAGES`], into `buffer`, which is one of those it was made with; the next call
        /// of [`Self::next`] sends it off.
        #[allow(unsafe_code)]
        pub fn begin(
            &mut self,
            file: &Arc<DirectFile>,
            ranges: impl Into<PageRanges>,
            token: usize,
            mut buffer: PageBuffer,
        ) {
            let ranges = ranges.into();
            assert!(ranges.pages() <= BUFFER_PAGES, "a read fits its buffer");
            let slot = self.slot_of(&buffer);
            let witness = file.witness(&ranges);
            let fixed = self.files.index_of(&self.ring, file);
            let entry = self.entry(file, fixed, &ranges, &mut buffer).user_data(slot as u64);
            // SAFETY: the buffer goes into `Begun`, where nothing touches it before `collect`
            // has seen its completion; `drop` below forgets it, and so leaks it with its arena, if
            // that never comes. The file stays open as long as `Begun` holds it.
            let pushed = unsafe { self.ring.submission().push(&entry) };
            assert!(pushed.is_ok(), "the ring has an entry for each buffer");
            let (at, file) = (Instant::now(), Arc::clone(file));
            self.slots[slot] = Some(Begun { ranges, token, at, file, fixed, witness, buffer });
            self.in_flight += 1;
        }

        fn slot_of(&self, buffer: &PageBuffer) -> usize {
            let is_of_arena = Arc::ptr_eq(buffer.arena(), &self.arena);
            let is_own = is_of_arena && self.indices.contains(&buffer.index());
            assert!(is_own, "a buffer that this queue was made with");
            buffer.index() - self.indices.start
        }

        fn entry(
            &self,
            file: &DirectFile,
            fixed: Option<usize>,
            ranges: &PageRanges,
            buffer: &mut PageBuffer,
        ) -> squeue::Entry {
            let to = buffer.as_mut_ptr().cast();
            let (bytes, offset) = (ranges.bytes() as u32, file.span(ranges).start);
            let fixed = fixed.map(|index| Fixed(index as u32));
            let fd = Fd(file.file().as_raw_fd());
            let entry = match (self.buffers_are_fixed, fixed) {
                (true, Some(file)) => {
                    opcode::ReadFixed::new(file, to, bytes, BUFFERS).offset(offset).build()
                }
                (true, None) => {
                    opcode::ReadFixed::new(fd, to, bytes, BUFFERS).offset(offset).build()
                }
                (false, Some(file)) => opcode::Read::new(file, to, bytes).offset(offset).build(),
                (false, None) => opcode::Read::new(fd, to, bytes).offset(offset).build(),
            };
            // A thread of the kernel's own waits where this one would have to.
            entry.flags(if file.may_block() { Flags::ASYNC } else { Flags::empty() })
        }

        /// Sends off what was begun. What the kernel does not take now goes with the next call.
        pub fn send(&mut self) {
            if !self.ring.submission().is_empty() {
                let _ = self.ring.submit();
            }
        }

        /// Ranges and token of every read that was begun and has not been handed out.
        pub fn unfinished(&self) -> Vec<(PageRanges, usize)> {
            let begun = self.slots.iter().flatten().map(|read| (read.ranges.clone(), read.token));
            let finished = self.finished.iter().map(|read| (read.ranges.clone(), read.token));
            begun.chain(finished).collect()
        }

        /// The next read that has come back, in whatever order; `None` if none did for as long as
        /// `patience`. An error means that the queue cannot be used any more.
        pub fn next(&mut self, patience: Duration) -> io::Result<Option<Finished>> {
            let unseen_since = self.looked_out_until;
            self.collect(unseen_since);
            if self.finished.is_empty() {
                let asked = Instant::now();
                self.enter(patience)?;
                // Who had to wait saw them come; otherwise they may have been there for long.
                let has_waited = asked.elapsed() > AT_ONCE;
                self.collect(if has_waited { Instant::now() } else { unseen_since });
                self.looked_out_until = Instant::now();
            } else if !self.ring.submission().is_empty() {
                self.enter(Duration::ZERO)?;
            }
            Ok(self.finished.pop_front())
        }

        /// Sends off what was begun and waits until something is there.
        fn enter(&self, patience: Duration) -> io::Result<()> {
            let limit = Timespec::from(patience);
            let args = SubmitArgs::new().timespec(&limit);
            match self.ring.submitter().submit_with_args(1, &args) {
                Ok(_) => {
                    self.shortages.set(0);
                    Ok(())
                }
                Err(error) => match Errno::from_io_error(&error) {
                    // The limit, or a signal.
                    Some(Errno::TIME | Errno::INTR) => Ok(()),
                    // A kernel short of something: come back later.
                    Some(Errno::BUSY | Errno::AGAIN) if self.shortages.get() < SHORTAGES_MAX => {
                        self.shortages.set(self.shortages.get() + 1);
                        std::thread::sleep(RESPITE);
                        Ok(())
                    }
                    _ => Err(error),
                },
            }
        }

        /// Takes in what has come back, some time after `not_before`.
        fn collect(&mut self, not_before: Instant) {
            let now = Instant::now();
            for completion in self.ring.completion() {
                let slot = completion.user_data() as usize;
                let Some(begun) = self.slots[slot].take() else { continue };
                self.in_flight -= 1;
                self.files.read_is_over(begun.fixed);
                self.finished.push_back(Finished {
                    outcome: begun.outcome(completion.result()),
                    ranges: begun.ranges,
                    token: begun.token,
                    latency: now.saturating_duration_since(begun.at),
                    latency_min: not_before.saturating_duration_since(begun.at),
                    buffer: begun.buffer,
                });
            }
        }
    }

    impl Drop for ReadQueue {
        /// The kernel must not be left writing into memory that is used for something else.
        fn drop(&mut self) {
            let deadline = Instant::now() + FAREWELL;
            while self.in_flight > 0 && Instant::now() < deadline {
                if self.enter(deadline - Instant::now()).is_err() {
                    break;
                }
                self.collect(Instant::now());
            }
            let filled = self.slots.drain(..).flatten().map(|begun| begun.buffer);
            filled.for_each(std::mem::forget);
            // Closing a ring only begins to let go of its files; who unmounts the volume right
            // after the scan would find it busy.
            let _ = self.ring.submitter().unregister_files();
        }
    }

    impl Begun {
        fn outcome(&self, result: i32) -> Result<(), ReadError> {
            match u64::try_from(result) {
                Ok(bytes) if bytes == self.ranges.bytes() => {
                    Ok(self.file.hear(&self.witness, &self.ranges)?)
                }
                // The end of the file, or a short read: reading the rest will tell.
                Ok(_) => Err(ReadError::Ended),
                Err(_) => {
                    let error = io::Error::from_raw_os_error(-result);
                    self.file.note(&error);
                    Err(error.into())
                }
            }
        }
    }

    /// With completions handled where they are waited for, if the kernel (6.1) knows how.
    fn ring(entries: u32) -> io::Result<IoUring> {
        let modern = IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(entries);
        modern.or_else(|_| IoUring::new(entries))
    }

    /// Where `buffers` are: the ring knows them as one piece.
    fn region(buffers: &[PageBuffer]) -> (&Arc<Arena>, Range<usize>) {
        let (arena, start) = (buffers[0].arena(), buffers[0].index());
        let is_next = |(buffer, index): (&PageBuffer, usize)| {
            Arc::ptr_eq(buffer.arena(), arena) && buffer.index() == index
        };
        assert!(buffers.iter().zip(start..).all(is_next), "neighbours of one arena");
        (arena, start..start + buffers.len())
    }

    /// Makes the buffers known to the ring; it works without, only slower (the memory that may be
    /// locked is limited on old kernels).
    #[allow(unsafe_code)]
    fn fix_buffers(ring: &IoUring, buffers: &[PageBuffer]) -> bool {
        let start = buffers[0].as_ptr().cast_mut().cast();
        let all = libc::iovec { iov_base: start, iov_len: buffers.len() * BUFFER_BYTES };
        // SAFETY: `region` has asserted that the buffers follow each other; their memory stays
        // mapped as long as the ring is open, since `ReadQueue` holds the arena and drops the ring
        // first.
        unsafe { ring.submitter().register_buffers(&[all]) }.is_ok()
    }

    /// A place in the ring's table.
    #[derive(Default)]
    struct Known {
        /// The scan closes a file when it is done with it; a weak reference still keeps its address
        /// from being used for another.
        file: Option<Weak<DirectFile>>,
        /// The number of its last use.
        last_use: u64,
        /// Reads begun and not over that name the file by this place.
        reads: usize,
    }

    /// The files that the ring knows by index. The kernel may look up the file of a read at any
    /// time until the read is over, and then takes what is in its place: so no place is given to
    /// another file before that.
    struct FixedFiles {
        known: Vec<Known>,
        uses: u64,
    }

    impl FixedFiles {
        fn of(ring: &IoUring) -> Self {
            let fixed = ring.submitter().register_files_sparse(FIXED_FILES as u32).is_ok();
            let count = if fixed { FIXED_FILES } else { 0 };
            Self { known: (0..count).map(|_| Known::default()).collect(), uses: 0 }
        }

        /// The index of `file` in the ring's table, for a read that begins now; `None` if it is to
        /// be named by its number. So are files whose reads are handed to a thread of the kernel's
        /// own: it looks them up late.
        fn index_of(&mut self, ring: &IoUring, file: &Arc<DirectFile>) -> Option<usize> {
            if file.may_block() {
                return None;
            }
            self.uses += 1;
            let wanted = Arc::as_ptr(file);
            let is_it = |known: &Known| known.file.as_ref().is_some_and(|it| it.as_ptr() == wanted);
            let index = match self.known.iter().position(is_it) {
                Some(index) => index,
                None => self.replace_oldest(ring, file)?,
            };
            self.known[index].last_use = self.uses;
            self.known[index].reads += 1;
            Some(index)
        }

        fn replace_oldest(&mut self, ring: &IoUring, file: &Arc<DirectFile>) -> Option<usize> {
            let idle = self.known.iter().enumerate().filter(|(_, known)| known.reads == 0);
            let (index, _) = idle.min_by_key(|(_, known)| known.last_use)?;
            let fds = [file.file().as_raw_fd()];
            let updated = ring.submitter().register_files_update(index as u32, &fds);
            self.known[index].file = None;
            if updated.ok()? != 1 {
                return None;
            }
            self.known[index].file = Some(Arc::downgrade(file));
            Some(index)
        }

        fn read_is_over(&mut self, index: Option<usize>) {
            if let Some(index) = index {
                self.known[index].reads -= 1;
            }
        }
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", feature = "uring"))]
mod tests;
