//! The databases as rows of a table, and how one of them and its files are called.

use super::back::{reaches, way_words};
use super::names::{Names, name_of};
use crate::consolidate::report::RunVerdict;
use crate::consolidate::report::database::{DatabaseFile, DatabaseReport, FileState};
use crate::report::terminal::layout::{counted, number};

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
