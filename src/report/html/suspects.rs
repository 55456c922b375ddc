//! The table of suspects. Here are its first rows; the script shows all of them.

use super::super::terminal::layout::{counted, number};
use super::words::{colour, words};
use super::{SUSPECTS_MAX, safe};
use crate::consolidate::report::{ScrubReport, Suspect};
use crate::report::file_names::FileNames;
use crate::report::view::{kind, wrong};
use maud::{Markup, html};

/// Rows without a script.
const ROWS: usize = 50;

/// Headings, with the class that says where there is room for them.
const COLUMNS: [(&str, &str); 10] = [
    ("#", "number"),
    ("Pri", ""),
    ("Tier", ""),
    ("Score", "number wide"),
    ("Page", ""),
    ("Type", "wide"),
    ("What is wrong", ""),
    ("Cause", "wide"),
    ("Object", ""),
    ("File", "wide"),
];

pub(super) fn section(report: &ScrubReport, names: &FileNames<'_>) -> Markup {
    let suspects = &report.suspects;
    let has = Has::of(suspects);
    html! {
        @if !suspects.is_empty() {
            section #suspects {
                h2 { "Suspects" small #count role="status" aria-live="polite" { (shown(report)) } }
                (filters())
                @if suspects.len() > SUSPECTS_MAX {
                    p.more { "Only the first " (number(SUSPECTS_MAX as u64)) " are in this page; "
                        "the JSON report has all of them." }
                }
                table #table .no-tier[!has.tier] .no-cause[!has.cause] .no-object[!has.object] {
                    caption { "Suspect pages, most urgent first" }
                    thead {
                        tr {
                            @for (name, class) in COLUMNS {
                                th.(class) scope="col" { (name) }
                            }
                        }
                    }
                    tbody {
                        @for suspect in suspects.iter().take(ROWS) { (row(suspect, names)) }
                    }
                }
                (pages())
            }
        }
    }
}

/// Columns that reports of earlier versions, or of pages without names, leave empty.
struct Has {
    tier: bool,
    cause: bool,
    object: bool,
}

impl Has {
    fn of(suspects: &[Suspect]) -> Self {
        Self {
            tier: suspects.iter().any(|suspect| !suspect.tier.is_empty()),
            cause: suspects.iter().any(|suspect| suspect.cause.is_some()),
            object: suspects.iter().any(|suspect| suspect.object.is_some()),
        }
    }
}

fn shown(report: &ScrubReport) -> String {
    let listed = report.suspects.len();
    if listed > ROWS {
        format!("the first {ROWS} of {}", number(listed as u64))
    } else {
        counted(listed as u64, "suspect page")
    }
}

/// Hidden until a script makes them work.
fn filters() -> Markup {
    html! {
        div.filters #filters role="search" hidden {
            label.search {
                span { "Filter" }
                input #filter type="search" autocomplete="off" spellcheck="false"
                    placeholder="text, #1-20, incident:3";
            }
            @for (id, name) in
                [("priority", "Priority"), ("tier", "Tier"), ("cause", "Cause"), ("file", "File")] {
                label { span { (name) } select id={ "by-" (id) } { option value="" { "all" } } }
            }
            button #clear type="button" { "Clear" }
        }
    }
}

fn pages() -> Markup {
    html! {
        nav.pages #pages aria-label="Pages of the table" hidden {
            button type="button" data-go="first" { "First" }
            button type="button" data-go="previous" { "Previous" }
            span #page {}
            button type="button" data-go="next" { "Next" }
            button type="button" data-go="last" { "Last" }
        }
    }
}

fn row(suspect: &Suspect, names: &FileNames<'_>) -> Markup {
    let class = colour(&suspect.tier, &suspect.priority);
    html! {
        tr {
            td.number { (suspect.rank) }
            td { span.tag.(class) { (safe(&suspect.priority)) } }
            td { (safe(&suspect.tier)) }
            td.number.wide { (suspect.score) }
            td { (suspect.address) }
            td.wide { (kind(suspect)) }
            td { (wrong(suspect, false)) }
            td.wide { (suspect.cause.as_deref().map(words).unwrap_or_default()) }
            td { (safe(suspect.object.as_deref().unwrap_or_default())) }
            td.wide { (names.name(suspect.host.as_deref(), &suspect.path)) }
        }
    }
}
