//! How long batches took and how the rate went over time.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Two significant digits: a percentile is right to 1 %.
const SIGNIFICANT_DIGITS: u8 = 2;
/// Longer latencies are recorded as this.
const LATENCY_MAX: Duration = Duration::from_hours(1);
/// Points of the timeline at most; then neighbours are joined and the interval doubles.
const TIMELINE_POINTS_MAX: usize = 512;
/// Bytes of a point at most: a pebibyte, so that their sum does not overflow.
const TIMELINE_BYTES_MAX: u64 = 1 << 50;
const FIRST_INTERVAL: Duration = Duration::from_millis(100);

/// Latencies of the stages of one file or of all.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "Recorded", try_from = "Recorded")]
pub struct StageLatencies {
    /// From asking for a batch to having its bytes, in microseconds.
    pub read: Histogram<u32>,
    /// Checksums and verdicts of a batch, in microseconds.
    pub verify: Histogram<u32>,
}

impl Default for StageLatencies {
    fn default() -> Self {
        Self { read: empty_histogram(), verify: empty_histogram() }
    }
}

impl StageLatencies {
    /// Records one batch.
    pub fn record(&mut self, read: Duration, verify: Duration) {
        record(&mut self.read, read);
        record(&mut self.verify, verify);
    }

    /// Adds what `other` has recorded.
    pub fn add(&mut self, other: &Self) {
        let pairs = [(&mut self.read, &other.read), (&mut self.verify, &other.verify)];
        for (own, other) in pairs {
            // All histograms have the same bounds: it always fits.
            let _ = own.add(other);
        }
    }

    /// The stages with their names.
    pub fn stages(&self) -> [(&'static str, &Histogram<u32>); 2] {
        [("read", &self.read), ("verify", &self.verify)]
    }
}

/// Histograms as what was recorded: values in microseconds, and how often each was met.
#[derive(Serialize, Deserialize)]
struct Recorded {
    read: Vec<(u64, u32)>,
    verify: Vec<(u64, u32)>,
}

impl From<StageLatencies> for Recorded {
    fn from(latencies: StageLatencies) -> Self {
        let recorded = |histogram: &Histogram<u32>| {
            let values = histogram.iter_recorded();
            values.map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
        };
        Self { read: recorded(&latencies.read), verify: recorded(&latencies.verify) }
    }
}

impl TryFrom<Recorded> for StageLatencies {
    type Error = &'static str;

    fn try_from(recorded: Recorded) -> Result<Self, Self::Error> {
        Ok(Self { read: histogram(&recorded.read)?, verify: histogram(&recorded.verify)? })
    }
}

fn histogram(recorded: &[(u64, u32)]) -> Result<Histogram<u32>, &'static str> {
    let mut histogram = empty_histogram();
    let longest = LATENCY_MAX.as_micros() as u64 * 2;
    for &(value, count) in recorded {
        let is_ours = value <= longest && histogram.record_n(value, count).is_ok();
        is_ours.then_some(()).ok_or("a latency beyond what is recorded")?;
    }
    Ok(histogram)
}

#[allow(clippy::expect_used)]
fn empty_histogram() -> Histogram<u32> {
    Histogram::new(SIGNIFICANT_DIGITS).expect("two digits are within the library's 0 to 5")
}

/// Microseconds from 1 to an hour, so that a histogram stays small.
fn record(histogram: &mut Histogram<u32>, duration: Duration) {
    let microseconds = duration.clamp(Duration::from_micros(1), LATENCY_MAX).as_micros() as u64;
    let recorded = histogram.record(microseconds);
    debug_assert!(recorded.is_ok(), "a growing histogram takes every value");
}

/// Percentiles of one stage, for the report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageSummary {
    /// Batches.
    pub batches: u64,
    /// Mean.
    pub mean_us: f64,
    /// Median.
    pub p50_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// 99.9th percentile.
    pub p999_us: u64,
    /// Slowest.
    pub max_us: u64,
}

impl From<&Histogram<u32>> for StageSummary {
    fn from(histogram: &Histogram<u32>) -> Self {
        Self {
            batches: histogram.len(),
            mean_us: (histogram.mean() * 10.0).round() / 10.0,
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        }
    }
}

/// Bytes verified per interval of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// Length of each interval.
    pub interval_seconds: f64,
    /// Bytes verified in each.
    pub bytes: Vec<u64>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { interval_seconds: FIRST_INTERVAL.as_secs_f64(), bytes: Vec::new() }
    }
}

impl Timeline {
    /// True if a scan can have come to this; for one that was written down.
    pub fn is_plausible(&self) -> bool {
        let is_interval =
            |seconds: f64| seconds.is_finite() && seconds >= FIRST_INTERVAL.as_secs_f64();
        is_interval(self.interval_seconds)
            && self.bytes.len() <= TIMELINE_POINTS_MAX
            && self.bytes.iter().all(|bytes| *bytes <= TIMELINE_BYTES_MAX)
    }

    /// Adds `bytes` verified at `elapsed` after the start.
    pub fn add(&mut self, elapsed: Duration, bytes: u64) {
        while elapsed.as_secs_f64() >= self.interval_seconds * TIMELINE_POINTS_MAX as f64 {
            self.bytes = self.bytes.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.interval_seconds *= 2.0;
        }
        let index = (elapsed.as_secs_f64() / self.interval_seconds) as usize;
        if self.bytes.len() <= index {
            self.bytes.resize(index + 1, 0);
        }
        self.bytes[index] += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_a_short_timeline_and_loses_no_byte() {
        let mut timeline = Timeline::default();
        for second in 0..100_000 {
            timeline.add(Duration::from_secs(second), 3);
        }
        assert!(timeline.bytes.len() <= TIMELINE_POINTS_MAX);
        assert_eq!(timeline.bytes.iter().sum::<u64>(), 300_000);
    }

    #[test]
    fn latencies_written_down_and_read_back_are_the_same() {
        let mut latencies = StageLatencies::default();
        for us in [1, 2, 3, 77, 1000, 1001, 65_536, 7_000_000, u64::MAX] {
            latencies.record(Duration::from_micros(us), Duration::from_micros(us / 7));
        }
        let text = serde_json::to_string(&latencies).unwrap();
        let again: StageLatencies = serde_json::from_str(&text).unwrap();
        for ((_, before), (_, after)) in latencies.stages().into_iter().zip(again.stages()) {
            assert_eq!(StageSummary::from(before), StageSummary::from(after));
        }
        assert!(serde_json::from_str::<StageLatencies>(r#"{"read":[[1e18,1]]}"#).is_err());
    }

    #[test]
    fn percentiles_come_from_what_was_recorded() {
        let mut latencies = StageLatencies::default();
        for us in 1..=1000 {
            latencies.record(Duration::from_micros(us), Duration::ZERO);
        }
        let read = StageSummary::from(&latencies.read);
        assert_eq!(read.batches, 1000);
        assert!((495..=510).contains(&read.p50_us), "{read:?}");
        assert_eq!(StageSummary::from(&latencies.verify).max_us, 1);
    }
}
