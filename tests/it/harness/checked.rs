//! A check of a database in memory, as the program does it: what is explained by an earlier rule
//! takes no part in later ones.

use super::database::Database;
use pagescrub::check::unit::{self, Broken, Look};
use pagescrub::check::units::Units;
use pagescrub::check::{Breach, File, Pages, allocation, heap, in_page, lobs, tree};
use pagescrub::page::Page;
use pagescrub::page::address::PageAddress;
use std::collections::BTreeSet;

/// All but the pages that contradict themselves.
struct Left<'a> {
    database: &'a Database,
    bad: BTreeSet<PageAddress>,
}

impl Pages for Left<'_> {
    fn files(&self) -> &[File] {
        self.database.files()
    }

    fn sound(&self, place: PageAddress) -> Option<Page> {
        if self.bad.contains(&place) { None } else { self.database.sound(place) }
    }

    fn visit(&self, first: PageAddress, pages: u32, visit: &mut dyn FnMut(PageAddress, &Page)) {
        self.database.visit(first, pages, &mut |place, page| {
            if !self.bad.contains(&place) {
                visit(place, page);
            }
        });
    }
}

/// What is told of `database`, all of which is there: of each page once.
pub fn checked(database: &Database) -> Vec<Breach> {
    let mut broken = Broken::default();
    let mut left = Left { database, bad: BTreeSet::new() };
    for place in database.places() {
        let byte = database.pfs_byte(place);
        let Some(page) = database.sound(place).filter(|_| byte.is_allocated()) else { continue };
        if let Err(breach) = in_page::check(&page, place, byte, |_, _| ()) {
            left.bad.insert(place);
            broken.add(breach);
        }
    }
    if let Some(units) = allocation::check(&left, true, &mut |breach| broken.add(breach)) {
        let known: Vec<unit::Unit> = units.known(&left).collect();
        check_units(&known, &units, &left, &mut broken);
    }
    broken.into_list().collect()
}

fn check_units(known: &[unit::Unit], units: &Units, left: &Left<'_>, broken: &mut Broken) {
    let look = Look { pages: left, bad: &|place| left.bad.contains(&place) };
    let rowset = |id| units.get(id).and_then(|(unit, _)| unit.rowset).map(|rowset| rowset.id);
    for own in known {
        if own.is_tree() {
            tree::check(own, &look, broken);
        } else if own.content == unit::IN_ROW {
            heap::check(own, &look, broken);
        } else if own.content == unit::LOB {
            let is_of_rows = |other: &&unit::Unit| {
                other.content == unit::IN_ROW && rowset(other.id) == rowset(own.id)
            };
            let rows = known.iter().find(is_of_rows);
            rows.into_iter().for_each(|rows| lobs::check(rows, own, &look, broken));
        }
    }
}
