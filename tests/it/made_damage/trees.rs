//! Pages of trees, heaps and LOB values, which contradict each other.

use super::{ALLOCATED, Expected, Kind, LEADING_UNITS, Scene, at, pages_of, put_u16};
use pagescrub::catalog::owners::Claim;
use pagescrub::check::Pages;
use pagescrub::check::catalog::Unit;
use pagescrub::check::rule::Rule;
use pagescrub::page::Page;
use pagescrub::page::address::{FileId, PageAddress};
use pagescrub::page::blob::{Blob, Pointer, pointers};
use pagescrub::page::header::PageHeader;
use pagescrub::page::slots::{RecordType, Slots};

pub const KINDS: [Kind; 11] = [
    ("a next page that is skipped", next_is_skipped),
    ("a next page that is none", next_is_none),
    ("a root of a higher level", root_is_higher),
    ("a leaf of a higher level", leaf_is_higher),
    ("a child that is there twice", child_twice),
    ("two leaves in each other's place", leaves_swapped),
    ("a leaf that is another one of its index", leaf_is_another),
    ("a page in use of a tree that its PFS byte calls free", pfs_of_tree_cleared),
    ("a page that is none of its tree, in use", pfs_of_tree_set),
    ("a LOB link that leads elsewhere", lob_link),
    ("a text record of another value", blob_id),
];

/// A tree of more than one leaf, and its leaves.
fn leaves(scene: &mut Scene<'_>) -> Option<(Unit, Vec<PageAddress>)> {
    let tree =
        |unit: &Unit| unit.content == 1 && unit.rowset.is_some_and(|rowset| rowset.index_id > 0);
    let of = |scene: &Scene<'_>, unit: &Unit| -> Vec<PageAddress> {
        let root = scene.header(unit.root);
        let key = (root.object_id, root.page_type);
        let is_leaf = |page: &PageAddress| {
            let header = scene.header(*page);
            scene.sound.units.owner_of(*page) == Claim::Unit(unit.id)
                && *page != unit.root
                && (header.object_id, 2) == key
                && is_leaf(unit, &header)
        };
        scene.sound.owned.iter().copied().filter(is_leaf).collect()
    };
    let units: Vec<&Unit> = scene.sound.units.iter().map(|(unit, _)| unit).collect();
    let is_ordinary = |unit: &Unit| !LEADING_UNITS.contains(&unit.id);
    let unit = scene.pick_of(&units, |scene, unit| {
        tree(unit) && is_ordinary(unit) && of(scene, unit).len() > 2
    })?;
    Some((unit.clone(), of(scene, unit)))
}

/// A leaf: data of a clustered index, or the lowest level of a nonclustered one.
fn is_leaf(unit: &Unit, header: &PageHeader) -> bool {
    let is_clustered = unit.rowset.is_some_and(|rowset| rowset.index_id == 1);
    if is_clustered { header.page_type == 1 } else { header.level == 0 }
}

fn next_of(scene: &Scene<'_>, page: PageAddress) -> Option<PageAddress> {
    let header = scene.header(page);
    (header.next_file != 0).then(|| at(FileId(header.next_file), header.next_page))
}

fn set_next(scene: &mut Scene<'_>, page: PageAddress, next: Option<PageAddress>) {
    scene.change_header(page, |header| {
        (header.next_page, header.next_file) = next.map_or((0, 0), |n| (n.page.0, n.file.0));
    });
}

fn next_is_skipped(scene: &mut Scene<'_>) -> Option<Expected> {
    let (_, leaves) = leaves(scene)?;
    let second = |scene: &Scene<'_>, page| next_of(scene, next_of(scene, page)?);
    let page = scene.pick_of(&leaves, |scene, page| second(scene, page).is_some())?;
    let next = second(scene, page);
    set_next(scene, page, next);
    Some(vec![(Rule::T3, page)])
}

fn next_is_none(scene: &mut Scene<'_>) -> Option<Expected> {
    let (_, leaves) = leaves(scene)?;
    let page = scene.pick_of(&leaves, |scene, page| next_of(scene, page).is_some())?;
    set_next(scene, page, None);
    Some(vec![(Rule::T3, page)])
}

fn root_is_higher(scene: &mut Scene<'_>) -> Option<Expected> {
    let (unit, _) = leaves(scene)?;
    scene.change_header(unit.root, |header| header.level += 1);
    Some(vec![(Rule::T1, unit.root), (Rule::T2, unit.root)])
}

fn leaf_is_higher(scene: &mut Scene<'_>) -> Option<Expected> {
    let (unit, leaves) = leaves(scene)?;
    let page = scene.pick_of(&leaves, |scene, page| scene.header(page).page_type == 2)?;
    scene.change_header(page, |header| header.level += 1);
    let pages: Vec<PageAddress> = scene.sound.owned.clone();
    let of_unit = |page: &PageAddress| scene.sound.units.owner_of(*page) == Claim::Unit(unit.id);
    let of_unit: Vec<PageAddress> = pages.into_iter().filter(of_unit).collect();
    let rules = [Rule::T1, Rule::T2, Rule::T4, Rule::P2, Rule::P6, Rule::P8];
    Some(of_unit.iter().flat_map(|page| rules.map(|rule| (rule, *page))).collect())
}

fn child_twice(scene: &mut Scene<'_>) -> Option<Expected> {
    let (unit, _) = leaves(scene)?;
    let root = scene.database.page(unit.root);
    let end = usize::from(scene.header(unit.root).pminlen);
    let children: Vec<usize> =
        Slots::of(&root).all().map(|slot| usize::from(slot.offset) + end - 6).collect();
    let (one, other) = (scene.pick(&children)?, scene.pick(&children)?);
    if one == other {
        return None;
    }
    scene.database.change(unit.root, |page| page.bytes_mut().copy_within(one..one + 6, other));
    Some(vec![(Rule::T2, unit.root)])
}

/// Two leaves of one tree.
fn two_leaves(scene: &mut Scene<'_>) -> Option<[PageAddress; 2]> {
    let (_, leaves) = leaves(scene)?;
    let one = scene.pick(&leaves)?;
    let other = scene.pick_of(&leaves, |_, page| page != one)?;
    Some([one, other])
}

/// Writes at `place` what `page` holds, as a page of that place.
fn transplant(scene: &mut Scene<'_>, mut page: Page, place: PageAddress) {
    PageHeader::of_mut(&mut page).page_id = place.page.0;
    scene.database.put(place, page);
}

fn leaves_swapped(scene: &mut Scene<'_>) -> Option<Expected> {
    let [one, other] = two_leaves(scene)?;
    let [page, other_page] = [one, other].map(|place| scene.database.page(place));
    transplant(scene, page, other);
    transplant(scene, other_page, one);
    Some(around(scene, &[one, other]))
}

/// T3, of pages or of those that they had been linked with.
fn around(scene: &Scene<'_>, pages: &[PageAddress]) -> Expected {
    let sound = |page: &PageAddress| *PageHeader::of(&scene.sound.database.page(*page));
    let file = |id| FileId(id);
    let of = pages.iter().flat_map(|page| {
        let header = sound(page);
        let previous = at(file(header.prev_file), header.prev_page);
        [*page, previous, at(file(header.next_file), header.next_page)]
    });
    of.map(|page| (Rule::T3, page)).collect()
}

fn leaf_is_another(scene: &mut Scene<'_>) -> Option<Expected> {
    let [one, other] = two_leaves(scene)?;
    let page = scene.database.page(one);
    transplant(scene, page, other);
    Some(around(scene, &[other]))
}

fn pfs_of_tree_cleared(scene: &mut Scene<'_>) -> Option<Expected> {
    let (unit, leaves) = leaves(scene)?;
    let page = scene.pick_of(&leaves, |scene, page| scene.pfs_byte(page) & 0x20 == 0)?;
    let byte = scene.pfs_byte(page);
    scene.set_pfs_byte(page, byte & !ALLOCATED);
    let parents = scene
        .sound
        .owned
        .iter()
        .filter(|parent| scene.sound.units.owner_of(**parent) == Claim::Unit(unit.id));
    Some(parents.map(|parent| (Rule::T2, *parent)).collect())
}

fn pfs_of_tree_set(scene: &mut Scene<'_>) -> Option<Expected> {
    let (extent, _) = scene.pick(&scene.sound.uniform)?;
    let pages: Vec<PageAddress> = pages_of(extent).collect();
    let is_sound = |scene: &Scene<'_>, page| scene.database.sound(page).is_some();
    let page =
        scene.pick_of(&pages, |scene, page| !scene.is_in_use(page) && is_sound(scene, page))?;
    scene.set_pfs_byte(page, ALLOCATED);
    Some(Rule::ALL.iter().map(|rule| (*rule, page)).collect())
}

fn lob_link(scene: &mut Scene<'_>) -> Option<Expected> {
    let link = |scene: &Scene<'_>, page| -> Option<usize> {
        let page = scene.database.page(page);
        let slots = Slots::of(&page);
        slots.all().filter(|slot| slot.kind() == RecordType::Primary).find_map(|slot| {
            let columns = slot.columns()?;
            let is_text = |pointer| matches!(pointer, Pointer::Text(..));
            let has_text = pointers(slot, columns).any(is_text);
            let mut ranges = (0..columns.variable).filter_map(|n| {
                let (_, is_pointer) = slot.variable(&columns, n)?;
                let range = slot.variable_range(&columns, n)?;
                (is_pointer && range.len() == 16).then_some(range.start)
            });
            let start = ranges.next().filter(|_| has_text)?;
            Some(usize::from(slot.offset) + start + 14)
        })
    };
    let is_data = |scene: &Scene<'_>, page| scene.header(page).page_type == 1;
    let page = scene.pick_of(&scene.sound.owned, |scene, page| {
        is_data(scene, page) && link(scene, page).is_some()
    })?;
    let at = link(scene, page)?;
    scene.database.change(page, |page| put_u16(page, at, 999));
    Some(vec![(Rule::L3, page)])
}

/// It does not lead to itself, in which case nobody else knows its id.
fn leads_on(blob: Blob<'_>, own: PageAddress) -> bool {
    blob.links().all(|(_, to)| to.page != own)
}

fn blob_id(scene: &mut Scene<'_>) -> Option<Expected> {
    let is_text = |scene: &Scene<'_>, page| {
        let page = scene.database.page(page);
        let is_text = (3..=4).contains(&PageHeader::of(&page).page_type);
        is_text && Slots::of(&page).all().find_map(Blob::of).is_some()
    };
    let place = scene.pick_of(&scene.sound.owned, is_text)?;
    let page = scene.database.page(place);
    let slots: Vec<usize> = Slots::of(&page)
        .all()
        .filter(|slot| {
            !slot.is_empty() && Blob::of(*slot).is_some_and(|blob| leads_on(blob, place))
        })
        .map(|slot| slot.offset.into())
        .collect();
    let record = scene.pick(&slots)?;
    scene.database.change(place, |page| page.bytes_mut()[record + 6] ^= 1);
    let owned = scene.sound.owned.iter();
    Some(owned.map(|page| (Rule::L3, *page)).chain([(Rule::L4, place)]).collect())
}
