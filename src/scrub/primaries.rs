//! Which files are of one database: each is told by its primary file.

use super::leads::Remembered;
use crate::discover::backup::SetKey;
use crate::page::file_header::BindingId;
use std::collections::HashMap;
use std::path::Path;

/// The index of a database's primary file among all files, if that is known.
pub(super) type Primary = Option<usize>;

/// For each file, the primary file of its database.
pub(super) struct Primaries(Vec<Primary>);

impl Primaries {
    /// Of all `files` of a scan.
    pub(super) fn among(files: &[Remembered<'_>]) -> Self {
        Self(primaries(files))
    }

    /// By file.
    pub(super) fn all(&self) -> &[Primary] {
        &self.0
    }

    /// The index of the primary file of the file at `index`, if it is known.
    pub(super) fn of(&self, index: usize) -> Primary {
        self.0.get(index).copied().flatten()
    }
}

/// For each file, the primary file of its database: names are found there. `None` where that is
/// not among the files, or where more than one could be it: no name is better than a wrong one.
fn primaries(files: &[Remembered<'_>]) -> Vec<Primary> {
    // Copies of a database are told apart by the folder they are in.
    let (mut by_folder, mut by_database) = (HashMap::new(), HashMap::new());
    let mut by_set: HashMap<SetKey, usize> = HashMap::new();
    for (index, file) in files.iter().enumerate().filter(|(_, file)| file.file.is_primary()) {
        if let Some(set) = file.file.set_key() {
            // The members of a striped backup have parts of one file.
            by_set.entry(set).or_insert(index);
            continue;
        }
        let is_ambiguous = |known: &mut Primary| *known = None;
        by_folder.entry(file.folder()).and_modify(is_ambiguous).or_insert(Some(index));
        by_database.entry(file.database()).and_modify(is_ambiguous).or_insert(Some(index));
    }
    let primary_of = |(index, file): (usize, &Remembered<'_>)| match file.database() {
        _ if file.file.part.is_some() => by_set.get(&file.file.set_key()?).copied(),
        _ if file.file.is_primary() => Some(index),
        None => None,
        database => by_folder
            .get(&file.folder())
            .copied()
            .flatten()
            .or_else(|| by_database.get(&database).copied().flatten()),
    };
    files.iter().enumerate().map(primary_of).collect()
}

impl Remembered<'_> {
    /// What all files of its database share, if its page 0 can be believed.
    fn database(&self) -> Option<BindingId> {
        self.file.header.as_ref().map(|header| header.binding_id)
    }

    /// Its database in its folder.
    fn folder(&self) -> (Option<BindingId>, Option<&Path>) {
        (self.database(), self.file.path.parent())
    }
}
