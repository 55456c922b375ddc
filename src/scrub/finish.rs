//! After the last batch: counts become a report.

mod backups;
mod files;
pub(super) mod size;

use super::file::{FileScan, FileTally};
use super::in_use::InUse;
use super::known_owners::KnownOwners;
use super::leads::Remembered;
use super::lost_writes::Shown;
use super::names::{self, Primaries};
use super::wrong_owners::{self, Scanned};
use super::{Open, Scrub, Settings, Shared, context, copies, holes, places, shifts};
use crate::consolidate::advice;
use crate::consolidate::conclude::{Conclusions, conclude};
use crate::consolidate::file_facts::{FileFacts, PartFacts};
use crate::consolidate::findings::{Finding, Findings, by_place, by_urgency};
use crate::consolidate::report::{
    Closed, NotLookedInto, Run, RunVerdict, SCHEMA, SKIPPED_LISTED_MAX, ScrubReport, ShiftReport,
    Skipped, Throughput, Tool, TransientReport,
};
use crate::consolidate::throughput::{StageLatencies, StageSummary};
use crate::consolidate::transient::Transient;
use crate::diagnose::shift::Shift;
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::discover::backup::Part;
use crate::discover::paths;
use crate::discover::{DataFile, Discovery, FileKind};
use crate::page::address::{FileId, PageAddress};
use crate::page::kind::PageType;
use crate::plan::Plan;
use crate::plan::pace::PaceSummary;
use crate::read::open::Reader;
use crate::read::{ReadError, Way};
use crate::verify::gpu::pool::GpuSummary;
use bytesize::ByteSize;
use size::SizeNow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

const NOT_NAMED: &str = "the scan was stopped: what its suspects belong to, and \
    where they are on their devices, is looked up at its end";

pub(super) fn finish(
    discovery: &Discovery,
    plan: &Plan,
    shared: Shared<'_>,
    paces: Vec<PaceSummary>,
    elapsed: Duration,
    checkpoint: Option<PathBuf>,
) -> Scrub {
    let elapsed_seconds = elapsed.as_secs_f64();
    let stopped = shared.is_cut_short();
    let is_guess_wrong = shared.is_guess_wrong();
    let is_in_vain = shared.is_in_vain();
    let mut facts: Vec<FileFacts> = discovery.files.iter().map(file_facts).collect();
    let gpus = shared.gpu_summaries();
    let mut findings = into_inner(shared.findings);
    let told = |file: FileScan<'_>| {
        let tally = into_inner(file.tally).judge_flagless(&mut findings);
        (tally, into_inner(file.known_owners))
    };
    let (mut tallies, known_owners): (Vec<_>, Vec<_>) = shared.files.into_iter().map(told).unzip();
    add_lost_pages((discovery, plan), &mut tallies, &mut findings);
    let primaries = Primaries::among(&remembered(&discovery.files, &tallies));
    let mut shown = Shown::default();
    if let Some(lost_writes) = shared.lost_writes.filter(|_| !stopped) {
        shown = lost_writes.show(&discovery.files, &primaries, shared.settings.open);
    }
    add_shown(&mut shown, &mut tallies, &mut findings);
    let mut findings = findings.into_list();
    let transients = into_inner(shared.transients).into_list();
    holes::mark(&mut findings, plan, &mut tallies);
    if !stopped && !is_in_vain {
        let scanned = (discovery, plan, &primaries, shared.settings);
        findings = add_wrong_owners(scanned, &transients, known_owners, &mut tallies, findings);
    }
    let remembered = remembered(&discovery.files, &tallies);
    let (mut copies_note, mut shifts) = (None, Vec::new());
    // A stopped scan ends at once, and has not seen all system tables.
    if !stopped {
        shifts = shifts::find(&mut findings, &discovery.files, shared.settings.open);
        let files = (discovery, &*remembered);
        copies_note = look_up(&mut findings, files, &primaries, shared.settings.open, &mut facts);
    }
    add_counts(&mut facts, &tallies, &primaries);
    disbelieve_boot_pages(&mut facts, &findings, &primaries);
    findings.iter_mut().for_each(Finding::conclude);
    let shifts = shift_reports(&shifts, &findings, &facts);
    let Settings { weights, geometry, .. } = shared.settings;
    let in_use = InUse::new(&discovery.files, shared.settings.open);
    let Conclusions { suspects, incidents, incidents_not_listed, patterns } =
        conclude(findings, &facts, weights, *geometry, &|file, page| in_use.around(file, page));
    let transients = transient_reports(&transients, &facts);
    let latencies = into_inner(shared.latencies);
    let (files, coverage) = files::file_reports(discovery, plan, &tallies, &facts);
    let host_findings = into_inner(shared.host_findings);
    let file_latencies = file_latencies(tallies, &facts);
    let bytes_by_reader = bytes_by_reader(shared.bytes_by_way);
    let cached = cached_note(&shared.settings.reader_name, &bytes_by_reader);
    let not_named = (stopped && !suspects.is_empty()).then(|| NOT_NAMED.to_owned());
    let retired = gpus.iter().filter(|_| !shared.are_gpus_wrong).filter_map(retired_note);
    let notes = into_inner(shared.notes).into_iter().chain(cached).chain(places::notes(&facts));
    let notes = notes.chain(copies_note.map(str::to_owned)).chain(shown.not_compared);
    let notes = notes.chain(snapshots_note(&discovery.snapshots)).chain(not_named).chain(retired);
    let notes = notes.collect();
    let readers = bytes_by_reader.keys().cloned().collect();
    let throughput = Throughput {
        bytes_per_second: coverage.bytes_read as f64 / elapsed_seconds.max(1e-9),
        bytes_by_reader,
        timeline: into_inner(shared.timeline),
        ..speed(&latencies, &file_latencies)
    };
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
            readers,
            threads: shared.settings.threads,
            batch_pages: plan.batch_pages,
            pace: paces,
            notes,
            stopped,
            require_checksums: shared.settings.require_checksums,
            whole_databases: shared.settings.whole_databases,
            resumed: shared.history.resumed,
            checkpoint: checkpoint.map(|path| paths::text(&path).into_owned()),
        },
        sources: Vec::new(),
        // Both follow from the rest.
        verdict: RunVerdict::Clean,
        exit_code: 0,
        suspects_not_listed: coverage.suspect - suspects.len() as u64,
        transients_not_listed: coverage.transient - transients.len() as u64,
        transients,
        throughput,
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
        plan: Vec::new(),
        weights: shared.settings.weights_origin.clone(),
        host_findings,
    };
    report.conclude();
    advice::advise(&mut report);
    Scrub { report, latencies, file_latencies, is_guess_wrong }
}

/// Adds what copies show: pages that were counted as intact and are stale, and notes.
fn add_shown(shown: &mut Shown, tallies: &mut [FileTally], findings: &mut Findings) {
    for (finding, verdict) in shown.stale.drain(..) {
        if tallies[finding.file].coverage.suspect_after_all(&verdict) {
            findings.add(finding);
        }
    }
    for (file, note) in shown.notes.drain(..) {
        tallies[file].parted.push(note);
    }
}

/// How long the stages took, over all files and in each.
fn speed(latencies: &StageLatencies, by_file: &[(String, StageLatencies)]) -> Throughput {
    let of_file = |(path, of): &(String, StageLatencies)| (path.clone(), stage_summaries(of));
    Throughput {
        stages: stage_summaries(latencies),
        files: by_file.iter().map(of_file).collect(),
        ..Throughput::default()
    }
}

/// Adds to `facts` what was counted of each file.
fn add_counts(facts: &mut [FileFacts], tallies: &[FileTally], primaries: &Primaries) {
    for (index, (facts, tally)) in facts.iter_mut().zip(tallies).enumerate() {
        facts.sound_pages = tally.coverage.intact.saturating_add(tally.coverage.unprotected);
        facts.has_primary = primaries.of(index).is_some();
    }
}

/// Adds pages of another owner than IAM pages say, and counts them as suspects; what proves nothing
/// is noted in the tallies.
fn add_wrong_owners(
    (discovery, plan, primaries, settings): (&Discovery, &Plan, &Primaries, &Settings<'_>),
    transients: &[Transient],
    mut known_owners: Vec<KnownOwners>,
    tallies: &mut [FileTally],
    findings: Vec<Finding>,
) -> Vec<Finding> {
    let scanned = Scanned {
        files: &remembered(&discovery.files, tallies),
        plan,
        tallies,
        primaries,
        findings: &findings,
        transients,
        open: settings.open,
        stop: settings.stop,
    };
    let found = wrong_owners::find(&scanned, &mut known_owners);
    wrong_owners::count(found, tallies, findings)
}

/// Adds the pages beyond the ends of files that were cut.
fn add_lost_pages(
    (discovery, plan): (&Discovery, &Plan),
    tallies: &mut [FileTally],
    findings: &mut Findings,
) {
    let planned = discovery.files.iter().zip(&plan.files);
    for (index, ((file, planned), tally)) in planned.zip(tallies).enumerate() {
        // What was being copied when the scan began is not cut.
        let is_as_planned = matches!(SizeNow::of(file, planned), SizeNow::AsPlanned);
        lost_pages(index, file).filter(|_| is_as_planned).for_each(|lost| {
            tally.coverage.suspect += 1;
            findings.add(lost);
        });
    }
}

/// The pages in use that a data file lacks because it was cut: gone, as where a device fails.
fn lost_pages(index: usize, file: &DataFile) -> impl Iterator<Item = Finding> {
    let pages = file.lost.iter().flat_map(|range| range.ids());
    pages.map(move |page| {
        let place = PageAddress::new(file.file_id, page);
        let reason = SuspectReason::Unreadable(ReadError::Ended);
        Finding::new(index, place, reason, Allocation::Allocated, None)
    })
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

fn shift_reports(
    shifts: &[(usize, Shift)],
    findings: &[Finding],
    facts: &[FileFacts],
) -> Vec<ShiftReport> {
    let mut explained = vec![(0, FileId(0)); shifts.len()];
    for finding in findings {
        if let Some(of) = finding.shift.and_then(|shift| explained.get_mut(shift)) {
            *of = (of.0 + 1, finding.place.file);
        }
    }
    let mut before = None;
    let report = |((file, shift), (pages, file_id)): (&(usize, Shift), (u64, FileId))| {
        let off = before.replace((*file, shift.bytes)).filter(|(of, _)| of == file);
        let off = off.map_or(0, |(_, bytes)| bytes);
        before = before.filter(|_| !shift.returns);
        ShiftReport::new(shift, off, &facts[*file].path, file_id, pages)
    };
    shifts.iter().zip(explained).map(report).collect()
}

fn transient_reports(transients: &[Transient], facts: &[FileFacts]) -> Vec<TransientReport> {
    let report = |transient: &Transient| TransientReport::of(transient, &facts[transient.file]);
    transients.iter().map(report).collect()
}

/// What `findings`, in the order of their places, belong to, and what stands around the most urgent
/// of them, with clean copies of these; the files of databases, and where those are stored that
/// have findings. Says if not all of that could be looked at.
fn look_up(
    findings: &mut [Finding],
    (discovery, files): (&Discovery, &[Remembered<'_>]),
    primaries: &Primaries,
    open: Open<'_>,
    facts: &mut [FileFacts],
) -> Option<&'static str> {
    names::name(findings, files, primaries, open);
    by_urgency(findings);
    context::add(findings, &discovery.files, primaries, open);
    for (facts, file) in facts.iter_mut().zip(files) {
        facts.database_files = names::database_files(file, open);
    }
    let note = copies::find(findings, (&discovery.files, facts), open);
    by_place(findings);
    places::find(facts, findings, &discovery.files);
    note
}

/// What a boot page that is suspect itself says of the recovery model may be what was damaged: it
/// is not known then.
fn disbelieve_boot_pages(facts: &mut [FileFacts], findings: &[Finding], primaries: &Primaries) {
    let is_boot = |finding: &&Finding| finding.page_type == Some(PageType::Boot);
    let bad: BTreeSet<usize> = findings.iter().filter(is_boot).map(|f| f.file).collect();
    for (index, facts) in facts.iter_mut().enumerate() {
        if primaries.of(index).is_some_and(|primary| bad.contains(&primary)) {
            facts.simple_recovery = None;
            facts.is_boot_suspect = true;
        }
    }
}

fn remembered<'a>(files: &'a [DataFile], tallies: &'a [FileTally]) -> Vec<Remembered<'a>> {
    let files = files.iter().zip(tallies);
    files.map(|(file, tally)| Remembered { file, catalog: &tally.catalog }).collect()
}

fn into_inner<T>(mutex: std::sync::Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn text(path: &Path) -> Arc<str> {
    paths::text(path).into()
}

fn file_facts(file: &DataFile) -> FileFacts {
    let boot = file.boot.as_ref();
    FileFacts {
        path: text(&file.path),
        database: boot.map(|boot| boot.database.as_str().into()),
        database_id: boot.map_or(0, |boot| boot.database_id),
        simple_recovery: boot.map(|boot| boot.simple_recovery),
        is_log: file.kind == FileKind::Log,
        part: file.part.as_ref().map(|part| part_facts(part, file)),
        placement: None,
        sound_pages: 0,
        has_primary: false,
        is_boot_suspect: false,
        database_files: Vec::new(),
        is_of_unknown_database: false,
    }
}

fn part_facts(part: &Part, file: &DataFile) -> PartFacts {
    let (set, file_id) = (part.set(), file.file_id);
    let named = set.files.iter().find(|file| file.file_id == file_id.0);
    let named = named.map(|file| file.logical_name.as_str()).filter(|name| !name.is_empty());
    PartFacts {
        layout: part.layout.clone(),
        position: set.position,
        logical_name: named.map_or_else(|| file_id.to_string().into(), Into::into),
        has_checksum: set.has_checksum.unwrap_or(false),
        is_unpacked: file.kind == FileKind::CompressedBackup,
    }
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
