//! Fewer reads in flight where they take too long, and pauses where even one does.
//!
//! Time is what has passed since the start, and comes from outside.

use std::time::Duration;

/// The longest pause between two reads, however slow the device: the scan must go on.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// A pause is no longer than so many times the read before it took: a ceiling that no read can keep
/// makes a scan slow, not endless.
const PAUSE_PER_LATENCY_MAX: u32 = 10;

/// How many reads a device is given at a time, by how long they take.
pub(super) struct Backoff {
    latency_max: Option<Duration>,
    full_depth: u32,
    depth: u32,
    lowest_depth: u32,
    /// Fast reads since the depth last changed.
    fast_reads: u32,
    /// Reads that began before this tell nothing about the present depth. So the reads that were in
    /// flight together with a slow one do not bring the depth down once each.
    judged_from: Duration,
    /// Time between two reads at depth 1.
    pause: Duration,
    last_return: Duration,
    times: u64,
    paused: Duration,
}

impl Backoff {
    pub(super) fn new(full_depth: u32, latency_max: Option<Duration>) -> Self {
        let depth = full_depth.max(1);
        Self {
            latency_max,
            full_depth: depth,
            depth,
            lowest_depth: depth,
            fast_reads: 0,
            judged_from: Duration::ZERO,
            pause: Duration::ZERO,
            last_return: Duration::ZERO,
            times: 0,
            paused: Duration::ZERO,
        }
    }

    /// Whether the pause is over, or how long it still lasts.
    pub(super) fn may_begin(&self, now: Duration) -> Result<(), Duration> {
        let left = (self.last_return + self.pause).saturating_sub(now);
        if left.is_zero() { Ok(()) } else { Err(left) }
    }

    pub(super) fn begun(&mut self, now: Duration) {
        self.paused += self.pause.min(now.saturating_sub(self.last_return));
    }

    pub(super) fn returned(&mut self, now: Duration, latency: Duration) {
        self.last_return = now;
        let Some(latency_max) = self.latency_max else { return };
        if now.saturating_sub(latency) < self.judged_from {
            return;
        }
        let pause_min = latency_max.clamp(PAUSE_MIN, PAUSE_MAX);
        if latency > latency_max {
            self.slow_down(now, latency, pause_min);
        } else if self.pause > Duration::ZERO {
            self.shorten_pause(pause_min);
        } else {
            self.speed_up(now);
        }
    }

    fn slow_down(&mut self, now: Duration, latency: Duration, pause_min: Duration) {
        if self.depth > 1 {
            self.set_depth(self.depth / 2, now);
        } else {
            let longest = (latency * PAUSE_PER_LATENCY_MAX).clamp(pause_min, PAUSE_MAX);
            self.pause = (self.pause * 2).clamp(pause_min, longest);
        }
        self.times += 1;
    }

    fn shorten_pause(&mut self, pause_min: Duration) {
        let shorter = self.pause / 2;
        self.pause = if shorter < pause_min { Duration::ZERO } else { shorter };
    }

    fn speed_up(&mut self, now: Duration) {
        if self.depth == self.full_depth {
            return;
        }
        self.fast_reads += 1;
        if self.fast_reads == self.depth {
            self.set_depth(self.depth + 1, now);
        }
    }

    fn set_depth(&mut self, depth: u32, now: Duration) {
        self.depth = depth;
        self.lowest_depth = self.lowest_depth.min(depth);
        self.fast_reads = 0;
        self.judged_from = now;
    }

    /// Reads allowed in flight, at least 1.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    pub(super) fn full_depth(&self) -> u32 {
        self.full_depth
    }

    pub(super) fn lowest_depth(&self) -> u32 {
        self.lowest_depth
    }

    /// How often it slowed down.
    pub(super) fn times(&self) -> u64 {
        self.times
    }

    /// How long reads waited for pauses to end.
    pub(super) fn paused(&self) -> Duration {
        self.paused
    }
}
