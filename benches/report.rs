//! Each report format with 10,000 suspects.
//!
//! `cargo bench --bench report`. What is written is read back, or its rows are counted.

#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot go on must fail")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::discover::discover;
use pagescrub::read::open::Reader;
use pagescrub::report::{csv, html, json, jsonl, prometheus, terminal};
use pagescrub::scrub::{Settings, Silent, Stop, scrub};
use pagescrub::verify::engine::Engine;
use std::io::{self, Write};
use std::path::Path;

const SUSPECTS: usize = 10_000;

type Format = fn(&ScrubReport, &mut dyn Write) -> io::Result<()>;

/// The report on the damaged sample file, its suspects repeated.
fn long_report() -> ScrubReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/damaged.mdf");
    let engine = Engine::named("auto").expect("there is always an engine");
    let stop = Stop::default();
    let open = |path: &Path| Reader::Pread.open(path);
    let settings = Settings::new(&engine, &open, &stop);
    let mut report = scrub(&discover(&[path]), &settings, &Silent).report;
    assert!(!report.suspects.is_empty(), "the sample file is damaged");
    report.suspects = report.suspects.iter().cloned().cycle().take(SUSPECTS).collect();
    report
}

fn formats(criterion: &mut Criterion) {
    let report = long_report();
    let look = terminal::Look { width: Some(120), rows_max: SUSPECTS, verbose: false };
    let mut group = criterion.benchmark_group("report");
    group.throughput(Throughput::Elements(SUSPECTS as u64)).sample_size(10);

    let mut written = Vec::new();
    group.bench_function("json", |b| {
        b.iter(|| {
            written.clear();
            json::write(&report, &mut written).expect("memory takes everything");
        });
    });
    let read: ScrubReport = serde_json::from_slice(&written).expect("it is a report");
    assert_eq!(read.suspects.len(), SUSPECTS);

    group.bench_function("terminal", |b| {
        b.iter(|| {
            written.clear();
            terminal::write(&report, look, &mut written).expect("memory takes everything");
        });
    });
    let text = String::from_utf8(written).expect("it is text");
    assert!(text.lines().count() > SUSPECTS, "a line for each suspect");

    let by_suspect: [(&str, Format); 2] = [("csv", csv::write), ("jsonl", jsonl::write)];
    for (name, write) in by_suspect {
        let mut written = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                written.clear();
                write(&report, &mut written).expect("memory takes everything");
            });
        });
        let text = String::from_utf8(written).expect("it is text");
        assert!(text.lines().count() > SUSPECTS, "a line for each suspect");
    }
    let mut written = Vec::new();
    group.bench_function("html", |b| {
        b.iter(|| {
            written.clear();
            html::write(&report, &mut written).expect("memory takes everything");
        });
    });
    let text = String::from_utf8(written).expect("it is text");
    let (_, data) = text.split_once("id=\"data\">").expect("there is data");
    let (data, _) = data.split_once("</script>").expect("it ends");
    let data: serde_json::Value = serde_json::from_str(data).expect("it is JSON");
    assert_eq!(data["rows"].as_array().map(Vec::len), Some(SUSPECTS));

    group.bench_function("prometheus", |b| {
        b.iter(|| prometheus::write(&report, &mut io::sink()).expect("it takes everything"));
    });
    group.finish();
}

criterion_group!(benches, formats);
criterion_main!(benches);
