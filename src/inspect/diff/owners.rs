//! What is known at the end: the names of objects, and which of two pages is the wrong one.

use super::super::catalog::Catalog;
use super::super::image::Image;
use super::class::Class;
use super::found::Owner;
use super::pair::Compared;
use super::report::{PageDiff, SideOfPage};
use crate::catalog::object::Object;
use crate::catalog::owners::{Claim, Owners, is_same_unit};
use crate::catalog::{SystemTable, objects};
use crate::page::Page;
use crate::page::header::Lsn;
use crate::read::PageSource;
use crate::read::open::Reader;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The objects of allocation units.
pub(super) struct Names(BTreeMap<u64, Arc<Object>>);

impl Names {
    /// As the system tables in all of `compared` tell, and those in `images`, which are not
    /// compared.
    pub(super) fn of(compared: &[Compared<'_>], images: &[Image]) -> Self {
        let catalogs: Vec<Catalog<'_>> = images.iter().map(Catalog::of).collect();
        let owners = compared.iter().flat_map(|compared| compared.found.by_owner.keys());
        let unit = |owner: &Owner| if let Owner::Unit(unit) = owner { Some(*unit) } else { None };
        let units: BTreeSet<u64> = owners.filter_map(unit).collect();
        Self(objects(&units, &|table: SystemTable, visit: &mut dyn FnMut(&Page)| {
            for remembered in compared.iter().flat_map(Compared::remembered) {
                remembered.visit(table, &open, visit);
            }
            for catalog in &catalogs {
                catalog.visit(table, visit);
            }
        }))
    }

    /// In words.
    pub(super) fn name(&self, owner: Owner) -> String {
        match owner {
            Owner::NoObject => "(allocation pages, file header, boot page)".to_owned(),
            Owner::Unknown => "(not known)".to_owned(),
            Owner::Unit(unit) => match self.0.get(&unit) {
                Some(object) => object.to_string(),
                None => format!("allocation unit {unit}"),
            },
        }
    }

    /// The kind of the object.
    pub(super) fn kind(&self, owner: Owner) -> Option<&'static str> {
        let Owner::Unit(unit) = owner else { return None };
        self.0.get(&unit).map(|object| object.kind.name())
    }
}

fn open(path: &Path) -> io::Result<Box<dyn PageSource>> {
    Reader::Auto.open(path)
}

/// Says of each listed page of `compared` which copy is wrong, if that is known.
pub(super) fn judge(compared: &mut Compared<'_>) {
    let is_asked = |page: &PageDiff| page.class == Class::SameLsn;
    let pages = compared.found.pages.iter().map(|(page, _)| page);
    let asked: Vec<_> = pages.filter(|page| is_asked(page)).map(|page| page.address.page).collect();
    let file = compared.pair.a.file.file_id;
    let told = compared.remembered().map(|remembered| {
        let mut owners = Owners::of(file, asked.iter().copied());
        if !asked.is_empty() {
            remembered.visit_iam(&open, &mut |iam| owners.add(iam));
        }
        owners
    });
    let checkpoints = (compared.pair.a.checkpoint, compared.pair.b.checkpoint);
    for (page, _) in &mut compared.found.pages {
        let claims = told.each_ref().map(|owners| owners.claim(page.address.page));
        (page.wrong, page.because) = verdict(page, claims, checkpoints);
    }
}

type Wrong = (Option<&'static str>, String);

fn verdict(page: &PageDiff, claims: [Claim; 2], ends: (Option<Lsn>, Option<Lsn>)) -> Wrong {
    match page.class {
        Class::DamagedInA => (Some("a"), damaged(page.a.as_ref(), page.b.as_ref(), "B")),
        Class::DamagedInB => (Some("b"), damaged(page.b.as_ref(), page.a.as_ref(), "A")),
        Class::DamagedInBoth => (Some("both"), "no copy here is sound".to_owned()),
        Class::StaleInA => (Some("a"), stale("A", ends.0)),
        Class::StaleInB => (Some("b"), stale("B", ends.1)),
        _ => same_lsn(page, claims),
    }
}

/// What the other copy is, next to a damaged page.
fn damaged(bad: Option<&SideOfPage>, other: Option<&SideOfPage>, name: &str) -> String {
    let Some(other) = other else { return format!("{name} does not have this page") };
    let is_own = bad.filter(|bad| bad.found.is_none() && bad.page_type.is_some());
    let order = is_own.and_then(|bad| bad.lsn).zip(other.lsn).map(|(bad, other)| bad.cmp(&other));
    let how_new = match (other.allocated, order) {
        ("no", _) => return format!("the page is free in {name}"),
        (_, Some(Ordering::Equal)) => " of the same LSN",
        (_, Some(Ordering::Less)) => ", newer by its LSN",
        (_, Some(Ordering::Greater)) => ", older by its LSN",
        (_, None) => "; how new it is, the damaged page does not tell",
    };
    format!("{name} has a sound copy{how_new}")
}

fn stale(name: &str, end: Option<Lsn>) -> String {
    let end = end.map_or_else(String::new, |end| format!(" {end}"));
    format!(
        "the checkpoint{end} of {name} covers the change that the other copy has: the write was \
         lost, or the copies went their own ways"
    )
}

/// Two pages of one LSN that pass their own checks: wrong is the one that belongs to another owner
/// than IAM pages say, that breaks a rule of its own content, or that carries no checksum beside
/// one that does.
fn same_lsn(page: &PageDiff, claims: [Claim; 2]) -> Wrong {
    let (Some(a), Some(b)) = (&page.a, &page.b) else { return (None, String::new()) };
    by_owner(a, b, claims).or_else(|| by_rule(a, b)).unwrap_or_else(|| by_checksum(a, b))
}

fn by_owner(a: &SideOfPage, b: &SideOfPage, claims: [Claim; 2]) -> Option<Wrong> {
    let owner = agreed(claims)?;
    let is_owner =
        |side: &SideOfPage| side.allocation_unit_id.is_some_and(|unit| is_same_unit(unit, owner));
    let wrong = match (is_owner(a), is_owner(b)) {
        (true, false) => "b",
        (false, true) => "a",
        _ => return None,
    };
    Some((Some(wrong), format!("IAM pages give its extent to allocation unit {owner}")))
}

fn by_rule(a: &SideOfPage, b: &SideOfPage) -> Option<Wrong> {
    let (wrong, rule) = match (&a.broken_rule, &b.broken_rule) {
        (Some(rule), None) => ("a", rule),
        (None, Some(rule)) => ("b", rule),
        _ => return None,
    };
    Some((Some(wrong), format!("its content breaks rule {rule}")))
}

fn by_checksum(a: &SideOfPage, b: &SideOfPage) -> Wrong {
    let proved = |side: &SideOfPage| side.protection == Some("checksum");
    match (proved(a), proved(b)) {
        (true, false) => (Some("b"), "the checksum of A is right, B carries none".to_owned()),
        (false, true) => (Some("a"), "the checksum of B is right, A carries none".to_owned()),
        (true, true) => {
            let why =
                "both checksums are right, and neither owner nor content tells which is wrong";
            (None, why.to_owned())
        }
        (false, false) => {
            (None, "neither carries a checksum that would tell which is wrong".to_owned())
        }
    }
}

/// The unit that the IAM pages of both copies name, or those of one where the other's say nothing.
fn agreed([a, b]: [Claim; 2]) -> Option<u64> {
    match (a, b) {
        (Claim::Unit(a), Claim::Unit(b)) if is_same_unit(a, b) => Some(a),
        (Claim::Unit(unit), Claim::Nobody) | (Claim::Nobody, Claim::Unit(unit)) => Some(unit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(unit: u64, protection: &'static str, lsn: u32) -> SideOfPage {
        SideOfPage {
            lsn: Some(Lsn { vlf: lsn, block: 1, slot: 1 }),
            page_type: Some("data"),
            allocation_unit_id: Some(unit),
            protection: Some(protection),
            allocated: "yes",
            reason: None,
            broken_rule: None,
            stored: None,
            computed: None,
            found: None,
        }
    }

    fn page(class: Class, a: SideOfPage, b: SideOfPage) -> PageDiff {
        PageDiff {
            address: "(1:50)".to_owned().try_into().unwrap(),
            class,
            a: Some(a),
            b: Some(b),
            differing_bytes: None,
            differing_sectors: Vec::new(),
            wrong: None,
            because: String::new(),
            object: String::new(),
        }
    }

    #[test]
    fn of_two_pages_of_one_lsn_the_owner_tells_and_then_the_checksum() {
        let wrong = |a, b, claims| verdict(&page(Class::SameLsn, a, b), claims, (None, None)).0;
        let of = |unit| side(unit, "checksum", 5);
        let (unit, other) = (Claim::Unit(7 << 16), Claim::Unit(9 << 16));
        assert_eq!(wrong(of(7 << 16), of(8 << 16), [unit, unit]), Some("b"));
        assert_eq!(wrong(of(8 << 16), of(7 << 16), [Claim::Nobody, unit]), Some("a"));
        assert_eq!(wrong(of(7 << 16), of(7 << 16), [unit, unit]), None);
        assert_eq!(wrong(of(7 << 16), of(8 << 16), [unit, other]), None);
        let without = || side(7 << 16, "none", 5);
        assert_eq!(wrong(of(7 << 16), without(), [unit, unit]), Some("b"));
        assert_eq!(wrong(without(), of(7 << 16), [unit, unit]), Some("a"));
        assert_eq!(wrong(without(), without(), [unit, unit]), None);
        let broken = SideOfPage { broken_rule: Some("P4".to_owned()), ..of(7 << 16) };
        assert_eq!(wrong(of(7 << 16), broken, [unit, unit]), Some("b"));
    }

    #[test]
    fn beside_a_damaged_page_it_is_said_how_new_the_other_is() {
        let told = |bad, good| {
            let page = page(Class::DamagedInA, side(1, "checksum", bad), side(1, "checksum", good));
            verdict(&page, [Claim::Nobody; 2], (None, None)).1
        };
        for (bad, good, word) in [(5, 5, "of the same LSN"), (5, 6, "newer"), (6, 5, "older")] {
            assert!(told(bad, good).contains(word), "{word}: {}", told(bad, good));
        }
    }
}
