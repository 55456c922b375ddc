//! PFS, GAM, SGAM and IAM pages.

#![allow(clippy::unnecessary_wraps, reason = "all kinds have one signature")]

use super::{ALLOCATED, Expected, IAM, Kind, MIXED, Scene, at, gam_bit, pages_of, put_address};
use pagescrub::check::rule::Rule;
use pagescrub::page::address::PageAddress;
use pagescrub::page::iam::IamPage;

pub const KINDS: [Kind; 27] = [
    ("an extent that two units claim", extent_of_two),
    ("a single page that two units claim", single_of_two),
    ("a single page that is cleared", single_cleared),
    ("a single page that is in a uniform extent", single_in_uniform),
    ("an IAM bit that is cleared", iam_bit_cleared),
    ("an IAM bit for a free extent", iam_bit_for_free),
    ("an IAM bit for a mixed extent", iam_bit_for_mixed),
    ("an IAM bit beyond the end", iam_bit_beyond),
    ("a GAM bit that is set", gam_set),
    ("a GAM bit that is cleared", gam_cleared),
    ("an SGAM bit that is set", sgam_set),
    ("an SGAM bit that is set for a free extent", sgam_set_for_free),
    ("a GAM bit beyond the end", gam_beyond),
    ("an SGAM bit beyond the end", sgam_beyond),
    ("a PFS byte that calls a single page free", pfs_cleared),
    ("a PFS byte that calls an IAM page free", pfs_of_iam_cleared),
    ("a PFS byte that calls a page of a free extent allocated", pfs_in_free),
    ("a PFS byte that calls a free page of a mixed extent allocated", pfs_in_mixed),
    ("a PFS byte that calls a single page uniform", pfs_not_mixed),
    ("a PFS byte that calls a page of a uniform extent mixed", pfs_mixed),
    ("a PFS byte that calls a page an IAM page, or does not", pfs_iam),
    ("a PFS byte beyond the end", pfs_beyond),
    ("a PFS byte that calls page 4 allocated", pfs_of_unused),
    ("a file that is a page short", one_page_short),
    ("an IAM page with another sequence number", iam_sequence),
    ("an IAM page with a next one", iam_next),
    ("an IAM page of another interval", iam_start),
];

fn extent_of_two(scene: &mut Scene<'_>) -> Option<Expected> {
    let (extent, own) = scene.pick(&scene.sound.uniform)?;
    let other = scene.pick_of(&scene.sound.iam_pages, |_, iam| iam != own)?;
    scene.set_iam_bit(other, extent, true);
    Some(vec![(Rule::A5b, extent)])
}

/// An IAM page but `own`, and the offset of a free place for a single page in it.
fn free_place(scene: &mut Scene<'_>, own: PageAddress) -> Option<(PageAddress, usize)> {
    let place = |scene: &Scene<'_>, iam| {
        let page = scene.database.page(iam);
        let slots = IamPage::of(&page)?.slots();
        slots.iter().position(|slot| slot.file.0 == 0).map(|slot| 142 + 6 * slot)
    };
    let fits = |scene: &Scene<'_>, iam| iam != own && place(scene, iam).is_some();
    let iam = scene.pick_of(&scene.sound.iam_pages, fits)?;
    Some((iam, place(scene, iam)?))
}

fn single_of_two(scene: &mut Scene<'_>) -> Option<Expected> {
    let (single, own) = scene.pick(&scene.sound.singles)?;
    let (other, offset) = free_place(scene, own)?;
    scene.database.change(other, |page| put_address(page, offset, Some(single)));
    Some(vec![(Rule::O1b, single)])
}

/// Where in the IAM page the single page stands.
fn offset_of(scene: &Scene<'_>, single: PageAddress, iam: PageAddress) -> Option<usize> {
    let page = scene.database.page(iam);
    let slots = IamPage::of(&page)?.slots();
    slots.iter().position(|slot| *slot == single).map(|slot| 142 + 6 * slot)
}

fn single_cleared(scene: &mut Scene<'_>) -> Option<Expected> {
    let (single, iam) = scene.pick(&scene.sound.singles)?;
    let offset = offset_of(scene, single, iam)?;
    scene.database.change(iam, |page| put_address(page, offset, None));
    Some(vec![(Rule::O1, single)])
}

fn single_in_uniform(scene: &mut Scene<'_>) -> Option<Expected> {
    let (extent, own) = scene.pick(&scene.sound.uniform)?;
    let (other, offset) = free_place(scene, own)?;
    scene.database.change(other, |page| put_address(page, offset, Some(extent)));
    Some(vec![(Rule::I4, extent)])
}

fn iam_bit_cleared(scene: &mut Scene<'_>) -> Option<Expected> {
    let (extent, iam) = scene.pick(&scene.sound.uniform)?;
    scene.set_iam_bit(iam, extent, false);
    Some(vec![(Rule::A5, extent)])
}

fn iam_bit_for(scene: &mut Scene<'_>, extents: &[PageAddress]) -> Option<Expected> {
    let extent = scene.pick(extents)?;
    let iam = scene.pick(&scene.sound.iam_pages)?;
    scene.set_iam_bit(iam, extent, true);
    Some(vec![(Rule::A6b, extent)])
}

fn iam_bit_for_free(scene: &mut Scene<'_>) -> Option<Expected> {
    iam_bit_for(scene, &scene.sound.free)
}

fn iam_bit_for_mixed(scene: &mut Scene<'_>) -> Option<Expected> {
    iam_bit_for(scene, &scene.sound.mixed)
}

fn iam_bit_beyond(scene: &mut Scene<'_>) -> Option<Expected> {
    let iam = scene.pick(&scene.sound.iam_pages)?;
    let beyond = beyond_the_end(scene);
    scene.set_iam_bit(iam, beyond, true);
    Some(vec![(Rule::A6b, iam)])
}

fn gam_set(scene: &mut Scene<'_>) -> Option<Expected> {
    let extents: Vec<PageAddress> = scene.sound.uniform.iter().map(|(extent, _)| *extent).collect();
    let extents: Vec<PageAddress> = extents.into_iter().chain(scene.sound.mixed.clone()).collect();
    let extent = scene.pick(&extents)?;
    scene.set_map_bit(extent, 0, true);
    Some(match scene.first_in_use(extent) {
        _ if gam_bit(&scene.database, extent, 1) => vec![(Rule::A2, extent)],
        Some(page) => vec![(Rule::A1, page)],
        None => vec![(Rule::A6b, extent)],
    })
}

fn gam_cleared(scene: &mut Scene<'_>) -> Option<Expected> {
    let extent = scene.pick(&scene.sound.free)?;
    scene.set_map_bit(extent, 0, false);
    Some(vec![(Rule::A5, extent)])
}

fn sgam_set(scene: &mut Scene<'_>) -> Option<Expected> {
    let (extent, _) = scene.pick(&scene.sound.uniform)?;
    scene.set_map_bit(extent, 1, true);
    let page = scene.first_in_use(extent);
    Some(page.map_or(vec![(Rule::A6b, extent)], |page| vec![(Rule::A3, page)]))
}

fn sgam_set_for_free(scene: &mut Scene<'_>) -> Option<Expected> {
    let extent = scene.pick(&scene.sound.free)?;
    scene.set_map_bit(extent, 1, true);
    Some(vec![(Rule::A2, extent)])
}

/// An extent that the maps describe, behind the end of the file.
fn beyond_the_end(scene: &mut Scene<'_>) -> PageAddress {
    let file = scene.file();
    at(file.id, file.end + 8 * scene.below(500) as u32)
}

fn map_beyond(scene: &mut Scene<'_>, map: u32, value: bool) -> Option<Expected> {
    let beyond = beyond_the_end(scene);
    scene.set_map_bit(beyond, map, value);
    Some(vec![(Rule::A7, beyond)])
}

fn gam_beyond(scene: &mut Scene<'_>) -> Option<Expected> {
    map_beyond(scene, 0, false)
}

fn sgam_beyond(scene: &mut Scene<'_>) -> Option<Expected> {
    map_beyond(scene, 1, true)
}

fn pfs_beyond(scene: &mut Scene<'_>) -> Option<Expected> {
    let beyond = beyond_the_end(scene);
    scene.set_pfs_byte(beyond, ALLOCATED);
    Some(vec![(Rule::A7, beyond)])
}

fn pfs_cleared(scene: &mut Scene<'_>) -> Option<Expected> {
    let (single, _) = scene.pick(&scene.sound.singles)?;
    let byte = scene.pfs_byte(single);
    scene.set_pfs_byte(single, byte & !ALLOCATED);
    Some(vec![(Rule::I4, single)])
}

fn pfs_of_iam_cleared(scene: &mut Scene<'_>) -> Option<Expected> {
    let iam = scene.pick(&scene.sound.iam_pages)?;
    let byte = scene.pfs_byte(iam);
    scene.set_pfs_byte(iam, byte & !ALLOCATED);
    Some(vec![(Rule::I1, iam)])
}

fn pfs_in_free(scene: &mut Scene<'_>) -> Option<Expected> {
    let extent = scene.pick(&scene.sound.free)?;
    let page = at(extent.file, extent.page.0 + scene.below(8) as u32);
    scene.set_pfs_byte(page, ALLOCATED);
    Some(vec![(Rule::A1, page)])
}

fn pfs_in_mixed(scene: &mut Scene<'_>) -> Option<Expected> {
    let extent = scene.pick(&scene.sound.mixed)?;
    let pages: Vec<PageAddress> = pages_of(extent).collect();
    let page = scene.pick_of(&pages, |scene, page| !scene.is_in_use(page))?;
    scene.set_pfs_byte(page, ALLOCATED | MIXED);
    // What the free page holds may be told first.
    Some([Rule::H1, Rule::H3, Rule::A6, Rule::O1].map(|rule| (rule, page)).to_vec())
}

fn pfs_not_mixed(scene: &mut Scene<'_>) -> Option<Expected> {
    let singles = scene.sound.singles.iter().map(|(single, _)| (*single, Rule::I4));
    let iam_pages = scene.sound.iam_pages.iter().map(|iam| (*iam, Rule::I5));
    let pages: Vec<(PageAddress, Rule)> = singles.chain(iam_pages).collect();
    let (page, rule) = scene.pick(&pages)?;
    let byte = scene.pfs_byte(page);
    scene.set_pfs_byte(page, byte & !MIXED);
    Some(vec![(rule, page)])
}

fn pfs_mixed(scene: &mut Scene<'_>) -> Option<Expected> {
    let (extent, _) = scene.pick(&scene.sound.uniform)?;
    let pages: Vec<PageAddress> = pages_of(extent).collect();
    let page = scene.pick_of(&pages, Scene::is_in_use)?;
    let byte = scene.pfs_byte(page);
    scene.set_pfs_byte(page, byte | MIXED);
    Some(vec![(Rule::A4, page)])
}

fn pfs_iam(scene: &mut Scene<'_>) -> Option<Expected> {
    let iam_pages = scene.sound.iam_pages.iter().chain(&scene.sound.owned);
    let pages: Vec<PageAddress> = iam_pages.copied().collect();
    let page = scene.pick(&pages)?;
    let byte = scene.pfs_byte(page);
    scene.set_pfs_byte(page, byte ^ IAM);
    Some(vec![(Rule::A6, page)])
}

fn pfs_of_unused(scene: &mut Scene<'_>) -> Option<Expected> {
    let file = scene.file().id;
    scene.set_pfs_byte(at(file, 4), ALLOCATED);
    Some(vec![(Rule::A8, at(file, 1))])
}

fn one_page_short(scene: &mut Scene<'_>) -> Option<Expected> {
    let file = scene.file();
    let last = at(file.id, file.end - 8);
    if !gam_bit(&scene.database, last, 0) {
        return None;
    }
    scene.database.cut();
    Some(vec![(Rule::A8, at(file.id, 0))])
}

fn iam_sequence(scene: &mut Scene<'_>) -> Option<Expected> {
    let iam = scene.pick(&scene.sound.iam_pages)?;
    scene.database.change(iam, |page| page.bytes_mut()[100] ^= 1);
    Some(vec![(Rule::I1, iam)])
}

fn iam_next(scene: &mut Scene<'_>) -> Option<Expected> {
    let iam = scene.pick(&scene.sound.iam_pages)?;
    let others: Vec<PageAddress> = scene.database.places().collect();
    let next = scene.pick_of(&others, |scene, page| page != iam && scene.is_in_use(page))?;
    scene.change_header(iam, |header| {
        (header.next_page, header.next_file) = (next.page.0, next.file.0);
    });
    Some(vec![(Rule::I2, iam)])
}

fn iam_start(scene: &mut Scene<'_>) -> Option<Expected> {
    let iam = scene.pick(&scene.sound.iam_pages)?;
    let start = at(scene.file().id, 8 * scene.below(1000) as u32 + 8);
    scene.database.change(iam, |page| put_address(page, 136, Some(start)));
    Some(vec![(Rule::P0, iam)])
}
