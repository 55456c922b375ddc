//! What suspects belong to. While scanning, only the ids of the system tables' pages and of IAM
//! pages are remembered; once it is known what is suspect, those pages are read again, of the
//! databases that have suspects.

use super::leads::Remembered;
use super::primaries::{Primaries, Primary};
use super::{Open, owners};
use crate::catalog;
use crate::catalog::files::CatalogFile;
use crate::catalog::object::Object;
use crate::consolidate::file_facts::CatalogEntry;
use crate::consolidate::findings::Finding;
use crate::page::line::digits;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Tells the `findings` what they belong to, as far as it can be found out.
pub(super) fn name(
    findings: &mut [Finding],
    files: &[Remembered<'_>],
    primaries: &Primaries,
    open: Open<'_>,
) {
    let primaries = primaries.all();
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
    let files = files_in_catalog(file, open);
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

/// The files by id that the catalog on the pages of `file` names.
pub(super) fn files_in_catalog(
    file: &Remembered<'_>,
    open: Open<'_>,
) -> BTreeMap<u16, CatalogFile> {
    catalog::files::files(&|table, visit| file.visit(table, open, visit))
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
