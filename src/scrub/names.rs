//! What suspects belong to. While scanning, only the ids of the system tables' pages and of IAM
//! pages are remembered; once it is known what is suspect, those pages are read again, of the
//! databases that have suspects.

use super::leads::Remembered;
use super::{Open, owners};
use crate::catalog;
use crate::catalog::files::CatalogFile;
use crate::catalog::object::Object;
use crate::consolidate::file_facts::CatalogEntry;
use crate::consolidate::findings::Finding;
use crate::discover::backup::SetKey;
use crate::page::file_header::BindingId;
use crate::page::line::digits;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// For each file, the primary file of its database.
pub(super) struct Primaries(Vec<Primary>);

impl Primaries {
    /// Of all `files` of a scan.
    pub(super) fn among(files: &[Remembered<'_>]) -> Self {
        Self(primaries(files))
    }

    /// The index of the primary file of the file at `index`, if it is known.
    pub(super) fn of(&self, index: usize) -> Primary {
        self.0.get(index).copied().flatten()
    }
}

/// Tells the `findings` what they belong to, as far as it can be found out.
pub(super) fn name(
    findings: &mut [Finding],
    files: &[Remembered<'_>],
    primaries: &Primaries,
    open: Open<'_>,
) {
    let primaries = &primaries.0;
    owners::find(findings, files, primaries, open);
    let mut databases = databases(files, primaries);
    for finding in findings.iter() {
        if let Some(database) = databases.get_mut(&primaries[finding.file]) {
            database.units.extend(finding.allocation_unit);
            database.units.extend(finding.says_unit());
        }
    }
    let objects =
        databases.into_iter().map(|(primary, database)| (primary, database.objects(open)));
    let objects: HashMap<_, _> = objects.collect();
    for finding in findings {
        let objects = objects.get(&primaries[finding.file]);
        let of = |unit: Option<u64>| objects.and_then(|objects| objects.get(&unit?));
        finding.says_object = of(finding.says_unit()).cloned();
        if let Some(object) = of(finding.allocation_unit) {
            finding.is_of(object);
        }
    }
}

/// The files of a database by its own catalog, if `file` is its primary file and no backup.
pub(super) fn database_files(file: &Remembered<'_>, open: Open<'_>) -> Vec<CatalogEntry> {
    if file.file.part.is_some() || !file.file.is_primary() {
        return Vec::new();
    }
    let files = catalog::files::files(&|table, visit| file.visit(table, open, visit));
    let entry = |(file_id, file): (u16, CatalogFile)| CatalogEntry {
        file_id,
        filegroup_id: Some(file.filegroup_id),
        kind: file.kind,
        logical_name: file.logical_name.into(),
        physical_name: file.physical_name.into(),
        pages: file.pages,
        guid: file.guid.map(|guid| digits(&guid).into()),
    };
    files.into_iter().map(entry).collect()
}

/// The files of one database, and the allocation units of their suspects.
#[derive(Default)]
struct Database<'a> {
    files: Vec<&'a Remembered<'a>>,
    units: BTreeSet<u64>,
}

impl Database<'_> {
    fn objects(&self, open: Open<'_>) -> BTreeMap<u64, Arc<Object>> {
        catalog::objects(&self.units, &|table, visit| {
            self.files.iter().for_each(|file| file.visit(table, open, visit));
        })
    }
}

/// The index of a database's primary file among all files, if that is known.
pub(super) type Primary = Option<usize>;

/// The databases whose primary file is known.
fn databases<'a>(
    files: &'a [Remembered<'a>],
    primaries: &[Primary],
) -> HashMap<Primary, Database<'a>> {
    let mut databases: HashMap<Primary, Database<'a>> = HashMap::new();
    for (file, primary) in files.iter().zip(primaries).filter(|(_, primary)| primary.is_some()) {
        databases.entry(*primary).or_default().files.push(file);
    }
    databases
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
