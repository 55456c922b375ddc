//! `pagescrub pages`: what it lists of real files, held against their PFS pages, their headers and
//! the counts of an independent checker.

use crate::harness::pagescrub;
use crate::harness::real::{pages, real_files};
use pagescrub::report::pages::COLUMNS;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Pages in use that stand in fixed places: 0, 1, 2, 3, 6, 7 and 9.
const FIXED_PAGES: u64 = 7;

fn folder() -> PathBuf {
    std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it").into()
}

fn json(path: &Path, more: &[&str]) -> (i32, Value) {
    let words = ["pages", path.to_str().expect("text"), "--format", "json"];
    let run = pagescrub(&[&words[..], more].concat());
    (run.code, run.json())
}

fn rows(listed: &Value) -> &[Value] {
    listed["pages"].as_array().map_or(&[], Vec::as_slice)
}

/// Pages in use by the count of the checker.
fn in_use(counts: &Value) -> u64 {
    let count = |key: &str| counts[key].as_u64().unwrap_or_default();
    let of_backup = |key: &str| counts["files"]["1"][key].as_u64().unwrap_or_default();
    let of_data = ["intact_checksum", "intact_torn", "unprotected"].map(count);
    let of_backup = ["alloc checksum_ok", "alloc torn_ok", "alloc unprotected"].map(of_backup);
    of_data.iter().sum::<u64>() + of_backup.iter().sum::<u64>()
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_page_in_use_is_listed_once_and_every_object_has_a_name() {
    let text = fs::read_to_string(folder().join("EXPECTED.json")).expect("EXPECTED.json is there");
    let expected: BTreeMap<String, Value> = serde_json::from_str(&text).expect("it is JSON");
    let whole = ["InventoryDB_904.bak", "sqltools_Full_859.bak"];
    let is_whole = |name: &str| name.contains(".mdf") || whole.contains(&name);
    let mut files = 0;
    for (name, counts) in expected.iter().filter(|(name, _)| is_whole(name)) {
        let (code, listed) = json(&folder().join(name), &[]);
        let mut places: Vec<u64> =
            rows(&listed).iter().filter_map(|row| row["PagePID"].as_u64()).collect();
        assert_eq!((code, places.len() as u64), (0, in_use(counts) - FIXED_PAGES), "{name}");
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), rows(&listed).len(), "{name} lists a page twice");
        for row in rows(&listed) {
            assert!(row["object"].is_string() && row["ObjectID"].is_i64(), "{name}: {row}");
            let state = row["state"].as_str().expect("text");
            assert!(["intact", "intact_torn", "unprotected"].contains(&state), "{name}: {row}");
        }
        files += 1;
    }
    assert!(files >= 9, "{files}");
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn rows_say_what_the_headers_say_and_levels_follow_their_links() {
    for path in real_files() {
        let (_, listed) = json(&path, &[]);
        let pages = pages(&path);
        for row in rows(&listed) {
            let page = &pages[row["PagePID"].as_u64().expect("a number") as usize];
            assert_eq!(row["PageType"], page.bytes()[1], "{row}");
            assert_eq!(row["PrevPagePID"], page.u32_at(8), "{row}");
            assert_eq!(row["NextPagePID"], page.u32_at(16), "{row}");
            assert_eq!(row["NextPageFID"], page.u16_at(20), "{row}");
            let is_iam = page.bytes()[1] == 10;
            assert_eq!((row["IndexLevel"].is_null(), row["IAMPID"].is_null()), (is_iam, is_iam));
        }
        let is_tree = |row: &Value| {
            row["iam_chain_type"] == "In-row data"
                && row["IndexID"].as_i64() > Some(0)
                && row["PageType"] != 10
        };
        let level = |row: &Value| {
            ["allocation_unit_id", "PageType", "IndexLevel"].map(|key| row[key].clone())
        };
        for pair in rows(&listed).windows(2).filter(|pair| pair.iter().all(is_tree)) {
            if level(&pair[0]) == level(&pair[1]) {
                assert_eq!(pair[0]["NextPagePID"], pair[1]["PagePID"], "{}", path.display());
            } else {
                assert_eq!(pair[0]["NextPageFID"], 0, "{}", path.display());
            }
        }
    }
}

fn healthy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join("healthy.mdf")
}

/// The columns of DBCC IND, in its order.
#[test]
fn the_table_begins_with_the_columns_of_dbcc_ind() {
    let run = pagescrub(&["pages", healthy().to_str().expect("text"), "--format", "csv"]);
    let header = run.stdout.lines().next().expect("a header");
    assert!(header.starts_with(
        "PageFID,PagePID,IAMFID,IAMPID,ObjectID,IndexID,PartitionNumber,PartitionID,\
         iam_chain_type,PageType,IndexLevel,NextPageFID,NextPagePID,PrevPageFID,PrevPagePID,"
    ));
    let (code, listed) = json(&healthy(), &[]);
    assert_eq!((run.code, code), (0, 0));
    assert_eq!(run.stdout.lines().count(), rows(&listed).len() + 1);
    let keys = rows(&listed)[0].as_object().expect("a row").len();
    assert_eq!((keys, header.split(',').count()), (COLUMNS.len(), COLUMNS.len()));
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join("report-schema.md");
    let document = fs::read_to_string(document).expect("it is in the repository");
    let (_, section) = document.split_once("`pagescrub.pages/1`\n").expect("it has a section");
    for name in COLUMNS.iter().chain(&["schema", "path", "backup_set", "pages", "not_followed"]) {
        assert!(section.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn objects_and_types_choose_what_is_listed() {
    let (_, all) = json(&healthy(), &[]);
    let of = |key: &str, value: &Value| rows(&all).iter().filter(|row| &row[key] == value).count();
    let orders = rows(&all).iter().find(|row| row["object"] == "dbo.Orders.PK_Orders");
    let id = &orders.expect("the sample has it")["ObjectID"];
    for name in ["orders", "dbo.Orders", "[dbo].[ORDERS]", &id.to_string()] {
        let (code, listed) = json(&healthy(), &["--object", name]);
        assert_eq!((code, rows(&listed).len()), (0, of("ObjectID", id)), "{name}");
    }
    for kind in ["iam", "10"] {
        let (code, listed) = json(&healthy(), &["--type", kind]);
        assert_eq!((code, rows(&listed).len()), (0, of("PageType", &10.into())), "{kind}");
    }
    assert_eq!(pagescrub(&["pages", healthy().to_str().expect("text"), "--object=no"]).code, 2);
    assert_eq!(pagescrub(&["pages", healthy().to_str().expect("text"), "--type=no"]).code, 2);
}

#[test]
fn a_damaged_page_is_listed_as_one_and_a_damaged_iam_page_makes_the_list_incomplete() {
    let (_, all) = json(&healthy(), &["--object", "dbo.Orders"]);
    let find = |kind: u8| {
        let row = rows(&all).iter().find(|row| row["PageType"] == kind).expect("there is one");
        row["PagePID"].as_u64().expect("a number") as usize
    };
    for (at, code) in [(find(1), 1), (find(10), 3)] {
        let mut bytes = fs::read(healthy()).expect("it is in the repository");
        bytes[at * 8192 + 5000] ^= 1;
        let file = tempfile::Builder::new().suffix(".mdf").tempfile().expect("a file");
        fs::write(file.path(), bytes).expect("writable");
        let (is, listed) = json(file.path(), &[]);
        assert_eq!(is, code, "page {at}");
        let named = rows(&listed).iter().find(|row| row["PagePID"] == at);
        let broken = listed["not_followed"].as_array().expect("a list");
        match code {
            1 => assert_eq!(named.expect("it is listed")["state"], "bad_checksum"),
            _ => assert!(broken.len() == 1 && named.is_none(), "{broken:?}"),
        }
        let text = pagescrub(&["pages", file.path().to_str().expect("text")]);
        assert!(text.result_line().starts_with("PAGES listed="), "{}", text.stdout);
        assert_eq!(text.stdout.contains("NOT ALL: the chain"), code == 3);
    }
}
