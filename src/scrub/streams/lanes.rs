//! How many reads of backups each device has under way, and when the next one may begin.

use crate::plan::pace::{Throttle, Turn};
use crate::scrub::lock;
use crate::scrub::throttles::Throttles;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The lanes of all devices.
pub(in crate::scrub) struct Lanes {
    /// By the number of a device.
    by_device: BTreeMap<u64, Arc<Lane>>,
}

/// What all threads that read from one device share.
pub(super) struct Lane {
    throttle: Arc<Throttle>,
    in_flight: Mutex<u32>,
}

impl Lanes {
    /// For the devices with these numbers. Volumes on the same disks share one.
    pub(in crate::scrub) fn new(
        devices: impl IntoIterator<Item = u64>,
        throttles: &Throttles,
    ) -> Self {
        let mut of_disks = BTreeMap::new();
        let lane = |id| {
            let (disks, _, throttle) = throttles.disks_of(id)?;
            let new = || Lane { throttle: Arc::clone(throttle), in_flight: Mutex::new(0) };
            Some((id, Arc::clone(of_disks.entry(disks).or_insert_with(|| Arc::new(new())))))
        };
        Self { by_device: devices.into_iter().filter_map(lane).collect() }
    }

    /// The lane of device number `id`.
    ///
    /// # Panics
    /// If that is none of those it was made for.
    pub(super) fn of(&self, id: u64) -> &Lane {
        &self.by_device[&id]
    }
}

impl Lane {
    /// Takes `bytes` from the rate, or says how long to wait for it.
    pub(super) fn admit(&self, bytes: u64) -> Result<(), Duration> {
        self.throttle.admit(bytes)
    }

    /// `bytes` were read without asking.
    pub(super) fn owe(&self, bytes: u64) {
        self.throttle.owe(bytes);
    }

    /// Whether a read that was admitted may begin now; if so, it counts as begun. `alone` are those
    /// in flight of who cannot wait for others.
    pub(super) fn begin(&self, alone: Option<u32>) -> Turn {
        let mut in_flight = lock(&self.in_flight);
        let turn = self.throttle.may_begin(0, alone.unwrap_or(*in_flight));
        *in_flight += u32::from(turn == Turn::Now);
        turn
    }

    /// A read came back, `latency` after it began.
    pub(super) fn returned(&self, latency: Duration) {
        *lock(&self.in_flight) -= 1;
        self.throttle.returned(latency);
    }

    /// Reads that the device takes at a time.
    pub(super) fn depth(&self) -> u32 {
        self.throttle.depth()
    }
}
