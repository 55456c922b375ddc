//! Which allocation unit each suspect belongs to, by the allocation structures; its own header is
//! one witness among others.

use super::file::open_unchanged;
use super::leads::{Remembered, is_sound, read};
use super::primaries::Primary;
use super::{LOOKED_INTO_MAX, Open};
use crate::catalog::owners::{Claim, NamedBy, Owners, is_same_unit};
use crate::catalog::units_by_first_iam;
use crate::consolidate::findings::{Finding, Ownership};
use crate::diagnose::allocation::AllocationMap;
use crate::discover::{DataFile, FileKind};
use crate::page::address::{ExtentId, PageAddress, PageId};
use crate::page::allocation::{PfsByte, fixed_page_type};
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::{EXTENT_PAGES, Page};
use crate::read::PageSource;
use std::collections::{BTreeMap, BTreeSet};

/// By the index of their file: what IAM pages say of its suspects.
type Told = BTreeMap<usize, Owners>;

/// Tells the `findings` which units they belong to. `primaries` has for each of `files` the
/// primary file of its database.
pub(super) fn find(
    findings: &mut [Finding],
    files: &[Remembered<'_>],
    primaries: &[Primary],
    open: Open<'_>,
) {
    let told = told_by_iam_pages(findings, files, primaries, open);
    let is_unclaimed =
        |finding: &&Finding| finding.has_owner() && claim(&told, finding) == Claim::Nobody;
    let mut unclaimed: Vec<&Finding> = findings.iter().filter(is_unclaimed).collect();
    let place = |finding: &&Finding| (finding.file, finding.place.page);
    let places: Vec<_> = unclaimed.iter().map(place).collect();
    let first_iams = first_iams(&places, files, primaries, open);
    if unclaimed.len() > LOOKED_INTO_MAX {
        unclaimed.sort_by_key(|finding| finding.urgency());
    }
    let urgent = unclaimed.iter().take(LOOKED_INTO_MAX).map(place);
    let beside = beside(urgent.collect(), files, open);
    for finding in findings.iter_mut().filter(|finding| finding.has_owner()) {
        let at = (finding.file, finding.place.page);
        let Some(owners) = told.get(&finding.file) else { continue };
        let clues = Clues {
            claim: owners.claim(at.1),
            chain: owners.chain(at.1),
            first_iam: first_iams.get(&at).copied(),
            header: finding.allocation_unit,
            is_iam_by_header: finding.page_type == Some(PageType::Iam),
            beside: beside.get(&at).copied().unwrap_or_default(),
            owners,
            page: at.1,
        };
        finding.is_owned(clues.ownership());
    }
}

fn claim(told: &Told, finding: &Finding) -> Claim {
    told.get(&finding.file).map(|owners| owners.claim(finding.place.page)).unwrap_or_default()
}

/// Reads the IAM pages of all databases with suspects that must have an owner, each once.
fn told_by_iam_pages(
    findings: &[Finding],
    files: &[Remembered<'_>],
    primaries: &[Primary],
    open: Open<'_>,
) -> Told {
    let mut asked: BTreeMap<usize, BTreeSet<PageId>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.has_owner()) {
        asked.entry(finding.file).or_default().insert(finding.place.page);
    }
    let owners = |(file, pages): (usize, _)| (file, Owners::of(files[file].file.file_id, pages));
    let mut told: Told = asked.into_iter().map(owners).collect();
    let shares = shares(files, primaries);
    for (index, file) in files.iter().enumerate() {
        let listens = |other: usize| {
            let are_one_database = shares[index].is_some() && shares[index] == shares[other];
            other == index || are_one_database
        };
        let mut listeners: Vec<&mut Owners> =
            told.iter_mut().filter(|(file, _)| listens(**file)).map(|(_, owners)| owners).collect();
        if !listeners.is_empty() {
            file.visit_iam(open, &mut |iam| listeners.iter_mut().for_each(|to| to.add(iam)));
        }
    }
    told
}

/// For each file its database, if what IAM pages in its other files say of it, and it of them, can
/// be believed: not where two files of a database have the same id.
fn shares(files: &[Remembered<'_>], primaries: &[Primary]) -> Vec<Primary> {
    let mut known = BTreeMap::new();
    let key = |index: usize| (primaries[index], files[index].file.file_id);
    (0..files.len()).for_each(|index| *known.entry(key(index)).or_insert(0) += 1);
    let share = |index: usize| primaries[index].filter(|_| known.get(&key(index)) == Some(&1));
    (0..files.len()).map(share).collect()
}

/// The units of which `pages` are the first IAM pages, as sysallocunits has it.
fn first_iams(
    pages: &[(usize, PageId)],
    files: &[Remembered<'_>],
    primaries: &[Primary],
    open: Open<'_>,
) -> BTreeMap<(usize, PageId), u64> {
    let shares = shares(files, primaries);
    let mut places: BTreeMap<usize, BTreeMap<PageAddress, usize>> = BTreeMap::new();
    for (file, page) in pages {
        if let Some(primary) = shares[*file] {
            let place = PageAddress::new(files[*file].file.file_id, *page);
            places.entry(primary).or_default().insert(place, *file);
        }
    }
    let mut found = BTreeMap::new();
    for (primary, places) in places {
        let asked = places.keys().copied().collect();
        // System tables are in the primary file.
        let units = units_by_first_iam(&asked, &|table, visit| {
            files[primary].visit(table, open, visit);
        });
        found.extend(units.into_iter().map(|(place, unit)| ((places[&place], place.page), unit)));
    }
    found
}

/// What stands beside a page, and what its PFS byte says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Beside {
    /// Its PFS byte calls it an IAM page.
    is_iam: bool,
    /// The units of the sound pages in its extent, if that belongs to one unit as a whole.
    extent: Claim,
}

/// Looks at the extents of `pages`, each once.
fn beside(
    mut pages: Vec<(usize, PageId)>,
    files: &[Remembered<'_>],
    open: Open<'_>,
) -> BTreeMap<(usize, PageId), Beside> {
    pages.sort_unstable();
    let mut found = BTreeMap::new();
    for of_file in pages.chunk_by(|a, b| a.0 == b.0) {
        let Some((index, _)) = of_file.first() else { continue };
        let file = files[*index].file;
        let Ok(source) = open_unchanged(file, open) else { continue };
        let map = AllocationMap::new(file.file_id, file.kind == FileKind::Log);
        for of_extent in of_file.chunk_by(|a, b| a.1.extent() == b.1.extent()) {
            found.extend(beside_in_extent(of_extent, file, &*source, &map));
        }
    }
    found
}

/// Looks at one extent, which holds `pages` of `file`.
fn beside_in_extent(
    pages: &[(usize, PageId)],
    file: &DataFile,
    source: &dyn PageSource,
    map: &AllocationMap,
) -> Vec<((usize, PageId), Beside)> {
    let Some((_, some)) = pages.first() else { return Vec::new() };
    let interval = map.interval_of(*some, source);
    let pfs = |page: PageId| interval.pfs_byte(page).unwrap_or(PfsByte(0));
    let is_uniform = |page: PageId| pfs(page).is_allocated() && !pfs(page).is_mixed();
    let needs_extent = pages.iter().any(|(_, page)| is_uniform(*page));
    let extent = if needs_extent {
        units_in(some.extent(), file, source, &is_uniform)
    } else {
        Claim::Nobody
    };
    let of = |at: &(usize, PageId)| {
        let extent = if is_uniform(at.1) { extent } else { Claim::Nobody };
        (*at, Beside { is_iam: pfs(at.1).is_iam(), extent })
    };
    pages.iter().map(of).collect()
}

/// The units of the sound pages of an extent.
fn units_in(
    extent: ExtentId,
    file: &DataFile,
    source: &dyn PageSource,
    is_uniform: &dyn Fn(PageId) -> bool,
) -> Claim {
    let first = extent.first_page().0;
    let run: Vec<PageId> = (first..first.saturating_add(EXTENT_PAGES)).map(PageId).collect();
    let unit = |(page, id): (&Page, &PageId)| {
        let place = PageAddress::new(file.file_id, *id);
        let header = PageHeader::of(page);
        let is_owned = is_uniform(*id) && fixed_page_type(file.file_id, *id).is_none();
        let is_witness = is_owned && is_sound(page, place) && !page.is_zero();
        (is_witness && header.page_type != PageType::Iam.m_type())
            .then(|| header.allocation_unit_id())
    };
    let pages = read(source, &run);
    pages.iter().zip(&run).filter_map(unit).fold(Claim::Nobody, |claim, unit| match claim {
        // Pages from SQL Server 2000 have the unit in two ways.
        Claim::Unit(known) if is_same_unit(known, unit) => Claim::Unit(known.max(unit)),
        _ => claim.and(unit),
    })
}

/// All that tells what a page belongs to.
struct Clues<'a> {
    claim: Claim,
    chain: Claim,
    first_iam: Option<u64>,
    header: Option<u64>,
    is_iam_by_header: bool,
    beside: Beside,
    owners: &'a Owners,
    page: PageId,
}

impl Clues<'_> {
    fn ownership(&self) -> Ownership {
        match self.claim {
            Claim::Several => Ownership { claims: 2, ..Ownership::default() },
            Claim::Unit(unit) => Ownership { claims: 1, ..self.confirmed(unit, NamedBy::Iam) },
            Claim::Nobody => self.unclaimed(),
        }
    }

    /// Belongs to `unit`, whatever the header says; better if that says the same.
    fn confirmed(&self, unit: u64, named_by: NamedBy) -> Ownership {
        let agrees = self.header.is_some_and(|header| is_same_unit(header, unit));
        let named_by = Some(if agrees { NamedBy::Both } else { named_by });
        Ownership { unit: Some(unit), named_by, ..Ownership::default() }
    }

    fn unclaimed(&self) -> Ownership {
        match (self.first_iam, self.chain) {
            (Some(unit), Claim::Nobody) => self.iam_page_of(unit, NamedBy::Catalog),
            (None, Claim::Unit(unit)) => self.iam_page_of(unit, NamedBy::Iam),
            (Some(first), Claim::Unit(unit)) if first == unit => {
                self.iam_page_of(unit, NamedBy::Catalog)
            }
            (None, Claim::Nobody) => self.by_header_or_extent(),
            // An IAM page of two units is one of nobody.
            _ => Ownership { is_iam: self.beside.is_iam, ..Ownership::default() },
        }
    }

    fn iam_page_of(&self, unit: u64, named_by: NamedBy) -> Ownership {
        Ownership { is_iam: true, ..self.confirmed(unit, named_by) }
    }

    fn by_header_or_extent(&self) -> Ownership {
        let is_iam = self.beside.is_iam || self.is_iam_by_header;
        let known = |unit, named_by| Ownership {
            unit: Some(unit),
            named_by: Some(named_by),
            is_iam,
            ..Ownership::default()
        };
        // An IAM page is claimed by no other one.
        let is_refuted = |unit| !is_iam && self.owners.is_complete(unit, self.page);
        match (self.header, self.beside.extent) {
            (Some(unit), Claim::Nobody) if !is_refuted(unit) => known(unit, NamedBy::Header),
            (Some(unit), Claim::Unit(other)) if is_same_unit(unit, other) && !is_refuted(unit) => {
                known(unit, NamedBy::Header)
            }
            (None, Claim::Unit(unit)) if !is_iam && !is_refuted(unit) => {
                known(unit, NamedBy::Extent)
            }
            _ => Ownership { is_iam, ..Ownership::default() },
        }
    }
}
