//! What the report says of each file.

use super::backups;
use super::members::Members;
use super::notes::{CUT_SHORT, LOG_REFUSED, cut_off, incomplete, notes, replaced};
use super::size::SizeNow;
use crate::consolidate::backup::BackupReport;
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::report::{FileReport, Outcome};
use crate::consolidate::tally::Coverage;
use crate::consolidate::tally::Verified;
use crate::discover::names::promises_pages;
use crate::discover::{DataFile, Discovery, FileKind, Refusal};
use crate::page::address::PageRange;
use crate::page::boot::sql_server_release;
use crate::page::line::Line;
use crate::page::line::digits;
use crate::plan::{Plan, PlannedFile};
use crate::scrub::tally::FileTally;
use std::sync::Arc;

/// The tally is closed and must add up before anything is reported.
pub(super) fn file_reports(
    discovery: &Discovery,
    plan: &Plan,
    tallies: &[FileTally],
    facts: &[FileFacts],
) -> (Vec<FileReport>, Coverage) {
    let members = Members::among(discovery, tallies);
    let mut total = Coverage::default();
    let mut unplanned_pages = 0;
    let mut reports = Vec::new();
    for (((file, planned), tally), facts) in
        discovery.files.iter().zip(&plan.files).zip(tallies).zip(facts)
    {
        let mut coverage = tally.coverage.clone();
        let packed = backups::packed_pages_missing(file, &tally.backup);
        let size = SizeNow::of(file, planned);
        let unplanned = packed + size.pages_added();
        coverage.promise(unplanned);
        unplanned_pages += unplanned;
        coverage.close();
        coverage.assert_adds_up();
        total += &coverage;
        let backup = backups::report(file, discovery, &members, &tally.backup);
        reports.push(scanned_file((file, planned, &size), tally, coverage, facts, backup));
    }
    total.assert_adds_up();
    let promised = plan.pages() + unplanned_pages;
    assert_eq!(total.pages_planned, promised, "the plan and the tally promise the same");
    reports.extend(discovery.refusals.iter().map(refused_file));
    reports.sort_by(|a, b| a.path.cmp(&b.path));
    (reports, total)
}

fn scanned_file(
    (file, planned, size): (&DataFile, &PlannedFile, &SizeNow),
    tally: &FileTally,
    coverage: Coverage,
    facts: &FileFacts,
    backup: Option<BackupReport>,
) -> FileReport {
    let (header, boot) = (file.header.as_ref(), file.boot.as_ref());
    // Whose backup a set is, the set says.
    let own_boot = boot.filter(|_| file.part.is_none());
    let packed = backups::packed_pages_missing(file, &tally.backup);
    let not_there = u64::from(planned.missing_pages) + packed + size.pages_added();
    let is_cut_short = coverage.not_reached > not_there;
    let is_unread = file.backup.is_some() && !tally.backup.is_done;
    let is_cut_short = is_cut_short || is_unread;
    let replaced = replaced(file);
    let (outcome, why) = match (tally.why_failed(), file.kind) {
        (Some(why), _) => (Outcome::Failed, Some(why.clone())),
        (None, _) if is_cut_short => (Outcome::Failed, Some(CUT_SHORT.to_owned())),
        (None, _) if replaced.is_some() => (Outcome::Failed, replaced),
        (None, _) if matches!(size, SizeNow::Shorter { .. }) => (Outcome::Failed, size.why()),
        (None, _) if file.backup.is_some() && size.why().is_some() => (Outcome::Failed, size.why()),
        (None, FileKind::Log) => (Outcome::Refused, Some(LOG_REFUSED.to_owned())),
        (None, _) if packed > 0 => (Outcome::Scanned, Some(cut_off(packed))),
        (None, _) => (Outcome::Scanned, size.why().or_else(|| incomplete(planned))),
    };
    FileReport {
        host: None,
        path: Arc::clone(&facts.path),
        kind: file.kind,
        outcome,
        why,
        counts: Some(counts(file)),
        verified: Some(Verified::Nothing),
        content: None,
        notes: notes((file, size, backup.as_ref()), &coverage, tally, facts),
        file_id: backup.is_none().then_some(file.file_id.0),
        binding_id: header.map(|header| digits(&header.binding_id).into()),
        file_guid: header
            .and_then(|header| Some(digits(&header.file_guid?).into()))
            .or_else(|| facts.own_guid(file.file_id).cloned()),
        logical_name: header.and_then(|header| Some(header.logical_name.as_deref()?.into())),
        line: own_boot.map(|boot| boot.line).unwrap_or_default(),
        checkpoint_lsn: own_boot.map(|boot| boot.checkpoint_lsn),
        database_files: facts.database_files.clone(),
        database: facts.database.clone(),
        internal_version: boot.map(|boot| boot.internal_version),
        sql_server: boot.and_then(|b| sql_server_release(b.internal_version)).map(Into::into),
        page_verify: file.page_verify(),
        clean_shutdown: boot.filter(|_| !facts.is_boot_suspect).map(|boot| boot.clean_shutdown),
        simple_recovery: facts.simple_recovery,
        pages: u64::from(planned.pages_to_look_at()),
        not_reached_ranges: not_reached_ranges((planned, size), tally, coverage.not_reached),
        backup,
        backup_set: facts.part.as_ref().map(|part| part.position),
        coverage,
    }
}

/// A log beside its data files is no news; one that was asked for, or that stands where its name
/// says data file, is.
fn counts(file: &DataFile) -> bool {
    file.kind != FileKind::Log || file.named || promises_pages(&file.path)
}

/// Pages that are done and have no verdict, as in a file that shrank, have no place either.
fn not_reached_ranges(
    (planned, size): (&PlannedFile, &SizeNow),
    tally: &FileTally,
    not_reached: u64,
) -> Option<Vec<PageRange>> {
    let added = u32::try_from(size.pages_added()).ok()?;
    let end = planned.pages.checked_add(planned.missing_pages)?.checked_add(added)?;
    let ranges: Vec<_> = if planned.only_stored {
        planned.stored.iter().flat_map(|range| tally.done.left(*range)).collect()
    } else {
        tally.done.left(PageRange::between(0, end)).collect()
    };
    let pages: u64 = ranges.iter().map(|range| u64::from(range.pages)).sum();
    (pages == not_reached).then_some(ranges)
}

fn refused_file(refusal: &Refusal) -> FileReport {
    FileReport {
        host: None,
        path: super::text(&refusal.path),
        kind: refusal.kind,
        outcome: if refusal.failed { Outcome::Failed } else { Outcome::Refused },
        why: Some(refusal.why.clone()),
        counts: Some(refusal.counts),
        verified: Some(Verified::Nothing),
        content: refusal.lost.map(Into::into),
        notes: Vec::new(),
        file_id: None,
        binding_id: None,
        file_guid: None,
        logical_name: None,
        line: Line::default(),
        checkpoint_lsn: None,
        database_files: Vec::new(),
        database: None,
        internal_version: None,
        sql_server: None,
        page_verify: None,
        clean_shutdown: None,
        simple_recovery: None,
        pages: 0,
        coverage: Coverage::default(),
        not_reached_ranges: Some(Vec::new()),
        backup: None,
        backup_set: None,
    }
}
