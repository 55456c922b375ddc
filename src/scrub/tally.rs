//! What has been counted of one file.

use super::catalog_pages::CatalogPages;
use super::known_owners::SumsByInterval;
use super::wrong_owners::unproven::Unproven;
use crate::backup::stream_checksum::StreamSum;
use crate::backup::{Fault, Media};
use crate::check::collected::Collected;
use crate::consolidate::findings::{Finding, Findings};
use crate::consolidate::tally::Coverage;
use crate::consolidate::throughput::StageLatencies;
use crate::diagnose::verdict::Verdict;
use crate::discover::FileKind;
use crate::plan::{DoneRanges, PlannedFile};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// What the pages say of each other, if that is checked; a scan that goes on has none.
    #[serde(skip)]
    pub(super) collected: Collected,
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
            collected: Collected::default(),
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
    /// that a file without flags fills neither the memory nor a checkpoint; and those are the first
    /// ones of the file, in whatever order threads come upon them.
    pub(super) fn add_flagless(&mut self, found: Vec<Finding>) {
        if found.is_empty() {
            return;
        }
        self.flagless_pages += found.len() as u64;
        self.flagless.extend(found);
        self.flagless.sort_by_key(|finding| finding.place);
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

/// Counts pages that were taken for something else as suspects, and adds them to `findings`.
pub(super) fn add_suspects(
    found: impl IntoIterator<Item = (Finding, Verdict)>,
    tallies: &mut [FileTally],
    findings: &mut Findings,
) {
    for (finding, verdict) in found {
        if tallies[finding.file].coverage.suspect_after_all(&verdict) {
            findings.add(finding);
        }
    }
}

/// Flagless pages among `intact` ones that are suspects at most.
fn few_flagless(intact: u64) -> u64 {
    FLAGLESS_SUSPECTS_MAX.max(intact / INTACT_PER_FLAGLESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::verdict::{Allocation, SuspectReason};
    use crate::page::address::{FileId, PageAddress, PageId, PageRange};

    /// The pages that are kept of so many flagless ones, found in batches of three.
    fn kept(planned: &PlannedFile, order: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut tally = FileTally::new(0, planned);
        let pages: Vec<u32> = order.collect();
        for batch in pages.chunks(3) {
            let finding = |page: &u32| {
                let place = PageAddress::new(FileId(1), PageId(*page));
                Finding::new(0, place, SuspectReason::Zeroed, Allocation::Allocated, None)
            };
            tally.add_flagless(batch.iter().map(finding).collect());
        }
        assert_eq!(tally.flagless_pages, pages.len() as u64);
        tally.flagless.iter().map(|finding| finding.place.page.0).collect()
    }

    #[test]
    fn which_flagless_pages_are_kept_does_not_depend_on_who_comes_first() {
        let pages = 11_000_000; // 84 GiB
        let planned = PlannedFile {
            path: "/large.mdf".into(),
            device: 1,
            file_id: FileId(1),
            kind: FileKind::Data,
            pages,
            missing_pages: 0,
            tail_bytes: 0,
            stored: vec![PageRange::between(0, pages)],
            only_stored: false,
        };
        let found = || (0..1100).map(|n| n * 10_000);
        let ascending = kept(&planned, found());
        assert_eq!(ascending, found().take(FLAGLESS_KEPT_MAX).collect::<Vec<_>>());
        assert_eq!(kept(&planned, found().rev()), ascending);
    }
}
