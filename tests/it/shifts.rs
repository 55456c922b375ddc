//! Content that has moved in its file: found wherever bytes were inserted or left out, told once,
//! and nothing else is taken for it.

#![allow(clippy::cast_possible_wrap, reason = "no file of a test has so many bytes")]

use crate::harness::scanned::folder_in_memory;
use crate::harness::{pagescrub, scan_json};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PAGE: usize = 8192;
const PFS_PAGES: usize = 8088;
/// Pages at both ends of a shift that are partly in their places, or beside such.
const CUT_IN_TWO_MAX: u64 = 4;

/// Numbers by chance.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn between(&mut self, from: usize, end: usize) -> usize {
        from + self.below(end - from)
    }
}

fn database(folder: &Path, size: &str, seed: u32) -> Vec<u8> {
    let path = folder.join("whole.mdf");
    let options = [format!("--size={size}"), format!("--seed={seed}")];
    let run = pagescrub(&[
        OsStr::new("generate"),
        path.as_os_str(),
        options[0].as_ref(),
        options[1].as_ref(),
        "--force".as_ref(),
    ]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    fs::read(path).expect("ours")
}

/// By its PFS page.
fn is_in_use(whole: &[u8], page: usize) -> bool {
    let pfs = (page / PFS_PAGES * PFS_PAGES).max(1);
    whole.get(pfs * PAGE + 100 + page % PFS_PAGES).is_some_and(|byte| byte & 0x40 != 0)
}

fn scanned(folder: &Path, bytes: &[u8]) -> (i32, Value) {
    let path = folder.join("x.mdf");
    fs::write(&path, bytes).expect("room");
    let (code, report) = scan_json(&path, &[]);
    fs::remove_file(path).expect("ours");
    (code, report)
}

fn shifts(report: &Value) -> &[Value] {
    report["shifts"].as_array().expect("a list")
}

/// Direction and bytes, late ones positive.
fn distance(shift: &Value) -> i64 {
    let bytes = shift["bytes"].as_i64().expect("a number");
    if shift["direction"] == "late" { bytes } else { -bytes }
}

fn page(address: &Value) -> usize {
    let text = address.as_str().expect("an address").trim_matches(['(', ')']);
    text.split_once(':').expect("two numbers").1.parse().expect("a number")
}

/// The first page that must show that what was behind byte `from` is now `by` bytes further.
fn first_to_show(whole: &[u8], from: usize, by: i64) -> usize {
    let mut behind = (from + usize::try_from(-by).unwrap_or(0)).div_ceil(PAGE)..whole.len() / PAGE;
    let stands_in =
        |page: usize| usize::try_from((page * PAGE) as i64 + by).expect("inside") / PAGE;
    let shows = |page: &usize| is_in_use(whole, *page) && is_in_use(whole, stands_in(*page));
    behind.find(shows).map(stands_in).expect("something is behind it")
}

/// Pages that were written elsewhere: the first of them, where they went, and how many.
type Moved = (usize, usize, usize);

#[test]
fn of_a_hundred_shifts_all_are_found() {
    let folder = folder_in_memory();
    let databases = [("16MiB", 7), ("24MiB", 8), ("72MiB", 9)];
    let databases = databases.map(|(size, seed)| database(folder.path(), size, seed));
    for (turn, kind) in (0..100).map(|turn| (turn, turn % 5)) {
        let mut dice = Dice(turn);
        let whole = &databases[if turn % 20 == 0 { 2 } else { dice.below(2) }];
        let pages = whole.len() / PAGE;
        let from = dice.between(pages / 20, pages * 6 / 10) * PAGE + dice.below(PAGE);
        let count = match kind {
            0 | 1 => dice.between(1, 20_000),
            _ => dice.between(1, 64) * PAGE,
        };
        let junk = vec![b'!'; count];
        let moved = match kind {
            0 | 2 => [&whole[..from], &junk, &whole[from..]].concat(),
            1 | 3 => [&whole[..from], &whole[from + count..]].concat(),
            _ => {
                // More than one write puts into a wrong place.
                let in_use = (from / PAGE..pages).filter(|page| is_in_use(whole, *page));
                let back = in_use.skip(100).nth(200).expect("the file is long enough") * PAGE;
                [&whole[..from], &junk, &whole[from..back], &whole[back + count..]].concat()
            }
        };
        let by = if matches!(kind, 1 | 3) { -(count as i64) } else { count as i64 };
        let (code, report) = scanned(folder.path(), &moved);
        let [shift] = shifts(&report) else { panic!("{turn}: {}", report["shifts"]) };
        assert_eq!((code, distance(shift)), (1, by), "{turn}: {}", shift["text"]);
        let (first, least) = (page(&shift["first"]), from / PAGE);
        let most = first_to_show(whole, from, by);
        // The page that is cut in two begins with its own header, which is in its place.
        assert!((least..=most + 1).contains(&first), "{turn}: {first}, {least} to {most}");
        let returns = shift["text"].as_str().expect("text").contains("in its place again");
        assert_eq!(returns, kind == 4, "{turn}: {}", shift["text"]);
        let suspects = report["coverage"]["suspect"].as_u64().expect("a number");
        let explained = shift["pages"].as_u64().expect("a number");
        // What was inserted may stand apart from it, where pages behind that are free.
        let junk = from / PAGE..=(from + count) / PAGE;
        let apart = junk.filter(|page| is_in_use(whole, *page)).count() as u64;
        assert!(
            explained + apart + CUT_IN_TWO_MAX >= suspects,
            "{turn}: {explained} of {suspects}"
        );
        assert_eq!(report["patterns"].as_array().map(Vec::len), Some(0), "{turn}");
    }
}

#[test]
fn what_stands_before_a_file_or_is_missing_there_is_found() {
    let folder = folder_in_memory();
    let whole = database(folder.path(), "16MiB", 7);
    for before in [1, 512, 8192, 100_000] {
        let (_, report) = scanned(folder.path(), &[&vec![b'#'; before], &whole[..]].concat());
        let found: Vec<i64> = shifts(&report).iter().map(distance).collect();
        assert_eq!(found, [before as i64], "{}", report["files"]);
        assert!(page(&shifts(&report)[0]["first"]) <= before.div_ceil(PAGE));
    }
    for missing in [1, 512, 8192] {
        let (_, report) = scanned(folder.path(), &whole[missing..]);
        let found: Vec<i64> = shifts(&report).iter().map(distance).collect();
        assert_eq!(found, [-(missing as i64)], "{}", report["files"]);
    }
}

#[test]
fn a_transfer_in_text_mode_is_told_as_one() {
    let folder = folder_in_memory();
    let whole = database(folder.path(), "16MiB", 7);
    let mut text = Vec::new();
    for &byte in &whole {
        if byte == b'\n' {
            text.push(b'\r');
        }
        text.push(byte);
    }
    let added = (text.len() - whole.len()) as u64;
    let (_, report) = scanned(folder.path(), &text);
    let [shift] = shifts(&report) else { panic!("{}", report["shifts"]) };
    assert_eq!(shift["direction"], "late");
    let bytes = shift["bytes"].as_u64().expect("a number");
    assert!(bytes <= added && bytes + 2000 > added, "{bytes} of {added}");
    assert!(shift["places"].as_u64() > Some(100));
    assert!(shift["text"].as_str().expect("text").ends_with("in binary mode"));
}

#[test]
fn misplaced_pages_are_no_shift() {
    let folder = folder_in_memory();
    let whole = database(folder.path(), "16MiB", 7);
    let copied = |pieces: &[(usize, usize, usize)]| {
        let mut bytes = whole.clone();
        for &(from, to, pages) in pieces {
            bytes.copy_within(from * PAGE..(from + pages) * PAGE, to * PAGE);
        }
        bytes
    };
    let scattered: Vec<_> = (800..1800).step_by(9).map(|page| (page - 8, page, 1)).collect();
    let extents: Vec<_> = (800..1800).step_by(24).map(|page| (page - 16, page, 8)).collect();
    let cases: [(&str, Vec<Moved>); 6] = [
        ("one write of 256 KiB", vec![(1300, 700, 32)]),
        ("one write of 1 MiB", vec![(1300, 700, 128)]),
        ("one write of 1 MiB, near", vec![(1000, 1001, 128)]),
        ("single pages, all equally far", scattered),
        ("extents, all equally far", extents),
        ("nothing", Vec::new()),
    ];
    for (name, pieces) in cases {
        let (_, report) = scanned(folder.path(), &copied(&pieces));
        assert_eq!(shifts(&report).len(), 0, "{name}: {}", report["shifts"]);
        let misplaced = report["suspects"].as_array().expect("a list").iter();
        let shifted = misplaced.filter(|suspect| suspect["cause"] == "shifted").count();
        assert_eq!(shifted, 0, "{name}");
    }
}

/// Instant file initialization leaves what was on the disk, and where the PFS page is bad, and the
/// GAM page, nobody knows that it is free.
#[test]
fn what_free_pages_hold_of_another_database_is_no_shift() {
    let folder = folder_in_memory();
    let (mut whole, other) =
        (database(folder.path(), "16MiB", 7), database(folder.path(), "16MiB", 8));
    let end = (0..2048).rev().find(|page| is_in_use(&whole, *page)).expect("some") + 1;
    assert!(2048 - end > 100, "{end}");
    for page in end..2048 {
        let from = (page - 500) * PAGE;
        whole[page * PAGE..(page + 1) * PAGE].copy_from_slice(&other[from..from + PAGE]);
    }
    whole[PAGE + 4000] ^= 1;
    whole[2 * PAGE + 4000] ^= 1;
    let (code, report) = scanned(folder.path(), &whole);
    assert_eq!(code, 1);
    assert!(report["coverage"]["suspect"].as_u64() > Some(100), "{}", report["coverage"]);
    assert_eq!(shifts(&report).len(), 0, "{}", report["shifts"]);
}

fn shifted(folder: &TempDir) -> PathBuf {
    let whole = database(folder.path(), "16MiB", 7);
    let path = folder.path().join("x.mdf");
    let from = 640 * PAGE;
    fs::write(&path, [&whole[..from], &[b'!'; PAGE], &whole[from..]].concat()).expect("room");
    path
}

#[test]
fn it_is_told_once_and_the_file_is_copied_again() {
    let folder = folder_in_memory();
    let path = shifted(&folder);
    let (_, report) = scan_json(&path, &[]);
    let incidents = report["incidents"].as_array().expect("a list");
    assert_eq!(incidents.len(), 1, "one incident");
    let again = "copy the file again from its source";
    assert!(incidents[0]["action"].as_str().expect("text").starts_with(again));
    let steps = report["plan"].as_array().expect("a list");
    assert_eq!(steps[0]["title"], "Copy again from its source what has moved");
    assert!(steps.iter().all(|step| step["title"] != "Freeze the array"));
    assert!(steps.iter().all(|step| step["title"] != "Restore single pages"));
    for suspect in report["suspects"].as_array().expect("a list") {
        assert_eq!(suspect["cause"], "shifted");
        let action = suspect["action"].as_str().expect("text");
        assert!(action.contains("copy that again from its source"), "{action}");
    }
    let text = pagescrub(&[OsStr::new("scan"), path.as_os_str()]).stdout;
    let told = "MOVED  x.mdf: from (1:681) on, everything lies 8,192 bytes too late";
    assert!(text.lines().nth(1).is_some_and(|line| line.starts_with(told)), "{text}");
    let sql = pagescrub(&[OsStr::new("scan"), path.as_os_str(), "--format=tsql".as_ref()]).stdout;
    assert!(sql.contains("CONTENT HAS MOVED in "), "{sql}");
    assert!(!sql.contains(" PAGE = '"), "no page is restored");
}
