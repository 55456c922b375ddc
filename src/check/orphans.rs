//! IAM pages in use that are in no chain: rule I3. What they claim was somebody's, and nothing is
//! told of that.

use super::rule::Rule;
use super::units::Units;
use super::{Breach, File, Pages, maps};
use crate::page::Page;
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::{PFS_INTERVAL_PAGES, PfsByte};
use crate::page::iam::IamPage;
use std::collections::BTreeSet;

/// What IAM pages in no chain claim, as far as it matters.
#[derive(Default)]
pub(super) struct Orphans {
    /// The first pages of the intervals that they describe.
    pub(super) intervals: BTreeSet<PageAddress>,
    /// One of them has pages in mixed extents.
    pub(super) have_singles: bool,
    /// The units that they say they are of.
    pub(super) units: BTreeSet<u64>,
}

impl Orphans {
    /// Looks for them. Where a chain of `units` is cut they may be the rest of it, and where files
    /// are missing that of any chain: nothing is told of them then.
    pub(super) fn of(
        pages: &dyn Pages,
        units: &Units,
        is_complete: bool,
        tell: &mut dyn FnMut(Breach),
    ) -> Self {
        let cut = units.iter().filter(|(_, chain)| chain.is_cut).map(|(unit, _)| unit.id);
        let cut: BTreeSet<u64> = cut.collect();
        let mut found = Self::default();
        for file in pages.files() {
            each(pages, units, *file, &mut |iam| {
                found.add(iam, pages.files());
                if is_complete && !cut.contains(&iam.unit()) {
                    tell(Breach::of(Rule::I3, iam.place()).about(iam.unit()));
                }
            });
        }
        found
    }

    fn add(&mut self, iam: IamPage<'_>, files: &[File]) {
        let start = iam.start();
        if files.iter().any(|file| file.id == start.file && start.page.0 < file.end) {
            self.intervals.insert(start);
        }
        self.units.insert(iam.unit());
        self.have_singles |= iam.single_pages().next().is_some();
    }
}

/// Shows the sound IAM pages of `file` that its PFS pages call such, and no chain has.
fn each(pages: &dyn Pages, units: &Units, file: File, visit: &mut dyn FnMut(IamPage<'_>)) {
    for first in (0..file.end).step_by(PFS_INTERVAL_PAGES as usize) {
        let Some(pfs) = maps::pfs(pages, file.id, PageId(first)) else { continue };
        let end = file.end.min(first.saturating_add(PFS_INTERVAL_PAGES));
        for page in (first..end).map(PageId).filter(|page| PfsByte::of(&pfs, *page).is_iam()) {
            if let Some(page) = not_in_a_chain(pages, units, file.id, page) {
                IamPage::of(&page).into_iter().for_each(&mut *visit);
            }
        }
    }
}

fn not_in_a_chain(pages: &dyn Pages, units: &Units, file: FileId, page: PageId) -> Option<Page> {
    let place = PageAddress::new(file, page);
    let is_known = units.iam_pages(file, page.0..page.0 + 1).next().is_some();
    if is_known { None } else { pages.sound(place) }
}
