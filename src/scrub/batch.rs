//! One batch: read, verified, judged, and what looked bad looked at again.

use super::Shared;
use super::commit::{Settled, Took};
use super::file::FileScan;
use crate::consolidate::rank::Finding;
use crate::consolidate::tally::Coverage;
use crate::diagnose::allocation::{AllocationMap, Interval};
use crate::diagnose::confirm::{Confirmed, confirm};
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, FreeContent, SuspectReason, Verdict};
use crate::page::address::{PageAddress, PageId, PageRange};
use crate::page::allocation::is_never_protected;
use crate::page::checksum::Checksum;
use crate::page::{EXTENT_PAGES, PAGE_BYTES, Page};
use crate::plan::ExtentBatch;
use crate::read::salvage::{Salvaged, salvage};
use crate::read::{PageSource, ReadError, sized};
use crate::verify::engine::Engine;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The memory of one thread.
#[derive(Default)]
pub(super) struct Worker {
    buffer: Vec<Page>,
    sums: Vec<Checksum>,
}

/// What one look at a batch found.
#[derive(Default)]
struct Looked {
    coverage: Coverage,
    /// Pages that looked bad, with the bytes that were seen; `None` for zeros.
    doubtful: Vec<(PageId, Option<Box<Page>>)>,
    /// Pages in use that carry what looks like a checksum and no flag.
    flagless: Vec<Finding>,
    verify: Duration,
    /// How long reading took; `None` for a hole.
    read: Option<Duration>,
}

/// A file while one worker looks at its pages.
struct View<'a> {
    file: &'a FileScan<'a>,
    source: &'a dyn PageSource,
    engine: &'a Engine,
    /// The allocation of the pages last looked at.
    interval: Option<Arc<Interval>>,
}

impl Worker {
    pub(super) fn scrub(&mut self, batch: &ExtentBatch, file: &FileScan<'_>, shared: &Shared<'_>) {
        if let Some(source) = file.source(shared.settings.open) {
            let engine = shared.settings.engine;
            let mut view = View { file, source: &*source, engine, interval: None };
            if batch.stored {
                self.scrub_stored(batch.range, &mut view, shared);
            } else {
                let looked = view.look_at_hole(batch.range);
                view.settle(batch.range, looked, Vec::new(), shared);
            }
        }
    }

    fn scrub_stored(&mut self, range: PageRange, view: &mut View<'_>, shared: &Shared<'_>) {
        let started = Instant::now();
        let Self { buffer, sums } = self;
        let mut looked = Looked::default();
        let source = view.source;
        let lent = source.lend(range, buffer, &mut |first, pages| {
            if first == range.first {
                looked = Looked::default();
            }
            view.look(first, pages, sums, &mut looked);
        });
        let mut lost = Vec::new();
        if lent.is_err() {
            looked = Looked::default();
            lost = self.salvage(range, view, &mut looked);
        }
        looked.was_read(started.elapsed());
        view.settle(range, looked, lost, shared);
    }

    /// Reads page by page what could not be read in one go.
    fn salvage(
        &mut self,
        range: PageRange,
        view: &mut View<'_>,
        looked: &mut Looked,
    ) -> Vec<(PageId, ReadError)> {
        let pages = sized(&mut self.buffer, range);
        let Salvaged { lost, healed } = salvage(view.source, range, pages);
        let index = |page: u32| (page - range.first.0) as usize;
        let mut apart: Vec<u32> = lost.iter().map(|(page, _)| page.0).collect();
        apart.extend(healed.iter().map(|page| page.0));
        apart.sort_unstable();
        let mut start = range.first.0;
        for end in apart.into_iter().chain([range.end()]) {
            let readable = &pages[index(start)..index(end)];
            view.look(PageId(start), readable, &mut self.sums, looked);
            start = end + 1;
        }
        // A page that was only had at the second try is looked at like one that looked bad.
        let second_try = |page: PageId| (page, Some(Box::new(pages[index(page.0)])));
        looked.doubtful.extend(healed.into_iter().map(second_try));
        lost
    }
}

impl Looked {
    /// Reading and verifying together took `elapsed`.
    fn was_read(&mut self, elapsed: Duration) {
        self.read = Some(elapsed.saturating_sub(self.verify));
        let pages = self.coverage.accounted() + self.doubtful.len() as u64;
        self.coverage.bytes_read = pages * PAGE_BYTES as u64;
    }
}

impl View<'_> {
    /// Judges `pages`, the first of which is page `first`.
    fn look(&mut self, first: PageId, pages: &[Page], sums: &mut Vec<Checksum>, to: &mut Looked) {
        let started = Instant::now();
        sums.resize(pages.len(), Checksum(0));
        self.engine.checksums(pages, sums);
        for ((page, &sum), id) in pages.iter().zip(&*sums).zip(first.0..) {
            let place = PageAddress::new(self.file.planned.file_id, PageId(id));
            let allocation = self.allocation_of(place.page);
            to.coverage.allocation_unknown += u64::from(allocation == Allocation::Unknown);
            match judge(page, sum, place, allocation) {
                Verdict::Suspect(_) => to.doubtful.push((place.page, Some(Box::new(*page)))),
                Verdict::Unprotected => self.look_at_unprotected(page, sum, place, allocation, to),
                verdict => to.coverage.count(&verdict),
            }
        }
        to.verify += started.elapsed();
    }

    /// Counts a page in use without protection, and remembers it if it should have some.
    fn look_at_unprotected(
        &self,
        page: &Page,
        computed: Checksum,
        place: PageAddress,
        allocation: Allocation,
        to: &mut Looked,
    ) {
        to.coverage.count(&Verdict::Unprotected);
        let stored = Checksum::stored_in(page);
        if allocation == Allocation::Unknown && page.is_zero() {
            to.coverage.zero_allocation_unknown += 1;
        } else if self.file.is_protected && stored != Checksum(0) && !is_never_protected(place) {
            let reason = SuspectReason::BadChecksum { stored, computed };
            let finding = Finding::new(self.file.index, place, reason, allocation, Some(page));
            to.flagless.push(finding);
        }
    }

    /// A hole reads as zeros: free pages are right to be zero, others are looked at.
    fn look_at_hole(&mut self, range: PageRange) -> Looked {
        let mut looked = Looked::default();
        let mut free_pages = 0;
        for page in range.ids() {
            match self.allocation_of(page) {
                Allocation::Free => free_pages += 1,
                Allocation::Allocated => looked.doubtful.push((page, None)),
                Allocation::Unknown => {
                    looked.coverage.allocation_unknown += 1;
                    looked.coverage.zero_allocation_unknown += 1;
                    looked.coverage.count(&Verdict::Unprotected);
                }
            }
        }
        looked.coverage.count_free(FreeContent::Zero, free_pages);
        looked
    }

    fn allocation_of(&mut self, page: PageId) -> Allocation {
        let known = self.interval.take().filter(|interval| interval.holds(page));
        let map: &AllocationMap = &self.file.allocation;
        let interval = known.unwrap_or_else(|| map.interval_of(page, self.source));
        let allocation = interval.of(page);
        self.interval = Some(interval);
        allocation
    }

    /// Gives every doubtful and every lost page its verdict and adds the batch to the counts.
    fn settle(
        &mut self,
        range: PageRange,
        looked: Looked,
        lost: Vec<(PageId, ReadError)>,
        shared: &Shared<'_>,
    ) {
        let Looked { coverage, doubtful, flagless, verify, read } = looked;
        let took = read.map(|read| Took { read, verify });
        let mut settled = Settled { coverage, flagless, took, ..Settled::default() };
        for (page, first_look) in doubtful {
            let first_look = first_look.as_deref().unwrap_or(&Page::ZERO);
            settled.host_findings.extend(self.cross_check(first_look, page, shared));
            self.second_look(page, first_look, &mut settled);
        }
        for (page, error) in lost {
            self.lost_page(page, error, &mut settled);
        }
        shared.commit(self.file, range, settled);
    }

    fn second_look(&mut self, page: PageId, first_look: &Page, to: &mut Settled) {
        let place = PageAddress::new(self.file.planned.file_id, page);
        let allocation = self.allocation_of(page);
        match confirm(self.source, place, allocation, first_look) {
            Confirmed::Judged { verdict: Verdict::Suspect(reason), page, unsettled } => {
                to.coverage.suspect += 1;
                let found = Finding::new(self.file.index, place, reason, allocation, Some(&page));
                to.findings.push(Finding { unsettled, ..found });
            }
            Confirmed::Judged { verdict, .. } => to.coverage.count(&verdict),
            Confirmed::Gone => to.has_shrunk = true,
        }
    }

    /// Even a free page that cannot be read is a finding: a backup reads whole extents, and the
    /// medium is failing.
    fn lost_page(&mut self, page: PageId, error: ReadError, to: &mut Settled) {
        if error == ReadError::Ended {
            to.has_shrunk = true;
            return;
        }
        let place = PageAddress::new(self.file.planned.file_id, page);
        let allocation = self.allocation_of(page);
        to.coverage.allocation_unknown += u64::from(allocation == Allocation::Unknown);
        to.coverage.suspect += 1;
        let reason = SuspectReason::Unreadable(error);
        to.findings.push(Finding::new(self.file.index, place, reason, allocation, None));
    }

    /// The same private bytes through the engine and through the reference: if they differ, it is
    /// this machine that is damaged.
    fn cross_check(&self, bytes: &Page, page: PageId, shared: &Shared<'_>) -> Option<String> {
        // A whole extent of copies, so that a kernel takes the way it takes in a scan.
        let copies = vec![*bytes; EXTENT_PAGES as usize];
        let mut sums = [Checksum(0); EXTENT_PAGES as usize];
        self.engine.checksums(&copies, &mut sums);
        let reference = Checksum::of(bytes);
        let wrong = sums.iter().find(|sum| **sum != reference)?;
        Some(format!(
            "engine {} gave {wrong} where the reference gives {reference} for the same bytes of \
             page {page} of {}: do not trust this machine",
            shared.settings.engine_name,
            self.file.planned.path.display(),
        ))
    }
}
