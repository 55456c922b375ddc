//! Scans inside the test's own process, as many as it takes.

use pagescrub::consolidate::report::ScrubReport;
use pagescrub::discover::discover;
use pagescrub::read::open::Reader;
use pagescrub::scrub::{Settings, Silent, Stop, scrub};
use pagescrub::verify::engine::Engine;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};
use tempfile::TempDir;

/// What a scan of `paths` by one thread, as a user would ask for it, reports.
pub fn scanned(paths: &[PathBuf]) -> ScrubReport {
    let (open, stop) = (|path: &Path| Reader::Auto.open(path), Stop::default());
    let engine = Engine::named("auto").expect("there is always one");
    scrub(&discover(paths), &Settings::new(&engine, &open, &stop), &Silent).report
}

/// A folder in memory where the system has one, so that a test of many scans wears no disk, and no
/// device has offsets that would count instead of those in the file.
pub fn folder_in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
}

/// What is zeros for so long becomes a hole.
const HOLE_BYTES: usize = 65_536;
/// Complaints after which there is no sense in going on.
const COMPLAINTS_MAX: usize = 20;

/// Does each of `works`, on all processors, until there are too many complaints.
pub fn each<T: Sync>(works: &[T], work: impl Fn(&T) -> Result<(), String> + Sync) {
    let (next, complaint) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let complained = || complaint.lock().unwrap_or_else(PoisonError::into_inner);
    let thread = || {
        while complained().len() < COMPLAINTS_MAX {
            let Some(one) = works.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            if let Err(said) = work(one) {
                complained().push(said);
            }
        }
    };
    let threads = available_parallelism().map_or(2, Into::into);
    scope(|threaded| (0..threads).for_each(|_| drop(threaded.spawn(thread))));
    let complaints = complained();
    assert!(complaints.is_empty(), "{} complaints: {}", complaints.len(), complaints.join("\n\n"));
}

/// Writes `bytes` to a new file at `path`, with holes for what is zeros.
pub fn write_sparse(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.set_len(bytes.len() as u64)?;
    for (n, block) in bytes.chunks(HOLE_BYTES).enumerate() {
        if block.iter().any(|&byte| byte != 0) {
            file.seek(SeekFrom::Start((n * HOLE_BYTES) as u64))?;
            file.write_all(block)?;
        }
    }
    Ok(())
}
