//! What the allocation pages say of a page, in the words of DBCC PAGE (docs/page-format.md,
//! sections 4.2 and 4.3).

use super::image::{Image, Looked};
use crate::diagnose::verdict::Allocation;
use crate::page::address::{PageAddress, PageId};
use crate::page::allocation::{
    PfsByte, diff_map_of, extent_bit, gam_page_of, ml_map_of, pfs_page_of, sgam_page_of,
};
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use serde::Serialize;

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Maps {
    /// `yes`, `no`, or `unknown` where the PFS page is damaged or not there.
    pub in_use: &'static str,
    /// Its PFS byte.
    pub pfs: Told,
    /// Of its extent: in use.
    pub gam: Told,
    /// Of its extent: mixed, with a page that is free.
    pub sgam: Told,
    /// Of its extent: changed since the last full backup.
    pub diff: Told,
    /// Of its extent: changed by a minimally logged operation.
    pub ml: Told,
}

/// What one allocation page says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The allocation page.
    pub page: PageAddress,
    /// In words; `None` if it is damaged or not there.
    pub says: Option<String>,
}

impl Maps {
    /// What `image` says of the page that was `looked` at.
    pub fn of(image: &Image, looked: &Looked) -> Self {
        let at = looked.place;
        let bit = |page: PageId, kind: PageType, [set, unset]: [&str; 2]| {
            let page = PageAddress::new(at.file, page);
            let map = image.sound_page(page);
            let map = map.filter(|map| PageHeader::of(map).page_type == kind.m_type());
            let says = map.map(|map| if extent_bit(&map, at.page) { set } else { unset });
            Told { page, says: says.map(str::to_owned) }
        };
        let changed = ["CHANGED", "NOT CHANGED"];
        let logged = ["MIN_LOGGED", "NOT MIN_LOGGED"];
        Self {
            in_use: match looked.allocation {
                Allocation::Allocated => "yes",
                Allocation::Free => "no",
                Allocation::Unknown => "unknown",
            },
            pfs: Told {
                page: PageAddress::new(at.file, pfs_page_of(at.page)),
                says: looked.pfs.map(PfsByte::words),
            },
            gam: bit(gam_page_of(at.page), PageType::Gam, ["NOT ALLOCATED", "ALLOCATED"]),
            sgam: bit(sgam_page_of(at.page), PageType::Sgam, ["ALLOCATED", "NOT ALLOCATED"]),
            diff: bit(diff_map_of(at.page), PageType::DiffMap, changed),
            ml: bit(ml_map_of(at.page), PageType::MlMap, logged),
        }
    }

    /// All with their names, in the order of DBCC PAGE.
    pub fn named(&self) -> [(&'static str, &Told); 5] {
        let Self { pfs, gam, sgam, diff, ml, .. } = self;
        [("GAM", gam), ("SGAM", sgam), ("PFS", pfs), ("DIFF", diff), ("ML", ml)]
    }
}
