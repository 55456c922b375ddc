//! How many pages a file should have, by its own word. Fewer than that is truncation.

use super::sample;
use crate::backup::ReadAt;
use crate::page::address::{FileId, PageAddress, PageId, PageRange};
use crate::page::allocation::{
    GAM_INTERVAL_PAGES, PFS_INTERVAL_PAGES, PfsByte, extent_bit, gam_page_of, is_plausible_pfs,
    pfs_page_of,
};
use crate::page::file_header::FileHeader;
use crate::page::header::{PageHeader, Protection};
use crate::page::kind::PageType;
use crate::page::{EXTENT_PAGES, Page, torn};

/// What a file says of the pages that it should have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// Pages that it should have; 0 if nothing in it can be believed.
    pub pages: u32,
    /// Pages that its file header asks for beyond its end, and that its allocation pages say
    /// nobody uses.
    pub unused_pages: u32,
}

/// What the file should have, and which pages beyond its end are in use by its last PFS page.
///
/// The largest of: the size in the file header (a lower bound in healthy files), the last page
/// that the last PFS page calls allocated, the last extent that the last GAM page calls allocated.
/// The header alone does not count if both of these can be believed, the GAM page tells of all that
/// the header asks for, and the file has whole extents, as SQL Server makes it: a file that was
/// shrunk keeps the size it once had there.
pub(super) fn pages(
    file: &dyn ReadAt,
    file_id: FileId,
    whole_pages: u32,
    header: Option<&FileHeader>,
) -> (Promise, Vec<PageRange>) {
    let last = PageId(whole_pages.saturating_sub(1));
    let by_header = header.map_or(0, |header| header.size_pages);
    let pfs = sound(file, file_id, pfs_page_of(last), PageType::Pfs);
    let pfs = pfs.filter(|pfs| is_plausible_pfs(pfs, file_id, pfs_page_of(last)));
    let by_pfs = pfs.as_ref().map(|pfs| last_allocated_page(pfs, last));
    let gam = sound(file, file_id, gam_page_of(last), PageType::Gam);
    let gam = gam.filter(|gam| !extent_bit(gam, gam_page_of(last)));
    let by_gam = gam.as_ref().map(|gam| last_allocated_extent(gam, last));
    let gam_tells_of_all = by_header <= interval_end(last, GAM_INTERVAL_PAGES);
    let is_whole = gam_tells_of_all && whole_pages.is_multiple_of(EXTENT_PAGES);
    if by_header > whole_pages && is_whole && by_pfs == Some(0) && by_gam == Some(0) {
        let unused_pages = by_header - whole_pages;
        return (Promise { pages: whole_pages, unused_pages }, Vec::new());
    }
    let pages = by_header.max(by_pfs.unwrap_or(0)).max(by_gam.unwrap_or(0));
    let beyond = pfs.zip(gam).map(|(pfs, gam)| allocated_beyond(&pfs, &gam, last));
    (Promise { pages, unused_pages: 0 }, beyond.unwrap_or_default())
}

/// The pages beyond `last` that `pfs` calls allocated, in extents that `gam` does. Both must be
/// protected, and agree: an even number of equal words changes no checksum, and what is made up
/// here is a page that nobody ever wrote.
fn allocated_beyond(pfs: &Page, gam: &Page, last: PageId) -> Vec<PageRange> {
    let is_bare = |page: &Page| PageHeader::of(page).protection() == Protection::None;
    if is_bare(pfs) || is_bare(gam) {
        return Vec::new();
    }
    let end = interval_end(last, PFS_INTERVAL_PAGES).min(interval_end(last, GAM_INTERVAL_PAGES));
    let beyond = (last.0.saturating_add(1)..end).map(PageId);
    let is_in_use =
        |page: &PageId| PfsByte::of(pfs, *page).is_allocated() && !extent_bit(gam, *page);
    let in_use: Vec<PageId> = beyond.filter(is_in_use).collect();
    let runs = in_use.chunk_by(|a, b| a.0 + 1 == b.0);
    runs.filter_map(|run| Some(PageRange::between(run.first()?.0, run.last()?.0 + 1))).collect()
}

/// The page after the last one that the allocation page of `page` tells of.
fn interval_end(page: PageId, interval_pages: u32) -> u32 {
    (page.0 / interval_pages + 1).saturating_mul(interval_pages)
}

/// Pages up to the last one beyond `last` that `pfs` calls allocated; 0 if there is none.
fn last_allocated_page(pfs: &Page, last: PageId) -> u32 {
    let after = last.0.saturating_add(1);
    let beyond = (after..interval_end(last, PFS_INTERVAL_PAGES)).rev().map(PageId);
    beyond.into_iter().find(|&page| PfsByte::of(pfs, page).is_allocated()).map_or(0, |p| p.0 + 1)
}

/// The same by the extents that `gam` calls allocated.
fn last_allocated_extent(gam: &Page, last: PageId) -> u32 {
    let end = interval_end(last, GAM_INTERVAL_PAGES);
    let first_beyond = last.0.saturating_add(1).checked_next_multiple_of(EXTENT_PAGES);
    let beyond = (first_beyond.unwrap_or(end)..end).step_by(EXTENT_PAGES as usize).rev();
    let in_use = beyond.map(PageId).find(|&page| !extent_bit(gam, page));
    in_use.map_or(0, |p| p.0.saturating_add(EXTENT_PAGES))
}

fn sound(file: &dyn ReadAt, file_id: FileId, at: PageId, expected: PageType) -> Option<Box<Page>> {
    let page = sample::page(file, at).ok()?;
    let header = PageHeader::of(&page);
    let is_expected = header.page_type == expected.m_type()
        && header.address() == PageAddress::new(file_id, at)
        && header.is_plausible();
    let passes = is_expected && sample::passes_its_check(&page);
    passes.then(|| Box::new(torn::restored(&page)))
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::Sparse;
    use super::*;
    use crate::page::allocation::tests::{gam, pfs};
    use crate::page::file_header;

    const FIXED: [usize; 7] = [0, 1, 2, 3, 6, 7, 9];

    /// What a file of 64 pages promises that asks for `size_pages` and calls these pages and so
    /// many extents used.
    fn promised(
        size_pages: u32,
        pages_in_use: &[usize],
        extents: usize,
    ) -> (Promise, Vec<PageRange>) {
        let in_use = [&FIXED, pages_in_use].concat();
        let file = Sparse::new(64, vec![pfs(1, &in_use), gam(2, 0..extents)]);
        let header = FileHeader::of(&file_header::tests::sealed(1, size_pages));
        assert!(header.is_some());
        pages(&file, FileId(1), 64, header.as_ref())
    }

    fn promise(pages: u32, unused_pages: u32) -> Promise {
        Promise { pages, unused_pages }
    }

    #[test]
    fn a_file_that_was_shrunk_keeps_the_size_it_once_had_in_its_header() {
        assert_eq!(promised(64, &[63], 8), (promise(64, 0), vec![]));
        assert_eq!(promised(40, &[63], 8), (promise(40, 0), vec![]), "a lower bound");
        assert_eq!(promised(80, &[63], 8), (promise(64, 16), vec![]));
    }

    #[test]
    fn allocation_pages_of_another_place_are_not_believed() {
        let mut file = Sparse::new(64, vec![pfs(1, &FIXED), gam(2, 0..8)]);
        let header = FileHeader::of(&file_header::tests::sealed(1, 80));
        let told = |file: &Sparse| pages(file, FileId(1), 64, header.as_ref()).0;
        assert_eq!(told(&file), promise(64, 16));
        file.pages.insert(1, pfs(8088, &FIXED));
        assert_eq!(told(&file), promise(80, 0));
    }

    #[test]
    fn what_is_in_use_beyond_the_end_is_lost() {
        let lost = |first, end| PageRange::between(first, end);
        // Up to the last page in use, the last extent in use, and what the header asks for.
        assert_eq!(promised(64, &[63, 64, 65, 70], 8), (promise(71, 0), vec![]));
        assert_eq!(promised(64, &[63], 10), (promise(80, 0), vec![]));
        let in_use = [63, 64, 65, 66, 68, 75];
        let expected = vec![lost(64, 67), lost(68, 69), lost(75, 76)];
        assert_eq!(promised(72, &in_use, 10), (promise(80, 0), expected.clone()));
        assert_eq!(promised(1000, &in_use, 10), (promise(1000, 0), expected));
    }
}
