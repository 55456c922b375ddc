//! The report as metrics, for `node_exporter`'s textfile collector (docs/formats.md).
//!
//! Page ids are never labels: every series lives as long as its database.

use super::escape::label;
use super::moment::unix_seconds_of_end;
use crate::check::outcome::NotChecked;
use crate::check::rule::Rule;
use crate::consolidate::backup::BackupReport;
use crate::consolidate::gaps::Gaps;
use crate::consolidate::report::consistency::{CheckedDatabase, Consistency};
use crate::consolidate::report::{Outcome, RunVerdict, ScrubReport, Suspect};
use crate::consolidate::tally::Coverage;
use crate::consolidate::verified::{Unit, units};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// With more files than this, only the sums over all files are written.
pub const FILES_MAX: usize = 256;

/// Writes `report`.
pub fn write(report: &ScrubReport, out: &mut dyn Write) -> io::Result<()> {
    let mut metrics = Metrics { out };
    about_the_run(report, &mut metrics)?;
    about_pages(report, &mut metrics)?;
    about_databases(report, &mut metrics)?;
    about_consistency(report, &mut metrics)?;
    about_files(report, &mut metrics)?;
    about_backups(report, &mut metrics)?;
    about_hosts(report, &mut metrics)
}

fn about_the_run(report: &ScrubReport, metrics: &mut Metrics<'_>) -> io::Result<()> {
    let ScrubReport { run, coverage, throughput, .. } = report;
    let version = [("version", &*report.tool.version)];
    metrics.head("build_info", "Always 1; the program that scanned.")?;
    metrics.sample("build_info", &version, 1)?;
    metrics.gauge("scanned_bytes", "Bytes read; holes are not read.", coverage.bytes_read)?;
    metrics.gauge("planned_bytes", "Bytes that were to be scanned.", coverage.bytes_planned)?;
    let rate = throughput.bytes_per_second;
    metrics.gauge("rate_bytes_per_second", "Mean rate of the scan.", rate)?;
    metrics.gauge("duration_seconds", "Length of the scan.", run.elapsed_seconds)?;
    // A scan that was stopped has not completed: its age must go on growing. Scans of several
    // machines did not complete at one time; each has its own below.
    let has_ended = !run.stopped && report.sources.is_empty();
    if let Some(end) = unix_seconds_of_end(run).filter(|_| has_ended) {
        let help = "When the scan ended; absent if it was stopped.";
        metrics.gauge("last_completed_timestamp_seconds", help, end)?;
    }
    metrics.gauge("stopped", "1 if the scan was stopped.", u8::from(run.stopped))?;
    metrics.gauge("exit_code", "The exit code of the scan.", report.exit_code)?;
    let faults = report.host_findings.len();
    metrics.gauge("host_findings", "Signs that the machine computes wrongly.", faults)?;
    metrics.head("verdict", "1 for the verdict of the scan, 0 for the others.")?;
    for verdict in RunVerdict::ALL {
        let labels = [("verdict", verdict.name())];
        metrics.sample("verdict", &labels, u8::from(report.verdict == verdict))?;
    }
    Ok(())
}

fn about_pages(report: &ScrubReport, metrics: &mut Metrics<'_>) -> io::Result<()> {
    let coverage = &report.coverage;
    metrics.head("pages", "Planned pages, each in one class.")?;
    let others = [("intact", coverage.intact), ("free", coverage.free)];
    for (class, pages) in others.into_iter().chain(noteworthy(coverage)) {
        metrics.sample("pages", &[("class", class)], pages)?;
    }
    let ratio = report.coverage_percent() / 100.0;
    metrics.gauge("coverage_ratio", "Share of the planned pages that was reached.", ratio)?;
    let unverified = units(&report.files).filter(Unit::is_unverified).count();
    let help = "Databases and backup sets of which nothing could be verified.";
    metrics.gauge("unverified", help, unverified)?;
    metrics.gauge("incidents", "Groups of neighbouring suspects.", report.incident_count())?;
    let in_backups = report.suspects_in_backups().count();
    let help = "Listed suspects that are in backups; the others are in databases.";
    metrics.gauge("suspects_in_backups", help, in_backups)?;
    let mut kinds: BTreeMap<[&str; 4], u64> = BTreeMap::new();
    for suspect in &report.suspects {
        let Suspect { priority, tier, reason, cause, .. } = suspect;
        let cause = cause.as_deref().unwrap_or_default();
        *kinds.entry([&**priority, &**tier, &**reason, cause]).or_default() += 1;
    }
    let not_listed = report.suspects_not_listed;
    metrics.gauge("suspects_not_listed", "Suspects beyond the longest list.", not_listed)?;
    metrics.head("suspects", "Listed suspects, by urgency and by what is wrong.")?;
    for ([priority, tier, reason, cause], count) in kinds {
        let labels = [("priority", priority), ("tier", tier), ("reason", reason), ("cause", cause)];
        metrics.sample("suspects", &labels, count)?;
    }
    Ok(())
}

/// The classes of pages that somebody should know of.
fn noteworthy(coverage: &Coverage) -> [(&'static str, u64); 4] {
    [
        ("unprotected", coverage.unprotected),
        ("transient", coverage.transient),
        ("suspect", coverage.suspect),
        ("not_reached", coverage.not_reached),
    ]
}

fn about_databases(report: &ScrubReport, metrics: &mut Metrics<'_>) -> io::Result<()> {
    let databases = || report.databases.iter();
    metrics.head("databases", "Databases, by what is to be said of their files and backups.")?;
    for verdict in RunVerdict::ALL {
        let count = databases().filter(|database| database.verdict == verdict).count();
        metrics.sample("databases", &[("verdict", verdict.name())], count)?;
    }
    let lost = report.lost_files().count();
    metrics.gauge("lost_files", "Data files of which nothing is left.", lost)?;
    let missing: usize = databases().map(|database| database.missing_files().count()).sum();
    let help = "Data files of scanned databases that are not in the scan.";
    metrics.gauge("missing_files", help, missing)?;
    let gaps = databases().filter(|database| database.restore.gap).count();
    let help = "Databases with newer backups than can be reached.";
    metrics.gauge("databases_with_gap", help, gaps)
}

/// What a check of structures found; nothing without one.
fn about_consistency(report: &ScrubReport, metrics: &mut Metrics<'_>) -> io::Result<()> {
    let Some(Consistency { databases, .. }) = &report.consistency else { return Ok(()) };
    let sum =
        |of: fn(&CheckedDatabase) -> u64| databases.iter().map(of).fold(0, u64::saturating_add);
    let count = databases.len();
    metrics.gauge("checked_databases", "Databases checked for consistency.", count)?;
    let pages = sum(|database| database.pages);
    metrics.gauge("checked_pages", "Pages whose records were checked.", pages)?;
    let records = sum(|database| database.records);
    metrics.gauge("checked_records", "Records that were checked.", records)?;
    let units = sum(|database| database.units);
    metrics.gauge("checked_units", "Allocation units that were checked.", units)?;
    let mut rules: BTreeMap<(Rule, &str), u64> = BTreeMap::new();
    let mut not_checked: BTreeMap<NotChecked, u64> = BTreeMap::new();
    for database in databases {
        let broken = database.broken.iter().map(|(rule, n)| ((*rule, "broken"), *n));
        let unsettled = database.unsettled.iter().map(|(rule, n)| ((*rule, "unsettled"), *n));
        broken.chain(unsettled).for_each(|(key, n)| add(rules.entry(key).or_default(), n));
        let left = database.not_checked.iter();
        left.for_each(|(what, n)| add(not_checked.entry(*what).or_default(), *n));
    }
    metrics.head("rules_broken", "Breaches of a rule: broken, or to be put right by recovery.")?;
    for ((rule, state), count) in rules {
        metrics.sample("rules_broken", &[("rule", rule.name()), ("state", state)], count)?;
    }
    metrics.head("not_checked", "What a check of consistency left out.")?;
    for (what, count) in not_checked {
        metrics.sample("not_checked", &[("what", what.name())], count)?;
    }
    Ok(())
}

fn add(sum: &mut u64, n: u64) {
    *sum = sum.saturating_add(n);
}

fn about_files(report: &ScrubReport, metrics: &mut Metrics<'_>) -> io::Result<()> {
    let files = &report.files;
    metrics.head("files", "Files that were looked at, by what became of them.")?;
    let outcomes =
        [("scanned", Outcome::Scanned), ("refused", Outcome::Refused), ("failed", Outcome::Failed)];
    for (name, outcome) in outcomes {
        // Pages in a backup are in entries of their own beside that of the backup.
        let whole = files.iter().filter(|file| file.backup_set.is_none());
        let count = whole.filter(|file| file.outcome == outcome).count();
        metrics.sample("files", &[("outcome", name)], count)?;
    }
    metrics.gauge("files_skipped", "Files that are no database files.", report.skipped.count)?;
    metrics.gauge(
        "files_not_looked_into",
        "Archives, encrypted files and disks that may hold databases.",
        report.not_looked_into.count,
    )?;
    metrics.gauge("files_excluded", "Files left out by --exclude.", report.excluded.count)?;
    #[allow(clippy::type_complexity, reason = "labels, as they are printed")]
    let mut by_name: BTreeMap<([&str; 3], Option<(u32, u16)>), Coverage> = BTreeMap::new();
    for file in files.iter().filter(|file| file.coverage.pages_planned > 0) {
        // Names that differ only in bytes that are no text look the same, and a series may stand
        // only once.
        let database = file.database.as_deref().unwrap_or_default();
        let host = file.host.as_deref().unwrap_or_default();
        let part = file.key().2;
        *by_name.entry(([host, &*file.path, database], part)).or_default() += &file.coverage;
    }
    if by_name.len() > FILES_MAX {
        return Ok(());
    }
    metrics.head("file_pages", "Pages of a file that somebody should know of.")?;
    for (([host, path, database], part), coverage) in by_name {
        let part = part.map(|(set, file)| [set.to_string(), file.to_string()]);
        for (class, pages) in noteworthy(&coverage) {
            // Only a merged report tells files by their machines.
            let host = (!host.is_empty()).then_some(("host", host));
            let names = [("path", path), ("database", database), ("class", class)];
            // Pages in a backup share the path with others.
            let part =
                part.iter().flat_map(|[set, file]| [("backup_set", &**set), ("file_id", file)]);
            let labels: Vec<_> = host.into_iter().chain(names).chain(part).collect();
            metrics.sample("file_pages", &labels, pages)?;
        }
    }
    Ok(())
}

/// What is to be known of backups beside their pages.
fn about_backups(report: &ScrubReport, metrics: &mut Metrics<'_>) -> io::Result<()> {
    let sum = |of: fn(&BackupReport) -> u64| {
        report.backups().map(|(_, backup)| of(backup)).fold(0, u64::saturating_add)
    };
    let count = report.backups().count();
    metrics.gauge("backups", "Backup files that were looked at.", count)?;
    let help = "Damage in backups beside their pages.";
    metrics.gauge("backup_faults", help, report.backup_faults())?;
    let incomplete = report.backups().filter(|(_, backup)| backup.is_incomplete()).count();
    let help = "Backups of which something could not be verified, such as missing members.";
    metrics.gauge("backups_incomplete", help, incomplete)?;
    let missing = Gaps::of(report).missing_members();
    let help = "Members of striped backups that are not in the scan.";
    metrics.gauge("backup_members_missing", help, missing)?;
    metrics.head("backup_streams", "Streams of backups, by what their checksums came to.")?;
    for (outcome, streams) in [
        ("verified", sum(|backup| backup.streams_verified)),
        ("wrong", sum(BackupReport::wrong_streams)),
        ("without_checksum", sum(|backup| backup.streams_without_checksum)),
        ("not_computed", sum(|backup| backup.streams_not_computed)),
    ] {
        metrics.sample("backup_streams", &[("outcome", outcome)], streams)?;
    }
    let records = sum(|backup| backup.records_verified);
    metrics.gauge("backup_records", "Records of compressed backups that are sound.", records)?;
    if count > FILES_MAX {
        return Ok(());
    }
    let mut by_path: BTreeMap<[&str; 2], u64> = BTreeMap::new();
    for (file, backup) in report.backups() {
        let host = file.host.as_deref().unwrap_or_default();
        let faults = by_path.entry([host, &*file.path]).or_default();
        *faults = faults.saturating_add(backup.fault_count());
    }
    metrics.head("backup_file_faults", "Damage in each backup beside its pages.")?;
    for ([host, path], faults) in by_path {
        let labels = [("host", host), ("path", path)];
        let labels = if host.is_empty() { &labels[1..] } else { &labels[..] };
        metrics.sample("backup_file_faults", labels, faults)?;
    }
    Ok(())
}

/// What is to be known of each machine, in a merged report.
fn about_hosts(report: &ScrubReport, metrics: &mut Metrics<'_>) -> io::Result<()> {
    if report.sources.is_empty() {
        return Ok(());
    }
    metrics.head("host_exit_code", "The exit code of each machine's scan.")?;
    for source in &report.sources {
        let labels = [("host", &*source.host), ("run", &*source.run.id)];
        metrics.sample("host_exit_code", &labels, source.exit_code)?;
    }
    metrics.head("host_completed_timestamp_seconds", "When it ended; absent if it was stopped.")?;
    for source in report.sources.iter().filter(|source| !source.run.stopped) {
        if let Some(end) = unix_seconds_of_end(&source.run) {
            let labels = [("host", &*source.host), ("run", &*source.run.id)];
            metrics.sample("host_completed_timestamp_seconds", &labels, end)?;
        }
    }
    let mut by_host: BTreeMap<&str, Coverage> = BTreeMap::new();
    for file in &report.files {
        *by_host.entry(file.host.as_deref().unwrap_or_default()).or_default() += &file.coverage;
    }
    metrics.head("host_pages", "Pages of each machine that somebody should know of.")?;
    for (host, coverage) in by_host {
        for (class, pages) in noteworthy(&coverage) {
            metrics.sample("host_pages", &[("host", host), ("class", class)], pages)?;
        }
    }
    Ok(())
}

struct Metrics<'a> {
    out: &'a mut dyn Write,
}

impl Metrics<'_> {
    /// A metric with one value.
    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) -> io::Result<()> {
        self.head(name, help)?;
        self.sample(name, &[], value)
    }

    fn head(&mut self, name: &str, help: &str) -> io::Result<()> {
        writeln!(self.out, "# HELP pagescrub_{name} {help}")?;
        writeln!(self.out, "# TYPE pagescrub_{name} gauge")
    }

    fn sample(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) -> io::Result<()> {
        let pairs: Vec<_> =
            labels.iter().map(|(key, text)| format!("{key}=\"{}\"", label(text))).collect();
        match pairs.as_slice() {
            [] => writeln!(self.out, "pagescrub_{name} {value}"),
            pairs => writeln!(self.out, "pagescrub_{name}{{{}}} {value}", pairs.join(",")),
        }
    }
}
