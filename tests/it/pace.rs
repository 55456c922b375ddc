//! What the user allowed is allowed once for each device, whoever reads from it: who looks at
//! pages, who looks at them again, at the streams of backups, and at what stands around suspects.

use crate::harness::pagescrub;
use pagescrub::backup::layout::Layout;
use pagescrub::discover::discover;
use pagescrub::page::address::PageId;
use pagescrub::page::{PAGE_BYTES, Page};
use pagescrub::plan::pace::Pace;
use pagescrub::plan::throttles::Throttles;
use pagescrub::read::open::Reader;
use pagescrub::read::{PageSource, ReadError};
use pagescrub::scrub::{Settings, Silent, Stop, scrub};
use pagescrub::verify::engine::Engine;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const RATE: u64 = 8 << 20;
/// May be read at once after a rest, as documented; and what each of two threads may owe for second
/// looks before it asks again.
const AT_ONCE: u64 = (2 << 20) + 2 * (512 << 10) * 2;

/// When reads began, and of how many bytes.
type Log = Arc<Mutex<Vec<(Instant, u64)>>>;

/// A device that writes down what is read from it.
struct Watched {
    source: Box<dyn PageSource>,
    log: Log,
}

impl Watched {
    fn read<T>(&self, pages: usize, read: impl FnOnce() -> T) -> T {
        let bytes = (pages * PAGE_BYTES) as u64;
        self.log.lock().expect("no panic").push((Instant::now(), bytes));
        read()
    }
}

impl PageSource for Watched {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.read(pages.len(), || self.source.fill(first, pages))
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        self.read(1, || self.source.fill_uncached(page))
    }

    fn fill_range_uncached(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.read(pages.len(), || self.source.fill_range_uncached(first, pages))
    }

    fn has(&self, page: PageId) -> bool {
        self.source.has(page)
    }

    fn laid_out(self: Box<Self>, layout: Layout) -> Box<dyn PageSource> {
        Box::new(Self { source: self.source.laid_out(layout), log: self.log })
    }
}

/// A damaged data file, with a backup of it and its log.
fn files(folder: &TempDir) -> Vec<PathBuf> {
    let made = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let args = ["generate", path.to_str().expect("text"), "--seed=8", "--size=8MiB"];
        assert_eq!(pagescrub(&[&args[..], more].concat()).code, 0);
        path
    };
    let data = made("a.mdf", &[]);
    let damage = ["inject", data.to_str().expect("text"), "--seed=8", "--fault=bit-flip"];
    assert_eq!(pagescrub(&[&damage[..], &["--random=60"]].concat()).code, 0);
    vec![data, made("b.bak", &["--backup=full"]), made("c.trn", &["--backup=log"])]
}

/// What a scan of `files` reads, and when.
fn reads(files: &[PathBuf], pace: Pace) -> Vec<(Instant, u64)> {
    let log = Log::default();
    let open = |path: &Path| {
        let source = Reader::Pread.open(path)?;
        Ok(Box::new(Watched { source, log: Arc::clone(&log) }) as Box<dyn PageSource>)
    };
    let (engine, stop) = (Engine::named("auto").expect("there is one"), Stop::default());
    let settings = Settings { threads: 2, batch_pages: 64, ..Settings::new(&engine, &open, &stop) };
    let report =
        scrub(&discover(files), &Settings { throttles: Throttles::new(pace), ..settings }, &Silent)
            .report;
    assert!(report.coverage.suspect >= 60);
    let mut reads = log.lock().expect("no panic").clone();
    reads.sort();
    reads
}

/// The longest time in which more was read than `RATE` allows.
fn broken_promise(reads: &[(Instant, u64)]) -> Option<(Duration, u64)> {
    let from = |first: usize| {
        let (begun, mut bytes) = (reads[first].0, 0);
        let too_many = reads[first..].iter().filter_map(move |(at, read)| {
            bytes += read;
            let allowed = AT_ONCE as f64 + at.duration_since(begun).as_secs_f64() * RATE as f64;
            (bytes as f64 > allowed).then_some((at.duration_since(begun), bytes))
        });
        too_many.max_by_key(|(after, _)| *after)
    };
    (0..reads.len()).filter_map(from).max()
}

#[test]
fn the_rate_holds_over_everything_that_is_read_from_a_device() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(&folder);
    let pace = Pace { rate_bytes_per_second: Some(RATE), ..Pace::default() };
    let paced = reads(&files, pace);
    let stored: u64 = files.iter().map(|file| file.metadata().expect("it is there").len()).sum();
    let bytes: u64 = paced.iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes > stored, "not everything was watched: {bytes} of {stored}");
    assert_eq!(broken_promise(&paced), None);
    let unpaced = reads(&files, Pace::default());
    assert!(broken_promise(&unpaced).is_some(), "the check sees nothing");
}
