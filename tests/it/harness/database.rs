//! A database in memory, to be checked and to be damaged.

use pagescrub::backup::compressed::{Decompressed, verify};
use pagescrub::check::{File, Pages};
use pagescrub::diagnose::judge::judge;
use pagescrub::diagnose::verdict::{Allocation, Verdict};
use pagescrub::discover::{DataFile, discover};
use pagescrub::drill::{Recipe, SyntheticFile};
use pagescrub::page::address::{FileId, PageAddress, PageId};
use pagescrub::page::allocation::{PfsByte, pfs_page_of};
use pagescrub::page::checksum::Checksum;
use pagescrub::page::file_header::FileHeader;
use pagescrub::page::header::{PageHeader, Protection};
use pagescrub::page::{Page, checksum, torn};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The pages of a database.
#[derive(Clone)]
pub struct Database {
    files: Vec<File>,
    pages: BTreeMap<PageAddress, Arc<Stored>>,
}

/// A page, as it is stored and with torn bits restored.
struct Stored {
    raw: Page,
    page: Page,
    /// It passed its own check as it was stored.
    is_sound: bool,
}

impl Stored {
    fn of(place: PageAddress, page: &Page) -> Arc<Self> {
        let verdict = judge(page, Checksum::of(page), place, Allocation::Allocated);
        let is_sound = !matches!(verdict, Verdict::Suspect(_));
        Arc::new(Self { raw: *page, page: torn::restored(page), is_sound })
    }
}

impl Database {
    /// The data files in `paths`, or the one backup set that they hold.
    pub fn read(paths: &[PathBuf]) -> Self {
        let found = discover(paths);
        assert!(found.refusals.is_empty(), "{:?}", found.refusals);
        let mut pages = BTreeMap::new();
        found.files.iter().filter(|file| file.has_pages()).for_each(|file| add(file, &mut pages));
        Self::of(pages)
    }

    /// What the compressed backup at `path` holds.
    pub fn unpacked(path: &PathBuf) -> Self {
        let bytes = std::fs::read(path).expect("readable");
        let mut read = |at: u64, buffer: &mut [u8]| {
            buffer.copy_from_slice(&bytes[at as usize..][..buffer.len()]);
            Ok(())
        };
        let verified = verify(&mut read, bytes.len() as u64, &mut |_| true);
        let mut found = discover(std::slice::from_ref(path));
        found.unpack(path, &verified, &|_| None);
        let mut pages = BTreeMap::new();
        let stream = Decompressed::new(&bytes, &verified.index);
        found.files.iter().filter(|file| file.has_pages()).for_each(|file| {
            add_from(&stream, file, &mut pages);
        });
        Self::of(pages)
    }

    /// The file that `recipe` describes.
    pub fn synthetic(recipe: Recipe) -> Self {
        let file = SyntheticFile::new(recipe).expect("a possible recipe");
        let place = |page| PageAddress::new(recipe.file_id, PageId(page));
        Self::of((0..file.pages()).map(|page| (place(page), file.page(PageId(page)))).collect())
    }

    fn of(pages: BTreeMap<PageAddress, Page>) -> Self {
        let mut ends: BTreeMap<FileId, u32> = BTreeMap::new();
        ends.extend(pages.keys().map(|place| (place.file, place.page.0 + 1)));
        let file = |(id, end)| {
            let header = FileHeader::of(&pages[&PageAddress::new(id, PageId(0))]);
            let filegroup = header.expect("page 0 is there").filegroup_id;
            File { id, filegroup, end }
        };
        let files = ends.into_iter().map(file).collect();
        let stored = |(place, page)| (place, Stored::of(place, &page));
        Self { files, pages: pages.into_iter().map(stored).collect() }
    }

    /// The page at `place`, sound or not; zeros where there is none.
    pub fn page(&self, place: PageAddress) -> Page {
        self.pages.get(&place).map_or(Page::ZERO, |stored| stored.page)
    }

    /// The page at `place` as it is stored, if it is sound.
    pub fn stored(&self, place: PageAddress) -> Option<&Page> {
        self.pages.get(&place).filter(|stored| stored.is_sound).map(|stored| &stored.raw)
    }

    /// The pages that are there.
    pub fn places(&self) -> impl Iterator<Item = PageAddress> {
        self.pages.keys().copied()
    }

    /// Writes `page` at `place`, with the protection that its header claims.
    pub fn put(&mut self, place: PageAddress, mut page: Page) {
        match PageHeader::of(&page).protection() {
            Protection::Checksum => checksum::seal(&mut page),
            Protection::Torn => torn::seal(&mut page, 1),
            Protection::None => {}
        }
        self.pages.insert(place, Stored::of(place, &page));
    }

    /// Changes the page at `place`.
    pub fn change(&mut self, place: PageAddress, change: impl FnOnce(&mut Page)) {
        let mut page = self.page(place);
        change(&mut page);
        self.put(place, page);
    }

    /// Takes the last page away.
    pub fn cut(&mut self) {
        let last = self.pages.pop_last().map(|(place, _)| place);
        let file = self.files.iter_mut().find(|file| Some(file.id) == last.map(|place| place.file));
        if let Some(file) = file {
            file.end -= 1;
        }
    }

    /// What the PFS page says of `place`.
    pub fn pfs_byte(&self, place: PageAddress) -> PfsByte {
        PfsByte::of(&self.page(PageAddress::new(place.file, pfs_page_of(place.page))), place.page)
    }
}

fn add(file: &DataFile, pages: &mut BTreeMap<PageAddress, Page>) {
    let bytes = std::fs::read(&file.path).expect("readable");
    add_from(&bytes, file, pages);
}

fn add_from(
    bytes: &dyn pagescrub::backup::ReadAt,
    file: &DataFile,
    pages: &mut BTreeMap<PageAddress, Page>,
) {
    for page in (0..file.end_page()).map(PageId) {
        let Some(offset) = file.offset_bytes(page) else { continue };
        let mut stored = Page::ZERO;
        bytes.read_exact_at(offset, stored.bytes_mut()).expect("the page is there");
        pages.insert(PageAddress::new(file.file_id, page), stored);
    }
}

impl Pages for Database {
    fn files(&self) -> &[File] {
        &self.files
    }

    fn sound(&self, place: PageAddress) -> Option<Page> {
        self.pages.get(&place).filter(|stored| stored.is_sound).map(|stored| stored.page)
    }

    fn visit(&self, first: PageAddress, pages: u32, visit: &mut dyn FnMut(PageAddress, &Page)) {
        for page in first.page.0..first.page.0.saturating_add(pages) {
            let place = PageAddress::new(first.file, PageId(page));
            let stored = self.pages.get(&place).filter(|stored| stored.is_sound);
            if let Some(stored) = stored {
                visit(place, &stored.page);
            }
        }
    }
}
