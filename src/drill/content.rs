//! Pages of tables, indexes and LOB values: rows, slot array, chain, free space
//! (docs/page-format.md, sections 1 and 6.2).
//!
//! All rows of a page have one length, so that the row count alone tells how full the page is:
//! the PFS page can be made without making the pages it describes. Values are text, not noise:
//! noise looks like encryption.

use super::chance::{Dice, Purpose, below, dice, draw};
use super::fields::{put_page, put_slot, put_u16, put_u32};
use super::layout::{Layout, Role};
use super::units::{SYSTEM_UNITS, Shape, UNITS, UnitIndex};
use crate::page::address::PageId;
use crate::page::header::{HEADER_BYTES, PageHeader};
use crate::page::{PAGE_BYTES, Page, kind::PageType};
use rand_xoshiro::rand_core::Rng;

const BODY_BYTES: usize = PAGE_BYTES - HEADER_BYTES;
const SLOT_BYTES: usize = 2;
/// Status byte A of a data row: primary record with a null bitmap.
const DATA_ROW: u8 = 0x10;
/// Index record with a null bitmap.
const LEAF_INDEX_ROW: u8 = 0x16;
/// Index record without.
const UPPER_INDEX_ROW: u8 = 0x06;
/// Blob fragment.
const LOB_ROW: u8 = 0x08;
/// Set on most pages of user tables; nobody knows why, and no checker may care.
const FLAG_COMMON: u16 = 0x8000;
/// A text record that holds links: its type, and where its id, that, and they are. One link is its
/// end, then page, file and slot.
const LINKING: u16 = 2;
const TEXT_ID: usize = 4;
const TEXT_TYPE: usize = 12;
const TEXT_LINKS: usize = 16;
const TEXT_LINK: usize = 20;
const TEXT_END_BYTES: usize = 8;

/// The rows of one kind of page.
struct Form {
    kind: PageType,
    level: u8,
    status: u8,
    pminlen: usize,
    row_bytes: usize,
    columns: u16,
}

const HEAP: Form = data(100, 104, 12);
const CLUSTERED: Form = data(52, 56, 9);
const LEAF_INDEX: Form = index(0, LEAF_INDEX_ROW, 13, 16);
const UPPER_INDEX: Form = index(1, UPPER_INDEX_ROW, 11, 11);
const ROOT_INDEX: Form = index(2, UPPER_INDEX_ROW, 11, 11);
const TEXT_MIX: Form = lob(PageType::TextMix, 512);
const TEXT_TREE: Form = lob(PageType::TextTree, 8054);

const fn data(pminlen: usize, row_bytes: usize, columns: u16) -> Form {
    Form { kind: PageType::Data, level: 0, status: DATA_ROW, pminlen, row_bytes, columns }
}

const fn index(level: u8, status: u8, pminlen: usize, row_bytes: usize) -> Form {
    Form { kind: PageType::Index, level, status, pminlen, row_bytes, columns: 3 }
}

const fn lob(kind: PageType, row_bytes: usize) -> Form {
    Form { kind, level: 0, status: LOB_ROW, pminlen: 0, row_bytes, columns: 0 }
}

impl Form {
    fn rows_max(&self) -> usize {
        BODY_BYTES / (self.row_bytes + SLOT_BYTES)
    }
}

/// The form of a page of `unit`, in its extents or alone in a mixed one.
fn form(unit: UnitIndex, role: Role, chance: u64) -> Form {
    match (UNITS[unit].shape, role) {
        (Shape::Clustered | Shape::Nonclustered, Role::Single(_)) => ROOT_INDEX,
        (_, Role::Content { upper: true, .. }) => UPPER_INDEX,
        (Shape::Clustered, _) => CLUSTERED,
        (Shape::Nonclustered, _) => LEAF_INDEX,
        (Shape::Lob, _) if chance.is_multiple_of(3) => TEXT_MIX,
        (Shape::Lob, _) => TEXT_TREE,
        (Shape::Heap | Shape::Catalog, _) => HEAP,
    }
}

/// Most pages are nearly full, one in four holds any number of rows.
fn rows(form: &Form, chance: u64) -> usize {
    let max = form.rows_max();
    if (chance >> 8).is_multiple_of(4) { 1 + (chance >> 16) as usize % max } else { max }
}

fn fill_chance(layout: &Layout, page: PageId) -> u64 {
    draw(layout.recipe.seed, Purpose::Fill, page.0.into())
}

/// Bits 0 to 2 of the PFS byte, kept for heaps and LOB values only (section 4.2).
pub(super) fn fullness(layout: &Layout, unit: UnitIndex, page: PageId) -> u8 {
    if !matches!(UNITS[unit].shape, Shape::Heap | Shape::Lob) {
        return 0;
    }
    let chance = fill_chance(layout, page);
    let form = form(unit, Role::Single(unit), chance);
    let used_bytes = rows(&form, chance) * (form.row_bytes + SLOT_BYTES);
    match used_bytes * 100 / BODY_BYTES {
        0 => 0,
        1..=50 => 1,
        51..=80 => 2,
        81..=95 => 3,
        _ => 4,
    }
}

/// Fills a page that is `role` for `unit`; a free page is filled as if it once was a leaf.
pub(super) fn fill(layout: &Layout, page: &mut Page, id: PageId, unit: UnitIndex, role: Role) {
    let chance = fill_chance(layout, id);
    let form = form(unit, role, chance);
    let mut dice = dice(layout.recipe.seed, Purpose::Content, id.0.into());
    let children = children(layout, id, unit, role);
    let rows = children.as_ref().map_or_else(|| rows(&form, chance), Vec::len);
    describe(page, &form, rows);
    write_text(page, HEADER_BYTES + rows * form.row_bytes, &mut dice);
    for row in 0..rows {
        let at = HEADER_BYTES + row * form.row_bytes;
        put_slot(page, row, at as u16);
        frame_row(page, at, &form, row, id);
    }
    for (row, &child) in children.iter().flatten().enumerate() {
        let pointer_at = HEADER_BYTES + row * form.row_bytes + 5;
        put_page(page, pointer_at, child, layout.recipe.file_id.0);
    }
    if form.kind == PageType::TextMix || form.kind == PageType::TextTree {
        link_texts(layout, page, id, (rows, form.row_bytes));
    }
    if let Role::Content { upper, .. } = role {
        chain(layout, page, id, (unit, upper));
    }
}

/// Makes one value of the `rows` of a page: each leads to the next one, and the last to the first,
/// so that every one is linked once.
fn link_texts(layout: &Layout, page: &mut Page, id: PageId, (rows, bytes): (usize, usize)) {
    for row in 0..rows {
        let at = HEADER_BYTES + row * bytes;
        put_u32(page, at + TEXT_ID, id.0);
        put_u32(page, at + TEXT_ID + 4, 0);
        put_u16(page, at + TEXT_TYPE, LINKING);
        put_u16(page, at + TEXT_LINKS, 1);
        let link = at + TEXT_LINK + TEXT_END_BYTES;
        put_page(page, link, id, layout.recipe.file_id.0);
        put_u16(page, link + 6, ((row + 1) % rows) as u16);
    }
}

fn describe(page: &mut Page, form: &Form, rows: usize) {
    let header = PageHeader::of_mut(page);
    header.page_type = form.kind.m_type();
    header.level = form.level;
    header.flag_bits |= FLAG_COMMON;
    header.pminlen = form.pminlen as u16;
    header.slot_count = rows as u16;
    header.free_data = (HEADER_BYTES + rows * form.row_bytes) as u16;
    header.free_count = (BODY_BYTES - rows * (form.row_bytes + SLOT_BYTES)) as u16;
}

/// Fills the row area up to `end` with letters a to p.
fn write_text(page: &mut Page, end: usize, dice: &mut Dice) {
    for bytes in page.bytes_mut()[HEADER_BYTES..end].chunks_mut(8) {
        let letters = (dice.next_u64() & 0x0f0f_0f0f_0f0f_0f0f) + 0x6161_6161_6161_6161;
        bytes.copy_from_slice(&letters.to_le_bytes()[..bytes.len()]);
    }
}

/// Writes what surrounds the values of row `row`: status bytes, lengths, key, null bitmap.
fn frame_row(page: &mut Page, at: usize, form: &Form, row: usize, id: PageId) {
    let key = id.0.wrapping_mul(128).wrapping_add(row as u32);
    page.bytes_mut()[at] = form.status;
    if form.kind == PageType::Index {
        put_u32(page, at + 1, key);
    } else {
        page.bytes_mut()[at + 1] = 0;
        let length = if form.pminlen > 0 { form.pminlen } else { form.row_bytes };
        put_u16(page, at + 2, length as u16);
        put_u32(page, at + 4, key);
    }
    if form.row_bytes > form.pminlen && form.pminlen > 0 {
        put_u16(page, at + form.pminlen, form.columns);
        page.bytes_mut()[at + form.pminlen + 2..at + form.row_bytes].fill(0);
    }
}

/// The pages that an index page above the leaf points to; `None` for other pages.
fn children(layout: &Layout, id: PageId, unit: UnitIndex, role: Role) -> Option<Vec<PageId>> {
    match (UNITS[unit].shape, role) {
        (Shape::Clustered | Shape::Nonclustered, Role::Single(_)) => {
            Some(upper_pages(layout, unit))
        }
        (_, Role::Content { upper: true, .. }) => {
            let leaves = layout.run_pages(id).map(PageId);
            Some(leaves.filter(|&page| is_leaf(layout, page, unit)).collect())
        }
        _ => None,
    }
}

/// The first pages of the unit's runs, as many as its root has room for.
fn upper_pages(layout: &Layout, unit: UnitIndex) -> Vec<PageId> {
    layout.runs_of(unit).take(ROOT_INDEX.rows_max()).collect()
}

fn is_leaf(layout: &Layout, page: PageId, unit: UnitIndex) -> bool {
    layout.role(page) == Role::Content { unit, upper: false }
}

/// Links a page of an index to its neighbours on its level.
fn chain(layout: &Layout, page: &mut Page, id: PageId, (unit, upper): (UnitIndex, bool)) {
    if !matches!(UNITS[unit].shape, Shape::Clustered | Shape::Nonclustered) {
        return;
    }
    let (previous, next) = if upper {
        (layout.runs_before(unit, id).next(), layout.runs_behind(unit, id).next())
    } else {
        (leaf_before(layout, id, unit), leaf_behind(layout, id, unit))
    };
    let file_id = layout.recipe.file_id.0;
    let header = PageHeader::of_mut(page);
    if let Some(previous) = previous {
        (header.prev_page, header.prev_file) = (previous.0, file_id);
    }
    if let Some(next) = next {
        (header.next_page, header.next_file) = (next.0, file_id);
    }
}

/// The leaf page of the unit before `id`, in its run or in one before that.
fn leaf_before(layout: &Layout, id: PageId, unit: UnitIndex) -> Option<PageId> {
    let leaf = |&page: &PageId| is_leaf(layout, page, unit);
    let here = (layout.run_pages(id).start..id.0).rev().map(PageId).find(leaf);
    here.or_else(|| {
        let last = |run| layout.run_pages(run).rev().map(PageId).find(leaf);
        layout.runs_before(unit, id).find_map(last)
    })
}

/// The leaf page of the unit behind `id`, in its run or in one behind that.
fn leaf_behind(layout: &Layout, id: PageId, unit: UnitIndex) -> Option<PageId> {
    let leaf = |&page: &PageId| is_leaf(layout, page, unit);
    let here = (id.0 + 1..layout.run_pages(id).end).map(PageId).find(leaf);
    here.or_else(|| {
        let first = |run| layout.run_pages(run).map(PageId).find(leaf);
        layout.runs_behind(unit, id).find_map(first)
    })
}

/// One of the user's units, for a page that once belonged to somebody.
pub(super) fn former_unit(dice: &mut Dice) -> UnitIndex {
    SYSTEM_UNITS + below(dice, super::units::USER_UNITS as u64) as usize
}
