//! What is known of that which damaged backups are copies of.

use crate::consolidate::harm::BackupKey;
use crate::consolidate::report::database::{DatabaseReport, FileState};
use crate::consolidate::report::{FileKey, FileReport, Outcome, ScrubReport, Suspect};
use crate::consolidate::tally::Verified;
use crate::discover::FileKind;
use crate::page::address::PageRange;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the same page in a data file of the same database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Original {
    /// That file was not scanned, or not there.
    Unknown,
    /// It was scanned, and this page is no suspect.
    Sound,
    /// It is suspect there, too.
    Suspect,
}

/// What is known of the database of a backup set; of several that it may be of, the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// All its data files were scanned, and nothing in them is damaged.
    Sound,
    /// Not all of them were scanned.
    Unknown,
    /// Something in them is damaged.
    Damaged,
}

/// The databases of backup sets.
pub(super) struct Databases<'a>(BTreeMap<(BackupKey<'a>, u32), Condition>);

impl<'a> Databases<'a> {
    pub(super) fn of(report: &'a ScrubReport) -> Self {
        let files = report.files.iter().map(|file| ((file.host.as_deref(), &*file.path), file));
        let files: BTreeMap<BackupKey<'_>, &FileReport> = files.collect();
        let known = report.databases.iter().map(|database| (database, condition(database, &files)));
        let known: Vec<(&DatabaseReport, Condition)> = known.collect();
        let sets = report.backups().flat_map(|(file, backup)| {
            let host = file.host.as_deref();
            backup.sets.iter().map(move |set| (host, &*file.path, set))
        });
        let told = sets.map(|(host, path, set)| {
            let is_named = |database: &DatabaseReport| {
                database.name.as_deref().is_some_and(|name| name == &*set.database)
            };
            let is_its = |(database, _): &&(&DatabaseReport, Condition)| {
                let bindings = database.binding_id.as_ref().zip(set.binding_id.as_ref());
                database.host.as_deref() == host
                    && bindings.map_or_else(|| is_named(database), |(a, b)| a == b)
            };
            let worst = known.iter().filter(is_its).map(|(_, condition)| *condition).max();
            (((host, path), set.position), worst.unwrap_or(Condition::Unknown))
        });
        Self(told.collect())
    }

    /// Of the set at `position` of the backup `key`.
    pub(super) fn of_set(&self, key: BackupKey<'_>, position: u32) -> Condition {
        self.0.get(&(key, position)).copied().unwrap_or(Condition::Unknown)
    }
}

fn condition(database: &DatabaseReport, files: &BTreeMap<BackupKey<'_>, &FileReport>) -> Condition {
    let host = database.host.as_deref();
    let of = |path: &str| files.get(&(host, path)).copied();
    let own = || database.data_files().map(|file| (file, file.path.as_deref().and_then(of)));
    let is_damaged = own().any(|(_, file)| file.is_some_and(|file| file.coverage.suspect > 0));
    let is_lost = own().any(|(file, _)| file.state == FileState::Empty);
    let is_verified = |file: &FileReport| {
        file.coverage.not_reached == 0 && file.verified != Some(Verified::Nothing)
    };
    let is_scanned = own()
        .all(|(file, report)| file.state == FileState::Scanned && report.is_some_and(is_verified));
    match () {
        () if is_damaged || is_lost || database.suspects > 0 => Condition::Damaged,
        () if is_scanned && own().next().is_some() => Condition::Sound,
        () => Condition::Unknown,
    }
}

/// A data file by its machine, what the files of its database share, and its id.
type Seat<'a> = (Option<&'a str>, &'a str, u16);

fn seat(file: &FileReport) -> Option<Seat<'_>> {
    Some((file.host.as_deref(), file.binding_id.as_deref()?, file.file_id?))
}

/// The data files of which there are pages in backups.
pub(super) struct Originals<'a> {
    seats: BTreeMap<FileKey<'a>, Seat<'a>>,
    files: BTreeMap<Seat<'a>, Vec<&'a FileReport>>,
    suspects: BTreeMap<FileKey<'a>, BTreeSet<u32>>,
}

impl<'a> Originals<'a> {
    pub(super) fn of(suspects: &'a [Suspect], reports: &'a [FileReport]) -> Self {
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
    pub(super) fn of_page(&self, suspect: &Suspect) -> Original {
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
