//! Page ranges in, bytes out.
//!
//! Storage is reached through one small trait, [`PageSource`], so that a broken disk is just
//! another implementation. A source either delivers whole pages or says why not; bisecting a
//! failed read down to single pages is [`salvage`]'s business.

#[cfg(target_os = "linux")]
mod cached;
pub mod arena;
pub mod pread;
pub mod direct;
pub mod mmap;
pub mod open;
pub mod salvage;
pub mod striped;
pub mod uncached;
pub mod unpacked;

use crate::backup::layout::Layout;
use crate::backup::source::Turns;
use crate::page::address::{PageId, PageRange};
use crate::page::ranges::PageRanges;
use crate::page::{PAGE_BYTES, Page};
use direct::DirectFile;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::sync::Arc;

/// Pages of one file.
pub trait PageSource: Send + Sync {
    /// Fills `pages` with the pages from `first` on: all of them or an error.
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError>;

    /// Fills `pages` with all pages of `ranges`, in one read where they follow each other.
    fn fill_all(&self, ranges: &PageRanges, mut pages: &mut [Page]) -> Result<(), ReadError> {
        for range in ranges.iter() {
            let (these, behind) = pages.split_at_mut(range.pages as usize);
            self.fill(range.first, these)?;
            pages = behind;
        }
        Ok(())
    }

    /// Page `page` from the device itself, past the operating system's cache where it can be
    /// bypassed.
    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError>;

    /// Fills `pages` with the pages from `first` on, like [`Self::fill_uncached`]: all of them or
    /// an error.
    fn fill_range_uncached(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        fill_one_by_one(first, pages, |page| self.fill_uncached(page))
    }

    /// True once [`Self::fill_uncached`] may have been answered from a cache all the same.
    fn may_have_used_cache(&self) -> bool {
        false
    }

    /// True if the file should have `page`; a backup has some pages only.
    fn has(&self, _page: PageId) -> bool {
        true
    }

    /// Shows the pages of `range` to `visit`, in order, in pieces small enough to stay in a core's
    /// cache. A piece that begins with the range's first page begins the look anew: what was seen
    /// before it must be forgotten, and after an error everything. `buffer` is memory to read into.
    fn visit_pieces(
        &self,
        range: PageRange,
        buffer: &mut Vec<Page>,
        visit: &mut dyn FnMut(PageId, &[Page]),
    ) -> Result<(), ReadError> {
        for piece in range.pieces(PIECE_PAGES) {
            let pages = aligned(buffer, piece.pages as usize);
            self.fill(piece.first, pages)?;
            visit(piece.first, pages);
        }
        Ok(())
    }

    /// Shows the pages of `ranges` like [`Self::visit_pieces`], but from memory that holds them
    /// already. False if it does not; then what was seen must be forgotten.
    fn visit_mapped(&self, _ranges: &PageRanges, _visit: &mut dyn FnMut(PageId, &[Page])) -> bool {
        false
    }

    /// The file to queue reads on, if what memory does not hold is best read past the cache.
    fn direct(&self) -> Option<&Arc<DirectFile>> {
        None
    }

    /// How [`Self::visit_pieces`] reads.
    fn way(&self) -> Way {
        Way::Pread
    }

    /// What each read of this waits for, for who reads the same file in another way.
    fn turns(&self) -> Option<Arc<dyn Turns>> {
        None
    }

    /// The same file with its pages where `layout` has them. Sources that know of no layouts have
    /// no pages then.
    fn laid_out(self: Box<Self>, _layout: Layout) -> Box<dyn PageSource> {
        Box::new(Nothing)
    }
}

/// A source without pages.
struct Nothing;

impl PageSource for Nothing {
    fn fill(&self, _: PageId, _: &mut [Page]) -> Result<(), ReadError> {
        Err(ReadError::absent())
    }

    fn fill_uncached(&self, _: PageId) -> Result<Page, ReadError> {
        Err(ReadError::absent())
    }
}

/// How bytes came from a file, in the words of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Mapped memory.
    Mmap,
    /// Queued past the page cache, many at a time.
    Uring,
    /// Past the page cache, one at a time.
    Direct,
    /// Through the page cache.
    Pread,
    /// Unpacked from the records of a compressed backup.
    Unpacked,
}

impl Way {
    /// All ways.
    pub const ALL: [Self; 5] = [Self::Mmap, Self::Uring, Self::Direct, Self::Pread, Self::Unpacked];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mmap => "mmap",
            Self::Uring => "io_uring",
            Self::Direct => "direct",
            Self::Pread => "pread",
            Self::Unpacked => "unpacked",
        }
    }
}

/// Pages of a piece: 256 KiB, a part of the L2 cache of every current core.
pub const PIECE_PAGES: u32 = 32;

/// Shows `pages`, which are those of `ranges`, to `visit` piece by piece.
pub(crate) fn visit_in_pieces(
    ranges: &PageRanges,
    pages: &[Page],
    visit: &mut dyn FnMut(PageId, &[Page]),
) {
    for (first, pages) in ranges.each_of(pages) {
        let firsts = (first.0..).step_by(PIECE_PAGES as usize);
        for (first, piece) in firsts.zip(pages.chunks(PIECE_PAGES as usize)) {
            visit(PageId(first), piece);
        }
    }
}

/// Copies the pages of `ranges` into `pages`, if memory holds them.
pub(crate) fn copy_mapped(
    source: &dyn PageSource,
    ranges: &PageRanges,
    pages: &mut [Page],
) -> bool {
    let mut at = 0;
    source.visit_mapped(ranges, &mut |first, piece| {
        at = if first == ranges.first() { 0 } else { at };
        pages[at..at + piece.len()].copy_from_slice(piece);
        at += piece.len();
    })
}

/// Fills `pages`, from `first` on, with what `read` gives for each.
fn fill_one_by_one(
    first: PageId,
    pages: &mut [Page],
    read: impl Fn(PageId) -> Result<Page, ReadError>,
) -> Result<(), ReadError> {
    for (page, id) in pages.iter_mut().zip(first.0..) {
        *page = read(PageId(id))?;
    }
    Ok(())
}

/// Room for `count` pages in `buffer`, which grows as needed, aligned as reads past the cache
/// want it.
pub(crate) fn aligned(buffer: &mut Vec<Page>, count: usize) -> &mut [Page] {
    if buffer.len() <= count {
        buffer.resize(count + 1, Page::ZERO);
    }
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(buffer);
    let start = bytes.as_ptr().align_offset(direct::ALIGNMENT_BYTES);
    bytemuck::cast_slice_mut(&mut bytes[start..start + count * PAGE_BYTES])
}

/// Why pages could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadError {
    /// The file ends before the last byte asked for: it has shrunk since it was planned.
    Ended,
    /// The operating system's error.
    Os {
        /// Its number, where it has one.
        code: Option<i32>,
        /// Its words.
        text: String,
    },
}

impl ReadError {
    /// The file does not have the page: a backup holds some of them only.
    pub(crate) fn absent() -> Self {
        Self::Os { code: None, text: "not in this backup".to_owned() }
    }

    /// True if the file system cannot serve such a read at all, as opposed to failing at it.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Os { code: Some(code), .. } if
            io::Error::from_raw_os_error(*code).kind() == io::ErrorKind::InvalidInput)
    }
}

/// Added to the words of the error of pages that were not read one by one.
const IN_A_RUN: &str = " in a run of failed reads";

impl ReadError {
    /// The same, of a page that failed as a part of a range in the midst of others that failed.
    pub(crate) fn in_a_run(self) -> Self {
        match self {
            Self::Os { code, text } => Self::Os { code, text: text + IN_A_RUN },
            Self::Ended => Self::Ended,
        }
    }

    /// True for such an error.
    pub(crate) fn is_in_a_run(&self) -> bool {
        matches!(self, Self::Os { text, .. } if text.ends_with(IN_A_RUN))
    }

    /// True if the system was short of something, and the medium is not to blame.
    pub(crate) fn is_shortage(&self) -> bool {
        const EINTR: i32 = 4;
        const EAGAIN: i32 = 11;
        const ENOMEM: i32 = 12;
        const ECANCELED: i32 = 125;
        matches!(self, Self::Os { code: Some(EINTR | EAGAIN | ENOMEM | ECANCELED), .. }
            if cfg!(target_os = "linux"))
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Ended;
        }
        let code = error.raw_os_error();
        let text = error.to_string();
        // The standard library repeats the number at the end of the words.
        let suffix = code.map(|code| format!(" (os error {code})")).unwrap_or_default();
        Self::Os { code, text: text.strip_suffix(&suffix).unwrap_or(&text).to_owned() }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("beyond the end of the file"),
            Self::Os { text, .. } => f.write_str(text),
        }
    }
}
