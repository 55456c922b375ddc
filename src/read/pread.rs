//! Positioned reads: works for every file on every system.

#[cfg(target_os = "linux")]
use super::cached::cached_bytes;
#[cfg(not(target_os = "linux"))]
use super::direct::cached_bytes;
use super::direct::{DirectFile, forget_cached};
use super::{PageSource, ReadError};
use crate::backup::layout::Layout;
use crate::backup::source::read_exact_at;
use crate::discover::sample::read_nothing_ahead;
use crate::page::Page;
use crate::page::address::{PageId, PageRange};
use crate::page::ranges::PageRanges;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file read at offsets, without moving a cursor, so that threads can share it.
pub struct Pread {
    file: File,
    /// The same file opened past the page cache, where the file system allows it.
    direct: Option<Arc<DirectFile>>,
    layout: Layout,
    /// A read that should have gone past the cache perhaps did not.
    may_have_used_cache: AtomicBool,
}

impl Pread {
    /// Opens `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let direct = DirectFile::open(path)?.map(Arc::new);
        let may_have_used_cache = AtomicBool::new(false);
        Ok(Self { file, direct, layout: Layout::Whole, may_have_used_cache })
    }

    /// The same file with its pages where `layout` has them.
    pub(super) fn with_layout(mut self, layout: Layout) -> Self {
        let direct = self.direct.take().and_then(Arc::into_inner);
        let direct = direct.map(|direct| Arc::new(direct.with_layout(layout.clone())));
        Self { direct, layout, ..self }
    }

    /// Where its pages are.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Lets go of what the cache has of `range`.
    fn forget(&self, range: PageRange) {
        for (piece, offset) in self.layout.pieces(range) {
            if let Some(offset) = offset {
                forget_cached(&self.file, offset..offset + piece.bytes());
            }
        }
    }

    /// True if the cache is known to hold nothing of `range`.
    fn is_uncached(&self, range: PageRange) -> bool {
        self.layout.pieces(range).into_iter().all(|(piece, offset)| {
            let bytes = offset.map(|offset| offset..offset + piece.bytes());
            bytes.is_none_or(|bytes| cached_bytes(&self.file, bytes) == Some(0))
        })
    }

    /// The parts of `range` whose pages follow each other in the file.
    fn spans(&self, range: PageRange) -> impl Iterator<Item = PageRange> {
        let pieces = self.layout.pieces(range).into_iter();
        pieces.filter_map(|(piece, offset)| offset.map(|_| piece))
    }

    /// Fills `pages`, which are those of `ranges`, with `read`, which is given offsets, part by
    /// part as they follow each other.
    fn fill_parts(
        &self,
        ranges: &PageRanges,
        mut pages: &mut [Page],
        mut read: impl FnMut(&PageRanges, u64, &mut [Page]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        if let Some(offset) = self.layout.offset_of_all(ranges) {
            return read(ranges, offset, pages);
        }
        for (piece, offset) in ranges.iter().flat_map(|range| self.layout.pieces(range)) {
            let (part, rest) = pages.split_at_mut(piece.pages as usize);
            read(&piece.into(), offset.ok_or_else(ReadError::absent)?, part)?;
            pages = rest;
        }
        Ok(())
    }

    /// The file itself.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Fills `pages` through the cache, from the device as far as the system lets go of what it
    /// had, and leaves nothing in it.
    pub(super) fn fill_and_forget(
        &self,
        ranges: &PageRanges,
        pages: &mut [Page],
    ) -> Result<(), ReadError> {
        read_nothing_ahead(&self.file);
        ranges.iter().for_each(|range| self.forget(range));
        let filled = self.fill_all(ranges, pages);
        ranges.iter().for_each(|range| self.forget(range));
        filled
    }

    /// The same file past the page cache, unless that is refused.
    pub(super) fn direct(&self) -> Option<&Arc<DirectFile>> {
        self.direct.as_ref().filter(|direct| !direct.is_refused())
    }

    /// Fills `pages` past the page cache; `None` where that is refused.
    pub(super) fn fill_direct(
        &self,
        ranges: &PageRanges,
        pages: &mut [Page],
    ) -> Option<Result<(), ReadError>> {
        let direct = self.direct()?;
        let filled = self.fill_parts(ranges, pages, |piece, _, part| Ok(direct.fill(piece, part)?));
        (filled.is_ok() || !direct.is_refused()).then_some(filled)
    }
}

impl PageSource for Pread {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        let range = PageRange::between(first.0, first.0 + pages.len() as u32);
        self.fill_all(&range.into(), pages)
    }

    fn fill_all(&self, ranges: &PageRanges, pages: &mut [Page]) -> Result<(), ReadError> {
        self.fill_parts(ranges, pages, |_, offset, part| {
            Ok(read_exact_at(&self.file, offset, bytemuck::cast_slice_mut(part))?)
        })
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        let mut room = vec![Page::ZERO];
        self.fill_range_uncached(page, &mut room)?;
        Ok(room[0])
    }

    fn fill_range_uncached(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        let range = PageRange::between(first.0, first.0 + pages.len() as u32);
        if !range.ids().all(|page| self.has(page)) {
            return Err(ReadError::absent());
        }
        // Some file systems answer from the cache all the same.
        self.forget(range);
        let filled = self.fill_direct(&range.into(), pages);
        let is_proof = match self.direct().filter(|_| filled.is_some()) {
            Some(direct) => self.spans(range).all(|piece| direct.can_tell(&piece.into())),
            None => self.is_uncached(range),
        };
        if !is_proof {
            self.may_have_used_cache.store(true, Ordering::Relaxed);
        }
        filled.unwrap_or_else(|| self.fill(first, pages))
    }

    fn may_have_used_cache(&self) -> bool {
        self.may_have_used_cache.load(Ordering::Relaxed)
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
    fn whole_pages_are_delivered_and_a_cut_one_is_the_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; 3 * 8192 + 100]).unwrap();
        let source = Pread::open(file.path()).unwrap();
        let mut pages = vec![Page::ZERO; 3];
        source.fill(PageId(0), &mut pages).unwrap();
        assert!(pages.iter().all(|page| page.bytes() == &[7; 8192]));
        assert_eq!(source.fill(PageId(1), &mut pages), Err(ReadError::Ended));
        assert_eq!(source.fill_uncached(PageId(2)).unwrap().bytes(), &[7; 8192]);
        assert_eq!(source.fill_uncached(PageId(3)).err(), Some(ReadError::Ended));
    }
}
