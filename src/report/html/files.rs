//! Every file: what was verified in it, and what is to be said besides.

use super::super::terminal::layout::{counted, number};
use super::safe;
use super::words::size;
use crate::consolidate::report::{FileReport, Outcome, ScrubReport};
use crate::page::PAGE_BYTES;
use crate::report::file_names::{FileNames, part_words};
use maud::{Markup, html};
use std::cmp::Reverse;

/// Rows at most.
const ROWS_MAX: usize = 1000;
/// Skipped paths shown at most.
const SKIPPED_MAX: usize = 100;

pub(super) fn section(report: &ScrubReport, names: &FileNames<'_>) -> Markup {
    let (scanned, others): (Vec<_>, Vec<_>) =
        report.files.iter().partition(|file| file.has_pages());
    // Of backups that were read to their end, all is said elsewhere.
    let is_of_backup = |file: &FileReport| file.backup.is_some() || file.backup_set.is_some();
    let is_told = |file: &&FileReport| is_of_backup(file) && file.why.is_none();
    let others: Vec<_> = others.into_iter().filter(|file| !is_told(file)).collect();
    let paths = report.files.iter().filter(|file| file.backup_set.is_none()).count();
    html! {
        section #files {
            h2 { "Files" small { (counted(paths as u64, "path")) " looked at" } }
            @if scanned.len() + others.len() > 1 { (filter()) }
            @if !scanned.is_empty() { (table(&scanned, names)) }
            @if !others.is_empty() { h3 { "Not scanned" } (declined(&others)) }
            @if report.not_looked_into.count > 0 { (not_looked_into(report)) }
            @if report.skipped.count > 0 { (skipped(report)) }
        }
    }
}

/// Hidden until a script makes it work.
fn filter() -> Markup {
    html! {
        div.filters role="search" hidden {
            label.search {
                span { "Filter files" }
                input #file-filter type="search" autocomplete="off" spellcheck="false"
                    placeholder="part of a path or database";
            }
            small #file-count role="status" aria-live="polite" {}
        }
    }
}

/// Damaged ones first, then those that were not read to the end, or have something said of them.
fn worst_first<'a>(files: &[&'a FileReport]) -> Vec<&'a FileReport> {
    let mut shown = files.to_vec();
    shown.sort_by_key(|file| {
        let FileReport { coverage, why, notes, .. } = file;
        let has_news = why.is_some() || !notes.is_empty();
        (Reverse(coverage.suspect), Reverse(coverage.not_reached), !has_news, file.key())
    });
    shown.truncate(ROWS_MAX);
    shown
}

fn table(files: &[&FileReport], names: &FileNames<'_>) -> Markup {
    let headings =
        ["Pages", "Intact", "Free", "Unprotected", "Transient", "Not reached", "Suspect"];
    let is_wide = |i: usize| (1..5).contains(&i);
    html! {
        table.files.stacked {
            caption { "Files with pages, damaged ones first" }
            thead { tr {
                th scope="col" { "File" }
                th.wide scope="col" { "Database" }
                @for (i, heading) in headings.iter().enumerate() {
                    th.number.wide[is_wide(i)] scope="col" { (heading) }
                }
            } }
            tbody {
                @for file in worst_first(files) {
                    tr {
                        td {
                            b title=(safe(&file.path)) {
                                (names.name(file.host.as_deref(), &file.path))
                                (part_words(file))
                            }
                            (facts(file))
                        }
                        td.wide { (safe(file.database.as_deref().unwrap_or_default())) }
                        @for (i, n) in counts(file).into_iter().enumerate() {
                            td.number.wide[is_wide(i)].none[n == 0].bad[i == 6 && n > 0] {
                                (number(n))
                            }
                        }
                    }
                }
            }
        }
        @if files.len() > ROWS_MAX {
            p.more { "And " (counted((files.len() - ROWS_MAX) as u64, "more file")) "." }
        }
    }
}

fn counts(file: &FileReport) -> [u64; 7] {
    let coverage = &file.coverage;
    [
        file.pages,
        coverage.intact,
        coverage.free,
        coverage.unprotected,
        coverage.transient,
        coverage.not_reached,
        coverage.suspect,
    ]
}

/// Under the name of a file.
fn facts(file: &FileReport) -> Markup {
    let bytes = file.pages.saturating_mul(PAGE_BYTES as u64);
    let mut facts = vec![size(bytes)];
    facts.extend(file.file_id.map(|id| format!("file id {id}")));
    facts.extend(file.sql_server.as_ref().map(|release| format!("SQL Server {}", safe(release))));
    let verify = file.page_verify.map(|verify| format!("{verify:?}").to_uppercase());
    facts.extend(verify.map(|verify| format!("PAGE_VERIFY {verify}")));
    facts.extend(file.simple_recovery.map(|simple| {
        let words = ["FULL or BULK_LOGGED recovery", "SIMPLE recovery: no page restore"];
        words[usize::from(simple)].to_owned()
    }));
    facts.extend((file.clean_shutdown == Some(false)).then(|| "not shut down cleanly".to_owned()));
    html! {
        small { (facts.join(" · ")) }
        @for remark in file.why.iter().chain(&file.notes) { p.remark { (safe(remark)) } }
    }
}

fn declined(files: &[&FileReport]) -> Markup {
    html! {
        ul.plain {
            @for file in files.iter().take(ROWS_MAX) {
                li {
                    code { (safe(&file.path)) } " "
                    @if file.outcome == Outcome::Failed { strong { "failed: " } }
                    (safe(file.why.as_deref().unwrap_or_default()))
                }
            }
            @if files.len() > ROWS_MAX { li { "and " (files.len() - ROWS_MAX) " more" } }
        }
    }
}

fn not_looked_into(report: &ScrubReport) -> Markup {
    let closed = &report.not_looked_into;
    html! {
        details {
            summary { (counted(closed.count, "file")) " that may hold databases, not looked into" }
            ul.plain {
                @for file in closed.files.iter().take(SKIPPED_MAX) {
                    li { code { (safe(&file.path)) } " " (safe(&file.what)) }
                }
                @if closed.count > SKIPPED_MAX as u64 { li { "..." } }
            }
        }
    }
}

fn skipped(report: &ScrubReport) -> Markup {
    let skipped = &report.skipped;
    html! {
        details {
            summary { (counted(skipped.count, "file")) " skipped: no database files" }
            ul.plain {
                @for path in skipped.paths.iter().take(SKIPPED_MAX) { li { code { (safe(path)) } } }
                @if skipped.count > SKIPPED_MAX as u64 { li { "..." } }
            }
        }
    }
}
