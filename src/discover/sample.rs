//! Single pages of a file, for finding out what it is. An unreadable page is simply missing here;
//! the scan will say so later.

use crate::backup::ReadAt;
use crate::page::Page;
use crate::page::address::PageId;
use crate::page::checksum::Checksum;
use crate::page::header::{PageHeader, Protection};
use crate::page::torn::TornCheck;
use std::fs::File;
use std::io;

/// Page `page` of `file`; an error if it is not whole.
pub(super) fn page(file: &dyn ReadAt, page: PageId) -> io::Result<Page> {
    let mut whole = Page::ZERO;
    file.read_exact_at(page.offset_bytes(), whole.bytes_mut())?;
    Ok(whole)
}

/// At most `bytes` of `file` from `offset_bytes` on, fewer where it ends before that.
pub(super) fn piece(file: &dyn ReadAt, offset_bytes: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let there = file.bytes().saturating_sub(offset_bytes);
    let mut piece = vec![0; bytes.min(there) as usize];
    file.read_exact_at(offset_bytes, &mut piece)?;
    Ok(piece)
}

/// True if `page` carries what it should, or at least a header that can be one.
pub(super) fn passes_its_check(page: &Page) -> bool {
    match PageHeader::of(page).protection() {
        Protection::Checksum => Checksum::of(page) == Checksum::stored_in(page),
        Protection::Torn => TornCheck::of(page).is_intact(),
        Protection::None => PageHeader::of(page).is_sane(),
    }
}

/// Asks the system to read nothing ahead. What it would read ahead into its cache nobody asked for,
/// and to the scan it would look like something that was there before.
#[cfg(target_os = "linux")]
pub(crate) fn read_nothing_ahead(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn read_nothing_ahead(_: &File) {}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A file of few pages that are not zero.
    pub(in crate::discover) struct Sparse {
        pub(in crate::discover) bytes: u64,
        pub(in crate::discover) pages: BTreeMap<u32, Page>,
    }

    impl Sparse {
        /// Of so many pages, some of which are in the places that they name.
        pub(in crate::discover) fn new(pages: u64, of: Vec<Page>) -> Self {
            let at = |page: Page| (PageHeader::of(&page).page_id, page);
            Self { bytes: pages * 8192, pages: of.into_iter().map(at).collect() }
        }
    }

    impl ReadAt for Sparse {
        fn bytes(&self) -> u64 {
            self.bytes
        }

        /// Of whole pages.
        fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
            if offset_bytes + buffer.len() as u64 > self.bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            for (at, bytes) in ((offset_bytes / 8192) as u32..).zip(buffer.chunks_mut(8192)) {
                let page = self.pages.get(&at).unwrap_or(&Page::ZERO);
                bytes.copy_from_slice(&page.bytes()[..bytes.len()]);
            }
            Ok(())
        }
    }

    #[test]
    fn a_piece_ends_where_the_file_does() {
        let file: Vec<u8> = (0..100).collect();
        assert_eq!(piece(&file, 90, 20).unwrap(), (90..100).collect::<Vec<u8>>());
        assert_eq!(piece(&file, 10, 2).unwrap(), [10, 11]);
        assert_eq!(piece(&file, 200, 20).unwrap_or_default(), [0_u8; 0]);
    }
}
