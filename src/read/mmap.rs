//! Mapped memory: no copy, twice as fast as positioned reads where the page cache holds the file.
//!
//! A mapping must never kill the process. Where a range may have to come from the device,
//! `MADV_POPULATE_READ` brings it in first and answers with an error, not a signal, if the medium
//! fails. Whatever happens after that, or to a cached range (the file shrinks, a page is evicted
//! and then fails), meets [`guard`]: it answers the signal with a page of zeros and remembers it,
//! and the whole range is read again in another way.
//!
//! What has been looked at is dropped from the process, many huge pages at a time ([`looked_at`]),
//! and the cache is asked for huge pages, too: the extents of a backup may be scattered over it in
//! pieces of 64 KiB, each of which is shown by itself.

#[cfg(target_os = "linux")]
mod guard;
#[cfg(target_os = "linux")]
mod looked_at;
#[cfg(target_os = "linux")]
pub use linux::Map;
#[cfg(not(target_os = "linux"))]
pub use other::Map;

use super::direct::DirectFile;
use super::pread::Pread;
use super::uncached::Direct;
use super::{PageSource, ReadError, Way, copy_mapped};
use crate::backup::layout::Layout;
use crate::page::Page;
use crate::page::address::{PageId, PageRange};
use crate::page::ranges::PageRanges;
use std::sync::Arc;

/// Which ranges are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All.
    Always,
    /// Those that the page cache holds. Mapping what it does not hold would fault it in slowly and
    /// leave it there. What is cached needs no populating, which costs a quarter of the time where
    /// the cache holds small folios.
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

/// A mapped file; what cannot be mapped is read with positioned reads.
pub struct Mapped {
    // Before the file: fields drop in order.
    map: Option<Map>,
    pread: Pread,
}

impl Mapped {
    /// Maps the file of `pread`.
    pub fn over(pread: Pread) -> Self {
        Self { map: Map::of(pread.file()), pread }
    }
}

impl PageSource for Mapped {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.pread.fill(first, pages)
    }

    fn fill_all(&self, ranges: &PageRanges, pages: &mut [Page]) -> Result<(), ReadError> {
        self.pread.fill_all(ranges, pages)
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        self.pread.fill_uncached(page)
    }

    fn fill_range_uncached(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.pread.fill_range_uncached(first, pages)
    }

    fn may_have_used_cache(&self) -> bool {
        self.pread.may_have_used_cache()
    }

    fn visit_mapped(&self, ranges: &PageRanges, visit: &mut dyn FnMut(PageId, &[Page])) -> bool {
        let offset = self.pread.layout().offset_of_all(ranges);
        let mapped = self.map.as_ref().zip(offset);
        mapped.is_some_and(|(map, offset)| {
            map.visit_pieces(self.pread.file(), (ranges, offset), When::Always, visit)
        })
    }

    fn has(&self, page: PageId) -> bool {
        self.pread.layout().page_offset_bytes(page).is_some()
    }

    fn laid_out(self: Box<Self>, layout: Layout) -> Box<dyn PageSource> {
        let Self { map, pread } = *self;
        Box::new(Self { map, pread: pread.with_layout(layout) })
    }
}

/// A file of which the page cache may hold parts: those are mapped, all else is read past the
/// cache and leaves nothing in it.
pub struct Auto {
    map: Option<Map>,
    uncached: Direct,
}

impl Auto {
    /// Reads the file of `pread` from where it is.
    pub fn over(pread: Pread) -> Self {
        let map = Map::of(pread.file());
        // Looking at what is cached must not bring in what is not.
        if let Some(map) = &map {
            map.read_nothing_ahead();
        }
        Self { map, uncached: Direct::over(pread) }
    }
}

impl PageSource for Auto {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        let range = PageRange::between(first.0, first.0 + pages.len() as u32);
        self.fill_all(&range.into(), pages)
    }

    fn fill_all(&self, ranges: &PageRanges, pages: &mut [Page]) -> Result<(), ReadError> {
        if copy_mapped(self, ranges, pages) {
            return Ok(());
        }
        self.uncached.fill_all(ranges, pages)
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        self.uncached.fill_uncached(page)
    }

    fn fill_range_uncached(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.uncached.fill_range_uncached(first, pages)
    }

    fn may_have_used_cache(&self) -> bool {
        self.uncached.may_have_used_cache()
    }

    fn visit_pieces(
        &self,
        range: PageRange,
        buffer: &mut Vec<Page>,
        visit: &mut dyn FnMut(PageId, &[Page]),
    ) -> Result<(), ReadError> {
        self.uncached.visit_pieces(range, buffer, visit)
    }

    fn visit_mapped(&self, ranges: &PageRanges, visit: &mut dyn FnMut(PageId, &[Page])) -> bool {
        let file = self.uncached.file();
        let mapped = self.map.as_ref().zip(self.uncached.layout().offset_of_all(ranges));
        mapped.is_some_and(|(map, offset)| {
            map.visit_pieces(file, (ranges, offset), When::Cached, visit)
        })
    }

    fn direct(&self) -> Option<&Arc<DirectFile>> {
        self.uncached.direct()
    }

    fn way(&self) -> Way {
        self.uncached.way()
    }

    fn has(&self, page: PageId) -> bool {
        self.uncached.layout().page_offset_bytes(page).is_some()
    }

    fn laid_out(self: Box<Self>, layout: Layout) -> Box<dyn PageSource> {
        let Self { map, uncached } = *self;
        Box::new(Self { map, uncached: uncached.with_layout(layout) })
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::super::cached::is_cached;
    use super::super::visit_in_pieces;
    use super::When;
    use super::guard::Guard;
    use super::looked_at::{LookedAt, whole_huge_pages};
    use crate::page::Page;
    use crate::page::address::PageId;
    use crate::page::ranges::PageRanges;
    use memmap2::{Advice, Mmap, UncheckedAdvice};
    use std::fs::File;
    use std::ops::Range;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// A mapping of a whole file.
    pub struct Map {
        // The guard must let go of the addresses before they are unmapped: fields drop in order.
        guard: Guard,
        bytes: Mmap,
        /// Looked at and not yet dropped from the process.
        looked_at: Mutex<LookedAt>,
        /// What the cache was seen to hold last.
        cached: Mutex<Range<usize>>,
    }

    impl Map {
        /// Maps `file`; `None` where it cannot be mapped.
        pub(in crate::read) fn of(file: &File) -> Option<Self> {
            let bytes = map(file)?;
            let guard = Guard::over(&bytes)?;
            Some(Self { guard, bytes, looked_at: Mutex::default(), cached: Mutex::default() })
        }

        /// Asks the system to read nothing ahead of what is looked at. A hint only.
        pub(super) fn read_nothing_ahead(&self) {
            let _ = self.bytes.advise(Advice::Random);
        }

        /// Shows pages of the mapped `file`, which follow each other from a byte offset on, if they
        /// are to be mapped and could be looked at to their end.
        pub(super) fn visit_pieces(
            &self,
            file: &File,
            (ranges, offset_bytes): (&PageRanges, u64),
            when: When,
            visit: &mut dyn FnMut(PageId, &[Page]),
        ) -> bool {
            let start = offset_bytes as usize;
            let end = start.saturating_add(ranges.bytes() as usize);
            let bytes = start..end;
            if self.guard.was_hit() || bytes.end > self.bytes.len() {
                return false;
            }
            let is_ready = match when {
                When::Cached => self.is_cached(file, &bytes),
                When::Always => {
                    self.bytes.advise_range(Advice::PopulateRead, bytes.start, bytes.len()).is_ok()
                }
            };
            let Some(pages) = Page::slice_of(&self.bytes[bytes.clone()]).filter(|_| is_ready)
            else {
                return false;
            };
            visit_in_pieces(ranges, pages, visit);
            self.drop_later(&bytes);
            !self.guard.was_hit()
        }

        #[cfg(test)]
        pub(in crate::read) fn bytes(&self) -> &[u8] {
            &self.bytes
        }

        /// True if the cache holds `bytes`. It is asked for the huge pages that they are in, and
        /// not asked again for the next bytes in them: what it lets go of meanwhile is fetched.
        fn is_cached(&self, file: &File, bytes: &Range<usize>) -> bool {
            let is_in = |held: &Range<usize>| held.start <= bytes.start && bytes.end <= held.end;
            if is_in(&lock(&self.cached)) {
                return true;
            }
            let around = whole_huge_pages(bytes, self.bytes.len());
            if self.is_held(file, &around) {
                *lock(&self.cached) = around;
                return true;
            }
            let exactly = self.whole_pages_of_memory(bytes);
            exactly != around && self.is_held(file, &exactly)
        }

        fn is_held(&self, file: &File, bytes: &Range<usize>) -> bool {
            is_cached(file, bytes.start as u64..bytes.end as u64, &self.bytes[bytes.clone()])
        }

        /// The cache is asked by pages of memory; pages of a backup need not begin with one.
        fn whole_pages_of_memory(&self, bytes: &Range<usize>) -> Range<usize> {
            let page = rustix::param::page_size();
            bytes.start / page * page..bytes.end.next_multiple_of(page).min(self.bytes.len())
        }

        fn drop_later(&self, bytes: &Range<usize>) {
            let to_drop = lock(&self.looked_at).add(bytes, self.bytes.len());
            if let Some(bytes) = to_drop {
                self.drop_now(bytes);
            }
        }

        #[allow(unsafe_code)]
        fn drop_now(&self, bytes: Range<usize>) {
            // SAFETY: `bytes` is a shared, read-only file mapping (made in `map` below): a page
            // dropped from it is fetched from the page cache when it is touched again, with the
            // same bytes, so even a slice that another thread is looking at stays what it is.
            // A failure only costs memory.
            let _ = unsafe {
                self.bytes.unchecked_advise_range(
                    UncheckedAdvice::DontNeed,
                    bytes.start,
                    bytes.len(),
                )
            };
        }
    }

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[allow(unsafe_code)]
    fn map(file: &File) -> Option<Mmap> {
        // SAFETY: the mapping is read-only. A shrinking file is met by the `Guard` that `of` sets
        // before anything is shown. Bytes that another process changes meanwhile are plain integers
        // without invalid values, and a page that looked bad for that reason is judged again on a
        // private copy, read anew (`diagnose::confirm`).
        unsafe { Mmap::map(file) }.ok().filter(|map| !map.is_empty())
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use super::When;
    use crate::page::Page;
    use crate::page::address::PageId;
    use crate::page::ranges::PageRanges;
    use std::fs::File;

    /// There are no mapped files on this system.
    pub enum Map {}

    impl Map {
        pub(super) fn of(_: &File) -> Option<Self> {
            None
        }

        pub(super) fn read_nothing_ahead(&self) {
            match *self {}
        }

        pub(super) fn visit_pieces(
            &self,
            _: &File,
            _: (&PageRanges, u64),
            _: When,
            _: &mut dyn FnMut(PageId, &[Page]),
        ) -> bool {
            match *self {}
        }
    }
}
