//! Injected faults: a scan finds exactly what the answer key says.

use crate::harness::scanned::folder_in_memory;
use crate::harness::{pagescrub, scan_json};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FAULTS: [&str; 19] = [
    "bit-flip",
    "zero-page",
    "zero-sector",
    "torn-write",
    "misdirected-write",
    "stale-checksum",
    "garbage-header",
    "ransomware-stripe",
    "junk-on-free-page",
    "multi-bit-flip",
    "pattern-sectors",
    "lost-block",
    "foreign-content",
    "encrypted-page",
    "lost-flag",
    "stale-home",
    "torn-insert",
    "dead-member",
    "dead-zone",
];
/// The faults that are not asked for by page: they spare pages with a fixed place, or want a free
/// one.
const NOT_ON_FIXED_PAGES: [&str; 3] = ["junk-on-free-page", "dead-member", "dead-zone"];

/// Header, PFS, GAM, SGAM, DIFF, ML, boot page, and the IAM page that is never protected.
const FIXED_PAGES: [u32; 8] = [0, 1, 2, 3, 6, 7, 9, 12];
/// The faults that show on pages without checksum or torn bits.
const NEED_NO_PROTECTION: [&str; 10] = [
    "zero-page",
    "misdirected-write",
    "garbage-header",
    "ransomware-stripe",
    "junk-on-free-page",
    "foreign-content",
    "encrypted-page",
    "stale-home",
    "dead-member",
    "dead-zone",
];

/// Whether there are pages in a file with this protection that `fault` shows on.
fn shows(fault: &str, page_verify: &str) -> bool {
    match page_verify {
        "checksum" => true,
        "torn" => fault != "lost-flag",
        _ => NEED_NO_PROTECTION.contains(&fault),
    }
}

fn generated(folder: &TempDir, page_verify: &str, seed: u32) -> PathBuf {
    let path = folder.path().join(format!("{page_verify}-{seed}.mdf"));
    let options = [
        "--size=4MiB".to_owned(),
        format!("--seed={seed}"),
        format!("--page-verify={page_verify}"),
    ];
    let mut args = vec!["generate".as_ref(), path.as_os_str()];
    args.extend(options.iter().map(std::ffi::OsStr::new));
    let run = pagescrub(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
    path
}

/// Damages a copy of `path` and returns it with its answer key.
fn injected(path: &Path, fault: &str, target: &str, seed: u32, force: bool) -> (PathBuf, Value) {
    let damaged = path.with_extension(format!("{fault}-{seed}.mdf"));
    fs::copy(path, &damaged).expect("room");
    let fault = format!("--fault={fault}");
    let seed = format!("--seed={seed}");
    let mut args = vec!["inject".as_ref(), damaged.as_os_str(), fault.as_ref(), seed.as_ref()];
    args.push(target.as_ref());
    if force {
        args.push("--force".as_ref());
    }
    let run = pagescrub(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
    (damaged, run.json())
}

/// Suspect pages and their reasons, by the answer key.
fn expected(key: &Value) -> BTreeMap<u64, String> {
    let faults = key["faults"].as_array().expect("a list");
    assert!(!faults.is_empty(), "nothing was injected: {key}");
    let side_effects = key["side_effects"].as_array().expect("a list");
    let suspects = faults.iter().filter(|fault| fault["expected"] == "suspect");
    suspects.chain(side_effects).map(page_and_reason).collect()
}

fn found(report: &Value) -> BTreeMap<u64, String> {
    report["suspects"].as_array().expect("a list").iter().map(page_and_reason).collect()
}

fn page_and_reason(entry: &Value) -> (u64, String) {
    let reason = entry["reason"].as_str().expect("a reason").to_owned();
    (entry["page_id"].as_u64().expect("a page"), reason)
}

fn assert_finds_exactly_the_key(path: &Path, fault: &str, target: &str, seed: u32, force: bool) {
    let (damaged, key) = injected(path, fault, target, seed, force);
    let expected = expected(&key);
    for options in
        [&["--engine=cycle", "--reader=mmap", "--batch-size=64KiB"][..], &["--reader=pread"]]
    {
        let (code, report) = scan_json(&damaged, options);
        assert_eq!(found(&report), expected, "{fault} seed {seed} in {}: {key}", path.display());
        // Damage that no checksum sees may still show as a map that names pages past the end.
        let is_right = if expected.is_empty() { code == 0 || code == 3 } else { code == 1 };
        assert!(is_right, "{fault}: exit code {code}");
    }
    fs::remove_file(damaged).expect("ours");
}

#[test]
fn every_fault_in_synthetic_files_is_found_exactly() {
    let folder = folder_in_memory();
    for page_verify in ["checksum", "torn", "none"] {
        for seed in 0..3 {
            let path = generated(&folder, page_verify, seed);
            let (code, report) = scan_json(&path, &[]);
            // Where nothing carries a checksum, nothing could be verified.
            let healthy = if page_verify == "none" { 3 } else { 0 };
            assert_eq!((code, found(&report).len()), (healthy, 0), "{page_verify} is healthy");
            for fault in FAULTS.into_iter().filter(|fault| shows(fault, page_verify)) {
                assert_finds_exactly_the_key(&path, fault, "--random=4", seed + 40, false);
            }
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_fault_in_copies_of_real_files_is_found_exactly() {
    let folder = folder_in_memory();
    let data = PathBuf::from(std::env::var_os("PAGESCRUB_REAL_DATA").expect("built with it"));
    let names = ["MoviesDb_706.mdf", "NORTHWND_661from539_torn.mdf", "Subtext2.2_611_junk.mdf"];
    for name in names {
        let path = folder.path().join(name);
        fs::copy(data.join(name), &path).expect("room");
        let page_verify = if name.contains("_torn") { "torn" } else { "checksum" };
        for fault in FAULTS.into_iter().filter(|fault| shows(fault, page_verify)) {
            for seed in 0..4 {
                assert_finds_exactly_the_key(&path, fault, "--random=4", seed, true);
            }
            for page in FIXED_PAGES.into_iter().filter(|_| !NOT_ON_FIXED_PAGES.contains(&fault)) {
                assert_finds_exactly_the_key(&path, fault, &format!("--page={page}"), page, true);
            }
        }
    }
}

#[test]
fn every_fault_on_every_fixed_page_is_found_exactly() {
    let folder = folder_in_memory();
    for page_verify in ["checksum", "torn"] {
        let path = generated(&folder, page_verify, 21);
        for page in FIXED_PAGES {
            for fault in FAULTS.into_iter().filter(|fault| !NOT_ON_FIXED_PAGES.contains(fault)) {
                let target = format!("--page={page}");
                assert_finds_exactly_the_key(&path, fault, &target, page, false);
            }
        }
    }
}

#[test]
fn a_file_that_was_not_generated_is_not_damaged_without_force() {
    let folder = folder_in_memory();
    let path = generated(&folder, "checksum", 9);
    let mut bytes = fs::read(&path).expect("readable");
    bytes[96..600].fill(0);
    fs::write(&path, &bytes).expect("ours");
    let args =
        ["inject".as_ref(), path.as_os_str(), "--fault=bit-flip".as_ref(), "--page=20".as_ref()];
    let run = pagescrub(&[&args[..], &["--seed=1".as_ref()]].concat());
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("--force"), "{}", run.stderr);
    assert_eq!(fs::read(&path).expect("readable"), bytes);
}
