//! Throttles on simulated devices, in simulated time.

use super::backoff::PAUSE_MAX;
use super::{Device, Pace, PaceSummary, Throttle, Turn};
use crate::page::PAGE_BYTES;
use crate::plan::{BATCH_PAGES_DEFAULT, BATCH_PAGES_MAX};
use governor::clock::FakeRelativeClock;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Duration;

const READ_BYTES: u64 = BATCH_PAGES_DEFAULT as u64 * PAGE_BYTES as u64;
const LIMIT: Duration = Duration::from_millis(20);
const MINUTE: Duration = Duration::from_mins(1);

fn ms(milliseconds: u32) -> Duration {
    Duration::from_millis(u64::from(milliseconds))
}

fn array(members: u32) -> Device {
    Device { members: (0..members).map(|n| format!("nvme{n}n1")).collect(), ..Device::default() }
}

fn with_rate(rate: u64) -> Pace {
    Pace { rate_bytes_per_second: Some(rate), latency_max: None, queue_depth: 16 }
}

fn with_latency_max(latency_max: Duration) -> Pace {
    Pace { rate_bytes_per_second: None, latency_max: Some(latency_max), queue_depth: 16 }
}

/// One device that is read from as fast as its throttle lets.
struct Simulation {
    clock: FakeRelativeClock,
    throttle: Throttle<FakeRelativeClock>,
    now: Duration,
    /// When each read under way began and when it returns.
    in_flight: Vec<(Duration, Duration)>,
}

/// A read that returned.
struct Done {
    began: Duration,
    latency: Duration,
    depth: u32,
}

impl Simulation {
    fn new(pace: &Pace, members: u32) -> Self {
        let clock = FakeRelativeClock::default();
        let throttle = Throttle::with_clock(pace, &array(members), clock.clone());
        Self { clock, throttle, now: Duration::ZERO, in_flight: Vec::new() }
    }

    /// Reads for `time` from a device whose latency depends on the reads in flight.
    fn run(&mut self, time: Duration, latency: impl Fn(u32) -> Duration) -> Vec<Done> {
        let end = self.now + time;
        let mut done = Vec::new();
        while self.now < end {
            let wait = self.begin_all(&latency);
            let returns = self.in_flight.iter().map(|read| read.1).min();
            let next = wait.map(|wait| self.now + wait).into_iter().chain(returns).min();
            self.advance_to(next.expect("a throttle that lets nothing begin has stopped the scan"));
            self.return_due(&mut done);
        }
        done
    }

    /// Begins what may begin; how long until more may, if only time is wanting.
    fn begin_all(&mut self, latency: impl Fn(u32) -> Duration) -> Option<Duration> {
        loop {
            let in_flight = self.in_flight.len() as u32;
            match self.throttle.may_begin(READ_BYTES, in_flight) {
                Turn::Now => self.in_flight.push((self.now, self.now + latency(in_flight + 1))),
                Turn::After(wait) => return Some(wait),
                Turn::WhenOneReturns => return None,
            }
        }
    }

    fn advance_to(&mut self, time: Duration) {
        let step = time.saturating_sub(self.now);
        assert!(!step.is_zero(), "time stands still");
        self.clock.advance(step);
        self.now = time;
    }

    fn return_due(&mut self, done: &mut Vec<Done>) {
        let now = self.now;
        for (began, end) in self.in_flight.extract_if(.., |read| read.1 <= now) {
            let latency = end.saturating_sub(began);
            self.throttle.returned(latency);
            done.push(Done { began, latency, depth: self.throttle.depth() });
        }
    }
}

/// Reads of random sizes up to `pages_max`, begun as soon as allowed and up to `late` later: when,
/// and how many bytes.
fn begun(rate: u64, pages_max: u32, late: Duration) -> Vec<(Duration, u64)> {
    let clock = FakeRelativeClock::default();
    let throttle = Throttle::with_clock(&with_rate(rate), &array(1), clock.clone());
    let mut random = Xoshiro256PlusPlus::seed_from_u64(rate);
    let (mut now, mut begun) = (Duration::ZERO, Vec::new());
    while now < 5 * MINUTE && begun.len() < 100_000 {
        let bytes = (1 + random.next_u64() % u64::from(pages_max)) * PAGE_BYTES as u64;
        while let Turn::After(wait) = throttle.may_begin(bytes, 0) {
            let wait = wait + late * (random.next_u32() % 100) / 100;
            clock.advance(wait);
            now += wait;
        }
        begun.push((now, bytes));
    }
    begun
}

/// The most bytes by which any window is over `rate * window`.
fn excess(begun: &[(Duration, u64)], rate: u64) -> f64 {
    let (mut total, mut lowest, mut excess) = (0.0, f64::MAX, 0.0_f64);
    for &(at, bytes) in begun {
        let granted = rate as f64 * at.as_secs_f64();
        lowest = lowest.min(total - granted);
        total += bytes as f64;
        excess = excess.max(total - granted - lowest);
    }
    excess
}

#[test]
fn the_rate_is_a_ceiling_over_every_window_and_nearly_reached() {
    for rate in [8 << 10, 1_000_003, 50 << 20, 500_000_000, 12 << 30] {
        for pages_max in [1, 8, BATCH_PAGES_DEFAULT, BATCH_PAGES_MAX] {
            let one_read = pages_max.max(BATCH_PAGES_DEFAULT) as usize * PAGE_BYTES;
            for late in [0, 1, 300] {
                let begun = begun(rate, pages_max, ms(late));
                let excess = excess(&begun, rate);
                assert!(excess <= one_read as f64 + 1.0, "{rate} {pages_max}: {excess}");
            }
            let begun = begun(rate, pages_max, ms(0));
            let end = begun.last().unwrap().0;
            let bytes: u64 = begun.iter().map(|read| read.1).sum();
            let share = bytes as f64 / (rate as f64 * end.as_secs_f64());
            assert!(share >= 0.95, "{rate} {pages_max}: {share}");
        }
    }
}

#[test]
fn a_rate_below_a_page_per_second_is_a_page_per_second() {
    let begun = begun(0, 1, ms(0));
    assert_eq!(begun.last().unwrap().0.as_secs(), 5 * 60);
    assert_eq!(begun.len(), BATCH_PAGES_DEFAULT as usize + 5 * 60);
}

#[test]
fn a_read_that_must_wait_takes_nothing() {
    let clock = FakeRelativeClock::default();
    let throttle = Throttle::with_clock(&with_rate(READ_BYTES), &array(1), clock.clone());
    assert_eq!(throttle.may_begin(READ_BYTES, 0), Turn::Now);
    for _ in 0..3 {
        assert_eq!(throttle.may_begin(READ_BYTES, 1), Turn::After(ms(1000)));
        assert_eq!(throttle.may_begin(READ_BYTES, 16), Turn::WhenOneReturns);
    }
    clock.advance(ms(1000));
    assert_eq!(throttle.may_begin(READ_BYTES, 1), Turn::Now);
}

#[test]
fn without_limits_the_depth_is_always_full() {
    let pace = Pace { queue_depth: 16, ..Pace::default() };
    let mut simulation = Simulation::new(&pace, 4);
    let done = simulation.run(MINUTE, |in_flight| ms(in_flight * 100));
    assert!(done.iter().all(|read| read.depth == 64));
    assert_eq!(simulation.throttle.may_begin(READ_BYTES, 63), Turn::Now);
    assert_eq!(simulation.throttle.may_begin(READ_BYTES, 64), Turn::WhenOneReturns);
    let summary = simulation.throttle.summary();
    assert_eq!((summary.queue_depth, summary.lowest_queue_depth), (64, 64));
    assert_eq!((summary.backed_off, summary.paused_seconds), (0, 0.0));
}

#[test]
fn a_depth_of_nothing_is_one_read_at_a_time() {
    let simulation = Simulation::new(&Pace { queue_depth: 0, ..Pace::default() }, 0);
    assert_eq!(simulation.throttle.may_begin(READ_BYTES, 0), Turn::Now);
    assert_eq!(simulation.throttle.may_begin(READ_BYTES, 1), Turn::WhenOneReturns);
}

#[test]
fn the_depth_settles_where_reads_are_just_fast_enough() {
    let mut simulation = Simulation::new(&with_latency_max(LIMIT), 1);
    let done = simulation.run(MINUTE, |in_flight| ms(3 * in_flight));
    let settled: Vec<_> = done.iter().filter(|read| read.began > ms(1000)).collect();
    let share = |part: usize| part as f64 / settled.len() as f64;
    let fast = share(settled.iter().filter(|read| read.latency <= LIMIT).count());
    let depth = share(settled.iter().map(|read| read.depth as usize).sum());
    assert!(fast >= 0.75, "{fast}");
    assert!((4.5..=6.5).contains(&depth), "{depth}");
    assert!(settled.iter().all(|read| (3..=7).contains(&read.depth)));
}

#[test]
fn a_device_that_is_always_too_slow_gets_pauses_and_is_still_read() {
    let mut simulation = Simulation::new(&with_latency_max(LIMIT), 1);
    let done = simulation.run(MINUTE, |_| ms(100));
    assert_eq!(simulation.throttle.depth(), 1);
    let late: Vec<_> = done.iter().filter(|read| read.began > ms(10_000)).collect();
    assert!(late.len() >= 40 && late.len() <= 50, "{}", late.len());
    assert!(late.windows(2).all(|pair| pair[1].began == pair[0].began + ms(100) + PAUSE_MAX));
    let summary = simulation.throttle.summary();
    assert_eq!(summary.lowest_queue_depth, 1);
    assert!((40.0..60.0).contains(&summary.paused_seconds), "{summary:?}");
}

#[test]
fn the_full_depth_comes_back_when_the_load_is_gone() {
    let mut simulation = Simulation::new(&with_latency_max(LIMIT), 2);
    simulation.run(MINUTE, |_| ms(100));
    assert_eq!(simulation.throttle.depth(), 1);
    simulation.run(MINUTE, |_| ms(5));
    assert_eq!(simulation.throttle.depth(), 32);
    let before = simulation.throttle.summary();
    let done = simulation.run(MINUTE, |_| LIMIT);
    assert!(done.iter().all(|read| read.depth == 32), "a read of just the limit is not too slow");
    assert_eq!(simulation.throttle.summary(), before);
}

#[test]
fn one_hiccup_of_all_reads_in_flight_is_one_step_back() {
    let mut simulation = Simulation::new(&with_latency_max(LIMIT), 1);
    while simulation.in_flight.len() < 16 {
        simulation.begin_all(|_| ms(100));
    }
    let mut done = Vec::new();
    simulation.advance_to(ms(100));
    simulation.return_due(&mut done);
    assert_eq!((done.len(), simulation.throttle.depth()), (16, 8));
    assert_eq!(simulation.throttle.summary().backed_off, 1);
}

#[test]
fn both_limits_hold_together() {
    let rate = 3 * READ_BYTES;
    let pace = Pace { rate_bytes_per_second: Some(rate), ..with_latency_max(LIMIT) };
    let mut simulation = Simulation::new(&pace, 1);
    let done = simulation.run(MINUTE, |in_flight| ms(30 * in_flight));
    let begun: Vec<_> = done.iter().map(|read| (read.began, READ_BYTES)).collect();
    assert!(excess(&begun, rate) <= READ_BYTES as f64 + 1.0);
    assert!(begun.len() > 40 && simulation.throttle.summary().paused_seconds > 1.0);
}

#[test]
fn a_summary_says_which_device_and_survives_being_written_down() {
    let device =
        Device { name: Some("md0".to_owned()), numa_node: Some(1), rotational: true, ..array(4) };
    let pace = Pace { latency_max: Some(LIMIT), ..with_rate(READ_BYTES) };
    let summary = Throttle::new(&pace, &device).summary();
    let text = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<PaceSummary>(&text).unwrap(), summary);
    assert_eq!((summary.device.as_deref(), summary.members), (Some("md0"), 4));
    assert_eq!((summary.numa_node, summary.rotational), (Some(1), true));
    assert_eq!(
        (summary.rate_bytes_per_second, summary.latency_max_ms),
        (Some(2 << 20), Some(20.0))
    );
}

#[test]
fn threads_can_share_a_throttle() {
    fn shareable<T: Send + Sync>() {}
    shareable::<Throttle>();
}

#[test]
fn what_is_read_unasked_is_waited_for_afterwards() {
    const RATE: u64 = 8 << 20;
    let simulation = Simulation::new(&with_rate(RATE), 1);
    assert_eq!(simulation.throttle.admit(READ_BYTES), Ok(()));
    // Four seconds' worth of second looks.
    (0..4 * RATE / 8192).for_each(|_| simulation.throttle.owe(8192));
    let mut waited = Duration::ZERO;
    while let Err(wait) = simulation.throttle.admit(READ_BYTES) {
        simulation.clock.advance(wait);
        waited += wait;
    }
    let least = Duration::from_secs(4);
    assert!((least..least + Duration::from_secs(1)).contains(&waited), "{waited:?}");
}

#[test]
fn a_ceiling_that_no_read_can_keep_makes_a_scan_slow_and_not_endless() {
    let mut simulation = Simulation::new(&with_latency_max(Duration::from_micros(50)), 1);
    let done = simulation.run(MINUTE, |_| ms(1));
    assert!(done.len() >= 60 * 1000 / 12, "{} reads", done.len());
}
