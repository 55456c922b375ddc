//! How fast this machine can be, and how near to that a scan comes.
//!
//! Nothing here is compared with numbers from elsewhere: every row stands next to the limit of the
//! machine it was measured on, taken in the same seconds. Absolute speed drifts by a factor of two
//! within minutes on shared machines, so all rows of a section run in turn, several rounds, and
//! what counts is the median of the ratios of each round. Every result is checked: a bench of wrong
//! answers measures nothing.
//!
//! Sections: [`memory`] (kernels, threads, and what a scan does besides checksums), then one for
//! each GPU, then, for a file, [`storage`] (every reader, cached and not).

pub mod chart;
#[cfg(feature = "gpu")]
mod gpu;
mod image;
mod machine;
mod memory;
pub mod report;
mod raw;
mod rounds;
mod storage;
pub mod terminal;
mod verdict;

pub use storage::bounded;

use crate::discover::Discovery;
use crate::page::PAGE_BYTES;
#[cfg(feature = "gpu")]
use crate::verify::gpu::adapter::Adapter;
use image::Image;
use report::{BenchReport, Machine, SCHEMA, Section};
use rounds::Rounds;
use std::fmt;
use std::path::Path;

/// Memory measured unless asked otherwise, in bytes: far more than any cache.
pub const MEMORY_BYTES_DEFAULT: u64 = 2 << 30;
/// The smallest image of a data file, in bytes.
pub const MEMORY_BYTES_MIN: u64 = 1 << 20;
/// The fewest pages in the memory of a GPU, in bytes: an arena of 1 MiB, twice.
pub const GPU_BYTES_MIN: u64 = 2 << 20;
/// Rounds unless asked otherwise.
pub const ROUNDS_DEFAULT: u32 = 5;
/// Bytes of a file that are measured unless asked otherwise.
pub const FILE_BYTES_DEFAULT: u64 = 4 << 30;
/// Below this, the caches of a large CPU may hold what is called memory, in bytes.
const MEMORY_BYTES_HONEST: u64 = 1 << 30;

/// What to measure, and how often.
pub struct Settings<'a> {
    /// Bytes of memory to measure; less is taken if the machine has not twice as much to spare.
    pub memory_bytes: u64,
    /// Measured rounds of each section, at least 1; one more comes first and is not counted.
    pub rounds: u32,
    /// Threads of a scan, at least 1.
    pub threads: usize,
    /// Files to measure, cut by [`bounded`]; `None` for memory alone.
    pub files: Option<&'a Discovery>,
    /// GPUs to measure.
    #[cfg(feature = "gpu")]
    pub gpus: &'a [Adapter],
    /// Pages in a GPU's memory, and over the bus in a round, in bytes; less if it has less room.
    pub gpu_bytes: Option<u64>,
    /// Told what is being measured, before each measurement.
    pub progress: &'a dyn Fn(&str),
}

/// Why nothing could be measured.
#[derive(Debug, PartialEq, Eq)]
pub enum BenchError {
    /// This machine or this program computes wrongly: what was wrong.
    Wrong(String),
    /// The work could not be done, and what to do about it.
    Work(String),
}

/// Measures everything that `settings` ask for.
///
/// # Errors
/// If a result was wrong, memory could not be had, or a file could not be read.
pub fn run(settings: &Settings<'_>) -> Result<BenchReport, BenchError> {
    let mut notes = Vec::new();
    let rounds = Rounds { count: settings.rounds.max(1), progress: settings.progress };
    let memory_bytes = affordable(settings.memory_bytes, &mut notes);
    let mut sections = in_memory(memory_bytes, settings.threads.max(1), &rounds)?;
    #[cfg(feature = "gpu")]
    sections.extend(gpu::measure(settings, &rounds, &mut notes)?);
    if let Some(files) = settings.files {
        sections.extend(storage::measure(files, settings.threads, &rounds, &mut notes)?);
    }
    Ok(BenchReport {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: Machine::this(),
        rounds: rounds.count,
        memory_bytes,
        file_bytes: settings.files.map(storage::stored_bytes),
        verdicts: verdict::of(&sections),
        sections,
        notes,
    })
}

/// The image is given back before files are measured: the page cache needs the room.
fn in_memory(bytes: u64, threads: usize, rounds: &Rounds<'_>) -> Result<Vec<Section>, BenchError> {
    (rounds.progress)("memory: filling it with pages");
    let image = Image::new(bytes)?;
    let kernels = memory::kernels(&image, rounds)?;
    let fastest = memory::Fastest::of(&kernels);
    let more = fastest.map(|fastest| memory::threads(&image, &fastest, threads, rounds));
    let diagnostics = memory::diagnostics(&image, threads, rounds)?;
    Ok([Some(kernels), more.transpose()?, Some(diagnostics)].into_iter().flatten().collect())
}

/// Half of what is free at most, in whole extents.
fn affordable(asked: u64, notes: &mut Vec<String>) -> u64 {
    let free = machine::available_bytes().unwrap_or(u64::MAX);
    let bytes = asked.min(free / 2).max(MEMORY_BYTES_MIN);
    let bytes = bytes - bytes % (crate::page::EXTENT_PAGES as usize * PAGE_BYTES) as u64;
    let size = |bytes: u64| bytesize::ByteSize(bytes).display().iec().to_string();
    if bytes < asked / 2 {
        let free = size(free);
        notes.push(format!("memory: {} instead of {}: {free} free", size(bytes), size(asked)));
    }
    if bytes < MEMORY_BYTES_HONEST {
        let size = size(bytes);
        notes.push(format!("memory: {size} may fit into caches; its limits may be theirs"));
    }
    bytes
}

impl BenchError {
    fn cannot_read(path: &Path, why: impl fmt::Display) -> Self {
        let path = path.display();
        Self::Work(format!("cannot read {path}: {why}; measure a file that can be read"))
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(what) => write!(f, "{what}: do not trust this machine or this build"),
            Self::Work(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for BenchError {}
