//! A [`Diff`] in, bytes out: JSON, CSV and text for people (docs/formats.md).

pub mod terminal;

use super::escape::spreadsheet as safe;
use super::json_text::write_pretty;
use crate::inspect::diff::report::{Diff, FileDiff, PageDiff, RunOfPages, SideOfPage};
use csv::{Terminator, WriterBuilder};
use std::io::{self, Write};

/// The header row; columns are only ever added at its end.
pub const COLUMNS: [&str; 13] = [
    "file_id",
    "first_page",
    "pages",
    "class",
    "object",
    "a_lsn",
    "b_lsn",
    "a_reason",
    "b_reason",
    "differing_bytes",
    "differing_sectors",
    "wrong",
    "because",
];

/// Writes `diff` as JSON.
pub fn write_json(diff: &Diff, out: &mut dyn Write) -> io::Result<()> {
    write_pretty(diff, out)?;
    out.write_all(b"\n")
}

/// Writes a row for each run of pages that differ, and for each page that is damaged or of which
/// one copy must be wrong, after [`COLUMNS`]; files and pages ascend.
pub fn write_csv(diff: &Diff, out: &mut dyn Write) -> io::Result<()> {
    let mut table = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    table.write_record(COLUMNS)?;
    for file in &diff.files {
        for row in rows(file) {
            table.write_record(row)?;
        }
    }
    table.flush()
}

type Row = [String; COLUMNS.len()];

fn rows(file: &FileDiff) -> Vec<Row> {
    let last_listed = file.pages.last().map(|page| page.address.page.0);
    let is_beyond = |run: &RunOfPages| {
        file.pages_not_listed > 0 && last_listed.is_none_or(|last| run.first_page > last)
    };
    let runs = file.runs.iter().filter(|run| !run.class.is_listed() || is_beyond(run));
    let runs = runs.map(|run| (run.first_page, row_of_run(file, run)));
    let pages = file.pages.iter().map(|page| (page.address.page.0, row_of_page(file, page)));
    let mut rows: Vec<(u32, Row)> = runs.chain(pages).collect();
    rows.sort_by_key(|(page, _)| *page);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn row_of_run(file: &FileDiff, run: &RunOfPages) -> Row {
    COLUMNS.map(|column| match column {
        "file_id" => file.file_id.to_string(),
        "first_page" => run.first_page.to_string(),
        "pages" => run.pages.to_string(),
        "class" => run.class.name().to_owned(),
        "object" => safe(&run.object),
        _ => String::new(),
    })
}

fn row_of_page(file: &FileDiff, page: &PageDiff) -> Row {
    let lsn = |side: &Option<SideOfPage>| {
        let lsn = side.as_ref().and_then(|side| side.lsn);
        lsn.map_or_else(String::new, |lsn| lsn.to_string())
    };
    let reason = |side: &Option<SideOfPage>| {
        side.as_ref().and_then(|side| side.reason).unwrap_or_default().to_owned()
    };
    let sectors: Vec<String> = page.differing_sectors.iter().map(ToString::to_string).collect();
    COLUMNS.map(|column| match column {
        "file_id" => file.file_id.to_string(),
        "first_page" => page.address.page.to_string(),
        "pages" => "1".to_owned(),
        "class" => page.class.name().to_owned(),
        "object" => safe(&page.object),
        "a_lsn" => lsn(&page.a),
        "b_lsn" => lsn(&page.b),
        "a_reason" => reason(&page.a),
        "b_reason" => reason(&page.b),
        "differing_bytes" => page.differing_bytes.map_or_else(String::new, |n| n.to_string()),
        "differing_sectors" => sectors.join(" "),
        "wrong" => page.wrong.unwrap_or_default().to_owned(),
        "because" => safe(&page.because),
        _ => String::new(),
    })
}
