//! Little-endian records under construction, and the check that every header carries.

use crate::page::header::Lsn;

/// Bytes of the header of a descriptor block; its last two are the check.
pub(super) const BLOCK_HEADER_BYTES: usize = 52;
/// Bytes of the header of a stream; its last two are the check.
pub(super) const STREAM_HEADER_BYTES: usize = 22;

/// A record: fixed fields, then the strings they point to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record(pub(super) Vec<u8>);

impl Record {
    /// `bytes` zeros.
    pub(super) fn new(bytes: usize) -> Self {
        Self(vec![0; bytes])
    }

    pub(super) fn bytes(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if end > self.0.len() {
            self.0.resize(end, 0);
        }
        self.0[at..end].copy_from_slice(bytes);
    }

    pub(super) fn u16(&mut self, at: usize, value: u16) {
        self.bytes(at, &value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, at: usize, value: u32) {
        self.bytes(at, &value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, at: usize, value: u64) {
        self.bytes(at, &value.to_le_bytes());
    }

    pub(super) fn lsn(&mut self, at: usize, lsn: Lsn) {
        self.u32(at, lsn.vlf);
        self.u32(at + 4, lsn.block);
        self.u16(at + 8, lsn.slot);
    }

    /// Appends `text` in UTF-16 and writes its length and place, in bytes, at `pointer`.
    pub(super) fn text(&mut self, pointer: usize, text: &str) {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.u16(pointer, units.len() as u16);
        self.u16(pointer + 2, self.0.len() as u16);
        self.0.extend(units);
    }
}

/// XOR of all little-endian u16: the check of a header before its last two bytes.
pub(super) fn xor16(bytes: &[u8]) -> u16 {
    let pairs = bytes.as_chunks::<2>().0;
    pairs.iter().fold(0, |sum, &pair| sum ^ u16::from_le_bytes(pair))
}

/// Writes the check into the last two bytes of `header`.
pub(super) fn seal(header: &mut [u8]) {
    let at = header.len() - 2;
    let check = xor16(&header[..at]);
    header[at..].copy_from_slice(&check.to_le_bytes());
}

/// True if the last two bytes of `header` are its check.
pub(super) fn is_sealed(header: &[u8]) -> bool {
    header.split_last_chunk().is_some_and(|(rest, &check)| xor16(rest) == u16::from_le_bytes(check))
}

/// The header of a stream with `data_bytes`.
pub(super) fn stream_header(id: [u8; 4], media: u16, data_bytes: u64) -> [u8; STREAM_HEADER_BYTES] {
    let mut header = [0; STREAM_HEADER_BYTES];
    header[..4].copy_from_slice(&id);
    header[6..8].copy_from_slice(&media.to_le_bytes());
    header[8..16].copy_from_slice(&data_bytes.to_le_bytes());
    seal(&mut header);
    header
}

/// A moment of 2024 as the tape format packs it: year, month, day, hour, minute, second in 14, 4,
/// 5, 5, 6 and 6 bits. Backups are made one a day, so that equal recipes give equal bytes.
pub(super) fn packed_date(day: u32, second: u32) -> [u8; 5] {
    let (year, month, day) = (2024_u64, 1 + day / 28 % 12, 1 + day % 28);
    let date = year << 26
        | u64::from(month) << 22
        | u64::from(day) << 17
        | 3 << 12
        | 4 << 6
        | u64::from(second % 60);
    let mut packed = [0; 5];
    packed.copy_from_slice(&date.to_be_bytes()[3..]);
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_a_real_stream_is_made_again() {
        let real = *b"MQDA\x00\x00\x02\x01\x02\x00\x10\x00\0\0\0\0\0\0\0\0\x19\x11";
        assert_eq!(stream_header(*b"MQDA", 0x102, (1 << 20) + 2), real);
        assert!(is_sealed(&real));
    }

    #[test]
    fn a_date_is_packed_most_significant_bits_first() {
        // 2024-01-02 03:04:05
        assert_eq!(packed_date(1, 5), [0x1f, 0xa0, 0x44, 0x31, 0x05]);
    }
}
