//! Devices that answer late, in parts, with errors, or for a file that shrinks, met by every
//! reader through the operating system.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test that cannot go on must fail")]
#![allow(unreachable_pub, reason = "nothing is public here but to the tests beside it")]

mod fuse;
#[allow(dead_code, reason = "only a part of it is needed here")]
#[path = "../it/harness/mod.rs"]
mod harness;

use fuse::{Caching, Misbehaviour, Mounted, Read, Trouble};
use harness::container::Writer;
use harness::{pagescrub, scan_json, suspect_pages, timeless};
use pagescrub::backup::layout::PageRun;
use pagescrub::discover::discover;
use pagescrub::read::open::Reader;
use serde_json::Value;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

const PAGE_BYTES: u64 = 8192;
const FILE_PAGES: u64 = 2048;
const BATCH_PAGES: u64 = 64;
/// Where trouble is: in the middle of a batch, so that what the system reads ahead of it belongs
/// to the same batch, and far from what is read before the scan to recognise the file.
const BAD_PAGE: u64 = 15 * BATCH_PAGES + 36;
/// The whole rest of the scan takes a small part of this, so whatever waits for it shows.
const DELAY: Duration = Duration::from_secs(8);

static HEALTHY: LazyLock<Arc<[u8]>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drill.mdf");
    let path_text = path.to_str().expect("text");
    let run = pagescrub(&["generate", path_text, "--size=16MiB", "--seed=5"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    std::fs::read(path).expect("readable").into()
});

/// One of the ways in which a file can be read.
#[derive(Clone, Copy, Debug)]
struct Way {
    reader: Reader,
    caching: Caching,
    threads: u32,
}

impl Way {
    fn scan(self, path: &Path) -> (i32, Value) {
        let (batch, threads) = (BATCH_PAGES * PAGE_BYTES / 1024, self.threads);
        let (batch, threads) = (format!("{batch}KiB"), threads.to_string());
        let reader = self.reader.name();
        scan_json(path, &["--reader", reader, "--batch-size", &batch, "--threads", &threads])
    }
}

/// Every reader, with and without the page cache. A blocking one needs a second thread where the
/// first one waits; a queued one does not.
fn ways() -> impl Iterator<Item = Way> {
    let readers = Reader::ALL.into_iter().filter(|reader| reader.unavailable().is_none());
    readers.flat_map(|reader| {
        let threads: &[u32] =
            if reader.name() == "direct" && cfg!(feature = "uring") { &[1, 2] } else { &[2] };
        let way = move |&threads| {
            [Caching::PageCache, Caching::Direct].map(|caching| Way { reader, caching, threads })
        };
        threads.iter().flat_map(way)
    })
}

/// Runs `test` with every way at the same time.
fn every_way(test: impl Fn(Way) + Sync) {
    at_once(ways(), &test);
}

/// Runs `test` with every way that leaves the page cache out.
fn every_direct_way(test: impl Fn(Way) + Sync) {
    at_once(ways().filter(|way| way.caching == Caching::Direct), &test);
}

fn at_once(ways: impl Iterator<Item = Way>, test: &(impl Fn(Way) + Sync)) {
    thread::scope(|scope| ways.for_each(|way| drop(scope.spawn(move || test(way)))));
}

fn disk(caching: Caching, misbehaviour: Misbehaviour) -> Mounted {
    Mounted::new(Arc::clone(&HEALTHY), caching, vec![misbehaviour])
}

fn page(page: u64) -> Range<u64> {
    page * PAGE_BYTES..(page + 1) * PAGE_BYTES
}

fn all_pages() -> Range<u64> {
    0..FILE_PAGES * PAGE_BYTES
}

/// Bytes verified in the first `time` of the scan.
fn verified_within(time: Duration, report: &Value) -> u64 {
    let timeline = &report["throughput"]["timeline"];
    let interval = timeline["interval_seconds"].as_f64().expect("a number");
    let intervals = (time.as_secs_f64() / interval) as usize;
    let bytes = timeline["bytes"].as_array().expect("a list").iter();
    bytes.take(intervals).map(|bytes| bytes.as_u64().expect("a number")).sum()
}

#[test]
#[cfg_attr(not(fuse_tests), ignore = "PAGESCRUB_FUSE_TESTS is not 1")]
fn one_late_answer_holds_up_nothing_but_its_own_batch() {
    let in_turn = ways().filter(|way| way.caching == Caching::Direct);
    let in_turn = in_turn.map(|way| Way { caching: Caching::DirectInTurn, ..way });
    at_once(ways().chain(in_turn), &|way: Way| {
        let late = Misbehaviour::first(1, page(BAD_PAGE), Trouble::Delay(DELAY));
        let disk = disk(way.caching, late);
        let (code, report) = way.scan(&disk.path());
        assert_eq!((code, &report["coverage"]["not_reached"]), (0, &0.into()), "{way:?}");
        let others = (FILE_PAGES - BATCH_PAGES) * PAGE_BYTES;
        assert_eq!(verified_within(DELAY, &report), others, "{way:?}");
        let slowest = report["throughput"]["stages"]["read"]["max_us"].as_u64().expect("a number");
        assert!(u128::from(slowest) >= DELAY.as_micros(), "{way:?}: {slowest}");
        let late = disk.reads().iter().filter(|read| read.latency >= DELAY).count();
        assert_eq!(late, 1, "{way:?}");
    });
}

#[test]
#[cfg_attr(not(fuse_tests), ignore = "PAGESCRUB_FUSE_TESTS is not 1")]
fn a_page_that_cannot_be_read_is_the_only_suspect_and_all_others_are_verified() {
    every_way(|way| {
        let disk = disk(way.caching, Misbehaviour::always(page(BAD_PAGE), Trouble::Eio));
        let (code, report) = way.scan(&disk.path());
        assert_eq!((code, suspect_pages(&report)), (1, vec![BAD_PAGE]), "{way:?}");
        assert_eq!(report["suspects"][0]["reason"], "unreadable", "{way:?}");
        let message = report["suspects"][0]["message"].as_str().expect("text");
        assert!(message.contains("error 5 (Input/output error)"), "{way:?}: {message}");
        assert_eq!(report["coverage"]["not_reached"], 0, "{way:?}");
        assert_eq!(report["coverage"]["transient"], 0, "{way:?}");
    });
}

/// Each read of a dead sector may take seconds. What is not read page by page says so, once.
#[test]
#[cfg_attr(not(fuse_tests), ignore = "PAGESCRUB_FUSE_TESTS is not 1")]
fn a_dead_region_costs_few_reads_and_ends_where_it_ends() {
    const DEAD_PAGES: u64 = 200;
    every_direct_way(|way| {
        let bytes = page(BAD_PAGE).start..page(BAD_PAGE + DEAD_PAGES).start;
        let disk = disk(way.caching, Misbehaviour::always(bytes.clone(), Trouble::Eio));
        let (code, report) = way.scan(&disk.path());
        let dead: Vec<u64> = (BAD_PAGE..BAD_PAGE + DEAD_PAGES).collect();
        assert_eq!((code, suspect_pages(&report)), (1, dead), "{way:?}");
        assert_eq!(report["coverage"]["not_reached"], 0, "{way:?}");
        let (reads, mut in_a_run) = (disk.reads(), 0);
        for suspect in report["suspects"].as_array().expect("a list") {
            let message = suspect["message"].as_str().expect("text");
            let said = message.matches("in a run of failed reads").count();
            assert!(said <= 1, "{way:?}: {message}");
            in_a_run += said;
        }
        assert!(in_a_run > DEAD_PAGES as usize / 2, "{way:?}: {in_a_run}");
        let notes = report["run"]["notes"].to_string();
        assert!(notes.contains("was part of such a range"), "{way:?}: {notes}");
        let failed = reads.iter().filter(|read| read.delivered.is_none()).count();
        // Read page by page, it would be about six for each page. Threads that come upon it at once
        // learn of each other's part late.
        // (Requests of the kernel, 128 KiB each at most, are counted here.)
        let is_alone = way.threads == 1;
        let most = DEAD_PAGES as usize * if is_alone { 2 } else { 3 };
        assert!(failed < most, "{way:?}: {failed} reads");
    });
}

/// Runs of a scattered backup that are read together: what fails of one costs the others nothing.
#[test]
#[cfg_attr(not(fuse_tests), ignore = "PAGESCRUB_FUSE_TESTS is not 1")]
fn what_is_dead_in_runs_that_are_read_together_is_lost_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drill.bak");
    let text = path.to_str().expect("text");
    let args = ["--size=64MiB", "--seed=7", "--backup=differential", "--with-checksum"];
    assert_eq!(pagescrub(&[&["generate", text][..], &args].concat()).code, 0);
    let bytes: Arc<[u8]> = std::fs::read(&path).expect("readable").into();
    let found = discover(&[path]);
    let part = found.files.iter().find_map(|file| file.part.as_ref()).expect("a part");
    let follow = |pair: &[PageRun]| {
        pair[1].offset_bytes == pair[0].offset_bytes + pair[0].bytes()
            && pair[1].range.first.0 > pair[0].range.end()
    };
    let runs = part.runs.runs()[20..].windows(4).find(|runs| runs.windows(2).all(follow));
    let runs = runs.expect("runs that stand together");
    // All but the first page of the first extent: that tells where it belongs.
    let dead: Vec<u64> =
        runs.iter().flat_map(|run| (1..8).map(|n| u64::from(run.range.first.0 + n))).collect();
    let trouble = || {
        let of_run =
            |run: &PageRun| run.offset_bytes + PAGE_BYTES..run.offset_bytes + 8 * PAGE_BYTES;
        runs.iter().map(|run| Misbehaviour::always(of_run(run), Trouble::Eio)).collect()
    };
    every_direct_way(|way| {
        let disk = Mounted::new(Arc::clone(&bytes), way.caching, trouble());
        let (code, report) = way.scan(&disk.path());
        assert_eq!((code, suspect_pages(&report)), (1, dead.clone()), "{way:?}");
        assert_eq!(report["coverage"]["not_reached"], 0, "{way:?}");
        let suspects = report["suspects"].as_array().expect("a list");
        assert!(suspects.iter().all(|suspect| suspect["reason"] == "unreadable"), "{way:?}");
    });
}

/// The more reads fail, the worse the verdict: none, transient, suspect. How many it takes depends
/// on how a reader halves its way down to the page, and with the page cache also on chance.
#[test]
#[cfg_attr(not(fuse_tests), ignore = "PAGESCRUB_FUSE_TESTS is not 1")]
fn a_page_that_can_be_read_after_some_errors_is_at_worst_transient() {
    every_direct_way(|way| {
        let mut verdicts: Vec<_> = (1..=16).map(|errors| after_errors(errors, way)).collect();
        verdicts.dedup();
        assert_eq!(verdicts, [(0, 0, 0), (0, 1, 0), (1, 0, 1)], "{way:?}");
    });
}

/// Exit code, transient pages and suspects if the first `errors` reads fail.
fn after_errors(errors: u64, way: Way) -> (i32, u64, u64) {
    let disk = disk(way.caching, Misbehaviour::first(errors, page(BAD_PAGE), Trouble::Eio));
    let (code, report) = way.scan(&disk.path());
    let count = |what: &str| report["coverage"][what].as_u64().expect("a number");
    assert_eq!(count("not_reached"), 0, "{way:?}");
    (code, count("transient"), count("suspect"))
}

#[test]
#[cfg_attr(not(fuse_tests), ignore = "PAGESCRUB_FUSE_TESTS is not 1")]
fn answers_in_small_parts_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let ordinary = folder.path().join("drill.mdf");
    std::fs::write(&ordinary, &**HEALTHY).expect("room");
    every_direct_way(|way| {
        let expected = way.scan(&ordinary);
        for bytes_max in [4096, 1000] {
            let short = Misbehaviour::always(all_pages(), Trouble::ShortRead(bytes_max));
            let disk = disk(way.caching, short);
            let found = way.scan(&disk.path());
            assert_eq!(found.0, expected.0, "{way:?}");
            let (found, expected) =
                (pathless(found.1, &disk.path()), pathless(expected.1.clone(), &ordinary));
            assert_eq!(found, expected, "{way:?}, at most {bytes_max} bytes");
            let parts =
                disk.reads().iter().filter(|read| read.delivered < Some(PAGE_BYTES)).count();
            assert!(parts as u64 > FILE_PAGES, "{way:?}: {parts}");
        }
    });
}

/// From the middle on, the file system fails when it is asked what is stored. That is no hole.
#[test]
#[cfg_attr(not(fuse_tests), ignore = "PAGESCRUB_FUSE_TESTS is not 1")]
fn what_a_file_system_does_not_tell_of_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let ordinary = folder.path().join("drill.mdf");
    std::fs::write(&ordinary, &**HEALTHY).expect("room");
    every_way(|way| {
        let rest = page(FILE_PAGES / 2).start..all_pages().end;
        let disk = disk(way.caching, Misbehaviour::always(rest, Trouble::Unmapped));
        let (code, report) = way.scan(&disk.path());
        let (_, expected) = way.scan(&ordinary);
        assert_eq!(code, 0, "{way:?}");
        let (found, expected) = (pathless(report, &disk.path()), pathless(expected, &ordinary));
        assert_eq!(found["coverage"], expected["coverage"], "{way:?}");
    });
}

/// The report without times and without the file's path.
fn pathless(report: Value, path: &Path) -> Value {
    let text = timeless(report).to_string();
    let text = text.replace(path.to_str().expect("text"), "FILE");
    serde_json::from_str(&text).expect("still JSON")
}

#[test]
#[cfg_attr(not(fuse_tests), ignore = "PAGESCRUB_FUSE_TESTS is not 1")]
fn a_file_that_is_cut_while_it_is_read_is_incomplete_and_what_is_gone_is_no_suspect() {
    every_way(|way| {
        let (kept, gone) = (page(BAD_PAGE).start, FILE_PAGES - BAD_PAGE);
        let cut = Misbehaviour::first(1, kept..all_pages().end, Trouble::Shrink(kept));
        let disk = disk(way.caching, cut);
        let (code, report) = way.scan(&disk.path());
        assert_eq!((code, suspect_pages(&report)), (3, vec![]), "{way:?}: {report}");
        assert_eq!(report["verdict"], "incomplete", "{way:?}");
        assert_eq!(report["coverage"]["not_reached"], gone, "{way:?}");
        let why = report["files"][0]["why"].as_str().expect("a reason");
        assert!(why.contains("became shorter"), "{way:?}: {why}");
    });
}

/// A log backup with `times` as much log as a generated one, which has 1 MiB of it.
fn log_backup(times: u64) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drill.trn");
    let path_text = path.to_str().expect("text");
    let run = pagescrub(&["generate", path_text, "--size=16MiB", "--seed=5", "--backup=log"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let mut bytes = std::fs::read(path).expect("readable");
    let begins = bytes.windows(4).position(|window| window == b"MQTL").expect("a log stream");
    let length = u64::from_le_bytes(bytes[begins + 8..][..8].try_into().expect("8 bytes"));
    // Two bytes, and then the log, which ends with a whole sector.
    let log = begins + 24..begins + 22 + length as usize;
    let more = bytes[log.clone()].repeat(times as usize - 1);
    let longer = length + more.len() as u64;
    bytes[begins + 8..][..8].copy_from_slice(&longer.to_le_bytes());
    let words = bytes[begins..begins + 20].as_chunks::<2>().0;
    let check = words.iter().fold(0, |sum, word| sum ^ u16::from_le_bytes(*word));
    bytes[begins + 20..][..2].copy_from_slice(&check.to_le_bytes());
    bytes.splice(log.end..log.end, more);
    bytes
}

/// A compressed backup of some MiB that do not become smaller.
fn compressed_backup() -> Vec<u8> {
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 56) as u8
    };
    let mut writer = Writer::new(512);
    writer.record(&[0; 1024]).mark();
    for _ in 0..160 {
        let record: Vec<u8> = (0..32_768).map(|_| next()).collect();
        writer.record(&record);
    }
    writer.mark().record(&[0; 1024]).mark();
    writer.bytes
}

/// The most bytes that were asked for and not answered at any time.
fn most_at_once(disk: &Mounted) -> u64 {
    let reads = disk.reads();
    let asked_then = |at: &Read| {
        let is_open =
            |other: &&Read| other.asked <= at.asked && at.asked < other.asked + other.latency;
        reads.iter().filter(is_open).map(|read| read.wanted).sum()
    };
    reads.iter().map(asked_then).max().expect("it was read")
}

#[test]
#[cfg_attr(
    not(all(fuse_tests, feature = "uring")),
    ignore = "PAGESCRUB_FUSE_TESTS is not 1, or nothing can be queued"
)]
fn logs_and_records_are_read_in_as_many_requests_as_the_device_may_have() {
    const READ_BYTES: u64 = 512 << 10;
    for (name, bytes) in [("a log", log_backup(6)), ("records", compressed_backup())] {
        let bytes: Arc<[u8]> = bytes.into();
        for depth in [1, 4] {
            let (length, late) = (bytes.len() as u64, Trouble::Delay(Duration::from_millis(50)));
            let late = Misbehaviour::always(0..length, late);
            let disk = Mounted::new(Arc::clone(&bytes), Caching::Direct, vec![late]);
            let depth_is = depth.to_string();
            let how = ["--reader", "direct", "--threads=1", "--queue-depth", &depth_is];
            let (_, report) = scan_json(&disk.path(), &how);
            let read = report["coverage"]["bytes_read"].as_u64().expect("a number");
            assert!(read > 4 << 20, "{name}: {report}");
            let most = most_at_once(&disk);
            // Without queue, what recognises the file asks for no more than the scan.
            assert!(most <= depth * READ_BYTES.max(1 << 20), "{name}, {depth}: {most}");
            assert!(depth == 1 || most > 2 * READ_BYTES, "{name}, {depth}: {most}");
        }
    }
}

/// However many backups are read at a time. That more time goes by is no failure.
#[test]
fn all_backups_on_a_device_share_its_rate() {
    const RATE: u64 = 4 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    let log = log_backup(6);
    for name in ["one.trn", "two.trn"] {
        std::fs::write(folder.path().join(name), &log).expect("room");
    }
    let rate = format!("{}MiB/s", RATE >> 20);
    let started = std::time::Instant::now();
    let (_, report) = scan_json(folder.path(), &["--threads=2", "--rate", &rate]);
    let elapsed = started.elapsed().as_secs_f64();
    let read = report["coverage"]["bytes_read"].as_u64().expect("a number");
    assert!(read >= 12 << 20, "{report}");
    // What may be read at once after a rest is 2 MiB.
    let least = (read - (2 << 20)) as f64 / RATE as f64;
    assert!(elapsed >= least, "{read} bytes in {elapsed} s, {least} s at least");
}

/// Of the kinds of files that are read in ways of their own: damaged data, a log, records.
fn kinds() -> [(&'static str, Arc<[u8]>); 3] {
    let mut damaged = HEALTHY.to_vec();
    for page in (300..FILE_PAGES).step_by(40) {
        damaged[page as usize * PAGE_BYTES as usize + 4000] ^= 0xff;
    }
    let (log, records) = (log_backup(12), compressed_backup());
    [("data", damaged.into()), ("log", log.into()), ("records", records.into())]
}

/// The longest time in which more was asked for than `rate` and what may be asked `at_once` allow.
fn broken_promise(reads: &[Read], rate: u64, at_once: u64) -> Option<(Duration, u64)> {
    let mut reads: Vec<_> = reads.iter().map(|read| (read.asked, read.wanted)).collect();
    reads.sort_unstable();
    let mut worst = None;
    for (first, (begun, _)) in reads.iter().enumerate() {
        let mut bytes = 0;
        for (asked, wanted) in &reads[first..] {
            bytes += wanted;
            let after = asked.duration_since(*begun);
            if bytes as f64 > at_once as f64 + after.as_secs_f64() * rate as f64 {
                worst = worst.max(Some((after, bytes)));
            }
        }
    }
    worst
}

/// From the first look at what it is to what is looked up at the end.
#[test]
#[cfg_attr(not(fuse_tests), ignore = "PAGESCRUB_FUSE_TESTS is not 1")]
fn whatever_is_asked_of_a_device_is_within_its_rate() {
    const RATE: u64 = 8 << 20;
    // What may be read at once after a rest, and what each of two threads may owe for what is read
    // again.
    const AT_ONCE: u64 = (2 << 20) + 2 * (1 << 20);
    let rate = format!("{RATE}B/s");
    for (kind, bytes) in kinds() {
        let never = Misbehaviour::first(0, 0..0, Trouble::Eio);
        let disk = Mounted::new(Arc::clone(&bytes), Caching::Direct, vec![never]);
        let how = ["--threads=2", "--reader=direct", "--deep", "--rate", &rate];
        scan_json(&disk.path(), &how);
        let reads = disk.reads();
        let asked: u64 = reads.iter().map(|read| read.wanted).sum();
        assert!(asked > bytes.len() as u64, "{kind}: not all was asked for: {asked}");
        assert_eq!(broken_promise(&reads, RATE, AT_ONCE), None, "{kind}");
        assert!(broken_promise(&reads, RATE / 4, AT_ONCE).is_some(), "{kind}: the check is blind");
    }
}

#[test]
#[cfg_attr(
    not(all(fuse_tests, feature = "uring")),
    ignore = "PAGESCRUB_FUSE_TESTS is not 1, or nothing can be queued"
)]
fn a_device_that_is_too_slow_is_given_one_read_at_a_time_whatever_is_read() {
    for (kind, bytes) in kinds() {
        let late = Trouble::Delay(Duration::from_millis(5));
        let late = Misbehaviour::always(0..bytes.len() as u64, late);
        let disk = Mounted::new(Arc::clone(&bytes), Caching::Direct, vec![late]);
        let how = ["--threads=1", "--reader=direct", "--max-latency=3ms", "--queue-depth=8"];
        scan_json(&disk.path(), &how);
        let mut reads = disk.reads();
        reads.sort_by_key(|read| read.asked);
        // It takes a few late answers to come down.
        let overlaps = reads.windows(2).map(|two| two[0].asked + two[0].latency > two[1].asked);
        let late_overlaps = overlaps.skip(reads.len() / 2).filter(|overlaps| *overlaps).count();
        assert_eq!(late_overlaps, 0, "{kind}: of {} reads", reads.len());
    }
}

/// That more time goes by is no failure.
#[test]
fn finding_out_what_files_are_keeps_to_the_rate() {
    const RATE: u64 = 4 << 20;
    const HEAD: u64 = 128 << 10;
    const FILES: u64 = 48;
    let folder = tempfile::tempdir().expect("a folder");
    let text = b"neither a page nor a backup; ".repeat(6000);
    for number in 0..FILES {
        std::fs::write(folder.path().join(format!("{number}.mdf")), &text).expect("room");
    }
    let rate = format!("{}MiB/s", RATE >> 20);
    let started = std::time::Instant::now();
    let scan = pagescrub(&["scan", folder.path().to_str().expect("text"), "--rate", &rate]);
    let elapsed = started.elapsed().as_secs_f64();
    assert_eq!(scan.code, 3, "{}", scan.stderr);
    let least = (FILES * HEAD - (2 << 20)) as f64 / RATE as f64;
    assert!(elapsed >= least, "{elapsed} s, {least} s at least");
}

/// A thread that waits for checksums of one backup may begin another: it must not wait for itself.
#[test]
fn many_backups_are_read_to_their_end_one_request_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let packed = compressed_backup();
    for number in 0..6 {
        let path = folder.path().join(format!("{number}.bak"));
        std::fs::write(path, &packed).expect("room");
    }
    for reader in ["direct", "pread", "auto"] {
        let how = ["--threads=3", "--queue-depth=1", "--reader", reader];
        let (_, report) = scan_json(folder.path(), &how);
        let read = report["coverage"]["bytes_read"].as_u64().expect("a number");
        assert!(read >= 6 * packed.len() as u64, "{reader}: {report}");
    }
}
