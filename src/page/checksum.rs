//! The page checksum, in the plainest form: the judge of every faster version.
//!
//! A page is 16 sectors of 128 words. The words of each sector are XORed together; sector i is
//! then rotated left by 15 - i, and the sixteen results are XORed. The stored checksum itself
//! counts as zero. There is no seed, so a page of zeros has checksum 0
//! (docs/page-format.md, section 2).

use super::header::{PageHeader, TORN_BITS_OFFSET};
use super::{PAGE_SECTORS, PAGE_WORDS, Page};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Words of one sector.
pub const SECTOR_WORDS: usize = PAGE_WORDS / PAGE_SECTORS;
/// How far sector 0, which holds the stored checksum, is rotated.
const FIRST_SECTOR_ROTATION: u32 = PAGE_SECTORS as u32 - 1;
const STORED_WORD: usize = TORN_BITS_OFFSET / 4;

/// Bits of a page that invert the same one bit of stored XOR computed checksum: a sector is rotated
/// as a whole, so that each word has exactly one, and so has the stored checksum.
pub const ONE_BIT_CANDIDATES: u16 = PAGE_WORDS as u16;

/// A page checksum; prints as SQL Server prints it, `0x246e3cb2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Checksum(pub u32);

impl Checksum {
    /// The checksum that `page` should carry, by the definition above.
    pub fn of(page: &Page) -> Self {
        let mut sum = 0;
        for (i, sector) in page.words().chunks_exact(SECTOR_WORDS).enumerate() {
            let mut sector_xor = 0;
            for (j, word) in sector.iter().enumerate() {
                if (i, j) != (0, STORED_WORD) {
                    sector_xor ^= word;
                }
            }
            sum ^= u32::rotate_left(sector_xor, FIRST_SECTOR_ROTATION - i as u32);
        }
        Self(sum)
    }

    /// The checksum that `page` carries in `m_tornBits`.
    pub fn stored_in(page: &Page) -> Self {
        Self(PageHeader::of(page).torn_bits)
    }

    /// The checksum, from a sum in which the stored word was not left out: XOR is its own
    /// inverse, so the word's contribution is simply XORed away again.
    pub fn from_sum_with_stored(sum: u32, stored: u32) -> Self {
        Self(sum ^ stored.rotate_left(FIRST_SECTOR_ROTATION))
    }

    /// What flipping `bits` of the header word at byte `offset` (below 512, a multiple of 4) does
    /// to the checksum.
    pub fn header_delta(bits: u32, offset: usize) -> u32 {
        assert!(offset < super::SECTOR_BYTES && offset != TORN_BITS_OFFSET);
        bits.rotate_left(FIRST_SECTOR_ROTATION)
    }
}

/// The bits of a header word, other than the stored checksum, whose flipping gives `syndrome`.
pub fn header_bits_behind(syndrome: Checksum) -> u32 {
    syndrome.0.rotate_right(FIRST_SECTOR_ROTATION)
}

/// Writes the right checksum into `page`.
pub fn seal(page: &mut Page) {
    let Checksum(sum) = Checksum::of(page);
    PageHeader::of_mut(page).torn_bits = sum;
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

impl TryFrom<String> for Checksum {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").ok_or("a checksum starts with 0x")?;
        u32::from_str_radix(digits, 16).map(Self).map_err(|e| format!("{text}: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_with(words: &[(usize, u32)]) -> Page {
        let mut page = Page::ZERO;
        for &(offset, word) in words {
            page.bytes_mut()[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
        }
        page
    }

    #[test]
    fn the_definition_can_be_followed_with_a_pencil() {
        assert_eq!(Checksum::of(&Page::ZERO), Checksum(0));
        assert_eq!(Checksum::of(&page_with(&[(0, 1)])), Checksum(0x8000));
        assert_eq!(Checksum::of(&page_with(&[(60, 0xdead_beef)])), Checksum(0));
        assert_eq!(Checksum::of(&page_with(&[(512, 0x8000_0001)])), Checksum(0x6000));
        assert_eq!(Checksum::of(&page_with(&[(8188, 0x8000_0001)])), Checksum(0x8000_0001));
    }

    #[test]
    fn whole_pages_of_a_known_pattern_have_their_known_sums() {
        let page = |f: fn(usize) -> usize| Page::new(&std::array::from_fn(|i| f(i) as u8));
        assert_eq!(Checksum::of(&page(|i| 31 * i + 7)), Checksum(0xb525_d444));
        assert_eq!(Checksum::of(&page(|i| (i * i) >> 3)), Checksum(0x971e_878f));
    }

    /// Msg 824 of a published lab: page (1:1314), first byte of the page 0x01 became 0x11.
    #[test]
    fn the_published_error_of_page_1_1314_follows_from_one_changed_byte() {
        assert_eq!(0x246e_3cb2 ^ 0x2466_3cb2, Checksum::header_delta(0x01 ^ 0x11, 0));
    }

    /// Msg 824 of page (1:118): at page offset 100 an 'A' became a 'B'.
    #[test]
    fn the_published_error_of_page_1_118_follows_from_one_changed_byte() {
        let changed = u32::from(b'A' ^ b'B');
        assert_eq!(0x5f1b_00a8 ^ 0x5f1a_80a8, Checksum::header_delta(changed, 100));
    }

    /// Msg 824 of (1:568): Genève overwritten by Shiraz (UTF-16) at 1534, across two sectors.
    #[test]
    fn the_published_error_across_two_sectors_follows_from_its_changed_bytes() {
        let bytes = |city: &str| city.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let place = |city: &str| {
            let mut page = Page::ZERO;
            page.bytes_mut()[1534..1546].copy_from_slice(&bytes(city));
            Checksum::of(&page).0
        };
        assert_eq!(place("Genève") ^ place("Shiraz"), 0x48a5_5e33 ^ 0xc8ad_de30);
    }

    #[test]
    fn a_sealed_page_carries_its_checksum() {
        let mut page = page_with(&[(0, 77), (60, 0x1234_5678), (8000, 3)]);
        seal(&mut page);
        assert_eq!(Checksum::stored_in(&page), Checksum::of(&page));
    }

    #[test]
    fn the_text_form_reads_back() {
        let text = String::from(Checksum(0x0000_beef));
        assert_eq!(text, "0x0000beef");
        assert_eq!(Checksum::try_from(text), Ok(Checksum(0xbeef)));
        assert!(Checksum::try_from("beef".to_owned()).is_err());
    }

    #[test]
    fn the_stored_word_is_taken_out_of_a_sum_again() {
        assert_eq!(Checksum::from_sum_with_stored(0x8000, 1), Checksum(0));
        assert_eq!(Checksum::from_sum_with_stored(0x8001, 3), Checksum(0x0001_0001));
        let page = page_with(&[(0, 77), (60, 0x8000_0003), (512, 0xffff_0001), (8000, 3)]);
        let with_stored = Checksum::of(&page).0 ^ 0x8000_0003_u32.rotate_left(15);
        assert_eq!(Checksum::from_sum_with_stored(with_stored, 0x8000_0003), Checksum::of(&page));
    }
}
