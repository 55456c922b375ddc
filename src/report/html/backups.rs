//! The backups: what each holds by its own words, what of it was verified, and what is damaged.

use super::super::terminal::layout::{counted, number};
use super::safe;
use crate::consolidate::backup::{BackupReport, SetReport, fault_words, kind_words};
use crate::consolidate::report::{FileReport, ScrubReport};
use crate::report::file_names::FileNames;
use maud::{Markup, html};

/// Backups at most; those with something to say come first when not all fit.
const CARDS_MAX: usize = 200;
/// Cards that are open from the start; those with faults are open, too.
const OPEN: usize = 3;
/// Sets, files of a set and faults shown of one backup at most.
const LISTED_MAX: usize = 100;

pub(super) fn section(report: &ScrubReport, names: &FileNames<'_>) -> Markup {
    let backups: Vec<_> = report.backups().collect();
    let hidden = backups.len().saturating_sub(CARDS_MAX);
    html! {
        @if !backups.is_empty() {
            section #backups {
                h2 { "Backups" small { "by their own words, and what was verified" } }
                @for (i, (file, backup)) in most_telling(&backups).into_iter().enumerate() {
                    (card(file, backup, i < OPEN, suspects(report, file), names))
                }
                @if hidden > 0 {
                    p.more { "And " (counted(hidden as u64, "more backup")) "." }
                }
            }
        }
    }
}

/// Suspects in the backup `file`.
fn suspects(report: &ScrubReport, file: &FileReport) -> u64 {
    let is_part = |other: &&FileReport| {
        other.backup_set.is_some() && (&other.host, &other.path) == (&file.host, &file.path)
    };
    let parts = report.files.iter().filter(is_part);
    parts.map(|part| part.coverage.suspect).fold(0, u64::saturating_add)
}

type Backup<'a> = (&'a FileReport, &'a BackupReport);

fn most_telling<'a>(backups: &[Backup<'a>]) -> Vec<Backup<'a>> {
    let mut shown = backups.to_vec();
    shown.sort_by_key(|(_, backup)| (backup.fault_count() == 0, !backup.is_incomplete()));
    shown.truncate(CARDS_MAX);
    shown
}

fn card(
    file: &FileReport,
    backup: &BackupReport,
    is_open: bool,
    suspects: u64,
    names: &FileNames<'_>,
) -> Markup {
    let faults = backup.fault_count();
    html! {
        details.card open[is_open || faults > 0 || suspects > 0] {
            summary {
                span.rank {}
                (tag(backup, suspects))
                span.place {
                    b title=(safe(&file.path)) { (names.name(file.host.as_deref(), &file.path)) }
                    @if let Some(member) = backup.member_words() { " (" (member) ")" }
                }
                span.size { (counted(backup.sets.len() as u64, "set")) }
            }
            div.card-body {
                div {
                    dl.facts {
                        div { dt { "Streams" } dd { (backup.checksum_words()) } }
                        @for (name, n) in [
                            ("Log bytes", backup.log_bytes),
                            ("Padding", backup.padding_pages),
                            ("Superseded", backup.superseded_pages),
                        ] {
                            @if n > 0 { div { dt { (name) } dd { (number(n)) } } }
                        }
                        @if let Some(media) = &backup.media_set {
                            div { dt { "Media set" } dd { (safe(media)) } }
                        }
                    }
                    (damage(backup))
                }
                div.evidence {
                    @for set in backup.sets.iter().take(LISTED_MAX) { (one(set, file.is_packed())) }
                    @if backup.sets.len() > LISTED_MAX {
                        p.more { "And " (backup.sets.len() - LISTED_MAX) " more sets." }
                    }
                }
            }
        }
    }
}

/// The colours of tiers, with words: not everybody sees colours.
fn tag(backup: &BackupReport, suspects: u64) -> Markup {
    let (class, words) = match backup.fault_count() {
        0 if suspects > 0 => ("t0", counted(suspects, "suspect")),
        0 if backup.is_incomplete() => ("t2", "incomplete".to_owned()),
        0 => ("t4", "no fault".to_owned()),
        faults => ("t0", counted(faults, "fault")),
    };
    html! { span.tag.(class) { (words) } }
}

fn damage(backup: &BackupReport) -> Markup {
    let shown = backup.faults.len().min(LISTED_MAX);
    let hidden = backup.fault_count().saturating_sub(shown as u64);
    html! {
        @for gap in backup.gaps() { p.remark { (gap) } }
        @if backup.fault_count() > 0 {
            ul.plain {
                @for fault in backup.faults.iter().take(LISTED_MAX) {
                    li { strong { "Fault " } (safe(&fault_words(fault))) }
                }
                @if hidden > 0 { li { "and " (number(hidden)) " more" } }
            }
        }
    }
}

fn one(set: &SetReport, is_packed: bool) -> Markup {
    html! {
        h3 { "Set " (set.position) ": " (kind_words(set.kind)) " of " (safe(&set.database)) }
        dl.facts {
            @for (name, at) in [("Started", &set.started), ("Finished", &set.finished)] {
                @if let Some(at) = at { div { dt { (name) } dd { (safe(at)) } } }
            }
            div { dt { "What" } dd { (safe(&set.facts().join("; "))) } }
            @for file in set.files.iter().take(LISTED_MAX) {
                @let path = safe(&file.physical_name);
                div { dt { "Holds" } dd title=(path) { (safe(&file.words(is_packed))) } }
            }
            @if set.files.len() > LISTED_MAX {
                div { dt { "" } dd { "and " (set.files.len() - LISTED_MAX) " more files" } }
            }
        }
    }
}
