//! The pages that say what is allocated: PFS, GAM, SGAM, DIFF, ML and IAM
//! (docs/page-format.md, sections 4.2 to 4.5).

use super::chance::{Purpose, draw};
use super::content;
use super::fields::{put_page, put_slot, put_u16, put_u32};
use super::layout::{Layout, Owner, PFS_INTERVAL_EXTENTS, Role, iam_page};
use super::units::{SYSTEM_UNITS, UNITS, UnitIndex};
use crate::page::address::{FileId, PageId};
use crate::page::allocation::{
    BITMAP_BYTES, BITMAP_OFFSET, GAM_INTERVAL_EXTENTS, GAM_INTERVAL_PAGES, PFS_BYTES_OFFSET,
    PFS_INTERVAL_PAGES, PfsByte,
};
use crate::page::{PAGE_BYTES, Page, header::PageHeader, kind::PageType};

const FIRST_RECORD: u16 = 96;
const BITMAP_RECORD: u16 = 190;
const PADDED_BITMAP_RECORD: u16 = 192;
const MAP_PMINLEN: u16 = 90;
const IAM_SEQUENCE: usize = 100;
const IAM_START_PAGE: usize = 136;
const IAM_SLOTS: usize = 142;
/// PFS byte of a page with a fixed place: allocated, full.
const PFS_CONTROL: u8 = PfsByte::ALLOCATED | 0x04;
/// Low bits seen on free pages of real files.
const STALE_PFS_BITS: [u8; 8] = [0x20, 0x30, 0x28, 0x08, 0x01, 0x22, 0x01, 0x08];

/// The PFS byte of `page`.
pub(super) fn pfs_byte(layout: &Layout, page: PageId) -> PfsByte {
    let mixed = PfsByte::ALLOCATED | PfsByte::MIXED;
    PfsByte(match layout.role(page) {
        Role::Control(PageType::Boot) => PFS_CONTROL | PfsByte::MIXED,
        Role::Control(_) => PFS_CONTROL,
        Role::SpecialIam => PFS_CONTROL | PfsByte::MIXED | PfsByte::IAM,
        Role::Iam { .. } => mixed | PfsByte::IAM,
        Role::Single(unit) => mixed | content::fullness(layout, unit, page),
        Role::Content { unit, .. } => PfsByte::ALLOCATED | content::fullness(layout, unit, page),
        Role::Free if !layout.is_hole(page) => stale_bits(layout, page),
        Role::Free | Role::Unused => 0,
    })
}

/// One free page in eight keeps old bits beside the cleared "allocated" bit.
fn stale_bits(layout: &Layout, page: PageId) -> u8 {
    let chance = draw(layout.recipe.seed, Purpose::StalePfsBits, page.0.into());
    if chance.is_multiple_of(8) { STALE_PFS_BITS[(chance >> 8) as usize % 8] } else { 0 }
}

/// Fills the PFS page `page`.
pub(super) fn fill_pfs(layout: &Layout, page: &mut Page, id: PageId) {
    start_record(page, 0, FIRST_RECORD, PFS_INTERVAL_PAGES as u16 + 4);
    close(page, 1, PFS_BYTES_OFFSET + PFS_INTERVAL_PAGES as usize, 2);
    let start = id.0 - id.0 % PFS_INTERVAL_PAGES;
    let bytes = &mut page.bytes_mut()[PFS_BYTES_OFFSET..];
    for described in described_pages(layout, start) {
        bytes[(described - start) as usize] = pfs_byte(layout, PageId(described)).0;
    }
}

/// The pages of a PFS interval whose bytes may differ from zero: in the empty parts of a sparse
/// file of many TiB, only the first ones after a control page.
fn described_pages(layout: &Layout, start: u32) -> impl Iterator<Item = u32> + use<> {
    let end = start.saturating_add(PFS_INTERVAL_PAGES).min(layout.pages());
    let settled = |page: u32| layout.is_settled(page / GAM_INTERVAL_PAGES);
    let first_map = start.next_multiple_of(GAM_INTERVAL_PAGES);
    let (first, second) = if !layout.recipe.sparse || settled(start) || settled(end - 1) {
        (start..end, 0..0)
    } else {
        (start..start + 1, first_map.min(end)..(first_map + 8).min(end))
    };
    first.chain(second)
}

/// Fills a GAM, SGAM, DIFF or ML page.
pub(super) fn fill_map(layout: &Layout, page: &mut Page, id: PageId, kind: PageType) {
    frame_map(page);
    let interval = id.0 / GAM_INTERVAL_PAGES;
    match kind {
        PageType::Gam => fill_gam(layout, page, interval),
        PageType::Sgam => {
            set_bits(page, interval, settled_extents(layout, interval), |extent| {
                layout.is_mixed_with_room(extent)
            });
        }
        PageType::DiffMap => {
            set_bits(page, interval, settled_extents(layout, interval), |extent| {
                is_changed(layout, extent)
            });
        }
        _ => {}
    }
}

/// 1 = free. What is past the end of the file is free as well.
fn fill_gam(layout: &Layout, page: &mut Page, interval: u32) {
    page.bytes_mut()[BITMAP_OFFSET..][..BITMAP_BYTES].fill(0xff);
    let mut take = |extent: u32| {
        let bit = extent % GAM_INTERVAL_EXTENTS;
        page.bytes_mut()[BITMAP_OFFSET + bit as usize / 8] &= !(1 << (bit % 8));
    };
    let start = interval * GAM_INTERVAL_EXTENTS;
    let end = (start + GAM_INTERVAL_EXTENTS).min(layout.extents);
    take(start);
    (start.next_multiple_of(PFS_INTERVAL_EXTENTS)..end)
        .step_by(PFS_INTERVAL_EXTENTS as usize)
        .for_each(&mut take);
    settled_extents(layout, interval)
        .filter(|&extent| layout.owner(extent) != Owner::Free)
        .for_each(&mut take);
}

/// The extents of `interval` that may belong to anybody; none where only control pages are.
fn settled_extents(layout: &Layout, interval: u32) -> std::ops::Range<u32> {
    let start = interval * GAM_INTERVAL_EXTENTS;
    let end = (start + GAM_INTERVAL_EXTENTS).min(layout.extents);
    if layout.is_settled(interval) { start..end } else { start..start }
}

/// True if the DIFF map says that `extent` has changed since the last full backup.
pub(super) fn is_in_diff_map(layout: &Layout, extent: u32) -> bool {
    layout.is_settled(extent / GAM_INTERVAL_EXTENTS) && is_changed(layout, extent)
}

fn is_changed(layout: &Layout, extent: u32) -> bool {
    let chance = draw(layout.recipe.seed, Purpose::DiffMap, extent.into());
    layout.owner(extent) != Owner::Free && chance.is_multiple_of(5)
}

/// Fills the IAM page of `unit` for `interval`.
pub(super) fn fill_iam(layout: &Layout, page: &mut Page, unit: UnitIndex, interval: u32) {
    frame_map(page);
    link_iam(layout, page, unit, interval);
    start_interval(page, interval, layout.recipe.file_id);
    if interval == 0 {
        put_page(page, IAM_SLOTS, UNITS[unit].single_page, layout.recipe.file_id.0);
    }
    set_bits(page, interval, settled_extents(layout, interval), |extent| {
        layout.owner(extent) == Owner::Unit(unit)
    });
}

/// Which interval of a file an IAM page describes.
pub(super) fn start_interval(page: &mut Page, interval: u32, file_id: FileId) {
    put_u32(page, IAM_SEQUENCE, interval);
    put_page(page, IAM_START_PAGE, PageId(interval * GAM_INTERVAL_PAGES), file_id.0);
}

/// Chains the IAM pages of a unit. A system unit owns no extents and has only its first.
fn link_iam(layout: &Layout, page: &mut Page, unit: UnitIndex, interval: u32) {
    let file_id = layout.recipe.file_id.0;
    let header = PageHeader::of_mut(page);
    if interval > 0 {
        (header.prev_page, header.prev_file) = (iam_page(unit, interval - 1).0, file_id);
    }
    if unit >= SYSTEM_UNITS && layout.is_settled(interval + 1) {
        (header.next_page, header.next_file) = (iam_page(unit, interval + 1).0, file_id);
    }
}

/// The two records of every map page, still empty.
fn frame_map(page: &mut Page) {
    frame_records(page, BITMAP_RECORD);
}

/// The two records of page 12, which are padded to four bytes.
pub(super) fn frame_special_iam(page: &mut Page) {
    frame_records(page, PADDED_BITMAP_RECORD);
}

fn frame_records(page: &mut Page, bitmap_record: u16) {
    start_record(page, 0, FIRST_RECORD, MAP_PMINLEN + 4);
    start_record(page, 1, bitmap_record, BITMAP_BYTES as u16 + 4);
    let end = usize::from(bitmap_record) + 4 + BITMAP_BYTES;
    close(page, 2, end, (PAGE_BYTES - 2 * 2 - end) as u16);
    PageHeader::of_mut(page).pminlen = MAP_PMINLEN;
}

/// A record of fixed length: two status bytes, then where its fixed part ends.
fn start_record(page: &mut Page, slot: usize, offset: u16, fixed_bytes: u16) {
    put_u16(page, usize::from(offset) + 2, fixed_bytes);
    put_slot(page, slot, offset);
}

/// Notes how much of the page is used.
fn close(page: &mut Page, slots: u16, free_data: usize, free_count: u16) {
    let header = PageHeader::of_mut(page);
    (header.slot_count, header.free_count) = (slots, free_count);
    header.free_data = free_data as u16;
}

fn set_bits(
    page: &mut Page,
    interval: u32,
    extents: std::ops::Range<u32>,
    is_set: impl Fn(u32) -> bool,
) {
    let bitmap = &mut page.bytes_mut()[BITMAP_OFFSET..];
    for extent in extents.filter(|&extent| is_set(extent)) {
        let bit = (extent - interval * GAM_INTERVAL_EXTENTS) as usize;
        bitmap[bit / 8] |= 1 << (bit % 8);
    }
}
