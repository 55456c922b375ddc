//! What the report says of backups.

use super::members::Members;
use crate::backup::{BackedUpFile, BackupKind, BackupSet, Fault, FaultKind, Media};
use crate::consolidate::backup::{BackupReport, SetFile, SetReport};
use crate::discover::backup::BackupFile;
use crate::discover::{DataFile, Discovery, FileKind};
use crate::page::PAGE_BYTES;
use crate::page::line::digits;
use crate::scrub::tally::BackupTally;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Pages that a compressed backup promises and has lost, as far as it tells without being unpacked.
/// Only its records say it, so that no plan knows of them. Of a striped one nobody knows which
/// member was to have them.
pub(super) fn packed_pages_missing(file: &DataFile, tally: &BackupTally) -> u64 {
    let is_packed = file.backup.as_ref().is_some_and(|backup| backup.records.is_none());
    let is_striped = |media: &Media| media.family.as_ref().is_some_and(|f| f.family_count > 1);
    let media = tally.media.as_ref().filter(|media| is_packed && !is_striped(media));
    let sets = media.into_iter().flat_map(|media| &media.sets);
    let missing = |set: &BackupSet| {
        let files = set.files.iter().filter(|file| !file.is_log);
        let promised: u64 = files.map(|file| u64::from(file.pages)).sum();
        let here: u64 = set.data.iter().map(|piece| piece.bytes / PAGE_BYTES as u64).sum();
        promised.saturating_sub(here)
    };
    sets.filter(|set| !set.is_complete || set.has_gap).map(missing).sum()
}

/// What is said of the backup `file`, whose streams came to `tally`.
pub(super) fn report(
    file: &DataFile,
    discovery: &Discovery,
    members: &Members,
    tally: &BackupTally,
) -> Option<BackupReport> {
    let backup = file.backup.as_ref()?;
    let media = tally.media.as_ref().unwrap_or(&backup.media);
    let family = media.family.as_ref();
    let mut faults = backup.media.faults.clone();
    faults.extend(tally.faults.iter().cloned());
    let vouched_for = tally.streams_verified > 0
        && tally.streams_without_checksum + tally.streams_not_computed == 0;
    let missing_members = members.missing(media, &file.path);
    let is_unpacked = backup.kind == FileKind::Backup || backup.records.is_some();
    if missing_members.is_empty() && is_unpacked {
        faults.extend(members.lost_beginnings(media, &file.path));
        faults.extend(members.lost_pages(media, &file.path, vouched_for));
    }
    let pages = pages_of_parts(backup, discovery);
    faults.sort_by_key(|fault| (fault.offset_bytes, fault.kind));
    Some(BackupReport {
        media_set: family.and_then(|family| family.media_set_id).map(|id| digits(&id).into()),
        member: family.map_or(0, |family| family.family_number),
        members: family.map_or(0, |family| family.family_count),
        missing_members,
        sets: sets(file, media, &faults, &pages),
        faults,
        faults_not_listed: tally.faults_not_listed.saturating_add(backup.media.faults_not_listed),
        not_read: media.not_read.clone(),
        streams_verified: tally.streams_verified,
        streams_without_checksum: tally.streams_without_checksum,
        streams_not_computed: tally.streams_not_computed,
        records_verified: tally.records,
        log_bytes: tally.log_bytes,
        padding_pages: tally.padding_pages,
        superseded_pages: tally.superseded_pages,
        not_protected: media.not_protected.clone(),
        log_sectors_doubtful: tally.log_sectors_doubtful,
        unplaced_pages: if vouched_for { 0 } else { tally.unplaced_pages },
    })
}

/// How many pages of each set and file `backup` has.
fn pages_of_parts(backup: &Arc<BackupFile>, discovery: &Discovery) -> BTreeMap<(usize, u16), u64> {
    let pages = |file: &DataFile| {
        let part = file.part.as_ref().filter(|part| Arc::ptr_eq(&part.backup, backup))?;
        Some(((part.set, file.file_id.0), part.runs.pages()))
    };
    discovery.files.iter().filter_map(pages).collect()
}

fn sets(
    file: &DataFile,
    media: &Media,
    faults: &[Fault],
    pages: &BTreeMap<(usize, u16), u64>,
) -> Vec<SetReport> {
    let stretches = stretches(&media.sets);
    // Where a set stands in a compressed backup, its unpacked offsets do not tell.
    let is_packed = file.kind == FileKind::CompressedBackup;
    let set = |((index, set), stretch): ((usize, &BackupSet), &Stretch)| {
        let concerned = || faults.iter().filter(|fault| stretch.has(fault)).count() as u64;
        of_set((index, set), (!is_packed).then(concerned), pages)
    };
    media.sets.iter().enumerate().zip(&stretches).map(set).collect()
}

/// Where in its file a set can be.
struct Stretch {
    /// Where the first stream of all begins: what comes before that is of all sets.
    first: u64,
    /// Where the streams of the sets before it end, and those of the next ones begin: what stands
    /// between the streams of two sets may be of either.
    between: Range<u64>,
    /// Where its own streams end, if its end was seen behind them.
    whole: Option<u64>,
}

impl Stretch {
    fn has(&self, fault: &Fault) -> bool {
        let begin = fault.offset_bytes;
        let end = begin.saturating_add(fault.bytes.max(1));
        // The file ends there, and not in this set.
        let is_whole = self.whole.is_some_and(|end| begin > end);
        let is_elsewhere = fault.kind == FaultKind::Truncated && is_whole;
        let is_between = begin < self.between.end && end > self.between.start;
        begin < self.first || (is_between && !is_elsewhere)
    }
}

fn stretches(sets: &[BackupSet]) -> Vec<Stretch> {
    let streams: Vec<Option<Range<u64>>> = sets.iter().map(streams_of).collect();
    let first = streams.iter().flatten().map(|range| range.start).min().unwrap_or(u64::MAX);
    let mut stretches = Vec::with_capacity(sets.len());
    let mut ended = 0;
    for (set, own) in sets.iter().zip(&streams) {
        let end = own.as_ref().map(|own| own.end);
        let whole = end.filter(|_| set.is_complete && !set.has_gap);
        stretches.push(Stretch { first, between: ended..u64::MAX, whole });
        ended = ended.max(end.unwrap_or(0));
    }
    let mut begun = u64::MAX;
    for (stretch, own) in stretches.iter_mut().zip(&streams).rev() {
        stretch.between.end = begun;
        begun = begun.min(own.as_ref().map_or(u64::MAX, |own| own.start));
    }
    stretches
}

/// From the first byte of its streams to the one after the last.
fn streams_of(set: &BackupSet) -> Option<Range<u64>> {
    let pieces = set.data.iter().chain(&set.logs);
    let ranges = pieces.map(|p| p.offset_bytes..p.offset_bytes.saturating_add(p.bytes));
    ranges.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
}

fn of_set(
    (index, set): (usize, &BackupSet),
    faults: Option<u64>,
    pages: &BTreeMap<(usize, u16), u64>,
) -> SetReport {
    let file = |file: &BackedUpFile| SetFile {
        file_id: file.file_id,
        logical_name: file.logical_name.as_str().into(),
        physical_name: file.physical_name.as_str().into(),
        pages: file.pages,
        pages_here: pages.get(&(index, file.file_id)).copied().unwrap_or_default(),
        guid: file.guid.map(|id| digits(&id).into()),
        is_log: file.is_log,
    };
    SetReport {
        position: set.position,
        kind: set.kind,
        name: set.name.as_str().into(),
        database: set.database.as_str().into(),
        server: set.server.as_str().into(),
        started: set.started.map(|at| at.to_string()),
        finished: set.finished.map(|at| at.to_string()),
        first_lsn: set.first_lsn,
        last_lsn: set.last_lsn,
        checkpoint_lsn: set.checkpoint_lsn,
        database_backup_lsn: set.database_backup_lsn,
        has_checksum: set.has_checksum,
        set_id: set.set_id.map(|id| digits(&id).into()),
        binding_id: set.binding_id.map(|id| digits(&id).into()),
        differential_base_id: differential_base(set),
        line: set.line,
        chain_origin_lsn: set.chain_origin_lsn,
        files: set.files.iter().map(file).collect(),
        is_complete: set.is_complete,
        faults,
        verified: None,
    }
}

fn differential_base(set: &BackupSet) -> Option<Arc<str>> {
    let id = set.differential_base_id.filter(|_| set.kind == BackupKind::Differential);
    id.map(|id| digits(&id).into())
}
