//! `pagescrub page`: against what SQL Server printed of published pages, and of every page of real
//! files, sound and mutated.

use crate::harness::real::real_files;
use crate::harness::{Run, pagescrub, pagescrub_in, pagescrub_with_stdin, scan_json};
use crate::witness::dice::Dice;
use pagescrub::inspect::catalog::Catalog;
use pagescrub::inspect::owner::Owners;
use pagescrub::inspect::view::{Beside, PageView};
use pagescrub::inspect::{Asked, Image};
use pagescrub::page::address::{PageAddress, PageId};
use pagescrub::page::allocation::PFS_BYTES_OFFSET;
use pagescrub::page::checksum;
use pagescrub::page::{PAGE_BYTES, Page};
use pagescrub::report::page::{PrintOption, write};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Mutations of all real files together.
const MUTATIONS: usize = 10_000;
const STYLES: [PrintOption; 4] =
    [PrintOption::Header, PrintOption::Rows, PrintOption::Whole, PrintOption::Columns];

fn page<S: AsRef<OsStr>>(file: &Path, more: &[S]) -> Run {
    let mut words = vec![OsStr::new("page"), file.as_os_str()];
    words.extend(more.iter().map(AsRef::as_ref));
    pagescrub(&words)
}

fn json(file: &Path, more: &[&str]) -> Value {
    page(file, &[more, &["--format", "json"]].concat()).json()
}

/// A healthy data file of 512 pages.
fn generated(folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    let words = ["generate", path.to_str().expect("text"), "--size=4MiB", "--seed=5"];
    assert_eq!(pagescrub(&words).code, 0);
    path
}

/// Puts `content` at page `at` of the file at `path`, and has the PFS page call that allocated.
fn put(path: &Path, at: usize, content: &[u8]) {
    let mut bytes = fs::read(path).expect("it is there");
    bytes[at * PAGE_BYTES..][..PAGE_BYTES].copy_from_slice(content);
    let pfs: &mut [u8; PAGE_BYTES] =
        (&mut bytes[PAGE_BYTES..2 * PAGE_BYTES]).try_into().expect("a page");
    let mut page = Page::new(pfs);
    page.bytes_mut()[PFS_BYTES_OFFSET + at] = 0x60;
    checksum::seal(&mut page);
    *pfs = *page.bytes();
    fs::write(path, bytes).expect("writable");
}

fn vector(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    fs::read(Path::new(&folder).join("vectors").join(name)).expect("the vector is there")
}

/// The header and the rows of page (1:392) as DBCC PAGE printed them in a published lab.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_published_page_is_printed_as_dbcc_page_printed_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = generated(&folder, "lab.mdf");
    put(&file, 392, &vector("page_1_392_good.bin"));
    let run = page(&file, &["(1:392)", "--style", "1"]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    for printed in [
        "m_pageId = (1:392)",
        "m_headerVersion = 1",
        "m_type = 1\n",
        "m_flagBits = 0x8200",
        "m_objId = 222",
        "m_indexId = 256",
        "pminlen = 23",
        "m_slotCnt = 10",
        "m_freeCnt = 7686",
        "m_freeData = 486",
        "m_lsn = (39:496:70)",
        "m_tornBits = -98654738",
        "= 0x60 MIXED_EXT ALLOCATED 0_PCT_FULL",
        "AllocUnitId = 72057594052476928",
        "Record Type = PRIMARY_RECORD",
        "9 (0x9) - 447 (0x1bf)",
        "0 (0x0) - 96 (0x60)",
    ] {
        assert!(run.stdout.contains(printed), "no {printed} in {}", run.stdout);
    }
    for slot in 0..10 {
        let row = format!("Slot {slot} Offset {:#x} Length 39\n", 96 + 39 * slot);
        assert!(run.stdout.contains(&row), "no {row} in {}", run.stdout);
    }
}

/// The message that followed DBCC WRITEPAGE of that page, and the byte that was written.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_published_message_leads_to_its_page_and_the_copy_to_the_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, copy) = (generated(&folder, "lab.mdf"), generated(&folder, "copy.mdf"));
    put(&file, 392, &vector("page_1_392_corrupt.bin"));
    put(&copy, 392, &vector("page_1_392_good.bin"));
    let message = "Msg 824, Level 24, State 2: SQL Server detected a logical consistency-based I/O \
        error: incorrect checksum (expected: 0xfa1ea5ee; actual: 0xfa1ec1ee). It occurred during a \
        read of page (1:392) in database ID 7 at offset 0x00000000310000 in file 'D:\\lab.mdf'.";
    let [file, copy] = [&file, &copy].map(|path| path.to_str().expect("text"));
    let words = ["page", file, "-", "--against", copy, "--format", "json"];
    let run = pagescrub_with_stdin(&words, message.as_bytes());
    let view = run.json();
    assert_eq!((run.code, &view["state"]), (1, &"bad_checksum".into()));
    assert_eq!(view["protection"]["stored"], "0xfa1ea5ee");
    assert_eq!(view["protection"]["stored_bytes"], "eea51efa");
    assert_eq!(view["protection"]["computed"], "0xfa1ec1ee");
    assert_eq!(view["message"]["fits"], true);
    assert_eq!(view["message"]["contradicts_itself"], false);
    let ranges = serde_json::json!([{"offset": 4000, "bytes": 1}]);
    assert_eq!((&view["against"]["ranges"], &view["against"]["is"]), (&ranges, &"same".into()));
    assert_eq!(view["sectors"][7]["differing_bytes"], 1);
    let text = pagescrub(&["page", file, "392", "--style=2", "--against", copy]).stdout;
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(":*  ")).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("0000000000000fa0:*  45212121"), "{lines:?}");
    assert!(text.contains("its copy   21212121"), "{text}");
}

/// Published of page (1:118): its stored checksum is 0x5f1b00a8, and at 0x3C stand a8 00 1b 5f.
#[test]
fn a_stored_checksum_is_shown_as_it_stands_in_the_page_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = generated(&folder, "a.mdf");
    let mut bytes = fs::read(&file).expect("it is there");
    bytes[118 * PAGE_BYTES + 0x3c..][..4].copy_from_slice(&0x5f1b_00a8_u32.to_le_bytes());
    fs::write(&file, bytes).expect("writable");
    let protection = &json(&file, &["1:118"])["protection"];
    assert_eq!(protection["stored"], "0x5f1b00a8");
    assert_eq!(protection["stored_bytes"], "a8001b5f");
    assert!(page(&file, &["118", "--style=2"]).stdout.contains(" a8001b5f   "));
}

#[test]
fn a_page_is_found_by_address_number_offset_and_rank() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = generated(&folder, "a.mdf");
    let by_address = json(&file, &["(1:200)"]);
    assert_eq!(by_address["address"], "(1:200)");
    assert_eq!(by_address["offset_bytes"], 200 * 8192);
    for place in ["1:200", "200", "0x190000", "offset:1638400", "offset:0x191fff"] {
        assert_eq!(json(&file, &[place]), by_address, "{place}");
    }
    let mut bytes = fs::read(&file).expect("it is there");
    bytes[200 * PAGE_BYTES + 5000] ^= 4;
    fs::write(&file, bytes).expect("writable");
    let (_, report) = scan_json(&file, &[]);
    let saved = folder.path().join("report.json");
    fs::write(&saved, report.to_string()).expect("room");
    let suspect = &report["suspects"][0];
    let view = json(&saved, &["--rank", "1"]);
    for (key, same) in [("address", "address"), ("reason", "state"), ("path", "path")] {
        assert_eq!(suspect[key], view[same], "{key}");
    }
    assert_eq!(suspect["object"], view["owner"]["name"]);
    assert_eq!(suspect["evidence"]["syndrome_bits"], 1);
    assert_eq!(page(&saved, &["--rank", "2"]).code, 2);
}

#[test]
fn what_is_not_there_is_told_and_never_shown_as_something_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = generated(&folder, "a.mdf");
    for (place, code, words) in [
        ("1:512", 3, "the file ends before it: it has 512 pages"),
        ("3:8", 3, "file 3 of the database is not here"),
        ("page 8", 2, "is no page: write (1:1314)"),
        ("", 2, "is no page"),
    ] {
        let run = page(&file, &[place]);
        assert_eq!((run.code, &*run.stdout), (code, ""), "{place}");
        assert!(run.stderr.contains(words), "{place}: {}", run.stderr);
    }
    let text = folder.path().join("a.txt");
    fs::write(&text, "no pages").expect("room");
    for path in [&text, &folder.path().join("none.mdf"), &folder.path().to_owned()] {
        assert_eq!(page(path, &["1:1"]).code, 3, "{}", path.display());
    }
}

#[test]
fn pages_of_backups_are_those_of_the_data_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = generated(&folder, "a.mdf");
    let backup = folder.path().join("a.bak");
    let words = ["generate", backup.to_str().expect("text"), "--size=4MiB", "--seed=5"];
    assert_eq!(pagescrub(&[&words[..], &["--backup=full"]].concat()).code, 0);
    for place in ["1:0", "1:9", "1:42", "1:200"] {
        let (own, copy) = (json(&file, &[place]), json(&backup, &[place]));
        for key in ["header", "rows", "owner", "state"] {
            assert_eq!(own[key], copy[key], "{key} of {place}");
        }
        assert_eq!(copy["backup_set"], 1);
        let held = json(&file, &[place, "--against", backup.to_str().expect("text")]);
        assert_eq!(held["against"]["state"], copy["state"]);
        let same_bytes = own["hex"] == copy["hex"];
        assert_eq!(held["against"]["differing_bytes"] == 0, same_bytes, "{place}");
    }
    assert_eq!(page(&backup, &["1:9", "--set", "2"]).code, 2);
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = generated(&folder, "a.mdf");
    let words = ["page", file.to_str().expect("text"), "9", "--style=2"];
    let has_colour =
        |variables: &[(&str, &str)]| pagescrub_in(variables, &words).stdout.contains('\u{1b}');
    assert!(!has_colour(&[]));
    assert!(has_colour(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")]));
    assert!(!has_colour(&[("NO_COLOR", "1")]));
}

/// What is printed of the page that `view` is of, in all four styles.
fn printed(view: &PageView) -> [String; 4] {
    STYLES.map(|style| {
        let mut out = Vec::new();
        write(view, style, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("text")
    })
}

fn opened(path: &Path) -> Image {
    Image::open(Asked { path, with: &[], set: None }).expect("it opens")
}

fn pages_of(image: &Image) -> Vec<PageAddress> {
    let file = image.data_files().next().expect("one");
    (0..file.end_page()).map(|page| PageAddress::new(file.file_id, PageId(page))).collect()
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_page_of_every_real_file_is_shown_with_its_owner() {
    for path in real_files() {
        let image = opened(&path);
        let catalog = Catalog::of(&image);
        assert!(!catalog.was_searched, "the boot page leads to all tables of {}", path.display());
        let owners = Owners::new(&image, &catalog);
        for place in pages_of(&image) {
            let looked = image.look(place).expect("it is there");
            let (is_free, is_sound) = (looked.state() == "free", looked.is_sound());
            let view = PageView::of(&image, &owners, looked, Beside::default()).expect("a file");
            assert!(!view.is_suspect, "{place}");
            let [short, rows, whole, columns] = printed(&view);
            assert!(short.starts_with(&format!("\u{1b}[1mPAGE: {place}")), "{short}");
            for longer in [&rows, &whole, &columns] {
                assert!(longer.starts_with(&short) && longer.len() > short.len(), "{place}");
            }
            assert!(whole.contains("\n0000000000001ff0:   "), "{place}");
            let is_of_unit = is_sound && (1..=4).contains(&view.looked().page.bytes()[1]);
            if is_of_unit {
                assert_eq!(view.owner.named_by, Some("both"), "{place} of {}", path.display());
                assert!(view.owner.name.is_some(), "{place} of {}", path.display());
                assert!(view.rows.iter().all(|row| row.length.is_some() || row.offset == 0));
            }
            assert_eq!(is_free, view.allocation.in_use == "no", "{place}");
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn mutated_pages_are_shown_without_a_panic() {
    let files = real_files();
    for (number, path) in files.iter().enumerate() {
        let image = opened(path);
        let catalog = Catalog::of(&image);
        let owners = Owners::new(&image, &catalog);
        let places = pages_of(&image);
        let mut dice = Dice::new(7, number as u64);
        for _ in 0..MUTATIONS / files.len() {
            let place = dice.of(&places);
            let mut page = image.look(place).expect("it is there").page;
            mutate(&mut page, &mut dice);
            let looked = image.judge(place, &page).expect("it is there");
            let view = PageView::of(&image, &owners, looked, Beside::default()).expect("a file");
            let printed = printed(&view);
            assert!(printed.iter().all(|text| text.contains("m_pageId = ")), "{place}");
            assert!(serde_json::to_string(&view).is_ok_and(|json| json.len() > 2 * PAGE_BYTES));
        }
    }
}

/// One or some bytes of the header, the slots or anywhere; mostly with a right checksum, so that
/// what the page says is believed.
fn mutate(page: &mut Page, dice: &mut Dice) {
    for _ in 0..=dice.below(6) {
        let at = match dice.below(3) {
            0 => dice.below(96),
            1 => PAGE_BYTES - 1 - dice.below(64),
            _ => dice.below(PAGE_BYTES),
        };
        let any = dice.byte();
        page.bytes_mut()[at] = dice.of(&[0, 1, 0x7f, 0x80, 0xff, any]);
    }
    if !dice.once_in(3) {
        checksum::seal(page);
    }
}

/// Every key of the JSON stands in the document of its schema.
#[test]
fn every_key_is_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = generated(&folder, "a.mdf");
    let document = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join("report-schema.md"),
    );
    let document = document.expect("it is in the repository");
    let (_, section) = document.split_once("`pagescrub.page/1`\n").expect("it has a section");
    let section = section.split("\n# ").next().unwrap_or_default();
    let copy = file.to_str().expect("text");
    let words = ["page", copy, "-", "--against", copy, "--format", "json"];
    let view = pagescrub_with_stdin(&words, b"read of page (1:200)").json();
    assert!(!view["rows"][0].is_null() && !view["against"].is_null());
    let mut missing = Vec::new();
    keys(&view, &mut |key| {
        let is_header = key.starts_with("m_") || key == "pminlen";
        if !is_header && !section.contains(&format!("`{key}`")) {
            missing.push(key.to_owned());
        }
    });
    assert!(missing.is_empty(), "{missing:?}");
}

fn keys(value: &Value, tell: &mut dyn FnMut(&str)) {
    match value {
        Value::Array(list) => list.iter().for_each(|item| keys(item, tell)),
        Value::Object(object) => object.iter().for_each(|(key, value)| {
            tell(key);
            keys(value, tell);
        }),
        _ => {}
    }
}
