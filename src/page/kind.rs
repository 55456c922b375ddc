//! Page types (docs/page-format.md, section 1.1).

use serde::{Deserialize, Serialize};
use std::fmt;

/// `m_type` of a page header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", from = "u8")]
pub enum PageType {
    /// 1: rows of a heap or of a clustered index's leaf.
    Data,
    /// 2: index rows.
    Index,
    /// 3: small LOB values.
    TextMix,
    /// 4: large LOB values.
    TextTree,
    /// 7: intermediate result of a sort.
    Sort,
    /// 8: global allocation map.
    Gam,
    /// 9: shared global allocation map.
    Sgam,
    /// 10: index allocation map.
    Iam,
    /// 11: page free space.
    Pfs,
    /// 13: boot page.
    Boot,
    /// 14: server configuration page, (1:10) of master.
    ServerConfiguration,
    /// 15: file header page.
    FileHeader,
    /// 16: differential changed map.
    DiffMap,
    /// 17: bulk changed map (minimally logged).
    MlMap,
    /// 18: deallocated by a CHECKDB repair.
    Deallocated,
    /// 19: temporary page of ALTER INDEX REORGANIZE.
    Reorganize,
    /// 20: pre-allocated for bulk load.
    BulkLoad,
    /// Anything else.
    Unknown(u8),
}

impl PageType {
    /// The type that `m_type` stands for.
    pub fn of(m_type: u8) -> Self {
        match m_type {
            1 => Self::Data,
            2 => Self::Index,
            3 => Self::TextMix,
            4 => Self::TextTree,
            7 => Self::Sort,
            8 => Self::Gam,
            9 => Self::Sgam,
            10 => Self::Iam,
            11 => Self::Pfs,
            13 => Self::Boot,
            14 => Self::ServerConfiguration,
            15 => Self::FileHeader,
            16 => Self::DiffMap,
            17 => Self::MlMap,
            18 => Self::Deallocated,
            19 => Self::Reorganize,
            20 => Self::BulkLoad,
            other => Self::Unknown(other),
        }
    }

    /// The number in `m_type`.
    pub fn m_type(self) -> u8 {
        match self {
            Self::Data => 1,
            Self::Index => 2,
            Self::TextMix => 3,
            Self::TextTree => 4,
            Self::Sort => 7,
            Self::Gam => 8,
            Self::Sgam => 9,
            Self::Iam => 10,
            Self::Pfs => 11,
            Self::Boot => 13,
            Self::ServerConfiguration => 14,
            Self::FileHeader => 15,
            Self::DiffMap => 16,
            Self::MlMap => 17,
            Self::Deallocated => 18,
            Self::Reorganize => 19,
            Self::BulkLoad => 20,
            Self::Unknown(other) => other,
        }
    }

    /// True for the types that occur on allocated pages of any database (section 1.1).
    pub fn is_of_pages_in_use(self) -> bool {
        match self {
            Self::Data
            | Self::Index
            | Self::TextMix
            | Self::TextTree
            | Self::Sort
            | Self::Gam
            | Self::Sgam
            | Self::Iam
            | Self::Pfs
            | Self::Boot
            | Self::FileHeader
            | Self::DiffMap
            | Self::MlMap => true,
            Self::ServerConfiguration
            | Self::Deallocated
            | Self::Reorganize
            | Self::BulkLoad
            | Self::Unknown(_) => false,
        }
    }

    /// True for the types that stand in their fixed places in every file, and nowhere else.
    pub fn has_fixed_place(self) -> bool {
        use PageType::{Boot, DiffMap, FileHeader, Gam, MlMap, Pfs, Sgam};
        matches!(self, Gam | Sgam | Pfs | Boot | FileHeader | DiffMap | MlMap)
    }

    /// A short name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Index => "index",
            Self::TextMix => "text_mix",
            Self::TextTree => "text_tree",
            Self::Sort => "sort",
            Self::Gam => "gam",
            Self::Sgam => "sgam",
            Self::Iam => "iam",
            Self::Pfs => "pfs",
            Self::Boot => "boot",
            Self::ServerConfiguration => "server_configuration",
            Self::FileHeader => "file_header",
            Self::DiffMap => "diff_map",
            Self::MlMap => "ml_map",
            Self::Deallocated => "deallocated",
            Self::Reorganize => "reorganize",
            Self::BulkLoad => "bulk_load",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl From<PageType> for u8 {
    fn from(kind: PageType) -> Self {
        kind.m_type()
    }
}

impl From<u8> for PageType {
    fn from(m_type: u8) -> Self {
        Self::of(m_type)
    }
}

impl fmt::Display for PageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_round_trip() {
        for m_type in 0..=u8::MAX {
            assert_eq!(PageType::of(m_type).m_type(), m_type);
        }
    }

    #[test]
    fn every_type_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> =
            (0..=u8::MAX).map(|m_type| PageType::of(m_type).name()).collect();
        assert_eq!(names.len(), 17 + 1, "{names:?}");
        assert!(names.iter().all(|name| !name.is_empty()));
        assert_eq!(format!("{:>5}", PageType::Iam), "  iam");
    }
}
