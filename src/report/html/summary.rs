//! The first screen: the answer in words, what it does not speak of, and what is lost.

use super::super::headline::{missed, structure_only, unverified};
use super::super::terminal::layout::{counted, number};
use super::super::terminal::{self, copies, unproven};
use super::safe;
use super::words::{PRIORITIES, TIERS, colour, tier_order};
use crate::consolidate::backup::BackupReport;
use crate::consolidate::gaps::Gaps;
use crate::consolidate::harm::Harm;
use crate::consolidate::report::{FileReport, Outcome, RunVerdict, ScrubReport, Suspect};
use crate::consolidate::tally::Coverage;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// Width of the bar of coverage.
const BAR: f64 = 1000.0;
/// What is there is seen, however little it is.
const BAR_LEAST: f64 = 8.0;

/// Backups with gaps named at most; all are among the backups.
const GAPS: usize = 5;

/// How loud a remark is: what makes the verdict itself doubtful, what it does not cover, and the
/// rest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loud {
    Alarm,
    Gap,
    Note,
}

struct Remark {
    loud: Loud,
    title: String,
    text: String,
}

pub(super) fn section(report: &ScrubReport) -> Markup {
    let remarks = remarks(report);
    let of = |loud: &[Loud]| -> Vec<&Remark> {
        remarks.iter().filter(|remark| loud.contains(&remark.loud)).collect()
    };
    html! {
        section.summary #summary {
            (boxed("alarm", &of(&[Loud::Alarm])))
            (verdict(report))
            (boxed("gap", &of(&[Loud::Gap])))
            div.pair {
                (coverage(&report.coverage))
                (lost(report))
            }
            (boxed("note", &of(&[Loud::Note])))
        }
    }
}

fn boxed(class: &str, remarks: &[&Remark]) -> Markup {
    html! {
        @if !remarks.is_empty() {
            ul.remarks.(class) {
                @for remark in remarks {
                    li { strong { (remark.title) } " " (safe(&remark.text)) }
                }
            }
        }
    }
}

fn verdict(report: &ScrubReport) -> Markup {
    let coverage = &report.coverage;
    let intact = counted(coverage.intact, "page");
    let (class, word, text) = match report.verdict {
        RunVerdict::Unverified => ("incomplete", "Unverified", format!("{}.", unproven(report))),
        RunVerdict::Clean => {
            ("clean", "Clean", format!("{intact} verified, none suspect{}.", backups(report)))
        }
        RunVerdict::Damaged => ("damaged", "Damaged", damage(report)),
        RunVerdict::Incomplete => {
            let but = "none suspect, but not everything could be checked.";
            ("incomplete", "Incomplete", format!("{intact} verified, {but}"))
        }
    };
    html! {
        div.verdict.(class) {
            h1 { (word) }
            p { (text) }
            @if let Some((priority, words, tier)) = worst(report) {
                p.worst { "Worst: " strong { (priority) } (words) (tier) "." }
            }
        }
    }
}

fn damage(report: &ScrubReport) -> String {
    let paths = |is: &dyn Fn(&FileReport) -> bool| {
        let files = report.files.iter().filter(|file| is(file));
        files.map(|file| (&file.host, &file.path)).collect::<BTreeSet<_>>().len() as u64
    };
    let faults = match report.backup_faults() {
        0 => String::new(),
        faults => format!(" {} in backups, beside their pages.", counted(faults, "fault")),
    };
    format!(
        "{} in {}, in {} of {}.{faults}",
        counted(report.coverage.suspect, "suspect page"),
        counted(report.incidents.len() as u64, "incident"),
        number(paths(&|file| file.coverage.suspect > 0)),
        counted(paths(&|_| true), "file"),
    )
}

/// `; 3 backups with 5 stream checksums verified`; empty without backups.
fn backups(report: &ScrubReport) -> String {
    match terminal::backups(report) {
        words if words.is_empty() => words,
        words => format!("; {words}"),
    }
}

/// Priority, what it asks for, and what is lost.
fn worst(report: &ScrubReport) -> Option<(String, String, String)> {
    let own = || report.suspects.iter().filter(|suspect| !suspect.is_in_backup());
    let priority = report.suspects.iter().map(|suspect| &*suspect.priority).min()?;
    let asks = PRIORITIES.iter().find(|(name, _)| *name == priority);
    let tier = own().map(|suspect| tier_order(&suspect.tier)).min();
    let tier = tier.and_then(|order| TIERS.get(order));
    Some((
        safe(priority).into_owned(),
        asks.map(|(_, words)| format!(", {words}")).unwrap_or_default(),
        tier.map(|(name, lost)| format!("; lost ({name}): {lost}")).unwrap_or_default(),
    ))
}

fn remarks(report: &ScrubReport) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut say = |loud, title: &str, text: String| {
        remarks.push(Remark { loud, title: title.to_owned(), text });
    };
    alarms(report, &mut say);
    gaps(report, &mut say);
    doubts(report, &mut say);
    notes(report, &mut say);
    remarks
}

/// Takes how loud a remark is, its title and its text.
type Say<'a> = &'a mut dyn FnMut(Loud, &str, String);

/// What makes the verdict itself doubtful.
fn alarms(report: &ScrubReport, say: Say<'_>) {
    for finding in &report.host_findings {
        let trust = "Trust no verdict below, unless it is a GPU that is named here: ";
        say(Loud::Alarm, "This machine computes wrongly.", format!("{trust}{finding}"));
    }
}

/// What was not looked at.
fn gaps(report: &ScrubReport, say: Say<'_>) {
    if report.run.stopped {
        let next = match &report.run.checkpoint {
            Some(path) => format!("repeat the command with --checkpoint {path} --resume"),
            None => "scan again".to_owned(),
        };
        say(Loud::Gap, "Stopped before the end.", format!("This report is partial; {next}."));
    }
    for remark in missed(report) {
        say(Loud::Gap, &format!("{}.", remark.what), remark.text);
    }
    for (file, backup) in report.backups().filter(|(_, backup)| backup.is_incomplete()).take(GAPS) {
        let title = format!("Backup {} is not whole.", safe(&file.path));
        say(Loud::Gap, &title, backup.gaps().join("; "));
    }
}

/// What was looked at and cannot be relied on.
fn doubts(report: &ScrubReport, say: Say<'_>) {
    let coverage = &report.coverage;
    for remark in unverified(report).into_iter().chain(structure_only(report)) {
        say(Loud::Gap, &format!("{}.", remark.what), remark.text);
    }
    if coverage.transient > 0 {
        let title = format!("{} bad and then good (Msg 825).", pages(coverage.transient));
        say(Loud::Gap, &title, "Look at the path: cables, controllers, memory.".to_owned());
    }
    let in_use = coverage.unprotected_in_use();
    let maybe_free = coverage.unprotected - in_use;
    if maybe_free > 0 {
        let title = format!("{} that may be free.", pages(maybe_free));
        let text = "Zeros or old content, and no PFS page that tells whether they are in use: not \
                    verified.";
        say(Loud::Gap, &title, text.to_owned());
    }
    if in_use > 0 {
        let title = format!("{} without protection.", pages(in_use));
        let text = "In use with neither checksum nor torn bits: not verified. Every database has a \
                    few; many mean that PAGE_VERIFY is or was off.";
        say(Loud::Gap, &title, text.to_owned());
    }
    let in_backups = report.suspects_in_backups().count() as u64;
    if in_backups > 0 {
        let title = format!("{} in backups.", counted(in_backups, "suspect page"));
        let harm = Harm::of(report).of_pages();
        let copies = copies(report).unwrap_or_default();
        let text = format!("Those are copies: {copies}. {harm}.");
        say(Loud::Gap, &title, text);
    }
    let bare = report.backups().map(|(_, backup)| backup.streams_without_checksum);
    let bare = bare.fold(0, u64::saturating_add);
    if bare > 0 {
        let title = format!("{} of backups without a checksum.", counted(bare, "stream"));
        let is_bare = |backup: &BackupReport| backup.streams_without_checksum > 0;
        let mut bare = report.backups().filter(|(_, backup)| is_bare(backup));
        let pages = if bare.all(|(_, backup)| backup.is_log_only()) {
            "Their"
        } else {
            "Their pages carry their own, where PAGE_VERIFY is on; their"
        };
        say(Loud::Gap, &title, format!("{pages} log is not protected (Msg 3187)."));
    }
    if report.suspects_not_listed > 0 {
        let n = counted(report.suspects_not_listed, "suspect page");
        let text = "The list holds the most urgent ones; incidents are those of the list.";
        say(Loud::Gap, &format!("{n} counted and not listed."), text.to_owned());
    }
}

fn notes(report: &ScrubReport, say: Say<'_>) {
    let coverage = &report.coverage;
    if coverage.intact_torn > 0 {
        let title = format!("{} verified by torn bits only.", pages(coverage.intact_torn));
        let text = "Torn bits see a write that stopped half-way, and hardly anything else.";
        say(Loud::Note, &title, text.to_owned());
    }
    if coverage.allocation_unknown > 0 {
        let title = format!("{} perhaps free.", pages(coverage.allocation_unknown));
        let text = match coverage.allocation_unknown.saturating_sub(coverage.pfs_absent) {
            0 => "The PFS page that would tell is not in the backup, or in another member of it.",
            _ if coverage.pfs_absent > 0 => "The PFS page that would tell is damaged or not there.",
            _ => "The PFS page that would tell is damaged.",
        };
        say(Loud::Note, &title, text.to_owned());
    }
    if report.not_looked_into.count > 0 {
        let files = counted(report.not_looked_into.count, "file");
        let title = format!("{files} that may hold databases were not looked into.");
        let text = "Archives, encrypted files or disk images.";
        say(Loud::Gap, &title, text.to_owned());
    }
    if report.excluded.count > 0 {
        let title = format!("{} excluded.", counted(report.excluded.count, "file"));
        say(Loud::Note, &title, "They were left out by --exclude.".to_owned());
    }
    // Those that count are told above.
    let missed = Gaps::of(report).refused;
    let is_told = |file: &FileReport| missed.iter().any(|missed| std::ptr::eq(*missed, file));
    let is_no_news = |file: &&FileReport| file.outcome == Outcome::Refused && !is_told(file);
    let refused = report.files.iter().filter(is_no_news).count() as u64;
    if refused > 0 {
        let title = format!("{} refused.", counted(refused, "other file"));
        say(Loud::Note, &title, "Nothing in it was to be verified; see Files.".to_owned());
    }
    if report.skipped.count > 0 {
        let title = format!("{} skipped.", counted(report.skipped.count, "other file"));
        say(Loud::Note, &title, "They are no database files.".to_owned());
    }
}

fn pages(n: u64) -> String {
    counted(n, "page")
}

fn coverage(coverage: &Coverage) -> Markup {
    let classes = [
        ("suspect", "bad", coverage.suspect),
        ("not reached", "missed", coverage.not_reached),
        ("transient", "unsure", coverage.transient),
        ("unprotected", "blind", coverage.unprotected),
        ("free", "free", coverage.free),
        ("intact", "good", coverage.intact),
    ];
    html! {
        div.coverage {
            h2 { "Coverage" small { (counted(coverage.pages_planned, "page")) " planned" } }
            svg.bar viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true" {
                @for (class, x, width) in bars(&classes.map(|(_, class, n)| (class, n))) {
                    rect.(class) x=(format!("{x:.1}")) y="0" height="24"
                        width=(format!("{width:.1}")) {}
                }
            }
            dl.counts {
                @for (name, class, n) in classes {
                    div.none[n == 0] {
                        dt { span.swatch.(class) {} (name) }
                        dd { (number(n)) }
                    }
                }
            }
        }
    }
}

/// Class, left edge and width of each part.
fn bars<'a>(parts: &[(&'a str, u64)]) -> Vec<(&'a str, f64, f64)> {
    let shown = || parts.iter().filter(|(_, n)| *n > 0);
    let sum: f64 = shown().map(|(_, n)| *n as f64).sum();
    let room = BAR - BAR_LEAST * shown().count() as f64;
    let mut x = 0.0;
    let part = |&(class, n): &(&'a str, u64)| {
        let left = x;
        x += BAR_LEAST + room * n as f64 / sum;
        (class, left, x - left)
    };
    shown().map(part).collect()
}

/// How many suspects of which tier, or of which priority in reports without tiers.
fn lost(report: &ScrubReport) -> Markup {
    let suspects: Vec<&Suspect> =
        report.suspects.iter().filter(|suspect| !suspect.is_in_backup()).collect();
    let count = |is: &dyn Fn(&str, &str) -> bool| {
        suspects.iter().filter(|suspect| is(&suspect.tier, &suspect.priority)).count()
    };
    let has_tiers = suspects.iter().any(|suspect| !suspect.tier.is_empty());
    let tiers = TIERS.map(|(name, lost)| (name, lost, count(&|tier, _| tier == name)));
    let priorities = PRIORITIES.map(|(name, asks)| (name, asks, count(&|_, p| p == name)));
    let (rows, heading) =
        if has_tiers { (&tiers[..], "What is lost") } else { (&priorities[..], "How urgent") };
    html! {
        @if !suspects.is_empty() {
            div.lost {
                h2 { (heading) small { "suspect pages" } }
                dl.counts.rows {
                    @for (name, words, n) in rows {
                        @let class = if has_tiers { colour(name, "") } else { colour("", name) };
                        div.none[*n == 0] {
                            dt { span.tag.(class) { (name) } (words) }
                            dd { (number(*n as u64)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_of_a_trillion_is_seen_and_the_bar_is_filled() {
        let bars = bars(&[("bad", 1), ("free", 0), ("good", 1_000_000_000_000)]);
        assert_eq!(bars.len(), 2);
        assert!(bars[0].2 >= BAR_LEAST);
        assert!((bars[1].1 + bars[1].2 - BAR).abs() < 0.01);
    }
}
