//! Numbers, LSNs, GUIDs and texts at offsets of bytes that nobody vouches for: what lies outside
//! is absent, and no text is longer than [`TEXT_CHARS_MAX`].

use crate::page::header::Lsn;
use crate::page::line::told;

/// The most UTF-16 units of a name that are kept.
pub(super) const TEXT_CHARS_MAX: usize = 4096;

/// The `u16` at `offset`.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(array_at(bytes, offset)?))
}

/// The `u32` at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(array_at(bytes, offset)?))
}

/// The `u64` at `offset`.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(array_at(bytes, offset)?))
}

/// The GUID at `offset`; `None` if it is all zero.
pub(super) fn guid_at(bytes: &[u8], offset: usize) -> Option<[u8; 16]> {
    array_at(bytes, offset).and_then(told)
}

/// The LSN at `offset`, ten bytes; `None` if it is (0:0:0).
pub(super) fn lsn_at(bytes: &[u8], offset: usize) -> Option<Lsn> {
    let lsn = Lsn {
        vlf: u32_at(bytes, offset)?,
        block: u32_at(bytes, offset.checked_add(4)?)?,
        slot: u16_at(bytes, offset.checked_add(8)?)?,
    };
    (lsn != Lsn { vlf: 0, block: 0, slot: 0 }).then_some(lsn)
}

/// The bytes that the pair at `offset` refers to: their number, and where they begin, both `u16`.
pub(super) fn referred(bytes: &[u8], offset: usize) -> Option<&[u8]> {
    let count = usize::from(u16_at(bytes, offset)?);
    let start = usize::from(u16_at(bytes, offset.checked_add(2)?)?);
    bytes.get(start..start + count)
}

/// The UTF-16 text that the pair at `offset` refers to, without zeros at its end; empty if it is
/// outside.
pub(super) fn text(bytes: &[u8], offset: usize) -> String {
    let units = referred(bytes, offset).unwrap_or_default().chunks_exact(2);
    let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]])).take(TEXT_CHARS_MAX);
    let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    text.collect::<String>().trim_end_matches('\0').to_owned()
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_absent() {
        let bytes = [4, 0, 4, 0, b'd', 0, b'b', 0];
        assert_eq!(text(&bytes, 0), "db");
        assert_eq!(text(&bytes, 2), "");
        assert_eq!(text(&[0xff; 8], 0), "");
        assert_eq!((u16_at(&bytes, 7), u32_at(&bytes, usize::MAX)), (None, None));
        assert_eq!(guid_at(&[0; 16], 0), None);
        assert_eq!(lsn_at(&bytes, 0), None);
    }

    #[test]
    fn half_a_surrogate_is_replaced() {
        assert_eq!(text(&[2, 0, 4, 0, 0x00, 0xd8], 0), "\u{fffd}");
    }
}
