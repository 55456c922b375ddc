//! What to do about damage in backups: a copy is damaged, and nothing is restored because of it. A
//! new backup is step one where the database was scanned and is sound; where it is damaged, it
//! would be a backup of the damage.

mod originals;

use super::step::{named, step};
use crate::consolidate::backup::BackupReport;
use crate::consolidate::clean_copy::CleanCopy;
use crate::consolidate::harm::{self, Harm};
use crate::consolidate::report::{FileReport, ScrubReport, Step, Suspect};
use originals::{Condition, Databases, Original, Originals};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Tells each suspect in a backup what that means.
pub(super) fn overrule(report: &mut ScrubReport) {
    let actions = actions(report);
    for (index, action) in actions {
        if let Some(suspect) = report.suspects.get_mut(index) {
            suspect.action = Cow::Borrowed(action);
        }
    }
}

fn actions(report: &ScrubReport) -> Vec<(usize, &'static str)> {
    let ScrubReport { suspects, files, .. } = report;
    let checksums = harm::checksums(files);
    let (originals, databases) = (Originals::of(suspects, files), Databases::of(report));
    let action = |suspect: &Suspect| {
        let key = (suspect.host.as_deref(), &*suspect.path);
        let set = suspect.backup_set.unwrap_or_default();
        let restore = match checksums.get(&(key, set)) {
            _ if suspect.is_inconsistent() => Restore::Inconsistent,
            _ if suspect.passes_its_check() => Restore::Passes,
            Some(true) => Restore::Stops,
            _ if is_curable(suspect) => Restore::MayCure,
            _ => Restore::Blind,
        };
        action(originals.of_page(suspect), databases.of_set(key, set), restore)
    };
    let in_backups = suspects.iter().enumerate().filter(|(_, suspect)| suspect.is_in_backup());
    in_backups.map(|(index, suspect)| (index, action(suspect))).collect()
}

/// Marks clean copies in backups that are damaged elsewhere.
pub(super) fn mark_copies(suspects: &mut [Suspect], files: &[FileReport]) {
    let damaged: BTreeSet<_> = harm::of_each(files, suspects).into_keys().collect();
    for Suspect { host, clean_copies, .. } in suspects {
        let is_damaged = |copy: &&mut CleanCopy| {
            copy.backup_set.is_some() && damaged.contains(&(host.as_deref(), &*copy.path))
        };
        clean_copies.iter_mut().filter(is_damaged).for_each(CleanCopy::mark_damaged_backup);
    }
}

/// What RESTORE makes of a damaged page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restore {
    /// It verifies the page.
    Stops,
    /// It does not.
    Blind,
    /// It does not, but the log that it applies may have the page.
    MayCure,
    /// The page passes that as well.
    Passes,
    /// The same, and its database may have it like that.
    Inconsistent,
}

fn is_curable(suspect: &Suspect) -> bool {
    matches!(&*suspect.reason, "bad_checksum" | "torn_page")
}

macro_rules! stops {
    ($($more:expr),+) => {
        concat!(
            "do not rely on this backup: RESTORE stops at this page with Msg 3183 \
             (CONTINUE_AFTER_ERROR is the last resort). Keep it and all older ones",
            $($more),+
        )
    };
}

macro_rules! blind {
    ($($more:expr),+) => {
        concat!(
            "do not rely on this backup: it was taken without CHECKSUM, so RESTORE and VERIFYONLY \
             will not notice: they restore the damaged page, and Msg 824 comes when it is first \
             read. Keep it and all older ones",
            $($more),+
        )
    };
}

macro_rules! passes {
    ($($more:expr),+) => {
        concat!(
            "do not rely on this backup: the page is not the last one that was written and passes \
             its own check, so RESTORE, VERIFYONLY and the server will not notice. Keep it and all \
             older ones",
            $($more),+
        )
    };
}

macro_rules! inconsistent {
    ($($more:expr),+) => {
        concat!(
            "do not rely on this backup: the page passes its own check and breaks a rule, so \
             RESTORE and VERIFYONLY will not notice; restore it under another name and have DBCC \
             CHECKDB confirm it. Keep it and all older ones",
            $($more),+
        )
    };
}

/// One of a few texts: there may be a million suspects.
fn action(original: Original, condition: Condition, restore: Restore) -> &'static str {
    macro_rules! each {
        ($($more:expr),+) => {
            match restore {
                Restore::Stops => stops!($($more),+),
                Restore::Blind => blind!($($more),+),
                Restore::Passes => passes!($($more),+),
                Restore::Inconsistent => inconsistent!($($more),+),
                Restore::MayCure => blind!(
                    $($more),+,
                    ". Without CHECKSUM, BACKUP verifies nothing that it reads: perhaps the page \
                     was being written then, and the log that RESTORE applies cures it"
                ),
            }
        };
    }
    macro_rules! sound {
        () => {
            ". The same page in the scanned data file is no suspect: restore nothing because of \
             this one"
        };
    }
    macro_rules! scan {
        () => {
            ", and scan the data files: the database itself may be sound; if it is, take a new \
             full backup WITH CHECKSUM at once"
        };
    }
    macro_rules! mend {
        () => {
            "; its database is damaged, so mend that before a new full backup is taken"
        };
    }
    match (original, condition) {
        (Original::Suspect, _) => each!(
            ": the same page in the scanned data file is suspect, too, so look for an older \
             backup. No new full backup before the database is mended, and then to another file"
        ),
        (Original::Sound, Condition::Sound) => {
            each!("; take a new full backup WITH CHECKSUM now", sound!())
        }
        (Original::Sound, Condition::Damaged) => each!(mend!(), sound!()),
        (Original::Sound, Condition::Unknown) => each!(scan!(), sound!()),
        (Original::Unknown, Condition::Damaged) => {
            each!(mend!(), "; scan the data files, of which this page is not known")
        }
        (Original::Unknown, _) => each!(scan!()),
    }
}

/// What to do about damaged backups, each at its place in the plan.
#[derive(Default)]
pub(super) struct Steps {
    /// New backups of databases that are sound.
    pub(super) now: Option<Step>,
    /// What must not be relied on.
    pub(super) keep: Option<Step>,
    /// Databases of which nobody knows.
    pub(super) look: Option<Step>,
    /// New backups of databases that are to be mended first.
    pub(super) mended: Option<Step>,
}

/// Nothing if no backup is damaged.
pub(super) fn steps(report: &ScrubReport) -> Steps {
    let damaged = damaged(report);
    if damaged.is_empty() {
        return Steps::default();
    }
    let text = format!(
        "{}. {}Delete none of them, and none that is older. Differential and log backups that \
         follow a damaged one need it, or an older one that is sound.",
        named(damaged.iter().map(|file| called(file))),
        Harm::of(report).words()
    );
    let keep = step("Do not rely on the damaged backups", text);
    let keep = keep.clone().for_these(report.suspects_in_backups()).unwrap_or(keep);
    let mut names: BTreeMap<Condition, Vec<String>> = BTreeMap::new();
    let databases = Databases::of(report);
    for (condition, name) in damaged.iter().flat_map(|file| of_file(file, &databases)) {
        names.entry(condition).or_default().push(name);
    }
    let mut of = |condition| names.remove(&condition).map(|names| named(names.into_iter()));
    Steps {
        now: of(Condition::Sound).as_deref().map(take_now),
        keep: Some(keep),
        look: of(Condition::Unknown).as_deref().map(look_first),
        mended: of(Condition::Damaged).as_deref().map(take_when_mended),
    }
}

fn take_now(names: &str) -> Step {
    let text = format!(
        "{names}: full, WITH CHECKSUM, to storage that has not failed; then RESTORE VERIFYONLY \
         WITH CHECKSUM, and a scan of the new backup. The data files were scanned and are sound, \
         and of their backups some are not."
    );
    step("Take a new full backup now", text)
}

fn look_first(names: &str) -> Step {
    let text = format!(
        "{names}: damage in a backup is damage of the database only if it is there as well. If \
         the data files are sound, take a new full backup at once: WITH CHECKSUM, to storage that \
         has not failed; then RESTORE VERIFYONLY WITH CHECKSUM, and a scan of it. If they are not, \
         mend the database before that."
    );
    step("Scan the data files of these backups", text)
}

fn take_when_mended(names: &str) -> Step {
    let text = format!(
        "{names}, whose backups are damaged: not before the database is mended and CHECKDB finds \
         nothing; full, WITH CHECKSUM, to storage that has not failed, and not over an older one; \
         then RESTORE VERIFYONLY WITH CHECKSUM, and a scan of it."
    );
    step("Take a new full backup of what is mended", text)
}

/// Backup files with faults, or with suspects.
fn damaged(report: &ScrubReport) -> Vec<&FileReport> {
    let parts = report.files.iter().filter(|file| file.backup_set.is_some());
    let bad = parts.filter(|file| file.coverage.suspect > 0);
    let bad: BTreeSet<_> = bad.map(|file| (file.host.as_deref(), &*file.path)).collect();
    let is_bad = |(file, backup): &(&FileReport, &BackupReport)| {
        backup.fault_count() > 0 || bad.contains(&(file.host.as_deref(), &*file.path))
    };
    report.backups().filter(is_bad).map(|(file, _)| file).collect()
}

fn called(file: &FileReport) -> String {
    file.host.as_ref().map_or_else(|| file.path.to_string(), |host| format!("{host}:{}", file.path))
}

/// The databases that a backup file is of, by its own words, each with what is known of it.
fn of_file(file: &FileReport, databases: &Databases<'_>) -> Vec<(Condition, String)> {
    let key = (file.host.as_deref(), &*file.path);
    let sets = file.backup.iter().flat_map(|backup| &backup.sets);
    let names: BTreeSet<(Condition, &str)> = sets
        .filter(|set| !set.database.is_empty())
        .map(|set| (databases.of_set(key, set.position), &*set.database))
        .collect();
    if names.is_empty() {
        return vec![(Condition::Unknown, format!("the database of {}", called(file)))];
    }
    names.into_iter().map(|(condition, name)| (condition, name.to_owned())).collect()
}
