//! The root of an index is known by the catalog when nothing is left of the page itself.

use crate::harness::scan_json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: usize = 8192;
const INDEX: u8 = 2;
/// Of sysallocunits: with its leaves the names of all roots go.
const NEEDED: u64 = 7 << 16;

fn real_files() -> Vec<PathBuf> {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let files =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "mdf")).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]]).into()
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u16_at(bytes, at) | u16_at(bytes, at + 2) << 16
}

/// The index pages without neighbours that stand highest among those of their unit, in `bytes` of a
/// file that one PFS page describes: what a tree begins with has no neighbour.
fn highest(bytes: &[u8]) -> BTreeSet<usize> {
    let pages: Vec<&[u8]> = bytes.chunks_exact(PAGE).collect();
    assert!(pages.len() <= 8088, "one PFS page describes the file");
    let in_use = |page: usize| pages[1][100 + page] & 0x40 != 0;
    let mut of_unit: BTreeMap<u64, Vec<(u8, usize)>> = BTreeMap::new();
    for (number, page) in pages.iter().enumerate().filter(|(number, _)| in_use(*number)) {
        if page[1] == INDEX && u32_at(page, 32) == number as u64 {
            let unit = u16_at(page, 6) << 48 | u32_at(page, 24) << 16;
            of_unit.entry(unit).or_default().push((page[3], number));
        }
    }
    of_unit.remove(&NEEDED);
    let has_no_neighbour =
        |page: usize| u32_at(pages[page], 8) == 0 && u32_at(pages[page], 16) == 0;
    let top = |pages: Vec<(u8, usize)>| pages.into_iter().max().map(|(_, page)| page);
    of_unit.into_values().filter_map(top).filter(|page| has_no_neighbour(*page)).collect()
}

fn wiped(file: &Path, pages: &BTreeSet<usize>, to: &Path) {
    let mut bytes = fs::read(file).expect("readable");
    for page in pages {
        bytes[page * PAGE..][..PAGE].fill(0);
    }
    fs::write(to, bytes).expect("room");
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_root_of_every_real_file_is_known_when_it_was_wiped_and_no_other_page_is_called_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut roots, mut clustered) = (0, 0);
    for file in real_files() {
        let highest = highest(&fs::read(&file).expect("readable"));
        let copy = folder.path().join("wiped.mdf");
        wiped(&file, &highest, &copy);
        let (code, report) = scan_json(&copy, &[]);
        assert_eq!(code, 1, "{}", file.display());
        let suspects = report["suspects"].as_array().expect("a list");
        let found: BTreeSet<usize> = suspects
            .iter()
            .filter(|suspect| suspect["is_root"] == true)
            .map(|suspect| suspect["page_id"].as_u64().expect("a number") as usize)
            .collect();
        assert_eq!(found, highest, "{}", file.display());
        let leads_to_rows = |kind: &str, id: i64| kind == "clustered_index" && id >= 100;
        for suspect in suspects.iter().filter(|suspect| {
            let id = suspect["object_id"].as_i64().unwrap_or_default();
            suspect["object_kind"].as_str().is_some_and(|kind| leads_to_rows(kind, id))
        }) {
            assert_eq!(suspect["tier"], "T1", "{} {suspect}", file.display());
            clustered += 1;
        }
        roots += found.len();
    }
    assert!(roots > 200 && clustered > 8, "{roots} roots, {clustered} of users' clustered indexes");
}
