//! The whole report as one JSON document (docs/report-schema.md).

use crate::consolidate::report::ScrubReport;
use std::io::{self, Write};

/// Writes `report`, indented, with a newline at the end.
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}
