//! Short names for files: the file name where it is the only one, else the path.

use super::super::terminal::layout::file_name;
use super::safe;
use crate::consolidate::report::ScrubReport;
use std::collections::{BTreeMap, BTreeSet};

/// The names of all files of a report, safe to show.
pub(super) struct Names<'a>(BTreeMap<&'a str, String>);

impl<'a> Names<'a> {
    pub(super) fn of(report: &'a ScrubReport) -> Self {
        let files = report.files.iter().map(|file| &*file.path);
        let suspects = report.suspects.iter().map(|suspect| &*suspect.path);
        let paths: BTreeSet<&str> = files.chain(suspects).collect();
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for path in &paths {
            *uses.entry(file_name(path)).or_default() += 1;
        }
        let name = |path: &str| match uses.get(&file_name(path)) {
            Some(1) => safe(&file_name(path)).into_owned(),
            _ => safe(path).into_owned(),
        };
        Self(paths.into_iter().map(|path| (path, name(path))).collect())
    }

    /// The name of `path`.
    pub(super) fn name(&self, path: &str) -> String {
        self.0.get(path).cloned().unwrap_or_else(|| safe(path).into_owned())
    }
}
