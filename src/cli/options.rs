//! Options that several commands share, and how their words become values.

use super::exit::Failure;
use clap::ValueEnum;
use pagescrub::discover::paths::expand_lists;
use pagescrub::discover::{Discovery, discover};
use pagescrub::page::PAGE_BYTES;
use pagescrub::plan::BATCH_PAGES_MAX;
use pagescrub::plan::pace::{Pace, QUEUE_DEPTH_DEFAULT};
use pagescrub::read::open::Reader;
use std::path::PathBuf;
use std::time::Duration;

/// What to scan.
#[derive(clap::Args)]
pub(crate) struct Paths {
    /// Data files, directories (searched recursively), block devices, @list.txt, or - for a list
    /// on stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Paths {
    /// Finds the data files behind the paths.
    pub(crate) fn discover(&self) -> Result<Discovery, Failure> {
        let paths =
            expand_lists(&self.paths, &mut std::io::stdin().lock()).map_err(Failure::work)?;
        Ok(discover(&paths))
    }
}

/// The readers by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ReaderName {
    /// Mapped memory for what is in the page cache, past the cache for the rest
    Auto,
    /// Mapped memory
    Mmap,
    /// Positioned reads
    Pread,
    /// Past the page cache, many reads at a time (io_uring, O_DIRECT)
    Direct,
}

impl From<ReaderName> for Reader {
    fn from(name: ReaderName) -> Self {
        match name {
            ReaderName::Auto => Self::Auto,
            ReaderName::Mmap => Self::Mmap,
            ReaderName::Pread => Self::Pread,
            ReaderName::Direct => Self::Direct,
        }
    }
}

/// How fast devices may be read.
#[derive(clap::Args)]
pub(crate) struct PaceArgs {
    /// Read no more than this from any device, such as 500MiB/s
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<u64>,

    /// Read less from a device while its reads take longer than this, such as 20ms
    #[arg(long, value_name = "TIME", value_parser = latency)]
    max_latency: Option<Duration>,

    /// Reads of 512 KiB in flight for each disk
    #[arg(long, value_name = "N", default_value_t = QUEUE_DEPTH_DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..=256))]
    queue_depth: u32,
}

impl From<&PaceArgs> for Pace {
    fn from(args: &PaceArgs) -> Self {
        Self {
            rate_bytes_per_second: args.rate,
            latency_max: args.max_latency,
            queue_depth: args.queue_depth,
        }
    }
}

/// When to draw progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    Auto,
    /// Never
    Never,
}

/// A size such as `512KiB` as whole pages.
pub(crate) fn batch_pages(text: &str) -> Result<u32, String> {
    let extent_bytes = 8 * PAGE_BYTES as u64;
    let bytes = bytes(text)?;
    let max_bytes = u64::from(BATCH_PAGES_MAX) * PAGE_BYTES as u64;
    if !(extent_bytes..=max_bytes).contains(&bytes) || !bytes.is_multiple_of(extent_bytes) {
        return Err("must be whole extents of 64 KiB, from 64KiB to 16MiB".to_owned());
    }
    Ok((bytes / PAGE_BYTES as u64) as u32)
}

/// A size such as `4GiB` in bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>().map(|size| size.as_u64())
}

fn rate(text: &str) -> Result<u64, String> {
    bytes(text.trim_end_matches("/s"))
}

fn latency(text: &str) -> Result<Duration, String> {
    text.trim_end_matches("ms").parse().map(Duration::from_millis).map_err(|e| format!("{e}"))
}
