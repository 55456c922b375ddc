//! A scan that has found a million suspects: how long its report takes, and how much memory.
//!
//! `cargo bench --bench million`. Fails above 30 s or 1 GiB for all formats together.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench")]

use pagescrub::consolidate::advice;
use pagescrub::consolidate::conclude::{Conclusions, FileFacts, conclude};
use pagescrub::consolidate::rank::{Finding, Findings, SUSPECTS_MAX};
use pagescrub::consolidate::report::{ScrubReport, Suspect};
use pagescrub::consolidate::weights::Weights;
use pagescrub::diagnose::verdict::{Allocation, SuspectReason};
use pagescrub::page::Page;
use pagescrub::page::address::{FileId, PageAddress, PageId};
use pagescrub::page::checksum::Checksum;
use pagescrub::report::{csv, html, json, jsonl, prometheus, terminal, tsql};
use std::io::{self, Write};
use std::time::Instant;

const SECONDS_MAX: f64 = 30.0;
const BYTES_MAX: u64 = 1 << 30;

type Format = fn(&ScrubReport, &mut dyn Write) -> io::Result<()>;

/// Counts what is written.
#[derive(Default)]
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Pages of the sample file, every one of them bad at a million places.
fn findings() -> Findings {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/healthy.mdf");
    let bytes = std::fs::read(path).expect("the sample file is there");
    let pages: Vec<Page> = bytes
        .chunks_exact(8192)
        .map(|page| Page::new(page.try_into().expect("a whole page")))
        .collect();
    let mut findings = Findings::default();
    for number in 0..SUSPECTS_MAX as u32 {
        let page = PageId(number * 3 + 16);
        let place = PageAddress::new(FileId(1), page);
        let stored = Checksum(number);
        let reason = SuspectReason::BadChecksum { stored, computed: Checksum(!number) };
        let bytes = &pages[number as usize % pages.len()];
        findings.add(Finding::new(0, place, reason, Allocation::Allocated, Some(bytes)));
    }
    findings
}

fn report(findings: Vec<Finding>) -> ScrubReport {
    let file = FileFacts {
        path: "/var/opt/mssql/data/a_database_with_a_long_name.mdf".into(),
        database: Some("a database with a long name".into()),
        database_id: 7,
        simple_recovery: Some(false),
        is_log: false,
        part: None,
        placement: None,
        sound_pages: 1_000_000,
        has_primary: true,
        is_boot_suspect: false,
        database_files: Vec::new(),
        is_of_unknown_database: false,
    };
    let saved = include_bytes!("../tests/golden/report.json");
    let mut report = json::read(saved).expect("it is a report");
    let Conclusions { suspects, incidents, .. } =
        conclude(findings, &[file], &Weights::default(), None);
    (report.suspects, report.incidents) = (suspects, incidents);
    advice::advise(&mut report);
    report
}

fn main() {
    let findings = findings().into_list();
    let started = Instant::now();
    let report = report(findings);
    assert_eq!(report.suspects.len(), SUSPECTS_MAX);
    let (finding, suspect) = (size_of::<Finding>(), size_of::<Suspect>());
    println!("a finding is {finding} bytes, a suspect {suspect}");
    println!("concluded after {:.1} s", started.elapsed().as_secs_f64());
    let look = terminal::Look { width: Some(80), rows_max: 20, verbose: false };
    let formats: [(&str, Format); 6] = [
        ("json", json::write),
        ("jsonl", jsonl::write),
        ("csv", csv::write),
        ("prometheus", prometheus::write),
        ("html", html::write),
        ("tsql", tsql::write),
    ];
    for (name, write) in formats {
        let mut out = Counted::default();
        write(&report, &mut out).expect("it takes everything");
        told(name, out.0, started);
    }
    let mut text = Vec::new();
    terminal::write(&report, look, &mut text).expect("it takes everything");
    told("terminal", text.len() as u64, started);
    let seconds = started.elapsed().as_secs_f64();
    assert!(seconds < SECONDS_MAX, "{seconds:.1} s for the report");
    let peak = peak_bytes();
    println!("peak memory {} MiB", peak >> 20);
    assert!(peak < BYTES_MAX, "{peak} bytes of memory");
}

fn told(format: &str, bytes: u64, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{format:<12} {:>6} MiB, after {seconds:.1} s", bytes >> 20);
}

/// The most memory that this process ever had; 0 where the system does not tell.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}
