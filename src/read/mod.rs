//! Page ranges in, bytes out.
//!
//! Storage is reached through one small trait, [`PageSource`], so that a broken disk is just
//! another implementation. A source either delivers whole pages or says why not; bisecting a
//! failed read down to single pages is [`salvage`]'s business.

pub mod mmap;
pub mod open;
pub mod pread;
pub mod salvage;

use crate::page::Page;
use crate::page::address::{PageId, PageRange};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

/// Pages of one file.
pub trait PageSource: Send + Sync {
    /// Fills `pages` with the pages from `first` on: all of them or an error.
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError>;

    /// Page `page` from the device itself, past the operating system's cache where it can be
    /// bypassed.
    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError>;

    /// Lends the pages of `range` to `visit`, in order, in pieces small enough to stay in a core's
    /// cache. A piece that begins with the range's first page begins the look anew: what was seen
    /// before it must be forgotten, and after an error everything. `buffer` is memory to read into.
    fn lend(
        &self,
        range: PageRange,
        buffer: &mut Vec<Page>,
        visit: &mut dyn FnMut(PageId, &[Page]),
    ) -> Result<(), ReadError> {
        for piece in pieces(range) {
            let pages = sized(buffer, piece);
            self.fill(piece.first, pages)?;
            visit(piece.first, pages);
        }
        Ok(())
    }
}

/// Pages of a piece: 256 KiB, a part of the L2 cache of every current core.
const PIECE_PAGES: u32 = 32;

fn pieces(range: PageRange) -> impl Iterator<Item = PageRange> {
    (range.first.0..range.end()).step_by(PIECE_PAGES as usize).map(move |first| {
        PageRange::between(first, range.end().min(first.saturating_add(PIECE_PAGES)))
    })
}

/// `buffer` grown to hold the pages of `range`, and cut to them.
pub(crate) fn sized(buffer: &mut Vec<Page>, range: PageRange) -> &mut [Page] {
    let pages = range.pages as usize;
    if buffer.len() < pages {
        buffer.resize(pages, Page::ZERO);
    }
    &mut buffer[..pages]
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
            Self::Ended => f.write_str("the file ends before this page"),
            Self::Os { text, .. } => f.write_str(text),
        }
    }
}
