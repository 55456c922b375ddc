//! THE CONDUCTOR: joins the stages. All control flow of a scan is here; the stages only compute.
//!
//! Each thread takes batches from the devices' queues; what it reads it verifies and judges itself
//! while the bytes are still in that core's cache. What looks bad is looked at again. Nothing is
//! kept of a batch but counts, latencies and findings, so memory does not grow with the files.

mod file;
mod batch;
mod dispatch;
mod worker;
mod finish;

use crate::consolidate::rank::Findings;
use crate::consolidate::report::ScrubReport;
use crate::consolidate::throughput::{StageLatencies, Timeline};
use crate::discover::Discovery;
use crate::discover::device::numa_nodes;
use crate::plan::Plan;
use crate::plan::pace::{Pace, PaceSummary};
use crate::read::{PageSource, Way};
use crate::verify::engine::Engine;
use dispatch::Dispatch;
use file::FileScan;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use worker::Worker;

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
    /// How fast devices may be read.
    pub pace: Pace,
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
    /// What the user should know about how files were read.
    notes: Mutex<BTreeSet<String>>,
    /// By [`Way`].
    bytes_by_way: [AtomicU64; Way::ALL.len()],
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
        notes: Mutex::default(),
        bytes_by_way: Default::default(),
        progress,
        started: Instant::now(),
    };
    progress.begin(plan.stored_bytes());
    let paces = run(&plan, &shared);
    progress.end();
    finish::finish(discovery, &plan, shared, paces, started_at)
}

impl Shared<'_> {
    fn note(&self, text: String) {
        lock(&self.notes).insert(text);
    }
}

fn file_scans<'a>(discovery: &'a Discovery, plan: &'a Plan) -> Vec<FileScan<'a>> {
    let files = plan.files.iter().zip(&discovery.files).enumerate();
    files.map(|(i, (planned, file))| FileScan::new(i, planned, file)).collect()
}

/// All threads take from the same queues, so a slow device or a damaged stretch delays only the
/// thread that met it.
fn run(plan: &Plan, shared: &Shared<'_>) -> Vec<PaceSummary> {
    let dispatch = Dispatch::new(plan, &shared.settings.pace);
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
    let pool = (0..=threads.ilog2()).find_map(|halvings| {
        rayon::ThreadPoolBuilder::new().num_threads(threads >> halvings).build().ok()
    });
    match pool {
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
    cpus.iter().for_each(|&cpu| set.set(cpu));
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

#[cfg(not(target_os = "linux"))]
fn stay_on(_: &[usize]) {}

/// A panic in another thread ends the run by itself; until then its counts are as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
