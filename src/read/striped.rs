//! A part of a data file in one member of a striped backup; pages that other members have are
//! read from there. PFS pages are in one member only, and tell of pages in all.

use super::direct::DirectFile;
use super::unpacked::Unpacked;
use super::{PageSource, ReadError, Way, fill_one_by_one};
use crate::backup::ReadAt;
use crate::backup::layout::{Layout, Sibling};
use crate::backup::source::{SizedFile, Turns};
use crate::page::Page;
use crate::page::address::{PageId, PageRange};
use crate::page::ranges::PageRanges;
use std::fs::File;
use std::sync::Arc;

/// A member's own pages, and those of the others.
pub struct Striped {
    own: Box<dyn PageSource>,
    siblings: Arc<[Sibling]>,
    turns: Option<Arc<dyn Turns>>,
}

impl Striped {
    /// Pages of `own`, and of `siblings` where it has none: these are read in `turns`.
    pub fn over(
        own: Box<dyn PageSource>,
        siblings: Arc<[Sibling]>,
        turns: Option<Arc<dyn Turns>>,
    ) -> Self {
        Self { own, siblings, turns }
    }

    /// A page that this member does not have. Few are asked for, so that no other member is kept
    /// open for them.
    fn elsewhere(&self, page: PageId) -> Result<Page, ReadError> {
        let has = |sibling: &&Sibling| sibling.layout.page_offset_bytes(page).is_some();
        let sibling = self.siblings.iter().find(has).ok_or_else(ReadError::absent)?;
        read(sibling, page, self.turns.clone())
    }
}

fn read(sibling: &Sibling, page: PageId, turns: Option<Arc<dyn Turns>>) -> Result<Page, ReadError> {
    let offset = sibling.layout.page_offset_bytes(page).ok_or_else(ReadError::absent)?;
    let mut read = Page::ZERO;
    if let Some(index) = &sibling.records {
        Unpacked::open(&sibling.path, Arc::clone(index), Layout::Whole)?
            .in_turns(turns)
            .read_exact_at(offset, read.bytes_mut())?;
    } else {
        let file = File::open(&sibling.path)?;
        SizedFile::new(file, u64::MAX).in_turns(turns).read_exact_at(offset, read.bytes_mut())?;
    }
    Ok(read)
}

impl PageSource for Striped {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        if self.own.has(first) {
            return self.own.fill(first, pages);
        }
        fill_one_by_one(first, pages, |page| self.elsewhere(page))
    }

    /// Only what is this member's own is read in ranges.
    fn fill_all(&self, ranges: &PageRanges, pages: &mut [Page]) -> Result<(), ReadError> {
        self.own.fill_all(ranges, pages)
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        if self.own.has(page) { self.own.fill_uncached(page) } else { self.elsewhere(page) }
    }

    fn fill_range_uncached(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        let end = first.0 + pages.len() as u32;
        if (first.0..end).all(|page| self.own.has(PageId(page))) {
            return self.own.fill_range_uncached(first, pages);
        }
        fill_one_by_one(first, pages, |page| self.fill_uncached(page))
    }

    /// Pages of other members are no suspects of this one.
    fn may_have_used_cache(&self) -> bool {
        self.own.may_have_used_cache()
    }

    fn has(&self, page: PageId) -> bool {
        let is_there = |sibling: &Sibling| sibling.layout.page_offset_bytes(page).is_some();
        self.own.has(page) || self.siblings.iter().any(is_there)
    }

    fn visit_pieces(
        &self,
        range: PageRange,
        buffer: &mut Vec<Page>,
        visit: &mut dyn FnMut(PageId, &[Page]),
    ) -> Result<(), ReadError> {
        self.own.visit_pieces(range, buffer, visit)
    }

    fn visit_mapped(&self, ranges: &PageRanges, visit: &mut dyn FnMut(PageId, &[Page])) -> bool {
        self.own.visit_mapped(ranges, visit)
    }

    fn direct(&self) -> Option<&Arc<DirectFile>> {
        self.own.direct()
    }

    fn way(&self) -> Way {
        self.own.way()
    }
}
