//! What suspects belong to. While scanning, only the ids of the system tables' pages are
//! remembered; once it is known what is suspect, those pages are read again, of the databases
//! that have suspects.

use super::Open;
use super::file::open_unchanged;
use crate::catalog::object::Object;
use crate::catalog::{self, SystemTable};
use crate::consolidate::rank::Finding;
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, Verdict};
use crate::discover::DataFile;
use crate::page::address::{PageAddress, PageId};
use crate::page::checksum::Checksum;
use crate::page::file_header::BindingId;
use crate::page::header::PageHeader;
use crate::page::{Page, torn};
use crate::read::PageSource;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Pages of one system table remembered for a file at most: 128 MiB of it, rows about a million
/// indexes. More than that is no catalog, but pages that call themselves one.
const TABLE_PAGES_MAX: usize = 16_384;
/// Pages read in one go.
const RUN_PAGES_MAX: usize = 64;

/// Which pages of one file hold rows of the system tables.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct CatalogPages {
    pages: BTreeMap<SystemTable, BTreeSet<PageId>>,
    /// Those that are not remembered.
    left_out: u64,
}

impl CatalogPages {
    /// Adds pages that were not added before. Of too many the first in the file are kept, so that
    /// it does not matter in which order they come.
    pub(super) fn add(&mut self, found: Vec<(SystemTable, PageId)>) {
        for (table, page) in found {
            let pages = self.pages.entry(table).or_default();
            pages.insert(page);
            if pages.len() > TABLE_PAGES_MAX {
                pages.pop_last();
                self.left_out += 1;
            }
        }
    }

    /// Names may be missing, because not all pages are remembered.
    pub(super) fn is_cut(&self) -> bool {
        self.left_out > 0
    }

    /// True if a scan of a file with so many `pages` can have come to this.
    pub(super) fn is_plausible(&self, pages: u32) -> bool {
        let fits = |kept: &BTreeSet<PageId>| {
            let ends_inside = kept.last().is_none_or(|last| last.0 < pages);
            kept.len() <= TABLE_PAGES_MAX && ends_inside
        };
        self.pages.values().all(fits) && self.left_out <= u64::from(pages)
    }
}

/// A data file and what is remembered of its catalog.
pub(super) struct Remembered<'a> {
    pub(super) file: &'a DataFile,
    pub(super) catalog: &'a CatalogPages,
}

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
    let mut databases = databases(files, primaries);
    for finding in findings.iter() {
        if let Some(database) = databases.get_mut(&primaries[finding.file]) {
            database.units.extend(finding.allocation_unit);
        }
    }
    let objects =
        databases.into_iter().map(|(primary, database)| (primary, database.objects(open)));
    let objects: HashMap<_, _> = objects.collect();
    for finding in findings {
        let objects = objects.get(&primaries[finding.file]);
        let object = objects.and_then(|objects| objects.get(&finding.allocation_unit?));
        if let Some(object) = object {
            finding.is_of(object);
        }
    }
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
type Primary = Option<usize>;

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
    for (index, file) in files.iter().enumerate().filter(|(_, file)| file.file.is_primary()) {
        let is_ambiguous = |known: &mut Primary| *known = None;
        by_folder.entry(file.folder()).and_modify(is_ambiguous).or_insert(Some(index));
        by_database.entry(file.database()).and_modify(is_ambiguous).or_insert(Some(index));
    }
    let primary_of = |(index, file): (usize, &Remembered<'_>)| match file.database() {
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

    /// Shows the pages of `table` that are still sound; those that are not cost names only.
    fn visit(&self, table: SystemTable, open: Open<'_>, visit: &mut dyn FnMut(&Page)) {
        let Some(pages) = self.catalog.pages.get(&table) else { return };
        let Ok(source) = open_unchanged(self.file, open) else { return };
        let pages: Vec<PageId> = pages.iter().copied().collect();
        let runs = pages.chunk_by(|a, b| a.0 + 1 == b.0);
        for run in runs.flat_map(|run| run.chunks(RUN_PAGES_MAX)) {
            for (page, id) in read(&*source, run).iter().zip(run) {
                let place = PageAddress::new(self.file.file_id, *id);
                if is_sound(page, place, table) {
                    visit(&torn::restored(page));
                }
            }
        }
    }
}

/// The pages of `run`, which follow each other; zeros where they cannot be read.
fn read(source: &dyn PageSource, run: &[PageId]) -> Vec<Page> {
    let mut pages = vec![Page::ZERO; run.len()];
    if run.first().is_some_and(|first| source.fill(*first, &mut pages).is_ok()) {
        return pages;
    }
    run.iter().map(|page| source.fill_uncached(*page).unwrap_or(Page::ZERO)).collect()
}

fn is_sound(page: &Page, place: PageAddress, table: SystemTable) -> bool {
    let verdict = judge(page, Checksum::of(page), place, Allocation::Allocated);
    let is_fine = !matches!(verdict, Verdict::Suspect(_));
    is_fine && SystemTable::of(PageHeader::of(page)) == Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_pages_the_first_are_kept_in_whatever_order_they_come() {
        let many = TABLE_PAGES_MAX as u32 + 5;
        let kept = |pages: &mut dyn Iterator<Item = u32>| {
            let mut kept = CatalogPages::default();
            kept.add(pages.map(|page| (SystemTable::SysRowsets, PageId(page))).collect());
            kept
        };
        let (forward, backward) = (kept(&mut (0..many)), kept(&mut (0..many).rev()));
        assert_eq!(forward.pages, backward.pages);
        assert_eq!((forward.left_out, backward.left_out), (5, 5));
        assert!(forward.is_cut() && forward.is_plausible(many) && !forward.is_plausible(100));
    }
}
