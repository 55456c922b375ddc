//! What a check of one database found.

use super::Breach;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What could not be checked, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotChecked {
    /// Pages with compressed records: row or page compression. Their units are not checked.
    CompressedPages,
    /// Units of columnstore indexes.
    ColumnstoreUnits,
    /// Units of tables and indexes with more than one partition.
    PartitionedUnits,
    /// Units of row-overflow data.
    RowOverflowUnits,
    /// Units whose chain of IAM pages is not whole.
    UnitsWithoutWholeChain,
    /// Units of which a page is a suspect or was not read.
    UnitsWithSuspects,
    /// Pages that were not read, or are suspects.
    PagesNotSound,
    /// Databases whose files are not all there, backups that lack pages by intent: only what stands
    /// in single pages was checked.
    IncompleteDatabases,
    /// Databases whose system tables could not be read.
    DatabasesWithoutCatalog,
}

impl NotChecked {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::CompressedPages => "compressed_pages",
            Self::ColumnstoreUnits => "columnstore_units",
            Self::PartitionedUnits => "partitioned_units",
            Self::RowOverflowUnits => "row_overflow_units",
            Self::UnitsWithoutWholeChain => "units_without_whole_chain",
            Self::UnitsWithSuspects => "units_with_suspects",
            Self::PagesNotSound => "pages_not_sound",
            Self::IncompleteDatabases => "incomplete_databases",
            Self::DatabasesWithoutCatalog => "databases_without_catalog",
        }
    }
}

/// What a check of one database found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Rules that are broken, in the order of the pages: damage.
    pub broken: Vec<Breach>,
    /// Rules that are broken in a database that was not shut down cleanly, or in a backup: recovery
    /// may put it right.
    pub unsettled: Vec<Breach>,
    /// More of either than are listed.
    pub left_out: u64,
    /// What was not checked: how many.
    pub not_checked: BTreeMap<NotChecked, u64>,
    /// Pages whose records were checked.
    pub pages: u64,
    /// Records in them.
    pub records: u64,
    /// Allocation units whose pages were held against each other.
    pub units: u64,
}

impl Outcome {
    /// So many were not checked, and why.
    pub fn leaves(&mut self, why: NotChecked, count: u64) {
        if count > 0 {
            *self.not_checked.entry(why).or_default() += count;
        }
    }
}
