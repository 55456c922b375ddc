//! Which files and which backup sets are of one database: by origin, then by line, then nothing
//! more (docs/page-format.md, section 5.5). Names say nothing: databases of one name stay apart.

use super::forks::ForkPath;
use super::group::{Group, PRIMARY};
use super::lost;
use super::sets::{Medium, sets};
use crate::consolidate::report::{FileReport, folder};
use crate::discover::FileKind;
use crate::page::line::Guid;
use std::collections::{BTreeMap, BTreeSet};

/// All databases among `files`.
pub(super) fn groups(files: &[FileReport]) -> Vec<Group<'_>> {
    let hosts: BTreeSet<Option<&str>> = files.iter().map(|file| file.host.as_deref()).collect();
    hosts.into_iter().flat_map(|host| on_host(files, host)).collect()
}

fn on_host<'a>(files: &'a [FileReport], host: Option<&'a str>) -> Vec<Group<'a>> {
    let has_place = |file: &&FileReport| {
        let is_file = matches!(file.kind, FileKind::Data | FileKind::Log);
        file.host.as_deref() == host && is_file && file.backup_set.is_none()
    };
    let of_database = files.iter().filter(has_place).filter(|file| file.file_id.is_some());
    let (orphans, of_database): (Vec<&FileReport>, Vec<&FileReport>) =
        of_database.partition(|file| keys_of_file(file).is_empty());
    let mut groups = by_files(&of_database, host);
    let mut left = Vec::new();
    let index = Index::of(&groups);
    let all = sets(files, host);
    for medium in &all {
        let mut of_them = index.candidates(&keys_of_medium(medium));
        of_them.retain(|group| groups[*group].has_backup(medium));
        for group in &of_them {
            groups[*group].sets.push(medium.clone());
        }
        if of_them.is_empty() {
            left.push(medium.clone());
        }
    }
    groups.extend(by_sets(&left, &all, host));
    for file in lost::claim(files, orphans, host, &mut groups) {
        groups.push(Group { host, files: vec![file], ..Group::default() });
    }
    groups
}

/// Every primary file begins a database of its own, be it a copy of another one. Other files go to
/// the primary file that names them by GUID, or whose binding id they share: beside them, if there
/// are several.
fn by_files<'a>(files: &[&'a FileReport], host: Option<&'a str>) -> Vec<Group<'a>> {
    let (primaries, others): (Vec<&FileReport>, Vec<&FileReport>) =
        files.iter().copied().partition(|file| file.file_id == Some(PRIMARY));
    let group = |file| Group { host, files: vec![file], ..Group::default() };
    let mut groups: Vec<Group<'_>> = primaries.into_iter().map(group).collect();
    let index = Index::of(&groups);
    for file in others {
        let mut fitting = index.candidates(&keys_of_file(file));
        fitting.retain(|index| is_of_one(groups[*index].files[0], file));
        let is_beside = |index: &usize| folder(&groups[*index].files[0].path) == folder(&file.path);
        let beside = fitting.iter().copied().find(is_beside);
        match beside.or(fitting.first().copied()) {
            Some(index) => groups[index].files.push(file),
            None => groups.push(group(file)),
        }
    }
    groups
}

/// What files and backups of one database have in common, if nothing of it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Family(Guid),
    File(&'a str),
    Binding(&'a str),
    Name(&'a str),
}

fn keys_of_file(file: &FileReport) -> Vec<Key<'_>> {
    let own = [
        file.line.family_id.map(Key::Family),
        file.file_guid.as_deref().map(Key::File),
        file.binding_id.as_deref().map(Key::Binding),
        file.database.as_deref().filter(|_| file.binding_id.is_none()).map(Key::Name),
    ];
    let named = file.database_files.iter().filter_map(|told| told.guid.as_deref());
    own.into_iter().flatten().chain(named.map(Key::File)).collect()
}

fn keys_of_medium<'a>(medium: &Medium<'a>) -> Vec<Key<'a>> {
    let own = [medium.set.line.family_id.map(Key::Family), medium.binding_id.map(Key::Binding)];
    let files = medium.set.files.iter().filter_map(|told| told.guid.as_deref());
    own.into_iter().flatten().chain(files.map(Key::File)).collect()
}

/// Databases by what they have: there may be thousands of them, and more backups.
struct Index<'a>(BTreeMap<Key<'a>, BTreeSet<usize>>);

impl<'a> Index<'a> {
    fn of(groups: &[Group<'a>]) -> Self {
        let mut index: BTreeMap<Key<'_>, BTreeSet<usize>> = BTreeMap::new();
        for (at, group) in groups.iter().enumerate() {
            for key in group.files.iter().flat_map(|file| keys_of_file(file)) {
                index.entry(key).or_default().insert(at);
            }
        }
        Self(index)
    }

    /// Those that have any of `keys`, in their order.
    fn candidates(&self, keys: &[Key<'_>]) -> Vec<usize> {
        let found: BTreeSet<usize> =
            keys.iter().filter_map(|key| self.0.get(key)).flatten().copied().collect();
        found.into_iter().collect()
    }
}

fn is_of_one(first: &FileReport, file: &FileReport) -> bool {
    let is_named = first.database_files.iter().any(|told| {
        Some(told.file_id) == file.file_id && told.guid.is_some() && told.guid == file.file_guid
    });
    match (&first.binding_id, &file.binding_id) {
        (Some(first), Some(file)) => is_named || first == file,
        // In reports of before binding ids were told, a file has its name from its primary file.
        (None, None) => is_named || (first.database.is_some() && first.database == file.database),
        _ => is_named,
    }
}

/// Databases of which there are `left` sets without any file: those of the line of the newest one
/// are one database, then those of the newest of what is left. What was backed up before a fork is
/// of both lines, so that `all` sets of one origin are looked through each time.
fn by_sets<'a>(left: &[Medium<'a>], all: &[Medium<'a>], host: Option<&'a str>) -> Vec<Group<'a>> {
    let mut by_origin: BTreeMap<Option<Key<'_>>, [Vec<&Medium<'_>>; 2]> = BTreeMap::new();
    for medium in left {
        by_origin.entry(origin(medium)).or_default()[0].push(medium);
    }
    for medium in all {
        if let Some([_, all]) = by_origin.get_mut(&origin(medium)) {
            all.push(medium);
        }
    }
    by_origin.into_values().flat_map(|[left, all]| of_one_origin(left, &all, host)).collect()
}

fn origin<'a>(medium: &Medium<'a>) -> Option<Key<'a>> {
    let family = medium.set.line.family_id.map(Key::Family);
    family.or(medium.binding_id.map(Key::Binding))
}

fn of_one_origin<'a>(
    mut left: Vec<&Medium<'a>>,
    all: &[&Medium<'a>],
    host: Option<&'a str>,
) -> Vec<Group<'a>> {
    left.sort_by_key(|medium| medium.last_lsn);
    let mut groups = Vec::new();
    while let Some(newest) = left.last().copied() {
        let path = ForkPath::to(newest, all);
        left.retain(|medium| !path.has(newest, medium));
        let sets = all.iter().filter(|medium| path.has(newest, medium));
        let sets = sets.map(|medium| (*medium).clone()).collect();
        groups.push(Group { host, sets, ..Group::default() });
    }
    groups
}
