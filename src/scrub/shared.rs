//! What the threads of a scan share: files, counts, and what ends it.

use super::checkpoint::{Checkpoint, Counted, FileState, History};
use super::file::FileScan;
use super::known_owners::Room;
use super::lock;
use super::lost_writes::LostWrites;
use super::settings::{Progress, Settings};
use super::tally::FileTally;
use crate::backup::compressed::Verified;
use crate::consolidate::findings::Findings;
use crate::consolidate::throughput::{StageLatencies, Timeline};
use crate::consolidate::transient::Transients;
use crate::discover::Discovery;
use crate::plan::{DoneRanges, Plan};
use crate::read::Way;
use crate::verify::gpu::pool::{GpuSummary, Gpus};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// Host findings kept at most; one is enough to distrust the machine.
pub(super) const HOST_FINDINGS_MAX: usize = 100;

/// Said where the second look is no proof of what the device holds.
const PERHAPS_CACHED: &str = "suspects were read again, but perhaps from the operating system's \
    cache: nothing tells here whether a read reaches the device, so what is damaged in memory only \
    may look like damage of the disk, and the other way round";

/// Held shared while a batch is added, and alone while everything is written down. Nothing slow
/// is done under it.
#[derive(Default)]
pub(super) struct CommitLock(RwLock<()>);

impl CommitLock {
    /// While this is kept, a batch is being added.
    pub(super) fn adding(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no batch is half added, and keeps it so.
    pub(super) fn between_batches(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the workers share.
pub(super) struct Shared<'a> {
    pub(super) settings: &'a Settings<'a>,
    /// One of them was wrong, so that none is used.
    pub(super) are_gpus_wrong: bool,
    /// The GPUs, as long as they are believed.
    pub(super) gpus: Option<&'a Gpus>,
    /// What GPUs did before an interruption.
    pub(super) gpus_before: Vec<GpuSummary>,
    pub(super) files: Vec<FileScan<'a>>,
    pub(super) findings: Mutex<Findings>,
    pub(super) transients: Mutex<Transients>,
    /// What pages are held against older copies by, if there are any of both.
    pub(super) lost_writes: Option<LostWrites>,
    pub(super) latencies: Mutex<StageLatencies>,
    pub(super) timeline: Mutex<Timeline>,
    pub(super) host_findings: Mutex<Vec<String>>,
    /// What the user should know about how files were read.
    pub(super) notes: Mutex<BTreeSet<String>>,
    /// A thread has met a bug of ours; the others end, and the panic goes on.
    pub(super) has_panicked: AtomicBool,
    /// A page of a backup belongs into another extent than the one it was taken for.
    pub(super) has_misplaced: AtomicBool,
    /// Compressed backups whose records are verified, by path.
    pub(super) verified: &'a [(PathBuf, Arc<Verified>)],
    /// Compressed backups that could not be unpacked although that was asked for, and why.
    pub(super) not_unpacked: &'a [(PathBuf, String)],
    /// Whether that may be because not every extent was looked at.
    pub(super) are_extents_guessed: bool,
    /// Left for what is kept of files until it is known who owns their pages.
    pub(super) owners_room: Room,
    /// By [`Way`].
    pub(super) bytes_by_way: [AtomicU64; Way::ALL.len()],
    pub(super) progress: &'a dyn Progress,
    pub(super) commit: CommitLock,
    pub(super) history: History,
    pub(super) started: Instant,
}

impl<'a> Shared<'a> {
    /// At the beginning of a scan, or where its checkpoint left off.
    pub(super) fn new(
        discovery: &'a Discovery,
        plan: &'a Plan,
        settings: &'a Settings<'a>,
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
    pub(super) fn gpu_summaries(&self) -> Vec<GpuSummary> {
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
    pub(super) fn is_in_vain(&self) -> bool {
        self.gpus.is_some_and(|gpus| gpus.wrong().is_some()) || self.is_guess_wrong()
    }

    pub(super) fn is_guess_wrong(&self) -> bool {
        self.are_extents_guessed && self.has_misplaced.load(Ordering::Relaxed)
    }

    /// A page of a backup belongs into another extent.
    pub(super) fn found_misplaced(&self) {
        self.has_misplaced.store(true, Ordering::Relaxed);
    }

    /// No further batch is to be begun.
    pub(super) fn must_stop(&self) -> bool {
        let has_panicked = self.has_panicked.load(Ordering::Relaxed);
        self.settings.stop.is_asked() || has_panicked || self.is_in_vain()
    }

    pub(super) fn note(&self, text: String) {
        lock(&self.notes).insert(text);
    }

    /// A second look may not have reached the device.
    pub(super) fn note_perhaps_cached(&self) {
        self.note(PERHAPS_CACHED.to_owned());
    }

    /// Time spent on the scan, without interruptions.
    pub(super) fn elapsed(&self) -> Duration {
        self.history.elapsed.saturating_add(self.started.elapsed())
    }

    /// What is done of each file.
    pub(super) fn done(&self) -> Vec<DoneRanges> {
        self.files.iter().map(|file| lock(&file.tally).done.clone()).collect()
    }

    /// Suspects found before an interruption count in the progress shown after it.
    pub(super) fn tell_suspects_before(&self) {
        let suspects = self.files.iter().map(|file| lock(&file.tally).coverage.suspect).sum();
        if suspects > 0 {
            self.progress.suspects(suspects);
        }
    }

    /// The scan was stopped before its end.
    pub(super) fn is_cut_short(&self) -> bool {
        let is_cut_short = |file: &FileScan<'_>| lock(&file.tally).is_cut_short(file.planned);
        self.settings.stop.is_asked() && self.files.iter().any(is_cut_short)
    }
}

impl Counted for Shared<'_> {
    fn checkpoint(&self) -> Checkpoint {
        let between_batches = self.commit.between_batches();
        let history = History { elapsed: self.elapsed(), ..self.history.clone() };
        let state =
            |scan: &FileScan<'_>| FileState::with_tally(scan.file, lock(&scan.tally).clone());
        let files = self.files.iter().map(state).collect();
        let findings = lock(&self.findings).clone();
        let transients = lock(&self.transients).clone();
        let latencies = lock(&self.latencies).clone();
        let timeline = lock(&self.timeline).clone();
        let host_findings = lock(&self.host_findings).clone();
        let notes = lock(&self.notes).clone();
        let gpus = self.gpu_summaries();
        let bytes_by_way = self.bytes_by_way.each_ref().map(|bytes| bytes.load(Ordering::Relaxed));
        drop(between_batches);
        let (findings, transients) = (findings.into_list(), transients.into_list());
        Checkpoint {
            history,
            files,
            findings,
            transients,
            latencies,
            timeline,
            host_findings,
            notes,
            gpus,
            are_gpus_wrong: self.are_gpus_wrong,
            bytes_by_way,
            changed: BTreeMap::new(),
        }
    }

    fn is_doubtful(&self) -> bool {
        !lock(&self.host_findings).is_empty()
    }

    fn is_in_vain(&self) -> bool {
        self.is_in_vain()
    }
}
