//! `--report-dir`: everything that is known of a scan, in one directory.

use super::exit::Failure;
use super::output::{write_at_once, write_file, write_maps};
use pagescrub::report::{csv, hgrm, html, json, prometheus, tsql};
use pagescrub::scrub::Scrub;
use std::path::Path;

const REPORT_NAME: &str = "report.json";
const PAGE_NAME: &str = "report.html";
const SUSPECTS_NAME: &str = "suspects.csv";
const RESTORE_NAME: &str = "restore.sql";
const METRICS_NAME: &str = "metrics.prom";

/// The reports in the directory, besides maps and histograms.
pub(crate) const NAMES: [&str; 5] =
    [REPORT_NAME, PAGE_NAME, SUSPECTS_NAME, RESTORE_NAME, METRICS_NAME];

/// Writes it; the report names the histograms, so they come first.
pub(crate) fn write(scrubbed: &mut Scrub, directory: &Path) -> Result<(), Failure> {
    write_histograms(scrubbed, directory)?;
    let report = &scrubbed.report;
    write_file(&directory.join(REPORT_NAME), |out| json::write(report, out))?;
    write_file(&directory.join(PAGE_NAME), |out| html::write(report, out))?;
    write_file(&directory.join(SUSPECTS_NAME), |out| csv::write(report, out))?;
    write_file(&directory.join(RESTORE_NAME), |out| tsql::write(report, out))?;
    write_at_once(&directory.join(METRICS_NAME), |out| prometheus::write(report, out))?;
    write_maps(report, directory)
}

fn write_histograms(scrubbed: &mut Scrub, directory: &Path) -> Result<(), Failure> {
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
    Ok(())
}
