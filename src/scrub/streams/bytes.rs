//! Reading parts of a backup one after another.

use super::in_order::{InOrder, Piece};
use super::requests::Requests;
use crate::backup::ReadAt;
use crate::backup::layout::{Layout, PageRun, PageRuns};
use crate::backup::source::SizedFile;
use crate::discover::DataFile;
use crate::discover::paths::explain;
use crate::page::address::PageId;
use crate::page::{PAGE_BYTES, Page};
use crate::read::aligned;
use crate::read::salvage::salvage;
use crate::read::unpacked::Unpacked;
use crate::scrub::Shared;
use crate::scrub::file::open_unchanged;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// A backup that is being read.
pub(super) struct Bytes<'a, 'r> {
    file: &'a DataFile,
    shared: &'a Shared<'a>,
    /// Nobody has them while nothing is read.
    requests: Option<Requests<'r>>,
    buffer: Vec<Page>,
}

/// Told of pages in order, from their number on; of those that cannot be read, why.
type Visit<'a> = &'a mut dyn FnMut(PageId, Result<&[Page], String>);

/// The same of bytes, with their offsets.
type VisitBytes<'a> = &'a mut dyn FnMut(u64, Result<&[u8], String>);

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

    /// Shows `pages` pages from `offset_bytes` on, numbered from 0. Says why if the file cannot be
    /// opened: that is no damage of its bytes.
    pub(super) fn pages(
        &mut self,
        offset_bytes: u64,
        pages: u32,
        visit: Visit<'_>,
    ) -> Result<(), String> {
        let run = PageRun { range: super::range(pages), offset_bytes };
        let layout = Layout::Runs(Arc::new(PageRuns::last_copies(&[run]).0));
        let opened = open_unchanged(self.file, self.shared.settings.open);
        let source = opened.map_err(|error| not_opened(&error))?.laid_out(layout);
        let Some(requests) = self.requests.take() else {
            return Err("could not be read any more".to_owned());
        };
        let in_order = InOrder::new(source, run.range, requests);
        let mut in_order = in_order.map_err(|error| not_opened(&error))?;
        while in_order.go_on() {
            let Some(piece) = in_order.here() else { break };
            self.show(&in_order, piece, visit);
            self.shared.progress.advance(piece.range.bytes());
        }
        self.requests = Some(in_order.end());
        Ok(())
    }

    /// Shows a piece as far as it can be read.
    fn show(&mut self, from: &InOrder<'_>, piece: &Piece, visit: Visit<'_>) {
        let range = piece.range;
        let error = match piece.pages() {
            Ok(pages) => return visit(range.first, Ok(pages)),
            Err(error) => error.clone(),
        };
        let pages = aligned(&mut self.buffer, range.pages as usize);
        let salvaged = salvage(from.source(), (range, error), 0, pages);
        from.lane().owe(salvaged.pages_read * PAGE_BYTES as u64);
        let mut lost = salvaged.lost.into_iter().peekable();
        for (page, id) in pages.iter().zip(range.ids()) {
            match lost.next_if(|(lost, _)| *lost == id) {
                Some((_, error)) => visit(id, Err(error.to_string())),
                None => visit(id, Ok(std::slice::from_ref(page))),
            }
        }
    }

    /// Shows `length` bytes from `offset_bytes` on, with their offsets.
    pub(super) fn all(
        &mut self,
        offset_bytes: u64,
        length: u64,
        visit: VisitBytes<'_>,
    ) -> Result<(), String> {
        // Parts of at most 2^31 pages, as there are not more in a run.
        const PART_PAGES: u64 = 1 << 31;
        let whole = length / PAGE_BYTES as u64;
        let mut done = 0;
        while done < whole && !self.shared.must_stop() {
            let pages = (whole - done).min(PART_PAGES);
            let start = offset_bytes + done * PAGE_BYTES as u64;
            self.pages(start, pages as u32, &mut |first, seen| {
                let seen = seen.map(bytemuck::cast_slice);
                visit(start + first.offset_bytes(), seen);
            })?;
            done += pages;
        }
        let tail = (length % PAGE_BYTES as u64) as usize;
        if tail > 0 {
            let at = offset_bytes + whole * PAGE_BYTES as u64;
            let mut bytes = vec![0; tail];
            let read = self.tail(at, &mut bytes)?;
            visit(at, read.map(|()| &*bytes).map_err(|error| explain(&error)));
        }
        Ok(())
    }

    /// What is no whole page. Whether the file can be opened, and then whether it can be read.
    fn tail(&self, offset_bytes: u64, tail: &mut [u8]) -> Result<io::Result<()>, String> {
        let DataFile { path, bytes, device, .. } = self.file;
        let turns = self.shared.settings.throttles.turns_of(*device);
        if let Some(index) = self.file.records() {
            let unpacked = Unpacked::open(path, index, Layout::Whole);
            let unpacked = unpacked.map_err(|error| not_opened(&error))?.in_turns(turns);
            return Ok(unpacked.read_exact_at(offset_bytes, tail));
        }
        let file = File::open(path).map_err(|error| not_opened(&error))?;
        Ok(SizedFile::new(file, *bytes).in_turns(turns).read_exact_at(offset_bytes, tail))
    }
}

fn not_opened(error: &io::Error) -> String {
    format!("could not be opened: {}", explain(error))
}
