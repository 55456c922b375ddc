//! Pages of another owner than the IAM page of their extent says: found where only damage explains
//! them, noted where it need not be damage, and never seen where nothing is wrong.

use crate::harness::real::pages;
use crate::harness::stopped::{How, json, part, scan, whole};
use crate::harness::{pagescrub, suspect_pages, timeless};
use pagescrub::catalog::SystemTable;
use pagescrub::catalog::owners::is_same_unit;
use pagescrub::discover::discover;
use pagescrub::drill::{OtherFiles, Recipe, SyntheticFile, generate};
use pagescrub::page::address::{FileId, PageId};
use pagescrub::page::allocation::{PFS_BYTES_OFFSET, PfsByte, fixed_page_type};
use pagescrub::page::boot::PageVerify;
use pagescrub::page::header::{PageHeader, Protection};
use pagescrub::page::{Page, checksum, torn};
use pagescrub::read::open::Reader;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const SIZE_BYTES: u64 = 16 << 20;
const IAM: u8 = 10;
/// Units below this are of system tables: a page of one in another's place changes what the catalog
/// says, and with it what can be proven.
const SYSTEM_OBJECTS_END: u32 = 100;
const STATUS: usize = 132;
const STATUS_CLEAN_SHUTDOWN: u32 = 0x4000_0000;
const NOTE: &str = "say that they belong to other allocation units";

fn header(page: &Page) -> &PageHeader {
    PageHeader::of(page)
}

fn unit(page: &Page) -> u64 {
    header(page).allocation_unit_id()
}

/// Protects `page` again as it was protected.
fn seal(page: &mut Page) {
    match header(page).protection() {
        Protection::Checksum => checksum::seal(page),
        Protection::Torn => torn::seal(page, 1),
        Protection::None => {}
    }
}

/// What `donor` holds, as a page in its own place, with what protects it.
fn transplanted(donor: &Page, place: &Page) -> Page {
    let mut page = torn::restored(donor);
    PageHeader::of_mut(&mut page).page_id = header(place).page_id;
    seal(&mut page);
    page
}

fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    move |end| (dice.next_u64() % end as u64) as usize
}

/// A synthetic data file.
struct Made {
    folder: TempDir,
    path: PathBuf,
    pages: Vec<Page>,
    /// Pages in use of types 1 to 4.
    owned: Vec<usize>,
}

impl Made {
    fn of(recipe: Recipe) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.mdf");
        generate(&path, recipe, true, &|_| {}).expect("a file");
        let synthetic = SyntheticFile::new(recipe).expect("a recipe");
        let pages = pages(&path);
        let is_owned = |page: &usize| {
            let is_typed = (1..=4).contains(&header(&pages[*page]).page_type);
            synthetic.is_allocated(PageId(*page as u32)) && is_typed
        };
        let owned = (0..pages.len()).filter(is_owned).collect();
        Self { folder, path, pages, owned }
    }

    fn seeded(seed: u64) -> Self {
        Self::of(Recipe::new(SIZE_BYTES, seed))
    }

    /// Pages of the user's tables.
    fn users(&self) -> Vec<usize> {
        let is_users = |page: &usize| header(&self.pages[*page]).object_id > SYSTEM_OBJECTS_END;
        self.owned.iter().copied().filter(is_users).collect()
    }

    /// Two pages of extents of different units.
    fn of_two_units(&self) -> (usize, usize) {
        let users: Vec<usize> = self.users().into_iter().filter(|page| *page >= 64).collect();
        let first = users[0];
        let is_other = |page: &&usize| unit(&self.pages[**page]) != unit(&self.pages[first]);
        (first, *users.iter().find(is_other).expect("several tables"))
    }

    fn write(&self, pages: &[Page]) {
        fs::write(&self.path, bytemuck::cast_slice::<Page, u8>(pages)).expect("room");
    }

    fn scan(&self, pages: &[Page]) -> Value {
        self.write(pages);
        json(&whole(&discover(&[self.folder.path().to_owned()]), How::default()))
    }
}

fn suspects(report: &Value) -> &Vec<Value> {
    report["suspects"].as_array().expect("a list")
}

fn wrong_owners(report: &Value) -> BTreeMap<usize, &Value> {
    let suspects = suspects(report).iter().filter(|suspect| suspect["reason"] == "wrong_object");
    suspects.map(|s| (s["page_id"].as_u64().expect("a number") as usize, s)).collect()
}

fn notes(report: &Value) -> Vec<&str> {
    let files = report["files"].as_array().expect("a list").iter();
    let notes = files.flat_map(|file| file["notes"].as_array().expect("a list"));
    notes.map(|note| note.as_str().expect("text")).filter(|note| note.contains(NOTE)).collect()
}

#[test]
fn of_a_thousand_foreign_pages_all_are_found_but_those_of_the_same_unit() {
    let (mut found, mut hidden) = (0, 0);
    for seed in 0..20 {
        let bytes = if seed == 7 { 72 << 20 } else { SIZE_BYTES };
        let made = Made::of(Recipe::new(bytes, seed));
        let (mut pages, mut below) = (made.pages.clone(), dice(seed));
        let (users, mut expected) = (made.users(), BTreeMap::new());
        let mut changed = BTreeSet::new();
        while changed.len() < 50 {
            let at = users[below(users.len())];
            let donor = made.owned[below(made.owned.len())];
            if donor != at && changed.insert(at) {
                pages[at] = transplanted(&made.pages[donor], &made.pages[at]);
                let (says, owner) = (unit(&made.pages[donor]), unit(&made.pages[at]));
                if !is_same_unit(says, owner) {
                    expected.insert(at, (says, owner));
                }
            }
        }
        let report = made.scan(&pages);
        let wrong = wrong_owners(&report);
        assert_eq!(suspects(&report).len(), wrong.len(), "seed {seed}: nothing else is wrong");
        assert!(wrong.keys().eq(expected.keys()), "seed {seed}: {wrong:?}\n{expected:?}");
        for (page, (says, owner)) in &expected {
            let suspect = wrong[page];
            assert_eq!(suspect["allocation_unit_id"], *owner, "{suspect}");
            assert_eq!(suspect["found_allocation_unit_id"], *says, "{suspect}");
            assert_eq!(suspect["named_by"], "iam", "{suspect}");
        }
        assert_eq!(report["coverage"]["suspect"], expected.len());
        assert_eq!(report["exit_code"], 1);
        found += expected.len();
        hidden += changed.len() - expected.len();
    }
    println!("{found} found, {hidden} of the same unit, which nothing shows");
    assert!(found + hidden == 1000 && found > 700, "{found} {hidden}");
}

#[test]
fn it_is_said_what_was_lost_and_what_stands_there() {
    let made = Made::seeded(7);
    let mut pages = made.pages.clone();
    pages[700] = transplanted(&made.pages[1264], &made.pages[700]);
    let report = made.scan(&pages);
    let wrong = wrong_owners(&report);
    let suspect = wrong[&700];
    assert_eq!(suspect["object"], "dbo.Orders.PK_Orders", "{suspect}");
    assert_eq!(suspect["found_object"], "dbo.Documents.PK_Documents", "{suspect}");
    let message = suspect["message"].as_str().expect("text");
    assert!(message.starts_with("Attempt to fetch logical page (1:700)"), "{message}");
    let out = pagescrub(&["scan".as_ref(), made.path.as_os_str()]);
    let words = "belongs to dbo.Documents.PK_Documents";
    assert!(out.code == 1 && out.stdout.contains(words), "{}", out.stdout);
}

#[test]
fn pages_with_torn_bits_and_without_protection_are_found_as_well() {
    for page_verify in [PageVerify::Torn, PageVerify::None] {
        let made = Made::of(Recipe { page_verify, ..Recipe::new(SIZE_BYTES, 3) });
        assert!(suspect_pages(&made.scan(&made.pages)).is_empty());
        let ((at, donor), mut pages) = (made.of_two_units(), made.pages.clone());
        pages[at] = transplanted(&made.pages[donor], &made.pages[at]);
        let report = made.scan(&pages);
        assert_eq!(suspect_pages(&report), [at as u64], "{page_verify:?}");
        assert!(wrong_owners(&report).contains_key(&at));
    }
}

/// Opens of each file: one for the scan, and more only where something is looked at again.
fn opens(paths: &[PathBuf]) -> usize {
    let opens = AtomicUsize::new(0);
    let open = |path: &Path| {
        opens.fetch_add(1, Ordering::Relaxed);
        Reader::Pread.open(path)
    };
    let discovery = discover(paths);
    let with_pages = discovery.files.iter().filter(|file| file.has_pages()).count();
    scan(&discovery, How::default(), &open, None);
    opens.into_inner() - with_pages
}

#[test]
fn a_file_in_order_is_not_read_again() {
    let big = Made::of(Recipe::new(72 << 20, 5));
    // The table of files is looked up in every primary file.
    let lookups = 1;
    assert_eq!(opens(std::slice::from_ref(&big.path)), lookups);
    let (at, donor) = big.of_two_units();
    let mut pages = big.pages.clone();
    pages[at] = transplanted(&big.pages[donor], &big.pages[at]);
    big.write(&pages);
    assert!(opens(std::slice::from_ref(&big.path)) > lookups);
}

fn unclean(pages: &mut [Page]) {
    let boot = &mut pages[9];
    let status = boot.u32_at(STATUS);
    assert!(status & STATUS_CLEAN_SHUTDOWN != 0, "{status:#x}");
    let status = (status & !STATUS_CLEAN_SHUTDOWN).to_le_bytes();
    boot.bytes_mut()[STATUS..STATUS + 4].copy_from_slice(&status);
    seal(boot);
}

#[test]
fn in_a_database_that_was_not_shut_down_cleanly_it_is_a_note() {
    let made = Made::seeded(9);
    let mut pages = made.pages.clone();
    unclean(&mut pages);
    let before = made.scan(&pages);
    let users: Vec<usize> = made.users().into_iter().filter(|page| *page >= 64).collect();
    let other = |at: usize| {
        let is_other = |page: &&usize| unit(&made.pages[**page]) != unit(&made.pages[at]);
        *users.iter().find(is_other).expect("several tables")
    };
    for at in users[..12].iter().copied() {
        pages[at] = transplanted(&made.pages[other(at)], &made.pages[at]);
    }
    let report = made.scan(&pages);
    let named: Vec<String> = users[..10].iter().map(|page| format!("(1:{page})")).collect();
    let said = format!(
        "12 pages in use {NOTE} than the ones that own their extents ({}, ...)",
        named.join(", ")
    );
    assert!(matches!(&*notes(&report), [note] if note.starts_with(&said)), "{:?}", notes(&report));
    assert_eq!(report["exit_code"], before["exit_code"]);
    assert_eq!(report["coverage"], before["coverage"]);
}

#[test]
fn in_a_backup_it_is_a_note() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.bak");
    let words = ["generate", path.to_str().expect("text"), "--size=16MiB", "--seed=7"];
    assert_eq!(pagescrub(&[&words[..], &["--backup=full"]].concat()).code, 0);
    let report = || json(&whole(&discover(std::slice::from_ref(&path)), How::default()));
    let before = report();
    assert_eq!((suspects(&before).len(), notes(&before).len()), (0, 0));
    let found = discover(std::slice::from_ref(&path));
    let part = found.files.iter().find(|file| file.part.is_some()).expect("a data file");
    let offset = |page: u32| part.offset_bytes(PageId(page)).expect("in use") as usize;
    let mut bytes = fs::read(&path).expect("readable");
    let page = |bytes: &[u8], page: u32| {
        Page::new(bytes[offset(page)..][..8192].try_into().expect("a page"))
    };
    let foreign = transplanted(&page(&bytes, 1264), &page(&bytes, 700));
    bytes[offset(700)..][..8192].copy_from_slice(foreign.bytes());
    fs::write(&path, bytes).expect("room");
    let report = report();
    assert!(matches!(&*notes(&report), [note] if note.contains("(1:700)")), "{report}");
    assert_eq!(report["exit_code"], before["exit_code"]);
    assert_eq!(report["coverage"], before["coverage"]);
}

/// Two data files of one database, whose units have one chain of IAM pages each, as in real ones.
fn database_of_two_files(seed: u64) -> (TempDir, [PathBuf; 2], [Vec<Page>; 2]) {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |id: u16| Recipe { file_id: FileId(id), ..Recipe::new(SIZE_BYTES, seed) };
    let all = [of(1), of(3)];
    let paths = ["x.mdf", "x_3.ndf"].map(|name| folder.path().join(name));
    for (recipe, path) in all.iter().zip(&paths) {
        let others = OtherFiles::among(&all, recipe.file_id);
        generate(path, Recipe { others, ..*recipe }, true, &|_| {}).expect("a file");
    }
    let mut files = paths.clone().map(|path| pages(&path));
    let iams = |pages: &[Page]| -> BTreeMap<u64, usize> {
        let pages = pages.iter().enumerate().take(64);
        pages
            .filter(|(_, page)| header(page).page_type == IAM)
            .map(|(at, p)| (unit(p), at))
            .collect()
    };
    let (firsts, seconds) = (iams(&files[0]), iams(&files[1]));
    for (unit, second) in seconds {
        let first = firsts[&unit];
        let page = PageHeader::of_mut(&mut files[0][first]);
        (page.next_page, page.next_file) = (second as u32, 3);
        seal(&mut files[0][first]);
        let page = PageHeader::of_mut(&mut files[1][second]);
        (page.prev_page, page.prev_file) = (first as u32, 1);
        files[1][second].bytes_mut()[100] = 1;
        seal(&mut files[1][second]);
    }
    (folder, paths, files)
}

fn write(path: &Path, pages: &[Page]) {
    fs::write(path, bytemuck::cast_slice::<Page, u8>(pages)).expect("room");
}

#[test]
fn a_database_of_two_files_is_judged_as_one_and_not_without_one_of_them() {
    let (_folder, paths, mut files) = database_of_two_files(11);
    (0..2).for_each(|at| write(&paths[at], &files[at]));
    let report = |paths: &[PathBuf]| json(&whole(&discover(paths), How::default()));
    assert_eq!(suspects(&report(&paths)).len(), 0);
    let before = report(&paths[..1]);
    assert_eq!((suspects(&before).len(), notes(&before).len()), (0, 0));
    for pages in &mut files {
        let users: Vec<usize> = (64..1600)
            .filter(|page| header(&pages[*page]).object_id > SYSTEM_OBJECTS_END)
            .collect();
        let owned = |page: &&usize| PfsByte::of(&pages[1], PageId(**page as u32)).is_allocated();
        let at = *users.iter().find(owned).expect("pages in use");
        let is_other = |page: &&usize| owned(page) && unit(&pages[**page]) != unit(&pages[at]);
        let donor = *users.iter().find(is_other).expect("several tables");
        pages[at] = transplanted(&pages[donor], &pages[at]);
    }
    (0..2).for_each(|at| write(&paths[at], &files[at]));
    let both = report(&paths);
    let found: BTreeSet<u64> =
        suspects(&both).iter().map(|suspect| suspect["file_id"].as_u64().expect("one")).collect();
    assert_eq!((suspects(&both).len(), found), (2, BTreeSet::from([1, 3])), "{both}");
    let first = report(&paths[..1]);
    assert_eq!((suspects(&first).len(), notes(&first).len()), (0, 1));
    assert_eq!(first["exit_code"], before["exit_code"]);
    assert_eq!(suspects(&report(&paths[1..])).len(), 0);
}

#[test]
fn a_resumed_scan_says_the_same() {
    let made = Made::of(Recipe::new(72 << 20, 13));
    let (mut pages, mut below) = (made.pages.clone(), dice(13));
    let users = made.users();
    for _ in 0..20 {
        let (at, donor) = (users[below(users.len())], users[below(users.len())]);
        pages[at] = transplanted(&made.pages[donor], &made.pages[at]);
    }
    let expected = timeless(made.scan(&pages));
    assert!(wrong_owners(&expected).len() > 10);
    let checkpoints = tempfile::tempdir().expect("a folder");
    let checkpoint = checkpoints.path().join("scan.checkpoint");
    let paths = [made.folder.path().to_owned()];
    // The first interval of 8,088 pages is done then, and the second is not.
    for stop_after in [20, 115] {
        let how = How { stop_after, ..How::default() };
        let stopped = part(&paths, how, &checkpoint, Duration::ZERO);
        assert!(stopped.report.run.stopped && wrong_owners(&json(&stopped)).is_empty());
    }
    let resumed = part(&paths, How::default(), &checkpoint, Duration::ZERO);
    assert_eq!(timeless(json(&resumed)), expected);
}

/// One way to damage an IAM page or a PFS page.
fn mutate(page: &mut Page, below: &mut dyn FnMut(usize) -> usize) {
    let is_pfs = header(page).page_type != IAM;
    let body = if is_pfs { PFS_BYTES_OFFSET..8188 } else { 96..8180 };
    match below(8) {
        0 => *page = Page::ZERO,
        1 => page.bytes_mut()[96..].fill_with(|| below(256) as u8),
        2 => PageHeader::of_mut(page).object_id ^= 1 << below(9),
        3 => PageHeader::of_mut(page).next_page ^= 1 << below(9),
        4 if !is_pfs => page.bytes_mut()[100] ^= 1,
        5 if !is_pfs => page.bytes_mut()[142 + below(48)] ^= 1 << below(6),
        // Extents of the file: its bitmap begins with them.
        6 if !is_pfs => (0..20).for_each(|_| page.bytes_mut()[194 + below(32)] ^= 1 << below(8)),
        _ => {
            for _ in 0..=below(40) {
                let at = if is_pfs { 100 + below(2048) } else { body.start + below(body.len()) };
                page.bytes_mut()[at] ^= 1 << below(8);
            }
        }
    }
}

/// Whether a page is in use, and whose it is, may be told wrongly then, with a right checksum at
/// that: but a page that is as it was is not called one of another owner.
#[test]
fn damaged_maps_make_no_page_one_of_another_owner() {
    let made = Made::seeded(17);
    let maps: Vec<usize> =
        (0..64).filter(|page| [IAM, 11].contains(&header(&made.pages[*page]).page_type)).collect();
    let mut others = 0;
    for round in 0..200 {
        let mut below = dice(round);
        let at = if round % 3 == 0 { 1 } else { maps[below(maps.len())] };
        let mut pages = made.pages.clone();
        mutate(&mut pages[at], &mut below);
        if below(3) > 0 && pages[at].bytes() != Page::ZERO.bytes() {
            seal(&mut pages[at]);
        }
        let report = made.scan(&pages);
        let is_false = |page: &&usize| made.owned.contains(page);
        let wrong = wrong_owners(&report);
        let false_ones: Vec<&usize> = wrong.keys().filter(is_false).collect();
        assert!(false_ones.is_empty(), "round {round}, page {at}: {false_ones:?}");
        // Old pages that a PFS page calls in use, in extents that others have got since.
        others += wrong.len();
    }
    println!("{others} old pages called in use");
}

fn real_files() -> Vec<PathBuf> {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable"));
    let is_data = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "mdf");
    entries.map(|entry| entry.path()).filter(is_data).collect()
}

/// No real page has another owner; and of each real file, ten pages that have one are seen.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn pages_of_real_files_belong_to_their_owners_and_are_missed_where_they_do_not() {
    let mut clean_files = 0;
    for path in real_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("x.mdf");
        let original = pages(&path);
        let report = |pages: &[Page]| {
            write(&copy, pages);
            json(&whole(&discover(std::slice::from_ref(&copy)), How::default()))
        };
        let before = report(&original);
        assert_eq!((wrong_owners(&before).len(), notes(&before).len()), (0, 0), "{before}");
        let pfs = torn::restored(&original[1]);
        let is_owned = |page: &usize| {
            let is_in_use = PfsByte::of(&pfs, PageId(*page as u32)).is_allocated();
            let is_fixed = fixed_page_type(FileId(1), PageId(*page as u32)).is_some();
            let is_catalog = SystemTable::of(header(&original[*page])).is_some();
            is_in_use && !is_fixed && !is_catalog && header(&original[*page]).page_type == 1
        };
        let owned: Vec<usize> = (0..original.len().min(8088)).filter(is_owned).collect();
        let mut changed = original.clone();
        let mut below = dice(1);
        let mut expected = BTreeSet::new();
        for _ in 0..10 {
            let (at, donor) = (owned[below(owned.len())], owned[below(owned.len())]);
            if !is_same_unit(unit(&original[at]), unit(&original[donor])) {
                changed[at] = transplanted(&original[donor], &original[at]);
                expected.insert(at);
            }
        }
        assert!(expected.len() > 4, "{}: {expected:?}", path.display());
        let after = report(&changed);
        let is_clean = before["files"][0]["clean_shutdown"] == true;
        println!("{}: clean {is_clean}, {:?}", path.display(), notes(&after));
        let found: BTreeSet<usize> = wrong_owners(&after).into_keys().collect();
        if is_clean {
            assert_eq!(found, expected, "{}", path.display());
            clean_files += 1;
        } else {
            assert!(found.is_empty() && notes(&after).len() == 1, "{}", path.display());
            assert_eq!(after["exit_code"], before["exit_code"]);
        }
    }
    assert!(clean_files >= 4, "{clean_files}");
}
