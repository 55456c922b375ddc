//! How much of a database, or of a backup set, could be verified: "clean" says nothing of pages
//! that carry neither a checksum nor torn bits.
//!
//! A healthy file has unprotected pages too, and a small secondary file may have no others. So
//! what counts is the database, or the backup set over all of its members.

use super::backup::{BackupReport, SetReport};
use super::report::{FileReport, folder};
use super::tally::Verified;
use crate::backup::BackupKind;
use crate::discover::FileKind;
use std::collections::BTreeMap;

/// A database or a backup set of a report: what is verified, or not, as a whole.
#[derive(Debug)]
pub struct Unit<'a> {
    /// Its first entry among the files.
    pub file: &'a FileReport,
    /// Of a backup: its set there.
    pub set: Option<&'a SetReport>,
    /// How much of it could be verified.
    pub verified: Verified,
    /// Nothing of it is damaged, missing or not read.
    pub is_whole: bool,
    /// The report says of it how much was verified; those of earlier versions do not.
    is_told: bool,
}

impl Unit<'_> {
    /// It was read whole, and nothing was there to verify it by.
    pub fn is_unverified(&self) -> bool {
        self.is_told && self.is_whole && self.verified == Verified::Nothing
    }

    /// It is log that was read whole and carries no checksums.
    pub fn is_structure_only(&self) -> bool {
        self.is_told && self.is_whole && self.verified == Verified::Structure
    }
}

/// The id of a database's primary file.
const PRIMARY_FILE: u16 = 1;

type Host<'a> = Option<&'a str>;

/// Tells units apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    /// By the path of its primary file, or of a file that has none here.
    Database(Host<'a>, &'a str),
    /// By the path and the position, of one file.
    Set(Host<'a>, &'a str, u32),
    /// By its GUID, of several members.
    Striped(Host<'a>, &'a str),
}

/// The databases and backup sets among `files`.
pub fn units(files: &[FileReport]) -> impl Iterator<Item = Unit<'_>> {
    Units::of(files).0.into_values()
}

struct Units<'a>(BTreeMap<Key<'a>, Unit<'a>>);

impl<'a> Units<'a> {
    fn of(files: &'a [FileReport]) -> Self {
        let keys = Keys::of(files);
        let mut units = Self(BTreeMap::new());
        for file in files {
            for set in file.backup.iter().flat_map(|backup| &backup.sets) {
                units.add(keys.of_set(file, set.position), file, Some(set));
            }
            if let Some(key) = keys.of_pages(file) {
                units.add(key, file, None);
            }
        }
        units
    }

    fn add(&mut self, key: Key<'a>, file: &'a FileReport, set: Option<&'a SetReport>) {
        let backup = file.backup.as_ref();
        let verified = match backup.zip(set) {
            Some((backup, set)) => of_set(backup, set),
            None => of_pages(file),
        };
        let is_sound = |b: &BackupReport| b.fault_count() == 0 && !b.is_incomplete();
        let is_whole = file.coverage.suspect == 0
            && file.coverage.not_reached == 0
            && backup.is_none_or(is_sound);
        let first = Unit { file, set, verified, is_whole: true, is_told: true };
        let unit = self.0.entry(key).or_insert(first);
        unit.set = unit.set.or(set);
        unit.verified = unit.verified.max(verified);
        unit.is_whole &= is_whole;
        unit.is_told &= file.verified.is_some();
    }

    fn verified(&self, key: Key<'_>) -> Verified {
        self.0.get(&key).map_or(Verified::Nothing, |unit| unit.verified)
    }
}

fn of_pages(file: &FileReport) -> Verified {
    // Pages that were bad first and then good pass their checks, too.
    let pages = file.coverage.intact.saturating_add(file.coverage.transient);
    if pages > 0 { Verified::Pages } else { Verified::Nothing }
}

/// Without its pages, which have entries of their own. A file tells how many of its streams pass,
/// not which: those of a set do that was taken WITH CHECKSUM, or if there are no others.
fn of_set(backup: &BackupReport, set: &SetReport) -> Verified {
    let has_checksum = set.has_checksum.unwrap_or(backup.streams_without_checksum == 0);
    match set.kind {
        _ if backup.records_verified > 0 => Verified::Streams,
        _ if has_checksum && backup.streams_verified > 0 => Verified::Streams,
        BackupKind::Log => Verified::Structure,
        _ => Verified::Nothing,
    }
}

/// What tells where a file belongs.
struct Keys<'a> {
    /// Paths of primary files.
    primaries: BTreeMap<(Host<'a>, &'a str), Vec<&'a str>>,
    /// Sets with several members.
    striped: BTreeMap<(Host<'a>, &'a str, u32), Key<'a>>,
}

impl<'a> Keys<'a> {
    fn of(files: &'a [FileReport]) -> Self {
        let (mut primaries, mut striped) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::new());
        for file in files {
            let (host, path) = (file.host.as_deref(), &*file.path);
            if let Some(id) = file.binding_id.as_deref().filter(|_| is_primary(file)) {
                primaries.entry((host, id)).or_default().push(path);
            }
            for set in file.backup.iter().filter(|b| b.members > 1).flat_map(|b| &b.sets) {
                if let Some(id) = set.set_id.as_deref() {
                    striped.insert((host, path, set.position), Key::Striped(host, id));
                }
            }
        }
        Self { primaries, striped }
    }

    fn of_set(&self, file: &'a FileReport, position: u32) -> Key<'a> {
        let (host, path) = (file.host.as_deref(), &*file.path);
        let striped = self.striped.get(&(host, path, position)).copied();
        striped.unwrap_or(Key::Set(host, path, position))
    }

    /// Of a file that has pages which were to be verified.
    fn of_pages(&self, file: &'a FileReport) -> Option<Key<'a>> {
        match file.backup_set {
            _ if !file.has_pages() => None,
            Some(position) => Some(self.of_set(file, position)),
            None => Some(Key::Database(file.host.as_deref(), self.primary_path(file))),
        }
    }

    /// That of the primary file in its own folder, or else of the only one: copies of a database
    /// have the same binding id.
    fn primary_path(&self, file: &'a FileReport) -> &'a str {
        let (host, path) = (file.host.as_deref(), &*file.path);
        let id = file.binding_id.as_deref().filter(|_| !is_primary(file));
        let known = id.and_then(|id| self.primaries.get(&(host, id)));
        let is_near = |other: &&&str| folder(other) == folder(path);
        match known.map(Vec::as_slice) {
            Some([only]) => only,
            Some(many) => many.iter().find(is_near).copied().unwrap_or(path),
            None => path,
        }
    }
}

fn is_primary(file: &FileReport) -> bool {
    file.kind == FileKind::Data && file.file_id == Some(PRIMARY_FILE)
}

/// What was verified of the database or set of each entry of a report; of a backup, of the set of
/// which least was, and of each set.
pub fn of_each(files: &[FileReport]) -> Vec<(Verified, Vec<Verified>)> {
    let (units, keys) = (Units::of(files), Keys::of(files));
    let of_file = |file: &FileReport| {
        let of_set = |set: &SetReport| units.verified(keys.of_set(file, set.position));
        let sets = file.backup.iter().flat_map(|backup| &backup.sets).map(of_set);
        let sets: Vec<Verified> = sets.collect();
        let own = keys.of_pages(file).map(|key| units.verified(key));
        (own.or(sets.iter().min().copied()).unwrap_or(Verified::Nothing), sets)
    };
    files.iter().map(of_file).collect()
}

/// Writes [`of_each`] into `files`; not into those that were never asked, in reports of earlier
/// versions.
pub fn tell(files: &mut [FileReport]) {
    let told = of_each(files);
    for (file, (verified, sets)) in files.iter_mut().zip(told) {
        if file.verified.is_some() {
            file.verified = Some(verified);
            let own = file.backup.iter_mut().flat_map(|backup| &mut backup.sets);
            own.zip(sets).for_each(|(set, verified)| set.verified = Some(verified));
        }
    }
}
