//! The whole report as one JSON document (docs/report-schema.md), written and read.

use super::json_text;
use crate::consolidate::contradiction::contradiction;
use crate::consolidate::database;
use crate::consolidate::report::{SCHEMA, ScrubReport};
use serde::Deserialize;
use std::io::{self, Write};

/// Writes `report`, indented, with a newline at the end.
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    json_text::write_pretty(report, out)?;
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
    if report.databases.is_empty() {
        // So do not reports of before databases were told.
        database::tell(&mut report);
    }
    contradiction(&report).map_or(Ok(report), |what| Err(format!("contradicts itself: {what}")))
}
