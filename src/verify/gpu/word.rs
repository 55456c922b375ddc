//! What goes to a kernel beside the pages, and what comes back: `shaders/README.md` as types.
//!
//! [`Word::of`] is the plain reference for every shader.

use crate::page::checksum::Checksum;
use crate::page::{EXTENT_PAGES, Page};
use bytemuck::{Pod, Zeroable};

/// Most pages of one group, which is an extent if the pages begin with one.
pub const GROUP_PAGES: u32 = EXTENT_PAGES;
/// The batch's nonce is above the number of pages of a group, and above the bit of a mark.
const NONCE_SHIFT: u32 = 16;

/// The work of one workgroup: up to eight pages that are neighbours in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Group {
    /// Where the first page is, in pages from the start of the binding.
    pub first_page: u32,
    /// Number of pages in the low half, nonce in the high half.
    pub pages_and_nonce: u32,
}

impl Group {
    /// Groups for `pages` pages, the first of which lies at `first_page`.
    ///
    /// Only the last group can have fewer than [`GROUP_PAGES`] pages, so the words of these pages
    /// are neighbours: they begin at the first group's first word, and there are `pages` of them.
    pub fn of_pages(first_page: u32, pages: u32, nonce: u16) -> impl Iterator<Item = Self> {
        (0..pages).step_by(GROUP_PAGES as usize).map(move |before| Self {
            first_page: first_page + before,
            pages_and_nonce: (pages - before).min(GROUP_PAGES) | u32::from(nonce) << NONCE_SHIFT,
        })
    }
}

/// What a kernel says of one page.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Word {
    /// The checksum that the page should carry.
    pub checksum: u32,
    /// [`Word::DONE`], and the nonce in the high half.
    pub mark: u32,
}

impl Word {
    /// The word was written. Without this bit and the right nonce, the checksum means nothing.
    pub const DONE: u32 = 1 << 0;
    /// Which bits of the mark hold the nonce.
    pub const NONCE: u32 = 0xffff << NONCE_SHIFT;

    /// What a kernel must say of `page` in the batch of `nonce`.
    pub fn of(page: &Page, nonce: u16) -> Self {
        let mark = Self::DONE | u32::from(nonce) << NONCE_SHIFT;
        Self { checksum: Checksum::of(page).0, mark }
    }

    /// True if the word was written for the batch of `nonce`, and can be relied on.
    pub fn is_done(self, nonce: u16) -> bool {
        self.mark == Self::DONE | u32::from(nonce) << NONCE_SHIFT
    }

    /// The checksum that the page should carry.
    pub fn checksum(self) -> Checksum {
        Checksum(self.checksum)
    }
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Word({} {:#010x})", self.checksum(), self.mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::checksum;

    const NONCE: u16 = 0xa55a;

    #[test]
    fn a_word_has_the_checksum_whatever_the_page_carries() {
        let mut page = Page::new(&std::array::from_fn(|i| (i * i / 5) as u8));
        for _ in 0..2 {
            let word = Word::of(&page, NONCE);
            assert!(word.is_done(NONCE) && !word.is_done(NONCE + 1));
            assert_eq!(word.checksum(), Checksum::of(&page));
            checksum::seal(&mut page);
        }
        assert_eq!(Word::of(&Page::ZERO, 0), Word { checksum: 0, mark: Word::DONE });
    }

    #[test]
    fn a_word_that_nobody_wrote_is_not_done() {
        assert!(!Word::zeroed().is_done(0));
        assert!(!Word { checksum: 0, mark: u32::MAX }.is_done(u16::MAX), "it has bits of nobody");
    }

    #[test]
    fn the_groups_of_some_pages_cover_them_once() {
        let groups: Vec<_> = Group::of_pages(500, 17, 0xbeef).collect();
        let entry =
            |first_page, pages: u32| Group { first_page, pages_and_nonce: 0xbeef_0000 | pages };
        assert_eq!(groups, [entry(500, 8), entry(508, 8), entry(516, 1)]);
    }
}
