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

/// A page pointer: page id, then file id.
pub(super) fn put_page(page: &mut Page, offset: usize, target: PageId, file_id: u16) {
    put_u32(page, offset, target.0);
    put_u16(page, offset + 4, file_id);
}
