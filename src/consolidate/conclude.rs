//! Findings in, conclusions out: ranked suspects, incidents, patterns, and what to do.

use super::advice;
use super::incident;
use super::message;
use super::rank::{Finding, priority};
use super::report::{IncidentReport, ScoreTerms, Suspect};
use crate::diagnose::verdict::{Allocation, SuspectReason};
use std::collections::BTreeMap;
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
    let incidents = incident::group(findings)
        .iter()
        .enumerate()
        .map(|(i, incident)| incident_report(i + 1, incident, &suspects))
        .collect();
    (suspects, incidents)
}

fn suspect(rank: usize, finding: &Finding, file: &FileFacts) -> Suspect {
    let score = finding.score();
    let object = finding.object.as_deref();
    let (stored, computed) = match finding.reason {
        SuspectReason::BadChecksum { stored, computed } => (Some(stored), Some(computed)),
        _ => (None, None),
    };
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
        offset_bytes: finding.place.page.offset_bytes(),
        device: None,
        device_offset_bytes: None,
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
        partition: object.and_then(|object| object.partition),
        allocation_unit_id: finding.allocation_unit,
        named_by: finding.named_by().map(|by| by.name().into()),
        iam_claims: finding.iam_claims,
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

fn incident_report(
    rank: usize,
    incident: &incident::Incident,
    suspects: &[Suspect],
) -> IncidentReport {
    let members = || incident.findings.iter().map(|&i| &suspects[i]);
    let mut reasons = BTreeMap::new();
    members().for_each(|suspect| *reasons.entry(suspect.reason.to_string()).or_default() += 1);
    let first = &suspects[incident.findings[0]];
    let last = &suspects[incident.findings[incident.findings.len() - 1]];
    IncidentReport {
        rank,
        priority: members().map(|s| &s.priority).min().unwrap_or(&first.priority).clone(),
        path: Arc::clone(&first.path),
        first: first.address.clone(),
        last: last.address.clone(),
        pages: incident.findings.len(),
        reasons,
        causes: BTreeMap::new(),
        tier: "".into(),
        score: 0,
        spans: Vec::new(),
        action: String::new(),
        suspects: members().map(|suspect| suspect.rank).collect(),
    }
}
