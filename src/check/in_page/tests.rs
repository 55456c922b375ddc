//! Each rule of one page, broken once.

use super::*;
use crate::page::address::{FileId, PageId};
use crate::page::allocation::PfsByte;

const PLACE: PageAddress = PageAddress { file: FileId(1), page: PageId(500) };
const IN_USE: PfsByte = PfsByte(PfsByte::ALLOCATED);
/// A row: status bytes, end of the fixed part, four fixed bytes, two columns, null bitmap, one
/// variable column that ends at 17, "hi".
const ROW: [u8; 17] = [0x30, 0, 8, 0, 1, 2, 3, 4, 2, 0, 0, 1, 0, 17, 0, b'h', b'i'];
/// An entry above the leaves: status byte, a key, the child (1:77).
const ENTRY: [u8; 11] = [0x06, 1, 2, 3, 4, 77, 0, 0, 0, 1, 0];

/// A page of this type with `records` behind each other.
fn page(kind: PageType, records: &[&[u8]]) -> Page {
    let mut page = Page::ZERO;
    let mut at = ROWS_BEGIN;
    for (slot, record) in records.iter().enumerate() {
        page.bytes_mut()[at..at + record.len()].copy_from_slice(record);
        let slot_at = PAGE_BYTES - SLOT_BYTES * (slot + 1);
        page.bytes_mut()[slot_at..slot_at + SLOT_BYTES].copy_from_slice(&(at as u16).to_le_bytes());
        at += record.len();
    }
    *PageHeader::of_mut(&mut page) = PageHeader {
        header_version: 1,
        page_type: kind.m_type(),
        level: u8::from(kind == PageType::Index),
        pminlen: ENTRY.len() as u16,
        slot_count: records.len() as u16,
        free_data: at as u16,
        free_count: (FREE_BYTES_MAX - (at - ROWS_BEGIN) - SLOT_BYTES * records.len()) as u16,
        page_id: PLACE.page.0,
        file_id: PLACE.file.0,
        ..bytemuck::Zeroable::zeroed()
    };
    page
}

fn broken(page: &Page) -> Option<Rule> {
    check(page, PLACE, IN_USE, |_, _| ()).err().map(|breach| breach.rule)
}

/// What a page of three rows breaks once it is spoilt.
fn spoilt(spoil: impl FnOnce(&mut Page)) -> Option<Rule> {
    let mut page = page(PageType::Data, &[&ROW, &ROW, &ROW]);
    spoil(&mut page);
    broken(&page)
}

/// The same, by its header.
fn spoilt_header(spoil: impl FnOnce(&mut PageHeader)) -> Option<Rule> {
    spoilt(|page| spoil(PageHeader::of_mut(page)))
}

/// The same, where byte `at` of the second row is `byte`.
fn spoilt_row(at: usize, byte: u8) -> Option<Rule> {
    spoilt(|page| page.bytes_mut()[ROWS_BEGIN + ROW.len() + at] = byte)
}

#[test]
fn pages_in_order_break_nothing_and_each_record_is_shown() {
    for (kind, record) in [(PageType::Data, &ROW[..]), (PageType::Index, &ENTRY)] {
        let page = page(kind, &[record, record, record]);
        let mut seen = Vec::new();
        let rows = check(&page, PLACE, IN_USE, |slot, columns| {
            seen.push((slot.number, columns.end));
        });
        assert_eq!(rows, Ok(Rows { records: 3, are_compressed: false }));
        assert_eq!(seen, [0, 1, 2].map(|slot| (slot, record.len())));
    }
}

#[test]
fn a_header_that_contradicts_itself_is_told() {
    assert_eq!(spoilt_header(|_| ()), None);
    assert_eq!(spoilt_header(|header| header.reserved[31] = 1), Some(Rule::H1));
    assert_eq!(spoilt_header(|header| header.level = 1), Some(Rule::H2));
    assert_eq!(spoilt_header(|header| header.page_type = 19), Some(Rule::H3));
    assert_eq!(spoilt_header(|header| header.page_type = 11), Some(Rule::H4));
    assert_eq!(spoilt_header(|header| header.free_count += 1), Some(Rule::P8));
    assert_eq!(spoilt_header(|header| header.ghost_record_count = 1), Some(Rule::P9));
    assert_eq!(spoilt_header(|header| header.reserved_count = 8096), Some(Rule::P10));
}

#[test]
fn what_the_pfs_byte_says_of_iam_pages_must_be_so() {
    let page = page(PageType::Data, &[&ROW]);
    let by = |byte| check(&page, PLACE, PfsByte(byte), |_, _| ()).err().map(|breach| breach.rule);
    assert_eq!([0x40, 0x60, 0x44].map(by), [None; 3]);
    assert_eq!([0x50, 0x70, 0xc0].map(by), [Some(Rule::A6); 3]);
}

#[test]
fn slots_lead_to_records_that_neither_overlap_nor_end_behind_the_rows() {
    let slot = |offset: u16| {
        spoilt(|page| page.bytes_mut()[8188..8190].copy_from_slice(&offset.to_le_bytes()))
    };
    assert_eq!([95, 147, 8100, u16::MAX].map(slot), [Some(Rule::P1); 4]);
    assert_eq!([96, 130].map(slot), [Some(Rule::P4); 2]);
    // An empty slot of a heap: the bytes of its row are free now.
    assert_eq!(slot(0), Some(Rule::P8));
    assert_eq!(spoilt_header(|header| header.free_data -= 1), Some(Rule::P5));
    assert_eq!(spoilt_header(|header| header.slot_count -= 1), Some(Rule::P8));
}

#[test]
fn a_row_is_of_a_type_that_its_page_has_and_has_the_columns_that_it_says() {
    assert_eq!(spoilt_row(0, 0x36), Some(Rule::P2), "an index record");
    assert_eq!(spoilt_row(0, 0xb0), Some(Rule::P2));
    assert_eq!(spoilt_row(1, 2), Some(Rule::P3));
    assert_eq!(spoilt_row(0, 0x20), Some(Rule::P7));
    assert_eq!(spoilt_row(2, 3), Some(Rule::P6), "the fixed part ends before it begins");
    assert_eq!(spoilt_row(3, 0x23), Some(Rule::P6), "behind the page");
    assert_eq!(spoilt_row(11, 3), Some(Rule::P6), "more variable columns than columns");
    assert_eq!(spoilt_row(13, 14), Some(Rule::P6), "a column that ends before it begins");
    assert_eq!(spoilt_row(14, 0x1f), Some(Rule::P5));
    assert_eq!(spoilt_row(13, 18), Some(Rule::P4), "into the next row");
    assert_eq!(spoilt_row(14, 0x80), None, "a complex column");
    assert_eq!(spoilt_row(0, 0x3c), Some(Rule::P9), "a ghost");
}

#[test]
fn the_slot_is_told_and_the_page() {
    let mut page = page(PageType::Data, &[&ROW, &ROW]);
    page.bytes_mut()[ROWS_BEGIN + ROW.len() + 1] = 9;
    let breach = check(&page, PLACE, IN_USE, |_, _| ()).unwrap_err();
    assert_eq!(breach, Breach { slot: Some(1), ..Breach::of(Rule::P3, PLACE) });
}

#[test]
fn an_index_page_has_no_empty_slots_and_no_rows() {
    let mut empty = page(PageType::Index, &[&ENTRY, &ENTRY]);
    empty.bytes_mut()[8188..8190].fill(0);
    assert_eq!(broken(&empty), Some(Rule::P1));
    assert_eq!(broken(&page(PageType::Index, &[&ROW])), Some(Rule::P2));
}

#[test]
fn a_stub_has_no_second_status_byte_and_a_version_tag_counts() {
    let stub = [0x04, 0x99, 0, 0, 0, 1, 0, 3, 0];
    assert_eq!(broken(&page(PageType::Data, &[&stub, &ROW])), None);
    let mut tagged = [0; ROW.len() + 14];
    tagged[..ROW.len()].copy_from_slice(&ROW);
    tagged[0] |= 0x40;
    assert_eq!(broken(&page(PageType::Data, &[&tagged, &ROW])), None);
}

#[test]
fn padded_records_take_what_they_are_padded_to() {
    let mut padded = page(PageType::Data, &[&ROW, &ROW]);
    let header = PageHeader::of_mut(&mut padded);
    header.flag_bits = 2;
    assert_eq!(broken(&padded), Some(Rule::P8));
    PageHeader::of_mut(&mut padded).free_count -= 2 * 3;
    assert_eq!(broken(&padded), None);
}

#[test]
fn compressed_records_are_not_looked_into() {
    let compressed = |spoil: fn(&mut Page)| {
        let mut page = page(PageType::Data, &[&ROW]);
        spoil(&mut page);
        check(&page, PLACE, IN_USE, |_, _| ()).unwrap().are_compressed
    };
    assert!(compressed(|page| PageHeader::of_mut(page).type_flag_bits = 0x80));
    assert!(compressed(|page| page.bytes_mut()[ROWS_BEGIN] = 1));
}

/// Of a text record: status bytes, length, id, type 5 (a root), two links to slot 3 of (1:9).
fn root(ends: [u8; 2]) -> Vec<u8> {
    let mut record =
        vec![0x08, 0, 48, 0, 7, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
    for end in ends {
        record.extend([end, 0, 0, 0, 9, 0, 0, 0, 1, 0, 3, 0]);
    }
    record
}

#[test]
fn a_text_record_has_a_type_and_links_that_ascend() {
    let text = |record: &[u8]| broken(&page(PageType::TextTree, &[record]));
    assert_eq!(text(&root([10, 20])), None);
    assert_eq!(text(&root([20, 20])), Some(Rule::L1));
    let mut other = root([10, 20]);
    other[12] = 7;
    assert_eq!(text(&other), Some(Rule::L1));
    let mut long = root([10, 20]);
    long[16] = 3;
    assert_eq!(text(&long), Some(Rule::L1), "more links than there is room for");
    assert_eq!(text(&ROW), Some(Rule::P2));
}

#[test]
fn maps_have_their_two_records() {
    let map = |spoil: fn(&mut Page)| {
        let mut page = Page::ZERO;
        *PageHeader::of_mut(&mut page) = PageHeader {
            header_version: 1,
            page_type: PageType::DiffMap.m_type(),
            object_id: 99,
            slot_count: 2,
            free_data: 8182,
            page_id: 6,
            file_id: 1,
            ..bytemuck::Zeroable::zeroed()
        };
        page.bytes_mut()[8188..].copy_from_slice(&[190, 0, 96, 0]);
        page.bytes_mut()[96..100].copy_from_slice(&[0, 0, 0x5e, 0]);
        page.bytes_mut()[190..194].copy_from_slice(&[0, 0, 0x38, 0x1f]);
        spoil(&mut page);
        let place = PageAddress::new(FileId(1), PageId(6));
        check(&page, place, IN_USE, |_, _| ()).err().map(|breach| breach.rule)
    };
    assert_eq!(map(|_| ()), None);
    assert_eq!(map(|page| page.bytes_mut()[98] = 0), Some(Rule::P0));
    assert_eq!(map(|page| page.bytes_mut()[193] = 0), Some(Rule::P0));
    assert_eq!(map(|page| page.bytes_mut()[8188] = 192), Some(Rule::P0));
    assert_eq!(map(|page| PageHeader::of_mut(page).slot_count = 1), Some(Rule::P0));
    assert_eq!(map(|page| PageHeader::of_mut(page).object_id = 98), Some(Rule::H4));
}
