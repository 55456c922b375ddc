//! What tells files of a report apart, and what is said of all its backups together.

use super::{FileReport, ScrubReport, Suspect};
use crate::consolidate::backup::BackupReport;
use crate::diagnose::cause::Cause;
use crate::discover::FileKind;

impl ScrubReport {
    /// The backup files among [`Self::files`], each with what is said of it.
    pub fn backups(&self) -> impl Iterator<Item = (&FileReport, &BackupReport)> {
        self.files.iter().filter_map(|file| Some((file, file.backup.as_ref()?)))
    }

    /// What is damaged in backups, beside their pages.
    pub fn backup_faults(&self) -> u64 {
        self.backups().fold(0, |sum: u64, (_, backup)| sum.saturating_add(backup.fault_count()))
    }

    /// Data files of databases of which nothing is left: the machine, in a merged report, and path.
    pub fn lost_files(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.databases.iter().flat_map(|database| {
            let host = database.host.as_deref();
            database.lost_files().filter_map(move |file| Some((host, file.path.as_deref()?)))
        })
    }

    /// Something is damaged: pages, backups beside their pages, or whole files.
    pub fn has_damage(&self) -> bool {
        let has_lost_files = self.lost_files().next().is_some();
        self.coverage.suspect > 0 || self.backup_faults() > 0 || has_lost_files
    }

    /// Streams of backups that pass their checksums.
    pub fn verified_streams(&self) -> u64 {
        let verified = self.backups().map(|(_, backup)| backup.streams_verified);
        verified.fold(0, u64::saturating_add)
    }

    /// Records of compressed backups that pass their checksums.
    pub fn verified_records(&self) -> u64 {
        let verified = self.backups().map(|(_, backup)| backup.records_verified);
        verified.fold(0, u64::saturating_add)
    }

    /// Listed suspects that are in backups.
    pub fn suspects_in_backups(&self) -> impl Iterator<Item = &Suspect> {
        self.suspects.iter().filter(|suspect| suspect.is_in_backup())
    }

    /// All incidents, also those that are not listed.
    pub fn incident_count(&self) -> u64 {
        (self.incidents.len() as u64).saturating_add(self.incidents_not_listed)
    }
}

/// Tells entries of files apart: the machine that scanned it, the path, and of pages in a backup
/// the position of their backup set and their file id.
pub type FileKey<'a> = (Option<&'a str>, &'a str, Option<(u32, u16)>);

impl FileReport {
    /// It has pages that were to be verified: a data file, or one that is in a backup.
    pub fn has_pages(&self) -> bool {
        let can_have =
            matches!(self.kind, FileKind::Data | FileKind::Backup | FileKind::CompressedBackup);
        can_have && self.coverage.pages_planned > 0
    }

    /// A compressed backup whose records were verified, and what they unpack to was not.
    pub fn is_packed(&self) -> bool {
        let is_unread = self.backup.as_ref().is_some_and(|backup| backup.streams() == 0);
        self.kind == FileKind::CompressedBackup && is_unread
    }

    /// What tells it apart from all others.
    pub fn key(&self) -> FileKey<'_> {
        let part = self.backup_set.map(|position| (position, self.file_id.unwrap_or_default()));
        (self.host.as_deref(), &self.path, part)
    }
}

impl Suspect {
    /// [`FileReport::key`] of the file that it is in.
    pub fn file_key(&self) -> FileKey<'_> {
        let part = self.backup_set.map(|position| (position, self.file_id));
        (self.host.as_deref(), &self.path, part)
    }

    /// It is a part of content that has moved in its file.
    pub fn is_shifted(&self) -> bool {
        self.cause.as_deref() == Some(Cause::Shifted.name())
    }

    /// It passes its own check, so that no server notices: only what stands elsewhere shows it.
    pub fn passes_its_check(&self) -> bool {
        matches!(&*self.reason, "stale_page" | "wrong_object" | "inconsistent")
    }

    /// It breaks a rule of what pages say of each other (docs/check.md).
    pub fn is_inconsistent(&self) -> bool {
        self.reason == "inconsistent"
    }

    /// It is in a backup, which is a copy: no page of a database that a server uses.
    pub fn is_in_backup(&self) -> bool {
        self.backup_set.is_some()
    }
}
