//! A database, or one backup set of it, as pages that can be asked for by their addresses.

use super::find::{self, Asked, NotOpened};
use crate::backup::layout::Layout;
use crate::check::{File, Pages};
use crate::diagnose::allocation::AllocationMap;
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, SuspectReason, Verdict};
use crate::discover::paths::{self, explain};
use crate::discover::{DataFile, FileKind};
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::PfsByte;
use crate::page::checksum::Checksum;
use crate::page::line::Guid;
use crate::page::{Page, torn};
use crate::read::open::Reader;
use crate::read::{PageSource, ReadError};
use crate::scrub::open_unchanged;
use std::fmt;

/// Pages read in one go.
pub const RUN_PAGES_MAX: u32 = 64;

/// The files of one database that are there.
pub struct Image {
    files: Vec<OpenFile>,
    known: Vec<File>,
}

/// One of them.
struct OpenFile {
    file: DataFile,
    /// The page after its last one, in whichever member of a striped backup that is.
    end: u32,
    source: Box<dyn PageSource>,
    allocation: AllocationMap,
}

/// A page, and what is to be said of it.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Where it stands.
    pub place: PageAddress,
    /// As it stands there; a suspect as the second look past the cache saw it.
    pub page: Page,
    /// Whether SQL Server uses it.
    pub allocation: Allocation,
    /// Its PFS byte, if the PFS page is there and sound.
    pub pfs: Option<PfsByte>,
    /// Intact, suspect, or neither.
    pub verdict: Verdict,
}

/// Why there is no page to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No file with this id is there.
    File(FileId),
    /// The file ends before it: with this many pages.
    Beyond(u32),
    /// The backup does not have it.
    NotInBackup,
    /// It could not be read.
    Unreadable(ReadError),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(id) => write!(f, "file {id} of the database is not here: name it by --with"),
            Self::Beyond(pages) => write!(f, "the file ends before it: it has {pages} pages"),
            Self::NotInBackup => f.write_str("it is not in this backup"),
            Self::Unreadable(error) => write!(f, "it could not be read: {error}"),
        }
    }
}

impl Looked {
    /// What is wrong with it, if it is a suspect.
    pub fn reason(&self) -> Option<&SuspectReason> {
        if let Verdict::Suspect(reason) = &self.verdict { Some(reason) } else { None }
    }

    /// In a word: `intact` by a checksum, `intact_torn` by torn bits, `unprotected`, `free`, or the
    /// reason why it is suspect.
    pub fn state(&self) -> &'static str {
        match &self.verdict {
            Verdict::IntactChecksum | Verdict::Transient => "intact",
            Verdict::IntactTorn => "intact_torn",
            Verdict::Unprotected => "unprotected",
            Verdict::Free(_) => "free",
            Verdict::Suspect(reason) => reason.name(),
        }
    }

    /// In use, or perhaps in use, and not a suspect: what it says can be believed.
    pub fn is_sound(&self) -> bool {
        !matches!(self.verdict, Verdict::Suspect(_) | Verdict::Free(_)) && !self.page.is_zero()
    }

    /// With its torn bits put back: as SQL Server has it in memory.
    pub fn whole(&self) -> Page {
        torn::restored(&self.page)
    }
}

impl Image {
    /// Opens what is `asked` for.
    pub fn open(asked: Asked<'_>) -> Result<Self, NotOpened> {
        find::files(asked, false).and_then(Self::over)
    }

    /// The same with a look at each extent of a backup: none is where others make one believe.
    pub fn open_with_each_extent(asked: Asked<'_>) -> Result<Self, NotOpened> {
        find::files(asked, true).and_then(Self::over)
    }

    fn over(files: Vec<DataFile>) -> Result<Self, NotOpened> {
        let mut opened = Vec::with_capacity(files.len());
        for file in files {
            let source = open_unchanged(&file, &|path| Reader::Pread.open(path));
            let source = source.map_err(|error| {
                let shown = paths::text(&file.path);
                NotOpened::Failed(format!("{shown}: could not be opened: {}", explain(&error)))
            })?;
            let allocation = AllocationMap::new(file.file_id, file.kind == FileKind::Log);
            opened.push(OpenFile { end: end_page(&file), file, source, allocation });
        }
        let mut known: Vec<File> = opened.iter().map(OpenFile::known).collect();
        known.sort_by_key(|file| file.id);
        Ok(Self { files: opened, known })
    }

    /// The data files, or their parts in the backup: those that were asked for first.
    pub fn data_files(&self) -> impl Iterator<Item = &DataFile> {
        self.files.iter().map(|opened| &opened.file)
    }

    /// The one that has `id`.
    pub fn data_file(&self, id: FileId) -> Option<&DataFile> {
        self.data_files().find(|file| file.file_id == id)
    }

    /// What all copies of its database share, by a backup set or a boot page.
    pub fn family(&self) -> Option<Guid> {
        let of_set = |file: &DataFile| file.part.as_ref().and_then(|p| p.set().line.family_id);
        let of_boot = |file: &DataFile| file.boot.as_ref().and_then(|boot| boot.line.family_id);
        self.data_files().find_map(|file| of_set(file).or_else(|| of_boot(file)))
    }

    /// What would be said of `page` at `place`.
    ///
    /// # Errors
    /// If there is no such place.
    pub fn judge(&self, place: PageAddress, page: &Page) -> Result<Looked, Missing> {
        Ok(self.opened(place)?.judged(place, page))
    }

    /// The page after the last one of the file that has `id`.
    pub fn end_page(&self, id: FileId) -> Option<u32> {
        self.files.iter().find(|opened| opened.file.file_id == id).map(|opened| opened.end)
    }

    /// Where its pages are may be wrong, as it was not looked up for each extent, if one of them,
    /// `looked`, names another place as its own.
    pub fn may_be_misplaced(&self, looked: &Looked) -> bool {
        let is_part = self.data_files().any(|file| file.part.is_some());
        is_part && matches!(looked.reason(), Some(SuspectReason::WrongPageId { .. }))
    }

    /// The page at `place`. One that looks bad is read again past the cache.
    pub fn look(&self, place: PageAddress) -> Result<Looked, Missing> {
        let opened = self.opened(place)?;
        let mut page = vec![Page::ZERO];
        let read = opened.source.fill(place.page, &mut page);
        let first = read.map(|()| opened.judged(place, &page[0]));
        match first {
            Ok(looked) if looked.reason().is_none() => Ok(looked),
            _ => {
                let again = opened.source.fill_uncached(place.page);
                again.map(|page| opened.judged(place, &page)).map_err(Missing::Unreadable)
            }
        }
    }

    /// The page at `place` with its torn bits put back, if what it says can be believed.
    pub fn sound_page(&self, place: PageAddress) -> Option<Page> {
        self.look(place).ok().filter(Looked::is_sound).map(|looked| looked.whole())
    }

    /// The pages from `first` on, at most `pages` of them, in one read where that goes well.
    pub fn look_at_run(
        &self,
        first: PageAddress,
        pages: u32,
        visit: &mut dyn FnMut(PageAddress, Result<Looked, Missing>),
    ) {
        let end = first.page.0.saturating_add(pages);
        let mut room = vec![Page::ZERO; pages.min(RUN_PAGES_MAX) as usize];
        for start in (first.page.0..end).step_by(RUN_PAGES_MAX as usize) {
            let count = (end - start).min(RUN_PAGES_MAX);
            let at = |k: u32| PageAddress::new(first.file, PageId(start + k));
            let run = &mut room[..count as usize];
            let opened = self.opened(at(count - 1)).ok();
            let opened = opened.filter(|opened| opened.source.fill(PageId(start), run).is_ok());
            for k in 0..count {
                let judged = opened.map(|opened| opened.judged(at(k), &run[k as usize]));
                let good = judged.filter(|looked| looked.reason().is_none());
                visit(at(k), good.map_or_else(|| self.look(at(k)), Ok));
            }
        }
    }

    /// Whether `place` is in use, and its PFS byte where there is one.
    pub fn allocation(&self, place: PageAddress) -> Result<(Allocation, Option<PfsByte>), Missing> {
        Ok(self.opened(place)?.allocation(place.page))
    }

    fn opened(&self, place: PageAddress) -> Result<&OpenFile, Missing> {
        let with_id = self.files.iter().find(|opened| opened.file.file_id == place.file);
        let opened = with_id.ok_or(Missing::File(place.file))?;
        let end = opened.end;
        if place.page.0 >= end {
            return Err(Missing::Beyond(end));
        }
        if opened.source.has(place.page) { Ok(opened) } else { Err(Missing::NotInBackup) }
    }
}

impl OpenFile {
    fn known(&self) -> File {
        let filegroup = self.file.header.as_ref().map_or(0, |header| header.filegroup_id);
        File { id: self.file.file_id, filegroup, end: self.end }
    }

    fn allocation(&self, page: PageId) -> (Allocation, Option<PfsByte>) {
        let interval = self.allocation.interval_of(page, &*self.source);
        (interval.of(page), interval.pfs_byte(page))
    }

    fn judged(&self, place: PageAddress, page: &Page) -> Looked {
        let (allocation, pfs) = self.allocation(place.page);
        let verdict = judge(page, Checksum::of(page), place, allocation);
        Looked { place, page: *page, allocation, pfs, verdict }
    }
}

fn end_page(file: &DataFile) -> u32 {
    let siblings = file.part.iter().flat_map(|part| part.siblings.iter());
    let ends = siblings.filter_map(|sibling| match &sibling.layout {
        Layout::Runs(runs) => Some(runs.end()),
        Layout::Whole => None,
    });
    ends.fold(file.end_page(), u32::max)
}

impl Pages for Image {
    fn files(&self) -> &[File] {
        &self.known
    }

    fn sound(&self, place: PageAddress) -> Option<Page> {
        let looked = self.look(place).ok()?;
        looked.reason().is_none().then(|| looked.whole())
    }

    fn visit(&self, first: PageAddress, pages: u32, visit: &mut dyn FnMut(PageAddress, &Page)) {
        self.look_at_run(first, pages, &mut |place, looked| {
            if let Some(looked) = looked.ok().filter(|looked| looked.reason().is_none()) {
                visit(place, &looked.whole());
            }
        });
    }
}
