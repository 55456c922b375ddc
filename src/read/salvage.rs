//! After a failed read: which of its pages can be had, and which not.
//!
//! A read of a dead sector may take seconds, and a dead region has many. So it is as with ddrescue:
//! whole ranges first; where one fails, its halves, down to extents, and the pages of these one by
//! one, until it is clear where the dead region begins. Inside it a range that fails is given up if
//! its last page fails as well, so that the end of the region is found in the same way.

use super::{PageSource, ReadError};
use crate::page::address::{PageId, PageRange};
use crate::page::{EXTENT_PAGES, Page};

/// Pages in a row that could not be read, after which they are not tried one by one any more.
const RUN_PAGES: u32 = EXTENT_PAGES;

/// A range of which a read has failed: what to read next, one read after another.
pub struct Rescue {
    /// The last one comes next.
    todo: Vec<Step>,
    /// A range that failed within a dead region, and how: its last page comes next.
    probed: Option<(PageRange, ReadError)>,
    /// Pages right before the next one that could not be read.
    run: u32,
}

enum Step {
    Read(PageRange),
    /// What comes next follows a page that could be read.
    RunEnds,
}

/// What a failed read means.
#[derive(Debug, PartialEq, Eq)]
pub enum Failed {
    /// Nothing yet: parts of it are read.
    Open,
    /// A page that deserves a second try.
    Page(PageId, ReadError),
    /// Pages in the midst of a dead region, none of which is tried any more.
    InARun(PageRange, ReadError),
}

impl Rescue {
    /// Of `range`, of several pages, a read of which has failed with `error`; `before` pages right
    /// before it could not be read either.
    pub fn of(range: PageRange, before: u32, error: ReadError) -> Self {
        let mut rescue = Self { todo: vec![Step::Read(range)], probed: None, run: before };
        rescue.failed(error);
        rescue
    }

    /// What to read next; `None` if nothing is left.
    pub fn next_read(&mut self) -> Option<PageRange> {
        if let Some((range, _)) = &self.probed {
            return Some(PageRange::between(range.end() - 1, range.end()));
        }
        loop {
            match self.todo.last()? {
                Step::Read(range) => return Some(*range),
                Step::RunEnds => self.run = 0,
            }
            self.todo.pop();
        }
    }

    /// The next one could be read.
    pub fn succeeded(&mut self) {
        if let Some((range, _)) = self.probed.take() {
            // The dead region ends before its last page.
            let rest = PageRange::between(range.first.0, range.end() - 1);
            self.todo.push(Step::RunEnds);
            self.push_parts(rest, (rest.pages / 2).max(1));
            return;
        }
        self.todo.pop();
        self.run = 0;
    }

    /// The next one failed with `error`. A page that is given up counts as lost, unless it is told
    /// that it [`Self::healed`].
    pub fn failed(&mut self, error: ReadError) -> Failed {
        if let Some((range, error)) = self.probed.take() {
            self.run += range.pages;
            return Failed::InARun(range, error.in_a_run());
        }
        let Some(Step::Read(range)) = self.todo.pop() else { return Failed::Open };
        if range.pages == 1 {
            self.run += 1;
            return Failed::Page(range.first, error);
        }
        if self.run >= RUN_PAGES {
            self.probed = Some((range, error));
        } else if range.pages > EXTENT_PAGES {
            self.push_parts(range, (range.pages / 2).next_multiple_of(EXTENT_PAGES));
        } else {
            self.push_parts(range, 1);
        }
        Failed::Open
    }

    /// The page that was given up last could be read at the second try.
    pub fn healed(&mut self) {
        self.run = 0;
    }

    fn push_parts(&mut self, range: PageRange, pages: u32) {
        let parts: Vec<PageRange> = range.pieces(pages).collect();
        self.todo.extend(parts.into_iter().rev().map(Step::Read));
    }
}

/// What became of the pages that failed.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// Cannot be read, ascending.
    pub lost: Vec<(PageId, ReadError)>,
    /// Failed once, and how, and were read at the second try, ascending: the medium is failing.
    pub healed: Vec<(PageId, ReadError)>,
    /// Pages that all reads together asked for.
    pub pages_read: u64,
}

/// Reads `range` into `pages` (same length), a read of which failed with `error`, in parts. All
/// pages but the lost ones are filled. `before` pages right before it could not be read either.
///
/// A range of n pages costs at most 3n reads, and a dead one 2 where the pages before it are dead.
/// A single page is tried once more past the cache.
pub fn salvage(
    source: &dyn PageSource,
    (range, error): (PageRange, ReadError),
    before: u32,
    pages: &mut [Page],
) -> Salvaged {
    assert_eq!(range.pages as usize, pages.len(), "one buffer per page");
    let mut salvaged = Salvaged::default();
    let mut rescue = if range.pages == 1 {
        Rescue { todo: vec![Step::Read(range)], probed: None, run: before }
    } else {
        Rescue::of(range, before, error)
    };
    while let Some(part) = rescue.next_read() {
        let start = (part.first.0 - range.first.0) as usize;
        let pages = &mut pages[start..start + part.pages as usize];
        salvaged.pages_read += u64::from(part.pages);
        let Err(error) = source.fill(part.first, pages) else {
            rescue.succeeded();
            continue;
        };
        match rescue.failed(error) {
            Failed::Open => {}
            Failed::InARun(range, error) => {
                salvaged.lost.extend(range.ids().map(|page| (page, error.clone())));
            }
            Failed::Page(page, error) => {
                salvaged.pages_read += 1;
                match source.fill_uncached(page) {
                    Ok(again) => {
                        pages[0] = again;
                        rescue.healed();
                        salvaged.healed.push((page, error));
                    }
                    Err(_) => salvaged.lost.push((page, error)),
                }
            }
        }
    }
    salvaged
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicU32, Ordering};

    const FIRST: u32 = 1000;

    /// Delivers pages that carry their number, except some; counts reads.
    struct Broken {
        bad: BTreeSet<u32>,
        reads: AtomicU32,
    }

    fn broken(bad: impl IntoIterator<Item = u32>) -> Broken {
        let bad = bad.into_iter().map(|page| page + FIRST).collect();
        Broken { bad, reads: AtomicU32::new(0) }
    }

    fn failed() -> ReadError {
        ReadError::Os { code: Some(5), text: "EIO".to_owned() }
    }

    impl PageSource for Broken {
        fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            for (page, id) in pages.iter_mut().zip(first.0..) {
                if self.bad.contains(&id) {
                    return Err(failed());
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

    /// What is lost of 64 pages, tried or in a run, and after how many reads.
    fn lost(source: &Broken, before: u32) -> (BTreeSet<u32>, BTreeSet<u32>, u32) {
        let mut pages = vec![Page::ZERO; 64];
        let range = PageRange::between(FIRST, FIRST + 64);
        let salvaged = salvage(source, (range, failed()), before, &mut pages);
        assert!(salvaged.healed.is_empty());
        assert!(salvaged.lost.is_sorted_by_key(|(page, _)| *page));
        let (in_a_run, tried): (Vec<_>, Vec<_>) =
            salvaged.lost.into_iter().partition(|(_, error)| error.is_in_a_run());
        let set = |lost: Vec<(PageId, ReadError)>| -> BTreeSet<u32> {
            lost.into_iter().map(|(page, _)| page.0 - FIRST).collect()
        };
        let (tried, in_a_run) = (set(tried), set(in_a_run));
        for (page, id) in pages.iter().zip(0..) {
            let is_lost = tried.contains(&id) || in_a_run.contains(&id);
            assert!(is_lost || page.u32_at(0) == id + FIRST);
        }
        (tried, in_a_run, source.reads.load(Ordering::Relaxed))
    }

    #[test]
    fn exactly_the_bad_pages_are_lost_and_all_others_filled() {
        for bad in [vec![], vec![0], vec![63], vec![5, 6, 40], vec![7, 8], (3..10).collect()] {
            let (tried, in_a_run, _) = lost(&broken(bad.iter().copied()), 0);
            assert!(in_a_run.is_empty());
            assert_eq!(tried, bad.into_iter().collect());
        }
    }

    /// Its edges are found to the page, and what lies between them is not tried page by page.
    #[test]
    fn a_dead_region_costs_few_reads_and_ends_where_it_ends() {
        for (first, end, reads_max) in [(0, 64, 26), (16, 50, 60), (0, 33, 44), (40, 64, 38)] {
            let (tried, in_a_run, reads) = lost(&broken(first..end), 0);
            assert!(reads <= reads_max, "{first} to {end}: {reads}");
            assert_eq!(&tried | &in_a_run, (first..end).collect::<BTreeSet<_>>());
            assert!((first..first + RUN_PAGES).all(|page| tried.contains(&page)));
        }
        let (tried, in_a_run, reads) = lost(&broken(0..64), 64);
        assert_eq!((tried.len(), in_a_run.len(), reads), (0, 64, 1));
    }
}
