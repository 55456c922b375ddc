//! Paths in, data files out.
//!
//! Paths, directories and list files become [`DataFile`]s, identified by what they hold, never by
//! their names. Whatever is not scanned is kept as a [`Refusal`] with its reason. The outcome does
//! not depend on the order of the paths, and a file that is reached twice is scanned once.

pub mod device;
mod holes;
pub mod identify;
pub mod paths;
mod promised;
pub(crate) mod sample;

use crate::page::address::{FileId, PageRange};
use crate::page::boot::BootPage;
use crate::page::file_header::{BindingId, FileHeader};
use identify::{Identity, Look};
use paths::{Candidate, FileIdentity, WalkOutcome, promises_pages};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::SystemTime;

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
    /// [`FileKind::Data`] or [`FileKind::Log`].
    pub kind: FileKind,
    /// Size in bytes; for a block device, the part that a database covers.
    pub bytes: u64,
    /// The device that holds it, as the operating system numbers it.
    pub device: u64,
    /// When it was last written to; `None` for a block device, which does not tell.
    pub modified: Option<SystemTime>,
    /// The file's id inside its database.
    pub file_id: FileId,
    /// Page 0, if it passes its own check.
    pub header: Option<FileHeader>,
    /// The boot page of its database, from this file or from the primary file in the same scan.
    pub boot: Option<BootPage>,
    /// Pages that the file should have by its own word; 0 if nothing in it can be believed.
    pub promised_pages: u32,
    /// Tells the file from another one that takes its place during the scan.
    pub identity: FileIdentity,
    /// Where the file system stores bytes, in whole extents, ascending; the rest are holes.
    pub stored: Vec<PageRange>,
}

impl DataFile {
    /// The file that begins its database: it has the boot page and the system tables.
    pub fn is_primary(&self) -> bool {
        self.kind == FileKind::Data && self.file_id == PRIMARY_FILE
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
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// What to scan, by path.
    pub files: Vec<DataFile>,
    /// What not, by path.
    pub refusals: Vec<Refusal>,
    /// Files in directories that have nothing to do with databases, by path.
    pub skipped: Vec<PathBuf>,
}

/// Finds the data files behind `inputs` (files, directories, block devices).
pub fn discover(inputs: &[PathBuf]) -> Discovery {
    let WalkOutcome { candidates, mut refusals, directories } = paths::walk(inputs);
    let reached: Vec<PathBuf> = candidates.iter().map(|c| c.path.clone()).collect();
    let mut discovery = Discovery::default();
    let mut seen = HashSet::new();
    for candidate in candidates {
        if seen.insert(candidate.identity.clone()) {
            sort_in(&mut discovery, candidate);
        }
    }
    discovery.refusals.append(&mut refusals);
    refuse_barren_directories(&mut discovery, &directories, &reached);
    discovery.files.sort_by(|a, b| a.path.cmp(&b.path));
    discovery.refusals.sort_by(|a, b| a.path.cmp(&b.path));
    discovery.skipped.sort();
    link_secondary_files(&mut discovery.files);
    discovery
}

fn sort_in(discovery: &mut Discovery, candidate: Candidate) {
    match identify::look(&candidate) {
        Look::Scannable(identity) => discovery.files.push(data_file(candidate, *identity)),
        Look::Declined { kind: FileKind::Unknown, .. }
            if !candidate.named && !promises_pages(&candidate.path) =>
        {
            discovery.skipped.push(candidate.path);
        }
        Look::Declined { kind, why } => {
            let counts = candidate.named || promises_pages(&candidate.path);
            let path = candidate.path;
            discovery.refusals.push(Refusal { path, kind, failed: false, counts, why });
        }
        Look::Failed { why } => {
            let kind = FileKind::Unknown;
            let path = candidate.path;
            discovery.refusals.push(Refusal { path, kind, failed: true, counts: true, why });
        }
    }
}

fn data_file(candidate: Candidate, identity: Identity) -> DataFile {
    DataFile {
        path: candidate.path,
        named: candidate.named,
        kind: identity.kind,
        bytes: identity.bytes,
        device: candidate.device,
        modified: candidate.modified,
        file_id: identity.file_id,
        header: identity.header,
        boot: identity.boot,
        promised_pages: identity.promised_pages,
        identity: candidate.identity,
        stored: identity.stored,
    }
}

/// A directory is barren if nothing that was `reached` in it is more than skipped.
fn refuse_barren_directories(
    discovery: &mut Discovery,
    directories: &[PathBuf],
    reached: &[PathBuf],
) {
    let skipped: HashSet<&PathBuf> = discovery.skipped.iter().collect();
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
    }));
}

/// Only the primary file has a boot page; its secondary files share its binding id.
fn link_secondary_files(files: &mut [DataFile]) {
    let primaries: HashMap<BindingId, BootPage> = files
        .iter()
        .filter_map(|file| Some((file.header.as_ref()?.binding_id, file.boot.clone()?)))
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect();
    for file in files.iter_mut().filter(|file| file.boot.is_none()) {
        let binding_id = file.header.as_ref().map(|header| header.binding_id);
        file.boot = binding_id.and_then(|id| primaries.get(&id).cloned());
    }
}
