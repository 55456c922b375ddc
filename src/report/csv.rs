//! The suspects as a table for spreadsheets and imports: the columns of `msdb.dbo.suspect_pages`
//! first (docs/formats.md).

use super::escape::spreadsheet as safe;
use super::moment::sql_datetime;
use crate::consolidate::clean_copy::newest;
use crate::consolidate::report::{ScrubReport, Suspect};
use csv::{Terminator, WriterBuilder};
use std::io::{self, Write};

/// The header row; columns are only ever added at its end.
pub const COLUMNS: [&str; 35] = [
    "database",
    "file_id",
    "page_id",
    "event_type",
    "error_count",
    "last_update_date",
    "rank",
    "priority",
    "score",
    "path",
    "address",
    "offset_bytes",
    "reason",
    "stored",
    "computed",
    "found",
    "page_type",
    "allocated",
    "object",
    "cause",
    "unsettled",
    "action",
    "message",
    "object_kind",
    "host",
    "tier",
    "incident",
    "device",
    "device_offset_bytes",
    "score_terms",
    "confidence",
    "named_by",
    "evidence",
    "backup_set",
    "newest_clean_copy",
];

/// Writes a row for each suspect of `report`, after [`COLUMNS`].
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let mut table = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    table.write_record(COLUMNS)?;
    let date = sql_datetime(&report.run).unwrap_or_default();
    for suspect in &report.suspects {
        table.write_record(row(suspect, &date))?;
    }
    table.flush()
}

/// Numbers are unsigned, so that none of them looks like a formula.
fn row(suspect: &Suspect, date: &str) -> [String; COLUMNS.len()] {
    let optional = |text: Option<&str>| text.map(safe).unwrap_or_default();
    let checksum = |sum: Option<_>| sum.map_or_else(String::new, |sum| format!("{sum}"));
    [
        optional(suspect.database.as_deref()),
        suspect.file_id.to_string(),
        suspect.page_id.to_string(),
        suspect.event_type.to_string(),
        // A scan counts a page once, however often it looks at it.
        "1".to_owned(),
        date.to_owned(),
        suspect.rank.to_string(),
        safe(&suspect.priority),
        suspect.score.to_string(),
        safe(&suspect.path),
        suspect.address.to_string(),
        suspect.offset_bytes.to_string(),
        safe(&suspect.reason),
        checksum(suspect.stored),
        checksum(suspect.computed),
        suspect.found.map_or_else(String::new, |found| found.to_string()),
        safe(&suspect.page_type),
        safe(&suspect.allocated),
        optional(suspect.object.as_deref()),
        optional(suspect.cause.as_deref()),
        suspect.unsettled.to_string(),
        safe(&suspect.action),
        safe(&suspect.message.to_string()),
        optional(suspect.object_kind.as_deref()),
        optional(suspect.host.as_deref()),
        safe(&suspect.tier),
        suspect.incident.to_string(),
        optional(suspect.device.as_deref()),
        suspect.device_offset_bytes.map_or_else(String::new, |bytes| bytes.to_string()),
        suspect.terms.to_string(),
        optional(suspect.confidence.as_deref()),
        optional(suspect.named_by.as_deref()),
        suspect.evidence.as_ref().map(|evidence| safe(&evidence.to_string())).unwrap_or_default(),
        suspect.backup_set.map_or_else(String::new, |set| set.to_string()),
        optional(newest(&suspect.clean_copies).as_deref()),
    ]
}
