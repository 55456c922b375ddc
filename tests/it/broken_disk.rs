//! Disks that misbehave: what they do becomes part of the report, and the scan goes on.

use crate::harness::pagescrub;
use pagescrub::consolidate::report::{Outcome, RunVerdict, ScrubReport};
use pagescrub::discover::{Discovery, discover};
use pagescrub::drill::faulty_source::{FaultySource, ReadFault};
use pagescrub::page::Page;
use pagescrub::page::address::PageId;
use pagescrub::page::ranges::PageRanges;
use pagescrub::read::open::Reader;
use pagescrub::read::{PageSource, ReadError};
use pagescrub::scrub::{Open, Progress, Settings, Silent, Stop, scrub};
use pagescrub::verify::engine::Engine;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn generated(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("drill.mdf");
    let args = ["generate".as_ref(), path.as_os_str(), "--size=4MiB".as_ref(), "--seed=5".as_ref()];
    let run = pagescrub(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
    path
}

fn scan_with(path: &Path, faults: &[(u32, ReadFault)]) -> ScrubReport {
    scan_of(&discover(&[path.to_owned()]), &|path| {
        let faults = faults.iter().map(|&(page, fault)| (PageId(page), fault));
        Ok(Box::new(FaultySource::new(Reader::Pread.open(path)?, faults)))
    })
}

fn scan_of(discovery: &Discovery, open: Open<'_>) -> ScrubReport {
    let engine = Engine::named("auto").expect("there is always one");
    let stop = Stop::default();
    let settings = Settings { threads: 2, batch_pages: 64, ..Settings::new(&engine, open, &stop) };
    scrub(discovery, &settings, &Silent).report
}

/// The report of a scan at whose end, before anything is reported, `change` is done to its file.
fn scan_and_then(path: &Path, change: &(dyn Fn() + Sync)) -> ScrubReport {
    struct AtTheEnd<'a>(&'a (dyn Fn() + Sync));
    impl Progress for AtTheEnd<'_> {
        fn begin(&self, _: u64) {}
        fn advance(&self, _: u64) {}
        fn suspects(&self, _: u64) {}
        fn end(&self) {
            self.0();
        }
    }
    let engine = Engine::named("auto").expect("there is always one");
    let (stop, open) = (Stop::default(), |path: &Path| Reader::Auto.open(path));
    let settings = Settings::new(&engine, &open, &stop);
    scrub(&discover(&[path.to_owned()]), &settings, &AtTheEnd(change)).report
}

fn append(path: &Path, bytes: usize) {
    let mut file = File::options().append(true).open(path).expect("ours");
    file.write_all(&vec![0xa5; bytes]).expect("room");
}

/// Stops the scan once it has read something.
struct StopAfterFirst<'a>(&'a Stop);

impl Progress for StopAfterFirst<'_> {
    fn begin(&self, _: u64) {}
    fn advance(&self, _: u64) {
        self.0.ask();
    }
    fn suspects(&self, _: u64) {}
    fn end(&self) {}
}

#[test]
fn a_scan_that_is_stopped_reports_what_it_has_and_what_it_has_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let engine = Engine::named("auto").expect("there is always one");
    let stop = Stop::default();
    let open: Open<'_> = &|path| Reader::Pread.open(path);
    let settings = Settings { batch_pages: 64, ..Settings::new(&engine, open, &stop) };
    let report = scrub(&discover(&[path]), &settings, &StopAfterFirst(&stop)).report;
    assert_eq!((report.verdict, report.exit_code), (RunVerdict::Incomplete, 3));
    assert!(report.coverage.intact > 0 && report.coverage.not_reached > 0);
    assert_eq!(report.files[0].outcome, Outcome::Failed);
    assert!(report.files[0].why.as_ref().expect("a reason").contains("stopped"));
}

fn suspects(report: &ScrubReport) -> Vec<(u32, &str)> {
    let mut pages: Vec<_> = report.suspects.iter().map(|s| (s.page_id, &*s.reason)).collect();
    pages.sort_unstable();
    pages
}

/// A page in use that carries a checksum.
fn allocated_page(path: &Path) -> u32 {
    allocated_pages(path)[0]
}

fn allocated_pages(path: &Path) -> Vec<u32> {
    let bytes = std::fs::read(path).expect("readable");
    let in_use = |page: usize| {
        let header = &bytes[page * 8192..page * 8192 + 96];
        bytes[8192 + 100 + page] & 0x40 != 0 && header[1] == 1 && header[5] & 2 != 0
    };
    (64..512).filter(|&page| in_use(page)).map(|page| page as u32).collect()
}

#[test]
fn unreadable_pages_are_suspects_and_all_others_are_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let page = allocated_page(&path);
    let healthy = scan_with(&path, &[]);
    assert_eq!((healthy.verdict, healthy.exit_code), (RunVerdict::Clean, 0));
    let faults = [(page, ReadFault::Unreadable), (page + 9, ReadFault::Unreadable)];
    let report = scan_with(&path, &faults);
    assert_eq!(suspects(&report), [(page, "unreadable"), (page + 9, "unreadable")]);
    assert_eq!(report.exit_code, 1);
    assert_eq!(report.coverage.not_reached, 0);
    assert_eq!(report.coverage.pages_planned, healthy.coverage.pages_planned);
    assert!(report.suspects[0].message.to_string().contains("error 5 (Input/output error)"));
    assert_eq!(report.suspects[0].event_type, 1);
}

#[test]
fn a_page_that_heals_when_read_again_is_transient_and_not_a_suspect() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let page = allocated_page(&path);
    // The same wrong bytes in two reads, one of them past the cache, are a suspect, however often
    // they would heal later.
    for (fault, expected) in [
        (ReadFault::HealsAfter(1), 1),
        (ReadFault::SettlesAfter(3), 1),
        (ReadFault::HealsAfter(2), 0),
        (ReadFault::SettlesAfter(5), 0),
    ] {
        let report = scan_with(&path, &[(page, fault)]);
        assert_eq!(report.coverage.transient, expected, "{fault:?}");
        assert_eq!(report.coverage.suspect, 1 - expected, "{fault:?}");
    }
}

/// Msg 825, the first sign of a failing disk, must leave a trace.
#[test]
fn a_page_that_was_only_had_at_the_second_try_is_transient() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let page = allocated_page(&path);
    let report = scan_with(&path, &[(page, ReadFault::UnreadableOnce)]);
    assert_eq!((report.coverage.transient, report.coverage.suspect), (1, 0));
    let healed = &report.transients[0];
    assert_eq!((&*healed.reason, healed.event_type), ("unreadable", 1));
    assert_eq!((healed.failures, healed.tries), (1, 4));
    let message = healed.message.to_string();
    assert!(message.contains("failing 1 time(s) with error: 1117(The request could"), "{message}");
}

/// Each of them with its place, both values and the number of tries, in the order of their places.
#[test]
fn pages_that_were_bad_and_then_good_are_listed_and_named_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let pages = &allocated_pages(&path)[..3];
    let heals = |page, after| (page, ReadFault::SettlesAfter(after));
    let report = scan_with(&path, &[heals(pages[2], 1), heals(pages[1], 2), heals(pages[0], 1)]);
    assert_eq!((report.coverage.transient, report.transients_not_listed), (3, 0));
    let listed: Vec<u32> = report.transients.iter().map(|healed| healed.page_id).collect();
    assert_eq!(listed, pages);
    for healed in &report.transients {
        let bytes = std::fs::read(&path).expect("readable");
        let stored = &bytes[healed.page_id as usize * 8192 + 60..][..4];
        let stored = u32::from_le_bytes(stored.try_into().expect("four bytes"));
        let failures = if healed.page_id == pages[1] { 2 } else { 1 };
        assert_eq!(healed.stored.map(|sum| sum.0), Some(stored));
        assert!(healed.computed.is_some() && healed.computed != healed.stored);
        assert_eq!((&*healed.reason, healed.event_type), ("bad_checksum", 2));
        assert_eq!((healed.failures, healed.tries), (failures, failures + 2));
        assert_eq!(healed.offset_bytes, u64::from(healed.page_id) * 8192);
        assert_eq!(*healed.path, *path.to_string_lossy());
        assert!(healed.message.to_string().starts_with("A read of the file '"));
    }
    let mut text = Vec::new();
    let look = pagescrub::report::terminal::Look { width: None, rows_max: 20, verbose: false };
    pagescrub::report::terminal::write(&report, look, &mut text).expect("memory");
    let text = String::from_utf8(text).expect("text");
    let head = text.lines().take(3).collect::<String>();
    let first = format!("3 pages were bad and then good (Msg 825) [(1:{}), ", pages[0]);
    assert!(head.contains(&first), "{text}");
}

#[test]
fn a_file_that_another_takes_the_place_of_is_not_scanned() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let discovery = discover(std::slice::from_ref(&path));
    let copy = folder.path().join("copy.mdf");
    std::fs::copy(&path, &copy).and_then(|_| std::fs::rename(&copy, &path)).expect("ours");
    let report = scan_of(&discovery, &|path| Reader::Pread.open(path));
    assert_eq!(report.exit_code, 3);
    assert!(report.files[0].why.as_ref().expect("a reason").contains("put in its place"));
}

#[test]
fn a_page_that_never_settles_is_a_suspect_that_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let page = allocated_page(&path);
    let report = scan_with(&path, &[(page, ReadFault::NeverSettles)]);
    assert_eq!(suspects(&report), [(page, "bad_checksum")]);
    assert!(report.suspects[0].unsettled);
    assert!(report.suspects[0].action.contains("snapshot"));
}

#[test]
fn a_file_that_shrinks_during_the_scan_is_incomplete_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let faults: Vec<_> = (400..512).map(|page| (page, ReadFault::Ends)).collect();
    let report = scan_with(&path, &faults);
    assert_eq!((report.verdict, report.exit_code), (RunVerdict::Incomplete, 3));
    assert_eq!(report.coverage.not_reached, 112);
    assert_eq!(report.files[0].outcome, Outcome::Failed);
    assert!(report.files[0].why.as_ref().expect("a reason").contains("became shorter"));
}

#[test]
fn what_a_file_grows_by_is_not_verified_and_told() {
    for (bytes, pages) in [(1, 1), (100, 1), (8192, 1), (3 * 8192 + 100, 4)] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = generated(&folder);
        let report = scan_and_then(&path, &|| append(&path, bytes));
        assert_eq!((report.verdict, report.exit_code), (RunVerdict::Incomplete, 3), "{bytes}");
        let coverage = &report.coverage;
        assert_eq!((coverage.pages_planned, coverage.not_reached), (512 + pages, pages));
        let file = &report.files[0];
        let why = file.why.as_deref().expect("a reason");
        assert!(why.contains(&format!("grew by {bytes} bytes")), "{why}");
        let ranges = file.not_reached_ranges.as_deref().expect("known");
        assert_eq!((ranges[0].first, u64::from(ranges[0].pages)), (PageId(512), pages));
    }
}

/// A copy that is still being made: its pages were promised, and the report keeps to that.
#[test]
fn a_file_that_grows_into_what_it_promises_has_no_more_pages_than_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let cut = File::options().write(true).open(&path).expect("ours");
    cut.set_len(3 << 20).expect("ours");
    let report = scan_and_then(&path, &|| append(&path, 1 << 19));
    assert_eq!(report.exit_code, 3);
    assert_eq!((report.coverage.pages_planned, report.coverage.not_reached), (512, 128));
    assert!(report.files[0].why.as_deref().expect("a reason").contains("grew by 524288 bytes"));
}

/// A backup that is being written, or to which the next one is appended.
#[test]
fn a_backup_that_grows_is_incomplete() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drill.bak");
    let out = path.to_str().expect("text");
    let args = ["--backup=full", "--with-checksum", "--size=4MiB", "--seed=5"];
    let run = pagescrub(&[&["generate", out][..], &args].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let before = scan_and_then(&path, &|| {});
    assert_eq!(before.exit_code, 0, "{:?}", before.files);
    let report = scan_and_then(&path, &|| append(&path, 100_000));
    assert_eq!((report.verdict, report.exit_code), (RunVerdict::Incomplete, 3));
    let whole = report.files.iter().find(|file| file.backup.is_some()).expect("a backup");
    assert_eq!(whole.outcome, Outcome::Failed);
    assert!(whole.why.as_deref().expect("a reason").contains("grew by 100000 bytes"));
    assert_eq!(report.coverage, before.coverage, "no page of a database is promised by that");
}

/// Memory that was mapped, and of which the second half of each PFS page was lost while it was
/// looked at.
struct Evicted(Box<dyn PageSource>);

impl PageSource for Evicted {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        self.0.fill(first, pages)
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        self.0.fill_uncached(page)
    }

    fn visit_mapped(&self, ranges: &PageRanges, visit: &mut dyn FnMut(PageId, &[Page])) -> bool {
        let mut pages = vec![Page::ZERO; ranges.pages() as usize];
        self.0.fill_all(ranges, &mut pages).expect("readable");
        for page in pages.iter_mut().filter(|page| page.bytes()[1] == 11) {
            page.bytes_mut()[4096..].fill(0);
        }
        visit(ranges.first(), &pages);
        false
    }
}

/// A PFS page without protection of which half is zeros calls pages free that are in use.
#[test]
fn nothing_is_learned_from_mapped_memory_that_turns_out_not_to_be_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("drill.mdf");
    let text = path.to_str().expect("text");
    let args = ["generate", text, "--size=50MiB", "--seed=5", "--page-verify=none"];
    assert_eq!(pagescrub(&args).code, 0);
    let bytes = std::fs::read(&path).expect("readable");
    let in_use = |page: &usize| bytes[8192 + 100 + page] & 0x40 != 0;
    let page = (4096..6000).find(in_use).expect("a page in use");
    let file = File::options().write(true).open(&path).expect("ours");
    write_at(&file, page as u64 * 8192, &[0; 8192]);
    let open = |path: &Path| Ok(Box::new(Evicted(Reader::Pread.open(path)?)) as Box<_>);
    let engine = Engine::named("auto").expect("there is always one");
    let stop = Stop::default();
    let settings = Settings::new(&engine, &open, &stop);
    let report = scrub(&discover(&[path]), &settings, &Silent).report;
    assert_eq!(suspects(&report), [(page as u32, "zeroed")]);
}

fn write_at(mut file: &File, offset: u64, bytes: &[u8]) {
    file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes)).expect("ours");
}

#[cfg(unix)]
#[test]
fn a_file_that_is_written_to_during_the_scan_says_so_also_if_its_time_is_put_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let then = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("ours");
    let write = |put_back: bool| {
        let mut file = File::options().write(true).open(&path).expect("ours");
        file.write_all(&[1]).expect("ours");
        if put_back {
            file.set_modified(then).expect("ours");
        }
    };
    for (put_back, words) in [(false, "was written to during"), (true, "time of that put back")] {
        let report = scan_and_then(&path, &|| write(put_back));
        let notes = report.files[0].notes.join("\n");
        assert!(notes.contains(words), "{notes}");
        write(true);
    }
    assert!(scan_and_then(&path, &|| {}).files[0].notes.is_empty());
}

#[test]
fn a_file_that_shrinks_after_it_was_read_is_incomplete() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let cut = || File::options().write(true).open(&path).and_then(|file| file.set_len(1 << 20));
    let report = scan_and_then(&path, &|| cut().expect("ours"));
    assert_eq!((report.verdict, report.exit_code), (RunVerdict::Incomplete, 3));
    let why = report.files[0].why.as_deref().expect("a reason");
    assert!(why.contains("became shorter than the 4194304 bytes"), "{why}");
}

#[test]
fn a_file_that_is_gone_when_its_turn_comes_is_incomplete() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder);
    let discovery = discover(std::slice::from_ref(&path));
    std::fs::remove_file(&path).expect("ours");
    let report = scan_of(&discovery, &|path| Reader::Auto.open(path));
    assert_eq!(report.exit_code, 3);
    assert_eq!(report.coverage.not_reached, report.coverage.pages_planned);
    assert!(report.files[0].why.as_ref().expect("a reason").contains("could not be opened"));
}

/// A real read error: btrfs refuses a data block that was overwritten underneath it.
#[cfg(target_os = "linux")]
mod btrfs {
    use super::*;
    use crate::harness::{scan_json, suspect_pages};
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::process::Command;

    /// A btrfs image on a loop device, unmounted when it goes out of scope.
    struct Mounted {
        image: PathBuf,
        at: PathBuf,
    }

    fn run(program: &str, args: &[&std::ffi::OsStr]) {
        let output = Command::new(program).args(args).output().expect("the program is installed");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {args:?}: {errors}");
    }

    impl Mounted {
        fn new(folder: &Path) -> Self {
            let (image, at) = (folder.join("btrfs.img"), folder.join("mount"));
            File::create(&image).and_then(|file| file.set_len(256 << 20)).expect("room");
            fs::create_dir(&at).expect("a mount point");
            run("mkfs.btrfs", &["-q".as_ref(), "-m".as_ref(), "single".as_ref(), image.as_ref()]);
            let mounted = Self { image, at };
            mounted.mount();
            mounted
        }

        fn mount(&self) {
            let options = "loop,compress=no";
            run("mount", &["-o".as_ref(), options.as_ref(), self.image.as_ref(), self.at.as_ref()]);
        }

        fn unmount(&self) {
            run("umount", &[self.at.as_ref()]);
        }
    }

    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.at).output();
        }
    }

    #[test]
    #[cfg_attr(not(root_tests), ignore = "PAGESCRUB_ROOT_TESTS is not 1")]
    fn one_damaged_block_is_one_unreadable_page_and_all_others_are_verified() {
        let folder = tempfile::tempdir().expect("a folder");
        let original = generated(&folder);
        let page = allocated_page(&original);
        let mounted = Mounted::new(folder.path());
        let path = mounted.at.join("drill.mdf");
        fs::copy(&original, &path).expect("room");
        mounted.unmount();
        overwrite_in_image(&mounted.image, &original, page);
        mounted.mount();
        for reader in ["auto", "pread", "mmap"] {
            let (code, report) = scan_json(&path, &["--reader", reader]);
            assert_eq!(code, 1, "{reader}: {report}");
            assert_eq!(suspect_pages(&report), [u64::from(page)], "{reader}");
            assert_eq!(report["suspects"][0]["reason"], "unreadable");
            assert_eq!(report["coverage"]["not_reached"], 0);
            let message = report["suspects"][0]["message"].as_str().expect("text");
            assert!(message.contains("error 5 (Input/output error)"), "{message}");
            // Nothing holds the volume once the scan has ended.
            mounted.unmount();
            mounted.mount();
        }
    }

    /// A file system that takes O_DIRECT for compressed files, and then uses the cache.
    #[test]
    #[cfg_attr(not(root_tests), ignore = "PAGESCRUB_ROOT_TESTS is not 1")]
    fn reads_that_only_seem_to_go_past_the_cache_are_found_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let original = generated(&folder);
        let mounted = Mounted::new(folder.path());
        mounted.unmount();
        run(
            "mount",
            &[
                "-o".as_ref(),
                "loop,compress-force=zstd".as_ref(),
                mounted.image.as_ref(),
                mounted.at.as_ref(),
            ],
        );
        let path = mounted.at.join("drill.mdf");
        fs::copy(&original, &path).expect("room");
        File::open(&path).and_then(|file| file.sync_all()).expect("written");
        for reader in ["direct", "auto"] {
            let (code, report) = scan_json(&path, &["--reader", reader]);
            assert_eq!(code, 0, "{report}");
            if reader == "direct" {
                assert_eq!(report["run"]["readers"], serde_json::json!(["pread"]), "{report}");
                assert!(report["run"]["notes"].to_string().contains("refuses reads past it"));
            }
        }
    }

    /// Finds the page's bytes inside the image and destroys their second half.
    fn overwrite_in_image(image: &Path, original: &Path, page: u32) {
        let file = fs::read(original).expect("readable");
        let wanted = &file[page as usize * 8192..][..8192];
        let bytes = fs::read(image).expect("readable");
        let at = bytes.chunks_exact(4096).position(|block| *block == wanted[..4096]);
        let offset = at.expect("the page is stored in the image") as u64 * 4096 + 4096;
        let image = File::options().write(true).open(image).expect("ours");
        image.write_all_at(&[0xe5; 4096], offset).expect("writable");
    }
}
