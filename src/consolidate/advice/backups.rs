//! What to do about damage in backups: a copy is damaged, and nothing is restored because of it.

use super::plan::{named, step};
use crate::consolidate::backup::BackupReport;
use crate::consolidate::clean_copy::CleanCopy;
use crate::consolidate::database::{DatabaseFile, FileState};
use crate::consolidate::harm::{self, Harm};
use crate::consolidate::report::{FileKey, FileReport, Outcome, ScrubReport, Step, Suspect};
use crate::discover::FileKind;
use crate::page::address::PageRange;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the same page in a data file of the same database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Original {
    /// That file was not scanned, or not there.
    Unknown,
    /// It was scanned, and this page is no suspect.
    Sound,
    /// It is suspect there, too.
    Suspect,
}

/// Tells each suspect in a backup what that means.
pub(super) fn overrule(suspects: &mut [Suspect], files: &[FileReport]) {
    let checksums = harm::checksums(files);
    let originals = Originals::of(suspects, files);
    let action = |suspect: &Suspect| {
        let key = (suspect.host.as_deref(), &*suspect.path);
        let set = suspect.backup_set.unwrap_or_default();
        let restore = match checksums.get(&(key, set)) {
            Some(true) => Restore::Stops,
            _ if is_curable(suspect) => Restore::MayCure,
            _ => Restore::Blind,
        };
        action(originals.of_page(suspect), restore)
    };
    let actions: Vec<(usize, &'static str)> = suspects
        .iter()
        .enumerate()
        .filter(|(_, suspect)| suspect.is_in_backup())
        .map(|(index, suspect)| (index, action(suspect)))
        .collect();
    for (index, action) in actions {
        if let Some(suspect) = suspects.get_mut(index) {
            suspect.action = Cow::Borrowed(action);
        }
    }
}

/// Marks clean copies in backups that are damaged elsewhere.
pub(super) fn mark_copies(suspects: &mut [Suspect], files: &[FileReport]) {
    let damaged = harm::of_each(files);
    for Suspect { host, clean_copies, .. } in suspects {
        let is_damaged = |copy: &&mut CleanCopy| {
            copy.backup_set.is_some() && damaged.contains_key(&(host.as_deref(), &*copy.path))
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
}

fn is_curable(suspect: &Suspect) -> bool {
    matches!(&*suspect.reason, "bad_checksum" | "torn_page")
}

macro_rules! stops {
    ($more:expr) => {
        concat!(
            "do not rely on this backup: RESTORE stops at this page with Msg 3183 \
             (CONTINUE_AFTER_ERROR is the last resort). Keep it and all older ones; take a new \
             full backup WITH CHECKSUM now",
            $more
        )
    };
}

macro_rules! blind {
    ($($more:expr),+) => {
        concat!(
            "do not rely on this backup: it was taken without CHECKSUM, so RESTORE and VERIFYONLY \
             will not notice: they restore the damaged page, and Msg 824 comes when it is first \
             read. Keep it and all older ones; take a new full backup WITH CHECKSUM now",
            $($more),+
        )
    };
}

/// One of a few texts: there may be a million suspects.
fn action(original: Original, restore: Restore) -> &'static str {
    macro_rules! perhaps_cured {
        ($original:expr) => {
            blind!(
                $original,
                ". Without CHECKSUM, BACKUP verifies nothing that it reads: perhaps the page was \
                 being written then, and the log that RESTORE applies cures it"
            )
        };
    }
    macro_rules! unknown {
        () => {
            ", and scan the data files: the database itself may be sound"
        };
    }
    macro_rules! sound {
        () => {
            ". The same page in the scanned data file is no suspect: restore nothing because of \
             this one"
        };
    }
    macro_rules! suspect {
        () => {
            ", to another file, once the database is mended: the same page in the scanned data \
             file is suspect, too, so look for an older backup"
        };
    }
    match (original, restore) {
        (Original::Unknown, Restore::Stops) => stops!(unknown!()),
        (Original::Unknown, Restore::Blind) => blind!(unknown!()),
        (Original::Unknown, Restore::MayCure) => perhaps_cured!(unknown!()),
        (Original::Sound, Restore::Stops) => stops!(sound!()),
        (Original::Sound, Restore::Blind) => blind!(sound!()),
        (Original::Sound, Restore::MayCure) => perhaps_cured!(sound!()),
        (Original::Suspect, Restore::Stops) => stops!(suspect!()),
        (Original::Suspect, Restore::Blind) => blind!(suspect!()),
        (Original::Suspect, Restore::MayCure) => perhaps_cured!(suspect!()),
    }
}

/// A data file by its machine, what the files of its database share, and its id.
type Seat<'a> = (Option<&'a str>, &'a str, u16);

fn seat(file: &FileReport) -> Option<Seat<'_>> {
    Some((file.host.as_deref(), file.binding_id.as_deref()?, file.file_id?))
}

/// The data files of which there are pages in backups.
struct Originals<'a> {
    seats: BTreeMap<FileKey<'a>, Seat<'a>>,
    files: BTreeMap<Seat<'a>, Vec<&'a FileReport>>,
    suspects: BTreeMap<FileKey<'a>, BTreeSet<u32>>,
}

impl<'a> Originals<'a> {
    fn of(suspects: &'a [Suspect], reports: &'a [FileReport]) -> Self {
        let parts = reports.iter().filter(|file| file.backup_set.is_some());
        let seats = parts.filter_map(|file| Some((file.key(), seat(file)?)));
        let seats: BTreeMap<_, _> = seats.collect();
        let mut files: BTreeMap<Seat<'_>, Vec<&FileReport>> = BTreeMap::new();
        let is_data = |file: &&FileReport| file.kind == FileKind::Data && file.has_pages();
        for file in reports.iter().filter(is_data) {
            if let Some(seat) = seat(file) {
                files.entry(seat).or_default().push(file);
            }
        }
        let mut own: BTreeMap<FileKey<'_>, BTreeSet<u32>> = BTreeMap::new();
        for suspect in suspects.iter().filter(|suspect| !suspect.is_in_backup()) {
            own.entry(suspect.file_key()).or_default().insert(suspect.page_id);
        }
        Self { seats, files, suspects: own }
    }

    /// What is known of the page of `suspect`, which is in a backup.
    fn of_page(&self, suspect: &Suspect) -> Original {
        let seat = self.seats.get(&suspect.file_key());
        let files = seat.and_then(|seat| self.files.get(seat));
        let told = files.into_iter().flatten().map(|file| self.in_file(file, suspect.page_id));
        // Of several copies nobody knows which one the server uses: the worst that one says.
        told.max_by_key(|original| match original {
            Original::Sound => 0,
            Original::Unknown => 1,
            Original::Suspect => 2,
        })
        .unwrap_or(Original::Unknown)
    }

    fn in_file(&self, file: &FileReport, page: u32) -> Original {
        let listed = self.suspects.get(&file.key());
        let count = listed.map_or(0, |pages| pages.len() as u64);
        let is_in = |range: &PageRange| {
            range.first.0 <= page
                && u64::from(page) < u64::from(range.first.0) + u64::from(range.pages)
        };
        let is_reached = file.coverage.not_reached == 0
            || file.not_reached_ranges.as_ref().is_some_and(|ranges| !ranges.iter().any(is_in));
        match () {
            () if listed.is_some_and(|pages| pages.contains(&page)) => Original::Suspect,
            () if file.outcome != Outcome::Scanned || !is_reached => Original::Unknown,
            () if u64::from(page) >= file.pages || count < file.coverage.suspect => {
                Original::Unknown
            }
            () => Original::Sound,
        }
    }
}

/// What to do about damaged backups, and the new backup that is needed; none if none is damaged.
pub(super) fn steps(report: &ScrubReport) -> (Option<Step>, Option<Step>) {
    let damaged = damaged(report);
    if damaged.is_empty() {
        return (None, None);
    }
    let text = format!(
        "{}. {}Delete none of them, and none that is older. Differential and log backups that \
         follow a damaged one need it, or an older one that is sound.",
        named(damaged.iter().map(|file| called(file))),
        Harm::of(report).words()
    );
    let suspects = report.suspects_in_backups();
    let keep = step("Do not rely on the damaged backups", text);
    let keep = keep.clone().for_these(suspects).unwrap_or(keep);
    let text = format!(
        "{}: full, WITH CHECKSUM, to storage that has not failed; then RESTORE VERIFYONLY WITH \
         CHECKSUM, and a scan of the new backup. Scan the data files, too: damage in a backup is \
         damage of the database only if it is there as well.",
        named(damaged.iter().flat_map(|file| databases(file)))
    );
    (Some(keep), Some(step("Take a new full backup now", text)))
}

/// Of all databases with damaged backups the data files were scanned as well, and found sound.
pub(super) fn are_originals_sound(report: &ScrubReport) -> bool {
    let is_seen = |file: &DatabaseFile| file.kind == "log" || file.state == FileState::Scanned;
    let mut with_backups = report.databases.iter().filter(|database| database.backup_sets > 0);
    with_backups.all(|database| database.files.iter().all(is_seen))
        && report.suspects.iter().all(Suspect::is_in_backup)
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

/// The databases that a backup file is of, by its own words.
fn databases(file: &FileReport) -> Vec<String> {
    let sets = file.backup.iter().flat_map(|backup| &backup.sets);
    let names: BTreeSet<&str> =
        sets.map(|set| &*set.database).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return vec![format!("the database of {}", called(file))];
    }
    names.into_iter().map(str::to_owned).collect()
}
