//! `--report-dir`: everything that is known of a scan, in one directory.

use super::exit::Failure;
use super::output::{Guard, first_failure, write_maps};
use pagescrub::report::{csv, hgrm, html, json, mapfile, prometheus, tsql};
use pagescrub::scrub::Scrub;
use std::path::Path;

const REPORT_NAME: &str = "report.json";
const PAGE_NAME: &str = "report.html";
const SUSPECTS_NAME: &str = "suspects.csv";
const RESTORE_NAME: &str = "restore.sql";
const METRICS_NAME: &str = "metrics.prom";

/// The reports in the directory, besides maps and histograms.
const NAMES: [&str; 5] = [REPORT_NAME, PAGE_NAME, SUSPECTS_NAME, RESTORE_NAME, METRICS_NAME];
const HISTOGRAM: &str = ".hgrm";

/// True for the names of files that [`write`] may write.
pub(crate) fn is_name(name: &str) -> bool {
    NAMES.contains(&name) || name.ends_with(HISTOGRAM) || mapfile::is_name(name)
}

/// Writes it; the report names the histograms, so they come first.
pub(crate) fn write(scrubbed: &mut Scrub, directory: &Path, guard: &Guard) -> Result<(), Failure> {
    let histograms = write_histograms(scrubbed, directory, guard);
    let report = &scrubbed.report;
    let path = |name| directory.join(name);
    first_failure([
        histograms,
        guard.write_member(&path(REPORT_NAME), &|out| json::write(report, out)),
        guard.write_member(&path(PAGE_NAME), &|out| html::write(report, out)),
        guard.write_member(&path(SUSPECTS_NAME), &|out| csv::write(report, out)),
        guard.write_member(&path(RESTORE_NAME), &|out| tsql::write(report, out)),
        guard.write_member(&path(METRICS_NAME), &|out| prometheus::write(report, out)),
        write_maps(report, directory, guard),
    ])
}

fn write_histograms(scrubbed: &mut Scrub, directory: &Path, guard: &Guard) -> Result<(), Failure> {
    let mut histograms = Vec::new();
    for (stage, histogram) in scrubbed.latencies.stages() {
        histograms.push((format!("{stage}{HISTOGRAM}"), histogram.clone()));
    }
    for (path, latencies) in &scrubbed.file_latencies {
        let position = scrubbed.report.files.iter().position(|file| *file.path == **path);
        for (stage, histogram) in latencies.stages() {
            let name = format!("file-{:04}.{stage}{HISTOGRAM}", position.unwrap_or_default());
            histograms.push((name, histogram.clone()));
        }
    }
    first_failure(histograms.into_iter().map(|(name, histogram)| {
        let path = directory.join(&name);
        guard.write_member(&path, &|out| hgrm::write(&histogram, out))?;
        scrubbed.report.throughput.histogram_files.push(name);
        Ok(())
    }))
}
