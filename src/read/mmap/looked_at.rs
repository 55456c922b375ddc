//! Which parts of a mapping have been looked at and are still mapped into the process, in huge
//! pages: the kernel may map one at once, and then only lets go of it as a whole.
//!
//! They are dropped many at a time, since each dropping interrupts all cores that have used the
//! mapping, and the last one is kept: the next run of a backup whose extents are scattered begins
//! where this one ended, and would have it mapped in again.

use std::collections::BTreeSet;
use std::ops::Range;

/// Bytes that have been looked at and are still mapped into the process, at most.
const LOOKED_AT_BYTES_MAX: usize = 32 << 20;
/// What the kernel may map at once.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Huge pages that have been looked at, by number.
#[derive(Default)]
pub(super) struct LookedAt(BTreeSet<usize>);

impl LookedAt {
    /// `bytes` of a mapping of `length` have been looked at. Says what is to be dropped now, in one
    /// piece: what lies between is mapped by nobody, or mapped in again.
    pub(super) fn add(&mut self, bytes: &Range<usize>, length: usize) -> Option<Range<usize>> {
        self.0.extend(bytes.start / HUGE_PAGE_BYTES..bytes.end.div_ceil(HUGE_PAGE_BYTES));
        if self.0.len() * HUGE_PAGE_BYTES < LOOKED_AT_BYTES_MAX {
            return None;
        }
        let kept = self.0.pop_last();
        let dropped = std::mem::replace(&mut self.0, kept.into_iter().collect());
        let (first, last) = dropped.first().zip(dropped.last())?;
        Some(first * HUGE_PAGE_BYTES..((last + 1) * HUGE_PAGE_BYTES).min(length))
    }
}

/// The huge pages that `bytes` of a mapping of `length` lie in.
pub(super) fn whole_huge_pages(bytes: &Range<usize>, length: usize) -> Range<usize> {
    let start = bytes.start / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    start..bytes.end.next_multiple_of(HUGE_PAGE_BYTES).min(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = (100 << 20) + 4096;

    /// Looks at runs of `step` bytes one after another.
    fn dropped(step: usize) -> Vec<Range<usize>> {
        let mut looked_at = LookedAt::default();
        let runs = (0..LENGTH).step_by(step).map(|start| start..(start + step).min(LENGTH));
        runs.filter_map(|run| looked_at.add(&run, LENGTH)).collect()
    }

    #[test]
    fn small_runs_are_dropped_as_seldom_as_large_ones_and_each_byte_once() {
        let by_large = dropped(2 << 20);
        assert_eq!(by_large.len(), 3, "100 MiB in steps of 30 MiB");
        assert_eq!(dropped(64 << 10), by_large);
        assert_eq!(dropped(80 << 10), by_large);
        assert!(by_large.windows(2).all(|pair| pair[0].end == pair[1].start), "{by_large:?}");
    }

    #[test]
    fn what_is_in_work_is_kept_and_nothing_beyond_the_end_is_named() {
        let mut looked_at = LookedAt::default();
        let all = looked_at.add(&(0..LENGTH), LENGTH);
        assert_eq!(all, Some(0..100 << 20), "the last huge page may be in work");
        assert_eq!(looked_at.add(&(LENGTH - 1..LENGTH), LENGTH), None);
        assert_eq!(whole_huge_pages(&(LENGTH - 1..LENGTH), LENGTH), 100 << 20..LENGTH);
    }

    /// As the PFS pages of a sparse file are.
    #[test]
    fn pages_far_apart_are_dropped_together() {
        let mut looked_at = LookedAt::default();
        let pages = (0..160).map(|n| n * (64 << 20)).map(|start| start..start + 8192);
        let dropped = pages.filter_map(|page| looked_at.add(&page, usize::MAX)).count();
        assert_eq!(dropped, 10);
    }
}
