//! The pages of a database for a check, read once more: those that no scan has called bad.

use super::context::Opened;
use super::leads::{is_sound, read};
use super::wrong_owners::Scanned;
use crate::check::{Breach, File, Pages};
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, Verdict};
use crate::page::address::{FileId, PageAddress, PageId, PageRange};
use crate::page::checksum::Checksum;
use crate::page::{Page, torn};
use std::collections::{BTreeMap, BTreeSet};

/// Pages read in one go.
const READ_PAGES: u32 = 64;

/// The files of a database, open.
pub(super) struct CheckedPages<'a> {
    files: Vec<File>,
    opened: BTreeMap<FileId, (usize, Opened<'a>)>,
    /// Suspects, and pages that break rules by themselves.
    bad: BTreeSet<PageAddress>,
}

impl<'a> CheckedPages<'a> {
    /// Those of `members`; `None` if one of them cannot be opened.
    pub(super) fn of(
        members: &[usize],
        broken: &[Breach],
        scanned: &'a Scanned<'a>,
    ) -> Option<Self> {
        let mut bad: BTreeSet<PageAddress> = broken.iter().map(|breach| breach.place).collect();
        let (mut files, mut opened) = (BTreeMap::new(), BTreeMap::new());
        for member in members {
            let file = scanned.files[*member].file;
            bad.extend(scanned.suspects_of(*member).iter().map(|suspect| suspect.place));
            let filegroup = file.header.as_ref().map_or(0, |header| header.filegroup_id);
            // The stripes of a set have parts of one file, each of which reads all of it.
            let end = file.end_page();
            let known: &mut File =
                files.entry(file.file_id).or_insert(File { id: file.file_id, filegroup, end });
            known.end = known.end.max(end);
            opened.insert(file.file_id, (*member, Opened::new(file, scanned.open)?));
        }
        Some(Self { files: files.into_values().collect(), opened, bad })
    }

    /// Its file is there, and long enough.
    pub(super) fn has(&self, place: PageAddress) -> bool {
        self.files.iter().any(|file| file.id == place.file && place.page.0 < file.end)
    }

    /// The page at `place` as a scan takes it, with the index of its file.
    pub(super) fn judged(&self, place: PageAddress) -> Option<(usize, Page, Allocation, Verdict)> {
        let (index, opened) = self.opened.get(&place.file)?;
        let page = opened.source().fill_uncached(place.page).ok()?;
        let allocation = opened.allocation_of(place.page);
        Some((*index, page, allocation, judge(&page, Checksum::of(&page), place, allocation)))
    }
}

impl Pages for CheckedPages<'_> {
    fn files(&self) -> &[File] {
        &self.files
    }

    fn sound(&self, place: PageAddress) -> Option<Page> {
        let mut found = None;
        self.visit(place, 1, &mut |_, page| found = Some(*page));
        found
    }

    fn visit(&self, first: PageAddress, pages: u32, visit: &mut dyn FnMut(PageAddress, &Page)) {
        let end = first.page.0.saturating_add(pages);
        let file = self.files.iter().find(|file| file.id == first.file);
        let (Some(file), Some((_, opened))) = (file, self.opened.get(&first.file)) else { return };
        for piece in PageRange::between(first.page.0, end.min(file.end)).pieces(READ_PAGES) {
            let ids: Vec<PageId> = piece.ids().collect();
            for (page, id) in read(opened.source(), &ids).iter().zip(&ids) {
                let place = PageAddress::new(first.file, *id);
                if !self.bad.contains(&place) && is_sound(page, place) {
                    visit(place, &torn::restored(page));
                }
            }
        }
    }
}
