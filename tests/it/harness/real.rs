//! Real data files, where they are at hand, and their pages.

use super::database::Database;
use pagescrub::page::Page;
use std::fs;
use std::path::{Path, PathBuf};

/// The real data files by their names, in order.
pub fn real_files() -> Vec<PathBuf> {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable"));
    let is_data = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "mdf");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_data).collect();
    files.sort();
    assert!(files.len() >= 7, "{files:?}");
    files
}

/// The whole pages of the file at `path`.
pub fn pages(path: &Path) -> Vec<Page> {
    let bytes = fs::read(path).expect("readable");
    bytes.chunks_exact(8192).map(|page| Page::new(page.try_into().expect("a page"))).collect()
}

/// The real full backups that have all of their database, uncompressed and compressed, and the
/// data file that lies among them.
pub fn real_backups() -> Vec<(Database, String)> {
    let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let data = Path::new(&data);
    let backups = data.parent().expect("it has a neighbour").join("backups");
    let plain = [
        vec![
            backups.join("stripes_852/restoretime_s1.bak"),
            backups.join("stripes_852/restoretime_s2.bak"),
        ],
        vec![backups.join("chain_2016/full.bak")],
        vec![backups.join("padding_without_checksum.bak")],
        vec![backups.join("name_shorter_than_before_655.bak")],
        vec![backups.join("lines/of_this_line.bak")],
        vec![backups.join("lines/of_another_line.bak")],
        vec![backups.join("lines/QLBH_DATA.mdf")],
        vec![data.join("sqltools_Full_859.bak")],
        vec![data.join("InventoryDB_904.bak")],
    ];
    let packed = [
        backups.join("chain_compressed_904/TestFull1.bak"),
        backups.join("container_v1_655.bak"),
        data.join("TutorialDB_compressed.bak"),
    ];
    let plain = plain.iter().map(|paths| (Database::read(paths), paths[0].display().to_string()));
    let packed = packed.iter().map(|path| (Database::unpacked(path), path.display().to_string()));
    plain.chain(packed).collect()
}
