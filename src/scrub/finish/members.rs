//! The members of media sets that were scanned, and what the others would have.

use crate::backup::extents::EXTENT_BYTES;
use crate::backup::layout::{PageRun, PageRuns};
use crate::backup::{BackedUpFile, BackupKind, BackupSet, Fault, FaultKind, Media};
use crate::discover::Discovery;
use crate::discover::backup::missing::MEMBERS_MAX;
use crate::discover::backup::{BackupFile, Part, Rest, RestKind, SetKey, Stream};
use crate::page::address::PageId;
use crate::scrub::tally::FileTally;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which members of each backup set are there, and how many pages of each file they have.
#[derive(Default)]
pub(super) struct Members {
    there: BTreeMap<SetKey, BTreeSet<u16>>,
    parts: BTreeMap<(SetKey, u16), BTreeMap<u16, Part>>,
    /// Sets in which extents stand where others belong.
    overwritten: BTreeSet<SetKey>,
    /// Sets that have lost something, as far as is known.
    cut: BTreeSet<SetKey>,
    /// Files whose first extent is there.
    begun: BTreeSet<(SetKey, u16)>,
}

impl Members {
    /// Of all files of a scan.
    pub(super) fn among(discovery: &Discovery, tallies: &[FileTally]) -> Self {
        let mut members = Self::default();
        for (file, tally) in discovery.files.iter().zip(tallies) {
            if let Some(backup) = &file.backup {
                let media = tally.backup.media.as_ref().unwrap_or(&backup.media);
                let overwritten = overwritten(backup);
                for (index, set) in media.sets.iter().enumerate() {
                    let key = SetKey::of(media, set, &file.path);
                    if overwritten.contains(&index) {
                        members.overwritten.insert(key.clone());
                    }
                    if !backup.is_set_whole(index) {
                        members.cut.insert(key.clone());
                    }
                    members.there.entry(key).or_default().insert(member(media));
                }
            }
            if let (Some(part), Some(key)) = (&file.part, file.set_key()) {
                if part.runs.has(PageId(0)) {
                    members.begun.insert((key.clone(), file.file_id.0));
                }
                let of_file = members.parts.entry((key, file.file_id.0)).or_default();
                // A member that is there twice counts once.
                let there =
                    of_file.entry(member(&part.backup.media)).or_insert_with(|| part.clone());
                if part.runs.pages() > there.runs.pages() {
                    *there = part.clone();
                }
            }
        }
        members
    }

    /// Members of the sets of `media`, the backup at `path`, that are not there.
    pub(super) fn missing(&self, media: &Media, path: &Path) -> Vec<u16> {
        let count = media.family.as_ref().map_or(0, |family| family.family_count);
        let is_there = |number: u16, set: &BackupSet| {
            let there = self.there.get(&SetKey::of(media, set, path));
            there.is_some_and(|there| there.contains(&number))
        };
        let is_missing = |number: &u16| media.sets.iter().any(|set| !is_there(*number, set));
        (1..=count.min(MEMBERS_MAX)).filter(is_missing).collect()
    }

    /// True if the backup with `media` is the first member of the set `key`: what is said of all
    /// members is said of it.
    pub(super) fn is_first(&self, key: &SetKey, media: &Media) -> bool {
        let first = self.there.get(key).and_then(BTreeSet::first);
        first.is_none_or(|first| *first == member(media))
    }

    /// Files of the sets of `media` whose first extent is in none of their members, although all
    /// else is there: a backup has that of each file of which it has pages.
    pub(super) fn lost_beginnings(&self, media: &Media, path: &Path) -> Vec<Fault> {
        let mut faults = Vec::new();
        for set in &media.sets {
            let key = SetKey::of(media, set, path);
            let is_told = self.cut.contains(&key) || !self.is_first(&key, media);
            if is_told || !matches!(set.kind, BackupKind::Full | BackupKind::Differential) {
                continue;
            }
            let files = set.files.iter().filter(|file| !file.is_log && file.pages > 0);
            let is_lost = |file: &&BackedUpFile| !self.begun.contains(&(key.clone(), file.file_id));
            faults.extend(files.filter(is_lost).map(|file| lost_beginning(set, file)));
        }
        faults
    }

    /// Pages that the sets of `media` say they have and that are in none of their members. Said of
    /// the first member. Of what stands in each member its own stream checksums may have
    /// `vouched_for`, but not of whole members that are mixed up.
    pub(super) fn lost_pages(&self, media: &Media, path: &Path, vouched_for: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        for set in media.sets.iter().filter(|set| !set.data.is_empty()) {
            let key = SetKey::of(media, set, path);
            if !self.is_first(&key, media) {
                continue;
            }
            let is_overwritten = !vouched_for && self.overwritten.contains(&key);
            let files = || set.files.iter().filter(|file| !file.is_log);
            let parts = |file: &BackedUpFile| self.parts.get(&(key.clone(), file.file_id));
            // What stands in one member only, and is in order, has all that BACKUP wrote.
            let is_striped = files().any(|file| parts(file).is_some_and(|parts| parts.len() > 1));
            if !is_overwritten && !is_striped {
                continue;
            }
            let here: Vec<_> = files().map(|f| parts(f).map(overlay).unwrap_or_default()).collect();
            if is_overwritten || here.iter().any(|(are_twice, _)| *are_twice) {
                let missing = files().zip(here).filter_map(|(file, (_, here))| {
                    let missing = u64::from(file.pages).checked_sub(here)?;
                    (missing > 0).then(|| lost(set, file, missing))
                });
                faults.extend(missing);
            }
        }
        faults
    }
}

/// Sets of which extents tell no place, or are there twice in one block of pages (only later blocks
/// repeat some), or in which padding stands before extents of files. Without any of that, a set
/// with fewer pages than it says is what BACKUP wrote: it may have said so before it had read them.
fn overwritten(backup: &BackupFile) -> BTreeSet<usize> {
    let mut sets = BTreeSet::new();
    for rest in &backup.rest {
        let Some(stream) = backup.stream_at(rest.offset_bytes) else { continue };
        let stream = &backup.streams[stream];
        let is_foreign = match rest.what {
            RestKind::Unplaced | RestKind::Twice => true,
            RestKind::Superseded => false,
            // It fills the end of a stream.
            RestKind::Padding => !ends_stream(rest, stream),
        };
        if is_foreign {
            sets.insert(stream.set);
        }
    }
    sets
}

/// Pages that different members have in their first blocks, and how many pages `members` have in
/// all, each counted once.
fn overlay(members: &BTreeMap<u16, Part>) -> (bool, u64) {
    let all = |runs: &dyn Fn(&Part) -> Vec<PageRun>| {
        PageRuns::last_copies(&members.values().flat_map(runs).collect::<Vec<_>>())
    };
    let are_twice = !all(&|part| part.first_copies().copied().collect()).1.is_empty();
    (are_twice, all(&|part| part.runs.runs().to_vec()).0.pages())
}

fn ends_stream(rest: &Rest, stream: &Stream) -> bool {
    let end = stream.piece.offset_bytes.saturating_add(stream.piece.bytes);
    rest.offset_bytes.saturating_add(rest.bytes).saturating_add(EXTENT_BYTES) > end
}

fn member(media: &Media) -> u16 {
    media.family.as_ref().map_or(0, |family| family.family_number)
}

fn lost(set: &BackupSet, file: &BackedUpFile, pages: u64) -> Fault {
    let BackedUpFile { file_id, pages: promised, logical_name, .. } = file;
    Fault {
        kind: FaultKind::Structure,
        offset_bytes: set.data.first().map_or(0, |piece| piece.offset_bytes),
        bytes: 0,
        text: format!(
            "backup set {} says that it holds {promised} pages of file {file_id} \
             ({logical_name}), and {pages} of them are not there: overwritten by others, or zeros",
            set.position
        ),
    }
}

fn lost_beginning(set: &BackupSet, file: &BackedUpFile) -> Fault {
    let BackedUpFile { file_id, logical_name, .. } = file;
    Fault {
        kind: FaultKind::Structure,
        offset_bytes: set.data.first().map_or(0, |piece| piece.offset_bytes),
        bytes: 0,
        text: format!(
            "backup set {} has pages of file {file_id} ({logical_name}), and its first extent, \
             with the file header and the first PFS and GAM page, is not there",
            set.position
        ),
    }
}
