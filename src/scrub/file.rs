//! One file during a scan: opened with its first batch, closed after its last.

use super::finish::size::shorter;
use super::known_owners::{KnownOwners, SumsByInterval};
use super::leads::CatalogPages;
use super::wrong_owners::Unproven;
use super::{Open, lock};
use crate::backup::stream_checksum::StreamSum;
use crate::backup::{BackupKind, Fault, Media};
use crate::catalog::claims::IamClaims;
use crate::consolidate::findings::{Finding, Findings};
use crate::consolidate::tally::Coverage;
use crate::consolidate::throughput::StageLatencies;
use crate::diagnose::allocation::AllocationMap;
use crate::discover::backup::{BackupFile, Part};
use crate::discover::paths::explain;
use crate::discover::{DataFile, FileKind};
use crate::page::address::{PageId, PageRange};
use crate::page::boot::PageVerify;
use crate::page::header::{PageHeader, Protection};
use crate::page::iam::IamPage;
use crate::page::{PAGE_BYTES, Page, torn};
use crate::plan::{DoneRanges, PlannedFile};
use crate::read::PageSource;
use crate::read::striped::Striped;
use crate::read::unpacked::Unpacked;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

/// Files with latencies of their own; those of further files are only in the total.
const FILE_LATENCIES_MAX: usize = 4096;

/// Flagless pages kept at most; so many are no suspects anyway.
const FLAGLESS_KEPT_MAX: usize = 1024;
/// Flagless pages of a file that are suspects: no more than so many, ...
const FLAGLESS_SUSPECTS_MAX: u64 = 3;
/// ... or, in large files, one for so many intact pages; ...
const INTACT_PER_FLAGLESS: u64 = 10_000;
/// ... and only among at least so many intact pages each.
const INTACT_PER_FLAGLESS_MIN: u64 = 16;

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
    file: &'a DataFile,
    source: Mutex<Source>,
    pub(super) tally: Mutex<FileTally>,
}

enum Source {
    Unopened,
    Open(Arc<dyn PageSource>),
    /// Could not be opened, and why; or done with.
    Closed,
}

/// What has been counted.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct FileTally {
    pub(super) coverage: Coverage,
    pub(super) latencies: Option<StageLatencies>,
    /// Why pages that are done have no verdict.
    pub(super) failure: Option<String>,
    /// Reads of several pages have failed.
    #[serde(default)]
    pub(super) failed_reads: bool,
    /// So have reads of single pages, at least at the first try.
    #[serde(default)]
    pub(super) failed_pages: bool,
    /// Why the file could not be opened. Its pages are not done: a resumed scan tries them again.
    #[serde(skip)]
    pub(super) unopened: Option<String>,
    /// Pages in use without a flag that carry what looks like a checksum, the first of them.
    pub(super) flagless: Vec<Finding>,
    /// How many of them there are and are not suspects.
    pub(super) flagless_pages: u64,
    /// Where names can be looked up.
    #[serde(default)]
    pub(super) catalog: CatalogPages,
    /// What was found of a backup beside its pages.
    #[serde(default)]
    pub(super) backup: BackupTally,
    /// What pages looked at add to the checksums of backup streams, by index.
    #[serde(default)]
    pub(super) stream_sums: BTreeMap<usize, StreamSum>,
    /// To whom the pages in use say that they belong; without the intervals that are in order.
    #[serde(default)]
    pub(super) owner_sums: SumsByInterval,
    /// Pages that were looked at.
    pub(super) done: DoneRanges,
    /// Pages of zeros in use; counted at the end of a scan.
    #[serde(skip)]
    pub(super) zeroed: Zeroed,
    /// What copies of its pages show and do not prove; found at the end of a scan.
    #[serde(skip)]
    pub(super) parted: Vec<String>,
    /// Pages of another owner that prove nothing; looked for at the end of a scan.
    #[serde(skip)]
    pub(super) unproven_owners: Option<Unproven>,
}

/// Pages of zeros in use.
#[derive(Clone, Copy, Default)]
pub(super) struct Zeroed {
    pub(super) pages: u64,
    /// Those of them where the file system stores nothing.
    pub(super) in_holes: u64,
}

/// What was found of a backup beside its pages.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct BackupTally {
    /// What is damaged.
    pub(super) faults: Vec<Fault>,
    /// More of that than is listed.
    pub(super) faults_not_listed: u64,
    /// Padding pages whose checksum was right.
    pub(super) padding_pages: u64,
    /// Pages of which a later copy follows.
    pub(super) superseded_pages: u64,
    /// Pages of which nobody knows where they belong.
    pub(super) unplaced_pages: u64,
    /// Streams whose checksum is right.
    pub(super) streams_verified: u64,
    /// Streams without a checksum.
    pub(super) streams_without_checksum: u64,
    /// Streams whose checksum could not be computed, because not all of them was read.
    pub(super) streams_not_computed: u64,
    /// Records of a compressed backup whose checksum is right.
    pub(super) records: u64,
    /// What a compressed backup says of itself.
    #[serde(default)]
    pub(super) media: Option<Media>,
    /// Sectors of log without a stream checksum that do not look like log.
    #[serde(default)]
    pub(super) log_sectors_doubtful: u64,
    /// Bytes of log.
    pub(super) log_bytes: u64,
    /// Bytes that were read beside the pages of data files: log, padding, records.
    pub(super) bytes_beside: u64,
    /// All of it was looked at.
    pub(super) is_done: bool,
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

    /// The pages of `range` are done. The file is closed after its last page, so that the number
    /// of open files is that of files in work. Says if it was that.
    pub(super) fn done_with(&self, range: PageRange) -> bool {
        let mut tally = lock(&self.tally);
        tally.done.add(range);
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
pub(super) fn open_unchanged(file: &DataFile, open: Open<'_>) -> io::Result<Box<dyn PageSource>> {
    if !file.is_in_its_place()? {
        return Err(io::Error::other("another file was put in its place; scan again"));
    }
    let own: Box<dyn PageSource> = match file.records() {
        Some(index) => Box::new(Unpacked::open(&file.path, index, file.layout())?),
        None if file.part.is_some() => open(&file.path)?.laid_out(file.layout()),
        None => open(&file.path)?,
    };
    Ok(match &file.part {
        Some(part) if !part.siblings.is_empty() => {
            Box::new(Striped::over(own, Arc::clone(&part.siblings)))
        }
        _ => own,
    })
}

impl FileTally {
    /// Of the file at `index` before anything was looked at.
    pub(super) fn new(index: usize, planned: &PlannedFile) -> Self {
        Self {
            coverage: Coverage::planned(planned.promised_pages()),
            latencies: (index < FILE_LATENCIES_MAX).then(StageLatencies::default),
            failure: None,
            failed_reads: false,
            failed_pages: false,
            unopened: None,
            flagless: Vec::new(),
            flagless_pages: 0,
            catalog: CatalogPages::default(),
            backup: BackupTally::default(),
            stream_sums: BTreeMap::new(),
            owner_sums: SumsByInterval::default(),
            done: DoneRanges::default(),
            zeroed: Zeroed::default(),
            parted: Vec::new(),
            unproven_owners: None,
        }
    }

    /// Why pages were not reached.
    pub(super) fn why_failed(&self) -> Option<&String> {
        self.unopened.as_ref().or(self.failure.as_ref())
    }

    /// Pages were left although the file could be read.
    pub(super) fn is_cut_short(&self, planned: &PlannedFile) -> bool {
        let is_backup = matches!(planned.kind, FileKind::Backup | FileKind::CompressedBackup);
        let is_unread = is_backup && !planned.only_stored && !self.backup.is_done;
        let is_short = self.done.pages() < planned.pages_to_look_at();
        self.unopened.is_none() && (is_short || is_unread)
    }

    /// Adds flagless pages of one batch. Kept are no more than could be suspects in the end, so
    /// that a file without flags fills neither the memory nor a checkpoint.
    pub(super) fn add_flagless(&mut self, found: Vec<Finding>) {
        self.flagless_pages += found.len() as u64;
        self.flagless.extend(found);
        let kept = FLAGLESS_KEPT_MAX.min(few_flagless(self.coverage.pages_planned) as usize);
        self.flagless.truncate(kept);
    }

    /// Decides on the flagless pages now that all are known. A few in a file that is protected
    /// otherwise have lost their flag and are suspects; many were written while PAGE_VERIFY was
    /// NONE and are no finding.
    pub(super) fn judge_flagless(mut self, findings: &mut Findings) -> Self {
        let few = few_flagless(self.coverage.intact);
        let among_enough = self.flagless_pages * INTACT_PER_FLAGLESS_MIN <= self.coverage.intact;
        if self.flagless_pages <= few && among_enough {
            self.coverage.unprotected -= self.flagless_pages;
            self.coverage.suspect += self.flagless_pages;
            self.flagless_pages = 0;
            self.flagless.drain(..).for_each(|finding| findings.add(finding));
        }
        self
    }
}

/// Flagless pages among `intact` ones that are suspects at most.
fn few_flagless(intact: u64) -> u64 {
    FLAGLESS_SUSPECTS_MAX.max(intact / INTACT_PER_FLAGLESS)
}
