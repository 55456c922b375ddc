//! The FixedVar record: a fixed part, a null bitmap, then variable columns
//! (docs/page-format.md, sections 5.1 and 6.2).

use super::header::PageHeader;
use super::{PAGE_BYTES, Page};

/// Set in status byte A when the record has variable columns.
const HAS_VARIABLE_COLUMNS: u8 = 0x20;
/// Bits of status byte A that tell the type of the record; 0 is a primary record.
const RECORD_TYPE: u8 = 0x0e;
/// Status bytes and the end of the fixed part stand before it.
const FIXED_PART: usize = 4;
const SLOT_BYTES: usize = 2;
/// Marks the end offset of a complex column.
const COMPLEX_COLUMN: u16 = 0x8000;

/// A record inside a page whose torn bits were already restored. Every access is bounds-checked:
/// the offsets inside a record are not to be trusted.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record that starts at byte `offset` of `page`; `None` if that is outside the page.
    pub fn at(page: &'a Page, offset: usize) -> Option<Self> {
        (offset < PAGE_BYTES).then(|| Self { bytes: &page.bytes()[offset..] })
    }

    /// The primary records of `page`, in the order of its slot array: no ghosts, no forwarding
    /// stubs, no index rows.
    pub fn primaries_of(page: &'a Page) -> impl Iterator<Item = Self> {
        let slots = usize::from(PageHeader::of(page).slot_count).min(PAGE_BYTES / SLOT_BYTES);
        let at = |slot: usize| usize::from(page.u16_at(PAGE_BYTES - SLOT_BYTES * (slot + 1)));
        (0..slots).filter_map(move |slot| Self::at(page, at(slot))).filter(Self::is_primary)
    }

    fn is_primary(&self) -> bool {
        self.bytes.first().is_some_and(|status| status & RECORD_TYPE == 0)
    }

    /// `N` bytes at `offset` of the fixed part; `None` if it is not that long.
    pub fn fixed<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let part = self.bytes.get(FIXED_PART..usize::from(self.u16_at(2)?))?;
        part.get(offset..offset + N)?.try_into().ok()
    }

    /// True if the null bitmap says that column `column`, counted from 0 over all, has no value.
    pub fn is_null(&self, column: usize) -> bool {
        let bit = || {
            let columns_at = usize::from(self.u16_at(2)?);
            let byte = self.bytes.get(columns_at + 2 + column / 8)?;
            let is_column = column < usize::from(self.u16_at(columns_at)?);
            Some(is_column && byte >> (column % 8) & 1 != 0)
        };
        bit().unwrap_or(false)
    }

    /// Variable column `index`, counted from 0; `None` if the record has no such column or the
    /// offsets lead out of the page.
    pub fn variable(&self, index: usize) -> Option<&'a [u8]> {
        if self.bytes.first()? & HAS_VARIABLE_COLUMNS == 0 {
            return None;
        }
        let columns_at = usize::from(self.u16_at(2)?);
        let columns = usize::from(self.u16_at(columns_at)?);
        let count_at = columns_at + 2 + columns.div_ceil(8);
        let count = usize::from(self.u16_at(count_at)?);
        if index >= count {
            return None;
        }
        let end_of = |column: usize| {
            let end = self.u16_at(count_at + 2 + 2 * column)? & !COMPLEX_COLUMN;
            Some(usize::from(end))
        };
        let start = if index == 0 { count_at + 2 + 2 * count } else { end_of(index - 1)? };
        self.bytes.get(start..end_of(index)?)
    }

    fn u16_at(&self, offset: usize) -> Option<u16> {
        let pair = self.bytes.get(offset..offset + 2)?;
        Some(u16::from_le_bytes([pair[0], pair[1]]))
    }
}

/// UTF-16 bytes as text; what is no valid UTF-16 becomes U+FFFD.
pub fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> =
        bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_with_record(record: &[u8]) -> Page {
        let mut page = Page::ZERO;
        page.bytes_mut()[96..96 + record.len()].copy_from_slice(record);
        page
    }

    #[test]
    fn variable_columns_are_cut_at_their_end_offsets() {
        let record = [
            0x30, 0, 8, 0, 1, 2, 3, 4, // status, end of fixed part, fixed data
            3, 0, 0, // three columns, null bitmap
            2, 0, 19, 0, 20, 0, // two variable ones, their ends
            b'h', b'i', b'!',
        ];
        let page = page_with_record(&record);
        let record = Record::at(&page, 96).unwrap();
        assert_eq!(record.variable(0), Some(&b"hi"[..]));
        assert_eq!(record.variable(1), Some(&b"!"[..]));
        assert_eq!(record.variable(2), None);
    }

    #[test]
    fn fields_end_with_the_fixed_part() {
        let page = page_with_record(&[0x10, 0, 8, 0, 1, 2, 3, 4, 5]);
        let record = Record::at(&page, 96).unwrap();
        assert_eq!(record.fixed(0), Some([1, 2, 3, 4]));
        assert_eq!(record.fixed(3), Some([4]));
        assert_eq!(record.fixed::<2>(3), None);
        assert_eq!(Record::at(&page, PAGE_BYTES - 1).unwrap().fixed::<1>(0), None);
    }

    #[test]
    fn only_primary_records_are_walked_whatever_the_slots_say() {
        let mut page = page_with_record(&[0x10, 0, 5, 0, 7, 0x1c, 0, 5, 0, 8]);
        PageHeader::of_mut(&mut page).slot_count = 4;
        for (slot, at) in [101_u16, 96, u16::MAX, 8191].into_iter().enumerate() {
            let end = PAGE_BYTES - 2 * slot;
            page.bytes_mut()[end - 2..end].copy_from_slice(&at.to_le_bytes());
        }
        let fields: Vec<_> = Record::primaries_of(&page).filter_map(|r| r.fixed(0)).collect();
        assert_eq!(fields, [[7]]);
        PageHeader::of_mut(&mut page).slot_count = u16::MAX;
        assert!(Record::primaries_of(&page).count() <= PAGE_BYTES / SLOT_BYTES);
    }

    #[test]
    fn lying_offsets_give_nothing() {
        for record in [&[0x30, 0, 0xff, 0xff][..], &[0x30, 0, 4, 0, 0xff, 0xff], &[0x10, 0, 4, 0]] {
            let page = page_with_record(record);
            assert_eq!(Record::at(&page, 96).unwrap().variable(0), None);
        }
        assert!(Record::at(&Page::ZERO, PAGE_BYTES).is_none());
    }

    #[test]
    fn the_null_bitmap_has_a_bit_for_each_column() {
        // Ten columns; what stands behind their bits is of none.
        let page = page_with_record(&[0x10, 0, 4, 0, 10, 0, 0b0000_0110, 0b1111_1110]);
        let record = Record::at(&page, 96).unwrap();
        assert!((0..20).filter(|column| record.is_null(*column)).eq([1, 2, 9]));
        let page = page_with_record(&[0x10, 0, 0xff, 0xff]);
        assert!(!Record::at(&page, 96).unwrap().is_null(0));
    }
}
