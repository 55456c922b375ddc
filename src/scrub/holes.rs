//! Holes of files, where the file system stores nothing: those that wait for their PFS page, and
//! the suspects that lie in one.
//!
//! A copy that leaves out zeros makes holes of lost pages, and a database snapshot has them where
//! nothing has changed since: the bytes do not tell these apart, so it is said and asked.

use super::tally::FileTally;
use crate::consolidate::findings::Finding;
use crate::diagnose::verdict::SuspectReason;
use crate::discover::FileKind;
use crate::page::address::PageId;
use crate::plan::{ExtentBatch, Plan, PlannedFile};
use std::collections::VecDeque;

/// Holes that one thread keeps waiting: as many as it has reads in flight of an array of disks.
const WAITING_MAX: usize = 64;

/// Holes whose PFS page is on its way: it would be read twice if it were asked for at once.
#[derive(Default)]
pub(super) struct WaitingHoles(VecDeque<ExtentBatch>);

impl WaitingHoles {
    pub(super) fn push(&mut self, hole: ExtentBatch) {
        self.0.push_back(hole);
    }

    /// The next one to look at: any of which the PFS page `is_known`, else the first one, unless it
    /// `may_wait`.
    pub(super) fn next(
        &mut self,
        is_known: impl FnMut(&ExtentBatch) -> bool,
        may_wait: bool,
    ) -> Option<ExtentBatch> {
        let has_waited = !may_wait || self.0.len() > WAITING_MAX;
        let known = self.0.iter().position(is_known);
        known.or(has_waited.then_some(0)).and_then(|at| self.0.remove(at))
    }
}

/// Marks the findings that are pages of zeros in holes, and counts them for each file.
pub(super) fn mark(findings: &mut [Finding], plan: &Plan, tallies: &mut [FileTally]) {
    for finding in findings {
        let file = &plan.files[finding.file];
        if finding.reason != SuspectReason::Zeroed || file.kind != FileKind::Data {
            continue;
        }
        let is_in_hole = is_in_hole(file, finding.place.page);
        let zeroed = &mut tallies[finding.file].zeroed;
        zeroed.pages += 1;
        zeroed.in_holes += u64::from(is_in_hole);
        if let Some(evidence) = &mut finding.evidence {
            evidence.in_hole = is_in_hole;
        }
    }
}

/// Holes are whole pages.
fn is_in_hole(file: &PlannedFile, page: PageId) -> bool {
    let after = file.stored.partition_point(|range| range.first <= page);
    !file.only_stored && after.checked_sub(1).is_none_or(|at| file.stored[at].end() <= page.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::PageRange;

    fn hole(first: u32) -> ExtentBatch {
        let range = PageRange::between(first, first + 8);
        ExtentBatch { file: 0, ranges: range.into(), stored: false }
    }

    #[test]
    fn a_hole_waits_for_its_pfs_page_unless_nothing_comes_or_too_many_wait() {
        let mut waiting = WaitingHoles::default();
        let firsts = |hole: Option<ExtentBatch>| hole.map(|hole| hole.ranges.first().0);
        [8, 16, 24].map(hole).into_iter().for_each(|hole| waiting.push(hole));
        assert_eq!(firsts(waiting.next(|_| false, true)), None);
        assert_eq!(firsts(waiting.next(|hole| hole.ranges.first().0 == 16, true)), Some(16));
        assert_eq!(firsts(waiting.next(|_| false, false)), Some(8));
        (0..WAITING_MAX as u32).for_each(|n| waiting.push(hole(100 + n)));
        assert_eq!(firsts(waiting.next(|_| false, true)), Some(24));
        assert_eq!(firsts(waiting.next(|_| false, true)), None);
    }
}
