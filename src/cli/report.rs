//! `pagescrub report`

use super::exit::{Exit, Failure};
use super::limits;
use super::output::{self, Guard};
use super::say::say;
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::discover::paths::{self, explain};
use pagescrub::report::json;
use std::fs;
use std::path::{Path, PathBuf};

/// Write a saved JSON report in other formats
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A report that scan wrote with --format json, or report.json from --report-dir
    #[arg(value_name = "FILE")]
    report: PathBuf,

    #[command(flatten)]
    outputs: output::Options,
}

/// Reads and writes; the exit code says whether that went well, not what the report says.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let outputs = args.outputs.outputs()?;
    let guard = Guard::default().and([&*args.report]);
    let report = args.outputs.chosen(read(&args.report)?)?;
    outputs.check(&guard)?;
    outputs.write(&report, &guard)?;
    Ok(Exit::Clean)
}

fn tell_earlier_version(path: &Path) {
    say(format!(
        "{}: written by an earlier version, and judged by the rules of that: its verdict \
         says nothing of files without checksums or torn bits",
        paths::text(path)
    ));
}

/// The report that is saved at `path`.
pub(super) fn read(path: &Path) -> Result<ScrubReport, Failure> {
    let shown = paths::text(path);
    let unreadable = |e| Failure::work(format!("cannot read {shown}: {}", explain(&e)));
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    limits::check(bytes.saturating_mul(BYTES_PER_BYTE))?;
    let bytes = fs::read(path).map_err(unreadable)?;
    let report = json::read(&bytes).map_err(|why| Failure::usage(format!("{shown} {why}")))?;
    if report.is_of_earlier_version() {
        tell_earlier_version(path);
    }
    Ok(report)
}

/// Memory that a byte of a saved report takes while it is read: itself, and what it becomes.
const BYTES_PER_BYTE: u64 = 3;
