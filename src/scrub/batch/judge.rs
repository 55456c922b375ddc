//! Judges pages one by one, and counts them.

use super::View;
use super::looked::{Doubtful, Looked, is_misplaced};
use crate::catalog::Lead;
use crate::consolidate::findings::Finding;
use crate::consolidate::tally::Coverage;
use crate::diagnose::allocation::AllocationMap;
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, FreeContent, SuspectReason, Verdict};
use crate::discover::paths;
use crate::page::Page;
use crate::page::address::{PageAddress, PageId, PageRange};
use crate::page::allocation::is_never_protected;
use crate::page::boot::PageVerify;
use crate::page::checksum::Checksum;
use crate::page::header::PageHeader;
use crate::page::torn::TornCheck;
use crate::scrub::lost_writes::Seen;
use crate::verify::gpu::pool::{Gpu, Gpus};
use std::sync::Arc;
use std::time::Instant;

impl View<'_> {
    /// Judges `pages`, the first of which is page `first`, and remembers the PFS page among them.
    pub(super) fn learn_and_look(
        &mut self,
        first: PageId,
        pages: &[Page],
        sums: &mut Vec<Checksum>,
        to: &mut Looked,
    ) {
        self.file.allocation.learn_from(first, pages);
        self.look(first, pages, sums, to);
    }

    /// Judges `pages`, the first of which is page `first`.
    pub(super) fn look(
        &mut self,
        first: PageId,
        pages: &[Page],
        sums: &mut Vec<Checksum>,
        to: &mut Looked,
    ) {
        let started = Instant::now();
        sums.resize(pages.len(), Checksum(0));
        self.engine.checksums(pages, sums);
        for ((page, &sum), id) in pages.iter().zip(&*sums).zip(first.0..) {
            let (place, allocation) = self.place_of(PageId(id), to);
            let verdict = judge(page, sum, place, allocation);
            self.weigh(page, sum, place, allocation, verdict, to);
        }
        if self.file.is_part {
            for ((page, &sum), id) in pages.iter().zip(&*sums).zip(first.0..) {
                to.stream_sum.add_page(PageId(id), sum, Checksum::stored_in(page));
            }
        }
        to.verify += started.elapsed();
    }

    /// Judges `pages` by the checksums that `gpu` gave them. Of good pages and of free ones only
    /// the header is touched; all others are looked at by the reference.
    pub(super) fn look_at_sums(
        &mut self,
        first: PageId,
        pages: &[Page],
        sums: &[Checksum],
        (gpus, gpu): (&Gpus, &Gpu),
        to: &mut Looked,
    ) {
        self.file.allocation.learn_from(first, pages);
        for ((page, &sum), id) in pages.iter().zip(sums).zip(first.0..) {
            let (place, allocation) = self.place_of(PageId(id), to);
            let verdict = judge(page, sum, place, allocation);
            let is_fine =
                matches!(verdict, Verdict::IntactChecksum | Verdict::IntactTorn | Verdict::Free(_));
            if is_fine && !gpus.must_check(gpu, place.page, sum) {
                self.count(page, place, allocation, &verdict, to);
                if self.file.is_part {
                    to.stream_sum.add_page(place.page, sum, Checksum::stored_in(page));
                }
                continue;
            }
            // Who was wrong is remembered there, and ends this.
            gpu.was_checked();
            let _ = gpu.check(page, sum, place, paths::text(&self.file.planned.path));
            let sum = Checksum::of(page);
            to.stream_sum.add_page(place.page, sum, Checksum::stored_in(page));
            let verdict = judge(page, sum, place, allocation);
            self.weigh(page, sum, place, allocation, verdict, to);
        }
    }

    /// In a backup that does not have the PFS page, what is no page of this place may well be what
    /// a free page held before.
    pub(super) fn may_be_left_over(
        &self,
        page: &Page,
        place: PageAddress,
        allocation: Allocation,
    ) -> bool {
        let header = PageHeader::of(page);
        allocation == Allocation::Unknown
            && self.is_pfs_absent()
            && !(header.address() == place && header.is_plausible())
    }

    pub(super) fn place_of(&mut self, page: PageId, to: &mut Looked) -> (PageAddress, Allocation) {
        let allocation = self.allocation_of(page);
        self.count_unknown(allocation, &mut to.coverage);
        (PageAddress::new(self.file.planned.file_id, page), allocation)
    }

    /// Counts a page whose allocation is not known, and why it is not.
    pub(super) fn count_unknown(&self, allocation: Allocation, coverage: &mut Coverage) {
        if allocation == Allocation::Unknown {
            coverage.allocation_unknown += 1;
            coverage.pfs_absent += u64::from(self.is_pfs_absent());
        }
    }

    pub(super) fn is_pfs_absent(&self) -> bool {
        self.interval.as_ref().is_some_and(|interval| interval.is_absent())
    }

    pub(super) fn weigh(
        &self,
        page: &Page,
        sum: Checksum,
        place: PageAddress,
        allocation: Allocation,
        verdict: Verdict,
        to: &mut Looked,
    ) {
        to.is_misplaced |= self.file.is_part && is_misplaced(page, place, &verdict);
        match verdict {
            Verdict::Suspect(_) if self.may_be_left_over(page, place, allocation) => {
                self.look_at_unprotected(page, sum, place, allocation, to);
            }
            Verdict::Suspect(reason) => {
                let seen = Some(Box::new(*page));
                to.doubtful.push(Doubtful::new(place.page, seen, reason));
            }
            Verdict::Unprotected => self.look_at_unprotected(page, sum, place, allocation, to),
            verdict => self.count(page, place, allocation, &verdict, to),
        }
    }

    /// Counts a page that is in order, with what it tells of others.
    #[inline]
    pub(super) fn count(
        &self,
        page: &Page,
        place: PageAddress,
        allocation: Allocation,
        verdict: &Verdict,
        to: &mut Looked,
    ) {
        if to.count(page, place.page, allocation, verdict) == Some(Lead::Iam) {
            to.claims.extend(self.file.claims_of(page));
        }
        if allocation != Allocation::Allocated {
            return;
        }
        if self.file.asks_owners {
            to.owner_sums.add(place.page, PageHeader::of(page));
        }
        if self.is_checked {
            let interval = self.interval.as_ref();
            if let Some(pfs) = interval.and_then(|interval| interval.pfs_byte(place.page)) {
                to.collected.add(page, place, pfs);
            }
        }
        if self.has_relatives {
            to.seen.extend(Seen::of(page, place).map(|seen| (place.page, seen)));
        }
    }

    /// Counts a page without protection, and remembers it if it is in use and should have some.
    pub(super) fn look_at_unprotected(
        &self,
        page: &Page,
        computed: Checksum,
        place: PageAddress,
        allocation: Allocation,
        to: &mut Looked,
    ) {
        self.count(page, place, allocation, &Verdict::Unprotected, to);
        let header = PageHeader::of(page);
        let is_this_page = header.address() == place
            && (header.is_plausible() || header.is_server_configuration());
        if allocation == Allocation::Unknown && page.is_zero() {
            to.coverage.zero_allocation_unknown += 1;
        } else if allocation == Allocation::Unknown && !is_this_page {
            to.coverage.junk_allocation_unknown += 1;
        } else if self.should_be_protected(header, place) {
            let reason = self.lost_protection(page, computed);
            let finding = Finding::new(self.file.index, place, reason, allocation, Some(page));
            to.flagless.push(finding);
        }
    }

    /// True if a page with `header` at `place` should have a flag: it carries a checksum or torn
    /// bits, and the database has PAGE_VERIFY on.
    pub(super) fn should_be_protected(&self, header: &PageHeader, place: PageAddress) -> bool {
        let is_exempt = is_never_protected(place) || header.is_server_configuration();
        self.file.page_verify != PageVerify::None && header.torn_bits != 0 && !is_exempt
    }

    /// What `page`, which has lost its flag, was protected by: what fits, else what its database
    /// writes.
    pub(super) fn lost_protection(&self, page: &Page, computed: Checksum) -> SuspectReason {
        let torn = TornCheck::of(page);
        if self.file.page_verify == PageVerify::Torn || torn.is_intact() {
            SuspectReason::TornPage(torn)
        } else {
            SuspectReason::BadChecksum { stored: Checksum::stored_in(page), computed }
        }
    }

    /// A hole, which lies in one PFS interval, reads as zeros: free pages are right to be zero,
    /// others are looked at.
    pub(super) fn look_at_hole(&mut self, range: PageRange, looked: &mut Looked) {
        let map: &AllocationMap = &self.file.allocation;
        let interval = Arc::clone(self.interval.insert(map.interval_of(range.first, self.source)));
        let mut free_pages = u64::from(range.pages);
        for (page, allocation) in interval.not_free_in(range) {
            free_pages -= 1;
            if allocation == Allocation::Allocated {
                let reason = SuspectReason::Zeroed;
                looked.doubtful.push(Doubtful::new(page, None, reason));
            } else {
                self.count_unknown(allocation, &mut looked.coverage);
                looked.coverage.zero_allocation_unknown += 1;
                looked.coverage.count(&Verdict::Unprotected);
            }
        }
        looked.coverage.count_free(FreeContent::Zero, free_pages);
    }

    #[inline]
    pub(super) fn allocation_of(&mut self, page: PageId) -> Allocation {
        match &self.interval {
            Some(interval) if interval.holds(page) => interval.of(page),
            _ => self.allocation_in_next_interval(page),
        }
    }

    #[cold]
    pub(super) fn allocation_in_next_interval(&mut self, page: PageId) -> Allocation {
        let map: &AllocationMap = &self.file.allocation;
        self.interval.insert(map.interval_of(page, self.source)).of(page)
    }
}
