//! The checksum of a backup stream, which BACKUP ... WITH CHECKSUM puts after it (`CSUM`;
//! docs/page-format.md, section 9.3).
//!
//! c = 0; for each sector of 512 bytes: c = rotl(c, 1) XOR all 128 words of the sector. A page has
//! sixteen sectors, so that what it adds follows from its page checksum; an extent has 128, a
//! multiple of 32, so that extents may be added in any order.

use crate::page::address::PageId;
use crate::page::checksum::Checksum;
use crate::page::{EXTENT_PAGES, SECTOR_BYTES};
use serde::{Deserialize, Serialize};

const PAGE_SECTORS: u32 = crate::page::PAGE_SECTORS as u32;

/// What some pages of a stream add to its checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSum {
    /// The XOR of what each adds.
    pub sum: u32,
    /// How many pages.
    pub pages: u64,
}

impl StreamSum {
    /// Adds page `id` of a data file, which is as far in its extent as in that of the stream:
    /// `computed` is its checksum, `stored` the one it carries.
    #[inline]
    pub fn add_page(&mut self, id: PageId, computed: Checksum, stored: Checksum) {
        // The page checksum counts the stored one as zero; here it is data like any other.
        let raw = Checksum::from_sum_with_stored(computed.0, stored.0).0;
        let behind = EXTENT_PAGES - 1 - id.0 % EXTENT_PAGES;
        self.sum ^= raw.rotate_left(PAGE_SECTORS * behind % u32::BITS);
        self.pages += 1;
    }

    /// Adds what other pages add.
    pub fn add(&mut self, other: Self) {
        self.sum ^= other.sum;
        self.pages = self.pages.saturating_add(other.pages);
    }
}

/// Goes on from `sum` with the sectors of `bytes`; what is left after whole sectors counts as one
/// filled up with zeros.
pub fn go_on(sum: u32, bytes: &[u8]) -> u32 {
    bytes.chunks(SECTOR_BYTES).fold(sum, |sum, sector| sum.rotate_left(1) ^ xor(sector))
}

fn xor(sector: &[u8]) -> u32 {
    // Lanes, so that a register takes several words at once.
    let mut lanes = [0_u32; 16];
    for row in sector.chunks(64) {
        let mut whole = [0; 64];
        whole[..row.len()].copy_from_slice(row);
        for (lane, word) in lanes.iter_mut().zip(whole.as_chunks::<4>().0) {
            *lane ^= u32::from_le_bytes(*word);
        }
    }
    lanes.into_iter().fold(0, |sum, lane| sum ^ lane)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Page;

    /// The definition, as it stands in the first line of this file.
    fn plain(bytes: &[u8]) -> u32 {
        let words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        let words: Vec<u32> = words.collect();
        words.chunks(128).fold(0_u32, |sum, sector| {
            sum.rotate_left(1) ^ sector.iter().fold(0, |xor, word| xor ^ word)
        })
    }

    #[test]
    fn pages_in_any_order_add_up_to_the_checksum_of_their_stream() {
        let pages: Vec<Page> = (0..24_u32)
            .map(|n| Page::new(&std::array::from_fn(|i| ((i as u32 * (n + 3)) >> (n % 5)) as u8)))
            .collect();
        let bytes: Vec<u8> = pages.iter().flat_map(|page| *page.bytes()).collect();
        let mut sum = StreamSum::default();
        for (id, page) in (0..24).zip(&pages).rev() {
            sum.add_page(PageId(id), Checksum::of(page), Checksum::stored_in(page));
        }
        assert_eq!(sum, StreamSum { sum: plain(&bytes), pages: 24 });
        assert_eq!(go_on(0, &bytes), plain(&bytes));
        assert_ne!(sum.sum, 0);
        let (first, second) = bytes.split_at(512 * 7);
        assert_eq!(go_on(go_on(0, first), second), plain(&bytes));
    }
}
