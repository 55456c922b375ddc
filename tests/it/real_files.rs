//! Files made by SQL Server 2005 to 2019, counted by an independent checker.
//!
//! They are read from the folder named by `PAGESCRUB_REAL_DATA` and are not part of this project;
//! without it these tests show as ignored.

use crate::harness::{pagescrub, scan_json, suspect_pages, timeless};
use pagescrub::page::Page;
use pagescrub::page::checksum::Checksum;
use pagescrub::verify::engine::{Engine, supported};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn folder() -> PathBuf {
    std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it").into()
}

fn expected() -> serde_json::Map<String, Value> {
    let text = fs::read_to_string(folder().join("EXPECTED.json")).expect("EXPECTED.json is there");
    serde_json::from_str(&text).expect("it is JSON")
}

fn data_files() -> impl Iterator<Item = (PathBuf, Value)> {
    let data: Vec<_> =
        expected().into_iter().filter(|(_, counts)| counts["kind"] == "data").collect();
    assert!(data.len() >= 7, "EXPECTED.json names the data files");
    data.into_iter().map(|(name, counts)| (folder().join(name), counts))
}

fn engine_names() -> Vec<&'static str> {
    supported().map(|kernel| kernel.name).chain(["cycle", "auto"]).collect()
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_count_of_every_data_file_is_reproduced_by_every_engine_and_reader() {
    for (path, counts) in data_files() {
        let mut first: Option<Value> = None;
        for engine in engine_names() {
            for reader in ["auto", "mmap", "pread", "direct"] {
                let (code, report) = scan_json(&path, &["--engine", engine, "--reader", reader]);
                assert_eq!(code, 0, "{} {engine} {reader}", path.display());
                assert_matches_expected(&report, &counts);
                let report = timeless(report);
                assert_eq!(*first.get_or_insert_with(|| report.clone()), report);
            }
        }
    }
}

fn assert_matches_expected(report: &Value, counts: &Value) {
    let file = &report["files"][0];
    for key in ["pages", "file_id", "internal_version", "clean_shutdown", "page_verify"] {
        assert_eq!(file[key], counts[key], "{key} of {}", file["path"]);
    }
    assert_eq!(file["database"], counts["database"]);
    assert_eq!(file["outcome"], "scanned");
    let coverage = &file["coverage"];
    for key in ["intact_checksum", "intact_torn", "unprotected", "free", "suspect"] {
        assert_eq!(coverage[key], counts[key], "{key} of {}", file["path"]);
    }
    assert_eq!(coverage["pages_planned"], counts["pages"]);
    assert_eq!(free_detail(&counts["free_detail"]), coverage["free_detail"]);
    assert_eq!(report["suspects"], serde_json::json!([]));
    assert_eq!(report["verdict"], "clean");
}

/// The checker's names of what free pages hold, in our words.
fn free_detail(counts: &Value) -> Value {
    let rename = |name: &String| {
        let (content, id) = name.split_once('+').unwrap_or((name, ""));
        let content = match content {
            "CHECKSUM_BAD" => "checksum_bad",
            "TORN" => "torn_bad",
            other => other,
        };
        if id.is_empty() { content.to_owned() } else { format!("{content}_{id}") }
    };
    let counts = counts.as_object().expect("an object");
    counts.iter().map(|(name, count)| (rename(name), count.clone())).collect()
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_page_before_and_after_dbcc_writepage_has_the_checksums_that_sql_server_printed() {
    let page = |name: &str| {
        let bytes = fs::read(folder().join("vectors").join(name)).expect("the vector is there");
        Page::new(&bytes.try_into().expect("one page"))
    };
    let (good, corrupt) = (page("page_1_392_good.bin"), page("page_1_392_corrupt.bin"));
    assert_eq!(Checksum::stored_in(&good), Checksum(0xfa1e_a5ee));
    assert_eq!(Checksum::stored_in(&corrupt), Checksum(0xfa1e_a5ee));
    for name in engine_names() {
        let mut sums = [Checksum(0); 2];
        Engine::named(name).expect("supported").checksums(&[good, corrupt], &mut sums);
        assert_eq!(sums, [Checksum(0xfa1e_a5ee), Checksum(0xfa1e_c1ee)], "{name}");
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn one_changed_byte_in_a_real_file_is_told_in_sql_servers_words() {
    let copy = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut bytes = fs::read(folder().join("MoviesDb_706.mdf")).expect("the file is there");
    bytes[100 * 8192 + 4000] ^= 0x40;
    fs::write(copy.path(), &bytes).expect("writable");
    let (code, report) = scan_json(copy.path(), &[]);
    assert_eq!((code, suspect_pages(&report)), (1, vec![100]));
    let suspect = &report["suspects"][0];
    assert_eq!(suspect["reason"], "bad_checksum");
    assert_eq!(suspect["event_type"], 2);
    assert_eq!(suspect["page_type"], "iam");
    let message = suspect["message"].as_str().expect("text");
    let expected = format!(
        "incorrect checksum (expected: {}; actual: {}). It occurred during a read of page (1:100)",
        suspect["stored"].as_str().expect("text"),
        suspect["computed"].as_str().expect("text"),
    );
    assert!(message.contains(&expected), "{message}");
    assert!(message.contains("at offset 0x000000000c8000 in file"), "{message}");
}

/// With the PFS page gone, allocation is unknown: that is said, healthy pages stay healthy, and
/// the junk on this file's free pages is reported as possibly free.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_bad_pfs_page_makes_allocation_unknown_and_says_so() {
    let copy = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut bytes = fs::read(folder().join("Subtext2.2_611_junk.mdf")).expect("the file is there");
    bytes[8192 + 5000] ^= 1;
    fs::write(copy.path(), &bytes).expect("writable");
    let (code, report) = scan_json(copy.path(), &[]);
    assert_eq!(code, 1);
    assert_eq!(report["suspects"][0]["address"], "(1:1)");
    assert_eq!(report["suspects"][0]["priority"], "P1");
    let others = report["suspects"].as_array().expect("a list").iter().skip(1);
    assert!(others.clone().count() > 0);
    assert!(others.clone().all(|suspect| suspect["allocated"] == "unknown"));
    assert!(report["files"][0]["coverage"]["allocation_unknown"].as_u64() > Some(0));
    assert!(report["files"][0]["notes"][0].as_str().expect("text").contains("PFS"));
    assert_eq!(report["coverage"]["intact_checksum"], 197);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn logs_are_refused_with_a_word_about_what_they_are_and_backups_are_not() {
    for (name, counts) in expected().into_iter().filter(|(_, counts)| counts["kind"] != "data") {
        let (code, report) = scan_json(&folder().join(&name), &[]);
        let file = &report["files"][0];
        assert_eq!(file["kind"], counts["kind"], "{name}");
        if counts["kind"] == "log" {
            assert_eq!((code, &file["outcome"]), (3, &"refused".into()), "{name}");
            assert!(file["why"].as_str().expect("text").contains("log"), "{file}");
            assert_eq!(report["coverage"]["intact_checksum"], 1, "{name}");
        } else {
            assert_eq!((code, &file["outcome"]), (0, &"scanned".into()), "{name}");
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_folder_of_everything_is_clean_where_its_data_files_are() {
    let run = pagescrub(&["scan".as_ref(), folder().as_os_str()]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    assert!(run.result_line().starts_with("RESULT verdict=clean suspects=0"), "{}", run.stdout);
}
