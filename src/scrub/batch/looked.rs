//! What one look at a range of pages found.

use crate::backup::stream_checksum::StreamSum;
use crate::catalog::Lead;
use crate::catalog::claims::IamClaims;
use crate::catalog::owner_sums::OwnerSums;
use crate::check::collected::Collected;
use crate::consolidate::findings::Finding;
use crate::consolidate::tally::Coverage;
use crate::diagnose::verdict::{Allocation, FreeContent, SuspectReason, Verdict};
use crate::page::address::{PageAddress, PageId};
use crate::page::header::{PageHeader, Protection};
use crate::page::ranges::PageRanges;
use crate::page::{EXTENT_PAGES, PAGE_BYTES, Page};
use crate::read::Way;
use crate::scrub::lost_writes::Seen;
use std::ops::Range;
use std::time::Duration;

/// What one look at a range found.
#[derive(Default)]
pub(in crate::scrub) struct Looked {
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
    /// What the pages say of each other, if that is to be checked.
    pub(super) collected: Collected,
    /// Of pages that may be held against copies, ascending.
    pub(super) seen: Vec<(PageId, Seen)>,
}

/// A page that looked bad.
pub(in crate::scrub) struct Doubtful {
    pub(super) page: PageId,
    /// The bytes that were seen; `None` for zeros.
    pub(super) seen: Option<Box<Page>>,
    /// What was wrong.
    pub(super) reason: SuspectReason,
    /// What was read when the pages around it were read again.
    pub(super) again: Again,
}

/// A page that was read again together with others.
pub(super) enum Again {
    /// It was not, or that failed.
    Unread,
    /// The same bytes.
    Same,
    /// Other bytes.
    Other(Box<Page>),
}

impl Doubtful {
    pub(super) fn new(page: PageId, seen: Option<Box<Page>>, reason: SuspectReason) -> Self {
        Self { page, seen, reason, again: Again::Unread }
    }

    /// The bytes that were seen.
    pub(super) fn bytes(&self) -> &Page {
        self.seen.as_deref().unwrap_or(&Page::ZERO)
    }

    /// It is read again with its neighbours: it could be read. What failed is read by itself.
    fn is_read_with_others(&self) -> bool {
        !matches!(self.reason, SuspectReason::Unreadable(_))
    }

    /// The device has `now`.
    pub(super) fn was_read_again(&mut self, now: &Page) {
        let is_same = self.bytes().bytes() == now.bytes();
        self.again = if is_same { Again::Same } else { Again::Other(Box::new(*now)) };
    }
}

/// Pages between two that looked bad which are read again with them: that costs less than a read of
/// its own.
const GAP_PAGES_MAX: u32 = EXTENT_PAGES;

/// The parts of `looked_at` in which `doubtful`, ascending, are to be read again, each in one read
/// of at most `pages_max` pages.
pub(super) fn to_read_again(
    doubtful: &[Doubtful],
    looked_at: &PageRanges,
    pages_max: u32,
) -> Vec<PageRanges> {
    let mut parts: Vec<Range<u32>> = Vec::new();
    let with_others = doubtful.iter().filter(|doubtful| doubtful.is_read_with_others());
    let mut positions = looked_at.positions();
    for doubtful in with_others {
        let Some((_, at)) = positions.find(|(page, _)| *page == doubtful.page) else { break };
        match parts.last_mut() {
            Some(last) if at - last.end <= GAP_PAGES_MAX && at - last.start < pages_max => {
                last.end = at + 1;
            }
            _ => parts.push(at..at + 1),
        }
    }
    parts.into_iter().filter_map(|part| looked_at.part(part)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::PageRange;

    #[test]
    fn what_looked_bad_is_read_again_in_as_few_reads_as_pay() {
        let of = |pages: &[u32], looked_at: &[(u32, u32)], pages_max| {
            let doubtful = |page: &u32| Doubtful::new(PageId(*page), None, SuspectReason::Zeroed);
            let doubtful: Vec<_> = pages.iter().map(doubtful).collect();
            let range = |&(first, end): &(u32, u32)| PageRange::between(first, end);
            let looked_at: Vec<_> = looked_at.iter().map(range).collect();
            let looked_at = PageRanges::of(&looked_at).unwrap();
            let ranges_of = |part: &PageRanges| -> Vec<(u32, u32)> {
                part.iter().map(|range| (range.first.0, range.end())).collect()
            };
            let parts = to_read_again(&doubtful, &looked_at, pages_max);
            parts.iter().map(ranges_of).collect::<Vec<_>>()
        };
        let one = [(0, 64)];
        assert!(of(&[], &one, 64).is_empty());
        assert_eq!(of(&[5], &one, 64), [[(5, 6)]]);
        assert_eq!(of(&[5, 6, 9, 18, 28], &one, 64), [[(5, 19)], [(28, 29)]]);
        assert_eq!(of(&(0..10).collect::<Vec<_>>(), &one, 4), [[(0, 4)], [(4, 8)], [(8, 10)]]);
        // Of a backup, what lies between them there.
        let three = [(0, 8), (80, 88), (160, 168)];
        assert_eq!(of(&[7, 80], &three, 64), [[(7, 8), (80, 81)]]);
        assert_eq!(of(&[7, 160], &three, 64), [[(7, 8), (80, 88), (160, 161)]]);
        assert_eq!(of(&[6, 160], &three, 64), [[(6, 7)], [(160, 161)]]);
    }

    /// What failed is a medium's affair: a read of several pages would fail with it.
    #[test]
    fn what_could_not_be_read_is_read_again_by_itself() {
        let error = crate::read::ReadError::Ended;
        let lost = Doubtful::new(PageId(3), None, SuspectReason::Unreadable(error));
        let looked_at = PageRange::between(0, 8).into();
        assert!(to_read_again(&[lost], &looked_at, 64).is_empty());
    }
}
