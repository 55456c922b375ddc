//! Pages of another owner than the IAM page of their extent says (Msg 605): what a write leaves
//! that never came, where a page had belonged to something else before.
//!
//! While scanning, each PFS interval got the sum of what its pages say (`catalog/owner_sums.rs`).
//! Here the intervals are looked at again in which that is not what IAM and PFS pages say. What is
//! found is a suspect where nothing but damage explains it: in a database that was shut down
//! cleanly, of which every data file was scanned as a whole, and where the IAM chains of both
//! units are whole, so that neither can claim the page by an IAM page that was not seen. Elsewhere
//! it is a note.

mod chains;
pub(super) mod doubt;
mod search;
pub(super) mod unproven;

use super::Open;
use super::Stop;
use super::known_owners::KnownOwners;
use super::leads::Remembered;
use super::primaries::Primaries;
use super::tally::{FileTally, add_suspects};
use crate::consolidate::findings::{Finding, Findings, SUSPECTS_MAX};
use crate::consolidate::transient::Transient;
use crate::diagnose::verdict::{SuspectReason, Verdict};
use crate::page::address::{FileId, PageId};
use crate::plan::Plan;
use search::Search;
use std::collections::{BTreeMap, BTreeSet};
use unproven::Unproven;

/// Intervals whose pages are read again at most, where that can prove damage: 64 GiB. In a database
/// at rest, nothing but damage makes one of them differ.
const INTERVALS_MAX: usize = 1024;
/// Those that are read for a note: 4 GiB. In one at work, a few always differ.
const UNPROVEN_INTERVALS_MAX: usize = 64;
/// Intervals whose PFS pages are held in memory at a time: 64 MiB of it.
const INTERVALS_AT_ONCE: usize = 65_536;
/// Pages read in one go.
const RUN_PAGES_MAX: usize = 64;
/// What was scanned, before it is known what belongs to what.
pub(super) struct Scanned<'a> {
    pub(super) files: &'a [Remembered<'a>],
    pub(super) plan: &'a Plan,
    pub(super) tallies: &'a [FileTally],
    pub(super) primaries: &'a Primaries,
    /// In the order of their places.
    pub(super) findings: &'a [Finding],
    /// The same.
    pub(super) transients: &'a [Transient],
    pub(super) open: Open<'a>,
    /// Once true, nothing more is read.
    pub(super) stop: &'a Stop,
}

/// What was found in one file.
pub(super) struct Found {
    file: usize,
    /// Suspects, and what they had been taken for.
    suspects: Vec<(Finding, Verdict)>,
    unproven: Option<Unproven>,
}

impl Found {
    /// In the file at `index`, of which so many intervals were not looked at.
    fn nothing(index: usize, intervals_left: usize) -> Self {
        let unproven = Unproven { intervals_left, ..Unproven::default() };
        Self { file: index, suspects: Vec::new(), unproven: Some(unproven) }
    }
}

/// Finds them in all files. `known` has for each file what its IAM and PFS pages say.
pub(super) fn find(scanned: &Scanned<'_>, known: &mut [KnownOwners]) -> Vec<Found> {
    let has_sums = |index: &usize| !scanned.tallies[*index].owner_sums.is_empty();
    let doubtful: Vec<usize> = (0..scanned.tallies.len()).filter(has_sums).collect();
    if doubtful.is_empty() {
        return Vec::new();
    }
    let databases = databases(scanned);
    // Where not even the suspects are all known, nothing more is looked for.
    let can_tell = scanned.findings.len() < SUSPECTS_MAX;
    let mut proving = if can_tell { INTERVALS_MAX } else { 0 };
    let mut noting = if can_tell { UNPROVEN_INTERVALS_MAX } else { 0 };
    let mut found = Vec::new();
    for index in doubtful {
        let alone = vec![index];
        let members = scanned.primaries.of(index).and_then(|of| databases.get(&of));
        let members = members.filter(|members| members.contains(&index)).unwrap_or(&alone);
        let mut sums = scanned.tallies[index].owner_sums.clone();
        scanned.not_summed(index).for_each(|page| known[index].leave_out(page));
        let others = members.iter().filter(|member| **member != index);
        known[index].keep_those_that_differ(&mut sums, others.map(|member| &known[*member]));
        if !sums.is_empty() {
            let doubt = doubt::of(index, members, scanned);
            let left = if doubt.is_none() { &mut proving } else { &mut noting };
            found.extend(match Search::new(index, members, doubt, scanned) {
                Some(search) if *left > 0 => search.run(&sums, left),
                _ => Some(Found::nothing(index, sums.intervals().count())),
            });
        }
    }
    found
}

/// The files of each database, by its primary file. Where two have one id, nobody knows which of
/// them is meant: such databases are left out.
fn databases(scanned: &Scanned<'_>) -> BTreeMap<usize, Vec<usize>> {
    let mut databases: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, _) in scanned.files.iter().enumerate().filter(|(_, file)| file.file.has_pages()) {
        if let Some(primary) = scanned.primaries.of(index) {
            databases.entry(primary).or_default().push(index);
        }
    }
    databases.retain(|_, members| {
        let ids: BTreeSet<FileId> =
            members.iter().map(|member| scanned.files[*member].file.file_id).collect();
        ids.len() == members.len()
    });
    databases
}

impl Scanned<'_> {
    /// The suspects of the file at `index`.
    pub(super) fn suspects_of(&self, index: usize) -> &[Finding] {
        let first = self.findings.partition_point(|finding| finding.file < index);
        let end = self.findings.partition_point(|finding| finding.file <= index);
        &self.findings[first..end]
    }

    /// Pages of the file at `index` that were right at the second look.
    fn healed(&self, index: usize) -> impl Iterator<Item = PageId> {
        let first = self.transients.partition_point(|healed| healed.file < index);
        let healed = self.transients[first..].iter().take_while(move |page| page.file == index);
        healed.map(|healed| healed.place.page)
    }

    /// Pages of the file at `index` that may be in use and were not added to its sums. A page that
    /// is only older than its copy was: nothing was wrong with it while it was looked at.
    fn not_summed(&self, index: usize) -> impl Iterator<Item = PageId> {
        let is_left_out =
            |suspect: &&Finding| !matches!(suspect.reason, SuspectReason::StalePage { .. });
        let suspects = self.suspects_of(index).iter().filter(is_left_out);
        suspects.map(|suspect| suspect.place.page).chain(self.healed(index))
    }
}

/// Counts what was found in the `tallies`, and adds the suspects to `findings`.
pub(super) fn count(
    found: Vec<Found>,
    tallies: &mut [FileTally],
    findings: Vec<Finding>,
) -> Vec<Finding> {
    if found.is_empty() {
        return findings;
    }
    let mut findings = Findings::from(findings);
    for Found { file, suspects, unproven } in found {
        add_suspects(suspects, tallies, &mut findings);
        tallies[file].unproven_owners = unproven;
    }
    findings.into_list()
}
