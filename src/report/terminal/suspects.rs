//! Suspects, what to do about them, and where they cluster.

use super::super::escape::terminal as safe;
use super::BOLD;
use super::layout::{Look, counted, number, table};
use crate::consolidate::advice::rank_runs;
use crate::consolidate::clean_copy::newest;
use crate::consolidate::report::{IncidentReport, ScrubReport, Suspect};
use crate::page::address::PageAddress;
use crate::report::file_names::FileNames;
use crate::report::view::{kind, wrong};
use comfy_table::{Cell, CellAlignment};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// From here on, messages of one kind are the same.
const SAME_FROM: &str = "Additional messages in the SQL Server error log";
/// From so many columns on there is room for causes.
const CAUSE_COLUMNS: u16 = 160;
/// Runs of ranks printed for one step at most.
const RANK_RUNS_MAX: usize = 6;
/// Files named for one incident at most.
const SPANS_MAX: usize = 6;

/// Prints the table of suspects and everything that belongs to it.
pub(super) fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if report.suspects.is_empty() {
        return plan(report, look, out);
    }
    let names = FileNames::of(report);
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
        messages(shown, look, out)?;
    }
    plan(report, look, out)?;
    shifts(report, &names, look, out)?;
    incidents(report, &names, look, out)?;
    patterns(report, look, out)
}

/// What a server would say of each suspect; what is the same for many stands once, at the end.
fn messages(shown: &[Suspect], look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut ends: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for suspect in shown {
        let message = suspect.message.to_string();
        let (own, end) = match message.find(SAME_FROM) {
            Some(at) => message.split_at(at),
            None => (&*message, ""),
        };
        if !end.is_empty() {
            ends.entry(end.to_owned()).or_default().push(suspect.rank);
        }
        look.paragraph(&format!("{:>5}  {}", suspect.rank, safe(own.trim_end())), 7, out)?;
        because(suspect, look, out)?;
    }
    ends.iter().try_for_each(|(end, ranks)| {
        let ranks = rank_runs(ranks, RANK_RUNS_MAX);
        look.paragraph(&format!("  The messages of #{ranks} end: {}", safe(end)), 7, out)
    })
}

/// The likely cause, its evidence, the newest clean copy and those on other machines, each on a
/// line of its own.
fn because(suspect: &Suspect, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if let Some(cause) = likely_cause(suspect) {
        look.paragraph(&format!("       cause: {}", safe(&cause)), 9, out)?;
    }
    if let Some(evidence) = &suspect.evidence {
        look.paragraph(&format!("       evidence: {}", safe(&evidence.to_string())), 9, out)?;
    }
    if let Some(copy) = newest(&suspect.clean_copies) {
        look.paragraph(&format!("       clean copy: {}", safe(&copy)), 9, out)?;
    }
    suspect.other_hosts.iter().try_for_each(|copy| {
        look.paragraph(&format!("       elsewhere: {}", safe(&copy.in_words)), 9, out)
    })
}

/// `bit flip (certain)`.
fn likely_cause(suspect: &Suspect) -> Option<String> {
    let cause = suspect.cause.as_ref()?.replace('_', " ");
    let confidence = suspect.confidence.as_deref().unwrap_or("possible");
    Some(format!("{cause} ({confidence})"))
}

fn list(
    shown: &[Suspect],
    names: &FileNames<'_>,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let belongs = Belonging::of(shown, look);
    let mut header = vec!["#", "", "Page"];
    header.extend_from_slice(belongs.header());
    header.push("What is wrong");
    let has_room = look.width.is_none_or(|width| width >= CAUSE_COLUMNS);
    let shows_causes = has_room && shown.iter().any(|suspect| suspect.cause.is_some());
    if shows_causes {
        header.push("Likely cause");
    }
    header.push("File");
    let mut table = table(look, &header);
    for suspect in shown {
        let mut row = vec![
            Cell::new(suspect.rank).set_alignment(CellAlignment::Right),
            Cell::new(safe(&format!("{} {}", suspect.priority, suspect.tier))),
            Cell::new(suspect.address),
        ];
        row.extend(belongs.cells(suspect));
        // Where room is scarce, all else is worth more than two checksums, which the message has.
        row.push(Cell::new(wrong(suspect, look.is_wide())));
        if shows_causes {
            row.push(Cell::new(safe(&likely_cause(suspect).unwrap_or_default())));
        }
        row.push(Cell::new(place(suspect, names)));
        table.add_row(row);
    }
    writeln!(out, "\n{table}")
}

/// The file; in a backup also the set, and where the page is in it: its address does not tell.
fn place(suspect: &Suspect, names: &FileNames<'_>) -> String {
    let name = names.name(suspect.host.as_deref(), &suspect.path);
    match suspect.backup_set {
        Some(set) => {
            let unpacked = if suspect.offset_unpacked { " unpacked" } else { "" };
            format!("{name} (set {set}, byte {}{unpacked})", suspect.offset_bytes)
        }
        None => name,
    }
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
        let what = || Cell::new(kind(suspect));
        let named = suspect.object.as_ref().filter(|_| suspect.object_id.is_some());
        let object = named.map(|object| Cell::new(safe(object)));
        match self {
            Self::Type => vec![what()],
            Self::Either => vec![object.unwrap_or_else(what)],
            Self::Both => vec![what(), object.unwrap_or_else(|| Cell::new(""))],
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
    names: &FileNames<'_>,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "\n{BOLD}Incidents{BOLD:#}  (suspects at most 64 pages, or 1 MiB of one device, apart)"
    )?;
    for incident in report.incidents.iter().take(look.rows_max) {
        let reason = |(reason, n): (&String, &usize)| format!("{n} {}", reason.replace('_', " "));
        let reasons: Vec<_> = incident.reasons.iter().map(reason).collect();
        let (rank, priority) = (incident.rank, &incident.priority);
        let (places, reasons) = (places(incident, names), reasons.join(", "));
        let text = format!("  {rank:>3} {priority}  {places}: {reasons}");
        look.paragraph(&safe(&text), 10, out)?;
        for range in on_devices(incident).take(SPANS_MAX) {
            look.paragraph(&safe(&format!("{:10}{range}", "")), 12, out)?;
        }
    }
    match report.incidents.len().saturating_sub(look.rows_max) {
        0 => Ok(()),
        hidden => writeln!(out, "  ... and {}", counted(hidden as u64, "more incident")),
    }
}

/// Where an incident is on each device, one range for each file.
fn on_devices(incident: &IncidentReport) -> impl Iterator<Item = String> {
    incident.spans.iter().filter_map(|span| {
        let (device, first) = (span.device.as_ref()?, span.device_offset_bytes?);
        Some(match span.device_last_byte {
            Some(last) => format!("on {device}, bytes {first} to {last}"),
            None => format!("on {device}, from byte {first}"),
        })
    })
}

/// Files and pages; of an incident in many files the first ones.
fn places(incident: &IncidentReport, names: &FileNames<'_>) -> String {
    let place = |path: &str, first: PageAddress, last: PageAddress| {
        let name = names.name(incident.host.as_deref(), path);
        if first == last { format!("{name} {first}") } else { format!("{name} {first} to {last}") }
    };
    if incident.spans.len() < 2 {
        return place(&incident.path, incident.first, incident.last);
    }
    let shown = incident.spans.iter().take(SPANS_MAX);
    let shown: Vec<_> = shown.map(|span| place(&span.path, span.first, span.last)).collect();
    match incident.spans.len().saturating_sub(SPANS_MAX) {
        0 => shown.join(", "),
        hidden => format!("{}, and in {}", shown.join(", "), counted(hidden as u64, "more file")),
    }
}

/// Content that has moved in its file.
fn shifts(
    report: &ScrubReport,
    names: &FileNames<'_>,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    if report.shifts.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}Shifts{BOLD:#}  (content that is all there, and not in its place)")?;
    for shift in report.shifts.iter().take(look.rows_max) {
        let name = names.name(shift.host.as_deref(), &shift.path);
        let pages = counted(shift.pages, "suspect");
        look.paragraph(&safe(&format!("  {name}: {} ({pages})", shift.text)), 4, out)?;
    }
    match report.shifts.len().saturating_sub(look.rows_max) {
        0 => Ok(()),
        hidden => writeln!(out, "  ... and {}", counted(hidden as u64, "more shift")),
    }
}

fn patterns(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if report.patterns.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}Patterns{BOLD:#}  (what chance does not explain)")?;
    for pattern in report.patterns.iter().take(look.rows_max) {
        let host = pattern.host.as_ref().map(|host| format!("{host}:")).unwrap_or_default();
        let (scope, text) = (&pattern.scope, &pattern.text);
        look.paragraph(&safe(&format!("  {host}{scope}: {text}")), 4, out)?;
    }
    match report.patterns.len().saturating_sub(look.rows_max) {
        0 => Ok(()),
        hidden => writeln!(out, "  ... and {}", counted(hidden as u64, "more pattern")),
    }
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
