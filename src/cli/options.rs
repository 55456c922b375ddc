//! Options that several commands share, and how their words become values.

use super::exit::Failure;
use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use jiff::SignedDuration;
use pagescrub::backup::source::TurnsOf;
use pagescrub::consolidate::pattern::{Geometry, MEMBERS_MIN};
use pagescrub::discover::exclude::Excluded;
use pagescrub::discover::lists::expand_lists;
use pagescrub::discover::{Discovery, discover_without};
use pagescrub::page::PAGE_BYTES;
use pagescrub::plan::BATCH_PAGES_MAX;
use pagescrub::plan::pace::{Pace, QUEUE_DEPTH_DEFAULT};
use pagescrub::read::open::Reader;
#[cfg(feature = "gpu")]
use pagescrub::verify::gpu::adapter::Wish;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to scan.
#[derive(clap::Args)]
pub(crate) struct Paths {
    /// Data files, backups, directories (searched recursively), block devices, @list.txt, or -
    /// for a list on stdin
    #[arg(required = true, value_name = "PATH")]
    given: Vec<PathBuf>,

    /// Leave out files in directories whose name or path matches, such as '*.jpg.bak' or
    /// 'old/**', without regard to case; may be given more than once. They are counted. A file
    /// that is named is never left out
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Exit code 3 also for archives, encrypted files and disk images in directories: they may
    /// hold databases, and are not looked into
    #[arg(long)]
    strict_names: bool,
}

impl Paths {
    /// The files that list paths.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &Path> {
        let words = self.given.iter().filter_map(|word| word.to_str());
        words.filter_map(|word| word.strip_prefix('@').map(Path::new))
    }

    /// Finds the data files behind the paths.
    pub(crate) fn discover(&self, turns_of: TurnsOf<'_>) -> Result<Discovery, Failure> {
        let excluded = Excluded::by(&self.exclude);
        let excluded =
            excluded.map_err(|why| Failure::usage(format!("--exclude cannot be used: {why}")))?;
        let paths = expand_lists(&self.given, &mut std::io::stdin().lock());
        let paths = paths.map_err(|error| match error.kind() {
            ErrorKind::InvalidData => Failure::usage(error),
            _ => Failure::work(error),
        })?;
        let mut discovery = discover_without(&paths, &excluded, turns_of);
        if self.strict_names {
            discovery.be_strict();
        }
        Ok(discovery)
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

impl PaceArgs {
    /// True if slow reads are to slow the scan down.
    pub(crate) fn slows_down(&self) -> bool {
        self.max_latency.is_some()
    }
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

/// Which GPUs to use.
#[derive(clap::Args)]
#[cfg_attr(not(feature = "gpu"), allow(dead_code, reason = "no GPU is asked for anything"))]
pub(crate) struct GpuArgs {
    /// A GPU to use: part of its name, its number in `pagescrub devices` or its PCI bus id; may be
    /// given more than once [default: all real GPUs]
    #[arg(long = "adapter", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    adapters: Vec<String>,

    /// Also use software that poses as a GPU, such as llvmpipe; good for tests only
    #[arg(long)]
    allow_software_gpu: bool,
}

#[cfg(feature = "gpu")]
impl GpuArgs {
    /// True if the user wants certain GPUs.
    pub(crate) fn names_any(&self) -> bool {
        !self.adapters.is_empty()
    }

    /// As they were given.
    pub(crate) fn words(&self) -> Vec<String> {
        let named = self.adapters.iter().map(|name| format!("--adapter={name}"));
        let software = self.allow_software_gpu.then(|| "--allow-software-gpu".to_owned());
        named.chain(software).collect()
    }
}

#[cfg(not(feature = "gpu"))]
impl GpuArgs {
    /// One that was named, although there are no GPUs in this build.
    pub(crate) fn any_named(&self) -> Option<&str> {
        self.adapters.first().map(String::as_str)
    }
}

#[cfg(feature = "gpu")]
impl From<&GpuArgs> for Wish {
    fn from(args: &GpuArgs) -> Self {
        Self { names: args.adapters.clone(), allow_software: args.allow_software_gpu }
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

/// A size such as `64KiB` that an array may deal out.
pub(crate) fn stripe_unit(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    Geometry::new(bytes, MEMBERS_MIN).map(|_| bytes).map_err(str::to_owned)
}

/// A size such as `4GiB` in bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>().map(|size| size.as_u64())
}

/// A rate such as `500MiB/s` in bytes per second, at least one page.
fn rate(text: &str) -> Result<u64, String> {
    let accepted = "must be bytes per second, from 8KiB/s, as in 500MiB/s, 500MiB or 1.5GB/s";
    bytes(text.strip_suffix("/s").unwrap_or(text))
        .ok()
        .filter(|&rate| rate >= PAGE_BYTES as u64)
        .ok_or_else(|| accepted.to_owned())
}

/// A time such as `20ms`, longer than nothing.
fn latency(text: &str) -> Result<Duration, String> {
    let accepted = "must be a time with its unit, more than 0, as in 20ms, 500us or 1.5s";
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|latency| !latency.is_zero())
        .ok_or_else(|| accepted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_bytes_per_second_from_one_page_on() {
        let accepted = [
            ("500MiB/s", 500 << 20),
            ("500MiB", 500 << 20),
            ("1.5GB/s", 1_500_000_000),
            ("2 GiB/s", 2 << 30),
            ("8KiB/s", 8192),
            ("8192", 8192),
        ];
        for (text, expected) in accepted {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        let refused = ["0", "0GiB/s", "8191", "7KiB/s", "-1GiB/s", "fast", "", "/s", "5MiB/h"];
        for text in refused {
            assert!(rate(text).unwrap_err().contains("500MiB/s"), "{text}");
        }
    }

    #[test]
    fn latencies_are_times_with_a_unit() {
        let accepted = [("20ms", 20_000), ("1.5s", 1_500_000), ("500us", 500), ("20 ms", 20_000)];
        for (text, microseconds) in accepted {
            assert_eq!(latency(text), Ok(Duration::from_micros(microseconds)), "{text}");
        }
        for text in ["0", "0ms", "20", "-20ms", "20ms ago", "soon", "", "1.5", "1mo"] {
            assert!(latency(text).unwrap_err().contains("20ms"), "{text}");
        }
    }
}
