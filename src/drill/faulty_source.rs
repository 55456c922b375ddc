//! A broken disk: a [`PageSource`] that misbehaves on chosen pages.

use crate::backup::layout::Layout;
use crate::page::Page;
use crate::page::address::PageId;
use crate::read::{PageSource, ReadError};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Linux's EIO, what a failing medium answers.
const EIO: i32 = 5;
/// Where a misread page is wrong: in the middle, away from the header.
const WRONG_BYTE: usize = 4321;

/// How a page misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// Every read of it fails.
    Unreadable,
    /// The first so many reads of it deliver one wrong byte, the same each time.
    HealsAfter(u32),
    /// The first so many reads of it deliver one wrong byte, another each time.
    SettlesAfter(u32),
    /// Every read of it delivers another wrong byte.
    NeverSettles,
    /// Ordinary reads of it fail, reads past the cache do not.
    UnreadableOnce,
    /// The file ends before it.
    Ends,
}

/// A source with faults.
pub struct FaultySource {
    inner: Box<dyn PageSource>,
    faults: BTreeMap<PageId, ReadFault>,
    /// Reads so far of each faulty page.
    reads: Mutex<BTreeMap<PageId, u32>>,
}

impl FaultySource {
    /// `inner` with `faults`.
    pub fn new(
        inner: Box<dyn PageSource>,
        faults: impl IntoIterator<Item = (PageId, ReadFault)>,
    ) -> Self {
        Self { inner, faults: faults.into_iter().collect(), reads: Mutex::default() }
    }

    fn misbehave(&self, id: PageId, page: &mut Page, cached: bool) -> Result<(), ReadError> {
        let Some(fault) = self.faults.get(&id) else { return Ok(()) };
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let read = reads.entry(id).or_default();
        *read += 1;
        match *fault {
            ReadFault::Unreadable => return Err(std::io::Error::from_raw_os_error(EIO).into()),
            ReadFault::UnreadableOnce if cached => {
                return Err(std::io::Error::from_raw_os_error(EIO).into());
            }
            ReadFault::UnreadableOnce => {}
            ReadFault::Ends => return Err(ReadError::Ended),
            ReadFault::HealsAfter(bad_reads) | ReadFault::SettlesAfter(bad_reads)
                if *read > bad_reads => {}
            ReadFault::HealsAfter(_) => page.bytes_mut()[WRONG_BYTE] ^= 1,
            // Never 0, so never right.
            ReadFault::NeverSettles | ReadFault::SettlesAfter(_) => {
                page.bytes_mut()[WRONG_BYTE] ^= (*read % 255) as u8 + 1;
            }
        }
        Ok(())
    }
}

impl PageSource for FaultySource {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.inner.fill(first, pages)?;
        pages
            .iter_mut()
            .zip(first.0..)
            .try_for_each(|(page, id)| self.misbehave(PageId(id), page, true))
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        let mut whole = self.inner.fill_uncached(page)?;
        self.misbehave(page, &mut whole, false)?;
        Ok(whole)
    }

    fn may_have_used_cache(&self) -> bool {
        self.inner.may_have_used_cache()
    }

    fn has(&self, page: PageId) -> bool {
        self.inner.has(page)
    }

    fn laid_out(self: Box<Self>, layout: Layout) -> Box<dyn PageSource> {
        Box::new(Self { inner: self.inner.laid_out(layout), ..*self })
    }
}
