//! The GPUs at work, as the rest of the program sees them: buffers of pages go in, words come out,
//! and what a GPU could not do comes back undone, with the same bytes.

use super::job::{Answer, GpuError, Job};
use super::word::Word;
use crate::page::Page;
use crate::page::address::{PageAddress, PageId};
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
/// Buffers that may wait for a GPU while CPU threads could look at them as well.
const BACKLOG_MAX: usize = 2 * super::SLOT_JOBS;
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
    /// `host_import`, `mappable` or `copy`.
    pub upload: String,
}

/// What a GPU did, for the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuSummary {
    /// Which one.
    #[serde(flatten)]
    pub identity: Identity,
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
    jobs: Option<Sender<Job>>,
    status: Arc<Status>,
    /// Says nothing, and ends when the GPU's thread ends.
    ended: Mutex<Receiver<()>>,
}

/// What a GPU's thread tells the others.
#[derive(Default)]
pub(super) struct Status {
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
    members: Vec<Gpu>,
    share: Share,
    check_one_in: u32,
}

impl Gpus {
    /// `gpus`, all of which read `arena`. Of their good news, one in `check_one_in` (at least 1)
    /// is checked.
    pub fn new(arena: Arc<Arena>, gpus: Vec<Gpu>, share: Share, check_one_in: u32) -> Self {
        Self { arena, members: gpus, share, check_one_in: check_one_in.max(1) }
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
            Some(gpu) if self.share == Share::Gpu || gpu.backlog() < BACKLOG_MAX => self.give(job),
            _ => Err(job),
        }
    }

    /// As [`Self::offer`], however much the GPU has to do.
    pub fn give(&self, job: Job) -> Result<usize, Job> {
        assert!(Arc::ptr_eq(job.buffer.arena(), &self.arena), "GPUs read this arena only");
        let Some(gpu) = self.idlest() else { return Err(job) };
        let index = self.members.iter().position(|member| std::ptr::eq(member, gpu));
        gpu.give(job).map(|()| index.unwrap_or_default())
    }

    fn idlest(&self) -> Option<&Gpu> {
        let in_use = self.members.iter().filter(|gpu| !gpu.is_retired());
        in_use.min_by_key(|gpu| gpu.backlog())
    }

    /// True if no GPU is left.
    pub fn are_retired(&self) -> bool {
        self.members.iter().all(Gpu::is_retired)
    }

    /// Whether what `gpu` says of the good page `page` is to be checked.
    pub fn must_check(&self, gpu: &Gpu, page: PageId, word: Word) -> bool {
        let is_drawn = lot(word.checksum ^ page.0).is_multiple_of(self.check_one_in);
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
    /// A GPU whose thread takes what `jobs` gets, tells `status`, and closes `ended` at its end.
    pub(super) fn new(
        identity: Identity,
        jobs: Sender<Job>,
        status: Arc<Status>,
        ended: Receiver<()>,
    ) -> Self {
        Self { identity, jobs: Some(jobs), status, ended: Mutex::new(ended) }
    }

    /// What it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
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

    /// Compares `word`, which it said of `page`, found at `place` of `file`, with the reference.
    ///
    /// # Errors
    /// If it is wrong: what about. It is not used any more, and nothing that it said counts.
    pub fn check(
        &self,
        page: &Page,
        word: Word,
        place: PageAddress,
        file: impl fmt::Display,
    ) -> Result<(), String> {
        let right = Word::of(page, place, word.nonce());
        if word == right {
            return Ok(());
        }
        let differs = if word.checksum == right.checksum {
            format!("said {} where the reference says {}", word.bits(), right.bits())
        } else {
            let [said, is] = [word, right].map(Word::checksum);
            format!("gave checksum {said} where the reference gives {is}")
        };
        let name = &self.identity.name;
        let what = format!(
            "GPU {name} {differs} for page {place} of {file}: do not trust this device or its \
             driver"
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
        GpuSummary {
            identity: self.identity.clone(),
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
    pub(super) fn answer(&self, gpu: usize, job: Job, words: Result<Vec<Word>, GpuError>) {
        self.backlog.fetch_sub(1, Ordering::Relaxed);
        let Job { buffer, token, answer_to, .. } = job;
        // Who asked may have stopped waiting.
        let _ = answer_to.send(Answer { buffer, token, gpu, words });
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

    /// The thread is at its end, which should not come before that of its work.
    pub(super) fn end(&self) {
        self.retire("its thread has ended");
        self.has_ended.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::{FileId, PageRange};
    use std::sync::mpsc::channel;

    /// A GPU whose jobs nobody takes.
    fn gpu(name: &str) -> (Gpu, Receiver<Job>) {
        let identity = Identity {
            name: name.to_owned(),
            driver: String::new(),
            backend: String::new(),
            upload: String::new(),
        };
        let (jobs_to, jobs) = channel();
        let (_, ended) = channel();
        (Gpu::new(identity, jobs_to, Arc::default(), ended), jobs)
    }

    fn job(arena: &Arc<Arena>) -> Job {
        let buffer = arena.take(1).unwrap().remove(0);
        let (answer_to, _) = channel();
        Job { buffer, range: PageRange::between(0, 8), file: FileId(1), token: 0, answer_to }
    }

    #[test]
    fn the_gpu_with_the_least_to_do_gets_the_next_job_and_one_that_is_gone_gets_none() {
        let arena = Arena::new(4).unwrap();
        let ((a, jobs_of_a), (b, jobs_of_b)) = (gpu("a"), gpu("b"));
        let gpus = Gpus::new(Arc::clone(&arena), vec![a, b], Share::Gpu, 1);
        gpus.offer(job(&arena)).unwrap();
        gpus.offer(job(&arena)).unwrap();
        assert_eq!((jobs_of_a.try_iter().count(), jobs_of_b.try_iter().count()), (1, 1));
        gpus.gpu(0).retire("gone");
        gpus.offer(job(&arena)).unwrap();
        assert_eq!((jobs_of_a.try_iter().count(), jobs_of_b.try_iter().count()), (0, 1));
        drop(jobs_of_b);
        assert!(gpus.offer(job(&arena)).is_err(), "its thread has ended");
        assert!(gpus.are_retired() && gpus.offer(job(&arena)).is_err());
        assert_eq!(gpus.summaries()[0].retired.as_deref(), Some("gone"));
    }

    #[test]
    fn a_shared_gpu_takes_no_more_than_it_has_submissions_for() {
        let arena = Arena::new(1).unwrap();
        for (share, taken) in [(Share::Hybrid, BACKLOG_MAX), (Share::Gpu, BACKLOG_MAX + 9)] {
            let (gpu, jobs) = gpu("a");
            let gpus = Gpus::new(Arc::clone(&arena), vec![gpu], share, 1);
            let offered = (0..BACKLOG_MAX + 9).filter(|_| {
                let is_taken = gpus.offer(job(&arena)).is_ok();
                drop(jobs.try_recv());
                is_taken
            });
            assert_eq!(offered.count(), taken);
        }
    }

    #[test]
    fn a_few_errors_or_one_that_is_final_retire_a_gpu() {
        let status = Status::default();
        status.record(&GpuError::Silent);
        status.record(&GpuError::Refused("why".to_owned()));
        assert!(!status.is_retired());
        status.record(&GpuError::Silent);
        assert!(status.is_retired());
        for last in [GpuError::TimedOut, GpuError::Lost("why".to_owned())] {
            let status = Status::default();
            status.record(&last);
            assert_eq!(status.retired.get(), Some(&last.to_string()));
        }
    }

    #[test]
    fn the_first_pages_are_all_checked_and_then_about_one_in_so_many() {
        let arena = Arena::new(1).unwrap();
        let (gpu, _jobs) = gpu("a");
        let gpus = Gpus::new(arena, vec![gpu], Share::Gpu, 1000);
        let checked = |checksum: fn(u32) -> u32| {
            let word = |page: u32| Word { checksum: checksum(page), meta: 0 };
            let is_checked = |page: &u32| gpus.must_check(gpus.gpu(0), PageId(*page), word(*page));
            (0..100_000).filter(is_checked).count()
        };
        assert_eq!(checked(|page| page.wrapping_mul(0x01ab_cdef)), 100_000);
        gpus.gpu(0).status.pages_checked.store(CHECKED_FIRST_PAGES, Ordering::Relaxed);
        for count in [checked(|page| page.wrapping_mul(0x01ab_cdef)), checked(|_| 0)] {
            assert!((60..160).contains(&count), "{count} of 100,000");
        }
    }

    #[test]
    fn one_lie_is_enough() {
        let arena = Arena::new(1).unwrap();
        let (gpu, _jobs) = gpu("a");
        let gpus = Gpus::new(arena, vec![gpu], Share::Gpu, 1);
        assert_eq!(gpus.wrong(), None);
        gpus.gpu(0).distrust("1 is 2".to_owned());
        assert_eq!(gpus.wrong(), Some("1 is 2"));
        assert!(gpus.are_retired());
    }
}
