//! What all chains of IAM pages claim of one file: who has which extent, and which single page.

use crate::catalog::owners::Claim;
use crate::page::address::{ExtentId, PageId};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// The claims of one file.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// Ascending and disjoint; what is in none is claimed by nobody.
    extents: Box<[(Range<u32>, Claim)]>,
    singles: BTreeMap<PageId, Claim>,
}

impl Claims {
    /// Of runs of `extents` and `singles`, each with the unit that claims them.
    pub fn of(extents: Vec<(Range<u32>, u64)>, singles: Vec<(PageId, u64)>) -> Self {
        let mut claims = Self { extents: apart(extents), singles: BTreeMap::new() };
        for (page, unit) in singles {
            let claim = claims.singles.entry(page).or_default();
            *claim = claim.and(unit);
        }
        claims
    }

    /// Who claims `extent`.
    pub fn extent(&self, extent: ExtentId) -> Claim {
        let at = self.extents.partition_point(|(run, _)| run.end <= extent.0);
        let claimed = self.extents.get(at).filter(|(run, _)| run.contains(&extent.0));
        claimed.map_or(Claim::Nobody, |(_, claim)| *claim)
    }

    /// The single pages among `pages` that are claimed, and by whom.
    pub fn singles(&self, pages: Range<u32>) -> impl Iterator<Item = (PageId, Claim)> {
        let pages = PageId(pages.start)..PageId(pages.end);
        self.singles.range(pages).map(|(page, claim)| (*page, *claim))
    }

    /// Who claims `page`, alone or with its extent.
    pub fn page(&self, page: PageId) -> Claim {
        let alone = self.singles.get(&page).copied().unwrap_or_default();
        match (alone, self.extent(page.extent())) {
            (Claim::Nobody, claim) | (claim, Claim::Nobody) => claim,
            _ => Claim::Several,
        }
    }
}

/// The same claims in runs that do not overlap.
fn apart(runs: Vec<(Range<u32>, u64)>) -> Box<[(Range<u32>, Claim)]> {
    let ends = |(run, unit): (Range<u32>, u64)| [(run.start, true, unit), (run.end, false, unit)];
    let mut ends: Vec<(u32, bool, u64)> = runs.into_iter().flat_map(ends).collect();
    ends.sort_unstable();
    let (mut found, mut units, mut from) = (Vec::new(), BTreeSet::new(), 0);
    for (at, begins, unit) in ends {
        let claim = units.iter().fold(Claim::Nobody, |claim, unit| claim.and(*unit));
        if from < at && claim != Claim::Nobody {
            found.push((from..at, claim));
        }
        from = at;
        if begins {
            units.insert(unit)
        } else {
            units.remove(&unit)
        };
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_overlap_are_told_apart() {
        let runs = vec![(10..20, 7), (30..31, 8), (20..25, 7), (15..22, 9)];
        let claims = Claims::of(runs, vec![(PageId(3), 7), (PageId(3), 8), (PageId(88), 9)]);
        let claim = |extent| claims.extent(ExtentId(extent));
        assert_eq!([9, 10, 14].map(claim), [Claim::Nobody, Claim::Unit(7), Claim::Unit(7)]);
        assert_eq!([15, 19, 20, 21].map(claim), [Claim::Several; 4]);
        assert_eq!([22, 24, 25].map(claim), [Claim::Unit(7), Claim::Unit(7), Claim::Nobody]);
        assert_eq!(claim(30), Claim::Unit(8));
        let page = |page| claims.page(PageId(page));
        assert_eq!([3, 88, 80, 248].map(page)[..2], [Claim::Several, Claim::Several]);
        assert_eq!([80, 240, 4].map(page), [Claim::Unit(7), Claim::Unit(8), Claim::Nobody]);
        assert!(claims.singles(0..88).eq([(PageId(3), Claim::Several)]));
    }
}
