//! What is lost, the worst first, and of which database and objects.

use super::databases::cut_words;
use super::names::{Names, listed, name_of};
use crate::consolidate::recovery::Remedy;
use crate::consolidate::report::{FileReport, RunVerdict, ScrubReport, Suspect};
use crate::consolidate::score::TIERS;
use crate::report::escape::terminal as safe;
use crate::report::terminal::layout::counted;
use std::collections::BTreeSet;

/// Databases and objects named for one kind of loss at most.
const NAMES_MAX: usize = 3;

/// Pages of backups are copies, and none of that.
pub(super) fn words(report: &ScrubReport, names: &Names<'_>) -> Option<String> {
    let own = || report.suspects.iter().filter(|suspect| !suspect.is_in_backup());
    let is_doubtful = |s: &&Suspect| Remedy::of(s) == Remedy::Doubtful;
    let mut parts = Vec::from_iter(cut(report, names));
    for (tier, what) in TIERS {
        let of_tier = own().filter(|s| s.tier == tier && !is_doubtful(s));
        let files = if tier == "T0" { lost_files(report, names) } else { None };
        let lost: Vec<String> = files.into_iter().chain(pages_of(of_tier)).collect();
        if !lost.is_empty() {
            parts.push(format!("{tier} {what}: {}", lost.join(", ")));
        }
    }
    let doubtful = pages_of(own().filter(is_doubtful));
    parts.extend(doubtful.map(|pages| format!("perhaps nothing, maybe free: {pages}")));
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn cut(report: &ScrubReport, names: &Names<'_>) -> Option<String> {
    let damaged = report.databases.iter().filter(|d| d.verdict == RunVerdict::Damaged);
    let files: Vec<String> = damaged.flat_map(|database| cut_words(database, names)).collect();
    (!files.is_empty()).then(|| format!("cut short: {}", listed(files.into_iter())))
}

/// `file 3 of sales (sales_2.ndf, zeros)`.
fn lost_files(report: &ScrubReport, names: &Names<'_>) -> Option<String> {
    let mut files = Vec::new();
    for database in &report.databases {
        for lost in database.lost_files() {
            let is_it = |file: &&FileReport| {
                file.host == database.host && Some(&file.path) == lost.path.as_ref()
            };
            let content = report.files.iter().find(is_it).and_then(|file| file.content.as_deref());
            let content = match content {
                Some("unknown") | None => "nothing known in it",
                Some(content) => content,
            };
            let name = name_of(lost).map(|name| format!("{name}, ")).unwrap_or_default();
            let (id, of) = (lost.file_id, names.database(database));
            files.push(format!("file {id} of {of} ({name}{})", safe(content)));
        }
    }
    (!files.is_empty()).then(|| listed(files.into_iter()))
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
    let has_own = report.suspects.iter().any(|suspect| !suspect.is_in_backup())
        || report.lost_files().next().is_some();
    let all_listed = report.suspects_not_listed == 0;
    let rest = if has_own || !all_listed {
        String::new()
    } else {
        format!("; nothing of {itself} is known to be lost")
    };
    Some(format!("{pages} {are} damaged in backups{rest}"))
}

/// `3 pages of Sales (dbo.Orders, dbo.Stock)`; none without suspects.
fn pages_of<'a>(suspects: impl Iterator<Item = &'a Suspect>) -> Option<String> {
    let (mut pages, mut databases, mut objects) = (0, BTreeSet::new(), BTreeSet::new());
    for suspect in suspects {
        pages += 1;
        let database = suspect.database.as_deref();
        let object = suspect.object.as_deref().filter(|_| suspect.object_id.is_some());
        databases.extend(database.filter(|_| databases.len() <= NAMES_MAX));
        objects.extend(object.filter(|_| objects.len() <= NAMES_MAX));
    }
    let pages = (pages > 0).then(|| counted(pages, "page"))?;
    let of = first(&databases).map(|names| format!(" of {names}")).unwrap_or_default();
    let objects = first(&objects).map(|names| format!(" ({names})")).unwrap_or_default();
    Some(format!("{pages}{of}{objects}"))
}

/// The first few of `names`.
fn first(names: &BTreeSet<&str>) -> Option<String> {
    let shown: Vec<_> = names.iter().take(NAMES_MAX).map(|name| safe(name)).collect();
    let more = if names.len() > NAMES_MAX { " and others" } else { "" };
    (!shown.is_empty()).then(|| format!("{}{more}", shown.join(", ")))
}
