//! Pages that a backup set says it has and that are not here, because the backup was cut or members
//! of it are missing: they are planned, and will not be reached.
//!
//! A set that is whole may have fewer pages than it says: a busy server plans more than it writes.

use super::{BackupFile, Part, SetKey};
use crate::backup::layout::{Layout, PageRuns};
use crate::discover::DataFile;
use crate::page::address::FileId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// More members than this no media set has.
pub(crate) const MEMBERS_MAX: u16 = 64;

/// What is known of a backup set over all of its members.
struct Promise {
    members: BTreeSet<u16>,
    of: u16,
    /// Nothing is known to be missing in any member.
    is_whole: bool,
    /// Pages by file id.
    pages: BTreeMap<u16, u32>,
    /// The first member: its index among the files, and that of the set in it.
    first: (u16, usize, usize),
}

impl Promise {
    fn is_kept(&self) -> bool {
        let all = (1..=self.of.min(MEMBERS_MAX)).all(|number| self.members.contains(&number));
        self.is_whole && all
    }
}

/// Tells parts of backups how many pages there should be; a file of which there are none gets a
/// part without pages, behind the others. May be called again after `files` have changed.
pub(in crate::discover) fn promise(files: &mut Vec<DataFile>) {
    files.retain(|file| file.part.as_ref().is_none_or(|part| part.runs.pages() > 0));
    for part in files.iter_mut().filter(|file| file.part.is_some()) {
        part.promise.pages = 0;
    }
    let mut promises = promises(files);
    promises.retain(|_, promise| !promise.is_kept());
    if promises.is_empty() {
        return;
    }
    let here = pages_here(files);
    let mut absent = Vec::new();
    for (key, promise) in promises {
        for (file_id, pages) in &promise.pages {
            let parts = here.get(&(key.clone(), *file_id));
            let held: u64 = parts.map_or(0, |parts| parts.values().map(|part| part.0).sum());
            let missing = u64::from(*pages).saturating_sub(held);
            match parts.and_then(|parts| parts.values().next()) {
                _ if missing == 0 => {}
                Some((held, index)) => {
                    let pages = u32::try_from(held.saturating_add(missing));
                    files[*index].promise.pages = pages.unwrap_or(u32::MAX);
                }
                None => absent.push(absent_part(files, promise.first, *file_id, *pages)),
            }
        }
    }
    files.extend(absent.into_iter().flatten());
}

/// Of all sets that describe themselves.
fn promises(files: &[DataFile]) -> BTreeMap<SetKey, Promise> {
    let mut promises: BTreeMap<SetKey, Promise> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let Some(backup) = &file.backup else { continue };
        let family = backup.media.family.as_ref();
        let (number, of) = family.map_or((0, 0), |f| (f.family_number, f.family_count));
        for (at, set) in backup.media.sets.iter().enumerate() {
            let key = SetKey::of(&backup.media, set, &file.path);
            let first = (number, index, at);
            let promise = promises.entry(key).or_insert_with(|| Promise {
                members: BTreeSet::new(),
                of,
                is_whole: true,
                pages: BTreeMap::new(),
                first,
            });
            promise.members.insert(number);
            promise.is_whole &= backup.is_set_whole(at);
            promise.first = promise.first.min(first);
            for file in set.files.iter().filter(|file| !file.is_log && file.pages > 0) {
                let pages = promise.pages.entry(file.file_id).or_default();
                *pages = file.pages.max(*pages);
            }
        }
    }
    promises
}

/// By set and file: the pages of each member, and which of the files has them. A member that is
/// there twice counts once.
type PagesHere = BTreeMap<(SetKey, u16), BTreeMap<u16, (u64, usize)>>;

fn pages_here(files: &[DataFile]) -> PagesHere {
    let mut here = PagesHere::new();
    for (index, file) in files.iter().enumerate() {
        let (Some(part), Some(key)) = (&file.part, file.set_key()) else { continue };
        let member = part.backup.media.family.as_ref().map_or(0, |family| family.family_number);
        let members = here.entry((key, file.file_id.0)).or_default();
        let found = members.entry(member).or_insert((0, index));
        if part.runs.pages() > found.0 {
            *found = (part.runs.pages(), index);
        }
    }
    here
}

fn absent_part(
    files: &[DataFile],
    (_, index, set): (u16, usize, usize),
    file_id: u16,
    pages: u32,
) -> Option<DataFile> {
    let whole = &files[index];
    let runs = Arc::new(PageRuns::default());
    let layout = Layout::Runs(Arc::clone(&runs));
    let backup = Arc::clone(whole.backup.as_ref()?);
    Some(DataFile {
        file_id: FileId(file_id),
        promise: crate::discover::promised::Promise { pages, unused_pages: 0 },
        backup: None,
        part: Some(Part { backup, set, layout, runs, siblings: Arc::new([]) }),
        ..whole.clone()
    })
}

impl BackupFile {
    /// Nothing is known to be missing in set `index`: its end is there, and all between.
    pub(crate) fn is_set_whole(&self, index: usize) -> bool {
        let is_lossless = self.records.as_ref().is_none_or(|records| records.lost().is_empty());
        let is_whole = self.media.sets.get(index).is_some_and(|set| {
            let pieces = set.data.iter().chain(&set.logs);
            set.is_complete
                && !set.has_gap
                && pieces.into_iter().all(|piece| piece.bytes == piece.promised_bytes)
        });
        is_lossless && is_whole
    }
}
