//! After the last batch: what the pages prove together, and what the findings belong to. Findings
//! in, findings out; all that is read here is read once more, for little of what was scanned.
//!
//! In this order: what was cut off, pages older than their copies, pages of another owner, what
//! breaks rules, content that has moved; then owners and names, what stands around the findings,
//! and copies of them.

use super::finish::size::SizeNow;
use super::known_owners::KnownOwners;
use super::leads::Remembered;
use super::lost_writes::{LostWrites, Shown};
use super::names;
use super::primaries::Primaries;
use super::tally::{FileTally, add_suspects};
use super::wrong_owners::{self, Scanned};
use super::{Open, Progress, Settings, checked, consistency, context, copies};
use super::{facts, holes, places, shifts};
use crate::check::outcome::Outcome;
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::findings::{Finding, Findings, by_place, by_urgency};
use crate::consolidate::report::ShiftReport;
use crate::consolidate::report::consistency::Consistency;
use crate::consolidate::transient::Transient;
use crate::diagnose::shift::Shift;
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::discover::{DataFile, Discovery};
use crate::page::address::{FileId, PageAddress};
use crate::page::kind::PageType;
use crate::plan::Plan;
use crate::read::ReadError;
use std::collections::BTreeSet;

/// What was read, before it is known what belongs to what.
pub(super) struct Read<'a> {
    pub(super) discovery: &'a Discovery,
    pub(super) plan: &'a Plan,
    pub(super) settings: &'a Settings<'a>,
    /// In the order of their places.
    pub(super) transients: &'a [Transient],
    /// What opens files once more.
    pub(super) open: Open<'a>,
    pub(super) progress: &'a dyn Progress,
    /// Nothing is read any more. Not all system tables may have been seen.
    pub(super) is_cut_short: bool,
}

/// What is known in the end.
pub(super) struct Investigated {
    /// In the order of their places.
    pub(super) findings: Vec<Finding>,
    /// Of each file.
    pub(super) facts: Vec<FileFacts>,
    pub(super) shifts: Vec<ShiftReport>,
    /// What a check found, if there was one.
    pub(super) consistency: Option<Consistency>,
    /// What could not be looked at.
    pub(super) notes: Vec<String>,
}

impl<'a> Read<'a> {
    /// What was read of all files. Nothing is read any more if the scan `is_cut_short`.
    pub(super) fn of(
        (discovery, plan): (&'a Discovery, &'a Plan),
        settings: &'a Settings<'a>,
        transients: &'a [Transient],
        (open, progress): (Open<'a>, &'a dyn Progress),
        is_cut_short: bool,
    ) -> Self {
        Self { discovery, plan, settings, transients, open, progress, is_cut_short }
    }

    /// Looks into `findings`, and adds those that no page alone shows; `tallies` follow.
    pub(super) fn investigate(
        &self,
        mut findings: Findings,
        tallies: &mut [FileTally],
        known_owners: Vec<KnownOwners>,
        lost_writes: Option<LostWrites>,
    ) -> Investigated {
        let Self { discovery, plan, is_cut_short, .. } = *self;
        let (files, open) = (&discovery.files, self.open);
        let mut facts: Vec<FileFacts> = files.iter().map(facts::of).collect();
        add_lost_pages((discovery, plan), tallies, &mut findings);
        let primaries = Primaries::among(&remembered(files, tallies));
        let mut shown = Shown::default();
        self.progress.looking_into("copies of pages");
        if let Some(lost_writes) = lost_writes.filter(|_| !is_cut_short) {
            shown = lost_writes.show(files, &primaries, open);
        }
        add_shown(&mut shown, tallies, &mut findings);
        let mut findings = findings.into_list();
        holes::mark(&mut findings, plan, tallies);
        let (mut copies_note, mut shifts) = (None, Vec::new());
        let mut consistency = self.settings.check.then(|| Consistency::of(Vec::new()));
        if !is_cut_short {
            self.progress.looking_into("owners of pages");
            findings = self.add_wrong_owners(&primaries, known_owners, tallies, findings);
            let checked;
            (checked, findings) = self.add_inconsistent(&primaries, tallies, findings);
            self.progress.looking_into("content that has moved");
            shifts = shifts::find(&mut findings, files, open);
            let files = &*remembered(files, tallies);
            copies_note = self.look_up(&mut findings, files, &primaries, &mut facts);
            let told = || checked::told(&checked, files, &primaries, &facts, open);
            consistency = self.settings.check.then(told);
        }
        for (index, (facts, tally)) in facts.iter_mut().zip(&*tallies).enumerate() {
            facts.sound_pages = tally.coverage.intact.saturating_add(tally.coverage.unprotected);
            facts.has_primary = primaries.of(index).is_some();
        }
        for finding in findings.iter().filter(|finding| finding.shift.is_some()) {
            facts[finding.file].moved_pages += 1;
        }
        disbelieve_boot_pages(&mut facts, &findings, &primaries);
        findings.iter_mut().for_each(Finding::conclude);
        let shifts = shift_reports(&shifts, &findings, &facts);
        let notes = copies_note.map(str::to_owned).into_iter().chain(shown.not_compared);
        Investigated { notes: notes.collect(), findings, facts, shifts, consistency }
    }

    /// Adds pages of another owner than IAM pages say, and counts them as suspects; what proves
    /// nothing is noted in the tallies.
    fn add_wrong_owners(
        &self,
        primaries: &Primaries,
        mut known_owners: Vec<KnownOwners>,
        tallies: &mut [FileTally],
        findings: Vec<Finding>,
    ) -> Vec<Finding> {
        let files = remembered(&self.discovery.files, tallies);
        let scanned = self.scanned(&files, primaries, tallies, &findings);
        let found = wrong_owners::find(&scanned, &mut known_owners);
        wrong_owners::count(found, tallies, findings)
    }

    /// Adds pages that break rules, if a check was asked for, and counts them as suspects.
    fn add_inconsistent(
        &self,
        primaries: &Primaries,
        tallies: &mut [FileTally],
        findings: Vec<Finding>,
    ) -> (Vec<(usize, Outcome)>, Vec<Finding>) {
        if !self.settings.check {
            return (Vec::new(), findings);
        }
        self.progress.looking_into("what pages say of each other");
        let collected = tallies.iter_mut().map(|tally| std::mem::take(&mut tally.collected));
        let collected = collected.collect();
        let files = remembered(&self.discovery.files, tallies);
        let scanned = self.scanned(&files, primaries, tallies, &findings);
        let mut found = consistency::find(&scanned, collected);
        let findings = checked::count(&mut found, tallies, findings);
        (found.outcomes, findings)
    }

    fn scanned<'s>(
        &'s self,
        files: &'s [Remembered<'s>],
        primaries: &'s Primaries,
        tallies: &'s [FileTally],
        findings: &'s [Finding],
    ) -> Scanned<'s> {
        let Self { plan, transients, open, .. } = *self;
        Scanned {
            files,
            plan,
            tallies,
            primaries,
            findings,
            transients,
            open,
            stop: self.settings.stop,
        }
    }

    /// What `findings`, in the order of their places, belong to, and what stands around the most
    /// urgent of them, with clean copies of these; the files of databases, and where those are
    /// stored that have findings. Says if not all of that could be looked at.
    fn look_up(
        &self,
        findings: &mut [Finding],
        files: &[Remembered<'_>],
        primaries: &Primaries,
        facts: &mut [FileFacts],
    ) -> Option<&'static str> {
        let (all, open) = (&self.discovery.files, self.open);
        self.progress.looking_into("names of objects");
        names::name(findings, files, primaries, open);
        by_urgency(findings);
        self.progress.looking_into("neighbours of suspects");
        context::add(findings, all, primaries, open);
        for (facts, file) in facts.iter_mut().zip(files) {
            facts.database_files = names::database_files(file, open);
        }
        self.progress.looking_into("clean copies of suspects");
        let note = copies::find(findings, (all, facts), open);
        by_place(findings);
        places::find(facts, findings, all);
        note
    }
}

/// Adds what copies show: pages that were counted as intact and are stale, and notes.
fn add_shown(shown: &mut Shown, tallies: &mut [FileTally], findings: &mut Findings) {
    add_suspects(shown.stale.drain(..), tallies, findings);
    for (file, note) in shown.notes.drain(..) {
        tallies[file].parted.push(note);
    }
}

/// Adds the pages beyond the ends of files that were cut.
fn add_lost_pages(
    (discovery, plan): (&Discovery, &Plan),
    tallies: &mut [FileTally],
    findings: &mut Findings,
) {
    let planned = discovery.files.iter().zip(&plan.files);
    for (index, ((file, planned), tally)) in planned.zip(tallies).enumerate() {
        // What was being copied when the scan began is not cut.
        let is_as_planned = matches!(SizeNow::of(file, planned), SizeNow::AsPlanned);
        lost_pages(index, file).filter(|_| is_as_planned).for_each(|lost| {
            tally.coverage.suspect += 1;
            findings.add(lost);
        });
    }
}

/// The pages in use that a data file lacks because it was cut: gone, as where a device fails.
fn lost_pages(index: usize, file: &DataFile) -> impl Iterator<Item = Finding> {
    let pages = file.lost.iter().flat_map(|range| range.ids());
    pages.map(move |page| {
        let place = PageAddress::new(file.file_id, page);
        let reason = SuspectReason::Unreadable(ReadError::Ended);
        Finding::new(index, place, reason, Allocation::Allocated, None)
    })
}

fn shift_reports(
    shifts: &[(usize, Shift)],
    findings: &[Finding],
    facts: &[FileFacts],
) -> Vec<ShiftReport> {
    let mut explained = vec![(0, FileId(0)); shifts.len()];
    for finding in findings {
        if let Some(of) = finding.shift.and_then(|shift| explained.get_mut(shift)) {
            *of = (of.0 + 1, finding.place.file);
        }
    }
    let mut before = None;
    let report = |((file, shift), (pages, file_id)): (&(usize, Shift), (u64, FileId))| {
        let off = before.replace((*file, shift.bytes)).filter(|(of, _)| of == file);
        let off = off.map_or(0, |(_, bytes)| bytes);
        before = before.filter(|_| !shift.returns);
        ShiftReport::new(shift, off, &facts[*file].path, file_id, pages)
    };
    shifts.iter().zip(explained).map(report).collect()
}

/// What a boot page that is suspect itself says of the recovery model may be what was damaged: it
/// is not known then.
fn disbelieve_boot_pages(facts: &mut [FileFacts], findings: &[Finding], primaries: &Primaries) {
    let is_boot = |finding: &&Finding| finding.page_type == Some(PageType::Boot);
    let bad: BTreeSet<usize> = findings.iter().filter(is_boot).map(|f| f.file).collect();
    for (index, facts) in facts.iter_mut().enumerate() {
        if primaries.of(index).is_some_and(|primary| bad.contains(&primary)) {
            facts.simple_recovery = None;
            facts.is_boot_suspect = true;
        }
    }
}

fn remembered<'a>(files: &'a [DataFile], tallies: &'a [FileTally]) -> Vec<Remembered<'a>> {
    let files = files.iter().zip(tallies);
    files.map(|(file, tally)| Remembered { file, catalog: &tally.catalog }).collect()
}
