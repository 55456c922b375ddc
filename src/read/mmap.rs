//! Mapped memory: no copy, twice as fast as positioned reads where the page cache holds the file.
//!
//! A mapping must never kill the process. `MADV_POPULATE_READ` brings a range in and answers with
//! an error, not a signal, where the medium fails. Between that and the last look at the range the
//! file may still shrink or a page may be evicted and then fail; for that, [`guard`] answers the
//! signal with a page of zeros and remembers it, and the whole range is read again with
//! positioned reads. Each range is unmapped from memory as soon as it has been looked at, so that
//! the process stays small.

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
    /// in slowly and leave it there.
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
    use super::super::{PageSource, ReadError};
    use super::When;
    use super::guard::Guard;
    use crate::page::Page;
    use crate::page::address::{PageId, PageRange};
    use memmap2::{Advice, Mmap, UncheckedAdvice};

    /// A mapped file, with positioned reads to fall back on.
    pub struct Mapped {
        // The guard must let go of the addresses before they are unmapped: fields drop in order.
        guard: Guard,
        map: Mmap,
        pread: Pread,
        when: When,
    }

    impl Mapped {
        /// Maps the file of `pread`; gives it back where it cannot be mapped.
        pub fn over(pread: Pread, when: When) -> Result<Self, Pread> {
            let Some(map) = map(&pread) else { return Err(pread) };
            match Guard::over(&map) {
                Some(guard) => Ok(Self { guard, map, pread, when }),
                None => Err(pread),
            }
        }

        fn lend_mapped(&self, range: PageRange, visit: &mut dyn FnMut(&[Page])) -> bool {
            let start = range.offset_bytes() as usize;
            let end = start + range.bytes() as usize;
            let wanted = !self.guard.was_hit()
                && end <= self.map.len()
                && (self.when == When::Always || is_cached(&self.pread, range));
            if !wanted || self.map.advise_range(Advice::PopulateRead, start, end - start).is_err() {
                return false;
            }
            let Some(pages) = Page::slice_of(&self.map[start..end]) else { return false };
            visit(pages);
            self.forget(start, end - start);
            !self.guard.was_hit()
        }

        #[allow(unsafe_code)]
        fn forget(&self, start: usize, bytes: usize) {
            // SAFETY: `map` is a read-only file mapping and the only slice lent from this range
            // went to `visit`, which has returned in `lend_mapped`; the bytes are read from the
            // file again if they are ever touched again. A failure only costs memory.
            let _ =
                unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, bytes) };
        }
    }

    #[allow(unsafe_code)]
    fn map(pread: &Pread) -> Option<Mmap> {
        // SAFETY: the mapping is read-only, and what others may do to the file meanwhile is met
        // above: a shrinking file by `Guard` in `over`, changing bytes by judging no page by two
        // looks (a suspect is judged on a private copy, read anew).
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
            visit: &mut dyn FnMut(&[Page]),
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
