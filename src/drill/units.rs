//! The allocation units of a synthetic file: which tables and indexes it pretends to hold, and
//! where their first pages are (docs/page-format.md, sections 4.5 and 6).

use crate::page::address::PageId;

/// What the pages of a unit look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A system table whose rows are real: the catalog from which names are looked up.
    Catalog,
    /// Data pages, unchained.
    Heap,
    /// Data pages, chained, under index pages.
    Clustered,
    /// Index pages only.
    Nonclustered,
    /// Text pages, types 3 and 4.
    Lob,
}

/// One allocation unit and the index it stores.
pub(super) struct Unit {
    /// `m_objId` of its pages.
    pub(super) header_object_id: u32,
    /// `m_indexId` of its pages.
    pub(super) header_index_id: u16,
    pub(super) shape: Shape,
    /// Object id of the table, as in sys.objects.
    pub(super) object_id: u32,
    pub(super) object_name: &'static str,
    /// Index id, as in sys.indexes.
    pub(super) index_id: u32,
    pub(super) index_name: &'static str,
    /// The unit's IAM page for the first GAM interval.
    pub(super) first_iam: PageId,
    /// The unit's one page in a mixed extent: the root, or the first page.
    pub(super) single_page: PageId,
}

/// The number of a unit in [`UNITS`].
pub(super) type UnitIndex = usize;

/// Units of the system, present in the primary file only. They own single pages, no extents.
pub(super) const SYSTEM_UNITS: usize = 7;
/// Units of the user. They own extents.
pub(super) const USER_UNITS: usize = UNITS.len() - SYSTEM_UNITS;

pub(super) const SYSALLOCUNITS: UnitIndex = 0;
pub(super) const SYSROWSETS: UnitIndex = 1;
pub(super) const SYSSCHOBJS: UnitIndex = 2;
pub(super) const SYSIDXSTATS: UnitIndex = 3;
pub(super) const SYSCLSOBJS: UnitIndex = 4;
pub(super) const SYSPRUFILES: UnitIndex = 5;

/// `m_indexId` of everything that is not one of the oldest system tables.
const ORDINARY: u16 = 256;
const ORDERS: (u32, &str) = (245_575_913, "Orders");
const DOCUMENTS: (u32, &str) = (277_576_027, "Documents");

/// All units, system first.
pub(super) const UNITS: [Unit; 13] = [
    system(7, 0, "sysallocunits", 11, 16),
    system(5, 0, "sysrowsets", 13, 17),
    system(34, 1, "sysschobjs", 14, 18),
    system(54, 1, "sysidxstats", 15, 19),
    system(64, 1, "sysclsobjs", 21, 20),
    system(24, 1, "sysprufiles", 34, 35),
    Unit { shape: Shape::Heap, ..system(10, ORDINARY, "sysunit10", 10, 8) },
    user(101, Shape::Heap, (309_576_141, "Import"), (0, ""), 22),
    user(102, Shape::Clustered, ORDERS, (1, "PK_Orders"), 23),
    user(103, Shape::Nonclustered, ORDERS, (2, "IX_Orders_Customer"), 24),
    user(104, Shape::Lob, DOCUMENTS, (1, "PK_Documents"), 25),
    user(105, Shape::Clustered, DOCUMENTS, (1, "PK_Documents"), 26),
    user(106, Shape::Heap, (341_576_255, "AuditTrail"), (0, ""), 27),
];

/// The heap whose IAM page is page 12. Here it has no other one.
pub(super) const SPECIAL_UNIT: Unit =
    Unit { shape: Shape::Heap, index_id: 0, index_name: "", ..system(8, 0, "sysfiles1", 12, 0) };

const fn system(object_id: u32, index: u16, name: &'static str, iam: u32, page: u32) -> Unit {
    Unit {
        header_object_id: object_id,
        header_index_id: index,
        shape: Shape::Catalog,
        object_id,
        object_name: name,
        index_id: 1,
        index_name: "clst",
        first_iam: PageId(iam),
        single_page: PageId(page),
    }
}

const fn user(
    header_object_id: u32,
    shape: Shape,
    object: (u32, &'static str),
    index: (u32, &'static str),
    iam: u32,
) -> Unit {
    Unit {
        header_object_id,
        header_index_id: ORDINARY,
        shape,
        object_id: object.0,
        object_name: object.1,
        index_id: index.0,
        index_name: index.1,
        first_iam: PageId(iam),
        single_page: PageId(iam + USER_UNITS_PAGES),
    }
}

/// The single pages of the user's units follow their IAM pages.
const USER_UNITS_PAGES: u32 = 6;

impl Unit {
    /// `m_indexId << 48 | m_objId << 16` (section 6.1).
    pub(super) fn allocation_unit_id(&self) -> u64 {
        u64::from(self.header_index_id) << 48 | u64::from(self.header_object_id) << 16
    }

    /// The rowset that the unit stores; a LOB unit shares it with its table.
    pub(super) fn rowset_id(&self) -> u64 {
        u64::from(self.index_id) << 48 | u64::from(self.object_id) << 16
    }

    /// True for rows, false for LOB values.
    pub(super) fn is_in_row(&self) -> bool {
        self.shape != Shape::Lob
    }
}
