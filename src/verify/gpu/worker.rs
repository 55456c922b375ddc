//! The thread that owns a GPU: takes jobs, gathers them into submissions, answers.
//!
//! Whatever happens to the device, every job is answered: with words, or with the reason for which
//! there are none. What waits too long, is refused, or comes back unwritten is an error of that
//! submission; a lost device, or too many errors, are the end of this GPU, not of the scan.

use super::adapter::Adapter;
use super::device::OpenDevice;
use super::host_memory;
use super::job::{GpuError, Job};
use super::pipeline::{Pipeline, Shader};
use super::pool::{Gpu, Identity, LostWay, Status};
use super::slot::{InFlight, Parts, Slot};
use super::upload::Upload;
use super::{SLOT_JOBS, SLOTS};
use crate::read::arena::Arena;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};
use wgpu::PollType;

/// How long jobs are gathered for a submission that is not full: each costs the same, however much
/// is in it.
const LINGER: Duration = Duration::from_millis(2);
/// Between two looks at the device while jobs may come, and the longest wait for the device alone.
const TICK: Duration = Duration::from_micros(200);
const WAIT: Duration = Duration::from_millis(5);
/// Between two looks at a device that has nothing to do.
const IDLE: Duration = Duration::from_millis(500);
/// A device that takes longer for one submission does not answer any more.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is not as usual about a GPU, in tests: the ways in which one fails.
#[derive(Clone, Default)]
pub struct Drill {
    /// Instead of the shader that suits the adapter.
    pub shader: Option<Shader>,
    /// Instead of the ways that suit the adapter.
    pub uploads: Option<Vec<Upload>>,
    /// Jobs of one submission, instead of [`SLOT_JOBS`].
    pub slot_jobs: Option<usize>,
    /// Submissions after which the device is destroyed.
    pub lost_after: Option<u64>,
    /// Instead of what a submission may take.
    pub timeout: Option<Duration>,
}

/// Opens `adapter`, which will read `arena`, as GPU number `index`, and starts its thread.
///
/// # Errors
/// If the device cannot be opened, or has not enough memory.
pub fn start(
    adapter: &Adapter,
    index: usize,
    arena: &Arc<Arena>,
    drill: &Drill,
) -> Result<Gpu, GpuError> {
    let (jobs_to, jobs) = channel();
    let (ending, ended) = channel();
    let status = Arc::new(Status::default());
    let (opened, lost_ways) = open(adapter, arena, drill)?;
    let ways = opened.ways.clone();
    let worker = Worker::new(opened, index, jobs, Arc::clone(&status), drill);
    let arena = Arc::clone(arena);
    let end = End { status: Arc::clone(&status), _ending: ending };
    let run = move || {
        let _end = end;
        // Before that, the arena, and before that the device, which may read it until it is closed.
        let _arena = arena;
        worker.run();
    };
    std::thread::Builder::new()
        .name("gpu".to_owned())
        .spawn(run)
        .map_err(|error| GpuError::OutOfMemory(error.to_string()))?;
    let facts = &adapter.facts;
    let identity = Identity {
        name: facts.name.clone(),
        driver: format!("{} {}", facts.driver, facts.driver_info),
        backend: facts.backend.to_string(),
        upload: ways[0].name().to_owned(),
    };
    Ok(Gpu::new(identity, (ways, lost_ways), jobs_to, status, ended))
}

/// Says that the thread has ended, also if that was a fault of ours.
struct End {
    status: Arc<Status>,
    _ending: Sender<()>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.status.end();
    }
}

struct Worker {
    index: usize,
    device: OpenDevice,
    pipeline: Pipeline,
    jobs: Receiver<Job>,
    status: Arc<Status>,
    free: Vec<Slot>,
    /// In the order in which they were submitted, in which they also end.
    in_flight: VecDeque<InFlight>,
    /// For the next submission, and since when they wait.
    gathered: Vec<Job>,
    gathering_since: Instant,
    slot_jobs: usize,
    nonce: u16,
    submissions_left: Option<u64>,
    timeout: Duration,
}

/// Opens the device in the best way that works, and says what became of better ones. Both ways of
/// memory that was imported need one device only.
fn open(
    adapter: &Adapter,
    arena: &Arc<Arena>,
    drill: &Drill,
) -> Result<(Opened, Vec<LostWay>), GpuError> {
    let wanted = drill.uploads.clone().unwrap_or_else(|| adapter.facts.uploads());
    let mut lost: Vec<_> = match adapter.facts.not_imported() {
        Some(why) if drill.uploads.is_none() => {
            vec![LostWay { upload: Upload::HostImport, why }]
        }
        _ => Vec::new(),
    };
    let mut failure = GpuError::Refused("there is no way to it".to_owned());
    for ways in wanted.chunk_by(|a, b| a.is_import() && b.is_import()) {
        let ways = with_room(adapter, arena, ways, &mut lost);
        let Some(&best) = ways.first() else { continue };
        match Opened::new(adapter, arena, ways, drill) {
            Ok(opened) => return Ok((opened, lost)),
            Err(error) => {
                lost.push(LostWay { upload: best, why: error.to_string() });
                failure = error;
            }
        }
    }
    Err(failure)
}

/// Those of `ways` for which the arena is not too large; the others are `lost`.
fn with_room(
    adapter: &Adapter,
    arena: &Arena,
    ways: &[Upload],
    lost: &mut Vec<LostWay>,
) -> Vec<Upload> {
    let (bytes, facts) = (arena.bytes() as u64, &adapter.facts);
    let has_room = |upload: &Upload| {
        let most = match upload {
            Upload::HostImport => facts.binding_bytes_max(),
            Upload::ImportCopy => facts.limits.max_buffer_size,
            Upload::Mappable | Upload::Copy => return true,
        };
        if bytes > most {
            let why = format!("it takes {most} bytes in one piece, and {bytes} are shared with it");
            lost.push(LostWay { upload: *upload, why });
        }
        bytes <= most
    };
    ways.iter().copied().filter(has_room).collect()
}

struct Opened {
    device: OpenDevice,
    pipeline: Pipeline,
    free: Vec<Slot>,
    slot_jobs: usize,
    ways: Vec<Upload>,
}

impl Opened {
    fn new(
        adapter: &Adapter,
        arena: &Arena,
        ways: Vec<Upload>,
        drill: &Drill,
    ) -> Result<Self, GpuError> {
        let (offered, info) = (adapter.facts.features, adapter.wgpu.get_info());
        let of_adapter = || Shader::for_adapter(offered, &info);
        let shader = drill.shader.clone().unwrap_or_else(of_adapter);
        let device = OpenDevice::open(adapter, ways[0], shader.features(offered))?;
        let pipeline = Pipeline::new(&device.device, &shader).map_err(GpuError::Refused)?;
        let import = || host_memory::import(&device.device, arena).map_err(GpuError::Refused);
        let imported = ways[0].is_import().then(import).transpose()?;
        let parts = Parts {
            device: &device.device,
            pipeline: &pipeline,
            arena: imported.as_ref(),
            ways: &ways,
        };
        let mut slot_jobs = drill.slot_jobs.unwrap_or(SLOT_JOBS);
        loop {
            match device.watch(|| (0..SLOTS).map(|_| parts.slot(slot_jobs)).collect()) {
                Ok(free) => return Ok(Self { device, pipeline, free, slot_jobs, ways }),
                // Half as much may fit.
                Err(GpuError::OutOfMemory(_)) if slot_jobs > 1 => slot_jobs /= 2,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Worker {
    fn new(
        opened: Opened,
        index: usize,
        jobs: Receiver<Job>,
        status: Arc<Status>,
        drill: &Drill,
    ) -> Self {
        let Opened { device, pipeline, free, slot_jobs, .. } = opened;
        Self {
            index,
            device,
            pipeline,
            jobs,
            status,
            free,
            in_flight: VecDeque::new(),
            gathered: Vec::new(),
            gathering_since: Instant::now(),
            slot_jobs,
            nonce: 0,
            submissions_left: drill.lost_after,
            timeout: drill.timeout.unwrap_or(TIMEOUT),
        }
    }

    fn run(mut self) {
        let mut is_open = true;
        while is_open || !self.gathered.is_empty() || !self.in_flight.is_empty() {
            is_open &= self.gather();
            if self.is_due(is_open) {
                self.submit();
            }
            self.collect();
            if self.status.is_retired() {
                return self.end();
            }
        }
    }

    /// Takes what jobs there are, waiting for one as long as nothing else is to be done. False if
    /// no more will come.
    fn gather(&mut self) -> bool {
        let room = self.slot_jobs - self.gathered.len();
        if room == 0 || self.free.is_empty() {
            return true;
        }
        let wait = match (self.gathered.is_empty(), self.in_flight.is_empty()) {
            (true, true) => IDLE,
            (false, true) => LINGER.saturating_sub(self.gathering_since.elapsed()),
            (_, false) => TICK,
        };
        match self.jobs.recv_timeout(wait) {
            Ok(job) => self.take(job),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        for _ in 1..room {
            match self.jobs.try_recv() {
                Ok(job) => self.take(job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn take(&mut self, job: Job) {
        if self.gathered.is_empty() {
            self.gathering_since = Instant::now();
        }
        self.gathered.push(job);
    }

    fn is_due(&self, is_open: bool) -> bool {
        let is_full = self.gathered.len() == self.slot_jobs;
        let has_waited = self.gathering_since.elapsed() >= LINGER;
        !self.free.is_empty() && !self.gathered.is_empty() && (is_full || has_waited || !is_open)
    }

    fn submit(&mut self) {
        let jobs = std::mem::take(&mut self.gathered);
        let Some(slot) = self.free.pop() else { return };
        self.nonce = self.nonce.wrapping_add(1);
        let (way, with) = (self.status.way(), (&self.device, &self.pipeline));
        match slot.submit(with, way, jobs, self.nonce) {
            Ok(in_flight) => self.in_flight.push_back(in_flight),
            Err((error, jobs)) => self.fail(jobs, &error),
        }
        if let Some(left) = &mut self.submissions_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.device.device.destroy();
            }
        }
    }

    /// Answers what the device is done with.
    fn collect(&mut self) {
        let Some(oldest) = self.in_flight.front() else { return };
        // Where nothing can be gathered, the device is all there is to wait for.
        let poll = if self.free.is_empty() {
            PollType::Wait { submission_index: Some(oldest.index.clone()), timeout: Some(WAIT) }
        } else {
            PollType::Poll
        };
        // Whether it went well is seen in the words.
        let _ = self.device.device.poll(poll);
        if let Some(error) = self.device.trouble() {
            return self.give_up_in_flight(&error);
        }
        while let Some(done) = self.in_flight.pop_front_if(|oldest| oldest.is_done()) {
            self.answer(done);
        }
        if self.in_flight.front().is_some_and(|oldest| oldest.since.elapsed() > self.timeout) {
            self.give_up_in_flight(&GpuError::TimedOut);
        }
    }

    fn answer(&mut self, done: InFlight) {
        match done.sums() {
            Ok(sums) => {
                for (job, sums) in done.jobs.into_iter().zip(sums) {
                    self.status.answer(self.index, job, Ok(sums));
                }
            }
            Err(error) => self.fail(done.jobs, &error),
        }
        self.free.push(done.slot);
    }

    fn give_up_in_flight(&mut self, error: &GpuError) {
        for given_up in std::mem::take(&mut self.in_flight) {
            self.fail(given_up.jobs, error);
        }
        // Its slots may still be in use by the device.
        self.status.retire(&error.to_string());
    }

    fn fail(&self, jobs: Vec<Job>, error: &GpuError) {
        self.status.record(error);
        for job in jobs {
            self.status.answer(self.index, job, Err(error.clone()));
        }
    }

    /// The device is not used any more; jobs that still come go back as they are.
    fn end(mut self) {
        let in_flight = std::mem::take(&mut self.in_flight);
        let gathered = std::mem::take(&mut self.gathered);
        for job in in_flight.into_iter().flat_map(|left| left.jobs).chain(gathered) {
            self.status.answer(self.index, job, Err(GpuError::Retired));
        }
        let Self { jobs, status, index, .. } = self;
        for job in jobs {
            status.answer(index, job, Err(GpuError::Retired));
        }
    }
}
