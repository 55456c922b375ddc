//! The recovery forks of a database: a restore follows one path of them, since LSNs of sister forks
//! have nothing to do with each other.

use super::sets::Medium;
use crate::page::header::Lsn;
use crate::page::line::Guid;
use std::collections::{BTreeMap, BTreeSet};

/// For each fork of `sets` those that lead to its newest one; all of them, if none tells a fork.
pub(super) fn paths<'m, 'a>(sets: &'m [Medium<'a>]) -> Vec<Vec<&'m Medium<'a>>> {
    let all: Vec<&Medium<'_>> = sets.iter().collect();
    let forks: BTreeSet<Guid> = sets.iter().filter_map(|medium| medium.set.line.fork_id).collect();
    let path = |fork: Guid| {
        let of_fork = all.iter().filter(|medium| medium.set.line.fork_id == Some(fork));
        let newest = of_fork.max_by_key(|medium| medium.last_lsn)?;
        let path = ForkPath::to(newest, &all);
        let is_on =
            |medium: &&&Medium<'_>| medium.set.line.fork_id.is_none() || path.has(newest, medium);
        Some(all.iter().filter(is_on).copied().collect())
    };
    match forks.len() {
        0 | 1 => vec![all],
        _ => forks.into_iter().filter_map(path).collect(),
    }
}

/// The recovery forks that lead to a set, each up to where the next one left it.
pub(super) struct ForkPath {
    family: Option<Guid>,
    ends: BTreeMap<Guid, Option<Lsn>>,
}

impl ForkPath {
    /// Of the forks of `sets`.
    pub(super) fn to(newest: &Medium<'_>, sets: &[&Medium<'_>]) -> Self {
        let line = newest.set.line;
        let mut ends = BTreeMap::from_iter(line.fork_id.map(|fork| (fork, None)));
        let mut child = line;
        while let Some(fork) = child.earlier_fork_id.filter(|fork| !ends.contains_key(fork)) {
            ends.insert(fork, child.fork_point_lsn);
            let parent = sets
                .iter()
                .map(|medium| medium.set.line)
                .find(|line| line.fork_id == Some(fork) && line.family_id == child.family_id);
            child = parent.unwrap_or_default();
        }
        Self { family: line.family_id, ends }
    }

    /// True if `medium` is on the path to `newest`.
    pub(super) fn has(&self, newest: &Medium<'_>, medium: &Medium<'_>) -> bool {
        let line = medium.set.line;
        if self.family.is_none() || line.family_id.is_none() {
            let is_same = medium.binding_id.is_some() && medium.binding_id == newest.binding_id;
            return is_same || std::ptr::eq(newest.set, medium.set);
        }
        let end = line.fork_id.and_then(|fork| self.ends.get(&fork));
        let is_before = |end: &Option<Lsn>| end.is_none_or(|end| medium.last_lsn <= end);
        line.family_id == self.family && end.is_some_and(is_before)
    }
}
