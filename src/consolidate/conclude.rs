//! Findings in, conclusions out: ranked suspects, incidents and patterns.

mod incidents;
mod suspect;
#[cfg(test)]
mod tests;

use super::file_facts::FileFacts;
use super::findings::Finding;
use super::incident::{Incidents, Place};
use super::pattern::scopes::{Around, Placed, scopes};
use super::pattern::{self, Geometry};
use super::rank;
use super::report::{IncidentReport, Pattern, Suspect};
use super::weights::Weights;
use crate::page::PAGE_BYTES;
use crate::page::address::PageId;
use std::collections::{BTreeMap, BTreeSet};

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

/// A vector keeps its memory when elements are popped. So that a million findings and the suspects
/// made of them do not both stand in memory, it is given back every so many findings.
const SHRINK_EVERY: usize = 65_536;

/// Concludes from `findings`, which are in the order of their places in `files`; with the geometry
/// of the array, if that is known, and with which extents of a file are in use `around` a page.
pub fn conclude(
    findings: Vec<Finding>,
    files: &[FileFacts],
    weights: &Weights,
    geometry: Option<Geometry>,
    around: &Around<'_>,
) -> Conclusions {
    let places = places(&findings, files);
    let in_use = Placed { files, around };
    let patterns = pattern::find(scopes(&findings, &places, files), geometry, &in_use);
    let shift_of = |index: usize| findings[index].shift;
    let are_one = |a, b| shift_of(a).is_some() && shift_of(a) == shift_of(b);
    let grouped = Incidents::group_also(&places, are_one);
    let mut ranked = rank::ranked(findings, &grouped, &places, files, weights);
    let mut suspects = Vec::with_capacity(ranked.len());
    let mut rank_of = vec![0; ranked.len()];
    let mut names = suspect::Names::default();
    // Popped from the back: each finding is freed when its suspect has been made.
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
