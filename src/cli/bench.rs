//! `pagescrub bench`: how fast this machine can be, and how near to that a scan comes.

#[cfg(feature = "gpu")]
use super::drivers;
use super::exit::{Exit, Failure};
use super::limits::start_threads;
use super::options::{GpuArgs, When, bytes};
use super::output::{Guard, first_failure, width};
use super::progress::spinner;
use super::say::print;
use pagescrub::bench::report::BenchReport;
use pagescrub::bench::{self, BenchError, bounded, chart, terminal};
use pagescrub::discover::paths;
use pagescrub::discover::{Discovery, discover};
use pagescrub::report::json_text::write_pretty;
use pagescrub::report::terminal::Look;
#[cfg(feature = "gpu")]
use pagescrub::verify::gpu::adapter::{Adapter, choose};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Measure this machine's limits, and how near to them a scan comes
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A data file, directory or block device to measure reading with; without it, memory alone
    path: Option<PathBuf>,

    /// Print everything as JSON, schema pagescrub.bench/1
    #[arg(long)]
    json: bool,

    /// Measured rounds; every row is measured once in each
    #[arg(long, value_name = "N", default_value_t = bench::ROUNDS_DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Also draw the report: FILE.svg or FILE.html
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,

    /// Memory to measure, at least 1MiB [default: 2GiB]
    #[arg(long, value_name = "SIZE", value_parser = memory_bytes)]
    memory: Option<u64>,

    #[command(flatten)]
    gpu: GpuArgs,

    /// Pages in the memory of a GPU, at least 2MiB [default: 4GiB, 256MiB for software]
    #[arg(long, value_name = "SIZE", value_parser = gpu_bytes)]
    gpu_memory: Option<u64>,

    /// Bytes of PATH to measure at most [default: 4GiB]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    size_max: Option<u64>,

    /// Threads at most [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Say on stderr what is being measured
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,
}

/// The adapters to use; none, without a word, if there are none and none was named.
#[cfg(feature = "gpu")]
fn adapters_if_any(gpu: &GpuArgs) -> Result<Vec<Adapter>, Failure> {
    if let Err(why) = drivers::answer(gpu) {
        return Err(Failure::usage(format!(
            "a GPU driver fails ({why}): pagescrub devices shows it; WGPU_BACKEND or \
             VK_DRIVER_FILES can leave it out"
        )));
    }
    choose(&gpu.into()).or_else(|no_adapter| match no_adapter.asked {
        Some(_) => Err(Failure::usage(no_adapter)),
        None => Ok(Vec::new()),
    })
}

/// There are no GPUs in this build.
#[cfg(not(feature = "gpu"))]
fn adapters_if_any(gpu: &GpuArgs) -> Result<(), Failure> {
    match gpu.any_named() {
        Some(name) => Err(Failure::usage(format!(
            "--adapter {name} is not in this build (built without the feature gpu)"
        ))),
        None => Ok(()),
    }
}

/// Measures, prints and draws.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    start_threads()?;
    let found = args.path.as_deref().map(|path| find(path, args)).transpose()?;
    let guard = found.as_ref().map(Guard::of).unwrap_or_default();
    let draw = args.chart.as_deref().map(|path| chart_at(path, &guard)).transpose()?;
    #[cfg(feature = "gpu")]
    let gpus = adapters_if_any(&args.gpu)?;
    #[cfg(not(feature = "gpu"))]
    adapters_if_any(&args.gpu)?;
    let spinner = spinner(args.progress == When::Auto);
    let settings = bench::Settings {
        memory_bytes: args.memory.unwrap_or(bench::MEMORY_BYTES_DEFAULT),
        rounds: args.rounds,
        threads: args.threads.map_or_else(super::scan::cores, usize::from),
        files: found.as_ref(),
        #[cfg(feature = "gpu")]
        gpus: &gpus,
        gpu_bytes: args.gpu_memory,
        progress: &|what| spinner.set_message(what.to_owned()),
    };
    let report = bench::run(&settings);
    spinner.finish_and_clear();
    let report = report.map_err(|error| match error {
        BenchError::Wrong(_) => Failure::internal(error),
        BenchError::Work(_) => Failure::work(error),
    })?;
    let printed = print(|out| write(&report, args.json, out));
    let drawn = args.chart.as_ref().zip(draw).map_or(Ok(()), |(path, draw)| {
        let picture = draw(&report);
        let picture = picture.map_err(|e| Failure::work(format!("cannot draw the chart: {e}")))?;
        guard.write_file(path, &|out| out.write_all(picture.as_bytes()))
    });
    first_failure([printed, drawn])?;
    Ok(Exit::Clean)
}

fn memory_bytes(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    if bytes < bench::MEMORY_BYTES_MIN {
        return Err("must be 1MiB or more".to_owned());
    }
    Ok(bytes)
}

fn gpu_bytes(text: &str) -> Result<u64, String> {
    let bytes = bytes(text)?;
    if bytes < bench::GPU_BYTES_MIN {
        return Err("must be 2MiB or more".to_owned());
    }
    Ok(bytes)
}

/// What there is to measure at `path`.
fn find(path: &Path, args: &Args) -> Result<Discovery, Failure> {
    let found = discover(&[path.to_owned()]);
    let why = found.refusals.first().map(|refusal| refusal.why.clone());
    let files = bounded(found, args.size_max.unwrap_or(bench::FILE_BYTES_DEFAULT));
    if files.files.is_empty() {
        let why = why.unwrap_or_else(|| "it holds no pages to read".to_owned());
        let path = paths::text(path);
        return Err(Failure::work(format!(
            "cannot measure {path}: {why}; name a data file, or make one: pagescrub generate \
             bench.mdf --size 4GiB --seed 7"
        )));
    }
    Ok(files)
}

type Draw = fn(&BenchReport) -> Result<String, Box<dyn std::error::Error + Send + Sync>>;

/// How to draw into `path`, which is tried now: minutes later is too late to learn that it cannot
/// be written.
fn chart_at(path: &Path, guard: &Guard) -> Result<Draw, Failure> {
    let draw: Draw = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => chart::svg,
        Some("html") => chart::html,
        _ => return Err(Failure::usage("--chart needs a name that ends in .svg or .html")),
    };
    guard.check_file(path).map(|()| draw)
}

fn write(report: &BenchReport, json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        return write_pretty(report, out).and_then(|()| writeln!(out));
    }
    let look = Look { width: width(), rows_max: usize::MAX, verbose: false };
    terminal::write(report, look, out)
}
