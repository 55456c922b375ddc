//! What a check of structures found, database by database.

use super::super::view::consistency::{Checked, checked, packed};
use super::BOLD;
use super::layout::{Look, counted};
use crate::consolidate::report::ScrubReport;
use std::io::{self, Write};

/// Pages that recovery may put right, printed for one database at most, unless all is asked for.
const LISTED_MAX: usize = 5;

/// Prints a block for each database that was checked; nothing if none was to be.
pub(super) fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let Some(databases) = checked(report) else { return Ok(()) };
    writeln!(out, "\n{BOLD}Consistency{BOLD:#}  (rules of the kind that DBCC CHECKDB checks)")?;
    let most = if look.verbose { usize::MAX } else { look.rows_max };
    databases.iter().take(most).try_for_each(|database| block(database, look, out))?;
    match databases.len().saturating_sub(most) {
        0 => {}
        hidden => writeln!(out, "  ... and {} (-v)", counted(hidden as u64, "more database"))?,
    }
    if let Some(packed) = packed(report) {
        look.paragraph(&format!("  {packed}"), 4, out)?;
    }
    let never = report.consistency.iter().flat_map(|consistency| &consistency.never_checked);
    let never: Vec<&str> = never.map(|what| &**what).collect();
    look.paragraph(&format!("  Never checked: {}", never.join("; ")), 4, out)
}

fn block(database: &Checked, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let Checked { name, what, broken, unsettled, listed, left_out } = database;
    look.paragraph(&format!("  {name}: {what}"), 4, out)?;
    let mut line = |text: String| look.paragraph(&format!("    {text}"), 6, out);
    broken.iter().try_for_each(|rule| line(format!("broken: {rule}")))?;
    let now = "broken now, recovery may put it right";
    unsettled.iter().try_for_each(|rule| line(format!("{now}: {rule}")))?;
    let most = if look.verbose { usize::MAX } else { LISTED_MAX };
    listed.iter().take(most).try_for_each(|page| line(format!("  {page}")))?;
    match listed.len().saturating_sub(most) {
        0 => {}
        hidden => line(format!("  ... and {} (-v)", counted(hidden as u64, "more page")))?,
    }
    if left_out.is_empty() {
        return Ok(());
    }
    line(format!("not checked: {}", left_out.join("; ")))
}
