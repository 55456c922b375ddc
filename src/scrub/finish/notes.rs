//! What is said of a file beside its counts.

use super::size::SizeNow;
use crate::consolidate::backup::BackupReport;
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::recovery::PAGE_RESTORE_MAX;
use crate::consolidate::tally::Coverage;
use crate::discover::backup::Part;
use crate::discover::paths::FileTimes;
use crate::discover::{DataFile, FileKind};
use crate::plan::PlannedFile;
use crate::scrub::tally::{FileTally, Zeroed};
use crate::scrub::wrong_owners::unproven::Unproven;

/// Bad checksums that make a whole file look encrypted: at least so many ...
const ENCRYPTED_SUSPECTS_MIN: u64 = 64;
/// ... and for each intact page at least so many.
const ENCRYPTED_SUSPECTS_PER_INTACT: u64 = 9;

const NOT_VERIFIED_WHEN_READ: &str = "taken without CHECKSUM: BACKUP did not verify what it read, \
    and may have read pages that were being written, which the log that RESTORE applies may cure";
pub(super) const CUT_SHORT: &str = "the scan was stopped before its end";
pub(super) const LOG_REFUSED: &str = "a transaction log: its file header page was verified; the \
    rest is log blocks, which carry no page checksums";

pub(super) fn cut_off(pages: u64) -> String {
    format!("was cut: at least {pages} pages that its backup sets promise are not here")
}

pub(super) fn incomplete(planned: &PlannedFile) -> Option<String> {
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

pub(super) fn notes(
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
pub(super) fn replaced(file: &DataFile) -> Option<String> {
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
