//! `pagescrub merge`

use super::exit::{Exit, ExitStyle, Failure};
use super::output::{self, Guard};
use super::report::read;
use pagescrub::consolidate::merge::merge;
use std::path::PathBuf;

/// Make one report with one ranking from the saved JSON reports of many machines
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Reports that scan or merge wrote with --format json, or report.json from --report-dir
    #[arg(value_name = "FILE", required = true)]
    reports: Vec<PathBuf>,

    #[command(flatten)]
    outputs: output::Options,

    /// What the exit code says
    #[arg(long, value_enum, value_name = "STYLE", default_value_t = ExitStyle::Plain)]
    #[allow(dead_code, reason = "found before parsing, so that usage errors follow it too")]
    exit_style: ExitStyle,
}

/// Reads, merges and writes; the exit code is that of one scan of everything.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let outputs = args.outputs.outputs()?;
    let guard = Guard::default().and(args.reports.iter().map(PathBuf::as_path));
    let reports: Result<Vec<_>, Failure> = args.reports.iter().map(|path| read(path)).collect();
    outputs.check(&guard)?;
    let merged = args.outputs.chosen(merge(reports?).map_err(Failure::usage)?)?;
    outputs.write(&merged, &guard)?;
    Ok(Exit::of_report(&merged))
}
