//! A scan that has found a million suspects in twenty databases, which have backups: how long its
//! report takes, and how much memory.
//!
//! `cargo bench --bench million`. Fails above 30 s or 1 GiB for all formats together.
//! `cargo bench --bench million -- databases` tells instead how long it takes to find out what
//! belongs together in a scan of thousands of databases and backups.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench")]

use pagescrub::backup::BackupKind;
use pagescrub::consolidate::advice;
use pagescrub::consolidate::backup::{BackupReport, SetFile, SetReport};
use pagescrub::consolidate::clean_copy::{CleanCopy, FULL_BACKUP};
use pagescrub::consolidate::conclude::{Conclusions, conclude};
use pagescrub::consolidate::file_facts::{CatalogEntry, FileFacts};
use pagescrub::consolidate::findings::{Finding, Findings, SUSPECTS_MAX};
use pagescrub::consolidate::report::{FileReport, Outcome, ScrubReport, Suspect};
use pagescrub::consolidate::tally::Coverage;
use pagescrub::consolidate::weights::Weights;
use pagescrub::diagnose::verdict::{Allocation, SuspectReason};
use pagescrub::discover::FileKind;
use pagescrub::page::Page;
use pagescrub::page::address::{FileId, PageAddress, PageId};
use pagescrub::page::checksum::Checksum;
use pagescrub::page::header::Lsn;
use pagescrub::page::line::Line;
use pagescrub::report::{csv, html, json, jsonl, prometheus, terminal, tsql};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

const SECONDS_MAX: f64 = 30.0;
const BYTES_MAX: u64 = 1 << 30;
/// Databases that the suspects are dealt out to.
const DATABASES: usize = 20;
const PER_DATABASE: usize = SUSPECTS_MAX / DATABASES;
/// Suspects with a clean copy in a backup: copies are looked for of the most urgent ones only.
const COPIED: usize = 4096;

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
    for number in 0..SUSPECTS_MAX {
        let page = PageId((number % PER_DATABASE * 3 + 16) as u32);
        let place = PageAddress::new(FileId(1), page);
        let stored = Checksum(number as u32);
        let reason = SuspectReason::BadChecksum { stored, computed: Checksum(!stored.0) };
        let bytes = &pages[number % pages.len()];
        let file = number / PER_DATABASE;
        findings.add(Finding::new(file, place, reason, Allocation::Allocated, Some(bytes)));
    }
    findings
}

fn name(database: usize) -> String {
    format!("a database with a long name, number {database}")
}

fn path(database: usize) -> String {
    format!("/var/opt/mssql/data/a_database_with_a_long_name_{database}.mdf")
}

fn backup_path(database: usize, number: usize) -> String {
    format!("/var/opt/mssql/backup/a_database_with_a_long_name_{database}_{number}.bak")
}

fn facts(database: usize) -> FileFacts {
    FileFacts {
        path: path(database).into(),
        database: Some(name(database).into()),
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
        moved_pages: 0,
    }
}

fn line(database: usize) -> Line {
    let id = Some((database as u128 + 1).to_be_bytes());
    Line { family_id: id, fork_id: id, ..Line::default() }
}

fn id(database: usize, of: &str) -> Arc<str> {
    format!("{database:08x}{of:0>24}").into()
}

fn lsn(block: usize) -> Lsn {
    Lsn { vlf: 41, block: block as u32, slot: 1 }
}

/// The primary file of a database with so many suspects, as `template` in all else.
fn data_file(template: &FileReport, database: usize, suspects: usize) -> FileReport {
    let told = CatalogEntry {
        file_id: 1,
        logical_name: "data".into(),
        physical_name: path(database).into(),
        pages: 4_000_000,
        guid: Some(id(database, "f")),
        ..CatalogEntry::default()
    };
    let mut coverage = Coverage::planned(4_000_000);
    coverage.suspect = suspects as u64;
    coverage.intact = coverage.pages_planned - coverage.suspect;
    FileReport {
        path: path(database).into(),
        file_id: Some(1),
        binding_id: Some(id(database, "b")),
        file_guid: Some(id(database, "f")),
        line: line(database),
        checkpoint_lsn: Some(lsn(9)),
        database_files: vec![told],
        database: Some(name(database).into()),
        pages: 4_000_000,
        coverage,
        ..template.clone()
    }
}

/// Backups of a database, of these kinds, one after the other: each in a file of its own.
fn backups<'a>(
    template: &'a FileReport,
    database: usize,
    kinds: &'a [BackupKind],
) -> impl Iterator<Item = FileReport> + 'a {
    (0..).zip(kinds).map(move |(number, kind)| {
        let pages = if *kind == BackupKind::Log { 0 } else { 4_000_000 };
        let file = SetFile {
            file_id: 1,
            logical_name: "data".into(),
            physical_name: path(database).into(),
            pages,
            pages_here: pages.into(),
            guid: Some(id(database, "f")),
            is_log: false,
        };
        let set = SetReport {
            position: 1,
            kind: *kind,
            database: name(database).into(),
            server: "SERVER".into(),
            finished: Some(format!("2026-11-{:02}T01:02:03", 1 + number % 28)),
            first_lsn: Some(lsn(10 * number + 10)),
            last_lsn: Some(lsn(10 * number + 20)),
            checkpoint_lsn: Some(lsn(10 * number + 10)),
            set_id: Some(id(database, &number.to_string())),
            binding_id: Some(id(database, "b")),
            differential_base_id: (*kind == BackupKind::Differential).then(|| id(database, "0")),
            line: line(database),
            files: vec![file],
            is_complete: true,
            ..SetReport::default()
        };
        let backup = BackupReport {
            media_set: Some(id(database, &format!("a{number}"))),
            member: 1,
            members: 1,
            sets: vec![set],
            ..BackupReport::default()
        };
        FileReport {
            path: backup_path(database, number).into(),
            kind: FileKind::Backup,
            file_id: None,
            database: None,
            coverage: Coverage::default(),
            backup: Some(backup),
            ..template.clone()
        }
    })
}

/// A report without suspects and files, and a file to begin with.
fn empty() -> (ScrubReport, FileReport) {
    let saved = include_bytes!("../tests/golden/report.json");
    let mut report = json::read(saved).expect("it is a report");
    let is_plain = |file: &&FileReport| file.kind == FileKind::Data && file.file_id == Some(1);
    let file = report.files.iter().find(is_plain).expect("it has a data file").clone();
    (report.files, report.suspects, report.incidents) = (Vec::new(), Vec::new(), Vec::new());
    (report, file)
}

fn report(findings: Vec<Finding>) -> ScrubReport {
    const KINDS: [BackupKind; 7] = [
        BackupKind::Full,
        BackupKind::Log,
        BackupKind::Differential,
        BackupKind::Log,
        BackupKind::Log,
        BackupKind::Log,
        BackupKind::Log,
    ];
    let (mut report, template) = empty();
    let facts: Vec<FileFacts> = (0..DATABASES).map(facts).collect();
    let Conclusions { suspects, incidents, .. } =
        conclude(findings, &facts, &Weights::default(), None, &|_, _| None);
    (report.suspects, report.incidents) = (suspects, incidents);
    for database in 0..DATABASES {
        report.files.push(data_file(&template, database, PER_DATABASE));
        report.files.extend(backups(&template, database, &KINDS));
    }
    report.coverage = Coverage::planned(4_000_000 * DATABASES as u64);
    report.coverage.suspect = SUSPECTS_MAX as u64;
    give_copies(&mut report.suspects);
    report.conclude();
    advice::advise(&mut report);
    report
}

/// As the search for clean copies does, which shares the texts of a backup among its copies.
fn give_copies(suspects: &mut [Suspect]) {
    let paths: Vec<Arc<str>> =
        (0..DATABASES).map(|database| backup_path(database, 0).into()).collect();
    let finished: Arc<str> = "2026-11-01T01:02:03".into();
    for (number, suspect) in suspects.iter_mut().enumerate().take(COPIED) {
        let is_of = |n: &usize| *suspect.path == path(*n);
        let Some(database) = (0..DATABASES).find(is_of) else { continue };
        let copy = CleanCopy {
            path: Arc::clone(&paths[database]),
            backup_set: Some(1),
            kind: FULL_BACKUP.into(),
            finished: Some(Arc::clone(&finished)),
            set_last_lsn: Some(lsn(20)),
            lsn: lsn(8),
            offset_bytes: number as u64 * 8192,
            ..serde_json::from_str(COPY).expect("a copy")
        };
        suspect.clean_copies.push(copy.described(None));
    }
}

/// The least that a copy is.
const COPY: &str = r#"{"path": "", "kind": "", "lsn": "(0:0:0)", "offset_bytes": 0}"#;

/// How long it takes to tell the databases of scans with these numbers of primary files, of
/// secondary ones, of backups, and of files of which nothing is left.
fn databases() {
    const KINDS: [BackupKind; 4] =
        [BackupKind::Full, BackupKind::Log, BackupKind::Differential, BackupKind::Log];
    let scans = [
        [1_000, 0, 4_000, 0],
        [5_000, 0, 20_000, 0],
        [0, 0, 20_000, 0],
        [5_000, 15_000, 0, 0],
        [5_000, 0, 0, 2_000],
    ];
    for [primaries, others, sets, lost] in scans {
        let (mut report, template) = empty();
        report.files.extend((0..primaries).map(|n| data_file(&template, n, 0)));
        report.files.extend((0..others).map(|n| FileReport {
            path: format!("{}.{n}.ndf", path(n % primaries)).into(),
            file_id: Some(3 + (n / primaries) as u16),
            line: Line::default(),
            database_files: Vec::new(),
            ..data_file(&template, n % primaries, 0)
        }));
        report.files.extend((0..lost).map(|n| FileReport {
            path: format!("/mnt/copy/lost_{n}.mdf").into(),
            kind: FileKind::Unknown,
            outcome: Outcome::Refused,
            content: Some("noise".into()),
            file_id: None,
            ..template.clone()
        }));
        let of_database = |n| backups(&template, n, &KINDS);
        report.files.extend((0..sets / KINDS.len()).flat_map(of_database));
        report.coverage = Coverage::default();
        let started = Instant::now();
        report.conclude();
        let concluded = started.elapsed().as_secs_f64();
        advice::advise(&mut report);
        let advised = started.elapsed().as_secs_f64() - concluded;
        let told = report.databases.len();
        println!("{primaries} primary and {others} other files, {sets} sets, {lost} lost files:");
        println!("    {told} databases, concluded in {concluded:.2} s, advised in {advised:.2} s");
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "databases") {
        return databases();
    }
    let findings = findings().into_list();
    let started = Instant::now();
    let report = report(findings);
    assert_eq!(report.suspects.len(), SUSPECTS_MAX);
    assert_eq!(report.databases.len(), DATABASES);
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
