//! The report for people: what they must know first, first; one greppable line last.

mod backups;
mod consistency;
mod databases;
mod files;
pub(crate) mod layout;
pub(super) mod speed;
mod suspects;

pub use layout::Look;

use super::view::{Point, Tone, View, damaged};
use crate::consolidate::gaps::Gaps;
use crate::consolidate::report::consistency::Consistency;
use crate::consolidate::report::{FileReport, Outcome, RunVerdict, ScrubReport};
use crate::consolidate::verified::{Unit, units};
use anstyle::{AnsiColor, Color, Style};
use layout::{counted, number};
use std::io::{self, Write};

const BOLD: Style = Style::new().bold();
const GOOD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Green)));
const BAD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red)));
const UNSURE: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Yellow)));
/// Blanks under a heading of the summary.
const SUMMARY_INDENT: usize = 10;

/// Prints `report`. Colours are written as escapes; a stream that is no terminal must strip them.
pub fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let view = View::of(report);
    points(&view.points, look, out)?;
    databases::write(&view, look, out)?;
    suspects::write(report, look, out)?;
    consistency::write(report, look, out)?;
    files::write(report, look, out)?;
    backups::write(report, look, out)?;
    coverage(report, look, out)?;
    speed::write(report, look, out)?;
    end(report, &view, look, out)
}

/// The answer alone, and the last line.
pub fn write_quiet(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    points(&View::of(report).points, look, out)?;
    writeln!(out, "{}", result_line(report))
}

/// The last line: stable words for scripts.
pub fn result_line(report: &ScrubReport) -> String {
    let (coverage, gaps) = (&report.coverage, Gaps::of(report));
    let checked = report.consistency.as_ref().map(Consistency::counts);
    let checked = checked
        .map(|(broken, unsettled)| format!(" rules_broken={broken} rules_unsettled={unsettled}"));
    format!(
        "RESULT verdict={} suspects={} incidents={} coverage={:.3}% unprotected={} not_reached={} \
         transient={} refused={} skipped={} host_faults={} backup_faults={} failed={} \
         incomplete_backups={} missing_members={} unverified={} not_looked_into={} \
         lost_files={} databases_damaged={}{}",
        report.verdict.name(),
        coverage.suspect,
        report.incident_count(),
        report.coverage_percent(),
        coverage.unprotected,
        coverage.not_reached,
        coverage.transient,
        report.files.iter().filter(|file| is_refused(file)).count(),
        report.skipped.count,
        report.host_findings.len(),
        report.backup_faults(),
        gaps.failed.len(),
        gaps.backups.len(),
        gaps.missing_members(),
        units(&report.files).filter(Unit::is_unverified).count(),
        report.not_looked_into.count,
        report.lost_files().count(),
        damaged(report).count(),
        checked.unwrap_or_default(),
    )
}

/// Nothing of it was verified, or nothing but its header page.
fn is_refused(file: &FileReport) -> bool {
    file.outcome == Outcome::Refused
        || (file.pages == 0 && file.backup.is_none() && file.backup_set.is_none())
}

/// What must be known, each point a word and what it means.
fn points<'a>(
    points: impl IntoIterator<Item = &'a Point>,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    points.into_iter().try_for_each(|Point { tone, word, text }| {
        let style = match tone {
            Tone::Good => GOOD,
            Tone::Bad => BAD,
            Tone::Unsure => UNSURE,
            Tone::Help => BOLD,
        };
        let mut wrapped = Vec::new();
        look.paragraph(&format!("{word}  {text}"), 2, &mut wrapped)?;
        write!(out, "{style}{word}{style:#}")?;
        out.write_all(&wrapped[word.len()..])
    })
}

/// The answer once more, right above the last line: what scrolled by is not read.
fn end(report: &ScrubReport, view: &View, look: Look, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    if report.verdict != RunVerdict::Clean {
        points(view.brief(), look, out)?;
    }
    writeln!(out, "{}", result_line(report))
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
