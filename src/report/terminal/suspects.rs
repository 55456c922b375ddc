//! Suspects, what to do about them, and where they cluster.

use super::super::escape::terminal as safe;
use super::BOLD;
use super::layout::{Look, counted, file_name, number, table};
use crate::consolidate::report::{ScrubReport, Suspect};
use comfy_table::{Cell, CellAlignment};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Runs of ranks printed for one step at most.
const RANK_RUNS_MAX: usize = 6;

/// Prints the table of suspects and everything that belongs to it.
pub(super) fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if report.suspects.is_empty() {
        return plan(report, look, out);
    }
    let names = short_names(report);
    let shown = &report.suspects[..report.suspects.len().min(look.rows_max)];
    list(shown, &names, look, out)?;
    let hidden = report.coverage.suspect - shown.len() as u64;
    if hidden > 0 {
        writeln!(out, "... and {} more (--top N shows more)", number(hidden))?;
    }
    if report.suspects_not_listed > 0 {
        let text = format!(
            "The list ends after the {} most urgent; {} more are counted and not listed, and \
             incidents are those of the listed ones",
            number(report.suspects.len() as u64),
            number(report.suspects_not_listed),
        );
        look.paragraph(&text, 0, out)?;
    }
    if look.verbose {
        for suspect in shown {
            look.paragraph(&format!("{:>5}  {}", suspect.rank, safe(&suspect.message)), 7, out)?;
        }
    }
    plan(report, look, out)?;
    incidents(report, &names, look, out)
}

fn list(
    shown: &[Suspect],
    names: &BTreeMap<&str, String>,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let belongs = Belonging::of(shown, look);
    let mut header = vec!["#", "", "Page"];
    header.extend_from_slice(belongs.header());
    header.extend(["What is wrong", "File"]);
    let mut table = table(look, &header);
    for suspect in shown {
        let mut row = vec![
            Cell::new(suspect.rank).set_alignment(CellAlignment::Right),
            Cell::new(safe(&suspect.priority)),
            Cell::new(safe(&suspect.address)),
        ];
        row.extend(belongs.cells(suspect));
        let wrong = belongs.what_is_wrong(suspect);
        row.extend([Cell::new(safe(&wrong)), Cell::new(&names[&*suspect.path])]);
        table.add_row(row);
    }
    writeln!(out, "\n{table}")
}

/// The columns that say what a page is.
enum Belonging {
    /// No object is known.
    Type,
    /// There is room for one column: the object, or the type of a page that has none.
    Either,
    Both,
}

impl Belonging {
    fn of(shown: &[Suspect], look: Look) -> Self {
        match shown.iter().any(|suspect| suspect.object_id.is_some()) {
            false => Self::Type,
            true if look.is_wide() => Self::Both,
            true => Self::Either,
        }
    }

    fn header(&self) -> &'static [&'static str] {
        match self {
            Self::Type => &["Type"],
            Self::Either => &["Object"],
            Self::Both => &["Type", "Object"],
        }
    }

    fn cells(&self, suspect: &Suspect) -> Vec<Cell> {
        let kind = || Cell::new(safe(&suspect.page_type));
        let named = suspect.object.as_ref().filter(|_| suspect.object_id.is_some());
        let object = named.map(|object| Cell::new(safe(object)));
        match self {
            Self::Type => vec![kind()],
            Self::Either => vec![object.unwrap_or_else(kind)],
            Self::Both => vec![kind(), object.unwrap_or_else(|| Cell::new(""))],
        }
    }

    /// Where room is scarce, the object is worth more than two checksums, which the message has.
    fn what_is_wrong(&self, suspect: &Suspect) -> String {
        let mut words = match (&*suspect.reason, suspect.stored, suspect.computed, &suspect.found) {
            ("bad_checksum", Some(stored), Some(computed), _) if !matches!(self, Self::Either) => {
                format!("checksum {stored}, is {computed}")
            }
            (_, _, _, Some(found)) => format!("wrong page id: it says {found}"),
            (reason, ..) => reason.replace('_', " "),
        };
        if suspect.unsettled {
            words += ", changing";
        }
        match &*suspect.allocated {
            "yes" => words,
            "no" => words + ", not in use",
            _ => words + ", maybe free",
        }
    }
}

/// The plan: a line for each step, with the ranks it is for, and how to do it.
fn plan(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if report.plan.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}What to do{BOLD:#}  (in this order)")?;
    report.plan.iter().enumerate().try_for_each(|(i, step)| {
        let ranks = match &*cut(&step.ranks) {
            "" => String::new(),
            ranks => format!("  #{ranks}"),
        };
        look.paragraph(&format!("{:>3}. {}{}", i + 1, safe(&step.title), safe(&ranks)), 5, out)?;
        look.paragraph(&format!("     {}", safe(&step.text)), 5, out)
    })
}

/// The first runs of ranks.
fn cut(ranks: &str) -> String {
    match ranks.match_indices(", ").nth(RANK_RUNS_MAX - 1) {
        Some((end, _)) => format!("{}, ...", &ranks[..end]),
        None => ranks.to_owned(),
    }
}

fn incidents(
    report: &ScrubReport,
    names: &BTreeMap<&str, String>,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Incidents{BOLD:#}  (suspects at most 64 pages apart)")?;
    for incident in report.incidents.iter().take(look.rows_max) {
        let reason = |(reason, n): (&String, &usize)| format!("{n} {}", reason.replace('_', " "));
        let reasons: Vec<_> = incident.reasons.iter().map(reason).collect();
        let place = if incident.first == incident.last {
            incident.first.clone()
        } else {
            format!("{} to {}", incident.first, incident.last)
        };
        let (rank, priority) = (incident.rank, &incident.priority);
        let (name, reasons) = (&names[&*incident.path], reasons.join(", "));
        let text = format!("  {rank:>3} {priority}  {name} {place}: {reasons}");
        look.paragraph(&safe(&text), 10, out)?;
    }
    match report.incidents.len().saturating_sub(look.rows_max) {
        0 => Ok(()),
        hidden => writeln!(out, "  ... and {}", counted(hidden as u64, "more incident")),
    }
}

/// The file name where it is unique among the files with suspects, else the whole path.
fn short_names(report: &ScrubReport) -> BTreeMap<&str, String> {
    let mut paths: Vec<&str> = report.suspects.iter().map(|suspect| &*suspect.path).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for path in &paths {
        *uses.entry(file_name(path)).or_default() += 1;
    }
    let name = |path: &str| match uses[&file_name(path)] {
        1 => file_name(path),
        _ => path.to_owned(),
    };
    paths.into_iter().map(|path| (path, safe(&name(path)).into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_ranks_are_cut_after_a_few_runs() {
        assert_eq!(cut("1-3, 7"), "1-3, 7");
        assert_eq!(cut("1, 3, 5, 7, 9, 11"), "1, 3, 5, 7, 9, 11");
        assert_eq!(cut("1, 3, 5, 7, 9, 11, 13"), "1, 3, 5, 7, 9, 11, ...");
    }
}
