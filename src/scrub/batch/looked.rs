//! What one look at a range of pages found.

use crate::backup::stream_checksum::StreamSum;
use crate::catalog::Lead;
use crate::catalog::claims::IamClaims;
use crate::catalog::owner_sums::OwnerSums;
use crate::consolidate::findings::Finding;
use crate::consolidate::tally::Coverage;
use crate::diagnose::verdict::{Allocation, FreeContent, SuspectReason, Verdict};
use crate::page::address::{PageAddress, PageId};
use crate::page::header::{PageHeader, Protection};
use crate::page::{EXTENT_PAGES, PAGE_BYTES, Page};
use crate::read::Way;
use crate::scrub::lost_writes::Seen;
use std::time::Duration;

/// What one look at a range found.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) coverage: Coverage,
    pub(super) doubtful: Vec<Doubtful>,
    /// Pages in use that carry what looks like a checksum and no flag.
    pub(super) flagless: Vec<Finding>,
    /// Pages of system tables and IAM pages that can be believed.
    pub(super) leads: Vec<(Lead, PageId)>,
    /// To whom the pages say that they belong.
    pub(super) owner_sums: OwnerSums,
    /// What the IAM pages among them say.
    pub(super) claims: Vec<IamClaims>,
    pub(super) verify: Duration,
    /// How long reading took, and in which way; `None` for a hole.
    pub(super) read: Option<(Duration, Way)>,
    pub(super) failed_reads: bool,
    pub(super) failed_pages: bool,
    /// What the pages add to the checksum of the backup stream that they are in.
    pub(super) stream_sum: StreamSum,
    /// A whole page stands in the extent of another one.
    pub(super) is_misplaced: bool,
    /// Of pages that may be held against copies, ascending.
    pub(super) seen: Vec<(PageId, Seen)>,
}

/// A page that looked bad.
pub(super) struct Doubtful {
    pub(super) page: PageId,
    /// The bytes that were seen; `None` for zeros.
    pub(super) seen: Option<Box<Page>>,
    /// What was wrong.
    pub(super) reason: SuspectReason,
}

impl Looked {
    /// Counts a page that is in order, and remembers it if it tells of others: what, is returned.
    /// So does a page without protection: databases with PAGE_VERIFY NONE have no others.
    #[inline]
    pub(super) fn count(
        &mut self,
        page: &Page,
        id: PageId,
        allocation: Allocation,
        verdict: &Verdict,
    ) -> Option<Lead> {
        self.coverage.count(verdict);
        let lead = lead(page, allocation);
        self.leads.extend(lead.map(|lead| (lead, id)));
        lead
    }

    /// Reading took `read`, on this `way`.
    pub(super) fn was_read(&mut self, read: Duration, way: Way) {
        self.read = Some((read, way));
        let pages = self.coverage.accounted() + self.doubtful.len() as u64;
        self.coverage.bytes_read = pages * PAGE_BYTES as u64;
    }
}

/// True if `page`, which passes its own check, belongs into another extent.
pub(super) fn is_misplaced(page: &Page, place: PageAddress, verdict: &Verdict) -> bool {
    let passes = match verdict {
        Verdict::Suspect(SuspectReason::WrongPageId { .. }) => true,
        Verdict::Free(FreeContent::Stale { protection, holds, right_id }) => {
            *holds && !*right_id && *protection != Protection::None
        }
        _ => false,
    };
    let found = PageHeader::of(page).address();
    let is_same_slot = found.page.0 % EXTENT_PAGES == place.page.0 % EXTENT_PAGES;
    let is_another = found != place && found.can_exist();
    passes && is_same_slot && is_another && PageHeader::of(page).is_plausible()
}

/// What a page in order tells of others. Of an IAM page it must be sure that it is in use: what an
/// old one says is wrong, and nothing in it tells that it is old.
#[inline]
pub(super) fn lead(page: &Page, allocation: Allocation) -> Option<Lead> {
    Lead::of(PageHeader::of(page)).filter(|lead| match allocation {
        Allocation::Allocated => true,
        Allocation::Unknown => *lead != Lead::Iam,
        Allocation::Free => false,
    })
}
