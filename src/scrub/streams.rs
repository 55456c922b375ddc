//! What backups hold beside the pages of data files: padding, older copies, the log. And the
//! checksums of their streams, to which all pages add (docs/page-format.md, section 9.3).

mod bytes;
mod in_order;
mod lanes;
pub(super) mod records;
mod requests;
mod sums;

use super::file::FileScan;
use super::tally::BackupTally;
use super::{Shared, lock};
use crate::backup::stream_checksum::{self, StreamSum};
use crate::backup::{Fault, FaultKind, StreamPiece};
use crate::discover::backup::{BackupFile, Rest, RestKind};
use crate::discover::{DataFile, Discovery, FileKind};
use crate::page::address::{PageId, PageRange};
use crate::page::checksum::Checksum;
use crate::page::header::{PageHeader, Protection};
use crate::page::torn::TornCheck;
use crate::page::{PAGE_BYTES, Page, SECTOR_BYTES};
use bytes::Bytes;
use lanes::Lanes;
use requests::Requests;
use std::collections::BTreeMap;

/// Faults listed for a backup at most.
pub(super) const FAULTS_MAX: usize = 1000;

/// Bytes that [`look`] will read.
pub(super) fn bytes_of(discovery: &Discovery) -> u64 {
    let backups = discovery.files.iter().filter_map(|file| file.backup.as_deref());
    let log = |backup: &BackupFile| -> u64 {
        backup.streams.iter().filter(|s| s.is_log).map(|s| s.piece.bytes).sum()
    };
    let rest = |backup: &BackupFile| -> u64 { backup.rest.iter().map(|rest| rest.bytes).sum() };
    let records = |backup: &BackupFile| {
        let is_packed = backup.kind == FileKind::CompressedBackup && backup.records.is_none();
        if is_packed { backup.bytes } else { 0 }
    };
    backups.map(|backup| log(backup) + rest(backup) + records(backup)).sum()
}

/// Looks at the backups of a scan whose batches are all done, each by one thread.
pub(super) fn look(discovery: &Discovery, shared: &Shared<'_>) {
    use rayon::prelude::*;
    let backups = discovery.files.iter().zip(&shared.files);
    let backups: Vec<_> = backups.filter(|(file, _)| file.backup.is_some()).collect();
    let threads = shared.settings.threads.max(1);
    let lanes = Lanes::new(backups.iter().map(|(file, _)| file.device), &shared.settings.throttles);
    let sharers = threads.min(backups.len());
    let look = |(file, scan): &(&DataFile, &FileScan<'_>)| {
        let must_stop = || shared.must_stop();
        look_at(file, scan, shared, || Requests::new(lanes.of(file.device), sharers, must_stop));
    };
    match super::pool_or_own_thread(threads) {
        Some(pool) => pool.install(|| backups.par_iter().for_each(look)),
        None => backups.iter().for_each(look),
    }
}

fn look_at<'a>(
    file: &DataFile,
    scan: &FileScan<'_>,
    shared: &Shared<'_>,
    requests: impl Fn() -> Requests<'a>,
) {
    let Some(backup) = &file.backup else { return };
    if shared.must_stop() || lock(&scan.tally).backup.is_done {
        return;
    }
    let mut looked = FoundBeside::default();
    let read = is_unpacked(file, shared)
        .and_then(|()| look_at_records(file, shared, requests(), &mut looked))
        .and_then(|()| looked.all(backup, &mut Bytes::open(file, shared, requests())?));
    if let Err(why) = read {
        lock(&scan.tally).unopened = Some(why);
        return;
    }
    if shared.must_stop() {
        return;
    }
    sums::compare(backup, &sums::of_pages(file, shared), &mut looked);
    let mut tally = lock(&scan.tally);
    tally.coverage.bytes_read += looked.bytes_read;
    tally.coverage.bytes_planned += looked.bytes_read;
    looked.tally.bytes_beside = looked.bytes_read;
    looked.tally.is_done = true;
    tally.backup = looked.tally;
}

/// Says why if the pages of a compressed backup were asked for and could not be got at.
fn is_unpacked(file: &DataFile, shared: &Shared<'_>) -> Result<(), String> {
    let why = shared.not_unpacked.iter().find(|(path, _)| *path == file.path);
    why.map_or(Ok(()), |(_, why)| {
        Err(format!("could not be unpacked, and none of its pages was reached: {why}"))
    })
}

/// Looks at the records of a compressed backup, unless that was done before.
fn look_at_records(
    file: &DataFile,
    shared: &Shared<'_>,
    requests: Requests<'_>,
    looked: &mut FoundBeside,
) -> Result<(), String> {
    if file.kind != FileKind::CompressedBackup {
        return Ok(());
    }
    let turns = shared.settings.throttles.turns_of(file.device);
    let before = shared.verified.iter().find(|(path, _)| *path == file.path);
    if let Some((_, verified)) = before {
        return records::note(file, verified, turns, looked);
    }
    let must_stop = || shared.must_stop();
    let with = (shared.settings.open, requests);
    let verified = records::verify(file, with, shared.progress, &must_stop)?;
    records::note(file, &verified, turns, looked)
}

/// What was found of one backup.
#[derive(Default)]
struct FoundBeside {
    tally: BackupTally,
    /// What unused pages add to the checksum of each data stream.
    sums: BTreeMap<usize, StreamSum>,
    /// The checksums of log streams that could be read to their end.
    logs: BTreeMap<usize, u32>,
    bytes_read: u64,
}

impl FoundBeside {
    /// Looks at all that is no page of a data file; says why if the file cannot be opened any more.
    fn all(&mut self, backup: &BackupFile, bytes: &mut Bytes<'_, '_>) -> Result<(), String> {
        for rest in &backup.rest {
            self.look_at_rest(backup, rest, bytes)?;
        }
        for (index, stream) in backup.streams.iter().enumerate().filter(|(_, s)| s.is_log) {
            self.look_at_log(index, &stream.piece, bytes)?;
        }
        Ok(())
    }

    fn fault(&mut self, kind: FaultKind, offset_bytes: u64, bytes: u64, text: String) {
        if self.tally.faults.len() < FAULTS_MAX {
            self.tally.faults.push(Fault { kind, offset_bytes, bytes, text });
        } else {
            self.tally.faults_not_listed += 1;
        }
    }

    fn look_at_rest(
        &mut self,
        backup: &BackupFile,
        rest: &Rest,
        bytes: &mut Bytes<'_, '_>,
    ) -> Result<(), String> {
        let Some(stream) = backup.stream_at(rest.offset_bytes) else { return Ok(()) };
        let set = backup.media.sets.get(backup.streams[stream].set);
        let is_sealed = set.is_none_or(|set| set.has_checksum != Some(false));
        let pages = (rest.bytes / PAGE_BYTES as u64) as u32;
        bytes.pages(rest.offset_bytes, pages, &mut |first, seen| match seen {
            Ok(pages) => {
                self.bytes_read += (pages.len() * PAGE_BYTES) as u64;
                for (page, id) in pages.iter().zip(first.0..) {
                    let offset = rest.offset_bytes + PageId(id).offset_bytes();
                    let place = Unused { stream, offset, what: rest.what, is_sealed };
                    self.look_at_unused(page, PageId(id), &place);
                }
            }
            Err(why) => {
                let offset = rest.offset_bytes + first.offset_bytes();
                self.fault(FaultKind::Unreadable, offset, PAGE_BYTES as u64, why);
            }
        })
    }

    /// Looks at a page that RESTORE would not keep, `id` of its part of the stream.
    fn look_at_unused(&mut self, page: &Page, id: PageId, place: &Unused) {
        let Unused { stream, offset, what, is_sealed } = *place;
        let (computed, stored) = (Checksum::of(page), Checksum::stored_in(page));
        self.sums.entry(stream).or_default().add_page(id, computed, stored);
        let words = match what {
            RestKind::Padding => {
                self.tally.padding_pages += 1;
                "a page of padding"
            }
            RestKind::Superseded | RestKind::Twice => {
                self.tally.superseded_pages += 1;
                "a page of which a later copy follows"
            }
            RestKind::Unplaced => {
                self.tally.unplaced_pages += 1;
                return;
            }
        };
        let is_whole = match PageHeader::of(page).protection() {
            Protection::Checksum => computed == stored,
            Protection::Torn => TornCheck::of(page).is_intact(),
            // BACKUP gives its padding a checksum only where it was told to compute them.
            Protection::None if what == RestKind::Padding => !is_sealed && stored == Checksum(0),
            Protection::None => true,
        };
        // Of a free page that was copied twice nobody knows what it should be.
        let is_page = PageHeader::of(page).is_plausible() || what == RestKind::Padding;
        if !is_whole && is_page {
            let text = format!(
                "{words} fails its own check (stored {stored}, computed {computed}): RESTORE \
                 does not need it, but something has changed it"
            );
            self.fault(FaultKind::UnusedPage, offset, PAGE_BYTES as u64, text);
        }
    }

    fn look_at_log(
        &mut self,
        stream: usize,
        piece: &StreamPiece,
        bytes: &mut Bytes<'_, '_>,
    ) -> Result<(), String> {
        let (mut sum, mut is_whole, mut doubtful) = (0, true, Doubtful::default());
        bytes.all(piece.offset_bytes, piece.bytes, &mut |at, seen| match seen {
            Ok(seen) => {
                self.bytes_read += seen.len() as u64;
                sum = stream_checksum::go_on(sum, seen);
                doubtful.look(seen);
            }
            Err(why) => {
                is_whole = false;
                self.fault(FaultKind::Unreadable, at, PAGE_BYTES as u64, why);
            }
        })?;
        self.tally.log_bytes += piece.bytes;
        if piece.checksum.is_none() {
            self.tally.log_sectors_doubtful += doubtful.sectors();
        }
        if is_whole {
            self.logs.insert(stream, sum);
        }
        Ok(())
    }
}

/// Where a page is that RESTORE would not keep.
struct Unused {
    /// The stream that holds it, by its index.
    stream: usize,
    /// Where it begins in the backup.
    offset: u64,
    what: RestKind,
    /// Its backup set has checksums, as far as that is known.
    is_sealed: bool,
}

/// Sectors that do not begin as those of a log do. Nothing else tells damage in a log whose backup
/// has no checksums.
#[derive(Default)]
struct Doubtful {
    looked_at: u64,
    foreign: u64,
    blank: u64,
}

impl Doubtful {
    fn look(&mut self, log: &[u8]) {
        for first in log.iter().step_by(SECTOR_BYTES) {
            self.looked_at += 1;
            self.blank += u64::from(*first == 0);
            self.foreign += u64::from(!is_log_sector(*first));
        }
    }

    /// A log of nothing is none.
    fn sectors(&self) -> u64 {
        if self.blank == self.looked_at { self.looked_at } else { self.foreign }
    }
}

/// True for the first byte of a sector of log: the parity of its use of the file, 0x40 or 0x80, and
/// marks of the first and the last sector of a block; or nothing after the end
/// (docs/page-format.md, section 9.1).
fn is_log_sector(first: u8) -> bool {
    const MARKS: u8 = 0x18;
    matches!(first & !MARKS, 0x40 | 0x80) || first == 0
}

/// So many pages from the first on.
fn range(pages: u32) -> PageRange {
    PageRange::between(0, pages)
}
