//! Pages of system tables in, names of objects out (docs/page-format.md, section 6).
//!
//! A page names its allocation unit; five system tables lead from there to schema, table and
//! index. Whatever they hold is from outside: a damaged or hostile page costs names, no more.

mod lookup;
pub mod object;
mod rows;

pub use lookup::{Pages, objects};

use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use serde::{Deserialize, Serialize};

/// The five system tables that lead from a page to a name.
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
}

impl SystemTable {
    /// The highest `m_objId` of their pages.
    const OBJECT_ID_MAX: u32 = 64;

    /// The system table whose rows are on the page with `header`. Asked of every page of a scan,
    /// so one comparison settles it for all pages of users.
    #[inline]
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
            (Self::OBJECT_ID_MAX, 1) => Self::SysClsObjs,
            _ => return None,
        })
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
        for other in [of(2, 0, 7, 0), of(1, 1, 7, 0), of(1, 0, 7, 1), of(1, 0, 65, 1)] {
            assert_eq!(other, None);
        }
    }
}
