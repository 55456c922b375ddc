//! After the last batch: counts become a report.

mod backups;
mod files;
mod members;
mod notes;
pub(super) mod size;

use super::file::FileScan;
use super::in_use::InUse;
use super::investigate::{Investigated, Read};
use super::paced::Paced;
use super::tally::FileTally;
use super::{Scrub, Settings, Shared, places};
use crate::consolidate::advice;
use crate::consolidate::conclude::{Conclusions, conclude};
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::report::{
    Closed, NotLookedInto, Run, RunVerdict, SCHEMA, SKIPPED_LISTED_MAX, ScrubReport, Skipped,
    Throughput, Tool, TransientReport,
};
use crate::consolidate::throughput::{StageLatencies, StageSummary};
use crate::consolidate::transient::Transient;
use crate::discover::Discovery;
use crate::discover::paths;
use crate::plan::Plan;
use crate::plan::pace::PaceSummary;
use crate::read::Way;
use crate::read::open::Reader;
use crate::verify::gpu::pool::GpuSummary;
use bytesize::ByteSize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

const NOT_NAMED: &str = "the scan was stopped: what its suspects belong to, and \
    where they are on their devices, is looked up at its end";

const NOT_LOOKED_UP: &str = "the scan was stopped when every page had been read: what its suspects \
    belong to, what stands beside them, and what pages prove together, was looked up in part only";

pub(super) fn finish(
    discovery: &Discovery,
    plan: &Plan,
    shared: Shared<'_>,
    paces: Vec<PaceSummary>,
    elapsed: Duration,
    checkpoint: Option<PathBuf>,
) -> Scrub {
    let elapsed_seconds = elapsed.as_secs_f64();
    let is_cut_short = shared.is_cut_short();
    let opener = Paced::new(discovery, shared.settings);
    let open = |path: &Path| opener.open(path);
    shared.settings.stop.looking_begins();
    let is_guess_wrong = shared.is_guess_wrong();
    let is_in_vain = shared.is_in_vain();
    let gpus = shared.gpu_summaries();
    let mut findings = into_inner(shared.findings);
    let told = |file: FileScan<'_>| {
        let tally = into_inner(file.tally).judge_flagless(&mut findings);
        (tally, into_inner(file.known_owners))
    };
    let (mut tallies, known_owners): (Vec<_>, Vec<_>) = shared.files.into_iter().map(told).unzip();
    let transients = into_inner(shared.transients).into_list();
    // A stopped scan ends at once; what counts for nothing is not looked into.
    let is_over = is_cut_short || is_in_vain;
    let (settings, progress) = (shared.settings, shared.progress);
    let read = Read::of((discovery, plan), settings, &transients, (&open, progress), is_over);
    let Investigated { findings, facts, shifts, consistency, notes: unseen } =
        read.investigate(findings, &mut tallies, known_owners, shared.lost_writes);
    let Settings { weights, geometry, .. } = shared.settings;
    shared.progress.looking_into("patterns");
    let in_use = InUse::new(&discovery.files, &open);
    let Conclusions { suspects, incidents, incidents_not_listed, patterns } =
        conclude(findings, &facts, weights, *geometry, &|file, page| in_use.around(file, page));
    let transients = transient_reports(&transients, &facts);
    let latencies = into_inner(shared.latencies);
    let (files, coverage) = files::file_reports(discovery, plan, &tallies, &facts);
    let host_findings = into_inner(shared.host_findings);
    let file_latencies = file_latencies(tallies, &facts);
    let bytes_by_reader = bytes_by_reader(shared.bytes_by_way);
    let cached = cached_note(&shared.settings.reader_name, &bytes_by_reader);
    let told = into_inner(shared.notes).into_iter().chain(cached).chain(places::notes(&facts));
    let snapshots = snapshots_note(&discovery.snapshots);
    let mut notes: Vec<String> = told.chain(unseen).chain(snapshots).collect();
    notes.extend((is_cut_short && !suspects.is_empty()).then(|| NOT_NAMED.to_owned()));
    notes.extend(opener.was_cut().then(|| NOT_LOOKED_UP.to_owned()));
    let stopped = is_cut_short || opener.was_cut();
    if !shared.are_gpus_wrong {
        notes.extend(gpus.iter().filter_map(retired_note));
    }
    let of_file = |(path, of): &(String, StageLatencies)| (path.clone(), stage_summaries(of));
    let mut report = ScrubReport {
        schema: SCHEMA.into(),
        tool: Tool::this(),
        run: Run {
            id: shared.history.id,
            host: Some(host()),
            started_at: shared.history.started_at,
            command_line: Vec::new(),
            elapsed_seconds,
            engine: shared.settings.engine_name.clone(),
            devices: devices(shared.settings, &gpus, !shared.are_gpus_wrong),
            calibration: shared.settings.calibration.clone(),
            gpus,
            reader: shared.settings.reader_name.clone(),
            readers: bytes_by_reader.keys().cloned().collect(),
            threads: shared.settings.threads,
            batch_pages: plan.batch_pages,
            pace: paces,
            notes,
            stopped,
            require_checksums: shared.settings.require_checksums,
            whole_databases: shared.settings.whole_databases,
            resumed: shared.history.resumed,
            checkpoint: checkpoint.filter(|_| stopped).map(|path| paths::text(&path).into_owned()),
        },
        sources: Vec::new(),
        // Both follow from the rest.
        verdict: RunVerdict::Clean,
        exit_code: 0,
        suspects_not_listed: coverage.suspect - suspects.len() as u64,
        transients_not_listed: coverage.transient - transients.len() as u64,
        transients,
        throughput: Throughput {
            bytes_per_second: coverage.bytes_read as f64 / elapsed_seconds.max(1e-9),
            bytes_by_reader,
            stages: stage_summaries(&latencies),
            timeline: into_inner(shared.timeline),
            files: file_latencies.iter().map(of_file).collect(),
            histogram_files: Vec::new(),
        },
        coverage,
        files,
        skipped: skipped(&discovery.skipped),
        not_looked_into: not_looked_into(discovery),
        excluded: skipped(&discovery.excluded),
        suspects,
        incidents,
        incidents_not_listed,
        shifts,
        patterns,
        databases: Vec::new(),
        consistency,
        plan: Vec::new(),
        weights: shared.settings.weights_origin.clone(),
        host_findings,
    };
    report.conclude();
    advice::advise(&mut report);
    Scrub { report, latencies, file_latencies, is_guess_wrong }
}

/// The name of this machine.
#[cfg(unix)]
fn host() -> Arc<str> {
    rustix::system::uname().nodename().to_string_lossy().into()
}

#[cfg(not(unix))]
fn host() -> Arc<str> {
    std::env::var("COMPUTERNAME").unwrap_or_default().into()
}

fn transient_reports(transients: &[Transient], facts: &[FileFacts]) -> Vec<TransientReport> {
    let report = |transient: &Transient| TransientReport::of(transient, &facts[transient.file]);
    transients.iter().map(report).collect()
}

fn into_inner<T>(mutex: std::sync::Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn text(path: &Path) -> Arc<str> {
    paths::text(path).into()
}

/// Said where reads past the cache were wanted and could not be had.
fn cached_note(reader: &str, bytes_by_reader: &BTreeMap<String, u64>) -> Option<String> {
    let is_wanted = [Reader::Auto, Reader::Direct].map(Reader::name).contains(&reader);
    let bytes = bytes_by_reader.get(Way::Pread.name())?;
    (is_wanted && cfg!(target_os = "linux")).then(|| {
        format!(
            "{} were read through the page cache and then dropped from it, because their file \
             system refuses reads past it (O_DIRECT)",
            ByteSize(*bytes).display().iec()
        )
    })
}

/// The CPU's kernels first; it looks at what GPUs leave, and at everything if one was wrong.
fn devices(settings: &Settings<'_>, gpus: &[GpuSummary], are_believed: bool) -> Vec<String> {
    let kernels = settings.engine.kernel_names().into_iter().map(str::to_owned);
    let took_part = |gpu: &&GpuSummary| gpu.pages > 0 && are_believed;
    let gpus = gpus.iter().filter(took_part).map(|gpu| gpu.identity.name.clone());
    kernels.chain(gpus).collect()
}

fn retired_note(gpu: &GpuSummary) -> Option<String> {
    let why = gpu.retired.as_ref()?;
    let name = &gpu.identity.name;
    Some(format!("GPU {name} was not used to the end, the CPU did the rest: {why}"))
}

fn bytes_by_reader(bytes_by_way: [AtomicU64; Way::ALL.len()]) -> BTreeMap<String, u64> {
    let named = Way::ALL.map(Way::name).into_iter().zip(bytes_by_way.map(AtomicU64::into_inner));
    named.filter(|(_, bytes)| *bytes > 0).map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

fn stage_summaries(latencies: &StageLatencies) -> BTreeMap<String, StageSummary> {
    latencies.stages().map(|(name, histogram)| (name.to_owned(), histogram.into())).into()
}

fn file_latencies(tallies: Vec<FileTally>, facts: &[FileFacts]) -> Vec<(String, StageLatencies)> {
    let files = tallies.into_iter().zip(facts);
    let known = files.filter_map(|(tally, facts)| Some((facts, tally.latencies?)));
    let mut by_path: Vec<(String, StageLatencies)> = Vec::new();
    for (facts, latencies) in known {
        match by_path.last_mut() {
            // Parts of a backup stand beside each other, and are read from one file.
            Some((path, sum)) if *path == *facts.path => sum.add(&latencies),
            _ => by_path.push((facts.path.to_string(), latencies)),
        }
    }
    by_path
}

fn skipped(found: &[PathBuf]) -> Skipped {
    let count = found.len() as u64;
    let listed = found.iter().take(SKIPPED_LISTED_MAX);
    Skipped { count, paths: listed.map(|path| paths::text(path).into_owned()).collect() }
}

fn not_looked_into(discovery: &Discovery) -> NotLookedInto {
    let files = discovery.not_looked_into.iter().take(SKIPPED_LISTED_MAX);
    let closed = |(path, what): &(PathBuf, String)| Closed {
        path: paths::text(path).into_owned(),
        what: what.clone(),
    };
    let count = discovery.not_looked_into.len() as u64;
    NotLookedInto { count, files: files.map(closed).collect() }
}

/// Snapshots of databases are passed over, which somebody may wonder about.
fn snapshots_note(snapshots: &[PathBuf]) -> Option<String> {
    let first = paths::text(snapshots.first()?);
    let more = match snapshots.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "passed over as database snapshots, by their names: {first}{more}; what has not changed \
         since a snapshot was made is in its database only, so it is no copy"
    ))
}
