//! Paths in, data files out.
//!
//! Paths, directories and list files become [`DataFile`]s, identified by what they hold, never by
//! their names. Whatever is not scanned is kept as a [`Refusal`] with its reason. The outcome does
//! not depend on the order of the paths, and a file that is reached twice is scanned once.

mod holes;
pub mod identify;
pub mod paths;
mod sample;

use crate::page::address::{FileId, PageRange};
use crate::page::boot::BootPage;
use crate::page::file_header::{BindingId, FileHeader};
use identify::{Identity, Look};
use paths::{Candidate, WalkOutcome};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

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
    /// The file's id inside its database.
    pub file_id: FileId,
    /// Page 0, if it passes its own check.
    pub header: Option<FileHeader>,
    /// The boot page of its database, from this file or from the primary file in the same scan.
    pub boot: Option<BootPage>,
    /// Where the file system stores bytes, in whole extents, ascending; the rest are holes.
    pub stored: Vec<PageRange>,
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
    let mut discovery = Discovery::default();
    let mut seen = HashSet::new();
    for candidate in candidates {
        if seen.insert(candidate.identity.clone()) {
            sort_in(&mut discovery, candidate);
        }
    }
    discovery.refusals.append(&mut refusals);
    refuse_barren_directories(&mut discovery, &directories);
    discovery.files.sort_by(|a, b| a.path.cmp(&b.path));
    discovery.refusals.sort_by(|a, b| a.path.cmp(&b.path));
    discovery.skipped.sort();
    link_secondary_files(&mut discovery.files);
    discovery
}

fn sort_in(discovery: &mut Discovery, candidate: Candidate) {
    match identify::look(&candidate) {
        Look::Scannable(identity) => discovery.files.push(data_file(candidate, *identity)),
        Look::Declined { kind: FileKind::Unknown, .. } if is_foreign(&candidate) => {
            discovery.skipped.push(candidate.path);
        }
        Look::Declined { kind, why } => {
            let counts = candidate.named || kind == FileKind::Unknown;
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

/// True for a file found in a directory whose name does not promise a data file. One that is
/// called .mdf and holds something else is what a scan must not pass over in silence.
fn is_foreign(candidate: &Candidate) -> bool {
    let promises_pages = candidate
        .path
        .extension()
        .is_some_and(|e| ["mdf", "ndf"].iter().any(|known| e.eq_ignore_ascii_case(known)));
    !candidate.named && !promises_pages
}

fn data_file(candidate: Candidate, identity: Identity) -> DataFile {
    DataFile {
        path: candidate.path,
        named: candidate.named,
        kind: identity.kind,
        bytes: identity.bytes,
        device: candidate.device,
        file_id: identity.file_id,
        header: identity.header,
        boot: identity.boot,
        stored: identity.stored,
    }
}

fn refuse_barren_directories(discovery: &mut Discovery, directories: &[PathBuf]) {
    for directory in directories {
        let inside = |path: &Path| path.starts_with(directory);
        let found = discovery.files.iter().any(|file| inside(&file.path))
            || discovery.refusals.iter().any(|refusal| inside(&refusal.path));
        if !found {
            discovery.refusals.push(Refusal {
                path: directory.clone(),
                kind: FileKind::Unknown,
                failed: false,
                counts: true,
                why: "no data files in this directory; -v lists what was skipped".to_owned(),
            });
        }
    }
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
