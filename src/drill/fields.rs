//! Little-endian fields of a page under construction.

use crate::page::{PAGE_BYTES, Page, address::PageId};

/// Writes entry `slot` of the slot array, which grows down from the end of the page.
pub(super) fn put_slot(page: &mut Page, slot: usize, offset: u16) {
    put_u16(page, PAGE_BYTES - 2 * (slot + 1), offset);
}

pub(super) fn put_u16(page: &mut Page, offset: usize, value: u16) {
    page.bytes_mut()[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u32(page: &mut Page, offset: usize, value: u32) {
    page.bytes_mut()[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

/// Status of a record with a null bitmap and variable columns.
const RECORD_STATUS: [u8; 2] = [0x30, 0];

/// A `FixedVar` record of so many `columns`, of which `nulls` says which have no value
/// (docs/page-format.md, section 5.1).
pub(super) fn record(fixed: &[u8], columns: u16, nulls: &[u8], variable: &[Vec<u8>]) -> Vec<u8> {
    let mut record = RECORD_STATUS.to_vec();
    record.extend(((record.len() + 2 + fixed.len()) as u16).to_le_bytes());
    record.extend(fixed);
    record.extend(columns.to_le_bytes());
    record.extend(nulls);
    record.extend((variable.len() as u16).to_le_bytes());
    let mut end = record.len() + 2 * variable.len();
    for column in variable {
        end += column.len();
        record.extend((end as u16).to_le_bytes());
    }
    record.extend(variable.concat());
    record
}

/// A page pointer: page id, then file id.
pub(super) fn put_page(page: &mut Page, offset: usize, target: PageId, file_id: u16) {
    put_u32(page, offset, target.0);
    put_u16(page, offset + 4, file_id);
}
