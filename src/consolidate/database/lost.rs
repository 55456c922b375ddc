//! Files of which nothing is left: that they were of a database is told by the database's own
//! catalog, or by its backups.

use super::group::Group;
use crate::consolidate::report::{FileReport, Outcome, base_name, folder};
use crate::discover::names::has_foreign_ending;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Files of which nothing tells what they were, and `orphans`, which only have an id left, go to
/// the database that has a file of their name and none in its place: the one beside which they
/// stand, or else, with no id left, the only one. Those of `orphans` that go to none are returned.
pub(super) fn claim<'a>(
    files: &'a [FileReport],
    mut orphans: Vec<&'a FileReport>,
    host: Option<&str>,
    groups: &mut [Group<'a>],
) -> Vec<&'a FileReport> {
    let is_lost = |file: &&FileReport| {
        let is_refused = file.outcome == Outcome::Refused && file.file_id.is_none();
        file.host.as_deref() == host && is_refused && file.content.is_some()
    };
    let mut lost = files.iter().filter(is_lost).peekable();
    if lost.peek().is_none() && orphans.is_empty() {
        return orphans;
    }
    let seats = Seats::of(groups);
    orphans.retain(|file| {
        let mut claims = seats.free(file, groups).into_iter();
        let is_it = |(group, id): &(usize, u16)| {
            Some(*id) == file.file_id && stands_beside(&groups[*group], file)
        };
        let claim = claims.find(is_it);
        if let Some((group, _)) = claim {
            groups[group].files.push(file);
        }
        claim.is_none()
    });
    for file in lost {
        let claims = seats.free(file, groups);
        let databases: BTreeSet<usize> = claims.iter().map(|(group, _)| *group).collect();
        let mut beside = claims.iter().filter(|(group, _)| stands_beside(&groups[*group], file));
        let only = claims.first().filter(|_| databases.len() == 1);
        if let Some((group, id)) = beside.next().or(only).copied() {
            groups[group].lost.push((id, file));
        }
    }
    orphans
}

fn is_taken(group: &Group<'_>, id: u16) -> bool {
    let ids = group.files.iter().filter_map(|file| file.file_id);
    ids.chain(group.lost.iter().map(|(id, _)| *id)).any(|taken| taken == id)
}

/// It has a file or a backup in the folder of `file`.
fn stands_beside(group: &Group<'_>, file: &FileReport) -> bool {
    let paths = group.sets.iter().flat_map(|medium| medium.paths.iter().copied());
    let mut paths = group.files.iter().map(|file| &*file.path).chain(paths);
    paths.any(|path| folder(path) == folder(&file.path))
}

/// Databases and their files, by base names of paths on the server and by logical names.
struct Seats {
    by_path: BTreeMap<String, BTreeSet<(usize, u16)>>,
    by_logical_name: BTreeMap<String, BTreeSet<(usize, u16)>>,
}

impl Seats {
    fn of(groups: &[Group<'_>]) -> Self {
        let mut seats = Self { by_path: BTreeMap::new(), by_logical_name: BTreeMap::new() };
        for (at, group) in groups.iter().enumerate() {
            for told in group.files.iter().flat_map(|file| &file.database_files) {
                seats.add((at, told.file_id), &told.physical_name, &told.logical_name);
            }
            for told in group.sets.iter().flat_map(|medium| &medium.set.files) {
                seats.add((at, told.file_id), &told.physical_name, &told.logical_name);
            }
        }
        seats
    }

    fn add(&mut self, seat: (usize, u16), path: &str, logical_name: &str) {
        let names = [
            (&mut self.by_path, base_name(path).to_lowercase()),
            (&mut self.by_logical_name, logical_name.to_lowercase()),
        ];
        for (seats, name) in names {
            if !name.is_empty() {
                seats.entry(name).or_default().insert(seat);
            }
        }
    }

    /// Those that `file` is called like and in which nothing is.
    fn free(&self, file: &FileReport, groups: &[Group<'_>]) -> Vec<(usize, u16)> {
        let called = self.called(&file.path).into_iter();
        called.filter(|(group, id)| !is_taken(&groups[*group], *id)).collect()
    }

    /// Those that `path` is called like, or was before something was appended to it.
    fn called(&self, path: &str) -> BTreeSet<(usize, u16)> {
        let name = base_name(path).to_lowercase();
        let is_foreign = has_foreign_ending(Path::new(&name));
        let ends = name.char_indices().filter(|(_, c)| !c.is_alphanumeric()).map(|(at, _)| at);
        let shortened = ends.filter(|_| is_foreign).map(|end| &name[..end]);
        let by_path = [&*name].into_iter().chain(shortened);
        let by_path = by_path.filter_map(|name| self.by_path.get(name));
        let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem);
        by_path.chain(self.by_logical_name.get(stem)).flatten().copied().collect()
    }
}
