//! What a scan was to verify and did not: any of it makes a run incomplete.

use super::backup::BackupReport;
use super::report::database::DatabaseReport;
use super::report::{FileReport, Outcome, RunVerdict, ScrubReport};
use super::tally::PERCENT_NOT_ALL;
use std::collections::BTreeSet;

/// What was not verified.
#[derive(Debug)]
pub struct Gaps<'a> {
    /// Planned pages that were not reached.
    pub pages: u64,
    /// Files that could not be opened, or not be read to their end.
    pub failed: Vec<&'a FileReport>,
    /// Files that were declined and that the run is incomplete without.
    pub refused: Vec<&'a FileReport>,
    /// Backups that have gaps of their own.
    pub backups: Vec<(&'a FileReport, &'a BackupReport)>,
    /// Databases of which newer backup sets are there than can be reached.
    pub chains: Vec<&'a DatabaseReport>,
    /// Databases with data files that are not in this scan, if that counts.
    pub databases: Vec<&'a DatabaseReport>,
    /// No file was scanned.
    pub is_nothing_scanned: bool,
}

impl<'a> Gaps<'a> {
    /// Those of `report`. One of an earlier version does not say which refused files count: where
    /// it is not clean, all of them may.
    pub fn of(report: &'a ScrubReport) -> Self {
        Self::if_unsaid(report, report.verdict != RunVerdict::Clean)
    }

    /// The same, if what is not said to count does, or does not.
    pub(super) fn if_unsaid(report: &'a ScrubReport, counts: bool) -> Self {
        let files = || report.files.iter();
        let databases = || report.databases.iter();
        let lost: BTreeSet<(Option<&str>, &str)> = report.lost_files().collect();
        // What is known to be lost is damage.
        let is_missed = |file: &&FileReport| {
            let is_refused = file.outcome == Outcome::Refused && file.counts.unwrap_or(counts);
            is_refused && !lost.contains(&(file.host.as_deref(), &*file.path))
        };
        let lacks_files = |database: &&DatabaseReport| {
            report.run.whole_databases && database.missing_files().next().is_some()
        };
        Self {
            pages: report.coverage.not_reached,
            failed: files().filter(|file| file.outcome == Outcome::Failed).collect(),
            refused: files().filter(is_missed).collect(),
            backups: report.backups().filter(|(_, backup)| backup.is_incomplete()).collect(),
            chains: databases().filter(|database| database.restore.gap).collect(),
            databases: databases().filter(lacks_files).collect(),
            is_nothing_scanned: !files().any(|file| file.outcome == Outcome::Scanned),
        }
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        let Self { pages, failed, refused, backups, chains, databases, is_nothing_scanned } = self;
        let is_all_read = *pages == 0 && failed.is_empty() && backups.is_empty();
        let is_all_read = is_all_read && chains.is_empty() && databases.is_empty();
        is_all_read && refused.is_empty() && !is_nothing_scanned
    }

    /// Members of striped backups that are not there.
    pub fn missing_members(&self) -> u64 {
        let missing = self.backups.iter().flat_map(|(file, backup)| {
            let set = backup.media_set.as_ref().unwrap_or(&file.path);
            backup.missing_members.iter().map(move |member| (&file.host, set, member))
        });
        missing.collect::<BTreeSet<_>>().len() as u64
    }
}

impl ScrubReport {
    /// The share of pages with a verdict; never 100 if something was missed of which nobody knows
    /// how many pages it has. Of log backups, which have no pages, all was read.
    pub fn coverage_percent(&self) -> f64 {
        let is_all_read = matches!(self.verdict, RunVerdict::Clean | RunVerdict::Unverified);
        match self.coverage.pages_planned {
            0 if is_all_read => 100.0,
            _ if self.verdict != RunVerdict::Incomplete && Gaps::of(self).is_empty() => {
                self.coverage.percent()
            }
            _ => self.coverage.percent().min(PERCENT_NOT_ALL),
        }
    }
}
