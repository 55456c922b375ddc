//! The databases as rows of a table, and how one of them and its files are called.

use super::back::{reaches, way_words};
use crate::consolidate::report::database::{DatabaseFile, DatabaseReport, FileState};
use crate::consolidate::report::{RunVerdict, ScrubReport, base_name};
use crate::report::escape::terminal as safe;
use crate::report::file_names::{FileNames, file_name};
use crate::report::terminal::layout::{counted, number};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Missing files named for one database at most.
const MISSING_MAX: usize = 3;

/// A database in a few words, safe to show.
pub(in crate::report) struct Row {
    pub(in crate::report) name: String,
    pub(in crate::report) verdict: RunVerdict,
    /// `2 of 3 scanned, 1 cut`.
    pub(in crate::report) files: String,
    pub(in crate::report) suspects: u64,
    pub(in crate::report) with_copy: u64,
    /// Empty where nothing has to be done.
    pub(in crate::report) way_back: &'static str,
    /// To which moment its backups bring it back, or why to none.
    pub(in crate::report) reaches: String,
}

pub(super) fn rows(databases: &[DatabaseReport], names: &Names<'_>) -> Vec<Row> {
    databases.iter().map(|database| row(database, names)).collect()
}

fn row(database: &DatabaseReport, names: &Names<'_>) -> Row {
    Row {
        name: names.database(database),
        verdict: database.verdict,
        files: files(database),
        suspects: database.suspects,
        with_copy: database.suspects_with_copy,
        way_back: way_words(database),
        reaches: reaches(database),
    }
}

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

/// Of its data files.
fn files(database: &DatabaseReport) -> String {
    let count = |states: &[FileState]| {
        database.data_files().filter(|file| states.contains(&file.state)).count()
    };
    let all = database.data_files().count();
    let scanned = count(&[FileState::Scanned, FileState::Cut]);
    if count(&[FileState::Missing]) == all {
        return counted(database.backup_sets, "backup set") + " only";
    }
    let mut words = vec![match all {
        _ if scanned == all => format!("{all} scanned"),
        _ => format!("{scanned} of {all} scanned"),
    }];
    let states = [
        (FileState::Cut, "cut"),
        (FileState::Empty, "lost"),
        (FileState::Refused, "not read"),
        (FileState::Missing, "missing"),
    ];
    let others = states.map(|(state, word)| (count(&[state]), word));
    words.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")));
    words.join(", ")
}

/// Its own name, where that is known.
pub(super) fn name_of(file: &DatabaseFile) -> Option<Cow<'_, str>> {
    let path = file.path.as_deref().or(file.physical_name.as_deref());
    path.map(base_name).or(file.logical_name.as_deref()).map(safe)
}

/// `file 3, sales_2.ndf`.
fn file_words(file: &DatabaseFile) -> String {
    let id = file.file_id;
    match name_of(file) {
        Some(name) => format!("file {id}, {name}"),
        None if id == 1 => "file 1, the primary one".to_owned(),
        None => format!("file {id}"),
    }
}

/// `1 of 2 data files of sales not in this scan (file 3, sales_2.ndf)`; nothing where none is
/// missing.
pub(super) fn missing_words(database: &DatabaseReport, names: &Names<'_>) -> Option<String> {
    let missing: Vec<&DatabaseFile> = database.missing_files().collect();
    let shown = missing.iter().take(MISSING_MAX);
    let mut listed: Vec<String> = shown.map(|file| file_words(file)).collect();
    let more = missing.len().saturating_sub(MISSING_MAX);
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    let files = counted(database.data_files().count() as u64, "data file");
    let (of, many, listed) = (names.database(database), missing.len(), listed.join("; "));
    (many > 0).then(|| format!("{many} of {files} of {of} not in this scan ({listed})"))
}

/// `sales.mdf of sales (448 of 512 pages are there)` for each file that was cut.
pub(super) fn cut_words(database: &DatabaseReport, names: &Names<'_>) -> Vec<String> {
    let cut = database.data_files().filter(|file| file.state == FileState::Cut);
    let words = cut.filter_map(|file| {
        let name = names.file(database.host.as_deref(), file.path.as_deref()?);
        let of = names.database(database);
        let (seen, all) = (number(file.pages_seen), file.pages_expected.unwrap_or_default());
        Some(format!("{name} of {of} ({seen} of {} are there)", counted(all, "page")))
    });
    words.collect()
}
