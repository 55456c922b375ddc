//! Mapped memory: no copy, twice as fast as positioned reads where the page cache holds the file.
//!
//! A mapping must never kill the process. Where a range may have to come from the device,
//! `MADV_POPULATE_READ` brings it in first and answers with an error, not a signal, if the medium
//! fails. Whatever happens after that, or to a cached range (the file shrinks, a page is evicted
//! and then fails), meets [`guard`]: it answers the signal with a page of zeros and remembers it,
//! and the whole range is read again with positioned reads.
//!
//! Ranges that have been looked at are dropped from the process a few at a time, so that it stays
//! small: dropping each at once would interrupt all other cores for every batch.

#[cfg(target_os = "linux")]
mod guard;
#[cfg(target_os = "linux")]
pub use linux::Mapped;
#[cfg(not(target_os = "linux"))]
pub use other::Mapped;

/// Which ranges are mapped; the others are read with positioned reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All.
    Always,
    /// Those whose first and last bytes are in the page cache. Mapping what is not would fault it
    /// in slowly and leave it there. What is cached needs no populating, which costs a quarter of
    /// the time where the cache holds small folios.
    Cached,
}

/// Why mapped reading cannot be had on this system, if it cannot.
pub fn unavailable() -> Option<&'static str> {
    if cfg!(target_os = "linux") {
        None
    } else {
        Some("only Linux reports a failing mapped page as an error instead of ending the process")
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::super::pread::Pread;
    use super::super::{PageSource, ReadError, pieces};
    use super::When;
    use super::guard::Guard;
    use crate::page::Page;
    use crate::page::address::{PageId, PageRange};
    use memmap2::{Advice, Mmap, UncheckedAdvice};
    use std::ops::Range;
    use std::sync::{Mutex, PoisonError};

    /// Bytes that have been looked at and are still mapped into the process, at most.
    const LOOKED_AT_BYTES_MAX: usize = 32 << 20;
    /// What the kernel may map at once, and then only lets go of as a whole.
    const HUGE_PAGE_BYTES: usize = 2 << 20;

    /// A mapped file, with positioned reads to fall back on.
    pub struct Mapped {
        // The guard must let go of the addresses before they are unmapped: fields drop in order.
        guard: Guard,
        map: Mmap,
        pread: Pread,
        when: When,
        /// Looked at and not yet dropped from the process.
        looked_at: Mutex<Vec<Range<usize>>>,
    }

    impl Mapped {
        /// Maps the file of `pread`; gives it back where it cannot be mapped.
        pub fn over(pread: Pread, when: When) -> Result<Self, Pread> {
            let Some(map) = map(&pread) else { return Err(pread) };
            match Guard::over(&map) {
                Some(guard) => Ok(Self { guard, map, pread, when, looked_at: Mutex::default() }),
                None => Err(pread),
            }
        }

        /// Lends `range` if it is to be mapped and could be looked at to its end.
        fn lend_mapped(&self, range: PageRange, visit: &mut dyn FnMut(PageId, &[Page])) -> bool {
            let start = range.offset_bytes() as usize;
            let bytes = start..start + range.bytes() as usize;
            if self.guard.was_hit() || bytes.end > self.map.len() || !self.is_ready(range, &bytes) {
                return false;
            }
            let Some(pages) = Page::slice_of(&self.map[bytes.clone()]) else { return false };
            for piece in pieces(range) {
                let start = (piece.first.0 - range.first.0) as usize;
                visit(piece.first, &pages[start..start + piece.pages as usize]);
            }
            self.drop_later(bytes);
            !self.guard.was_hit()
        }

        fn is_ready(&self, range: PageRange, bytes: &Range<usize>) -> bool {
            match self.when {
                When::Cached => is_cached(&self.pread, range),
                When::Always => {
                    let populate = Advice::PopulateRead;
                    self.map.advise_range(populate, bytes.start, bytes.len()).is_ok()
                }
            }
        }

        fn drop_later(&self, bytes: Range<usize>) {
            let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
            looked_at.push(self.whole_huge_pages(&bytes));
            if looked_at.iter().map(Range::len).sum::<usize>() >= LOOKED_AT_BYTES_MAX {
                let mut ranges = std::mem::take(&mut *looked_at);
                drop(looked_at);
                ranges.sort_unstable_by_key(|range| range.start);
                for run in ranges.chunk_by(|a, b| a.end >= b.start) {
                    self.drop_now(run[0].start..run[run.len() - 1].end);
                }
            }
        }

        fn whole_huge_pages(&self, bytes: &Range<usize>) -> Range<usize> {
            let start = bytes.start / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
            start..bytes.end.next_multiple_of(HUGE_PAGE_BYTES).min(self.map.len())
        }

        #[allow(unsafe_code)]
        fn drop_now(&self, bytes: Range<usize>) {
            // SAFETY: `map` is a shared, read-only file mapping (made in `map` below): a page
            // dropped from it is fetched from the page cache when it is touched again, with the
            // same bytes, so even a slice that another thread is looking at stays what it is.
            // A failure only costs memory.
            let _ = unsafe {
                self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, bytes.start, bytes.len())
            };
        }
    }

    #[allow(unsafe_code)]
    fn map(pread: &Pread) -> Option<Mmap> {
        // SAFETY: the mapping is read-only. A shrinking file is met by the `Guard` that `over` sets
        // before anything is lent. Bytes that another process changes meanwhile are plain integers
        // without invalid values, and a page that looked bad for that reason is judged again on a
        // private copy, read anew (`diagnose::confirm`).
        unsafe { Mmap::map(pread.file()) }.ok().filter(|map| !map.is_empty())
    }

    /// Asks for the first and last byte of `range` without waiting for the device.
    fn is_cached(pread: &Pread, range: PageRange) -> bool {
        let in_cache = |offset: u64| {
            let mut byte = [0];
            let mut slices = [std::io::IoSliceMut::new(&mut byte)];
            let flags = rustix::io::ReadWriteFlags::NOWAIT;
            rustix::io::preadv2(pread.file(), &mut slices, offset, flags) == Ok(1)
        };
        let start = range.offset_bytes();
        in_cache(start) && in_cache(start + range.bytes() - 1)
    }

    impl PageSource for Mapped {
        fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
            self.pread.fill(first, pages)
        }

        fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
            self.pread.fill_uncached(page)
        }

        fn lend(
            &self,
            range: PageRange,
            buffer: &mut Vec<Page>,
            visit: &mut dyn FnMut(PageId, &[Page]),
        ) -> Result<(), ReadError> {
            if self.lend_mapped(range, visit) {
                return Ok(());
            }
            self.pread.lend(range, buffer, visit)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use super::super::pread::Pread;
    use super::super::{PageSource, ReadError};
    use super::When;
    use crate::page::Page;
    use crate::page::address::PageId;

    /// There is no mapped file on this system.
    pub enum Mapped {}

    impl Mapped {
        /// Gives `pread` back.
        pub fn over(pread: Pread, _: When) -> Result<Self, Pread> {
            Err(pread)
        }
    }

    impl PageSource for Mapped {
        fn fill(&self, _: PageId, _: &mut [Page]) -> Result<(), ReadError> {
            match *self {}
        }

        fn fill_uncached(&self, _: PageId) -> Result<Page, ReadError> {
            match *self {}
        }
    }
}
