//! Who reads what next: a queue of batches for each device, shared by all threads. Partitions and
//! volumes on the same disks are one device: they share its queue and its limits.
//!
//! A thread takes a batch from whichever device's turn it is and asks that device's throttle
//! before each read. So a device that is slow, throttled or stuck holds up its own batches only.

use super::lane::Lane;
use super::lock;
use crate::discover::device::Device;
use crate::plan::pace::{PaceSummary, Turn};
use crate::plan::throttles::{Disks, Throttles};
use crate::plan::{DeviceBatches, DoneRanges, ExtentBatch, Plan};
use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The queues of all devices.
pub(super) struct Dispatch<'a> {
    queues: Vec<DeviceQueue<'a>>,
    /// By file: its queue.
    queue_of_file: Vec<usize>,
    /// Batches taken so far, which says whose turn it is.
    turns: AtomicUsize,
}

/// What a thread takes at a time.
pub(super) struct Taken {
    pub(super) batch: ExtentBatch,
    /// The hole behind it, which is judged by a PFS page that may be in it.
    pub(super) hole_behind: Option<ExtentBatch>,
}

struct DeviceQueue<'a> {
    device: Device,
    /// The batches of each volume on the device.
    volumes: Mutex<VecDeque<Peekable<DeviceBatches<'a>>>>,
    lane: Lane,
}

impl<'a> Dispatch<'a> {
    /// `done` is left out; it is given by file.
    pub(super) fn new(plan: &'a Plan, done: &[DoneRanges], throttles: &Throttles) -> Self {
        let mut queues: Vec<DeviceQueue<'a>> = Vec::new();
        let (mut queue_of_device, mut queue_of_disks) = (BTreeMap::new(), BTreeMap::new());
        for batches in plan.queues_left(done) {
            let id = batches.device();
            let disks = throttles.disks_of(id);
            let queue = *queue_of_disks.entry(disks.index).or_insert(queues.len());
            queue_of_device.insert(id, queue);
            match queues.get(queue) {
                Some(queue) => lock(&queue.volumes).push_back(batches.peekable()),
                None => queues.push(DeviceQueue::new(disks, batches)),
            }
        }
        // A file without pages, or with none left, is in no queue and is never asked about.
        let queue_of = |device| queue_of_device.get(device).copied().unwrap_or_default();
        let queue_of_file = plan.files.iter().map(|file| queue_of(&file.device)).collect();
        Self { queues, queue_of_file, turns: AtomicUsize::new(0) }
    }

    /// Number of devices; each is called by its index.
    pub(super) fn devices(&self) -> usize {
        self.queues.len()
    }

    /// The device that holds file number `file`.
    pub(super) fn device_of(&self, file: usize) -> usize {
        self.queue_of_file[file]
    }

    /// The next batch of a device that passes `may_serve`; those on NUMA node `node` come first.
    pub(super) fn take(
        &self,
        node: Option<u32>,
        may_serve: impl Fn(usize) -> bool,
    ) -> Option<Taken> {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let count = self.queues.len();
        let in_turn = || (0..count).map(|i| (turn + i) % count).filter(|&i| may_serve(i));
        let is_far = |i: &usize| node.is_some() && self.queues[*i].device.numa_node != node;
        let near = in_turn().filter(|i| !is_far(i));
        near.chain(in_turn().filter(is_far)).find_map(|i| self.queues[i].next())
    }

    /// How long `bytes` of `device` have to wait for the rate that was asked for; nothing means
    /// that they are taken from it.
    pub(super) fn admit(&self, device: usize, bytes: u64) -> Option<Duration> {
        self.queues[device].lane.admit(bytes).err()
    }

    /// `bytes` of `device` were read again, unasked.
    pub(super) fn owe(&self, device: usize, bytes: u64) {
        self.queues[device].lane.owe(bytes);
    }

    /// Whether a read of `device` may begin now; if so it counts as begun.
    pub(super) fn begin(&self, device: usize) -> Turn {
        self.queues[device].lane.begin(None)
    }

    /// A read of `device` has come back.
    pub(super) fn returned(&self, device: usize, latency: Duration) {
        self.queues[device].lane.returned(latency);
    }

    /// Reads that all devices together take at a time.
    pub(super) fn depth(&self) -> u32 {
        self.queues.iter().map(|queue| queue.lane.depth()).sum()
    }

    /// How each device was paced, for the report.
    pub(super) fn summaries(&self) -> Vec<PaceSummary> {
        self.queues.iter().map(|queue| queue.lane.summary()).collect()
    }
}

impl<'a> DeviceQueue<'a> {
    fn new(disks: Disks, batches: DeviceBatches<'a>) -> Self {
        let Disks { device, throttle, .. } = disks;
        let lane = Lane::new(throttle);
        let volumes = Mutex::new(VecDeque::from([batches.peekable()]));
        Self { device, volumes, lane }
    }

    /// One volume after another, so that heads do not travel between them.
    fn next(&self) -> Option<Taken> {
        let mut volumes = lock(&self.volumes);
        loop {
            let batches = volumes.front_mut()?;
            if let Some(batch) = batches.next() {
                let is_behind =
                    |next: &ExtentBatch| batch.stored && !next.stored && next.file == batch.file;
                let hole_behind = batches.next_if(is_behind);
                return Some(Taken { batch, hole_behind });
            }
            volumes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::FileKind;
    use crate::page::address::{FileId, PageRange};
    use crate::plan::PlannedFile;
    use crate::plan::pace::Pace;

    fn file(device: u64) -> PlannedFile {
        PlannedFile {
            path: format!("/{device}").into(),
            device,
            file_id: FileId(1),
            kind: FileKind::Data,
            pages: 128,
            missing_pages: 0,
            tail_bytes: 0,
            stored: vec![PageRange::between(0, 128)],
            only_stored: false,
        }
    }

    /// Devices that the kernel does not know, so that each is its own.
    fn plan() -> Plan {
        Plan { batch_pages: 64, files: vec![file(1), file(2)] }
    }

    #[test]
    fn devices_take_turns_and_one_that_may_not_serve_is_passed_over() {
        let plan = plan();
        let dispatch = Dispatch::new(&plan, &[], &Throttles::default());
        assert_eq!(dispatch.devices(), 2);
        let first = dispatch.take(None, |_| true).unwrap().batch;
        let second = dispatch.take(None, |_| true).unwrap().batch;
        assert_ne!(first.file, second.file);
        let rest: Vec<_> =
            std::iter::from_fn(|| dispatch.take(None, |device| device == 1)).collect();
        assert_eq!(rest.len(), 1);
        assert!(rest.iter().all(|taken| dispatch.device_of(taken.batch.file) == 1));
        assert!(dispatch.take(None, |_| true).is_some());
        assert!(dispatch.take(None, |_| true).is_none());
    }

    #[test]
    fn who_reads_a_pfs_page_judges_the_hole_behind_it() {
        let stored = [0, 8088, 8089].map(|page| PageRange::between(page, page + 1)).to_vec();
        let sparse = PlannedFile { pages: 20_000, stored, ..file(1) };
        let plan = Plan { batch_pages: 64, files: vec![sparse] };
        let dispatch = Dispatch::new(&plan, &[], &Throttles::default());
        let taken = std::iter::from_fn(|| dispatch.take(None, |_| true));
        let first = |batch: &ExtentBatch| batch.ranges.first().0;
        let firsts = |taken: Taken| (first(&taken.batch), taken.hole_behind.as_ref().map(first));
        let firsts: Vec<_> = taken.map(firsts).collect();
        assert_eq!(firsts, [(0, Some(1)), (8088, None), (8089, Some(8090)), (16_176, None)]);
    }

    #[test]
    fn no_more_reads_begin_than_the_device_takes() {
        let plan = plan();
        let pace = Pace { queue_depth: 2, ..Pace::default() };
        let dispatch = Dispatch::new(&plan, &[], &Throttles::new(pace));
        assert_eq!(dispatch.depth(), 4);
        assert_eq!([dispatch.begin(0), dispatch.begin(0)], [Turn::Now; 2]);
        assert_eq!(dispatch.begin(0), Turn::WhenOneReturns);
        assert_eq!(dispatch.begin(1), Turn::Now);
        dispatch.returned(0, Duration::from_millis(1));
        assert_eq!(dispatch.begin(0), Turn::Now);
    }
}
