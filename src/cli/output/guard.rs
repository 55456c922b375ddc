//! The files that a command reads: whatever it writes, it writes over none of them.

use crate::cli::exit::Failure;
use pagescrub::discover::paths::{self, FileIdentity, identity_of, identity_of_open};
use pagescrub::discover::{Discovery, FileKind, discover};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// By device and inode, so that no link and no other path leads past it.
#[derive(Default)]
pub(crate) struct Guard {
    spared: HashSet<FileIdentity>,
}

impl Guard {
    /// Spares what a scan reads, and what it was to read and could not.
    pub(crate) fn of(discovery: &Discovery) -> Self {
        let spared = discovery.files.iter().map(|file| file.identity.clone()).collect();
        let refused = discovery.refusals.iter().map(|refusal| &*refusal.path);
        Self { spared }.and(refused)
    }

    /// Spares what is at `paths`, too.
    pub(crate) fn and<'a>(mut self, paths: impl IntoIterator<Item = &'a Path>) -> Self {
        self.spared.extend(paths.into_iter().filter_map(|path| identity_of(path).ok()));
        self
    }

    /// Refuses `path` if it leads to one of the files.
    pub(crate) fn refuse(&self, path: &Path) -> Result<(), Failure> {
        if identity_of(path).is_ok_and(|identity| self.spared.contains(&identity)) {
            return Err(Failure::usage(format!(
                "{} is one of the files to read: give another name",
                paths::text(path)
            )));
        }
        Ok(())
    }

    /// As [`Self::refuse`], when it comes to writing.
    pub(super) fn refuse_late(&self, path: &Path) -> io::Result<()> {
        spared(identity_of(path).is_ok_and(|identity| self.spared.contains(&identity)))
    }

    /// As [`Self::refuse_late`], of a file that is open.
    pub(super) fn refuse_open(&self, file: &File, path: &Path) -> io::Result<()> {
        spared(self.spared.contains(&identity_of_open(file, path)?))
    }
}

fn spared(is_spared: bool) -> io::Result<()> {
    let why = "it has become one of the files that were read";
    if is_spared { Err(io::Error::other(why)) } else { Ok(()) }
}

/// True if the file at `path` is a database file, whatever its name, scanned or not.
pub(super) fn is_database(path: &Path) -> bool {
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) {
        return false;
    }
    let found = discover(&[path.to_owned()]);
    !found.files.is_empty() || found.refusals.iter().any(|r| r.kind != FileKind::Unknown)
}
