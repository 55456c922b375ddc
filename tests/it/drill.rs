//! The drill that judges the diagnosis: databases with every kind of damage, scanned as a user
//! does; each suspect must have the reason, and where the bytes show it the cause, that the answer
//! keys name. Regular damage must be found out as such, and irregular damage must not.

use crate::harness::scan_json;
use crate::harness::scanned::folder_in_memory;
use pagescrub::drill::{
    Expected, Fault, InjectedFault, Injection, Recipe, Target, generate, inject,
};
use pagescrub::page::address::FileId;
use pagescrub::page::boot::PageVerify;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const FILE_BYTES: u64 = 16 << 20;
/// Primary and two secondaries.
const FILE_IDS: [u16; 3] = [1, 3, 4];
const DATABASES: [(u64, PageVerify); 3] =
    [(1, PageVerify::Checksum), (2, PageVerify::Checksum), (3, PageVerify::Torn)];
/// Pages of each kind of damage and file.
const PAGES_PER_FAULT: u32 = 6;
/// All that damages single pages. Those that bring another page's write here come last, so that no
/// later fault strikes its home.
const FAULTS: [Fault; 16] = [
    Fault::JunkOnFreePage,
    Fault::BitFlip,
    Fault::MultiBitFlip,
    Fault::ZeroPage,
    Fault::ZeroSector,
    Fault::PatternSectors,
    Fault::LostBlock,
    Fault::TornWrite,
    Fault::TornInsert,
    Fault::StaleChecksum,
    Fault::GarbageHeader,
    Fault::ForeignContent,
    Fault::EncryptedPage,
    Fault::LostFlag,
    Fault::MisdirectedWrite,
    Fault::StaleHome,
];
/// Of the pages whose bytes show the cause, so many of a hundred must have it.
const RIGHT_PERCENT_MIN: usize = 95;
/// Of each fault, too: one that is never recognised must not hide among the others.
const RIGHT_PERCENT_MIN_OF_FAULT: usize = 75;

/// A scanned file and page.
type Place = (String, u64);

/// What was injected and what the scan said of it.
struct Drill {
    keys: BTreeMap<Place, InjectedFault>,
    /// Free pages that count as damaged because their PFS page is.
    side_effects: BTreeMap<Place, String>,
    suspects: HashMap<Place, Value>,
}

fn new_file(folder: &Path, seed: u64, file_id: u16, page_verify: PageVerify, mib: u64) -> PathBuf {
    let path =
        folder.join(if file_id == 1 { "a.mdf".to_owned() } else { format!("a_{file_id}.ndf") });
    let recipe = Recipe { page_verify, file_id: FileId(file_id), ..Recipe::new(mib << 20, seed) };
    generate(&path, recipe, false, &|_| {}).expect("a healthy file");
    path
}

fn injection(fault: Fault, pages: u32, seed: u64) -> Injection {
    Injection { fault, target: Target::Random(pages), seed, force: false }
}

fn place(path: &Path, page: u32) -> Place {
    (path.to_string_lossy().into_owned(), page.into())
}

/// All databases, damaged and scanned, once for all tests.
fn drill() -> &'static Drill {
    static DRILL: OnceLock<Drill> = OnceLock::new();
    DRILL.get_or_init(|| {
        let mut drill = Drill {
            keys: BTreeMap::new(),
            side_effects: BTreeMap::new(),
            suspects: HashMap::new(),
        };
        for (seed, page_verify) in DATABASES {
            let folder = tempfile::tempdir().expect("a folder");
            for file_id in FILE_IDS {
                let path = new_file(folder.path(), seed, file_id, page_verify, FILE_BYTES >> 20);
                damage(&mut drill, &path, page_verify, seed * 100 + u64::from(file_id));
            }
            let (code, report) = scan_json(folder.path(), &[]);
            assert_eq!((code, &report["suspects_not_listed"]), (1, &Value::from(0)));
            for suspect in list(&report, "suspects") {
                let path = suspect["path"].as_str().expect("a path").to_owned();
                let page = suspect["page_id"].as_u64().expect("a page");
                drill.suspects.insert((path, page), suspect.clone());
            }
        }
        drill
    })
}

fn damage(drill: &mut Drill, path: &Path, page_verify: PageVerify, seed: u64) {
    let has_checksums = page_verify == PageVerify::Checksum;
    for fault in FAULTS.into_iter().filter(|fault| has_checksums || *fault != Fault::LostFlag) {
        let key = inject(path, &injection(fault, PAGES_PER_FAULT, seed)).expect("room for damage");
        for entry in key.faults {
            let before = drill.keys.insert(place(path, entry.page_id.0), entry);
            assert!(before.is_none(), "no page is struck twice");
        }
        for effect in key.side_effects {
            let reason = serde_json::to_value(effect.reason).expect("JSON");
            let reason = reason.as_str().expect("a name").to_owned();
            drill.side_effects.insert(place(path, effect.page_id.0), reason);
        }
    }
}

fn list<'a>(report: &'a Value, name: &str) -> &'a [Value] {
    report[name].as_array().map_or(&[], Vec::as_slice)
}

fn name<T: serde::Serialize>(value: T) -> String {
    let value = serde_json::to_value(value).expect("JSON");
    value.as_str().unwrap_or("none").to_owned()
}

/// What a suspect has under `key`; `none` if nothing.
fn said<'a>(suspect: &'a Value, key: &str) -> &'a str {
    suspect[key].as_str().unwrap_or("none")
}

/// True if `cause` says what happened to the page.
fn is_right(entry: &InjectedFault, cause: &str) -> bool {
    let names = [entry.cause, entry.cause_also];
    names.into_iter().flatten().any(|right| right.name() == cause)
}

/// Rows: fault and whether the bytes show its cause. Columns: what the scan said how often.
fn confusion(drill: &Drill) -> String {
    let mut counts: BTreeMap<(String, &str, String), BTreeMap<String, usize>> = BTreeMap::new();
    for (place, entry) in &drill.keys {
        let Some(suspect) = drill.suspects.get(place) else { continue };
        let shows = if entry.decidable { "decidable" } else { "undecidable" };
        let said = format!("{}/{}", said(suspect, "cause"), said(suspect, "confidence"));
        let row = (name(entry.fault), shows, name(entry.cause));
        *counts.entry(row).or_default().entry(said).or_default() += 1;
    }
    let mut table = "injected, decidable?, cause: said/confidence times\n".to_owned();
    for ((fault, shows, cause), said) in counts {
        let said: Vec<_> = said.iter().map(|(said, times)| format!("{said} {times}")).collect();
        let _ = writeln!(table, "{fault:18} {shows:11} {cause:14}: {}", said.join(", "));
    }
    table
}

/// Right answers and all answers on pages whose bytes show the cause, by fault.
fn score(drill: &Drill) -> BTreeMap<String, (usize, usize)> {
    let mut scores = BTreeMap::new();
    for (place, entry) in drill.keys.iter().filter(|(_, entry)| entry.decidable) {
        let cause = drill.suspects.get(place).map_or("none", |suspect| said(suspect, "cause"));
        let (right, all): &mut (usize, usize) = scores.entry(name(entry.fault)).or_default();
        *right += usize::from(is_right(entry, cause));
        *all += 1;
    }
    scores
}

#[test]
fn every_damaged_page_is_found_for_the_reason_that_its_key_names() {
    let drill = drill();
    let suspect = |(_, entry): &(&Place, &InjectedFault)| entry.expected == Expected::Suspect;
    let struck = drill.keys.iter().filter(suspect);
    let mut expected: BTreeMap<&Place, String> =
        struck.map(|(place, entry)| (place, name(entry.reason))).collect();
    expected.extend(drill.side_effects.iter().map(|(place, reason)| (place, reason.clone())));
    let found: BTreeMap<&Place, String> = drill
        .suspects
        .iter()
        .map(|(place, suspect)| (place, said(suspect, "reason").to_owned()))
        .collect();
    assert!(expected.len() > 700, "{}", expected.len());
    assert_eq!(found, expected);
}

/// So that the tests below say something.
#[test]
fn enough_pages_of_every_fault_show_their_cause() {
    let scores = score(drill());
    let shown = |fault: Fault| scores.get(fault.name()).map_or(0, |(_, all)| *all);
    for fault in FAULTS.into_iter().filter(|fault| *fault != Fault::JunkOnFreePage) {
        let wanted = if fault == Fault::StaleHome { 40 } else { 12 };
        assert!(shown(fault) >= wanted, "{fault}: {}", shown(fault));
    }
}

#[test]
fn where_the_bytes_show_the_cause_it_is_named() {
    let drill = drill();
    let scores = score(drill);
    let (right, all) = scores.values().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    assert!(
        right * 100 >= all * RIGHT_PERCENT_MIN,
        "{right} of {all} are right\n{}",
        confusion(drill)
    );
    for (fault, (right, all)) in scores {
        let enough = right * 100 >= all * RIGHT_PERCENT_MIN_OF_FAULT;
        assert!(enough, "{fault}: {right} of {all}\n{}", confusion(drill));
    }
}

/// Also where the bytes do not show the cause: then nobody can be certain.
#[test]
fn no_wrong_cause_is_certain() {
    let drill = drill();
    let mut certain = 0;
    for (place, entry) in &drill.keys {
        let Some(suspect) = drill.suspects.get(place) else { continue };
        if said(suspect, "confidence") == "certain" {
            let cause = said(suspect, "cause");
            certain += 1;
            let table = confusion(drill);
            assert!(is_right(entry, cause), "{cause}: {entry:?}\n{suspect}\n{table}");
        }
    }
    assert!(certain > 0, "nothing is ever certain\n{}", confusion(drill));
}

/// A file of 32 MiB with one regional fault, scanned; and the pages that were struck.
fn regional(fault: Fault, seed: u64) -> (Vec<u32>, Value) {
    let folder = folder_in_memory();
    let path = new_file(folder.path(), seed, 1, PageVerify::Checksum, 32);
    let key = inject(&path, &injection(fault, 1, seed)).expect("a generated file");
    let (code, report) = scan_json(&path, &[]);
    assert_eq!(code, 1);
    let struck = key.faults.iter().filter(|entry| entry.expected == Expected::Suspect);
    (struck.map(|entry| entry.page_id.0).collect(), report)
}

/// The one pattern in the offsets of the file. Where the file lies on its device is not known here.
fn the_pattern(report: &Value) -> &Value {
    let patterns = list(report, "patterns");
    let of_file: Vec<_> = patterns.iter().filter(|of| of["on_device"] == false).collect();
    assert_eq!(of_file.len(), 1, "{patterns:?}");
    of_file[0]
}

fn assert_unlikely(pattern: &Value) {
    let p_value = pattern["p_value"].as_f64().expect("a number");
    assert!((0.0..0.01).contains(&p_value), "{pattern}");
}

#[test]
fn a_dead_member_of_a_stripe_is_named() {
    for seed in 1..=4 {
        let (struck, report) = regional(Fault::DeadMember, seed);
        let pattern = the_pattern(&report);
        assert_eq!(pattern["kind"], "stripe_member", "{pattern}");
        assert_eq!(pattern["unit_bytes"], 65_536, "{pattern}");
        assert_eq!(pattern["members"], 8, "{pattern}");
        assert_eq!(pattern["member"], struck[0] / 8 % 8, "{pattern}");
        assert_unlikely(pattern);
    }
}

#[test]
fn the_period_of_ransomware_is_named() {
    for seed in 1..=2 {
        let (struck, report) = regional(Fault::RansomwareStripe, seed);
        let pattern = the_pattern(&report);
        assert_eq!(pattern["kind"], "period", "{pattern}");
        assert_eq!(pattern["unit_bytes"], 8192, "{pattern}");
        assert_eq!(pattern["members"], 16, "{pattern}");
        assert_eq!(pattern["member"], struck[0] % 16, "{pattern}");
        assert_unlikely(pattern);
    }
}

#[test]
fn damage_at_random_places_is_no_pattern() {
    for seed in 1..=6 {
        let (struck, report) = regional(Fault::DeadZone, seed);
        assert!(struck.len() > 100, "{}", struck.len());
        assert_eq!(list(&report, "patterns"), [] as [Value; 0], "seed {seed}");
    }
}
