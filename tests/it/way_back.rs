//! How a database is made good, in a word: the smallest way that mends all of it.

use crate::damaged::{Page, database};
use crate::harness::pagescrub;
use pagescrub::consolidate::database::tell;
use pagescrub::consolidate::file_facts::CatalogEntry;
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::consolidate::report::database::WayBack;
use std::fs;

/// That of a database whose file 3 is in a filegroup of its own.
fn way_back(mut report: ScrubReport) -> WayBack {
    let entry = |file_id, filegroup| CatalogEntry {
        file_id,
        filegroup_id: Some(filegroup),
        ..CatalogEntry::default()
    };
    report.files[0].database_files = vec![entry(1, 1), entry(3, 2)];
    tell(&mut report);
    assert_eq!(report.databases.len(), 1, "{:#?}", report.databases);
    report.databases[0].way_back
}

fn of(name: &str, simple: Option<bool>, pages: &[Page]) -> WayBack {
    way_back(database(name, simple, pages.iter().cloned()))
}

#[test]
fn the_smallest_way_mends_all_of_it() {
    let (rows, index) = (Page::rows(1, 300), Page::index(1, 301));
    let (header, secondary) = (Page::at(1, 0), Page::at(3, 0));
    let full = Some(false);
    for (pages, simple, expected) in [
        (vec![], full, WayBack::None),
        (vec![index.clone()], full, WayBack::RebuildIndexes),
        (vec![index.clone(), rows.clone()], full, WayBack::Pages),
        (vec![rows.clone()], None, WayBack::Pages),
        (vec![secondary.clone()], full, WayBack::FilegroupOnline),
        (vec![Page::rows(3, 300)], full, WayBack::Pages),
        (vec![secondary.clone(), rows.clone()], full, WayBack::File),
        (vec![header.clone()], full, WayBack::File),
        (vec![header, secondary], full, WayBack::File),
        (vec![index], Some(true), WayBack::RebuildIndexes),
        (vec![rows], Some(true), WayBack::Database),
    ] {
        assert_eq!(of("sales", simple, &pages), expected, "{simple:?}");
    }
}

#[test]
fn databases_that_the_server_brings_along_are_never_restored_by_page() {
    let rows = [Page::rows(1, 300)];
    for name in ["master", "msdb", "model"] {
        assert_eq!(of(name, Some(false), &rows), WayBack::Database, "{name}");
    }
    for name in ["tempdb", "mssqlsystemresource"] {
        assert_eq!(of(name, Some(false), &rows), WayBack::None, "{name}");
    }
}

#[test]
fn nothing_helps_where_no_backup_of_it_restores_anything() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let run = |args: &[&str]| assert_eq!(pagescrub(args).code, 0, "{args:?}");
    run(&["generate", &at("a.mdf"), "--size=2MiB", "--seed=7"]);
    run(&["generate", &at("a.bak"), "--size=2MiB", "--seed=7", "--backup=full"]);
    run(&["inject", &at("a.mdf"), "--fault=zero-page", "--random=1", "--seed=7"]);
    let way = || {
        let report = pagescrub(&["scan", &at(""), "--format=json"]).json();
        let database = &report["databases"][0];
        let text = |key: &str| database[key].as_str().expect("text").to_owned();
        (text("way_back"), database["suspects_with_copy"].as_u64())
    };
    assert_eq!(way(), ("pages".to_owned(), Some(1)));
    let whole = fs::read(at("a.bak")).expect("it is there");
    fs::write(at("a.bak"), &whole[..whole.len() - (64 << 10)]).expect("room");
    assert_eq!(way(), ("nothing_helps".to_owned(), Some(0)), "its only backup was cut");
    fs::remove_file(at("a.bak")).expect("it was there");
    assert_eq!(way(), ("pages".to_owned(), Some(0)), "backups may be elsewhere");
}
