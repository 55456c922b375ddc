//! Suspects carry the names of what they belong to, found without a server.

use crate::harness::real::{pages, real_files};
use crate::harness::stopped::{How, json, part, whole};
use crate::harness::{self, pagescrub, scan_json, timeless};
use pagescrub::catalog::object::{Object, ObjectKind};
use pagescrub::catalog::{SystemTable, objects};
use pagescrub::discover::discover;
use pagescrub::page::address::{FileId, PageId};
use pagescrub::page::allocation::fixed_page_type;
use pagescrub::page::checksum::Checksum;
use pagescrub::page::header::{PageHeader, Protection};
use pagescrub::page::kind::PageType;
use pagescrub::page::{Page, torn};
use pagescrub::report::terminal::{self, Look};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

type Objects = BTreeMap<u64, Arc<Object>>;

fn real_file(beginning: &str) -> PathBuf {
    let is_it = |path: &PathBuf| {
        path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(beginning.as_bytes()))
    };
    real_files().into_iter().find(is_it).expect("it is among the files")
}

/// A copy of a file that may be written to.
fn copy(path: &Path, folder: &TempDir) -> PathBuf {
    let copy = folder.path().join(path.file_name().expect("a file"));
    fs::write(&copy, fs::read(path).expect("readable")).expect("room");
    copy
}

/// The pages in use that stand at no fixed place: those that belong to an object.
fn owned(pages: &[Page]) -> Vec<usize> {
    let pfs = torn::restored(&pages[1]);
    let is_owned = |page: &usize| {
        let is_in_use = pfs.bytes()[100 + *page] & 0x40 != 0;
        is_in_use && fixed_page_type(FileId(1), PageId(*page as u32)).is_none()
    };
    assert!(pages.len() <= 8088, "one PFS page describes the file");
    (0..pages.len()).filter(is_owned).collect()
}

fn unit(page: &Page) -> u64 {
    PageHeader::of(page).allocation_unit_id()
}

fn names(pages: &[Page], owned: &[usize]) -> Objects {
    let units: BTreeSet<u64> = owned.iter().map(|&page| unit(&pages[page])).collect();
    objects(&units, &|table, visit| {
        let in_use = owned.iter().map(|&page| &pages[page]);
        in_use
            .filter(|page| SystemTable::of(PageHeader::of(page)) == Some(table))
            .for_each(|page| visit(&torn::restored(page)));
    })
}

/// The names of all objects of users that own pages.
fn user_tables(objects: &Objects) -> BTreeSet<String> {
    let users = objects.values().filter(|object| object.schema.as_deref() != Some("sys"));
    users.filter_map(|object| object.table.as_deref().map(str::to_owned)).collect()
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_page_in_use_of_every_real_file_has_a_name_that_fits_its_type() {
    for path in real_files() {
        let pages = pages(&path);
        let owned = owned(&pages);
        let names = names(&pages, &owned);
        for &page in &owned {
            let name = names.get(&unit(&pages[page]));
            let object = name.unwrap_or_else(|| panic!("{} {page}", path.display()));
            assert!(object.schema.is_some() && object.table.is_some(), "{page}: {object}");
            assert_eq!(object.index.is_some(), object.index_id > 0, "{page}: {object}");
            let page_type = PageType::of(PageHeader::of(&pages[page]).page_type);
            assert!(object.can_own(page_type), "{page} {page_type}: {object} {:?}", object.kind);
        }
        let tables = user_tables(&names);
        println!("{}: {} of {} pages, {tables:?}", path.display(), owned.len(), owned.len());
    }
}

/// As published with the sample database; its two empty tables own no pages.
const NORTHWIND: [&str; 11] = [
    "Categories",
    "Customers",
    "EmployeeTerritories",
    "Employees",
    "Order Details",
    "Orders",
    "Products",
    "Region",
    "Shippers",
    "Suppliers",
    "Territories",
];

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn northwinds_tables_are_known_by_name() {
    let pages = pages(&real_file("NORTHWND"));
    let tables = user_tables(&names(&pages, &owned(&pages)));
    assert!(tables.iter().eq(&NORTHWIND), "{tables:?}");
}

/// Damages the rows of every page of an object but those of the system tables.
fn damage_all(path: &Path, pages: &mut [Page], owned: &[usize]) -> Vec<usize> {
    let is_other = |page: &&usize| SystemTable::of(PageHeader::of(&pages[**page])).is_none();
    let is_protected =
        |page: &&usize| PageHeader::of(&pages[**page]).protection() != Protection::None;
    let damaged: Vec<usize> = owned.iter().filter(is_other).filter(is_protected).copied().collect();
    for &page in &damaged {
        // The last byte of a sector, for torn bits; the header stays as it was.
        pages[page].bytes_mut()[1023] ^= 1;
    }
    write(path, pages);
    damaged
}

fn write(path: &Path, pages: &[Page]) {
    fs::write(path, bytemuck::cast_slice::<Page, u8>(pages)).expect("room");
}

fn suspects(report: &Value) -> &Vec<Value> {
    report["suspects"].as_array().expect("a list")
}

fn page_id(suspect: &Value) -> usize {
    suspect["page_id"].as_u64().expect("a number") as usize
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_suspect_of_a_damaged_real_file_shows_its_object() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in real_files() {
        let mut pages = pages(&path);
        let owned = owned(&pages);
        let names = names(&pages, &owned);
        let path = copy(&path, &folder);
        let damaged = damage_all(&path, &mut pages, &owned);
        let (code, report) = scan_json(&path, &[]);
        assert_eq!(
            (code, suspects(&report).len()),
            (i32::from(!damaged.is_empty()), damaged.len())
        );
        for suspect in suspects(&report) {
            let unit = unit(&pages[page_id(suspect)]);
            let object = &names[&unit];
            assert_eq!(suspect["object"], object.to_string());
            assert_eq!(suspect["schema"].as_str(), object.schema.as_deref());
            assert_eq!(suspect["table"].as_str(), object.table.as_deref());
            assert_eq!(suspect["index"].as_str(), object.index.as_deref());
            assert_eq!(suspect["object_kind"], object.kind.name());
            assert_eq!(suspect["object_id"], object.object_id);
            assert_eq!(suspect["index_id"], object.index_id);
            assert_eq!(suspect["allocation_unit_id"], unit);
            assert_ranked(suspect, object);
        }
    }
}

fn assert_ranked(suspect: &Value, object: &Object) {
    let is_system = object.object_id < 100;
    let is_index = object.kind == ObjectKind::NonclusteredIndex;
    // As sysschobjs calls the tables that lead to all others, and those of files, in any version.
    let leading = [
        "sysrscols",
        "sysrowsetcolumns",
        "sysrowsets",
        "sysallocunits",
        "sysfiles1",
        "syshobtcolumns",
        "syshobts",
        "sysfgfrag",
        "sysphfg",
        "sysprufiles",
        "sysdbfiles",
    ];
    let leads = is_system && object.table.as_deref().is_some_and(|name| leading.contains(&name));
    let tier = match suspect["page_type"].as_str() {
        Some("iam") => "T1",
        _ if leads => "T0",
        _ if is_system => "T1",
        _ if is_index => "T3",
        Some("index") => "T1",
        _ => "T2",
    };
    assert_eq!(suspect["tier"], tier, "{suspect}");
    let action = suspect["action"].as_str().expect("text");
    // What is restored as a whole brings its indexes along.
    let whole = ["with its ", "restore msdb", "restore model", "no page restore of master"];
    let is_alone = !whole.iter().any(|start| action.starts_with(start));
    assert_eq!(action.contains("DROP and CREATE"), tier == "T3" && is_alone, "{action}");
}

/// Places and objects as they were printed by a scan of a copy, checked against what is published:
/// Orders and one of its indexes, and the pictures of Employees.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn faults_injected_into_northwind_show_tables_indexes_and_lob_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = copy(&real_file("NORTHWND"), &folder);
    for page in ["208", "249", "154"] {
        let (fault, path) = ("--fault=zero-sector", path.to_str().expect("text"));
        let args = ["inject", path, "--seed=1", fault, "--page", page, "--force"];
        assert_eq!(pagescrub(&args).code, 0);
    }
    let (_, report) = scan_json(&path, &[]);
    let of = |page: usize| {
        let suspect = suspects(&report).iter().find(|suspect| page_id(suspect) == page);
        let suspect = suspect.unwrap_or_else(|| panic!("{page} is no suspect"));
        (suspect["object"].clone(), suspect["object_kind"].clone())
    };
    let pair = |object: &str, kind: &str| (object.into(), kind.into());
    assert_eq!(of(208), pair("dbo.[Order Details].PK_Order_Details", "clustered_index"));
    assert_eq!(of(249), pair("dbo.Orders.CustomersOrders", "nonclustered_index"));
    assert_eq!(of(154), pair("dbo.Employees (LOB data)", "lob_data"));
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_destroyed_catalog_page_costs_names_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let real = real_file("MoviesDb");
    let mut all_pages = pages(&real);
    let owned = owned(&all_pages);
    let path = copy(&real, &folder);
    let damaged = damage_all(&path, &mut all_pages, &owned);
    let (_, whole) = scan_json(&path, &[]);
    let is_catalog = |page: &&usize| SystemTable::of(PageHeader::of(&all_pages[**page])).is_some();
    let catalog: Vec<usize> = owned.iter().filter(is_catalog).copied().collect();
    for lost in catalog {
        let mut pages = all_pages.clone();
        pages[lost].bytes_mut()[100..8000].fill(0x5a);
        write(&path, &pages);
        let (code, report) = scan_json(&path, &[]);
        assert_eq!((code, suspects(&report).len()), (1, damaged.len() + 1));
        for (suspect, before) in suspects(&report)
            .iter()
            .filter_map(|suspect| Some((suspect, named_before(&whole, page_id(suspect))?)))
        {
            for key in ["address", "reason", "page_type", "allocation_unit_id", "message"] {
                assert_eq!(suspect[key], before[key]);
            }
            for key in ["schema", "table", "index", "object_id", "index_id", "object_kind"] {
                assert!(suspect[key] == before[key] || suspect[key].is_null(), "{suspect}");
            }
        }
    }
}

fn named_before(report: &Value, page: usize) -> Option<&Value> {
    suspects(report).iter().find(|suspect| page_id(suspect) == page)
}

fn random(seed: u64) -> impl FnMut(usize) -> usize {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    move |end| (dice.next_u64() % end as u64) as usize
}

/// Damage that checksums do not see: bytes, slots and lengths of the rows that names come from.
fn mutate(page: &mut Page, below: &mut dyn FnMut(usize) -> usize) {
    for _ in 0..=below(40) {
        let at = match below(4) {
            0 => 8192 - 2 * (1 + below(60)),
            1 => 22,
            2 => 96 + below(64),
            _ => below(8191),
        };
        let value = [0, 1, 0x10, 0x30, 0x7f, 0x80, 0xff, below(256)][below(8)] as u8;
        page.bytes_mut()[at] = value;
        page.bytes_mut()[at + 1] = [value, 0, below(256) as u8][below(3)];
    }
}

fn generated(folder: &TempDir, name: &str, file_id: &str) -> PathBuf {
    let path = folder.path().join(name);
    let text = path.to_str().expect("text");
    let args = ["generate", text, "--seed=8", "--size=4MiB", "--file-id", file_id];
    assert_eq!(pagescrub(&args).code, 0);
    path
}

fn damage(path: &Path, count: &str) {
    let path = path.to_str().expect("text");
    let args = ["inject", path, "--seed=8", "--fault=zero-sector", "--random", count];
    let run = pagescrub(&args);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn random_garbage_in_catalog_pages_gives_fewer_names_and_no_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = pages(&generated(&folder, "healthy.mdf", "1"));
    let owned = owned(&pages);
    let whole = names(&pages, &owned);
    assert!(whole.len() >= 11, "{whole:?}");
    let is_catalog = |page: &&usize| SystemTable::of(PageHeader::of(&pages[**page])).is_some();
    let catalog: Vec<usize> = owned.iter().filter(is_catalog).copied().collect();
    let mut below = random(3);
    let (mut fewer, mut same) = (0, 0);
    for _ in 0..5000 {
        let mut mutated: Vec<Page> = catalog.iter().map(|&page| pages[page]).collect();
        for page in &mut mutated {
            mutate(page, &mut below);
        }
        let units = owned.iter().map(|&page| unit(&pages[page])).collect();
        let found = objects(&units, &|table, visit| {
            let tables = catalog.iter().map(|&page| SystemTable::of(PageHeader::of(&pages[page])));
            let of_table = mutated.iter().zip(tables).filter(|(_, of)| *of == Some(table));
            of_table.for_each(|(page, _)| visit(&torn::restored(page)));
        });
        let is_same = found == whole;
        fewer += usize::from(!is_same);
        same += usize::from(is_same);
        for object in found.values() {
            assert!(object.to_string().chars().count() < 1000);
        }
    }
    assert!(fewer > 1000, "the mutations do nothing: {fewer} {same}");
}

/// The same through a whole scan: the garbage has good checksums.
#[test]
fn garbage_with_good_checksums_changes_names_and_no_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder, "damaged.mdf", "1");
    damage(&path, "40");
    let wanted = harness::suspect_pages(&scan_json(&path, &[]).1);
    let pages = pages(&path);
    let mut below = random(4);
    for _ in 0..60 {
        let mut pages = pages.clone();
        for page in pages.iter_mut().filter(|page| Checksum::of(page) == Checksum::stored_in(page))
        {
            if SystemTable::of(PageHeader::of(page)).is_some() {
                let header = *PageHeader::of(page);
                mutate(page, &mut below);
                *PageHeader::of_mut(page) = header;
                PageHeader::of_mut(page).torn_bits = Checksum::of(page).0;
            }
        }
        write(&path, &pages);
        let (code, report) = scan_json(&path, &[]);
        assert_eq!((code, harness::suspect_pages(&report)), (1, wanted.clone()));
    }
}

#[test]
fn a_resumed_scan_gives_the_same_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder, "damaged.mdf", "1");
    damage(&path, "30");
    let (_, wanted) = scan_json(&path, &[]);
    let is_named = |suspect: &&Value| suspect["table"].is_string();
    assert!(suspects(&wanted).iter().filter(is_named).count() > 15, "{wanted}");
    let checkpoint = folder.path().join("checkpoint");
    for stop_after in [1, 4] {
        let paths = [path.clone()];
        let never = Duration::from_hours(1);
        let how = How { stop_after, threads: 1, ..How::default() };
        let stopped = json(&part(&paths, how, &checkpoint, never));
        assert!(!suspects(&stopped).is_empty() && !suspects(&stopped).iter().any(|s| is_named(&s)));
        assert!(stopped["run"]["notes"].to_string().contains("looked up at its end"), "{stopped}");
        let resumed = json(&part(&paths, How::default(), &checkpoint, never));
        assert_eq!(timeless(resumed), timeless(wanted.clone()), "stopped after {stop_after}");
        fs::remove_file(&checkpoint).expect("ours");
    }
}

#[test]
fn a_secondary_file_has_names_from_its_primary_and_none_without_or_with_two() {
    let folder = tempfile::tempdir().expect("a folder");
    let primary = generated(&folder, "sales.mdf", "1");
    let secondary = generated(&folder, "sales_2.ndf", "3");
    damage(&secondary, "20");
    let tables = |report: &Value| -> BTreeSet<Option<String>> {
        let table = |suspect: &Value| suspect["table"].as_str().map(str::to_owned);
        suspects(report).iter().map(table).collect()
    };
    let (_, alone) = scan_json(&secondary, &[]);
    assert_eq!(tables(&alone), [None].into());
    assert!(alone["files"][0]["notes"].to_string().contains("primary file"), "{alone}");
    let object = alone["suspects"][0]["object"].as_str().expect("text");
    assert!(object.starts_with("allocation unit 72057594"), "{object}");
    let (_, both) = scan_json(folder.path(), &[]);
    let named = tables(&both);
    assert!(named.contains(&Some("Orders".to_owned())), "{named:?}");
    fs::create_dir(folder.path().join("copy")).expect("ours");
    fs::copy(&primary, folder.path().join("copy/sales.mdf")).expect("room");
    assert_eq!(tables(&scan_json(folder.path(), &[]).1), named, "the one beside it");
    fs::copy(&primary, folder.path().join("other.mdf")).expect("room");
    assert_eq!(tables(&scan_json(folder.path(), &[]).1), [None].into(), "which one is not known");
}

#[test]
fn the_terminal_shows_objects_in_80_and_in_160_columns() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = generated(&folder, "damaged.mdf", "1");
    damage(&path, "30");
    let mut report = whole(&discover(&[path]), How::default()).report;
    report.suspects[0].object = Some("dbo.\u{1b}[31mred".into());
    report.suspects[0].object_id = Some(1);
    for width in [80, 160] {
        let look = Look { width: Some(width), rows_max: 20, verbose: false };
        let mut text = Vec::new();
        terminal::write(&report, look, &mut text).expect("memory");
        let text = String::from_utf8(text).expect("text");

        assert!(text.contains("Object") && text.contains("dbo.Import"), "{text}");
        assert!(!text.contains("\u{1b}[31mred"), "{text}");
        let is_for_people = |line: &&str| !line.starts_with("RESULT ");
        for line in text.lines().filter(is_for_people) {
            assert!(console::measure_text_width(line) <= width.into(), "{line}");
        }
        let row = text.lines().find(|line| line.contains("dbo.Documents.PK_Documents"));
        assert!(row.is_some_and(|row| row.contains("damaged.mdf")), "{text}");
    }
}
