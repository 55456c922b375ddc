//! Real data files, where they are at hand, and their pages.

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
