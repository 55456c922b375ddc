//! Who reads what next: a queue of batches for each device, shared by all threads.
//!
//! A thread takes a batch from whichever device's turn it is and asks that device's throttle
//! before each read. So a device that is slow, throttled or stuck holds up its own batches only.

use super::lock;
use crate::discover::device::Device;
use crate::plan::pace::{Pace, PaceSummary, Throttle, Turn};
use crate::plan::{DeviceBatches, DoneRanges, ExtentBatch, Plan};
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

struct DeviceQueue<'a> {
    device: Device,
    batches: Mutex<DeviceBatches<'a>>,
    throttle: Throttle,
    in_flight: Mutex<u32>,
}

impl<'a> Dispatch<'a> {
    pub(super) fn new(plan: &'a Plan, done: &[DoneRanges], pace: &Pace) -> Self {
        let queues: Vec<_> = plan
            .queues_left(done)
            .into_iter()
            .map(|batches| DeviceQueue::new(batches, pace))
            .collect();
        let queue_of = |device| queues.iter().position(|queue| queue.device.id == device);
        // A file without pages, or with none left, is in no queue and is never asked about.
        let of_files = plan.files.iter().map(|file| queue_of(file.device).unwrap_or_default());
        let queue_of_file = of_files.collect();
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
    ) -> Option<ExtentBatch> {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let count = self.queues.len();
        let in_turn = || (0..count).map(|i| (turn + i) % count).filter(|&i| may_serve(i));
        let is_far = |i: &usize| node.is_some() && self.queues[*i].device.numa_node != node;
        let near = in_turn().filter(|i| !is_far(i));
        near.chain(in_turn().filter(is_far)).find_map(|i| lock(&self.queues[i].batches).next())
    }

    /// How long `bytes` of `device` have to wait for the rate that was asked for; nothing means
    /// that they are taken from it.
    pub(super) fn admit(&self, device: usize, bytes: u64) -> Option<Duration> {
        self.queues[device].throttle.admit(bytes).err()
    }

    /// Whether a read of `device` may begin now; if so it counts as begun.
    pub(super) fn begin(&self, device: usize) -> Turn {
        let queue = &self.queues[device];
        let mut in_flight = lock(&queue.in_flight);
        let turn = queue.throttle.may_begin(0, *in_flight);
        *in_flight += u32::from(turn == Turn::Now);
        turn
    }

    /// A read of `device` has come back.
    pub(super) fn returned(&self, device: usize, latency: Duration) {
        let queue = &self.queues[device];
        *lock(&queue.in_flight) -= 1;
        queue.throttle.returned(latency);
    }

    /// Reads that all devices together take at a time.
    pub(super) fn depth(&self) -> u32 {
        self.queues.iter().map(|queue| queue.throttle.depth()).sum()
    }

    /// How each device was paced, for the report.
    pub(super) fn summaries(&self) -> Vec<PaceSummary> {
        self.queues.iter().map(|queue| queue.throttle.summary()).collect()
    }
}

impl<'a> DeviceQueue<'a> {
    fn new(batches: DeviceBatches<'a>, pace: &Pace) -> Self {
        let device = Device::of(batches.device());
        let throttle = Throttle::new(pace, &device);
        Self { device, batches: Mutex::new(batches), throttle, in_flight: Mutex::new(0) }
    }
}
