//! The pages of one unit, held against each other: first by their sums, and where those differ page
//! by page (docs/check.md, sections "Trees", "Heaps", "LOB values").

use super::rule::Rule;
use super::sums::{Level, UnitSums, of_page};
use super::{Breach, Pages};
use crate::catalog::owners::is_same_unit;
use crate::page::Page;
use crate::page::address::{FileId, PageAddress, PageRange};
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use std::collections::{BTreeMap, BTreeSet};

/// `type` in sysallocunits: rows, LOB values.
pub(super) const IN_ROW: u8 = 1;
/// The same.
pub(super) const LOB: u8 = 2;
/// The same: columns that do not fit into their rows.
pub(super) const ROW_OVERFLOW: u8 = 3;
/// Pages of a unit that are held against each other one by one at most: 32 GiB of them.
pub(super) const PAGES_MAX: u64 = 4 << 20;

/// A unit whose chain of IAM pages is whole.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Its id.
    pub(super) id: u64,
    /// What it stores: 1 rows, 2 LOB values, 3 row-overflow data.
    pub(super) content: u8,
    /// As in sys.indexes: 0 heap, 1 clustered index, others nonclustered ones.
    pub(super) index_id: i32,
    /// The page that its tree begins with, by sysallocunits.
    pub(super) root: PageAddress,
    /// Its pages in use but for IAM pages, by file: runs, ascending.
    pub(super) pages: Vec<(FileId, PageRange)>,
}

impl Unit {
    /// How many pages it has in use, without IAM pages.
    pub(super) fn count(&self) -> u64 {
        self.pages.iter().map(|(_, run)| u64::from(run.pages)).sum()
    }

    /// It is a tree of pages.
    pub(super) fn is_tree(&self) -> bool {
        self.content == IN_ROW && self.index_id > 0
    }

    /// The level of a page in its tree, from 0 for the leaves. The lowest index pages of some
    /// clustered indexes say 0, as they did in SQL Server 2000 (docs/check.md, T0).
    pub(super) fn true_level(&self, page_type: u8, level: u8) -> u16 {
        let is_shifted =
            self.index_id == 1 && self.id >> 48 == 1 && page_type == PageType::Index.m_type();
        u16::from(level) + u16::from(is_shifted)
    }

    /// A page of this type, that says this level, can be one of its pages.
    pub(super) fn may_have(&self, page_type: u8, level: u8) -> bool {
        match (self.content, self.index_id, PageType::of(page_type)) {
            (IN_ROW, 1, PageType::Index) => self.true_level(page_type, level) > 0,
            (IN_ROW, 0 | 1, PageType::Data)
            | (IN_ROW, 2.., PageType::Index)
            | (LOB | ROW_OVERFLOW, _, PageType::TextMix | PageType::TextTree) => true,
            _ => false,
        }
    }

    /// True if nothing in `sums`, of all pages that say they are its own, contradicts that they
    /// are its pages and stand in a tree, if it is one.
    pub(super) fn agrees(&self, sums: Option<&UnitSums>) -> bool {
        let Some(sums) = sums else { return self.pages.is_empty() };
        let fits = |(page_type, level): &(u8, u8)| self.may_have(*page_type, *level);
        sums.pages() == self.count()
            && sums.levels.keys().all(fits)
            && (!self.is_tree() || self.is_whole_tree(sums))
            && (self.index_id > 0 || sums.forwards == 0)
    }

    fn is_whole_tree(&self, sums: &UnitSums) -> bool {
        let mut levels: BTreeMap<u16, Level> = BTreeMap::new();
        for ((page_type, level), of) in &sums.levels {
            levels.entry(self.true_level(*page_type, *level)).or_default().add(of);
        }
        let Some((_, top)) = levels.last_key_value() else { return true };
        let is_gapless = levels.keys().copied().eq(0..levels.len() as u16);
        let is_root = top.pages == 1 && top.places == of_page(self.root);
        let is_single = sums.pages() == 1;
        let is_chain = |level: &Level| {
            (level.firsts, level.lasts) == (1, 1)
                && level.next == level.previous
                && (level.empty == 0 || is_single)
        };
        let is_below = |(below, above): (&Level, &Level)| {
            above.children == below.pages
                && above.child_places == below.places
                && above.beside == below.next
        };
        let pairs = levels.values().zip(levels.values().skip(1));
        is_gapless && is_root && levels.values().all(is_chain) && { pairs }.all(is_below)
    }
}

/// The first rule that each page breaks, and the page with which it disagrees.
#[derive(Default)]
pub(super) struct Broken(BTreeMap<PageAddress, Breach>);

impl Broken {
    /// Adds `breach`, unless its page breaks an earlier rule.
    pub(super) fn add(&mut self, breach: Breach) {
        let known = self.0.entry(breach.place).or_insert(breach);
        if breach.rule < known.rule {
            *known = breach;
        }
    }

    /// Nothing of the page at `place` counts any more.
    pub(super) fn has(&self, place: PageAddress) -> bool {
        self.0.contains_key(&place)
    }

    /// All of them, by place.
    pub(super) fn into_list(self) -> impl Iterator<Item = Breach> {
        self.0.into_values()
    }
}

/// A look at the pages of a unit, one by one.
pub(super) struct Look<'a> {
    /// Where they are. Those that are known to be bad, or were not read, are not shown.
    pub(super) pages: &'a dyn Pages,
}

impl Look<'_> {
    /// Shows the pages of `unit` that are its own; of others it says what they break. Says how many
    /// pages are not sound.
    pub(super) fn own_pages(
        &self,
        unit: &Unit,
        broken: &mut Broken,
        visit: &mut dyn FnMut(PageAddress, &Page),
    ) -> BTreeSet<PageAddress> {
        let mut unseen = BTreeSet::new();
        for (file, run) in &unit.pages {
            let mut next = run.first.0;
            let first = PageAddress::new(*file, run.first);
            let lost = |from: u32, to: u32, unseen: &mut BTreeSet<PageAddress>| {
                unseen.extend(
                    PageRange::between(from, to).ids().map(|id| PageAddress::new(*file, id)),
                );
            };
            self.pages.visit(first, run.pages, &mut |place, page| {
                lost(next, place.page.0, &mut unseen);
                next = place.page.0 + 1;
                let header = PageHeader::of(page);
                if !is_same_unit(header.allocation_unit_id(), unit.id) {
                    broken.add(Breach { unit: Some(unit.id), ..Breach::of(Rule::O2, place) });
                } else if !unit.may_have(header.page_type, header.level) {
                    broken.add(Breach { unit: Some(unit.id), ..Breach::of(Rule::O3, place) });
                } else {
                    visit(place, page);
                }
            });
            lost(next, run.end(), &mut unseen);
        }
        unseen
    }
}
