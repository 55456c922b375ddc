//! Backups made by SQL Server 2005 to 2022, of kinds that are rare: striped, with padding, with a
//! name over a longer one, in chains. What each must give was found by an independent checker.
//!
//! They are read from the folder `backups` beside the one named by `PAGESCRUB_REAL_DATA` and are
//! not part of this project; without it these tests show as ignored.

use crate::harness::pagescrub;
use crate::harness::scanned::{each, folder_in_memory, scanned};
use pagescrub::backup::Media;
use pagescrub::discover::discover;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    Path::new(&data).parent().expect("it has a neighbour").join("backups")
}

/// What must come out of which scan.
fn cases() -> Vec<Value> {
    let text = fs::read_to_string(folder().join("EXPECTED.json")).expect("EXPECTED.json is there");
    let mut expected: Value = serde_json::from_str(&text).expect("it is JSON");
    let cases: Vec<Value> =
        serde_json::from_value(expected["cases"].take()).expect("a list of cases");
    assert!(cases.len() >= 11, "EXPECTED.json has its cases");
    cases
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn scan(case: &Value, reader: &str) -> (i32, Value) {
    let of_case = list(&case["scan"]).iter().map(|argument| {
        let argument = argument.as_str().expect("text");
        if argument.starts_with("--") {
            OsString::from(argument)
        } else {
            folder().join(argument).into_os_string()
        }
    });
    let how = ["--format", "json", "--progress", "never", "--reader", reader].map(OsString::from);
    let args: Vec<OsString> = std::iter::once("scan".into()).chain(of_case).chain(how).collect();
    let run = pagescrub(&args.iter().map(OsString::as_os_str).collect::<Vec<_>>());
    (run.code, run.json())
}

fn backups(report: &Value) -> impl Iterator<Item = &Value> {
    list(&report["files"]).iter().map(|file| &file["backup"]).filter(|backup| backup.is_object())
}

fn numbers(values: &Value) -> BTreeSet<u64> {
    list(values).iter().filter_map(Value::as_u64).collect()
}

fn sum(report: &Value, key: &str) -> u64 {
    backups(report).filter_map(|backup| backup[key].as_u64()).sum()
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn every_case_has_the_exit_code_the_counts_and_the_names_that_were_found_independently() {
    for case in cases() {
        for reader in ["pread", "direct", "auto"] {
            let (code, report) = scan(&case, reader);
            let name = format!("{} ({reader})", case["name"]);
            if case["exit"].is_i64() {
                assert_eq!(Value::from(code), case["exit"], "{name}: {report}");
            }
            for key in ["intact", "unprotected", "free", "suspect"] {
                let wanted = &case[key];
                assert!(wanted.is_null() || report["coverage"][key] == *wanted, "{key} of {name}");
            }
            let faults: usize = backups(&report).map(|backup| list(&backup["faults"]).len()).sum();
            assert!(case["faults"].is_null() || case["faults"] == faults, "{name}: {report}");
            let padding = &case["padding_pages"];
            assert!(padding.is_null() || *padding == sum(&report, "padding_pages"), "{name}");
            assert_members(&case, &report, &name);
            assert_names(&case, &report, &name);
            assert_restore(&case, &report, &name);
        }
    }
}

fn assert_members(case: &Value, report: &Value, name: &str) {
    if case["members"].is_array() {
        let here: BTreeSet<u64> =
            backups(report).filter_map(|backup| backup["member"].as_u64()).collect();
        assert_eq!(here, numbers(&case["members"]), "members of {name}");
        assert!(backups(report).all(|backup| backup["members"] == case["of"]), "{name}");
    }
    for backup in backups(report) {
        assert_eq!(numbers(&backup["missing_members"]), numbers(&case["missing"]), "{name}");
    }
}

/// How the database of the chain comes back, and to when.
fn assert_restore(case: &Value, report: &Value, name: &str) {
    let databases = list(&report["databases"]);
    assert!(databases.iter().all(|database| database["verdict"] != "damaged"), "{name}");
    if case["gap"].is_null() {
        assert!(databases.iter().all(|database| database["restore"]["gap"] == false), "{name}");
        return;
    }
    assert_eq!(databases.len(), 1, "{name}");
    let restore = &databases[0]["restore"];
    assert_eq!(restore["gap"], case["gap"], "{name}");
    let reached = restore["reachable_to"].as_str().expect("text").replacen('T', " ", 1);
    assert_eq!(Some(&*reached), case["reachable_to"].as_str(), "{name}");
    let lsn = &case["reachable_to_lsn"];
    assert!(lsn.is_null() || *lsn == restore["reachable_to_lsn"], "{name}: {restore}");
    let bridged = list(&restore["bridged"]).len();
    assert!(case["bridged"].is_null() || case["bridged"] == bridged, "{name}: {restore}");
    if case["shortest_restore"].is_array() {
        let first = |set: &Value| Path::new(set["paths"][0].as_str()?).file_name().map(Into::into);
        let sets: Vec<Option<OsString>> = list(&restore["sets"]).iter().map(first).collect();
        let wanted = list(&case["shortest_restore"]).iter();
        let wanted: Vec<_> = wanted.map(|name| name.as_str().map(OsString::from)).collect();
        assert_eq!(sets, wanted, "{name}");
    }
}

/// Compressed backups of which only the records were verified restore like others.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn what_was_not_unpacked_is_part_of_a_chain() {
    for deep in [&[][..], &["--deep"]] {
        let arguments: Vec<&str> = deep.iter().copied().chain(["chain_compressed_904"]).collect();
        let (code, report) = scan(&serde_json::json!({"scan": arguments}), "pread");
        let database = &report["databases"][0];
        assert_eq!((code, &database["verdict"]), (0, &"clean".into()), "{database}");
        assert_eq!(list(&database["restore"]["sets"]).len(), 2, "{database}");
        assert_eq!(list(&database["restore"]["missing"]).len(), 0, "{database}");
    }
}

fn assert_names(case: &Value, report: &Value, name: &str) {
    if case["database"].is_null() {
        return;
    }
    let wanted = case["database"].as_str().expect("text");
    let sets = backups(report).flat_map(|backup| list(&backup["sets"]));
    let told: BTreeSet<&str> = sets.filter_map(|set| set["database"].as_str()).collect();
    assert_eq!(told, BTreeSet::from([wanted]), "{name}");
    // The boot page may have been written before the letter case of the name was changed.
    let mut of_pages = list(&report["files"]).iter().filter_map(|file| file["database"].as_str());
    assert!(of_pages.all(|told| told.eq_ignore_ascii_case(wanted)), "{name}: {report}");
}

/// A share of the pages is in the member that is not there, and nobody knows which pages those are.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn pages_of_a_member_that_is_missing_are_planned_and_not_reached() {
    let case = serde_json::json!({"scan": ["stripe2_alone_957.bak"]});
    let (code, report) = scan(&case, "pread");
    let coverage = &report["coverage"];
    let counts = ["pages_planned", "not_reached"].map(|key| coverage[key].as_u64());
    assert_eq!((code, counts), (3, [Some(696), Some(344)]), "{coverage}");
    let part = list(&report["files"]).iter().find(|file| file["backup_set"].is_u64());
    let part = part.expect("it has pages");
    let told = part["why"].as_str().expect("it is told").contains("members of it are missing");
    assert!(told && part["notes"].to_string().contains("none of the members"), "{part}");
    // Where both members of a set are there, one alone has half of what the other has.
    let case = serde_json::json!({"scan": ["stripes_852/restoretime_s2.bak"]});
    let (code, report) = scan(&case, "pread");
    assert_eq!((code, &report["coverage"]["not_reached"]), (3, &168.into()), "{report}");
}

/// All uncompressed backups of the folder.
fn tapes() -> Vec<(PathBuf, Vec<u8>)> {
    let folders = ["", "stripes_852", "chain_2016", "lines"].map(|name| folder().join(name));
    let mut found = Vec::new();
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder")) {
        let path = entry.expect("an entry").path();
        let bytes = if path.is_file() { fs::read(&path).expect("readable") } else { Vec::new() };
        if bytes.starts_with(b"TAPE") {
            found.push((path, bytes));
        }
    }
    assert!(found.len() >= 20);
    found
}

/// Every block knows how far it is from the start of its set, in all versions.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn blocks_stand_where_they_say_in_every_real_backup() {
    for (path, bytes) in tapes() {
        let media = Media::read(&bytes).expect("readable").expect("a backup");
        assert!(
            media.is_blank() || media.faults.is_empty(),
            "{}: {:?}",
            path.display(),
            media.faults
        );
        assert!(media.sets.iter().all(|set| set.is_complete && !set.has_gap), "{}", path.display());
    }
}

/// The first stretch of pages in a backup: where each of its extents begins.
fn extents_of(bytes: &[u8]) -> Vec<usize> {
    let media = Media::read(&bytes.to_vec()).expect("readable").expect("a backup");
    let piece = &media.sets[0].data[0];
    let end = (piece.offset_bytes + piece.bytes) as usize;
    let starts = (piece.offset_bytes as usize..end).step_by(EXTENT_BYTES);
    starts.filter(|start| start + EXTENT_BYTES <= end).collect()
}

const EXTENT_BYTES: usize = 65_536;

/// Each extent of one member in turn over each of the other, and all of them.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn extents_of_one_member_over_those_of_another_are_missed_wherever_they_are() {
    let names = ["restoretime_s1.bak", "restoretime_s2.bak"];
    let [first, second] = names.map(|name| fs::read(folder().join("stripes_852").join(name)));
    let (first, second) = (first.expect("readable"), second.expect("readable"));
    let is_damaged = |second: &[u8]| {
        let folder = folder_in_memory();
        let paths = names.map(|name| folder.path().join(name));
        for (path, bytes) in paths.iter().zip([&first, second]) {
            fs::write(path, bytes).expect("room");
        }
        scanned(&paths).exit_code == 1
    };
    let froms = extents_of(&first).into_iter();
    let tos = extents_of(&second);
    let pairs: Vec<_> = froms.flat_map(|from| tos.iter().map(move |to| (from, *to))).collect();
    assert!(pairs.len() > 400 && !is_damaged(&second));
    each(&pairs, |&(from, to)| {
        let mut bytes = second.clone();
        bytes[to..to + EXTENT_BYTES].copy_from_slice(&first[from..from + EXTENT_BYTES]);
        is_damaged(&bytes).then_some(()).ok_or(format!("byte {from} of one on byte {to}"))
    });
    let body = first[4096..second.len()].to_vec();
    assert!(is_damaged(&[&second[..4096], &body].concat()));
}

/// A backup without the boot page tells it all the same.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn a_set_tells_page_verify_as_the_boot_page_in_it_does() {
    let paths: Vec<_> = tapes().into_iter().map(|(path, _)| path).collect();
    let mut told = 0;
    for file in discover(&paths).files {
        if let (Some(part), Some(boot)) = (&file.part, &file.boot) {
            assert_eq!(part.set().page_verify, Some(boot.page_verify), "{}", file.path.display());
            told += 1;
        }
    }
    assert!(told >= 8, "{told} sets were looked at");
}
