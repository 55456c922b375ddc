//! Text records and the links to them, where their sums differ (docs/check.md, section "LOB
//! values").

use super::Breach;
use super::rule::Rule;
use super::unit_pages::{Broken, Look, Unit};
use crate::page::address::PageAddress;
use crate::page::blob::{Blob, Pointer, pointers};
use crate::page::slots::{RecordType, RowId, Slot, Slots};
use std::collections::{BTreeMap, BTreeSet};

/// What a link tells of the id of its value.
#[derive(Clone, Copy)]
enum Told {
    All(u64),
    Low(u32),
    Middle(u32),
}

impl Told {
    fn is_of(self, id: u64) -> bool {
        match self {
            Self::All(told) => told == id,
            Self::Low(told) => told == id as u32,
            Self::Middle(told) => told == (id >> 16) as u32,
        }
    }
}

struct Link {
    from: RowId,
    to: RowId,
    told: Told,
}

/// A text record.
struct Record {
    unit: u64,
    id: u64,
    /// Times that something links to it.
    links: u32,
}

/// Adds to `broken` what is wrong in the LOB values of a rowset, which has these `units`.
pub(super) fn check(units: &[&Unit], look: &Look<'_>, broken: &mut Broken) {
    let mut links = Vec::new();
    let mut records: BTreeMap<RowId, Record> = BTreeMap::new();
    let mut unseen = BTreeSet::new();
    for unit in units {
        unseen.extend(look.own_pages(unit, broken, &mut |page, bytes| {
            for slot in Slots::of(bytes).all().filter(|slot| !slot.is_empty()) {
                let from = RowId { page, slot: slot.number };
                match Blob::of(slot).filter(|_| slot.kind() == RecordType::Blob) {
                    Some(blob) => {
                        records.insert(from, Record { unit: unit.id, id: blob.id(), links: 0 });
                        let link = |(_, to)| Link { from, to, told: Told::All(blob.id()) };
                        links.extend(blob.links().map(link));
                    }
                    None => links_of_row(from, slot, &mut links),
                }
            }
        }));
    }
    for link in &links {
        match records.get_mut(&link.to) {
            Some(record) if link.told.is_of(record.id) => record.links += 1,
            _ if takes_part(link.to.page, &unseen, broken) => {
                let at = Breach::of(Rule::L3, link.from.page).with(link.to.page);
                broken.add(Breach { slot: Some(link.from.slot), ..at });
            }
            _ => {}
        }
    }
    // Who links to them may be on a page that is not known, or is told already.
    let is_whole = unseen.is_empty() && links.iter().all(|link| !broken.has(link.from.page));
    for (record, Record { unit, .. }) in records.iter().filter(|(_, record)| record.links != 1) {
        if is_whole {
            let at = Breach::of(Rule::L4, record.page).about(*unit);
            broken.add(Breach { slot: Some(record.slot), ..at });
        }
    }
}

fn takes_part(page: PageAddress, unseen: &BTreeSet<PageAddress>, broken: &Broken) -> bool {
    !unseen.contains(&page) && !broken.has(page)
}

fn links_of_row(from: RowId, slot: Slot<'_>, links: &mut Vec<Link>) {
    // What stands in deleted rows proves nothing.
    let is_row =
        matches!(slot.kind(), RecordType::Primary | RecordType::Forwarded | RecordType::Index);
    let Some(columns) = slot.columns().filter(|_| is_row && !slot.is_empty()) else { return };
    for pointer in pointers(slot, columns) {
        match pointer {
            Pointer::Text(id, to) => links.push(Link { from, to, told: Told::Low(id) }),
            Pointer::InRow(id, _) => {
                let link = |to| Link { from, to, told: Told::Middle(id) };
                links.extend(pointer.links().map(link));
            }
            Pointer::Back(_) | Pointer::Other => {}
        }
    }
}
