//! What a check of structures found, for the report: counted as suspects where it is damage, and
//! with the names of objects where recovery may put it right.

use super::consistency::Found;
use super::leads::Remembered;
use super::primaries::Primaries;
use super::tally::{FileTally, add_suspects};
use super::{Open, names};
use crate::check::Breach;
use crate::check::outcome::Outcome;
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::findings::{Finding, Findings};
use crate::consolidate::report::consistency::{CheckedDatabase, Consistency, UNSETTLED_LISTED_MAX};
use crate::diagnose::verdict::{Allocation, SuspectReason};

/// Counts the suspects that were `found` in the `tallies`, and adds them to `findings`.
pub(super) fn count(
    found: &mut Found,
    tallies: &mut [FileTally],
    findings: Vec<Finding>,
) -> Vec<Finding> {
    if found.suspects.is_empty() {
        return findings;
    }
    let mut findings = Findings::from(findings);
    add_suspects(found.suspects.drain(..), tallies, &mut findings);
    findings.into_list()
}

/// What the report says of `outcomes`, each of the database of a primary file.
pub(super) fn told(
    outcomes: &[(usize, Outcome)],
    files: &[Remembered<'_>],
    primaries: &Primaries,
    facts: &[FileFacts],
    open: Open<'_>,
) -> Consistency {
    let listed = |outcome: &Outcome| outcome.unsettled.len().min(UNSETTLED_LISTED_MAX);
    let first = outcomes.iter().flat_map(|(primary, outcome)| {
        let first = &outcome.unsettled[..listed(outcome)];
        first.iter().map(|breach| unsettled(file_of(*primary, breach, files, primaries), *breach))
    });
    let mut unsettled: Vec<Finding> = first.collect();
    names::name(&mut unsettled, files, primaries, open);
    let mut rest = &unsettled[..];
    let databases = outcomes.iter().map(|(primary, outcome)| {
        let (own, others) = rest.split_at(listed(outcome));
        rest = others;
        CheckedDatabase::of(outcome, own, &facts[*primary])
    });
    Consistency::of(databases.collect())
}

/// The index of the file that has the page, among those of the database of `primary`.
fn file_of(
    primary: usize,
    breach: &Breach,
    files: &[Remembered<'_>],
    primaries: &Primaries,
) -> usize {
    let is_it = |index: &usize| {
        let is_own = primaries.of(*index) == Some(primary);
        is_own && files[*index].file.file_id == breach.place.file
    };
    (0..files.len()).find(is_it).unwrap_or(primary)
}

/// As a finding, which is what can be named.
fn unsettled(file: usize, breach: Breach) -> Finding {
    let reason = SuspectReason::Inconsistent(breach);
    let mut finding = Finding::new(file, breach.place, reason, Allocation::Allocated, None);
    finding.allocation_unit = breach.unit;
    finding
}
