//! Findings in, conclusions out: ranked suspects, incidents, patterns, and what to do.

use super::advice;
use super::incident::{Incidents, Place, spans};
use super::message;
use super::pattern::scopes::scopes;
use super::pattern::{self, Geometry};
use super::rank::{Finding, priority};
use super::report::{IncidentReport, Pattern, ScoreTerms, Span, Suspect};
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::discover::device::placement::Placement;
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
    /// Where it is stored, if it has suspects and the file system tells.
    pub placement: Option<Placement>,
    /// Pages in use that are not suspect.
    pub sound_pages: u64,
}

/// Ranks `findings` (most urgent first) into suspects and incidents.
pub fn rank_and_group(
    findings: &[Finding],
    files: &[FileFacts],
) -> (Vec<Suspect>, Vec<IncidentReport>) {
    let suspects: Vec<Suspect> = findings
        .iter()
        .enumerate()
        .map(|(i, finding)| suspect(i + 1, finding, &files[finding.file]))
        .collect();
    let places = places(findings, files);
    let grouped = Incidents::group(&places);
    let mut incidents: Vec<&[usize]> = grouped.iter().collect();
    // A finding's index is its rank.
    incidents.sort_by_key(|incident| incident.iter().min().copied());
    let incidents = incidents.iter().enumerate();
    let incidents = incidents.map(|(i, incident)| IncidentReport {
        spans: spans(incident, &places).map(|span| span_report(span, &suspects)).collect(),
        ..incident_report(i + 1, incident, &suspects)
    });
    let incidents = incidents.collect();
    (suspects, incidents)
}

/// Where the findings are, on whole disks as far as that is known.
pub fn places(findings: &[Finding], files: &[FileFacts]) -> Vec<Place> {
    let placements = || files.iter().filter_map(|file| file.placement.as_ref());
    let disks: BTreeSet<&str> = placements().map(|placement| &*placement.disk).collect();
    let numbers: BTreeMap<&str, usize> = disks.into_iter().zip(0..).collect();
    let device = |finding: &Finding| {
        let placement = files[finding.file].placement.as_ref()?;
        let offset = placement.disk_offset(finding.place.page.offset_bytes())?;
        Some((*numbers.get(&*placement.disk)?, offset))
    };
    let place = |finding: &Finding| Place {
        file: finding.file,
        page: finding.place.page,
        device: device(finding),
    };
    findings.iter().map(place).collect()
}

/// Regularities in where the findings are; with the geometry of the array, if that is known.
pub fn patterns(
    findings: &[Finding],
    files: &[FileFacts],
    geometry: Option<Geometry>,
) -> Vec<Pattern> {
    pattern::find(scopes(findings, &places(findings, files), files), geometry)
}

fn suspect(rank: usize, finding: &Finding, file: &FileFacts) -> Suspect {
    let score = finding.score();
    let object = finding.object.as_deref();
    let (stored, computed) = match finding.reason {
        SuspectReason::BadChecksum { stored, computed } => (Some(stored), Some(computed)),
        _ => (None, None),
    };
    let offset_bytes = finding.place.page.offset_bytes();
    let placement = file.placement.as_ref();
    let on_device = placement.and_then(|placement| placement.device_offset(offset_bytes));
    Suspect {
        rank,
        priority: priority(score).into(),
        tier: "".into(),
        score,
        terms: ScoreTerms::default(),
        incident: 0,
        path: Arc::clone(&file.path),
        database: file.database.clone(),
        address: finding.place.to_string(),
        file_id: finding.place.file.0,
        page_id: finding.place.page.0,
        offset_bytes,
        device: on_device.and(placement.map(|placement| Arc::clone(&placement.device))),
        device_offset_bytes: on_device,
        reason: finding.reason.name().into(),
        event_type: finding.reason.event_type(),
        stored,
        computed,
        found: found(&finding.reason),
        page_type: finding.page_type.map_or("unknown", |kind| kind.name()).into(),
        allocated: allocated(finding.allocation).into(),
        object: belongs_to(finding),
        schema: object.and_then(|object| object.schema.clone()),
        table: object.and_then(|object| object.table.clone()),
        index: object.and_then(|object| object.index.clone()),
        object_kind: object.map(|object| object.kind.name().into()),
        object_id: object.map(|object| object.object_id),
        index_id: object.map(|object| object.index_id),
        allocation_unit_id: finding.allocation_unit,
        cause: finding.cause.map(|(cause, _)| cause.name().into()),
        confidence: finding.cause.map(|(_, confidence)| confidence.name().into()),
        evidence: finding.evidence.clone(),
        unsettled: finding.unsettled,
        message: message::of(finding, file),
        action: advice::action(finding, file).into(),
    }
}

fn belongs_to(finding: &Finding) -> Option<String> {
    let unit = || finding.allocation_unit.map(|id| format!("allocation unit {id}"));
    finding.object.as_ref().map(ToString::to_string).or_else(unit)
}

fn found(reason: &SuspectReason) -> Option<String> {
    match reason {
        SuspectReason::WrongPageId { found, .. } => Some(found.to_string()),
        _ => None,
    }
}

fn allocated(allocation: Allocation) -> &'static str {
    match allocation {
        Allocation::Allocated => "yes",
        Allocation::Free => "no",
        Allocation::Unknown => "unknown",
    }
}

fn span_report(span: &[usize], suspects: &[Suspect]) -> Span {
    let first = &suspects[span[0]];
    Span {
        path: Arc::clone(&first.path),
        first: first.address.clone(),
        last: suspects[span[span.len() - 1]].address.clone(),
        pages: span.len(),
        device: first.device.clone(),
        device_offset_bytes: first.device_offset_bytes,
    }
}

fn incident_report(rank: usize, incident: &[usize], suspects: &[Suspect]) -> IncidentReport {
    let members = || incident.iter().map(|&i| &suspects[i]);
    let mut reasons = BTreeMap::new();
    members().for_each(|suspect| *reasons.entry(suspect.reason.to_string()).or_default() += 1);
    let first = &suspects[incident[0]];
    let in_first_file = members().take_while(|suspect| suspect.path == first.path);
    let last = in_first_file.last().unwrap_or(first);
    IncidentReport {
        rank,
        priority: members().map(|s| &s.priority).min().unwrap_or(&first.priority).clone(),
        path: Arc::clone(&first.path),
        first: first.address.clone(),
        last: last.address.clone(),
        pages: incident.len(),
        reasons,
        causes: BTreeMap::new(),
        tier: "".into(),
        score: 0,
        spans: Vec::new(),
        action: String::new(),
        suspects: members().map(|suspect| suspect.rank).collect(),
    }
}
