//! Reads past the page cache: the same report as through it, nothing left behind in it, and a way
//! on where the system forbids them.

#![cfg(target_os = "linux")]

use crate::harness::forbid::forbidding;
use crate::harness::{pagescrub, scan_json, timeless};
use pagescrub::discover::discover;
use pagescrub::page::Page;
use pagescrub::page::address::{PageId, PageRange};
use pagescrub::plan::pace::Pace;
use pagescrub::plan::throttles::Throttles;
use pagescrub::read::open::Reader;
use pagescrub::read::{PageSource, ReadError};
use pagescrub::scrub::{Open, Settings, Silent, Stop, scrub};
use pagescrub::verify::engine::Engine;
use rustix::fs::Advice;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How reads past the cache are called where nothing forbids them.
const PAST_THE_CACHE: &str = if cfg!(feature = "uring") { "io_uring" } else { "direct" };

/// On the file system of the project, which can be read past the cache; /tmp may not.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder")
}

fn generated(folder: &TempDir, size: &str) -> PathBuf {
    let path = folder.path().join("a.mdf");
    let text = path.to_str().expect("text");
    let run = pagescrub(&["generate", text, "--size", size, "--seed=1"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    path
}

fn readers(report: &Value) -> Vec<&str> {
    let names = report["run"]["readers"].as_array().expect("a list");
    names.iter().map(|name| name.as_str().expect("text")).collect()
}

fn notes(report: &Value) -> String {
    report["run"]["notes"].to_string()
}

fn without_io_uring<T: Send>(errno: i32, work: impl FnOnce() -> T + Send) -> T {
    forbidding(BTreeMap::from([(libc::SYS_io_uring_setup, Vec::new())]), errno, work)
}

/// Every open with O_DIRECT fails with EINVAL, as on file systems without it.
fn without_o_direct<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    const FLAGS: u8 = 2;
    let direct = u64::from(libc::O_DIRECT.cast_unsigned());
    let set = SeccompCmpOp::MaskedEq(direct);
    let condition = SeccompCondition::new(FLAGS, SeccompCmpArgLen::Dword, set, direct);
    let rule = SeccompRule::new(vec![condition.expect("valid")]).expect("valid");
    forbidding(BTreeMap::from([(libc::SYS_openat, vec![rule])]), libc::EINVAL, work)
}

/// Bytes of the file in the page cache, as util-linux counts them.
fn cached_bytes(path: &Path) -> u64 {
    let mut fincore = std::process::Command::new("fincore");
    let output = fincore.args(["--bytes", "--noheadings", "--output=RES"]).arg(path).output();
    let output = output.expect("fincore is installed").stdout;
    String::from_utf8_lossy(&output).trim().parse().expect("a number")
}

/// The kernel takes the hint only once it is done with what was just written.
fn evict(path: &Path) {
    let file = File::open(path).expect("readable");
    file.sync_all().expect("written");
    for _ in 0..100 {
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).expect("a hint");
        if cached_bytes(path) == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{} bytes stay in the cache", cached_bytes(path));
}

#[test]
fn a_cold_file_is_read_past_the_cache_and_leaves_nothing_in_it() {
    let folder = folder();
    let path = generated(&folder, "64MiB");
    for reader in ["auto", "direct"] {
        evict(&path);
        let before = cached_bytes(&path);
        let (code, report) = scan_json(&path, &["--reader", reader]);
        assert_eq!(code, 0);
        assert_eq!(readers(&report), [PAST_THE_CACHE], "{reader}: {}", notes(&report));
        let left = cached_bytes(&path).saturating_sub(before);
        assert!(left <= 1 << 20, "{reader} left {left} bytes");
    }
}

/// A scan that reads the file by mapping all of it. The kernel may take some of it from the cache
/// before the scan comes to it.
fn hot_scan(path: &Path) -> Value {
    let scan = || {
        fs::read(path).expect("readable");
        scan_json(path, &[]).1
    };
    let mut scans = (0..10).map(|_| scan());
    scans.find(|report| readers(report) == ["mmap"]).expect("it is mapped where it is cached")
}

#[test]
fn a_cached_file_is_mapped_and_a_half_cached_one_is_read_both_ways() {
    let folder = folder();
    let path = generated(&folder, "64MiB");
    evict(&path);
    let (_, cold) = scan_json(&path, &[]);
    let hot = hot_scan(&path);
    let file = File::open(&path).expect("readable");
    let half = std::num::NonZeroU64::new(32 << 20);
    rustix::fs::fadvise(&file, 16 << 20, half, Advice::DontNeed).expect("a hint");
    let (_, mixed) = scan_json(&path, &[]);
    let both = if cfg!(feature = "uring") { ["io_uring", "mmap"] } else { ["direct", "mmap"] };
    assert_eq!(readers(&mixed), both);
    let bytes = &mixed["throughput"]["bytes_by_reader"];
    assert!(
        (30 << 20..=34 << 20).contains(&bytes[PAST_THE_CACHE].as_u64().expect("bytes")),
        "{bytes}"
    );
    assert_eq!(timeless(cold), timeless(hot.clone()));
    assert_eq!(timeless(hot), timeless(mixed));
}

#[test]
fn a_file_with_a_ragged_tail_gives_the_same_report_past_the_cache() {
    let folder = folder();
    let path = generated(&folder, "5MiB");
    for bytes in [(5 << 20) - 8192 - 1, (4 << 20) + 513, 3 * 8192 + 1, 8192, 700_000] {
        File::options().write(true).open(&path).and_then(|f| f.set_len(bytes)).expect("ours");
        evict(&path);
        let [(direct_code, direct), (code, through_cache)] =
            ["direct", "pread"].map(|reader| scan_json(&path, &["--reader", reader]));
        assert_eq!(readers(&direct), [PAST_THE_CACHE]);
        assert_eq!(code, direct_code);
        assert_eq!(timeless(direct), timeless(through_cache), "{bytes} bytes");
    }
}

#[test]
fn where_io_uring_is_forbidden_or_unknown_files_are_still_read_past_the_cache() {
    let folder = folder();
    let path = generated(&folder, "20MiB");
    let (_, usual) = scan_json(&path, &["--reader=direct"]);
    for errno in [libc::EPERM, libc::ENOSYS, libc::ENOMEM] {
        evict(&path);
        let (code, report) =
            without_io_uring(errno, || scan_json(&path, &["--reader=direct", "--threads=3"]));
        assert_eq!(code, 0);
        assert_eq!(readers(&report), ["direct"]);
        assert!(notes(&report).contains("io_uring cannot be used here"), "{}", notes(&report));
        assert_eq!(timeless(report), timeless(usual.clone()));
        assert!(cached_bytes(&path) <= 1 << 20);
    }
}

#[test]
fn where_the_file_system_refuses_the_cache_is_used_and_emptied_again() {
    let folder = folder();
    let path = generated(&folder, "64MiB");
    let (_, usual) = scan_json(&path, &["--reader=direct"]);
    for reader in ["direct", "auto"] {
        evict(&path);
        let (code, report) = without_o_direct(|| scan_json(&path, &["--reader", reader]));
        assert_eq!(code, 0);
        // The kernel may read a little ahead all the same, which then is found in the cache.
        let bytes = &report["throughput"]["bytes_by_reader"];
        let through_cache = bytes["pread"].as_u64().expect("some bytes");
        assert!(through_cache >= 48 << 20, "{reader} {bytes}");
        assert!(!readers(&report).contains(&PAST_THE_CACHE), "{reader} {bytes}");
        assert!(notes(&report).contains("refuses reads past it"), "{}", notes(&report));
        assert_eq!(timeless(report), timeless(usual.clone()));
        let left = cached_bytes(&path);
        assert!(left <= 16 << 20, "{reader} left {left} bytes");
    }
}

/// Nobody can tell then whether the second look came from the cache.
#[test]
fn a_second_look_that_may_have_come_from_the_cache_is_called_that() {
    const FLAGS: u8 = 2;
    let folder = folder();
    let path = generated(&folder, "4MiB");
    let scan = |reader: &str| scan_json(&path, &["--reader", reader]);
    let unable = |reader: &str| {
        let direct = u64::from(libc::O_DIRECT.cast_unsigned());
        let set = SeccompCmpOp::MaskedEq(direct);
        let condition = SeccompCondition::new(FLAGS, SeccompCmpArgLen::Dword, set, direct);
        let open = SeccompRule::new(vec![condition.expect("valid")]).expect("valid");
        let cachestat = 451;
        let rules = BTreeMap::from([(libc::SYS_openat, vec![open]), (cachestat, Vec::new())]);
        forbidding(rules, libc::EINVAL, || scan(reader))
    };
    let words = "perhaps from the operating system's cache";
    for reader in ["auto", "mmap", "pread", "direct"] {
        assert!(!notes(&unable(reader).1).contains(words), "there is nothing to look at again");
    }
    let inject = ["inject", path.to_str().expect("text"), "--fault=bit-flip", "--random=3"];
    assert_eq!(pagescrub(&[&inject[..], &["--seed=1"]].concat()).code, 0);
    for reader in ["auto", "mmap", "pread", "direct"] {
        let ((code, report), (_, able)) = (unable(reader), scan(reader));
        assert_eq!(code, 1, "{reader}");
        assert!(notes(&report).contains(words), "{reader}: {}", notes(&report));
        assert!(!notes(&able).contains(words), "{reader}: {}", notes(&able));
        assert_eq!(timeless(report), timeless(able), "{reader}");
    }
}

#[test]
fn the_rate_is_a_ceiling_for_cached_and_uncached_bytes() {
    let folder = folder();
    let path = generated(&folder, "12MiB");
    for reader in ["mmap", "direct", "pread"] {
        let start = Instant::now();
        let (code, report) = scan_json(&path, &["--rate=8MiB/s", "--reader", reader]);
        let least = Duration::from_secs_f64((12.0 - 2.0) / 8.0);
        assert_eq!(code, 0);
        assert!(start.elapsed() >= least, "{reader} took {:?}", start.elapsed());
        assert_eq!(report["run"]["pace"][0]["rate_bytes_per_second"], 8 << 20);
    }
}

/// A device that takes its time.
struct Slow(Box<dyn PageSource>);

impl PageSource for Slow {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.0.fill(first, pages)
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        self.0.fill_uncached(page)
    }

    fn visit_pieces(
        &self,
        range: PageRange,
        buffer: &mut Vec<Page>,
        visit: &mut dyn FnMut(PageId, &[Page]),
    ) -> Result<(), ReadError> {
        thread::sleep(Duration::from_millis(30));
        self.0.visit_pieces(range, buffer, visit)
    }
}

#[test]
fn a_device_that_becomes_slow_is_given_fewer_reads_and_pauses() {
    let folder = folder();
    let path = generated(&folder, "4MiB");
    let engine = Engine::named("auto").expect("there is always one");
    let latency_max = Some(Duration::from_millis(5));
    let open: Open<'_> = &|path| Ok(Box::new(Slow(Reader::Pread.open(path)?)));
    let stop = Stop::default();
    let settings = Settings {
        threads: 2,
        batch_pages: 64,
        throttles: Throttles::new(Pace { latency_max, ..Pace::default() }),
        ..Settings::new(&engine, open, &stop)
    };
    let report = scrub(&discover(&[path]), &settings, &Silent).report;
    assert_eq!(report.exit_code, 0);
    let [pace] = &report.run.pace[..] else { panic!("one device") };
    assert!(pace.backed_off > 0, "{pace:?}");
    assert!(pace.lowest_queue_depth < pace.queue_depth, "{pace:?}");
}
