//! What the user typed -> paths of files: directories are walked, list files read.

mod text;

pub use text::{from_text, text, unix_bytes};

use super::{FileKind, Refusal};
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use walkdir::WalkDir;

/// Bytes of a list file read at most: far beyond any fleet, but a bound.
const LIST_BYTES_MAX: u64 = 256 << 20;

/// The same for two paths exactly if they lead to the same file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileIdentity(Vec<u8>);

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
    /// When it was last written to; `None` for a block device, which does not tell.
    pub modified: Option<SystemTime>,
    /// Not a regular file.
    pub is_block_device: bool,
    /// Its size, as its directory has it.
    pub bytes: u64,
}

/// A file named .bak that is smaller than this holds no backup of a database.
const BACKUP_BYTES_MIN: u64 = 65_536;

impl Candidate {
    /// True if a scan must not pass over it in silence if it holds something else than its name
    /// says.
    pub fn promises(&self) -> bool {
        let is_backup = has_extension(&self.path, &["bak", "trn"]);
        promises_pages(&self.path) || (is_backup && self.bytes >= BACKUP_BYTES_MIN)
    }
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
}

/// Expands `@list.txt` and `-` (a list on stdin) among the words of a command line.
pub fn expand_lists(words: &[PathBuf], stdin: &mut dyn Read) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for word in words {
        match word.to_str() {
            Some("-") => paths.extend(read_list(stdin)?),
            Some(text) if text.starts_with('@') => {
                let list = &text[1..];
                let in_words = |e| io::Error::other(format!("cannot read list {list}: {e}"));
                paths.extend(
                    File::open(list).and_then(|mut f| read_list(&mut f)).map_err(in_words)?,
                );
            }
            _ => paths.push(word.clone()),
        }
    }
    Ok(paths)
}

/// One path per line, or separated by NUL bytes as `find -print0` does it; empty lines are
/// nothing.
fn read_list(list: &mut dyn Read) -> io::Result<Vec<PathBuf>> {
    let mut bytes = Vec::new();
    list.take(LIST_BYTES_MAX).read_to_end(&mut bytes)?;
    let separator = if bytes.contains(&0) { 0 } else { b'\n' };
    Ok(bytes
        .split(|&byte| byte == separator)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(path_of)
        .collect())
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Walks `inputs`. The outcome is sorted: named paths first, each part by path.
pub fn walk(inputs: &[PathBuf]) -> WalkOutcome {
    let mut outcome = WalkOutcome::default();
    for input in inputs {
        match std::fs::metadata(input) {
            Ok(metadata) if metadata.is_dir() => walk_directory(input, &mut outcome),
            Ok(metadata) => add(input, &metadata, true, &mut outcome),
            Err(error) => outcome.refusals.push(failed(input, explain(&error))),
        }
    }
    // A named path and a found one may be the same file under two names: named must win.
    outcome.candidates.sort_by(|a, b| (!a.named, &a.path).cmp(&(!b.named, &b.path)));
    outcome.refusals.sort_by(|a, b| a.path.cmp(&b.path));
    outcome.refusals.dedup_by(|a, b| a.path == b.path);
    outcome.directories.sort();
    outcome.directories.dedup();
    outcome
}

fn walk_directory(directory: &Path, outcome: &mut WalkOutcome) {
    outcome.directories.push(directory.to_owned());
    for entry in WalkDir::new(directory).follow_links(true) {
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
            modified: metadata.modified().ok().filter(|_| !is_block_device),
            is_block_device,
            bytes: metadata.len(),
        });
    } else if named || promises_pages(path) {
        let why = "is neither a file, a directory nor a block device (a pipe or socket?)";
        outcome.refusals.push(Refusal { failed: false, ..failed(path, why.to_owned()) });
    }
}

fn failed(path: &Path, why: String) -> Refusal {
    Refusal { path: path.to_owned(), kind: FileKind::Unknown, failed: true, counts: true, why }
}

/// True if the name of `path` says data file. One that is called .mdf and holds something else is
/// what a scan must not pass over in silence.
pub fn promises_pages(path: &Path) -> bool {
    has_extension(path, &["mdf", "ndf"])
}

fn has_extension(path: &Path, names: &[&str]) -> bool {
    path.extension().is_some_and(|e| names.iter().any(|name| e.eq_ignore_ascii_case(name)))
}

/// The identity of what `path` leads to now.
pub fn identity_of(path: &Path) -> io::Result<FileIdentity> {
    let metadata = std::fs::metadata(path)?;
    Ok(identity(path, &metadata, is_block_device(&metadata)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_lines_or_at_nul_bytes() {
        let list = |bytes: &[u8]| read_list(&mut &bytes[..]).unwrap();
        assert_eq!(list(b"/a b\r\n\n/c\n"), [PathBuf::from("/a b"), PathBuf::from("/c")]);
        assert_eq!(list(b"/a\nb\0/c\0"), [PathBuf::from("/a\nb"), PathBuf::from("/c")]);
        assert_eq!(list(b""), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_missing_list_is_an_error_that_names_it() {
        let error = expand_lists(&[PathBuf::from("@/nowhere.txt")], &mut io::empty()).unwrap_err();
        assert!(error.to_string().contains("/nowhere.txt"));
    }
}
