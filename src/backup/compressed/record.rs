//! The header of a record, and the checksum of its payload (docs/page-format.md, section 9.4).

use super::version::TAG_BYTES;
use super::{Version, WORD_BYTES};

/// What uncompressed sizes are counted in.
pub const SIZE_UNIT_BYTES: u32 = 512;
/// The most that a record can unpack to.
pub const UNCOMPRESSED_BYTES_MAX: usize = 255 * SIZE_UNIT_BYTES as usize;
/// The least that can be a payload: the code lengths of one block, and the first bits.
const PAYLOAD_BYTES_MIN: u32 = 256 + 4;
const WORDS: usize = 32;
const ROW_BYTES: usize = WORDS * WORD_BYTES;

/// What the 8 or 28 bytes in front of a payload say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// What it is read as a header of.
    pub version: Version,
    /// How the payload is packed.
    pub method: u8,
    /// The size it unpacks to, a multiple of 512 up to 130,560.
    pub uncompressed_bytes: u32,
    /// The size of the payload, up to 65,535.
    pub payload_bytes: u32,
    /// The checksum that the payload should have.
    pub checksum: u32,
    /// A word that was 0 in every record seen; of no known meaning. Version 1 does without it.
    pub reserved: u32,
}

impl RecordHeader {
    /// The header in `bytes`, whatever it says; `None` if there are too few.
    pub fn of(version: Version, bytes: &[u8]) -> Option<Self> {
        let tag: &[u8; TAG_BYTES] = bytes.first_chunk()?;
        let (gap, rest) = bytes[TAG_BYTES..].split_at_checked(version.gap_bytes())?;
        let checksum = u32::from_le_bytes(*rest.first_chunk()?);
        Some(Self {
            version,
            method: tag[0],
            uncompressed_bytes: u32::from(tag[1]) * SIZE_UNIT_BYTES,
            payload_bytes: u32::from(u16::from_le_bytes([tag[2], tag[3]])),
            reserved: gap.last_chunk().copied().map_or(0, u32::from_le_bytes),
            checksum,
        })
    }

    /// True if a record can begin so.
    pub fn is_possible(&self) -> bool {
        self.method == self.version.record_tag()
            && self.uncompressed_bytes > 0
            && self.payload_bytes >= PAYLOAD_BYTES_MIN
    }

    /// Header and payload together.
    pub fn bytes(&self) -> usize {
        self.version.record_header_bytes() + self.payload_bytes as usize
    }

    /// The payload, if `bytes`, which begin with the header, reach to its end.
    pub fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.version.record_header_bytes()..self.bytes())
    }

    /// True if the payload is there and agrees with its checksum.
    pub(super) fn agrees(&self, bytes: &[u8]) -> bool {
        self.payload(bytes).is_some_and(|payload| checksum_fast(payload) == self.checksum)
    }
}

/// The checksum of a payload, by its definition: the judge of [`checksum_fast`].
///
/// Little-endian words, the last one filled up with zeros: c = rotl(c, 1) ^ word, from c = 0 on.
pub fn checksum(payload: &[u8]) -> u32 {
    payload.chunks(WORD_BYTES).fold(0_u32, |sum, chunk| {
        let mut word = [0; WORD_BYTES];
        word[..chunk.len()].copy_from_slice(chunk);
        sum.rotate_left(1) ^ u32::from_le_bytes(word)
    })
}

/// The same, at the speed of memory.
///
/// Word i of n is rotated by n - 1 - i in the end, and 32 steps rotate by nothing: so words 32
/// apart
/// are XORed as they are, and only 32 sums are rotated.
pub fn checksum_fast(payload: &[u8]) -> u32 {
    let (rows, rest) = payload.as_chunks::<ROW_BYTES>();
    let mut sums = [0; WORDS];
    for row in rows {
        xor_row(&mut sums, row);
    }
    let mut last = [0; ROW_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    xor_row(&mut sums, &last);
    let words = payload.len().div_ceil(WORD_BYTES) % WORDS;
    // 2 * WORDS is added so that nothing goes below zero; it rotates by nothing.
    let turn = |lane: usize| ((words + 2 * WORDS - 1 - lane) % WORDS) as u32;
    (0..WORDS).fold(0, |sum, lane| sum ^ sums[lane].rotate_left(turn(lane)))
}

/// In place and word by word, which compilers turn into wide registers; an array that is passed on
/// by value is seven times slower.
#[inline(always)]
fn xor_row(sums: &mut [u32; WORDS], row: &[u8; ROW_BYTES]) {
    let (words, _) = row.as_chunks::<WORD_BYTES>();
    for (sum, word) in sums.iter_mut().zip(words) {
        *sum ^= u32::from_le_bytes(*word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::{Rng, SeedableRng};

    #[test]
    fn the_fast_checksum_is_the_plain_one_at_every_length_and_alignment() {
        let mut bytes = vec![0; 3000];
        rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(94).fill_bytes(&mut bytes);
        for start in 0..9 {
            for end in (start..600).chain(2900..3000) {
                let payload = &bytes[start..end];
                assert_eq!(checksum_fast(payload), checksum(payload), "{start}..{end}");
            }
        }
    }

    #[test]
    fn the_checksum_is_the_published_rule_by_hand() {
        assert_eq!(checksum(&[]), 0);
        assert_eq!(checksum(&[1, 0, 0, 0, 3, 0, 0, 0]), 1);
        assert_eq!(checksum(&[0, 0, 0, 0x80, 0xff]), 1 ^ 0xff);
    }
}
