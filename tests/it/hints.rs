//! What a damaged page says of its database is a hint, and no advice rests on it.

use crate::harness::{pagescrub, scan_json};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: usize = 8192;
/// The SIMPLE bit in the status of the boot page (section 5.2).
const SIMPLE_BYTE: usize = 9 * PAGE + 132;
const SIMPLE_BIT: u8 = 8;

fn generated(folder: &Path, name: &str, more: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let file = path.to_str().expect("text");
    let args = [&["generate", file, "--size=4MiB", "--seed=7"], more].concat();
    assert_eq!(pagescrub(&args).code, 0);
    path
}

fn flip(path: &Path, byte: usize, bit: u8) {
    let mut bytes = fs::read(path).expect("there");
    bytes[byte] ^= bit;
    fs::write(path, bytes).expect("room");
}

fn titles(report: &Value) -> Vec<&str> {
    let plan = report["plan"].as_array().expect("a list");
    plan.iter().map(|step| step["title"].as_str().expect("text")).collect()
}

/// One flipped bit turns FULL into SIMPLE, and the tail of the log would be given up.
#[test]
fn a_recovery_model_is_not_believed_of_a_damaged_boot_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let primary = generated(folder.path(), "a.mdf", &[]);
    let secondary = generated(folder.path(), "a_2.ndf", &["--file-id=3"]);
    flip(&secondary, 100 * PAGE + 4000, 1);
    let (_, sound) = scan_json(folder.path(), &[]);
    assert_eq!(sound["files"][1]["simple_recovery"], false);
    flip(&primary, SIMPLE_BYTE, SIMPLE_BIT);
    let (code, report) = scan_json(folder.path(), &[]);
    assert_eq!(code, 1);
    for file in report["files"].as_array().expect("a list") {
        assert!(file["simple_recovery"].is_null(), "{file}");
        assert!(file["notes"].to_string().contains("(1:9), is damaged"), "{file}");
    }
    assert!(titles(&report).contains(&"Save the tail of the log"), "{:?}", titles(&report));
    for suspect in report["suspects"].as_array().expect("a list") {
        assert!(!suspect["action"].to_string().contains("SIMPLE recovery model,"), "{suspect}");
    }
}

/// Old content of free pages looks like damage once nobody knows any more that they are free.
#[test]
fn what_may_be_free_has_no_cause() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(folder.path(), "a.mdf", &[]);
    let file = path.to_str().expect("text");
    let inject = ["inject", file, "--fault=junk-on-free-page", "--random=60", "--seed=7"];
    assert_eq!(pagescrub(&inject).code, 0);
    flip(&path, PAGE + 200, 1);
    let (_, report) = scan_json(&path, &[]);
    let suspects = report["suspects"].as_array().expect("a list");
    let doubtful: Vec<_> = suspects
        .iter()
        .filter(|s| s["allocated"] == "unknown" && s["page_type"] == "unknown")
        .collect();
    assert!(!doubtful.is_empty(), "free pages hold old content: {suspects:?}");
    for suspect in doubtful {
        assert!(suspect["cause"].is_null() && suspect["confidence"].is_null(), "{suspect}");
        assert!(suspect["score"].as_u64() < Some(100), "{suspect}");
    }
}

/// One of two members of a striped backup, without the PFS page of its second half: what free pages
/// held before may look like a page with a checksum, and nobody knows that it is in use.
#[test]
fn junk_of_unknown_allocation_is_not_called_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.bak");
    let file = path.to_str().expect("text");
    let args = ["generate", file, "--backup=full", "--stripes=2", "--size=80MiB", "--seed=3"];
    assert_eq!(pagescrub(&args).code, 0);
    fs::remove_file(folder.path().join("s_2.bak")).expect("ours");
    let member = folder.path().join("s_1.bak");
    let (code, report) = scan_json(&member, &[]);
    let coverage = &report["coverage"];
    let count = |key: &str| coverage[key].as_u64().expect("a number");
    assert_eq!((code, count("suspect")), (3, 0), "{coverage}");
    let (zeros, junk) = (count("zero_allocation_unknown"), count("junk_allocation_unknown"));
    assert!(zeros > 0 && junk > 0, "{coverage}");
    assert_eq!(count("unprotected") - zeros - junk, 2, "page 7 and page 12: {coverage}");
    let notes = report["files"].to_string();
    assert!(!notes.contains("without the flag"), "{notes}");
    assert!(notes.contains(&format!("{junk} pages of unknown allocation are no pages")), "{notes}");
}
