//! `pagescrub scan`

use super::checkpoint;
use super::engine::EngineArgs;
use super::exit::{Exit, Failure};
use super::options::{PaceArgs, Paths, ReaderName, When, batch_pages};
use super::progress::Bar;
use clap::ValueEnum;
use pagescrub::discover::paths::{identity_of, promises_pages};
use pagescrub::discover::{Discovery, FileKind, discover};
use pagescrub::plan::BATCH_PAGES_DEFAULT;
use pagescrub::read::open::Reader;
use pagescrub::report::{hgrm, json, terminal};
use pagescrub::scrub::{Scrub, Settings, scrub};
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Verify every page and report the suspect ones, most urgent first
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    paths: Paths,

    #[command(flatten)]
    engine: EngineArgs,

    /// How files are read
    #[arg(long, value_enum, default_value_t = ReaderName::Auto)]
    reader: ReaderName,

    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    /// Bytes read and verified in one go, whole extents of 64 KiB [default: 2MiB]
    #[arg(long, value_name = "SIZE", value_parser = batch_pages)]
    batch_size: Option<u32>,

    #[command(flatten)]
    pace: PaceArgs,

    /// What to write; may be given several times, each with its own --output
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Vec<Format>,

    /// Where to write: the first goes with the first --format, and so on; formats beyond go to
    /// stdout
    #[arg(long, value_name = "FILE")]
    output: Vec<PathBuf>,

    /// Also write report.json and latency histograms (*.hgrm) into this directory
    #[arg(long, value_name = "DIR")]
    report_dir: Option<PathBuf>,

    #[command(flatten)]
    checkpoint: checkpoint::Options,

    /// Draw a progress bar on stderr
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,

    /// Rows of each table in the terminal report
    #[arg(long, default_value_t = 20, value_name = "N")]
    top: usize,

    /// Also print SQL Server's message for each suspect, healthy files and skipped files
    #[arg(short, long)]
    verbose: bool,
}

/// The report's name in --report-dir.
const REPORT_NAME: &str = "report.json";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Terminal,
    /// Everything, schema pagescrub.report/1
    Json,
}

/// Scans and reports.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let outputs = outputs(args)?;
    args.engine.kernel()?;
    let reader = Reader::from(args.reader);
    if let Some(why) = reader.unavailable() {
        return Err(Failure::usage(format!("--reader {} cannot be used: {why}", reader.name())));
    }
    if reader == Reader::Mmap && args.pace.slows_down() {
        let why = "cannot slow down what is mapped: use --reader auto or direct";
        return Err(Failure::usage(format!("--max-latency {why}")));
    }
    if let Some(directory) = &args.report_dir {
        fs::create_dir_all(directory).map_err(|e| cannot_write(directory, &e))?;
    }
    args.checkpoint.check(&written_at_the_end(&outputs, args))?;
    for path in outputs.iter().filter_map(|(_, path)| *path) {
        check_output(path)?;
    }
    let mut discovery = args.paths.discover()?;
    args.checkpoint.forget_in(&mut discovery);
    refuse_to_overwrite(&outputs, &discovery)?;
    let resume = args.checkpoint.resume(&discovery)?;
    let threads = args.threads.map_or_else(cores, usize::from);
    let stored = discovery.files.iter().flat_map(|file| &file.stored);
    let bytes = stored.map(|range| range.bytes()).sum();
    let chosen = args.engine.choose(bytes, threads)?;
    let failed = |error: &io::Error| args.checkpoint.tell_failed(error);
    let settings = Settings {
        engine: &chosen.engine,
        gpus: chosen.gpus.as_ref(),
        calibration: chosen.calibration.clone(),
        notes: chosen.notes.clone(),
        host_findings: chosen.wrong.iter().cloned().collect(),
        engine_name: args.engine.engine.clone(),
        open: &|path| reader.open(path),
        reader_name: reader.name().to_owned(),
        threads,
        batch_pages: args.batch_size.unwrap_or(BATCH_PAGES_DEFAULT),
        pace: (&args.pace).into(),
        stop: &STOP,
        checkpoint: args.checkpoint.writing(resume.as_ref(), &failed),
    };
    stop_at_a_signal()?;
    let mut scrubbed = scrub(&discovery, &settings, &Bar::new(args.progress == When::Auto));
    let written = write_everything(&mut scrubbed, &outputs, args);
    if written.is_ok() && !scrubbed.report.run.stopped {
        args.checkpoint.remove();
    }
    let exit = Exit::of_report(scrubbed.report.exit_code);
    match written {
        // That there is damage, or a fault of this machine, matters more than a lost file.
        Err(failure) if matches!(exit, Exit::Damaged | Exit::Internal) => {
            failure.tell();
            Ok(exit)
        }
        Err(failure) => Err(failure),
        Ok(()) => Ok(exit),
    }
}

/// Set by the first signal.
static STOP: AtomicBool = AtomicBool::new(false);

/// Signals so soon after the first one are the same wish: timeout(1), sudo and terminals send two.
const SAME_WISH: Duration = Duration::from_secs(2);
/// How long a scan that is to stop may take before the user is told why.
const STOP_TAKES_LONG: Duration = Duration::from_secs(10);

/// The first SIGINT or SIGTERM ends the scan after the batches in work, and the report tells what
/// was not reached. A later one ends the program.
fn stop_at_a_signal() -> Result<(), Failure> {
    let mut first: Option<Instant> = None;
    let on_signal = move || {
        STOP.store(true, Ordering::Relaxed);
        match first {
            None => {
                first = Some(Instant::now());
                std::thread::spawn(tell_if_it_takes_long);
            }
            Some(first) if first.elapsed() > SAME_WISH => {
                eprintln!("pagescrub: ended without a report");
                std::process::exit(Exit::Incomplete as i32);
            }
            Some(_) => {}
        }
    };
    ctrlc::set_handler(on_signal).map_err(Failure::work)
}

fn tell_if_it_takes_long() {
    std::thread::sleep(STOP_TAKES_LONG);
    eprintln!(
        "pagescrub: a device does not answer a read, and the report waits for it; with another \
         signal the scan ends without a report (a checkpoint, if there is one, is kept)"
    );
}

/// Stdout first: what cannot be written elsewhere must not cost the answer.
fn write_everything(
    scrubbed: &mut Scrub,
    outputs: &[(Format, Option<&Path>)],
    args: &Args,
) -> Result<(), Failure> {
    let directory = args.report_dir.as_ref().map(|directory| write_directory(scrubbed, directory));
    let (files, stdout): (Vec<_>, Vec<_>) = outputs.iter().partition(|(_, path)| path.is_some());
    let formats = stdout.into_iter().chain(files);
    let written: Vec<_> =
        formats.map(|&(format, path)| write_format(scrubbed, format, path, args)).collect();
    directory.into_iter().chain(written).collect()
}

/// What the report will be written to.
fn written_at_the_end(outputs: &[(Format, Option<&Path>)], args: &Args) -> Vec<PathBuf> {
    let in_directory = args.report_dir.iter().map(|directory| directory.join(REPORT_NAME));
    outputs.iter().filter_map(|(_, path)| path.map(Path::to_owned)).chain(in_directory).collect()
}

/// An output that cannot be written is better known before hours of scanning.
fn check_output(path: &Path) -> Result<(), Failure> {
    if promises_pages(path) || is_database(path) {
        let path = path.display();
        let why = "is a database file, or is named like one: give another name";
        return Err(Failure::usage(format!("--output {path} {why}")));
    }
    let opened = File::options().append(true).create(true).open(path);
    opened.map(drop).map_err(|e| cannot_write(path, &e))
}

fn is_database(path: &Path) -> bool {
    if fs::metadata(path).map_or(0, |metadata| metadata.len()) == 0 {
        return false;
    }
    let found = discover(&[path.to_owned()]);
    !found.files.is_empty() || found.refusals.iter().any(|r| r.kind != FileKind::Unknown)
}

/// A slip of the fingers must not replace a database by its report.
fn refuse_to_overwrite(
    outputs: &[(Format, Option<&Path>)],
    discovery: &Discovery,
) -> Result<(), Failure> {
    for path in outputs.iter().filter_map(|(_, path)| *path) {
        let identity = identity_of(path).map_err(|e| cannot_write(path, &e))?;
        if discovery.files.iter().any(|file| file.identity == identity) {
            let path = path.display();
            return Err(Failure::usage(format!("--output {path} is one of the files to scan")));
        }
    }
    Ok(())
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Pairs formats with outputs in the order given; one format at most goes to stdout, the terminal
/// report if no other does.
fn outputs(args: &Args) -> Result<Vec<(Format, Option<&Path>)>, Failure> {
    if args.output.len() > args.format.len() {
        return Err(Failure::usage("each --output needs a --format"));
    }
    let mut files = args.output.iter().map(PathBuf::as_path);
    let mut pairs: Vec<_> = args.format.iter().map(|&format| (format, files.next())).collect();
    match pairs.iter().filter(|(_, output)| output.is_none()).count() {
        0 => pairs.push((Format::Terminal, None)),
        1 => {}
        _ => return Err(Failure::usage("only one --format can go to stdout; add --output FILE")),
    }
    Ok(pairs)
}

fn write_format(
    scrubbed: &Scrub,
    format: Format,
    output: Option<&Path>,
    args: &Args,
) -> Result<(), Failure> {
    let Some(path) = output else {
        let mut out = BufWriter::new(anstream::stdout().lock());
        let written = render(scrubbed, format, width(), args, &mut out).and_then(|()| out.flush());
        return match written {
            // Whoever read it has read enough.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|e| cannot_write(Path::new("stdout"), &e)),
        };
    };
    let write = || {
        let mut out = BufWriter::new(anstream::StripStream::new(File::create(path)?));
        render(scrubbed, format, None, args, &mut out)?;
        out.flush()
    };
    write().map_err(|e| cannot_write(path, &e))
}

fn render(
    scrubbed: &Scrub,
    format: Format,
    width: Option<u16>,
    args: &Args,
    out: &mut dyn Write,
) -> io::Result<()> {
    let look = terminal::Look { width, rows_max: args.top, verbose: args.verbose };
    match format {
        Format::Terminal => terminal::write(&scrubbed.report, look, out),
        Format::Json => json::write(&scrubbed.report, out),
    }
}

/// Columns of the terminal, if stdout is one.
fn width() -> Option<u16> {
    let is_terminal = io::stdout().is_terminal();
    is_terminal.then(|| console::Term::stdout().size().1)
}

fn write_directory(scrubbed: &mut Scrub, directory: &Path) -> Result<(), Failure> {
    let mut histograms = Vec::new();
    for (stage, histogram) in scrubbed.latencies.stages() {
        histograms.push((format!("{stage}.hgrm"), histogram.clone()));
    }
    for (path, latencies) in &scrubbed.file_latencies {
        let position = scrubbed.report.files.iter().position(|file| *file.path == **path);
        for (stage, histogram) in latencies.stages() {
            let name = format!("file-{:04}.{stage}.hgrm", position.unwrap_or_default());
            histograms.push((name, histogram.clone()));
        }
    }
    for (name, histogram) in histograms {
        write_file(&directory.join(&name), |out| hgrm::write(&histogram, out))?;
        scrubbed.report.throughput.histogram_files.push(name);
    }
    write_file(&directory.join(REPORT_NAME), |out| json::write(&scrubbed.report, out))
}

fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let create = || {
        let mut out = BufWriter::new(File::create(path)?);
        write(&mut out)?;
        out.flush()
    };
    create().map_err(|e| cannot_write(path, &e))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::work(format!("cannot write {}: {error}", path.display()))
}
