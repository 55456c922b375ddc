//! PFS, GAM, SGAM and IAM pages against each other, one PFS interval after another (docs/check.md):
//! rules A1 to A8, I3 to I5 and O1.

use super::extent::{Extent, Must};
use super::maps::{self, Gam};
use super::rule::Rule;
use super::units::Units;
use super::{Breach, File, Pages};
use crate::catalog::owners::Claim;
use crate::page::address::{ExtentId, FileId, PageAddress, PageId};
use crate::page::allocation::{
    GAM_INTERVAL_PAGES, PFS_INTERVAL_PAGES, PfsByte, fixed_page_type, pfs_page_of,
};
use crate::page::header::PageHeader;
use crate::page::iam::IamPage;
use crate::page::{EXTENT_PAGES, Page};
use std::collections::BTreeSet;

/// Pages that are never in use.
const UNUSED: [PageId; 2] = [PageId(4), PageId(5)];
/// The pages among which those with a fixed place are that every file has in use.
const FIRST_PAGES: u32 = 10;

/// Holds the maps of all files of a database against each other and against what the chains of
/// `units` claim. Where some of its files are not there, what nobody claims is not told. Returns
/// how many maps are not sound: of their intervals nothing is told.
pub fn check(
    pages: &dyn Pages,
    units: &Units,
    is_complete: bool,
    tell: &mut dyn FnMut(Breach),
) -> u64 {
    let cut: BTreeSet<u64> =
        units.iter().filter(|(_, chain)| chain.is_cut).map(|(unit, _)| unit.id).collect();
    let of_file = |file: &File| {
        let mut pass = Pass { pages, units, is_complete, cut: &cut, file, tell, not_sound: 0 };
        pass.run();
        pass.not_sound
    };
    pages.files().iter().map(of_file).sum()
}

/// One file.
struct Pass<'a> {
    pages: &'a dyn Pages,
    units: &'a Units,
    is_complete: bool,
    /// Units that may have IAM pages which are in no chain that is known.
    cut: &'a BTreeSet<u64>,
    file: &'a File,
    tell: &'a mut dyn FnMut(Breach),
    not_sound: u64,
}

/// What is the same for all extents of a GAM interval.
struct Interval {
    gam: Option<Gam>,
    must: Must,
}

impl Pass<'_> {
    fn run(&mut self) {
        if !self.file.end.is_multiple_of(EXTENT_PAGES) {
            self.tell(Rule::A8, PageId(0));
        }
        let mut known: Option<(u32, Interval)> = None;
        for first in (0..self.file.end).step_by(PFS_INTERVAL_PAGES as usize) {
            let Some(pfs) = maps::pfs(self.pages, self.file.id, PageId(first)) else {
                self.not_sound += 1;
                continue;
            };
            if let Some(page) = wrong_fixed_page(&pfs, self.file.id, first) {
                self.tell_other(Rule::A8, pfs_page_of(PageId(first)), page);
                continue;
            }
            self.tell_beyond_the_end(&pfs, first);
            let end = self.file.end.min(first.saturating_add(PFS_INTERVAL_PAGES));
            for extent in (first / EXTENT_PAGES..end / EXTENT_PAGES).map(ExtentId) {
                let number = extent.first_page().0 / GAM_INTERVAL_PAGES;
                if known.as_ref().is_none_or(|(of, _)| *of != number) {
                    known = Some((number, self.interval(number)));
                }
                if let Some((_, interval)) = &known {
                    self.extent(extent, &pfs, interval);
                }
            }
        }
    }

    /// GAM interval `number`.
    fn interval(&mut self, number: u32) -> Interval {
        let first = PageId(number * GAM_INTERVAL_PAGES);
        let gam = Gam::over(self.pages, self.file.id, first);
        let gam = gam.map_err(|lost| self.not_sound += lost).ok();
        if let Some(page) = gam.as_ref().and_then(|gam| self.beyond_the_end(gam, first)) {
            self.tell(Rule::A7, page);
        }
        let start = PageAddress::new(self.file.id, first);
        let all = |is_known: &dyn Fn(&super::chains::Chain) -> bool| {
            self.is_complete && self.units.cut(self.file).all(is_known)
        };
        let must = Must {
            extents: all(&|chain| chain.intervals.contains(&start)),
            singles: all(&|chain| !chain.pages.is_empty()),
        };
        Interval { gam, must }
    }

    /// The first page behind the end of the file that the maps call used.
    fn beyond_the_end(&self, gam: &Gam, first: PageId) -> Option<PageId> {
        let end = first.0.saturating_add(GAM_INTERVAL_PAGES);
        let behind = self.file.end.next_multiple_of(EXTENT_PAGES).max(first.0)..end;
        let is_used = |page: &PageId| !gam.is_free(*page) || gam.has_room(*page);
        behind.step_by(EXTENT_PAGES as usize).map(PageId).find(is_used)
    }

    fn tell_beyond_the_end(&mut self, pfs: &Page, first: u32) {
        let behind = self.file.end.max(first)..first.saturating_add(PFS_INTERVAL_PAGES);
        let in_use = |page: &PageId| PfsByte::of(pfs, *page).is_allocated();
        if let Some(page) = behind.map(PageId).find(in_use) {
            self.tell(Rule::A7, page);
        }
    }

    fn extent(&mut self, id: ExtentId, pfs: &Page, interval: &Interval) {
        let Some(extent) = self.view(id, pfs, interval.gam.as_ref()) else { return };
        let breaches = extent.breaches(interval.must, &|page| self.is_orphan(page));
        let is_told = |breach: &Breach| breach.rule != Rule::O1 || !self.is_configuration(*breach);
        let breaches: Vec<Breach> = breaches.into_iter().filter(is_told).collect();
        breaches.into_iter().for_each(&mut *self.tell);
    }

    /// What is said of the extent, unless that is nothing.
    fn view(&self, id: ExtentId, pfs: &Page, gam: Option<&Gam>) -> Option<Extent> {
        let (gam, claims) = (gam?, self.units.claims(self.file.id)?);
        let first = id.first_page();
        let pages = first.0..first.0.saturating_add(EXTENT_PAGES);
        let bytes = std::array::from_fn(|n| PfsByte::of(pfs, PageId(first.0 + n as u32)));
        let extent = Extent {
            file: self.file.id,
            id,
            bytes,
            is_free: gam.is_free(first),
            has_room: gam.has_room(first),
            claim: claims.extent(id),
            singles: claims.singles(pages.clone()).collect(),
            iam_pages: self.units.iam_pages(self.file.id, pages).collect(),
        };
        let is_claimed = extent.claim != Claim::Nobody || !extent.singles.is_empty();
        let is_said = is_claimed
            || !extent.iam_pages.is_empty()
            || bytes.iter().any(|byte| byte.is_allocated());
        (is_said || !extent.is_free || extent.has_room).then_some(extent)
    }

    /// It is an IAM page, and the chain of its unit is not cut: it would be in it.
    fn is_orphan(&self, page: PageId) -> bool {
        let place = PageAddress::new(self.file.id, page);
        let page = self.pages.sound(place);
        let unit = page.as_ref().and_then(IamPage::of).map(IamPage::unit);
        self.is_complete && unit.is_some_and(|unit| !self.cut.contains(&unit))
    }

    /// Page (1:10) of master, which nobody owns.
    fn is_configuration(&self, breach: Breach) -> bool {
        let page = self.pages.sound(breach.place);
        page.is_some_and(|page| PageHeader::of(&page).is_server_configuration())
    }

    fn tell(&mut self, rule: Rule, page: PageId) {
        (self.tell)(Breach::of(rule, PageAddress::new(self.file.id, page)));
    }

    fn tell_other(&mut self, rule: Rule, page: PageId, other: PageId) {
        let place = |page| PageAddress::new(self.file.id, page);
        (self.tell)(Breach::of(rule, place(page)).with(place(other)));
    }
}

/// The first page of the PFS interval at `first` that must be in use and is not, or the other way
/// round.
fn wrong_fixed_page(pfs: &Page, file: FileId, first: u32) -> Option<PageId> {
    let own = pfs_page_of(PageId(first));
    let is_fixed = |page: PageId| fixed_page_type(file, page).is_some();
    let pages = first..first.saturating_add(FIRST_PAGES);
    pages.map(PageId).find(|page| {
        let in_use = PfsByte::of(pfs, *page).is_allocated();
        let must_be = *page == own || first == 0 && is_fixed(*page);
        (must_be && !in_use) || (in_use && UNUSED.contains(page))
    })
}
