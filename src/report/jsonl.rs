//! The report as one JSON object per line, for what reads lines.

use super::json_text;
use crate::consolidate::report::TransientReport;
use crate::consolidate::report::consistency::Consistency;
use crate::consolidate::report::database::DatabaseReport;
use crate::consolidate::report::{
    FileReport, IncidentReport, NotLookedInto, Pattern, Run, RunVerdict, ScrubReport, ShiftReport,
    Skipped, Source, Step, Suspect, Throughput, Tool,
};
use crate::consolidate::tally::Coverage;
use crate::consolidate::weights::WeightsOrigin;
use serde::Serialize;
use std::io::{self, Write};

/// The schema's name; keys and types of lines are only ever added to it.
pub const SCHEMA: &str = "pagescrub.report.jsonl/1";

/// A line says what it is in `type`; its other keys are those of the JSON report.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Header {
        schema: &'a str,
        tool: &'a Tool,
        run: &'a Run,
        sources: &'a [Source],
        weights: &'a WeightsOrigin,
    },
    Suspect(&'a Suspect),
    Transient(&'a TransientReport),
    Incident(&'a IncidentReport),
    Step(&'a Step),
    Shift(&'a ShiftReport),
    Pattern(&'a Pattern),
    Database(&'a DatabaseReport),
    Consistency(&'a Consistency),
    File(&'a FileReport),
    Result(Answer<'a>),
}

#[derive(Serialize)]
struct Answer<'a> {
    verdict: RunVerdict,
    exit_code: u8,
    coverage: &'a Coverage,
    skipped: &'a Skipped,
    not_looked_into: &'a NotLookedInto,
    excluded: &'a Skipped,
    suspects_not_listed: u64,
    transients_not_listed: u64,
    incidents_not_listed: u64,
    host_findings: &'a [String],
    throughput: &'a Throughput,
}

/// Writes `report`. The result comes last, so that a file without one is known to be cut off.
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let ScrubReport { tool, run, sources, weights, suspects, incidents, patterns, files, .. } =
        report;
    let header = Line::Header { schema: SCHEMA, tool, run, sources, weights };
    let result = Line::Result(Answer {
        verdict: report.verdict,
        exit_code: report.exit_code,
        coverage: &report.coverage,
        skipped: &report.skipped,
        not_looked_into: &report.not_looked_into,
        excluded: &report.excluded,
        suspects_not_listed: report.suspects_not_listed,
        transients_not_listed: report.transients_not_listed,
        incidents_not_listed: report.incidents_not_listed,
        host_findings: &report.host_findings,
        throughput: &report.throughput,
    });
    let found = suspects.iter().map(Line::Suspect);
    let found = found.chain(report.transients.iter().map(Line::Transient));
    let found = found.chain(incidents.iter().map(Line::Incident));
    let found = found.chain(report.shifts.iter().map(Line::Shift));
    let found = found.chain(patterns.iter().map(Line::Pattern));
    let found = found.chain(report.plan.iter().map(Line::Step));
    let found = found.chain(report.databases.iter().map(Line::Database));
    let found = found.chain(report.consistency.iter().map(Line::Consistency));
    let lines = found.chain(files.iter().map(Line::File));
    for line in std::iter::once(header).chain(lines).chain([result]) {
        json_text::write_line(&line, out)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
