//! What IAM pages claim: in few bytes, for as long as a file is scanned; and by page, for the
//! intervals that have to be looked at again.

use super::owners::Claim;
use crate::page::EXTENT_PAGES;
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::PFS_INTERVAL_EXTENTS;
use crate::page::iam::{IamPage, SINGLE_PAGES};
use std::collections::BTreeMap;
use std::ops::Range;

/// Runs of extents of one IAM page that are worth keeping: more than that is half a page.
const RUNS_KEPT_MAX: usize = 512;

/// What one IAM page claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IamClaims {
    /// For which unit.
    pub unit: u64,
    /// Pages in mixed extents, of any file; places that are not used name file 0.
    pub singles: [PageAddress; SINGLE_PAGES],
    /// The file that its bitmap is of.
    pub extents_of: FileId,
    /// Runs of extents of it, by their numbers in that file.
    pub extents: Box<[Range<u32>]>,
}

impl IamClaims {
    /// What `iam` claims. Where its bitmap is of the file `own` itself, which ends before page
    /// `end`, what is beyond that is nothing.
    pub fn of(iam: IamPage<'_>, own: FileId, end: PageId) -> Self {
        let extents_of = iam.start().file;
        let end = if extents_of == own { end } else { PageId(u32::MAX) };
        Self {
            unit: iam.unit(),
            singles: iam.slots(),
            extents_of,
            extents: iam.extents(end).collect(),
        }
    }

    /// It speaks of a file other than `own`.
    pub fn is_of_others(&self, own: FileId) -> bool {
        let is_other = |single: &PageAddress| ![own, FileId(0)].contains(&single.file);
        (self.extents_of != own && !self.extents.is_empty()) || self.singles.iter().any(is_other)
    }

    /// It gives `place` to its unit, as a single page or with its extent.
    pub fn has(&self, place: PageAddress) -> bool {
        let extent = place.page.extent().0;
        let has_extent = || self.extents.iter().any(|run| run.contains(&extent));
        self.singles.contains(&place) || (self.extents_of == place.file && has_extent())
    }

    /// It is no longer than a few rows of an ordinary page.
    pub fn is_short(&self) -> bool {
        self.extents.len() <= RUNS_KEPT_MAX
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.extents)
    }
}

/// How a page is claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimedPage {
    /// By the bitmaps, with the rest of its extent.
    pub with_extent: Claim,
    /// Alone, as a page of a mixed extent.
    pub alone: Claim,
}

impl ClaimedPage {
    /// The unit that owns the page, where one claims it and does so in the way that fits: a page in
    /// a mixed extent alone, any other one with its extent.
    pub fn owner(self, is_mixed: bool) -> Option<u64> {
        let (fits, must_be_none) =
            if is_mixed { (self.alone, self.with_extent) } else { (self.with_extent, self.alone) };
        match (fits, must_be_none) {
            (Claim::Unit(unit), Claim::Nobody) => Some(unit),
            _ => None,
        }
    }
}

/// All that is claimed of certain PFS intervals of one file.
pub struct Claims {
    file: FileId,
    extents: BTreeMap<u32, Box<[Claim]>>,
    singles: BTreeMap<PageId, Claim>,
}

impl Claims {
    /// Of these `intervals` of `file`. Nobody has claimed anything yet.
    pub fn of(file: FileId, intervals: impl IntoIterator<Item = u32>) -> Self {
        let nobody = || vec![Claim::Nobody; PFS_INTERVAL_EXTENTS as usize].into_boxed_slice();
        let extents = intervals.into_iter().map(|interval| (interval, nobody())).collect();
        Self { file, extents, singles: BTreeMap::new() }
    }

    /// Adds what `iam` claims. The order does not matter.
    pub fn add(&mut self, iam: &IamClaims) {
        for single in iam.singles.iter().filter(|single| single.file == self.file) {
            if self.extents.contains_key(&(single.page.extent().0 / PFS_INTERVAL_EXTENTS)) {
                let claim = self.singles.entry(single.page).or_default();
                *claim = claim.and(iam.unit);
            }
        }
        if iam.extents_of != self.file {
            return;
        }
        for (interval, claims) in &mut self.extents {
            let start = interval * PFS_INTERVAL_EXTENTS;
            for run in &iam.extents {
                let first = run.start.max(start);
                let end = run.end.min(start + PFS_INTERVAL_EXTENTS).max(first);
                for extent in first..end {
                    let claim = &mut claims[(extent - start) as usize];
                    *claim = claim.and(iam.unit);
                }
            }
        }
    }

    /// Who claims `page`.
    pub fn claimed(&self, page: PageId) -> ClaimedPage {
        let extent = page.0 / EXTENT_PAGES;
        let of_interval = self.extents.get(&(extent / PFS_INTERVAL_EXTENTS));
        let at = (extent % PFS_INTERVAL_EXTENTS) as usize;
        ClaimedPage {
            with_extent: of_interval.map(|claims| claims[at]).unwrap_or_default(),
            alone: self.singles.get(&page).copied().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId(1);

    fn claims(unit: u64, extents: Range<u32>, single: (u16, u32)) -> IamClaims {
        let mut singles = [PageAddress::new(FileId(0), PageId(0)); SINGLE_PAGES];
        singles[1] = PageAddress::new(FileId(single.0), PageId(single.1));
        IamClaims { unit, singles, extents_of: FILE, extents: Box::new([extents]) }
    }

    #[test]
    fn a_page_is_owned_by_who_alone_claims_it_in_the_right_way() {
        let mut all = Claims::of(FILE, [1]);
        all.add(&claims(7, 1000..1020, (1, 8096)));
        all.add(&claims(8, 1018..1030, (1, 8300)));
        all.add(&claims(9, 1100..1101, (2, 8801)));
        let owner = |page: u32, is_mixed| all.claimed(PageId(page)).owner(is_mixed);
        // By its extent, and not if it stands in a mixed one.
        assert_eq!([owner(8100, false), owner(8100, true)], [Some(7), None]);
        // By both, by two, alone.
        assert_eq!([owner(8096, false), owner(8096, true)], [None, None]);
        assert_eq!(owner(1018 * 8, false), None);
        assert_eq!([owner(8300, true), owner(8300, false)], [Some(8), None]);
        // A page of another file, and an interval that nobody asked for.
        assert_eq!([owner(8801, true), owner(8801, false)], [None, Some(9)]);
        assert_eq!(owner(1000 * 8, false), None);
    }

    #[test]
    fn a_unit_has_single_pages_of_any_file_and_extents_of_one() {
        let claims = claims(7, 1000..1020, (3, 5));
        let has = |file, page| claims.has(PageAddress::new(FileId(file), PageId(page)));
        assert!(has(3, 5) && has(1, 8000) && has(1, 8159));
        assert!(!has(1, 5) && !has(3, 8000) && !has(1, 8160) && !has(1, 7999));
    }

    #[test]
    fn what_is_said_of_other_files_is_known() {
        let own = claims(7, 1000..1020, (1, 5));
        assert!(!own.is_of_others(FILE) && own.is_of_others(FileId(2)));
        assert!(claims(7, 1000..1020, (2, 5)).is_of_others(FILE));
    }
}
