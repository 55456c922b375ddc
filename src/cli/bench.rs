//! `pagescrub bench`: how fast this machine can be, and how near to that a scan comes.

use super::exit::{Exit, Failure};
use super::options::{GpuArgs, When, bytes};
use super::progress::spinner;
use pagescrub::bench::report::BenchReport;
use pagescrub::bench::{self, BenchError, bounded, chart, terminal};
use pagescrub::discover::paths::identity_of;
use pagescrub::discover::{Discovery, discover};
use pagescrub::report::terminal::Look;
use std::io::{self, BufWriter, IsTerminal, Write};
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

/// Measures, prints and draws.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let found = args.path.as_deref().map(|path| find(path, args)).transpose()?;
    let draw = args.chart.as_deref().map(|path| chart_at(path, found.as_ref())).transpose()?;
    #[cfg(feature = "gpu")]
    let gpus = args.gpu.adapters_if_any()?;
    #[cfg(not(feature = "gpu"))]
    args.gpu.adapters_if_any()?;
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
    print(&report, args.json).map_err(Failure::work)?;
    if let (Some(path), Some(draw)) = (&args.chart, draw) {
        let cannot = |e: &dyn std::fmt::Display| cannot_write(path, e);
        let picture = draw(&report).map_err(|e| cannot(&e))?;
        std::fs::write(path, picture).map_err(|e| cannot(&e))?;
    }
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
        let path = path.display();
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
fn chart_at(path: &Path, files: Option<&Discovery>) -> Result<Draw, Failure> {
    let draw: Draw = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => chart::svg,
        Some("html") => chart::html,
        _ => return Err(Failure::usage("--chart needs a name that ends in .svg or .html")),
    };
    let identity = std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|_| identity_of(path))
        .map_err(|e| cannot_write(path, &e))?;
    let mut measured = files.into_iter().flat_map(|files| &files.files);
    if measured.any(|file| file.identity == identity) {
        let path = path.display();
        return Err(Failure::usage(format!("--chart {path} is one of the files to measure")));
    }
    Ok(draw)
}

fn print(report: &BenchReport, json: bool) -> io::Result<()> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    let printed = if json {
        serde_json::to_writer_pretty(&mut out, report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        let is_terminal = io::stdout().is_terminal();
        let width = is_terminal.then(|| console::Term::stdout().size().1);
        terminal::write(report, Look { width, rows_max: usize::MAX, verbose: false }, &mut out)
    };
    match printed.and_then(|()| out.flush()) {
        // Whoever read it has read enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

fn cannot_write(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::work(format!("cannot write {}: {error}", path.display()))
}
