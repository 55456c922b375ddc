//! What was seen of each database: its files, and the backup sets that bring it back. The unit of
//! truth is a page; the unit of the answer is a database.
//!
//! Everything follows from what a report lists of files, so that a merged report has it, too.

mod belonging;
mod copies;
mod forks;
mod group;
mod lost;
mod members;
pub mod restore;
pub mod sets;
mod way_back;

pub use way_back::is_secondary;

use super::recovery;
use super::report::database::{DatabaseFile, DatabaseReport, FileState, Restore, WayBack};
use super::report::{FileReport, Outcome, RunVerdict, ScrubReport};
use super::tally::Verified;
use group::Group;
use sets::{Medium, MediumState};
use std::cmp::Reverse;
use std::sync::Arc;

/// Fills in what follows from the files of `report`: its databases, the worst first, which clean
/// copies can be restored, and how each database is made good.
pub fn tell(report: &mut ScrubReport) {
    report.databases = databases(report);
    copies::mark(&mut report.suspects, &report.files);
    let told: Vec<_> = recovery::databases(report)
        .iter()
        .filter_map(|loss| Some((loss.index?, way_back::told(loss))))
        .collect();
    for (index, (suspects, suspects_with_copy, way_back)) in told {
        let Some(database) = report.databases.get_mut(index) else { continue };
        database.suspects = database.suspects.saturating_add(suspects);
        let with_copy = &mut database.suspects_with_copy;
        *with_copy = with_copy.saturating_add(suspects_with_copy);
        database.way_back = database.way_back.max(way_back);
    }
    report.databases.sort_by_key(|database| {
        Reverse((database.verdict, database.lost_files().count(), database.suspects))
    });
}

/// The databases of `report`, by verdict and name.
fn databases(report: &ScrubReport) -> Vec<DatabaseReport> {
    let groups = belonging::groups(&report.files);
    let mut databases: Vec<DatabaseReport> = groups.iter().map(database).collect();
    databases.sort_by(|a, b| {
        let key = |database: &DatabaseReport| {
            let path = database.files.iter().find_map(|file| file.path.clone());
            (Reverse(database.verdict), database.name.clone(), database.host.clone(), path)
        };
        key(a).cmp(&key(b))
    });
    databases
}

fn database(group: &Group<'_>) -> DatabaseReport {
    let newest = group.newest_set();
    let told = |text: &Arc<str>| (!text.is_empty()).then(|| Arc::clone(text));
    let restore = Restore::by(&group.sets);
    let files = members::files(group);
    let named = group.files.iter().find_map(|file| file.database.clone());
    let binding = group.files.iter().find_map(|file| file.binding_id.clone());
    DatabaseReport {
        host: group.host.map(Into::into),
        name: named.or_else(|| told(&newest?.set.database)),
        server: newest.and_then(|medium| told(&medium.set.server)),
        line: group.line(),
        binding_id: binding.or_else(|| Some(newest?.binding_id?.into())),
        simple_recovery: simple_recovery(group),
        verdict: verdict(group, &files, &restore),
        files,
        suspects: 0,
        suspects_with_copy: 0,
        way_back: WayBack::default(),
        backup_sets: group.sets.len() as u64,
        restore,
    }
}

fn simple_recovery(group: &Group<'_>) -> Option<bool> {
    let told = |medium: &&Medium<'_>| medium.simple_recovery.is_some();
    let newest = group.sets.iter().filter(told).max_by_key(|medium| medium.last_lsn);
    let by_files = group.files.iter().find_map(|file| file.simple_recovery);
    by_files.or_else(|| newest?.simple_recovery)
}

/// Damage of its files, then of its backups; then what was not seen of either.
fn verdict(group: &Group<'_>, files: &[DatabaseFile], restore: &Restore) -> RunVerdict {
    let is_damaged = files.iter().any(|file| file.state == FileState::Empty)
        || group.files.iter().any(|file| file.coverage.suspect > 0)
        || group.sets.iter().any(|medium| medium.state == MediumState::Damaged);
    let is_unseen = |file: &&FileReport| {
        let is_refused = file.outcome == Outcome::Refused && file.counts == Some(true);
        file.outcome == Outcome::Failed || is_refused || file.coverage.not_reached > 0
    };
    let is_incomplete = group.files.iter().any(is_unseen)
        || files.iter().any(|file| file.state == FileState::Refused)
        || group.sets.iter().any(|medium| !medium.is_sound())
        || restore.gap;
    let is_bare = |file: &&FileReport| file.verified == Some(Verified::Nothing);
    match () {
        () if is_damaged => RunVerdict::Damaged,
        () if is_incomplete => RunVerdict::Incomplete,
        () if !group.files.is_empty() && group.files.iter().all(is_bare) => RunVerdict::Unverified,
        () => RunVerdict::Clean,
    }
}

#[cfg(test)]
mod tests;
