//! Findings in, conclusions out: ranked suspects, incidents and patterns.

mod incidents;
mod ranked;
mod suspect;
#[cfg(test)]
mod tests;

use super::database::CatalogEntry;
use super::incident::{Incidents, Place};
use super::pattern::scopes::scopes;
use super::pattern::{self, Geometry};
use super::rank::Finding;
use super::report::{IncidentReport, Pattern, Suspect};
use super::weights::Weights;
use crate::backup::layout::Layout;
use crate::discover::device::placement::Placement;
use crate::page::PAGE_BYTES;
use crate::page::address::{FileId, PageId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a finding needs to know of its file.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// As reported.
    pub path: Arc<str>,
    /// If known.
    pub database: Option<Arc<str>>,
    /// 0 if not known.
    pub database_id: u16,
    /// SIMPLE recovery model: no page restore. `None` where the boot page does not tell.
    pub simple_recovery: Option<bool>,
    /// A transaction log.
    pub is_log: bool,
    /// In a backup: where its pages are there, and of which set.
    pub part: Option<PartFacts>,
    /// Where it is stored, if it has suspects and the file system tells.
    pub placement: Option<Placement>,
    /// Pages in use that are not suspect.
    pub sound_pages: u64,
    /// Its database's primary file is among the files.
    pub has_primary: bool,
    /// Its database's boot page is suspect: what that says are hints.
    pub is_boot_suspect: bool,
    /// Of a primary file: the files of its database.
    pub database_files: Vec<CatalogEntry>,
    /// Nothing in it tells of which database it is, so that no copies could be looked for.
    pub is_of_unknown_database: bool,
}

/// What a finding needs to know of the backup set that it is in.
#[derive(Clone, Debug)]
pub struct PartFacts {
    /// Where the pages are.
    pub layout: Layout,
    /// The set's position in the backup, as in `RESTORE ... FILE = n`.
    pub position: u32,
    /// The file's logical name, by the backup's list of files; else its id.
    pub logical_name: Arc<str>,
    /// The backup was taken WITH CHECKSUM, so that every page in it was verified when it was read.
    pub has_checksum: bool,
    /// The backup is compressed: offsets are those in what it unpacks to.
    pub is_unpacked: bool,
}

impl FileFacts {
    /// Where `page` begins in the file at its path.
    pub fn offset_bytes(&self, page: PageId) -> u64 {
        let in_part = self.part.as_ref().and_then(|part| part.layout.page_offset_bytes(page));
        in_part.unwrap_or_else(|| page.offset_bytes())
    }

    /// Of a primary file: its own GUID, by its catalog.
    pub fn own_guid(&self, file_id: FileId) -> Option<&Arc<str>> {
        self.database_files.iter().find(|told| told.file_id == file_id.0)?.guid.as_ref()
    }

    /// Its offsets are those in what a compressed backup unpacks to.
    pub fn is_unpacked(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.is_unpacked)
    }

    /// A file of tempdb, which is made anew whenever the server starts.
    fn is_tempdb(&self) -> bool {
        self.database.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("tempdb"))
    }
}

/// What follows from all findings together.
pub struct Conclusions {
    /// The most urgent first.
    pub suspects: Vec<Suspect>,
    /// The one with the most urgent page first, at most [`incidents::INCIDENTS_MAX`].
    pub incidents: Vec<IncidentReport>,
    /// Incidents beyond that.
    pub incidents_not_listed: u64,
    /// The surest first.
    pub patterns: Vec<Pattern>,
}

/// Findings between two times that their memory is given back.
const SHRINK_EVERY: usize = 65_536;

/// Concludes from `findings`, which are in the order of their places in `files`; with the geometry
/// of the array, if that is known.
pub fn conclude(
    findings: Vec<Finding>,
    files: &[FileFacts],
    weights: &Weights,
    geometry: Option<Geometry>,
) -> Conclusions {
    let places = places(&findings, files);
    let patterns = pattern::find(scopes(&findings, &places, files), geometry);
    let shift_of = |index: usize| findings[index].shift;
    let are_one = |a, b| shift_of(a).is_some() && shift_of(a) == shift_of(b);
    let grouped = Incidents::group_also(&places, are_one);
    let mut ranked = ranked::ranked(findings, &grouped, &places, files, weights);
    let mut suspects = Vec::with_capacity(ranked.len());
    let mut rank_of = vec![0; ranked.len()];
    let mut names = suspect::Names::default();
    // From the back, so that what is done with goes away: there may be a million.
    ranked.reverse();
    while let Some(next) = ranked.pop() {
        let (rank, file) = (suspects.len() + 1, &files[next.finding.file]);
        suspects.push(suspect::suspect(rank, &next, file, weights, &mut names));
        rank_of[next.position] = suspects.len();
        if ranked.len().is_multiple_of(SHRINK_EVERY) {
            ranked.shrink_to_fit();
        }
    }
    let (incidents, incidents_not_listed) =
        incidents::reports(&grouped, &places, &rank_of, &mut suspects);
    Conclusions { suspects, incidents, incidents_not_listed, patterns }
}

/// The page by which neighbours are told. Pages are neighbours where they stand beside each other:
/// in a backup, that is not by their ids.
fn in_its_file(finding: &Finding, file: &FileFacts) -> PageId {
    let page = file.offset_bytes(finding.place.page) / PAGE_BYTES as u64;
    PageId(u32::try_from(page).unwrap_or(u32::MAX))
}

/// Where the findings are, on whole disks as far as that is known.
fn places(findings: &[Finding], files: &[FileFacts]) -> Vec<Place> {
    let placements = || files.iter().filter_map(|file| file.placement.as_ref());
    let disks: BTreeSet<&str> = placements().map(|placement| &*placement.disk).collect();
    let numbers: BTreeMap<&str, usize> = disks.into_iter().zip(0..).collect();
    let device = |finding: &Finding| {
        let placement = files[finding.file].placement.as_ref()?;
        let at = files[finding.file].offset_bytes(finding.place.page);
        let offset = placement.disk_offset(at)?;
        Some((*numbers.get(&*placement.disk)?, offset))
    };
    let place = |finding: &Finding| Place {
        file: finding.file,
        page: in_its_file(finding, &files[finding.file]),
        device: device(finding),
    };
    findings.iter().map(place).collect()
}
