//! IAM pages in, the allocation unit that owns a page out. What a damaged page says of itself is
//! not asked here (docs/page-format.md, section 4.5).

use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::GAM_INTERVAL_PAGES;
use crate::page::iam::IamPage;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where the index id is in an allocation unit id.
const INDEX_ID_SHIFT: u32 = 48;

/// How it is known what a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// Its own header says so, and nothing that is sound can confirm or deny it.
    Header,
    /// An IAM page says so, and the page's header does not tell or is wrong.
    Iam,
    /// The allocation structures and its header agree.
    Both,
    /// The sound pages of its uniform extent agree, and no IAM page tells.
    Extent,
    /// It is the first IAM page of a unit, says sysallocunits.
    Catalog,
}

impl NamedBy {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Iam => "iam",
            Self::Both => "both",
            Self::Extent => "extent",
            Self::Catalog => "catalog",
        }
    }
}

/// The units that claim a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// None.
    #[default]
    Nobody,
    /// One.
    Unit(u64),
    /// More than one: who is right cannot be told.
    Several,
}

impl Claim {
    /// With the claim of `unit`.
    #[must_use]
    pub fn and(self, unit: u64) -> Self {
        match self {
            Self::Nobody => Self::Unit(unit),
            Self::Unit(known) if known == unit => self,
            Self::Unit(_) | Self::Several => Self::Several,
        }
    }
}

/// What IAM pages say of certain pages of one file.
pub struct Owners {
    file: FileId,
    owned: BTreeMap<PageId, Claim>,
    /// Those that are IAM pages themselves: by their neighbours in the chain.
    chained: BTreeMap<PageId, Claim>,
    /// Units and intervals of which an IAM page was seen, as far as pages are asked for there.
    described: BTreeSet<(u64, u32)>,
    /// Units of which the IAM page with the single pages was seen.
    begun: BTreeSet<u64>,
}

impl Owners {
    /// Who owns `pages` of `file`? Nobody has said yet.
    pub fn of(file: FileId, pages: impl IntoIterator<Item = PageId>) -> Self {
        Self {
            file,
            owned: pages.into_iter().map(|page| (page, Claim::Nobody)).collect(),
            chained: BTreeMap::new(),
            described: BTreeSet::new(),
            begun: BTreeSet::new(),
        }
    }

    /// Learns what a sound IAM page in use says. The order does not matter.
    pub fn add(&mut self, iam: IamPage<'_>) {
        self.add_single_pages(iam);
        self.add_extents(iam);
        for link in iam.links().filter(|link| link.file == self.file) {
            if self.owned.contains_key(&link.page) {
                let claim = self.chained.entry(link.page).or_default();
                *claim = claim.and(iam.unit());
            }
        }
    }

    fn add_single_pages(&mut self, iam: IamPage<'_>) {
        if iam.sequence() == 0 {
            self.begun.insert(iam.unit());
        }
        for single in iam.single_pages().filter(|single| single.file == self.file) {
            if let Some(claim) = self.owned.get_mut(&single.page) {
                *claim = claim.and(iam.unit());
            }
        }
    }

    fn add_extents(&mut self, iam: IamPage<'_>) {
        let PageAddress { file, page: start } = iam.start();
        if file != self.file {
            return;
        }
        let last = PageId(start.0.saturating_add(GAM_INTERVAL_PAGES - 1));
        let mut is_asked = false;
        for (page, claim) in self.owned.range_mut(start..=last) {
            is_asked = true;
            if iam.owns_extent_of(*page) {
                *claim = claim.and(iam.unit());
            }
        }
        if is_asked {
            self.described.insert((iam.unit(), start.0 / GAM_INTERVAL_PAGES));
        }
    }

    /// Who owns `page`, by slots and bitmaps.
    pub fn claim(&self, page: PageId) -> Claim {
        self.owned.get(&page).copied().unwrap_or_default()
    }

    /// Whose IAM page `page` is, by the pages before and after it in the chain.
    pub fn chain(&self, page: PageId) -> Claim {
        self.chained.get(&page).copied().unwrap_or_default()
    }

    /// True if all that could give `page` to `unit` was seen. If nobody claims the page then, it is
    /// not the unit's.
    pub fn is_complete(&self, unit: u64, page: PageId) -> bool {
        let interval = page.0 / GAM_INTERVAL_PAGES;
        let is_seen =
            |unit| self.begun.contains(&unit) && self.described.contains(&(unit, interval));
        is_seen(unit) || clustered(unit).is_some_and(is_seen)
    }
}

/// True if a page whose header says one of two units may belong to the other one: they are the
/// same, or differ as in databases from SQL Server 2000 (section 6.3).
pub fn is_same_unit(a: u64, b: u64) -> bool {
    interchangeable(a) == interchangeable(b)
}

/// One id for all units that a header may mix up with `unit` (section 6.3): index id 0 for 1.
#[inline]
pub(crate) fn interchangeable(unit: u64) -> u64 {
    let is_clustered = unit >> INDEX_ID_SHIFT == 1;
    if is_clustered { unit ^ 1 << INDEX_ID_SHIFT } else { unit }
}

/// The unit of which pages from SQL Server 2000 call themselves unit `id`: data pages of a
/// clustered index have index id 0 there, while the unit has 1 (section 6.3).
pub fn clustered(id: u64) -> Option<u64> {
    (id >> INDEX_ID_SHIFT == 0).then_some(id | 1 << INDEX_ID_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_that_claim_a_page_are_one_too_many() {
        let both = Claim::Nobody.and(7).and(7);
        assert_eq!(both, Claim::Unit(7));
        assert_eq!([both.and(8), both.and(8).and(8)], [Claim::Several; 2]);
    }

    #[test]
    fn units_of_sql_server_2000_are_the_same_with_index_id_0_and_1() {
        let (heap, clustered, other) = (5 << 16, 5 << 16 | 1 << 48, 5 << 16 | 2 << 48);
        assert!(is_same_unit(heap, clustered) && is_same_unit(clustered, heap));
        assert!(!is_same_unit(heap, other) && !is_same_unit(clustered, other));
    }
}
