//! What is said of a page by its own bytes, and what others say of it.

use super::*;
use crate::catalog::object::ObjectKind;
use crate::page::address::{FileId, PageId};
use crate::page::checksum::Checksum;

fn finding(file: usize, page: u32, page_type: u8, unknown: bool) -> Finding {
    let allocation = if unknown { Allocation::Unknown } else { Allocation::Allocated };
    Finding::made(file, page, page_type, (100, 256), allocation)
}

#[test]
fn the_object_tells_what_is_lost_unless_the_page_cannot_be_its() {
    use Consequence::{Index, Rows, SystemOrMap};
    let object = |object_id, index_id, kind| Object::unnamed(object_id, index_id, kind);
    let lost = |page_type, object: &Object| {
        let mut finding = finding(0, 200, page_type, false);
        finding.is_of(&Arc::new(object.clone()));
        (finding.consequence, finding.object.is_some())
    };
    let clustered = object(1000, 1, ObjectKind::ClusteredIndex);
    assert_eq!([1, 2].map(|kind| lost(kind, &clustered)), [(Rows, true); 2]);
    let nonclustered = object(1000, 2, ObjectKind::NonclusteredIndex);
    let of_index = [2, 10].map(|kind| lost(kind, &nonclustered));
    assert_eq!(of_index, [(Index, true), (SystemOrMap, true)]);
    assert_eq!(lost(2, &object(34, 2, ObjectKind::NonclusteredIndex)), (SystemOrMap, true));
    assert_eq!(lost(2, &object(1000, 0, ObjectKind::Heap)), (Index, false));
}

#[test]
fn a_header_is_believed_as_far_as_the_allocation_structures_let_it() {
    let owned = |page_type, unit, named_by, claims, is_iam| {
        let mut finding = finding(0, 200, page_type, false);
        finding.is_owned(Ownership { unit, named_by, claims, is_iam });
        (finding.page_type, finding.consequence, finding.named_by())
    };
    let user = Some(256 << 48 | 100 << 16);
    let (both, rows) = (Some(NamedBy::Both), Consequence::Rows);
    assert_eq!(owned(1, user, both, 1, false), (Some(PageType::Data), rows, both));
    assert_eq!(owned(2, None, None, 0, false), (None, rows, None), "it is not the unit's");
    let several = owned(2, None, None, 2, false);
    assert_eq!(several, (Some(PageType::Index), Consequence::Index, None));
    let no_iam = owned(10, user, Some(NamedBy::Iam), 1, false);
    assert_eq!(no_iam, (None, rows, Some(NamedBy::Iam)), "no IAM page is in an extent");
    let iam = (Some(PageType::Iam), Consequence::SystemOrMap, Some(NamedBy::Catalog));
    assert_eq!(owned(1, user, Some(NamedBy::Catalog), 0, true), iam);
    let system = owned(1, Some(34 << 16 | 1 << 48), both, 1, false);
    assert_eq!(system.1, Consequence::SystemOrMap);
}

#[test]
fn what_others_say_of_the_object_counts_more_than_the_type_in_the_header() {
    let heap = Arc::new(Object::unnamed(1000, 0, ObjectKind::Heap));
    for (named_by, page_type) in
        [(NamedBy::Header, Some(PageType::Index)), (NamedBy::Iam, None), (NamedBy::Both, None)]
    {
        let mut finding = finding(0, 200, 2, false);
        let unit = finding.allocation_unit;
        let named_by = Some(named_by);
        finding.is_owned(Ownership { unit, named_by, claims: 1, is_iam: false });
        finding.is_of(&heap);
        assert_eq!((finding.page_type, finding.object.is_some()), (page_type, page_type.is_none()));
    }
}

#[test]
fn a_destroyed_header_is_known_by_its_place_or_not_at_all() {
    let at = |page| PageAddress::new(FileId(1), PageId(page));
    let of = |page| {
        let allocation = Allocation::Allocated;
        Finding::new(0, at(page), SuspectReason::Zeroed, allocation, Some(&Page::ZERO))
    };
    assert_eq!(of(8088).page_type, Some(PageType::Pfs));
    assert_eq!(of(8088).consequence, Consequence::StopsDatabase);
    assert_eq!(of(8089).page_type, None);
    assert_eq!(of(8089).consequence, Consequence::Rows);
}

/// One flipped bit makes a data page's type 1 that of an SGAM page.
#[test]
fn a_type_with_a_fixed_place_is_not_believed_elsewhere() {
    for page_type in [8, 9, 11, 13, 15, 16, 17] {
        let elsewhere = finding(0, 200, page_type, false);
        assert_eq!((elsewhere.page_type, elsewhere.consequence), (None, Consequence::Rows));
    }
    assert_eq!(finding(0, 9, 1, false).page_type, Some(PageType::Boot));
}

#[test]
fn the_page_that_a_whole_header_names_is_told_whatever_is_wrong_with_the_page() {
    let at = PageAddress::new(FileId(1), PageId(200));
    let named = |file_id, page_id, page_type| {
        let mut page = Page::ZERO;
        *PageHeader::of_mut(&mut page) = PageHeader {
            header_version: 1,
            page_type,
            free_data: 96,
            file_id,
            page_id,
            ..bytemuck::Zeroable::zeroed()
        };
        let (stored, computed) = (Checksum(1), Checksum(2));
        let reason = SuspectReason::BadChecksum { stored, computed };
        let finding = Finding::new(0, at, reason, Allocation::Allocated, Some(&page));
        let evidence = finding.evidence.as_ref().unwrap();
        assert_eq!(evidence.names_another, finding.names.is_some());
        finding.found().map(|found| found.to_string())
    };
    assert_eq!(named(1, 300, 1).as_deref(), Some("(1:300)"));
    assert_eq!(named(3, 200, 2).as_deref(), Some("(3:200)"));
    for (file, page, page_type) in [(1, 200, 1), (1, 300, 99), (0, 300, 1), (40_000, 300, 1)] {
        assert_eq!(named(file, page, page_type), None, "({file}:{page}) {page_type}");
    }
    assert_eq!(named(1, 1 << 31, 1), None);
}

#[test]
fn the_tables_that_lead_to_all_others_are_those_of_the_document() {
    let text = include_str!("../../../docs/page-format.md");
    let (_, text) = text.split_once("### 6.5 ").unwrap();
    let (table, _) = text.split_once("\n\nThat the tables").unwrap();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let ids = cells.flat_map(|cell| cell.split(", ")).filter_map(|id| id.parse().ok());
    let mut ids: Vec<u64> = ids.collect();
    ids.sort_unstable();
    assert_eq!(ids, ENGINE_TABLES);
}

#[test]
fn of_too_many_the_most_urgent_are_kept_in_whatever_order_they_come() {
    const KEPT: usize = 20_000;
    let many = (KEPT + KEPT / BEYOND_PART) as u32 + 5;
    let kept = |pages: &mut dyn Iterator<Item = u32>| {
        let mut findings = Findings::keeping(KEPT);
        pages.for_each(|page| findings.add(finding(0, page + 1000, 1, false)));
        findings.into_list()
    };
    let forward = kept(&mut (0..many));
    assert_eq!(forward.len(), KEPT);
    assert_eq!(Findings::default().kept_max, SUSPECTS_MAX);
    assert!(forward == kept(&mut (0..many).rev()), "the order of adding shows");
}
