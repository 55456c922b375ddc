//! What was found so far, in the order of pages. Memory is bounded: what is too much is counted.

use super::class::{Class, Counts};
use super::report::PageDiff;
use crate::catalog::Lead;
use crate::page::address::{PageId, PageRange};
use std::collections::BTreeMap;

/// Runs of pages kept for a file at most.
const RUNS_MAX: usize = 1 << 18;
/// Pages listed by themselves for a file at most.
const PAGES_MAX: usize = 1 << 16;
/// Owners that are counted apart at most: those of the lowest ids.
const OWNERS_MAX: usize = 1 << 18;

/// What a page belongs to, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// No object: allocation pages, file header and boot page.
    NoObject,
    /// An allocation unit, by its id.
    Unit(u64),
    /// Nothing tells, or there are too many.
    Unknown,
}

/// Pages that follow each other, of one class and one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) class: Class,
    pub(super) owner: Owner,
    pub(super) range: PageRange,
}

/// What was found in one file.
#[derive(Default)]
pub(super) struct Found {
    /// All but free pages, which belong to nobody.
    pub(super) by_owner: BTreeMap<Owner, Counts>,
    free: Counts,
    pub(super) runs: Vec<Run>,
    pub(super) runs_not_listed: u64,
    pub(super) pages: Vec<(PageDiff, Owner)>,
    pub(super) pages_not_listed: u64,
    /// Pages of the catalog and IAM pages, of both copies.
    pub(super) leads: [Vec<(Lead, PageId)>; 2],
    /// A page names another place as its own.
    pub(super) has_wrong_ids: bool,
}

impl Found {
    /// Adds a page of `class`, which comes behind all those before it.
    pub(super) fn add(&mut self, class: Class, owner: Owner, page: PageId) {
        match class {
            Class::Free => self.free.add(class),
            _ => self.by_owner.entry(owner).or_default().add(class),
        }
        if !class.is_alike() {
            self.add_run(Run { class, owner, range: PageRange { first: page, pages: 1 } });
        }
    }

    /// Adds a page that is listed by itself.
    pub(super) fn list(&mut self, page: PageDiff, owner: Owner) {
        if self.pages.len() < PAGES_MAX {
            self.pages.push((page, owner));
        } else {
            self.pages_not_listed += 1;
        }
    }

    /// Adds what was found in the pages behind these; leads are not kept.
    pub(super) fn add_all(&mut self, behind: Self) {
        self.free.add_all(&behind.free);
        for (owner, counts) in behind.by_owner {
            self.by_owner.entry(owner).or_default().add_all(&counts);
        }
        self.limit_owners();
        behind.runs.into_iter().for_each(|run| self.add_run(run));
        self.runs_not_listed += behind.runs_not_listed;
        behind.pages.into_iter().for_each(|(page, owner)| self.list(page, owner));
        self.pages_not_listed += behind.pages_not_listed;
        self.has_wrong_ids |= behind.has_wrong_ids;
    }

    /// All pages by class.
    pub(super) fn counts(&self) -> Counts {
        let mut all = self.free;
        self.by_owner.values().for_each(|counts| all.add_all(counts));
        all
    }

    fn add_run(&mut self, run: Run) {
        let is_full = self.runs.len() >= RUNS_MAX;
        match self.runs.last_mut() {
            Some(last) if last.is_followed_by(run) => last.range.pages += run.range.pages,
            _ if is_full => self.runs_not_listed += 1,
            _ => self.runs.push(run),
        }
    }

    fn limit_owners(&mut self) {
        while self.by_owner.len() > OWNERS_MAX + 2 {
            let units = self.by_owner.range(..Owner::Unknown);
            let Some(highest) = units.last().map(|(owner, _)| *owner) else { return };
            if let Some(counts) = self.by_owner.remove(&highest) {
                self.by_owner.entry(Owner::Unknown).or_default().add_all(&counts);
            }
        }
    }
}

impl Run {
    fn is_followed_by(self, next: Self) -> bool {
        let is_alike = (self.class, self.owner) == (next.class, next.owner);
        is_alike && self.range.end() == next.range.first.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_go_on_from_one_piece_to_the_next_and_end_with_class_or_owner() {
        let mut all = Found::default();
        for pages in [0..8, 8..16] {
            let mut piece = Found::default();
            for page in pages {
                let class = if page == 3 { Class::Equal } else { Class::NewerInA };
                let owner = if page < 12 { Owner::Unit(7) } else { Owner::NoObject };
                piece.add(class, owner, PageId(page));
            }
            all.add_all(piece);
        }
        let runs: Vec<_> =
            all.runs.iter().map(|run| (run.range.first.0, run.range.pages)).collect();
        assert_eq!(runs, [(0, 3), (4, 8), (12, 4)]);
        assert_eq!((all.counts().of(Class::NewerInA), all.counts().pages()), (15, 16));
    }

    #[test]
    fn of_too_many_owners_those_of_the_lowest_ids_are_kept() {
        let mut all = Found::default();
        for owner in (0..OWNERS_MAX as u64 + 5).rev() {
            let mut piece = Found::default();
            piece.add(Class::Equal, Owner::Unit(owner), PageId(owner as u32));
            all.add_all(piece);
        }
        assert_eq!(all.by_owner.len(), OWNERS_MAX + 2);
        assert_eq!(all.counts().pages(), OWNERS_MAX as u64 + 5);
        assert!(all.by_owner.contains_key(&Owner::Unit(0)));
    }
}
