//! What was measured, as data: schema `pagescrub.bench/1`.

use serde::{Deserialize, Serialize};

/// The schema of [`BenchReport`].
pub const SCHEMA: &str = "pagescrub.bench/1";

/// Everything that was measured in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of pagescrub.
    pub version: String,
    /// Where.
    pub machine: Machine,
    /// Measured rounds of each section.
    pub rounds: u32,
    /// Size of the memory that was read, in bytes.
    pub memory_bytes: u64,
    /// Bytes of the file that were read, if there was one.
    pub file_bytes: Option<u64>,
    /// In the order of measurement.
    pub sections: Vec<Section>,
    /// What it means.
    pub verdicts: Vec<Verdict>,
    /// What makes the numbers less than they seem.
    pub notes: Vec<String>,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Model name of the CPU, or its architecture.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Operating system.
    pub os: String,
}

/// Rows that were measured in turn, so that they can be compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Stable name: `kernels`, `threads`, `diagnostics`, `gpu` (`gpu2` and so on for further GPUs),
    /// `hot` or `cold`.
    pub name: String,
    /// What was done, in words.
    pub title: String,
    /// In the order of measurement.
    pub rows: Vec<Row>,
    /// The GPU that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuMeasured>,
    /// What is wanted of the rows, if anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Goal>,
}

/// A GPU, and how it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuMeasured {
    /// As its driver calls it.
    pub name: String,
    /// The driver and its version.
    pub driver: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// It is a program on the CPU.
    pub is_software: bool,
    /// How a scan brings bytes to it: `host_import`, `mappable` or `copy`.
    pub upload: String,
    /// The shader of a scan: `subgroups` or `portable`.
    pub shader: String,
    /// The least threads that run in step.
    pub subgroup_min: u32,
    /// The most threads that run in step.
    pub subgroup_max: u32,
    /// Pages in its own memory, in bytes.
    pub resident_bytes: u64,
    /// Pages that go over the bus in each round, in bytes.
    pub bus_bytes: u64,
    /// Pages in memory that they are taken from again and again, in bytes.
    pub arena_bytes: u64,
    /// It took the time itself.
    pub timestamps: bool,
}

/// What is wanted of a number that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    /// Stable name.
    pub name: String,
    /// The number, in words.
    pub what: String,
    /// What was measured.
    pub reached: f64,
    /// No less than this is wanted; null where less is better.
    pub at_least: Option<f64>,
    /// No more than this is wanted; null where more is better.
    pub at_most: Option<f64>,
    /// Whether that is so; null where the numbers are those of an emulation.
    pub is_met: Option<bool>,
}

/// Whose clock it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The GPU's own.
    Timestamps,
    /// The wall's, over as many passes as drown the way there and back.
    Wall,
}

/// One thing that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Unique in its section.
    pub name: String,
    /// True for a limit: bytes that are read, and nothing computed.
    pub is_limit: bool,
    /// Speed in 10^9 bytes per second, of all rounds.
    pub gb_per_second: Spread,
    /// Speed of each round, in 10^9 bytes per second.
    pub rounds_gb_per_second: Vec<f64>,
    /// CPU time of all threads, user and system, in seconds per 2^30 bytes; the median.
    pub cpu_seconds_per_gib: Option<f64>,
    /// How much the page cache of the system grew, in bytes; the median, cold reads only.
    pub page_cache_growth_bytes: Option<i64>,
    /// Who took the time, for what a GPU did alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
    /// The row it is held against, and its share of that row's speed.
    pub of_limit: Option<Comparison>,
    /// The row with one thread, and how many times as fast this one is.
    pub of_one_thread: Option<Comparison>,
}

/// The ratio of two rows' speeds, taken round by round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The other row.
    pub row: String,
    /// This row's speed divided by the other's.
    pub ratio: Spread,
}

/// What is left of many rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; the mean of two for an even number of rounds.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// What holds the speed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The machine's memory: nothing can be gained by computing faster.
    Memory,
    /// The storage or the way to it.
    Storage,
    /// The way to the GPU: nothing can be gained by a faster one.
    Bus,
    /// This program's own work.
    Compute,
    /// The way of reading: the processor was idle while the device could have delivered more.
    Reader,
    /// Nobody can tell: a program on the CPU that poses as a GPU.
    Emulation,
}

/// One conclusion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The section it is drawn from.
    pub section: String,
    /// What holds the speed back.
    pub bound: Bound,
    /// The share of the limit that was reached.
    pub ratio: f64,
    /// The conclusion in words.
    pub text: String,
}

impl Spread {
    /// The spread of `values`; zeros if there are none.
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (values.first(), values.last()) else {
            return Self::default();
        };
        let middle = values.len() / 2;
        let median = f64::midpoint(values[middle], values[(values.len() - 1) / 2]);
        Self { median, min, max }
    }
}

impl Section {
    pub(super) fn new(name: &str, title: String, rows: Vec<Row>) -> Self {
        Self { name: name.to_owned(), title, rows, gpu: None, goals: Vec::new() }
    }

    /// The row called `name`.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// The row with the greatest median speed among those that `wanted` picks.
    pub fn fastest(&self, wanted: impl Fn(&Row) -> bool) -> Option<&Row> {
        let speed = |row: &&Row| row.gb_per_second.median;
        let rows = self.rows.iter().filter(|row| wanted(row));
        rows.max_by(|a, b| speed(a).total_cmp(&speed(b)))
    }
}

impl Row {
    /// Compares this row with `other`, round by round.
    pub(super) fn compared_with(&self, other: &Self) -> Comparison {
        let rounds = self.rounds_gb_per_second.iter().zip(&other.rounds_gb_per_second);
        let ratio = Spread::of(rounds.map(|(own, other)| own / other).collect());
        Comparison { row: other.name.clone(), ratio }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_between_the_extremes() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }
}
