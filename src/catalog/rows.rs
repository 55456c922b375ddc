//! The rows of the five system tables, as far as names and checks need them.

use super::SystemTable;
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::record::{Record, utf16};
use std::sync::Arc;

/// Bytes of a name at most: `sysname` is nvarchar(128).
const NAME_BYTES_MAX: usize = 256;
/// The class of rows in sysclsobjs that are schemas.
const SCHEMA_CLASS: u8 = 50;

/// The owner type of rowsets that hold rows or an index; of others nothing is known.
const ORDINARY_OWNER: u8 = 1;
/// Pages that a unit can have at most: more files and pages there are not.
const UNIT_PAGES_MAX: u64 = 1 << 47;

/// A row of one system table.
pub(crate) trait Row: Sized {
    /// What it is looked up by.
    type Key: Ord;
    /// Where such rows are.
    const TABLE: SystemTable;
    /// The key of the row that `record` holds.
    fn key(record: &Record<'_>) -> Option<Self::Key>;
    /// The row.
    fn of(record: &Record<'_>) -> Option<Self>;
}

/// Of sysallocunits.
pub(crate) struct AllocationUnit {
    /// 1 rows, 2 LOB values, 3 row-overflow data; 0 is one whose object was dropped.
    pub(crate) content: u8,
    pub(crate) rowset_id: u64,
    pub(crate) filegroup: u16,
    /// As SQL Server counted them; `None` where it says nothing that can be.
    pub(super) used_pages: Option<u64>,
    /// The page that its tree begins with. Of heaps and LOB values it says nothing.
    pub(crate) root: PageAddress,
    /// The first page of its chain of IAM pages; (0:0) if it has none.
    pub(crate) first_iam: PageAddress,
}

/// Of sysallocunits, by the first page of the chain of IAM pages: the unit's id.
pub(super) struct FirstIam(pub(super) u64);

/// Of sysrowsets.
pub(crate) struct Rowset {
    pub(crate) object_id: i32,
    pub(crate) index_id: i32,
    /// From 1.
    pub(crate) partition: u32,
    /// As SQL Server counted them.
    pub(crate) rows: u64,
    /// What columnstore indexes keep beside their segments, or something unknown.
    pub(crate) is_internal: bool,
}

/// Of sysrowsets: the index has a second partition, and so more than one.
pub(super) struct SecondPartition;

/// Of sysschobjs.
pub(super) struct SchemaObject {
    pub(super) name: Arc<str>,
    pub(super) schema_id: i32,
    pub(super) is_view: bool,
    pub(super) is_internal: bool,
}

/// Of sysidxstats.
pub(crate) struct Index {
    /// A heap has none.
    pub(super) name: Option<Arc<str>>,
    /// As `type` in sys.indexes.
    pub(crate) kind: u8,
}

/// Of sysclsobjs: the name.
pub(super) struct SchemaName(pub(super) Arc<str>);

impl Row for AllocationUnit {
    type Key = u64;
    const TABLE: SystemTable = SystemTable::SysAllocUnits;

    fn key(record: &Record<'_>) -> Option<u64> {
        u64_at(record, 0)
    }

    fn of(record: &Record<'_>) -> Option<Self> {
        let [content] = record.fixed(8)?;
        let used_pages = u64_at(record, 41).filter(|pages| (1..=UNIT_PAGES_MAX).contains(pages));
        Some(Self {
            content,
            rowset_id: u64_at(record, 9)?,
            filegroup: record.fixed(21).map(u16::from_le_bytes)?,
            used_pages,
            root: address_at(record, 29)?,
            first_iam: address_at(record, 35)?,
        })
    }
}

impl Row for FirstIam {
    type Key = PageAddress;
    const TABLE: SystemTable = SystemTable::SysAllocUnits;

    fn key(record: &Record<'_>) -> Option<PageAddress> {
        address_at(record, 35)
    }

    fn of(record: &Record<'_>) -> Option<Self> {
        u64_at(record, 0).map(Self)
    }
}

impl Row for Rowset {
    type Key = u64;
    const TABLE: SystemTable = SystemTable::SysRowsets;

    fn key(record: &Record<'_>) -> Option<u64> {
        u64_at(record, 0)
    }

    fn of(record: &Record<'_>) -> Option<Self> {
        let [owner_type] = record.fixed(8)?;
        Some(Self {
            object_id: i32_at(record, 9)?,
            index_id: i32_at(record, 13)?,
            partition: record.fixed(17).map(u32::from_le_bytes)?,
            rows: u64_at(record, 27)?,
            is_internal: owner_type != ORDINARY_OWNER,
        })
    }
}

impl Row for SecondPartition {
    type Key = (i32, i32);
    const TABLE: SystemTable = SystemTable::SysRowsets;

    fn key(record: &Record<'_>) -> Option<(i32, i32)> {
        let rowset = Rowset::of(record)?;
        (rowset.partition == 2 && !rowset.is_internal)
            .then_some((rowset.object_id, rowset.index_id))
    }

    fn of(_: &Record<'_>) -> Option<Self> {
        Some(Self)
    }
}

impl Row for SchemaObject {
    type Key = i32;
    const TABLE: SystemTable = SystemTable::SysSchObjs;

    fn key(record: &Record<'_>) -> Option<i32> {
        i32_at(record, 0)
    }

    fn of(record: &Record<'_>) -> Option<Self> {
        let schema_id = i32_at(record, 4)?;
        let kind = record.fixed(13)?;
        let (is_view, is_internal) = (kind == *b"V ", kind == *b"IT");
        Some(Self { name: name(record)?, schema_id, is_view, is_internal })
    }
}

impl Row for Index {
    type Key = (i32, i32);
    const TABLE: SystemTable = SystemTable::SysIdxStats;

    fn key(record: &Record<'_>) -> Option<(i32, i32)> {
        Some((i32_at(record, 0)?, i32_at(record, 4)?))
    }

    fn of(record: &Record<'_>) -> Option<Self> {
        let [kind] = record.fixed(17)?;
        Some(Self { name: name(record), kind })
    }
}

impl Row for SchemaName {
    type Key = i32;
    const TABLE: SystemTable = SystemTable::SysClsObjs;

    fn key(record: &Record<'_>) -> Option<i32> {
        let [class] = record.fixed(0)?;
        if class == SCHEMA_CLASS { i32_at(record, 1) } else { None }
    }

    fn of(record: &Record<'_>) -> Option<Self> {
        name(record).map(Self)
    }
}

/// A page id, then a file id.
fn address_at(record: &Record<'_>, at: usize) -> Option<PageAddress> {
    let page = record.fixed(at).map(u32::from_le_bytes)?;
    let file = record.fixed(at + 4).map(u16::from_le_bytes)?;
    Some(PageAddress::new(FileId(file), PageId(page)))
}

fn u64_at(record: &Record<'_>, offset: usize) -> Option<u64> {
    record.fixed(offset).map(u64::from_le_bytes)
}

fn i32_at(record: &Record<'_>, offset: usize) -> Option<i32> {
    record.fixed(offset).map(i32::from_le_bytes)
}

/// The first variable column; all five tables keep their name there. A heap's index has none.
fn name(record: &Record<'_>) -> Option<Arc<str>> {
    let bytes = record.variable(0)?;
    (1..=NAME_BYTES_MAX).contains(&bytes.len()).then(|| utf16(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Page;

    /// A page with one record at byte 96: `fixed`, and a variable column if there is one.
    fn page(fixed: &[u8], name: Option<&[u8]>) -> Page {
        let end = 4 + fixed.len();
        let mut record = vec![if name.is_some() { 0x30 } else { 0x10 }, 0, end as u8, 0];
        record.extend(fixed);
        record.extend([1, 0, 0]);
        if let Some(name) = name {
            let end = (record.len() + 4 + name.len()) as u16;
            record.extend([1, 0]);
            record.extend(end.to_le_bytes());
            record.extend(name);
        }
        let mut page = Page::ZERO;
        page.bytes_mut()[96..96 + record.len()].copy_from_slice(&record);
        page
    }

    fn object(name: Option<&[u8]>, kind: [u8; 2]) -> Option<SchemaObject> {
        let fixed = [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, kind[0], kind[1], 0, 0, 0, 0];
        let page = page(&fixed, name);
        let record = Record::at(&page, 96).unwrap();
        assert_eq!(SchemaObject::key(&record), Some(9));
        SchemaObject::of(&record)
    }

    #[test]
    fn an_object_has_name_schema_and_type() {
        let view = object(Some(b"V\0i\0"), *b"V ").unwrap();
        assert_eq!((&*view.name, view.schema_id, view.is_view), ("Vi", 1, true));
        assert!(!object(Some(b"T\0"), *b"U ").unwrap().is_view);
        assert!(object(Some(b"T\0"), *b"IT").unwrap().is_internal);
    }

    #[test]
    fn what_is_no_name_gives_none_and_bad_utf16_is_replaced() {
        assert!(object(None, *b"U ").is_none());
        assert!(object(Some(b""), *b"U ").is_none());
        assert!(object(Some(&[65; NAME_BYTES_MAX + 1]), *b"U ").is_none());
        assert_eq!(object(Some(b"a\0\0\xd8"), *b"U ").unwrap().name.as_ref(), "a\u{fffd}");
    }

    #[test]
    fn rows_that_are_too_short_and_other_classes_are_no_rows() {
        let short = page(&[1; 8], None);
        let record = Record::at(&short, 96).unwrap();
        assert!(AllocationUnit::key(&record).is_some() && AllocationUnit::of(&record).is_none());
        assert!(Rowset::of(&record).is_none());
        assert_eq!(SchemaName::key(&record), None);
        let schema = page(&[SCHEMA_CLASS, 4, 0, 0, 0], Some(b"s\0"));
        assert_eq!(SchemaName::key(&Record::at(&schema, 96).unwrap()), Some(4));
    }
    /// A fixed part of `bytes` with `fields` at their offsets.
    fn fixed<const N: usize>(fields: &[(usize, &[u8])]) -> [u8; N] {
        let mut bytes = [0; N];
        for (at, field) in fields {
            bytes[*at..at + field.len()].copy_from_slice(field);
        }
        bytes
    }

    #[test]
    fn a_unit_has_a_count_of_pages_that_can_be_and_a_first_iam_page() {
        let count = |pages: u64| {
            let row = fixed::<65>(&[(0, &[7]), (35, &[9, 0, 0, 0, 3]), (41, &pages.to_le_bytes())]);
            let page = page(&row, None);
            let record = Record::at(&page, 96).unwrap();
            let place = PageAddress::new(FileId(3), PageId(9));
            assert_eq!(FirstIam::key(&record), Some(place));
            assert_eq!(FirstIam::of(&record).unwrap().0, 7);
            AllocationUnit::of(&record).unwrap().used_pages
        };
        assert_eq!([12, 0, u64::MAX].map(count), [Some(12), None, None]);
    }

    #[test]
    fn a_second_partition_shows_that_there_is_more_than_one() {
        let rowset = |owner_type: u8, partition: u8| {
            let row = fixed::<53>(&[(8, &[owner_type, 5]), (13, &[2]), (17, &[partition])]);
            let page = page(&row, None);
            let record = Record::at(&page, 96).unwrap();
            let rowset = Rowset::of(&record).unwrap();
            assert_eq!((rowset.object_id, rowset.index_id), (5, 2));
            (rowset.partition, rowset.is_internal, SecondPartition::key(&record))
        };
        assert_eq!(rowset(1, 1), (1, false, None));
        assert_eq!(rowset(1, 2), (2, false, Some((5, 2))));
        assert_eq!(rowset(4, 2), (2, true, None));
    }

    #[test]
    fn an_index_has_a_kind_even_without_a_name() {
        let page = page(&fixed::<35>(&[(17, &[5])]), None);
        let index = Index::of(&Record::at(&page, 96).unwrap()).unwrap();
        assert_eq!((index.kind, index.name), (5, None));
    }
}
