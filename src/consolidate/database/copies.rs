//! Which clean copies of suspect pages RESTORE can bring back: those in backups of which all is
//! there and sound, and that can be restored down to the page.

use super::sets::{Medium, MediumState, sets};
use crate::backup::BackupKind;
use crate::consolidate::clean_copy::CleanCopy;
use crate::consolidate::report::{FileReport, Suspect};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A machine, in a merged report, a path and the position of a backup set.
type Place<'a> = (Option<&'a str>, &'a str, u32);

/// Says of each clean copy of `suspects` whether it can be restored, and why not.
pub(super) fn mark(suspects: &mut [Suspect], files: &[FileReport]) {
    if suspects.iter().all(|suspect| suspect.clean_copies.is_empty()) {
        return;
    }
    let hosts: BTreeSet<Option<&str>> = files.iter().map(|file| file.host.as_deref()).collect();
    let mut obstacles = BTreeMap::new();
    for host in hosts {
        let media = sets(files, host);
        for medium in &media {
            let why_not = obstacle(medium, &media);
            let places = medium.paths.iter().map(|path| (host, *path, medium.set.position));
            obstacles.extend(places.map(|place: Place<'_>| (place, why_not)));
        }
    }
    for Suspect { host, clean_copies, .. } in suspects {
        for copy in clean_copies {
            let why_not = of_copy(copy, host.as_deref(), &obstacles);
            copy.restorable = why_not.is_none();
            copy.not_restorable_because = why_not.map(Cow::Borrowed);
        }
    }
}

fn of_copy(
    copy: &CleanCopy,
    host: Option<&str>,
    obstacles: &BTreeMap<Place<'_>, Option<&'static str>>,
) -> Option<&'static str> {
    let Some(position) = copy.backup_set else { return Some("RESTORE reads no data files") };
    let known = obstacles.get(&(host, &*copy.path, position)).copied();
    known.unwrap_or(Some("its backup set does not say where it ends"))
}

/// What keeps pages in `medium` from being restored.
pub(super) fn obstacle(medium: &Medium<'_>, all: &[Medium<'_>]) -> Option<&'static str> {
    match (medium.state, medium.set.kind) {
        (MediumState::Damaged, _) => Some("its backup set is damaged"),
        (MediumState::MemberMissing, _) => Some("members of its backup set are not in this scan"),
        (MediumState::Incomplete, _) => Some("not all of its backup set could be read"),
        (MediumState::Sound, BackupKind::Differential) => {
            let mut fulls = all.iter().filter(|m| m.set.kind == BackupKind::Full && m.is_sound());
            let has_base = fulls.any(|full| medium.is_based_on(full));
            (!has_base).then_some("the full backup that it is based on is not sound, or not here")
        }
        (MediumState::Sound, _) => None,
    }
}
