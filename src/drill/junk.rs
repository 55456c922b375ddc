//! Junk: what instant file initialization leaves on free pages. Its flag bits may look like a
//! protected page whose check fails, which is why allocation is asked first
//! (docs/page-format.md, section 7).

use super::chance::Dice;
use crate::page::header::{FLAG_CHECKSUM, FLAG_TORN, PageHeader};
use crate::page::{Page, address::PageId};
use rand_xoshiro::rand_core::Rng;

/// Random bytes that claim protection and another page id than `id`.
pub(super) fn page(id: PageId, dice: &mut Dice) -> Page {
    let mut page = noise(dice);
    let claim = if dice.next_u64() & 1 == 0 { FLAG_CHECKSUM } else { FLAG_TORN };
    let header = PageHeader::of_mut(&mut page);
    header.flag_bits = header.flag_bits & !(FLAG_CHECKSUM | FLAG_TORN) | claim;
    if header.page_id == id.0 {
        header.page_id = !id.0;
    }
    page
}

/// A page of random bytes.
pub(super) fn noise(dice: &mut Dice) -> Page {
    let mut page = Page::ZERO;
    for bytes in page.bytes_mut().chunks_exact_mut(8) {
        bytes.copy_from_slice(&dice.next_u64().to_le_bytes());
    }
    page
}
