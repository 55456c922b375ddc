//! The report for people: what they must know first, first; one greppable line last.

use super::escape::terminal as safe;
use crate::consolidate::report::{FileReport, Outcome, RunVerdict, ScrubReport, Suspect};
use crate::discover::FileKind;
use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns of the terminal; `None` for no limit.
    pub width: Option<u16>,
    /// Suspects, incidents and files listed at most.
    pub rows_max: usize,
    /// Everything: also messages, skipped files and healthy files.
    pub verbose: bool,
}

const BOLD: Style = Style::new().bold();
const GOOD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const BAD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const UNSURE: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
const LINE_UNDER_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
/// Rates over time, lowest to highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const BARS_MAX: usize = 48;

/// Prints `report`. Colours are written as escapes; a stream that is no terminal must strip them.
pub fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    headline(report, out)?;
    suspects(report, look, out)?;
    incidents(report, look, out)?;
    files(report, look, out)?;
    not_scanned(report, look, out)?;
    summary(report, out)?;
    writeln!(out, "{}", result_line(report))
}

/// The last line: stable words for scripts.
pub fn result_line(report: &ScrubReport) -> String {
    let coverage = &report.coverage;
    format!(
        "RESULT verdict={} suspects={} incidents={} coverage={:.3}% unprotected={} not_reached={}",
        report.verdict.name(),
        coverage.suspect,
        report.incidents.len(),
        coverage.percent(),
        coverage.unprotected,
        coverage.not_reached,
    )
}

fn headline(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let coverage = &report.coverage;
    for finding in &report.host_findings {
        writeln!(out, "{BAD}HOST FAULT{BAD:#}  {}", safe(finding))?;
    }
    match report.verdict {
        RunVerdict::Clean => writeln!(
            out,
            "{GOOD}CLEAN{GOOD:#}  {} verified, none suspect{}",
            counted(coverage.intact, "page"),
            unverified(report),
        ),
        RunVerdict::Damaged => writeln!(
            out,
            "{BAD}DAMAGED{BAD:#}  {} in {}; most urgent first",
            counted(coverage.suspect, "suspect page"),
            counted(report.incidents.len() as u64, "incident"),
        ),
        RunVerdict::Incomplete => writeln!(
            out,
            "{UNSURE}INCOMPLETE{UNSURE:#}  {} verified, none suspect, but not everything could \
             be checked (see below)",
            counted(coverage.intact, "page"),
        ),
    }?;
    if report.verdict == RunVerdict::Damaged && coverage.not_reached > 0 {
        let not_reached = counted(coverage.not_reached, "page");
        writeln!(out, "{UNSURE}INCOMPLETE{UNSURE:#}  {not_reached} not reached (see below)")?;
    }
    Ok(())
}

/// What "clean" does not speak of.
fn unverified(report: &ScrubReport) -> String {
    let mut words = String::new();
    if report.coverage.unprotected > 0 {
        let pages = counted(report.coverage.unprotected, "page");
        words += &format!("; {pages} in use without protection, so not verified");
    }
    let others = report.files.iter().filter(|file| file.outcome != Outcome::Scanned).count();
    if others > 0 {
        words += &format!("; {} not scanned", counted(others as u64, "file"));
    }
    words
}

fn suspects(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if report.suspects.is_empty() {
        return Ok(());
    }
    let names = short_names(report);
    let mut table = table(look, &["#", "", "Page", "Type", "What is wrong", "Allocated", "File"]);
    let shown = &report.suspects[..report.suspects.len().min(look.rows_max)];
    for suspect in shown {
        table.add_row([
            Cell::new(suspect.rank).set_alignment(CellAlignment::Right),
            Cell::new(&suspect.priority),
            Cell::new(&suspect.address),
            Cell::new(&suspect.page_type),
            Cell::new(what_is_wrong(suspect)),
            Cell::new(&suspect.allocated),
            Cell::new(&names[&*suspect.path]),
        ]);
    }
    writeln!(out, "\n{table}")?;
    let hidden = report.coverage.suspect - shown.len() as u64;
    if hidden > 0 {
        writeln!(out, "... and {} more; all are in --format json", number(hidden))?;
    }
    if look.verbose {
        for suspect in shown {
            writeln!(out, "{:>5}  {}", suspect.rank, safe(&suspect.message))?;
        }
    }
    actions(report, out)
}

fn what_is_wrong(suspect: &Suspect) -> String {
    let words = suspect.reason.replace('_', " ");
    let detail = match (suspect.stored, suspect.computed) {
        (Some(stored), Some(computed)) => format!("{words}: {stored}, is {computed}"),
        _ => match &suspect.found {
            Some(found) => format!("{words}: it says {found}"),
            None => words,
        },
    };
    if suspect.unsettled { format!("{detail} (changes)") } else { detail }
}

/// Each action once, with the ranks it is for.
fn actions(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}What to do{BOLD:#}  (freeze repairs and rebuilds on the array first)")?;
    let mut shown: Vec<(&str, Vec<usize>)> = Vec::new();
    for suspect in &report.suspects {
        match shown.iter_mut().find(|(action, _)| *action == suspect.action) {
            Some((_, ranks)) => ranks.push(suspect.rank),
            None => shown.push((&suspect.action, vec![suspect.rank])),
        }
    }
    for (action, ranks) in shown {
        writeln!(out, "  #{}: {action}", ranges(&ranks))?;
    }
    Ok(())
}

/// `1-3, 7`, cut after a few.
fn ranges(ranks: &[usize]) -> String {
    const RANGES_MAX: usize = 6;
    let runs: Vec<String> = ranks
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| match run {
            [one] => one.to_string(),
            [first, .., last] => format!("{first}-{last}"),
            [] => String::new(),
        })
        .collect();
    if runs.len() > RANGES_MAX {
        return format!("{}, ...", runs[..RANGES_MAX].join(", "));
    }
    runs.join(", ")
}

fn incidents(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if report.incidents.is_empty() {
        return Ok(());
    }
    let names = short_names(report);
    writeln!(out, "\n{BOLD}Incidents{BOLD:#}  (suspects at most 64 pages apart)")?;
    for incident in report.incidents.iter().take(look.rows_max) {
        let reasons: Vec<_> = incident
            .reasons
            .iter()
            .map(|(reason, n)| format!("{n} {}", reason.replace('_', " ")))
            .collect();
        let place = if incident.first == incident.last {
            incident.first.clone()
        } else {
            format!("{} to {}", incident.first, incident.last)
        };
        let (name, priority) = (&names[&*incident.path], &incident.priority);
        writeln!(out, "  {:>3} {priority}  {name} {place}: {}", incident.rank, reasons.join(", "))?;
    }
    let hidden = report.incidents.len().saturating_sub(look.rows_max);
    if hidden > 0 {
        writeln!(out, "  ... and {} more", number(hidden as u64))?;
    }
    Ok(())
}

fn files(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let scanned: Vec<&FileReport> =
        report.files.iter().filter(|file| file.kind == FileKind::Data && file.pages > 0).collect();
    if scanned.is_empty() {
        return Ok(());
    }
    let header = [
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
    ];
    let mut table = table(look, &header);
    let rows_max = if look.verbose { usize::MAX } else { look.rows_max };
    // Files with something to say come before healthy ones when not all fit.
    let mut shown = scanned.clone();
    shown.sort_by_key(|file| file.coverage.suspect + file.coverage.not_reached == 0);
    shown.truncate(rows_max);
    shown.sort_by(|a, b| a.path.cmp(&b.path));
    for file in &shown {
        table.add_row(file_row(file));
    }
    writeln!(out, "\n{table}")?;
    if scanned.len() > shown.len() {
        let hidden = number((scanned.len() - shown.len()) as u64);
        writeln!(out, "... and {hidden} more files (-v lists all)")?;
    }
    for file in scanned {
        let remarks = file.why.iter().chain(&file.notes);
        for remark in remarks {
            writeln!(out, "  {}: {}", safe(&file.path), safe(remark))?;
        }
    }
    Ok(())
}

fn file_row(file: &FileReport) -> Vec<Cell> {
    let coverage = &file.coverage;
    let text = |value: Option<&str>| Cell::new(safe(value.unwrap_or("-")));
    let count = |n: u64| Cell::new(number(n)).set_alignment(CellAlignment::Right);
    let verify = file.page_verify.map(|verify| format!("{verify:?}").to_uppercase());
    vec![
        Cell::new(safe(&file.path)),
        text(file.database.as_deref()),
        text(file.sql_server.as_deref()),
        text(verify.as_deref()),
        count(file.pages),
        count(coverage.intact),
        count(coverage.unprotected),
        count(coverage.free),
        count(coverage.suspect),
        count(coverage.not_reached),
    ]
}

fn not_scanned(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut others = report
        .files
        .iter()
        .filter(|file| file.kind != FileKind::Data || file.pages == 0)
        .peekable();
    if others.peek().is_some() {
        writeln!(out, "\n{BOLD}Not scanned{BOLD:#}")?;
    }
    for file in others {
        let why = file.why.as_deref().unwrap_or_default();
        let mark = if file.outcome == Outcome::Failed { "failed: " } else { "" };
        writeln!(out, "  {}: {mark}{}", safe(&file.path), safe(why))?;
    }
    if report.skipped.count > 0 {
        let skipped = counted(report.skipped.count, "file");
        let hint = if look.verbose { "" } else { " (-v lists them)" };
        writeln!(out, "\n{skipped} skipped in directories: no database files{hint}")?;
    }
    if look.verbose {
        for path in &report.skipped.paths {
            writeln!(out, "  {}", safe(path))?;
        }
    }
    Ok(())
}

fn summary(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let coverage = &report.coverage;
    writeln!(
        out,
        "\n{BOLD}Coverage{BOLD:#}  {} planned: {} intact ({} by checksum, {} by torn bits), \
         {} unprotected, {} free, {} transient, {} suspect, {} not reached",
        counted(coverage.pages_planned, "page"),
        number(coverage.intact),
        number(coverage.intact_checksum),
        number(coverage.intact_torn),
        number(coverage.unprotected),
        number(coverage.free),
        number(coverage.transient),
        number(coverage.suspect),
        number(coverage.not_reached),
    )?;
    if coverage.intact_torn > 0 {
        writeln!(
            out,
            "          torn bits are weak protection: they see a write that stopped half-way, \
             and hardly anything else"
        )?;
    }
    speed(report, out)
}

fn speed(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let run = &report.run;
    writeln!(
        out,
        "{BOLD}Speed{BOLD:#}     {} in {:.2} s, {}/s with {} ({} reader, {})",
        bytesize::ByteSize(report.coverage.bytes_read).display().iec(),
        run.elapsed_seconds,
        bytesize::ByteSize(report.throughput.bytes_per_second as u64).display().si(),
        run.devices.join("+"),
        run.readers.join("+"),
        counted(run.threads as u64, "thread"),
    )?;
    let stage = |name: &str| {
        report.throughput.stages.get(name).map(|stage| {
            format!(
                "{name} p50 {}, p99 {}, max {}",
                micros(stage.p50_us),
                micros(stage.p99_us),
                micros(stage.max_us)
            )
        })
    };
    let stages: Vec<_> = ["read", "verify"].into_iter().filter_map(stage).collect();
    writeln!(out, "          per batch: {}", stages.join("; "))?;
    let timeline = &report.throughput.timeline;
    if timeline.bytes.len() > 2 {
        let per = timeline.interval_seconds * timeline.bytes.len().div_ceil(BARS_MAX) as f64;
        writeln!(out, "          {} {per:.1} s each", sparkline(&timeline.bytes))?;
    }
    writeln!(out)
}

fn sparkline(bytes: &[u64]) -> String {
    // The mean, so that a last chunk of fewer points does not look slow.
    let mean = |chunk: &[u64]| chunk.iter().sum::<u64>() / chunk.len() as u64;
    let joined: Vec<u64> = bytes.chunks(bytes.len().div_ceil(BARS_MAX)).map(mean).collect();
    let highest = joined.iter().copied().max().unwrap_or(0).max(1);
    let bar = |&value: &u64| BARS[(u128::from(value) * 7 / u128::from(highest)) as usize];
    joined.iter().map(bar).collect()
}

fn micros(us: u64) -> String {
    match us {
        0..1000 => format!("{us} us"),
        1000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

fn table(look: Look, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(LINE_UNDER_HEADER).set_header(header.to_vec());
    table.set_content_arrangement(ContentArrangement::Dynamic);
    match look.width {
        Some(width) => table.set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}

/// The file name where it is unique among the files with suspects, else the whole path.
fn short_names(report: &ScrubReport) -> BTreeMap<&str, String> {
    let base = |path: &str| {
        let name = std::path::Path::new(path).file_name();
        name.map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
    };
    let mut paths: Vec<&str> = report.suspects.iter().map(|suspect| &*suspect.path).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for path in &paths {
        *uses.entry(base(path)).or_default() += 1;
    }
    let name = |path: &str| if uses[&base(path)] == 1 { base(path) } else { path.to_owned() };
    paths.into_iter().map(|path| (path, safe(&name(path)).into_owned())).collect()
}

fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", number(n), if n == 1 { "" } else { "s" })
}

/// With a comma every three digits.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_ranks_are_joined() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(12), "12");
        assert_eq!(ranges(&[1, 2, 3, 7]), "1-3, 7");
        assert_eq!(ranges(&[1, 3, 5, 7, 9, 11, 13]), "1, 3, 5, 7, 9, 11, ...");
    }

    #[test]
    fn a_sparkline_is_short_and_reaches_its_top() {
        let line = sparkline(&(0..500).collect::<Vec<_>>());
        assert!(line.chars().count() <= BARS_MAX && line.ends_with('█'));
    }
}
