//! The records of a page, as far as they can be told without the columns of its table: where their
//! parts are, and what the parts hold (docs/page-format.md, sections 6.2 and 6.6).

use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::blob::Pointer;
use crate::page::header::PageHeader;
use crate::page::line::digits;
use crate::page::record::utf16;
use crate::page::slots::{Columns, RecordType, RowId, Slot, Slots};
use serde::Serialize;
use std::ops::Range;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowView {
    /// Its slot, from 0.
    pub slot: u16,
    /// Where it begins in the page; 0 for an empty slot.
    pub offset: u16,
    /// Its length in bytes; `None` if it leads out of the page, or is compressed.
    pub length: Option<usize>,
    /// As DBCC PAGE prints it.
    pub record_type: &'static str,
    /// `NULL_BITMAP`, `VARIABLE_COLUMNS`, `VERSIONING_INFO`.
    pub attributes: Vec<&'static str>,
    /// The fixed columns together.
    pub fixed: Option<Part>,
    /// Columns that the null bitmap has bits for.
    pub columns: u16,
    /// Those without a value, counted from 0.
    pub nulls: Vec<u16>,
    /// The columns of variable length.
    pub variable: Vec<Part>,
    /// Where it leads: a page of the level below, or the row that was moved.
    pub leads_to: Option<String>,
}

/// A part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Where it begins in the record.
    pub offset: usize,
    /// How long it is.
    pub length: usize,
    /// Its bytes, in the order of storage.
    pub hex: String,
    /// What they say, if they can be text.
    pub text: Option<String>,
    /// Where it points, if it is a complex column.
    pub points_to: Option<String>,
}

/// The slot array of `page` (torn bits restored), by slots.
pub fn slots(page: &Page) -> Vec<u16> {
    let slots = Slots::of(page);
    (0..slots.count()).map(|slot| slots.offset(slot)).collect()
}

/// The records of `page` (torn bits restored), by slots.
pub fn rows(page: &Page) -> Vec<RowView> {
    let slots = Slots::of(page);
    let are_compressed = slots.are_compressed();
    let level = PageHeader::of(page).level;
    slots.all().map(|slot| row(slot, level, are_compressed)).collect()
}

fn row(slot: Slot<'_>, level: u8, is_compressed: bool) -> RowView {
    let kind = slot.kind();
    let attributes = [
        (slot.has_null_bitmap(), "NULL_BITMAP"),
        (slot.has_variable_columns(), "VARIABLE_COLUMNS"),
        (slot.has_version_tag(), "VERSIONING_INFO"),
    ];
    let is_record = !slot.is_empty() && !is_compressed;
    let record = slot.record().filter(|_| is_record);
    let columns = slot.columns().filter(|_| record.is_some());
    let parts = |columns: Columns| variable(slot, &columns, record);
    let nulls =
        |columns: Columns| (0..columns.count).filter(|at| slot.is_null(&columns, *at)).collect();
    RowView {
        slot: slot.number,
        offset: slot.offset,
        length: record.map(<[u8]>::len),
        record_type: record_type(slot, is_compressed),
        attributes: attributes
            .iter()
            .filter(|(has, _)| *has && is_record)
            .map(|(_, name)| *name)
            .collect(),
        fixed: columns.and_then(|columns| part(record?, columns.fixed(kind), None)),
        columns: columns.map_or(0, |columns| columns.count),
        nulls: columns.map(nulls).unwrap_or_default(),
        variable: columns.map(parts).unwrap_or_default(),
        leads_to: leads_to(slot, level).filter(|_| record.is_some()),
    }
}

fn record_type(slot: Slot<'_>, is_compressed: bool) -> &'static str {
    match (slot.is_empty(), is_compressed) {
        (true, _) => "EMPTY_SLOT",
        (_, true) => "COMPRESSED_RECORD",
        _ => slot.kind().name(),
    }
}

fn leads_to(slot: Slot<'_>, level: u8) -> Option<String> {
    match slot.kind() {
        RecordType::ForwardingStub => slot.forwards_to().map(row_id),
        RecordType::Index if level > 0 => slot.child().map(|page: PageAddress| page.to_string()),
        _ => None,
    }
}

/// As SQL Server writes it: file, page, slot.
fn row_id(RowId { page, slot }: RowId) -> String {
    format!("({}:{}:{slot})", page.file, page.page)
}

fn variable(slot: Slot<'_>, columns: &Columns, record: Option<&[u8]>) -> Vec<Part> {
    let column = |index: u16| {
        let (bytes, is_complex) = slot.variable(columns, index)?;
        let points_to = is_complex.then(|| points_to(Pointer::of(bytes)));
        part(record?, slot.variable_range(columns, index)?, points_to)
    };
    (0..columns.variable).map_while(column).collect()
}

fn points_to(pointer: Pointer<'_>) -> String {
    match pointer {
        Pointer::Text(_, root) => row_id(root),
        Pointer::InRow(..) => pointer.links().map(row_id).collect::<Vec<_>>().join(" "),
        Pointer::Back(stub) => format!("back to {}", row_id(stub)),
        Pointer::Other => "unknown".to_owned(),
    }
}

fn part(record: &[u8], range: Range<usize>, points_to: Option<String>) -> Option<Part> {
    let bytes = record.get(range.clone())?;
    let text = if points_to.is_none() { text(bytes) } else { None };
    Some(Part { offset: range.start, length: bytes.len(), hex: digits(bytes), text, points_to })
}

/// `bytes` as text, of one byte a character or of two; `None` if they are not all characters.
pub fn text(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(bytes.iter().map(|byte| char::from(*byte)).collect());
    }
    let wide = utf16(bytes);
    let is_text = |c: char| !c.is_control() && c != char::REPLACEMENT_CHARACTER;
    // Two letters of one byte are a character of two bytes as well, mostly a Chinese one: half of
    // the characters must be Latin ones for it to be believed.
    let is_plausible = bytes.len().is_multiple_of(2)
        && wide.chars().all(is_text)
        && bytes.chunks_exact(2).filter(|pair| pair[1] == 0).count() * 4 >= bytes.len();
    is_plausible.then_some(wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::PAGE_BYTES;

    #[test]
    fn a_row_is_cut_into_its_parts() {
        let record = [
            0x30, 0x00, 0x08, 0x00, 1, 2, 3, 4, // fixed
            3, 0, 0b010, // columns, nulls
            2, 0, 19, 0, 21, 0, // ends
            b'h', b'i', b'A', 0,
        ];
        let mut page = Page::ZERO;
        page.bytes_mut()[96..96 + record.len()].copy_from_slice(&record);
        page.bytes_mut()[PAGE_BYTES - 2] = 96;
        let header = PageHeader::of_mut(&mut page);
        (header.page_type, header.slot_count) = (1, 1);
        let rows = rows(&page);
        assert_eq!((slots(&page), rows.len()), (vec![96], 1));
        let row = &rows[0];
        assert_eq!((row.length, row.record_type), (Some(21), "PRIMARY_RECORD"));
        assert_eq!(row.attributes, ["NULL_BITMAP", "VARIABLE_COLUMNS"]);
        assert_eq!((row.columns, &row.nulls[..]), (3, &[1][..]));
        assert_eq!(row.fixed.as_ref().unwrap().hex, "01020304");
        let texts: Vec<_> = row.variable.iter().map(|part| part.text.as_deref()).collect();
        assert_eq!(texts, [Some("hi"), Some("A")]);
    }

    #[test]
    fn what_leads_out_of_the_page_has_no_length_and_no_parts() {
        let mut page = Page::new(&[0xff; PAGE_BYTES]);
        PageHeader::of_mut(&mut page).slot_count = u16::MAX;
        let rows = rows(&page);
        assert!(rows.len() <= PAGE_BYTES / 2);
        assert!(rows.iter().all(|row| row.length.is_none() && row.variable.is_empty()));
    }
}
