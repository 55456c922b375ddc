//! Short names for files: the file name where it is the only one, else the path; in a merged report
//! after the name of the machine.

use super::escape::terminal as safe;
use crate::consolidate::report::{FileReport, ScrubReport};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A file, by the machine that scanned it and its path.
pub type FileKey<'a> = (Option<&'a str>, &'a str);

/// The names of all files of a report, safe to show.
pub(super) struct FileNames<'a>(BTreeMap<FileKey<'a>, String>);

impl<'a> FileNames<'a> {
    pub(super) fn of(report: &'a ScrubReport) -> Self {
        let files = report.files.iter().map(|file| (file.host.as_deref(), &*file.path));
        let suspects = report.suspects.iter().map(|s| (s.host.as_deref(), &*s.path));
        let keys: BTreeSet<FileKey<'_>> = files.chain(suspects).collect();
        let mut uses: BTreeMap<(Option<&str>, String), usize> = BTreeMap::new();
        for (host, path) in &keys {
            *uses.entry((*host, file_name(path))).or_default() += 1;
        }
        let short = |host, path: &str| match uses.get(&(host, file_name(path))) {
            Some(1) => file_name(path),
            _ => path.to_owned(),
        };
        let named = |key: FileKey<'a>| (key, safe(&with_host(key.0, &short(key.0, key.1))).into());
        Self(keys.into_iter().map(named).collect())
    }

    /// The name of the file at `path` on `host`.
    pub(super) fn name(&self, host: Option<&str>, path: &str) -> String {
        let known = self.0.get(&(host, path)).cloned();
        known.unwrap_or_else(|| safe(&with_host(host, path)).into())
    }

    /// The files of `host` by path, with their names.
    pub(super) fn known(&self, host: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
        let is_there = move |((of, _), _): &(&FileKey<'_>, &String)| *of == host;
        self.0.iter().filter(is_there).map(|((_, path), name)| (*path, name.as_str()))
    }
}

/// ` (set 1, file 3)` of pages in a backup, else nothing.
pub(super) fn part_words(file: &FileReport) -> String {
    let part = file.key().2;
    part.map_or_else(String::new, |(set, file)| format!(" (set {set}, file {file})"))
}

fn with_host(host: Option<&str>, name: &str) -> String {
    host.map_or_else(|| name.to_owned(), |host| format!("{host}:{name}"))
}

/// The file name in `path`.
pub(super) fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name();
    name.map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}
