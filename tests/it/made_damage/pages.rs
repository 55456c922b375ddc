//! Pages of rows, which contradict themselves or their owners.

use super::{Expected, Kind, Scene, put_u16};
use pagescrub::catalog::owners::is_same_unit;
use pagescrub::check::rule::Rule;
use pagescrub::page::PAGE_BYTES;
use pagescrub::page::address::PageAddress;
use pagescrub::page::header::PageHeader;
use pagescrub::page::slots::{RecordType, Slot, Slots};

pub const KINDS: [Kind; 18] = [
    ("a slot that leads into the header", slot_in_header),
    ("a slot that leads behind the rows", slot_behind_rows),
    ("a slot that leads into a record", slot_in_record),
    ("two equal slots", slots_equal),
    ("a slot less", slot_less),
    ("more free bytes", more_free),
    ("rows that end early", rows_end_early),
    ("a ghost more", ghost_more),
    ("more reserved bytes than are free", reserved),
    ("a record of another type", record_type),
    ("a fixed part that is too long", fixed_end),
    ("a variable column that is too long", variable_end),
    ("a page of another type", page_type),
    ("a page of another unit", page_unit),
    ("a page of another object in its place", page_of_another),
    ("a header with something reserved in it", reserved_bytes),
    ("a level on a page that has none", level),
    ("a type that no page in use has", unknown_type),
];

/// Rules of records and slots: what is wrong with one is often wrong with another.
const OF_ROWS: [Rule; 8] =
    [Rule::P1, Rule::P2, Rule::P3, Rule::P4, Rule::P5, Rule::P6, Rule::P7, Rule::P8];

fn of_rows(page: PageAddress) -> Expected {
    OF_ROWS.iter().map(|rule| (*rule, page)).collect()
}

/// A page of rows that somebody owns, with at least `slots` of them.
fn page_of(scene: &mut Scene<'_>, slots: u16) -> Option<PageAddress> {
    scene.pick_of(&scene.sound.owned, |scene, page| scene.header(page).slot_count >= slots)
}

fn slot_at(number: usize) -> usize {
    PAGE_BYTES - 2 * (number + 1)
}

/// Writes in one of the slots of a page what `of` makes of the offsets.
fn change_slot(scene: &mut Scene<'_>, of: impl Fn(&[u16], usize) -> u16) -> Option<PageAddress> {
    let place = page_of(scene, 2)?;
    let page = scene.database.page(place);
    let offsets: Vec<u16> = Slots::of(&page).all().map(|slot| slot.offset).collect();
    let number = scene.below(offsets.len());
    let offset = of(&offsets, number);
    if offset == offsets[number] {
        return None;
    }
    scene.database.change(place, |page| put_u16(page, slot_at(number), offset));
    Some(place)
}

fn slot_in_header(scene: &mut Scene<'_>) -> Option<Expected> {
    change_slot(scene, |_, _| 50).map(|page| vec![(Rule::P1, page)])
}

fn slot_behind_rows(scene: &mut Scene<'_>) -> Option<Expected> {
    let page = change_slot(scene, |_, _| 8190)?;
    Some(vec![(Rule::P1, page)])
}

fn slot_in_record(scene: &mut Scene<'_>) -> Option<Expected> {
    change_slot(scene, |offsets, slot| offsets[slot] + 3).map(of_rows)
}

fn slots_equal(scene: &mut Scene<'_>) -> Option<Expected> {
    change_slot(scene, |offsets, slot| offsets[(slot + 1) % offsets.len()]).map(of_rows)
}

/// Changes the header of a page of rows.
fn change_header(
    scene: &mut Scene<'_>,
    change: impl FnOnce(&mut PageHeader),
) -> Option<PageAddress> {
    let place = page_of(scene, 2)?;
    scene.change_header(place, change);
    Some(place)
}

fn slot_less(scene: &mut Scene<'_>) -> Option<Expected> {
    change_header(scene, |header| header.slot_count -= 1).map(of_rows)
}

fn more_free(scene: &mut Scene<'_>) -> Option<Expected> {
    change_header(scene, |header| header.free_count += 1).map(|page| vec![(Rule::P8, page)])
}

fn rows_end_early(scene: &mut Scene<'_>) -> Option<Expected> {
    let page = change_header(scene, |header| header.free_data = 97)?;
    let has_rows = Slots::of(&scene.database.page(page)).all().any(|slot| !slot.is_empty());
    has_rows.then(|| of_rows(page))
}

fn ghost_more(scene: &mut Scene<'_>) -> Option<Expected> {
    change_header(scene, |header| header.ghost_record_count += 1).map(|page| vec![(Rule::P9, page)])
}

fn reserved(scene: &mut Scene<'_>) -> Option<Expected> {
    change_header(scene, |header| header.reserved_count = header.free_count + 1)
        .map(|page| vec![(Rule::P10, page)])
}

/// Changes the record in one of the slots of a page, at its offset.
fn change_record(
    scene: &mut Scene<'_>,
    fits: fn(RecordType) -> bool,
    change: impl FnOnce(&mut [u8], usize),
) -> Option<PageAddress> {
    let place = page_of(scene, 1)?;
    let page = scene.database.page(place);
    let records: Vec<usize> = Slots::of(&page)
        .all()
        .filter(|slot| !slot.is_empty() && fits(slot.kind()))
        .map(|slot| usize::from(slot.offset))
        .collect();
    let record = scene.pick(&records)?;
    scene.database.change(place, |page| change(page.bytes_mut(), record));
    Some(place)
}

fn record_type(scene: &mut Scene<'_>) -> Option<Expected> {
    change_record(scene, |_| true, |bytes, at| bytes[at] ^= 0x08).map(of_rows)
}

fn fixed_end(scene: &mut Scene<'_>) -> Option<Expected> {
    let is_row = |kind| kind == RecordType::Primary;
    let long = 9000_u16.to_le_bytes();
    change_record(scene, is_row, |bytes, at| bytes[at + 2..at + 4].copy_from_slice(&long))
        .map(of_rows)
}

fn variable_end(scene: &mut Scene<'_>) -> Option<Expected> {
    let place = page_of(scene, 1)?;
    let page = scene.database.page(place);
    let ends = |slot: Slot<'_>| {
        let columns = slot.columns().filter(|columns| columns.variable > 0 && !slot.is_empty())?;
        let last = columns.ends + 2 * usize::from(columns.variable - 1);
        Some(usize::from(slot.offset) + last)
    };
    let ends: Vec<usize> = Slots::of(&page).all().filter_map(ends).collect();
    let end = scene.pick(&ends)?;
    scene.database.change(place, |page| put_u16(page, end, 8000));
    Some(of_rows(place))
}

fn page_type(scene: &mut Scene<'_>) -> Option<Expected> {
    // A text page of the other kind may be one of the unit as well.
    let page = change_header(scene, |header| header.page_type = header.page_type % 3 + 1)?;
    Some(of_rows(page).into_iter().chain([(Rule::H2, page), (Rule::O3, page)]).collect())
}

fn page_unit(scene: &mut Scene<'_>) -> Option<Expected> {
    change_header(scene, |header| header.object_id += 1).map(|page| vec![(Rule::O2, page)])
}

fn page_of_another(scene: &mut Scene<'_>) -> Option<Expected> {
    let place = page_of(scene, 1)?;
    let unit = |scene: &Scene<'_>, page| scene.header(page).allocation_unit_id();
    let own = unit(scene, place);
    let other =
        scene.pick_of(&scene.sound.owned, |scene, page| !is_same_unit(unit(scene, page), own))?;
    let mut page = scene.database.page(other);
    let header = PageHeader::of_mut(&mut page);
    (header.page_id, header.file_id) = (place.page.0, place.file.0);
    scene.database.put(place, page);
    Some(vec![(Rule::O2, place)])
}

fn reserved_bytes(scene: &mut Scene<'_>) -> Option<Expected> {
    change_header(scene, |header| header.reserved[7] = 1).map(|page| vec![(Rule::H1, page)])
}

fn level(scene: &mut Scene<'_>) -> Option<Expected> {
    let has_none = |scene: &Scene<'_>, page| scene.header(page).page_type != 2;
    let page = scene.pick_of(&scene.sound.owned, has_none)?;
    scene.change_header(page, |header| header.level = 1);
    Some(vec![(Rule::H2, page)])
}

fn unknown_type(scene: &mut Scene<'_>) -> Option<Expected> {
    let page = change_header(scene, |header| header.page_type = 21)?;
    Some(vec![(Rule::H3, page)])
}
