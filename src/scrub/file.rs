//! One file during a scan: opened with its first batch, closed after its last.

use super::finish::size::shorter;
use super::known_owners::KnownOwners;
use super::tally::FileTally;
use super::{Open, lock};
use crate::backup::BackupKind;
use crate::catalog::claims::IamClaims;
use crate::diagnose::allocation::AllocationMap;
use crate::discover::backup::{BackupFile, Part};
use crate::discover::paths::explain;
use crate::discover::{DataFile, FileKind};
use crate::page::address::{PageId, PageRange};
use crate::page::boot::PageVerify;
use crate::page::header::{PageHeader, Protection};
use crate::page::iam::IamPage;
use crate::page::ranges::PageRanges;
use crate::page::{PAGE_BYTES, Page, torn};
use crate::plan::{DoneRanges, PlannedFile};
use crate::read::PageSource;
use crate::read::striped::Striped;
use crate::read::unpacked::Unpacked;
use std::io;
use std::sync::{Arc, Mutex};

/// What is known of a file so far.
pub(super) struct FileScan<'a> {
    pub(super) planned: &'a PlannedFile,
    /// Counted once: a backup has them in many ranges.
    pages_to_look_at: u32,
    pub(super) index: usize,
    pub(super) allocation: AllocationMap,
    /// PAGE_VERIFY, if the boot page tells. Where it is on, pages in use carry a flag, with few
    /// exceptions.
    pub(super) page_verify: PageVerify,
    /// A part of a data file, in a backup.
    pub(super) is_part: bool,
    /// It is held against its IAM pages who owns its pages: it is no log, and no part of a backup
    /// that lacks pages by intent.
    pub(super) asks_owners: bool,
    /// What is kept for that.
    pub(super) known_owners: Mutex<KnownOwners>,
    /// Pages that could not be read, since this scan began or went on.
    unreadable: Mutex<DoneRanges>,
    pub(super) file: &'a DataFile,
    source: Mutex<Source>,
    pub(super) tally: Mutex<FileTally>,
}

enum Source {
    Unopened,
    Open(Arc<dyn PageSource>),
    /// Could not be opened, and why; or done with.
    Closed,
}

impl<'a> FileScan<'a> {
    pub(super) fn new(
        index: usize,
        planned: &'a PlannedFile,
        file: &'a DataFile,
        tally: FileTally,
    ) -> Self {
        let is_log = planned.kind == FileKind::Log;
        Self {
            planned,
            pages_to_look_at: planned.pages_to_look_at(),
            index,
            allocation: AllocationMap::new(planned.file_id, is_log),
            is_part: file.part.is_some(),
            asks_owners: asks_owners(file),
            known_owners: Mutex::new(KnownOwners::of(planned.file_id)),
            page_verify: file.page_verify().unwrap_or(PageVerify::None),
            unreadable: Mutex::default(),
            file,
            source: Mutex::new(Source::Unopened),
            tally: Mutex::new(tally),
        }
    }

    /// The file's source, opened now if it was not; `None` if it cannot be opened.
    pub(super) fn source(&self, open: Open<'_>) -> Option<Arc<dyn PageSource>> {
        let mut source = lock(&self.source);
        if matches!(*source, Source::Unopened) {
            *source = match open_unchanged(self.file, open) {
                Ok(opened) => Source::Open(opened.into()),
                Err(error) => {
                    let why = format!("could not be opened: {}", explain(&error));
                    lock(&self.tally).unopened = Some(why);
                    Source::Closed
                }
            };
        }
        match &*source {
            Source::Open(open) => Some(Arc::clone(open)),
            Source::Unopened | Source::Closed => None,
        }
    }

    /// Its pages are in `backup`.
    pub(super) fn is_part_of(&self, backup: &Arc<BackupFile>) -> bool {
        self.file.part.as_ref().is_some_and(|part| Arc::ptr_eq(&part.backup, backup))
    }

    /// The backup stream that holds `page`, by its index.
    pub(super) fn stream_of(&self, page: PageId) -> Option<usize> {
        let part = self.file.part.as_ref()?;
        part.backup.stream_at(part.layout.page_offset_bytes(page)?)
    }

    /// `page` could not be read, by whatever means.
    pub(super) fn was_unreadable(&self, page: PageId) {
        lock(&self.unreadable).add(PageRange::between(page.0, page.0 + 1));
    }

    /// How many pages right before `page` could not be read.
    pub(super) fn unreadable_before(&self, page: PageId) -> u32 {
        lock(&self.unreadable).run_before(page.0)
    }

    /// A read of several pages failed; what becomes of them is not known yet.
    pub(super) fn read_failed(&self) {
        lock(&self.tally).failed_reads = true;
    }

    /// That the file ends before what was planned.
    pub(super) fn shrunk(&self) -> String {
        shorter(u64::from(self.planned.pages) * PAGE_BYTES as u64)
    }

    /// What the IAM page `page`, which is in order, claims, if that is worth keeping.
    pub(super) fn claims_of(&self, page: &Page) -> Option<IamClaims> {
        if !self.asks_owners {
            return None;
        }
        let is_torn = PageHeader::of(page).protection() == Protection::Torn;
        let restored = is_torn.then(|| torn::restored(page));
        let iam = IamPage::of(restored.as_ref().unwrap_or(page))?;
        let claims = IamClaims::of(iam, self.planned.file_id, PageId(self.planned.pages));
        claims.is_short().then_some(claims)
    }

    /// The pages of `ranges` are done. The file is closed after its last page, so that the number
    /// of open files is that of files in work. Says if it was that.
    pub(super) fn done_with(&self, ranges: &PageRanges) -> bool {
        let mut tally = lock(&self.tally);
        tally.done.add_all(ranges);
        let is_last = tally.done.pages() == self.pages_to_look_at;
        drop(tally);
        if is_last {
            *lock(&self.source) = Source::Closed;
        }
        is_last
    }
}

/// Of what a differential backup, or one stripe of a backup, says of owners half is missing.
fn asks_owners(file: &DataFile) -> bool {
    let is_whole = |part: &Part| part.set().kind == BackupKind::Full && part.siblings.is_empty();
    file.has_pages() && file.part.as_ref().is_none_or(is_whole)
}

/// Opens `file`, if it is still the one that was found.
pub(crate) fn open_unchanged(file: &DataFile, open: Open<'_>) -> io::Result<Box<dyn PageSource>> {
    if !file.is_in_its_place()? {
        return Err(io::Error::other("another file was put in its place; scan again"));
    }
    let own: Box<dyn PageSource> = match file.records() {
        Some(index) => {
            let turns = open(&file.path)?.turns();
            Box::new(Unpacked::open(&file.path, index, file.layout())?.in_turns(turns))
        }
        None if file.part.is_some() => open(&file.path)?.laid_out(file.layout()),
        None => open(&file.path)?,
    };
    Ok(match &file.part {
        Some(part) if !part.siblings.is_empty() => {
            let turns = own.turns();
            Box::new(Striped::over(own, Arc::clone(&part.siblings), turns))
        }
        _ => own,
    })
}
