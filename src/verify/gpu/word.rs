//! What goes to a kernel beside the pages, and what comes back: `shaders/README.md` as types.
//!
//! [`Word::of`] is the plain reference for every shader.

use crate::page::address::{FileId, PageAddress, PageRange};
use crate::page::checksum::Checksum;
use crate::page::header::{FLAG_CHECKSUM, FLAG_TORN, HEADER_BYTES, PageHeader};
use crate::page::torn::TornCheck;
use crate::page::{EXTENT_PAGES, Page};
use bytemuck::{Pod, Zeroable};

/// Most pages of one group, which is an extent if the range begins with one.
pub const GROUP_PAGES: u32 = EXTENT_PAGES;
/// The batch's nonce is above the bits of `meta`, and above the number of pages of a group.
const NONCE_SHIFT: u32 = 16;

/// The work of one workgroup: up to eight pages that are neighbours, in memory and in their file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Group {
    /// Where the first page is, in pages from the start of the binding.
    pub first_page: u32,
    /// The page id that belongs there.
    pub page_id: u32,
    /// The file id that belongs there.
    pub file_id: u32,
    /// Number of pages in the low half, nonce in the high half.
    pub pages_and_nonce: u32,
}

impl Group {
    /// Groups for `range` of file `file`, whose first page lies at `first_page`.
    ///
    /// Only the last group can have fewer than [`GROUP_PAGES`] pages, so the words of a range are
    /// neighbours: they begin at the first group's first word, and there are `range.pages` of them.
    pub fn of_range(
        first_page: u32,
        file: FileId,
        range: PageRange,
        nonce: u16,
    ) -> impl Iterator<Item = Self> {
        range.pieces(GROUP_PAGES).map(move |piece| Self {
            first_page: first_page + (piece.first.0 - range.first.0),
            page_id: piece.first.0,
            file_id: file.0.into(),
            pages_and_nonce: piece.pages | u32::from(nonce) << NONCE_SHIFT,
        })
    }
}

/// What a kernel found out about one page.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Word {
    /// The checksum that the page should carry.
    pub checksum: u32,
    /// The bits below, and the nonce in the high half.
    pub meta: u32,
}

impl Word {
    /// The word was written. Without this bit and the right nonce, the others mean nothing.
    pub const DONE: u32 = 1 << 0;
    /// `m_flagBits` says that the page carries a checksum.
    pub const CHECKSUM: u32 = 1 << 1;
    /// `m_flagBits` says that the page carries torn-page bits.
    pub const TORN: u32 = 1 << 2;
    /// The stored checksum is another, whatever the flags say.
    pub const MISMATCH: u32 = 1 << 3;
    /// The sectors do not agree on a legal torn-page signature, whatever the flags say.
    pub const TORN_BROKEN: u32 = 1 << 4;
    /// Every byte is zero.
    pub const ZERO: u32 = 1 << 5;
    /// Every byte of the header is zero.
    pub const HEADER_ZERO: u32 = 1 << 6;
    /// [`PageHeader::is_sane`].
    pub const SANE: u32 = 1 << 7;
    /// [`PageHeader::is_plausible`].
    pub const PLAUSIBLE: u32 = 1 << 8;
    /// The page says it belongs elsewhere.
    pub const WRONG_ID: u32 = 1 << 9;
    /// The bits that cost next to nothing to know.
    const EASY: u32 = Self::CHECKSUM | Self::TORN | Self::MISMATCH | Self::SANE | Self::WRONG_ID;
    /// Which bits hold the nonce.
    pub const NONCE: u32 = 0xffff << NONCE_SHIFT;

    /// What a kernel must say about `page`, found at `place`, in the batch of `nonce`.
    pub fn of(page: &Page, place: PageAddress, nonce: u16) -> Self {
        let header = PageHeader::of(page);
        let checksum = Checksum::of(page);
        let bits = [
            (Self::DONE, true),
            (Self::TORN_BROKEN, !TornCheck::of(page).is_intact()),
            (Self::ZERO, page.is_zero()),
            (Self::HEADER_ZERO, bytemuck::bytes_of(header) == [0; HEADER_BYTES]),
            (Self::PLAUSIBLE, header.is_plausible()),
        ];
        let meta = Self::easy_bits(page, checksum, place) | set(bits);
        Self { checksum: checksum.0, meta: meta | u32::from(nonce) << NONCE_SHIFT }
    }

    /// The bits that follow from the checksum and the first 64 bytes of `page`.
    #[inline]
    fn easy_bits(page: &Page, checksum: Checksum, place: PageAddress) -> u32 {
        let header = PageHeader::of(page);
        set([
            (Self::CHECKSUM, header.flag_bits & FLAG_CHECKSUM != 0),
            (Self::TORN, header.flag_bits & FLAG_TORN != 0),
            (Self::MISMATCH, Checksum::stored_in(page) != checksum),
            (Self::SANE, header.is_sane()),
            (Self::WRONG_ID, header.address() != place),
        ])
    }

    /// True if what it says agrees with the first 64 bytes of `page`, found at `place`, which cost
    /// next to nothing to look at: who miscounts mostly fails already here.
    #[inline]
    pub fn fits(self, page: &Page, place: PageAddress) -> bool {
        self.meta & Self::EASY == Self::easy_bits(page, self.checksum(), place)
    }

    /// True if the word was written for the batch of `nonce`, and can be relied on.
    pub fn is_done(self, nonce: u16) -> bool {
        self.meta & Self::DONE != 0 && self.nonce() == nonce
    }

    /// The batch it was written for.
    pub fn nonce(self) -> u16 {
        (self.meta >> NONCE_SHIFT) as u16
    }

    /// The checksum that the page should carry.
    pub fn checksum(self) -> Checksum {
        Checksum(self.checksum)
    }

    /// Its bits without the nonce, for people who look into the matter: shaders/README.md.
    pub fn bits(self) -> String {
        format!("{:#x}", self.meta & !Self::NONCE)
    }
}

/// Those of `bits` that are set, together.
#[inline]
fn set<const N: usize>(bits: [(u32, bool); N]) -> u32 {
    bits.into_iter().fold(0, |all, (bit, is_set)| all | if is_set { bit } else { 0 })
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Word({} {:#010x})", self.checksum(), self.meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::PageId;
    use crate::page::header::Protection;
    use crate::page::{checksum, torn};

    const PLACE: PageAddress = PageAddress { file: FileId(3), page: PageId(77) };
    const NONCE: u16 = 0xa55a;
    /// What the word of a healthy page has, whatever its protection.
    const HEALTHY: u32 = Word::DONE | Word::SANE | Word::PLAUSIBLE;

    fn page_with(flag_bits: u16) -> Page {
        let mut page = Page::new(&std::array::from_fn(|i| (i * i / 5) as u8));
        *PageHeader::of_mut(&mut page) = PageHeader {
            header_version: 1,
            page_type: 2,
            flag_bits,
            page_id: PLACE.page.0,
            file_id: PLACE.file.0,
            free_data: 4000,
            ..Zeroable::zeroed()
        };
        page
    }

    fn sealed() -> Page {
        let mut page = page_with(FLAG_CHECKSUM);
        checksum::seal(&mut page);
        page
    }

    fn protection_of(word: Word) -> Protection {
        match word.meta & (Word::CHECKSUM | Word::TORN) {
            0 => Protection::None,
            Word::TORN => Protection::Torn,
            _ => Protection::Checksum,
        }
    }

    fn bits_of(page: &Page) -> u32 {
        let word = Word::of(page, PLACE, NONCE);
        assert!(word.is_done(NONCE) && !word.is_done(NONCE + 1));
        assert_eq!(word.checksum(), Checksum::of(page));
        assert_eq!(protection_of(word), PageHeader::of(page).protection());
        word.meta & !Word::NONCE
    }

    #[test]
    fn a_healthy_page_has_the_bits_of_its_protection() {
        let mut torn = page_with(FLAG_TORN);
        torn::seal(&mut torn, 2);
        assert_eq!(bits_of(&sealed()) & !Word::TORN_BROKEN, HEALTHY | Word::CHECKSUM);
        assert_eq!(bits_of(&torn), HEALTHY | Word::TORN | Word::MISMATCH);
        assert_eq!(bits_of(&page_with(0)), HEALTHY | Word::MISMATCH | Word::TORN_BROKEN);
        assert!(bits_of(&page_with(FLAG_TORN | FLAG_CHECKSUM)) & Word::TORN != 0);
    }

    #[test]
    fn zeros_are_told_from_a_header_of_zeros() {
        let zero = Word::DONE | Word::ZERO | Word::HEADER_ZERO | Word::TORN_BROKEN | Word::WRONG_ID;
        assert_eq!(bits_of(&Page::ZERO), zero);
        let mut page = Page::ZERO;
        page.bytes_mut()[HEADER_BYTES] = 1;
        assert_eq!(bits_of(&page), (zero | Word::MISMATCH) & !Word::ZERO);
    }

    #[test]
    fn each_damage_moves_its_own_bits() {
        let moved_by = |damage: fn(&mut PageHeader)| {
            let mut page = sealed();
            damage(PageHeader::of_mut(&mut page));
            checksum::seal(&mut page);
            (bits_of(&page) ^ bits_of(&sealed())) & !Word::TORN_BROKEN
        };
        assert_eq!(moved_by(|h| h.header_version = 2), Word::SANE | Word::PLAUSIBLE);
        assert_eq!(moved_by(|h| h.page_type = 5), Word::PLAUSIBLE);
        assert_eq!(moved_by(|h| h.reserved[31] = 1), Word::PLAUSIBLE);
        assert_eq!(moved_by(|h| h.page_id += 1), Word::WRONG_ID);
        assert_eq!(moved_by(|h| h.file_id += 1), Word::WRONG_ID);
        let mut page = sealed();
        page.bytes_mut()[5000] ^= 4;
        assert_eq!(bits_of(&page) ^ bits_of(&sealed()), Word::MISMATCH);
    }

    #[test]
    fn a_word_that_nobody_wrote_is_not_done() {
        assert!(!Word::zeroed().is_done(0));
    }

    #[test]
    fn the_groups_of_a_range_cover_it_once() {
        let range = PageRange::between(1003, 1020);
        let groups: Vec<_> = Group::of_range(500, FileId(9), range, 0xbeef).collect();
        let entry = |first_page, page_id, pages: u32| Group {
            first_page,
            page_id,
            file_id: 9,
            pages_and_nonce: 0xbeef_0000 | pages,
        };
        assert_eq!(groups, [entry(500, 1003, 8), entry(508, 1011, 8), entry(516, 1019, 1)]);
    }
}
