//! The whole report as one JSON document (docs/report-schema.md), written and read.

use crate::consolidate::report::{IncidentReport, SCHEMA, ScrubReport};
use crate::consolidate::tally::Coverage;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Writes `report`, indented, with a newline at the end.
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}

/// Reads a report that [`write`] wrote; otherwise, says why it is none. Keys that are not known
/// are passed over.
pub fn read(bytes: &[u8]) -> Result<ScrubReport, String> {
    #[derive(Deserialize)]
    struct Schema {
        schema: Option<String>,
    }
    let Schema { schema } =
        serde_json::from_slice(bytes).map_err(|e| format!("is no JSON report: {e}"))?;
    match schema.as_deref() {
        Some(SCHEMA) => {}
        Some(other) => return Err(format!("has the schema {other}, and {SCHEMA} is needed")),
        None => return Err(format!("is no JSON report: it has no schema, such as {SCHEMA}")),
    }
    let mut report: ScrubReport = serde_json::from_slice(bytes)
        .map_err(|e| format!("is not what its schema {SCHEMA} says: {e}"))?;
    if report.transients.is_empty() {
        // Older reports only count them.
        report.transients_not_listed = report.coverage.transient;
    }
    contradiction(&report).map_or(Ok(report), |what| Err(format!("contradicts itself: {what}")))
}

/// What cannot be true of a report that a scan wrote, and what formats rely on.
fn contradiction(report: &ScrubReport) -> Option<&'static str> {
    let files = || report.files.iter().map(|file| &file.coverage);
    if !files().chain([&report.coverage]).all(Coverage::adds_up) {
        return Some("the pages do not add up to those planned");
    }
    let mut sum = Coverage::default();
    files().for_each(|coverage| sum += coverage);
    if (sum.pages_planned, sum.suspect) != (report.coverage.pages_planned, report.coverage.suspect)
    {
        return Some("the pages of the files are not those of the report");
    }
    let listed = report.suspects.len() as u64;
    if listed.checked_add(report.suspects_not_listed) != Some(report.coverage.suspect) {
        return Some("the suspects listed and not listed are not those counted");
    }
    let listed = report.transients.len() as u64;
    if listed.checked_add(report.transients_not_listed) != Some(report.coverage.transient) {
        return Some("the transient pages listed and not listed are not those counted");
    }
    if report.suspects.iter().zip(1..).any(|(suspect, rank)| suspect.rank != rank) {
        return Some("the suspects do not stand in the order of their ranks");
    }
    let is_rank = |rank: &usize| (1..=report.suspects.len()).contains(rank);
    let has_suspects = |incident: &IncidentReport| {
        !incident.suspects.is_empty() && incident.suspects.iter().all(is_rank)
    };
    if !report.incidents.iter().all(has_suspects) {
        return Some("there is an incident without a suspect");
    }
    let paths: BTreeSet<&str> = report.suspects.iter().map(|suspect| &*suspect.path).collect();
    let is_known = |path: &str| paths.contains(path);
    let are_known = report.incidents.iter().all(|incident| is_known(&incident.path));
    (!are_known).then_some("there is an incident in a file without a suspect")
}
