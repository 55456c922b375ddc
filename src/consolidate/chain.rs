//! Which of the scanned backups restore a database: a full backup, a differential one based on it,
//! and log backups that follow without a gap.
//!
//! Reports may come from outside, so nothing here relies on what their files and suspects say of
//! each other.

use super::database::LogGap;
use super::database::restore::{follow, newest};
use super::database::sets::{Medium, sets};
use super::report::{FileReport, Suspect};
use crate::backup::BackupKind;
use crate::page::header::Lsn;
use crate::page::line::Line;
use std::collections::{BTreeMap, BTreeSet};

/// Log backups named at most.
pub const LOGS_MAX: usize = 1000;

/// What is to be restored.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The machine that scanned it, in a merged report.
    pub host: Option<&'a str>,
    /// What all files of the database share.
    pub binding_id: &'a str,
    /// Its origin and line, ...
    pub line: Line,
    /// ... and where the damaged copy ends.
    pub end: Option<Lsn>,
    /// Pages that are restored one by one: the full backup must have a clean copy of each.
    pub pages: Vec<&'a Suspect>,
    /// Whether a script can name a backup with this path.
    pub can_name: fn(&str) -> bool,
}

/// What the scan knows of how to restore a database. What it does not know is missing.
#[derive(Clone, Debug, Default)]
pub struct Chain<'a> {
    /// The newest that will do.
    pub full: Option<Medium<'a>>,
    /// The newest that is based on it.
    pub differential: Option<Medium<'a>>,
    /// Without one: the newest that names the full backup as its base and has files of another
    /// binding id, which RESTORE gives.
    pub other_heir: Option<Medium<'a>>,
    /// In the order in which they are restored.
    pub logs: Vec<Medium<'a>>,
    /// Log backups follow later, but not at once.
    pub gap: Option<LogGap>,
}

impl<'a> Chain<'a> {
    /// The chain for what is `wanted`, by the backups among `files`.
    pub fn of(files: &'a [FileReport], wanted: &Wanted<'_>) -> Self {
        let mut sets = sets(files, wanted.host, wanted.can_name);
        sets.retain(Medium::is_sound);
        let of_kind = |kind| sets.iter().filter(move |medium| medium.set.kind == kind);
        let differentials: Vec<&Medium<'_>> =
            of_kind(BackupKind::Differential).filter(|medium| is_of(medium, wanted)).collect();
        let bases: BTreeSet<&str> =
            differentials.iter().filter_map(|d| d.set.differential_base_id.as_deref()).collect();
        let counts = pages_of(&sets, wanted);
        // What was restored since has another binding id, and then only its differential leads on.
        let is_base =
            |full: &Medium<'_>| full.set.set_id.as_deref().is_some_and(|id| bases.contains(id));
        let has_all = |full: &&Medium<'_>| {
            let place = full.paths.first().map(|path| (*path, full.set.position));
            let count = place.and_then(|place| counts.get(&place)).copied().unwrap_or_default();
            (is_of(full, wanted) || is_base(full)) && count == wanted.pages.len()
        };
        let Some(full) = newest(of_kind(BackupKind::Full).filter(has_all)) else {
            return Self::default();
        };
        let is_based =
            |medium: &&&Medium<'_>| medium.is_based_on(full) && medium.last_lsn > full.last_lsn;
        let differential = newest(differentials.iter().filter(is_based).copied());
        if differential.is_none() && !is_of(full, wanted) {
            return Self::default();
        }
        let is_heir = |medium: &&Medium<'_>| !is_of(medium, wanted) && medium.names(full);
        let others = of_kind(BackupKind::Differential).filter(is_heir);
        let other_heir = newest(others).filter(|_| differential.is_none()).cloned();
        let from = differential.map_or(full.last_lsn, |medium| medium.last_lsn);
        let logs = of_kind(BackupKind::Log).filter(|medium| is_of(medium, wanted));
        let (mut logs, mut gap) = follow(logs, from);
        if logs.len() > LOGS_MAX {
            gap = None;
            logs.truncate(LOGS_MAX);
        }
        let logs = logs.into_iter().cloned().collect();
        let (full, differential) = (Some(full.clone()), differential.cloned());
        Self { full, differential, other_heir, logs, gap }
    }
}

fn is_of(medium: &Medium<'_>, wanted: &Wanted<'_>) -> bool {
    let kinship = wanted.line.kinship(wanted.end, &medium.set.line, Some(medium.last_lsn));
    kinship.is_line().unwrap_or_else(|| medium.binding_id == Some(wanted.binding_id))
}

/// How many of the pages wanted each set has a clean copy of, by its first file and position.
fn pages_of<'a>(sets: &[Medium<'a>], wanted: &Wanted<'_>) -> BTreeMap<(&'a str, u32), usize> {
    let mut first_file: BTreeMap<(&str, u32), (&'a str, u32)> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for medium in sets {
        let Some(first) = medium.paths.first() else { continue };
        let position = medium.set.position;
        counts.insert((*first, position), 0);
        first_file.extend(medium.paths.iter().map(|path| ((*path, position), (*first, position))));
    }
    for suspect in &wanted.pages {
        let copies = suspect.clean_copies.iter();
        let places = copies.filter_map(|copy| first_file.get(&(&*copy.path, copy.backup_set?)));
        for place in places.collect::<BTreeSet<_>>() {
            counts.entry(*place).and_modify(|count| *count += 1);
        }
    }
    counts
}

#[cfg(test)]
mod tests;
