//! Paths that the user named -> paths of files: directories are walked.

mod text;

pub use text::{from_text, text, unix_bytes};

use super::exclude::Excluded;
use super::names::{promises_database, promises_pages};
use super::{FileKind, Refusal};
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use walkdir::WalkDir;

/// The same for two paths exactly if they lead to the same file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileIdentity(Vec<u8>);

/// When a file changed last, as far as its file system tells. Nothing of a block device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileTimes {
    /// When it was written to. Whoever may write to it may put this back.
    pub modified: Option<SystemTime>,
    /// When it was written to, or anything else about it changed: its mode, owner, name or links.
    /// The file system's own, which nobody puts back.
    pub changed: Option<SystemTime>,
    /// When it was made. The number of a file that was removed is given to the next one.
    pub created: Option<SystemTime>,
}

/// A regular file or block device that may be a data file.
#[derive(Debug)]
pub struct Candidate {
    /// As given or found.
    pub path: PathBuf,
    /// Given by the user, not found in a directory.
    pub named: bool,
    /// Tells hard links and repeated paths apart from different files.
    pub identity: FileIdentity,
    /// The device that holds it.
    pub device: u64,
    /// When it changed last.
    pub times: FileTimes,
    /// Not a regular file.
    pub is_block_device: bool,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct WalkOutcome {
    /// Files to look into, named ones first.
    pub candidates: Vec<Candidate>,
    /// Paths that lead to no file.
    pub refusals: Vec<Refusal>,
    /// The directories that were named.
    pub directories: Vec<PathBuf>,
    /// Paths in directories that the user does not want.
    pub excluded: Vec<PathBuf>,
}

/// Walks `inputs`, without what is `excluded` in directories. The outcome is sorted: named paths
/// first, then those with a name of SQL Server, each part by path.
pub fn walk(inputs: &[PathBuf], excluded: &Excluded) -> WalkOutcome {
    let mut outcome = WalkOutcome::default();
    for input in inputs {
        match std::fs::metadata(input) {
            Ok(metadata) if metadata.is_dir() => walk_directory(input, excluded, &mut outcome),
            Ok(metadata) => add(input, &metadata, true, &mut outcome),
            Err(error) => outcome.refusals.push(failed(input, explain(&error))),
        }
    }
    // One file may be reached by two names: a named one must win, then one that promises more.
    let order = |candidate: &Candidate| (!candidate.named, !promises_database(&candidate.path));
    outcome.candidates.sort_by(|a, b| (order(a), &a.path).cmp(&(order(b), &b.path)));
    outcome.refusals.sort_by(|a, b| a.path.cmp(&b.path));
    outcome.refusals.dedup_by(|a, b| a.path == b.path);
    outcome.directories.sort();
    outcome.directories.dedup();
    outcome.excluded.sort();
    outcome.excluded.dedup();
    outcome
}

fn walk_directory(directory: &Path, excluded: &Excluded, outcome: &mut WalkOutcome) {
    outcome.directories.push(directory.to_owned());
    for entry in WalkDir::new(directory).follow_links(true) {
        let path = entry.as_ref().map_or_else(walkdir::Error::path, |entry| Some(entry.path()));
        let is_directory = entry.as_ref().is_ok_and(|entry| entry.file_type().is_dir());
        if let Some(path) = path.filter(|path| excluded.holds(path, directory)) {
            // The files in a directory are counted, not the directory.
            outcome.excluded.extend((!is_directory).then(|| path.to_owned()));
            continue;
        }
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => match std::fs::metadata(entry.path()) {
                Ok(metadata) => add(entry.path(), &metadata, false, outcome),
                Err(error) => outcome.refusals.push(failed(entry.path(), explain(&error))),
            },
            // What a loop leads to is walked where it really is.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => add_walk_error(&error, directory, outcome),
        }
    }
}

/// A link that leads nowhere hides no data, unless it is named like a data file: then its volume
/// may be offline. A directory that may not be read might hide anything.
fn add_walk_error(error: &walkdir::Error, directory: &Path, outcome: &mut WalkOutcome) {
    let path = error.path().unwrap_or(directory);
    let kind = error.io_error().map(io::Error::kind);
    let is_dangling_link = path.is_symlink() && kind == Some(io::ErrorKind::NotFound);
    if !is_dangling_link || promises_pages(path) {
        let why = error.io_error().map_or_else(|| error.to_string(), explain);
        outcome.refusals.push(failed(path, why));
    }
}

fn add(path: &Path, metadata: &Metadata, named: bool, outcome: &mut WalkOutcome) {
    let is_block_device = is_block_device(metadata);
    if metadata.is_file() || (is_block_device && named) {
        outcome.candidates.push(Candidate {
            path: path.to_owned(),
            named,
            identity: identity(path, metadata, is_block_device),
            device: device(metadata, is_block_device),
            times: FileTimes::of(metadata),
            is_block_device,
        });
    } else if named || promises_database(path) {
        let why = "is neither a file, a directory nor a block device (a pipe or socket?)";
        outcome.refusals.push(Refusal { failed: false, ..failed(path, why.to_owned()) });
    }
}

fn failed(path: &Path, why: String) -> Refusal {
    let (path, kind) = (path.to_owned(), FileKind::Unknown);
    Refusal { path, kind, failed: true, counts: true, why, lost: None }
}

/// The identity of what `path` leads to now.
pub fn identity_of(path: &Path) -> io::Result<FileIdentity> {
    identity_and_times_of(path).map(|(identity, _)| identity)
}

/// The same, and when it changed last.
pub(super) fn identity_and_times_of(path: &Path) -> io::Result<(FileIdentity, FileTimes)> {
    let metadata = std::fs::metadata(path)?;
    let identity = identity(path, &metadata, is_block_device(&metadata));
    Ok((identity, FileTimes::of(&metadata)))
}

impl FileTimes {
    /// Of what was found at a path.
    pub fn of(metadata: &Metadata) -> Self {
        if is_block_device(metadata) {
            return Self::default();
        }
        Self {
            modified: metadata.modified().ok(),
            changed: changed(metadata),
            created: metadata.created().ok().filter(|_| cfg!(unix)),
        }
    }

    /// False if these are the times of two files, though they may have the same number.
    pub fn may_be_of_one_file(&self, other: &Self) -> bool {
        self.created.zip(other.created).is_none_or(|(one, another)| one == another)
    }
}

/// The identity of `file`, which was opened at `path`.
pub fn identity_of_open(file: &File, path: &Path) -> io::Result<FileIdentity> {
    let metadata = file.metadata()?;
    Ok(identity(path, &metadata, is_block_device(&metadata)))
}

/// An OS error in words that say what to do next.
pub fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => {
            format!("{error}: run as a user who may read it (SQL Server's own user, or root)")
        }
        _ => error.to_string(),
    }
}

#[cfg(unix)]
fn is_block_device(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_block_device(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).ok()?;
    let since_epoch = std::time::Duration::new(seconds, nanoseconds);
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> Option<SystemTime> {
    None
}

#[cfg(unix)]
fn device(metadata: &Metadata, is_block_device: bool) -> u64 {
    use std::os::unix::fs::MetadataExt;
    if is_block_device { metadata.rdev() } else { metadata.dev() }
}

#[cfg(not(unix))]
fn device(_: &Metadata, _: bool) -> u64 {
    0
}

#[cfg(unix)]
fn identity(_: &Path, metadata: &Metadata, is_block_device: bool) -> FileIdentity {
    use std::os::unix::fs::MetadataExt;
    let (major, minor) = if is_block_device {
        (u64::MAX, metadata.rdev())
    } else {
        (metadata.dev(), metadata.ino())
    };
    FileIdentity([major.to_le_bytes(), minor.to_le_bytes()].concat())
}

#[cfg(not(unix))]
fn identity(path: &Path, _: &Metadata, _: bool) -> FileIdentity {
    let canonical = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    FileIdentity(canonical.as_os_str().as_encoded_bytes().to_vec())
}
