//! THE CONDUCTOR: joins the stages. All control flow of a scan is here; the stages only compute.
//!
//! Batches are counted out device by device; each is read, verified and judged by one thread
//! while its bytes are still in that core's cache. What looks bad is looked at again. Nothing is
//! kept of a batch but counts, latencies and findings, so memory does not grow with the files.

mod batch;
mod file;
mod finish;

use crate::consolidate::rank::Findings;
use crate::consolidate::report::ScrubReport;
use crate::consolidate::throughput::{StageLatencies, Timeline};
use crate::discover::Discovery;
use crate::plan::{ExtentBatch, Plan};
use crate::read::PageSource;
use crate::verify::engine::Engine;
use batch::Worker;
use file::FileScan;
use rayon::iter::{ParallelBridge, ParallelIterator};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Host findings kept at most; one is enough to distrust the machine.
const HOST_FINDINGS_MAX: usize = 100;

/// Opens a file for reading pages. The readers of [`crate::read::open`] in production, broken
/// disks in tests.
pub type Open<'a> = &'a (dyn Fn(&Path) -> io::Result<Box<dyn PageSource>> + Sync);

/// How to scan.
pub struct Settings<'a> {
    /// What computes checksums.
    pub engine: &'a Engine,
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
    /// Once true, no further batch is begun; what was not reached is reported as such.
    pub stop: &'a AtomicBool,
}

/// Told how far a scan has come, from several threads.
pub trait Progress: Sync {
    /// The scan begins and will read `bytes`.
    fn begin(&self, bytes: u64);
    /// `bytes` more have been read.
    fn advance(&self, bytes: u64);
    /// Suspects so far.
    fn suspects(&self, count: u64);
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
}

/// What the workers share.
struct Shared<'a> {
    settings: &'a Settings<'a>,
    files: Vec<FileScan<'a>>,
    findings: Mutex<Findings>,
    latencies: Mutex<StageLatencies>,
    timeline: Mutex<Timeline>,
    host_findings: Mutex<Vec<String>>,
    progress: &'a dyn Progress,
    started: Instant,
}

/// Scans everything in `discovery` and reports.
pub fn scrub(discovery: &Discovery, settings: &Settings<'_>, progress: &dyn Progress) -> Scrub {
    let started_at = jiff::Timestamp::now();
    let plan = Plan::new(&discovery.files, settings.batch_pages);
    let shared = Shared {
        settings,
        files: file_scans(discovery, &plan),
        findings: Mutex::default(),
        latencies: Mutex::default(),
        timeline: Mutex::default(),
        host_findings: Mutex::default(),
        progress,
        started: Instant::now(),
    };
    progress.begin(plan.stored_bytes());
    run(&plan, &shared);
    progress.end();
    finish::finish(discovery, &plan, shared, started_at)
}

fn file_scans<'a>(discovery: &'a Discovery, plan: &'a Plan) -> Vec<FileScan<'a>> {
    let files = plan.files.iter().zip(&discovery.files).enumerate();
    files.map(|(i, (planned, file))| FileScan::new(i, planned, file)).collect()
}

/// Work is handed out one batch at a time, so a slow device or a damaged stretch delays only the
/// thread that met it.
fn run(plan: &Plan, shared: &Shared<'_>) {
    let threads = shared.settings.threads.max(1);
    let goes_on = |_: &ExtentBatch| !shared.settings.stop.load(Ordering::Relaxed);
    let work = || {
        let batches = plan.batches().take_while(goes_on);
        batches.par_bridge().for_each_init(Worker::default, |worker, batch| {
            worker.scrub(&batch, &shared.files[batch.file], shared);
        });
    };
    let pool = (0..=threads.ilog2()).find_map(|halvings| {
        rayon::ThreadPoolBuilder::new().num_threads(threads >> halvings).build().ok()
    });
    match pool {
        Some(pool) => pool.install(work),
        // Not a single thread to be had: the caller's own does the work.
        None => one_by_one(plan.batches().take_while(goes_on), shared),
    }
}

fn one_by_one(batches: impl Iterator<Item = ExtentBatch>, shared: &Shared<'_>) {
    let mut worker = Worker::default();
    batches.for_each(|batch| worker.scrub(&batch, &shared.files[batch.file], shared));
}

/// A panic in another thread ends the run by itself; until then its counts are as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
