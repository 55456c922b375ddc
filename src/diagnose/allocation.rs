//! Which pages SQL Server uses, asked before anything else is said of a page
//! (docs/page-format.md, section 4.4).
//!
//! The PFS page of an interval decides, if it passes its own check. If it does not, the GAM page
//! still tells which extents are free; for all others allocation is unknown, and said to be.

use super::judge::judge;
use super::verdict::{Allocation, Verdict};
use crate::page::address::{ExtentId, FileId, PageAddress, PageId, PageRange};
use crate::page::allocation::{
    PFS_INTERVAL_PAGES, PagesInUse, PfsByte, extent_bit, fixed_page_type, gam_page_of,
    has_fixed_pages, is_free_by_pfs, is_plausible_pfs, pfs_page_of,
};
use crate::page::checksum::Checksum;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::torn;
use crate::page::{EXTENT_PAGES, Page};
use crate::read::PageSource;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Intervals of one file kept at a time: batches come in order, so few are in use at once.
const INTERVALS_KEPT: usize = 16;

/// The allocation of one file's pages, read on demand, one PFS interval at a time.
pub struct AllocationMap {
    file_id: FileId,
    /// A log has one page and no PFS.
    is_log: bool,
    recent: Mutex<VecDeque<Arc<Interval>>>,
}

/// The allocation of the pages that one PFS page describes.
pub struct Interval {
    number: u32,
    file_id: FileId,
    told_by: Teller,
}

/// A GAM page that passes its check, torn bits restored, shared among the intervals below it.
type Gam = (PageId, Arc<Page>);

enum Teller {
    /// The PFS page, torn bits restored.
    Pfs(Box<Page>),
    /// The PFS page is bad; the GAM pages over the interval that can still be read.
    Gam(Vec<Gam>),
    /// The backup has no PFS page; the GAM pages over the interval, as far as it has them.
    Absent(Vec<Gam>),
    /// The PFS page is bad, and the GAM pages call all extents of the interval free, that of the
    /// PFS page among them: a database that reaches there has allocated that. This is what a copy
    /// has added to the file behind its end.
    Nothing,
    /// There is nothing but allocated pages.
    Log,
}

impl AllocationMap {
    /// The map of file `file_id`.
    pub fn new(file_id: FileId, is_log: bool) -> Self {
        Self { file_id, is_log, recent: Mutex::new(VecDeque::new()) }
    }

    /// The interval that holds `page`, read from `source` unless it was used recently.
    pub fn interval_of(&self, page: PageId, source: &dyn PageSource) -> Arc<Interval> {
        let number = page.0 / PFS_INTERVAL_PAGES;
        // Read without the lock: two threads may read the same interval, which is harmless.
        self.known(number).unwrap_or_else(|| {
            let told_by = self.read_interval(number, source);
            self.remember(number, told_by)
        })
    }

    /// Takes a PFS page that was read in passing: one of `pages`, the first of which is `first`.
    /// One that does not pass its check is not taken; the interval is then read on demand, with a
    /// second look.
    pub fn learn_from(&self, first: PageId, pages: &[Page]) {
        let Some(last) = (pages.len() as u32).checked_sub(1) else { return };
        let pfs = pfs_page_of(PageId(first.0 + last));
        let Some(page) = pfs.0.checked_sub(first.0).and_then(|i| pages.get(i as usize)) else {
            return;
        };
        let number = pfs.0 / PFS_INTERVAL_PAGES;
        if self.is_log || self.known(number).is_some() {
            return;
        }
        if let Some(pfs) = self.restored_if_sound(page, pfs, PageType::Pfs) {
            self.remember(number, Teller::Pfs(pfs));
        }
    }

    /// True if the interval that holds `page` need not be read.
    pub fn knows(&self, page: PageId) -> bool {
        self.known(page.0 / PFS_INTERVAL_PAGES).is_some()
    }

    /// The interval with this number, if it was used recently.
    pub fn known(&self, number: u32) -> Option<Arc<Interval>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|interval| interval.number == number).map(Arc::clone)
    }

    fn remember(&self, number: u32, told_by: Teller) -> Arc<Interval> {
        let interval = Arc::new(Interval { number, file_id: self.file_id, told_by });
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.truncate(INTERVALS_KEPT - 1);
        recent.push_front(Arc::clone(&interval));
        interval
    }

    fn read_interval(&self, number: u32, source: &dyn PageSource) -> Teller {
        if self.is_log {
            return Teller::Log;
        }
        let first = PageId(number * PFS_INTERVAL_PAGES);
        let at = pfs_page_of(first);
        match self.sound_page(at, PageType::Pfs, source) {
            Some(pfs) => Teller::Pfs(pfs),
            None if source.has(at) => {
                let gams = self.gams_over(first, source);
                if are_all_free(&gams, first) { Teller::Nothing } else { Teller::Gam(gams) }
            }
            None => Teller::Absent(self.gams_over(first, source)),
        }
    }

    fn gams_over(&self, first: PageId, source: &dyn PageSource) -> Vec<Gam> {
        let last = PageId(first.0.saturating_add(PFS_INTERVAL_PAGES - 1));
        let mut at = vec![gam_page_of(first), gam_page_of(last)];
        at.dedup();
        at.into_iter().filter_map(|at| self.gam(at, source)).collect()
    }

    /// The GAM page at `at`: that of an interval used recently, else read. Of the backups that lack
    /// PFS pages every interval asks for one.
    fn gam(&self, at: PageId, source: &dyn PageSource) -> Option<Gam> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.iter().find_map(|interval| interval.gam(at));
        drop(recent);
        let read = || Some((at, Arc::from(self.sound_page(at, PageType::Gam, source)?)));
        known.or_else(read)
    }

    /// The page at `at` with its torn bits restored, if it is of type `expected` and passes every
    /// check, at the first read or at one past the cache.
    fn sound_page(
        &self,
        at: PageId,
        expected: PageType,
        source: &dyn PageSource,
    ) -> Option<Box<Page>> {
        let mut first_look = vec![Page::ZERO];
        let filled = source.fill(at, &mut first_look).ok();
        filled.and_then(|()| self.restored_if_sound(&first_look[0], at, expected)).or_else(|| {
            let second_look = source.fill_uncached(at).ok()?;
            self.restored_if_sound(&second_look, at, expected)
        })
    }

    fn restored_if_sound(&self, page: &Page, at: PageId, expected: PageType) -> Option<Box<Page>> {
        let place = PageAddress::new(self.file_id, at);
        let verdict = judge(page, Checksum::of(page), place, Allocation::Allocated);
        let passes =
            matches!(verdict, Verdict::IntactChecksum | Verdict::IntactTorn | Verdict::Unprotected);
        let is_expected = PageHeader::of(page).page_type == expected.m_type();
        let restored = Box::new(torn::restored(page));
        let tells = expected != PageType::Pfs || is_plausible_pfs(&restored, self.file_id, at);
        (passes && is_expected && tells).then_some(restored)
    }
}

impl Interval {
    /// True if the interval holds `page`.
    #[inline]
    pub fn holds(&self, page: PageId) -> bool {
        page.0 / PFS_INTERVAL_PAGES == self.number
    }

    /// True if there is no PFS page to ask, which is no damage: a backup need not have it.
    pub fn is_absent(&self) -> bool {
        matches!(self.told_by, Teller::Absent(_))
    }

    fn gam(&self, at: PageId) -> Option<Gam> {
        match &self.told_by {
            Teller::Gam(gams) | Teller::Absent(gams) => {
                gams.iter().find(|gam| gam.0 == at).cloned()
            }
            Teller::Pfs(_) | Teller::Nothing | Teller::Log => None,
        }
    }

    /// What the PFS page says of `page`, which the interval holds; `None` if it is bad.
    pub fn pfs_byte(&self, page: PageId) -> Option<PfsByte> {
        match &self.told_by {
            Teller::Pfs(pfs) => Some(PfsByte::of(pfs, page)),
            Teller::Gam(_) | Teller::Absent(_) | Teller::Nothing | Teller::Log => None,
        }
    }

    /// The pages in use, as the PFS page says; `None` if it is bad.
    pub fn pages_in_use(&self) -> Option<PagesInUse> {
        match &self.told_by {
            Teller::Pfs(pfs) => Some(PagesInUse::of(pfs)),
            Teller::Gam(_) | Teller::Absent(_) | Teller::Nothing | Teller::Log => None,
        }
    }

    /// Whether `page`, which the interval holds, is in use.
    #[inline]
    pub fn of(&self, page: PageId) -> Allocation {
        match &self.told_by {
            Teller::Log => Allocation::Allocated,
            Teller::Pfs(pfs) if PfsByte::of(pfs, page).is_allocated() => Allocation::Allocated,
            Teller::Nothing => Allocation::Free,
            // Pages with a fixed place are in use wherever that place is.
            _ if fixed_page_type(self.file_id, page).is_some() => Allocation::Allocated,
            Teller::Pfs(_) => Allocation::Free,
            Teller::Gam(gams) | Teller::Absent(gams) if is_free(gams, page) => Allocation::Free,
            Teller::Gam(_) | Teller::Absent(_) => Allocation::Unknown,
        }
    }

    /// The pages of `range`, which the interval holds, that are not known to be free, ascending.
    /// An extent without any costs one look, and so the holes of a sparse file next to nothing.
    pub fn not_free_in(&self, range: PageRange) -> impl Iterator<Item = (PageId, Allocation)> {
        let extents = range.first.extent().0..range.end().div_ceil(EXTENT_PAGES);
        let in_use = extents.map(ExtentId).filter(|extent| !self.is_free_extent(*extent));
        let pages = in_use.flat_map(move |extent| {
            let first = extent.first_page().0;
            (first.max(range.first.0)..(first + EXTENT_PAGES).min(range.end())).map(PageId)
        });
        let allocations = pages.map(|page| (page, self.of(page)));
        allocations.filter(|(_, allocation)| *allocation != Allocation::Free)
    }

    /// True if all pages of `extent` are free; false if that needs a look at each.
    fn is_free_extent(&self, extent: ExtentId) -> bool {
        let is_free = match &self.told_by {
            Teller::Log => false,
            Teller::Nothing => return true,
            Teller::Pfs(pfs) => is_free_by_pfs(pfs, extent),
            Teller::Gam(gams) | Teller::Absent(gams) => is_free(gams, extent.first_page()),
        };
        is_free && !has_fixed_pages(extent)
    }
}

/// One of `gams` calls the extent of `page` free.
fn is_free(gams: &[Gam], page: PageId) -> bool {
    let gam = gams.iter().find(|(at, _)| *at == gam_page_of(page));
    gam.is_some_and(|(_, gam)| extent_bit(gam, page))
}

/// `gams` call all extents of the PFS interval free that begins with page `first`.
fn are_all_free(gams: &[Gam], first: PageId) -> bool {
    let end = first.0.saturating_add(PFS_INTERVAL_PAGES);
    (first.0..end).step_by(EXTENT_PAGES as usize).all(|page| is_free(gams, PageId(page)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::allocation::tests::{gam, pfs};
    use crate::page::allocation::{BITMAP_OFFSET, GAM_INTERVAL_PAGES, PFS_BYTES_OFFSET};
    use crate::read::ReadError;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Interval 63 lies in two GAM intervals.
    const NUMBERS: [u32; 4] = [0, 1, 63, 64];

    /// A page of bytes of which few are not zero.
    fn sparse_page(seed: usize) -> Page {
        let mut page = Page::ZERO;
        for (at, byte) in
            page.bytes_mut()[BITMAP_OFFSET.min(PFS_BYTES_OFFSET)..].iter_mut().enumerate()
        {
            *byte = if (at * seed) % 97 < 2 { (at * 7) as u8 } else { 0 };
        }
        page
    }

    fn tellers() -> Vec<Teller> {
        let gams = || {
            let gam = |at: u32| (PageId(at.max(2)), Arc::new(sparse_page(11 + at as usize)));
            vec![gam(0), gam(GAM_INTERVAL_PAGES)]
        };
        let all_free = |mut gams: Vec<Gam>| {
            for (_, gam) in &mut gams {
                Arc::make_mut(gam).bytes_mut().fill(0xff);
            }
            gams
        };
        vec![
            Teller::Pfs(Box::new(sparse_page(5))),
            Teller::Pfs(Box::new(Page::ZERO)),
            Teller::Gam(gams()),
            Teller::Absent(all_free(gams())),
            Teller::Absent(Vec::new()),
            Teller::Nothing,
            Teller::Log,
        ]
    }

    #[test]
    fn pages_that_are_not_free_are_those_that_are_not_when_asked_one_by_one() {
        for (told_by, number) in
            NUMBERS.into_iter().flat_map(|n| tellers().into_iter().map(move |t| (t, n)))
        {
            let interval = Interval { number, file_id: FileId(1), told_by };
            let first = number * PFS_INTERVAL_PAGES;
            let end = first + PFS_INTERVAL_PAGES;
            for (from, to) in
                [(first, end), (first + 3, first + 5), (first + 1, end - 9), (first + 8, first + 8)]
            {
                let range = PageRange::between(from, to);
                let one_by_one = range.ids().map(|page| (page, interval.of(page)));
                let expected: Vec<_> = one_by_one.filter(|(_, a)| *a != Allocation::Free).collect();
                assert_eq!(interval.not_free_in(range).collect::<Vec<_>>(), expected, "{number}");
            }
        }
    }

    /// A file of few pages that are not zero, and how often it is read.
    #[derive(Default)]
    struct Source {
        pages: BTreeMap<u32, Page>,
        absent: Option<PageId>,
        reads: AtomicUsize,
    }

    impl PageSource for Source {
        fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
            for (at, page) in (first.0..).zip(pages) {
                *page = self.fill_uncached(PageId(at))?;
            }
            Ok(())
        }

        fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            Ok(self.pages.get(&page.0).copied().unwrap_or(Page::ZERO))
        }

        fn has(&self, page: PageId) -> bool {
            self.absent != Some(page)
        }
    }

    impl Source {
        fn of(pages: Vec<Page>) -> Self {
            let at = |page: Page| (PageHeader::of(&page).page_id, page);
            Self { pages: pages.into_iter().map(at).collect(), ..Self::default() }
        }

        fn reads(&self) -> usize {
            self.reads.load(Ordering::Relaxed)
        }
    }

    const THIRD: u32 = 2 * PFS_INTERVAL_PAGES;

    #[test]
    fn an_interval_is_read_once_and_tells_of_its_own_pages() {
        let (map, source) =
            (AllocationMap::new(FileId(1), false), Source::of(vec![pfs(THIRD, &[0, 5])]));
        assert!(!map.knows(PageId(THIRD)));
        let interval = map.interval_of(PageId(THIRD + 8087), &source);
        let told = [THIRD, THIRD + 5, THIRD + 6].map(|page| interval.of(PageId(page)));
        assert_eq!(told, [Allocation::Allocated, Allocation::Allocated, Allocation::Free]);
        let held = [THIRD - 1, THIRD, THIRD + 8087, THIRD + 8088];
        assert_eq!(held.map(|page| interval.holds(PageId(page))), [false, true, true, false]);
        assert!(map.knows(PageId(THIRD + 1)) && !map.knows(PageId(0)));
        assert!(Arc::ptr_eq(&interval, &map.interval_of(PageId(THIRD), &source)));
        assert_eq!(source.reads(), 1);
    }

    #[test]
    fn a_pfs_page_that_is_read_in_passing_is_taken_if_it_is_sound() {
        let learnt = |is_log, first, change: fn(&mut [Page])| {
            let mut pages = vec![Page::ZERO; 16];
            pages[8] = pfs(THIRD, &[0]);
            change(&mut pages);
            let map = AllocationMap::new(FileId(1), is_log);
            map.learn_from(PageId(first), &pages);
            map.knows(PageId(THIRD))
        };
        assert!(learnt(false, THIRD - 8, |_| {}));
        assert!(!learnt(false, THIRD - 7, |_| {}), "of another place");
        assert!(!learnt(false, THIRD - 8, |pages| pages[8].bytes_mut()[5000] ^= 1));
        assert!(!learnt(true, THIRD - 8, |_| {}), "a log has none");
        let map = AllocationMap::new(FileId(1), false);
        map.learn_from(PageId(THIRD), &[]);
        map.learn_from(PageId(THIRD + 8), &vec![Page::ZERO; 8]);
        assert!(!map.knows(PageId(THIRD)));
    }

    /// Without their PFS pages, all intervals of a GAM page share one reading of it.
    #[test]
    fn where_the_pfs_page_is_bad_the_gam_page_tells_which_extents_are_free() {
        let in_use = 0..(THIRD / EXTENT_PAGES) as usize + 10;
        let (map, source) =
            (AllocationMap::new(FileId(1), false), Source::of(vec![gam(2, in_use)]));
        let interval = map.interval_of(PageId(THIRD), &source);
        let page = |extents| PageId(THIRD + extents * EXTENT_PAGES + 1);
        let told = [9, 10].map(|extents| interval.of(page(extents)));
        assert_eq!(told, [Allocation::Unknown, Allocation::Free]);
        assert_eq!((interval.is_absent(), interval.pfs_byte(page(0))), (false, None));
        // Two looks at the PFS page, one at the GAM page; then only the former.
        assert_eq!(source.reads(), 3);
        let behind = map.interval_of(PageId(THIRD + PFS_INTERVAL_PAGES), &source);
        assert_eq!(behind.of(PageId(THIRD + PFS_INTERVAL_PAGES)), Allocation::Free);
        assert_eq!(source.reads(), 5);
    }

    #[test]
    fn a_backup_without_a_pfs_page_is_no_damage() {
        let map = AllocationMap::new(FileId(1), false);
        let source = Source { absent: Some(PageId(THIRD)), ..Source::of(vec![gam(2, 0..1)]) };
        assert!(map.interval_of(PageId(THIRD), &source).is_absent());
        assert!(!map.interval_of(PageId(0), &source).is_absent());
        let log = AllocationMap::new(FileId(2), true);
        let page = PageId(0);
        assert_eq!(log.interval_of(page, &Source::default()).of(page), Allocation::Allocated);
    }
}
