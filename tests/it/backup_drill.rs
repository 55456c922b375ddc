//! Damage injected into backups: a scan finds exactly what the answer key says, in backups of all
//! kinds, whatever reads them.

use crate::harness::scanned::{each, folder_in_memory, scanned};
use crate::harness::{self, pagescrub, scan_json, timeless};
use crate::tsql;
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::page::{PAGE_BYTES, Page, checksum};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Faults of pages that make sense in a backup.
const PAGE_FAULTS: [&str; 16] = [
    "bit-flip",
    "zero-page",
    "zero-sector",
    "torn-write",
    "misdirected-write",
    "stale-checksum",
    "garbage-header",
    "junk-on-free-page",
    "multi-bit-flip",
    "pattern-sectors",
    "lost-block",
    "foreign-content",
    "encrypted-page",
    "lost-flag",
    "stale-home",
    "torn-insert",
];
/// Faults of what is beside the pages.
const BACKUP_FAULTS: [&str; 6] = [
    "block-header-bit",
    "stream-header-bit",
    "backup-checksum-bit",
    "log-bit",
    "configuration-bit",
    "zero-extent",
];

/// Kinds of backups, by what `generate` is told.
const KINDS: [(&str, &[&str]); 6] = [
    ("checksum", &["--backup=full", "--with-checksum"]),
    ("plain", &["--backup=full", "--block-size=512"]),
    ("files", &["--backup=full", "--with-checksum", "--file-id=1,3", "--second-copy"]),
    ("torn", &["--backup=full", "--page-verify=torn", "--block-size=65536"]),
    ("differential", &["--backup=differential", "--padding", "--with-checksum"]),
    ("none", &["--backup=full", "--page-verify=none", "--with-checksum"]),
];

fn run(args: &[&OsStr]) -> harness::Run {
    let run = pagescrub(args);
    assert_eq!(run.code, 0, "{args:?}: {}", run.stderr);
    run
}

fn generated(folder: &TempDir, name: &str, options: &[&str]) -> PathBuf {
    generated_as(folder, name, &[&["--size=8MiB", "--seed=5"], options].concat())
}

fn generated_as(folder: &TempDir, name: &str, options: &[&str]) -> PathBuf {
    let path = folder.path().join(format!("{name}.bak"));
    let mut args: Vec<&OsStr> = vec!["generate".as_ref(), path.as_os_str()];
    args.extend(options.iter().map(OsStr::new));
    run(&args);
    path
}

/// Damages a copy of `path`; nothing where the fault makes no sense in it.
fn injected(path: &Path, fault: &str, target: &str) -> Option<(PathBuf, Value)> {
    let damaged = path.with_extension(format!("{fault}.bak"));
    std::fs::copy(path, &damaged).expect("room");
    let fault = format!("--fault={fault}");
    let args: [&OsStr; 5] = [
        "inject".as_ref(),
        damaged.as_os_str(),
        fault.as_ref(),
        target.as_ref(),
        "--seed=9".as_ref(),
    ];
    let run = pagescrub(&args);
    (run.code == 0).then(|| (damaged, run.json()))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Address and reason of each suspect.
type Suspects = BTreeMap<String, String>;

fn expected_suspects(key: &Value) -> Suspects {
    let faults = list(&key["faults"]).iter().filter(|fault| fault["expected"] == "suspect");
    faults.chain(list(&key["side_effects"])).map(suspect).collect()
}

fn suspect(entry: &Value) -> (String, String) {
    let text = |key: &str| entry[key].as_str().expect("text").to_owned();
    (text("address"), text("reason"))
}

/// Where each suspect is in the backup must be where it was damaged.
fn assert_offsets(report: &Value, key: &Value) {
    let by_address = |list: &[Value]| -> BTreeMap<String, u64> {
        let place =
            |entry: &Value| Some((entry["address"].to_string(), entry["offset_bytes"].as_u64()?));
        list.iter().filter_map(place).collect()
    };
    let found = by_address(list(&report["suspects"]));
    for (address, offset) in by_address(list(&key["faults"])) {
        assert!(found.get(&address).is_none_or(|found| *found == offset), "{address}: {key}");
    }
}

/// Kinds of faults beside pages that the key asks for.
fn expected_faults(key: &Value) -> BTreeSet<String> {
    let beside = list(&key["backup_faults"]).iter().flat_map(|fault| list(&fault["expected"]));
    let also = list(&key["faults"]).iter().flat_map(|fault| list(&fault["also_found"]));
    beside.chain(also).map(|kind| kind.as_str().expect("text").to_owned()).collect()
}

fn found_faults(report: &Value) -> BTreeSet<String> {
    let backups = list(&report["files"]).iter().map(|file| &file["backup"]);
    let faults = backups.flat_map(|backup| list(&backup["faults"]));
    faults.map(|fault| fault["kind"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn a_scan_finds_what_was_injected_into_backups_of_all_kinds_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tried = 0;
    for (kind, options) in KINDS {
        let backup = generated(&folder, kind, options);
        let (code, report) = scan_json(&backup, &[]);
        assert_eq!((code, &report["verdict"]), (0, &"clean".into()), "{kind}: {report}");
        let targets = PAGE_FAULTS.map(|fault| (fault, "--random=5"));
        for (fault, target) in targets.into_iter().chain(BACKUP_FAULTS.map(|f| (f, "--random=1"))) {
            let Some((damaged, key)) = injected(&backup, fault, target) else { continue };
            tried += 1;
            let (_, report) = scan_json(&damaged, &[]);
            let found: Suspects = list(&report["suspects"]).iter().map(suspect).collect();
            assert_eq!(found, expected_suspects(&key), "{kind} {fault}: {key}");
            assert_eq!(found_faults(&report), expected_faults(&key), "{kind} {fault}: {key}");
            assert_offsets(&report, &key);
            let is_damaged = !found.is_empty() || !expected_faults(&key).is_empty();
            let verdict = if is_damaged { "damaged" } else { "clean" };
            assert_eq!(report["verdict"], verdict, "{kind} {fault}: {key}");
            std::fs::remove_file(damaged).expect("ours");
        }
    }
    assert!(tried > 100, "{tried} faults were tried");
}

#[test]
fn a_damaged_backup_has_the_same_report_whatever_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = generated(&folder, "a", &["--backup=full", "--with-checksum", "--file-id=1,3"]);
    let (first, _) = injected(&backup, "bit-flip", "--random=20").expect("it can be damaged");
    let (damaged, _) = injected(&first, "zero-extent", "--page=64").expect("and again");
    let mut reports = BTreeSet::new();
    for reader in ["auto", "mmap", "pread", "direct"] {
        for batch in ["64KiB", "512KiB", "16MiB"] {
            for threads in ["1", "3"] {
                let how = ["--reader", reader, "--batch-size", batch, "--threads", threads];
                let (code, report) = scan_json(&damaged, &how);
                assert_eq!(code, 1);
                reports.insert(timeless(report).to_string());
            }
        }
    }
    assert_eq!(reports.len(), 1);
}

/// PFS pages are in one member only.
#[test]
fn the_members_of_a_striped_backup_are_judged_together_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    generated(&folder, "s", &["--backup=full", "--stripes=3"]);
    let member = |n: u32| folder.path().join(format!("s_{n}.bak"));
    let (damaged, key) = injected(&member(2), "bit-flip", "--random=3").expect("a member");
    std::fs::rename(damaged, member(2)).expect("ours");
    let (code, report) = scan_json(folder.path(), &[]);
    assert_eq!(code, 1);
    let found: Suspects = list(&report["suspects"]).iter().map(suspect).collect();
    assert_eq!(found, expected_suspects(&key));
    for suspect in list(&report["suspects"]) {
        assert_eq!(suspect["allocated"], "yes", "{suspect}");
    }
    std::fs::remove_file(member(1)).expect("ours");
    let (_, report) = scan_json(folder.path(), &[]);
    let backups = list(&report["files"]).iter().filter(|file| file["backup"].is_object());
    for backup in backups {
        assert_eq!(backup["backup"]["missing_members"], serde_json::json!([1]));
    }
    assert!(report["coverage"]["allocation_unknown"].as_u64() > Some(0), "{}", report["coverage"]);
}

#[test]
fn sets_in_one_file_are_kept_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = generated(&folder, "a", &["--backup=full", "--with-checksum"]);
    generated(&folder, "a", &["--backup=differential", "--append"]);
    let (damaged, key) = injected(&backup, "bit-flip", "--random=2").expect("it can be damaged");
    let (_, report) = scan_json(&damaged, &[]);
    let found: Suspects = list(&report["suspects"]).iter().map(suspect).collect();
    assert_eq!(found, expected_suspects(&key));
    let sets = list(&report["files"][0]["backup"]["sets"]).iter();
    let kinds: Vec<_> = sets.map(|set| (&set["position"], &set["kind"])).collect();
    assert_eq!(kinds, [(&1.into(), &"full".into()), (&2.into(), &"differential".into())]);
    for suspect in list(&report["suspects"]) {
        assert_eq!(suspect["backup_set"], 1);
    }
}

/// A log backup has no pages; its checksum is all that it can be verified by.
#[test]
fn a_log_backup_is_verified_by_its_stream_checksum() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = generated(&folder, "l", &["--backup=log", "--with-checksum"]);
    let (code, report) = scan_json(&log, &[]);
    let backup = &report["files"][0]["backup"];
    assert_eq!((code, &backup["streams_verified"]), (0, &1.into()), "{report}");
    let (damaged, key) = injected(&log, "log-bit", "--random=1").expect("it can be damaged");
    assert_eq!(expected_faults(&key), BTreeSet::from(["stream_checksum".to_owned()]));
    let (code, report) = scan_json(&damaged, &[]);
    assert_eq!((code, found_faults(&report)), (1, expected_faults(&key)));
}

/// Where the pages of a backup begin, and how many extents there are.
fn pages_of(path: &Path) -> (u64, u64) {
    let bytes = std::fs::read(path).expect("it is there");
    let media = pagescrub::backup::Media::read(&bytes).expect("readable").expect("a backup");
    let piece = &media.sets[0].data[0];
    (piece.offset_bytes, piece.bytes / EXTENT_BYTES)
}

const EXTENT_BYTES: u64 = 65_536;

/// A misdirected write loses what it overwrites, and what it writes is there twice: without stream
/// checksums only the backup's own count of pages tells.
#[test]
fn extents_overwritten_by_others_of_the_same_backup_are_missed_wherever_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    // In one of them extents that are not in use lie between others.
    for (name, size, seed) in [("a", "--size=8MiB", "--seed=5"), ("b", "--size=2MiB", "--seed=7")] {
        let backup = generated_as(&folder, name, &[size, seed, "--backup=full"]);
        let (start, extents) = pages_of(&backup);
        let healthy = std::fs::read(&backup).expect("it is there");
        let is_small = extents < 32;
        let mut writes = Vec::new();
        for count in [1, 2, 16] {
            for to in 0..extents - count {
                let some = [0, to.saturating_sub(count), (to + count).min(extents - count)];
                let from = if is_small { (0..extents - count).collect() } else { some.to_vec() };
                writes.extend(from.into_iter().map(|from| (count, from, to)));
            }
        }
        writes.retain(|(_, from, to)| from != to);
        each(&writes, |&(count, from, to)| {
            let mut bytes = healthy.clone();
            let at = |n: u64| (start + n * EXTENT_BYTES) as usize;
            bytes.copy_within(at(from)..at(from + count), at(to));
            let said = format!("{count} extents from {from} on {to}, {size}");
            (report_of(&bytes).exit_code == 1).then_some(()).ok_or(said)
        });
    }
}

/// What a scan of a backup that is `bytes` reports.
fn report_of(bytes: &[u8]) -> ScrubReport {
    let folder = folder_in_memory();
    let path = folder.path().join("a.bak");
    std::fs::write(&path, bytes).expect("room");
    scanned(&[path])
}

fn intact_and_suspects(bytes: &[u8]) -> (u64, Vec<u32>) {
    let report = report_of(bytes);
    let suspects = report.suspects.iter().map(|suspect| suspect.page_id);
    (report.coverage.intact, suspects.collect())
}

/// Of each extent its first page in turn becomes one of elsewhere: whole, or only its first half.
/// Nothing else of the extent is lost, and nothing else is suspect.
#[test]
fn a_first_page_of_elsewhere_does_not_take_its_extent_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let full = generated(&folder, "a", &["--backup=full", "--file-id=1,3"]);
    let base = format!("--base={}", full.display());
    let differential = generated(&folder, "b", &["--backup=differential", "--file-id=1,3", &base]);
    for backup in [full, differential] {
        let (start, extents) = pages_of(&backup);
        let healthy = std::fs::read(&backup).expect("it is there");
        let (before, _) = intact_and_suspects(&healthy);
        let at = |extent: u64| (start + extent * EXTENT_BYTES) as usize;
        let damages: Vec<_> = (0..extents).flat_map(|n| [(n, false), (n, true)]).collect();
        each(&damages, |&(extent, is_half)| {
            let mut bytes = healthy.clone();
            let page = at(extent)..at(extent) + PAGE_BYTES;
            let id = u32::from_le_bytes(bytes[page.start + 32..][..4].try_into().expect("four"));
            if is_half {
                let other = at((extent + extents / 3) % extents);
                bytes.copy_within(other..other + PAGE_BYTES / 2, page.start);
            } else {
                bytes[page.start + 36] += 5;
                let mut whole = Page::ZERO;
                whole.bytes_mut().copy_from_slice(&bytes[page.clone()]);
                checksum::seal(&mut whole);
                bytes[page].copy_from_slice(whole.bytes());
            }
            let (intact, suspects) = intact_and_suspects(&bytes);
            let is_right = match suspects[..] {
                [] => intact == before,
                [suspect] => suspect == id && intact == before - 1,
                _ => false,
            };
            is_right.then_some(()).ok_or(format!("page {id}: {intact} intact, {suspects:?}"))
        });
    }
}

/// Nothing but the first bytes of its sectors tells of a log without a stream checksum.
#[test]
fn a_log_of_zeros_or_noise_without_a_checksum_is_not_called_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = generated(&folder, "a", &["--backup=full"]);
    let healthy = std::fs::read(&backup).expect("it is there");
    let media = pagescrub::backup::Media::read(&healthy).expect("readable").expect("a backup");
    let log = &media.sets[0].logs[0];
    for noise in [0, 0xa7] {
        let mut bytes = healthy.clone();
        let range = log.offset_bytes as usize..(log.offset_bytes + log.bytes) as usize;
        bytes[range].fill(noise);
        std::fs::write(&backup, &bytes).expect("room");
        let (code, report) = scan_json(&backup, &[]);
        assert_eq!((code, &report["verdict"]), (3, &"incomplete".into()), "{noise}");
    }
}

/// A GPU knows of pages and their places only.
#[test]
#[cfg(feature = "gpu")]
#[cfg_attr(not(gpu_tests), ignore = "REQUIRE_GPU is not set")]
fn a_damaged_backup_has_the_same_report_through_a_gpu() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = generated(&folder, "a", &["--backup=full", "--with-checksum", "--file-id=1,3"]);
    let (damaged, key) = injected(&backup, "bit-flip", "--random=20").expect("it can be damaged");
    let (_, cpu_report) = scan_json(&damaged, &["--reader=direct"]);
    let how = ["--reader=direct", "--engine=gpu", "--allow-software-gpu"];
    let (code, gpu_report) = scan_json(&damaged, &how);
    let found: Suspects = list(&gpu_report["suspects"]).iter().map(suspect).collect();
    assert_eq!((code, found), (1, expected_suspects(&key)));
    assert!(gpu_report["run"]["gpus"][0]["pages"].as_u64() > Some(0), "{}", gpu_report["run"]);
    assert_eq!(timeless(gpu_report), timeless(cpu_report));
}

/// Restores the scan of `folder` names, a sequence each: file name and position.
fn restores(folder: &Path, reports: &Path) -> (Value, BTreeSet<Vec<String>>) {
    let dir = ["--report-dir".as_ref(), reports.as_os_str()];
    pagescrub(&["scan".as_ref(), folder.as_os_str(), dir[0], dir[1]]);
    let read = |name: &str| std::fs::read_to_string(reports.join(name)).expect("it was written");
    let report = serde_json::from_str(&read("report.json")).expect("JSON");
    let mut sequences = vec![Vec::new()];
    for statement in tsql::off(&read("restore.sql")) {
        if statement.starts_with("BACKUP LOG") || statement.contains("WITH RECOVERY") {
            sequences.push(Vec::new());
        }
        let path = statement.split(" DISK = N'").nth(1).and_then(|rest| rest.split('\'').next());
        let names = path.and_then(|path| path.rsplit('/').next());
        let position = statement.split("FILE = ").nth(1).map(|rest| {
            format!(" {}", rest.chars().take_while(char::is_ascii_digit).collect::<String>())
        });
        let is_restore =
            ["RESTORE DATABASE", "RESTORE LOG"].iter().any(|verb| statement.starts_with(verb));
        if let (Some(name), true) = (names, is_restore) {
            let all = sequences.last_mut().expect("one at least");
            all.push(format!("{name}{}", position.unwrap_or_default()));
        }
    }
    (report, sequences.into_iter().filter(|all| all.len() > 1).collect())
}

/// Of each suspect, the names of the backups with a clean copy, the best first.
fn copies(report: &Value) -> Vec<Vec<String>> {
    let name = |copy: &Value| {
        let path = copy["path"].as_str().expect("text");
        path.rsplit('/').next().expect("a name").to_owned()
    };
    let suspects = list(&report["suspects"]).iter();
    suspects.map(|suspect| list(&suspect["clean_copies"]).iter().map(name).collect()).collect()
}

/// A data file with damage.
fn struck(folder: &TempDir) {
    let data = generated(folder, "data", &[]);
    let target = ["--fault=bit-flip", "--random=12", "--seed=9"].map(OsStr::new);
    run(&[&["inject".as_ref(), data.as_os_str()], &target[..]].concat());
}

#[test]
fn generated_backups_restore_a_damaged_data_file_in_order() {
    let [folder, out] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    struck(&folder);
    let full = generated(&folder, "full", &["--backup=full", "--with-checksum"]);
    let other = generated(&folder, "other", &["--backup=full", "--with-checksum"]);
    for (name, base) in [("differential", &full), ("a_differential", &other)] {
        let base = format!("--base={}", base.display());
        generated(&folder, name, &["--backup=differential", &base]);
    }
    for number in 1..=2 {
        let options = ["--backup=log", &format!("--log-number={number}")];
        generated(&folder, &format!("log{number}"), &options);
    }
    let (report, sequences) = restores(folder.path(), out.path());
    let copies = copies(&report);
    assert_eq!(copies.len(), 12);
    let has = |copies: &Vec<String>, name: &str| copies.iter().any(|copy| copy == name);
    assert!(copies.iter().all(|copies| has(copies, "full.bak") && has(copies, "other.bak")));
    assert!(copies.iter().any(|copies| has(copies, "differential.bak")), "{copies:?}");
    // The differential spares no log.
    let chain = ["full.bak", "log1.bak", "log2.bak"].map(str::to_owned);
    assert!(!sequences.is_empty());
    assert!(sequences.iter().all(|all| *all == chain), "{sequences:?}");
    let sets = list(&report["files"]).iter().flat_map(|file| list(&file["backup"]["sets"]));
    let ids: Vec<_> = sets.map(|set| set["set_id"].as_str().expect("a GUID")).collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (6, 6));
}

#[test]
fn generated_sets_of_one_file_restore_a_damaged_data_file_in_order() {
    let [folder, out] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    struck(&folder);
    generated(&folder, "all", &["--backup=full"]);
    for kind in ["differential", "log", "log"] {
        generated(&folder, "all", &[&format!("--backup={kind}"), "--append"]);
    }
    let (report, sequences) = restores(folder.path(), out.path());
    // The first log ends before the differential does.
    let chain = ["all.bak 1", "all.bak 2", "all.bak 4"].map(str::to_owned);
    assert!(!sequences.is_empty());
    assert!(sequences.iter().all(|all| *all == chain), "{sequences:?}");
    let media: BTreeSet<_> = list(&report["files"])
        .iter()
        .filter_map(|file| file["backup"]["media_set"].as_str())
        .collect();
    assert_eq!(media.len(), 1);
    let [_, differential, ..] = list(&report["files"])
        .iter()
        .find_map(|file| Some(list(&file["backup"]["sets"])).filter(|sets| !sets.is_empty()))
        .expect("a backup")
    else {
        panic!("{report}")
    };
    assert!(differential["differential_base_id"].is_string(), "{differential}");
}
