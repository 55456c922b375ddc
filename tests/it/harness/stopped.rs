//! Scans inside the test's own process that stop where the test wants it.

use pagescrub::discover::{Discovery, discover};
use pagescrub::read::open::Reader;
use pagescrub::scrub::checkpoint::{Checkpoint, Checkpointing};
use pagescrub::scrub::{Open, Progress, Scrub, Settings, Stop, scrub};
use pagescrub::verify::engine::Engine;
use pagescrub::verify::gpu::pool::Gpus;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How to scan.
#[derive(Clone, Copy)]
pub struct How {
    pub engine: &'static str,
    pub gpus: Option<&'static Gpus>,
    pub reader: Reader,
    pub threads: usize,
    pub batch_pages: u32,
    /// Batches read after which the scan is stopped.
    pub stop_after: u64,
    /// The scan is stopped when it is looked into this, after all is read.
    pub stop_looking_into: Option<&'static str>,
    /// Compressed backups are unpacked.
    pub is_deep: bool,
    /// How long the scan halts while it adds suspects to the counts.
    pub slow_suspects: Duration,
}

impl Default for How {
    fn default() -> Self {
        Self {
            engine: "auto",
            gpus: None,
            reader: Reader::Pread,
            threads: 2,
            batch_pages: 64,
            stop_after: u64::MAX,
            stop_looking_into: None,
            is_deep: false,
            slow_suspects: Duration::ZERO,
        }
    }
}

/// Stops a scan after so many batches.
struct Watch<'a> {
    how: How,
    stop: &'a Stop,
    batches: AtomicU64,
}

impl Progress for Watch<'_> {
    fn begin(&self, _: u64) {}
    fn advance(&self, _: u64) {
        let batches = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        if batches >= self.how.stop_after {
            self.stop.ask();
        }
    }
    fn suspects(&self, _: u64) {
        std::thread::sleep(self.how.slow_suspects);
    }
    fn end(&self) {}
    fn looking_into(&self, what: &'static str) {
        if self.how.stop_looking_into == Some(what) {
            self.stop.ask();
        }
    }
}

/// Scans `discovery` without a checkpoint.
pub fn whole(discovery: &Discovery, how: How) -> Scrub {
    let reader = how.reader;
    scan(discovery, how, &|path| reader.open(path), None)
}

/// Scans `paths`, with checkpoints at `path` and from the one that is there.
pub fn part(paths: &[PathBuf], how: How, path: &Path, interval: Duration) -> Scrub {
    let reader = how.reader;
    part_with(&discover(paths), how, &|path| reader.open(path), path, interval)
}

pub fn part_with(
    discovery: &Discovery,
    how: How,
    open: Open<'_>,
    path: &Path,
    interval: Duration,
) -> Scrub {
    let before = path.exists().then(|| Checkpoint::read(path, discovery).expect("ours"));
    let failed = |error: &std::io::Error| panic!("no checkpoint could be written: {error}");
    let resume = before.as_ref();
    let checkpoint = Checkpointing { path, interval, resume, failed: &failed };
    scan(discovery, how, open, Some(checkpoint))
}

pub fn scan(
    discovery: &Discovery,
    how: How,
    open: Open<'_>,
    checkpoint: Option<Checkpointing<'_>>,
) -> Scrub {
    let stop = Stop::default();
    if how.stop_after == 0 {
        stop.ask();
    }
    let engine = Engine::named(how.engine).expect("there is one");
    let settings = Settings {
        gpus: how.gpus,
        engine_name: how.engine.to_owned(),
        reader_name: how.reader.name().to_owned(),
        threads: how.threads,
        batch_pages: how.batch_pages,
        deep: how.is_deep,
        checkpoint,
        ..Settings::new(&engine, open, &stop)
    };
    let watch = Watch { how, stop: &stop, batches: AtomicU64::new(0) };
    scrub(discovery, &settings, &watch)
}

/// The report of `scrubbed` as JSON.
pub fn json(scrubbed: &Scrub) -> Value {
    serde_json::to_value(&scrubbed.report).expect("a report is JSON")
}
