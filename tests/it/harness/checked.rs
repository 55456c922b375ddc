//! A check of a database in memory, as a scan does it.

use super::database::Database;
use pagescrub::check::collected::Collected;
use pagescrub::check::database::{Given, check};
use pagescrub::check::outcome::Outcome;
use pagescrub::check::{Breach, File, Pages};
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
    let mut collected = Collected::default();
    for place in database.places() {
        let byte = database.pfs_byte(place);
        if let Some(page) = database.stored(place).filter(|_| byte.is_allocated()) {
            collected.add(page, place, byte);
        }
    }
    let bad = collected.broken.iter().map(|breach| breach.place).collect();
    let left = Left { database, bad };
    collected.sums.join_parents();
    let given = Given { pages: &left, sums: &collected.sums, is_complete: true };
    check(&given, collected.broken, &mut Outcome::default())
}
