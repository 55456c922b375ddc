//! The checksum of a stream, in the plainest form (docs/page-format.md, section 9.3).

const SECTOR_BYTES: usize = 512;

/// The sum over the sectors so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamSum(pub(super) u32);

impl StreamSum {
    /// The sum of `bytes`, whole sectors.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut sum = Self::default();
        for sector in bytes.as_chunks::<SECTOR_BYTES>().0 {
            sum.add(sector);
        }
        sum
    }

    /// One sector more.
    fn add(&mut self, sector: &[u8; SECTOR_BYTES]) {
        let words = sector.as_chunks::<4>().0;
        let xor = words.iter().fold(0, |xor, &word| xor ^ u32::from_le_bytes(word));
        self.0 = self.0.rotate_left(1) ^ xor;
    }

    /// More sectors, whose own sum is `more`; a multiple of 32 of them, as in an extent, rotates
    /// what was there by nothing.
    pub(super) fn append(&mut self, more: Self) {
        self.0 ^= more.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_can_be_summed_apart() {
        let bytes: Vec<u8> =
            (0..2 << 16).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (first, second) = bytes.split_at(1 << 16);
        let mut sum = StreamSum::of(first);
        sum.append(StreamSum::of(second));
        assert_eq!(sum, StreamSum::of(&bytes));
        assert_ne!(StreamSum::of(first), StreamSum::of(second));
    }
}
