//! The allocation units of a database, by its own system tables (docs/page-format.md, section
//! 6.2), which are read as SQL Server does: from the boot page, along the links of their pages.

use super::rule::Rule;
use super::{Breach, Pages};
use crate::catalog::object::ObjectKind;
use crate::catalog::owners::is_same_unit;
use crate::catalog::rows::{AllocationUnit, Index, Row, Rowset};
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::BOOT_PAGE;
use crate::page::boot::BootPage;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::record::Record;
use crate::page::{PAGE_BYTES, Page};
use std::collections::{BTreeMap, BTreeSet};

/// The units of the three tables: `m_indexId << 48 | m_objId << 16`.
const SYSALLOCUNITS: u64 = 7 << 16;
const SYSROWSETS: u64 = 5 << 16;
const SYSIDXSTATS: u64 = 1 << 48 | 54 << 16;
/// `type` in sysallocunits: the rows of a rowset.
const IN_ROW: u8 = 1;
/// `type` of a unit whose object was dropped, and whose pages are given back later.
const DROPPED: u8 = 0;
/// Bytes of a page id and a file id, the end of a row of an index page.
const CHILD_BYTES: usize = 6;

/// A row of sysallocunits, with what sysrowsets and sysidxstats say of it.
#[derive(Clone, Debug)]
pub struct Unit {
    /// As in `sys.allocation_units`.
    pub id: u64,
    /// 1 rows, 2 LOB values, 3 row-overflow data, 0 what is left of a dropped object.
    pub content: u8,
    /// Its filegroup.
    pub filegroup: u16,
    /// The page that its tree begins with. Of heaps and LOB values it says nothing.
    pub root: PageAddress,
    /// The first page of its chain of IAM pages, if it has one.
    pub first_iam: Option<PageAddress>,
    /// The page that its row is on.
    pub row_at: PageAddress,
    /// What it is of, if sysrowsets has that.
    pub rowset: Option<UnitRowset>,
}

/// The rowset of a unit: a partition of a heap or an index.
#[derive(Clone, Copy, Debug)]
pub struct UnitRowset {
    /// Units with the same one hold the same rows, their LOB values and their long columns.
    pub id: u64,
    /// As in sys.objects.
    pub object_id: i32,
    /// As in sys.indexes.
    pub index_id: i32,
    /// What the unit holds; `None` if that is nothing known.
    pub kind: Option<ObjectKind>,
    /// Its index has more than one.
    pub is_partitioned: bool,
    /// Rows, as SQL Server counted them.
    pub rows: u64,
}

/// Reads the units, ascending by their ids, and tells where the system tables contradict each
/// other (rule C1). `None` if they cannot be read to their end: nothing more can be checked then.
pub fn read(pages: &dyn Pages, tell: &mut dyn FnMut(Breach)) -> Option<Vec<Unit>> {
    let boot_at = PageAddress::new(FileId(1), BOOT_PAGE);
    let boot = pages.sound(boot_at).filter(|page| is(page, PageType::Boot))?;
    let first = BootPage::of(&boot).first_system_page;
    let mut tables = Tables { pages, tell };
    let units: Rows<AllocationUnit> = tables.rows(SYSALLOCUNITS, first, boot_at)?;
    let rowsets: Rows<Rowset> = tables.rows_of_unit(SYSROWSETS, &units)?;
    let indexes: Rows<Index> = tables.rows_of_unit(SYSIDXSTATS, &units)?;
    tables.tell_contradictions(&units, &rowsets);
    let seconds = rowsets.iter().filter(|(_, (_, rowset))| rowset.partition > 1);
    let partitioned = seconds.map(|(_, (_, row))| (row.object_id, row.index_id)).collect();
    let join = Join { rowsets, indexes, partitioned };
    Some(units.into_iter().map(|(id, (at, row))| join.unit(id, at, &row)).collect())
}

/// Rows by their keys, each with the page that it is on.
type Rows<R> = BTreeMap<<R as Row>::Key, (PageAddress, R)>;

fn is(page: &Page, kind: PageType) -> bool {
    PageHeader::of(page).page_type == kind.m_type()
}

struct Tables<'a> {
    pages: &'a dyn Pages,
    tell: &'a mut dyn FnMut(Breach),
}

impl Tables<'_> {
    /// The rows of the table of `unit`, of which `units` names the root.
    fn rows_of_unit<R: Row>(&mut self, unit: u64, units: &Rows<AllocationUnit>) -> Option<Rows<R>> {
        let Some((row_at, row)) = units.get(&unit) else {
            let at = units.values().next().map(|(at, _)| *at)?;
            (self.tell)(Breach::of(Rule::C1, at).about(unit));
            return None;
        };
        let leaf = self.leftmost_leaf(unit, row.root, *row_at)?;
        self.rows(unit, leaf, *row_at)
    }

    /// The rows of the table of `unit`, whose first leaf page is `first`, as page `told_by` has it.
    /// A key that is there twice is told.
    fn rows<R: Row>(
        &mut self,
        unit: u64,
        first: PageAddress,
        told_by: PageAddress,
    ) -> Option<Rows<R>> {
        let (mut rows, mut seen) = (BTreeMap::new(), BTreeSet::new());
        let (mut before, mut at) = (told_by, Some(first));
        while let Some(place) = at {
            let page = self.page(unit, place, before)?;
            let header = PageHeader::of(&page);
            let is_linked =
                before == told_by || link(header.prev_file, header.prev_page) == Some(before);
            if !is_linked || header.level != 0 || !is(&page, PageType::Data) || !seen.insert(place)
            {
                return self.stop(place, before, unit);
            }
            self.add_rows(&page, place, &mut rows);
            (before, at) = (place, link(header.next_file, header.next_page));
        }
        Some(rows)
    }

    fn add_rows<R: Row>(&mut self, page: &Page, place: PageAddress, rows: &mut Rows<R>) {
        for record in Record::primaries_of(page) {
            let (Some(key), Some(row)) = (R::key(&record), R::of(&record)) else { continue };
            if let Some((first_at, _)) = rows.insert(key, (place, row)) {
                (self.tell)(Breach::of(Rule::C1, place).with(first_at));
            }
        }
    }

    /// Follows the first children from `root` down, each of which is nearer to the leaves.
    fn leftmost_leaf(
        &mut self,
        unit: u64,
        root: PageAddress,
        told_by: PageAddress,
    ) -> Option<PageAddress> {
        let (mut at, mut before) = (root, told_by);
        for _ in 0..=u8::MAX {
            let page = self.page(unit, at, before)?;
            if !is(&page, PageType::Index) {
                return Some(at);
            }
            let Some(child) = first_child(&page) else { return self.stop(at, before, unit) };
            (before, at) = (at, child);
        }
        self.stop(at, before, unit)
    }

    /// The page at `place`, if it is one of `unit`; `from` refers to it. That it is another one's
    /// is told.
    fn page(&mut self, unit: u64, place: PageAddress, from: PageAddress) -> Option<Page> {
        let page = self.pages.sound(place)?;
        if is_same_unit(PageHeader::of(&page).allocation_unit_id(), unit) {
            Some(page)
        } else {
            self.stop(place, from, unit)
        }
    }

    fn stop<T>(&mut self, place: PageAddress, from: PageAddress, unit: u64) -> Option<T> {
        (self.tell)(Breach::of(Rule::C1, place).with(from).about(unit));
        None
    }

    /// Every unit has a rowset, and every rowset a unit with its rows.
    fn tell_contradictions(&mut self, units: &Rows<AllocationUnit>, rowsets: &Rows<Rowset>) {
        for (id, (at, unit)) in units {
            if unit.content != DROPPED && !rowsets.contains_key(&unit.rowset_id) {
                (self.tell)(Breach::of(Rule::C1, *at).about(*id));
            }
        }
        let in_row = units.values().filter(|(_, unit)| unit.content == IN_ROW);
        let with_rows: BTreeSet<u64> = in_row.map(|(_, unit)| unit.rowset_id).collect();
        for (id, (at, rowset)) in rowsets {
            if !rowset.is_internal && !with_rows.contains(id) {
                (self.tell)(Breach::of(Rule::C1, *at));
            }
        }
    }
}

/// The page that the first row of an index page leads to.
fn first_child(page: &Page) -> Option<PageAddress> {
    let record = usize::from(page.u16_at(PAGE_BYTES - 2));
    let at = record + usize::from(PageHeader::of(page).pminlen).checked_sub(CHILD_BYTES)?;
    let is_inside = at + CHILD_BYTES <= PAGE_BYTES;
    is_inside.then(|| PageAddress::new(FileId(page.u16_at(at + 4)), PageId(page.u32_at(at))))
}

fn link(file: u16, page: u32) -> Option<PageAddress> {
    (file != 0).then(|| PageAddress::new(FileId(file), PageId(page)))
}

/// What the three tables say together.
struct Join {
    rowsets: Rows<Rowset>,
    indexes: Rows<Index>,
    /// Objects and indexes of more than one partition.
    partitioned: BTreeSet<(i32, i32)>,
}

impl Join {
    fn unit(&self, id: u64, row_at: PageAddress, row: &AllocationUnit) -> Unit {
        Unit {
            id,
            content: row.content,
            filegroup: row.filegroup,
            root: row.root,
            first_iam: (row.first_iam.file != FileId(0)).then_some(row.first_iam),
            row_at,
            rowset: self.rowset(row),
        }
    }

    fn rowset(&self, unit: &AllocationUnit) -> Option<UnitRowset> {
        let (_, rowset) = self.rowsets.get(&unit.rowset_id)?;
        let ids = (rowset.object_id, rowset.index_id);
        let index = self.indexes.get(&ids).map(|(_, index)| index.kind);
        Some(UnitRowset {
            id: unit.rowset_id,
            object_id: ids.0,
            index_id: ids.1,
            kind: ObjectKind::of(unit.content, ids.1, index),
            is_partitioned: self.partitioned.contains(&ids),
            rows: rowset.rows,
        })
    }
}
