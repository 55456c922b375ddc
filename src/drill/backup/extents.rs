//! Which extents a backup has, in which order, and their bytes.

use super::recipe::{BackupKind, BackupRecipe};
use crate::drill::layout::Owner;
use crate::drill::maps::is_in_diff_map;
use crate::drill::synthetic::SyntheticFile;
use crate::page::address::{FileId, PageId};
use crate::page::header::{FLAG_CHECKSUM, HEADER_VERSION, PageHeader, Protection};
use crate::page::{EXTENT_PAGES, PAGE_BYTES, Page, checksum};

pub(super) const EXTENT_BYTES: u64 = EXTENT_PAGES as u64 * PAGE_BYTES as u64;
/// Extents that go to one stripe before the next has its turn: 1 MiB.
const TURN_EXTENTS: u64 = 16;
/// The page type that fills unneeded room.
const PADDING_TYPE: u8 = 101;
const PADDING_FREE_COUNT: u16 = 0x1fa0;
const PADDING_FREE_DATA: u16 = 0x60;
const BOOT_PAGE: usize = 1;
/// Extents that a second copy repeats: those with the file header and the boot page.
pub(super) const SECOND_COPY_EXTENTS: u32 = 2;

/// An extent of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileExtent {
    /// Which of the recipe's files.
    pub(super) file: usize,
    pub(super) extent: u32,
}

/// The extents of a backup of `kind`: file by file, ascending.
pub(super) fn extents(
    kind: BackupKind,
    files: &[SyntheticFile],
) -> impl Iterator<Item = FileExtent> + '_ {
    files.iter().enumerate().flat_map(move |(file, synthetic)| {
        let all = 0..synthetic.layout.extents;
        let is_in = move |extent: &u32| match kind {
            BackupKind::Full => synthetic.layout.owner(*extent) != Owner::Free,
            BackupKind::Differential => *extent == 0 || is_in_diff_map(&synthetic.layout, *extent),
            BackupKind::Log => false,
        };
        all.filter(is_in).map(move |extent| FileExtent { file, extent })
    })
}

/// The stripe, counted from 0, that extent `n` of the backup goes to.
pub(super) fn stripe_of(n: u64, stripes: u16) -> u16 {
    (n / TURN_EXTENTS % u64::from(stripes.max(1))) as u16
}

/// What the members have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    /// Extents of data files, per member.
    pub(super) extents: Vec<u64>,
    /// Of these, per data file.
    pub(super) file_extents: Vec<u64>,
}

/// Counts without making a page.
pub(super) fn shares(recipe: &BackupRecipe, files: &[SyntheticFile]) -> Shares {
    let mut shares = Shares {
        extents: vec![0; usize::from(recipe.stripes)],
        file_extents: vec![0; files.len()],
    };
    for (n, extent) in (0..).zip(extents(recipe.kind, files)) {
        shares.extents[usize::from(stripe_of(n, recipe.stripes))] += 1;
        shares.file_extents[extent.file] += 1;
    }
    shares
}

/// Padding extents behind `extents` others.
pub(super) fn padding_extents(recipe: &BackupRecipe, extents: u64) -> u64 {
    if recipe.padding { extents.next_multiple_of(TURN_EXTENTS) - extents } else { 0 }
}

/// The pages of an extent.
pub(super) fn pages_of(file: &SyntheticFile, extent: u32) -> Vec<Page> {
    let first = extent * EXTENT_PAGES;
    (first..first + EXTENT_PAGES).map(|page| file.page(PageId(page))).collect()
}

/// As [`pages_of`], a little later: the boot page was written once more in between.
pub(super) fn later_pages_of(file: &SyntheticFile, extent: u32) -> Vec<Page> {
    let mut pages = pages_of(file, extent);
    if extent == 1 && file.layout.is_primary() {
        let boot = &mut pages[BOOT_PAGE];
        PageHeader::of_mut(boot).lsn_block += 8;
        // The torn bits are elsewhere in the sectors, and stay right.
        if PageHeader::of(boot).protection() == Protection::Checksum {
            checksum::seal(boot);
        }
    }
    pages
}

/// A page that fills room. It names no page.
pub(super) fn padding_page(with_checksum: bool) -> Page {
    let mut page = Page::ZERO;
    let header = PageHeader::of_mut(&mut page);
    header.header_version = HEADER_VERSION;
    header.page_type = PADDING_TYPE;
    header.free_count = PADDING_FREE_COUNT;
    header.free_data = PADDING_FREE_DATA;
    header.lsn_slot = 1;
    header.file_id = FileId(0).0;
    if with_checksum {
        header.flag_bits = FLAG_CHECKSUM;
        checksum::seal(&mut page);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::checksum::Checksum;

    #[test]
    fn a_padding_page_carries_the_checksum_that_real_ones_carry() {
        assert_eq!(Checksum::stored_in(&padding_page(true)), Checksum(0x3c50_0030));
    }

    #[test]
    fn turns_of_a_mebibyte_go_round_the_stripes() {
        let stripes: Vec<u16> = (0..64).map(|n| stripe_of(n, 3)).collect();
        assert_eq!((stripes[15], stripes[16], stripes[47], stripes[48]), (0, 1, 2, 0));
    }
}
