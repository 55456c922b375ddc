//! What the report says of each file.

use super::backups::{self, Members};
use super::size::SizeNow;
use crate::consolidate::backup::BackupReport;
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::recovery::PAGE_RESTORE_MAX;
use crate::consolidate::report::{FileReport, Outcome};
use crate::consolidate::tally::Coverage;
use crate::consolidate::tally::Verified;
use crate::discover::backup::Part;
use crate::discover::names::promises_pages;
use crate::discover::paths::FileTimes;
use crate::discover::{DataFile, Discovery, FileKind, Refusal};
use crate::page::address::PageRange;
use crate::page::boot::sql_server_release;
use crate::page::line::Line;
use crate::page::line::digits;
use crate::plan::{Plan, PlannedFile};
use crate::scrub::file::{FileTally, Zeroed};
use crate::scrub::wrong_owners::Unproven;
use std::sync::Arc;

/// Bad checksums that make a whole file look encrypted: at least so many ...
const ENCRYPTED_SUSPECTS_MIN: u64 = 64;
/// ... and for each intact page at least so many.
const ENCRYPTED_SUSPECTS_PER_INTACT: u64 = 9;

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

const NOT_VERIFIED_WHEN_READ: &str = "taken without CHECKSUM: BACKUP did not verify what it read, \
    and may have read pages that were being written, which the log that RESTORE applies may cure";
const CUT_SHORT: &str = "the scan was stopped before its end";
const LOG_REFUSED: &str = "a transaction log: its file header page was verified; the rest is log \
    blocks, which carry no page checksums";

fn cut_off(pages: u64) -> String {
    format!("was cut: at least {pages} pages that its backup sets promise are not here")
}

fn incomplete(planned: &PlannedFile) -> Option<String> {
    let PlannedFile { pages, missing_pages, tail_bytes, .. } = planned;
    match (missing_pages, tail_bytes) {
        (0, 0) => None,
        (missing, _) if planned.only_stored => Some(format!(
            "holds {} of the pages that its backup set promises; {missing} are not here: the \
             backup was cut, or members of it are missing",
            planned.pages_to_look_at()
        )),
        (0 | 1, 1..) => Some(format!("ends with {tail_bytes} bytes that are not a whole page")),
        _ => Some(format!(
            "holds {pages} whole pages, {missing_pages} fewer than its own file header, PFS or GAM \
             page says: it is truncated, or that page is damaged"
        )),
    }
}

fn notes(
    (file, size, backup): (&DataFile, &SizeNow, Option<&BackupReport>),
    coverage: &Coverage,
    tally: &FileTally,
    facts: &FileFacts,
) -> Vec<String> {
    let mut notes = Vec::new();
    if file.header.is_none() && file.kind == FileKind::Data {
        notes.push("page 0 does not pass its check: the file's true size is not known".to_owned());
    }
    notes.extend(unknown_allocation(file, coverage));
    if coverage.junk_allocation_unknown > 0 {
        notes.push(format!(
            "{} pages of unknown allocation are no pages of their places: what free pages held \
             before, or lost; they could not be verified",
            coverage.junk_allocation_unknown
        ));
    }
    if tally.failed_reads && !tally.failed_pages {
        notes.push(
            "reads failed, and then each of their pages could be read alone: the medium may be \
             failing, see the system's log"
                .to_owned(),
        );
    }
    if tally.flagless_pages > 0 {
        notes.push(format!(
            "{} pages in use carry a checksum or torn bits without the flag that says so: written \
             while PAGE_VERIFY was NONE, or damaged; DBCC CHECKDB can tell",
            tally.flagless_pages
        ));
    }
    let has_checksum = facts.part.as_ref().map(|part| part.has_checksum);
    if coverage.suspect > 0 && has_checksum == Some(false) {
        notes.push(NOT_VERIFIED_WHEN_READ.to_owned());
    }
    let to_restore = coverage.suspect.saturating_sub(facts.moved_pages);
    if to_restore > PAGE_RESTORE_MAX as u64 && has_checksum.is_none() {
        notes.push(format!(
            "{to_restore} suspects are more than the {PAGE_RESTORE_MAX} pages that one page \
             restore takes for a file: restore the file instead"
        ));
    }
    let has_suspects = coverage.suspect > 0 && file.kind == FileKind::Data;
    if has_suspects && facts.has_primary && (file.boot.is_none() || facts.is_boot_suspect) {
        notes.push(
            "the boot page of its database, (1:9), is damaged: the recovery model is not known, \
             and the name is a hint at best; sys.databases on its server tells"
                .to_owned(),
        );
    }
    if has_suspects && !facts.has_primary {
        notes.push(
            "its primary file is not in this scan: what its suspects belong to is told by \
             allocation unit id only"
                .to_owned(),
        );
    }
    if coverage.suspect > 0 && facts.is_of_unknown_database {
        notes.push(
            "nothing that is left of it tells of which database it is: clean copies of its \
             suspects could not be looked for, and no backup is known to be its own"
                .to_owned(),
        );
    }
    if tally.catalog.is_cut() && coverage.suspect > 0 {
        notes.push(
            "holds more pages of system tables, or more IAM pages, than are looked through: object \
             names may be missing"
                .to_owned(),
        );
    }
    notes.extend(tally.unproven_owners.iter().flat_map(Unproven::notes));
    notes.extend(holes(tally.zeroed));
    notes.extend(tally.parted.iter().cloned());
    notes.extend(shrunk(file));
    notes.extend(backup.and_then(BackupReport::doubtful_log));
    notes.extend(written_to(file).filter(|_| matches!(size, SizeNow::AsPlanned)));
    let enough = coverage.suspect >= ENCRYPTED_SUSPECTS_MIN;
    if enough && coverage.suspect >= ENCRYPTED_SUSPECTS_PER_INTACT * coverage.intact {
        notes.push(
            "nearly every protected page is suspect: is the file encrypted (TDE, or by an \
             attacker), or was it copied wrongly as a whole?"
                .to_owned(),
        );
    }
    // A backup never is, and no recovery runs on it.
    let is_open = file.boot.as_ref().is_some_and(|boot| !boot.clean_shutdown);
    if is_open && coverage.suspect > 0 && file.part.is_none() {
        notes.push(
            "not shut down cleanly: recovery may still rewrite some of its suspects".to_owned(),
        );
    }
    notes
}

/// Asks whether the file is a snapshot, if it may be one.
fn holes(zeroed: Zeroed) -> Option<String> {
    let Zeroed { pages, in_holes } = zeroed;
    (pages > 0 && in_holes == pages).then(|| {
        format!(
            "all {pages} pages of zeros among its suspects lie in holes of at least 64 KiB, where \
             the file system stores nothing: is it a database snapshot? Then scan its database \
             instead. Else they are lost, and a copy made holes of them"
        )
    })
}

/// A file keeps the size that it had before it was shrunk.
fn shrunk(file: &DataFile) -> Option<String> {
    let unused = Some(file.promise.unused_pages).filter(|pages| *pages > 0)?;
    Some(format!(
        "its file header asks for {unused} more pages than it holds, and its PFS and GAM pages \
         say that none of these is in use: it was shrunk, or cut where it was empty"
    ))
}

/// Why it is not known of some pages whether they are in use.
fn unknown_allocation(file: &DataFile, coverage: &Coverage) -> Option<String> {
    let Coverage { allocation_unknown, pfs_absent, zero_allocation_unknown, .. } = *coverage;
    let absent = if file.part.as_ref().is_some_and(is_striped) {
        "is in none of the members of the backup that are here"
    } else {
        "is not in the backup"
    };
    let why = match (pfs_absent, allocation_unknown - pfs_absent) {
        (0, 0) => return None,
        (0, _) => "their PFS page is bad".to_owned(),
        (_, 0) => format!("their PFS page {absent}"),
        (n, bad) => format!("the PFS page of {bad} of them is bad, and that of {n} {absent}"),
    };
    Some(format!(
        "allocation of {allocation_unknown} pages is unknown because {why}: some of their suspects \
         may be free pages, and {zero_allocation_unknown} pages of zeros among them may be free or \
         lost"
    ))
}

fn is_striped(part: &Part) -> bool {
    part.backup.media.family.as_ref().is_some_and(|family| family.family_count > 1)
}

/// Why the path no longer leads to what was scanned, if it does not.
fn replaced(file: &DataFile) -> Option<String> {
    match file.is_in_its_place() {
        Ok(true) => None,
        Ok(false) => {
            Some("another file was put in its place during the scan; scan again".to_owned())
        }
        Err(_) => Some("was removed or renamed during the scan".to_owned()),
    }
}

/// How the file at the end of the scan is not what it was at the beginning.
fn written_to(file: &DataFile) -> Option<String> {
    let now = std::fs::metadata(&file.path).ok().filter(std::fs::Metadata::is_file)?;
    if now.len() > file.bytes {
        return Some(format!(
            "grew by {} bytes during the scan, not scanned",
            now.len() - file.bytes
        ));
    }
    if file.times == FileTimes::default() {
        return None;
    }
    let (then, now) = (file.times, FileTimes::of(&now));
    let what = if now.modified != then.modified {
        "was written to during the scan"
    } else if now.changed != then.changed {
        "changed during the scan (only its mode, owner, name or links, unless it was written to \
         and the time of that put back)"
    } else {
        return None;
    };
    Some(format!(
        "{what}: what was verified may not be what it holds now; scan a copy that nothing changes, \
         or a storage snapshot"
    ))
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
