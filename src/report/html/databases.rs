//! The databases: state, files, and how each comes back. The answer for whoever owns one of them.

use super::super::terminal::layout::{counted, number};
use super::super::view::{Row, View};
use super::summary::class;
use maud::{Markup, html};

/// Rows at most: the worst come first.
const ROWS_MAX: usize = 1000;

/// Headings, with the class that says where there is room for them.
const COLUMNS: [(&str, &str); 7] = [
    ("Database", ""),
    ("State", ""),
    ("Data files", "wide"),
    ("Suspects", "number"),
    ("With copy", "number"),
    ("Way back", ""),
    ("Reaches", ""),
];

pub(super) fn section(view: &View) -> Markup {
    let rows = &view.databases;
    let hidden = rows.len().saturating_sub(ROWS_MAX) as u64;
    html! {
        @if !rows.is_empty() {
            section #databases {
                h2 { "Databases" small { "the worst first" } }
                table.stacked {
                    caption { "Each database: its files, and how far its backups bring it back" }
                    thead { tr {
                        @for (name, class) in COLUMNS { th.(class) scope="col" { (name) } }
                    } }
                    tbody { @for row in rows.iter().take(ROWS_MAX) { (one(row)) } }
                }
                @if hidden > 0 { p.more { "And " (counted(hidden, "more database")) "." } }
            }
        }
    }
}

fn one(row: &Row) -> Markup {
    html! {
        tr {
            td { b { (row.name) } }
            td { span.state.(class(row.verdict)) { (row.verdict.name()) } }
            td.wide { (row.files) }
            td.number.none[row.suspects == 0] { (number(row.suspects)) }
            td.number.none[row.suspects == 0] { (number(row.with_copy)) }
            td { (row.way_back) }
            td { (row.reaches) }
        }
    }
}
