//! A page sector by sector: what each holds, and what is known to be wrong with it.

use super::against::Against;
use super::image::Looked;
use crate::diagnose::evidence::{Evidence, Sector, SectorMap};
use crate::diagnose::verdict::Verdict;
use crate::page::header::{PageHeader, Protection};
use crate::page::torn::TornCheck;
use crate::page::{PAGE_SECTORS, SECTOR_BYTES};
use serde::Serialize;

/// One sector of 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SectorView {
    /// Its number, from 0.
    pub sector: usize,
    /// Where it begins in the page.
    pub offset: usize,
    /// `data`, `zeros`, `pattern` (a byte or word repeated), `repeat` (up to 64 bytes repeated) or
    /// `noise`.
    pub holds: &'static str,
    /// It holds zeros or a fill where the header, records or slots must be.
    pub is_lost: bool,
    /// Its torn-page signature is not that of sector 0; `None` if the page has no such signatures,
    /// or is free: what is on it then means nothing.
    pub is_torn: Option<bool>,
    /// Bytes that differ from the copy; `None` without one.
    pub differing_bytes: Option<u16>,
}

impl SectorView {
    /// True if something is known to be wrong with it.
    pub fn is_bad(&self) -> bool {
        self.is_lost || self.is_torn == Some(true) || self.differing_bytes.is_some_and(|n| n > 0)
    }

    /// Those of the page that was `looked` at, a suspect if there is `evidence`.
    pub fn of(
        looked: &Looked,
        evidence: Option<&Evidence>,
        against: Option<&Against>,
    ) -> Vec<Self> {
        let page = &looked.page;
        let map = evidence.map_or_else(|| SectorMap::of(page), |evidence| evidence.sectors);
        let is_free = matches!(looked.verdict, Verdict::Free(_));
        let is_torn = !is_free && PageHeader::of(page).protection() == Protection::Torn;
        let check = TornCheck::of(page);
        let wrong = check.expected ^ check.actual;
        let differing = against.map(Against::by_sector);
        let sector = |sector: usize| Self {
            sector,
            offset: sector * SECTOR_BYTES,
            holds: words(map.sectors()[sector]),
            is_lost: evidence.is_some_and(|evidence| evidence.lost_sectors.has(sector)),
            is_torn: is_torn.then_some(wrong >> (2 * sector) & 0b11 != 0),
            differing_bytes: differing.map(|differing| differing[sector]),
        };
        (0..PAGE_SECTORS).map(sector).collect()
    }
}

fn words(sector: Sector) -> &'static str {
    match sector {
        Sector::Other => "data",
        Sector::Zero => "zeros",
        Sector::Pattern => "pattern",
        Sector::Repeat => "repeat",
        Sector::Noise => "noise",
    }
}
