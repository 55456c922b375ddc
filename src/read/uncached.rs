//! A file read past the page cache, one read at a time; through it where its file system refuses
//! that.

use super::direct::DirectFile;
use super::pread::Pread;
use super::{PageSource, ReadError, Way, aligned};
use crate::backup::layout::Layout;
use crate::page::Page;
use crate::page::address::{PageId, PageRange};
use crate::page::ranges::PageRanges;
use std::fs::File;
use std::sync::Arc;

/// A file read past the page cache as far as its file system allows.
pub struct Direct {
    pread: Pread,
}

impl Direct {
    /// Reads `pread` past the cache.
    pub fn over(pread: Pread) -> Self {
        Self { pread }
    }

    /// The file, opened in the ordinary way.
    pub(super) fn file(&self) -> &File {
        self.pread.file()
    }

    /// Where its pages are.
    pub(super) fn layout(&self) -> &Layout {
        self.pread.layout()
    }

    /// The same file with its pages where `layout` has them.
    pub(super) fn with_layout(self, layout: Layout) -> Self {
        Self { pread: self.pread.with_layout(layout) }
    }
}

impl PageSource for Direct {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        let range = PageRange::between(first.0, first.0 + pages.len() as u32);
        self.fill_all(&range.into(), pages)
    }

    fn fill_all(&self, ranges: &PageRanges, pages: &mut [Page]) -> Result<(), ReadError> {
        let filled = self.pread.fill_direct(ranges, pages);
        filled.unwrap_or_else(|| self.pread.fill_and_forget(ranges, pages))
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

    fn direct(&self) -> Option<&Arc<DirectFile>> {
        self.pread.direct()
    }

    fn way(&self) -> Way {
        if self.direct().is_some() { Way::Direct } else { Way::Pread }
    }

    /// In one read, not in pieces: without the cache there is no reading ahead, so each read waits
    /// for the device.
    fn visit_pieces(
        &self,
        range: PageRange,
        buffer: &mut Vec<Page>,
        visit: &mut dyn FnMut(PageId, &[Page]),
    ) -> Result<(), ReadError> {
        let pages = aligned(buffer, range.pages as usize);
        self.fill(range.first, pages)?;
        visit(range.first, pages);
        Ok(())
    }

    fn has(&self, page: PageId) -> bool {
        self.layout().page_offset_bytes(page).is_some()
    }

    fn laid_out(self: Box<Self>, layout: Layout) -> Box<dyn PageSource> {
        Box::new(self.with_layout(layout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn pages_come_past_the_cache_into_any_memory_and_a_ragged_end_is_the_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; 5 * 8192 + 100]).unwrap();
        let source = Direct::over(Pread::open(file.path()).unwrap());
        let mut room = vec![Page::ZERO; 8];
        for start in 0..3 {
            room.fill(Page::ZERO);
            source.fill(PageId(start), &mut room[start as usize..][..5 - start as usize]).unwrap();
            assert_eq!(room.iter().filter(|page| !page.is_zero()).count(), 5 - start as usize);
        }
        assert_eq!(source.fill(PageId(3), &mut room[..3]), Err(ReadError::Ended));
        let mut seen = Vec::new();
        let mut visit = |first: PageId, pages: &[Page]| seen.push((first.0, pages.len()));
        source.visit_pieces(PageRange::between(1, 5), &mut Vec::new(), &mut visit).unwrap();
        assert_eq!(seen, [(1, 4)]);
    }

    #[test]
    fn a_file_system_that_refuses_is_read_through_the_cache() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; 2 * 8192]).unwrap();
        let source = Direct::over(Pread::open(file.path()).unwrap());
        if let Some(direct) = source.direct() {
            direct.refuse();
        }
        assert!(source.direct().is_none());
        assert_eq!(source.way(), Way::Pread);
        let mut pages = [Page::ZERO; 2];
        source.fill(PageId(0), &mut pages).unwrap();
        assert_eq!(pages[1].bytes(), &[7; 8192]);
    }
}
