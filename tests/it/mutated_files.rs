//! Files of every kind, mutated where they are looked at to find out what they are. An independent
//! witness says what is gone: then a scan is never clean, and never finds damage where nothing is.
//!
//!     PAGESCRUB_MUTATIONS=2000 cargo test --release --test it mutated_files:: -- --nocapture
//!
//! mutates each kind so often; `PAGESCRUB_SEED` makes other mutations.

#![allow(clippy::print_stdout, reason = "it says how much it tried")]

use crate::harness::scanned::{each, folder_in_memory, scanned, write_sparse};
use crate::witness::change::CHANGES;
use crate::witness::dice::Dice;
use crate::witness::media::Members;
use crate::witness::original::{Map, Original};
use crate::witness::packed::Packed;
use crate::witness::verdict::{Answer, complaint};
use crate::witness::{PAGE, log};
use pagescrub::consolidate::report::FileReport;
use pagescrub::discover::FileKind;
use pagescrub::drill::{
    BackupKind, BackupRecipe, Media, Recipe, generate, generate_backup, member_paths,
};
use pagescrub::page::address::FileId;
use pagescrub::page::boot::PageVerify;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Mutations of each kind where the environment does not say how many.
const MUTATIONS_DEFAULT: usize = 100;
const SEED_DEFAULT: usize = 13;
/// Files of more than `LARGE_BYTES` are mutated more rarely by so much.
const LARGE_ONE_IN: u64 = 10;
const LARGE_BYTES: usize = 16 << 20;
/// What other files begin with.
const MAGICS: [&[u8]; 10] = [
    b"TAPE",
    b"MSSQLBAK",
    b"\x1f\x8b\x08\x00",
    b"PK\x03\x04",
    b"\x89PNG\r\n\x1a\n",
    b"version https://git-lfs.github.com/spec/v1\n",
    b"<!DOCTYPE html><html>",
    b"SQLite format 3\0",
    b"readme: this is text, and nothing else\n",
    &[0; 512],
];

/// What tells the right answer.
enum Right {
    Data(Original),
    Backup(Members),
    Packed(Packed),
    /// A log, by its page 0.
    Log,
    /// Never clean, and damaged only where pages of a database were put into it.
    Foreign,
}

/// A healthy file, or the members of a set.
struct Healthy {
    kind: &'static str,
    names: Vec<&'static str>,
    files: Vec<Vec<u8>>,
    right: Right,
}

fn environment(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

impl Healthy {
    fn data(kind: &'static str, bytes: Vec<u8>) -> Self {
        let right = Right::Data(Original::data_file(kind, bytes.clone(), true));
        Self { kind, names: vec!["a.mdf"], files: vec![bytes], right }
    }

    fn backup(kind: &'static str, names: Vec<&'static str>, files: Vec<Vec<u8>>) -> Self {
        let map = if kind.contains("differential") { Map::Diff } else { Map::Gam };
        Self { kind, names, files: files.clone(), right: Right::Backup(Members::of(files, map)) }
    }

    fn is_large(&self) -> bool {
        self.files[0].len() > LARGE_BYTES
    }

    fn foreign(kind: &'static str, name: &'static str, bytes: Vec<u8>) -> Self {
        Self { kind, names: vec![name], files: vec![bytes], right: Right::Foreign }
    }
}

fn data_file(verify: PageVerify, file: u16, sparse: bool, mib: u64) -> Vec<u8> {
    let (page_verify, file_id) = (verify, FileId(file));
    let recipe = Recipe { page_verify, file_id, sparse, ..Recipe::new(mib << 20, 5) };
    let folder = folder_in_memory();
    let path = folder.path().join("a.mdf");
    generate(&path, recipe, false, &|_| {}).expect("a healthy file");
    fs::read(path).expect("it is there")
}

fn backup(change: impl Fn(&mut BackupRecipe)) -> Vec<Vec<u8>> {
    let mut recipe = BackupRecipe::new(Recipe::new(2 << 20, 6));
    change(&mut recipe);
    let folder = folder_in_memory();
    let path = folder.path().join("a.bak");
    generate_backup(&path, &recipe, Media::New, &|_| {}).expect("a healthy backup");
    let members = member_paths(&path, recipe.stripes);
    members.iter().map(|path| fs::read(path).expect("it is there")).collect()
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    Dice::new(1, 1).fill(&mut noise);
    noise
}

fn text(bytes: usize) -> Vec<u8> {
    b"2026-11-29 22:00 backup of sales finished\r\n".iter().copied().cycle().take(bytes).collect()
}

fn generated() -> Vec<Healthy> {
    let full = |sums| move |recipe: &mut BackupRecipe| recipe.with_checksum = sums;
    let of = |kind| {
        move |recipe: &mut BackupRecipe| {
            (recipe.kind, recipe.with_checksum) = (kind, true);
        }
    };
    let one = vec!["a.bak"];
    vec![
        Healthy::data("primary", data_file(PageVerify::Checksum, 1, false, 1)),
        Healthy::data("primary, torn bits", data_file(PageVerify::Torn, 1, false, 1)),
        Healthy::data("primary of 150 MiB", data_file(PageVerify::Checksum, 1, true, 150)),
        Healthy::data("secondary", data_file(PageVerify::Checksum, 3, false, 1)),
        Healthy::backup("full backup", one.clone(), backup(full(false))),
        Healthy::backup("full backup, checksum", one.clone(), backup(full(true))),
        Healthy::backup("full backup, 64 KiB", one.clone(), backup(|r| r.block_bytes = 65_536)),
        Healthy::backup("differential", one.clone(), backup(of(BackupKind::Differential))),
        Healthy::backup("log backup", one.clone(), backup(of(BackupKind::Log))),
        Healthy::backup("striped", vec!["a_1.bak", "a_2.bak"], backup(|r| r.stripes = 2)),
        Healthy::foreign("empty", "a.mdf", Vec::new()),
        Healthy::foreign("zeros", "a.bak", vec![0; 200_000]),
        Healthy::foreign("noise", "a.mdf", noise(200_000)),
        Healthy::foreign("text", "a.ldf", text(200_000)),
        log_file(data_file(PageVerify::Checksum, 3, false, 1)),
    ]
}

fn log_file(data_file: Vec<u8>) -> Healthy {
    let bytes = log::from_secondary(data_file);
    Healthy { kind: "log", names: vec!["a.ldf"], files: vec![bytes], right: Right::Log }
}

fn real() -> Vec<Healthy> {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("built with it");
    let read = |name: &str| fs::read(Path::new(&folder).join(name)).expect("it is there");
    let packed = read("TutorialDB_compressed.bak");
    let right = Right::Packed(Packed::of(&packed));
    let log = read("ContactManagerDB_611_log.ldf");
    vec![
        Healthy { kind: "compressed", names: vec!["a.bak"], files: vec![packed], right },
        Healthy { kind: "real log", names: vec!["a.ldf"], files: vec![log], right: Right::Log },
        Healthy::data("real primary", read("MoviesDb_706.mdf")),
        Healthy::data("real primary with junk", read("Subtext2.2_611_junk.mdf")),
        Healthy::backup("real full", vec!["a.bak"], vec![read("sqltools_Full_859.bak")]),
        Healthy::backup("real differential", vec!["a.bak"], vec![read("sqltools_Diff_859.bak")]),
    ]
}

/// What was done, and to which file.
struct Mutated {
    files: Vec<Vec<u8>>,
    done: String,
    /// Pages of a database were put into it.
    has_pages: bool,
}

impl Mutated {
    fn new(healthy: &Healthy, all: &[Healthy], dice: &mut Dice) -> Self {
        let mut mutated =
            Self { files: healthy.files.clone(), done: String::new(), has_pages: false };
        let member = dice.below(healthy.files.len());
        for _ in 0..=dice.below(3) {
            mutated.mutate(healthy, member, all, dice);
        }
        mutated
    }

    fn mutate(&mut self, healthy: &Healthy, member: usize, all: &[Healthy], dice: &mut Dice) {
        let was = &healthy.files[member];
        let spot = spot(healthy, member, dice).min(was.len().saturating_sub(1));
        let bytes = &mut self.files[member];
        let end = bytes.len();
        let page = spot / PAGE * PAGE..(spot / PAGE * PAGE + PAGE).min(end);
        let what = dice.below(16);
        let _ = match what {
            0 => write!(self.done, "cut to {}; ", cut(bytes, dice)),
            1 => write!(self.done, "longer by {}; ", extend(bytes, dice)),
            2 => {
                let magic = dice.of(&MAGICS);
                overwrite(bytes, 0, magic);
                write!(self.done, "begins with {:?}; ", String::from_utf8_lossy(magic))
            }
            3 => {
                let other = &all[dice.below(all.len())];
                let pages = 1 + dice.below(8);
                let from = &other.files[0][..other.files[0].len().min(pages * PAGE)];
                self.has_pages |= !matches!(other.right, Right::Foreign);
                overwrite(bytes, 0, from);
                write!(self.done, "{pages} first pages of {}; ", other.kind)
            }
            4 => write!(self.done, "{}; ", lose_beginning(bytes, dice)),
            15 if end > PAGE => write!(self.done, "without {:?}; ", lose_stretch(bytes, dice)),
            5..=8 if spot < end => {
                bytes[spot] ^= 1 << dice.below(8);
                write!(self.done, "bit at {spot}; ")
            }
            9 | 10 if spot < end => {
                let run = spot..(spot + 1 + dice.below(600)).min(end);
                if dice.once_in(2) {
                    bytes[run.clone()].fill(0);
                } else {
                    dice.fill(&mut bytes[run.clone()]);
                }
                write!(self.done, "bytes {run:?}; ")
            }
            _ if page.len() == PAGE && was.len() >= PAGE => {
                let (name, change) = dice.of(&CHANGES);
                change(&mut bytes[page.clone()], was, dice);
                write!(self.done, "{name} at {}; ", page.start)
            }
            _ => Ok(()),
        };
    }
}

/// Where a look that identifies a file falls.
fn spot(healthy: &Healthy, member: usize, dice: &mut Dice) -> usize {
    let pages = healthy.files[member].len() / PAGE;
    match &healthy.right {
        Right::Backup(members) => members.spot(member, dice),
        Right::Packed(packed) => packed.spot(dice),
        _ => {
            let page = match dice.below(8) {
                0..=3 => dice.below(8),
                4 => 9,
                5 => 8088 * (1 + dice.below(3)),
                _ => 8 + dice.below(64) * (pages / 64).max(1),
            };
            page * PAGE + dice.below(PAGE)
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, by: &[u8]) {
    let room = by.len().min(bytes.len().saturating_sub(at));
    bytes[at..at + room].copy_from_slice(&by[..room]);
}

fn cut(bytes: &mut Vec<u8>, dice: &mut Dice) -> usize {
    let end = bytes.len();
    let length = match dice.below(4) {
        0 => dice.below(end),
        1 => dice.below(end) / PAGE * PAGE,
        2 => end.saturating_sub(1 + dice.below(20)),
        _ => dice.below(end.min(10 * PAGE)),
    };
    bytes.truncate(length);
    length
}

fn extend(bytes: &mut Vec<u8>, dice: &mut Dice) -> usize {
    let by = dice.of(&[1, 511, 4096, PAGE, 3 * PAGE, 8 * PAGE, 20 * PAGE]);
    let mut more = vec![0; by];
    if dice.once_in(2) {
        dice.fill(&mut more);
    }
    bytes.extend(more);
    by
}

/// The first pages overwritten as a whole.
fn lose_beginning(bytes: &mut [u8], dice: &mut Dice) -> String {
    let lost = dice.of(&[1, 2, 8, 9, 16, 100]) * PAGE;
    let room = lost.min(bytes.len());
    let is_noise = dice.once_in(2);
    if is_noise {
        dice.fill(&mut bytes[..room]);
    } else {
        bytes[..room].fill(0);
    }
    format!("first {lost} bytes are {}", if is_noise { "noise" } else { "zeros" })
}

/// Something is cut out; what follows moves up.
fn lose_stretch(bytes: &mut Vec<u8>, dice: &mut Dice) -> Range<usize> {
    let unit = dice.of(&[512, 4096, PAGE, 8 * PAGE]);
    let units = bytes.len() / unit;
    let first = dice.below(units);
    let lost = first * unit..(first + 1 + dice.below(4)).min(units) * unit;
    bytes.drain(lost.clone());
    lost
}

/// What is wrong with a scan of `paths`, if anything is.
fn complaint_of(healthy: &Healthy, mutated: &Mutated, paths: &[PathBuf]) -> Option<String> {
    let report = scanned(paths);
    let file = &mutated.files[0];
    let exit_codes = match &healthy.right {
        Right::Data(original) => {
            let answer = Answer::of(original, file);
            let id = original.places.keys().next().map(|place| place.0);
            let is_it = |file: &FileReport| file.kind == FileKind::Data && file.file_id == id;
            if report.files.iter().any(is_it) {
                return complaint(&answer, &report).map(|said| said.in_words(&|_| ""));
            }
            let is_gone = *file != healthy.files[0];
            if is_gone && answer.exit_codes != [0] { vec![1, 3] } else { vec![0] }
        }
        Right::Backup(members) => members.exit_codes(&mutated.files, mutated.has_pages),
        Right::Packed(packed) => packed.exit_codes(&healthy.files[0], file),
        Right::Log => {
            let is_bad = file.len() >= PAGE && log::is_bad(&file[..PAGE], &healthy.files[0]);
            if is_bad { vec![1, 3] } else { vec![3] }
        }
        Right::Foreign if mutated.has_pages => vec![1, 3],
        Right::Foreign => vec![3],
    };
    let why: Vec<_> = report.files.iter().map(|file| (&file.kind, &file.why)).collect();
    let suspects: Vec<_> = report.suspects.iter().map(|s| (s.address, &s.reason)).take(5).collect();
    let backups = report.files.iter().filter_map(|file| file.backup.as_ref());
    let faults: Vec<_> = backups.flat_map(|backup| backup.faults.iter().take(3)).collect();
    (!exit_codes.contains(&report.exit_code)).then(|| {
        format!(
            "exit code {}, not {exit_codes:?}: {why:?}\n{suspects:?}\n{faults:?}",
            report.exit_code
        )
    })
}

fn written(folder: &TempDir, healthy: &Healthy, mutated: &Mutated) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> = healthy.names.iter().map(|name| folder.path().join(name)).collect();
    for (path, file) in paths.iter().zip(&mutated.files) {
        write_sparse(path, file).expect("room");
    }
    paths
}

fn check(seed: u64, n: u64, healthy: &Healthy, all: &[Healthy]) -> Result<(), String> {
    let mut dice = Dice::new(seed, n);
    let mutated = Mutated::new(healthy, all, &mut dice);
    let folder = folder_in_memory();
    let paths = written(&folder, healthy, &mutated);
    let looked = catch_unwind(AssertUnwindSafe(|| complaint_of(healthy, &mutated, &paths)));
    match looked.unwrap_or_else(|_| Some("the scan panicked".to_owned())) {
        None => Ok(()),
        Some(said) => Err(format!(
            "seed {seed}, mutation {n} of {}: {}\n{said}\nthe file is in {}",
            healthy.kind,
            mutated.done,
            folder.keep().display()
        )),
    }
}

/// Mutates each of `all`, beginning with parts of others.
fn prove(all: &[Healthy]) {
    let mutations = environment("PAGESCRUB_MUTATIONS", MUTATIONS_DEFAULT) as u64;
    let seed = environment("PAGESCRUB_SEED", SEED_DEFAULT) as u64;
    println!("{mutations} mutations of each of {} files, seed {seed}", all.len());
    all.iter().for_each(assert_is_what_it_is);
    let numbered = (0..mutations * all.len() as u64).map(|n| (n, &all[n as usize % all.len()]));
    let is_wanted = |(n, healthy): &(u64, &Healthy)| {
        let round = n / all.len() as u64;
        !healthy.is_large() || round.is_multiple_of(LARGE_ONE_IN)
    };
    let works: Vec<(u64, &Healthy)> = numbered.filter(is_wanted).collect();
    each(&works, |(n, healthy)| check(seed, *n, healthy, all));
}

fn assert_is_what_it_is(healthy: &Healthy) {
    let done = String::new();
    let nothing = Mutated { files: healthy.files.clone(), done, has_pages: false };
    let folder = folder_in_memory();
    let paths = written(&folder, healthy, &nothing);
    assert_eq!(complaint_of(healthy, &nothing, &paths), None, "{}", healthy.kind);
}

#[test]
fn what_a_file_is_taken_for_never_hides_what_is_gone_and_never_invents_it() {
    prove(&generated());
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn nor_does_what_a_real_file_is_taken_for() {
    prove(&real());
}
