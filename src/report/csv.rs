//! The suspects as a table for spreadsheets and imports: the columns of `msdb.dbo.suspect_pages`
//! first; then the pages that were bad and then good, which have no rank (docs/formats.md).

use super::escape::spreadsheet as safe;
use super::moment::sql_datetime;
use crate::consolidate::clean_copy::newest;
use crate::consolidate::report::TransientReport;
use crate::consolidate::report::{ScrubReport, Suspect};
use csv::{Terminator, WriterBuilder};
use std::io::{self, Write};

/// The header row; columns are only ever added at its end.
pub const COLUMNS: [&str; 38] = [
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
    "transient_tries",
    "level",
    "root",
];

/// Writes a row for each suspect of `report`, and for each page that healed, after [`COLUMNS`].
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let mut table = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    table.write_record(COLUMNS)?;
    let date = sql_datetime(&report.run).unwrap_or_default();
    for suspect in &report.suspects {
        table.write_record(row(suspect, &date))?;
    }
    for transient in &report.transients {
        table.write_record(row_of_transient(transient, &date))?;
    }
    table.flush()
}

fn optional(text: Option<&str>) -> String {
    text.map(safe).unwrap_or_default()
}

fn number<T: ToString>(number: Option<T>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

/// What a suspect has and it has not is empty: above all, its rank.
fn row_of_transient(transient: &TransientReport, date: &str) -> [String; COLUMNS.len()] {
    let value = |column: &str| match column {
        "database" => optional(transient.database.as_deref()),
        "file_id" => transient.file_id.to_string(),
        "page_id" => transient.page_id.to_string(),
        "event_type" => transient.event_type.to_string(),
        "error_count" => transient.failures.to_string(),
        "last_update_date" => date.to_owned(),
        "path" => safe(&transient.path),
        "address" => transient.address.to_string(),
        "offset_bytes" => transient.offset_bytes.to_string(),
        "reason" => safe(&transient.reason),
        "stored" => number(transient.stored),
        "computed" => number(transient.computed),
        "found" => number(transient.found),
        "message" => safe(&transient.message.to_string()),
        "host" => optional(transient.host.as_deref()),
        "backup_set" => number(transient.backup_set),
        "transient_tries" => transient.tries.to_string(),
        _ => String::new(),
    };
    COLUMNS.map(value)
}

/// Numbers are unsigned, so that none of them looks like a formula.
fn row(suspect: &Suspect, date: &str) -> [String; COLUMNS.len()] {
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
        number(suspect.stored),
        number(suspect.computed),
        number(suspect.found),
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
        number(suspect.device_offset_bytes),
        suspect.terms.to_string(),
        optional(suspect.confidence.as_deref()),
        optional(suspect.named_by.as_deref()),
        suspect.evidence.as_ref().map(|evidence| safe(&evidence.to_string())).unwrap_or_default(),
        number(suspect.backup_set),
        optional(newest(&suspect.clean_copies).as_deref()),
        String::new(),
        number(suspect.level),
        suspect.is_root.to_string(),
    ]
}
