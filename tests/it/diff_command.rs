//! `pagescrub diff`: two copies of one file held against each other.
//!
//! Counts of real copies were found by an independent script, which places the pages of a backup by
//! their own ids. Real files are read from the folder named by `PAGESCRUB_REAL_DATA`; without it
//! those tests show as ignored.

use crate::harness::scanned::folder_in_memory;
use crate::harness::{Run, pagescrub, scan_json};
use crate::witness::dice::Dice;
use pagescrub::inspect::Asked;
use pagescrub::inspect::diff::{Class, Settings, diff};
use pagescrub::page::header::{FLAG_CHECKSUM, PageHeader};
use pagescrub::page::{PAGE_BYTES, Page, checksum};
use pagescrub::report::diff::COLUMNS;
use pagescrub::scrub::Silent;
use pagescrub::verify::engine::Engine;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn real(name: &str) -> PathBuf {
    let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    Path::new(&data).parent().expect("it has a neighbour").join(name)
}

fn dataset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join(name)
}

fn run(a: &Path, b: &Path, more: &[&str]) -> Run {
    let words = ["diff".as_ref(), a.as_os_str(), b.as_os_str()];
    let words: Vec<_> = words.into_iter().chain(more.iter().map(AsRef::as_ref)).collect();
    pagescrub(&words)
}

/// The exit code and the outcome as JSON.
fn compared(a: &Path, b: &Path, more: &[&str]) -> (i32, Value) {
    let run = run(a, b, &[&["--format", "json"], more].concat());
    (run.code, run.json())
}

/// The counts that are not 0, as words.
fn counts(diff: &Value) -> String {
    let counts = diff["counts"].as_object().expect("counts");
    let there = counts.iter().filter(|(_, count)| **count != 0);
    let mut words: Vec<String> = there.map(|(name, count)| format!("{name} {count}")).collect();
    words.sort();
    words.join(", ")
}

/// A file and a copy of it, in which pages are changed.
struct Copies {
    folder: TempDir,
    pages: Vec<Page>,
    /// Pages in use, as a scan counts them, and the others.
    used: u64,
    free: u64,
}

impl Copies {
    fn of(path: &Path) -> Self {
        let bytes = fs::read(path).expect("readable");
        let page = |page: &[u8]| Page::new(page.try_into().expect("a page"));
        let pages = bytes.chunks_exact(PAGE_BYTES).map(page).collect();
        let folder = folder_in_memory();
        fs::copy(path, folder.path().join("a.mdf")).expect("room");
        let (_, report) = scan_json(path, &[]);
        let count = |name: &str| report["coverage"][name].as_u64().expect("a number");
        let (used, free) = (count("intact") + count("unprotected"), count("free"));
        Self { folder, pages, used, free }
    }

    /// The counts where `count` of the pages in use are of `class` and all others equal.
    fn but(&self, class: &str, count: u64) -> String {
        let other = format!("{class} {count}");
        let mut words = vec![format!("equal {}", self.used - count), format!("free {}", self.free)];
        words.extend((count > 0).then_some(other));
        words.sort();
        words.join(", ")
    }

    fn a(&self) -> PathBuf {
        self.folder.path().join("a.mdf")
    }

    /// The changed copy, and what the two are to each other.
    fn changed(&self, change: impl FnOnce(&mut Vec<Page>)) -> (i32, Value) {
        let mut pages = self.pages.clone();
        change(&mut pages);
        let bytes: Vec<u8> = pages.iter().flat_map(|page| *page.bytes()).collect();
        let b = self.folder.path().join("b.mdf");
        fs::write(&b, bytes).expect("room");
        compared(&self.a(), &b, &[])
    }

    /// A page of rows in use, with a checksum, and not of system tables: the last one that follows
    /// another one.
    fn of_rows(&self) -> usize {
        let is_it = |at: usize| {
            let header = PageHeader::of(&self.pages[at]);
            let is_data = header.page_type == 1 && header.flag_bits & FLAG_CHECKSUM != 0;
            // Bit 6 of its PFS byte: the page is in use.
            let is_in_use = self.pages[1].bytes()[100 + at] & 0x40 != 0;
            is_data && is_in_use && header.object_id > 100
        };
        (1..self.pages.len()).rfind(|at| is_it(*at) && is_it(at - 1)).expect("there is one")
    }
}

/// Changes the header of `page` as somebody might who then writes it with a right checksum.
fn written(page: &mut Page, change: impl FnOnce(&mut PageHeader)) {
    change(PageHeader::of_mut(page));
    checksum::seal(page);
}

/// The only page that is listed.
fn only(diff: &Value) -> &Value {
    let pages = diff["files"][0]["pages"].as_array().expect("a list");
    assert_eq!(pages.len(), 1, "{pages:#?}");
    &pages[0]
}

fn healthy() -> Copies {
    Copies::of(&dataset("healthy.mdf"))
}

#[test]
fn a_file_and_itself_are_equal() {
    let copies = healthy();
    let (code, diff) = copies.changed(|_| ());
    assert_eq!((code, &diff["answer"]), (0, &"equal".into()), "{diff:#}");
    assert_eq!(counts(&diff), copies.but("", 0));
    let healthy = dataset("healthy.mdf");
    let quiet = run(&healthy, &healthy, &["--quiet"]);
    let line = format!("RESULT answer=equal equal={} ", copies.used);
    assert!(quiet.result_line().starts_with(&line), "{}", quiet.stdout);
}

#[test]
fn a_changed_byte_a_zeroed_page_and_two_that_are_swapped_are_damage_of_that_copy() {
    let copies = healthy();
    let page = copies.of_rows();
    let (code, diff) = copies.changed(|pages| pages[page].bytes_mut()[4097] ^= 1);
    assert_eq!((code, counts(&diff)), (1, copies.but("damaged_in_b", 1)));
    let found = only(&diff);
    assert_eq!(found["address"], format!("(1:{page})"));
    assert_eq!((&found["wrong"], &found["b"]["reason"]), (&"b".into(), &"bad_checksum".into()));
    assert_eq!((&found["differing_bytes"], &found["differing_sectors"][0]), (&1.into(), &8.into()));
    let because = found["because"].as_str().expect("text");
    assert!(because.starts_with("A has a sound copy of the same LSN"), "{because}");

    let (code, diff) = copies.changed(|pages| pages[page] = Page::ZERO);
    assert_eq!((code, &only(&diff)["b"]["reason"]), (1, &"zeroed".into()));

    let (code, diff) = copies.changed(|pages| pages.swap(page, page - 1));
    assert_eq!((code, counts(&diff)), (1, copies.but("damaged_in_b", 2)));
    let first = &diff["files"][0]["pages"][0];
    assert_eq!(first["b"]["reason"], "wrong_page_id");
    assert_eq!(first["b"]["found"], format!("(1:{page})"));
}

#[test]
fn an_old_page_is_stale_and_one_that_is_newer_than_the_checkpoint_is_newer() {
    let copies = healthy();
    let page = copies.of_rows();
    let older = |header: &mut PageHeader| header.lsn_block -= 1;
    let (code, diff) = copies.changed(|pages| written(&mut pages[page], older));
    assert_eq!((code, &diff["answer"]), (1, &"contradictory".into()));
    assert_eq!((&only(&diff)["class"], &only(&diff)["wrong"]), (&"stale_in_b".into(), &"b".into()));

    let newer = |header: &mut PageHeader| header.lsn_vlf += 1000;
    let (code, diff) = copies.changed(|pages| written(&mut pages[page], newer));
    assert_eq!((code, &diff["answer"]), (0, &"different".into()));
    assert_eq!(counts(&diff), copies.but("newer_in_b", 1));
    let run = &diff["files"][0]["runs"][0];
    assert_eq!((&run["first_page"], &run["pages"]), (&page.into(), &1.into()));
    assert!(run["object"].as_str().is_some_and(|name| name.starts_with("dbo.")), "{run}");
}

#[test]
fn of_two_pages_with_one_lsn_owner_or_content_tells_which_is_wrong() {
    let copies = healthy();
    let page = copies.of_rows();
    let (code, diff) = copies.changed(|pages| written(&mut pages[page], |h| h.object_id += 1));
    assert_eq!((code, &only(&diff)["class"]), (1, &"same_lsn".into()));
    assert_eq!(only(&diff)["wrong"], "b", "{diff:#}");
    assert!(only(&diff)["because"].as_str().is_some_and(|why| why.contains("IAM")), "{diff:#}");

    // Two slots that lead to one record.
    let (_, diff) = copies.changed(|pages| {
        let first = PAGE_BYTES - 2;
        pages[page].bytes_mut().copy_within(first.., first - 2);
        checksum::seal(&mut pages[page]);
    });
    assert_eq!(only(&diff)["wrong"], "b", "{diff:#}");
    assert!(only(&diff)["b"]["broken_rule"].is_string(), "{diff:#}");

    let (code, diff) = copies.changed(|pages| {
        pages[page].bytes_mut()[120] ^= 1;
        checksum::seal(&mut pages[page]);
    });
    assert_eq!((code, &only(&diff)["wrong"]), (1, &Value::Null), "{diff:#}");
}

#[test]
fn the_boot_page_and_page_0_are_rewritten_under_their_lsn() {
    let copies = healthy();
    let (code, diff) = copies.changed(|pages| {
        for page in [0, 9] {
            pages[page].bytes_mut()[8000] ^= 1;
            checksum::seal(&mut pages[page]);
        }
    });
    assert_eq!((code, &diff["answer"]), (0, &"equal".into()));
    assert_eq!(counts(&diff), copies.but("rewritten", 2));
}

#[test]
fn a_copy_that_was_cut_is_never_equal() {
    let (code, diff) = healthy().changed(|pages| pages.truncate(160));
    assert_eq!((code, &diff["answer"]), (3, &"incomplete".into()));
    let missing = diff["files"][0]["missing"].as_array().expect("a list");
    assert!(missing.len() == 1 && missing[0].to_string().contains("b.mdf"), "{missing:?}");
    assert!(diff["counts"]["only_in_a"].as_u64() > Some(0), "{diff:#}");
}

#[test]
fn copies_of_different_files_are_refused_with_what_differs() {
    let refused = |a: &str, b: &str| {
        let run = run(&dataset(a), &dataset(b), &[]);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{a} {b}");
        run.stderr
    };
    let why = refused("healthy.mdf", "torn.mdf");
    assert!(why.contains("no copies of one file"), "{why}");
    let absent = run(&dataset("healthy.mdf"), &dataset("nothing.mdf"), &[]);
    assert_eq!((absent.code, &*absent.stdout), (3, ""));
    let folder = run(&dataset("healthy.mdf"), &dataset(""), &[]);
    assert_eq!((folder.code, &*folder.stdout), (2, ""));
    let text = run(&dataset("healthy.mdf"), &dataset("README.md"), &[]);
    assert_eq!((text.code, &*text.stdout), (3, ""));
}

#[test]
fn what_lies_in_the_way_of_output_is_left_alone() {
    let copies = healthy();
    let a = copies.a();
    let before = fs::read(&a).expect("there");
    let run = run(&a, &dataset("healthy.mdf"), &["--output", a.to_str().expect("text")]);
    assert_eq!((run.code, fs::read(&a).expect("there") == before), (2, true));
}

#[test]
fn the_table_has_a_row_for_each_run_and_each_wrong_page() {
    let copies = healthy();
    let page = copies.of_rows();
    let (_, diff) = copies.changed(|pages| {
        pages[page].bytes_mut()[200] ^= 1;
        written(&mut pages[page - 1], |header| header.lsn_vlf += 1000);
    });
    let b = copies.folder.path().join("b.mdf");
    let table = run(&copies.a(), &b, &["--format", "csv"]).stdout;
    let rows: Vec<&str> = table.split_terminator("\r\n").collect();
    assert_eq!(rows[0].split(',').collect::<Vec<_>>(), COLUMNS);
    let runs = diff["files"][0]["runs"].as_array().expect("a list");
    assert_eq!(rows.len() - 1, runs.len(), "{table}");
    assert!(rows[1].starts_with(&format!("1,{},1,newer_in_b,", page - 1)), "{table}");
    assert!(rows[2].starts_with(&format!("1,{page},1,damaged_in_b,")), "{table}");
    assert!(rows[2].contains("bad_checksum,1,0,b,"), "{table}");
}

/// Each key of the JSON and each column of the table stands in docs/formats.md.
#[test]
fn every_key_and_column_is_in_the_documents() {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
    let formats = fs::read_to_string(formats).expect("it is there");
    let (_, section) = formats.split_once("\n## diff\n").expect("a section");
    let section = section.split("\n## ").next().expect("its text");
    let (_, diff) = healthy().changed(|pages| pages[20].bytes_mut()[200] ^= 1);
    let mut keys = COLUMNS.map(str::to_owned).to_vec();
    let mut todo = vec![&diff];
    while let Some(value) = todo.pop() {
        if let Some(object) = value.as_object() {
            keys.extend(object.keys().cloned());
            todo.extend(object.values());
        }
        todo.extend(value.as_array().into_iter().flatten());
    }
    assert!(keys.len() > 60, "{}", keys.len());
    for key in keys {
        assert!(section.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_real_file_is_equal_to_itself() {
    let entries = fs::read_dir(real("data")).expect("a folder");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let is_copy = |path: &PathBuf| path.extension().is_some_and(|end| end == "mdf" || end == "bak");
    let mut seen = 0;
    for path in paths.filter(is_copy) {
        let (code, diff) = compared(&path, &path, &[]);
        assert_eq!((code, &diff["answer"]), (0, &"equal".into()), "{}: {diff:#}", path.display());
        let files = diff["files"].as_array().expect("a list").iter();
        let pages = files.map(|file| file["a"]["pages"].as_u64().expect("a number"));
        let counts = &diff["counts"];
        let all = [&counts["equal"], &counts["free"]].map(|count| count.as_u64().expect("it"));
        assert_eq!(all.iter().sum::<u64>(), pages.sum::<u64>(), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn real_copies_differ_in_what_an_independent_script_has_found() {
    let cases = [
        (
            "backups/chain_2016/full.bak",
            "backups/chain_2016/second.bak",
            "base",
            "equal 53, free 36, free_in_a 1, newer_in_b 12, only_in_a 201, only_in_b 1",
        ),
        (
            "backups/lines/QLBH_DATA.mdf",
            "backups/lines/of_this_line.bak",
            "line",
            "equal 128, free 219, free_in_a 3, newer_in_b 34",
        ),
        (
            "data/sqltools_Full_859.bak",
            "data/sqltools_Diff_859.bak",
            "base",
            "equal 78, free 50, newer_in_b 16, only_in_a 175, rewritten 1",
        ),
    ];
    for (a, b, relation, expected) in cases {
        let (code, diff) = compared(&real(a), &real(b), &[]);
        assert_eq!((code, &*counts(&diff)), (0, expected), "{a} {b}");
        assert_eq!(diff["files"][0]["relation"], relation, "{a} {b}");
        // The other way round, the same.
        let (_, turned) = compared(&real(b), &real(a), &[]);
        let swap = |name: &str| turned["counts"][name].clone();
        assert_eq!(diff["counts"]["newer_in_b"], swap("newer_in_a"), "{a} {b}");
        assert_eq!(diff["counts"]["only_in_a"], swap("only_in_b"), "{a} {b}");
        assert_eq!(diff["counts"]["free_in_a"], swap("free_in_b"), "{a} {b}");
    }
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn a_copy_of_another_line_is_refused() {
    let data = real("backups/lines/QLBH_DATA.mdf");
    let refused = run(&data, &real("backups/lines/of_another_line.bak"), &[]);
    assert_eq!((refused.code, &*refused.stdout), (2, ""));
    assert!(refused.stderr.contains("recovery fork"), "{}", refused.stderr);
    let refused = run(&data, &real("data/MoviesDb_706.mdf"), &[]);
    assert!(refused.code == 2 && refused.stderr.contains("family id"), "{}", refused.stderr);
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn a_striped_backup_is_whole_with_all_its_members_only() {
    let [first, second] = ["restoretime_s1.bak", "restoretime_s2.bak"]
        .map(|name| real("backups/stripes_852").join(name));
    let (code, diff) = compared(&first, &first, &[]);
    assert_eq!((code, &diff["answer"]), (3, &"incomplete".into()), "{diff:#}");
    let (one, two) = (first.to_str().expect("text"), second.to_str().expect("text"));
    let (code, diff) = compared(&first, &second, &["--with-a", two, "--with-b", one]);
    assert_eq!((code, &diff["answer"]), (0, &"equal".into()), "{diff:#}");
    assert_eq!(counts(&diff), "equal 251, free 85");
}

/// Whatever is wrong with the bytes, there is an answer or a refusal.
#[test]
fn a_thousand_mutated_copies_are_compared_or_refused() {
    let folder = folder_in_memory();
    let at = |name: &str| folder.path().join(name);
    for (name, more) in [
        ("data.mdf", vec![]),
        ("full.bak", vec!["--backup=full", "--with-checksum"]),
        ("diff.bak", vec!["--backup=differential"]),
    ] {
        let path = at(name);
        let words = ["generate", path.to_str().expect("text"), "--size=1MiB", "--seed=8"];
        assert_eq!(pagescrub(&[&words[..], &more].concat()).code, 0);
    }
    let engine = Engine::named("auto").expect("there is one");
    let settings = Settings { engine: &engine, threads: 2, progress: &Silent };
    let (mut answered, mut damaged) = (0, 0);
    for n in 0..1000 {
        let mut dice = Dice::new(11, n);
        let pairs = [("data.mdf", "data.mdf"), ("data.mdf", "full.bak"), ("full.bak", "diff.bak")];
        let (a, b) = dice.of(&pairs);
        let mut bytes = fs::read(at(b)).expect("there");
        mutate(&mut bytes, &mut dice);
        let mutated = at(&format!("mutated.{}", &b[b.len() - 3..]));
        fs::write(&mutated, &bytes).expect("room");
        let asked = |path| Asked { path, with: &[], set: None };
        let (whole, mutated) = (at(a), mutated);
        let sides = if dice.once_in(2) {
            (asked(&*whole), asked(&*mutated))
        } else {
            (asked(&*mutated), asked(&*whole))
        };
        if let Ok(diff) = diff(sides, None, &settings) {
            answered += 1;
            damaged += u64::from(diff.counts.of_all(Class::is_damage) > 0);
        }
    }
    assert!(answered > 500 && damaged > 100, "{answered} {damaged}");
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        let end = (at + 1 + dice.below(3000)).min(bytes.len());
        match dice.below(6) {
            0 => bytes[at] = dice.byte(),
            1 => dice.fill(&mut bytes[at..end]),
            2 => bytes[at..end].fill(0),
            3 => {
                let from = dice.below(bytes.len());
                let last = bytes.len().min(from + (end - at));
                bytes.copy_within(from..last, at.min(from));
            }
            // Where headers of files, sets and pages stand.
            4 => bytes[at / PAGE_BYTES * PAGE_BYTES + dice.below(96)] = dice.byte(),
            _ if dice.once_in(4) => bytes.truncate(at.max(PAGE_BYTES)),
            _ => {
                let near_begin = dice.below(4096.min(bytes.len()));
                bytes[near_begin] ^= 1 << dice.below(8);
            }
        }
    }
}
