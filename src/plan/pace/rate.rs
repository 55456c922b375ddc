//! A ceiling on the rate: over any time `t`, at most `rate * t` bytes and one read.

use crate::page::PAGE_BYTES;
use crate::plan::BATCH_PAGES_DEFAULT;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// Pages that may be read at once after a rest: one read of the usual size.
const BURST_PAGES: NonZeroU32 = NonZeroU32::new(BATCH_PAGES_DEFAULT).unwrap();

/// Lets pages be read at a steady rate.
pub(super) struct RateCeiling<C: Clock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    /// Pages of the last read beyond a burst: they were read and are paid before the next read.
    owed_pages: u64,
}

impl<C: Clock> RateCeiling<C> {
    /// At most `bytes_per_second`, at least a page per second.
    pub(super) fn new(bytes_per_second: u64, clock: C) -> Self {
        let rate = u128::from(bytes_per_second).max(PAGE_BYTES as u128);
        // Rounded up, because the ceiling is a promise.
        let nanos_per_page = (PAGE_BYTES as u128 * NANOS_PER_SECOND).div_ceil(rate);
        let quota = Quota::with_period(Duration::from_nanos(nanos_per_page as u64))
            .unwrap_or(Quota::per_second(NonZeroU32::MAX))
            .allow_burst(BURST_PAGES);
        Self { limiter: RateLimiter::direct_with_clock(quota, clock), owed_pages: 0 }
    }

    /// Takes what a read of `bytes` needs, or nothing and says how long to wait.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Duration> {
        while self.owed_pages > 0 {
            self.owed_pages -= self.pay(self.owed_pages)?;
        }
        let pages = bytes.div_ceil(PAGE_BYTES as u64);
        self.owed_pages += pages - self.pay(pages)?;
        Ok(())
    }

    /// Owes `bytes` that were read without asking, and that the next read has to wait for.
    pub(super) fn owe(&mut self, bytes: u64) {
        self.owed_pages += bytes.div_ceil(PAGE_BYTES as u64);
    }

    /// Pays for `pages`, or for a burst of them if they are more; how many were paid.
    fn pay(&self, pages: u64) -> Result<u64, Duration> {
        let pages = pages.min(u64::from(BURST_PAGES.get())) as u32;
        let Some(cells) = NonZeroU32::new(pages) else { return Ok(0) };
        match self.limiter.check_n(cells) {
            Ok(Err(not_yet)) => Err(not_yet.wait_time_from(self.limiter.clock().now())),
            // More than the capacity is not asked for.
            Ok(Ok(())) | Err(_) => Ok(u64::from(pages)),
        }
    }
}
