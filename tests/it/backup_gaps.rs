//! Backups of which something was cut out at the boundaries of blocks, or put in: every header and
//! every stream that is left is as it was, so that only places and numbers tell.
//!
//! The real backups are read from the folder named by `PAGESCRUB_REAL_DATA` and from the folder
//! `backups` beside it.

use crate::harness::{self, scan_json};
use pagescrub::backup::block::{BLOCK_HEADER_BYTES, STREAM_HEADER_BYTES, excess};
use pagescrub::backup::{ByteClass, FaultKind, Media};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;
/// Byte offsets in blocks: the address in all, the place of a set in its start.
const ADDRESS: usize = 20;
const SET_OFFSET: usize = 80;

fn data() -> PathBuf {
    std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it").into()
}

/// All uncompressed backups that hold a set.
fn tapes() -> Vec<(String, Vec<u8>)> {
    let beside = data().parent().expect("it has a neighbour").join("backups");
    let inside = ["stripes_852", "chain_2016", "lines"].map(|name| beside.join(name));
    let mut found = Vec::new();
    for folder in inside.iter().chain([&data(), &beside]) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let bytes = if path.is_file() { std::fs::read(&path).expect("it") } else { Vec::new() };
            if bytes.starts_with(b"TAPE") && bytes.len() > 10_000 {
                found.push((path.display().to_string(), bytes));
            }
        }
    }
    assert!(found.len() >= 20);
    found
}

fn media_of(bytes: &[u8]) -> Media {
    let bytes = bytes.to_vec();
    Media::read(&bytes).expect("memory has no errors").expect("it begins with TAPE")
}

/// Where blocks begin, and the end of the file.
fn bounds(bytes: &[u8]) -> Vec<usize> {
    let media = media_of(bytes);
    let blocks = media.classes.iter().filter(|(_, class)| *class == ByteClass::BlockHeader);
    blocks.map(|(range, _)| range.start as usize).chain([bytes.len()]).collect()
}

fn is_told(bytes: &[u8]) -> bool {
    let media = media_of(bytes);
    !media.faults.is_empty()
}

fn without(bytes: &[u8], from: usize, to: usize) -> Vec<u8> {
    [&bytes[..from], &bytes[to..]].concat()
}

/// Makes the check of a header agree again.
fn seal(header: &mut [u8]) {
    let [low, high] = excess(header).to_le_bytes();
    let end = header.len();
    header[end - 2] ^= low;
    header[end - 1] ^= high;
}

fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn whatever_is_cut_out_between_blocks_is_told() {
    for (name, bytes) in tapes() {
        let bounds = bounds(&bytes);
        let last = bounds.len() - 1;
        // What follows upon the medium's own two blocks is a medium without a set, if all is cut.
        for from in 1..last {
            let few =
                (from + 1..=last).filter(|to| last - from < 16 || to % 7 == 0 || *to < from + 4);
            for to in few.chain([last]) {
                let cut = without(&bytes, bounds[from], bounds[to]);
                let place = format!("{name}: {:#x} to {:#x}", bounds[from], bounds[to]);
                assert!(is_told(&cut), "{place}");
            }
        }
    }
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn whatever_sectors_are_cut_out_or_put_in_are_told() {
    const SEED: u64 = 0x6361_7074_7572_6531;
    println!("seed {SEED:#x}");
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    for (name, bytes) in tapes() {
        let sectors = bytes.len() / SECTOR;
        let last_mark = bounds(&bytes).into_iter().rev().nth(1).expect("it has one") - SECTOR;
        for _ in 0..100 {
            let mut drawn = |below: usize| random.next_u64() as usize % below;
            let from = 1 + drawn(sectors - 1);
            let most = 1 << drawn(13);
            let to = (from + 1 + drawn(most)).min(sectors);
            let [from, to] = [from, to].map(|sector| sector * SECTOR);
            assert!(is_told(&without(&bytes, from, to)), "{name}: {from:#x} to {to:#x} cut");
            // What is put into the last file mark only moves zeros behind the end.
            let at = (1 + drawn(last_mark / SECTOR)) * SECTOR;
            let inserted = [&bytes[..at], &bytes[from..to], &bytes[at..]].concat();
            assert!(is_told(&inserted), "{name}: {from:#x} to {to:#x} once more at {at:#x}");
        }
    }
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn blocks_that_are_there_twice_or_in_another_order_are_told() {
    for (name, bytes) in tapes() {
        let bounds = bounds(&bytes);
        for index in 0..bounds.len() - 1 {
            let (start, end) = (bounds[index], bounds[index + 1]);
            let twice = [&bytes[..end], &bytes[start..]].concat();
            assert!(is_told(&twice), "{name}: the block at {start:#x} twice");
            let Some(&next) = bounds.get(index + 2).filter(|_| index > 0) else { continue };
            let order = [start..end, end..next].map(|range| &bytes[range]);
            let swapped = [&bytes[..start], order[1], order[0], &bytes[next..]].concat();
            assert!(is_told(&swapped), "{name}: the blocks at {start:#x} and {end:#x} swapped");
        }
    }
}

/// The fault says how much is missing, and before which block.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn the_place_and_the_size_of_a_gap_are_told() {
    let bytes = std::fs::read(data().join("InventoryDB_904.bak")).expect("a backup");
    let bounds = bounds(&bytes);
    // From the first block of pages to the first of log.
    let (from, to) = (bounds[5], bounds[7]);
    let media = media_of(&without(&bytes, from, to));
    let fault = &media.faults[0];
    assert_eq!((media.faults.len(), fault.kind), (1, FaultKind::Structure));
    let text = format!("{} bytes are missing before this block of the backup set", to - from);
    assert_eq!((fault.offset_bytes, &fault.text), (from as u64, &text));
    assert!(media.sets[0].has_gap && media.sets[0].is_complete);
    // And what it had before its log is not reached.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.bak");
    std::fs::write(&path, without(&bytes, from, to)).expect("room");
    let (code, report) = scan_json(&path, &[]);
    assert_eq!((code, &report["coverage"]["not_reached"]), (1, &448.into()), "{report}");
    let mut parts = report["files"].as_array().expect("a list").iter();
    let lost = parts.find(|file| file["backup_set"].is_u64()).expect("file 1 is named");
    assert_eq!((&lost["file_id"], &lost["pages"]), (&1.into(), &0.into()), "{lost}");
}

/// Three sets in one file, as BACKUP appends them.
fn appended() -> (Vec<u8>, Vec<usize>) {
    let names = ["sqltools_Full_859.bak", "sqltools_Diff_859.bak", "sqltools_Diff_859.bak"];
    let mut bytes = std::fs::read(data().join(names[0])).expect("a backup");
    let mut starts = vec![0x2000];
    for name in &names[1..] {
        let set = std::fs::read(data().join(name)).expect("a backup");
        let start = bytes.len();
        bytes.extend_from_slice(&set[0x2000..]);
        put_u64(&mut bytes, start + SET_OFFSET, start as u64);
        starts.push(start);
    }
    starts.push(bytes.len());
    (bytes, starts)
}

/// Of the last set nothing else in the file knows.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_whole_set_that_is_missing_is_told_unless_it_was_the_last() {
    let (bytes, starts) = appended();
    assert_eq!((media_of(&bytes).faults, media_of(&bytes).sets.len()), (Vec::new(), 3));
    for set in [0, 1] {
        let media = media_of(&without(&bytes, starts[set], starts[set + 1]));
        let text = format!("{} bytes are missing before this", starts[set + 1] - starts[set]);
        assert_eq!(media.faults.len(), 1, "{:?}", media.faults);
        assert!(media.faults[0].text.starts_with(&text), "{:?}", media.faults);
        assert_eq!(media.faults[0].offset_bytes, starts[set] as u64);
    }
    let twice = [&bytes[..starts[1]], &bytes[starts[0]..]].concat();
    assert!(is_told(&twice), "the first set twice");
    assert!(!is_told(&without(&bytes, starts[2], starts[3])), "nothing tells of the last");
}

/// A backup as if BACKUP had never written `count` extents from `extent` on: lengths, addresses
/// and checks agree.
fn without_extents(bytes: &[u8], extent: usize, count: usize) -> Vec<u8> {
    let media = media_of(bytes);
    let piece = &media.sets[0].data[0];
    let from = piece.offset_bytes as usize + extent * 65_536;
    let header = piece.offset_bytes as usize - 2 - STREAM_HEADER_BYTES;
    let mut cut = without(bytes, from, from + count * 65_536);
    put_u64(&mut cut, header + 8, piece.bytes + 2 - (count * 65_536) as u64);
    seal(&mut cut[header..header + STREAM_HEADER_BYTES]);
    for at in bounds(bytes).into_iter().filter(|at| *at > from && *at < bytes.len()) {
        let at = at - count * 65_536;
        let address = u64::from_le_bytes(cut[at + ADDRESS..][..8].try_into().expect("eight"));
        if address > 0 {
            put_u64(&mut cut, at + ADDRESS, address - (count * 64) as u64);
            seal(&mut cut[at..at + BLOCK_HEADER_BYTES]);
        }
    }
    cut
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_file_without_its_first_extent_is_told_even_where_everything_else_agrees() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.bak");
    let faults = |path: &Path| {
        let (code, report) = scan_json(path, &[]);
        (code, report["files"].to_string().matches("its first extent").count())
    };
    for (name, extent) in [("sqltools_Full_859.bak", 0), ("db1_661_diff_filler_file3.bak", 4)] {
        let bytes = std::fs::read(data().join(name)).expect("a backup");
        std::fs::write(&path, &bytes).expect("room");
        assert_eq!(faults(&path), (0, 0), "{name}");
        std::fs::write(&path, without_extents(&bytes, extent, 1)).expect("room");
        assert_eq!(faults(&path), (1, 1), "{name}");
    }
}

/// Padding fills the end of a stream: before other extents it stands where one was overwritten.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn an_extent_that_was_overwritten_by_padding_is_missed() {
    let path = data().parent().expect("it has a neighbour").join("backups");
    let healthy = std::fs::read(path.join("padding_without_checksum.bak")).expect("a backup");
    let piece = media_of(&healthy).sets[0].data[0].clone();
    let at = |extent: u64| (piece.offset_bytes + extent * 65_536) as usize;
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.bak");
    for extent in [0, 7, 40] {
        let mut bytes = healthy.clone();
        bytes.copy_within(at(47)..at(48), at(extent));
        std::fs::write(&copy, &bytes).expect("room");
        let (code, report) = scan_json(&copy, &[]);
        assert_eq!((code, &report["verdict"]), (1, &"damaged".into()), "extent {extent}");
    }
}

/// What a set says that it has, and what is there of it.
#[test]
fn pages_of_a_backup_that_ends_early_are_planned_and_not_reached() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.bak");
    let how = ["generate", "--size=4MiB", "--seed=7", "--backup=full", "--file-id=1,3"];
    let how = how.into_iter().chain([path.to_str().expect("text")]);
    assert_eq!(harness::pagescrub(&how.collect::<Vec<_>>()).code, 0);
    let bytes = std::fs::read(&path).expect("it is there");
    let (_, healthy) = scan_json(&path, &[]);
    let all = healthy["coverage"]["pages_planned"].as_u64().expect("a number");
    let media = media_of(&bytes);
    let piece = &media.sets[0].data[0];
    for part in 0..20 {
        let length = piece.offset_bytes + piece.bytes * part / 20;
        std::fs::write(&path, &bytes[..length as usize]).expect("room");
        let (code, report) = scan_json(&path, &[]);
        let count = |key: &str| report["coverage"][key].as_u64().expect("a number");
        let left = length.saturating_sub(piece.offset_bytes) / 65_536 * 8;
        assert_eq!((code, count("pages_planned")), (1, all), "cut to {length}");
        assert_eq!(count("not_reached"), all - left, "cut to {length}: {}", report["coverage"]);
        assert!(report["files"].as_array().expect("a list").len() == 3, "both files are named");
        assert_eq!(sum_of_files(&report, "not_reached"), count("not_reached"));
    }
}

fn sum_of_files(report: &Value, key: &str) -> u64 {
    let files = report["files"].as_array().expect("a list");
    files.iter().filter_map(|file| file["coverage"][key].as_u64()).sum()
}
