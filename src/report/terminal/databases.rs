//! The databases: state, files, and how each comes back.

use super::layout::{Look, counted, number, table};
use crate::report::view::{Row, View};
use comfy_table::{Cell, CellAlignment};
use std::io::{self, Write};

/// Rows at most, unless all are asked for.
const ROWS_MAX: usize = 10;

/// A column: its heading, whether it is one of numbers, and what a row says in it.
type Column = (&'static str, bool, fn(&Row) -> String);

const COLUMNS: [Column; 7] = [
    ("Database", false, |row| row.name.clone()),
    ("State", false, |row| row.verdict.name().to_owned()),
    ("Data files", false, |row| row.files.clone()),
    ("Suspects", true, |row| some(row.suspects, row)),
    ("With copy", true, |row| some(row.with_copy, row)),
    ("Way back", false, |row| row.way_back.to_owned()),
    ("Reaches", false, |row| row.reaches.clone()),
];

fn some(n: u64, row: &Row) -> String {
    if row.suspects > 0 { number(n) } else { String::new() }
}

/// Prints the table, without columns that say nothing.
pub(super) fn write(view: &View, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let rows = &view.databases;
    if rows.is_empty() {
        return Ok(());
    }
    let shown = &rows[..rows.len().min(if look.verbose { usize::MAX } else { ROWS_MAX })];
    let says = |(_, _, text): &&Column| shown.iter().any(|row| !text(row).is_empty());
    let columns: Vec<&Column> = COLUMNS.iter().filter(says).collect();
    let header: Vec<&str> = columns.iter().map(|(heading, ..)| *heading).collect();
    let mut table = table(look, &header);
    for row in shown {
        table.add_row(columns.iter().map(|(_, is_number, text)| {
            let cell = Cell::new(text(row));
            if *is_number { cell.set_alignment(CellAlignment::Right) } else { cell }
        }));
    }
    writeln!(out, "\n{table}")?;
    match rows.len() - shown.len() {
        0 => Ok(()),
        hidden => writeln!(out, "... and {} (-v)", counted(hidden as u64, "more database")),
    }
}
