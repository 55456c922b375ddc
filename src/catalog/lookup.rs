//! Allocation units in, objects out: the join of the five tables.
//!
//! Each table is read once, and only rows that somebody asked for are kept: memory depends on how
//! many units are asked for, never on what the pages hold.

use super::SystemTable;
use super::object::{Object, ObjectKind};
use super::owners::clustered;
use super::rows::{
    AllocationUnit, FirstIam, Index, Row, Rowset, SchemaName, SchemaObject, SecondPartition,
};
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::header::{Lsn, PageHeader};
use crate::page::record::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Shows all pages of a system table that are sound, torn bits restored.
pub type Pages<'a> = &'a dyn Fn(SystemTable, &mut dyn FnMut(&Page));

/// The objects of those `units` that the system tables on `pages` know.
pub fn objects(units: &BTreeSet<u64>, pages: Pages<'_>) -> BTreeMap<u64, Arc<Object>> {
    let also_clustered = units.iter().copied().filter_map(clustered);
    let unit_rows = select(pages, units.iter().copied().chain(also_clustered));
    let rowsets = select(pages, unit_rows.values().map(|unit: &AllocationUnit| unit.rowset_id));
    let names = Names::of(pages, &rowsets);
    let object = |unit: &u64| {
        let row = unit_rows.get(unit).or_else(|| unit_rows.get(&clustered(*unit)?))?;
        let rowset = rowsets.get(&row.rowset_id)?;
        Some((*unit, Arc::new(names.object(row, rowset)?)))
    };
    units.iter().filter_map(object).collect()
}

/// Which units have one of `places` as their first IAM page.
pub fn units_by_first_iam(
    places: &BTreeSet<PageAddress>,
    pages: Pages<'_>,
) -> BTreeMap<PageAddress, u64> {
    let rows = select(pages, places.iter().copied());
    rows.into_iter().map(|(place, FirstIam(unit))| (place, unit)).collect()
}

/// The rows with one of the keys that are `wanted`. Where there are several, because a page is old
/// content that nobody can tell to be free, that of the page written last.
pub(super) fn select<R: Row>(
    pages: Pages<'_>,
    wanted: impl Iterator<Item = R::Key>,
) -> BTreeMap<R::Key, R> {
    let wanted: BTreeSet<R::Key> = wanted.collect();
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    rows(pages, &|key| wanted.contains(key))
}

/// The same, of the rows whose key `is_wanted`.
pub(super) fn rows<R: Row>(
    pages: Pages<'_>,
    is_wanted: &dyn Fn(&R::Key) -> bool,
) -> BTreeMap<R::Key, R> {
    let mut found: BTreeMap<R::Key, (Lsn, R)> = BTreeMap::new();
    pages(R::TABLE, &mut |page| {
        let written = PageHeader::of(page).lsn();
        for record in Record::primaries_of(page) {
            let Some(key) = R::key(&record).filter(is_wanted) else { continue };
            let is_newer = found.get(&key).is_none_or(|(lsn, _)| *lsn < written);
            if let (true, Some(row)) = (is_newer, R::of(&record)) {
                found.insert(key, (written, row));
            }
        }
    });
    found.into_iter().map(|(key, (_, row))| (key, row)).collect()
}

/// Names by id.
struct Names {
    objects: BTreeMap<i32, SchemaObject>,
    indexes: BTreeMap<(i32, i32), Index>,
    partitioned: BTreeSet<(i32, i32)>,
    schemas: BTreeMap<i32, SchemaName>,
}

impl Names {
    fn of(pages: Pages<'_>, rowsets: &BTreeMap<u64, Rowset>) -> Self {
        let ids = || rowsets.values().map(|rowset| (rowset.object_id, rowset.index_id));
        let objects: BTreeMap<_, SchemaObject> = select(pages, ids().map(|(object, _)| object));
        let schemas = select(pages, objects.values().map(|object| object.schema_id));
        let partitioned = select::<SecondPartition>(pages, ids()).into_keys().collect();
        Self { objects, indexes: select(pages, ids()), partitioned, schemas }
    }

    fn object(&self, unit: &AllocationUnit, rowset: &Rowset) -> Option<Object> {
        let Rowset { object_id, index_id, partition, is_internal, .. } = *rowset;
        let object = self.objects.get(&object_id);
        let schema = object.and_then(|object| self.schemas.get(&object.schema_id));
        let index = self.indexes.get(&(object_id, index_id));
        let kind = ObjectKind::of(unit.content, index_id, index.map(|index| index.kind))?;
        Some(Object {
            object_id,
            index_id,
            kind,
            schema: schema.map(|SchemaName(name)| Arc::clone(name)),
            table: object.map(|object| Arc::clone(&object.name)),
            index: index.and_then(|index| index.name.clone()),
            is_view: object.is_some_and(|object| object.is_view),
            is_internal: is_internal || object.is_some_and(|object| object.is_internal),
            unit_pages: unit.used_pages,
            root: kind.has_root().then_some(unit.root),
            partition: self.partitioned.contains(&(object_id, index_id)).then_some(partition),
        })
    }
}
