//! Faults without number, in generated files and in copies of real ones: an independent witness
//! says which of them can be seen. None of these may be missed, and none may be invented.
//!
//!     PAGESCRUB_FAULTS=1000000 cargo test --release --test it million_faults:: -- --nocapture
//!
//! prints how many were injected and seen. `PAGESCRUB_SEED` makes others.

#![allow(clippy::print_stdout, reason = "it says how much it tried")]

use crate::harness::scanned::{each, folder_in_memory, scanned};
use crate::witness::change::CHANGES;
use crate::witness::dice::Dice;
use crate::witness::original::{Map, Original, Place};
use crate::witness::verdict::{Answer, complaint};
use crate::witness::{PAGE, Say, is_torn_right, restored, seal, sum};
use pagescrub::drill::{BackupKind, BackupRecipe, Media, Recipe, generate, generate_backup};
use pagescrub::page::address::FileId;
use pagescrub::page::boot::PageVerify;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

/// Faults where the environment does not say how many.
const FAULTS_DEFAULT: usize = 20_000;
const SEED_DEFAULT: usize = 20_261_129;
/// One page in so many is damaged: of files whose fixed pages are spared, ...
const DENSITIES: [usize; 4] = [1, 3, 16, 200];
/// ... and of backups, whose extents must be known by the pages that are left.
const BACKUP_DENSITIES: [usize; 2] = [16, 100];
/// Copies per round whose fixed pages, or whose end, are hit as well.
const COPIES_WITHOUT_MAPS: usize = 12;

/// What is done to one copy of a file.
struct Chunk<'a> {
    number: u64,
    original: &'a Original,
    /// Which pages.
    pages: Vec<Place>,
    /// Bytes cut off at the end.
    cut: usize,
}

/// Injected and seen, by what was done.
type Tally = BTreeMap<&'static str, [u64; 4]>;

fn environment(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn data_file(folder: &Path, verify: PageVerify, file: u16, kib: u64) -> Original {
    let recipe = Recipe {
        page_verify: verify,
        file_id: FileId(file),
        ..Recipe::new(kib << 10, kib + u64::from(file))
    };
    let name = format!("{verify:?}, file {file}, {kib} KiB");
    let path = folder.join("a.mdf");
    generate(&path, recipe, true, &|_| {}).expect("a healthy file");
    let is_on = verify != PageVerify::None && file == 1;
    Original::data_file(&name, fs::read(path).expect("it is there"), is_on)
}

fn backup(folder: &Path, kind: BackupKind, with_checksum: bool) -> Original {
    let file = |id| Recipe { file_id: FileId(id), ..Recipe::new(8 << 20, 77) };
    let recipe = BackupRecipe {
        files: vec![file(1), file(3)],
        kind,
        with_checksum,
        padding: with_checksum,
        second_copy: !with_checksum,
        ..BackupRecipe::new(file(1))
    };
    let path = folder.join("a.bak");
    generate_backup(&path, &recipe, Media::Overwritten, &|_| {}).expect("a healthy backup");
    let name = format!("{kind:?} backup, checksum {with_checksum}");
    let map = if kind == BackupKind::Full { Map::Gam } else { Map::Diff };
    Original::backup(&name, fs::read(path).expect("it is there"), map)
}

fn generated() -> Vec<Original> {
    let folder = folder_in_memory();
    let mut originals = Vec::new();
    for verify in [PageVerify::Checksum, PageVerify::Torn, PageVerify::None] {
        originals.push(data_file(folder.path(), verify, 1, 1 << 10));
        originals.push(data_file(folder.path(), verify, 3, 2 << 10));
    }
    for kind in [BackupKind::Full, BackupKind::Differential] {
        originals.extend([false, true].map(|sums| backup(folder.path(), kind, sums)));
    }
    for verify in [PageVerify::Torn, PageVerify::Checksum] {
        originals.push(data_file(folder.path(), verify, 1, 16 << 10));
    }
    // More than one PFS page describes it.
    originals.push(data_file(folder.path(), PageVerify::Checksum, 1, 66 << 10));
    originals
}

fn real() -> Vec<Original> {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("built with it");
    let read = |name: &str| fs::read(Path::new(&folder).join(name)).expect("it is there");
    let data = [
        ("ContactManagerDB_611.mdf", true),
        ("MoviesDb_706.mdf", true),
        ("NORTHWND_661from539_torn.mdf", true),
        ("Northwind_661_verifynone.mdf", false),
        ("Subtext2.2_611_junk.mdf", true),
        ("Subtext2.6_655.mdf", true),
        ("roadkill152_706from655.mdf", true),
    ];
    let backups = [
        ("InventoryDB_904.bak", Map::Gam),
        ("sqltools_Full_859.bak", Map::Gam),
        ("sqltools_Diff_859.bak", Map::Diff),
    ];
    let data = data.map(|(name, verify)| Original::data_file(name, read(name), verify));
    let backups = backups.map(|(name, map)| Original::backup(name, read(name), map));
    data.into_iter().chain(backups).collect()
}

/// Pages that tell of others.
fn is_fixed(place: Place) -> bool {
    place.1 < 8 || place.1 == 9 || place.1.is_multiple_of(8088)
}

/// Chunks in rounds, until there are as many faults as wanted.
fn plan(originals: &[Original], wanted: usize, seed: u64) -> Vec<Chunk<'_>> {
    let mut chunks: Vec<Chunk<'_>> = Vec::new();
    let mut left = wanted;
    for original in originals.iter().cycle() {
        let mut dice = Dice::new(seed, chunks.len() as u64 | 1 << 40);
        for mut faults in round(original, &mut dice) {
            faults.0.truncate(left);
            left -= faults.0.len();
            let number = chunks.len() as u64;
            chunks.push(Chunk { number, original, pages: faults.0, cut: faults.1 });
            if left == 0 {
                return chunks;
            }
        }
    }
    chunks
}

/// Which pages to hit in each copy of `original`, and how much to cut off.
fn round(original: &Original, dice: &mut Dice) -> Vec<(Vec<Place>, usize)> {
    let ordinary: Vec<Place> =
        original.places.keys().copied().filter(|place| !is_fixed(*place)).collect();
    let densities = if original.is_backup { &BACKUP_DENSITIES[..] } else { &DENSITIES };
    let mut copies = Vec::new();
    for &density in densities {
        let first = dice.below(density);
        copies.push((ordinary.iter().copied().skip(first).step_by(density).collect(), 0));
    }
    if original.is_backup || original.bytes.len() > 4 << 20 {
        return copies;
    }
    let fixed: Vec<Place> =
        original.places.keys().copied().filter(|place| is_fixed(*place)).collect();
    for _ in 0..COPIES_WITHOUT_MAPS {
        let mut pages: Vec<Place> = (0..=dice.below(2)).map(|_| dice.of(&fixed)).collect();
        pages.extend((0..dice.below(4)).map(|_| dice.of(&ordinary)));
        pages.sort_unstable();
        pages.dedup();
        let cut = if dice.once_in(4) { dice.below(original.bytes.len() / 2) } else { 0 };
        copies.push((pages, if dice.once_in(2) { cut / PAGE * PAGE } else { cut }));
    }
    copies
}

/// A damaged copy, and what was done to each page.
fn damaged(chunk: &Chunk<'_>, seed: u64) -> (Vec<u8>, BTreeMap<Place, &'static str>) {
    let original = chunk.original;
    let mut dice = Dice::new(seed, chunk.number);
    let mut bytes = original.bytes.clone();
    let mut done = BTreeMap::new();
    for place in &chunk.pages {
        let at = original.places[place]..original.places[place] + PAGE;
        while bytes[at.clone()] == original.bytes[at.clone()] {
            let (name, change) = dice.of(&CHANGES);
            change(&mut bytes[at.clone()], &original.bytes, &mut dice);
            done.insert(*place, name);
        }
    }
    bytes.truncate(bytes.len() - chunk.cut);
    (bytes, done)
}

fn do_chunk(chunk: &Chunk<'_>, seed: u64, tally: &Mutex<Tally>) -> Result<(), String> {
    let original = chunk.original;
    let (bytes, done) = damaged(chunk, seed);
    let folder = folder_in_memory();
    let path = folder.path().join(if original.is_backup { "a.bak" } else { "a.mdf" });
    fs::write(&path, &bytes).expect("room");
    let answer = Answer::of(original, &bytes);
    let Some(said) = complaint(&answer, &scanned(&[path])) else {
        let mut tally = tally.lock().expect("nobody panics with it");
        for (place, name) in done {
            let count = tally.entry(name).or_default();
            count[0] += 1;
            count[match answer.says.get(&place) {
                Some(Say::Suspect(_)) => 1,
                Some(Say::Free) | None => 2,
                Some(_) => 3,
            }] += 1;
        }
        return Ok(());
    };
    let kept = folder.keep();
    let at = |place: Place| done.get(&place).copied().unwrap_or("nothing");
    Err(format!(
        "seed {seed}, chunk {}, {}, {} bytes cut off: {}\nthe file is in {}",
        chunk.number,
        original.name,
        chunk.cut,
        said.in_words(&at),
        kept.display()
    ))
}

/// Injects `wanted` faults into copies of `originals`, and says how many were seen.
fn prove(originals: &[Original], wanted: usize) {
    let seed = environment("PAGESCRUB_SEED", SEED_DEFAULT) as u64;
    let chunks = plan(originals, wanted, seed);
    let tally = Mutex::new(Tally::new());
    each(&chunks, |chunk| do_chunk(chunk, seed, &tally));
    let tally = tally.into_inner().expect("nobody panicked with it");
    let mut all = [0; 4];
    let mut said = format!(
        "{wanted} faults in {} copies of {} files, seed {seed}\n\
         injected     seen  on free pages  no rule sees it\n",
        chunks.len(),
        originals.len()
    );
    for (name, counts) in &tally {
        said.push_str(&line(*counts, name));
        all.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    println!("{said}{}", line(all, "in all: none missed, none invented"));
    assert_eq!(all[0], wanted as u64);
}

fn line([injected, seen, free, unseen]: [u64; 4], name: &str) -> String {
    format!("{injected:8} {seen:8} {free:14} {unseen:16}  {name}\n")
}

/// No page of them is bad, by witness and program.
fn assert_are_healthy(originals: &[Original]) {
    let folder = folder_in_memory();
    for original in originals {
        let path = folder.path().join(if original.is_backup { "a.bak" } else { "a.mdf" });
        fs::write(&path, &original.bytes).expect("room");
        let answer = Answer::of(original, &original.bytes);
        let bad = answer.says.values().filter(|say| matches!(say, Say::Suspect(_) | Say::Open));
        assert_eq!(bad.count(), 0, "{}", original.name);
        let said = complaint(&answer, &scanned(&[path]));
        assert!(said.is_none(), "{}: {}", original.name, said.expect("it is").in_words(&|_| ""));
    }
}

#[test]
fn no_fault_that_can_be_seen_is_missed_and_none_is_invented() {
    let originals = generated();
    assert_are_healthy(&originals);
    prove(&originals, environment("PAGESCRUB_FAULTS", FAULTS_DEFAULT));
}

/// A quarter as many.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn no_fault_in_a_real_file_is_missed_and_none_is_invented() {
    let originals = real();
    assert_are_healthy(&originals);
    prove(&originals, environment("PAGESCRUB_FAULTS", FAULTS_DEFAULT) / 4);
}

/// docs/page-format.md, section 2, and a page of which SQL Server printed both sums.
#[test]
fn the_witness_knows_the_vectors() {
    let with = |at: usize, word: u32| {
        let mut page = vec![0; PAGE];
        page[at..at + 4].copy_from_slice(&word.to_le_bytes());
        sum(&page)
    };
    assert_eq!(with(0, 0), 0);
    assert_eq!(with(0, 1), 0x8000);
    assert_eq!(with(60, 0xdead_beef), 0);
    assert_eq!(with(512, 0x8000_0001), 0x6000);
    assert_eq!(with(8188, 0x8000_0001), 0x8000_0001);
    let by_rule =
        |byte: fn(usize) -> usize| -> Vec<u8> { (0..PAGE).map(|i| byte(i) as u8).collect() };
    assert_eq!(sum(&by_rule(|i| 31 * i + 7)), 0xb525_d444);
    assert_eq!(sum(&by_rule(|i| (i * i) >> 3)), 0x971e_878f);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn the_witness_agrees_with_what_sql_server_printed() {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("built with it");
    let read = |name: &str| fs::read(Path::new(&folder).join("vectors").join(name)).expect("there");
    assert_eq!(sum(&read("page_1_392_good.bin")), 0xfa1e_a5ee);
    assert_eq!(sum(&read("page_1_392_corrupt.bin")), 0xfa1e_c1ee);
}

#[test]
fn the_witness_restores_what_torn_bits_displace() {
    let mut page: Vec<u8> = (0..PAGE).map(|i| (i * 7 + i / 251) as u8).collect();
    page[4..6].copy_from_slice(&0x0100_u16.to_le_bytes());
    let original = page.clone();
    for signature in [1, 2] {
        page.clone_from(&original);
        seal(&mut page, signature);
        assert!(is_torn_right(&page));
        assert!((1..16).all(|sector| page[sector * 512 + 511] & 3 == signature));
        assert_eq!(restored(&page)[64..], original[64..]);
        page[5 * 512 + 511] ^= 1;
        assert!(!is_torn_right(&page));
    }
}
