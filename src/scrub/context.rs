//! What stands around suspects, and what in the places that misplaced pages name: looked up once,
//! at the end of a scan, for the most urgent ones.

use super::file::open_unchanged;
use super::primaries::Primaries;
use super::{LOOKED_INTO_MAX, Open};
use crate::consolidate::findings::Finding;
use crate::diagnose::allocation::AllocationMap;
use crate::diagnose::evidence::{Evidence, Home};
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, SuspectReason, Verdict};
use crate::discover::{DataFile, FileKind};
use crate::page::address::{FileId, PageAddress, PageId, PageRange};
use crate::page::allocation::{PagesInUse, PfsByte};
use crate::page::checksum::Checksum;
use crate::page::header::{Lsn, PageHeader};
use crate::page::{EXTENT_PAGES, Page, SECTOR_BYTES};
use crate::read::PageSource;

/// Extents to both sides of a page that are around it: 4 MiB each.
const EXTENTS_AROUND: u32 = 64;

/// Adds to the evidence of `findings`, the most urgent of which come first, what stands beside
/// them in `files` and in the places that they name.
pub(super) fn add(
    findings: &mut [Finding],
    files: &[DataFile],
    primaries: &Primaries,
    open: Open<'_>,
) {
    let urgent = findings.len().min(LOOKED_INTO_MAX);
    let mut urgent: Vec<&mut Finding> = findings[..urgent].iter_mut().collect();
    // In the order in which they are stored, so that each extent is read once.
    urgent.sort_by_key(|finding| (finding.file, finding.place));
    for of_file in urgent.chunk_by_mut(|a, b| a.file == b.file) {
        let file = &files[of_file[0].file];
        if let Some(opened) = Opened::new(file, open) {
            opened.look_around(of_file);
        }
    }
    let homeless = urgent.into_iter().filter_map(|finding| Homeless::of(finding, files, primaries));
    let mut homeless: Vec<Homeless<'_>> = homeless.collect();
    homeless.sort_by_key(|page| (page.home.0, page.home.1));
    for of_file in homeless.chunk_by_mut(|a, b| a.home.0 == b.home.0) {
        let opened = of_file[0].home.0.and_then(|file| Opened::new(&files[file], open));
        for page in of_file {
            page.look_home(opened.as_ref(), files, open);
        }
    }
}

/// A file that is read again.
pub(super) struct Opened<'a> {
    file: &'a DataFile,
    source: Box<dyn PageSource>,
    allocation: AllocationMap,
}

impl<'a> Opened<'a> {
    pub(super) fn new(file: &'a DataFile, open: Open<'_>) -> Option<Self> {
        let source = open_unchanged(file, open).ok()?;
        let allocation = AllocationMap::new(file.file_id, file.kind == FileKind::Log);
        Some(Self { file, source, allocation })
    }

    /// Whether `page` is in use.
    pub(super) fn allocation_of(&self, page: PageId) -> Allocation {
        self.allocation.interval_of(page, &*self.source).of(page)
    }

    /// What the PFS page says of `page`; `None` if that is bad.
    pub(super) fn pfs_byte(&self, page: PageId) -> Option<PfsByte> {
        self.allocation.interval_of(page, &*self.source).pfs_byte(page)
    }

    /// The pages in use of the PFS interval that `page` is in; `None` if its PFS page is bad.
    pub(super) fn pages_in_use(&self, page: PageId) -> Option<PagesInUse> {
        self.allocation.interval_of(page, &*self.source).pages_in_use()
    }

    /// What reads it.
    pub(super) fn source(&self) -> &dyn PageSource {
        &*self.source
    }

    /// Looks beside each of `findings`, which are in the order of their places.
    fn look_around(&self, findings: &mut [&mut Finding]) {
        let checkpoint = self.file.boot.as_ref().map(|boot| boot.checkpoint_lsn);
        for in_extent in
            findings.chunk_by_mut(|a, b| a.place.page.extent() == b.place.page.extent())
        {
            let sound = self.sound_lsns(in_extent[0].place.page);
            for finding in in_extent {
                let Some(evidence) = &mut finding.evidence else { continue };
                let own = finding.place.page;
                let beside = || sound.iter().filter(|(page, _)| *page != own).map(|(_, lsn)| *lsn);
                evidence.neighbours_lsn_low = beside().min();
                evidence.neighbours_lsn_high = beside().max();
                evidence.checkpoint_lsn = checkpoint;
            }
        }
    }

    /// The LSNs of the sound pages in use in the extent of `page`.
    fn sound_lsns(&self, page: PageId) -> Vec<(PageId, Lsn)> {
        // A log has one page that is one.
        if self.file.kind == FileKind::Log {
            return Vec::new();
        }
        let first = page.extent().first_page().0;
        let end = self.file.end_page().min(first.saturating_add(EXTENT_PAGES));
        let extent = PageRange::between(first, end);
        let pages = self.read(extent);
        let sound = pages.iter().zip(extent.ids()).filter(|(page, id)| self.is_sound(page, *id));
        sound.map(|(page, id)| (id, PageHeader::of(page).lsn())).collect()
    }

    /// The pages of `extent`; zeros where they cannot be read.
    fn read(&self, extent: PageRange) -> Vec<Page> {
        let mut pages = vec![Page::ZERO; extent.pages as usize];
        if self.source.fill(extent.first, &mut pages).is_ok() {
            return pages;
        }
        let read = |page| self.source.fill_uncached(page).unwrap_or(Page::ZERO);
        extent.ids().map(read).collect()
    }

    /// The first pages of the extents in use around `page` that the same PFS page tells of; `None`
    /// if that is not known.
    pub(super) fn extents_in_use(&self, page: PageId) -> Option<Vec<PageId>> {
        let interval = self.allocation.interval_of(page, &*self.source);
        let extent = page.extent().first_page().0;
        let first = extent.saturating_sub(EXTENTS_AROUND * EXTENT_PAGES);
        let end = extent.saturating_add((EXTENTS_AROUND + 1) * EXTENT_PAGES);
        let all = (first..end.min(self.file.end_page())).step_by(EXTENT_PAGES as usize);
        let of = |extent: u32| {
            (extent..extent + EXTENT_PAGES)
                .map(PageId)
                .filter(|page| interval.holds(*page))
                .map(|page| interval.of(page))
        };
        if all.clone().any(|extent| of(extent).any(|state| state == Allocation::Unknown)) {
            return None;
        }
        let is_used = |extent: &u32| of(*extent).any(|state| state == Allocation::Allocated);
        Some(all.filter(is_used).map(PageId).collect())
    }

    /// True if the page at `id` is in use and passes its own check.
    fn is_sound(&self, page: &Page, id: PageId) -> bool {
        let allocation = self.allocation.interval_of(id, &*self.source).of(id);
        allocation == Allocation::Allocated && self.passes(page, id)
    }

    /// The header of the page at `id`, if that is clean.
    pub(super) fn clean(&self, id: PageId) -> Option<PageHeader> {
        self.clean_page(id).map(|page| *PageHeader::of(&page))
    }

    /// The page at `id`, by what is on the disk, if it passes its own check and is not known to be
    /// free.
    pub(super) fn clean_page(&self, id: PageId) -> Option<Page> {
        let page = self.source.fill_uncached(id).ok()?;
        let allocation = self.allocation.interval_of(id, &*self.source).of(id);
        let is_clean = allocation != Allocation::Free && self.passes(&page, id);
        is_clean.then_some(page)
    }

    fn passes(&self, page: &Page, id: PageId) -> bool {
        let place = PageAddress::new(self.file.file_id, id);
        let verdict = judge(page, Checksum::of(page), place, Allocation::Allocated);
        matches!(verdict, Verdict::IntactChecksum | Verdict::IntactTorn)
    }
}

/// A page that is another place's, or begins with one's header.
struct Homeless<'a> {
    evidence: &'a mut Evidence,
    /// It passes its own check, as far as that tells.
    is_whole: bool,
    /// Index of its file, and where it stands.
    at: (usize, PageId),
    /// The same of the place that it names; `None` if that file was not scanned.
    home: (Option<usize>, PageId),
}

impl<'a> Homeless<'a> {
    fn of(finding: &'a mut Finding, files: &[DataFile], primaries: &Primaries) -> Option<Self> {
        let named = finding.found().filter(|named| named.can_exist())?;
        let home = file_with(named.file, finding.file, files, primaries);
        Some(Self {
            is_whole: matches!(finding.reason, SuspectReason::WrongPageId { .. }),
            at: (finding.file, finding.place.page),
            home: (home, named.page),
            evidence: finding.evidence.as_mut()?,
        })
    }

    /// Compares the page with what stands in its place in `home`.
    fn look_home(&mut self, home: Option<&Opened<'_>>, files: &[DataFile], open: Open<'_>) {
        let (known, page) = self.home;
        let is_inside = |home: &&Opened<'_>| home.file.offset_bytes(page).is_some();
        let seen = match (known, home.filter(is_inside)) {
            (Some(_), Some(home)) => match home.source.fill_uncached(page) {
                Ok(resident) if home.passes(&resident, page) => {
                    let stray = self.read_again(home, files, open);
                    let is_stray = stray.filter(|stray| self.is_it(stray, &resident));
                    self.evidence.shared_sectors =
                        is_stray.as_ref().map(|stray| shared_sectors(stray, &resident));
                    is_stray.map(|stray| compare(&stray, &resident))
                }
                _ => Some(Home::Damaged),
            },
            // It was scanned, and cannot be opened now.
            (Some(_), None) if home.is_none() => None,
            _ => Some(Home::Elsewhere),
        };
        if self.is_whole {
            self.evidence.home = seen;
        }
    }

    fn read_again(&self, home: &Opened<'_>, files: &[DataFile], open: Open<'_>) -> Option<Page> {
        if Some(self.at.0) == self.home.0 {
            home.source.fill_uncached(self.at.1).ok()
        } else {
            open_unchanged(&files[self.at.0], open).ok()?.fill_uncached(self.at.1).ok()
        }
    }

    /// True if `stray` still is what it was.
    fn is_it(&self, stray: &Page, resident: &Page) -> bool {
        let (here, there) = (PageHeader::of(stray), PageHeader::of(resident));
        here.address() == there.address() && Some(here.lsn()) == self.evidence.lsn
    }
}

fn compare(stray: &Page, resident: &Page) -> Home {
    match PageHeader::of(resident).lsn().cmp(&PageHeader::of(stray).lsn()) {
        std::cmp::Ordering::Less => Home::Older,
        std::cmp::Ordering::Equal => Home::Same,
        std::cmp::Ordering::Greater => Home::Newer,
    }
}

/// Sectors from the first on that are the same.
fn shared_sectors(a: &Page, b: &Page) -> u8 {
    let sectors = a.bytes().chunks(SECTOR_BYTES).zip(b.bytes().chunks(SECTOR_BYTES));
    sectors.take_while(|(a, b)| a == b).count() as u8
}

/// The file with this id in the database of file `of`; `None` if that is not known for certain.
fn file_with(
    file_id: FileId,
    of: usize,
    files: &[DataFile],
    primaries: &Primaries,
) -> Option<usize> {
    if files[of].file_id == file_id {
        return Some(of);
    }
    let primary = primaries.of(of)?;
    let is_it = |index: &usize| {
        let is_data = files[*index].has_pages();
        is_data && files[*index].file_id == file_id && primaries.of(*index) == Some(primary)
    };
    let mut found = (0..files.len()).filter(is_it);
    found.next().filter(|_| found.next().is_none())
}
