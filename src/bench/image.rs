//! A data file in memory: a synthetic one, every page of it in place, in huge pages where the
//! system has them. It can be summed, merely read, or scanned like a file on a disk.

use super::BenchError;
use crate::discover::paths::{FileTimes, identity_of};
use crate::discover::promised::Promise;
use crate::discover::{DataFile, Discovery, FileKind};
use crate::drill::{Recipe, SyntheticFile};
use crate::page::address::{FileId, PageId, PageRange};
use crate::page::allocation::BOOT_PAGE;
use crate::page::boot::BootPage;
use crate::page::checksum::Checksum;
use crate::page::file_header::FileHeader;
use crate::page::{PAGE_BYTES, Page};
use crate::read::{self, PageSource, ReadError, visit_in_pieces};
use memmap2::{Mmap, MmapMut};
use rayon::prelude::*;
use std::io;
use std::sync::Arc;

const SEED: u64 = 7;
/// Pages made or shown in one go: 256 KiB, what readers show.
const PIECE_PAGES: usize = read::PIECE_PAGES as usize;

/// The image, and what its checksums are.
pub(super) struct Image {
    map: Arc<Mmap>,
    /// By the plain reference, from the pages as they were made.
    sums: Vec<Checksum>,
}

impl Image {
    /// An image of `bytes`, at least 1 MiB, rounded down to whole extents.
    pub(super) fn new(bytes: u64) -> Result<Self, BenchError> {
        let work = |error: &dyn std::fmt::Display| {
            BenchError::Work(format!("cannot have {bytes} bytes of memory: {error}; ask for less"))
        };
        let synthetic = SyntheticFile::new(Recipe::new(bytes, SEED)).map_err(|e| work(&e))?;
        let pages = synthetic.pages() as usize;
        let mut map = MmapMut::map_anon(pages * PAGE_BYTES).map_err(|e| work(&e))?;
        prefer_huge_pages(&map);
        let mut sums = vec![Checksum(0); pages];
        fill(&synthetic, &mut map, &mut sums);
        let map = map.make_read_only().map_err(|e| work(&e))?;
        Ok(Self { map: Arc::new(map), sums })
    }

    /// All pages.
    pub(super) fn pages(&self) -> &[Page] {
        bytemuck::cast_slice(&self.map)
    }

    /// All bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// Holds `sums` against the plain reference; `what` computed them.
    pub(super) fn check(&self, sums: &[Checksum], what: &str) -> Result<(), BenchError> {
        let mut pairs = sums.iter().zip(&self.sums).enumerate();
        match pairs.find(|(_, (sum, reference))| sum != reference) {
            None => Ok(()),
            Some((page, (sum, reference))) => Err(BenchError::Wrong(format!(
                "{what} gave {sum} for page {page} of a file in memory; the reference gave \
                 {reference}"
            ))),
        }
    }

    /// The image as a discovered file. A path is needed and never opened: this program's own.
    pub(super) fn discovery(&self) -> io::Result<Discovery> {
        let path = std::env::current_exe()?;
        let pages = self.pages();
        let file = DataFile {
            named: true,
            kind: FileKind::Data,
            backup: None,
            part: None,
            bytes: self.bytes(),
            device: 0,
            file_id: FileId(1),
            header: FileHeader::of(&pages[0]),
            boot: Some(BootPage::of(&pages[BOOT_PAGE.0 as usize])),
            promise: Promise { pages: pages.len() as u32, unused_pages: 0 },
            lost: Vec::new(),
            times: FileTimes::default(),
            identity: identity_of(&path)?,
            stored: vec![PageRange::between(0, pages.len() as u32)],
            path,
        };
        Ok(Discovery { files: vec![file], ..Discovery::default() })
    }

    /// The image as something to scan.
    pub(super) fn source(&self) -> Box<dyn PageSource> {
        Box::new(InMemory(Arc::clone(&self.map)))
    }
}

fn fill(synthetic: &SyntheticFile, map: &mut [u8], sums: &mut [Checksum]) {
    let pages: &mut [Page] = bytemuck::cast_slice_mut(map);
    let pieces = pages.par_chunks_mut(PIECE_PAGES).zip(sums.par_chunks_mut(PIECE_PAGES));
    pieces.enumerate().for_each(|(piece, (pages, sums))| {
        for (i, (page, sum)) in pages.iter_mut().zip(sums).enumerate() {
            *page = synthetic.page(PageId((piece * PIECE_PAGES + i) as u32));
            *sum = Checksum::of(page);
        }
    });
}

/// Without them, walks of the page table are measured along with memory. A hint only.
#[cfg(target_os = "linux")]
fn prefer_huge_pages(map: &MmapMut) {
    let _ = map.advise(memmap2::Advice::HugePage);
}

#[cfg(not(target_os = "linux"))]
fn prefer_huge_pages(_: &MmapMut) {}

/// Shows pages of memory without copying them.
struct InMemory(Arc<Mmap>);

impl InMemory {
    fn pages(&self, first: PageId, count: usize) -> Result<&[Page], ReadError> {
        let pages: &[Page] = bytemuck::cast_slice(&self.0);
        let start = first.0 as usize;
        pages.get(start..start + count).ok_or(ReadError::Ended)
    }
}

impl PageSource for InMemory {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        pages.copy_from_slice(self.pages(first, pages.len())?);
        Ok(())
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        Ok(self.pages(page, 1)?[0])
    }

    fn visit_pieces(
        &self,
        range: PageRange,
        _: &mut Vec<Page>,
        visit: &mut dyn FnMut(PageId, &[Page]),
    ) -> Result<(), ReadError> {
        let pages = self.pages(range.first, range.pages as usize)?;
        visit_in_pieces(&range.into(), pages, visit);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_lends_what_it_holds_and_knows_a_wrong_sum() {
        let image = Image::new(1 << 20).unwrap();
        let mut sums: Vec<Checksum> = Vec::new();
        let range = PageRange::between(0, 128);
        let mut add = |_: PageId, pages: &[Page]| sums.extend(pages.iter().map(Checksum::of));
        image.source().visit_pieces(range, &mut Vec::new(), &mut add).unwrap();
        assert_eq!(image.check(&sums, "the test"), Ok(()));
        sums[100].0 ^= 1;
        let wrong = image.check(&sums, "the test").unwrap_err().to_string();
        assert!(wrong.contains("page 100"), "{wrong}");
    }
}
