//! Whole regions of a file that a dead disk took along: units of 64 KiB, either all that one member
//! of a striped array holds, or as many at random places.
//!
//! Pages with a fixed place are spared: with them goes the knowledge of what is in use, and a scan
//! would rightly say less of all other pages.

use super::chance::{Purpose, below, dice, draw};
use super::fault::Fault;
use super::target::{DrillFile, Target};
use crate::page::address::PageId;
use crate::page::allocation::fixed_page_type;
use std::collections::BTreeSet;
use std::io;

/// 64 KiB.
const UNIT_PAGES: u32 = 8;
const MEMBERS: u32 = 8;
/// A draw that belongs to no page.
const WHOLE_FILE: u64 = u64::MAX;

/// The healthy pages in use that die with the region.
pub(super) fn pages(
    file: &mut DrillFile,
    fault: Fault,
    target: Target,
    seed: u64,
) -> io::Result<Vec<PageId>> {
    let mut pages = Vec::new();
    for unit in units(file.pages.div_ceil(UNIT_PAGES), fault, target, seed) {
        let first = unit * UNIT_PAGES;
        for page in (first..first.saturating_add(UNIT_PAGES).min(file.pages)).map(PageId) {
            let is_spared = fixed_page_type(file.file_id, page).is_some();
            if !is_spared && file.suits(fault, page)? {
                pages.push(page);
            }
        }
    }
    Ok(pages)
}

fn units(units: u32, fault: Fault, target: Target, seed: u64) -> BTreeSet<u32> {
    let mut dice = dice(seed ^ fault as u64, Purpose::Target, WHOLE_FILE);
    match (fault, target) {
        (Fault::DeadMember, Target::Page(page)) => members_units(units, member_of(page)),
        (Fault::DeadMember, Target::Random(_)) => {
            members_units(units, below(&mut dice, MEMBERS.into()) as u32)
        }
        (_, Target::Page(page)) => BTreeSet::from([page.0 / UNIT_PAGES]),
        (_, Target::Random(_)) => {
            let wanted = (units / MEMBERS).max(1) as usize;
            let mut chosen = BTreeSet::new();
            while chosen.len() < wanted {
                chosen.insert(below(&mut dice, units.into()) as u32);
            }
            chosen
        }
    }
}

fn members_units(units: u32, member: u32) -> BTreeSet<u32> {
    (member..units).step_by(MEMBERS as usize).collect()
}

fn member_of(page: PageId) -> u32 {
    page.0 / UNIT_PAGES % MEMBERS
}

/// What the dead region reads as: zeros if true, else noise.
pub(super) fn reads_as_zeros(seed: u64) -> bool {
    draw(seed, Purpose::Damage, WHOLE_FILE) & 1 == 0
}

/// Where `page` is, in the words of an array.
pub(super) fn place_of(fault: Fault, page: PageId) -> String {
    let (unit, member) = (page.0 / UNIT_PAGES, member_of(page));
    match fault {
        Fault::DeadMember => format!("unit {unit} of 64 KiB, on member {member} of {MEMBERS}"),
        _ => format!("unit {unit} of 64 KiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_every_eighth_unit_and_a_zone_as_many() {
        let random = Target::Random(1);
        for seed in 0..20 {
            let member = units(256, Fault::DeadMember, random, seed);
            let zone = units(256, Fault::DeadZone, random, seed);
            assert_eq!((member.len(), zone.len()), (32, 32));
            assert!(member.iter().all(|unit| unit % 8 == member.first().unwrap() % 8));
            assert!(zone.iter().any(|unit| unit % 8 != zone.first().unwrap() % 8));
        }
        let named = units(20, Fault::DeadMember, Target::Page(PageId(87)), 1);
        assert!(named.into_iter().eq([2, 10, 18]));
    }
}
