//! The suspects as a T-SQL script: a table of them to look at, then page restores, with what
//! must be restored in another way told apart (docs/formats.md).
//!
//! Nothing before the script's RETURN changes a database, and msdb is never written to.

mod restore;
mod suspect_pages;

use super::escape::{tsql_comment as safe, tsql_identifier, tsql_text};
use super::moment::sql_datetime;
use crate::consolidate::report::{FileReport, ScrubReport, Suspect};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Suspects of one database.
struct Database<'a> {
    /// `None` where no boot page told.
    name: Option<&'a str>,
    /// How T-SQL calls it: `[sales]`, or a variable where no identifier is safe.
    sql: String,
    /// What declares that variable.
    declaration: Option<String>,
    files: Vec<Loss<'a>>,
}

/// Suspects of one file, the most urgent first.
struct Loss<'a> {
    path: &'a str,
    file: Option<&'a FileReport>,
    suspects: Vec<&'a Suspect>,
}

/// Writes the script for `report`.
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    head(report, out)?;
    if report.suspects.is_empty() {
        return writeln!(out, "-- No page is suspect: there is nothing to restore.");
    }
    let databases = databases(report);
    suspect_pages::write(&report.suspects, sql_datetime(&report.run).as_deref(), out)?;
    suspect_pages::look(&databases, out)?;
    writeln!(
        out,
        "\n-- 2. Restore. Run what follows piece by piece, a database at a time.\nRETURN;"
    )?;
    databases.iter().try_for_each(|database| restore::write(database, out))
}

fn head(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let (tool, run) = (&report.tool, &report.run);
    writeln!(out, "-- Restore script, written by {} {}", safe(&tool.name), safe(&tool.version))?;
    writeln!(out, "-- from scan {} of {}.", safe(&run.id), safe(&run.started_at))?;
    writeln!(out, "-- Read all of it before you run any of it. Replace what stands in <>.")?;
    for finding in &report.host_findings {
        writeln!(out, "-- HOST FAULT, scan again elsewhere before you act: {}", safe(finding))?;
    }
    if report.coverage.not_reached > 0 {
        let pages = report.coverage.not_reached;
        writeln!(out, "-- INCOMPLETE: {pages} pages were not reached and may be damaged too.")?;
    }
    match report.suspects_not_listed {
        0 => Ok(()),
        more => writeln!(out, "-- INCOMPLETE: {more} more suspects are counted and not listed."),
    }
}

/// The one with the most urgent page first.
fn databases(report: &ScrubReport) -> Vec<Database<'_>> {
    let mut names: BTreeMap<Option<&str>, BTreeMap<&str, Vec<&Suspect>>> = BTreeMap::new();
    for suspect in &report.suspects {
        let files = names.entry(suspect.database.as_deref()).or_default();
        files.entry(&suspect.path).or_default().push(suspect);
    }
    let reports: BTreeMap<&str, &FileReport> =
        report.files.iter().map(|file| (&*file.path, file)).collect();
    let loss = |(path, suspects)| Loss { path, file: reports.get(path).copied(), suspects };
    let mut databases: Vec<_> = names
        .into_iter()
        .enumerate()
        .map(|(i, (name, files))| Database::new(i, name, files.into_iter().map(loss).collect()))
        .collect();
    databases.sort_by_key(Database::first_rank);
    databases
}

impl<'a> Database<'a> {
    fn new(index: usize, name: Option<&'a str>, files: Vec<Loss<'a>>) -> Self {
        let plain = tsql_identifier(name.unwrap_or("<database>"));
        let (sql, declaration) = match (plain, name) {
            (Some(identifier), _) => (identifier, None),
            (None, name) => {
                let (variable, text) =
                    (format!("@database_{index}"), tsql_text(name.unwrap_or("")));
                let declaration = format!("DECLARE {variable} sysname = {text};");
                (variable, Some(declaration))
            }
        };
        Self { name, sql, declaration, files }
    }

    fn first_rank(&self) -> usize {
        let ranks = self.files.iter().filter_map(|file| file.suspects.first());
        ranks.map(|suspect| suspect.rank).min().unwrap_or(usize::MAX)
    }
}

/// The id of the database `name`, as an expression.
fn database_id(name: Option<&str>) -> String {
    name.map_or_else(|| "NULL".to_owned(), |name| format!("DB_ID({})", tsql_text(name)))
}
