//! The records and the slot array of a page.

use super::{PrintOption, hex, is_bad, title};
use crate::inspect::rows::{Part, RowView};
use crate::inspect::view::PageView;
use crate::report::escape::terminal as safe;
use std::io::{self, Write};

/// Prints each record: its bytes, or its columns.
pub(super) fn write(view: &PageView, style: PrintOption, out: &mut dyn Write) -> io::Result<()> {
    title("DATA:", out)?;
    let whole = view.looked().whole();
    for row in &view.rows {
        head(row, out)?;
        let first = usize::from(row.offset);
        let bytes = row.length.and_then(|length| whole.bytes().get(first..first + length));
        match (style, bytes) {
            (PrintOption::Columns, Some(_)) => columns(row, out)?,
            (_, Some(bytes)) => {
                hex::Dump { bytes, first, copy: None }.write(&|at| is_bad(view, at), out)?;
            }
            (_, None) => {}
        }
        writeln!(out)?;
    }
    if view.rows.is_empty() {
        writeln!(out, "The page has no records.")?;
    }
    Ok(())
}

fn head(row: &RowView, out: &mut dyn Write) -> io::Result<()> {
    let length = match row.length {
        Some(length) => length.to_string(),
        None => "not known".to_owned(),
    };
    writeln!(out, "Slot {} Offset {:#x} Length {length}", row.slot, row.offset)?;
    write!(out, "Record Type = {}", row.record_type)?;
    if !row.attributes.is_empty() {
        write!(out, "  Record Attributes = {}", row.attributes.join(" "))?;
    }
    let leads_to = row.leads_to.as_ref().map(|to| format!("  leads to {to}")).unwrap_or_default();
    writeln!(out, "{leads_to}")
}

fn columns(row: &RowView, out: &mut dyn Write) -> io::Result<()> {
    if let Some(fixed) = row.fixed.as_ref().filter(|fixed| fixed.length > 0) {
        part("Fixed columns", fixed, out)?;
    }
    if row.columns > 0 {
        let nulls: Vec<String> = row.nulls.iter().map(|column| (column + 1).to_string()).collect();
        let nulls = if nulls.is_empty() { "none".to_owned() } else { nulls.join(" ") };
        writeln!(out, "Null bitmap of {} columns: NULL {nulls}", row.columns)?;
    }
    let variable = row.variable.iter().enumerate();
    variable
        .into_iter()
        .try_for_each(|(at, column)| part(&format!("Variable column {}", at + 1), column, out))
}

fn part(name: &str, part: &Part, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{name} Offset {:#x} Length {} = 0x{}", part.offset, part.length, part.hex)?;
    if let Some(text) = &part.text {
        write!(out, "  '{}'", safe(text))?;
    }
    let points_to = part.points_to.as_ref().map(|to| format!("  points to {to}"));
    writeln!(out, "{}", points_to.unwrap_or_default())
}

/// Prints the slot array, the last slot first, as it stands in the page.
pub(super) fn write_slots(view: &PageView, out: &mut dyn Write) -> io::Result<()> {
    title("OFFSET TABLE:", out)?;
    writeln!(out, "Row - Offset")?;
    for (slot, offset) in view.slots.iter().enumerate().rev() {
        writeln!(out, "{slot} ({slot:#x}) - {offset} ({offset:#x})")?;
    }
    Ok(())
}
