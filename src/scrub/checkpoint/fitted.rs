//! What of a checkpoint holds for the files as they are now. A file that is not what it was begins
//! anew, with all that hangs together with it; the others go on. A window of a night is often too
//! short for a fleet, and something is always written to.

use super::file_state::FileState;
use super::{Checkpoint, FileTally};
use crate::consolidate::findings::Finding;
use crate::consolidate::transient::Transient;
use crate::discover::DataFile;
use crate::discover::paths;
use crate::plan::Plan;
use std::collections::BTreeMap;

/// Files that are named in the notes of a report at most.
const NAMED_MAX: usize = 10;

/// By path: its entries. A backup has one for itself and one for each part of a data file in it.
type ByPath = BTreeMap<String, Vec<usize>>;

impl Checkpoint {
    /// The same for `files`, which are planned as `plan` has them: in their order, and without what
    /// does not hold of them any more. The notes tell what that is.
    pub(in crate::scrub) fn fitted(&self, files: &[DataFile], plan: &Plan) -> Self {
        let then = by_path(self.files.iter().map(|file| file.path.clone()));
        let now = by_path(files.iter().map(|file| paths::text(&file.path).into_owned()));
        let mut anew = self.changed.clone();
        for (path, entries) in &now {
            if let Some(why) = self.why_anew(then.get(path), entries, plan) {
                anew.entry(path.clone()).or_insert(why);
            }
        }
        spread(files, &mut anew);
        let kept = now.iter().filter(|(path, _)| !anew.contains_key(*path));
        let pairs =
            kept.flat_map(|(path, now)| then[path].iter().copied().zip(now.iter().copied()));
        let places: BTreeMap<usize, usize> = pairs.collect();
        let gone = then.keys().filter(|path| !now.contains_key(*path));
        let notes = notes(&anew, gone);
        Self {
            files: self.states(&places, files, plan),
            findings: self.findings.iter().filter_map(|f| moved(f, &places)).collect(),
            transients: self
                .transients
                .iter()
                .filter_map(|t| moved_transient(t, &places))
                .collect(),
            history: self.history.clone(),
            latencies: self.latencies.clone(),
            timeline: self.timeline.clone(),
            host_findings: self.host_findings.clone(),
            notes: self.notes.iter().cloned().chain(notes).collect(),
            gpus: self.gpus.clone(),
            are_gpus_wrong: self.are_gpus_wrong,
            bytes_by_way: self.bytes_by_way,
            changed: BTreeMap::new(),
        }
    }

    /// Why the file with the entries `now` cannot go on from those that it had.
    fn why_anew(&self, then: Option<&Vec<usize>>, now: &[usize], plan: &Plan) -> Option<String> {
        let Some(then) = then else { return Some("was not there then".to_owned()) };
        if then.len() != now.len() {
            return Some("holds other parts of data files than it did".to_owned());
        }
        for (&then, &now) in then.iter().zip(now) {
            let (tally, planned) = (&self.files[then].tally, &plan.files[now]);
            if tally.coverage.pages_planned != planned.promised_pages() {
                return Some(
                    "says that it has another number of pages than it said then".to_owned(),
                );
            }
            if !tally.is_plausible(then, planned) {
                return Some("has counts in the checkpoint that do not add up".to_owned());
            }
        }
        None
    }

    /// The files in the order of now; what has no place among them begins anew.
    fn states(
        &self,
        places: &BTreeMap<usize, usize>,
        files: &[DataFile],
        plan: &Plan,
    ) -> Vec<FileState> {
        let then: BTreeMap<usize, usize> = places.iter().map(|(then, now)| (*now, *then)).collect();
        let state = |(index, file): (usize, &DataFile)| {
            let fresh = || FileTally::new(index, &plan.files[index]);
            let kept = |then: &usize| self.files[*then].tally.moved_to(index);
            FileState::with_tally(file, then.get(&index).map_or_else(fresh, kept))
        };
        files.iter().enumerate().map(state).collect()
    }
}

fn by_path(paths: impl Iterator<Item = String>) -> ByPath {
    let mut by_path = ByPath::new();
    for (index, path) in paths.enumerate() {
        by_path.entry(path).or_default().push(index);
    }
    by_path
}

/// Members of a striped backup tell of each other's pages: if one begins anew, all do.
fn spread(files: &[DataFile], anew: &mut BTreeMap<String, String>) {
    for file in files {
        let Some(part) = file.part.as_ref().filter(|part| !part.siblings.is_empty()) else {
            continue;
        };
        let of = |path: &std::path::Path| paths::text(path).into_owned();
        let other =
            part.siblings.iter().map(|other| of(&other.path)).find(|p| anew.contains_key(p));
        if let Some(other) = other {
            let why = || format!("is striped with {other}, which begins anew");
            anew.entry(of(&file.path)).or_insert_with(why);
        }
    }
}

fn moved(finding: &Finding, places: &BTreeMap<usize, usize>) -> Option<Finding> {
    Some(Finding { file: *places.get(&finding.file)?, ..finding.clone() })
}

fn moved_transient(transient: &Transient, places: &BTreeMap<usize, usize>) -> Option<Transient> {
    Some(Transient { file: *places.get(&transient.file)?, ..transient.clone() })
}

fn notes<'a>(
    anew: &BTreeMap<String, String>,
    gone: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let again = |(path, why): (&String, &String)| {
        format!("{path} {why}: it was scanned from its beginning")
    };
    let gone = gone.map(|path| format!("{path} is gone: what was found of it is left out"));
    let mut notes: Vec<String> = anew.iter().map(again).chain(gone).collect();
    if notes.len() > NAMED_MAX {
        let more = notes.len() - NAMED_MAX;
        notes.truncate(NAMED_MAX);
        notes.push(format!("the same is true of {more} more files of the checkpoint"));
    }
    notes
}
