//! A step of the plan, and the names in it.

use crate::consolidate::recovery::DatabaseLoss;
use crate::consolidate::report::{Step, Suspect};
use std::collections::BTreeSet;

/// Runs of ranks named in a step at most.
const RANK_RUNS_MAX: usize = 20;
/// Databases and files named in a step at most.
pub(super) const NAMES_MAX: usize = 5;

/// `1-3, 7`, cut after `runs_max` runs; `ranks` ascend.
pub fn rank_runs(ranks: &[usize], runs_max: usize) -> String {
    let mut runs = ranks.chunk_by(|a, b| a.checked_add(1) == Some(*b)).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.iter().map(ToString::to_string).collect(),
    });
    let mut text = runs.by_ref().take(runs_max).collect::<Vec<_>>().join(", ");
    if runs.next().is_some() {
        text += ", ...";
    }
    text
}

pub(super) fn step(title: impl Into<String>, text: impl Into<String>) -> Step {
    Step { title: title.into(), text: text.into(), ranks: String::new(), suspects: 0 }
}

impl Step {
    /// For `suspects`; none if there are none.
    pub(super) fn for_these<'a>(self, suspects: impl Iterator<Item = &'a Suspect>) -> Option<Self> {
        let ranks: BTreeSet<usize> = suspects.map(|suspect| suspect.rank).collect();
        let ranks: Vec<usize> = ranks.into_iter().collect();
        let count = ranks.len() as u64;
        (count > 0).then(|| Self {
            ranks: rank_runs(&ranks, RANK_RUNS_MAX),
            suspects: count,
            ..self
        })
    }
}

/// `a, b and 3 more`, each of them once.
pub(super) fn named(names: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    distinct.extend(names.filter(|name| seen.insert(name.clone())));
    let more = distinct.len().saturating_sub(NAMES_MAX);
    distinct.truncate(NAMES_MAX);
    let names = distinct.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

pub(super) fn called<'d>(databases: impl Iterator<Item = &'d DatabaseLoss<'d>>) -> String {
    named(databases.map(DatabaseLoss::called))
}
