//! How fast a device may be read, so that whoever else uses it is not kept waiting.
//!
//! Two ceilings, each optional. The rate is never exceeded. The latency steers how many reads are
//! in flight (additive increase, multiplicative decrease); a device that is too slow even for one
//! read at a time is given pauses between them.

mod backoff;
mod rate;
#[cfg(test)]
mod tests;

use crate::backup::source::Turns;
use crate::discover::device::Device;
use backoff::Backoff;
use governor::clock::{Clock, DefaultClock, Reference};
use rate::RateCeiling;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Reads in flight for each disk unless asked otherwise: with 512 KiB each, enough for the fastest
/// drives there are.
pub const QUEUE_DEPTH_DEFAULT: u32 = 16;

/// Limits that the user set, for each device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The most bytes per second. Less than a page per second is taken as that.
    pub rate_bytes_per_second: Option<u64>,
    /// A read should not take longer.
    pub latency_max: Option<Duration>,
    /// Reads in flight for each member of a device, at least 1.
    pub queue_depth: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rate_bytes_per_second: None, latency_max: None, queue_depth: QUEUE_DEPTH_DEFAULT }
    }
}

impl Pace {
    /// True if reads may have to wait for more than others of their own.
    pub fn is_limited(&self) -> bool {
        self.rate_bytes_per_second.is_some() || self.latency_max.is_some()
    }
}

/// Whether a read may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now, and it counts as begun.
    Now,
    /// Not now; ask again after this time.
    After(Duration),
    /// Not before one of those in flight has returned.
    WhenOneReturns,
}

/// One device's throttle, shared by the threads that read from it.
pub struct Throttle<C: Clock = DefaultClock> {
    device: Device,
    pace: Pace,
    clock: C,
    started: C::Instant,
    state: Mutex<State<C>>,
    /// Held by who reads once at a time, so that no two of them do.
    alone: Mutex<()>,
}

struct State<C: Clock> {
    backoff: Backoff,
    rate: Option<RateCeiling<C>>,
}

impl Throttle {
    /// A throttle for `device`, at its full depth.
    pub fn new(pace: &Pace, device: &Device) -> Self {
        Self::with_clock(pace, device, DefaultClock::default())
    }
}

/// For who reads once at a time.
impl Turns for Throttle {
    fn in_turn(&self, bytes: u64, read: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        // With nothing else under way there is always a time after which it may begin.
        while let Turn::After(wait) = self.may_begin(bytes, 0) {
            std::thread::sleep(wait);
        }
        let started = Instant::now();
        let outcome = read();
        self.returned(started.elapsed());
        outcome
    }
}

impl<C: Clock + Clone> Throttle<C> {
    fn with_clock(pace: &Pace, device: &Device, clock: C) -> Self {
        let depth = pace.queue_depth.saturating_mul(device.queues());
        let state = State {
            backoff: Backoff::new(depth, pace.latency_max),
            rate: pace.rate_bytes_per_second.map(|rate| RateCeiling::new(rate, clock.clone())),
        };
        let started = clock.now();
        Self {
            device: device.clone(),
            pace: pace.clone(),
            clock,
            started,
            state: state.into(),
            alone: Mutex::default(),
        }
    }

    /// Takes `bytes` from the rate, or says how long to wait for it. For what is read in several
    /// reads, which then begin with no bytes of their own, or from memory.
    pub fn admit(&self, bytes: u64) -> Result<(), Duration> {
        self.state().take(bytes)
    }

    /// `bytes` were read without asking, because they were wanted at once: second looks, and what
    /// is read again after an error. The next read waits for them.
    pub fn owe(&self, bytes: u64) {
        if let Some(rate) = &mut self.state().rate {
            rate.owe(bytes);
        }
    }

    /// Whether a read of `bytes` may begin while `in_flight` others are under way. With none under
    /// way there is always a time after which it may.
    pub fn may_begin(&self, bytes: u64, in_flight: u32) -> Turn {
        let mut state = self.state();
        if in_flight >= state.backoff.depth() {
            return Turn::WhenOneReturns;
        }
        let now = self.elapsed();
        let begun = state.backoff.may_begin(now).and_then(|()| state.take(bytes));
        match begun {
            Ok(()) => {
                state.backoff.begun(now);
                Turn::Now
            }
            Err(wait) => Turn::After(wait),
        }
    }

    /// A read came back, with or without bytes, `latency` after it began.
    pub fn returned(&self, latency: Duration) {
        let now = self.elapsed();
        self.state().backoff.returned(now, latency);
    }

    /// Reads allowed in flight now, at least 1.
    pub fn depth(&self) -> u32 {
        self.state().backoff.depth()
    }

    /// How the device was treated so far.
    pub fn summary(&self) -> PaceSummary {
        let state = self.state();
        PaceSummary {
            device: self.device.name.clone(),
            members: self.device.queues(),
            numa_node: self.device.numa_node,
            rotational: self.device.rotational,
            queue_depth: state.backoff.full_depth(),
            lowest_queue_depth: state.backoff.lowest_depth(),
            backed_off: state.backoff.times(),
            paused_seconds: state.backoff.paused().as_secs_f64(),
            rate_bytes_per_second: self.pace.rate_bytes_per_second,
            latency_max_ms: self.pace.latency_max.map(|latency| latency.as_secs_f64() * 1e3),
        }
    }

    fn elapsed(&self) -> Duration {
        self.clock.now().duration_since(self.started).into()
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> State<C> {
    fn take(&mut self, bytes: u64) -> Result<(), Duration> {
        self.rate.as_mut().map_or(Ok(()), |rate| rate.take(bytes))
    }
}

/// How a device was treated, for the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaceSummary {
    /// The kernel's name of the device, if known.
    pub device: Option<String>,
    /// Disks behind it; 1 if unknown.
    pub members: u32,
    /// The NUMA node that it is attached to, if known and the same for all members.
    pub numa_node: Option<u32>,
    /// A member has moving heads.
    pub rotational: bool,
    /// The most reads in flight.
    pub queue_depth: u32,
    /// The fewest that it came down to.
    pub lowest_queue_depth: u32,
    /// How often reads slower than the ceiling brought the depth down or made pauses longer.
    pub backed_off: u64,
    /// Time that reads were held back by pauses. Waiting for the rate is not counted.
    pub paused_seconds: f64,
    /// The ceiling, if there is one.
    pub rate_bytes_per_second: Option<u64>,
    /// The ceiling, if there is one.
    pub latency_max_ms: Option<f64>,
}
