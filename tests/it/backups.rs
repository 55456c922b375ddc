//! Backups, from the file to the verdict. What BACKUP wrote is in the folder named by
//! `PAGESCRUB_REAL_DATA`, counted by an independent checker.

#![cfg(unix)]

use crate::harness::{scan_json, timeless};
use pagescrub::backup::compressed;
use pagescrub::backup::source::SizedFile;
use pagescrub::backup::{ByteClass, Media};
use pagescrub::consolidate::report::{RunVerdict, ScrubReport};
use pagescrub::discover::discover;
use pagescrub::page::checksum::Checksum;
use pagescrub::page::header::{PageHeader, Protection};
use pagescrub::page::{PAGE_BYTES, Page};
use pagescrub::read::open::Reader;
use pagescrub::scrub::{Settings, Silent, Stop, scrub};
use pagescrub::verify::engine::{Engine, supported};
use rand_core::Rng;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const REAL: [&str; 4] = [
    "InventoryDB_904.bak",
    "db1_661_diff_filler_file3.bak",
    "sqltools_Diff_859.bak",
    "sqltools_Full_859.bak",
];
const PACKED: &str = "TutorialDB_compressed.bak";
/// Packed by SQL Server 2008, in the folder beside that of the others.
const PACKED_BY_2008: &str = "../backups/container_v1_655.bak";

fn folder() -> PathBuf {
    std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it").into()
}

fn expected(name: &str) -> Value {
    let text = fs::read_to_string(folder().join("EXPECTED.json")).expect("EXPECTED.json is there");
    serde_json::from_str::<Value>(&text).expect("it is JSON")[name].take()
}

fn scan(path: &Path) -> ScrubReport {
    scan_deep(path, false)
}

fn scan_deep(path: &Path, deep: bool) -> ScrubReport {
    let (open, stop) = (|path: &Path| Reader::Pread.open(path), Stop::default());
    let engine = Engine::named("auto").expect("there is always one");
    let settings = Settings { deep, ..Settings::new(&engine, &open, &stop) };
    scrub(&discover(&[path.to_owned()]), &settings, &Silent).report
}

/// Coverage by file id, in the checker's words.
fn counts(report: &Value) -> BTreeMap<String, BTreeMap<String, u64>> {
    let files = report["files"].as_array().expect("a list");
    let of_file = |file: &Value| {
        let coverage = &file["coverage"];
        let mut counts = BTreeMap::new();
        let mut add = |name: String, count: &Value| {
            let count = count.as_u64().expect("a number");
            if count > 0 {
                counts.insert(name, count);
            }
        };
        add("alloc checksum_ok".to_owned(), &coverage["intact_checksum"]);
        add("alloc torn_ok".to_owned(), &coverage["intact_torn"]);
        add("alloc unprotected".to_owned(), &coverage["unprotected"]);
        for (name, count) in coverage["free_detail"].as_object().expect("an object") {
            add(format!("free {name}"), count);
        }
        counts
    };
    let parts = files.iter().filter(|file| file["backup_set"].is_u64());
    parts.map(|file| (file["file_id"].to_string(), of_file(file))).collect()
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_count_of_every_backup_is_reproduced_by_every_engine_and_reader() {
    for name in REAL {
        let expected: BTreeMap<String, BTreeMap<String, u64>> =
            serde_json::from_value(expected(name)["files"].take()).expect("counts by file id");
        let mut first: Option<Value> = None;
        for engine in supported().map(|kernel| kernel.name).chain(["cycle", "auto"]) {
            for reader in ["auto", "mmap", "pread", "direct"] {
                let how = ["--engine", engine, "--reader", reader];
                let (code, report) = scan_json(&folder().join(name), &how);
                assert_eq!(code, 0, "{name} {how:?}");
                assert_eq!(counts(&report), expected, "{name} {how:?}");
                assert_eq!(
                    (&report["verdict"], &report["suspects"][0]),
                    (&"clean".into(), &Value::Null)
                );
                let report = timeless(report);
                assert_eq!(*first.get_or_insert_with(|| report.clone()), report, "{how:?}");
            }
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn what_a_backup_says_of_itself_and_its_stream_checksums_are_reported() {
    let (_, report) = scan_json(&folder().join(REAL[1]), &[]);
    let backup = &report["files"][0]["backup"];
    let set = &backup["sets"][0];
    let said = [&set["kind"], &set["database"], &set["server"], &set["finished"]];
    assert_eq!(said, ["differential", "db1", "SQL2008", "2017-05-18T04:18:19"]);
    assert_eq!(set["database_backup_lsn"], "(323:102:38)");
    assert_eq!(set["files"].as_array().expect("a list").len(), 3);
    // One of data, one of log; and eleven extents of padding.
    assert_eq!((&backup["streams_verified"], &backup["padding_pages"]), (&2.into(), &88.into()));
    // A backup without checksums is told as such, and is no damage.
    let (code, report) = scan_json(&folder().join(REAL[0]), &[]);
    let backup = &report["files"][0]["backup"];
    assert_eq!((code, &backup["streams_without_checksum"]), (0, &3.into()));
    assert_eq!(backup["superseded_pages"], 16);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_compressed_backup_is_verified_by_its_records_and_unpacked_by_its_pages() {
    let (code, report) = scan_json(&folder().join(PACKED), &[]);
    let backup = &report["files"][0]["backup"];
    assert_eq!((code, &backup["records_verified"]), (0, &49.into()));
    assert_eq!(backup["sets"][0]["database"], "TutorialDB");
    assert_eq!(report["coverage"]["pages_planned"], 0);
    let (code, report) = scan_json(&folder().join(PACKED), &["--deep"]);
    assert_eq!((code, &report["coverage"]["intact"]), (0, &272.into()));
    assert_eq!(report["files"][0]["backup"]["records_verified"], 49);
}

/// A copy of a real backup that can be changed and scanned again and again.
struct Copy {
    _folder: tempfile::TempDir,
    path: PathBuf,
    file: fs::File,
    bytes: Vec<u8>,
}

impl Copy {
    fn of(name: &str) -> Self {
        let folder_of_copy = tempfile::tempdir().expect("a folder");
        let name_of_copy = Path::new(name).file_name().expect("a name");
        let path = folder_of_copy.path().join(name_of_copy);
        let bytes = fs::read(folder().join(name)).expect("the backup is there");
        fs::write(&path, &bytes).expect("room");
        let file = fs::File::options().write(true).open(&path).expect("ours");
        Self { _folder: folder_of_copy, path, file, bytes }
    }

    /// The report of the copy with one bit of byte `at` flipped.
    fn flipped(&self, at: usize, bit: u32, deep: bool) -> ScrubReport {
        self.put(at, self.bytes[at] ^ 1 << bit);
        let report = scan_deep(&self.path, deep);
        self.put(at, self.bytes[at]);
        report
    }

    fn put(&self, at: usize, byte: u8) {
        self.file.write_all_at(&[byte], at as u64).expect("ours");
    }
}

/// Every byte of a backup is of one class, and a flipped bit in it is found where the class says
/// so: this many bytes of each class of each backup are tried.
const FLIPS_PER_CLASS: usize = 40;

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn one_flipped_bit_is_found_wherever_its_class_of_bytes_is_protected() {
    let mut random = drawn(7);
    for name in REAL {
        let copy = Copy::of(name);
        let media = Media::read(&copy.bytes).expect("readable").expect("a backup");
        let mut by_class: BTreeMap<ByteClass, Vec<usize>> = BTreeMap::new();
        for (range, class) in &media.classes {
            by_class.entry(*class).or_default().extend(range.start as usize..range.end as usize);
        }
        assert_eq!(by_class.values().map(Vec::len).sum::<usize>(), copy.bytes.len());
        let listed = &scan(&copy.path).files[0].backup.clone().expect("a backup").not_protected;
        let has_checksum = media.sets[0].has_checksum == Some(true);
        for (class, at) in by_class {
            for _ in 0..FLIPS_PER_CLASS {
                let at = at[random() as usize % at.len()];
                let bit = random() % 8;
                let report = copy.flipped(at, bit, false);
                let is_found = report.verdict == RunVerdict::Damaged;
                let is_protected = class.is_protected()
                    && (class != ByteClass::Pages || has_checksum || is_sealed(&media, &copy, at));
                let is_listed = listed.contains_key(class.name());
                assert_ne!(is_listed, class.is_protected(), "{name}: {class:?}");
                if is_protected {
                    assert!(is_found, "{name}: bit {bit} of byte {at:#x}, {class:?}");
                }
            }
        }
    }
}

/// True if the page over byte `at` carries a checksum and is in use. Those that are not in use are
/// known by what the healthy backup says of them.
fn is_sealed(media: &Media, copy: &Copy, at: usize) -> bool {
    let start = page_start(media, at);
    let bytes: &[u8; PAGE_BYTES] = copy.bytes[start..][..PAGE_BYTES].try_into().expect("one page");
    let page = Page::new(bytes);
    let header = PageHeader::of(&page);
    let is_in_use = !free_pages(copy).contains(&(header.file_id, header.page_id));
    header.protection() == Protection::Checksum
        && Checksum::of(&page) == Checksum::stored_in(&page)
        && is_in_use
}

fn page_start(media: &Media, at: usize) -> usize {
    let pieces = || media.sets.iter().flat_map(|set| &set.data);
    let piece = pieces().rfind(|piece| piece.offset_bytes as usize <= at).expect("a piece");
    let start = piece.offset_bytes as usize;
    start + (at - start) / PAGE_BYTES * PAGE_BYTES
}

/// Addresses of pages that the PFS page of file 1 calls free.
fn free_pages(copy: &Copy) -> BTreeSet<(u16, u32)> {
    let media = Media::read(&copy.bytes).expect("readable").expect("a backup");
    let pfs = media.sets[0].data[0].offset_bytes as usize + PAGE_BYTES + 100;
    let is_free = |page: &u32| copy.bytes[pfs + *page as usize] & 0x40 == 0;
    (0..8088).filter(is_free).map(|page| (1, page)).collect()
}

fn drawn(seed: u64) -> impl FnMut() -> u32 {
    use rand_core::SeedableRng;
    let mut random = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
    move || random.next_u32()
}

/// Pages without a checksum in a backup without one are all that a flip can hide in, page by page.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_flip_in_each_page_is_found_in_exactly_those_that_carry_a_checksum_and_are_in_use() {
    for name in REAL {
        let copy = Copy::of(name);
        let healthy = scan(&copy.path);
        let media = Media::read(&copy.bytes).expect("readable").expect("a backup");
        let mut found = 0;
        let pieces = media.sets[0].data.iter();
        let starts = pieces.flat_map(|piece| {
            (piece.offset_bytes..piece.offset_bytes + piece.bytes).step_by(PAGE_BYTES)
        });
        for start in starts {
            let report = copy.flipped(start as usize + 5000, 3, false);
            found += u64::from(report.verdict == RunVerdict::Damaged);
        }
        let pages = media.sets[0].data.iter().map(|piece| piece.bytes).sum::<u64>() / 8192;
        let backup = healthy.files[0].backup.as_ref().expect("a backup");
        let expected = if backup.streams_without_checksum == 0 {
            pages
        } else {
            // Of the superseded extents, those two that stand there without a flag are not.
            healthy.coverage.intact + backup.superseded_pages - unsealed_superseded(&copy, &healthy)
        };
        assert_eq!(found, expected, "{name}");
    }
}

/// Pages of which a later copy follows that no checksum protects: zeros, and 7 and 12.
fn unsealed_superseded(copy: &Copy, healthy: &ScrubReport) -> u64 {
    let superseded = healthy.files[0].backup.as_ref().map_or(0, |b| b.superseded_pages);
    let media = Media::read(&copy.bytes).expect("readable").expect("a backup");
    let start = media.sets[0].data[0].offset_bytes as usize;
    let is_unsealed = |page: &u64| {
        let at = start + *page as usize * PAGE_BYTES;
        let bytes: &[u8; PAGE_BYTES] = copy.bytes[at..][..PAGE_BYTES].try_into().expect("one page");
        PageHeader::of(&Page::new(bytes)).protection() == Protection::None
    };
    (0..superseded).filter(is_unsealed).count() as u64
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn one_flipped_bit_of_a_compressed_backup_is_found_wherever_its_class_is_protected() {
    flip_bits_of_each_class(PACKED);
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn one_flipped_bit_of_a_container_of_version_1_is_found_wherever_its_class_is_protected() {
    flip_bits_of_each_class(PACKED_BY_2008);
}

fn flip_bits_of_each_class(name: &str) {
    let mut random = drawn(8);
    let copy = Copy::of(name);
    let classes = compressed::classes(&copy.bytes);
    let mut end = 0;
    for (range, class) in classes {
        assert_eq!(range.start, end, "classes have no gaps");
        end = range.end;
        for _ in 0..4 {
            let at = range.start as usize + random() as usize % (range.end - range.start) as usize;
            let bit = random() % 8;
            let report = copy.flipped(at, bit, random().is_multiple_of(4));
            let is_found = report.verdict == RunVerdict::Damaged;
            if class.is_protected() {
                assert!(is_found, "bit {bit} of byte {at:#x}, {class:?}");
            }
        }
    }
    assert_eq!(end, copy.bytes.len() as u64);
}

/// Whatever is missing is told: no cut backup is clean, none takes long or much memory.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_backup_that_was_cut_is_never_called_clean() {
    REAL.into_iter().chain([PACKED]).for_each(cut);
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn a_container_of_version_1_that_was_cut_is_never_called_clean() {
    cut(PACKED_BY_2008);
}

fn cut(name: &str) {
    let copy = Copy::of(name);
    let sectors = copy.bytes.len() / 512;
    let step = (sectors / 60).max(1);
    for sector in (0..sectors).step_by(step).chain(sectors.saturating_sub(20)..sectors) {
        let length = sector as u64 * 512;
        copy.file.set_len(length).expect("ours");
        let report = scan(&copy.path);
        assert_ne!(report.verdict, RunVerdict::Clean, "{name} cut to {length} bytes");
        fs::write(&copy.path, &copy.bytes).expect("room");
    }
}

/// Whole stretches, which may take headers and marks with them, also when it is unpacked.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn a_damaged_container_of_version_1_is_never_called_clean() {
    let mut random = drawn(9);
    let copy = Copy::of(PACKED_BY_2008);
    let classes = compressed::classes(&copy.bytes);
    for _ in 0..150 {
        let at = random() as usize % copy.bytes.len();
        let end = copy.bytes.len().min(at + 1 + (1 << (random() % 16)));
        let mut bytes = copy.bytes.clone();
        match random() % 3 {
            0 => bytes[at..end].fill(0),
            1 => bytes[at..end].iter_mut().for_each(|byte| *byte = random() as u8),
            _ => drop(bytes.drain(at..end)),
        }
        let is_changed = |(range, class): &(std::ops::Range<u64>, compressed::ByteClass)| {
            let range = range.start as usize..range.end as usize;
            class.is_protected() && bytes.get(range.clone()) != Some(&copy.bytes[range])
        };
        fs::write(&copy.path, &bytes).expect("room");
        for deep in [false, true] {
            let verdict = scan_deep(&copy.path, deep).verdict;
            let is_clean = verdict == RunVerdict::Clean;
            assert!(!is_clean || !classes.iter().any(is_changed), "{at:#x}..{end:#x} {deep}");
        }
    }
}

/// Lengths that lie are told, too: each length of each stream, with its check made right again.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_backup_whose_lengths_lie_is_never_called_clean() {
    for name in REAL {
        let copy = Copy::of(name);
        let media = Media::read(&copy.bytes).expect("readable").expect("a backup");
        let headers = media.classes.iter().filter(|(_, class)| *class == ByteClass::StreamHeader);
        for (range, _) in headers.filter(|(range, _)| range.end - range.start == 22) {
            let at = range.start as usize;
            for lie in [0, 1, 1 << 31, 1 << 63, u64::MAX] {
                let mut header: [u8; 22] = copy.bytes[at..][..22].try_into().expect("22 bytes");
                header[8..16].copy_from_slice(&u64::to_le_bytes(lie));
                let words = header[..20].as_chunks::<2>().0;
                let check = words.iter().fold(0, |sum, word| sum ^ u16::from_le_bytes(*word));
                header[20..].copy_from_slice(&check.to_le_bytes());
                let is_lie = header[..] != copy.bytes[at..at + 22];
                copy.file.write_all_at(&header, at as u64).expect("ours");
                let report = scan(&copy.path);
                copy.file.write_all_at(&copy.bytes[at..at + 22], at as u64).expect("ours");
                let is_told = report.verdict != RunVerdict::Clean;
                assert!(is_told || !is_lie, "{name}: length {lie:#x} at {at:#x}");
            }
        }
    }
}

/// Reads of a backup, as of other files.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_file_of_a_backup_can_be_sized_and_read() {
    let path = folder().join(REAL[0]);
    let bytes = fs::metadata(&path).expect("it is there").len();
    let source = SizedFile::new(fs::File::open(&path).expect("readable"), bytes);
    let media = Media::read(&source).expect("readable").expect("a backup");
    assert_eq!(media.sets.len(), 1);
}

/// That a file cannot be opened any more is no damage of it, and nothing that was verified.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_compressed_backup_that_cannot_be_opened_again_has_pages_that_were_not_reached() {
    let copy = Copy::of(PACKED);
    let mut found = discover(std::slice::from_ref(&copy.path));
    let mut read = |offset: u64, bytes: &mut [u8]| {
        bytes.copy_from_slice(&copy.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    };
    let verified = compressed::verify(&mut read, copy.bytes.len() as u64, &mut |_| true);
    let away = copy.path.with_extension("away");
    fs::rename(&copy.path, &away).expect("ours");
    let gone = found.clone();
    found.unpack(&copy.path, &verified, &|_| None);
    fs::rename(&away, &copy.path).expect("ours");
    for (found, deep) in [(found, false), (gone, true)] {
        if deep {
            fs::rename(&copy.path, &away).expect("ours");
        }
        let (open, stop) = (|path: &Path| Reader::Pread.open(path), Stop::default());
        let engine = Engine::named("auto").expect("there is always one");
        let settings = Settings { deep, ..Settings::new(&engine, &open, &stop) };
        let report = scrub(&found, &settings, &Silent).report;
        let file = &report.files[0];
        assert_eq!((report.verdict, report.exit_code), (RunVerdict::Incomplete, 3), "{file:?}");
        let why = file.why.as_deref().unwrap_or_default();
        assert!(why.contains("none of its pages was reached"), "{why}");
        assert!(why.contains("no such file or directory"), "{why}");
        assert_eq!(file.backup.as_ref().map(|b| b.faults.len()), Some(0), "{file:?}");
    }
    fs::rename(&away, &copy.path).expect("ours");
}
