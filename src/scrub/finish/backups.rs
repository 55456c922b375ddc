//! What the report says of backups.

use crate::backup::{BackedUpFile, BackupKind, BackupSet, Media};
use crate::consolidate::backup::{BackupReport, SetFile, SetReport};
use crate::discover::backup::BackupFile;
use crate::discover::{DataFile, Discovery};
use crate::scrub::file::{BackupTally, FileTally};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Media sets whose members are looked for, with those that are there.
pub(super) struct Members(BTreeMap<[u8; 16], BTreeSet<u16>>);

impl Members {
    /// Of all files of a scan.
    pub(super) fn among(discovery: &Discovery, tallies: &[FileTally]) -> Self {
        let mut members: BTreeMap<_, BTreeSet<u16>> = BTreeMap::new();
        for (file, tally) in discovery.files.iter().zip(tallies) {
            let Some(backup) = &file.backup else { continue };
            let media = tally.backup.media.as_ref().unwrap_or(&backup.media);
            if let Some(family) = &media.family
                && let Some(id) = family.media_set_id
            {
                members.entry(id).or_default().insert(family.family_number);
            }
        }
        Self(members)
    }

    /// Members of the media set of `backup` that are not there.
    fn missing(&self, media: &Media) -> Vec<u16> {
        // More members than this no media set has.
        const MEMBERS_MAX: u16 = 64;
        let Some(family) = &media.family else { return Vec::new() };
        let there = family.media_set_id.and_then(|id| self.0.get(&id));
        let is_missing = |number: &u16| !there.is_some_and(|there| there.contains(number));
        (1..=family.family_count.min(MEMBERS_MAX)).filter(is_missing).collect()
    }
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
    faults.sort_by_key(|fault| (fault.offset_bytes, fault.kind));
    let vouched_for = tally.streams_verified > 0
        && tally.streams_without_checksum + tally.streams_not_computed == 0;
    Some(BackupReport {
        media_set: family.and_then(|family| family.media_set_id).map(|id| hexadecimal(&id)),
        member: family.map_or(0, |family| family.family_number),
        members: family.map_or(0, |family| family.family_count),
        missing_members: members.missing(media),
        sets: media.sets.iter().enumerate().map(|set| of_set(set, backup, discovery)).collect(),
        faults,
        faults_not_listed: tally.faults_not_listed,
        streams_verified: tally.streams_verified,
        streams_without_checksum: tally.streams_without_checksum,
        streams_not_computed: tally.streams_not_computed,
        records_verified: tally.records,
        log_bytes: tally.log_bytes,
        padding_pages: tally.padding_pages,
        superseded_pages: tally.superseded_pages,
        unplaced_pages: if vouched_for { 0 } else { tally.unplaced_pages },
    })
}

fn of_set(
    (index, set): (usize, &BackupSet),
    backup: &Arc<BackupFile>,
    discovery: &Discovery,
) -> SetReport {
    let part = |file: &&DataFile| {
        file.part.as_ref().is_some_and(|p| p.set == index && Arc::ptr_eq(&p.backup, backup))
    };
    let parts = discovery.files.iter().filter(part);
    let pages: BTreeMap<u16, u64> =
        parts.filter_map(|file| Some((file.file_id.0, file.part.as_ref()?.runs.pages()))).collect();
    let file = |file: &BackedUpFile| SetFile {
        file_id: file.file_id,
        logical_name: file.logical_name.as_str().into(),
        physical_name: file.physical_name.as_str().into(),
        pages: file.pages,
        pages_here: pages.get(&file.file_id).copied().unwrap_or_default(),
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
        set_id: set.set_id.map(|id| hexadecimal(&id)),
        binding_id: set.binding_id.map(|id| hexadecimal(&id)),
        differential_base_id: differential_base(set),
        files: set.files.iter().map(file).collect(),
        is_complete: set.is_complete,
    }
}

fn differential_base(set: &BackupSet) -> Option<Arc<str>> {
    let id = set.differential_base_id.filter(|_| set.kind == BackupKind::Differential);
    id.map(|id| hexadecimal(&id))
}

fn hexadecimal(id: &[u8]) -> Arc<str> {
    id.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat().into()
}
