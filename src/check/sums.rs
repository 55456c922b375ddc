//! What pages say of each other, in sums that must cancel: who a page calls its next one must call
//! it the one before, what a parent refers to must be there, one level lower, and in its order.
//!
//! Nothing is kept of a page but what it adds to the sums of its unit, and a line for each page
//! above the leaves, so that memory does not grow with the leaves. Where sums differ, the pages of
//! that unit are read again (`unit_pages.rs`). Two things that differ have one sum by chance once
//! in 2^64.

use crate::catalog::owners::interchangeable;
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::blob::{Blob, Pointer, pointers};
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::slots::{Columns, RecordType, RowId, Slot};
use std::collections::{BTreeMap, HashMap};

/// Odd, and no pattern in its bits: the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The pages of one unit that have one type and say one level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// How many.
    pub pages: u64,
    /// Those without rows.
    pub empty: u64,
    /// Of the pages.
    pub places: u64,
    /// Those that have none before them, and none after them.
    pub firsts: u64,
    /// The same.
    pub lasts: u64,
    /// Of pairs of a page and its next one, by the first of them.
    pub next: u64,
    /// The same, by the second.
    pub previous: u64,
    /// Entries that lead to children.
    pub children: u64,
    /// Of the children.
    pub child_places: u64,
    /// Of pairs of children that stand beside each other on one page.
    pub beside: u64,
}

/// A page above the leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    place: PageAddress,
    next: Option<PageAddress>,
    first: PageAddress,
    last: PageAddress,
    unit: u64,
    key: (u8, u8),
}

/// The pages of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSums {
    /// By `m_type` and `m_level`.
    pub levels: BTreeMap<(u8, u8), Level>,
    /// Of pairs of a stub and its row, by the stub; less the same, by the row.
    pub forwards: u64,
    /// Of links to text records from rows and text records.
    pub links: u64,
    /// Of text records.
    pub blobs: u64,
    /// Pages with compressed rows.
    pub compressed: u64,
    /// Rows that are no ghosts, on leaf pages; forwarded ones where their stubs are.
    pub rows: u64,
}

/// The pages of some files, by the unit that their headers say.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    units: HashMap<u64, UnitSums>,
    parents: Vec<Parent>,
    /// Pages that were added.
    pub pages: u64,
    /// Records on them.
    pub records: u64,
}

/// What one page adds.
#[derive(Debug, Default)]
pub struct PageSums {
    sums: UnitSums,
    level: Level,
    first: Option<PageAddress>,
    last: Option<PageAddress>,
}

impl PageSums {
    /// Adds the record in `slot` of the page at `place` with `header`.
    #[inline]
    pub fn add(
        &mut self,
        header: &PageHeader,
        place: PageAddress,
        slot: Slot<'_>,
        columns: &Columns,
    ) {
        let own = RowId { page: place, slot: slot.number };
        match slot.kind() {
            RecordType::Index | RecordType::GhostIndex if header.level > 0 || is_above(header) => {
                self.add_child(slot);
            }
            RecordType::ForwardingStub => {
                self.sums.rows += 1;
                if let Some(to) = slot.forwards_to() {
                    self.sums.forwards = self.sums.forwards.wrapping_add(pair_of_rows(own, to));
                }
            }
            RecordType::Blob => self.add_blob(own, slot),
            RecordType::Primary | RecordType::Forwarded => self.add_row(own, slot, columns),
            RecordType::Index => {
                self.sums.rows += 1;
                self.add_pointers(own, slot, columns);
            }
            _ => {}
        }
    }

    /// An entry of an index page. Whether it leads to a child is known only where the page's level
    /// is, so that of pages that say level 0 it is added as well and counts if they are not leaves.
    fn add_child(&mut self, slot: Slot<'_>) {
        let Some(child) = slot.child() else { return };
        self.level.children += 1;
        self.level.child_places = self.level.child_places.wrapping_add(of_page(child));
        if let Some(before) = self.last {
            self.level.beside = self.level.beside.wrapping_add(pair(before, child));
        }
        self.first.get_or_insert(child);
        self.last = Some(child);
    }

    fn add_row(&mut self, own: RowId, slot: Slot<'_>, columns: &Columns) {
        self.sums.rows += u64::from(slot.kind() == RecordType::Primary);
        self.add_pointers(own, slot, columns);
    }

    fn add_pointers(&mut self, own: RowId, slot: Slot<'_>, columns: &Columns) {
        if columns.variable == 0 {
            return;
        }
        for pointer in pointers(slot, *columns) {
            match pointer {
                Pointer::Back(stub) => {
                    self.sums.forwards = self.sums.forwards.wrapping_sub(pair_of_rows(stub, own));
                }
                Pointer::Text(id, to) => self.add_link(to, id >> 16),
                Pointer::InRow(id, _) => pointer.links().for_each(|to| self.add_link(to, id)),
                Pointer::Other => {}
            }
        }
    }

    fn add_blob(&mut self, own: RowId, slot: Slot<'_>) {
        let Some(blob) = Blob::of(slot) else { return };
        let id = (blob.id() >> 16) as u32;
        self.sums.blobs = self.sums.blobs.wrapping_add(of_link(own, id));
        blob.links().for_each(|(_, to)| self.add_link(to, id));
    }

    fn add_link(&mut self, to: RowId, id: u32) {
        self.sums.links = self.sums.links.wrapping_add(of_link(to, id));
    }
}

fn has_rows(kind: PageType) -> bool {
    use PageType::{Data, Index, TextMix, TextTree};
    matches!(kind, Data | Index | TextMix | TextTree)
}

/// Index pages of clustered indexes of some units say level 0 right above the leaves.
fn is_above(header: &PageHeader) -> bool {
    header.page_type == PageType::Index.m_type() && header.index_id < 2
}

impl Sums {
    /// Adds `page`, which is in use at `place` and broke no rule: `of_rows` is what its records
    /// add, of which it has so many.
    pub fn add(&mut self, page: &Page, place: PageAddress, of_rows: PageSums, records: u32) {
        let header = PageHeader::of(page);
        let kind = PageType::of(header.page_type);
        if !has_rows(kind) {
            return;
        }
        self.pages += 1;
        self.records += u64::from(records);
        let PageSums { sums, mut level, first, last } = of_rows;
        let next = header.next();
        let previous = header.previous();
        level.pages = 1;
        level.empty = u64::from(header.slot_count == 0);
        level.places = of_page(place);
        level.firsts = u64::from(previous.is_none());
        level.lasts = u64::from(next.is_none());
        level.next = next.map_or(0, |next| pair(place, next));
        level.previous = previous.map_or(0, |previous| pair(previous, place));
        let unit = interchangeable(header.allocation_unit_id());
        let key = (header.page_type, header.level);
        if let (Some(first), Some(last)) = (first, last) {
            self.parents.push(Parent { place, next, first, last, unit, key });
        }
        let known = self.units.entry(unit).or_default();
        known.add(&sums);
        known.levels.entry(key).or_default().add(&level);
    }

    /// A page of compressed rows, with `header`.
    pub fn add_compressed(&mut self, header: &PageHeader) {
        let unit = interchangeable(header.allocation_unit_id());
        self.units.entry(unit).or_default().compressed += 1;
    }

    /// Adds those of `other`.
    pub fn merge(&mut self, other: Self) {
        self.pages += other.pages;
        self.records += other.records;
        self.parents.extend(other.parents);
        for (unit, sums) in other.units {
            self.units.entry(unit).or_default().merge(&sums);
        }
    }

    /// True if nothing was added.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Adds to each level the pairs of the last child of a page and the first one of its next page.
    /// To be called once, when all pages are added.
    pub fn join_parents(&mut self) {
        let parents = std::mem::take(&mut self.parents);
        let firsts: HashMap<PageAddress, PageAddress> =
            parents.iter().map(|parent| (parent.place, parent.first)).collect();
        for parent in parents {
            let Some(first) = parent.next.and_then(|next| firsts.get(&next)) else { continue };
            let level = self.units.get_mut(&parent.unit).map(|unit| &mut unit.levels);
            if let Some(level) = level.and_then(|levels| levels.get_mut(&parent.key)) {
                level.beside = level.beside.wrapping_add(pair(parent.last, *first));
            }
        }
    }

    /// Those of `unit`.
    pub fn of(&self, unit: u64) -> Option<&UnitSums> {
        self.units.get(&interchangeable(unit))
    }
}

impl UnitSums {
    /// Adds what a page's records add.
    fn add(&mut self, other: &Self) {
        self.forwards = self.forwards.wrapping_add(other.forwards);
        self.links = self.links.wrapping_add(other.links);
        self.blobs = self.blobs.wrapping_add(other.blobs);
        self.compressed += other.compressed;
        self.rows += other.rows;
    }

    fn merge(&mut self, other: &Self) {
        self.add(other);
        for (key, level) in &other.levels {
            self.levels.entry(*key).or_default().add(level);
        }
    }

    /// Its pages of all types and levels.
    pub fn pages(&self) -> u64 {
        self.levels.values().map(|level| level.pages).sum()
    }
}

impl Level {
    /// Adds the pages of `other`.
    pub fn add(&mut self, other: &Self) {
        self.pages += other.pages;
        self.empty += other.empty;
        self.places = self.places.wrapping_add(other.places);
        self.firsts += other.firsts;
        self.lasts += other.lasts;
        self.next = self.next.wrapping_add(other.next);
        self.previous = self.previous.wrapping_add(other.previous);
        self.children += other.children;
        self.child_places = self.child_places.wrapping_add(other.child_places);
        self.beside = self.beside.wrapping_add(other.beside);
    }
}

/// A number for a page.
pub fn of_page(place: PageAddress) -> u64 {
    mixed(u64::from(place.file.0) << 32 | u64::from(place.page.0))
}

/// A number for two pages in this order.
pub fn pair(a: PageAddress, b: PageAddress) -> u64 {
    mixed(of_page(a).rotate_left(23) ^ of_page(b))
}

fn of_row(row: RowId) -> u64 {
    mixed(of_page(row.page) ^ u64::from(row.slot) << 48)
}

fn pair_of_rows(a: RowId, b: RowId) -> u64 {
    mixed(of_row(a).rotate_left(23) ^ of_row(b))
}

/// A number for a link to `to`, a record of a value with these bits 16 to 31 of its id: all that
/// every kind of link tells.
fn of_link(to: RowId, id: u32) -> u64 {
    mixed(of_row(to) ^ u64::from(id as u16) << 32)
}

/// Other numbers give other ones: each step can be undone.
fn mixed(number: u64) -> u64 {
    let product = (number.wrapping_add(FACTOR)).wrapping_mul(FACTOR);
    let folded = product ^ product >> 32;
    let product = folded.wrapping_mul(FACTOR);
    product ^ product >> 29
}
