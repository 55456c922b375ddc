//! THE CONDUCTOR: joins the stages. All control flow of a scan is here; the stages only compute.
//!
//! Each thread takes batches from the devices' queues; what it reads it verifies and judges itself
//! while the bytes are still in that core's cache. What looks bad is looked at again. Nothing is
//! kept of a batch but counts, latencies and findings, so memory does not grow with the files.

mod commit;
pub mod checkpoint;
mod file;
mod known_owners;
mod in_use;
mod leads;
mod owners;
mod names;
mod context;
mod copies;
mod places;
mod shifts;
mod holes;
mod lost_writes;
mod wrong_owners;
mod investigate;
mod batch;
mod dispatch;
mod buffers;
mod lent;
mod worker;
mod streams;
mod finish;
mod paced;
mod stop;
mod throttles;

pub use stop::Stop;

use crate::backup::compressed::Verified;
use crate::consolidate::findings::Findings;
use crate::consolidate::pattern::Geometry;
use crate::consolidate::report::ScrubReport;
use crate::consolidate::throughput::{StageLatencies, Timeline};
use crate::consolidate::transient::Transients;
use crate::consolidate::weights::{Weights, WeightsOrigin};
use crate::discover::Discovery;
use crate::discover::device::numa_nodes;
use crate::plan::pace::{Pace, PaceSummary};
use crate::plan::{BATCH_PAGES_DEFAULT, DoneRanges, Plan};
use crate::read::{PageSource, Way};
use crate::verify::engine::Engine;
use crate::verify::gpu::calibration::Calibration;
use crate::verify::gpu::pool::{GpuSummary, Gpus};
use checkpoint::{Checkpoint, Checkpointing, History, while_checkpointing};
use commit::CommitLock;
use dispatch::Dispatch;
use file::{FileScan, FileTally};
use known_owners::Room;
use lost_writes::LostWrites;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use throttles::Throttles;
use worker::Worker;

/// Host findings kept at most; one is enough to distrust the machine.
const HOST_FINDINGS_MAX: usize = 100;

const SCANNED_AGAIN: &str = "everything was scanned again without GPUs, because one was wrong: all \
    that this report says of pages is the CPU's";

const EXTENTS_SCANNED_AGAIN: &str = "everything was scanned again with a look at each extent of the \
    backups: one is not where the extents around it told";

/// Said where the second look is no proof of what the device holds.
const PERHAPS_CACHED: &str = "suspects were read again, but perhaps from the operating system's \
    cache: nothing tells here whether a read reaches the device, so what is damaged in memory only \
    may look like damage of the disk, and the other way round";

/// Opens a file for reading pages. The readers of [`crate::read::open`] in production, broken
/// disks in tests.
pub type Open<'a> = &'a (dyn Fn(&Path) -> io::Result<Box<dyn PageSource>> + Sync);

/// How to scan.
#[derive(Clone)]
pub struct Settings<'a> {
    /// What computes checksums on the CPU.
    pub engine: &'a Engine,
    /// GPUs that look at pages, if any do.
    pub gpus: Option<&'a Gpus>,
    /// How `auto` chose between them.
    pub calibration: Option<Calibration>,
    /// What the user should know, from before the scan.
    pub notes: Vec<String>,
    /// What was wrong with this machine before the scan.
    pub host_findings: Vec<String>,
    /// The engine's name as asked for.
    pub engine_name: String,
    /// What opens files.
    pub open: Open<'a>,
    /// The reader's name as asked for.
    pub reader_name: String,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Pages per batch.
    pub batch_pages: u32,
    /// How fast devices may be read.
    pub pace: Pace,
    /// What counts how much in a score.
    pub weights: Weights,
    /// Where the weights come from.
    pub weights_origin: WeightsOrigin,
    /// Once true, no further batch is begun; what was not reached is reported as such.
    pub stop: &'a Stop,
    /// How the array deals out bytes to its disks, if that is known.
    pub geometry: Option<Geometry>,
    /// Compressed backups are unpacked, and the pages in them verified.
    pub deep: bool,
    /// What carries no checksums is not enough.
    pub require_checksums: bool,
    /// Databases of which data files are missing are incomplete.
    pub whole_databases: bool,
    /// Pages are held against older copies of them.
    pub lost_writes: bool,
    /// Whether and how to write checkpoints, and the one to go on from.
    pub checkpoint: Option<Checkpointing<'a>>,
}

impl<'a> Settings<'a> {
    /// One thread, no limits and no checkpoints, unless said otherwise. The names are those of
    /// the default engine and reader.
    pub fn new(engine: &'a Engine, open: Open<'a>, stop: &'a Stop) -> Self {
        Self {
            engine,
            gpus: None,
            calibration: None,
            notes: Vec::new(),
            host_findings: Vec::new(),
            engine_name: "auto".to_owned(),
            open,
            reader_name: "auto".to_owned(),
            threads: 1,
            batch_pages: BATCH_PAGES_DEFAULT,
            pace: Pace::default(),
            weights: Weights::default(),
            weights_origin: WeightsOrigin::default(),
            stop,
            geometry: None,
            deep: false,
            require_checksums: false,
            whole_databases: false,
            lost_writes: true,
            checkpoint: None,
        }
    }
}

/// Told how far a scan has come, from several threads.
pub trait Progress: Sync {
    /// The scan begins, or goes on, and will read `bytes`.
    fn begin(&self, bytes: u64);
    /// `bytes` more have been read.
    fn advance(&self, bytes: u64);
    /// Suspects so far.
    fn suspects(&self, count: u64);
    /// All is read, and now it is looked into `what`.
    fn looking_into(&self, _what: &'static str) {}
    /// The scan is over.
    fn end(&self);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn suspects(&self, _: u64) {}
    fn end(&self) {}
}

/// A finished scan.
pub struct Scrub {
    /// What it found.
    pub report: ScrubReport,
    /// Latencies of all files together.
    pub latencies: StageLatencies,
    /// Latencies of single files, by path.
    pub file_latencies: Vec<(String, StageLatencies)>,
    /// Extents of a backup are not where they were taken to be.
    is_guess_wrong: bool,
}

/// What the workers share.
struct Shared<'a> {
    settings: &'a Settings<'a>,
    throttles: &'a Throttles,
    /// One of them was wrong, so that none is used.
    are_gpus_wrong: bool,
    /// The GPUs, as long as they are believed.
    gpus: Option<&'a Gpus>,
    /// What GPUs did before an interruption.
    gpus_before: Vec<GpuSummary>,
    files: Vec<FileScan<'a>>,
    findings: Mutex<Findings>,
    transients: Mutex<Transients>,
    /// What pages are held against older copies by, if there are any of both.
    lost_writes: Option<LostWrites>,
    latencies: Mutex<StageLatencies>,
    timeline: Mutex<Timeline>,
    host_findings: Mutex<Vec<String>>,
    /// What the user should know about how files were read.
    notes: Mutex<BTreeSet<String>>,
    /// A thread has met a bug of ours; the others end, and the panic goes on.
    has_panicked: AtomicBool,
    /// A page of a backup belongs into another extent than the one it was taken for.
    has_misplaced: AtomicBool,
    /// Compressed backups whose records are verified, by path.
    verified: &'a [(PathBuf, Arc<Verified>)],
    /// Compressed backups that could not be unpacked although that was asked for, and why.
    not_unpacked: &'a [(PathBuf, String)],
    /// Whether that may be because not every extent was looked at.
    are_extents_guessed: bool,
    /// Left for what is kept of files until it is known who owns their pages.
    owners_room: Room,
    /// By [`Way`].
    bytes_by_way: [AtomicU64; Way::ALL.len()],
    progress: &'a dyn Progress,
    commit: CommitLock,
    history: History,
    started: Instant,
}

/// Scans everything in `discovery` and reports.
pub fn scrub(discovery: &Discovery, settings: &Settings<'_>, progress: &dyn Progress) -> Scrub {
    let resume = settings.checkpoint.as_ref().and_then(|checkpoint| checkpoint.resume);
    let history = resume.map_or_else(History::new, |before| before.history.resumed());
    let mut found = Cow::Borrowed(discovery);
    if settings.deep {
        let throttles = throttles_of(discovery, settings);
        found = Cow::Owned(streams::records::unpack(&found, settings, &throttles, progress));
    }
    if history.looks_at_each_extent {
        found = Cow::Owned(found.with_each_extent());
    }
    scrub_found(&found, settings, (resume, history), progress)
}

fn scrub_found(
    discovery: &Discovery,
    settings: &Settings<'_>,
    (before, history): (Option<&Checkpoint>, History),
    progress: &dyn Progress,
) -> Scrub {
    let plan = Plan::new(&discovery.files, settings.batch_pages);
    // Where a GPU is known to be wrong, what GPUs said before counts for nothing.
    let is_sound = settings.host_findings.is_empty();
    let before = before.filter(|before| is_sound || before.gpus.is_empty());
    let before = before.map(|before| before.fitted(&discovery.files, &plan));
    let again = history.clone();
    let throttles = throttles_of(discovery, settings);
    let with = (settings, &throttles);
    let shared = Shared::new(discovery, &plan, with, before.as_ref(), history, progress);
    let (started, has_gpus) = (shared.started, shared.gpus.is_some());
    let scrubbed = scrub_once(discovery, &plan, shared);
    let elapsed = again.elapsed.saturating_add(started.elapsed());
    let again = History { elapsed, ..again };
    if scrubbed.is_guess_wrong {
        let again = History { looks_at_each_extent: true, ..again };
        let notes = settings.notes.iter().cloned().chain([EXTENTS_SCANNED_AGAIN.to_owned()]);
        let settings = Settings { notes: notes.collect(), ..settings.clone() };
        return scrub_found(&discovery.with_each_extent(), &settings, (None, again), progress);
    }
    if !has_gpus || settings.gpus.is_none_or(|gpus| gpus.wrong().is_none()) {
        return scrubbed;
    }
    // A GPU that was wrong may have been wrong before, in this scan and in the one that it goes on
    // from: everything is looked at again, without GPUs.
    let known = scrubbed.report.host_findings;
    let settings = Settings { host_findings: known, ..settings.clone() };
    let with = (&settings, &throttles);
    let shared = Shared::new(discovery, &plan, with, None, again, progress);
    shared.note(SCANNED_AGAIN.to_owned());
    scrub_once(discovery, &plan, shared)
}

fn throttles_of(discovery: &Discovery, settings: &Settings<'_>) -> Throttles {
    Throttles::new(discovery.files.iter().map(|file| file.device), &settings.pace)
}

fn scrub_once(discovery: &Discovery, plan: &Plan, shared: Shared<'_>) -> Scrub {
    let progress = shared.progress;
    let done = shared.done();
    let mut elapsed = shared.elapsed();
    let mut paces = Vec::new();
    let checkpoint = while_checkpointing(&shared, discovery, || {
        let beside = streams::bytes_of(discovery);
        progress.begin(plan.stored_bytes_left(&done).saturating_add(beside));
        shared.tell_suspects_before();
        paces = run(plan, &done, &shared);
        streams::look(discovery, &shared);
        elapsed = shared.elapsed();
    });
    let scrubbed = finish::finish(discovery, plan, shared, paces, elapsed, checkpoint);
    progress.end();
    scrubbed
}

impl<'a> Shared<'a> {
    /// At the beginning of a scan, or where its checkpoint left off.
    fn new(
        discovery: &'a Discovery,
        plan: &'a Plan,
        (settings, throttles): (&'a Settings<'a>, &'a Throttles),
        before: Option<&Checkpoint>,
        history: History,
        progress: &'a dyn Progress,
    ) -> Self {
        let file_scan = |(index, (planned, file))| {
            let begun = before.map(|checkpoint| checkpoint.tally(index));
            let tally = begun.unwrap_or_else(|| FileTally::new(index, planned));
            FileScan::new(index, planned, file, tally)
        };
        let files = plan.files.iter().zip(&discovery.files).enumerate().map(file_scan);
        let files: Vec<FileScan<'_>> = files.collect();
        let done = files.iter().map(|file| lock(&file.tally).done.pages());
        let lost_writes = settings.lost_writes.then(|| LostWrites::of(&discovery.files, done));
        let (lost_writes, not_compared) = match lost_writes {
            Some(Err(why)) => (None, Some(why)),
            Some(Ok(lost_writes)) => (lost_writes, None),
            None => (None, None),
        };
        let notes = before.into_iter().flat_map(|before| before.notes.iter().cloned());
        let notes = notes.chain(not_compared);
        let wrong = settings.gpus.and_then(Gpus::wrong);
        let are_gpus_wrong = wrong.is_some() || before.is_some_and(|before| before.are_gpus_wrong);
        let known = before.map(|b| b.host_findings.clone()).unwrap_or_default();
        let new = settings.host_findings.iter().cloned().chain(wrong.map(str::to_owned));
        let mut host_findings: Vec<_> = known.into_iter().chain(new).collect();
        host_findings.dedup();
        Self {
            settings,
            throttles,
            are_gpus_wrong,
            gpus: settings.gpus.filter(|_| !are_gpus_wrong),
            gpus_before: before.map(|before| before.gpus.clone()).unwrap_or_default(),
            files,
            findings: Mutex::new(before.map(|b| b.findings.clone().into()).unwrap_or_default()),
            transients: Mutex::new(before.map(|b| b.transients.clone().into()).unwrap_or_default()),
            lost_writes,
            latencies: Mutex::new(before.map(|b| b.latencies.clone()).unwrap_or_default()),
            timeline: Mutex::new(before.map(|b| b.timeline.clone()).unwrap_or_default()),
            host_findings: Mutex::new(host_findings),
            notes: Mutex::new(notes.chain(settings.notes.iter().cloned()).collect()),
            has_panicked: AtomicBool::new(false),
            has_misplaced: AtomicBool::new(false),
            verified: &discovery.verified,
            not_unpacked: &discovery.not_unpacked,
            are_extents_guessed: discovery.are_extents_guessed,
            owners_room: Room::default(),
            bytes_by_way: before.map_or(Default::default(), |b| b.bytes_by_way.map(AtomicU64::new)),
            progress,
            commit: CommitLock::default(),
            history,
            started: Instant::now(),
        }
    }

    /// What GPUs did, before an interruption as well.
    fn gpu_summaries(&self) -> Vec<GpuSummary> {
        let mut before = self.gpus_before.clone();
        let mut now = self.settings.gpus.map(Gpus::summaries).unwrap_or_default();
        for gpu in &mut now {
            // Each once: a machine may have several that cannot be told apart.
            let is_it = |then: &GpuSummary| then.identity == gpu.identity;
            if let Some(at) = before.iter().position(is_it) {
                gpu.add(&before.remove(at));
            }
        }
        now.extend(before);
        now
    }

    /// A GPU that took part has turned out to be wrong, or the guess where extents are: what was
    /// counted counts for nothing.
    fn is_in_vain(&self) -> bool {
        self.gpus.is_some_and(|gpus| gpus.wrong().is_some()) || self.is_guess_wrong()
    }

    fn is_guess_wrong(&self) -> bool {
        self.are_extents_guessed && self.has_misplaced.load(Ordering::Relaxed)
    }

    /// A page of a backup belongs into another extent.
    fn found_misplaced(&self) {
        self.has_misplaced.store(true, Ordering::Relaxed);
    }

    /// No further batch is to be begun.
    fn must_stop(&self) -> bool {
        let has_panicked = self.has_panicked.load(Ordering::Relaxed);
        self.settings.stop.is_asked() || has_panicked || self.is_in_vain()
    }

    fn note(&self, text: String) {
        lock(&self.notes).insert(text);
    }

    /// A second look may not have reached the device.
    fn note_perhaps_cached(&self) {
        self.note(PERHAPS_CACHED.to_owned());
    }

    /// Time spent on the scan, without interruptions.
    fn elapsed(&self) -> Duration {
        self.history.elapsed.saturating_add(self.started.elapsed())
    }

    /// What is done of each file.
    fn done(&self) -> Vec<DoneRanges> {
        self.files.iter().map(|file| lock(&file.tally).done.clone()).collect()
    }

    /// Suspects found before an interruption count in the progress shown after it.
    fn tell_suspects_before(&self) {
        let suspects = self.files.iter().map(|file| lock(&file.tally).coverage.suspect).sum();
        if suspects > 0 {
            self.progress.suspects(suspects);
        }
    }

    /// The scan was stopped before its end.
    fn is_cut_short(&self) -> bool {
        let is_cut_short = |file: &FileScan<'_>| lock(&file.tally).is_cut_short(file.planned);
        self.settings.stop.is_asked() && self.files.iter().any(is_cut_short)
    }
}

/// The stack of each thread: no default, and no environment, makes it too small.
pub const THREAD_STACK_BYTES: usize = 2 << 20;

/// `threads` threads of a scan, or fewer where the system does not give so many.
fn pool(threads: usize) -> Option<rayon::ThreadPool> {
    let threads = threads.max(1);
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.stack_size(THREAD_STACK_BYTES).build().ok()
    };
    (0..=threads.ilog2()).find_map(|halvings| of(threads >> halvings))
}

/// The same; where there is none to be had, the caller's own thread is the pool. Without one, work
/// that is shared out would start threads by itself, and panic over it.
fn pool_or_own_thread(threads: usize) -> Option<rayon::ThreadPool> {
    let own = || rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok();
    pool(threads).or_else(own)
}

/// All threads take from the same queues, so a slow device or a damaged stretch delays only the
/// thread that met it.
fn run(plan: &Plan, done: &[DoneRanges], shared: &Shared<'_>) -> Vec<PaceSummary> {
    let dispatch = Dispatch::new(plan, done, shared.throttles);
    let nodes: Vec<_> = numa_nodes().into_iter().collect();
    let work = |thread: usize| {
        let node = nodes.get(thread % nodes.len().max(1)).filter(|_| nodes.len() > 1);
        let node = node.map(|(node, cpus)| {
            stay_on(cpus);
            *node
        });
        Worker::new(shared, &dispatch, node).run();
    };
    let threads = shared.settings.threads.max(1);
    match pool(threads) {
        Some(pool) => drop(pool.broadcast(|thread| work(thread.index()))),
        // Not a single thread to be had: the caller's own does the work.
        None => work(0),
    }
    dispatch.summaries()
}

/// Keeps this thread on `cpus`, so that its buffers are in the memory next to them. Where that is
/// not allowed, it only reads more slowly.
#[cfg(target_os = "linux")]
fn stay_on(cpus: &[usize]) {
    let mut set = rustix::thread::CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

#[cfg(not(target_os = "linux"))]
fn stay_on(_: &[usize]) {}

/// A panic in another thread ends the run by itself; until then its counts are as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
