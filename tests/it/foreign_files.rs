//! Files that are no database files: which a scan refuses, which it names, and over which it
//! passes, by their names and contents (docs/page-format.md, section 5.4.1).

#![allow(clippy::print_stdout, reason = "the seed of what fails")]

use crate::harness::{self, pagescrub, scan_json};
use pagescrub::discover::{Discovery, discover};
use pagescrub::page::Page;
use pagescrub::page::checksum::Checksum;
use pagescrub::page::header::PageHeader;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Contents, and words about a file that is named and holds them.
const CONTENTS: [(&str, &str); 7] = [
    ("empty", "empty"),
    ("zeros", "nothing but zeros"),
    ("noise", "noise"),
    ("text", "text"),
    ("another file's content", "a PNG image"),
    ("container", "a virtual disk (VHDX)"),
    ("archive", "a ZIP archive"),
];

/// What becomes of a file in a directory, for each of [`CONTENTS`]: `R` refused, which makes the
/// run incomplete; `S` skipped and counted; `N` named as not looked into.
const IN_DIRECTORY: [(&str, [char; 7]); 33] = [
    ("sales.mdf", ['R', 'R', 'R', 'R', 'R', 'N', 'N']),
    ("sales.ndf", ['R', 'R', 'R', 'R', 'R', 'N', 'N']),
    ("sales.ldf", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.bak", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.trn", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.dif", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.diff", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.bck", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.full", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("SALES.MDF", ['R', 'R', 'R', 'R', 'R', 'N', 'N']),
    ("sales.mdf.locked", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("HR.bak.akira", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("crm.ndf.id-1F.crypt", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.mdf[a@b.c].lockbit", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.mdf~", ['R', 'R', 'R', 'R', 'R', 'N', 'N']),
    ("sales.mdf.1", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales_log.ldf.bak", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    (".bak", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.bak.gz", ['R', 'R', 'R', 'S', 'R', 'N', 'N']),
    ("sales.bak.gpg", ['R', 'R', 'N', 'S', 'R', 'N', 'N']),
    ("sales.bak.enc", ['R', 'R', 'N', 'S', 'R', 'N', 'N']),
    ("sales.bak.7z.002", ['R', 'R', 'N', 'S', 'R', 'N', 'N']),
    ("sales.bak.sha256", ['S', 'S', 'S', 'S', 'S', 'N', 'N']),
    ("sales.ss", ['S', 'S', 'S', 'S', 'S', 'N', 'N']),
    ("backup.log", ['S', 'S', 'S', 'S', 'S', 'N', 'N']),
    ("sales.bak.log", ['S', 'S', 'S', 'S', 'S', 'N', 'N']),
    ("sales.full.txt", ['S', 'S', 'S', 'S', 'S', 'N', 'N']),
    ("notes.txt", ['S', 'S', 'S', 'S', 'S', 'N', 'N']),
    ("bak", ['S', 'S', 'S', 'S', 'S', 'N', 'N']),
    ("photos.zip", ['S', 'S', 'N', 'S', 'S', 'N', 'N']),
    ("secret.age", ['S', 'S', 'N', 'S', 'S', 'N', 'N']),
    ("server.vhdx", ['S', 'S', 'N', 'S', 'S', 'N', 'N']),
    ("file-0000.map", ['S', 'S', 'S', 'S', 'S', 'N', 'N']),
];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn noise(bytes: usize) -> Vec<u8> {
    let seed = bytes as u64;
    println!("noise with seed {seed}");
    let mut noise = vec![0; bytes];
    Xoshiro256PlusPlus::seed_from_u64(seed).fill_bytes(&mut noise);
    noise
}

/// What a file holds, by the name of the content.
fn content(what: &str, bytes: usize) -> Vec<u8> {
    let begins = |mark: &[u8]| [mark, &noise(bytes - mark.len())].concat();
    match what {
        "empty" => Vec::new(),
        "zeros" => vec![0; bytes],
        "noise" => noise(bytes),
        "text" => b"<configuration/>\r\n".iter().copied().cycle().take(bytes).collect(),
        "another file's content" => begins(b"\x89PNG\r\n\x1a\n"),
        "container" => begins(b"vhdxfile"),
        "archive" => begins(b"PK\x03\x04"),
        other => panic!("{other}"),
    }
}

fn fate(found: &Discovery, path: &Path) -> char {
    let is_refused = found.refusals.iter().any(|r| r.path == path && r.counts);
    let is_named = found.not_looked_into.iter().any(|(named, _)| named == path);
    match (is_refused, is_named, found.skipped.iter().any(|skipped| skipped == path)) {
        (true, false, false) => 'R',
        (false, true, false) => 'N',
        (false, false, true) => 'S',
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn every_name_with_every_content_has_its_verdict_in_a_directory() {
    for bytes in [300, 40_000, 60_000, 1 << 20] {
        for (at, (what, _)) in CONTENTS.iter().enumerate() {
            let folder = folder();
            let bytes_of = content(what, bytes);
            for (name, _) in IN_DIRECTORY {
                fs::write(folder.path().join(name), &bytes_of).expect("room");
            }
            let found = discover(&[folder.path().to_owned()]);
            for (name, fates) in IN_DIRECTORY {
                // A checksum is not that long.
                let is_no_sidecar = name.ends_with(".sha256") && bytes > 1 << 16 && at > 0;
                let expected = if is_no_sidecar && fates[at] == 'S' && *what != "text" {
                    'R'
                } else {
                    fates[at]
                };
                let fate = fate(&found, &folder.path().join(name));
                assert_eq!(fate, expected, "{name} that holds {bytes} bytes: {what}");
            }
        }
    }
}

#[test]
fn whatever_is_named_and_no_database_file_is_refused_with_a_word_about_what_it_is() {
    let folder = folder();
    for (what, word) in CONTENTS {
        let bytes = content(what, 40_000);
        for (name, _) in IN_DIRECTORY {
            let path = folder.path().join(name);
            fs::write(&path, &bytes).expect("room");
            let found = discover(std::slice::from_ref(&path));
            assert_eq!(fate(&found, &path), 'R', "{name} that holds {what}");
            let why = &found.refusals[0].why;
            let is_by_name = match what {
                "noise" => why.contains("by its name") || why.contains("does not begin as one"),
                "zeros" => why.contains("snapshot"),
                _ => false,
            };
            assert!(why.contains(word) || is_by_name, "{name} that holds {what}: {why}");
            let is_nothing = ["zeros", "noise"].contains(&what) && !is_by_name;
            assert_eq!(why.contains("all of it is lost"), is_nothing, "{name}, {what}: {why}");
        }
    }
}

fn generated(folder: &Path, name: &str, options: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let mut args = vec![OsStr::new("generate"), path.as_os_str()];
    args.extend(["--size=4MiB", "--seed=7"].iter().chain(options).map(OsStr::new));
    let run = pagescrub(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
    path
}

fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("room");
    path
}

fn scan(words: &[&OsStr]) -> harness::Run {
    pagescrub(&[&[OsStr::new("scan")], words].concat())
}

#[test]
fn archives_are_named_in_the_headline_and_make_exit_3_only_where_names_are_strict() {
    let folder = folder();
    generated(folder.path(), "base.mdf", &[]);
    put(&folder, "sales.bak.gpg", &noise(50_000));
    put(&folder, "sales.bak.gz", &[b"\x1f\x8b\x08\0", &noise(50_000)[..]].concat());
    put(&folder, "notes.txt", b"nothing");
    let run = scan(&[folder.path().as_os_str()]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    let told = "2 files that may hold databases were not looked into";
    assert!(run.stdout.lines().take(6).any(|line| line.contains(told)), "{}", run.stdout);
    assert!(run.stdout.contains("sales.bak.gz: a gzip archive"), "{}", run.stdout);
    assert!(run.result_line().contains(" not_looked_into=2"), "{}", run.result_line());
    let (_, report) = scan_json(folder.path(), &[]);
    assert_eq!(report["not_looked_into"]["count"], 2);
    assert_eq!(report["not_looked_into"]["files"][1]["what"], "a gzip archive");
    assert_eq!(report["skipped"]["count"], 1);
    let (code, report) = scan_json(folder.path(), &["--strict-names"]);
    assert_eq!((code, &report["verdict"]), (3, &"incomplete".into()));
    let plan = |words: &[&str]| {
        let words = words.iter().map(OsStr::new);
        let words: Vec<_> =
            [OsStr::new("plan"), folder.path().as_os_str()].into_iter().chain(words).collect();
        pagescrub(&words)
    };
    assert_eq!(plan(&[]).code, 0);
    let strict = plan(&["--strict-names"]);
    assert!(strict.code == 3 && strict.stderr.contains("sales.bak.gpg"), "{}", strict.stderr);
}

#[test]
fn a_directory_of_archives_only_is_not_clean() {
    let folder = folder();
    fs::create_dir(folder.path().join("packed")).expect("room");
    fs::create_dir(folder.path().join("live")).expect("room");
    generated(&folder.path().join("live"), "base.mdf", &[]);
    put(&folder, "packed/sales.bak.gz", b"\x1f\x8b\x08\0");
    let [live, packed] = ["live", "packed"].map(|name| folder.path().join(name));
    assert_eq!(scan(&[live.as_os_str()]).code, 0);
    assert_eq!(scan(&[live.as_os_str(), packed.as_os_str()]).code, 3);
}

#[test]
fn what_is_excluded_is_counted_and_a_named_file_never_is() {
    let folder = folder();
    let base = generated(folder.path(), "base.mdf", &[]);
    let bad = put(&folder, "photo.jpg.bak", &noise(50_000));
    fs::create_dir(folder.path().join("old")).expect("room");
    put(&folder, "old/sales.mdf", b"");
    let (code, report) = scan_json(folder.path(), &["--exclude", "*.JPG.bak"]);
    assert_eq!((code, &report["excluded"]["count"]), (3, &1.into()), "old/sales.mdf is empty");
    let exclude = ["--exclude", "*.jpg.bak", "--exclude", "old"];
    let (code, report) = scan_json(folder.path(), &exclude);
    assert_eq!((code, &report["excluded"]["count"]), (0, &2.into()), "{report}");
    let exclude = exclude.map(OsStr::new);
    let run = scan(&[&[folder.path().as_os_str()], &exclude[..]].concat());
    assert!(run.stdout.contains("2 files excluded"), "{}", run.stdout);
    let run = scan(&[&[base.as_os_str(), bad.as_os_str()], &exclude[..]].concat());
    assert!(run.code == 3 && run.stdout.contains("photo.jpg.bak: "), "{}", run.stdout);
    let plan =
        pagescrub(&[&[OsStr::new("plan"), folder.path().as_os_str()], &exclude[..]].concat());
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    let wrong = scan(&[base.as_os_str(), "--exclude".as_ref(), "[".as_ref()]);
    assert!(wrong.code == 2 && wrong.stderr.contains("--exclude"), "{}", wrong.stderr);
}

/// The file that a report will be written to is there before, and empty.
#[test]
fn a_report_that_is_called_like_a_backup_is_no_backup_without_content() {
    let folder = folder();
    generated(folder.path(), "base.mdf", &[]);
    let report = folder.path().join("base.bak.json");
    for _ in 0..2 {
        let output = [OsStr::new("--format=json"), "--output".as_ref(), report.as_os_str()];
        let run = scan(&[&[folder.path().as_os_str()], &output[..]].concat());
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    }
}

/// What a link calls .txt and its other name calls .bak is a backup by name.
#[cfg(unix)]
#[test]
fn of_two_names_of_one_file_the_one_that_promises_more_counts() {
    let folder = folder();
    generated(folder.path(), "base.mdf", &[]);
    let path = put(&folder, "sales.bak", &noise(50_000));
    fs::hard_link(&path, folder.path().join("a.txt")).expect("a link");
    let (code, report) = scan_json(folder.path(), &[]);
    assert_eq!(code, 3);
    assert!(report["files"].to_string().contains("sales.bak"), "{report}");
}

#[test]
fn snapshots_are_passed_over_in_directories_and_refused_by_that_word_when_named() {
    let folder = folder();
    let base = generated(folder.path(), "base.mdf", &[]);
    let bytes = fs::read(&base).expect("ours");
    // Nothing has changed since the second one was made.
    let of_user = put(&folder, "base_0600.ss", &bytes);
    let of_dbcc = put(&folder, "base.mdf_MSSQL_DBCC7", &vec![0; bytes.len()]);
    let (code, report) = scan_json(folder.path(), &[]);
    assert_eq!((code, &report["skipped"]["count"]), (0, &2.into()), "{report}");
    let notes = report["run"]["notes"].to_string();
    assert!(notes.contains("snapshots") && notes.contains("MSSQL_DBCC7 and 1 more"), "{notes}");
    for path in [of_user, of_dbcc] {
        let (code, report) = scan_json(&path, &[]);
        let why = report["files"][0]["why"].as_str().unwrap_or_default();
        assert!(code == 3 && why.contains("a database snapshot"), "{code} {why}");
    }
}

/// Other systems do not tell where holes are.
#[cfg(target_os = "linux")]
mod holes {
    use super::{folder, generated, scan_json};
    use serde_json::Value;
    use std::fs::{self, File};
    use std::path::Path;

    fn in_use(bytes: &[u8], page: usize) -> bool {
        bytes[8192 + 100 + page] & 0x40 != 0
    }

    /// Writes `bytes` without the extents `lost`.
    fn holed(path: &Path, bytes: &[u8], lost: &[usize]) {
        use std::io::{Seek, SeekFrom, Write};
        let mut file = File::create(path).expect("ours");
        file.set_len(bytes.len() as u64).expect("room");
        for (i, extent) in bytes.chunks(65_536).enumerate().filter(|(i, _)| !lost.contains(i)) {
            file.seek(SeekFrom::Start(i as u64 * 65_536)).expect("ours");
            file.write_all(extent).expect("room");
        }
    }

    #[test]
    fn pages_lost_in_holes_are_suspects_whose_evidence_says_so_and_a_snapshot_is_asked_for() {
        let folder = folder();
        let path = generated(folder.path(), "base.mdf", &[]);
        let bytes = fs::read(&path).expect("ours");
        let extents = (3..64).filter(|extent| in_use(&bytes, extent * 8));
        let [hole, zeros]: [usize; 2] =
            extents.take(2).collect::<Vec<_>>().try_into().expect("two");
        holed(&path, &bytes, &[hole]);
        let (code, report) = scan_json(&path, &[]);
        assert_eq!(code, 1);
        let suspects = report["suspects"].as_array().expect("a list");
        assert!(
            suspects.iter().all(|s| s["reason"] == "zeroed" && s["evidence"]["in_hole"] == true)
        );
        let notes = report["files"][0]["notes"].to_string();
        assert!(notes.contains("is it a database snapshot?"), "{notes}");
        // Zeros that are stored were never left out of a snapshot.
        let mut bytes = bytes;
        bytes[zeros * 65_536..(zeros + 1) * 65_536].fill(0);
        holed(&path, &bytes, &[hole]);
        let (code, report) = scan_json(&path, &[]);
        assert_eq!(code, 1);
        let in_hole = |s: &&Value| s["evidence"]["in_hole"] == true;
        let suspects = report["suspects"].as_array().expect("a list");
        let marked = suspects.iter().filter(in_hole).count();
        assert!(marked > 0 && marked < suspects.len(), "{marked} of {}", suspects.len());
        let in_hole = |s: &&Value| s["page_id"].as_u64().expect("a number") as usize / 8 == hole;
        assert_eq!(marked, suspects.iter().filter(in_hole).count());
        assert!(!report["files"][0]["notes"].to_string().contains("snapshot"), "{report}");
    }
}

fn pages(bytes: &[u8]) -> Vec<Page> {
    bytes.chunks_exact(8192).map(|page| Page::new(page.try_into().expect("a page"))).collect()
}

fn sealed(mut page: Page) -> [u8; 8192] {
    let sum = Checksum::of(&page);
    page.bytes_mut()[60..64].copy_from_slice(&sum.0.to_le_bytes());
    *page.bytes()
}

/// Writes another size into the file header of `bytes`, found by the size that it says.
fn promise(bytes: &mut [u8], pages_before: u32, pages_now: u32) {
    let before = pages_before.to_le_bytes();
    let at: Vec<usize> = (96..8000).filter(|&at| bytes[at..at + 4] == before).collect();
    for at in at {
        bytes[at..at + 4].copy_from_slice(&pages_now.to_le_bytes());
    }
    let page = Page::new(bytes[..8192].try_into().expect("a page"));
    bytes[..8192].copy_from_slice(&sealed(page));
}

#[test]
fn a_file_that_was_shrunk_is_complete_if_its_allocation_pages_say_so() {
    let folder = folder();
    let path = generated(folder.path(), "base.mdf", &[]);
    let whole = fs::read(&path).expect("ours");
    let mut bytes = whole.clone();
    promise(&mut bytes, 512, 22_792);
    fs::write(&path, &bytes).expect("ours");
    let (code, report) = scan_json(&path, &[]);
    let file = &report["files"][0];
    assert_eq!((code, &report["coverage"]["pages_planned"]), (0, &512.into()), "{file}");
    assert!(file["notes"].to_string().contains("22280 more pages"), "{file}");
    // More than its GAM page tells of.
    let mut bytes = whole.clone();
    promise(&mut bytes, 512, 511_233);
    fs::write(&path, &bytes).expect("ours");
    let (code, report) = scan_json(&path, &[]);
    assert_eq!((code, &report["coverage"]["pages_planned"]), (3, &511_233.into()));
    // A page that lies beyond and is in use; a PFS or a GAM page that cannot be believed.
    for (page, at, byte) in [(1, 100 + 600, 0x60), (1, 5000, 1), (2, 194 + 300, 0xfe)] {
        let mut bytes = whole.clone();
        promise(&mut bytes, 512, 22_792);
        let start = page * 8192;
        bytes[start + at] = byte;
        if at != 5000 {
            let page = Page::new(bytes[start..start + 8192].try_into().expect("a page"));
            bytes[start..start + 8192].copy_from_slice(&sealed(page));
        }
        fs::write(&path, &bytes).expect("ours");
        let (code, report) = scan_json(&path, &[]);
        let planned = &report["coverage"]["pages_planned"];
        assert_eq!(planned, &22_792, "page {page}, byte {at}: {code}");
        assert_ne!(code, 0);
    }
}

/// With blocks of 64 KiB, pages of a backup may stand exactly where their ids say.
#[test]
fn a_backup_is_a_backup_although_its_pages_stand_where_their_ids_say() {
    let folder = folder();
    let path = folder.path().join("base.bak");
    generated(folder.path(), "base.bak", &["--backup=full", "--block-size=65536"]);
    let mut bytes = fs::read(&path).expect("ours");
    let first = (0..bytes.len()).step_by(65_536).find(|&at| bytes[at..at + 2] == [1, 15]);
    let first_extent = first.expect("pages on a boundary of extents");
    for (at, page) in (0..).zip(pages(&bytes)).skip(first_extent / 8192 + 8) {
        let mut page = page;
        if page.bytes()[0] == 1 && PageHeader::of(&page).is_sane() {
            page.bytes_mut()[32..36].copy_from_slice(&u32::to_le_bytes(at));
            let at = at as usize * 8192;
            bytes[at..at + 8192].copy_from_slice(&sealed(page));
        }
    }
    for flipped in [None, Some(40_usize)] {
        let mut bytes = bytes.clone();
        if let Some(at) = flipped {
            bytes[at] ^= 1;
        }
        fs::write(&path, &bytes).expect("ours");
        let (code, report) = scan_json(&path, &[]);
        let kinds: Vec<_> = report["files"].as_array().expect("a list").iter().collect();
        assert!(kinds.iter().all(|file| file["kind"] == "backup"), "{flipped:?}: {kinds:?}");
        assert!(flipped.is_none() || code == 1, "{flipped:?}: {code}");
    }
}

/// The beginning of a backup, each block with a right check, over that of a data file.
#[test]
fn a_data_file_that_begins_as_a_backup_without_a_set_is_still_a_data_file() {
    let folder = folder();
    let path = generated(folder.path(), "base.mdf", &[]);
    let backup = generated(folder.path(), "base.bak", &["--backup=full", "--block-size=65536"]);
    let [data, backup] = [&path, &backup].map(|path| fs::read(path).expect("ours"));
    for struck in [1 << 16, 1 << 17] {
        fs::write(&path, [&backup[..struck], &data[struck..]].concat()).expect("ours");
        let (code, report) = scan_json(&path, &[]);
        assert_eq!((code, &report["files"][0]["kind"]), (1, &"data".into()), "{struck}");
    }
}

#[test]
fn lists_of_windows_are_read_and_binary_files_are_refused_at_once() {
    let folder = folder();
    let path = generated(folder.path(), "base.mdf", &[]);
    let text = format!("{}\r\n", path.display());
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        [b"\xff\xfe", &utf16[..]].concat(),
        utf16.clone(),
    ] {
        let list = put(&folder, "list.txt", &bytes);
        let run = scan(&[format!("@{}", list.display()).as_ref()]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        let run = harness::pagescrub_with_stdin(&["scan", "-"], &bytes);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    }
    let run = scan(&[format!("@{}", path.display()).as_ref()]);
    assert!(run.code == 2 && run.stderr.contains("base.mdf"), "{}", run.stderr);
    assert!(run.stderr.contains("no list of paths"), "{}", run.stderr);
    let run = harness::pagescrub_with_stdin(&["scan", "-"], &[1, 15, 0, 0, 0]);
    assert!(run.code == 2 && run.stderr.contains("stdin"), "{}", run.stderr);
}

#[cfg(real_data)]
fn real(name: &str) -> PathBuf {
    let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    Path::new(&data).join(name)
}

#[cfg(not(real_data))]
fn real(name: &str) -> PathBuf {
    name.into()
}

/// Real bytes, so that no constant is shared with the generator.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_real_file_that_asks_for_more_pages_than_it_has_is_complete() {
    let folder = folder();
    let mut bytes = fs::read(real("MoviesDb_706.mdf")).expect("the file is there");
    promise(&mut bytes, 264, 22_792);
    let path = put(&folder, "movies.mdf", &bytes);
    let (code, report) = scan_json(&path, &[]);
    assert_eq!(code, 0, "{}", report["files"]);
    assert!(report["files"][0]["notes"].to_string().contains("was shrunk"), "{report}");
}
