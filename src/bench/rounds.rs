//! Measuring in turn: every row once per round, so that what drifts drifts for all.

use super::BenchError;
use super::machine::page_cache_bytes;
use super::report::{Clock, Comparison, Row, Section, Spread};
use crate::verify::cpu_time::cpu_seconds;
use std::hint::black_box;
use std::time::Instant;

const BYTES_PER_GIB: f64 = (1_u64 << 30) as f64;

/// How often, and who is told.
pub(super) struct Rounds<'a> {
    pub(super) count: u32,
    pub(super) progress: &'a dyn Fn(&str),
}

/// One measurement.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    gb_per_second: f64,
    cpu_seconds_per_gib: Option<f64>,
    page_cache_growth_bytes: Option<i64>,
    clock: Option<Clock>,
}

impl Sample {
    /// What a GPU did to `bytes` in `seconds` of `clock`; how busy CPUs were says nothing about it.
    #[cfg(feature = "gpu")]
    pub(super) fn of_gpu(bytes: u64, seconds: f64, clock: Clock) -> Self {
        let gb_per_second = bytes as f64 / 1e9 / seconds;
        let (cpu_seconds_per_gib, page_cache_growth_bytes) = (None, None);
        Self { gb_per_second, cpu_seconds_per_gib, page_cache_growth_bytes, clock: Some(clock) }
    }
}

/// Measures `work`, which reads `bytes`.
pub(super) fn timed<T>(bytes: u64, work: impl FnOnce() -> T) -> (T, Sample) {
    let cpu_before = cpu_seconds();
    let started = Instant::now();
    let outcome = black_box(work());
    let seconds = started.elapsed().as_secs_f64().max(1e-9);
    let cpu = cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
    let sample = Sample {
        gb_per_second: bytes as f64 / 1e9 / seconds,
        cpu_seconds_per_gib: cpu.map(|seconds| seconds * BYTES_PER_GIB / bytes.max(1) as f64),
        page_cache_growth_bytes: None,
        clock: None,
    };
    (outcome, sample)
}

/// `measure`, and how much the system's page cache grew meanwhile.
pub(super) fn watching_the_cache(
    measure: impl FnOnce() -> Result<Sample, BenchError>,
) -> Result<Sample, BenchError> {
    let before = page_cache_bytes();
    let sample = measure()?;
    let growth = page_cache_bytes().zip(before);
    let page_cache_growth_bytes =
        growth.map(|(after, before)| after.cast_signed() - before.cast_signed());
    Ok(Sample { page_cache_growth_bytes, ..sample })
}

/// What a row is held against.
pub(super) enum Limit {
    /// It is a limit itself.
    Itself,
    /// The row of this name.
    Row(String),
    /// The fastest limit of the section.
    Fastest,
    /// The fastest of the rows with these names.
    #[cfg(feature = "gpu")]
    OneOf(Vec<String>),
    /// It stands there for comparison.
    #[cfg(feature = "gpu")]
    Nothing,
}

/// Something that can be measured again and again.
pub(super) struct Variant<'a> {
    pub(super) name: String,
    pub(super) limit: Limit,
    /// The name of its row with one thread.
    pub(super) one_thread: Option<String>,
    /// Measures once and checks the result.
    pub(super) measure: Box<dyn FnMut() -> Result<Sample, BenchError> + 'a>,
}

impl<'a> Variant<'a> {
    pub(super) fn new(
        name: impl Into<String>,
        limit: Limit,
        measure: impl FnMut() -> Result<Sample, BenchError> + 'a,
    ) -> Self {
        Self { name: name.into(), limit, one_thread: None, measure: Box::new(measure) }
    }
}

impl Rounds<'_> {
    /// Measures all `variants` in turn. A first round is not counted: it warms caches.
    pub(super) fn section(
        &self,
        name: &str,
        title: String,
        mut variants: Vec<Variant<'_>>,
    ) -> Result<Section, BenchError> {
        let mut samples = vec![Vec::new(); variants.len()];
        for round in 0..=self.count {
            for (variant, samples) in variants.iter_mut().zip(&mut samples) {
                (self.progress)(&format!(
                    "{name}, round {round} of {}: {}",
                    self.count, variant.name
                ));
                let sample = (variant.measure)()?;
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        let rows = variants.iter().zip(&samples).map(|(variant, samples)| row(variant, samples));
        let section = Section::new(name, title, rows.collect());
        Ok(compared(section, &variants))
    }
}

fn row(variant: &Variant<'_>, samples: &[Sample]) -> Row {
    let speeds: Vec<f64> = samples.iter().map(|sample| sample.gb_per_second).collect();
    let cpu: Option<Vec<f64>> = samples.iter().map(|sample| sample.cpu_seconds_per_gib).collect();
    let growth: Option<Vec<f64>> =
        samples.iter().map(|sample| sample.page_cache_growth_bytes.map(|n| n as f64)).collect();
    Row {
        name: variant.name.clone(),
        is_limit: matches!(variant.limit, Limit::Itself),
        gb_per_second: Spread::of(speeds.clone()),
        rounds_gb_per_second: speeds,
        cpu_seconds_per_gib: cpu.map(|cpu| Spread::of(cpu).median),
        page_cache_growth_bytes: growth.map(|growth| Spread::of(growth).median as i64),
        clock: samples.first().and_then(|sample| sample.clock),
        of_limit: None,
        of_one_thread: None,
    }
}

fn compared(mut section: Section, variants: &[Variant<'_>]) -> Section {
    let compare = |row: &Row, variant: &Variant<'_>| -> [Option<Comparison>; 2] {
        let limit = match &variant.limit {
            Limit::Itself => None,
            Limit::Row(name) => section.row(name),
            Limit::Fastest => section.fastest(|row| row.is_limit),
            #[cfg(feature = "gpu")]
            Limit::OneOf(names) => section.fastest(|row| names.contains(&row.name)),
            #[cfg(feature = "gpu")]
            Limit::Nothing => None,
        };
        let one_thread = variant.one_thread.as_deref().and_then(|name| section.row(name));
        [limit, one_thread].map(|other| other.map(|other| row.compared_with(other)))
    };
    let rows = section.rows.iter().zip(variants);
    let comparisons: Vec<_> = rows.map(|(row, variant)| compare(row, variant)).collect();
    for (row, [of_limit, of_one_thread]) in section.rows.iter_mut().zip(comparisons) {
        (row.of_limit, row.of_one_thread) = (of_limit, of_one_thread);
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let speeds = |speeds: [f64; 3]| {
            let mut speeds = [1.0].into_iter().chain(speeds);
            move || {
                let gb_per_second = speeds.next().unwrap_or_default();
                Ok(Sample {
                    gb_per_second,
                    cpu_seconds_per_gib: None,
                    page_cache_growth_bytes: None,
                    clock: None,
                })
            }
        };
        let variants = vec![
            Variant::new("read", Limit::Itself, speeds([10.0, 20.0, 40.0])),
            Variant::new("checksum", Limit::Fastest, speeds([9.0, 18.0, 40.0])),
        ];
        let rounds = Rounds { count: 3, progress: &|_| {} };
        let section = rounds.section("test", String::new(), variants).unwrap();
        let ratio = section.rows[1].of_limit.as_ref().unwrap().ratio;
        assert_eq!(ratio, Spread { median: 0.9, min: 0.9, max: 1.0 });
        assert_eq!(section.rows[0].of_limit, None);
    }
}
