//! Backups whose extents are scattered over their data files: short runs share batches, and that
//! changes nothing of what is found, whatever the reader, the threads and the size of a batch.

use crate::harness::stopped::{How, json, part, scan, whole};
use crate::harness::{pagescrub, suspect_pages, timeless};
use pagescrub::backup::layout::PageRun;
use pagescrub::discover::{Discovery, discover};
use pagescrub::drill::faulty_source::{FaultySource, ReadFault};
use pagescrub::page::PAGE_BYTES;
use pagescrub::page::address::PageId;
use pagescrub::read::open::Reader;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Long enough that no checkpoint is written but that of a stop.
const NEVER: Duration = Duration::from_hours(1);

/// A batch of one extent, so that no runs share one; and those of several runs.
const ALONE: u32 = 8;
const SHARED: [u32; 3] = [64, 256, 2048];

/// A differential backup of extents that were changed here and there.
struct Scattered {
    _folder: TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
    runs: Vec<PageRun>,
}

impl Scattered {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("scattered.bak");
        let text = path.to_str().expect("text");
        let args = ["--size=256MiB", "--seed=7", "--backup=differential", "--with-checksum"];
        assert_eq!(pagescrub(&[&["generate", text][..], &args].concat()).code, 0);
        let runs = runs(&found(&path));
        let bytes = fs::read(&path).expect("readable");
        assert!(runs.len() > 300, "{} runs", runs.len());
        Self { _folder: folder, path, bytes, runs }
    }

    /// Runs, in the midst of the backup, that stand together in it and not in their file; the
    /// first and the last page of each are in use and carry a checksum.
    fn neighbours(&self, count: usize) -> &[PageRun] {
        let fits = |runs: &&[PageRun]| {
            let edges = |run: &PageRun| [run.range.first.0, run.range.end() - 1];
            let is_fit = |run: &PageRun| edges(run).iter().all(|page| self.is_sealed(run, *page));
            let follow = |pair: &[PageRun]| {
                pair[1].offset_bytes == pair[0].offset_bytes + pair[0].bytes()
                    && pair[1].range.first.0 > pair[0].range.end()
            };
            runs.iter().all(is_fit) && runs.windows(2).all(follow)
        };
        self.runs[50..].windows(count).find(fits).expect("runs that stand together")
    }

    fn offset(run: &PageRun, page: u32) -> usize {
        run.offset_bytes as usize + (page - run.range.first.0) as usize * PAGE_BYTES
    }

    /// A data page that carries a checksum.
    fn is_sealed(&self, run: &PageRun, page: u32) -> bool {
        let header = &self.bytes[Self::offset(run, page)..][..96];
        header[1] == 1 && header[5] & 2 != 0
    }

    fn change(&self, run: &PageRun, page: u32, change: impl Fn(&mut [u8])) {
        let at = Self::offset(run, page);
        let mut bytes = self.bytes[at..at + PAGE_BYTES].to_vec();
        change(&mut bytes);
        let mut file = File::options().write(true).open(&self.path).expect("ours");
        let written = file.seek(SeekFrom::Start(at as u64)).and_then(|_| file.write_all(&bytes));
        written.expect("ours");
    }
}

fn found(path: &Path) -> Discovery {
    discover(&[path.to_owned()])
}

fn runs(found: &Discovery) -> Vec<PageRun> {
    found.files.iter().find_map(|file| file.part.as_ref()).expect("a part").runs.runs().to_vec()
}

fn how(reader: Reader, threads: usize, batch_pages: u32) -> How {
    How { reader, threads, batch_pages, ..How::default() }
}

/// The same report for every reader, every number of threads, and whether runs share batches.
fn same_in_all_ways(path: &Path) -> Value {
    let found = found(path);
    let wanted = timeless(json(&whole(&found, how(Reader::Pread, 1, ALONE))));
    for reader in Reader::ALL {
        for (threads, batch_pages) in [(1, SHARED[2]), (2, SHARED[0]), (3, SHARED[1]), (8, ALONE)] {
            let report = timeless(json(&whole(&found, how(reader, threads, batch_pages))));
            assert_eq!(report, wanted, "{} {threads} {batch_pages}", reader.name());
        }
    }
    wanted
}

#[test]
fn what_is_damaged_at_the_edges_of_runs_that_share_a_batch_is_found_in_all_ways() {
    let backup = Scattered::new();
    let runs = backup.neighbours(4);
    let mut damaged = Vec::new();
    for run in runs {
        for page in [run.range.first.0, run.range.end() - 1] {
            backup.change(run, page, |bytes| bytes[5000] ^= 4);
            damaged.push(u64::from(page));
        }
    }
    let report = same_in_all_ways(&backup.path);
    assert_eq!(suspect_pages(&report), damaged);
}

/// Ransomware that spares the beginning of each extent, so that its place is known.
#[test]
fn encrypted_runs_are_found_in_all_ways() {
    let backup = Scattered::new();
    let runs = backup.neighbours(3);
    let mut encrypted = Vec::new();
    for run in runs {
        for page in run.range.ids().filter(|page| page.0 % 8 > 0) {
            let key = page.0.wrapping_mul(0x9e37_79b9) | 1;
            let noise = |at: usize| (key.wrapping_mul(at as u32 | 1) >> 13) as u8;
            let encrypt = |bytes: &mut [u8]| {
                bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= noise(at + 77));
            };
            backup.change(run, page.0, encrypt);
            encrypted.push(u64::from(page.0));
        }
    }
    let report = same_in_all_ways(&backup.path);
    // Where no PFS page tells that they are in use, they may be what free pages held before.
    let (suspects, junk) = (suspect_pages(&report), &report["coverage"]["junk_allocation_unknown"]);
    assert!(suspects.iter().all(|page| encrypted.contains(page)), "{suspects:?} {encrypted:?}");
    let junk = junk.as_u64().unwrap_or_default();
    assert!(suspects.len() as u64 + junk >= encrypted.len() as u64, "{} {junk}", suspects.len());
}

#[test]
fn a_scan_that_is_stopped_within_a_batch_of_several_runs_ends_in_the_same_report() {
    let backup = Scattered::new();
    for run in backup.neighbours(2) {
        backup.change(run, run.range.end() - 1, |bytes| bytes[5000] ^= 4);
    }
    let paths = [backup.path.clone()];
    let wanted = timeless(json(&whole(&found(&backup.path), how(Reader::Pread, 1, ALONE))));
    let checkpoint = backup.path.with_extension("checkpoint");
    for (reader, threads) in [(Reader::Direct, 1), (Reader::Auto, 2), (Reader::Pread, 2)] {
        for (stop_after, resume_with) in [(1, ALONE), (2, 64), (5, 2048), (9, 256)] {
            // A batch of 16 MiB is 32 queued reads.
            let stopped = How { stop_after, ..how(reader, threads, 2048) };
            let stopped = part(&paths, stopped, &checkpoint, NEVER);
            let (done, all) =
                (stopped.report.coverage.not_reached, wanted["coverage"]["pages_planned"].as_u64());
            assert!(Some(done) < all, "something was read");
            // The pages that are left begin within a batch of before, and other runs share theirs.
            let resumed = part(&paths, how(reader, threads, resume_with), &checkpoint, NEVER);
            assert_eq!(timeless(json(&resumed)), wanted, "{} {stop_after}", reader.name());
            let _ = fs::remove_file(&checkpoint);
        }
    }
}

#[test]
fn a_dead_region_over_runs_that_share_a_batch_is_lost_and_nothing_else() {
    let backup = Scattered::new();
    let runs = backup.neighbours(3);
    // The end of the first run, all of the second, and the beginning of the third.
    let dead: Vec<PageId> = [
        runs[0].range.ids().skip(3).collect::<Vec<_>>(),
        runs[1].range.ids().collect(),
        runs[2].range.ids().take(2).collect(),
    ]
    .concat();
    let open = |path: &Path| {
        let faults = dead.iter().map(|&page| (page, ReadFault::Unreadable));
        Ok(Box::new(FaultySource::new(Reader::Pread.open(path)?, faults)) as Box<_>)
    };
    let found = found(&backup.path);
    let healthy = whole(&found, how(Reader::Pread, 1, ALONE)).report.coverage;
    for batch_pages in [ALONE, SHARED[0], SHARED[1], SHARED[2]] {
        for threads in [1, 2, 3] {
            let report = scan(&found, how(Reader::Pread, threads, batch_pages), &open, None).report;
            let mut lost: Vec<u32> = report.suspects.iter().map(|s| s.page_id).collect();
            lost.sort_unstable();
            assert_eq!(lost, dead.iter().map(|page| page.0).collect::<Vec<_>>(), "{batch_pages}");
            assert!(report.suspects.iter().all(|suspect| suspect.reason == "unreadable"));
            assert_eq!(report.coverage.pages_planned, healthy.pages_planned);
            assert_eq!(report.coverage.not_reached, 0);
        }
    }
}

/// A page that ordinary reads cannot have is read again by itself, not with the runs beside it.
#[test]
fn a_page_that_heals_in_a_shared_batch_is_transient() {
    let backup = Scattered::new();
    let runs = backup.neighbours(2);
    let page = runs[1].range.first;
    let open = |path: &Path| {
        let faults = [(page, ReadFault::UnreadableOnce)];
        Ok(Box::new(FaultySource::new(Reader::Pread.open(path)?, faults)) as Box<_>)
    };
    let found = found(&backup.path);
    for batch_pages in [ALONE, SHARED[1]] {
        let report = scan(&found, how(Reader::Pread, 2, batch_pages), &open, None).report;
        assert_eq!((report.coverage.transient, report.coverage.suspect), (1, 0), "{batch_pages}");
    }
}
