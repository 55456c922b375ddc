//! The GPUs at work, as the rest of the program sees them: buffers of pages go in, checksums come
//! out, and what a GPU could not do comes back undone, with the same bytes.

use super::BUSY_JOBS;
use super::job::{Answer, GpuError, Job};
use super::upload::Upload;
use crate::page::Page;
use crate::page::address::{PageAddress, PageId};
use crate::page::checksum::Checksum;
use crate::read::arena::Arena;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Pages that are not suspect of which one is checked by the reference, unless asked otherwise.
pub const CHECK_ONE_IN_DEFAULT: u32 = 1000;
/// Pages at the beginning that are all checked: a driver that computes wrongly mostly does so from
/// the first page on.
const CHECKED_FIRST_PAGES: u64 = 512;
/// One in so many of all buffers may be at GPUs that share the work with the CPU.
const SHARED_ONE_IN: usize = 2;
/// How long the end of a scan waits for a GPU to end its work.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a GPU is called, and how pages reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// As its driver calls it.
    pub name: String,
    /// The driver and its version.
    pub driver: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `host_import`, `import_copy`, `mappable` or `copy`.
    pub upload: String,
}

/// How fast pages in memory reached a GPU and were looked at, on one of the ways there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaySpeed {
    /// As in [`Identity`].
    pub upload: String,
    /// In 10^9 bytes of pages per second.
    pub gb_per_second: f64,
}

/// A way that a GPU should have been open for, and why it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostWay {
    /// The way.
    pub upload: Upload,
    /// In words.
    pub why: String,
}

/// What a GPU did, for the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuSummary {
    /// Which one.
    #[serde(flatten)]
    pub identity: Identity,
    /// The ways that were measured to choose this one; none if only one came into question.
    #[serde(default)]
    pub ways: Vec<WaySpeed>,
    /// Pages it looked at.
    pub pages: u64,
    /// Pages of these that the reference looked at too.
    pub pages_checked: u64,
    /// Of the pages that it called good, one in so many was checked, beside the first ones.
    pub check_one_in: u32,
    /// Errors by name; the CPU looked at the pages instead.
    pub errors: BTreeMap<String, u64>,
    /// Why it was not used any more, if it was not.
    pub retired: Option<String>,
}

impl GpuSummary {
    /// Adds what `other`, the same GPU in an earlier part of the scan, did.
    pub fn add(&mut self, other: &Self) {
        self.pages = self.pages.saturating_add(other.pages);
        self.pages_checked = self.pages_checked.saturating_add(other.pages_checked);
        for (name, count) in &other.errors {
            let errors = self.errors.entry(name.clone()).or_default();
            *errors = errors.saturating_add(*count);
        }
    }
}

/// One GPU.
pub struct Gpu {
    identity: Identity,
    /// What it is open for, and how fast each was, if measured.
    ways: Vec<(Upload, Option<f64>)>,
    lost_ways: Vec<LostWay>,
    jobs: Option<Sender<Job>>,
    status: Arc<Status>,
    /// Says nothing, and ends when the GPU's thread ends.
    ended: Mutex<Receiver<()>>,
}

/// What a GPU's thread tells the others.
#[derive(Default)]
pub(super) struct Status {
    /// The how manieth of its ways the next submission takes.
    way: AtomicUsize,
    /// Jobs not yet answered.
    backlog: AtomicUsize,
    pages: AtomicU64,
    pages_checked: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    retired: OnceLock<String>,
    /// Its thread is no more, and answers nothing.
    has_ended: AtomicBool,
    /// What it was wrong about.
    distrusted: OnceLock<String>,
}

/// Who looks at pages that a GPU could look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// GPUs, and the CPU only what they cannot do.
    Gpu,
    /// Whoever is free.
    Hybrid,
}

/// All GPUs of a scan, and the memory they share with those who read.
pub struct Gpus {
    arena: Arc<Arena>,
    buffers: usize,
    members: Vec<Gpu>,
    share: Share,
    check_one_in: u32,
}

impl Gpus {
    /// `gpus`, all of which read `arena`. Of their good news, one in `check_one_in` (at least 1)
    /// is checked.
    pub fn new(arena: Arc<Arena>, gpus: Vec<Gpu>, share: Share, check_one_in: u32) -> Self {
        let buffers = arena.buffers();
        Self { arena, buffers, members: gpus, share, check_one_in: check_one_in.max(1) }
    }

    /// Where the pages must be.
    pub fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    /// Who looks at what.
    pub fn share(&self) -> Share {
        self.share
    }

    /// Hands `job` to the GPU with the least to do, and says which that is. The job comes back if
    /// that has enough to do, or if no GPU is left.
    pub fn offer(&self, job: Job) -> Result<usize, Job> {
        match self.idlest() {
            Some(gpu) if self.share == Share::Hybrid && self.has_enough(gpu) => Err(job),
            _ => self.give(job),
        }
    }

    /// True if `gpu` has what keeps it busy, or if all of them together have what they may have
    /// while CPU threads could look at it as well: these must have something to read into.
    fn has_enough(&self, gpu: &Gpu) -> bool {
        let all: usize = self.members.iter().map(Gpu::backlog).sum();
        gpu.backlog() >= BUSY_JOBS || all >= self.share_of(self.buffers)
    }

    /// How many of its `buffers` a thread, or all of them, may have at GPUs at a time.
    pub fn share_of(&self, buffers: usize) -> usize {
        match self.share {
            Share::Gpu => buffers,
            Share::Hybrid => (buffers / SHARED_ONE_IN).max(1),
        }
    }

    /// As [`Self::offer`], however much the GPU has to do.
    pub fn give(&self, job: Job) -> Result<usize, Job> {
        match self.idlest_place() {
            Some(place) => self.give_to(place, job).map(|()| place),
            None => Err(job),
        }
    }

    /// Hands `job` to the GPU called `index` in answers, however much it has to do.
    pub fn give_to(&self, index: usize, job: Job) -> Result<(), Job> {
        assert!(Arc::ptr_eq(job.buffer.arena(), &self.arena), "GPUs read this arena only");
        let gpu = &self.members[index];
        if gpu.is_retired() { Err(job) } else { gpu.give(job) }
    }

    fn idlest(&self) -> Option<&Gpu> {
        self.idlest_place().map(|place| &self.members[place])
    }

    fn idlest_place(&self) -> Option<usize> {
        let in_use = self.members.iter().enumerate().filter(|(_, gpu)| !gpu.is_retired());
        in_use.min_by_key(|(_, gpu)| gpu.backlog()).map(|(place, _)| place)
    }

    /// All of them, in the order of their names in answers.
    pub fn members(&self) -> &[Gpu] {
        &self.members
    }

    /// The GPU called `index` in answers, to tell it how to work.
    pub fn gpu_mut(&mut self, index: usize) -> &mut Gpu {
        &mut self.members[index]
    }

    /// True if no GPU is left.
    pub fn are_retired(&self) -> bool {
        self.members.iter().all(Gpu::is_retired)
    }

    /// Whether what `gpu` says of the good page `page` is to be checked.
    pub fn must_check(&self, gpu: &Gpu, page: PageId, sum: Checksum) -> bool {
        let is_drawn = lot(sum.0 ^ page.0).is_multiple_of(self.check_one_in);
        is_drawn || gpu.status.pages_checked.load(Ordering::Relaxed) < CHECKED_FIRST_PAGES
    }

    /// The GPU called `index` in answers.
    pub fn gpu(&self, index: usize) -> &Gpu {
        &self.members[index]
    }

    /// What a GPU was wrong about, if one was: nothing that it ever said counts.
    pub fn wrong(&self) -> Option<&str> {
        self.members.iter().find_map(|gpu| gpu.status.distrusted.get()).map(String::as_str)
    }

    /// What all of them did.
    pub fn summaries(&self) -> Vec<GpuSummary> {
        self.members.iter().map(|gpu| gpu.summary(self.check_one_in)).collect()
    }
}

/// A number that looks random, and is the same for the same seed in every run.
fn lot(seed: u32) -> u32 {
    const SPREAD: u32 = 0x9e37_79b1;
    let once = (seed ^ seed >> 16).wrapping_mul(SPREAD);
    let twice = (once ^ once >> 15).wrapping_mul(SPREAD);
    twice ^ twice >> 16
}

impl Gpu {
    /// A GPU whose thread takes what `jobs` gets by the first of its `ways`, tells `status`, and
    /// closes `ended` at its end.
    pub(super) fn new(
        identity: Identity,
        (ways, lost_ways): (Vec<Upload>, Vec<LostWay>),
        jobs: Sender<Job>,
        status: Arc<Status>,
        ended: Receiver<()>,
    ) -> Self {
        let ways = ways.into_iter().map(|way| (way, None)).collect();
        let (jobs, ended) = (Some(jobs), Mutex::new(ended));
        Self { identity, ways, lost_ways, jobs, status, ended }
    }

    /// What it is, and the way that pages take to it now.
    pub fn identity(&self) -> Identity {
        let way = self.ways.get(self.status.way());
        let upload = way.map_or(self.identity.upload.clone(), |(way, _)| way.name().to_owned());
        Identity { upload, ..self.identity.clone() }
    }

    /// The ways that it is open for.
    pub fn ways(&self) -> impl Iterator<Item = Upload> {
        self.ways.iter().map(|&(way, _)| way)
    }

    /// Better ways for which it could not be opened.
    pub fn lost_ways(&self) -> &[LostWay] {
        &self.lost_ways
    }

    /// From its next submission on, pages take the way number `way`.
    pub fn take_way(&self, way: usize) {
        self.status.way.store(way, Ordering::Relaxed);
    }

    /// Its way number `way` was measured.
    pub fn was_measured(&mut self, way: usize, gb_per_second: f64) {
        self.ways[way].1 = Some(gb_per_second);
    }

    fn backlog(&self) -> usize {
        self.status.backlog.load(Ordering::Relaxed)
    }

    fn is_retired(&self) -> bool {
        self.status.retired.get().is_some()
    }

    fn give(&self, job: Job) -> Result<(), Job> {
        let Some(jobs) = &self.jobs else { return Err(job) };
        self.status.backlog.fetch_add(1, Ordering::Relaxed);
        // The channel is bounded by the buffers of the arena.
        jobs.send(job).map_err(|unsent| {
            self.status.retire("its thread has ended");
            unsent.0
        })
    }

    /// Compares `said`, the checksum that it gave `page`, found at `place` of `file`, with the
    /// reference.
    ///
    /// # Errors
    /// If it is wrong: what about. It is not used any more, and nothing that it said counts.
    pub fn check(
        &self,
        page: &Page,
        said: Checksum,
        place: PageAddress,
        file: impl fmt::Display,
    ) -> Result<(), String> {
        let is = Checksum::of(page);
        if said == is {
            return Ok(());
        }
        let name = &self.identity.name;
        let what = format!(
            "GPU {name} gave checksum {said} where the reference gives {is} for page {place} of \
             {file}: do not trust this device or its driver"
        );
        self.distrust(what.clone());
        Err(what)
    }

    /// It was wrong, as `what` says: it is not used any more, and nothing that it said counts.
    fn distrust(&self, what: String) {
        self.status.retire(&what);
        let _ = self.status.distrusted.set(what);
    }

    /// It is not used any more, and `why`.
    pub fn retire(&self, why: &str) {
        self.status.retire(why);
    }

    /// A page of a file was compared with the reference.
    pub fn was_checked(&self) {
        self.status.pages_checked.fetch_add(1, Ordering::Relaxed);
    }

    /// `pages` of a file were judged by what it said.
    pub fn took_part(&self, pages: u32) {
        self.status.pages.fetch_add(u64::from(pages), Ordering::Relaxed);
    }

    /// True if its thread is no more: what it has not answered it never will.
    pub fn has_ended(&self) -> bool {
        self.status.has_ended.load(Ordering::Acquire)
    }

    /// Pages it has looked at.
    pub fn pages(&self) -> u64 {
        self.status.pages.load(Ordering::Relaxed)
    }

    fn summary(&self, check_one_in: u32) -> GpuSummary {
        let status = &self.status;
        let speed = |&(way, speed): &(Upload, Option<f64>)| {
            Some(WaySpeed { upload: way.name().to_owned(), gb_per_second: speed? })
        };
        GpuSummary {
            identity: self.identity(),
            ways: self.ways.iter().filter_map(speed).collect(),
            pages: self.pages(),
            pages_checked: status.pages_checked.load(Ordering::Relaxed),
            check_one_in,
            errors: status.errors.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            retired: status.retired.get().cloned(),
        }
    }
}

impl Drop for Gpu {
    /// Waits for its thread, but not for ever: a driver may never return.
    fn drop(&mut self) {
        self.jobs = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(FAREWELL);
    }
}

impl Status {
    /// Answers `job`.
    pub(super) fn answer(&self, gpu: usize, job: Job, sums: Result<Vec<Checksum>, GpuError>) {
        self.backlog.fetch_sub(1, Ordering::Relaxed);
        let Job { buffer, token, answer_to, .. } = job;
        // Who asked may have stopped waiting.
        let _ = answer_to.send(Answer { buffer, token, gpu, sums });
    }

    /// Counts `error`, and retires the device if it is its last or one too many.
    pub(super) fn record(&self, error: &GpuError) {
        const ERRORS_MAX: u64 = 3;
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        *errors.entry(error.name().to_owned()).or_default() += 1;
        let is_too_many = errors.values().sum::<u64>() >= ERRORS_MAX;
        drop(errors);
        if error.is_final() || is_too_many {
            self.retire(&error.to_string());
        }
    }

    pub(super) fn retire(&self, why: &str) {
        let _ = self.retired.set(why.to_owned());
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.get().is_some()
    }

    pub(super) fn way(&self) -> usize {
        self.way.load(Ordering::Relaxed)
    }

    /// The thread is at its end, which should not come before that of its work.
    pub(super) fn end(&self) {
        self.retire("its thread has ended");
        self.has_ended.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
