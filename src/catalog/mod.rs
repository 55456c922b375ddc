//! Pages of system tables in, names of objects out (docs/page-format.md, section 6).
//!
//! A page names its allocation unit; five system tables lead from there to schema, table and
//! index. Whatever they hold is from outside: a damaged or hostile page costs names, no more.

pub mod claims;
pub mod files;
mod lookup;
pub mod object;
pub mod owner_sums;
pub mod owners;
pub mod rewritten;
pub(crate) mod rows;
pub mod units;

pub use lookup::{Pages, objects, units_by_first_iam};

use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use serde::{Deserialize, Serialize};

/// `m_objId` of the pages of sysprufiles, ...
const SYSPRUFILES: u32 = 24;
/// ... and in SQL Server 2005.
const SYSPRUFILES_2005: u32 = 76;

/// The system tables that lead from a page to a name, and the one that names files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SystemTable {
    /// Allocation unit -> rowset.
    SysAllocUnits,
    /// Rowset -> object id and index id.
    SysRowsets,
    /// Object id -> name and schema id.
    SysSchObjs,
    /// Object id and index id -> index name.
    SysIdxStats,
    /// Schema id -> schema name.
    SysClsObjs,
    /// File id -> names, size and GUID of every file of the database.
    SysPruFiles,
}

impl SystemTable {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SysAllocUnits,
        Self::SysRowsets,
        Self::SysSchObjs,
        Self::SysIdxStats,
        Self::SysClsObjs,
        Self::SysPruFiles,
    ];

    /// The allocation units of its rows: one, or one for each of the releases that differ.
    pub fn units(self) -> &'static [u64] {
        match self {
            Self::SysAllocUnits => &[7 << 16],
            Self::SysRowsets => &[5 << 16],
            Self::SysSchObjs => &[1 << 48 | 34 << 16],
            Self::SysIdxStats => &[1 << 48 | 54 << 16],
            Self::SysClsObjs => &[1 << 48 | 64 << 16],
            // SYSPRUFILES and SYSPRUFILES_2005.
            Self::SysPruFiles => &[1 << 48 | 24 << 16, 1 << 48 | 76 << 16],
        }
    }

    /// The highest `m_objId` of their pages.
    const OBJECT_ID_MAX: u32 = SYSPRUFILES_2005;

    /// The system table whose rows are on the page with `header`.
    pub fn of(header: &PageHeader) -> Option<Self> {
        if header.object_id > Self::OBJECT_ID_MAX { None } else { Self::of_system_page(header) }
    }

    fn of_system_page(header: &PageHeader) -> Option<Self> {
        if header.page_type != PageType::Data.m_type() || header.level != 0 {
            return None;
        }
        Some(match (header.object_id, header.index_id) {
            (7, 0) => Self::SysAllocUnits,
            (5, 0) => Self::SysRowsets,
            (34, 1) => Self::SysSchObjs,
            (54, 1) => Self::SysIdxStats,
            (64, 1) => Self::SysClsObjs,
            (SYSPRUFILES | SYSPRUFILES_2005, 1) => Self::SysPruFiles,
            _ => return None,
        })
    }
}

/// What a page tells of other pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// It holds rows of a system table.
    Rows(SystemTable),
    /// It is an IAM page.
    Iam,
}

impl Lead {
    /// What the page with `header` tells. Asked of every page of a scan, so two comparisons settle
    /// it for all other pages.
    #[inline]
    pub fn of(header: &PageHeader) -> Option<Self> {
        let is_iam = header.page_type == PageType::Iam.m_type();
        let may_have_rows = header.object_id <= SystemTable::OBJECT_ID_MAX;
        if is_iam || may_have_rows { Self::of_few(header, is_iam) } else { None }
    }

    fn of_few(header: &PageHeader, is_iam: bool) -> Option<Self> {
        if is_iam { Some(Self::Iam) } else { SystemTable::of_system_page(header).map(Self::Rows) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_table_is_known_by_the_header_of_its_leaf_pages() {
        let of = |page_type, level, object_id, index_id| {
            let zero: PageHeader = bytemuck::Zeroable::zeroed();
            SystemTable::of(&PageHeader { page_type, level, index_id, object_id, ..zero })
        };
        assert_eq!(of(1, 0, 7, 0), Some(SystemTable::SysAllocUnits));
        assert_eq!(of(1, 0, 64, 1), Some(SystemTable::SysClsObjs));
        assert_eq!([24, 76].map(|id| of(1, 0, id, 1)), [Some(SystemTable::SysPruFiles); 2]);
        for other in
            [of(2, 0, 7, 0), of(1, 1, 7, 0), of(1, 0, 7, 1), of(1, 0, 65, 1), of(1, 0, 24, 0)]
        {
            assert_eq!(other, None);
        }
    }
}
