//! What the verdict does not cover, and what could be read and not be verified.

use super::databases::{cut_words, missing_words};
use super::names::{Names, listed};
use crate::consolidate::backup::BackupReport;
use crate::consolidate::gaps::Gaps;
use crate::consolidate::report::database::{DatabaseReport, Restore};
use crate::consolidate::report::{FileReport, RunVerdict, ScrubReport};
use crate::consolidate::verified::{Unit, units};
use crate::report::escape::terminal as safe;
use crate::report::terminal::layout::counted;

/// What is remarkable, and of what; the latter may be empty.
pub(in crate::report) struct Remark {
    /// `2 files refused`.
    pub(in crate::report) what: String,
    /// `a.mdf, b.mdf`.
    pub(in crate::report) text: String,
}

impl Remark {
    /// `2 files refused: a.mdf, b.mdf`.
    pub(in crate::report) fn words(&self) -> String {
        let Self { what, text } = self;
        if text.is_empty() { what.clone() } else { format!("{what}: {text}") }
    }
}

/// What was to be verified and was not.
pub(in crate::report) fn missed(report: &ScrubReport) -> Vec<Remark> {
    let gaps = Gaps::of(report);
    if gaps.is_empty() {
        return Vec::new();
    }
    let names = Names::of(report);
    let name = |file: &&FileReport| names.file(file.host.as_deref(), &file.path);
    let of_files = |files: &[&FileReport], what: &str| {
        let many = Some(files.len() as u64).filter(|n| *n > 0)?;
        let what = format!("{} {what}", counted(many, "file"));
        Some(Remark { what, text: listed(files.iter().map(name)) })
    };
    let remarks = [
        pages(report),
        of_files(&gaps.failed, "not read, or not to the end"),
        of_files(&gaps.refused, "refused"),
        backups(&gaps, &names),
        cut(report, &names),
        chains(&gaps, &names),
        without_files(&gaps, &names),
    ];
    let remarks: Vec<Remark> = remarks.into_iter().flatten().collect();
    let is_all = remarks.is_empty() && gaps.is_nothing_scanned;
    let nothing = || Remark { what: "no file was scanned".to_owned(), text: String::new() };
    remarks.into_iter().chain(is_all.then(nothing)).collect()
}

fn pages(report: &ScrubReport) -> Option<Remark> {
    let many = Some(report.coverage.not_reached).filter(|pages| *pages > 0)?;
    let percent = report.coverage_percent();
    let what = format!("{} not reached ({percent:.3} % was reached)", counted(many, "page"));
    Some(Remark { what, text: "may be damaged too".to_owned() })
}

/// `1 file cut short: a.mdf (448 of 512 pages are there)`; of damaged databases that is a loss.
fn cut(report: &ScrubReport, names: &Names<'_>) -> Option<Remark> {
    let undamaged = report.databases.iter().filter(|d| d.verdict != RunVerdict::Damaged);
    let files: Vec<String> = undamaged.flat_map(|database| cut_words(database, names)).collect();
    let many = Some(files.len() as u64).filter(|n| *n > 0)?;
    let what = format!("{} cut short", counted(many, "file"));
    Some(Remark { what, text: listed(files.into_iter()) })
}

/// `1 database without all of its data files: sales (1 of 2: file 3, sales_2.ndf)`.
fn without_files(gaps: &Gaps<'_>, names: &Names<'_>) -> Option<Remark> {
    let many = Some(gaps.databases.len() as u64).filter(|n| *n > 0)?;
    let words = gaps.databases.iter().filter_map(|database| missing_words(database, names));
    let text = listed(words.collect::<Vec<_>>().into_iter());
    let what = format!("{} without all of its data files", counted(many, "database"));
    Some(Remark { what, text })
}

/// `1 incomplete backup: sales.bak (without member 2 of 3)`.
fn backups(gaps: &Gaps<'_>, names: &Names<'_>) -> Option<Remark> {
    let many = Some(gaps.backups.len() as u64).filter(|n| *n > 0)?;
    let words = gaps.backups.iter().map(|(file, backup)| {
        let name = names.file(file.host.as_deref(), &file.path);
        missing(backup).map_or_else(|| name.clone(), |missing| format!("{name} ({missing})"))
    });
    Some(Remark { what: counted(many, "incomplete backup"), text: listed(words) })
}

/// `1 database with newer backups that cannot be reached: sales comes back to 2026-11-28 23:00:00`.
fn chains(gaps: &Gaps<'_>, names: &Names<'_>) -> Option<Remark> {
    let many = Some(gaps.chains.len() as u64).filter(|n| *n > 0)?;
    let what = format!("{} with newer backups that cannot be reached", counted(many, "database"));
    Some(Remark { what, text: listed(gaps.chains.iter().map(|database| reached(database, names))) })
}

fn reached(database: &DatabaseReport, names: &Names<'_>) -> String {
    let Restore { reachable_to, reachable_to_lsn, gap_log, .. } = &database.restore;
    let name = names.database(database);
    let to = reachable_to.as_ref().map(|at| format!(" to {}", at.replacen('T', " ", 1)));
    let lsn = reachable_to_lsn.map(|lsn| format!(", LSN {lsn}")).unwrap_or_default();
    let log = gap_log.map(|gap| format!("; log {} to {} is missing", gap.first_lsn, gap.end_lsn));
    let [to, log] = [to, log].map(Option::unwrap_or_default);
    format!("{name} comes back{}{lsn}{log}", safe(&to))
}

fn missing(backup: &BackupReport) -> Option<String> {
    let members = backup.missing_members.iter().map(ToString::to_string);
    let members = listed(members);
    (!members.is_empty()).then(|| format!("without member {members} of {}", backup.members))
}

/// Of what nothing could be verified although it was read whole.
pub(in crate::report) fn unverified(report: &ScrubReport) -> Option<Remark> {
    let units: Vec<Unit<'_>> = units(&report.files).filter(Unit::is_unverified).collect();
    let sets = units.iter().filter(|unit| unit.set.is_some()).count() as u64;
    let what = match (units.len() as u64 - sets, sets) {
        (0, 0) => return None,
        (databases, 0) => counted(databases, "database"),
        (0, sets) => counted(sets, "backup set"),
        (databases, sets) => {
            format!("{} and {}", counted(databases, "database"), counted(sets, "backup set"))
        }
    };
    let names = Names::of(report);
    let why = "no page in use carries a checksum or torn bits; DBCC CHECKDB can tell";
    let text = format!("{}: {why}", listed(units.iter().map(|unit| unit_name(unit, &names))));
    Some(Remark { what: format!("{what} could not be verified"), text })
}

/// Which log backups are known to be whole by their structure only.
pub(in crate::report) fn structure_only(report: &ScrubReport) -> Option<Remark> {
    let units: Vec<Unit<'_>> = units(&report.files).filter(Unit::is_structure_only).collect();
    let many = Some(units.len() as u64).filter(|n| *n > 0)?;
    let names = Names::of(report);
    let name = |unit: &Unit<'_>| {
        let name = names.file(unit.file.host.as_deref(), &unit.file.path);
        let position = unit.set.map_or(0, |set| set.position);
        if position > 1 { format!("{name} (set {position})") } else { name }
    };
    let text = format!("{}, taken without CHECKSUM", listed(units.iter().map(name)));
    Some(Remark { what: format!("structure only of {}", counted(many, "log backup")), text })
}

/// `Sales (sales.mdf)`, `sales.bak (full backup of Sales)`.
fn unit_name(unit: &Unit<'_>, names: &Names<'_>) -> String {
    let Unit { file, set, .. } = unit;
    let name = names.file(file.host.as_deref(), &file.path);
    match (set, &file.database) {
        (Some(set), _) => format!("{name} ({})", safe(&set.words())),
        (None, Some(database)) => format!("{} ({name})", safe(database)),
        (None, None) => name,
    }
}
