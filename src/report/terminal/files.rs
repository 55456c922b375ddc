//! The files: what was verified in each, and what was not scanned.

use super::super::escape::terminal as safe;
use super::BOLD;
use super::layout::{Look, counted, number, table};
use crate::consolidate::report::{FileReport, Outcome, ScrubReport};
use crate::report::file_names::{file_name, part_words};
use comfy_table::{Cell, CellAlignment};
use std::io::{self, Write};

/// Prints the table of data files and what is to be said about single ones.
pub(super) fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let (scanned, others): (Vec<_>, Vec<_>) =
        report.files.iter().partition(|file| file.has_pages());
    // Of backups that were read to their end, all is said elsewhere.
    let is_of_backup = |file: &FileReport| file.backup.is_some() || file.backup_set.is_some();
    let is_told = |file: &&FileReport| is_of_backup(file) && file.why.is_none();
    let others: Vec<_> = others.into_iter().filter(|file| !is_told(file)).collect();
    if !scanned.is_empty() {
        list(&scanned, look, out)?;
    }
    not_scanned(&others, look, out)?;
    not_looked_into(report, look, out)?;
    skipped(report, look, out)
}

fn list(scanned: &[&FileReport], look: Look, out: &mut dyn Write) -> io::Result<()> {
    let shown = most_telling(scanned, look);
    let mut table = table(look, header(look));
    for file in &shown {
        table.add_row(row(file, look));
    }
    writeln!(out, "\n{table}")?;
    if scanned.len() > shown.len() {
        let hidden = counted((scanned.len() - shown.len()) as u64, "more file");
        writeln!(out, "... and {hidden} (-v lists all)")?;
    }
    for file in scanned {
        for remark in file.why.iter().chain(&file.notes) {
            let path = format!("{}{}", file.path, part_words(file));
            look.paragraph(&format!("  {}: {}", safe(&path), safe(remark)), 4, out)?;
        }
    }
    Ok(())
}

/// Files with something to say come before healthy ones when not all fit.
fn most_telling<'a>(scanned: &[&'a FileReport], look: Look) -> Vec<&'a FileReport> {
    let mut shown = scanned.to_vec();
    shown.sort_by_key(|file| file.coverage.suspect + file.coverage.not_reached == 0);
    shown.truncate(if look.verbose { usize::MAX } else { look.rows_max });
    shown.sort_by_key(|file| file.key());
    shown
}

fn header(look: Look) -> &'static [&'static str] {
    if look.is_wide() {
        &[
            "File",
            "Database",
            "SQL Server",
            "Verify",
            "Pages",
            "Intact",
            "Unprotected",
            "Free",
            "Suspect",
            "Not reached",
        ]
    } else {
        &["File", "Pages", "Intact", "Unprot.", "Free", "Suspect", "Missed"]
    }
}

fn row(file: &FileReport, look: Look) -> Vec<Cell> {
    let coverage = &file.coverage;
    let text = |value: Option<&str>| Cell::new(safe(value.unwrap_or("-")));
    let mut cells = if look.is_wide() {
        let verify = file.page_verify.map(|verify| format!("{verify:?}").to_uppercase());
        vec![
            Cell::new(safe(&format!("{}{}", file.path, part_words(file)))),
            text(file.database.as_deref()),
            text(file.sql_server.as_deref()),
            text(verify.as_deref()),
        ]
    } else {
        vec![Cell::new(safe(&(file_name(&file.path) + &part_words(file))))]
    };
    let counts = [
        file.pages,
        coverage.intact,
        coverage.unprotected,
        coverage.free,
        coverage.suspect,
        coverage.not_reached,
    ];
    cells.extend(counts.map(|n| Cell::new(number(n)).set_alignment(CellAlignment::Right)));
    cells
}

fn not_scanned(others: &[&FileReport], look: Look, out: &mut dyn Write) -> io::Result<()> {
    if !others.is_empty() {
        writeln!(out, "\n{BOLD}Not scanned{BOLD:#}")?;
    }
    for file in others {
        let why = file.why.as_deref().unwrap_or_default();
        let mark = if file.outcome == Outcome::Failed { "failed: " } else { "" };
        look.paragraph(&format!("  {}: {mark}{}", safe(&file.path), safe(why)), 4, out)?;
    }
    Ok(())
}

fn not_looked_into(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let closed = &report.not_looked_into;
    if closed.count == 0 {
        return Ok(());
    }
    let shown = if look.verbose { usize::MAX } else { look.rows_max };
    writeln!(out, "\n{BOLD}Not looked into{BOLD:#}")?;
    for file in closed.files.iter().take(shown) {
        look.paragraph(&format!("  {}: {}", safe(&file.path), safe(&file.what)), 4, out)?;
    }
    match closed.count.saturating_sub(closed.files.len().min(shown) as u64) {
        0 => Ok(()),
        hidden => writeln!(out, "... and {} (-v lists more)", counted(hidden, "more file")),
    }
}

fn skipped(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if report.skipped.count == 0 {
        return Ok(());
    }
    let skipped = counted(report.skipped.count, "file");
    let hint = if look.verbose { "" } else { " (-v lists them)" };
    writeln!(out, "\n{skipped} skipped in directories: no database files{hint}")?;
    let listed = if look.verbose { report.skipped.paths.as_slice() } else { &[] };
    listed.iter().try_for_each(|path| writeln!(out, "  {}", safe(path)))
}
