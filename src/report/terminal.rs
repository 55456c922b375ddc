//! The report for people: what they must know first, first; one greppable line last.

mod backups;
mod files;
pub(crate) mod layout;
pub(super) mod speed;
mod suspects;

pub use layout::Look;

use super::escape::terminal as safe;
use super::headline::{self, Remark};
use crate::consolidate::gaps::Gaps;
use crate::consolidate::recovery::Remedy;
use crate::consolidate::report::{FileReport, Outcome, RunVerdict, ScrubReport, Suspect};
use crate::consolidate::score::TIERS;
use crate::consolidate::verified::{Unit, units};
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
/// Pages that were bad and then good, named at most.
const HEALED_MAX: usize = 3;
/// Databases named for one kind of loss at most.
const DATABASES_MAX: usize = 3;

/// Prints `report`. Colours are written as escapes; a stream that is no terminal must strip them.
pub fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    headline(report, look, out)?;
    suspects::write(report, look, out)?;
    files::write(report, look, out)?;
    backups::write(report, look, out)?;
    coverage(report, look, out)?;
    speed::write(report, look, out)?;
    writeln!(out, "\n{}", result_line(report))
}

/// The last line: stable words for scripts.
pub fn result_line(report: &ScrubReport) -> String {
    let (coverage, gaps) = (&report.coverage, Gaps::of(report));
    format!(
        "RESULT verdict={} suspects={} incidents={} coverage={:.3}% unprotected={} not_reached={} \
         transient={} refused={} skipped={} host_faults={} backup_faults={} failed={} \
         incomplete_backups={} missing_members={} unverified={} not_looked_into={}",
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
    )
}

/// Nothing of it was verified, or nothing but its header page.
fn is_refused(file: &FileReport) -> bool {
    file.outcome == Outcome::Refused
        || (file.pages == 0 && file.backup.is_none() && file.backup_set.is_none())
}

fn headline(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.host_findings {
        said(BAD, "HOST FAULT", &safe(finding), look, out)?;
    }
    match report.verdict {
        RunVerdict::Clean => {
            let text = verified(report) + &not_spoken_of(report);
            said(GOOD, "CLEAN", &text, look, out)
        }
        RunVerdict::Unverified => said(UNSURE, "UNVERIFIED", &unproven(report), look, out),
        RunVerdict::Damaged => {
            said(BAD, "DAMAGED", &damage(report), look, out)?;
            lost(report, look, out)
        }
        RunVerdict::Incomplete => {
            let pages = counted(report.coverage.intact, "page");
            let but = "none suspect, but not everything could be checked";
            let text = format!("{pages} verified, {but}: {}", missed(report));
            said(UNSURE, "INCOMPLETE", &text, look, out)
        }
    }?;
    besides(report, look, out)?;
    perhaps_lost(report, look, out)?;
    healed(report, look, out)?;
    not_looked_into(report, look, out)
}

/// What must be known besides the verdict, whatever that is.
fn besides(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    if report.run.stopped {
        let not_reached = counted(report.coverage.not_reached, "page");
        let text = format!("before the end, {not_reached} not reached; {}", how_to_go_on(report));
        said(UNSURE, "STOPPED", &text, look, out)?;
    }
    if report.verdict == RunVerdict::Damaged && !Gaps::of(report).is_empty() {
        said(UNSURE, "INCOMPLETE", &missed(report), look, out)?;
    }
    match headline::unverified(report).filter(|_| report.verdict != RunVerdict::Unverified) {
        Some(remark) => said(UNSURE, "UNVERIFIED", &remark.words(), look, out),
        None => Ok(()),
    }
}

fn missed(report: &ScrubReport) -> String {
    let remarks: Vec<String> = headline::missed(report).iter().map(Remark::words).collect();
    match remarks.join("; ") {
        // Of several scans, the answer is that of the worst.
        none if none.is_empty() => "what one of the scans was to read was not all read".to_owned(),
        remarks => format!("{remarks} (see below)"),
    }
}

/// Why a run in which all was read is not clean.
pub(super) fn unproven(report: &ScrubReport) -> String {
    let remarks = headline::unverified(report).into_iter().chain(headline::structure_only(report));
    let remarks: Vec<String> = remarks.map(|remark| remark.words()).collect();
    let remarks = match remarks.join("; ") {
        // Of several scans, the answer is that of the worst.
        none if none.is_empty() => "what one of the scans read could not be verified".to_owned(),
        remarks => remarks,
    };
    match report.coverage.intact {
        0 => remarks,
        pages => format!("{} verified, none suspect, but {remarks}", counted(pages, "page")),
    }
}

/// What may hold databases, and nobody knows whether they are sound.
fn not_looked_into(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let text = match report.not_looked_into.count {
        0 => return Ok(()),
        1 => "1 file that may hold databases was not looked into".to_owned(),
        n => format!("{} that may hold databases were not looked into", counted(n, "file")),
    };
    said(UNSURE, "NOT SEEN", &format!("{text} (archives, encrypted files, disks)"), look, out)
}

/// Zeros that nobody can tell from free pages: the more is lost, the fewer suspects there may be.
fn perhaps_lost(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let zeros = report.coverage.zero_allocation_unknown;
    if report.verdict != RunVerdict::Damaged || zeros == 0 {
        return Ok(());
    }
    let text = format!(
        "{} of zeros, lost or free: no PFS page tells which; not among the suspects",
        counted(zeros, "page")
    );
    said(UNSURE, "PERHAPS LOST", &text, look, out)
}

/// Whatever the verdict: it is how a failing path begins.
fn healed(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let (listed, rest) = (&report.transients, report.transients_not_listed);
    let (pages, were) = match report.coverage.transient {
        0 => return Ok(()),
        1 => ("1 page".to_owned(), "was"),
        n => (counted(n, "page"), "were"),
    };
    let first: Vec<_> = listed.iter().take(HEALED_MAX).map(|page| page.address).collect();
    let first: Vec<_> = first.iter().map(ToString::to_string).collect();
    let more = if listed.len() > HEALED_MAX || rest > 0 { ", ..." } else { "" };
    let places =
        if first.is_empty() { String::new() } else { format!(" [{}{more}]", first.join(", ")) };
    let text = format!(
        "{pages} {were} bad and then good (Msg 825){places}: look at the path, such as cables, \
         controllers and memory, before it gets worse"
    );
    said(UNSURE, "TRANSIENT", &text, look, out)
}

/// `2 suspect pages in 1 incident, 1 fault in 1 backup; most urgent first`
fn damage(report: &ScrubReport) -> String {
    let suspects = report.coverage.suspect;
    let pages = counted(suspects, "suspect page");
    let incidents = counted(report.incident_count(), "incident");
    let backups = report.backups().filter(|(_, backup)| backup.fault_count() > 0).count();
    let faults = counted(report.backup_faults(), "fault");
    let faults = format!("{faults} in {}", counted(backups as u64, "backup"));
    match (suspects, backups) {
        (_, 0) => format!("{pages} in {incidents}; most urgent first"),
        (0, _) => format!("{faults} (see Backups), no suspect page"),
        _ => format!("{pages} in {incidents}, {faults} (see Backups); most urgent first"),
    }
}

/// What is lost, the worst first, and where; pages of backups are copies, and none of that.
fn lost(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let own = || report.suspects.iter().filter(|suspect| !suspect.is_in_backup());
    let is_doubtful = |s: &&Suspect| Remedy::of(s) == Remedy::Doubtful;
    let parts = TIERS.iter().filter_map(|(tier, what)| {
        let of_tier = own().filter(|s| s.tier == *tier && !is_doubtful(s));
        part(&format!("{tier} {what}"), of_tier)
    });
    let doubtful = part("perhaps nothing, maybe free", own().filter(is_doubtful));
    let parts: Vec<String> = parts.chain(doubtful).collect();
    if !parts.is_empty() {
        said(BAD, "LOST", &safe(&parts.join("; ")), look, out)?;
    }
    match copies(report) {
        Some(text) => said(BAD, "COPIES", &safe(&text), look, out),
        None => Ok(()),
    }
}

/// `1 page of Sales is damaged in backups; nothing of the database itself is known to be lost`
pub(super) fn copies(report: &ScrubReport) -> Option<String> {
    let count = report.suspects_in_backups().count();
    let pages = pages_of(report.suspects_in_backups())?;
    let are = if count == 1 { "is" } else { "are" };
    let databases: BTreeSet<_> =
        report.suspects_in_backups().map(|suspect| suspect.database.as_deref()).collect();
    let itself =
        if databases.len() == 1 { "the database itself" } else { "the databases themselves" };
    let has_own = report.suspects.iter().any(|suspect| !suspect.is_in_backup());
    let all_listed = report.suspects_not_listed == 0;
    let rest = if has_own || !all_listed {
        String::new()
    } else {
        format!("; nothing of {itself} is known to be lost")
    };
    Some(format!("{pages} {are} damaged in backups{rest}"))
}

/// `T2 rows: 3 pages of Sales, Stock`.
fn part<'a>(what: &str, suspects: impl Iterator<Item = &'a Suspect>) -> Option<String> {
    Some(format!("{what}: {}", pages_of(suspects)?))
}

/// `3 pages of Sales, Stock`; none without suspects.
fn pages_of<'a>(suspects: impl Iterator<Item = &'a Suspect>) -> Option<String> {
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
    Some(format!("{pages}{of}{}{more}", shown.join(", ")))
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

fn verified(report: &ScrubReport) -> String {
    let backups = backups(report);
    match report.coverage.intact {
        // In a report of an earlier version.
        0 if backups.is_empty() => "but nothing could be verified: no page in use carries a \
             checksum or torn bits"
            .to_owned(),
        0 => format!("{backups}; no pages verified"),
        pages if backups.is_empty() => format!("{} verified, none suspect", counted(pages, "page")),
        pages => format!("{} verified, none suspect; {backups}", counted(pages, "page")),
    }
}

/// `3 backups with 5 stream checksums and 49 compressed records verified`; empty without backups.
pub(super) fn backups(report: &ScrubReport) -> String {
    let backups = match report.backups().count() as u64 {
        0 => return String::new(),
        n => counted(n, "backup"),
    };
    let streams = counted(report.verified_streams(), "stream checksum");
    let records = counted(report.verified_records(), "compressed record");
    match (report.verified_streams(), report.verified_records()) {
        (0, 0) => format!("{backups} without backup checksums"),
        (_, 0) => format!("{backups} with {streams} verified"),
        (0, _) => format!("{backups} with {records} verified"),
        _ => format!("{backups} with {streams} and {records} verified"),
    }
}

/// What "clean" does not speak of.
fn not_spoken_of(report: &ScrubReport) -> String {
    let mut words = String::new();
    let in_use = report.coverage.unprotected_in_use();
    if in_use > 0 {
        let pages = counted(in_use, "page");
        words += &format!("; {pages} in use without protection, so not verified");
    }
    let maybe_free = report.coverage.unprotected - in_use;
    if maybe_free > 0 {
        let pages = counted(maybe_free, "page");
        words += &format!("; {pages} that may be free, so not verified");
    }
    let bare = report.backups().map(|(_, backup)| backup.streams_without_checksum);
    let bare = bare.fold(0, u64::saturating_add);
    if bare > 0 {
        words += &format!("; {} without a backup checksum", counted(bare, "stream"));
    }
    if let Some(remark) = headline::structure_only(report) {
        words += &format!("; {}", remark.words());
    }
    let whole = report.files.iter().filter(|file| file.backup_set.is_none());
    let others = whole.filter(|file| file.outcome != Outcome::Scanned).count();
    if others > 0 {
        words += &format!("; {} not scanned", counted(others as u64, "file"));
    }
    if report.skipped.count > 0 {
        words += &format!("; {} skipped", counted(report.skipped.count, "other file"));
    }
    if report.excluded.count > 0 {
        words += &format!("; {} excluded", counted(report.excluded.count, "file"));
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
