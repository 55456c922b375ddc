//! Torn-page detection, the older and weaker protection (docs/page-format.md, section 3).
//!
//! Every write gives the page a 2-bit signature, 01 or 10. It replaces the lowest two bits of the
//! last byte of sectors 1 to 15; the bits that stood there move into `m_tornBits`. A page whose
//! sectors disagree was written only in part. Before any byte of such a page is used, the
//! displaced bits must be put back: [`restored`].

use super::header::{PageHeader, Protection};
use super::{PAGE_SECTORS, Page, SECTOR_BYTES};
use serde::{Deserialize, Serialize};

const PAIR: u32 = 0b11;
/// One signature in every sector: signature x this.
const ALL_SECTORS: u32 = 0x5555_5555;

/// The signatures of a torn-protected page, composed as Msg 824 prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TornCheck {
    /// The signature of sector 0, in all sixteen positions.
    pub expected: u32,
    /// The signatures found: sector k in bits 2k and 2k+1.
    pub actual: u32,
}

impl TornCheck {
    /// Reads the signatures of `page`, whatever its flags say.
    pub fn of(page: &Page) -> Self {
        let signature = PageHeader::of(page).torn_bits & PAIR;
        let actual = (1..PAGE_SECTORS).fold(signature, |found, k| {
            found | (u32::from(page.bytes()[last_byte(k)]) & PAIR) << (2 * k)
        });
        Self { expected: signature * ALL_SECTORS, actual }
    }

    /// True if all sectors agree on one of the two legal signatures.
    pub fn is_intact(self) -> bool {
        matches!(self.expected & PAIR, 1 | 2) && self.actual == self.expected
    }
}

/// `page` with its displaced bits put back, if it is torn-protected; else unchanged.
pub fn restored(page: &Page) -> Page {
    match PageHeader::of(page).protection() {
        Protection::Torn => restored_without_flag(page),
        Protection::Checksum | Protection::None => *page,
    }
}

/// `page` with its displaced bits put back, whatever its flags say.
pub fn restored_without_flag(page: &Page) -> Page {
    let mut whole = *page;
    let displaced = PageHeader::of(page).torn_bits;
    for k in 1..PAGE_SECTORS {
        let byte = &mut whole.bytes_mut()[last_byte(k)];
        *byte = (*byte & !(PAIR as u8)) | (displaced >> (2 * k) & PAIR) as u8;
    }
    whole
}

/// Writes `signature` (1 or 2) into `page` and keeps the displaced bits in `m_tornBits`.
pub fn seal(page: &mut Page, signature: u32) {
    assert!(matches!(signature, 1 | 2), "a torn-page signature is 1 or 2");
    let mut torn_bits = signature;
    for k in 1..PAGE_SECTORS {
        let byte = &mut page.bytes_mut()[last_byte(k)];
        torn_bits |= (u32::from(*byte) & PAIR) << (2 * k);
        *byte = (*byte & !(PAIR as u8)) | signature as u8;
    }
    PageHeader::of_mut(page).torn_bits = torn_bits;
}

/// Offset of the byte of sector `k` that carries the signature.
fn last_byte(k: usize) -> usize {
    k * SECTOR_BYTES + SECTOR_BYTES - 1
}

#[cfg(test)]
mod tests {
    use super::super::header::FLAG_TORN;
    use super::*;

    fn some_page() -> Page {
        let mut page = Page::new(&std::array::from_fn(|i| (i * 7 + i / 251) as u8));
        PageHeader::of_mut(&mut page).flag_bits = FLAG_TORN;
        PageHeader::of_mut(&mut page).torn_bits = 0;
        page
    }

    #[test]
    fn sealing_and_restoring_gives_back_every_byte() {
        for signature in [1, 2] {
            let original = some_page();
            let mut page = original;
            seal(&mut page, signature);
            assert!(TornCheck::of(&page).is_intact());
            let whole = restored(&page);
            assert_eq!(whole.bytes()[64..], original.bytes()[64..]);
        }
    }

    #[test]
    fn one_old_sector_shows_in_its_own_position() {
        let mut page = some_page();
        seal(&mut page, 2);
        page.bytes_mut()[5 * 512 + 511] ^= 0b11;
        let check = TornCheck::of(&page);
        assert!(!check.is_intact());
        assert_eq!(check.expected, 0xaaaa_aaaa);
        assert_eq!(check.actual, 0xaaaa_aaaa ^ 0b11 << 10);
    }

    /// From public error logs: the low pair of "actual" equals the repeated pair of "expected".
    #[test]
    fn an_illegal_signature_prints_as_sql_server_printed_it() {
        let mut page = some_page();
        PageHeader::of_mut(&mut page).torn_bits = 0b11;
        let check = TornCheck::of(&page);
        assert_eq!(check.expected, 0xffff_ffff);
        assert!(!check.is_intact());
    }

    #[test]
    fn all_sectors_at_zero_are_not_a_signature() {
        assert!(!TornCheck::of(&Page::ZERO).is_intact());
    }

    #[test]
    fn a_page_without_the_torn_flag_is_left_alone() {
        let mut page = some_page();
        PageHeader::of_mut(&mut page).flag_bits = 0;
        assert_eq!(restored(&page).bytes()[..], page.bytes()[..]);
    }
}
