//! `pagescrub scan`

use super::checkpoint;
use super::directory;
use super::engine::EngineArgs;
use super::exit::{Exit, ExitStyle, Failure};
use super::options::{PaceArgs, Paths, ReaderName, When, batch_pages, stripe_unit};
use super::output::{self, Outputs, make_directory};
use super::progress::Bar;
use pagescrub::consolidate::pattern::Geometry;
use pagescrub::consolidate::weights::{Weights, WeightsOrigin};
use pagescrub::discover::Discovery;
use pagescrub::discover::paths::explain;
use pagescrub::plan::BATCH_PAGES_DEFAULT;
use pagescrub::read::open::Reader;
use pagescrub::scrub::{Scrub, Settings, scrub};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
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

    /// Unpack compressed backups and verify the pages in them, too; without it, each of their
    /// records is verified by its own checksum, without unpacking it
    #[arg(long, conflicts_with = "file")]
    deep: bool,

    /// Bytes read and verified in one go, whole extents of 64 KiB [default: 2MiB]
    #[arg(long, value_name = "SIZE", value_parser = batch_pages)]
    batch_size: Option<u32>,

    #[command(flatten)]
    pace: PaceArgs,

    /// Bytes that the array gives to one disk before it is the next one's turn, such as 64KiB:
    /// tells on which disk the damage is; needs --members
    #[arg(long, value_name = "SIZE", value_parser = stripe_unit, requires = "members")]
    stripe: Option<u64>,

    /// Disks of the array, 2 to 64: those of one copy in RAID 0 and 10, all of RAID 5; needs
    /// --stripe
    #[arg(long, value_name = "N", requires = "stripe",
        value_parser = clap::value_parser!(u32).range(2..=64))]
    members: Option<u32>,

    #[command(flatten)]
    outputs: output::Options,

    /// Also write report.json, report.html, suspects.csv, restore.sql, metrics.prom, maps (*.map)
    /// and latency histograms (*.hgrm) into this directory
    #[arg(long, value_name = "DIR")]
    report_dir: Option<PathBuf>,

    /// Rank by the weights in this file (TOML, docs/ranking.md) instead of those built in
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    #[command(flatten)]
    checkpoint: checkpoint::Options,

    /// Draw a progress bar on stderr
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,

    /// What the exit code says
    #[arg(long, value_enum, value_name = "STYLE", default_value_t = ExitStyle::Plain)]
    #[allow(dead_code, reason = "found before parsing, so that usage errors follow it too")]
    exit_style: ExitStyle,
}

impl Args {
    fn geometry(&self) -> Result<Option<Geometry>, Failure> {
        let given = self.stripe.zip(self.members);
        given
            .map(|(unit, members)| Geometry::new(unit, members))
            .transpose()
            .map_err(Failure::usage)
    }
}

/// Scans and reports.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let outputs = args.outputs.outputs_and_terminal()?;
    let (weights, weights_origin) = weights(args.weights.as_deref())?;
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
        make_directory(directory)?;
    }
    args.checkpoint.check(&written_at_the_end(&outputs, args))?;
    outputs.check()?;
    let mut discovery = args.paths.discover()?;
    args.checkpoint.forget_in(&mut discovery);
    forget_empty(&mut discovery, &written_at_the_end(&outputs, args));
    let scanned: Vec<_> = discovery.files.iter().map(|file| &file.identity).collect();
    outputs.refuse_to_overwrite(&scanned)?;
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
        weights,
        weights_origin,
        stop: &STOP,
        geometry: args.geometry()?,
        deep: args.deep,
        checkpoint: args.checkpoint.writing(resume.as_ref(), &failed),
    };
    stop_at_a_signal()?;
    let mut scrubbed = scrub(&discovery, &settings, &Bar::new(args.progress == When::Auto));
    let written = write_everything(&mut scrubbed, &outputs, args);
    if written.is_ok() && !scrubbed.report.run.stopped {
        args.checkpoint.remove();
    }
    let exit = Exit::of_report(&scrubbed.report);
    match written {
        // That there is damage, or a fault of this machine, matters more than a lost file.
        Err(failure) if exit.matters_more_than_output() => {
            failure.tell();
            Ok(exit)
        }
        Err(failure) => Err(failure),
        Ok(()) => Ok(exit),
    }
}

/// A file of weights is no longer than this.
const WEIGHTS_BYTES_MAX: u64 = 1 << 20;

/// The weights in the file at `path`, or those built in.
fn weights(path: Option<&Path>) -> Result<(Weights, WeightsOrigin), Failure> {
    let Some(path) = path else { return Ok(Default::default()) };
    let refused = |why: String| Failure::usage(format!("--weights {}: {why}", path.display()));
    let file = File::open(path).map_err(|e| refused(explain(&e)))?;
    let mut text = String::new();
    let read = file.take(WEIGHTS_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|e| refused(explain(&e)))?;
    let weights = Weights::from_toml(&text).map_err(refused)?;
    // A file that changes nothing makes no other ranking.
    let is_other = weights != Weights::default();
    let origin = WeightsOrigin {
        path: Some(path.to_string_lossy().into_owned()),
        sha256: is_other.then(|| hex(&Sha256::digest(&text))),
    };
    Ok((weights, origin))
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(u32::from);
    let digits = bytes.iter().flat_map(digits);
    digits.filter_map(|digit| char::from_digit(digit, 16)).collect()
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
                std::process::exit(ExitStyle::Plain.code(Exit::Incomplete).into());
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

fn write_everything(
    scrubbed: &mut Scrub,
    outputs: &Outputs<'_>,
    args: &Args,
) -> Result<(), Failure> {
    let directory = args.report_dir.as_ref().map(|path| directory::write(scrubbed, path));
    let written = outputs.write(&scrubbed.report);
    directory.unwrap_or(Ok(())).and(written)
}

/// What the report will be written to.
fn written_at_the_end(outputs: &Outputs<'_>, args: &Args) -> Vec<PathBuf> {
    let named = |path: &PathBuf| directory::NAMES.map(|name| path.join(name));
    let in_directory = args.report_dir.iter().flat_map(named);
    outputs.paths().map(Path::to_owned).chain(in_directory).collect()
}

/// A file that is still empty because the report is not yet written to it is not one without
/// content, whatever its name.
fn forget_empty(discovery: &mut Discovery, outputs: &[PathBuf]) {
    let is_empty = |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0);
    let is_output =
        |path: &Path| is_empty(path) && outputs.iter().any(|output| same_file(output, path));
    discovery.refusals.retain(|refusal| refusal.failed || !is_output(&refusal.path));
}

fn same_file(a: &Path, b: &Path) -> bool {
    a.file_name() == b.file_name()
        && fs::canonicalize(a).is_ok_and(|a| fs::canonicalize(b).is_ok_and(|b| a == b))
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
