//! The report as one page for a browser: no network, no other file (docs/formats.md).
//!
//! What a reader must know first comes first. Everything but sorting and filtering of suspects
//! works without scripts. All text of a report passes [`escape`](super::escape) and then maud,
//! which escapes what HTML would obey.

mod backups;
mod canvas;
mod charts;
mod consistency;
mod data;
mod databases;
mod details;
mod files;
mod incidents;
mod latencies;
mod map;
mod page;
mod plan;
mod run;
mod summary;
mod suspects;
mod timeline;
mod words;

use super::escape::terminal as safe;
use super::file_names::FileNames;
use super::view::View;
use crate::consolidate::report::ScrubReport;
use maud::html;
use std::io::{self, Write};

/// Suspects that the page holds at most; a saved report may list more than a scan does.
pub const SUSPECTS_MAX: usize = 100_000;

/// Writes `report` as a page.
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let (names, view) = (FileNames::of(report), View::of(report));
    let body = html! {
        (page::header(report))
        main {
            (summary::section(report, &view))
            (databases::section(&view))
            (plan::section(report, &names))
            (incidents::section(report, &names))
            (suspects::section(report, &names))
            (map::section(report, &names))
            (consistency::section(report))
            (backups::section(report, &names))
            (files::section(report, &names))
            (charts::section(report))
            (run::section(report))
        }
    };
    out.write_all(page::head(report).as_bytes())?;
    out.write_all(body.0.as_bytes())?;
    data::write(report, &names, out)?;
    out.write_all(page::tail().as_bytes())
}
