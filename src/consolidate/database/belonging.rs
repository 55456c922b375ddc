//! Which files and which backup sets are of one database: by origin, then by line, then nothing
//! more (docs/page-format.md, section 5.5). Names say nothing: databases of one name stay apart.

use super::sets::{Medium, sets};
use crate::consolidate::backup::SetFile;
use crate::consolidate::report::{FileReport, Outcome};
use crate::discover::FileKind;
use crate::discover::names::has_foreign_ending as is_foreign;
use crate::page::header::Lsn;
use crate::page::line::{Guid, Line};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The id of a primary file.
pub(super) const PRIMARY: u16 = 1;

/// What is of one database.
#[derive(Default)]
pub(super) struct Group<'a> {
    pub(super) host: Option<&'a str>,
    /// Data files and logs, the primary file first if it is there.
    pub(super) files: Vec<&'a FileReport>,
    /// Files, by id, that stand where it has one, and hold nothing of it.
    pub(super) lost: Vec<(u16, &'a FileReport)>,
    /// Backup sets of its line.
    pub(super) sets: Vec<Medium<'a>>,
}

impl Group<'_> {
    /// Of its primary file, else of the newest of its sets.
    pub(super) fn line(&self) -> Line {
        let newest = self.newest_set();
        self.told_by_files().or_else(|| Some(newest?.set.line)).unwrap_or_default()
    }

    /// The backup set that ends last.
    pub(super) fn newest_set(&self) -> Option<&Medium<'_>> {
        self.sets.iter().max_by_key(|medium| medium.last_lsn)
    }

    fn told_by_files(&self) -> Option<Line> {
        self.files.iter().map(|file| file.line).find(Line::is_told)
    }

    /// Where the copy ends that is told by its files.
    fn end(&self) -> Option<Lsn> {
        self.files.iter().find_map(|file| file.checkpoint_lsn)
    }

    /// True if `medium` is a backup of it.
    fn has_backup(&self, medium: &Medium<'_>) -> bool {
        let kinship = self.told_by_files().and_then(|line| {
            line.kinship(self.end(), &medium.set.line, Some(medium.last_lsn)).is_line()
        });
        kinship.unwrap_or_else(|| self.shares_a_file(medium) || self.shares_binding(medium))
    }

    /// The id of the file of this database that `file` is called like, if none is in its place.
    fn seat_of(&self, file: &FileReport) -> Option<u16> {
        let name = base_name(&file.path);
        let by_catalog = self.files.iter().flat_map(|file| &file.database_files);
        let by_catalog =
            by_catalog.map(|told| (told.file_id, &told.physical_name, &told.logical_name));
        let by_sets = self.sets.iter().flat_map(|medium| &medium.set.files);
        let by_sets = by_sets.map(|told| (told.file_id, &told.physical_name, &told.logical_name));
        let is_taken = |id: u16| {
            let ids = self.files.iter().filter_map(|file| file.file_id);
            ids.chain(self.lost.iter().map(|(id, _)| *id)).any(|taken| taken == id)
        };
        let mut names = by_catalog.chain(by_sets);
        let is_it = |(id, path, logical): &(u16, &Arc<str>, &Arc<str>)| {
            let is_called = || stem(&name) == logical.to_lowercase();
            !is_taken(*id) && (is_name_of(&name, &base_name(path)) || is_called())
        };
        names.find(is_it).map(|(id, ..)| id)
    }

    /// It has a file or a backup in the folder of `file`.
    fn stands_beside(&self, file: &FileReport) -> bool {
        let folder = |path: &str| Path::new(path).parent().map(Path::to_owned);
        let paths = self.sets.iter().flat_map(|medium| medium.paths.iter().copied());
        let mut paths = self.files.iter().map(|file| &*file.path).chain(paths);
        paths.any(|path| folder(path) == folder(&file.path))
    }

    fn shares_a_file(&self, medium: &Medium<'_>) -> bool {
        self.files.iter().any(|file| {
            let is_it =
                |told: &SetFile| Some(told.file_id) == file.file_id && told.guid == file.file_guid;
            file.file_guid.is_some() && medium.set.files.iter().any(is_it)
        })
    }

    fn shares_binding(&self, medium: &Medium<'_>) -> bool {
        let binding = self.files.iter().find_map(|file| file.binding_id.as_deref());
        binding.is_some() && binding == medium.binding_id
    }
}

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
    let of_database: Vec<&FileReport> =
        files.iter().filter(has_place).filter(|file| file.file_id.is_some()).collect();
    let mut groups = by_files(&of_database, host);
    let mut left = Vec::new();
    for medium in sets(files, host) {
        let mut is_taken = false;
        for group in groups.iter_mut().filter(|group| !group.files.is_empty()) {
            if group.has_backup(&medium) {
                group.sets.push(medium.clone());
                is_taken = true;
            }
        }
        if !is_taken {
            left.push(medium);
        }
    }
    groups.extend(by_sets(left, host));
    claim_lost(files, host, &mut groups);
    groups
}

/// Files of which nothing tells what they were go to the database that has a file of their name and
/// none in its place: the one beside which they stand, or else the only one.
fn claim_lost<'a>(files: &'a [FileReport], host: Option<&str>, groups: &mut [Group<'a>]) {
    let is_lost = |file: &&FileReport| {
        let is_refused = file.outcome == Outcome::Refused && file.file_id.is_none();
        file.host.as_deref() == host && is_refused && file.content.is_some()
    };
    for file in files.iter().filter(is_lost) {
        let claims = groups.iter().enumerate();
        let claims = claims.filter_map(|(index, group)| Some((index, group.seat_of(file)?)));
        let claims: Vec<(usize, u16)> = claims.collect();
        let mut beside = claims.iter().filter(|(index, _)| groups[*index].stands_beside(file));
        let is_only = claims.len() == 1;
        let claim = beside.next().or_else(|| claims.first().filter(|_| is_only));
        if let Some((index, id)) = claim {
            groups[*index].lost.push((*id, file));
        }
    }
}

/// The last part of a path, of Windows or another system; case does not count.
fn base_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase()
}

/// Without the last ending.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// True if `name` is `base`, or was before ransomware or somebody else appended to it.
fn is_name_of(name: &str, base: &str) -> bool {
    let Some(appended) = name.strip_prefix(base).filter(|_| !base.is_empty()) else { return false };
    appended.is_empty()
        || (!appended.starts_with(char::is_alphanumeric) && is_foreign(Path::new(name)))
}

/// Every primary file begins a database of its own, be it a copy of another one. Other files go to
/// the primary file that names them by GUID, or whose binding id they share: beside them, if there
/// are several.
fn by_files<'a>(files: &[&'a FileReport], host: Option<&'a str>) -> Vec<Group<'a>> {
    let (primaries, others): (Vec<&FileReport>, Vec<&FileReport>) =
        files.iter().copied().partition(|file| file.file_id == Some(PRIMARY));
    let group = |file| Group { host, files: vec![file], ..Group::default() };
    let mut groups: Vec<Group<'_>> = primaries.into_iter().map(group).collect();
    for file in others {
        let fits = |group: &&mut Group<'_>| is_of_one(group.files[0], file);
        let folder = |file: &FileReport| Path::new(&*file.path).parent().map(Path::to_owned);
        let is_beside = |group: &Group<'_>| folder(group.files[0]) == folder(file);
        let mut fitting: Vec<&mut Group<'_>> = groups.iter_mut().filter(fits).collect();
        fitting.sort_by_key(|group| !is_beside(group));
        match fitting.into_iter().next() {
            Some(group) => group.files.push(file),
            None => groups.push(group(file)),
        }
    }
    groups
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

/// Sets without any file of their database: those of the newest one's line are one database, then
/// those of the newest of what is left.
fn by_sets<'a>(mut sets: Vec<Medium<'a>>, host: Option<&'a str>) -> Vec<Group<'a>> {
    sets.sort_by_key(|medium| medium.last_lsn);
    let mut groups = Vec::new();
    while let Some(newest) = sets.last().cloned() {
        let path = ForkPath::to(&newest, &sets);
        let (of_it, others) = sets.into_iter().partition(|medium| path.has(&newest, medium));
        groups.push(Group { host, sets: of_it, ..Group::default() });
        sets = others;
    }
    groups
}

/// The recovery forks that lead to a set, each up to where the next one left it.
struct ForkPath {
    family: Option<Guid>,
    ends: BTreeMap<Guid, Option<Lsn>>,
}

impl ForkPath {
    fn to(newest: &Medium<'_>, sets: &[Medium<'_>]) -> Self {
        let line = newest.set.line;
        let mut ends = BTreeMap::from_iter(line.fork_id.map(|fork| (fork, None)));
        let mut child = line;
        while let Some(fork) = child.earlier_fork_id.filter(|fork| !ends.contains_key(fork)) {
            ends.insert(fork, child.fork_point_lsn);
            let parent = sets
                .iter()
                .map(|medium| medium.set.line)
                .find(|line| line.fork_id == Some(fork) && line.family_id == child.family_id);
            child = parent.unwrap_or_default();
        }
        Self { family: line.family_id, ends }
    }

    fn has(&self, newest: &Medium<'_>, medium: &Medium<'_>) -> bool {
        let line = medium.set.line;
        if self.family.is_none() || line.family_id.is_none() {
            let is_same = medium.binding_id.is_some() && medium.binding_id == newest.binding_id;
            return is_same || std::ptr::eq(newest.set, medium.set);
        }
        let end = line.fork_id.and_then(|fork| self.ends.get(&fork));
        let is_before = |end: &Option<Lsn>| end.is_none_or(|end| medium.last_lsn <= end);
        line.family_id == self.family && end.is_some_and(is_before)
    }
}
