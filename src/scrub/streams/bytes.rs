//! Reading parts of a backup one after another.

use super::in_order::{InOrder, Piece};
use super::requests::Requests;
use crate::backup::ReadAt;
use crate::backup::layout::{Layout, PageRun, PageRuns};
use crate::backup::source::SizedFile;
use crate::discover::DataFile;
use crate::discover::paths::explain;
use crate::page::address::{PageId, PageRange};
use crate::page::{PAGE_BYTES, Page};
use crate::plan::throttles::Throttles;
use crate::read::aligned;
use crate::read::salvage::salvage;
use crate::read::unpacked::Unpacked;
use crate::scrub::Shared;
use crate::scrub::file::open_unchanged;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A backup that is being read.
pub(super) struct Bytes<'a, 'r> {
    file: &'a DataFile,
    shared: &'a Shared<'a>,
    /// Nobody has them while nothing is read.
    requests: Option<Requests<'r>>,
    buffer: Vec<Page>,
}

/// Bytes of a backup that follow each other: from where to where.
pub(super) type Part = Range<u64>;

/// Told of bytes in order: of which part they are, by its index, where they begin in the file, and
/// what they are; of a page or less that cannot be read, why.
type Visit<'a> = &'a mut dyn FnMut(usize, u64, Result<&[u8], String>);

/// Pages in one run of reads at most.
const RUN_PAGES: u32 = 1 << 31;

/// Some pages of a part: numbers that they are given for one run of reads.
struct Numbered {
    part: usize,
    run: PageRun,
    /// Where the part ends: perhaps within the last page.
    end: u64,
}

impl Numbered {
    /// Bytes of pages `from` to before `end` which are of the part: where they begin, and how many.
    fn bytes(&self, from: u32, end: u32) -> (u64, usize) {
        let at = |page: u32| {
            let inside = PageId(page - self.run.range.first.0).offset_bytes();
            (self.run.offset_bytes + inside).min(self.end)
        };
        (at(from), (at(end) - at(from)) as usize)
    }
}

impl<'a, 'r> Bytes<'a, 'r> {
    /// Opens `file`, or says why it cannot be.
    pub(super) fn open(
        file: &'a DataFile,
        shared: &'a Shared<'a>,
        requests: Requests<'r>,
    ) -> Result<Self, String> {
        open_unchanged(file, shared.settings.open).map_err(|error| not_opened(&error))?;
        Ok(Self { file, shared, requests: Some(requests), buffer: Vec::new() })
    }

    /// Shows all bytes of `parts`, one after another: while one is looked at, those behind it are
    /// read, whichever part they are of. Says why if the file cannot be opened: that is no damage
    /// of its bytes.
    pub(super) fn all(&mut self, parts: &[Part], visit: Visit<'_>) -> Result<(), String> {
        for numbered in numbered(parts) {
            if self.shared.must_stop() {
                break;
            }
            self.run(&numbered, visit)?;
        }
        Ok(())
    }

    fn run(&mut self, parts: &[Numbered], visit: Visit<'_>) -> Result<(), String> {
        let runs: Vec<PageRun> = parts.iter().map(|numbered| numbered.run).collect();
        let layout = Layout::Runs(Arc::new(PageRuns::last_copies(&runs).0));
        let opened = open_unchanged(self.file, self.shared.settings.open);
        let source = opened.map_err(|error| not_opened(&error))?.laid_out(layout);
        let plain = Plain::open(self.file, &self.shared.settings.throttles)
            .map_err(|error| not_opened(&error))?;
        let Some(requests) = self.requests.take() else {
            return Err("could not be read any more".to_owned());
        };
        let in_order = InOrder::new(source, runs.iter().map(|run| run.range), requests);
        let mut in_order = in_order.map_err(|error| not_opened(&error))?;
        let mut at = 0;
        while in_order.go_on() {
            let Some(piece) = in_order.here() else { break };
            while parts[at].run.range.end() <= piece.range.first.0 {
                at += 1;
            }
            self.show((&in_order, &plain), piece, &parts[at], visit);
        }
        self.requests = Some(in_order.end());
        Ok(())
    }

    /// Shows a piece as far as it can be read.
    fn show(
        &mut self,
        (from, plain): (&InOrder<'_>, &Plain),
        piece: &Piece,
        of: &Numbered,
        visit: Visit<'_>,
    ) {
        let range = piece.range;
        let (offset, length) = of.bytes(range.first.0, range.end());
        self.shared.progress.advance(length as u64);
        let error = match piece.pages() {
            Ok(pages) => {
                let bytes: &[u8] = bytemuck::cast_slice(pages);
                return visit(of.part, offset, Ok(&bytes[..length]));
            }
            Err(error) => error.clone(),
        };
        let pages = aligned(&mut self.buffer, range.pages as usize);
        let salvaged = salvage(from.source(), (range, error), 0, pages);
        from.lane().owe(salvaged.pages_read * PAGE_BYTES as u64);
        let mut lost = salvaged.lost.into_iter().peekable();
        for (page, id) in pages.iter().zip(range.ids()) {
            let (offset, length) = of.bytes(id.0, id.0 + 1);
            match lost.next_if(|(lost, _)| *lost == id) {
                None => visit(of.part, offset, Ok(&page.bytes()[..length])),
                Some((_, error)) if length == PAGE_BYTES => {
                    visit(of.part, offset, Err(error.to_string()));
                }
                // It may be that only what lies behind the part cannot be read.
                Some(_) => {
                    let mut tail = vec![0; length];
                    let read = plain.read(offset, &mut tail);
                    visit(of.part, offset, read.map(|()| &*tail).map_err(|e| explain(&e)));
                }
            }
        }
    }
}

/// A file, or what it unpacks to, for single reads of any length.
enum Plain {
    File(SizedFile),
    Unpacked(Unpacked),
}

impl Plain {
    fn open(file: &DataFile, throttles: &Throttles) -> io::Result<Self> {
        let turns = throttles.turns_of(file.device);
        Ok(if let Some(index) = file.records() {
            Self::Unpacked(Unpacked::open(&file.path, index, Layout::Whole)?.in_turns(turns))
        } else {
            let whole = SizedFile::new(File::open(&file.path)?, file.bytes);
            Self::File(whole.in_turns(turns))
        })
    }

    fn read(&self, offset_bytes: u64, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Unpacked(unpacked) => unpacked.read_exact_at(offset_bytes, bytes),
            Self::File(file) => file.read_exact_at(offset_bytes, bytes),
        }
    }
}

/// `parts` in pages, numbered one after another, in runs of at most [`RUN_PAGES`].
fn numbered(parts: &[Part]) -> Vec<Vec<Numbered>> {
    let mut runs: Vec<Vec<Numbered>> = vec![Vec::new()];
    let mut next = 0;
    for (part, bytes) in parts.iter().enumerate() {
        let mut offset_bytes = bytes.start;
        while offset_bytes < bytes.end {
            if next == RUN_PAGES {
                runs.push(Vec::new());
                next = 0;
            }
            let left = (bytes.end - offset_bytes).div_ceil(PAGE_BYTES as u64);
            let pages = u32::try_from(left).unwrap_or(u32::MAX).min(RUN_PAGES - next);
            let run = PageRun { range: PageRange::between(next, next + pages), offset_bytes };
            if let Some(last) = runs.last_mut() {
                last.push(Numbered { part, run, end: bytes.end });
            }
            offset_bytes += run.bytes();
            next += pages;
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn not_opened(error: &io::Error) -> String {
    format!("could not be opened: {}", explain(error))
}
