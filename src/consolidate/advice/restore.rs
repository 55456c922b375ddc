//! The steps that bring pages, files and databases back: what has to be confirmed before that, and
//! system databases, then what is restored as a whole, single pages, and indexes that are made
//! again.

use super::step::{called, named, step};
use super::system;
use crate::consolidate::database::is_secondary;
use crate::consolidate::recovery::{DatabaseLoss, FileLoss, Model, Remedy, Why};
use crate::consolidate::report::{Step, Suspect};
use std::collections::BTreeSet;

/// In their order. Nothing is restored because of a copy.
pub(super) fn steps(databases: &[DatabaseLoss<'_>]) -> Vec<Step> {
    let (users, systems): (Vec<_>, Vec<_>) =
        databases.iter().partition(|database| database.system.is_none());
    let own: Vec<_> = users.into_iter().filter(|database| !database.is_copy).collect();
    let steps = [
        confirm(databases),
        system_databases(&systems),
        other_replicas(&own),
        whole(&own),
        pages(&own),
        indexes(&own),
    ];
    steps.into_iter().flatten().collect()
}

fn system_databases(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let kinds = databases.iter().filter_map(|database| database.system);
    let ways: BTreeSet<&str> = kinds.map(system::way).collect();
    let text = ways.into_iter().collect::<Vec<_>>().join("; ") + ".";
    let suspects = databases.iter().flat_map(|database| database.suspects());
    for_any("Restore system databases", text, !databases.is_empty(), suspects)
}

/// Where a server may have written what is wrong, a backup of it has the same.
fn confirm(databases: &[DatabaseLoss<'_>]) -> Option<Step> {
    let has = |database: &&DatabaseLoss<'_>| confirmed(database).next().is_some();
    let text = format!(
        "{}: pages that pass their checks and contradict themselves or others. If a server wrote \
         them so, its backups have the same, and page restore brings it back. Restore the newest \
         backup beside, under another name, run DBCC CHECKDB there WITH NO_INFOMSGS, \
         ALL_ERRORMSGS, and pagescrub check on older backups. What it confirms: restore from \
         before it came, or copy what can be read into a new table and put that in its place. \
         REPAIR_ALLOW_DATA_LOSS is the last resort.",
        called(databases.iter().filter(has))
    );
    step("Have CHECKDB confirm what is inconsistent", text)
        .for_these(databases.iter().flat_map(confirmed))
}

fn confirmed<'a>(database: &DatabaseLoss<'a>) -> impl Iterator<Item = &'a Suspect> {
    database.suspects().filter(|suspect| Remedy::of(suspect) == Remedy::Confirm)
}

/// A step that is there if `is_needed`, be there suspects or not: of a file of which nothing is
/// left there are none.
fn for_any<'a>(
    title: &'static str,
    text: String,
    is_needed: bool,
    suspects: impl Iterator<Item = &'a Suspect>,
) -> Option<Step> {
    let step = step(title, text);
    is_needed.then(|| step.clone().for_these(suspects).unwrap_or(step))
}

/// Under SIMPLE there is no group and no mirror.
fn other_replicas(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let is_touched = |database: &&&DatabaseLoss<'_>| {
        let is_made_again = |suspect| Remedy::of(suspect) == Remedy::Rebuild;
        let is_damaged = database.needs_restore() || database.suspects().any(is_made_again);
        database.model != Model::Simple && is_damaged
    };
    let names = called(databases.iter().filter(is_touched).copied());
    (!names.is_empty()).then(|| {
        let mut text = format!(
            "{names}: only if in an availability group or mirrored, where RESTORE is refused (Msg \
             3104). A read of a damaged page fetches it from a synchronized partner, but for pages \
             0 and 9 and GAM, SGAM and PFS pages. A secondary is mended by its primary, or taken \
             out of the group and seeded anew, never restored; from a damaged primary, fail over \
             to a sound secondary, or take it out of the group to restore it."
        );
        if databases.iter().any(|database| database.suspects().any(Suspect::passes_its_check)) {
            text += " Pages that pass their own checks, older than their copies, of another \
                     object or inconsistent, are fetched by no read: no server notices them.";
        }
        step("Ask the other replicas first", text)
    })
}

fn whole(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let parts = databases.iter().flat_map(|database| whole_parts(database));
    let (parts, suspects): (Vec<_>, Vec<_>) = parts.unzip();
    let is_needed = !parts.is_empty();
    let mut text = format!("{}.", named(parts.into_iter()));
    let concerned = || databases.iter().filter(|database| !whole_parts(database).is_empty());
    if concerned().any(|database| database.model != Model::Simple) {
        text += " Under FULL: the tail WITH NORECOVERY, full backup, differential, logs, and the \
                 tail last; pages of other files of the same database in the same sequence.";
    }
    if concerned().any(|database| database.model != Model::Logged) {
        text += " Under SIMPLE: beside the damaged one, which has the newest rows.";
    }
    if concerned().any(|database| is_online(database)) {
        text += " Enterprise edition, database open: a secondary filegroup ONLINE (way F), the \
                 rest stays in use.";
    }
    if concerned().any(|d| d.whole_files().any(|(_, why)| why == Why::ExtentMap)) {
        text += " DIFF and ML maps: page restore is not excluded by the documentation; try it ON A \
                 COPY FIRST (way M).";
    }
    let lost = named(concerned().flat_map(|database| database.lost_files()).map(FileLoss::called));
    if !lost.is_empty() {
        text += &format!(" Nothing is left of {lost}: to another path (MOVE), not over it.");
    }
    for_any(
        "Restore files or databases as a whole",
        text,
        is_needed,
        suspects.into_iter().flatten(),
    )
}

/// Files of `database` are restored, and while that lasts the rest of it can be in use.
pub(super) fn is_online(database: &DatabaseLoss<'_>) -> bool {
    database.model != Model::Simple
        && !database.is_whole()
        && database.whole_files().next().is_some()
        && is_secondary(database)
}

/// What of `database` is restored as a whole, in words, and the suspects in it.
fn whole_parts<'a>(database: &DatabaseLoss<'a>) -> Vec<(String, Vec<&'a Suspect>)> {
    let name = database.called();
    if database.is_whole() {
        let why = if database.has_log() { "its log is damaged" } else { "SIMPLE" };
        // Under SIMPLE, indexes can be made again where they are.
        let is_lost = |suspect: &&Suspect| {
            database.has_log() || matches!(Remedy::of(suspect), Remedy::File | Remedy::Page)
        };
        let lost = database.suspects().filter(is_lost).collect();
        return vec![(format!("database {name} ({why})"), lost)];
    }
    let part = |(loss, why): (&FileLoss<'a>, Why)| {
        (format!("file {} of {name} ({})", loss.file_id, why.text()), loss.suspects.clone())
    };
    database.whole_files().map(part).collect()
}

fn pages(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let has_pages = |database: &&&DatabaseLoss<'_>| {
        let mut losses = database.files_by_page();
        !database.is_whole() && losses.any(|loss| !loss.with(&[Remedy::Page]).is_empty())
    };
    let by_page: Vec<_> = databases.iter().filter(has_pages).collect();
    let losses = by_page.iter().flat_map(|database| database.files_by_page());
    let suspects: Vec<_> = losses.flat_map(|loss| loss.with(&[Remedy::Page])).collect();
    let text = format!(
        "{}: RESTORE DATABASE ... PAGE from the full backup, differential, all logs, then a new \
         log backup (FULL only; at most 1,000 pages of a file in one sequence, those of indexes \
         counted; online in Enterprise edition; --format tsql writes it).",
        called(by_page.iter().map(|database| **database))
    );
    step("Restore single pages", text).for_these(suspects.into_iter())
}

fn indexes(databases: &[&DatabaseLoss<'_>]) -> Option<Step> {
    let own = databases.iter().filter(|database| !database.has_log());
    let losses = own.flat_map(|database| database.files_by_page());
    let suspects: Vec<_> = losses.flat_map(|loss| loss.with(&[Remedy::Rebuild])).collect();
    let object = |suspect: &&Suspect| {
        let database =
            suspect.database.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        suspect.object.as_ref().map(|object| database + object)
    };
    let text = format!(
        "{}: DBCC CHECKTABLE first, and mend the table; script the index (unique? foreign keys?) \
         and stop writers. Then DROP and CREATE it in one transaction, or ALTER INDEX ... DISABLE \
         and REBUILD, and afterwards the foreign keys that this disabled (WITH CHECK CHECK \
         CONSTRAINT). Never DISABLE a clustered index: the table becomes inaccessible. In doubt, \
         restore its pages.",
        named(suspects.iter().filter_map(object))
    );
    step("Make indexes again", text).for_these(suspects.into_iter())
}
