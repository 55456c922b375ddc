//! The packed date and time of Microsoft Tape Format (docs/page-format.md, section 9.2.1).

use jiff::civil::DateTime;

/// Bytes of a packed date.
const BYTES: usize = 5;

/// The date at the beginning of `bytes`: year 14 bits, month 4, day 5, hour 5, minute 6, second 6,
/// the highest bit first. `None` if it is absent, all zero, or none that a calendar has. It is
/// local time of the server.
pub(super) fn packed(bytes: &[u8]) -> Option<DateTime> {
    let bits = bytes.get(..BYTES)?.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let field = |shift: u32, width: u32| (bits >> shift & ((1 << width) - 1)) as i16;
    let [month, day, hour, minute, second] =
        [(22, 4), (17, 5), (12, 5), (6, 6), (0, 6)].map(|(shift, width)| field(shift, width) as i8);
    DateTime::new(field(26, 14), month, day, hour, minute, second, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_date_is_read_and_nonsense_is_none() {
        let date = packed(&[0x1f, 0x99, 0x91, 0x5d, 0x80]).unwrap();
        assert_eq!(date.to_string(), "2022-06-08T21:54:00");
        for nonsense in [&[0; 5][..], &[0xff; 5], &[0x1f, 0x99]] {
            assert_eq!(packed(nonsense), None);
        }
    }
}
