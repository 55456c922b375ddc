//! Why a page of another owner is no proof of damage: in a database that is not whole or not at
//! rest, pages and maps need not be of one moment.

use super::Scanned;
use crate::diagnose::verdict::SuspectReason;
use crate::discover::paths::FileTimes;
use crate::discover::{DataFile, FileKind};
use crate::page::kind::PageType;
use crate::scrub::finish::size::SizeNow;
use crate::scrub::names;
use std::collections::BTreeSet;

const BACKUP: &str = "that is no damage in a backup, where the log that RESTORE applies may put it \
    right";
const UNCLEAN: &str = "that is no proof of damage, because the database was not shut down cleanly \
    and recovery may put it right";
const WRITTEN_TO: &str = "that is no proof of damage, because the file was written to during the \
    scan";
const INCOMPLETE: &str = "that is no proof of damage, because not all files of the database were \
    scanned as a whole";
pub(super) const CONTRADICTION: &str = "that is no proof of damage to them, because the PFS and \
    IAM pages there contradict each other";
/// `type` of a data file in the catalog.
const KIND_DATA: u8 = 0;

/// True if the database of file `index` was shut down cleanly, and was not written to while it was
/// scanned.
pub(in crate::scrub) fn is_at_rest(index: usize, members: &[usize], scanned: &Scanned<'_>) -> bool {
    let file = scanned.files[index].file;
    let is_clean = file.boot.as_ref().is_some_and(|boot| boot.clean_shutdown);
    let is_written_to = |at: &usize| is_written_to(scanned.files[*at].file);
    file.part.is_none()
        && is_clean
        && !has_suspect_boot_page(members, scanned)
        && !members.iter().any(is_written_to)
}

/// Why nothing is proven by the pages of file `index`, whose database `members` are all there is
/// of, in words that follow on the pages; `None` if it is.
pub(in crate::scrub) fn of(
    index: usize,
    members: &[usize],
    scanned: &Scanned<'_>,
) -> Option<&'static str> {
    let file = scanned.files[index].file;
    if file.part.is_some() {
        return Some(BACKUP);
    }
    let boot = file.boot.as_ref().filter(|_| !has_suspect_boot_page(members, scanned));
    match boot {
        Some(boot) if !boot.clean_shutdown => return Some(UNCLEAN),
        Some(_) if members.iter().any(|at| is_written_to(scanned.files[*at].file)) => {
            return Some(WRITTEN_TO);
        }
        Some(_) if are_all(index, members, scanned) => {}
        _ => return Some(INCOMPLETE),
    }
    members.iter().any(|member| !is_whole(*member, scanned)).then_some(INCOMPLETE)
}

fn has_suspect_boot_page(members: &[usize], scanned: &Scanned<'_>) -> bool {
    let mut suspects = members.iter().flat_map(|member| scanned.suspects_of(*member));
    suspects.any(|suspect| suspect.page_type == Some(PageType::Boot))
}

fn is_written_to(file: &DataFile) -> bool {
    let now = std::fs::metadata(&file.path).map(|now| FileTimes::of(&now));
    let is_as_it_was = |now: FileTimes| now.modified == file.times.modified;
    file.times != FileTimes::default() && !now.is_ok_and(is_as_it_was)
}

/// `members` are the data files that the catalog of the database names, each once.
pub(in crate::scrub) fn are_all(index: usize, members: &[usize], scanned: &Scanned<'_>) -> bool {
    let Some(primary) = scanned.primaries.of(index) else { return false };
    let ids: BTreeSet<u16> = members.iter().map(|at| scanned.files[*at].file.file_id.0).collect();
    // Of a striped backup, each member has its part of the catalog.
    let is_primary = |at: &&usize| **at == primary || scanned.files[**at].file.is_primary();
    let primaries = members.iter().filter(is_primary);
    let named = primaries.flat_map(|at| names::files_in_catalog(&scanned.files[*at], scanned.open));
    let data = named.filter(|(_, file)| file.kind == KIND_DATA).map(|(id, _)| id);
    !ids.is_empty() && ids == data.collect()
}

/// Every page that there should be of the file was read.
fn is_whole(index: usize, scanned: &Scanned<'_>) -> bool {
    let (file, planned) = (scanned.files[index].file, &scanned.plan.files[index]);
    let tally = &scanned.tallies[index];
    let is_unreadable = |reason: &SuspectReason| matches!(reason, SuspectReason::Unreadable(_));
    file.kind == FileKind::Data
        && planned.missing_pages == 0
        && tally.why_failed().is_none()
        && tally.done.pages() == planned.pages_to_look_at()
        && matches!(SizeNow::of(file, planned), SizeNow::AsPlanned)
        && !scanned.suspects_of(index).iter().any(|suspect| is_unreadable(&suspect.reason))
}
