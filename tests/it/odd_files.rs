//! Data files that are cut, doubled, sparse or headless: what is there is verified, what is not
//! there is said.

use crate::harness::{pagescrub, scan_json, suspect_pages, timeless};
use pagescrub::page::header::PageHeader;
use pagescrub::page::{Page, checksum};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn generated(folder: &TempDir, name: &str, options: &[&str]) -> PathBuf {
    let path = folder.path().join(name);
    let mut args = vec![OsStr::new("generate"), path.as_os_str()];
    args.extend(options.iter().map(OsStr::new));
    let run = pagescrub(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
    path
}

fn resize(path: &Path, bytes: u64) {
    File::options().write(true).open(path).and_then(|file| file.set_len(bytes)).expect("ours");
}

fn why(report: &Value) -> &str {
    report["files"][0]["why"].as_str().unwrap_or_default()
}

#[test]
fn a_tail_that_is_no_whole_page_is_reported_and_the_whole_pages_are_verified() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
    resize(&path, (4 << 20) + 100);
    let (code, report) = scan_json(&path, &[]);
    assert_eq!(code, 3);
    assert_eq!(report["files"][0]["pages"], 512);
    assert_eq!(report["coverage"]["not_reached"], 1);
    assert!(why(&report).contains("100 bytes"), "{}", why(&report));
}

/// Pages that its PFS page calls used are lost, of the others nobody knows.
#[test]
fn a_file_shorter_than_its_header_says_has_lost_what_is_in_use_beyond_its_end() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
    let pfs = fs::read(&path).expect("readable")[8192..2 * 8192].to_vec();
    let lost: Vec<u64> =
        (384..512).filter(|page| pfs[100 + page] & 0x40 != 0).map(|page| page as u64).collect();
    resize(&path, 3 << 20);
    let (code, report) = scan_json(&path, &[]);
    assert_eq!((code, suspect_pages(&report)), (1, lost.clone()));
    let coverage = &report["coverage"];
    assert_eq!(coverage["not_reached"], 128 - lost.len() as u64);
    assert_eq!((&coverage["pages_planned"], lost.len() > 50), (&512.into(), true));
    let suspect = &report["suspects"][0];
    assert_eq!((&suspect["reason"], &suspect["event_type"]), (&"unreadable".into(), &1.into()));
    assert!(
        suspect["message"].as_str().expect("text").contains("38(Reached the end of the file.)")
    );
    assert!(why(&report).contains("truncated"), "{}", why(&report));
}

#[test]
fn one_file_given_by_several_names_is_scanned_once() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=1MiB", "--seed=1"]);
    fs::hard_link(&path, folder.path().join("b.mdf")).expect("a link");
    let args = [OsStr::new("scan"), "--format=json".as_ref(), path.as_os_str(), path.as_os_str()];
    let report = pagescrub(&[&args[..], &[folder.path().as_os_str()]].concat()).json();
    assert_eq!(report["files"].as_array().expect("a list").len(), 1);
    assert_eq!(report["coverage"]["pages_planned"], 128);
    assert_eq!(report["exit_code"], 0);
}

/// The file whose header is gone is the one that needs a scan most.
#[test]
fn a_data_file_is_recognised_with_its_first_pages_destroyed() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
    let healthy = fs::read(&path).expect("readable");
    for destroyed_pages in [1, 8, 24] {
        let mut bytes = healthy.clone();
        bytes[..destroyed_pages * 8192].fill(0xa5);
        fs::write(&path, &bytes).expect("ours");
        let (code, report) = scan_json(&path, &[]);
        assert_eq!(code, 1, "{destroyed_pages} pages");
        assert_eq!(report["files"][0]["file_id"], 1);
        let suspects = report["suspects"].as_array().expect("a list");
        let first = suspects.iter().find(|suspect| suspect["address"] == "(1:0)");
        assert_eq!(first.expect("it is listed")["tier"], "T0");
        assert_eq!(report["suspects"][0]["page_type"], "file_header");
        let suspects = suspect_pages(&report);
        assert!(suspects.len() + 2 >= destroyed_pages, "{destroyed_pages}: {suspects:?}");
    }
}

#[test]
fn a_secondary_file_takes_its_database_from_the_primary_in_the_same_scan() {
    let folder = folder();
    generated(&folder, "a.mdf", &["--size=1MiB", "--seed=1"]);
    let path = generated(&folder, "b.ndf", &["--size=1MiB", "--seed=1", "--file-id=3"]);
    let (code, alone) = scan_json(&path, &[]);
    assert_eq!((code, &alone["files"][0]["database"]), (0, &Value::Null));
    assert_eq!(alone["files"][0]["file_id"], 3);
    let (code, both) = scan_json(folder.path(), &[]);
    assert_eq!(code, 0);
    assert!(both["files"][1]["database"].is_string());
    assert_eq!(both["files"][0]["database"], both["files"][1]["database"]);
}

#[test]
fn holes_are_free_pages_and_cost_no_reading() {
    let folder = folder();
    let options = ["--size=6GiB", "--seed=3", "--sparse"];
    let path = generated(&folder, "sparse.mdf", &options);
    let (code, report) = scan_json(&path, &[]);
    assert_eq!(code, 0, "{}", report["suspects"]);
    let coverage = &report["coverage"];
    assert_eq!(coverage["pages_planned"], 6 << 17);
    assert!(coverage["bytes_read"].as_u64() <= Some(2 << 30), "{coverage}");
}

/// A hole where the allocation says "in use" is a lost extent, not a free one.
#[test]
fn a_hole_in_allocated_pages_is_damage() {
    use std::io::{Seek, SeekFrom, Write};
    let folder = folder();
    let whole = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
    let bytes = fs::read(&whole).expect("readable");
    let in_use = |page: &u64| bytes[8192 + 100 + *page as usize] & 0x40 != 0;
    let lost = (3..64).find(|extent| in_use(&(extent * 8))).expect("an extent in use");
    let expected: Vec<u64> = (lost * 8..lost * 8 + 8).filter(in_use).collect();
    let holed = folder.path().join("holed.mdf");
    let mut file = File::create(&holed).expect("ours");
    for (i, extent) in bytes.chunks_exact(65_536).enumerate() {
        if i as u64 == lost {
            continue;
        }
        file.seek(SeekFrom::Start(i as u64 * 65_536)).expect("ours");
        file.write_all(extent).expect("room");
    }
    drop(file);
    let (code, report) = scan_json(&holed, &[]);
    assert_eq!((code, suspect_pages(&report)), (1, expected));
    assert!(report["suspects"].as_array().expect("a list").iter().all(|s| s["reason"] == "zeroed"));
}

/// The header's size is only a lower bound; the PFS knows of the pages that are gone.
#[test]
fn a_cut_that_the_file_header_does_not_tell_is_told_by_the_pfs() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
    let mut bytes = fs::read(&path).expect("readable");
    bytes[..8192].fill(0);
    let last_in_use = (0..512).rfind(|page| bytes[8192 + 100 + page] & 0x40 != 0);
    let last_in_use = last_in_use.expect("a page in use") as u64;
    bytes.truncate(256 * 8192);
    fs::write(&path, &bytes).expect("ours");
    let (code, report) = scan_json(&path, &[]);
    let suspects = suspect_pages(&report);
    assert_eq!((code, suspects.first(), suspects.last()), (1, Some(&0), Some(&last_in_use)));
    assert!(suspects[1..].iter().all(|page| *page >= 256) && suspects.len() > 100);
}

/// First bytes of something else are damage if the rest is a data file.
#[test]
fn a_data_file_under_foreign_first_bytes_is_still_scanned() {
    let folder = folder();
    let healthy = fs::read(generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]));
    let healthy = healthy.expect("readable");
    let log_start = [&[1, 15][..], &[0; 8190], &vec![0xab; 57_344]].concat();
    for foreign in [&b"TAPE"[..], b"MSSQLBAK", b"version https://git-lfs", &log_start] {
        let path = folder.path().join("struck.mdf");
        fs::write(&path, [foreign, &healthy[foreign.len()..]].concat()).expect("room");
        let (code, report) = scan_json(&path, &[]);
        assert_eq!(code, 1, "{:?}", &foreign[..2]);
        assert_eq!(report["files"][0]["kind"], "data");
        let suspects = report["suspects"].as_array().expect("a list");
        let first = suspects.iter().find(|suspect| suspect["address"] == "(1:0)");
        assert_eq!(first.expect("it is listed")["tier"], "T0");
    }
}

/// A page that lost its flag and more must not pass as merely unprotected.
#[test]
fn a_few_flagless_pages_in_a_protected_file_are_suspects() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
    let mut bytes = fs::read(&path).expect("readable");
    let data_pages: Vec<usize> = (16..512)
        .filter(|page| bytes[8192 + 100 + page] & 0x40 != 0)
        .filter(|page| bytes[page * 8192 + 1] == 1 && bytes[page * 8192 + 5] & 2 != 0)
        .collect();
    for &page in &data_pages[..2] {
        bytes[page * 8192 + 5] = 0;
        bytes[page * 8192 + 3000..page * 8192 + 4000].fill(0x5a);
    }
    fs::write(&path, &bytes).expect("ours");
    let (code, report) = scan_json(&path, &[]);
    let expected: Vec<u64> = data_pages[..2].iter().map(|&page| page as u64).collect();
    assert_eq!((code, suspect_pages(&report)), (1, expected));
    // Many of them were written while PAGE_VERIFY was NONE: told, and no finding.
    for &page in &data_pages {
        bytes[page * 8192 + 5] = 0;
    }
    fs::write(&path, &bytes).expect("ours");
    let (_, report) = scan_json(&path, &[]);
    let notes = report["files"][0]["notes"].to_string();
    assert!(notes.contains("without the flag"), "{notes}");
}

/// A PFS page cannot be right if it calls the pages free that never are.
#[test]
fn a_pfs_page_that_calls_fixed_pages_free_is_not_believed() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1", "--page-verify=none"]);
    let mut bytes = fs::read(&path).expect("readable");
    bytes[8192 + 100..8192 + 8188].fill(0);
    bytes[9 * 8192..10 * 8192].fill(0);
    fs::write(&path, &bytes).expect("ours");
    let (code, report) = scan_json(&path, &[]);
    let first = [0, 1].map(|rank| report["suspects"][rank]["address"].as_str().unwrap_or_default());
    assert_eq!((code, first), (1, ["(1:1)", "(1:9)"]));
    // Old content of free pages may be damage now, but ranks below everything.
    let others = report["suspects"].as_array().expect("a list").iter().skip(2);
    assert!(others.into_iter().all(|suspect| suspect["priority"] == "P4"), "{report}");
    assert!(report["coverage"]["allocation_unknown"].as_u64() > Some(0));
}

/// With the PFS page gone, the GAM still tells the free extents.
#[test]
fn the_gam_tells_free_extents_where_the_pfs_cannot() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
    let mut bytes = fs::read(&path).expect("readable");
    let is_free = |extent: usize| bytes[2 * 8192 + 194 + extent / 8] >> (extent % 8) & 1 == 1;
    let free_extents = (0..64).filter(|&extent| is_free(extent)).count() as u64;
    assert!(free_extents > 0);
    bytes[8192..2 * 8192].fill(0);
    fs::write(&path, &bytes).expect("ours");
    let (_, report) = scan_json(&path, &[]);
    assert_eq!(report["coverage"]["free"], 8 * free_extents);
}

/// A device is larger than what was put on it, and has no holes.
#[cfg(target_os = "linux")]
#[test]
#[cfg_attr(not(root_tests), ignore = "PAGESCRUB_ROOT_TESTS is not 1")]
fn a_block_device_is_scanned_as_far_as_a_database_goes() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=100MiB", "--seed=1"]);
    let (_, of_file) = scan_json(&path, &[]);
    resize(&path, 300 << 20);
    let losetup = |args: &[&OsStr]| {
        let output = std::process::Command::new("losetup").args(args).output().expect("installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let device = losetup(&["--find".as_ref(), "--show".as_ref(), path.as_os_str()]);
    let reports = ["auto", "mmap", "pread", "direct"]
        .map(|reader| scan_json(device.as_ref(), &["--reader", reader]));
    losetup(&["--detach".as_ref(), device.as_ref()]);
    for (code, report) in reports {
        assert_eq!(code, 0, "{report}");
        for key in ["intact", "unprotected", "transient", "suspect", "not_reached"] {
            assert_eq!(report["coverage"][key], of_file["coverage"][key], "{key}");
        }
    }
}

/// Threads, engines, readers, batch sizes and the order of paths leave no trace in the report.
#[test]
fn the_same_bytes_give_the_same_report() {
    let folder = folder();
    let a = generated(&folder, "a.mdf", &["--size=8MiB", "--seed=1"]);
    let b = generated(&folder, "b.mdf", &["--size=2MiB", "--seed=2", "--page-verify=torn"]);
    for path in [&a, &b] {
        for fault in ["zero-page", "garbage-header", "misdirected-write"] {
            let fault = format!("--fault={fault}");
            let args = ["--random=3".as_ref(), "--seed=4".as_ref(), OsStr::new(&fault)];
            let run = pagescrub(&[&["inject".as_ref(), path.as_os_str()], &args[..]].concat());
            assert_eq!(run.code, 0, "{}", run.stderr);
        }
    }
    let report = |words: &[&str]| {
        let mut args = vec!["scan", "--format=json"];
        args.extend(words);
        let run = pagescrub(&args);
        assert_eq!(run.code, 1, "{}", run.stderr);
        timeless(run.json())
    };
    let (a, b) = (a.to_str().expect("text"), b.to_str().expect("text"));
    let first = report(&[a, b]);
    assert!(first["suspects"].as_array().expect("a list").len() >= 10);
    for words in [
        &[b, a][..],
        &[a, b, "--threads=1"],
        &[a, b, "--threads=7", "--batch-size=64KiB"],
        &[b, a, "--threads=3", "--batch-size=16MiB", "--reader=pread"],
        &[a, b, "--engine=cycle", "--reader=mmap", "--batch-size=192KiB"],
        &[a, b, "--engine=scalar"],
        &[folder.path().to_str().expect("text")],
    ] {
        assert_eq!(report(words), first, "{words:?}");
    }
}

/// A secondary file has an ordinary page 12; only (1:12) is never protected.
#[test]
fn page_12_of_a_secondary_file_must_have_its_flag() {
    let folder = folder();
    let primary = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
    let path = generated(&folder, "a_2.ndf", &["--size=4MiB", "--seed=1", "--file-id=3"]);
    for (path, found) in [(&path, vec![12]), (&primary, vec![])] {
        let healthy = fs::read(path).expect("readable");
        let mut bytes = healthy.clone();
        bytes[8192 + 100 + 12] |= 0x40;
        let pfs = page_of(&bytes, 1);
        bytes[8192..2 * 8192].copy_from_slice(&sealed(pfs));
        let mut ordinary = page_of(&bytes, first_data_page(&bytes));
        let header = PageHeader::of_mut(&mut ordinary);
        (header.page_id, header.flag_bits, header.torn_bits) = (12, 0, 0x1234);
        bytes[12 * 8192..13 * 8192].copy_from_slice(ordinary.bytes());
        fs::write(path, &bytes).expect("ours");
        let (code, report) = scan_json(folder.path(), &[]);
        assert_eq!(suspect_pages(&report), found, "{}", path.display());
        assert_eq!(code, i32::from(!found.is_empty()));
        fs::write(path, &healthy).expect("ours");
    }
}

/// A page with rows and a checksum.
fn first_data_page(bytes: &[u8]) -> usize {
    let is_it = |page: &usize| {
        let in_use = bytes[8192 + 100 + page] & 0x40 != 0;
        in_use && bytes[page * 8192 + 1] == 1 && bytes[page * 8192 + 5] & 2 != 0
    };
    (64..512).find(is_it).expect("a page with rows")
}

fn page_of(bytes: &[u8], page: usize) -> Page {
    Page::new(bytes[page * 8192..][..8192].try_into().expect("a page"))
}

fn sealed(mut page: Page) -> [u8; 8192] {
    checksum::seal(&mut page);
    *page.bytes()
}

#[test]
fn a_lost_flag_is_told_as_what_the_database_writes() {
    let folder = folder();
    for (page_verify, reason, event_type) in
        [("torn", "torn_page", 3), ("checksum", "bad_checksum", 2)]
    {
        let option = format!("--page-verify={page_verify}");
        let name = format!("{page_verify}.mdf");
        let path = generated(&folder, &name, &["--size=4MiB", "--seed=1", &option]);
        let healthy = fs::read(&path).expect("readable");
        let is_data = |page: &usize| {
            let in_use = healthy[8192 + 100 + page] & 0x40 != 0;
            in_use && healthy[page * 8192 + 1] == 1 && healthy[page * 8192 + 5] & 3 != 0
        };
        let page = (64..512).find(is_data).expect("a page with rows");
        for also_damaged in [false, true] {
            let mut bytes = healthy.clone();
            bytes[page * 8192 + 5] &= !3;
            if also_damaged {
                bytes[page * 8192 + 4000..page * 8192 + 4300].fill(0x53);
            }
            fs::write(&path, &bytes).expect("ours");
            let (code, report) = scan_json(&path, &[]);
            let suspect = &report["suspects"][0];
            assert_eq!((code, suspect_pages(&report)), (1, vec![page as u64]), "{page_verify}");
            assert_eq!(suspect["reason"], reason, "{suspect}");
            assert_eq!(suspect["event_type"], event_type, "{suspect}");
            assert_eq!(suspect["stored"].is_string(), page_verify == "checksum", "{suspect}");
            let cause = suspect["cause"].as_str().expect("a cause");
            assert!(["flag_lost", "bit_flip"].contains(&cause), "{suspect}");
        }
    }
}

/// (1:10) of master, with neither checksum nor torn bits; and a type that nobody knows on a page
/// whose checksum is right.
#[test]
fn types_that_no_user_database_has_are_no_damage() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
    let mut bytes = fs::read(&path).expect("readable");
    let mut configuration = page_of(&bytes, 10);
    let header = PageHeader::of_mut(&mut configuration);
    (header.header_version, header.page_type, header.flag_bits) = (1, 14, 0);
    (header.page_id, header.file_id, header.free_data) = (10, 1, 4000);
    (header.slot_count, header.torn_bits) = (1, 0x1234);
    bytes[10 * 8192..11 * 8192].copy_from_slice(configuration.bytes());
    let other = first_data_page(&bytes);
    let mut unknown = page_of(&bytes, other);
    PageHeader::of_mut(&mut unknown).page_type = 99;
    bytes[other * 8192..(other + 1) * 8192].copy_from_slice(&sealed(unknown));
    bytes[8192 + 100 + 10] |= 0x40;
    let pfs = page_of(&bytes, 1);
    bytes[8192..2 * 8192].copy_from_slice(&sealed(pfs));
    fs::write(&path, &bytes).expect("ours");
    let (code, report) = scan_json(&path, &[]);
    assert_eq!((code, suspect_pages(&report)), (0, vec![]), "{report}");
}

/// A log is known by its file header; what belongs behind it must be there.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_log_that_was_cut_or_overwritten_behind_its_header_is_not_passed_over() {
    let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let whole =
        fs::read(Path::new(&data).join("ContactManagerDB_611_log.ldf")).expect("it is there");
    let cases = [
        (whole.clone(), 0, ""),
        (whole[..8192].to_vec(), 3, "holds 1 of 63 pages"),
        (whole[..65_536].to_vec(), 3, "holds 8 of 63 pages"),
        ([&whole[..8192], &vec![0; whole.len() - 8192]].concat(), 3, "no log block"),
        ([&whole[..8192], &vec![0x5a; whole.len() - 8192]].concat(), 3, "no log block"),
    ];
    for (bytes, wanted, words) in cases {
        let folder = folder();
        generated(&folder, "a.mdf", &["--size=4MiB", "--seed=1"]);
        fs::write(folder.path().join("a_log.ldf"), bytes).expect("room");
        let (code, report) = scan_json(folder.path(), &[]);
        assert_eq!(code, wanted, "{words}");
        assert!(report["files"].to_string().contains(words), "{words}: {report}");
    }
}

/// Some ransomware leaves every second piece as it is, and gives the file another name.
#[test]
fn a_data_file_of_which_half_is_left_is_scanned_whatever_its_name() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=16MiB", "--seed=7"]);
    let mut bytes = fs::read(&path).expect("readable");
    for (n, piece) in bytes.chunks_mut(1 << 20).enumerate().filter(|(n, _)| n % 2 == 0) {
        let mut x = n as u64 + 1;
        for byte in piece {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (x >> 56) as u8;
        }
    }
    fs::remove_file(path).expect("ours");
    fs::write(folder.path().join("4F2A.play"), bytes).expect("room");
    let (code, report) = scan_json(folder.path(), &[]);
    let suspects = report["coverage"]["suspect"].as_u64().expect("a number");
    assert!(code == 1 && suspects > 500, "{code}: {suspects} suspects");
}

/// What a copy has added behind the end of a database is no lost part of it, be it so long that the
/// places of further PFS pages are in it; a file that ends within an extent was cut, not shrunk.
#[test]
fn what_was_added_behind_the_end_is_nothing_and_a_part_of_an_extent_is_a_cut() {
    let folder = folder();
    let path = generated(&folder, "a.mdf", &["--size=2MiB", "--seed=4"]);
    let healthy = fs::read(&path).expect("it is there");
    let (_, before) = scan_json(&path, &[]);
    for (byte, pages) in [(0, 8100), (0xa5, 8104), (0, 257)] {
        let mut bytes = healthy.clone();
        bytes.resize(8192 * pages, byte);
        fs::write(&path, &bytes).expect("room");
        let (code, report) = scan_json(&path, &[]);
        assert_eq!((code, &report["suspects"]), (0, &serde_json::json!([])), "{byte:#x}, {pages}");
        assert_eq!(report["coverage"]["intact"], before["coverage"]["intact"]);
    }
    // The last extents of a generated file are not in use.
    for pages in 1..9_u64 {
        fs::write(&path, &healthy[..healthy.len() - pages as usize * 8192]).expect("room");
        let (code, report) = scan_json(&path, &[]);
        let not_reached = if pages == 8 { 0 } else { pages };
        let expected = if pages == 8 { 0 } else { 3 };
        assert_eq!((code, &report["coverage"]["not_reached"]), (expected, &not_reached.into()));
    }
}
