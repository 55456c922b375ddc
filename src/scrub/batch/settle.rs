//! What becomes of a batch: doubtful and lost pages get their verdicts, then all of it counts.

use super::View;
use super::looked::{Doubtful, Looked, lead};
use crate::consolidate::findings::Finding;
use crate::consolidate::transient::Transient;
use crate::diagnose::confirm::{Confirmed, FirstLook, confirm};
use crate::diagnose::verdict::{SuspectReason, Verdict};
use crate::discover::paths;
use crate::page::address::{PageAddress, PageId, PageRange};
use crate::page::checksum::Checksum;
use crate::page::{EXTENT_PAGES, PAGE_BYTES, Page};
use crate::read::ReadError;
use crate::scrub::commit::{Settled, Took};

/// Said where the second look is no proof of what the device holds.
const PERHAPS_CACHED: &str = "suspects were read again, but perhaps from the operating system's \
    cache: nothing tells here whether a read reaches the device, so what is damaged in memory only \
    may look like damage of the disk, and the other way round";

impl View<'_> {
    /// Gives every doubtful and every lost page its verdict and adds the range to the counts.
    pub(super) fn settle(
        &mut self,
        range: PageRange,
        looked: Looked,
        lost: Vec<(PageId, ReadError)>,
    ) {
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
            seen,
        } = looked;
        if let Some(lost_writes) = &self.shared.lost_writes {
            lost_writes.remember(self.file.index, &seen);
        }
        if is_misplaced {
            self.shared.found_misplaced();
        }
        let took = read.map(|(read, way)| Took { read, way, verify });
        let stream = self.file.stream_of(range.first).filter(|_| stream_sum.pages > 0);
        let stream_sum = stream.map(|stream| (stream, stream_sum));
        let nothing = Settled { stream_sum, ..Settled::default() };
        let told = Settled { leads, owner_sums, claims, ..nothing };
        let mut settled = Settled { coverage, flagless, failed_reads, failed_pages, took, ..told };
        for Doubtful { page, seen, reason } in doubtful {
            let seen = seen.as_deref().unwrap_or(&Page::ZERO);
            settled.host_findings.extend(self.cross_check(seen, page));
            self.second_look(page, &FirstLook { reason, seen: Some(seen) }, &mut settled);
        }
        for (page, error) in lost {
            self.lost_page(page, error, &mut settled);
        }
        self.shared.commit(self.file, range, settled);
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
            self.shared.note(PERHAPS_CACHED.to_owned());
        }
        self.reread_bytes += u64::from(looks.tries) * PAGE_BYTES as u64;
        to.coverage.count(&verdict);
        if let Verdict::Suspect(reason) = verdict {
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
        let reason = SuspectReason::Unreadable(error);
        self.second_look(page, &FirstLook { reason, seen: None }, to);
    }

    /// The same private bytes through the engine and through the reference: if they differ, it is
    /// this machine that is damaged.
    fn cross_check(&self, bytes: &Page, page: PageId) -> Option<String> {
        // A whole extent of copies, so that a kernel takes the way it takes in a scan.
        let copies = vec![*bytes; EXTENT_PAGES as usize];
        let mut sums = [Checksum(0); EXTENT_PAGES as usize];
        self.engine.checksums(&copies, &mut sums);
        let reference = Checksum::of(bytes);
        let wrong = sums.iter().find(|sum| **sum != reference)?;
        Some(format!(
            "engine {} gave {wrong} where the reference gives {reference} for the same bytes of \
             page {page} of {}: do not trust this machine",
            self.shared.settings.engine_name,
            paths::text(&self.file.planned.path),
        ))
    }
}
