//! Pages of a compressed backup: what its records unpack to.

use super::{PageSource, ReadError, Way};
use crate::backup::ReadAt;
use crate::backup::compressed::{Decompressed, RecordIndex};
use crate::backup::layout::Layout;
use crate::backup::source::{SizedFile, Turns};
use crate::page::Page;
use crate::page::address::{PageId, PageRange};
use crate::page::ranges::PageRanges;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A compressed backup, read as what it unpacks to.
pub struct Unpacked {
    file: SizedFile,
    index: Arc<RecordIndex>,
    layout: Layout,
}

impl Unpacked {
    /// Opens `path`, whose records `index` knows, for reading pages that are where `layout` has
    /// them in what it unpacks to.
    pub fn open(path: &Path, index: Arc<RecordIndex>, layout: Layout) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file: SizedFile::new(file, bytes), index, layout })
    }

    /// The same, each read of whose records waits for its turn.
    #[must_use]
    pub fn in_turns(self, turns: Option<Arc<dyn Turns>>) -> Self {
        Self { file: self.file.in_turns(turns), ..self }
    }

    /// Fills `bytes` from `offset_bytes` of what it unpacks to.
    pub fn read_exact_at(&self, offset_bytes: u64, bytes: &mut [u8]) -> io::Result<()> {
        Decompressed::new(&self.file, &self.index).read_exact_at(offset_bytes, bytes)
    }
}

impl PageSource for Unpacked {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        let range = PageRange::between(first.0, first.0 + pages.len() as u32);
        self.fill_all(&range.into(), pages)
    }

    fn fill_all(&self, ranges: &PageRanges, mut pages: &mut [Page]) -> Result<(), ReadError> {
        if let Some(offset) = self.layout.offset_of_all(ranges) {
            return self.read_exact_at(offset, bytemuck::cast_slice_mut(pages)).map_err(bad_record);
        }
        for (piece, offset) in ranges.iter().flat_map(|range| self.layout.pieces(range)) {
            let (part, rest) = pages.split_at_mut(piece.pages as usize);
            let offset = offset.ok_or_else(ReadError::absent)?;
            self.read_exact_at(offset, bytemuck::cast_slice_mut(part)).map_err(bad_record)?;
            pages = rest;
        }
        Ok(())
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        let mut one = [Page::ZERO];
        self.fill(page, &mut one).map(|()| one[0])
    }

    fn fill_range_uncached(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.fill(first, pages)
    }

    /// Records are read like any file.
    fn may_have_used_cache(&self) -> bool {
        true
    }

    fn way(&self) -> Way {
        Way::Unpacked
    }

    fn has(&self, page: PageId) -> bool {
        self.layout.page_offset_bytes(page).is_some()
    }

    fn laid_out(self: Box<Self>, layout: Layout) -> Box<dyn PageSource> {
        Box::new(Self { layout, ..*self })
    }
}

/// What cannot be unpacked is damage, not a file that has become shorter.
fn bad_record(error: io::Error) -> ReadError {
    match ReadError::from(error) {
        ReadError::Ended => {
            ReadError::Os { code: None, text: "its record is missing or damaged".to_owned() }
        }
        other @ ReadError::Os { .. } => other,
    }
}
