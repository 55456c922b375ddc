//! A scan that was interrupted and resumed ends in the report of one that was not.

use crate::harness::stopped::{How, json, part, part_with, whole};
use crate::harness::{self, pagescrub, timeless};
use pagescrub::discover::discover;
use pagescrub::drill::faulty_source::{FaultySource, ReadFault};
use pagescrub::page::address::PageId;
use pagescrub::page::{PAGE_BYTES, Page, checksum};
use pagescrub::read::open::Reader;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Long enough that no checkpoint is written but that of a stop.
const NEVER: Duration = Duration::from_hours(1);

fn generated(folder: &TempDir, name: &str, size: &str) -> PathBuf {
    let path = folder.path().join(name);
    let args = ["generate", path.to_str().expect("text"), "--seed=8", "--size", size];
    assert_eq!(pagescrub(&args).code, 0);
    path
}

fn damage(path: &Path, fault: &str, pages: &str) {
    let path = path.to_str().expect("text");
    let run = pagescrub(&["inject", path, "--seed=8", "--fault", fault, "--random", pages]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// A damaged file, one that is cut short, and one with holes where pages should be.
fn three_files(folder: &TempDir) -> Vec<PathBuf> {
    let damaged = generated(folder, "damaged.mdf", "16MiB");
    for (fault, pages) in [("bit-flip", "9"), ("zero-page", "3"), ("misdirected-write", "2")] {
        damage(&damaged, fault, pages);
    }
    let short = generated(folder, "short.mdf", "8MiB");
    let cut = File::options().write(true).open(&short).expect("ours");
    cut.set_len((8 << 20) - 100_000).expect("ours");
    let sparse = folder.path().join("sparse.mdf");
    with_holes(&fs::read(&damaged).expect("readable"), &sparse);
    vec![damaged, short, sparse]
}

fn with_holes(bytes: &[u8], path: &Path) {
    let mut file = File::create(path).expect("room");
    for (i, part) in bytes.chunks(1 << 20).enumerate() {
        if i % 3 == 1 {
            file.seek(SeekFrom::Current(1 << 20)).expect("ours");
        } else {
            file.write_all(part).expect("room");
        }
    }
    file.set_len(bytes.len() as u64).expect("ours");
}

/// The report of `paths` without what may differ.
fn uninterrupted(paths: &[PathBuf]) -> Value {
    timeless(json(&whole(&discover(paths), How::default())))
}

fn batches(report: &Value) -> u64 {
    report["throughput"]["stages"]["read"]["batches"].as_u64().expect("a number")
}

#[test]
fn wherever_a_scan_is_stopped_it_ends_in_the_same_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = three_files(&folder);
    let wanted = uninterrupted(&paths);
    let all = batches(&json(&whole(&discover(&paths), How::default())));
    let checkpoint = folder.path().join("checkpoint");
    for stop_after in [0, 1, 2, 7, 20, all - 3] {
        let stopped = part(&paths, How { stop_after, ..How::default() }, &checkpoint, NEVER);
        let run = &stopped.report.run;
        assert!(run.stopped && run.checkpoint.as_deref() == checkpoint.to_str(), "{run:?}");
        assert_eq!(stopped.report.exit_code, 3);
        let not_reached = stopped.report.coverage.not_reached;
        assert!(Some(not_reached) > wanted["coverage"]["not_reached"].as_u64());
        let resumed = part(&paths, How::default(), &checkpoint, NEVER);
        assert_eq!(timeless(json(&resumed)), wanted, "stopped after {stop_after}");
        let run = &resumed.report.run;
        assert!(!run.stopped && run.checkpoint.is_none() && run.resumed == 1, "{run:?}");
        assert_eq!(run.id, stopped.report.run.id);
        assert!(run.elapsed_seconds > stopped.report.run.elapsed_seconds);
        assert_eq!(batches(&json(&resumed)), all, "no batch is lost or read twice");
        let bytes: u64 = resumed.report.throughput.timeline.bytes.iter().sum();
        assert_eq!(bytes, resumed.report.coverage.bytes_read);
        fs::remove_file(&checkpoint).expect("a finished scan leaves the last one to its caller");
    }
}

/// Backups of every kind that can be generated: striped, with log, with padding, differential.
fn backups(folder: &TempDir) -> Vec<PathBuf> {
    let kinds = [
        ("a.bak", "full", "--with-checksum"),
        ("b.bak", "full", "--stripes=2"),
        ("c.bak", "differential", "--padding"),
        ("d.trn", "log", "--with-checksum"),
        ("e.trn", "log", "--log-number=2"),
    ];
    for (name, kind, more) in kinds {
        let path = folder.path().join(name);
        let text = path.to_str().expect("text");
        let args = ["--size=1MiB", "--seed=8", "--backup", kind, more];
        assert_eq!(pagescrub(&[&["generate", text][..], &args].concat()).code, 0);
    }
    ["a.bak", "b_1.bak", "b_2.bak", "c.bak", "d.trn", "e.trn"].map(|n| folder.path().join(n)).into()
}

/// What is found of a backup beside its pages is in the checkpoint once all of that was looked at.
#[test]
fn wherever_a_scan_of_backups_is_stopped_it_ends_in_the_same_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = backups(&folder);
    stopped_everywhere(&paths, &folder, false);
    // Logs alone.
    stopped_everywhere(&paths[4..], &folder, false);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn wherever_a_scan_of_real_backups_is_stopped_it_ends_in_the_same_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let real = Path::new(&data).join("../backups");
    for (chain, is_deep) in [
        ("chain_2016", false),
        ("stripes_852", false),
        ("chain_compressed_904", false),
        ("chain_compressed_904", true),
    ] {
        let files = fs::read_dir(real.join(chain)).expect("there");
        let mut paths: Vec<PathBuf> = files.map(|file| file.expect("listed").path()).collect();
        paths.sort();
        stopped_everywhere(&paths, &folder, is_deep);
    }
}

/// Where a page of a backup belongs elsewhere, all is scanned once more with a look at each extent;
/// what was done of that outlives an interruption as well.
#[test]
fn wherever_a_scan_that_begins_again_is_stopped_it_ends_in_the_same_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.bak");
    let text = path.to_str().expect("text");
    let args = ["generate", text, "--backup=full", "--size=1MiB", "--seed=8"];
    assert_eq!(pagescrub(&args).code, 0);
    let mut bytes = fs::read(&path).expect("readable");
    let id = |page: &[u8]| (page[0], page[32..38].try_into().unwrap_or([0; 6]));
    let is_page_40 = |start: &usize| id(&bytes[*start..]) == (1, [40, 0, 0, 0, 1, 0]);
    let start = (0..bytes.len() - PAGE_BYTES).step_by(512).find(is_page_40).expect("it is there");
    let mut page = Page::ZERO;
    page.bytes_mut().copy_from_slice(&bytes[start..start + PAGE_BYTES]);
    page.bytes_mut()[36] += 5;
    checksum::seal(&mut page);
    bytes[start..start + PAGE_BYTES].copy_from_slice(page.bytes());
    fs::write(&path, bytes).expect("room");
    let paths = [path];
    let whole = whole(&discover(&paths), How::default());
    let is_said = |note: &String| note.contains("scanned again with a look at each extent");
    assert!(whole.report.run.notes.iter().any(is_said), "{:?}", whole.report.run.notes);
    stopped_everywhere(&paths, &folder, false);
}

fn stopped_everywhere(paths: &[PathBuf], folder: &TempDir, is_deep: bool) {
    let how = How { is_deep, threads: 1, ..How::default() };
    let wanted = timeless(json(&whole(&discover(paths), how)));
    let checkpoint = folder.path().join("checkpoint");
    for stop_after in 1.. {
        if !part(paths, How { stop_after, ..how }, &checkpoint, NEVER).report.run.stopped {
            assert!(stop_after > 2, "the scan was too fast for this test");
            return fs::remove_file(&checkpoint).expect("it leaves the last one to its caller");
        }
        let resumed = part(paths, How { threads: 2, ..how }, &checkpoint, NEVER);
        assert_eq!(timeless(json(&resumed)), wanted, "{paths:?} stopped after {stop_after}");
        fs::remove_file(&checkpoint).expect("a finished scan leaves the last one to its caller");
    }
}

#[test]
fn many_interruptions_and_other_settings_after_each_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = three_files(&folder);
    let checkpoint = folder.path().join("checkpoint");
    let settings = [
        ("auto", Reader::Direct, 1, 8, 30),
        ("scalar", Reader::Mmap, 2, 64, 9),
        ("cycle", Reader::Auto, 5, 256, 1),
        ("auto", Reader::Auto, 3, 24, 15),
        ("auto", Reader::Direct, 2, 2048, 0),
        ("scalar", Reader::Pread, 1, 40, u64::MAX),
    ];
    for (resumed, (engine, reader, threads, batch_pages, stop_after)) in settings.iter().enumerate()
    {
        let (threads, batch_pages, stop_after) = (*threads, *batch_pages, *stop_after);
        let how = How { reader: *reader, threads, batch_pages, stop_after, ..How::default() };
        let scrubbed = part(&paths, How { engine, ..how }, &checkpoint, NEVER);
        let run = &scrubbed.report.run;
        assert_eq!((run.resumed, run.stopped), (resumed as u64, stop_after < u64::MAX));
        if !run.stopped {
            assert_eq!(timeless(json(&scrubbed)), uninterrupted(&paths));
        }
    }
}

/// Copies each checkpoint that appears at `path`, until `over`.
fn collect(path: &Path, over: &AtomicBool) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if let Ok(bytes) = fs::read(path)
            && found.last() != Some(&bytes)
        {
            found.push(bytes);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    found
}

/// Halting while suspects are added makes a batch that is half in a checkpoint very likely, if
/// anything allowed it.
#[test]
fn every_checkpoint_written_in_mid_scan_is_consistent() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder, "damaged.mdf", "16MiB");
    damage(&path, "bit-flip", "600");
    let paths = [path];
    let wanted = uninterrupted(&paths);
    let mut found = Vec::new();
    for round in 1..=12 {
        let checkpoint = folder.path().join(format!("checkpoint-{round}"));
        let over = AtomicBool::new(false);
        let slow_suspects = Duration::from_millis(2);
        let how = How { batch_pages: 8, threads: 4, slow_suspects, ..How::default() };
        found.extend(std::thread::scope(|scope| {
            let collector = scope.spawn(|| collect(&checkpoint, &over));
            part(&paths, how, &checkpoint, Duration::from_millis(5 * round));
            over.store(true, Ordering::Relaxed);
            collector.join().expect("it does not panic")
        }));
    }
    assert!(found.len() > 6, "the scans were too fast for this test");
    let checkpoint = folder.path().join("checkpoint");
    for bytes in found {
        fs::write(&checkpoint, &bytes).expect("room");
        let how = How { batch_pages: 8, ..How::default() };
        let resumed = json(&part(&paths, how, &checkpoint, NEVER));
        assert_eq!(batches(&resumed), 2048 / 8);
        assert_eq!(timeless(resumed), wanted);
    }
}

/// What failed before an interruption has failed after it; a file that could not be opened is
/// tried again.
#[test]
fn files_that_fail_come_out_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = three_files(&folder);
    let discovery = discover(&paths);
    let checkpoint = folder.path().join("checkpoint");
    let open = |locked: bool| {
        move |path: &Path| match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("short") if locked => Err(std::io::Error::other("locked")),
            Some("damaged") => {
                let ends = (100..110).map(|page| (PageId(page), ReadFault::Ends));
                let lost = [(PageId(77), ReadFault::Unreadable)];
                let faults = ends.chain(lost);
                Ok(Box::new(FaultySource::new(Reader::Pread.open(path)?, faults)) as Box<_>)
            }
            _ => Reader::Pread.open(path),
        }
    };
    let wanted = |locked| {
        let scrubbed = harness::stopped::scan(&discovery, How::default(), &open(locked), None);
        timeless(json(&scrubbed))
    };
    // In the first file after its end was met, and in the last one after the second was locked.
    for stop_after in [10, 36] {
        let how = How { stop_after, threads: 1, ..How::default() };
        part_with(&discovery, how, &open(true), &checkpoint, NEVER);
        for locked in [true, false] {
            let again = folder.path().join("again");
            fs::copy(&checkpoint, &again).expect("room");
            let resumed = part_with(&discovery, How::default(), &open(locked), &again, NEVER);
            assert_eq!(timeless(json(&resumed)), wanted(locked), "{stop_after} {locked}");
        }
        fs::remove_file(&checkpoint).expect("ours");
    }
}

#[test]
fn a_scan_stopped_at_suspects_is_damaged_and_not_finished() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder, "damaged.mdf", "4MiB");
    damage(&path, "bit-flip", "200");
    let how = How { stop_after: 3, threads: 1, ..How::default() };
    let stopped = whole(&discover(&[path]), how).report;
    let run = &stopped.run;
    assert!(run.stopped && run.checkpoint.is_none() && run.resumed == 0, "{run:?}");
    assert_eq!((stopped.verdict.name(), stopped.exit_code), ("damaged", 3));
}

/// A batch in work when the last one was handed out is no reason to call a scan stopped.
#[test]
fn a_signal_after_the_last_batch_comes_too_late() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder, "healthy.mdf", "4MiB");
    let how = How { stop_after: 512 / 64, ..How::default() };
    let report = whole(&discover(&[path]), how).report;
    assert_eq!((report.run.stopped, report.exit_code), (false, 0));
}

/// Every page was looked at, and the user wants the report: it says what it does not tell, and the
/// rest can be told later.
#[test]
fn a_signal_while_it_is_looked_into_the_findings_keeps_the_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder, "damaged.mdf", "4MiB");
    damage(&path, "bit-flip", "40");
    let paths = [path];
    let wanted = uninterrupted(&paths);
    let checkpoint = folder.path().join("checkpoint");
    let how = How { stop_looking_into: Some("neighbours of suspects"), ..How::default() };
    let stopped = part(&paths, how, &checkpoint, NEVER).report;
    let run = &stopped.run;
    assert!(run.stopped && run.checkpoint.as_deref() == checkpoint.to_str(), "{run:?}");
    let is_said = |note: &String| note.contains("was looked up in part only");
    assert!(run.notes.iter().any(is_said), "{:?}", run.notes);
    assert_eq!((stopped.exit_code, stopped.coverage.not_reached), (3, 0));
    assert_eq!(stopped.suspects.len(), 40);
    assert!(stopped.suspects.iter().all(|suspect| suspect.evidence.is_some()));
    let resumed = json(&part(&paths, How::default(), &checkpoint, NEVER));
    assert_eq!(timeless(resumed), wanted);
}

/// What healed before the stop heals no more after it, and stands in the report all the same.
#[test]
fn pages_that_were_bad_and_then_good_outlive_an_interruption() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = [generated(&folder, "healing.mdf", "4MiB")];
    let bytes = fs::read(&paths[0]).expect("readable");
    let is_data = |page: &usize| {
        let in_use = bytes[8192 + 100 + page] & 0x40 != 0;
        in_use && bytes[page * 8192 + 1] == 1 && bytes[page * 8192 + 5] & 2 != 0
    };
    let page = (64..512).find(is_data).expect("a page with rows") as u32;
    let healing = |path: &Path| -> std::io::Result<Box<dyn pagescrub::read::PageSource>> {
        let faults = [(PageId(page), ReadFault::HealsAfter(1))];
        Ok(Box::new(FaultySource::new(Reader::Pread.open(path)?, faults)))
    };
    let discovery = discover(&paths);
    let checkpoint = folder.path().join("checkpoint");
    let how = How { stop_after: 3, threads: 1, batch_pages: 64, ..How::default() };
    let stopped = part_with(&discovery, how, &healing, &checkpoint, NEVER).report;
    assert!(stopped.run.stopped && stopped.transients.len() == 1, "{:?}", stopped.transients);
    let resumed = part(&paths, How::default(), &checkpoint, NEVER).report;
    assert!(!resumed.run.stopped);
    assert_eq!(resumed.coverage.transient, 1);
    assert_eq!((&resumed.transients, resumed.transients_not_listed), (&stopped.transients, 0));
}
