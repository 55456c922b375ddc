//! Counting verdicts, and holding the count against the promise.

use crate::diagnose::verdict::{FreeContent, Verdict};
use crate::page::PAGE_BYTES;
use crate::page::header::Protection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// The most that is said of a coverage that is not all, in percent.
pub const PERCENT_NOT_ALL: f64 = 99.999;

/// The best that something was held against; from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    /// Nothing: no page in use carries a checksum or torn bits.
    #[serde(rename = "none")]
    Nothing,
    /// It is log only and carries no checksums, which is SQL Server's default: its structure.
    Structure,
    /// Checksums of a backup's streams or records.
    Streams,
    /// Checksums or torn bits of pages.
    Pages,
}

/// How many pages met which verdict. Every planned page is in exactly one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Pages promised.
    pub pages_planned: u64,
    /// Verified and good: the sum of the next two.
    pub intact: u64,
    /// Good by checksum.
    pub intact_checksum: u64,
    /// Good by torn bits.
    pub intact_torn: u64,
    /// In use without protection, or of unknown allocation and zeros or junk: not verified.
    pub unprotected: u64,
    /// Not in use.
    pub free: u64,
    /// Bad at first, good when read again.
    pub transient: u64,
    /// Bad.
    pub suspect: u64,
    /// Not verified because it could not be reached.
    pub not_reached: u64,
    /// Pages among the above whose PFS page is bad, or not there.
    pub allocation_unknown: u64,
    /// Those of them whose PFS page the backup does not have, or has in a member that is missing:
    /// that is no damage.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pfs_absent: u64,
    /// Those of them that are all zeros: free, or lost.
    pub zero_allocation_unknown: u64,
    /// Those of them that are no page of their place and not called damaged: what a free page held
    /// before, or lost.
    #[serde(default)]
    pub junk_allocation_unknown: u64,
    /// What the free pages hold; informational.
    pub free_detail: FreeDetail,
    /// Bytes promised.
    pub bytes_planned: u64,
    /// Bytes read from storage or cache; holes are not read.
    pub bytes_read: u64,
}

impl Coverage {
    /// The coverage of a plan of `pages` before anything was looked at.
    pub fn planned(pages: u64) -> Self {
        let bytes_planned = pages * PAGE_BYTES as u64;
        Self { pages_planned: pages, bytes_planned, ..Self::default() }
    }

    /// Promises `pages` more.
    pub fn promise(&mut self, pages: u64) {
        *self += &Self::planned(pages);
    }

    /// Counts one verdict.
    #[inline]
    pub fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::IntactChecksum => {
                self.intact += 1;
                self.intact_checksum += 1;
            }
            Verdict::IntactTorn => {
                self.intact += 1;
                self.intact_torn += 1;
            }
            Verdict::Unprotected => self.unprotected += 1,
            Verdict::Free(content) => self.count_free(*content, 1),
            Verdict::Transient => self.transient += 1,
            Verdict::Suspect(_) => self.suspect += 1,
        }
    }

    /// A page that was counted with this verdict, a good or a free one, is suspect after all. False
    /// if there is none, so that it cannot be.
    pub fn suspect_after_all(&mut self, verdict: &Verdict) -> bool {
        let counts: &mut [&mut u64] = match verdict {
            Verdict::IntactChecksum => &mut [&mut self.intact, &mut self.intact_checksum],
            Verdict::IntactTorn => &mut [&mut self.intact, &mut self.intact_torn],
            Verdict::Unprotected => &mut [&mut self.unprotected],
            Verdict::Free(content) => {
                &mut [&mut self.free, &mut self.free_detail.0[FreeDetail::index(*content)]]
            }
            Verdict::Transient | Verdict::Suspect(_) => return false,
        };
        if counts.iter().any(|count| **count == 0) {
            return false;
        }
        for count in counts.iter_mut() {
            **count -= 1;
        }
        self.suspect += 1;
        true
    }

    /// Counts `pages` free pages of one kind.
    pub fn count_free(&mut self, content: FreeContent, pages: u64) {
        if pages == 0 {
            return;
        }
        self.free += pages;
        self.free_detail.add(content, pages);
    }

    /// Pages without protection that are in use, as far as can be told.
    pub fn unprotected_in_use(&self) -> u64 {
        let of_no_use = self.zero_allocation_unknown.saturating_add(self.junk_allocation_unknown);
        self.unprotected.saturating_sub(of_no_use)
    }

    /// Pages with a verdict, and pages that got none.
    pub fn accounted(&self) -> u64 {
        self.intact
            + self.unprotected
            + self.free
            + self.transient
            + self.suspect
            + self.not_reached
    }

    /// Declares every planned page without a verdict as not reached.
    pub fn close(&mut self) {
        let missing = self.pages_planned.checked_sub(self.accounted());
        assert!(missing.is_some(), "a page was counted twice: {self:?}");
        self.not_reached += missing.unwrap_or_default();
    }

    /// Panics unless every planned page is in exactly one class: a bug of ours, never of the data.
    pub fn assert_adds_up(&self) {
        assert_eq!(self.accounted(), self.pages_planned, "the tally does not add up: {self:?}");
        assert_eq!(self.intact_checksum + self.intact_torn, self.intact, "{self:?}");
        assert_eq!(self.free_detail.0.iter().sum::<u64>(), self.free, "{self:?}");
    }

    /// True if every planned page is in exactly one class; for counts that were written down.
    pub fn adds_up(&self) -> bool {
        let sum = |counts: &[u64]| counts.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n));
        let Self { intact, unprotected, free, transient, suspect, not_reached, .. } = *self;
        sum(&[intact, unprotected, free, transient, suspect, not_reached])
            == Some(self.pages_planned)
            && sum(&[self.intact_checksum, self.intact_torn]) == Some(intact)
    }

    /// True if a scan can have come to these counts when it had looked at `pages`, and at
    /// `bytes_beside` them. For counts that were written down: sums of them must not overflow.
    pub fn is_plausible(&self, pages: u64, bytes_beside: u64) -> bool {
        let with_beside =
            |pages: u64| pages.checked_mul(PAGE_BYTES as u64)?.checked_add(bytes_beside);
        let counts = [self.intact_checksum, self.intact_torn, self.intact, self.unprotected];
        let others = [self.free, self.transient, self.suspect, self.allocation_unknown];
        let small = |count: &u64| *count <= pages;
        let free = self.free_detail.0.iter();
        counts.iter().chain(&others).chain(free.clone()).all(small)
            && self.not_reached == 0
            && self.accounted() <= pages
            && self.intact_checksum + self.intact_torn == self.intact
            && free.sum::<u64>() == self.free
            && self.zero_allocation_unknown <= self.allocation_unknown
            && self.pfs_absent <= self.allocation_unknown
            && self.junk_allocation_unknown <= self.unprotected
            && with_beside(pages).is_some_and(|most| self.bytes_read <= most)
            && Some(self.bytes_planned) == with_beside(self.pages_planned)
    }

    /// Share of the planned pages that was reached, in percent, never rounded up to 100.
    pub fn percent(&self) -> f64 {
        if self.pages_planned == 0 {
            return 0.0;
        }
        if self.not_reached == 0 {
            return 100.0;
        }
        let reached = (self.pages_planned - self.not_reached) as f64;
        let thousandths = (reached / self.pages_planned as f64 * 100_000.0).floor();
        (thousandths / 1000.0).min(PERCENT_NOT_ALL)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl AddAssign<&Self> for Coverage {
    /// Counts of reports from elsewhere may be anything: they stop at the largest number.
    fn add_assign(&mut self, other: &Self) {
        let add = |count: &mut u64, more: u64| *count = count.saturating_add(more);
        add(&mut self.pages_planned, other.pages_planned);
        add(&mut self.intact, other.intact);
        add(&mut self.intact_checksum, other.intact_checksum);
        add(&mut self.intact_torn, other.intact_torn);
        add(&mut self.unprotected, other.unprotected);
        add(&mut self.free, other.free);
        add(&mut self.transient, other.transient);
        add(&mut self.suspect, other.suspect);
        add(&mut self.not_reached, other.not_reached);
        add(&mut self.allocation_unknown, other.allocation_unknown);
        add(&mut self.pfs_absent, other.pfs_absent);
        add(&mut self.zero_allocation_unknown, other.zero_allocation_unknown);
        add(&mut self.junk_allocation_unknown, other.junk_allocation_unknown);
        add(&mut self.bytes_planned, other.bytes_planned);
        add(&mut self.bytes_read, other.bytes_read);
        for (count, more) in self.free_detail.0.iter_mut().zip(other.free_detail.0) {
            add(count, more);
        }
    }
}

/// Names of what free pages hold, as in the report.
const FREE_CONTENTS: [&str; 11] = [
    "zero",
    "checksum_ok",
    "checksum_ok_wrong_id",
    "checksum_bad",
    "checksum_bad_wrong_id",
    "torn_ok",
    "torn_ok_wrong_id",
    "torn_bad",
    "torn_bad_wrong_id",
    "unprotected",
    "unprotected_wrong_id",
];

/// How many free pages hold what; counted by position, written by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<String, u64>", from = "BTreeMap<String, u64>")]
pub struct FreeDetail([u64; FREE_CONTENTS.len()]);

impl FreeDetail {
    fn add(&mut self, content: FreeContent, pages: u64) {
        self.0[Self::index(content)] += pages;
    }

    fn index(content: FreeContent) -> usize {
        match content {
            FreeContent::Zero => 0,
            FreeContent::Stale { protection, holds, right_id } => {
                let (first, may_fail) = match protection {
                    Protection::Checksum => (1, true),
                    Protection::Torn => (5, true),
                    Protection::None => (9, false),
                };
                first + 2 * usize::from(may_fail && !holds) + usize::from(!right_id)
            }
        }
    }
}

impl From<FreeDetail> for BTreeMap<String, u64> {
    fn from(detail: FreeDetail) -> Self {
        let named = FREE_CONTENTS.iter().zip(detail.0);
        named.filter(|(_, n)| *n > 0).map(|(name, n)| ((*name).to_owned(), n)).collect()
    }
}

impl From<BTreeMap<String, u64>> for FreeDetail {
    fn from(named: BTreeMap<String, u64>) -> Self {
        Self(FREE_CONTENTS.map(|name| named.get(name).copied().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Coverage {
        let mut coverage = Coverage::planned(6);
        coverage.count(&Verdict::IntactChecksum);
        coverage.count(&Verdict::IntactTorn);
        coverage.count(&Verdict::Unprotected);
        coverage.count(&Verdict::Transient);
        coverage.count(&Verdict::Free(FreeContent::Zero));
        coverage
    }

    #[test]
    fn a_page_that_is_suspect_after_all_is_counted_once() {
        let mut coverage = Coverage::planned(3);
        let good = [Verdict::IntactTorn, Verdict::IntactChecksum, Verdict::Unprotected];
        for verdict in &good {
            coverage.count(verdict);
        }
        assert_eq!(good.each_ref().map(|verdict| coverage.suspect_after_all(verdict)), [true; 3]);
        assert_eq!((coverage.suspect, coverage.intact, coverage.unprotected), (3, 0, 0));
        coverage.assert_adds_up();
        // There are no more of them.
        assert_eq!(good.each_ref().map(|verdict| coverage.suspect_after_all(verdict)), [false; 3]);
        assert!(!coverage.suspect_after_all(&Verdict::Transient));
        coverage.assert_adds_up();
    }

    #[test]
    fn what_was_not_judged_is_not_reached_and_the_sum_is_the_promise() {
        let mut coverage = some();
        coverage.close();
        coverage.assert_adds_up();
        assert_eq!(coverage.not_reached, 1);
        let mut twice = coverage.clone();
        twice += &coverage;
        twice.assert_adds_up();
        assert_eq!(twice.pages_planned, 12);
    }

    #[test]
    fn counts_that_no_scan_can_have_come_to_are_told_apart() {
        let whole = some();
        assert!(whole.is_plausible(5, 0) && whole.is_plausible(6, 0));
        assert!(!whole.is_plausible(4, 0), "more verdicts than pages");
        assert!(!whole.is_plausible(6, 1), "nothing was read beside them");
        let changes: [fn(&mut Coverage); 6] = [
            |coverage| coverage.intact = u64::MAX,
            |coverage| coverage.intact_torn += 1,
            |coverage| coverage.free += 1,
            |coverage| coverage.free_detail.0[3] = u64::MAX,
            |coverage| coverage.not_reached = 1,
            |coverage| coverage.bytes_read = u64::MAX,
        ];
        for change in changes {
            let mut coverage = whole.clone();
            change(&mut coverage);
            assert!(!coverage.is_plausible(6, 0), "{coverage:?}");
        }
    }

    #[test]
    #[should_panic(expected = "does not add up")]
    fn a_lost_page_is_our_own_bug() {
        some().assert_adds_up();
    }

    #[test]
    #[should_panic(expected = "counted twice")]
    fn a_page_counted_twice_is_our_own_bug() {
        let mut coverage = some();
        coverage.count_free(FreeContent::Zero, 2);
        coverage.close();
    }

    #[test]
    fn nearly_everything_is_never_printed_as_everything() {
        let mut coverage = Coverage::planned(1_000_000_000);
        coverage.count_free(FreeContent::Zero, 999_999_999);
        coverage.close();
        assert!(coverage.percent() < 100.0);
    }
}
