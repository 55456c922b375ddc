//! How many reads a device has under way, and when the next one may begin.

use super::lock;
use crate::plan::pace::{PaceSummary, Throttle, Turn};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What all threads that read from one device share.
pub(super) struct Lane {
    throttle: Arc<Throttle>,
    in_flight: Mutex<u32>,
}

impl Lane {
    /// A lane without reads, held to `throttle`.
    pub(super) fn new(throttle: Arc<Throttle>) -> Self {
        Self { throttle, in_flight: Mutex::new(0) }
    }

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

    /// How the device was treated so far.
    pub(super) fn summary(&self) -> PaceSummary {
        self.throttle.summary()
    }
}
