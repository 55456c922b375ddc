//! What becomes of a batch: doubtful and lost pages get their verdicts, then all of it counts.

use super::View;
use super::doubts::Doubted;
use super::looked::{Again, Doubtful, Looked, lead};
use crate::consolidate::findings::Finding;
use crate::consolidate::transient::Transient;
use crate::diagnose::confirm::{Confirmed, FirstLook, confirm};
use crate::diagnose::verdict::{SuspectReason, Verdict};
use crate::discover::paths;
use crate::page::address::{PageAddress, PageId};
use crate::page::checksum::Checksum;
use crate::page::ranges::PageRanges;
use crate::page::{EXTENT_PAGES, PAGE_BYTES, Page};
use crate::plan::BATCH_PAGES_MAX;
use crate::read::{ReadError, aligned};
use crate::scrub::commit::{Settled, Took};

/// Said where not every page that is called unreadable was read by itself.
const IN_A_RUN: &str = "where several pages in a row could not be read, those behind them were \
    read in larger ranges: what is unreadable \"in a run of failed reads\" was part of such a \
    range, and may in part be readable page by page (with ddrescue, for example)";

impl View<'_> {
    /// Gives every doubtful and every lost page its verdict and adds the pages to the counts;
    /// later, if second looks are left to another.
    pub(super) fn settle(
        &mut self,
        ranges: &PageRanges,
        looked: Looked,
        lost: Vec<(PageId, ReadError)>,
    ) {
        let mut doubted = Doubted { ranges: ranges.clone(), looked, lost };
        let reads = doubted.to_read_again(BATCH_PAGES_MAX);
        if !reads.is_empty() {
            if let Some(later) = &mut self.later {
                return later.push(doubted);
            }
            for ranges in reads {
                self.read_again(&ranges, &mut doubted);
            }
        }
        self.settle_doubted(doubted);
    }

    /// Reads doubtful pages again, and what lies between them.
    fn read_again(&mut self, ranges: &PageRanges, doubted: &mut Doubted) {
        for range in ranges.iter() {
            // Not the memory that the first look was into: it may be that which is bad.
            let mut room = Vec::new();
            let pages = aligned(&mut room, range.pages as usize);
            self.reread_bytes += range.bytes();
            if self.source.fill_range_uncached(range.first, pages).is_ok() {
                doubted.were_read_again(&range.into(), pages);
            }
        }
    }

    /// Gives every doubtful and every lost page its verdict and adds the pages to the counts.
    pub(in crate::scrub) fn settle_doubted(&mut self, doubted: Doubted) {
        let Doubted { ranges, looked, lost } = doubted;
        let Looked {
            coverage,
            doubtful,
            flagless,
            leads,
            owner_sums,
            claims,
            verify,
            read,
            failed_reads,
            failed_pages,
            stream_sum,
            is_misplaced,
            collected,
            seen,
        } = looked;
        if let Some(lost_writes) = &self.shared.lost_writes {
            lost_writes.remember(self.file.index, &ranges, &seen);
        }
        if is_misplaced {
            self.shared.found_misplaced();
        }
        let took = read.map(|(read, way)| Took { read, way, verify });
        let stream = self.file.stream_of(ranges.first()).filter(|_| stream_sum.pages > 0);
        let stream_sum = stream.map(|stream| (stream, stream_sum));
        let nothing = Settled { stream_sum, ..Settled::default() };
        let told = Settled { leads, owner_sums, claims, collected, ..nothing };
        let mut settled = Settled { coverage, flagless, failed_reads, failed_pages, took, ..told };
        for extent in doubtful.chunks(EXTENT_PAGES as usize) {
            settled.host_findings.extend(self.cross_check(extent));
        }
        for doubtful in doubtful {
            let seen = doubtful.bytes();
            let again = match &doubtful.again {
                Again::Unread => None,
                Again::Same => Some(seen),
                Again::Other(page) => Some(&**page),
            };
            let reason = doubtful.reason.clone();
            let first = FirstLook { reason, seen: Some(seen), again };
            self.second_look(doubtful.page, &first, &mut settled);
        }
        for (page, error) in lost {
            self.lost_page(page, error, &mut settled);
        }
        self.shared.commit(self.file, &ranges, settled);
    }

    fn second_look(&mut self, page: PageId, first: &FirstLook<'_>, to: &mut Settled) {
        let place = PageAddress::new(self.file.planned.file_id, page);
        let (index, allocation) = (self.file.index, self.allocation_of(page));
        let confirmed = confirm(self.source, place, allocation, first);
        let Confirmed::Judged { verdict, page: seen, unsettled, looks } = confirmed else {
            to.has_shrunk = true;
            return;
        };
        if seen.is_some() && self.source.may_have_used_cache() {
            self.shared.note_perhaps_cached();
        }
        self.reread_bytes += u64::from(looks.reads_apart) * PAGE_BYTES as u64;
        to.coverage.count(&verdict);
        if let Verdict::Suspect(reason) = verdict {
            if matches!(reason, SuspectReason::Unreadable(_)) {
                self.file.was_unreadable(page);
            }
            let mut found = Finding::new(index, place, reason, allocation, seen.as_deref());
            found.was_seen(looks.seen, looks.differ);
            to.findings.push(Finding { unsettled, ..found });
        } else {
            to.transients.push(Transient::new(index, place, first.reason.clone(), looks));
            // It is not added to the sums of owners: they are of pages that were right at once.
            let lead = seen.and_then(|good| lead(&good, allocation));
            to.leads.extend(lead.map(|lead| (lead, page)));
        }
    }

    /// A page that could not be read twice. Even a free one that cannot be read is a finding: a
    /// backup reads whole extents, and the medium is failing.
    fn lost_page(&mut self, page: PageId, error: ReadError, to: &mut Settled) {
        if error == ReadError::Ended {
            to.has_shrunk = true;
            return;
        }
        let allocation = self.allocation_of(page);
        self.count_unknown(allocation, &mut to.coverage);
        let is_in_a_run = error.is_in_a_run();
        let reason = SuspectReason::Unreadable(error);
        if !is_in_a_run {
            return self.second_look(page, &FirstLook { reason, seen: None, again: None }, to);
        }
        self.shared.note(IN_A_RUN.to_owned());
        let place = PageAddress::new(self.file.planned.file_id, page);
        self.file.was_unreadable(page);
        to.coverage.count(&Verdict::Suspect(reason.clone()));
        to.findings.push(Finding::new(self.file.index, place, reason, allocation, None));
    }

    /// The same private bytes through the engine and through the reference: if they differ, it is
    /// this machine that is damaged.
    fn cross_check(&self, doubtful: &[Doubtful]) -> Option<String> {
        // A whole extent, so that a kernel takes the way it takes in a scan.
        let bytes = |at: usize| *doubtful[at % doubtful.len()].bytes();
        let copies: Vec<Page> = (0..EXTENT_PAGES as usize).map(bytes).collect();
        let mut sums = [Checksum(0); EXTENT_PAGES as usize];
        self.engine.checksums(&copies, &mut sums);
        let wrong = |at: usize| {
            let reference = Checksum::of(&copies[at]);
            let is_wrong = |sum: &Checksum| *sum != reference;
            // Each lane, where there are fewer pages than lanes.
            let sum = sums.iter().skip(at).step_by(doubtful.len()).copied().find(is_wrong)?;
            Some((doubtful[at].page, sum, reference))
        };
        let (page, wrong, reference) = (0..doubtful.len()).find_map(wrong)?;
        Some(format!(
            "engine {} gave {wrong} where the reference gives {reference} for the same bytes of \
             page {page} of {}: do not trust this machine",
            self.shared.settings.engine_name,
            paths::text(&self.file.planned.path),
        ))
    }
}
