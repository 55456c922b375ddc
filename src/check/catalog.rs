//! The allocation units of a database, by its own system tables (docs/page-format.md, section
//! 6.2), which are read as SQL Server does: from the boot page, along the links of their pages.

use super::rule::Rule;
use super::table::{self, Table};
use super::unit_pages::IN_ROW;
use super::{Breach, Pages};
use crate::catalog::SystemTable;
use crate::catalog::object::ObjectKind;
use crate::catalog::rows::{AllocationUnit, Index, Row, Rowset};
use crate::page::Page;
use crate::page::address::{FileId, PageAddress};
use crate::page::allocation::BOOT_PAGE;
use crate::page::boot::BootPage;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::record::Record;
use std::collections::{BTreeMap, BTreeSet};

/// `type` in sysallocunits of a unit whose object was dropped: its pages are given back later.
pub(super) const DROPPED: u8 = 0;

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
    let is_boot = |page: &Page| PageHeader::of(page).page_type == PageType::Boot.m_type();
    let boot = pages.sound(boot_at).filter(is_boot)?;
    let first = BootPage::of(&boot).first_system_page;
    let mut table = Table { pages, unit: unit_of(SystemTable::SysAllocUnits), tell };
    let (units, last) = rows::<AllocationUnit>(&mut table, first, boot_at)?;
    if edges(&mut table, &units)? != (first, last) {
        return table.stop(last, boot_at);
    }
    let rowsets: Rows<Rowset> =
        rows_of_unit(pages, tell, unit_of(SystemTable::SysRowsets), &units)?;
    let indexes: Rows<Index> =
        rows_of_unit(pages, tell, unit_of(SystemTable::SysIdxStats), &units)?;
    tell_contradictions(&units, &rowsets, tell);
    let seconds = rowsets.iter().filter(|(_, (_, rowset))| rowset.partition > 1);
    let partitioned = seconds.map(|(_, (_, row))| (row.object_id, row.index_id)).collect();
    let join = Join { rowsets, indexes, partitioned };
    Some(units.into_iter().map(|(id, (at, row))| join.unit(id, at, &row)).collect())
}

/// The unit of a table that is in the same one in all releases.
fn unit_of(table: SystemTable) -> u64 {
    table.units()[0]
}

/// Rows by their keys, each with the page that it is on.
type Rows<R> = BTreeMap<<R as Row>::Key, (PageAddress, R)>;

/// The first and the last leaf page that the root of `table` leads to, which `units` names.
fn edges(
    table: &mut Table<'_>,
    units: &Rows<AllocationUnit>,
) -> Option<(PageAddress, PageAddress)> {
    let Some((row_at, row)) = units.get(&table.unit) else {
        let (at, _) = units.values().next()?;
        return table.stop(*at, *at);
    };
    let first = table.edge(row.root, *row_at, table::first)?;
    Some((first, table.edge(row.root, *row_at, table::last)?))
}

/// The rows of the table of `unit`.
fn rows_of_unit<R: Row>(
    pages: &dyn Pages,
    tell: &mut dyn FnMut(Breach),
    unit: u64,
    units: &Rows<AllocationUnit>,
) -> Option<Rows<R>> {
    let mut table = Table { pages, unit, tell };
    let (first, last) = edges(&mut table, units)?;
    let (rows, end) = rows(&mut table, first, first)?;
    if end == last { Some(rows) } else { table.stop(end, last) }
}

/// The rows from the leaf page `first` on, which `told_by` names, and the last page that has some.
/// No two have one key.
fn rows<R: Row>(
    table: &mut Table<'_>,
    first: PageAddress,
    told_by: PageAddress,
) -> Option<(Rows<R>, PageAddress)> {
    let mut rows = BTreeMap::new();
    let last = table.leaves(first, told_by, &mut |place, page| {
        Record::primaries_of(page).all(|record| {
            let row = R::key(&record).zip(R::of(&record));
            row.is_some_and(|(key, row)| rows.insert(key, (place, row)).is_none())
        })
    })?;
    Some((rows, last))
}

/// Every unit has a rowset, and every rowset a unit with its rows.
fn tell_contradictions(
    units: &Rows<AllocationUnit>,
    rowsets: &Rows<Rowset>,
    tell: &mut dyn FnMut(Breach),
) {
    for (id, (at, unit)) in units {
        if unit.content != DROPPED && !rowsets.contains_key(&unit.rowset_id) {
            tell(Breach::of(Rule::C1, *at).about(*id));
        }
    }
    let in_row = units.values().filter(|(_, unit)| unit.content == IN_ROW);
    let with_rows: BTreeSet<u64> = in_row.map(|(_, unit)| unit.rowset_id).collect();
    for (id, (at, rowset)) in rowsets {
        if !rowset.is_internal && !with_rows.contains(id) {
            tell(Breach::of(Rule::C1, *at));
        }
    }
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
