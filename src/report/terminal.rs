//! The report for people: what they must know first, first; one greppable line last.

mod files;
pub(crate) mod layout;
pub(super) mod speed;
mod suspects;

pub use layout::Look;

use super::escape::terminal as safe;
use crate::consolidate::recovery::Remedy;
use crate::consolidate::report::{FileReport, Outcome, RunVerdict, ScrubReport, Suspect};
use crate::consolidate::score::TIERS;
use anstyle::{AnsiColor, Color, Style};
use layout::{counted, number};
use std::collections::BTreeSet;
use std::io::{self, Write};

const BOLD: Style = Style::new().bold();
const GOOD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Green)));
const BAD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red)));
const UNSURE: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Yellow)));
/// Blanks under a heading of the summary.
const SUMMARY_INDENT: usize = 10;
/// Databases named for one kind of loss at most.
const DATABASES_MAX: usize = 3;

/// Prints `report`. Colours are written as escapes; a stream that is no terminal must strip them.
pub fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    headline(report, look, out)?;
    suspects::write(report, look, out)?;
    files::write(report, look, out)?;
    coverage(report, look, out)?;
    speed::write(report, look, out)?;
    writeln!(out, "\n{}", result_line(report))
}

/// The last line: stable words for scripts.
pub fn result_line(report: &ScrubReport) -> String {
    let coverage = &report.coverage;
    format!(
        "RESULT verdict={} suspects={} incidents={} coverage={:.3}% unprotected={} not_reached={} \
         transient={} refused={} skipped={} host_faults={}",
        report.verdict.name(),
        coverage.suspect,
        report.incident_count(),
        coverage.percent(),
        coverage.unprotected,
        coverage.not_reached,
        coverage.transient,
        report.files.iter().filter(|file| is_refused(file)).count(),
        report.skipped.count,
        report.host_findings.len(),
    )
}

/// Nothing of it was verified, or nothing but its header page.
fn is_refused(file: &FileReport) -> bool {
    file.outcome == Outcome::Refused || file.pages == 0
}

fn headline(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let coverage = &report.coverage;
    for finding in &report.host_findings {
        said(BAD, "HOST FAULT", &safe(finding), look, out)?;
    }
    match report.verdict {
        RunVerdict::Clean => {
            let text = verified(coverage.intact) + &unverified(report);
            said(GOOD, "CLEAN", &text, look, out)
        }
        RunVerdict::Damaged => {
            let pages = counted(coverage.suspect, "suspect page");
            let incidents = counted(report.incident_count(), "incident");
            said(BAD, "DAMAGED", &format!("{pages} in {incidents}; most urgent first"), look, out)?;
            lost(report, look, out)
        }
        RunVerdict::Incomplete => {
            let pages = counted(coverage.intact, "page");
            let but = "none suspect, but not everything could be checked (see below)";
            said(UNSURE, "INCOMPLETE", &format!("{pages} verified, {but}"), look, out)
        }
    }?;
    let not_reached = counted(coverage.not_reached, "page");
    if report.run.stopped {
        let next = how_to_go_on(report);
        let text = format!("before the end, {not_reached} not reached; {next}");
        said(UNSURE, "STOPPED", &text, look, out)?;
    } else if report.verdict == RunVerdict::Damaged && coverage.not_reached > 0 {
        said(UNSURE, "INCOMPLETE", &format!("{not_reached} not reached (see below)"), look, out)?;
    }
    Ok(())
}

/// What is lost, the worst first, and where.
fn lost(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let is_doubtful = |s: &&Suspect| Remedy::of(s) == Remedy::Doubtful;
    let parts = TIERS.iter().filter_map(|(tier, what)| {
        let of_tier = report.suspects.iter().filter(|s| s.tier == *tier && !is_doubtful(s));
        part(&format!("{tier} {what}"), of_tier)
    });
    let doubtful = part("perhaps nothing, maybe free", report.suspects.iter().filter(is_doubtful));
    let parts: Vec<String> = parts.chain(doubtful).collect();
    if parts.is_empty() {
        return Ok(());
    }
    said(BAD, "LOST", &safe(&parts.join("; ")), look, out)
}

/// `T2 rows: 3 pages of Sales, Stock`.
fn part<'a>(what: &str, suspects: impl Iterator<Item = &'a Suspect>) -> Option<String> {
    let (mut pages, mut names) = (0, BTreeSet::new());
    for suspect in suspects {
        pages += 1;
        if names.len() <= DATABASES_MAX {
            names.extend(suspect.database.as_deref());
        }
    }
    let shown: Vec<&str> = names.iter().copied().take(DATABASES_MAX).collect();
    let more = if names.len() > DATABASES_MAX { " and others" } else { "" };
    let of = if shown.is_empty() { "" } else { " of " };
    let pages = (pages > 0).then(|| counted(pages, "page"))?;
    Some(format!("{what}: {pages}{of}{}{more}", shown.join(", ")))
}

/// A word in `style` and what it means, wrapped.
fn said(style: Style, word: &str, text: &str, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut wrapped = Vec::new();
    look.paragraph(&format!("{word}  {text}"), 2, &mut wrapped)?;
    write!(out, "{style}{word}{style:#}")?;
    out.write_all(&wrapped[word.len()..])
}

fn how_to_go_on(report: &ScrubReport) -> String {
    match &report.run.checkpoint {
        Some(path) => {
            let path = safe(path);
            format!("to go on, repeat the command with --checkpoint {path} --resume")
        }
        None => "scan again (with --checkpoint FILE, a scan that is stopped can go on)".to_owned(),
    }
}

fn verified(intact: u64) -> String {
    match intact {
        0 => "but nothing could be verified: no page in use carries a checksum or torn bits".into(),
        _ => format!("{} verified, none suspect", counted(intact, "page")),
    }
}

/// What "clean" does not speak of.
fn unverified(report: &ScrubReport) -> String {
    let mut words = String::new();
    if report.coverage.unprotected > 0 {
        let pages = counted(report.coverage.unprotected, "page");
        words += &format!("; {pages} in use without protection, so not verified");
    }
    if report.coverage.transient > 0 {
        let pages = counted(report.coverage.transient, "page");
        words += &format!("; {pages} read wrongly at first and rightly again: see to the path");
    }
    let others = report.files.iter().filter(|file| file.outcome != Outcome::Scanned).count();
    if others > 0 {
        words += &format!("; {} not scanned", counted(others as u64, "file"));
    }
    if report.skipped.count > 0 {
        words += &format!("; {} skipped", counted(report.skipped.count, "other file"));
    }
    words
}

fn coverage(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let coverage = &report.coverage;
    let text = format!(
        "{} planned: {} intact ({} by checksum, {} by torn bits), {} unprotected, {} free, \
         {} transient, {} suspect, {} not reached",
        counted(coverage.pages_planned, "page"),
        number(coverage.intact),
        number(coverage.intact_checksum),
        number(coverage.intact_torn),
        number(coverage.unprotected),
        number(coverage.free),
        number(coverage.transient),
        number(coverage.suspect),
        number(coverage.not_reached),
    );
    headed("\nCoverage", &text, look, out)?;
    if coverage.intact_torn > 0 {
        let weak = "torn bits are weak protection: they see a write that stopped half-way, and \
                    hardly anything else";
        headed("", weak, look, out)?;
    }
    Ok(())
}

/// `text` under `heading`, which may be empty or begin with a newline.
fn headed(heading: &str, text: &str, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let blanks = SUMMARY_INDENT - heading.trim_start().len();
    let mut wrapped = Vec::new();
    look.paragraph(&format!("{:SUMMARY_INDENT$}{text}", ""), SUMMARY_INDENT, &mut wrapped)?;
    write!(out, "{BOLD}{heading}{BOLD:#}{:blanks$}", "")?;
    out.write_all(&wrapped[SUMMARY_INDENT..])
}
