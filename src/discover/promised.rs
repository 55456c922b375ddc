//! How many pages a file should have, by its own word. Fewer than that is truncation.

use super::{identify, sample};
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::{
    GAM_INTERVAL_PAGES, PFS_INTERVAL_PAGES, PfsByte, extent_bit, gam_page_of, is_plausible_pfs,
    pfs_page_of,
};
use crate::page::file_header::FileHeader;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::{EXTENT_PAGES, Page, torn};
use std::fs::File;

/// The largest of: the size in the file header (a lower bound in healthy files), the last page
/// that the last PFS page calls allocated, the last extent that the last GAM page calls allocated.
pub(super) fn pages(
    file: &mut File,
    file_id: FileId,
    whole_pages: u32,
    header: Option<&FileHeader>,
) -> u32 {
    let last = PageId(whole_pages.saturating_sub(1));
    let by_header = header.map_or(0, |header| header.size_pages);
    let pfs = sound(file, file_id, pfs_page_of(last), PageType::Pfs);
    let by_pfs = pfs.filter(|pfs| is_plausible_pfs(pfs, file_id, pfs_page_of(last)));
    let by_pfs = by_pfs.map_or(0, |pfs| last_allocated_page(&pfs, last));
    let gam = sound(file, file_id, gam_page_of(last), PageType::Gam);
    let by_gam = gam.map_or(0, |gam| last_allocated_extent(&gam, last));
    by_header.max(by_pfs).max(by_gam)
}

/// Pages up to the last one beyond `last` that `pfs` calls allocated; 0 if there is none.
fn last_allocated_page(pfs: &Page, last: PageId) -> u32 {
    let interval_end = (last.0 / PFS_INTERVAL_PAGES + 1).saturating_mul(PFS_INTERVAL_PAGES);
    let beyond = (last.0.saturating_add(1)..interval_end).rev().map(PageId);
    beyond.into_iter().find(|&page| PfsByte::of(pfs, page).is_allocated()).map_or(0, |p| p.0 + 1)
}

/// The same by the extents that `gam` calls allocated.
fn last_allocated_extent(gam: &Page, last: PageId) -> u32 {
    let interval_end = (last.0 / GAM_INTERVAL_PAGES + 1).saturating_mul(GAM_INTERVAL_PAGES);
    let first_beyond = last.0.saturating_add(1).checked_next_multiple_of(EXTENT_PAGES);
    let first_beyond = first_beyond.unwrap_or(interval_end);
    let beyond = (first_beyond..interval_end).step_by(EXTENT_PAGES as usize).rev();
    beyond
        .map(PageId)
        .find(|&page| !extent_bit(gam, page))
        .map_or(0, |p| p.0.saturating_add(EXTENT_PAGES))
}

fn sound(file: &mut File, file_id: FileId, at: PageId, expected: PageType) -> Option<Box<Page>> {
    let page = sample::page(file, at).ok()?;
    let header = PageHeader::of(&page);
    let is_expected = header.page_type == expected.m_type()
        && header.address() == PageAddress::new(file_id, at)
        && header.is_plausible();
    let passes = is_expected && identify::passes_its_check(&page);
    passes.then(|| Box::new(torn::restored(&page)))
}
