//! `pagescrub report`

use super::exit::{Exit, Failure};
use super::output;
use pagescrub::discover::paths::{explain, identity_of};
use pagescrub::report::json;
use std::fs;
use std::path::PathBuf;

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
    let path = args.report.display();
    let unreadable = |e| Failure::work(format!("cannot read {path}: {}", explain(&e)));
    let bytes = fs::read(&args.report).map_err(unreadable)?;
    let report = json::read(&bytes).map_err(|why| Failure::usage(format!("{path} {why}")))?;
    let identity = identity_of(&args.report).map_err(unreadable)?;
    outputs.check()?;
    outputs.refuse_to_overwrite(&[&identity])?;
    outputs.write(&report)?;
    Ok(Exit::Clean)
}
