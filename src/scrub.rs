//! THE CONDUCTOR: joins the stages. All control flow of a scan is here; the stages only compute.
//!
//! Each thread takes batches from the devices' queues; what it reads it verifies and judges itself
//! while the bytes are still in that core's cache. What looks bad is looked at again. Nothing is
//! kept of a batch but counts, latencies and findings, so memory does not grow with the files.

mod batch;
mod buffers;
mod catalog_pages;
mod checked;
mod checked_pages;
pub mod checkpoint;
mod commit;
mod consistency;
mod context;
mod copies;
mod dispatch;
mod facts;
mod file;
mod finish;
mod holes;
mod in_use;
mod investigate;
mod known_owners;
mod lane;
mod leads;
mod at_gpus;
mod lost_writes;
mod names;
mod origin;
mod owners;
mod paced;
mod places;
mod primaries;
mod settings;
mod shared;
mod shifts;
mod stop;
mod streams;
mod tally;
mod threads;
mod worker;
mod wrong_owners;

pub(crate) use catalog_pages::CatalogPages;
pub(crate) use file::open_unchanged;
pub(crate) use leads::Remembered;
pub(crate) use origin::Origin;
pub use settings::{Open, Progress, Settings, Silent};
pub use stop::Stop;
pub use threads::THREAD_STACK_BYTES;
pub(crate) use threads::pool_or_own_thread;

use crate::consolidate::report::ScrubReport;
use crate::consolidate::throughput::StageLatencies;
use crate::discover::Discovery;
use crate::discover::device::numa_nodes;
use crate::plan::pace::PaceSummary;
use crate::plan::{DoneRanges, Plan};
use checkpoint::{Checkpoint, History, while_checkpointing};
use dispatch::Dispatch;
use shared::Shared;
use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use threads::{pool, stay_on};
use worker::Worker;

/// Suspects that are looked into at most when all is read: 256 MiB are read around them, if none
/// share an extent. The most urgent come first.
const LOOKED_INTO_MAX: usize = 4096;

const SCANNED_AGAIN: &str = "everything was scanned again without GPUs, because one was wrong: all \
    that this report says of pages is the CPU's";

const EXTENTS_SCANNED_AGAIN: &str = "everything was scanned again with a look at each extent of \
    the backups: one is not where the extents around it told";

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

/// Scans everything in `discovery` and reports.
pub fn scrub(discovery: &Discovery, settings: &Settings<'_>, progress: &dyn Progress) -> Scrub {
    let resume = settings.checkpoint.as_ref().and_then(|checkpoint| checkpoint.resume);
    let history = resume.map_or_else(History::new, |before| before.history.resumed());
    let mut found = Cow::Borrowed(discovery);
    if settings.deep {
        found = Cow::Owned(streams::records::unpack(&found, settings, progress));
    }
    if history.looks_at_each_extent {
        found = Cow::Owned(found.with_each_extent(&|device| settings.throttles.turns_of(device)));
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
    let shared = Shared::new(discovery, &plan, settings, before.as_ref(), history, progress);
    let (started, has_gpus) = (shared.started, shared.gpus.is_some());
    let scrubbed = scrub_once(discovery, &plan, shared);
    let elapsed = again.elapsed.saturating_add(started.elapsed());
    let again = History { elapsed, ..again };
    if scrubbed.is_guess_wrong {
        let again = History { looks_at_each_extent: true, ..again };
        let notes = settings.notes.iter().cloned().chain([EXTENTS_SCANNED_AGAIN.to_owned()]);
        let settings = Settings { notes: notes.collect(), ..settings.clone() };
        let discovery = discovery.with_each_extent(&|device| settings.throttles.turns_of(device));
        return scrub_found(&discovery, &settings, (None, again), progress);
    }
    if !has_gpus || settings.gpus.is_none_or(|gpus| gpus.wrong().is_none()) {
        return scrubbed;
    }
    // A GPU that was wrong may have been wrong before, in this scan and in the one that it goes on
    // from: everything is looked at again, without GPUs.
    let known = scrubbed.report.host_findings;
    let settings = Settings { host_findings: known, ..settings.clone() };
    let shared = Shared::new(discovery, &plan, &settings, None, again, progress);
    shared.note(SCANNED_AGAIN.to_owned());
    scrub_once(discovery, &plan, shared)
}

fn scrub_once(discovery: &Discovery, plan: &Plan, shared: Shared<'_>) -> Scrub {
    let progress = shared.progress;
    let done = shared.done();
    let mut elapsed = shared.elapsed();
    let mut paces = Vec::new();
    let to = shared.settings.checkpoint.as_ref();
    let checkpoint = while_checkpointing(to, &shared, || {
        let beside = streams::bytes_of(discovery);
        progress.begin(plan.stored_bytes_left(&done).saturating_add(beside));
        shared.tell_suspects_before();
        paces = run(plan, &done, &shared);
        streams::look(discovery, &shared);
        elapsed = shared.elapsed();
    });
    progress.end();
    let scrubbed = finish::finish(discovery, plan, shared, paces, elapsed, checkpoint);
    progress.finished();
    scrubbed
}

/// All threads take from the same queues, so a slow device or a damaged stretch delays only the
/// thread that met it.
fn run(plan: &Plan, done: &[DoneRanges], shared: &Shared<'_>) -> Vec<PaceSummary> {
    let dispatch = Dispatch::new(plan, done, &shared.settings.throttles);
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

/// A panic in another thread ends the run by itself; until then its counts are as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
