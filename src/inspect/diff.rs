//! Two copies of one data file held against each other, page by page: data files, parts of backups,
//! members of an availability group (docs/page-format.md, sections 5.5 and 5.6).
//!
//! Both are read in the same order, many pages at a time by several threads, and nothing is kept
//! but counts, runs of pages that differ, and what is wrong. Pages of one LSN must be the same,
//! byte by byte; of two LSNs the larger one is newer.

mod class;
mod compare;
mod found;
mod owners;
mod pair;
mod relation;
pub mod report;
mod side;
mod summary;
mod walk;

pub use class::{Class, Counts};
pub use relation::Relation;

use super::find::{self, Asked, NotOpened};
use super::image::Image;
use crate::consolidate::report::Tool;
use crate::discover::DataFile;
use crate::page::address::FileId;
use crate::scrub::Progress;
use crate::verify::engine::Engine;
use owners::Names;
use pair::{Compared, Pair};
use report::{Diff, SCHEMA};
use std::collections::BTreeSet;
use std::fmt;

/// How to compare.
pub struct Settings<'a> {
    /// What computes checksums.
    pub engine: &'a Engine,
    /// Threads, at least 1.
    pub threads: usize,
    /// Whom to tell how far it has come.
    pub progress: &'a dyn Progress,
}

/// Why two copies were not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// One of them cannot be looked at.
    NotOpened(NotOpened),
    /// They are no copies of one file, and what differs.
    Different(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpened(why) => why.fmt(f),
            Self::Different(why) => f.write_str(why),
        }
    }
}

impl From<NotOpened> for Refused {
    fn from(why: NotOpened) -> Self {
        Self::NotOpened(why)
    }
}

/// Compares what `a` and `b` name: one data file of each, or of two backups all that both have;
/// of these only `file`, if one is named.
///
/// # Errors
/// If one of them cannot be opened, or they are no copies of one file.
pub fn diff(
    (a, b): (Asked<'_>, Asked<'_>),
    file: Option<FileId>,
    settings: &Settings<'_>,
) -> Result<Diff, Refused> {
    let guessed = compare((a, b), false, file, settings)?;
    // Where extents of a backup are is told by those around them, which may be wrong.
    if guessed.may_be_misplaced() {
        return compare((a, b), true, file, settings);
    }
    Ok(guessed)
}

fn compare(
    (a, b): (Asked<'_>, Asked<'_>),
    each_extent: bool,
    file: Option<FileId>,
    settings: &Settings<'_>,
) -> Result<Diff, Refused> {
    let (files_a, files_b) = (find::files(a, each_extent)?, find::files(b, each_extent)?);
    let pairs = pairs((a, &files_a), (b, &files_b), file)?;
    let opened: Result<Vec<Pair<'_>>, NotOpened> =
        pairs.into_iter().map(|(a, b, relation)| Pair::open(a, b, relation)).collect();
    let opened = opened?;
    let Settings { engine, threads, progress } = settings;
    progress.begin(opened.iter().map(Pair::bytes).sum());
    let mut compared: Vec<Compared<'_>> =
        opened.iter().map(|pair| pair.compare(engine, *threads, *progress)).collect();
    progress.finished();
    let names = Names::of(&compared, &primaries([(a, &files_a), (b, &files_b)], file));
    compared.iter_mut().for_each(owners::judge);
    let files = compared.into_iter().map(|compared| summary::file_diff(compared, &names)).collect();
    Ok(Diff::of(SCHEMA, Tool::this(), files))
}

/// The databases of which the primary file, which has the names, is here and not compared.
fn primaries(sides: [(Asked<'_>, &[DataFile]); 2], file: Option<FileId>) -> Vec<Image> {
    let has_more = |(asked, files): &(Asked<'_>, &[DataFile])| {
        let is_compared = |primary: &DataFile| {
            primary.path == asked.path && file.is_none_or(|id| id == primary.file_id)
        };
        files.iter().any(|file| file.is_primary() && !is_compared(file))
    };
    // Without them there are no names; that they cannot be opened is no more than that.
    sides.into_iter().filter(has_more).filter_map(|(asked, _)| Image::open(asked).ok()).collect()
}

type Related<'a> = (&'a DataFile, &'a DataFile, Relation);

/// The files that both sides have, and how their copies are related.
fn pairs<'a>(
    (a, files_a): (Asked<'_>, &'a [DataFile]),
    (b, files_b): (Asked<'_>, &'a [DataFile]),
    file: Option<FileId>,
) -> Result<Vec<Related<'a>>, Refused> {
    let own = |asked: Asked<'_>, files: &'a [DataFile]| -> Vec<&'a DataFile> {
        let is_own = |found: &&DataFile| found.path == asked.path;
        let is_wanted = |found: &&DataFile| file.is_none_or(|id| found.file_id == id);
        files.iter().filter(is_own).filter(is_wanted).collect()
    };
    let (own_a, own_b) = (own(a, files_a), own(b, files_b));
    let partner = |of: &DataFile| own_b.iter().find(|b| b.file_id == of.file_id).copied();
    let both: Vec<_> = own_a.iter().filter_map(|a| Some((*a, partner(a)?))).collect();
    if both.is_empty() {
        return Err(Refused::Different(no_file_of_both(&own_a, &own_b)));
    }
    let related = |(a, b): (&'a DataFile, &'a DataFile)| {
        let relation = relation::of(a, b).map_err(Refused::Different)?;
        Ok((a, b, relation))
    };
    both.into_iter().map(related).collect()
}

fn no_file_of_both(a: &[&DataFile], b: &[&DataFile]) -> String {
    let ids = |files: &[&DataFile]| {
        let ids: BTreeSet<FileId> = files.iter().map(|file| file.file_id).collect();
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        if ids.is_empty() { "none that was asked for".to_owned() } else { ids.join(", ") }
    };
    format!("no copies of one file: file ids {} of A, {} of B", ids(a), ids(b))
}
