//! One database: its units, its maps, then the pages of each unit. What is broken first explains
//! what follows from it, so that each page is told once, and nothing is held against a page that
//! is told (docs/check.md, section "Order").

use super::catalog::{DROPPED, Unit as Row};
use super::chains::Chain;
use super::outcome::{NotChecked, Outcome};
use super::rule::Rule;
use super::sums::Sums;
use super::unit_pages::{Broken, LOB, Look, PAGES_MAX, ROW_OVERFLOW, Unit};
use super::units::Units;
use super::{Breach, Pages, allocation, heap, lobs, tree};
use crate::catalog::object::ObjectKind;
use crate::page::address::PageAddress;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a database when all of its pages were read.
pub struct Given<'a> {
    /// Its sound pages.
    pub pages: &'a dyn Pages,
    /// What its pages add up to, parents joined.
    pub sums: &'a Sums,
    /// All of its data files are there.
    pub is_complete: bool,
}

/// Checks a database. `known` has the rules that single pages break.
pub fn check(given: &Given<'_>, known: Vec<Breach>, outcome: &mut Outcome) -> Vec<Breach> {
    let mut broken = Broken::default();
    for breach in known {
        broken.add(breach);
    }
    let mut tell = |breach| broken.add(breach);
    if let Some(units) = allocation::check(given.pages, given.is_complete, &mut tell) {
        outcome.leaves(NotChecked::PagesNotSound, units.maps_not_sound());
        Checked { given, units: &units, broken: &mut broken, outcome }.all();
    } else {
        outcome.leaves(NotChecked::DatabasesWithoutCatalog, 1);
    }
    broken.into_list().collect()
}

/// A check that knows all units.
struct Checked<'a> {
    given: &'a Given<'a>,
    units: &'a Units,
    broken: &'a mut Broken,
    outcome: &'a mut Outcome,
}

/// The units of one rowset that can be checked, by what they store.
type OfRowset = BTreeMap<u8, Unit>;

impl Checked<'_> {
    fn all(&mut self) {
        let mut rowsets: BTreeMap<u64, OfRowset> = BTreeMap::new();
        // Rowsets of which a unit cannot be checked: what their rows point at is not known.
        let mut without = BTreeSet::new();
        for (row, chain) in self.units.iter() {
            let Some(rowset) = row.rowset else { continue };
            match self.unit(row, chain) {
                Ok(unit) => drop(rowsets.entry(rowset.id).or_default().insert(row.content, unit)),
                Err((why, count)) => {
                    self.outcome.leaves(why, count);
                    without.insert(rowset.id);
                }
            }
        }
        // A unit without a rowset may be of any.
        let has_one = |row: &Row| row.rowset.is_some() || row.content == DROPPED;
        let are_all = self.units.iter().all(|(row, _)| has_one(row));
        for (rowset, units) in &rowsets {
            for unit in units.values() {
                self.check_unit(unit);
            }
            if are_all && !without.contains(rowset) {
                self.check_lobs(units);
            }
        }
    }

    /// The unit of `row`, if its pages can be held against each other.
    fn unit(&self, row: &Row, chain: &Chain) -> Result<Unit, (NotChecked, u64)> {
        if !self.units.is_known(row, chain) {
            return Err((NotChecked::UnitsWithoutWholeChain, 1));
        }
        let rowset = row.rowset.ok_or((NotChecked::UnitsWithoutWholeChain, 1))?;
        let is_columnstore = matches!(
            rowset.kind,
            Some(ObjectKind::ClusteredColumnstore | ObjectKind::NonclusteredColumnstore)
        );
        let pages = self.units.pages_in_use(chain, self.given.pages);
        let pages = pages.ok_or((NotChecked::UnitsWithSuspects, 1))?;
        let compressed = self.given.sums.of(row.id).map_or(0, |sums| sums.compressed);
        match () {
            () if is_columnstore => Err((NotChecked::ColumnstoreUnits, 1)),
            () if rowset.is_partitioned => Err((NotChecked::PartitionedUnits, 1)),
            () if row.content == ROW_OVERFLOW && !pages.is_empty() => {
                Err((NotChecked::RowOverflowUnits, 1))
            }
            () if compressed > 0 => Err((NotChecked::CompressedPages, compressed)),
            () => Ok(Unit {
                id: row.id,
                content: row.content,
                index_id: rowset.index_id,
                root: row.root,
                pages,
            }),
        }
    }

    fn check_unit(&mut self, unit: &Unit) {
        let sums = self.given.sums.of(unit.id);
        self.outcome.units += 1;
        if unit.agrees(sums) {
            return;
        }
        if unit.count() > PAGES_MAX {
            return self.tell_too_large(unit);
        }
        let look = Look { pages: self.given.pages };
        let unseen = match unit.content {
            _ if unit.is_tree() => tree::check(unit, &look, self.broken),
            LOB => look.own_pages(unit, self.broken, &mut |_, _| {}),
            _ => heap::check(unit, &look, self.broken),
        };
        if !unseen.is_empty() {
            self.outcome.leaves(NotChecked::UnitsWithSuspects, 1);
        }
    }

    /// What rows and text records link to, against the text records there are.
    fn check_lobs(&mut self, units: &OfRowset) {
        let of = |unit: &Unit| self.given.sums.of(unit.id);
        let links: u64 = units
            .values()
            .filter_map(of)
            .fold(0, |all, sums| all.wrapping_add(sums.links).wrapping_sub(sums.blobs));
        if links == 0 {
            return;
        }
        let all: Vec<&Unit> = units.values().collect();
        if all.iter().map(|unit| unit.count()).sum::<u64>() > PAGES_MAX {
            return self.tell_too_large(all[0]);
        }
        lobs::check(&all, &Look { pages: self.given.pages }, self.broken);
    }

    fn tell_too_large(&mut self, unit: &Unit) {
        if let Some((file, run)) = unit.pages.first() {
            let first = PageAddress::new(*file, run.first);
            self.broken.add(Breach::of(Rule::S1, first).about(unit.id));
        }
    }
}
