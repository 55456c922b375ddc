//! Rows of heaps that were moved and the stubs that they left, where their sums differ
//! (docs/check.md, section "Heaps").

use super::Breach;
use super::rule::Rule;
use super::unit_pages::{Broken, Look, Unit};
use crate::page::address::PageAddress;
use crate::page::blob::{Pointer, pointers};
use crate::page::slots::{RecordType, RowId, Slots};
use std::collections::{BTreeMap, BTreeSet};

/// Adds to `broken` what is wrong in the heap `unit`. Returns its pages that are not sound.
pub(super) fn check(unit: &Unit, look: &Look<'_>, broken: &mut Broken) -> BTreeSet<PageAddress> {
    let (mut stubs, mut rows) = (BTreeMap::new(), BTreeMap::new());
    let unseen = look.own_pages(unit, broken, &mut |page, bytes| {
        for slot in Slots::of(bytes).all() {
            let own = RowId { page, slot: slot.number };
            match slot.kind() {
                RecordType::ForwardingStub if !slot.is_empty() => {
                    stubs.extend(slot.forwards_to().map(|to| (own, to)));
                }
                RecordType::Forwarded => {
                    let columns = slot.columns();
                    let back = columns.and_then(|columns| back_pointer(pointers(slot, columns)));
                    rows.extend(back.map(|back| (own, back)));
                }
                _ => {}
            }
        }
    });
    let is_known =
        |page: PageAddress, broken: &Broken| !unseen.contains(&page) && !broken.has(page);
    let mut wrong = |from: RowId, to: RowId, there: &BTreeMap<RowId, RowId>| {
        if there.get(&to) != Some(&from) && is_known(to.page, broken) {
            let (slot, other) = (Some(from.slot), Some(to.page));
            let at = Breach { unit: Some(unit.id), ..Breach::of(Rule::E2, from.page) };
            broken.add(Breach { slot, other, ..at });
        }
    };
    for (stub, row) in &stubs {
        wrong(*stub, *row, &rows);
    }
    // A row whose stub is elsewhere was told with that stub, unless there is none.
    let lost = rows.iter().filter(|(row, _)| !stubs.values().any(|to| to == *row));
    let lost: Vec<_> = lost.collect();
    for (row, stub) in lost {
        wrong(*row, *stub, &stubs);
    }
    unseen
}

fn back_pointer<'a>(mut pointers: impl Iterator<Item = Pointer<'a>>) -> Option<RowId> {
    pointers.find_map(|pointer| match pointer {
        Pointer::Back(stub) => Some(stub),
        _ => None,
    })
}
