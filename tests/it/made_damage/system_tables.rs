//! sysallocunits, sysrowsets, and the boot page that leads to them.

use super::{Expected, Kind, LEADING_UNITS, Scene, at, put_address};
use pagescrub::check::catalog::Unit;
use pagescrub::check::rule::Rule;
use pagescrub::page::Page;
use pagescrub::page::address::PageAddress;
use pagescrub::page::slots::{Slot, Slots};

pub const KINDS: [Kind; 7] = [
    ("a unit whose first IAM page is another's", first_iam_of_another),
    ("a unit whose first IAM page is beyond the end", first_iam_beyond),
    ("a unit without its first IAM page", no_first_iam),
    ("a unit id that is there twice", unit_twice),
    ("a unit whose rowset is none", no_rowset),
    ("a boot page that leads to another table", boot_leads_astray),
    ("a root that is a free page", root_is_free),
];

/// Where the fixed part of the row of `unit` begins on its page.
fn row_of(page: &Page, unit: u64) -> Option<usize> {
    let fixed = |slot: Slot<'_>| usize::from(slot.offset) + 4;
    let is_it = |at: &usize| page.bytes()[*at..*at + 8] == unit.to_le_bytes();
    Slots::of(page).all().map(fixed).find(is_it)
}

/// A unit with IAM pages that fits, and where its row is.
fn unit(scene: &mut Scene<'_>, fits: impl Fn(&Scene<'_>, &Unit) -> bool) -> Option<(Unit, usize)> {
    let units: Vec<&Unit> = scene.sound.units.iter().map(|(unit, _)| unit).collect();
    let is_ordinary = |unit: &Unit| !LEADING_UNITS.contains(&unit.id);
    let unit = scene.pick_of(&units, |scene, unit| {
        is_ordinary(unit) && unit.first_iam.is_some() && fits(scene, unit)
    })?;
    let row = row_of(&scene.database.page(unit.row_at), unit.id)?;
    Some((unit.clone(), row))
}

fn set_first_iam(
    scene: &mut Scene<'_>,
    of: impl Fn(&mut Scene<'_>, &Unit) -> Option<PageAddress>,
) -> Option<Unit> {
    let (unit, row) = unit(scene, |_, _| true)?;
    let first = of(scene, &unit);
    scene.database.change(unit.row_at, |page| put_address(page, row + 35, first));
    Some(unit)
}

fn first_iam_of_another(scene: &mut Scene<'_>) -> Option<Expected> {
    let unit = set_first_iam(scene, |scene, unit| {
        scene.pick_of(&scene.sound.iam_pages, |_, iam| Some(iam) != unit.first_iam)
    })?;
    Some(vec![(Rule::I1, unit.row_at)])
}

fn first_iam_beyond(scene: &mut Scene<'_>) -> Option<Expected> {
    let unit = set_first_iam(scene, |scene, _| {
        let file = scene.file();
        Some(at(file.id, file.end + scene.below(99) as u32))
    })?;
    Some(vec![(Rule::I1, unit.row_at)])
}

fn no_first_iam(scene: &mut Scene<'_>) -> Option<Expected> {
    let unit = set_first_iam(scene, |_, _| None)?;
    Some(vec![(Rule::I3, unit.first_iam?)])
}

fn unit_twice(scene: &mut Scene<'_>) -> Option<Expected> {
    let (first, row) = unit(scene, |_, _| true)?;
    let (second, _) = unit(scene, |_, unit| unit.id != first.id)?;
    scene.database.change(first.row_at, |page| {
        page.bytes_mut()[row..row + 8].copy_from_slice(&second.id.to_le_bytes());
    });
    // One of the pages that one comes to when the row of the same key was seen before.
    let pages = scene.sound.units.iter().map(|(unit, _)| unit.row_at);
    Some(pages.map(|page| (Rule::C1, page)).collect())
}

fn no_rowset(scene: &mut Scene<'_>) -> Option<Expected> {
    let (unit, row) = unit(scene, |_, _| true)?;
    scene.database.change(unit.row_at, |page| page.bytes_mut()[row + 14] ^= 0x80);
    Some(vec![(Rule::C1, unit.row_at)])
}

fn boot_leads_astray(scene: &mut Scene<'_>) -> Option<Expected> {
    let boot = at(scene.file().id, 9);
    let page = scene.pick(&scene.sound.owned)?;
    scene.database.change(boot, |bytes| put_address(bytes, 612, Some(page)));
    Some(vec![(Rule::C1, page)])
}

fn root_is_free(scene: &mut Scene<'_>) -> Option<Expected> {
    let is_tree =
        |unit: &Unit| unit.content == 1 && unit.rowset.is_some_and(|rowset| rowset.index_id > 0);
    let (unit, row) = unit(scene, |scene, unit| is_tree(unit) && scene.is_in_use(unit.root))?;
    let pages: Vec<PageAddress> = scene.database.places().collect();
    let free = scene.pick_of(&pages, |scene, page| !scene.is_in_use(page))?;
    scene.database.change(unit.row_at, |page| put_address(page, row + 29, Some(free)));
    Some(vec![(Rule::T1, free)])
}
