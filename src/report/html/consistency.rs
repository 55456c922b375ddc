//! What a check of structures found, database by database.

use super::super::terminal::layout::counted;
use super::super::view::consistency::{Checked, checked, packed};
use super::safe;
use crate::consolidate::report::ScrubReport;
use maud::{Markup, html};

/// Databases at most.
const DATABASES_MAX: usize = 200;
/// Pages that recovery may put right, shown of one database at most.
const LISTED_MAX: usize = 100;

pub(super) fn section(report: &ScrubReport) -> Markup {
    let Some(databases) = checked(report) else { return html! {} };
    let never = report.consistency.iter().flat_map(|consistency| &consistency.never_checked);
    let never: Vec<_> = never.map(|what| safe(what)).collect();
    let hidden = databases.len().saturating_sub(DATABASES_MAX) as u64;
    html! {
        section #consistency {
            h2 { "Consistency" small { "rules of the kind that DBCC CHECKDB checks" } }
            @for database in databases.iter().take(DATABASES_MAX) { (one(database)) }
            @if hidden > 0 { p.more { "And " (counted(hidden, "more database")) "." } }
            @if let Some(packed) = packed(report) { p.more { (packed) "." } }
            p.more { "Never checked: " (never.join("; ")) "." }
        }
    }
}

fn one(database: &Checked) -> Markup {
    let Checked { name, what, broken, unsettled, listed, left_out } = database;
    let hidden = listed.len().saturating_sub(LISTED_MAX) as u64;
    html! {
        h3 { (name) }
        ul.patterns {
            li { (what) }
            @for rule in broken { li { b { "Broken: " } (rule) } }
            @for rule in unsettled { li { "Broken now, recovery may put it right: " (rule) } }
            @if !listed.is_empty() {
                li { ul.plain {
                    @for page in listed.iter().take(LISTED_MAX) { li { (page) } }
                    @if hidden > 0 { li.more { "And " (counted(hidden, "more page")) "." } }
                } }
            }
            @if !left_out.is_empty() { li { "Not checked: " (left_out.join("; ")) } }
        }
    }
}
