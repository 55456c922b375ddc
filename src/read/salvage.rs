//! After a failed read: which of its pages can be had, and which not.

use super::{PageSource, ReadError};
use crate::page::Page;
use crate::page::address::{PageId, PageRange};

/// What became of the pages that failed.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// Cannot be read, ascending.
    pub lost: Vec<(PageId, ReadError)>,
    /// Failed once, and how, and were read at the second try, ascending: the medium is failing.
    pub healed: Vec<(PageId, ReadError)>,
}

/// Reads `range` into `pages` (same length) by halving what fails, down to single pages. All pages
/// but the lost ones are filled.
///
/// A range of n pages costs at most 2n reads. A single page is tried once more past the cache.
pub fn salvage(source: &dyn PageSource, range: PageRange, pages: &mut [Page]) -> Salvaged {
    assert_eq!(range.pages as usize, pages.len(), "one buffer per page");
    let mut salvaged = Salvaged::default();
    bisect(source, range, pages, &mut salvaged);
    salvaged
}

fn bisect(source: &dyn PageSource, range: PageRange, pages: &mut [Page], salvaged: &mut Salvaged) {
    let Err(error) = source.fill(range.first, pages) else { return };
    if let [page] = pages {
        match source.fill_uncached(range.first) {
            Ok(again) => {
                *page = again;
                salvaged.healed.push((range.first, error));
            }
            Err(_) => salvaged.lost.push((range.first, error)),
        }
        return;
    }
    let half = range.pages / 2;
    let (left, right) = pages.split_at_mut(half as usize);
    let middle = range.first.0 + half;
    bisect(source, PageRange::between(range.first.0, middle), left, salvaged);
    bisect(source, PageRange::between(middle, range.end()), right, salvaged);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Delivers pages that carry their number, except some.
    struct Broken {
        bad: BTreeSet<u32>,
    }

    impl PageSource for Broken {
        fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
            for (page, id) in pages.iter_mut().zip(first.0..) {
                if self.bad.contains(&id) {
                    return Err(ReadError::Os { code: Some(5), text: "EIO".to_owned() });
                }
                page.bytes_mut()[..4].copy_from_slice(&id.to_le_bytes());
            }
            Ok(())
        }

        fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
            let mut one = [Page::ZERO];
            self.fill(page, &mut one).map(|()| one[0])
        }
    }

    #[test]
    fn exactly_the_bad_pages_are_lost_and_all_others_filled() {
        for bad in [vec![], vec![0], vec![63], vec![5, 6, 40], (0..64).collect()] {
            let bad: BTreeSet<u32> = bad.into_iter().map(|n: u32| n + 1000).collect();
            let mut pages = vec![Page::ZERO; 64];
            let range = PageRange::between(1000, 1064);
            let Salvaged { lost, healed } =
                salvage(&Broken { bad: bad.clone() }, range, &mut pages);
            assert!(healed.is_empty());
            assert_eq!(lost.iter().map(|(page, _)| page.0).collect::<BTreeSet<_>>(), bad);
            for (page, id) in pages.iter().zip(1000..) {
                assert!(bad.contains(&id) || page.u32_at(0) == id);
            }
        }
    }
}
