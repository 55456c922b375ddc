//! The pages of a file that tell what others belong to, read and judged again at the end.

use super::Open;
use super::catalog_pages::CatalogPages;
use super::file::open_unchanged;
use crate::catalog::{Lead, SystemTable};
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, Verdict};
use crate::discover::DataFile;
use crate::page::address::{PageAddress, PageId};
use crate::page::checksum::Checksum;
use crate::page::header::PageHeader;
use crate::page::iam::IamPage;
use crate::page::{Page, torn};
use crate::read::PageSource;
use std::collections::BTreeSet;

/// Pages read in one go.
const RUN_PAGES_MAX: usize = 64;

/// A data file and what is remembered of it.
pub(crate) struct Remembered<'a> {
    pub(crate) file: &'a DataFile,
    pub(crate) catalog: &'a CatalogPages,
}

impl Remembered<'_> {
    /// Shows the pages of `table` that are still sound; those that are not cost names only.
    pub(crate) fn visit(&self, table: SystemTable, open: Open<'_>, visit: &mut dyn FnMut(&Page)) {
        if let Some(pages) = self.catalog.pages.get(&table) {
            self.visit_sound(pages, Lead::Rows(table), open, visit);
        }
    }

    /// Shows the IAM pages that are still sound.
    pub(crate) fn visit_iam(&self, open: Open<'_>, visit: &mut dyn FnMut(IamPage<'_>)) {
        self.visit_sound(&self.catalog.iam_pages, Lead::Iam, open, &mut |page| {
            if let Some(iam) = IamPage::of(page) {
                visit(iam);
            }
        });
    }

    fn visit_sound(
        &self,
        pages: &BTreeSet<PageId>,
        lead: Lead,
        open: Open<'_>,
        visit: &mut dyn FnMut(&Page),
    ) {
        if pages.is_empty() {
            return;
        }
        let Ok(source) = open_unchanged(self.file, open) else { return };
        let pages: Vec<PageId> = pages.iter().copied().collect();
        let runs = pages.chunk_by(|a, b| a.0 + 1 == b.0);
        for run in runs.flat_map(|run| run.chunks(RUN_PAGES_MAX)) {
            for (page, id) in read(&*source, run).iter().zip(run) {
                let place = PageAddress::new(self.file.file_id, *id);
                if is_sound(page, place) && Lead::of(PageHeader::of(page)) == Some(lead) {
                    visit(&torn::restored(page));
                }
            }
        }
    }
}

/// The pages of `run`, which follow each other; zeros where they cannot be read.
pub(super) fn read(source: &dyn PageSource, run: &[PageId]) -> Vec<Page> {
    let mut pages = vec![Page::ZERO; run.len()];
    if run.first().is_some_and(|first| source.fill(*first, &mut pages).is_ok()) {
        return pages;
    }
    run.iter().map(|page| source.fill_uncached(*page).unwrap_or(Page::ZERO)).collect()
}

/// True if `page`, in use at `place`, is not suspect.
pub(super) fn is_sound(page: &Page, place: PageAddress) -> bool {
    let verdict = judge(page, Checksum::of(page), place, Allocation::Allocated);
    !matches!(verdict, Verdict::Suspect(_))
}
