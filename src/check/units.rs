//! The allocation units of a database, with their chains and all that they claim.

use super::catalog::{self, Unit};
use super::chains::Chain;
use super::claims::Claims;
use super::maps;
use super::{Breach, File, Pages};
use crate::catalog::owners::Claim;
use crate::page::EXTENT_PAGES;
use crate::page::address::{FileId, PageAddress, PageId, PageRange};
use crate::page::allocation::{PFS_INTERVAL_PAGES, PfsByte};
use std::collections::BTreeMap;
use std::ops::Range;

/// All units, ascending by their ids, and who has what.
#[derive(Clone, Debug, Default)]
pub struct Units {
    units: Vec<(Unit, Chain)>,
    claims: BTreeMap<FileId, Claims>,
    /// IAM pages that are in a chain, or would be if they could be read: of which unit, and
    /// whether the first one.
    iam_pages: BTreeMap<PageAddress, IamOf>,
}

/// Whose IAM page a page is.
#[derive(Clone, Copy, Debug)]
pub struct IamOf {
    /// The unit.
    pub unit: u64,
    /// The one that sysallocunits names.
    pub is_first: bool,
}

impl Units {
    /// Reads system tables and chains (rules C1, I1, I2). `None` if the system tables cannot be
    /// read.
    pub fn read(
        pages: &dyn Pages,
        is_complete: bool,
        tell: &mut dyn FnMut(Breach),
    ) -> Option<Self> {
        let units = catalog::read(pages, tell)?;
        let chain = |unit: Unit| {
            let chain = Chain::of(&unit, pages, is_complete, tell);
            (unit, chain)
        };
        let units: Vec<(Unit, Chain)> = units.into_iter().map(chain).collect();
        let claims = pages.files().iter().map(|file| (file.id, claims_of(file.id, &units)));
        Some(Self { claims: claims.collect(), iam_pages: iam_pages(&units), units })
    }

    /// The units, each with its chain.
    pub fn iter(&self) -> impl Iterator<Item = &(Unit, Chain)> {
        self.units.iter()
    }

    /// The unit with this id.
    pub fn get(&self, id: u64) -> Option<&(Unit, Chain)> {
        let at = self.units.binary_search_by_key(&id, |(unit, _)| unit.id).ok()?;
        self.units.get(at)
    }

    /// Who claims the page at `place`.
    pub fn owner_of(&self, place: PageAddress) -> Claim {
        self.claims.get(&place.file).map_or(Claim::Nobody, |claims| claims.page(place.page))
    }

    /// What is claimed of `file`.
    pub(super) fn claims(&self, file: FileId) -> Option<&Claims> {
        self.claims.get(&file)
    }

    /// The IAM pages of `file` among `pages`.
    pub(super) fn iam_pages(
        &self,
        file: FileId,
        pages: Range<u32>,
    ) -> impl Iterator<Item = (PageId, IamOf)> {
        let place = |page| PageAddress::new(file, PageId(page));
        let found = self.iam_pages.range(place(pages.start)..place(pages.end));
        found.map(|(place, of)| (place.page, *of))
    }

    /// Units whose chains are not whole: nothing else of them can be checked.
    pub fn without_whole_chain(&self) -> u64 {
        self.units.iter().filter(|(_, chain)| !chain.is_whole).count() as u64
    }

    /// Units whose chains go on, nobody knows where: they may claim more than is known of `file`.
    pub(super) fn cut(&self, file: &File) -> impl Iterator<Item = &Chain> {
        let is_there = |unit: &Unit| unit.filegroup == file.filegroup;
        let cut = self.units.iter().filter(move |(unit, chain)| chain.is_cut && is_there(unit));
        cut.map(|(_, chain)| chain)
    }

    /// The pages in use that `chain` claims, by the PFS pages. `None` if one of these is not
    /// sound, or if a file is not there: it is not known then what the unit has.
    pub fn pages_in_use(
        &self,
        chain: &Chain,
        pages: &dyn Pages,
    ) -> Option<Vec<(FileId, PageRange)>> {
        let extents = chain.extents.iter().map(|(file, run)| {
            (*file, PageRange::between(run.start * EXTENT_PAGES, run.end * EXTENT_PAGES))
        });
        let singles = chain
            .singles
            .iter()
            .map(|single| (single.file, PageRange { first: single.page, pages: 1 }));
        let mut claimed: Vec<(FileId, PageRange)> = singles.chain(extents).collect();
        claimed.sort_unstable();
        in_use(&claimed, pages)
    }
}

/// What of `claimed`, which ascends, is in use.
fn in_use(claimed: &[(FileId, PageRange)], pages: &dyn Pages) -> Option<Vec<(FileId, PageRange)>> {
    let mut found: Vec<(FileId, PageRange)> = Vec::new();
    let mut pfs = None;
    for (file, range) in claimed {
        for page in range.ids() {
            let interval = PageAddress::new(*file, PageId(page.0 / PFS_INTERVAL_PAGES));
            if pfs.as_ref().is_none_or(|(of, _)| *of != interval) {
                pfs = Some((interval, maps::pfs(pages, *file, page)?));
            }
            let (_, map) = pfs.as_ref()?;
            if !PfsByte::of(map, page).is_allocated() {
                continue;
            }
            match found.last_mut() {
                Some((of, run)) if (*of, run.end()) == (*file, page.0) => run.pages += 1,
                _ => found.push((*file, PageRange { first: page, pages: 1 })),
            }
        }
    }
    Some(found)
}

fn claims_of(file: FileId, units: &[(Unit, Chain)]) -> Claims {
    let (mut extents, mut singles) = (Vec::new(), Vec::new());
    for (unit, chain) in units {
        let own = chain.extents.iter().filter(|(of, _)| *of == file);
        extents.extend(own.map(|(_, run)| (run.clone(), unit.id)));
        let own = chain.singles.iter().filter(|single| single.file == file);
        singles.extend(own.map(|single| (single.page, unit.id)));
    }
    Claims::of(extents, singles)
}

fn iam_pages(units: &[(Unit, Chain)]) -> BTreeMap<PageAddress, IamOf> {
    let of_unit = |(unit, chain): &(Unit, Chain)| {
        let (unit, first) = (unit.id, unit.first_iam);
        let places: Vec<PageAddress> = chain.pages.iter().copied().chain(chain.not_read).collect();
        places.into_iter().map(move |place| (place, IamOf { unit, is_first: first == Some(place) }))
    };
    units.iter().flat_map(of_unit).collect()
}
