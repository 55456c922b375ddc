//! The file under drill: its pages, what its own PFS pages say about them, and where damage may
//! strike. The recipe is never asked, so copies of real files serve as well.

use super::answer_key::{Reason, SideEffect};
use super::backup::Places;
use super::blocks;
use super::chance::{Purpose, below, dice};
use super::fault::Fault;
use super::positioned::write_all_at;
use super::witness::{Testimony, testify};
use crate::backup::source::read_exact_at;
use crate::page::Page;
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::{
    PFS_INTERVAL_PAGES, PfsByte, extent_bit, gam_page_of, is_plausible_pfs, pfs_page_of,
};
use crate::page::header::{PageHeader, Protection};
use crate::page::{kind::PageType, torn};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;

/// PFS pages kept in memory, 8 MiB; a sweep through a file of many TiB needs only the last one.
const PFS_PAGES_KEPT_MAX: usize = 1024;
/// Guesses per wanted page and range.
const GUESSES_PER_PAGE: u64 = 256;
/// Each range is half as long as the one before, as sparse files have their pages at the start;
/// none but the whole file is shorter than this.
const GUESS_RANGE_PAGES_MIN: u32 = 4096;

/// Which pages to damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This page, whatever it is. For `ransomware-stripe` the page where the stripes begin, for
    /// `dead-member` one that the member holds, for `dead-zone` one in the only unit of 64 KiB.
    Page(PageId),
    /// So many different pages on which the fault makes sense, chosen by the seed. For
    /// `ransomware-stripe` one random start among the first 16 pages, for `dead-member` one random
    /// member, for `dead-zone` one unit in eight, whatever the number.
    Random(u32),
}

/// A data file, open for reading and writing, or one in a backup.
pub(super) struct DrillFile {
    pub(super) file: File,
    pub(super) file_id: FileId,
    pub(super) pages: u32,
    /// Where pages are, if this is a backup.
    places: Option<Places>,
    /// Torn bits restored; `None` for a PFS page that fails its own check.
    pfs: HashMap<PageId, Option<Box<Page>>>,
}

impl DrillFile {
    pub(super) fn new(file: File, file_id: FileId, pages: u32) -> Self {
        Self { file, file_id, pages, places: None, pfs: HashMap::new() }
    }

    /// The data file whose pages are at `places` of the backup `file`.
    pub(super) fn in_backup(file: File, file_id: FileId, places: Places) -> Self {
        let pages = places.pages();
        Self { places: Some(places), ..Self::new(file, file_id, pages) }
    }

    /// Where `page` begins in the file; `None` if the backup does not have it.
    pub(super) fn offset_bytes(&self, page: PageId) -> Option<u64> {
        match &self.places {
            None => Some(page.offset_bytes()),
            Some(places) => places.offset_bytes(page),
        }
    }

    /// True if `page` is in the file.
    pub(super) fn has(&self, page: PageId) -> bool {
        self.offset_bytes(page).is_some()
    }

    /// Reads `page`; one that the backup does not have is past the end.
    pub(super) fn read(&self, page: PageId) -> io::Result<Box<Page>> {
        let mut content = Box::new(Page::ZERO);
        let offset = self.offset_bytes(page).ok_or(io::ErrorKind::UnexpectedEof)?;
        read_exact_at(&self.file, offset, content.bytes_mut())?;
        Ok(content)
    }

    /// Writes `page`.
    pub(super) fn write(&self, page: PageId, content: &Page) -> io::Result<()> {
        let offset = self.offset_bytes(page).ok_or(io::ErrorKind::UnexpectedEof)?;
        write_all_at(&self.file, content.bytes(), offset)
    }

    /// Where `page` is.
    pub(super) fn place(&self, page: PageId) -> PageAddress {
        PageAddress::new(self.file_id, page)
    }

    /// True if the PFS says that `page` is in use; `None` if its PFS page is damaged.
    pub(super) fn allocation(&mut self, page: PageId) -> io::Result<Option<bool>> {
        let pfs_page = pfs_page_of(page);
        if let Some(places) = self.places.as_ref().filter(|_| !self.has(pfs_page)) {
            return Ok(places.allocation_elsewhere(page));
        }
        if !self.pfs.contains_key(&pfs_page) {
            let checked = self.checked_map(pfs_page, PageType::Pfs)?;
            if self.pfs.len() == PFS_PAGES_KEPT_MAX {
                self.pfs.clear();
            }
            self.pfs.insert(pfs_page, checked);
        }
        let pfs = self.pfs.get(&pfs_page).and_then(Option::as_ref);
        Ok(pfs.map(|pfs| PfsByte::of(pfs, page).is_allocated()))
    }

    /// The page at `id` with its torn bits restored, if it is a healthy page of type `expected`.
    fn checked_map(&self, id: PageId, expected: PageType) -> io::Result<Option<Box<Page>>> {
        if !self.has(id) {
            return Ok(None);
        }
        let page = self.read(id)?;
        let is_expected = PageType::of(PageHeader::of(&page).page_type) == expected;
        let is_healthy = testify(&page, self.place(id), true).is_healthy();
        let restored = Box::new(torn::restored(&page));
        let is_pfs = expected == PageType::Pfs;
        let tells = !is_pfs || is_plausible_pfs(&restored, self.file_id, id);
        Ok((is_expected && is_healthy && tells).then_some(restored))
    }

    /// Different pages that `accept` takes, at most `wanted`; fewer if there are fewer. Guesses
    /// first, in ever shorter beginnings of the file; then sweeps it all from a random page on.
    pub(super) fn choose(
        &mut self,
        wanted: usize,
        seed: u64,
        mut accept: impl FnMut(&mut Self, PageId) -> io::Result<bool>,
    ) -> io::Result<BTreeSet<PageId>> {
        let pages = self.pages;
        let mut dice = dice(seed, Purpose::Target, pages.into());
        let start = below(&mut dice, pages.into()) as u32;
        let guesses = GUESSES_PER_PAGE.saturating_mul(wanted as u64).min(pages.into());
        let ranges = std::iter::successors(Some(pages), |end| Some(end / 2))
            .take_while(|&end| end == pages || end >= GUESS_RANGE_PAGES_MIN);
        let ends = ranges.flat_map(|end| (0..guesses).map(move |_| u64::from(end)));
        let guesses = ends.map(|end| below(&mut dice, end) as u32);
        let mut chosen = BTreeSet::new();
        for page in guesses.chain(start..pages).chain(0..start).map(PageId) {
            if chosen.len() == wanted {
                break;
            }
            if !chosen.contains(&page) && accept(self, page)? {
                chosen.insert(page);
            }
        }
        Ok(chosen)
    }

    /// True if `fault` makes sense on `page`: junk on free pages; everything else on healthy pages
    /// in use, with protection unless the fault shows without.
    pub(super) fn suits(&mut self, fault: Fault, page: PageId) -> io::Result<bool> {
        let wants_free = fault == Fault::JunkOnFreePage;
        // The PFS is asked first: in a sparse file it spares reading the holes.
        if !self.has(page) || self.allocation(page)? != Some(!wants_free) {
            return Ok(false);
        }
        if wants_free {
            return Ok(true);
        }
        let content = self.read(page)?;
        let is_healthy = testify(&content, self.place(page), true).is_healthy();
        let is_protected = PageHeader::of(&content).protection() != Protection::None;
        let shows = is_protected || shows_without_protection(fault);
        Ok(is_healthy && shows && has_what_is_struck(fault, &content))
    }

    /// A healthy page other than `target`, to be written in its place.
    pub(super) fn source_for(&mut self, target: PageId, seed: u64) -> io::Result<Option<PageId>> {
        let seed = dice_seed(seed, target);
        let found = self.choose(1, seed, |file, page| {
            Ok(page != target && file.suits(Fault::MisdirectedWrite, page)?)
        })?;
        Ok(found.first().copied())
    }

    /// The pages whose PFS byte stands in `page`, if that is a PFS page by its place.
    pub(super) fn described_by(&self, page: PageId) -> Option<(u32, u32)> {
        (pfs_page_of(page) == page || page == pfs_page_of(PageId(0))).then(|| {
            let start = page.0 - page.0 % PFS_INTERVAL_PAGES;
            (start, start.saturating_add(PFS_INTERVAL_PAGES - 1).min(self.pages - 1))
        })
    }

    /// Free pages with old content that a scan cannot tell from damaged ones any more, now that
    /// page `struck` has been written; none unless it is a PFS page and no longer sound. The GAM
    /// still tells which extents are free.
    pub(super) fn lost_track_of(&mut self, struck: PageId) -> io::Result<Vec<SideEffect>> {
        let Some((first, last)) = self.described_by(struck) else { return Ok(Vec::new()) };
        if self.checked_map(struck, PageType::Pfs)?.is_some() {
            return Ok(Vec::new());
        }
        let mut undecidable = Vec::new();
        for page in (first..=last).map(PageId) {
            // The PFS as it was before the damage is still in memory.
            let was_free = self.allocation(page)? == Some(false);
            if was_free && !self.is_in_free_extent(page)? {
                undecidable.extend(self.looks_damaged(page)?);
            }
        }
        Ok(undecidable)
    }

    fn is_in_free_extent(&self, page: PageId) -> io::Result<bool> {
        let gam = self.checked_map(gam_page_of(page), PageType::Gam)?;
        Ok(gam.is_some_and(|gam| extent_bit(&gam, page)))
    }

    fn looks_damaged(&self, page: PageId) -> io::Result<Option<SideEffect>> {
        if !self.has(page) {
            return Ok(None);
        }
        let place = self.place(page);
        let content = self.read(page)?;
        Ok(match testify(&content, place, true) {
            // A free page of zeros is what free pages are.
            Testimony::Suspect(Reason::Zeroed) => None,
            Testimony::Suspect(reason) => {
                Some(SideEffect { page_id: page, address: place.to_string(), reason })
            }
            _ => None,
        })
    }

    /// What the bytes say of `page`, where the PFS said `allocation` before the damage.
    pub(super) fn testimony(
        &self,
        content: &Page,
        page: PageId,
        allocation: Option<bool>,
    ) -> Testimony {
        testify(content, self.place(page), allocation.unwrap_or(true))
    }
}

fn shows_without_protection(fault: Fault) -> bool {
    use Fault::{
        DeadMember, DeadZone, EncryptedPage, ForeignContent, GarbageHeader, MisdirectedWrite,
        StaleHome, ZeroPage,
    };
    matches!(fault, ZeroPage | MisdirectedWrite | GarbageHeader | ForeignContent | EncryptedPage)
        || matches!(fault, StaleHome | DeadMember | DeadZone)
}

/// Some faults need rows, or a checksum, to strike at.
fn has_what_is_struck(fault: Fault, page: &Page) -> bool {
    match fault {
        Fault::PatternSectors => !blocks::full_sectors(page).is_empty(),
        Fault::TornInsert => blocks::can_lack_rows(page),
        Fault::LostFlag => PageHeader::of(page).protection() == Protection::Checksum,
        _ => true,
    }
}

fn dice_seed(seed: u64, target: PageId) -> u64 {
    super::chance::draw(seed, Purpose::Source, target.0.into())
}

/// True if `testimony` is what `fault` is meant to lead to.
pub(super) fn is_meant(fault: Fault, testimony: Testimony) -> bool {
    match testimony {
        Testimony::Free => fault == Fault::JunkOnFreePage,
        Testimony::Suspect(Reason::Zeroed) => fault == Fault::ZeroPage,
        Testimony::Suspect(_) => fault != Fault::JunkOnFreePage,
        Testimony::Intact | Testimony::Unprotected => false,
    }
}
