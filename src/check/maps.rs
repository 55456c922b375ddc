//! The maps of a file: the pages that say what is in use, looked up where they must stand.

use super::Pages;
use crate::page::Page;
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::{extent_bit, gam_page_of, pfs_page_of};
use crate::page::header::PageHeader;
use crate::page::kind::PageType;

/// The PFS page over `page`, if it is sound and one.
pub(super) fn pfs(pages: &dyn Pages, file: FileId, page: PageId) -> Option<Page> {
    map(pages, PageAddress::new(file, pfs_page_of(page)), PageType::Pfs)
}

fn map(pages: &dyn Pages, place: PageAddress, kind: PageType) -> Option<Page> {
    pages.sound(place).filter(|page| PageHeader::of(page).page_type == kind.m_type())
}

/// GAM and SGAM page over one GAM interval.
pub(super) struct Gam {
    gam: Page,
    sgam: Page,
}

impl Gam {
    /// Those over `page`; how many of them are not sound, if there are such.
    pub(super) fn over(pages: &dyn Pages, file: FileId, page: PageId) -> Result<Self, u64> {
        let gam_at = gam_page_of(page);
        // In every interval, the SGAM page follows the GAM page.
        let sgam_at = PageId(gam_at.0 + 1);
        let gam = map(pages, PageAddress::new(file, gam_at), PageType::Gam);
        let sgam = map(pages, PageAddress::new(file, sgam_at), PageType::Sgam);
        let lost = u64::from(gam.is_none()) + u64::from(sgam.is_none());
        gam.zip(sgam).map(|(gam, sgam)| Self { gam, sgam }).ok_or(lost)
    }

    /// The extent of `page` is free.
    pub(super) fn is_free(&self, page: PageId) -> bool {
        extent_bit(&self.gam, page)
    }

    /// The extent of `page` is a mixed one that may have a page to spare.
    pub(super) fn has_room(&self, page: PageId) -> bool {
        extent_bit(&self.sgam, page)
    }
}
