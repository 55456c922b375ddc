//! What backups hold beside the pages of data files: padding, older copies, the log. And the
//! checksums of their streams, to which all pages add (docs/page-format.md, section 9.3).

mod bytes;
mod in_order;
mod lanes;
mod logs;
pub(super) mod records;
mod requests;
mod sums;

use super::file::FileScan;
use super::tally::BackupTally;
use super::{Shared, lock};
use crate::backup::stream_checksum::StreamSum;
use crate::backup::{Fault, FaultKind};
use crate::discover::backup::{BackupFile, Rest, RestKind};
use crate::discover::{DataFile, Discovery, FileKind};
use crate::page::address::PageId;
use crate::page::checksum::Checksum;
use crate::page::header::{PageHeader, Protection};
use crate::page::torn::TornCheck;
use crate::page::{PAGE_BYTES, Page};
use bytes::{Bytes, Part};
use lanes::Lanes;
use logs::Log;
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
        self.look_at_rest(backup, bytes)?;
        self.look_at_logs(backup, bytes)
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
        bytes: &mut Bytes<'_, '_>,
    ) -> Result<(), String> {
        let in_stream = |rest: &&Rest| backup.stream_at(rest.offset_bytes).is_some();
        let rest: Vec<&Rest> = backup.rest.iter().filter(in_stream).collect();
        let part = |rest: &&Rest| rest.offset_bytes..rest.offset_bytes + rest.bytes;
        let parts: Vec<Part> = rest.iter().map(part).collect();
        bytes.all(&parts, &mut |index, offset, seen| match seen {
            Ok(seen) => self.look_at_pages(backup, rest[index], offset, seen),
            Err(why) => self.fault(FaultKind::Unreadable, offset, PAGE_BYTES as u64, why),
        })
    }

    /// Looks at pages of `rest`, which begin at byte `offset` of the backup.
    fn look_at_pages(&mut self, backup: &BackupFile, rest: &Rest, offset: u64, seen: &[u8]) {
        let Some(stream) = backup.stream_at(rest.offset_bytes) else { return };
        let set = backup.media.sets.get(backup.streams[stream].set);
        let is_sealed = set.is_none_or(|set| set.has_checksum != Some(false));
        self.bytes_read += seen.len() as u64;
        let offsets = (offset..).step_by(PAGE_BYTES);
        for (page, offset) in Page::slice_of(seen).unwrap_or_default().iter().zip(offsets) {
            let id = PageId(((offset - rest.offset_bytes) / PAGE_BYTES as u64) as u32);
            self.look_at_unused(page, id, &Unused { stream, offset, what: rest.what, is_sealed });
        }
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

    fn look_at_logs(
        &mut self,
        backup: &BackupFile,
        bytes: &mut Bytes<'_, '_>,
    ) -> Result<(), String> {
        let logs = backup.streams.iter().enumerate().filter(|(_, stream)| stream.is_log);
        let mut logs: Vec<Log<'_>> = logs.map(|(index, log)| Log::new(index, &log.piece)).collect();
        let part = |log: &Log<'_>| log.piece.offset_bytes..log.piece.offset_bytes + log.piece.bytes;
        let parts: Vec<Part> = logs.iter().map(part).collect();
        bytes.all(&parts, &mut |index, offset, seen| match seen {
            Ok(seen) => {
                self.bytes_read += seen.len() as u64;
                logs[index].look(seen);
            }
            Err(why) => {
                logs[index].is_whole = false;
                self.fault(FaultKind::Unreadable, offset, PAGE_BYTES as u64, why);
            }
        })?;
        for log in logs {
            self.add_log(&log);
        }
        Ok(())
    }

    fn add_log(&mut self, log: &Log<'_>) {
        self.tally.log_bytes += log.piece.bytes;
        if log.piece.checksum.is_none() {
            self.tally.log_sectors_doubtful += log.doubtful.sectors();
        }
        if log.is_whole {
            self.logs.insert(log.stream, log.sum);
        }
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
