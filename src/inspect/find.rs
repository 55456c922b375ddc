//! Paths in, the files of one database out: data files, or the parts of one backup set.

use crate::backup::BackupSet;
use crate::backup::compressed;
use crate::backup::source::{ReadAt, SizedFile};
use crate::consolidate::backup::kind_words;
use crate::discover::exclude::Excluded;
use crate::discover::paths::{self, explain};
use crate::discover::{DataFile, Discovery, FileKind, discover_without};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Backup sets named at most where one has to be chosen.
const SETS_NAMED_MAX: usize = 20;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// A data file, or a backup.
    pub path: &'a Path,
    /// Other files of the same database, or members of the same striped backup.
    pub with: &'a [PathBuf],
    /// Of a backup of several sets: the position of the one, as in RESTORE ... WITH FILE = n.
    pub set: Option<u32>,
}

/// Why what was asked for cannot be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// It is not there, or has to be chosen.
    Choose(String),
    /// It could not be read, or has no pages.
    Failed(String),
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Choose(text) | Self::Failed(text)) = self;
        f.write_str(text)
    }
}

/// The data files, or parts of data files, of the database of which `asked` names a file; those of
/// that file first. With `each_extent` no place in a backup is told by the places around it.
pub(super) fn files(asked: Asked<'_>, each_extent: bool) -> Result<Vec<DataFile>, NotOpened> {
    let paths: Vec<PathBuf> = std::iter::once(asked.path)
        .chain(asked.with.iter().map(PathBuf::as_path))
        .map(Path::to_owned)
        .collect();
    let mut discovery = discover_without(&paths, &Excluded::default(), &|_| None);
    if each_extent {
        discovery = discovery.with_each_extent(&|_| None);
    }
    refuse(&discovery)?;
    unpack(&mut discovery)?;
    let own = own(asked, &discovery)?;
    let mut files: BTreeMap<_, DataFile> = BTreeMap::new();
    for file in &own {
        files.entry(file.file_id).or_insert_with(|| (*file).clone());
    }
    for other in discovery.files.iter().filter(|other| other.path != asked.path) {
        if other.has_pages() && is_one_database(own[0], other)? {
            files.entry(other.file_id).or_insert_with(|| other.clone());
        }
    }
    let is_other = |file: &DataFile| file.path != asked.path;
    let mut files: Vec<DataFile> = files.into_values().collect();
    files.sort_by_key(|file| (is_other(file), file.file_id));
    Ok(files)
}

/// A file that is named and cannot be looked into must not be passed over.
fn refuse(discovery: &Discovery) -> Result<(), NotOpened> {
    let Some(refusal) = discovery.refusals.first() else { return Ok(()) };
    Err(NotOpened::Failed(format!("{}: {}", paths::text(&refusal.path), refusal.why)))
}

/// Puts what compressed backups unpack to in their places.
fn unpack(discovery: &mut Discovery) -> Result<(), NotOpened> {
    let is_packed =
        |file: &&DataFile| file.kind == FileKind::CompressedBackup && file.backup.is_some();
    let packed: Vec<DataFile> = discovery.files.iter().filter(is_packed).cloned().collect();
    for file in &packed {
        let failed = |why: &str| {
            NotOpened::Failed(format!("{}: cannot be unpacked: {why}", paths::text(&file.path)))
        };
        let records = records(file).map_err(|error| failed(&explain(&error)))?;
        discovery.unpack(&file.path, &records, &|_| None);
        if let Some((_, why)) = discovery.not_unpacked.first() {
            return Err(failed(why));
        }
    }
    Ok(())
}

/// Where the records of the compressed backup `file` are.
fn records(file: &DataFile) -> io::Result<compressed::Verified> {
    let source = SizedFile::new(File::open(&file.path)?, file.bytes);
    let mut read = |offset: u64, bytes: &mut [u8]| source.read_exact_at(offset, bytes);
    Ok(compressed::verify(&mut read, file.bytes, &mut |_| true))
}

/// The file that is asked for, or its parts in the backup set that is: at least one.
fn own<'a>(asked: Asked<'_>, discovery: &'a Discovery) -> Result<Vec<&'a DataFile>, NotOpened> {
    let shown = paths::text(asked.path);
    let of_path = discovery.files.iter().filter(|file| file.path == asked.path);
    let all: Vec<&DataFile> = of_path.filter(|file| file.has_pages()).collect();
    let sets: BTreeMap<u32, &BackupSet> = all
        .iter()
        .filter_map(|file| file.part.as_ref().map(|part| (part.set().position, part.set())))
        .collect();
    let why = match (all.is_empty(), asked.set) {
        (true, _) if asked.path.is_dir() => "is a directory: name a file in it".to_owned(),
        (true, _) => "has no pages of a data file in it".to_owned(),
        (_, Some(set)) if !sets.contains_key(&set) => {
            format!("has no backup set {set} with pages{}", named(&sets))
        }
        (_, None) if sets.len() > 1 => {
            format!("has several backup sets with pages: choose one by --set{}", named(&sets))
        }
        _ => {
            let is_own = |file: &&DataFile| {
                let position = file.part.as_ref().map(|part| part.set().position);
                asked.set.is_none() || position == asked.set
            };
            return Ok(all.into_iter().filter(is_own).collect());
        }
    };
    let failure = if all.is_empty() { NotOpened::Failed } else { NotOpened::Choose };
    Err(failure(format!("{shown} {why}")))
}

/// The sets in words.
fn named(sets: &BTreeMap<u32, &BackupSet>) -> String {
    let words = |(position, set): (&u32, &&BackupSet)| {
        let date = set.started.map(|date| format!(" of {date}")).unwrap_or_default();
        format!("{position} ({} of {}{date})", kind_words(set.kind), set.database)
    };
    let words: Vec<String> = sets.iter().take(SETS_NAMED_MAX).map(words).collect();
    let more = if sets.len() > SETS_NAMED_MAX { ", ..." } else { "" };
    if words.is_empty() { String::new() } else { format!(": {}{more}", words.join(", ")) }
}

/// True if `other` is of the same database, or of the same backup set, as `own`; an error if it is
/// of another one, or may be taken for `own`.
fn is_one_database(own: &DataFile, other: &DataFile) -> Result<bool, NotOpened> {
    let shown = paths::text(&other.path);
    if let Some(set) = own.set_key() {
        return Ok(other.set_key() == Some(set));
    }
    let database = |file: &DataFile| file.header.as_ref().map(|header| header.binding_id);
    let is_other = database(own).zip(database(other)).is_some_and(|(own, other)| own != other);
    let why = match (other.part.is_some() || is_other, own.file_id == other.file_id) {
        (true, _) => format!("is of another database than {}", paths::text(&own.path)),
        (_, true) => format!("has the same file id as {}: {}", paths::text(&own.path), own.file_id),
        _ => return Ok(true),
    };
    Err(NotOpened::Choose(format!("{shown} {why}")))
}
