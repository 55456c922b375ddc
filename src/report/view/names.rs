//! What databases and files are called in the answer.

use crate::consolidate::report::database::{DatabaseFile, DatabaseReport};
use crate::consolidate::report::{ScrubReport, base_name};
use crate::report::escape::terminal as safe;
use crate::report::file_names::{FileNames, file_name};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Names in one remark at most.
const NAMES_MAX: usize = 3;

/// What databases and files are called. All of it is safe to show.
pub(super) struct Names<'a> {
    files: FileNames<'a>,
    /// How many databases of a machine have a name.
    uses: BTreeMap<(Option<&'a str>, Option<&'a str>), usize>,
}

impl<'a> Names<'a> {
    pub(super) fn of(report: &'a ScrubReport) -> Self {
        let mut uses = BTreeMap::new();
        for database in &report.databases {
            *uses.entry((database.host.as_deref(), database.name.as_deref())).or_default() += 1;
        }
        Self { files: FileNames::of(report), uses }
    }

    /// `sales on web01`; with a file where others have the same name, or it has none.
    pub(super) fn database(&self, database: &DatabaseReport) -> String {
        let (host, name) = (database.host.as_deref(), database.name.as_deref());
        let is_known = name.is_some() && self.uses.get(&(host, name)).is_none_or(|n| *n < 2);
        let path = database.files.iter().find_map(|file| file.path.as_deref());
        let file = path.filter(|_| !is_known).map(|path| format!("({})", file_name(path)));
        let on = host.map(|host| format!("on {host}"));
        let words = [name.map(str::to_owned), file, on].into_iter().flatten();
        safe(&words.collect::<Vec<_>>().join(" ")).into_owned()
    }

    pub(super) fn file(&self, host: Option<&str>, path: &str) -> String {
        self.files.name(host, path)
    }

    /// `text` with short names for the paths in it.
    pub(super) fn shortened(&self, database: &DatabaseReport, text: &str) -> String {
        let known = self.files.known(database.host.as_deref());
        let text = known.fold(text.to_owned(), |text, (path, name)| text.replace(path, name));
        safe(&text).into_owned()
    }
}

/// Its own name, where that is known.
pub(super) fn name_of(file: &DatabaseFile) -> Option<Cow<'_, str>> {
    let path = file.path.as_deref().or(file.physical_name.as_deref());
    path.map(base_name).or(file.logical_name.as_deref()).map(safe)
}

/// `a, b, c and 4 more`.
pub(super) fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let shown = names.take(NAMES_MAX).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
