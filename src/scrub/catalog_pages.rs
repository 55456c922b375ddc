//! Which pages of a file tell what others belong to: remembered by their ids while scanning.

use crate::catalog::{Lead, SystemTable};
use crate::page::address::PageId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Pages of one system table remembered for a file at most: 128 MiB of it, rows about a million
/// indexes. More than that is no catalog, but pages that call themselves one.
const TABLE_PAGES_MAX: usize = 16_384;
/// IAM pages remembered for a file at most: 2 GiB of them. A unit has one for each 3.9 GiB of a
/// file that it has pages in.
const IAM_PAGES_MAX: usize = 262_144;
/// Which pages of one file hold rows of the system tables, and which are IAM pages.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct CatalogPages {
    pub(super) pages: BTreeMap<SystemTable, BTreeSet<PageId>>,
    #[serde(default)]
    pub(super) iam_pages: BTreeSet<PageId>,
    /// Those that are not remembered.
    left_out: u64,
}

impl CatalogPages {
    /// Adds pages that were not added before. Of too many the first in the file are kept, so that
    /// it does not matter in which order they come.
    pub(crate) fn add(&mut self, found: Vec<(Lead, PageId)>) {
        for (lead, page) in found {
            let (pages, max) = match lead {
                Lead::Rows(table) => (self.pages.entry(table).or_default(), TABLE_PAGES_MAX),
                Lead::Iam => (&mut self.iam_pages, IAM_PAGES_MAX),
            };
            pages.insert(page);
            if pages.len() > max {
                pages.pop_last();
                self.left_out += 1;
            }
        }
    }

    /// Names may be missing, because not all pages are remembered.
    pub(crate) fn is_cut(&self) -> bool {
        self.left_out > 0
    }

    /// True if a scan of a file with so many `pages` can have come to this.
    pub(super) fn is_plausible(&self, pages: u32) -> bool {
        let fits = |kept: &BTreeSet<PageId>, max| {
            let ends_inside = kept.last().is_none_or(|last| last.0 < pages);
            kept.len() <= max && ends_inside
        };
        self.pages.values().all(|kept| fits(kept, TABLE_PAGES_MAX))
            && fits(&self.iam_pages, IAM_PAGES_MAX)
            && self.left_out <= u64::from(pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_pages_the_first_are_kept_in_whatever_order_they_come() {
        let kinds = [(Lead::Rows(SystemTable::SysRowsets), TABLE_PAGES_MAX)];
        for (lead, max) in kinds.into_iter().chain([(Lead::Iam, IAM_PAGES_MAX)]) {
            let many = max as u32 + 5;
            let kept = |pages: &mut dyn Iterator<Item = u32>| {
                let mut kept = CatalogPages::default();
                kept.add(pages.map(|page| (lead, PageId(page))).collect());
                kept
            };
            let (forward, backward) = (kept(&mut (0..many)), kept(&mut (0..many).rev()));
            assert_eq!(forward.pages, backward.pages);
            assert_eq!(forward.iam_pages, backward.iam_pages);
            assert_eq!((forward.left_out, backward.left_out), (5, 5));
            assert!(forward.is_cut() && forward.is_plausible(many) && !forward.is_plausible(100));
        }
    }
}
