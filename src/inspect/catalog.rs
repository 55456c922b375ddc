//! Where the rows of the system tables are, found from the boot page on: it names the first page of
//! sysallocunits, whose rows name the IAM pages of all tables, its own among them
//! (docs/page-format.md, sections 5.2 and 6.2). Where that does not lead to every table, the whole
//! file is searched.

use super::chain;
use super::image::{Image, Looked};
use crate::catalog::object::Object;
use crate::catalog::units::{Unit, first_iams, units};
use crate::catalog::{SystemTable, objects};
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::BOOT_PAGE;
use crate::page::boot::BootPage;
use crate::page::header::PageHeader;
use crate::page::iam::IamPage;
use crate::page::{EXTENT_PAGES, Page};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// System tables are in this file.
const PRIMARY_FILE: FileId = FileId(1);
/// Leaf pages of sysallocunits that are followed for the rows of the system tables themselves,
/// which come first.
const FIRST_PAGES_MAX: usize = 1024;

/// The system tables of a database.
pub struct Catalog<'a> {
    image: &'a Image,
    pages: BTreeMap<SystemTable, BTreeSet<PageAddress>>,
    /// They were not all found by the boot page, and the file was searched for them.
    pub was_searched: bool,
}

impl<'a> Catalog<'a> {
    /// Finds them in `image`. Without its primary file there are none.
    pub fn of(image: &'a Image) -> Self {
        let followed = follow(image);
        let is_whole = SystemTable::ALL.iter().all(|table| followed.contains_key(table));
        let was_searched = !is_whole && image.data_file(PRIMARY_FILE).is_some();
        let pages = if was_searched { search(image) } else { followed };
        Self { image, pages, was_searched }
    }

    /// True if there is nothing to find names by.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Shows the pages of `table` that are sound, torn bits restored.
    pub fn visit(&self, table: SystemTable, visit: &mut dyn FnMut(&Page)) {
        for place in self.pages.get(&table).into_iter().flatten() {
            if let Some(looked) = self.image.look(*place).ok().filter(Looked::is_sound) {
                visit(&looked.whole());
            }
        }
    }

    /// The objects of those `units` that are known.
    pub fn objects(&self, units: &BTreeSet<u64>) -> BTreeMap<u64, Arc<Object>> {
        objects(units, &|table, visit| self.visit(table, visit))
    }

    /// All allocation units, by id.
    pub fn units(&self) -> BTreeMap<u64, Unit> {
        units(&|table, visit| self.visit(table, visit))
    }
}

type TablePages = BTreeMap<SystemTable, BTreeSet<PageAddress>>;

/// The tables' pages by the IAM pages of their units.
fn follow(image: &Image) -> TablePages {
    let mut pages = TablePages::new();
    let boot = image.sound_page(PageAddress::new(PRIMARY_FILE, BOOT_PAGE));
    let Some(boot) = boot.map(|page| BootPage::of(&page)) else { return pages };
    let iams = iams_of_tables(image, boot.first_system_page);
    for table in SystemTable::ALL {
        for unit in table.units() {
            let Some(first) = iams.get(unit) else { continue };
            // What comes behind a break costs names.
            let _ = chain::walk(image, *unit, *first, &mut |_, iam| {
                let found = pages_of(image, table, iam);
                if !found.is_empty() {
                    pages.entry(table).or_default().extend(found);
                }
            });
        }
    }
    pages
}

/// The first IAM pages of the tables' units, by the rows on the pages of sysallocunits from `first`
/// on.
fn iams_of_tables(image: &Image, first: PageAddress) -> BTreeMap<u64, PageAddress> {
    let wanted: BTreeSet<u64> =
        SystemTable::ALL.iter().flat_map(|table| table.units()).copied().collect();
    let (mut found, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let mut next = Some(first);
    while let Some(at) = next.filter(|at| seen.len() < FIRST_PAGES_MAX && seen.insert(*at)) {
        let is_of_table =
            |page: &Page| SystemTable::of(PageHeader::of(page)) == Some(SystemTable::SysAllocUnits);
        let Some(page) = image.sound_page(at).filter(is_of_table) else { break };
        found.extend(first_iams(&wanted, &|_, visit| visit(&page)));
        let is_behind = PageHeader::of(&page).next_file == 0;
        next = (!is_behind && found.len() < wanted.len()).then(|| next_of(PageHeader::of(&page)));
    }
    found
}

fn next_of(header: &PageHeader) -> PageAddress {
    PageAddress::new(FileId(header.next_file), PageId(header.next_page))
}

/// The pages of `table` among those that `iam` claims.
fn pages_of(image: &Image, table: SystemTable, iam: IamPage<'_>) -> BTreeSet<PageAddress> {
    let mut found = BTreeSet::new();
    let mut add = |place: PageAddress, page: &Page| {
        if SystemTable::of(PageHeader::of(page)) == Some(table) {
            found.insert(place);
        }
    };
    for single in iam.single_pages() {
        if let Some(page) = image.sound_page(single) {
            add(single, &page);
        }
    }
    let file = iam.start().file;
    let end = image.end_page(file).unwrap_or(0);
    for extent in iam.extents(PageId(end)).flatten() {
        let first = PageAddress::new(file, PageId(extent * EXTENT_PAGES));
        image.look_at_run(first, EXTENT_PAGES, &mut |place, looked| {
            if let Some(looked) = looked.ok().filter(Looked::is_sound) {
                add(place, &looked.page);
            }
        });
    }
    found
}

/// The tables' pages by their headers, in all of the primary file.
fn search(image: &Image) -> TablePages {
    let mut pages = TablePages::new();
    let end = image.end_page(PRIMARY_FILE).unwrap_or(0);
    let first = PageAddress::new(PRIMARY_FILE, PageId(0));
    image.look_at_run(first, end, &mut |place, looked| {
        let Some(looked) = looked.ok().filter(Looked::is_sound) else { return };
        if let Some(table) = SystemTable::of(PageHeader::of(&looked.page)) {
            pages.entry(table).or_default().insert(place);
        }
    });
    pages
}
