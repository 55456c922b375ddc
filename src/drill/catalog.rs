//! The rows of the system tables, so that pages can be traced to table and index names without a
//! server (docs/page-format.md, section 6.2).

use super::database_files;
use super::fields::put_slot;
use super::layout::Layout;
use super::units::{
    SPECIAL_UNIT, SYSALLOCUNITS, SYSCLSOBJS, SYSIDXSTATS, SYSPRUFILES, SYSROWSETS, SYSSCHOBJS,
    UNITS, Unit, UnitIndex,
};
use crate::page::header::{HEADER_BYTES, PageHeader};
use crate::page::{PAGE_BYTES, Page, kind::PageType};

/// Null bitmap and variable columns.
const STATUS: u8 = 0x30;
const RECORD_START_BYTES: usize = 4;
const SCHEMA_CLASS: u8 = 50;
const SCHEMAS: [(u32, &str); 2] = [(1, "dbo"), (4, "sys")];
const SCHEMA_DBO: u32 = 1;
const SCHEMA_SYS: u32 = 4;
/// Object ids below this belong to the system.
const USER_OBJECTS_START: u32 = 100;
const PRIMARY_FILEGROUP: u16 = 1;

/// Fills the one page of the system table `unit`.
pub(super) fn fill(layout: &Layout, page: &mut Page, unit: UnitIndex) {
    let (fixed_bytes, rows) = rows_of(layout, unit);
    let header = PageHeader::of_mut(page);
    header.page_type = PageType::Data.m_type();
    header.pminlen = (RECORD_START_BYTES + fixed_bytes) as u16;
    let mut at = HEADER_BYTES;
    for (slot, row) in rows.iter().enumerate() {
        page.bytes_mut()[at..at + row.len()].copy_from_slice(row);
        put_slot(page, slot, at as u16);
        at += row.len();
    }
    let header = PageHeader::of_mut(page);
    header.slot_count = rows.len() as u16;
    header.free_data = at as u16;
    header.free_count = (PAGE_BYTES - at - 2 * rows.len()) as u16;
}

/// Bytes of the fixed part and the rows of a system table.
fn rows_of(layout: &Layout, unit: UnitIndex) -> (usize, Vec<Vec<u8>>) {
    match unit {
        SYSALLOCUNITS => (65, all().map(|unit| allocation_unit(layout, unit)).collect()),
        SYSROWSETS => (53, in_row().map(rowset).collect()),
        SYSSCHOBJS => (44, in_row().filter(|unit| unit.index_id <= 1).map(object).collect()),
        SYSIDXSTATS => (35, in_row().map(index).collect()),
        SYSCLSOBJS => (27, SCHEMAS.iter().map(|&(id, name)| schema(id, name)).collect()),
        SYSPRUFILES => database_files::rows(layout),
        _ => (0, Vec::new()),
    }
}

/// All units that there are, that of page 12 too.
fn all() -> impl Iterator<Item = &'static Unit> {
    UNITS.iter().chain([&SPECIAL_UNIT])
}

fn in_row() -> impl Iterator<Item = &'static Unit> {
    all().filter(|unit| unit.is_in_row())
}

fn allocation_unit(layout: &Layout, unit: &Unit) -> Vec<u8> {
    let mut row = Row::new(65);
    row.put(0, &unit.allocation_unit_id().to_le_bytes());
    row.put(8, &[if unit.is_in_row() { 1 } else { 2 }]);
    row.put(9, &unit.rowset_id().to_le_bytes());
    row.put(21, &PRIMARY_FILEGROUP.to_le_bytes());
    let file_id = layout.recipe.file_id.0;
    for (offset, page) in [(23, unit.single_page), (29, unit.single_page), (35, unit.first_iam)] {
        row.put(offset, &page.0.to_le_bytes());
        row.put(offset + 4, &file_id.to_le_bytes());
    }
    row.finish(None)
}

fn rowset(unit: &Unit) -> Vec<u8> {
    let mut row = Row::new(53);
    row.put(0, &unit.rowset_id().to_le_bytes());
    row.put(8, &[1]);
    row.put(9, &unit.object_id.to_le_bytes());
    row.put(13, &unit.index_id.to_le_bytes());
    row.put(17, &1_u32.to_le_bytes());
    row.finish(None)
}

fn object(unit: &Unit) -> Vec<u8> {
    let is_user = unit.object_id >= USER_OBJECTS_START;
    let mut row = Row::new(44);
    row.put(0, &unit.object_id.to_le_bytes());
    row.put(4, &(if is_user { SCHEMA_DBO } else { SCHEMA_SYS }).to_le_bytes());
    row.put(13, if is_user { b"U " } else { b"S " });
    row.finish(Some(unit.object_name))
}

fn index(unit: &Unit) -> Vec<u8> {
    let mut row = Row::new(35);
    row.put(0, &unit.object_id.to_le_bytes());
    row.put(4, &unit.index_id.to_le_bytes());
    row.finish(Some(unit.index_name))
}

fn schema(id: u32, name: &str) -> Vec<u8> {
    let mut row = Row::new(27);
    row.put(0, &[SCHEMA_CLASS]);
    row.put(1, &id.to_le_bytes());
    row.finish(Some(name))
}

/// A `FixedVar` record being written.
struct Row {
    bytes: Vec<u8>,
}

impl Row {
    fn new(fixed_bytes: usize) -> Self {
        let end = RECORD_START_BYTES + fixed_bytes;
        let mut bytes = vec![0; end];
        bytes[0] = STATUS;
        bytes[2..4].copy_from_slice(&(end as u16).to_le_bytes());
        Self { bytes }
    }

    /// Sets a field of the fixed part.
    fn put(&mut self, offset: usize, field: &[u8]) {
        let at = RECORD_START_BYTES + offset;
        self.bytes[at..at + field.len()].copy_from_slice(field);
    }

    /// Adds one variable column, the name. A record without one says so in its status byte.
    fn finish(mut self, name: Option<&str>) -> Vec<u8> {
        // The column count and the null bitmap are fit for reading past them, no more.
        self.bytes.extend([12, 0, 0, 0]);
        match name {
            None => self.bytes[0] &= !0x20,
            Some(name) => {
                let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let end = self.bytes.len() + 4 + name.len();
                self.bytes.extend([1, 0]);
                self.bytes.extend((end as u16).to_le_bytes());
                self.bytes.extend(name);
            }
        }
        self.bytes
    }
}
