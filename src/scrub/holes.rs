//! Suspects that lie in holes of their files, where the file system stores nothing.
//!
//! A copy that leaves out zeros makes holes of lost pages, and a database snapshot has them where
//! nothing has changed since: the bytes do not tell these apart, so it is said and asked.

use super::file::FileTally;
use crate::consolidate::findings::Finding;
use crate::diagnose::verdict::SuspectReason;
use crate::discover::FileKind;
use crate::page::address::PageId;
use crate::plan::{Plan, PlannedFile};

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

/// Holes are whole extents.
fn is_in_hole(file: &PlannedFile, page: PageId) -> bool {
    let after = file.stored.partition_point(|range| range.first <= page);
    !file.only_stored && after.checked_sub(1).is_none_or(|at| file.stored[at].end() <= page.0)
}
