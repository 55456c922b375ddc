//! The leaf pages of a system table, in the order of their links, from the first to the last one
//! that its root leads to.

use super::rule::Rule;
use super::{Breach, Pages};
use crate::catalog::owners::is_same_unit;
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::slots::{Slot, Slots};

/// A system table. Where it cannot be followed, everything answers `None`; it is told as rule C1
/// unless a page is not sound.
pub(super) struct Table<'a> {
    pub(super) pages: &'a dyn Pages,
    /// The allocation unit of its pages.
    pub(super) unit: u64,
    pub(super) tell: &'a mut dyn FnMut(Breach),
}

impl Table<'_> {
    /// Shows the leaf pages from `first` on, which `told_by` names. Answers which one is the last.
    pub(super) fn leaves(
        &mut self,
        first: PageAddress,
        told_by: PageAddress,
        visit: &mut dyn FnMut(PageAddress, &Page) -> bool,
    ) -> Option<PageAddress> {
        let (mut before, mut place) = (None, first);
        loop {
            let from = before.unwrap_or(told_by);
            let page = self.page(place, from)?;
            let header = PageHeader::of(&page);
            let is_leaf = header.level == 0 && is(&page, PageType::Data);
            // Each page has one before it, so that the links cannot lead round.
            let is_linked = header.previous() == before;
            if !is_leaf || !is_linked || !visit(place, &page) {
                return self.stop(place, from);
            }
            let Some(next) = header.next() else { return Some(place) };
            (before, place) = (Some(place), next);
        }
    }

    /// Follows from `root`, which `told_by` names, the child that `which` slot of each page leads
    /// to, down to a leaf.
    pub(super) fn edge(
        &mut self,
        root: PageAddress,
        told_by: PageAddress,
        which: fn(Slots<'_>) -> Option<Slot<'_>>,
    ) -> Option<PageAddress> {
        let (mut at, mut before) = (root, told_by);
        // There are no more levels than a byte can count.
        for _ in 0..=u8::MAX {
            let page = self.page(at, before)?;
            if !is(&page, PageType::Index) {
                return Some(at);
            }
            let child = which(Slots::of(&page)).and_then(Slot::child);
            let Some(child) = child else { return self.stop(at, before) };
            (before, at) = (at, child);
        }
        self.stop(at, before)
    }

    /// The page at `place`, to which `from` refers, if it is one of the table.
    fn page(&mut self, place: PageAddress, from: PageAddress) -> Option<Page> {
        let page = self.pages.sound(place)?;
        let unit = PageHeader::of(&page).allocation_unit_id();
        if is_same_unit(unit, self.unit) { Some(page) } else { self.stop(place, from) }
    }

    /// Nothing more can be read: the page at `place` does not fit that at `from`.
    pub(super) fn stop<T>(&mut self, place: PageAddress, from: PageAddress) -> Option<T> {
        (self.tell)(Breach::of(Rule::C1, place).with(from).about(self.unit));
        None
    }
}

fn is(page: &Page, kind: PageType) -> bool {
    PageHeader::of(page).page_type == kind.m_type()
}

/// The first slot.
pub(super) fn first(slots: Slots<'_>) -> Option<Slot<'_>> {
    slots.all().next()
}

/// The last slot.
pub(super) fn last(slots: Slots<'_>) -> Option<Slot<'_>> {
    slots.count().checked_sub(1).map(|number| slots.slot(number))
}
