//! Paths in, data files out.
//!
//! Paths and directories become [`DataFile`]s, by what they hold. What is not scanned is kept as a
//! [`Refusal`] with its reason. Neither order nor repetition of paths changes the outcome.

pub mod backup;
mod content;
pub mod device;
pub mod exclude;
mod foreign;
mod head;
mod holes;
pub mod identify;
mod link;
pub mod lists;
pub mod names;
pub mod paths;
pub mod promised;
pub(crate) mod sample;

use crate::backup::compressed::{Decompressed, RecordIndex, Verified};
use crate::backup::extents::Look as ExtentLook;
use crate::backup::layout::Layout;
use crate::backup::source::{SizedFile, TurnsOf};
use crate::page::address::{FileId, PageId, PageRange};
use crate::page::boot::{BootPage, PageVerify};
use crate::page::file_header::FileHeader;
use backup::{BackupFile, FoundPart, Part, SetKey};
use content::Content;
use exclude::Excluded;
use foreign::Fate;
use identify::{Identity, Look};
use names::Name;
use paths::{Candidate, FileIdentity, FileTimes, WalkOutcome, identity_and_times_of};
use promised::Promise;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The id of a database's primary file.
const PRIMARY_FILE: FileId = FileId(1);

/// What a file is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Pages: a primary or secondary data file.
    Data,
    /// A transaction log: one page (the file header), then log blocks without page checksums.
    Log,
    /// An uncompressed backup (Microsoft Tape Format).
    Backup,
    /// A compressed backup.
    CompressedBackup,
    /// Anything else.
    Unknown,
}

/// A file that can be scanned.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// As given or found.
    pub path: PathBuf,
    /// Given by the user, not found in a directory.
    pub named: bool,
    /// All but [`FileKind::Unknown`].
    pub kind: FileKind,
    /// Size in bytes; for a block device, the part that a database covers.
    pub bytes: u64,
    /// The device that holds it, as the operating system numbers it.
    pub device: u64,
    /// When it changed last.
    pub times: FileTimes,
    /// The file's id inside its database.
    pub file_id: FileId,
    /// Page 0, if it passes its own check.
    pub header: Option<FileHeader>,
    /// The boot page of its database, from this file or from the primary file in the same scan.
    pub boot: Option<BootPage>,
    /// Pages that the file should have by its own word, or the backup by that of its set.
    pub promise: Promise,
    /// Of a data file that was cut: pages beyond its end that its last PFS page calls allocated.
    pub lost: Vec<PageRange>,
    /// Tells the file from another one that takes its place during the scan.
    pub identity: FileIdentity,
    /// Pages of which the file system stores bytes, ascending; the rest are holes.
    pub stored: Vec<PageRange>,
    /// If this is a backup as a whole: it has no pages, those are in files of their own.
    pub backup: Option<Arc<BackupFile>>,
    /// If this is the part of a data file that a backup set holds: which.
    pub part: Option<Part>,
}

impl DataFile {
    /// The file that begins its database: it has the boot page and the system tables.
    pub fn is_primary(&self) -> bool {
        self.has_pages() && self.file_id == PRIMARY_FILE
    }

    /// Its pages are those of a data file, be it in a backup.
    pub fn has_pages(&self) -> bool {
        self.kind == FileKind::Data || self.part.is_some()
    }

    /// The backup set that it is in, if it is in one.
    pub fn set_key(&self) -> Option<SetKey> {
        self.part.as_ref().map(|part| part.key(&self.path))
    }

    /// Where the records are, if it is to be read as what they unpack to.
    pub fn records(&self) -> Option<Arc<RecordIndex>> {
        let backup = self.backup.as_ref().or_else(|| Some(&self.part.as_ref()?.backup));
        backup.and_then(|backup| backup.records.clone())
    }

    /// The option in force in its database, by the backup set that it is in, else by the boot page.
    pub fn page_verify(&self) -> Option<PageVerify> {
        let by_set = self.part.as_ref().and_then(|part| part.set().page_verify);
        by_set.or_else(|| self.boot.as_ref().map(|boot| boot.page_verify))
    }

    /// True if its path still leads to it.
    pub fn is_in_its_place(&self) -> io::Result<bool> {
        let (identity, times) = identity_and_times_of(&self.path)?;
        Ok(identity == self.identity && times.may_be_of_one_file(&self.times))
    }

    /// Where its pages are.
    pub fn layout(&self) -> Layout {
        self.part.as_ref().map(|part| part.layout.clone()).unwrap_or_default()
    }

    /// The page after its last one.
    pub fn end_page(&self) -> u32 {
        match &self.part {
            Some(part) => part.runs.end(),
            None => u32::try_from(self.bytes / crate::page::PAGE_BYTES as u64).unwrap_or(u32::MAX),
        }
    }

    /// Where `page` begins in the file at its path.
    pub fn offset_bytes(&self, page: PageId) -> Option<u64> {
        let offset = self.layout().page_offset_bytes(page);
        offset.filter(|_| page.0 < self.end_page())
    }
}

/// A path that is not scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The path.
    pub path: PathBuf,
    /// What it is, as far as could be seen.
    pub kind: FileKind,
    /// True if it could not be looked at; false if it was looked at and declined.
    pub failed: bool,
    /// True if the run is incomplete without it.
    pub counts: bool,
    /// Why, in words.
    pub why: String,
    /// What it holds in place of pages, if that is nothing which is known: `empty`, `zeros`,
    /// `noise` or `unknown`.
    pub lost: Option<&'static str>,
}

/// Everything that was found.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// What to scan, by path.
    pub files: Vec<DataFile>,
    /// What not, by path.
    pub refusals: Vec<Refusal>,
    /// Files in directories that have nothing to do with databases, by path.
    pub skipped: Vec<PathBuf>,
    /// Those of them that are database snapshots.
    pub snapshots: Vec<PathBuf>,
    /// Files in directories that may hold databases and cannot be looked into, such as archives,
    /// and what each of them is, by path.
    pub not_looked_into: Vec<(PathBuf, String)>,
    /// Files in directories that the user does not want, by path.
    pub excluded: Vec<PathBuf>,
    /// Compressed backups whose records are verified, by path.
    pub verified: Vec<(PathBuf, Arc<Verified>)>,
    /// Compressed backups whose pages were asked for and could not be got at, and why, by path.
    pub not_unpacked: Vec<(PathBuf, String)>,
    /// Of backups, where extents are was not looked up for each of them.
    pub are_extents_guessed: bool,
}

impl Discovery {
    /// Puts what the compressed backup at `path` unpacks to in its place; one that does not
    /// unpack stays what it is, and it is said why.
    pub fn unpack(&mut self, path: &Path, verified: &Verified, turns_of: TurnsOf<'_>) {
        let Some(at) = self.files.iter().position(|f| f.path == path && f.backup.is_some()) else {
            return;
        };
        let index = Arc::new(verified.index.clone());
        let look = if self.are_extents_guessed { ExtentLook::Ends } else { ExtentLook::Each };
        match unpacked(&self.files[at], &index, look, turns_of) {
            Ok((backup, parts)) => {
                let whole = self.files.remove(at);
                self.files.extend(with_parts(whole, Arc::new(backup), parts));
                self.link();
            }
            // A record that is damaged is a fault, and is told as one.
            Err(error) if error.kind() == io::ErrorKind::InvalidData && verified.has_faults() => {}
            Err(error) => self.not_unpacked.push((path.to_owned(), paths::explain(&error))),
        }
    }

    /// Sorts the files, and lets them know of each other.
    fn link(&mut self) {
        backup::missing::promise(&mut self.files);
        self.files.sort_by(|a, b| (&a.path, order(a)).cmp(&(&b.path, order(b))));
        link::secondary_files(&mut self.files);
        link::stripes(&mut self.files);
    }

    /// Makes the run incomplete without what was not looked into.
    pub fn be_strict(&mut self) {
        let refusal = |(path, what): &(PathBuf, String)| Refusal {
            path: path.clone(),
            kind: FileKind::Unknown,
            failed: false,
            counts: true,
            why: not_looked_into(what),
            lost: None,
        };
        self.refusals.extend(self.not_looked_into.iter().map(refusal));
        self.refusals.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// The same, with each extent of the backups looked at.
    #[must_use]
    pub fn with_each_extent(&self, turns_of: TurnsOf<'_>) -> Self {
        let backups = self.files.iter().filter(|file| file.backup.is_some());
        let paths: Vec<PathBuf> = backups.map(|file| file.path.clone()).collect();
        let named = |path: &PathBuf| self.files.iter().any(|f| f.path == *path && f.named);
        let mut anew = find(&paths, &Excluded::default(), (ExtentLook::Each, turns_of));
        for file in &mut anew.files {
            file.named = named(&file.path);
        }
        let others = |file: &&DataFile| file.backup.is_none() && file.part.is_none();
        anew.files.extend(self.files.iter().filter(others).cloned());
        anew.refusals.extend(self.refusals.iter().cloned());
        anew.refusals.sort_by(|a, b| a.path.cmp(&b.path));
        anew.skipped.clone_from(&self.skipped);
        anew.snapshots.clone_from(&self.snapshots);
        anew.not_looked_into.clone_from(&self.not_looked_into);
        anew.excluded.clone_from(&self.excluded);
        anew.verified.clone_from(&self.verified);
        anew.not_unpacked.clone_from(&self.not_unpacked);
        for (path, verified) in &self.verified {
            anew.not_unpacked.retain(|(failed, _)| failed != path);
            anew.unpack(path, verified, turns_of);
        }
        anew.link();
        anew
    }
}

/// Finds the data files behind `inputs` (files, directories, block devices).
pub fn discover(inputs: &[PathBuf]) -> Discovery {
    discover_without(inputs, &Excluded::default(), &|_| None)
}

/// The same, without what is `excluded` in directories; each read waits for the turn of its device.
pub fn discover_without(
    inputs: &[PathBuf],
    excluded: &Excluded,
    turns_of: TurnsOf<'_>,
) -> Discovery {
    find(inputs, excluded, (ExtentLook::Ends, turns_of))
}

fn find(inputs: &[PathBuf], excluded: &Excluded, how: (ExtentLook, TurnsOf<'_>)) -> Discovery {
    let WalkOutcome { candidates, mut refusals, directories, excluded } =
        paths::walk(inputs, excluded);
    let reached: Vec<PathBuf> = candidates.iter().map(|c| c.path.clone()).collect();
    let are_extents_guessed = how.0 == ExtentLook::Ends;
    let mut discovery = Discovery { excluded, are_extents_guessed, ..Discovery::default() };
    let mut seen = HashSet::new();
    for candidate in candidates {
        if seen.insert(candidate.identity.clone()) {
            sort_in(&mut discovery, candidate, how);
        }
    }
    discovery.refusals.append(&mut refusals);
    refuse_barren_directories(&mut discovery, &directories, &reached);
    discovery.refusals.sort_by(|a, b| a.path.cmp(&b.path));
    discovery.skipped.sort();
    discovery.snapshots.sort();
    discovery.not_looked_into.sort();
    discovery.link();
    discovery
}

/// A backup before its parts, and these by set and file.
fn order(file: &DataFile) -> Option<(usize, FileId)> {
    file.part.as_ref().map(|part| (part.set, file.file_id))
}

/// What the compressed backup `file`, whose records `index` knows, unpacks to.
fn unpacked(
    file: &DataFile,
    index: &Arc<RecordIndex>,
    look: ExtentLook,
    turns_of: TurnsOf<'_>,
) -> io::Result<(BackupFile, Vec<FoundPart>)> {
    let packed = file.backup.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
    let source = SizedFile::new(std::fs::File::open(&file.path)?, file.bytes);
    let source = source.in_turns(turns_of(file.device));
    let stream = Decompressed::new(&source, index);
    backup::look_unpacked(&stream, packed, Arc::clone(index), look)
}

fn sort_in(discovery: &mut Discovery, candidate: Candidate, how: (ExtentLook, TurnsOf<'_>)) {
    let name = Name::of(&candidate.path);
    match identify::look(&candidate, how) {
        look if look.may_be_snapshot() && name.is_of_snapshot() => {
            add_snapshot(discovery, candidate);
        }
        Look::Backup(backup, parts) => add_backup(discovery, &candidate, *backup, parts),
        Look::Scannable(identity) => discovery.files.push(data_file(candidate, *identity)),
        Look::Foreign { content, bytes } => {
            add_foreign(discovery, candidate, &name, content, bytes);
        }
        Look::Declined { kind, why } => refuse(discovery, candidate, kind, why),
        Look::Failed { why } => {
            let kind = FileKind::Unknown;
            let path = candidate.path;
            let refusal = Refusal { path, kind, failed: true, counts: true, why, lost: None };
            discovery.refusals.push(refusal);
        }
    }
}

fn refuse(discovery: &mut Discovery, candidate: Candidate, kind: FileKind, why: String) {
    let path = candidate.path;
    discovery.refusals.push(Refusal { path, kind, failed: false, counts: true, why, lost: None });
}

/// What is no database file is refused if the user names it, else its name and content decide.
fn add_foreign(
    discovery: &mut Discovery,
    candidate: Candidate,
    name: &Name,
    content: Content,
    bytes: u64,
) {
    match Fate::of(name, content, bytes) {
        Fate::Skipped if !candidate.named => discovery.skipped.push(candidate.path),
        Fate::NotLookedInto(what) if candidate.named => {
            refuse(discovery, candidate, FileKind::Unknown, not_looked_into(&what));
        }
        Fate::NotLookedInto(what) => discovery.not_looked_into.push((candidate.path, what)),
        Fate::Skipped | Fate::Refused => {
            let (path, kind, why) = (candidate.path, FileKind::Unknown, content.why(bytes));
            let (counts, lost) = (true, content.lost());
            discovery.refusals.push(Refusal { path, kind, failed: false, counts, why, lost });
        }
    }
}

fn not_looked_into(what: &str) -> String {
    format!("{what}: it may hold databases, and was not looked into")
}

/// What a snapshot has not got is in its database, so it is no copy of it.
fn add_snapshot(discovery: &mut Discovery, candidate: Candidate) {
    if candidate.named {
        let why = "a database snapshot, by its name: it holds what has changed in its database \
                   since it was made, and is no copy of it; scan the database";
        refuse(discovery, candidate, FileKind::Unknown, why.to_owned());
    } else {
        discovery.snapshots.push(candidate.path.clone());
        discovery.skipped.push(candidate.path);
    }
}

/// A backup is a file without pages, and one for each data file that it has pages of.
fn add_backup(
    discovery: &mut Discovery,
    candidate: &Candidate,
    backup: BackupFile,
    parts: Vec<FoundPart>,
) {
    let backup = Arc::new(backup);
    let whole = DataFile {
        path: candidate.path.clone(),
        named: candidate.named,
        kind: backup.kind,
        bytes: backup.bytes,
        device: candidate.device,
        times: candidate.times,
        file_id: FileId(0),
        header: None,
        boot: None,
        promise: Promise::default(),
        lost: Vec::new(),
        identity: candidate.identity.clone(),
        stored: Vec::new(),
        backup: None,
        part: None,
    };
    discovery.files.extend(with_parts(whole, backup, parts));
}

/// A backup, and its parts.
fn with_parts(
    whole: DataFile,
    backup: Arc<BackupFile>,
    parts: Vec<FoundPart>,
) -> impl Iterator<Item = DataFile> {
    let whole = DataFile { backup: Some(Arc::clone(&backup)), ..whole };
    let unpacked = whole.clone();
    let part = move |found: FoundPart| DataFile {
        file_id: found.file_id,
        header: found.header,
        boot: found.boot,
        stored: found.runs.ranges(),
        backup: None,
        part: Some(Part {
            backup: Arc::clone(&backup),
            set: found.set,
            layout: Layout::Runs(Arc::clone(&found.runs)),
            runs: found.runs,
            siblings: Arc::new([]),
        }),
        ..whole.clone()
    };
    parts.into_iter().map(part).chain([unpacked])
}

fn data_file(candidate: Candidate, identity: Identity) -> DataFile {
    DataFile {
        path: candidate.path,
        named: candidate.named,
        kind: identity.kind,
        bytes: identity.bytes,
        device: candidate.device,
        times: candidate.times,
        file_id: identity.file_id,
        header: identity.header,
        boot: identity.boot,
        promise: identity.promise,
        lost: identity.lost,
        identity: candidate.identity,
        stored: identity.stored,
        backup: None,
        part: None,
    }
}

/// A directory is barren if nothing that was `reached` in it is more than skipped.
fn refuse_barren_directories(
    discovery: &mut Discovery,
    directories: &[PathBuf],
    reached: &[PathBuf],
) {
    let not_looked_into = discovery.not_looked_into.iter().map(|(path, _)| path);
    let skipped: HashSet<&PathBuf> = discovery.skipped.iter().chain(not_looked_into).collect();
    let is_barren = |directory: &&PathBuf| {
        let inside = |path: &&PathBuf| path.starts_with(directory);
        let refused = discovery.refusals.iter().any(|refusal| inside(&&refusal.path));
        !refused && reached.iter().filter(inside).all(|path| skipped.contains(path))
    };
    let barren: Vec<PathBuf> = directories.iter().filter(is_barren).cloned().collect();
    discovery.refusals.extend(barren.into_iter().map(|path| Refusal {
        path,
        kind: FileKind::Unknown,
        failed: false,
        counts: true,
        why: "no data files in this directory; -v lists what was skipped".to_owned(),
        lost: None,
    }));
}

#[cfg(test)]
pub(crate) mod tests;
