//! Databases with backups in which single pages are older than they may be.

use crate::harness::pagescrub;
use pagescrub::discover::{DataFile, discover};
use pagescrub::page::header::{Lsn, PageHeader, Protection};
use pagescrub::page::{PAGE_BYTES, Page, checksum, torn};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The page that says what was backed up last.
pub const BOOT: u32 = 9;

/// Writes a file of the database that `seed` stands for.
pub fn generate(path: &Path, seed: u64, more: &[&str]) {
    let (path, seed) = (path.to_str().expect("text"), format!("--seed={seed}"));
    let mut words = vec!["generate", path, "--size=16MiB", &seed];
    words.extend(more);
    let run = pagescrub(&words);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// A copy of file 1 of a database: a data file, or what a backup set has of it in all members.
#[derive(Clone)]
pub struct Copy {
    /// By page, where it is.
    pub places: BTreeMap<u32, (PathBuf, u64)>,
    /// Of a set: its GUID, its checkpoint and its end.
    pub set: Option<([u8; 16], Lsn, Lsn)>,
}

impl Copy {
    /// The data file at `path`.
    pub fn data(path: &Path) -> Self {
        let pages = std::fs::metadata(path).expect("it is there").len() / PAGE_BYTES as u64;
        let place = |page: u64| (page as u32, (path.to_owned(), page * PAGE_BYTES as u64));
        Self { places: (0..pages).map(place).collect(), set: None }
    }

    /// The set at `position` of the backup that is in `paths`.
    pub fn set(paths: &[PathBuf], position: u32) -> Self {
        let mut copy = Self { places: BTreeMap::new(), set: None };
        for file in &discover(paths).files {
            copy.add(file, position);
        }
        copy
    }

    fn add(&mut self, file: &DataFile, position: u32) {
        let Some(part) = &file.part else { return };
        let set = part.set();
        if set.position != position || file.file_id.0 != 1 {
            return;
        }
        let lsns = set.checkpoint_lsn.zip(set.last_lsn);
        let told = set.set_id.zip(lsns);
        self.set = told.map(|(id, (checkpoint, last))| (id, checkpoint, last));
        for run in part.runs.runs() {
            let place = |n: u32| {
                let at = run.offset_bytes + u64::from(n) * PAGE_BYTES as u64;
                (run.range.first.0 + n, (file.path.clone(), at))
            };
            self.places.extend((0..run.range.pages).map(place));
        }
    }

    pub fn page(&self, id: u32) -> Page {
        let (path, at) = &self.places[&id];
        let mut file = File::open(path).expect("it is there");
        file.seek(SeekFrom::Start(*at)).expect("a place in it");
        let mut bytes = [0; PAGE_BYTES];
        file.read_exact(&mut bytes).expect("a page");
        Page::new(&bytes)
    }

    /// Changes page `id` and makes it pass its check again.
    pub fn change(&self, id: u32, change: impl FnOnce(&mut Page)) {
        let mut page = torn::restored(&self.page(id));
        change(&mut page);
        match PageHeader::of(&page).protection() {
            Protection::Torn => torn::seal(&mut page, 2),
            _ => checksum::seal(&mut page),
        }
        self.write(id, &page);
    }

    pub fn write(&self, id: u32, page: &Page) {
        let (path, at) = &self.places[&id];
        let mut file = File::options().write(true).open(path).expect("it is there");
        file.seek(SeekFrom::Start(*at)).expect("a place in it");
        file.write_all(page.bytes()).expect("room");
    }

    /// What was on the page before its last change.
    pub fn age(&self, id: u32) {
        self.change(id, |page| {
            PageHeader::of_mut(page).lsn_vlf -= 1;
            // Maps stay what they are.
            if PageHeader::of(page).page_type <= 4 {
                page.bytes_mut()[4000] ^= 0x11;
            }
        });
    }

    /// Pages in use that passed their check before any was changed, without those that tell
    /// nothing of the file's age: 0, 9, 32 and the table of files.
    pub fn in_use(&self) -> Vec<u32> {
        let pfs = self.page(1);
        let is_used = |id: &u32| pfs.bytes()[100 + *id as usize] & 0x40 != 0;
        let tells = |id: &u32| {
            let page = self.page(*id);
            let header = PageHeader::of(&page);
            let is_of_files = header.object_id == 24 && header.page_type == 1;
            header.protection() != Protection::None && !is_of_files
        };
        let ids = self.places.keys().copied().filter(|id| ![0, BOOT, 32].contains(id));
        ids.filter(is_used).filter(tells).collect()
    }

    /// Its boot page says that `set` is its last full backup; with a GUID of its own if `id` is
    /// none.
    pub fn took(&self, id: [u8; 16], checkpoint: Lsn) {
        self.change(BOOT, |page| {
            let bytes = page.bytes_mut();
            bytes[596..612].copy_from_slice(&id);
            bytes[432..436].copy_from_slice(&checkpoint.vlf.to_le_bytes());
            bytes[436..440].copy_from_slice(&checkpoint.block.to_le_bytes());
            bytes[440..442].copy_from_slice(&checkpoint.slot.to_le_bytes());
        });
    }
}
