//! Reports of many machines in, one report with one ranking out.
//!
//! Everything follows from the set of reports: it does not matter in which order they come, nor
//! whether some of them were merged before.

use super::advice;
use super::findings::SUSPECTS_MAX;
use super::other_hosts;
use super::report::TransientReport;
use super::report::consistency::Consistency;
use super::report::{
    FileReport, IncidentReport, NotLookedInto, Pattern, Run, RunVerdict, ScrubReport, ShiftReport,
    Skipped, Source, Suspect, Throughput, Tool,
};
use super::tally::Coverage;
use super::transient::TRANSIENTS_MAX;
use super::weights::WeightsOrigin;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// What a report is called that does not say where it was made.
const UNKNOWN_HOST: &str = "unknown";
/// Stands for what is not the same in all reports.
const SEVERAL: &str = "several";

/// Reports that make no sense together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeError {
    /// There is none.
    Nothing,
    /// A run is there twice.
    SameRun {
        /// Where it ran.
        host: Arc<str>,
        /// Its id.
        id: String,
    },
    /// A file was scanned in two runs, and its pages would count twice.
    SameFile {
        /// Where it was scanned.
        host: Arc<str>,
        /// Which one.
        path: Arc<str>,
    },
    /// Scores by different weights cannot be compared.
    OtherWeights,
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "there is no report to merge"),
            Self::SameRun { host, id } => {
                write!(f, "run {id} of host {host} is there twice; name each report once")
            }
            Self::SameFile { host, path } => {
                write!(f, "{path} of host {host} is in two of the reports; leave out the older one")
            }
            Self::OtherWeights => {
                write!(f, "the reports were ranked by different weights (their key `weights`)")
            }
        }
    }
}

impl std::error::Error for MergeError {}

/// Merges `reports`.
///
/// # Errors
/// If a run or a file would count twice, or the rankings cannot be compared.
pub fn merge(reports: Vec<ScrubReport>) -> Result<ScrubReport, MergeError> {
    let Some(first) = reports.first() else { return Err(MergeError::Nothing) };
    if reports.iter().any(|report| report.weights.sha256 != first.weights.sha256) {
        return Err(MergeError::OtherWeights);
    }
    let reports: Vec<ScrubReport> = reports.into_iter().map(with_hosts).collect();
    let sources = sources(&reports)?;
    let files = files(&reports)?;
    let mut merged = ScrubReport {
        coverage: coverage(&files),
        run: run(&sources),
        throughput: throughput(&sources),
        files,
        sources,
        ..reports[0].clone_frame()
    };
    let (mut suspects, mut incidents, mut checked) = (Vec::new(), Vec::new(), Vec::new());
    for report in reports {
        merged.skipped.count = merged.skipped.count.saturating_add(report.skipped.count);
        let not_looked_into = &mut merged.not_looked_into.count;
        *not_looked_into = not_looked_into.saturating_add(report.not_looked_into.count);
        merged.excluded.count = merged.excluded.count.saturating_add(report.excluded.count);
        merged.incidents_not_listed =
            merged.incidents_not_listed.saturating_add(report.incidents_not_listed);
        merged.host_findings.extend(report.host_findings);
        merged.shifts.extend(report.shifts);
        merged.patterns.extend(report.patterns);
        merged.transients.extend(report.transients);
        checked.extend(report.consistency.map(|consistency| consistency.databases));
        // Ranks are those of one report until all are ranked anew.
        let before = suspects.len();
        incidents.extend(report.incidents.into_iter().map(|incident| (before, incident)));
        suspects.extend(report.suspects);
    }
    // None of the scans may have been a check.
    merged.consistency = (!checked.is_empty()).then(|| Consistency::of(checked.concat()));
    merged.host_findings.sort();
    merged.shifts.sort_by(by_place);
    merged.patterns.sort_by(by_certainty);
    merged.transients.sort_by_cached_key(TransientReport::order);
    merged.transients.truncate(TRANSIENTS_MAX);
    let listed = merged.transients.len() as u64;
    merged.transients_not_listed = merged.coverage.transient.saturating_sub(listed);
    rank(suspects, incidents, &mut merged);
    let listed = merged.suspects.len() as u64;
    merged.suspects_not_listed = merged.coverage.suspect.saturating_sub(listed);
    merged.conclude();
    other_hosts::find(&mut merged);
    advice::advise(&mut merged);
    Ok(merged)
}

fn by_place(a: &ShiftReport, b: &ShiftReport) -> std::cmp::Ordering {
    (&a.host, &a.path, a.first).cmp(&(&b.host, &b.path, b.first))
}

fn by_certainty(a: &Pattern, b: &Pattern) -> std::cmp::Ordering {
    let place = |pattern: &Pattern| (pattern.host.clone(), Arc::clone(&pattern.scope));
    a.p_value.total_cmp(&b.p_value).then_with(|| place(a).cmp(&place(b)))
}

impl ScrubReport {
    /// Everything that is the same in merged reports, and nothing else.
    fn clone_frame(&self) -> Self {
        Self {
            schema: self.schema.clone(),
            tool: Tool::this(),
            weights: WeightsOrigin { path: None, ..self.weights.clone() },
            run: Run::default(),
            sources: Vec::new(),
            verdict: RunVerdict::Clean,
            exit_code: 0,
            coverage: Coverage::default(),
            files: Vec::new(),
            skipped: Skipped::default(),
            not_looked_into: NotLookedInto::default(),
            excluded: Skipped::default(),
            suspects: Vec::new(),
            suspects_not_listed: 0,
            transients: Vec::new(),
            transients_not_listed: 0,
            incidents: Vec::new(),
            incidents_not_listed: 0,
            shifts: Vec::new(),
            patterns: Vec::new(),
            databases: Vec::new(),
            consistency: None,
            plan: Vec::new(),
            host_findings: Vec::new(),
            throughput: Throughput::default(),
        }
    }
}

/// A report of one machine, with its name on everything that it says.
fn with_hosts(mut report: ScrubReport) -> ScrubReport {
    if !report.sources.is_empty() {
        return report;
    }
    let host = report.run.host.clone().unwrap_or_else(|| UNKNOWN_HOST.into());
    let named = || Some(Arc::clone(&host));
    report.files.iter_mut().for_each(|file| file.host = named());
    report.suspects.iter_mut().for_each(|suspect| suspect.host = named());
    report.incidents.iter_mut().for_each(|incident| incident.host = named());
    report.shifts.iter_mut().for_each(|shift| shift.host = named());
    report.patterns.iter_mut().for_each(|pattern| pattern.host = named());
    report.transients.iter_mut().for_each(|transient| transient.host = named());
    let checked = report.consistency.iter_mut().flat_map(|checked| &mut checked.databases);
    checked.for_each(|database| database.host = named());
    for finding in &mut report.host_findings {
        *finding = format!("{host}: {finding}");
    }
    report.sources = vec![Source {
        host,
        run: std::mem::take(&mut report.run),
        verdict: report.verdict,
        exit_code: report.exit_code,
        throughput: std::mem::take(&mut report.throughput),
    }];
    report
}

fn sources(reports: &[ScrubReport]) -> Result<Vec<Source>, MergeError> {
    let mut sources: Vec<Source> =
        reports.iter().flat_map(|report| report.sources.iter().cloned()).collect();
    sources.sort_by(|a, b| (&a.host, &a.run.id).cmp(&(&b.host, &b.run.id)));
    let is_twice =
        |pair: &&[Source]| pair[0].host == pair[1].host && pair[0].run.id == pair[1].run.id;
    match sources.windows(2).find(is_twice) {
        Some([twice, ..]) => {
            Err(MergeError::SameRun { host: Arc::clone(&twice.host), id: twice.run.id.clone() })
        }
        _ => Ok(sources),
    }
}

fn files(reports: &[ScrubReport]) -> Result<Vec<FileReport>, MergeError> {
    let mut files: Vec<FileReport> =
        reports.iter().flat_map(|report| report.files.iter().cloned()).collect();
    // Of the same file that one scan read and another could not, the former comes last: it is the
    // one that is looked up.
    let key = |file: &FileReport| {
        let (place, part) = ((file.host.clone(), Arc::clone(&file.path)), file.key().2);
        (place, part, is_counted(file), file.coverage.pages_planned, file.why.clone())
    };
    files.sort_by_cached_key(key);
    let counted: Vec<_> = files.iter().filter(|file| is_counted(file)).collect();
    let is_twice = |pair: &&[&FileReport]| pair[0].key() == pair[1].key();
    match counted.windows(2).find(is_twice) {
        Some([twice, ..]) => Err(MergeError::SameFile {
            host: twice.host.clone().unwrap_or_default(),
            path: Arc::clone(&twice.path),
        }),
        _ => Ok(files),
    }
}

/// Something of it was verified, and would count twice.
fn is_counted(file: &FileReport) -> bool {
    file.coverage.pages_planned > 0 || file.backup.is_some()
}

fn coverage(files: &[FileReport]) -> Coverage {
    let mut total = Coverage::default();
    for file in files {
        total += &file.coverage;
    }
    total
}

/// What can be said of all runs together; each one's own account is in `sources`.
fn run(sources: &[Source]) -> Run {
    let runs = || sources.iter().map(|source| &source.run);
    let ids: Vec<&str> = runs().map(|run| &*run.id).collect();
    let same = |text: fn(&Run) -> &str| {
        let names: BTreeSet<&str> = runs().map(text).collect();
        if names.len() == 1 { names.into_iter().collect() } else { SEVERAL.to_owned() }
    };
    let union = |list: fn(&Run) -> &[String]| {
        runs().flat_map(list).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    };
    Run {
        id: ids.join("+"),
        started_at: runs().map(|run| &run.started_at).min().cloned().unwrap_or_default(),
        elapsed_seconds: runs().map(|run| run.elapsed_seconds).fold(0.0, f64::max),
        engine: same(|run| &run.engine),
        devices: union(|run| &run.devices),
        reader: same(|run| &run.reader),
        readers: union(|run| &run.readers),
        threads: runs().map(|run| run.threads).fold(0, usize::saturating_add),
        notes: sources.iter().flat_map(notes).collect(),
        stopped: runs().any(|run| run.stopped),
        ..Run::default()
    }
}

fn notes(source: &Source) -> impl Iterator<Item = String> {
    source.run.notes.iter().map(|note| format!("{}: {note}", source.host))
}

/// Rates of machines add up; their latencies are each its own.
fn throughput(sources: &[Source]) -> Throughput {
    let mut bytes_by_reader: BTreeMap<String, u64> = BTreeMap::new();
    for (reader, bytes) in sources.iter().flat_map(|source| &source.throughput.bytes_by_reader) {
        let sum = bytes_by_reader.entry(reader.clone()).or_default();
        *sum = sum.saturating_add(*bytes);
    }
    Throughput {
        bytes_per_second: sources.iter().map(|source| source.throughput.bytes_per_second).sum(),
        bytes_by_reader,
        ..Throughput::default()
    }
}

/// Urgency over all machines, as in one report.
type Urgency = (bool, Reverse<u32>, Arc<str>, Option<Arc<str>>, Arc<str>, Place);
/// A page in a file; in a backup, of a backup set and a file.
type Place = (Option<(u32, u16)>, u32);

fn urgency(suspect: &Suspect) -> Urgency {
    let Suspect { tier, score, host, path, page_id, .. } = suspect;
    let is_first = &**tier == "T0" && !suspect.is_in_backup() && !suspect.unsettled;
    let place = (suspect.file_key().2, *page_id);
    (!is_first, Reverse(*score), (&**tier).into(), host.clone(), Arc::clone(path), place)
}

/// Ranks `suspects` and `incidents`, whose ranks count from the number beside them, into `merged`.
fn rank(suspects: Vec<Suspect>, incidents: Vec<(usize, IncidentReport)>, merged: &mut ScrubReport) {
    let mut order: Vec<usize> = (0..suspects.len()).collect();
    order.sort_by_cached_key(|&i| urgency(&suspects[i]));
    let mut rank_of = vec![0; suspects.len()];
    order.iter().enumerate().for_each(|(position, &i)| rank_of[i] = position + 1);
    let mut suspects: Vec<_> = rank_of.iter().copied().zip(suspects).collect();
    suspects.sort_unstable_by_key(|(rank, _)| *rank);
    suspects.truncate(SUSPECTS_MAX);
    let with_rank = |(rank, suspect)| Suspect { rank, incident: 0, ..suspect };
    merged.suspects = suspects.into_iter().map(with_rank).collect();
    let all = incidents.len();
    let ranked = incidents.into_iter().filter_map(|(before, incident)| {
        let ranks = incident.suspects.iter().filter_map(|rank| rank_of.get(before + rank - 1));
        let ranks: Vec<usize> = ranks.copied().filter(|rank| *rank <= SUSPECTS_MAX).collect();
        Some((*ranks.iter().min()?, IncidentReport { suspects: ranks, ..incident }))
    });
    let mut ranked: Vec<_> = ranked.collect();
    let beyond = all.saturating_sub(ranked.len()) as u64;
    merged.incidents_not_listed = merged.incidents_not_listed.saturating_add(beyond);
    ranked.sort_by_key(|(most_urgent, _)| *most_urgent);
    for (position, (_, incident)) in ranked.into_iter().enumerate() {
        let rank = position + 1;
        incident.suspects.iter().for_each(|i| merged.suspects[i - 1].incident = rank);
        merged.incidents.push(IncidentReport { rank, ..incident });
    }
}
