//! Scripts for Microsoft's own parser (`.ci/run`), of every kind of damage there is a way for, and
//! of names that want to be more than names. They are left in the target folder, one file each.

use crate::damaged::{self, Page, database, sales, script, under_simple, with_lost};
use crate::harness::pagescrub;
use crate::tsql::{Line, is_known, lines, names, off};
use std::fs;
use std::path::{Path, PathBuf};

/// Scenarios and scripts of hostile names.
const SCRIPTS: (usize, usize) = (28, 5);
/// Names, and how many of them are in one script.
const NAMES: u64 = 200;
const NAMES_PER_SCRIPT: u64 = 40;

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tsql");
    fs::create_dir_all(&folder).expect("room in the target folder");
    folder
}

/// Checks `text` as far as our own reading of T-SQL goes, and leaves it as `name`.
fn left(name: &str, text: &str) {
    for statement in off(text) {
        assert!(is_known(&statement), "{name}: {statement}");
    }
    let is_inert =
        |line: &str| ["| ", "- ", "--", "=="].iter().any(|start| line.starts_with(start));
    for (_, line) in lines(text).filter(|(kind, line)| *kind == Line::Remark && !line.is_empty()) {
        assert!(line.strip_prefix("-- ").is_some_and(is_inert), "{name}: {line}");
    }
    fs::write(folder().join(format!("{name}.sql")), text).expect("room in the target folder");
}

fn rows(count: u32) -> impl Iterator<Item = Page> {
    (0..count).map(|i| Page::rows(1, 300 + 2 * i))
}

fn one(page: Page) -> impl Iterator<Item = Page> {
    std::iter::once(page)
}

/// Scripts of reports that are made.
fn made() -> Vec<(&'static str, String)> {
    let unknown = database("sales", None, rows(2));
    let index = Page::index(1, 300);
    let mixed = [Page::at(3, 0), Page::rows(1, 300), index.clone(), Page::at(1, 6)];
    let mut log = sales(rows(1));
    log.files[0].kind = pagescrub::discover::FileKind::Log;
    let mut copies = sales(rows(1));
    copies.files.push(copies.files[0].clone());
    copies.files[2].path = "/copy/sales.mdf".into();
    let many = (0..20).map(|i| format!("a database with a long name, number {i:02}"));
    vec![
        ("one_page", script(&sales(rows(1)))),
        ("1000_pages", script(&sales(rows(1000)))),
        ("1001_pages", script(&sales(rows(1001)))),
        ("simple", script(&under_simple(rows(2)))),
        ("unknown_model", script(&unknown)),
        ("boot_page", script(&sales(one(Page::at(1, 9))))),
        ("log", script(&log)),
        ("secondary_file", script(&sales(one(Page::rows(3, 300))))),
        ("secondary_filegroup", script(&sales([Page::at(3, 0), Page::rows(3, 300)].into_iter()))),
        ("lost_file", script(&with_lost("/data/sales_2.ndf", "zeros", rows(0)))),
        ("lost_file_and_pages", script(&with_lost("/data/sales_2.ndf.x", "noise", rows(3)))),
        ("index_only", script(&sales(one(index)))),
        ("indexes_above_the_limit", script(&sales((0..1001).map(|i| Page::index(1, 300 + i))))),
        ("map", script(&sales(one(Page::at(1, 6))))),
        ("mixed", script(&sales(mixed.into_iter()))),
        ("copies", script(&copies)),
        ("master", script(&damaged::named("master", rows(1)))),
        ("msdb", script(&database("msdb", None, rows(1)))),
        ("model", script(&database("model", Some(false), rows(1)))),
        ("tempdb", script(&damaged::named("tempdb", rows(1)))),
        ("many_databases", script(&damaged::of_databases(many, Some(true)))),
        ("huge_name", script(&damaged::named(&"]".repeat(128), rows(1)))),
    ]
}

fn run(args: &[&str]) -> String {
    let run = pagescrub(args);
    assert!([0, 1, 3].contains(&run.code), "{args:?}: {}", run.stderr);
    run.stdout
}

/// A folder with a database and its backups.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().expect("a folder"));
        world.generate("sales.mdf", &[]);
        world.generate("full.bak", &["--backup=full", "--with-checksum"]);
        world.generate("diff.bak", &["--backup=differential"]);
        for number in ["1", "2", "3"] {
            let number_is = format!("--log-number={number}");
            world.generate(&format!("log{number}.trn"), &["--backup=log", &number_is]);
        }
        world
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("text").to_owned()
    }

    fn generate(&self, name: &str, more: &[&str]) {
        run(&[&["generate", &self.at(name), "--size=4MiB", "--seed=7"][..], more].concat());
    }

    fn inject(&self, name: &str, fault: &str, where_to: &str) {
        let fault = format!("--fault={fault}");
        run(&["inject", &self.at(name), &fault, where_to, "--seed=7"]);
    }

    fn script(&self) -> String {
        run(&["scan", &self.at(""), "--format=tsql"])
    }
}

/// Scripts of scans.
fn scanned() -> Vec<(&'static str, String)> {
    let of = |change: &dyn Fn(&World)| {
        let world = World::new();
        change(&world);
        world.script()
    };
    let damaged = |world: &World| world.inject("sales.mdf", "zero-page", "--random=3");
    vec![
        ("chain", of(&damaged)),
        (
            "striped",
            of(&|world| {
                damaged(world);
                fs::remove_file(world.at("full.bak")).expect("it was there");
                world.generate("s.bak", &["--backup=full", "--stripes=3"]);
            }),
        ),
        (
            "gap",
            of(&|world| {
                damaged(world);
                fs::remove_file(world.at("log2.trn")).expect("it was there");
            }),
        ),
        (
            "damaged_log",
            of(&|world| {
                damaged(world);
                world.generate(
                    "log2.trn",
                    &["--backup=log", "--log-number=2", "--with-checksum", "--force"],
                );
                world.inject("log2.trn", "log-bit", "--random=1");
            }),
        ),
        ("backups_alone", of(&|world| world.inject("full.bak", "bit-flip", "--random=3"))),
        (
            "cut_file",
            of(&|world| {
                let file = fs::OpenOptions::new().write(true).open(world.at("sales.mdf"));
                file.expect("it is there").set_len(1 << 20).expect("it is cut");
            }),
        ),
    ]
}

#[test]
fn every_kind_of_damage_gives_a_script_that_is_known() {
    let (made, scanned) = (made(), scanned());
    assert_eq!(made.len() + scanned.len(), SCRIPTS.0);
    for (name, text) in made.iter().chain(&scanned) {
        left(name, text);
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/restore.sql");
    left("golden", &fs::read_to_string(golden).expect("it is in the repository"));
}

#[test]
fn hostile_names_give_scripts_that_are_known() {
    for first in (0..NAMES).step_by(NAMES_PER_SCRIPT as usize) {
        let names = (first..first + NAMES_PER_SCRIPT).map(names::hostile);
        // The longest way has the same names in the same places: for some of them it is enough.
        let simple = first > 0;
        left(&format!("names{first:03}"), &script(&damaged::of_databases(names, Some(simple))));
    }
    assert_eq!(NAMES.div_ceil(NAMES_PER_SCRIPT) as usize, SCRIPTS.1);
}
