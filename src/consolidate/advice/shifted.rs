//! What to do about content that has moved in its file: it was copied wrongly, and what it was
//! copied from may be sound.

use super::step::{named, step};
use crate::consolidate::report::{ScrubReport, ShiftReport, Step};

/// The files are copied again before anything else is tried.
pub(super) fn copy_again(report: &ScrubReport) -> Option<Step> {
    let called = |shift: &ShiftReport| {
        let host = shift.host.as_ref().map(|host| format!("{host}:")).unwrap_or_default();
        format!("{host}{}", shift.path)
    };
    let text = format!(
        "{}: its content has moved, because bytes were inserted or left out on the way here. What \
         it was copied from may be sound: scan that, copy it again (in binary mode, and compare a \
         hash), and scan the copy. Restore no pages because of this: what stands in their places \
         are other pages. Only if there is no source left, restore the file.",
        named(report.shifts.iter().map(called))
    );
    let suspects = report.suspects.iter().filter(|suspect| suspect.is_shifted());
    let again = step("Copy again from its source what has moved", text);
    (!report.shifts.is_empty()).then(|| again.clone().for_these(suspects).unwrap_or(again))
}

/// Nothing else is damaged.
pub(super) fn is_all(report: &ScrubReport) -> bool {
    let explained = report.shifts.iter().map(|shift| shift.pages).fold(0, u64::saturating_add);
    let is_more = report.backup_faults() > 0 || report.lost_files().next().is_some();
    explained > 0 && explained >= report.coverage.suspect && !is_more
}
