//! Allocation units, as sysallocunits and sysrowsets have them (docs/page-format.md, section 6.2).

use super::lookup::{Pages, rows, select};
use super::rows::{AllocationUnit, Rowset};
use crate::page::address::{FileId, PageAddress};
use std::collections::{BTreeMap, BTreeSet};

/// An allocation unit, and what it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// As in `sys.allocation_units`.
    pub id: u64,
    /// Rows, LOB values or row-overflow data: 1 to 3.
    pub content: u8,
    /// The partition that it is of, as in sys.partitions.
    pub rowset_id: u64,
    /// The first page of its chain of IAM pages; `None` if it has no page.
    pub first_iam: Option<PageAddress>,
    /// The page that its tree begins with, if it says one; of heaps and LOB values it means
    /// nothing.
    pub root: Option<PageAddress>,
    /// As in sys.objects; `None` if sysrowsets does not know its rowset.
    pub object_id: Option<i32>,
    /// As in sys.indexes.
    pub index_id: Option<i32>,
    /// The number of the partition, from 1.
    pub partition: Option<u32>,
}

impl Unit {
    /// What it stores, as `iam_chain_type` of DBCC IND says it.
    pub fn content_words(&self) -> &'static str {
        match self.content {
            1 => "In-row data",
            2 => "LOB data",
            3 => "Row-overflow data",
            _ => "unknown",
        }
    }
}

/// All units that the system tables on `pages` know, by id. Memory grows with their number.
pub fn units(pages: Pages<'_>) -> BTreeMap<u64, Unit> {
    let units = rows(pages, &|_| true);
    let rowsets = select(pages, units.values().map(|unit: &AllocationUnit| unit.rowset_id));
    let unit = |(id, row): (u64, AllocationUnit)| {
        let rowset: Option<&Rowset> = rowsets.get(&row.rowset_id);
        let unit = Unit {
            id,
            content: row.content,
            rowset_id: row.rowset_id,
            first_iam: told(row.first_iam),
            root: told(row.root),
            object_id: rowset.map(|rowset| rowset.object_id),
            index_id: rowset.map(|rowset| rowset.index_id),
            partition: rowset.map(|rowset| rowset.partition),
        };
        (id, unit)
    };
    units.into_iter().map(unit).collect()
}

/// The first IAM pages of those `units` that sysallocunits has on `pages`, by unit.
pub fn first_iams(units: &BTreeSet<u64>, pages: Pages<'_>) -> BTreeMap<u64, PageAddress> {
    let rows: BTreeMap<u64, AllocationUnit> = select(pages, units.iter().copied());
    rows.into_iter().filter_map(|(id, row)| Some((id, told(row.first_iam)?))).collect()
}

fn told(place: PageAddress) -> Option<PageAddress> {
    (place.file != FileId(0)).then_some(place)
}
