//! Which other machines hold a sound copy of a suspect page: known in a merged report, where
//! several have scanned copies of one data file, as in availability groups and with log shipping.
//!
//! A report lists what is suspect and not what is sound: a page is taken for sound where all that
//! is suspect or has healed in its file is listed, all of the file was reached, and the page is
//! neither.

use super::clean_copy::HostCopy;
use super::report::{FileKey, FileReport, Outcome, ScrubReport};
use crate::discover::FileKind;
use crate::page::line::{Guid, guid_of};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

/// Machines named for one suspect at most.
const HOSTS_MAX: usize = 8;

/// Tells each suspect in a data file of `report` which other machines hold sound copies.
pub(super) fn find(report: &mut ScrubReport) {
    let known = Known::of(report);
    let copies = Copies::among(&report.files, &known);
    let mut told = Vec::with_capacity(report.suspects.len());
    for suspect in &report.suspects {
        // Whoever has not checked what pages say of each other does not know of that.
        let can_tell = !suspect.is_in_backup() && !suspect.is_inconsistent();
        let file = can_tell.then(|| copies.of.get(&suspect.file_key())).flatten();
        let others = file.into_iter().flatten();
        let sound = others.filter(|other| {
            let (page, other) = (suspect.page_id, &report.files[**other]);
            u64::from(page) < other.pages
                && !known.bad(other).is_some_and(|bad| bad.contains(&page))
        });
        told.push(sound.take(HOSTS_MAX).map(|file| copies.words[file].clone()).collect());
    }
    for (suspect, other_hosts) in report.suspects.iter_mut().zip(told) {
        suspect.other_hosts = other_hosts;
    }
}

/// By file, the pages that are listed as suspect, or as bad and then good.
struct Known<'a>(BTreeMap<FileKey<'a>, BTreeSet<u32>>);

impl<'a> Known<'a> {
    fn of(report: &'a ScrubReport) -> Self {
        let mut bad: BTreeMap<FileKey<'a>, BTreeSet<u32>> = BTreeMap::new();
        for suspect in report.suspects.iter().filter(|suspect| !suspect.is_in_backup()) {
            bad.entry(suspect.file_key()).or_default().insert(suspect.page_id);
        }
        for page in report.transients.iter().filter(|page| page.backup_set.is_none()) {
            let file = (page.host.as_deref(), &*page.path, None);
            bad.entry(file).or_default().insert(page.page_id);
        }
        Self(bad)
    }

    fn bad<'b>(&'b self, file: &'b FileReport) -> Option<&'b BTreeSet<u32>> {
        self.0.get(&file.key())
    }

    /// Nothing was missed of `file`, and all that is wrong with it is listed.
    fn is_all_told(&self, file: &FileReport) -> bool {
        let coverage = &file.coverage;
        let listed = self.bad(file).map_or(0, BTreeSet::len) as u64;
        file.kind == FileKind::Data
            && file.outcome == Outcome::Scanned
            && coverage.not_reached == 0
            && coverage.allocation_unknown == 0
            && coverage.suspect.saturating_add(coverage.transient) == listed
    }
}

/// The data files that are copies of each other on different machines.
struct Copies<'a> {
    /// By a file with suspects, those that can tell of their pages.
    of: BTreeMap<FileKey<'a>, Vec<usize>>,
    /// By file, what is said of it.
    words: BTreeMap<usize, HostCopy>,
}

impl<'a> Copies<'a> {
    fn among(files: &'a [FileReport], known: &Known<'_>) -> Self {
        let mut by_id: BTreeMap<(u16, Guid), BTreeSet<usize>> = BTreeMap::new();
        for (index, file) in files.iter().enumerate().filter(|(_, file)| known.is_all_told(file)) {
            for id in ids(file) {
                by_id.entry(id).or_default().insert(index);
            }
        }
        let (mut of, mut words) = (BTreeMap::new(), BTreeMap::new());
        let is_damaged =
            |file: &&FileReport| file.kind == FileKind::Data && file.coverage.suspect > 0;
        for file in files.iter().filter(is_damaged) {
            let alike: BTreeSet<usize> =
                ids(file).iter().filter_map(|id| by_id.get(id)).flatten().copied().collect();
            let is_copy = |other: &usize| files[*other].is_copy_elsewhere_of(file);
            let copies: Vec<usize> = alike.into_iter().filter(is_copy).collect();
            for copy in &copies {
                words.entry(*copy).or_insert_with(|| host_copy(&files[*copy]));
            }
            of.insert(file.key(), copies);
        }
        Self { of, words }
    }
}

/// File id with what a file shares with its copies: the family of its database, the binding id and
/// its own GUID.
fn ids(file: &FileReport) -> Vec<(u16, Guid)> {
    let Some(file_id) = file.file_id else { return Vec::new() };
    let told = [&file.binding_id, &file.file_guid].map(|id| guid_of(id.as_deref()?));
    let ids = told.into_iter().chain([file.line.family_id]);
    ids.flatten().map(|id| (file_id, id)).collect()
}

impl FileReport {
    /// The same file of the same line of one database, on another machine.
    fn is_copy_elsewhere_of(&self, other: &Self) -> bool {
        let is_same = |a: &Option<Arc<str>>, b: &Option<Arc<str>>| a.is_some() && a == b;
        let line = self.line.kinship(self.checkpoint_lsn, &other.line, other.checkpoint_lsn);
        self.host != other.host
            && self.file_id == other.file_id
            && line.is_line().unwrap_or_else(|| {
                is_same(&self.file_guid, &other.file_guid)
                    || is_same(&self.binding_id, &other.binding_id)
            })
    }
}

fn host_copy(file: &FileReport) -> HostCopy {
    let host = file.host.clone().unwrap_or_default();
    let mut words = format!(
        "host {host} has scanned its copy, {}, and found nothing wrong with this page",
        file.path
    );
    // Writing to a String cannot fail.
    if let Some(checkpoint) = file.checkpoint_lsn {
        let _ = write!(words, " (its last checkpoint is {checkpoint})");
    }
    words += "; it may be another version of it, or not in use there";
    let unprotected = file.coverage.unprotected_in_use();
    if unprotected > 0 {
        let _ = write!(
            words,
            ", and {unprotected} pages of that file carry nothing to verify them by, perhaps this \
             one, too"
        );
    }
    let path = Arc::clone(&file.path);
    HostCopy { host, path, checkpoint_lsn: file.checkpoint_lsn, in_words: words.into() }
}
