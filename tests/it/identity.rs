//! What tells databases apart, in real files and in generated ones: that the latter have it where
//! the former do is seen by bytes, not by our own reader.
//!
//! Real files are read from the folder named by `PAGESCRUB_REAL_DATA` and its neighbour `backups`;
//! without them these tests show as ignored.

use pagescrub::catalog::files::{CatalogFile, files};
use pagescrub::catalog::{Lead, SystemTable};
use pagescrub::discover::{DataFile, discover};
use pagescrub::drill::{BackupRecipe, Media, OtherFiles, Recipe, generate, generate_backup};
use pagescrub::page::address::FileId;
use pagescrub::page::boot::BootPage;
use pagescrub::page::file_header::FileHeader;
use pagescrub::page::header::PageHeader;
use pagescrub::page::line::Guid;
use pagescrub::page::{Page, torn};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PAGE: usize = 8192;

fn real(folder: &str, name: &str) -> PathBuf {
    let data = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    Path::new(&data).parent().expect("it has a neighbour").join(folder).join(name)
}

fn page(bytes: &[u8], id: usize) -> Page {
    let mut page = Page::ZERO;
    page.bytes_mut().copy_from_slice(&bytes[id * PAGE..(id + 1) * PAGE]);
    torn::restored(&page)
}

/// The pages of `sysprufiles` in a data file.
fn file_pages(bytes: &[u8]) -> Vec<Page> {
    let pages = (0..bytes.len() / PAGE).map(|id| page(bytes, id));
    let is_it =
        |page: &Page| Lead::of(PageHeader::of(page)) == Some(Lead::Rows(SystemTable::SysPruFiles));
    pages.filter(is_it).collect()
}

fn catalog(bytes: &[u8]) -> BTreeMap<u16, CatalogFile> {
    let pages = file_pages(bytes);
    files(&|table, visit| {
        assert_eq!(table, SystemTable::SysPruFiles);
        pages.iter().for_each(visit);
    })
}

fn generated(recipe: Recipe) -> Vec<u8> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a.mdf");
    generate(&path, recipe, true, &|_| {}).expect("a healthy file");
    fs::read(path).expect("it is there")
}

const REAL: [(&str, &str); 7] = [
    ("data", "ContactManagerDB_611.mdf"),
    ("data", "MoviesDb_706.mdf"),
    ("data", "Northwind_661_verifynone.mdf"),
    ("data", "NORTHWND_661from539_torn.mdf"),
    ("data", "Subtext2.6_655.mdf"),
    ("data", "roadkill152_706from655.mdf"),
    ("backups", "lines/QLBH_DATA.mdf"),
];

fn real_files() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    REAL.into_iter().map(|(folder, name)| (name, fs::read(real(folder, name)).expect("readable")))
}

/// Of a clean database each file has the size that its catalog tells; GUID and name are those of
/// its page 0.
fn assert_is_told_of_itself(name: &str, bytes: &[u8]) {
    let files = catalog(bytes);
    let header = FileHeader::of(&page(bytes, 0)).expect("a file header");
    let own = &files[&header.file_id.0];
    assert_eq!(own.pages as usize, bytes.len() / PAGE, "{name}");
    assert_eq!((own.kind, own.state, own.guid), (0, 0, header.file_guid), "{name}");
    // A database made by SQL Server 2000 has no name on page 0.
    let is_named = header.logical_name.is_none_or(|told| told == own.logical_name);
    assert!(is_named && own.physical_name.to_lowercase().ends_with(".mdf"), "{name}");
    let logs: Vec<_> = files.values().filter(|file| file.is_log()).collect();
    let ends = |file: &&CatalogFile| file.physical_name.to_lowercase().ends_with(".ldf");
    assert!(!logs.is_empty() && logs.iter().all(ends), "{name}");
    assert!(logs.iter().all(|log| log.filegroup_id == 0 && own.filegroup_id == 1), "{name}");
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn real_databases_name_their_files() {
    for (name, bytes) in real_files() {
        assert_is_told_of_itself(name, &bytes);
    }
}

#[test]
fn generated_databases_name_their_files() {
    let own = Recipe::new(4 << 20, 7);
    let other = Recipe { file_id: FileId(3), size_bytes: 2 << 20, ..own };
    let recipe = Recipe { others: OtherFiles::among(&[own, other], own.file_id), ..own };
    let bytes = generated(recipe);
    assert_is_told_of_itself("generated", &bytes);
    let other = generated(other);
    let header = FileHeader::of(&page(&other, 0)).expect("a file header");
    let told = &catalog(&bytes)[&3];
    assert_eq!((told.guid, told.pages as usize), (header.file_guid, other.len() / PAGE));
    assert_eq!(Some(&told.logical_name), header.logical_name.as_ref());
    assert!(header.file_guid.is_some() && catalog(&other).is_empty());
}

/// The bytes of the first row that are the same in every database: all but its values.
fn frame(page: &Page) -> Vec<u8> {
    let header = PageHeader::of(page);
    let at = usize::from(page.u16_at(PAGE - 2));
    let bytes = &page.bytes()[at..];
    let end = usize::from(page.u16_at(at + 2));
    let place = [header.page_type, header.level, header.object_id as u8, header.index_id as u8];
    let length = header.pminlen.to_le_bytes();
    // Fragment; then columns, which of them are NULL, and how many have a length of their own.
    [&place[..], &length, &bytes[..8], &bytes[end..end + 8]].concat()
}

/// Never backed up, of the version that most are like.
#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn a_generated_row_is_framed_as_a_real_one() {
    let real = fs::read(real("data", "MoviesDb_706.mdf")).expect("readable");
    let generated = generated(Recipe::new(2 << 20, 7));
    let [real, generated] = [real, generated].map(|bytes| frame(&file_pages(&bytes)[0]));
    assert_eq!(real, generated);
}

/// What boot page and description of one set say.
fn assert_set_is_of_its_boot_page(file: &DataFile, boot: &BootPage) {
    let name = file.path.display();
    let set = file.part.as_ref().expect("it is in a backup").set();
    assert_eq!(set.line, boot.line, "{name}");
    assert!(set.line.family_id.is_some() && set.line.fork_id.is_some(), "{name}");
    assert!(set.files.iter().any(|file| file.guid.is_some()), "{name}");
    let header = file.header.as_ref().expect("page 0 is sound");
    let told = set.files.iter().find(|told| told.file_id == file.file_id.0).expect("it is listed");
    assert_eq!(told.guid, header.file_guid, "{name}");
}

fn sets_with_a_boot_page(paths: &[PathBuf]) -> usize {
    let found = discover(paths);
    let parts = found.files.iter().filter(|file| file.part.is_some() && file.is_primary());
    let parts = parts.filter_map(|file| Some((file, file.boot.as_ref()?)));
    parts.map(|(file, boot)| assert_set_is_of_its_boot_page(file, boot)).count()
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn real_backups_say_of_which_line_they_are() {
    let folders = [real("backups", "lines"), real("backups", "chain_2016"), real("data", "")];
    assert!(sets_with_a_boot_page(&folders) >= 6);
}

/// Ids of a generated backup are those of the file that it was taken of.
#[test]
fn a_generated_backup_says_of_which_line_it_is() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a.bak");
    let recipe = BackupRecipe::new(Recipe::new(2 << 20, 7));
    generate_backup(&path, &recipe, Media::Overwritten, &|_| {}).expect("a backup");
    assert_eq!(sets_with_a_boot_page(std::slice::from_ref(&path)), 1);
    let data = generated(Recipe::new(2 << 20, 7));
    let boot = BootPage::of(&page(&data, 9));
    let found = discover(&[path]);
    let part = found.files.iter().find_map(|file| file.part.as_ref()).expect("it has pages");
    assert_eq!(part.set().line, boot.line);
    let zero = Some(Guid::default());
    assert!(boot.line.earlier_fork_id.is_none() && boot.last_full_id.is_none());
    assert!(boot.line.family_id != zero && boot.line.family_id.is_some());
    let other = BootPage::of(&page(&generated(Recipe::new(2 << 20, 8)), 9));
    assert_ne!(other.line.family_id, boot.line.family_id);
}
