//! Every finding with its score, the most urgent first.

use super::file_facts::FileFacts;
use super::findings::Finding;
use super::incident::{Incidents, Place, spans};
use super::report::ScoreTerms;
use super::score::{self, Copied, Surroundings, Tier};
use super::weights::Weights;
use crate::catalog::object::Object;
use crate::page::address::PageAddress;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// A finding, where it was in the order of places, and what it scores.
pub(super) struct Ranked {
    pub(super) finding: Finding,
    pub(super) position: usize,
    pub(super) tier: Tier,
    pub(super) terms: ScoreTerms,
    /// The database may not start, and it is neither a copy that is damaged nor a page in flux.
    pub(super) is_first: bool,
}

/// All findings, the most urgent first.
pub(super) fn ranked(
    findings: Vec<Finding>,
    grouped: &Incidents,
    places: &[Place],
    files: &[FileFacts],
    weights: &Weights,
) -> Vec<Ranked> {
    // Pages and files of the incident that each is in.
    let mut extents = vec![(0_u32, 0_u32); findings.len()];
    for incident in grouped.iter() {
        let files = spans(incident, places).count();
        for &i in incident {
            extents[i] = (incident.len() as u32, files as u32);
        }
    }
    let hits = hits(&findings);
    let rate = |(position, finding): (usize, Finding)| {
        let file = &files[finding.file];
        let around = Surroundings {
            incident_pages: extents[position].0 as usize,
            incident_files: extents[position].1 as usize,
            share_of_object: share_of_object(&finding, &hits),
            is_tempdb: file.is_tempdb(),
            copy: file
                .part
                .as_ref()
                .map(|part| if part.has_checksum { Copied::Verified } else { Copied::Unverified }),
        };
        let tier = Tier::of(&finding, around.is_tempdb);
        let terms = score::terms(&finding, &around, weights);
        let is_first = tier == Tier::T0 && around.copy.is_none() && !finding.unsettled;
        Ranked { finding, position, tier, terms, is_first }
    };
    let mut ranked: Vec<Ranked> = findings.into_iter().enumerate().map(rate).collect();
    ranked.sort_unstable_by_key(Ranked::urgency);
    ranked
}

/// How many of the findings belong to each object.
fn hits(findings: &[Finding]) -> HashMap<*const Object, u64> {
    let mut hits = HashMap::new();
    for object in findings.iter().filter_map(|finding| finding.object.as_ref()) {
        *hits.entry(Arc::as_ptr(object)).or_default() += 1;
    }
    hits
}

/// The share of the pages of its allocation unit that are suspect; 0 if these are not counted.
fn share_of_object(finding: &Finding, hits: &HashMap<*const Object, u64>) -> f64 {
    let share = finding.object.as_ref().and_then(|object| {
        let pages = object.unit_pages.filter(|pages| *pages > 0)?;
        Some(*hits.get(&Arc::as_ptr(object))? as f64 / pages as f64)
    });
    share.unwrap_or_default().min(1.0)
}

impl Ranked {
    /// T0 of databases first, then by score; equal only for the same page.
    fn urgency(&self) -> (bool, Reverse<u32>, Tier, usize, PageAddress) {
        let Self { finding, tier, terms, is_first, .. } = self;
        (!is_first, Reverse(terms.sum()), *tier, finding.file, finding.place)
    }
}
