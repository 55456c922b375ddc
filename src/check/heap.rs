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
    let led_to: BTreeSet<RowId> = stubs.values().copied().collect();
    for (row, stub) in rows.iter().filter(|(row, _)| !led_to.contains(row)) {
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

#[cfg(test)]
mod tests {
    use super::super::rule::Rule;
    use super::super::{File, Pages};
    use super::*;
    use crate::page::Page;
    use crate::page::address::{FileId, PageId, PageRange};
    use crate::page::header::PageHeader;
    use crate::page::slots::{ROWS_BEGIN, SLOT_BYTES};

    const UNIT: u64 = 256 << 48 | 101 << 16;

    /// Two pages of a heap, 40 and 41.
    struct Two([Page; 2]);

    impl Pages for Two {
        fn files(&self) -> &[File] {
            &[]
        }

        fn sound(&self, _: PageAddress) -> Option<Page> {
            None
        }

        fn visit(&self, first: PageAddress, _: u32, visit: &mut dyn FnMut(PageAddress, &Page)) {
            for (page, id) in self.0.iter().zip(first.page.0..) {
                visit(PageAddress::new(first.file, PageId(id)), page);
            }
        }
    }

    fn page(record: &[u8]) -> Page {
        let mut page = Page::ZERO;
        page.bytes_mut()[ROWS_BEGIN..ROWS_BEGIN + record.len()].copy_from_slice(record);
        page.bytes_mut()[8192 - SLOT_BYTES..].copy_from_slice(&(ROWS_BEGIN as u16).to_le_bytes());
        let header = PageHeader::of_mut(&mut page);
        (header.page_type, header.slot_count) = (1, 1);
        (header.index_id, header.object_id) = (256, 101);
        page
    }

    /// A stub on page 40 that leads to slot 0 of `to`, and a moved row on page 41 whose last column
    /// leads back to slot 0 of `back`.
    fn broken(to: u32, back: u32) -> Vec<(Rule, u32)> {
        let (mut stub, mut row) =
            (vec![0x04], vec![0x32, 0, 8, 0, 1, 2, 3, 4, 1, 0, 0, 1, 0, 25, 0x80]);
        stub.extend(to.to_le_bytes());
        stub.extend([1, 0, 0, 0]);
        row.extend([0, 4]);
        row.extend(back.to_le_bytes());
        row.extend([1, 0, 0, 0]);
        let pages = Two([page(&stub), page(&row)]);
        let run = (FileId(1), PageRange::between(40, 42));
        let root = PageAddress::new(FileId(0), PageId(0));
        let unit = Unit { id: UNIT, content: 1, index_id: 0, root, pages: vec![run] };
        let mut broken = Broken::default();
        assert!(check(&unit, &Look { pages: &pages }, &mut broken).is_empty());
        broken.into_list().map(|breach| (breach.rule, breach.place.page.0)).collect()
    }

    #[test]
    fn a_stub_and_its_row_point_at_each_other() {
        assert_eq!(broken(41, 40), []);
        // The row at the other end is not told as well: it is one fault.
        assert_eq!(broken(43, 40), [(Rule::E2, 40)]);
        assert_eq!(broken(41, 44), [(Rule::E2, 40)]);
    }
}
