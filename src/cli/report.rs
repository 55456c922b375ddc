//! `pagescrub report`

use super::exit::{Exit, Failure};
use super::output;
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::discover::paths::{FileIdentity, explain, identity_of};
use pagescrub::report::{escape, json};
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
    let (report, identity) = read(&args.report)?;
    outputs.check()?;
    outputs.refuse_to_overwrite(&[&identity])?;
    outputs.write(&report)?;
    Ok(Exit::Clean)
}

fn tell_earlier_version(path: &Path) {
    let path = path.display().to_string();
    anstream::eprintln!(
        "pagescrub: {}: written by an earlier version, and judged by the rules of that: its \
         verdict says nothing of files without checksums or torn bits",
        escape::terminal(&path)
    );
}

/// The report that is saved at `path`, and which file that is.
pub(super) fn read(path: &Path) -> Result<(ScrubReport, FileIdentity), Failure> {
    let unreadable = |e| Failure::work(format!("cannot read {}: {}", path.display(), explain(&e)));
    let bytes = fs::read(path).map_err(unreadable)?;
    let report =
        json::read(&bytes).map_err(|why| Failure::usage(format!("{} {why}", path.display())))?;
    if report.is_of_earlier_version() {
        tell_earlier_version(path);
    }
    Ok((report, identity_of(path).map_err(unreadable)?))
}
