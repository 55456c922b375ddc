//! What cannot be true of a report that a scan or a merge wrote: somebody has changed it.
//!
//! Formats rely on some of it, monitoring on the rest. A report of an earlier version is held
//! against no rule that its version did not have.

use super::report::{FileKey, FileReport, IncidentReport, RunVerdict, ScrubReport, Source};
use super::tally::Coverage;
use super::verdict::exit_code;
use super::verified;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What contradicts what in `report`, if anything does.
pub fn contradiction(report: &ScrubReport) -> Option<String> {
    let rules = [counts, suspects, transients, incidents, files, sources, verdict];
    rules.iter().find_map(|rule| rule(report))
}

fn counts(report: &ScrubReport) -> Option<String> {
    let files = || report.files.iter().map(|file| &file.coverage);
    if !files().chain([&report.coverage]).all(Coverage::adds_up) {
        return Some("the pages do not add up to those planned".to_owned());
    }
    let mut sum = Coverage::default();
    files().for_each(|coverage| sum += coverage);
    (sum != report.coverage)
        .then(|| "the pages of the files are not those of the report".to_owned())
}

fn suspects(report: &ScrubReport) -> Option<String> {
    let listed = report.suspects.len() as u64;
    if listed.checked_add(report.suspects_not_listed) != Some(report.coverage.suspect) {
        return Some("the suspects listed and not listed are not those counted".to_owned());
    }
    if report.suspects.iter().zip(1..).any(|(suspect, rank)| suspect.rank != rank) {
        return Some("the suspects do not stand in the order of their ranks".to_owned());
    }
    let mut counted: BTreeMap<FileKey<'_>, u64> = BTreeMap::new();
    for file in &report.files {
        let count = counted.entry(file.key()).or_default();
        *count = count.saturating_add(file.coverage.suspect);
    }
    let mut listed: BTreeMap<FileKey<'_>, u64> = BTreeMap::new();
    report.suspects.iter().for_each(|s| *listed.entry(s.file_key()).or_default() += 1);
    let too_many = |(key, n): &(&FileKey<'_>, &u64)| counted.get(*key).is_none_or(|all| *n > all);
    let (key, n) = listed.iter().find(too_many)?;
    let of = counted.get(key).copied().unwrap_or_default();
    Some(format!("{n} suspects are listed of {}, and {of} counted", key.1))
}

fn transients(report: &ScrubReport) -> Option<String> {
    let listed = report.transients.len() as u64;
    let counted = Some(report.coverage.transient);
    (listed.checked_add(report.transients_not_listed) != counted)
        .then(|| "the transient pages listed and not listed are not those counted".to_owned())
}

fn incidents(report: &ScrubReport) -> Option<String> {
    let is_rank = |rank: &usize| (1..=report.suspects.len()).contains(rank);
    let has_suspects = |incident: &IncidentReport| {
        !incident.suspects.is_empty() && incident.suspects.iter().all(is_rank)
    };
    if !report.incidents.iter().all(has_suspects) {
        return Some("there is an incident without a suspect".to_owned());
    }
    let paths: BTreeSet<&str> = report.suspects.iter().map(|suspect| &*suspect.path).collect();
    let are_known = report.incidents.iter().all(|incident| paths.contains(&*incident.path));
    (!are_known).then(|| "there is an incident in a file without a suspect".to_owned())
}

fn files(report: &ScrubReport) -> Option<String> {
    let says = |file: &FileReport| (file.counts.is_some(), file.verified.is_some());
    let first = report.files.first().map(says);
    let is_of_one = report.sources.is_empty();
    if is_of_one && report.files.iter().any(|file| Some(says(file)) != first) {
        return Some("its files are those of different versions".to_owned());
    }
    let is_elsewhere = |file: &&FileReport| {
        let ranges = file.not_reached_ranges.iter().flatten();
        let pages = ranges.map(|range| u64::from(range.pages)).fold(0, u64::saturating_add);
        file.not_reached_ranges.is_some() && pages != file.coverage.not_reached
    };
    if let Some(file) = report.files.iter().find(is_elsewhere) {
        return Some(format!(
            "the ranges that were not reached of {} are not those counted",
            file.path
        ));
    }
    let mut told = report.files.iter().zip(verified::of_each(&report.files));
    let is_other = |(file, (verified, sets)): &(&FileReport, (_, Vec<_>))| {
        let own = file.backup.iter().flat_map(|backup| &backup.sets).map(|set| set.verified);
        let others = own.zip(sets).any(|(told, set)| told.is_some_and(|told| told != *set));
        others || file.verified.is_some_and(|told| told != *verified)
    };
    let (file, _) = told.find(is_other)?;
    Some(format!("what was verified of {} does not follow from its counts", file.path))
}

/// Of a merged report: what each scan says of itself.
fn sources(report: &ScrubReport) -> Option<String> {
    let findings_of = |host: &Arc<str>| {
        let begin = format!("{host}: ");
        report.host_findings.iter().any(|finding| finding.starts_with(&begin))
    };
    let is_wrong = |source: &&Source| {
        let is_host_at_fault = source.is_host_at_fault();
        let code = exit_code(source.verdict, source.run.stopped, is_host_at_fault);
        source.exit_code != code || (is_host_at_fault && !findings_of(&source.host))
    };
    let has_damage = report.has_damage();
    let is_invented = |source: &&Source| source.verdict == RunVerdict::Damaged && !has_damage;
    if let Some(source) = report.sources.iter().find(is_invented) {
        return Some(format!("{} is damaged, and no damage is listed", source.host));
    }
    let source = report.sources.iter().find(is_wrong)?;
    let Source { host, verdict, exit_code, .. } = source;
    Some(format!(
        "the exit code of {host} is {exit_code}, which does not follow from its verdict, {}",
        verdict.name()
    ))
}

fn verdict(report: &ScrubReport) -> Option<String> {
    let (best, worst) = report.verdicts_by_content();
    let name = report.verdict.name();
    if report.verdict < best || report.verdict > worst {
        let n = report.coverage.suspect;
        let faults = report.backup_faults();
        return Some(format!(
            "its verdict is {name}, and what it lists is {} ({n} suspect pages, {faults} faults in \
             backups, {} pages not reached)",
            best.name(),
            report.coverage.not_reached
        ));
    }
    let code = report.exit_code_by_content();
    (report.exit_code != code).then(|| {
        format!("its exit code is {}, and from the verdict {name} follows {code}", report.exit_code)
    })
}
