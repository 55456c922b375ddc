//! The backup sets of a scan that can be restored as they are.

use super::Medium;
use crate::backup::BackupKind;
use crate::consolidate::backup::{BackupReport, SetReport};
use crate::consolidate::report::{FileReport, Outcome};
use crate::discover::backup::missing::MEMBERS_MAX;
use crate::page::header::Lsn;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What tells media sets of one machine apart: the GUID; of a file without one, its path.
type Media<'a> = Result<&'a str, &'a str>;
/// What tells the sets of a media set apart. BACKUP WITH INIT, night after night, keeps the media
/// set and position 1, so that these two are not enough.
type Key<'a> = (Media<'a>, u32, Identity<'a>);
/// The set's GUID; where it is not known, its first and last LSN and when it was finished.
type Identity<'a> = Result<&'a str, (Option<Lsn>, Option<Lsn>, Option<&'a str>)>;
/// A backup set in one file.
type Place<'a> = (&'a str, u32);

/// What is known of the pages of a set in one file.
#[derive(Default)]
struct Pages<'a> {
    is_bad: bool,
    binding_id: Option<&'a str>,
}

/// All sets on `host` that are complete and without a fault, in files that can be named.
pub(super) fn sets<'a>(
    files: &'a [FileReport],
    host: Option<&str>,
    can_name: fn(&str) -> bool,
) -> Vec<Medium<'a>> {
    let files = || files.iter().filter(|file| file.host.as_deref() == host);
    let mut parts: BTreeMap<Place<'_>, Pages<'_>> = BTreeMap::new();
    for file in files() {
        if let Some(position) = file.backup_set {
            let pages = parts.entry((&file.path, position)).or_default();
            pages.is_bad |= is_bad(file);
            pages.binding_id = pages.binding_id.or(file.binding_id.as_deref());
        }
    }
    let mut by_set: BTreeMap<Key<'_>, Vec<Member<'_>>> = BTreeMap::new();
    let media = files().filter(|file| !is_bad(file) && can_name(&file.path));
    for (file, backup) in media.filter_map(|file| Some((file, file.backup.as_ref()?))) {
        if backup.fault_count() > 0 || backup.is_incomplete() {
            continue;
        }
        let key = backup.media_set.as_deref().ok_or(&*file.path);
        let twice = positions_taken_twice(backup);
        let can_be_named = |set: &&SetReport| set.is_complete && !twice.contains(&set.position);
        for set in backup.sets.iter().filter(can_be_named) {
            let pages = parts.get(&(&*file.path, set.position));
            if pages.is_some_and(|pages| pages.is_bad) {
                continue;
            }
            let binding_id = pages.and_then(|pages| pages.binding_id);
            let member = Member { path: &file.path, backup, set, binding_id };
            by_set.entry((key, set.position, identity(set))).or_default().push(member);
        }
    }
    by_set.into_values().filter_map(medium).collect()
}

/// A set in one member of its media set.
struct Member<'a> {
    path: &'a str,
    backup: &'a BackupReport,
    set: &'a SetReport,
    /// By its pages.
    binding_id: Option<&'a str>,
}

fn identity(set: &SetReport) -> Identity<'_> {
    set.set_id.as_deref().ok_or((set.first_lsn, set.last_lsn, set.finished.as_deref()))
}

/// RESTORE names a set by its position: of two with the same one it could take the wrong one.
fn positions_taken_twice(backup: &BackupReport) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let positions = backup.sets.iter().map(|set| set.position);
    positions.filter(|position| !seen.insert(*position)).collect()
}

/// Damage, or pages that nobody has seen.
fn is_bad(file: &FileReport) -> bool {
    let coverage = &file.coverage;
    file.outcome != Outcome::Scanned || coverage.suspect > 0 || coverage.not_reached > 0
}

/// The set that `members` have together, if all of them are there and say the same of it, and have
/// all pages between them. Of several files with one member, one with the most pages is taken, and
/// of these the first by path.
fn medium(mut members: Vec<Member<'_>>) -> Option<Medium<'_>> {
    members.sort_by_cached_key(|member| {
        (member.backup.member, Reverse(pages_in(member.set)), member.path)
    });
    members.dedup_by_key(|member| member.backup.member);
    let first = members.first()?;
    let expected = first.backup.members.max(1);
    let is_like_first = |member: &Member<'_>| {
        member.backup.members == first.backup.members && member.set.kind == first.set.kind
    };
    let are_all = members.len() == usize::from(expected) && expected <= MEMBERS_MAX;
    // Only one member need have the description with its LSNs.
    let (told, last_lsn) =
        members.iter().find_map(|member| Some((member, member.set.last_lsn?)))?;
    let has_pages = || members.iter().any(|member| pages_in(member.set) > 0);
    let is_whole = told.set.kind != BackupKind::Full || has_pages();
    let by_pages = members.iter().find_map(|member| member.binding_id);
    let is_sound = are_all && members.iter().all(is_like_first) && is_whole;
    (is_sound && has_all_pages(&members)).then(|| Medium {
        paths: members.iter().map(|member| member.path).collect(),
        set: told.set,
        is_one_of_several: told.set.position > 1 || first.backup.sets.len() > 1,
        binding_id: by_pages.or(told.set.binding_id.as_deref()),
        last_lsn,
    })
}

fn pages_in(set: &SetReport) -> u64 {
    set.files.iter().fold(0, |sum, file| sum.saturating_add(file.pages_here))
}

/// Whether of each file as many pages are there as the backup says. Whether each member of a
/// striped set tells the pages of all of them or its own is not established (docs/page-format.md,
/// section 9.2.2): either way is taken.
fn has_all_pages(members: &[Member<'_>]) -> bool {
    let mut files: BTreeMap<u16, Vec<(u64, u64)>> = BTreeMap::new();
    for file in members.iter().flat_map(|member| &member.set.files) {
        files.entry(file.file_id).or_default().push((file.pages.into(), file.pages_here));
    }
    files.values().all(|counts| {
        let here = counts.iter().fold(0_u64, |sum, (_, here)| sum.saturating_add(*here));
        counts.iter().all(|(pages, _)| *pages == here)
            || counts.iter().all(|(pages, here)| pages == here)
    })
}
