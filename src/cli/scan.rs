//! `pagescrub scan`

use super::checkpoint;
use super::directory;
use super::engine::EngineArgs;
use super::exit::{Exit, ExitStyle, Failure};
use super::limits;
use super::options::{PaceArgs, Paths, ReaderName, When, batch_pages, stripe_unit};
use super::output::{self, Guard, Outputs, first_failure, place};
use super::progress::Bar;
use super::say;
use super::stop::{self, STOP};
use pagescrub::consolidate::pattern::Geometry;
use pagescrub::consolidate::weights::{Weights, WeightsOrigin};
use pagescrub::discover::paths::{self, explain};
use pagescrub::page::PAGE_BYTES;
use pagescrub::page::line::digits;
use pagescrub::plan::BATCH_PAGES_DEFAULT;
use pagescrub::plan::throttles::Throttles;
use pagescrub::read::arena::BUFFER_BYTES;
use pagescrub::read::open::Reader;
use pagescrub::scrub::{Scrub, Settings, THREAD_STACK_BYTES, scrub};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

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
    #[arg(long)]
    deep: bool,

    /// End with 3 unless something of each database and of each backup set was verified by
    /// checksums or torn bits; log backups without CHECKSUM, SQL Server's default, have none
    #[arg(long)]
    require_checksums: bool,

    /// Exit with 3 if data files of a database that is scanned are not among the files given
    #[arg(long)]
    whole_databases: bool,

    /// Do not hold pages against older copies of them in the backups that are scanned with them:
    /// it takes 16 bytes for each page in a temporary file (in TMPDIR, else /var/tmp)
    #[arg(long)]
    no_lost_writes: bool,

    /// Also check what pages say of each other, as the physical part of DBCC CHECKDB does: records,
    /// allocation, indexes, LOB data (docs/check.md); not with --checkpoint
    #[arg(long)]
    check: bool,

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
    run_with(args, args.check)
}

/// Scans, checks what pages say of each other, and reports.
pub(crate) fn check(args: &Args) -> Result<Exit, Failure> {
    run_with(args, true)
}

fn run_with(args: &Args, check: bool) -> Result<Exit, Failure> {
    if check {
        args.checkpoint.refuse()?;
    }
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
    let threads = args.threads.map_or_else(cores, usize::from);
    let batch_pages = args.batch_size.unwrap_or(BATCH_PAGES_DEFAULT);
    limits::check(scan_bytes(threads, batch_pages))?;
    let throttles = Throttles::new((&args.pace).into());
    let mut discovery = args.paths.discover(&|device| throttles.turns_of(device))?;
    args.checkpoint.forget_in(&mut discovery);
    let guard = Guard::of(&discovery).and(args.weights.as_deref()).and(args.paths.lists());
    check_outputs(&outputs, args, &guard)?;
    let _held = args.checkpoint.hold()?;
    let resume = args.checkpoint.resume(&discovery)?;
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
        batch_pages,
        throttles,
        weights,
        weights_origin,
        stop: &STOP,
        geometry: args.geometry()?,
        deep: args.deep,
        require_checksums: args.require_checksums,
        whole_databases: args.whole_databases,
        lost_writes: !args.no_lost_writes,
        check,
        checkpoint: args.checkpoint.writing(resume.as_ref(), &failed),
    };
    stop::at_a_signal()?;
    let shows_progress = args.progress == When::Auto && !args.outputs.is_quiet();
    let mut scrubbed = scrub(&discovery, &settings, &Bar::new(shows_progress));
    scrubbed.report.run.command_line = command_line();
    scrubbed.report = args.outputs.chosen(scrubbed.report)?;
    let written = write_everything(&mut scrubbed, &outputs, args, &guard);
    if written.is_ok() && !scrubbed.report.run.stopped {
        args.checkpoint.remove();
    }
    let exit = Exit::of_report(&scrubbed.report);
    match written {
        // That there is damage, or a fault of this machine, matters more than a lost file.
        Err(failure) if exit.matters_more_than_output() => {
            say::tell(&failure);
            Ok(exit)
        }
        Err(failure) => Err(failure),
        Ok(()) => Ok(exit),
    }
}

/// Buffers of a thread at least, for reads past the page cache.
const BUFFERS_MIN: u64 = 3;
/// For a million suspects, and all else that does not depend on the threads.
const FINDINGS_BYTES: u64 = 64 << 20;

/// A file of weights is no longer than this.
const WEIGHTS_BYTES_MAX: u64 = 1 << 20;

/// The weights in the file at `path`, or those built in.
fn weights(path: Option<&Path>) -> Result<(Weights, WeightsOrigin), Failure> {
    let Some(path) = path else { return Ok(Default::default()) };
    let refused = |why: String| Failure::usage(format!("--weights {}: {why}", paths::text(path)));
    let file = File::open(path).map_err(|e| refused(explain(&e)))?;
    let mut text = String::new();
    let read = file.take(WEIGHTS_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|e| refused(explain(&e)))?;
    let weights = Weights::from_toml(&text).map_err(refused)?;
    // A file that changes nothing makes no other ranking.
    let is_other = weights != Weights::default();
    let origin = WeightsOrigin {
        path: Some(paths::text(path).into_owned()),
        sha256: is_other.then(|| digits(&Sha256::digest(&text))),
    };
    Ok((weights, origin))
}

/// As it was given, in the words of a report.
fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| paths::text(Path::new(&word)).into_owned()).collect()
}

/// Bytes that a scan needs whatever it finds.
fn scan_bytes(threads: usize, batch_pages: u32) -> u64 {
    let batch_bytes = u64::from(batch_pages) * PAGE_BYTES as u64;
    let of_thread = batch_bytes + BUFFERS_MIN * BUFFER_BYTES as u64 + THREAD_STACK_BYTES as u64;
    FINDINGS_BYTES + threads as u64 * of_thread
}

/// Tells what may not or cannot be written, before hours of scanning.
fn check_outputs(outputs: &Outputs<'_>, args: &Args, guard: &Guard) -> Result<(), Failure> {
    if let Some(directory) = &args.report_dir {
        guard.check_folder(directory, directory::is_name)?;
    }
    outputs.check(guard)?;
    let is_in_directory = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        let directory = args.report_dir.as_deref().map(place);
        name.is_some_and(directory::is_name) && directory.as_deref() == path.parent()
    };
    let is_output = |path: &Path| outputs.paths().any(|output| place(output) == path);
    args.checkpoint.check(guard, |path| is_output(path) || is_in_directory(path))
}

fn write_everything(
    scrubbed: &mut Scrub,
    outputs: &Outputs<'_>,
    args: &Args,
    guard: &Guard,
) -> Result<(), Failure> {
    let directory = args.report_dir.as_ref().map(|path| directory::write(scrubbed, path, guard));
    let written = outputs.write(&scrubbed.report, guard);
    first_failure([directory.unwrap_or(Ok(())), written])
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
