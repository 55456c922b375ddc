//! Where a sparse file stores bytes. Holes read as zeros and cost no I/O.

use crate::page::address::PageRange;
use crate::page::{EXTENT_PAGES, PAGE_BYTES};
use std::fs::File;

/// Stored ranges told apart at most; what lies beyond is treated as stored and read.
const STORED_RANGES_MAX: usize = 1_000_000;
/// Pages of a hole that are read along at most: never a whole extent.
const GAP_PAGES_MAX: u32 = EXTENT_PAGES - 1;

/// The stored parts of `file`, of which `pages` whole pages count: whole pages, ascending, apart
/// from each other. Everything if the file system does not tell, and everything from where it stops
/// telling.
pub(super) fn stored_ranges(file: &File, pages: u32) -> Vec<PageRange> {
    // A part of a page may follow.
    let limit_bytes = (u64::from(pages) + 1) * PAGE_BYTES as u64;
    collected(|offset| next_stored(file, offset, limit_bytes), pages)
}

/// The ranges that `next` gives, which is asked for the first stored bytes at or after an offset.
fn collected(mut next: impl FnMut(u64) -> Option<(u64, u64)>, pages: u32) -> Vec<PageRange> {
    let mut stored = Stored::default();
    let mut cursor = 0;
    while let Some((start, end)) = next(cursor) {
        let whole_end = end.checked_next_multiple_of(PAGE_BYTES as u64).unwrap_or(end);
        let (first, end_page) = (page_at(start, pages), page_at(whole_end, pages));
        if stored.ranges.len() == STORED_RANGES_MAX {
            stored.add_all_up_to(pages);
            break;
        }
        stored.add(first, end_page);
        cursor = end;
        if end_page == pages {
            break;
        }
    }
    stored.ranges.retain(|range| range.pages > 0);
    stored.ranges
}

/// Stored ranges so far.
#[derive(Default)]
struct Stored {
    ranges: Vec<PageRange>,
    /// Pages in them that are stored.
    pages: u64,
    /// Pages in them that are not.
    gaps: u64,
}

impl Stored {
    /// Adds the pages from `first` to `end`. A small gap before them is read along, since one read
    /// costs less than two; all gaps together are no more than half of what is stored.
    fn add(&mut self, first: u32, end: u32) {
        let last_end = self.ranges.last().map_or(0, |range| range.end());
        self.pages += u64::from(end.saturating_sub(first.max(last_end)));
        let gap = u64::from(first.saturating_sub(last_end));
        let is_joined = gap <= u64::from(GAP_PAGES_MAX) && 2 * (self.gaps + gap) <= self.pages;
        match self.ranges.last_mut() {
            Some(last) if gap == 0 || is_joined => {
                *last = PageRange::between(last.first.0, end.max(last_end));
                self.gaps += gap;
            }
            _ => self.ranges.push(PageRange::between(first, end)),
        }
    }

    /// The last range goes up to `end`.
    fn add_all_up_to(&mut self, end: u32) {
        if let Some(last) = self.ranges.last_mut() {
            *last = PageRange::between(last.first.0, end);
        }
    }
}

fn page_at(offset_bytes: u64, pages: u32) -> u32 {
    (offset_bytes / PAGE_BYTES as u64).min(u64::from(pages)) as u32
}

/// The next stored bytes at or after `offset`: start and end.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
fn next_stored(file: &File, offset: u64, limit_bytes: u64) -> Option<(u64, u64)> {
    told(&mut |to| rustix::fs::seek(file, to), offset, limit_bytes)
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "macos")))]
fn next_stored(_: &File, offset: u64, _: u64) -> Option<(u64, u64)> {
    (offset == 0).then_some((0, u64::MAX))
}

/// The same as `seek` tells it. Only one answer says that nothing is stored up to the end; any
/// other that makes no sense (a block device, an old file system, an error of the medium on which
/// the map of the file is) leaves it open, and what may be stored is read.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
fn told(
    seek: &mut dyn FnMut(rustix::fs::SeekFrom) -> rustix::io::Result<u64>,
    offset: u64,
    limit_bytes: u64,
) -> Option<(u64, u64)> {
    use rustix::fs::SeekFrom;
    use rustix::io::Errno;
    let start = match seek(SeekFrom::Data(offset)) {
        Ok(start) if (offset..limit_bytes).contains(&start) => start,
        Err(Errno::NXIO) => return None,
        Ok(_) | Err(_) => return Some((offset, u64::MAX)),
    };
    match seek(SeekFrom::Hole(start)) {
        Ok(end) if end > start => Some((start, end)),
        Ok(_) | Err(_) => Some((start, u64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::PageId;
    use std::io::{Seek, SeekFrom, Write};

    #[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
    fn holds_holes(file: &File) -> bool {
        let bytes = file.metadata().unwrap().len();
        rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(0)).is_ok_and(|hole| hole < bytes)
    }

    #[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "macos")))]
    fn holds_holes(_: &File) -> bool {
        false
    }

    #[test]
    fn a_hole_between_two_stored_extents_is_left_out() {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all(&[1; 8192]).unwrap();
        file.seek(SeekFrom::Start((32 << 20) + 4096)).unwrap();
        file.write_all(&[1; 4096]).unwrap();
        let ranges = stored_ranges(&file, 8192);
        let covered: u32 = ranges.iter().map(|range| range.pages).sum();
        let holds = |page| ranges.iter().any(|r| r.first <= PageId(page) && page < r.end());
        assert!(holds(0) && holds(4096), "{ranges:?}");
        // A file system may not know holes; then all is stored.
        let knows_holes = holds_holes(&file);
        assert!(if knows_holes { !holds(2000) } else { covered == 8192 }, "{ranges:?}");
    }

    /// What systems answer that do not know holes.
    #[test]
    fn a_file_stored_without_end_is_stored_as_a_whole() {
        assert_eq!(page_at(u64::MAX, 100), 100);
        let end = u64::MAX.checked_next_multiple_of(PAGE_BYTES as u64).unwrap_or(u64::MAX);
        assert_eq!(page_at(end, 100), 100);
    }

    /// What is stored of `pages` pages if the file system tells of these ranges of bytes.
    fn told_as(told: &[(u64, u64)], pages: u32) -> Vec<(u32, u32)> {
        let next = |offset: u64| told.iter().copied().find(|(start, _)| *start >= offset);
        let ranges = collected(next, pages);
        ranges.iter().map(|range| (range.first.0, range.end())).collect()
    }

    #[test]
    fn a_page_is_stored_if_any_byte_of_it_is_and_its_extent_need_not_be() {
        let page = |page: u64, bytes: u64| (page * 8192 + 4096, page * 8192 + 4096 + bytes);
        assert_eq!(told_as(&[page(8, 4096), page(8088, 8192)], 9000), [(8, 9), (8088, 8090)]);
        assert_eq!(told_as(&[page(8, 4096), (9 * 8192, 9 * 8192 + 1)], 9000), [(8, 10)]);
    }

    #[test]
    fn small_gaps_are_read_along_and_no_more_than_half_of_what_is_stored() {
        let pages = |ranges: &[(u64, u64)]| {
            ranges.iter().map(|(a, b)| (a * 8192, b * 8192)).collect::<Vec<_>>()
        };
        let joined = |ranges: &[(u64, u64)]| told_as(&pages(ranges), 1 << 20);
        assert_eq!(joined(&[(0, 16), (23, 24), (32, 33)]), [(0, 24), (32, 33)], "an extent is not");
        assert_eq!(joined(&[(0, 12), (19, 20)]), [(0, 12), (19, 20)], "seven to thirteen");
        assert_eq!(joined(&[(3, 5), (6, 7), (8, 9), (10, 11)]), [(3, 9), (10, 11)]);
        let every_second: Vec<_> = (0..10_000).map(|n| (2 * n, 2 * n + 1)).collect();
        let read: u32 = joined(&every_second).iter().map(|(first, end)| end - first).sum();
        assert!((14_990..=15_000).contains(&read), "{read}");
    }

    #[test]
    fn beyond_the_most_ranges_everything_is_stored() {
        let next = |offset: u64| {
            let start = offset.next_multiple_of(1 << 20);
            Some((start, start + 8192))
        };
        let ranges = collected(next, u32::MAX);
        assert_eq!(ranges.len(), STORED_RANGES_MAX);
        assert_eq!(ranges[STORED_RANGES_MAX - 2].pages, 1);
        assert_eq!(ranges[STORED_RANGES_MAX - 1].end(), u32::MAX);
    }

    #[test]
    fn an_extent_cut_by_the_end_of_the_file_stays_inside() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 8192 * 3]).unwrap();
        assert_eq!(stored_ranges(&file, 3), [PageRange::between(0, 3)]);
    }

    /// What is stored of a file of 64 pages, of which `data` and `hole` tell.
    #[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
    fn stored(
        data: impl Fn(u64) -> rustix::io::Result<u64>,
        hole: impl Fn(u64) -> rustix::io::Result<u64>,
    ) -> Vec<(u32, u32)> {
        let mut seek = |to| match to {
            rustix::fs::SeekFrom::Data(offset) => data(offset),
            rustix::fs::SeekFrom::Hole(offset) => hole(offset),
            _ => unreachable!("nothing else is asked"),
        };
        let ranges = collected(|offset| told(&mut seek, offset, 65 * 8192), 64);
        ranges.iter().map(|range| (range.first.0, range.end())).collect()
    }

    /// The first and the third quarter are stored, and then the file system has nothing more to
    /// say, or nothing that makes sense.
    #[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
    #[test]
    fn what_a_file_system_stops_telling_in_mid_file_is_taken_as_stored() {
        use rustix::io::Errno;
        const QUARTER: u64 = 16 * 8192;
        let hole = |offset: u64| Ok(offset / QUARTER * QUARTER + QUARTER);
        let data = |then: rustix::io::Result<u64>| {
            move |offset: u64| match offset / QUARTER {
                0 => Ok(offset),
                1 | 2 => Ok(offset.max(2 * QUARTER)),
                _ => then,
            }
        };
        let known = vec![(0, 16), (32, 48)];
        assert_eq!(stored(data(Err(Errno::NXIO)), hole), known, "a hole up to the end");
        let senseless = [Ok(0), Ok(QUARTER), Ok(8 * QUARTER)];
        for answer in [Errno::IO, Errno::INVAL, Errno::STALE].map(Err).into_iter().chain(senseless)
        {
            assert_eq!(stored(data(answer), hole), [(0, 16), (32, 64)], "{answer:?}");
        }
        let nothing = |_: u64| Err(Errno::IO);
        assert_eq!(stored(nothing, nothing), [(0, 64)]);
        for answer in [Err(Errno::IO), Err(Errno::NXIO), Ok(0), Ok(2 * QUARTER)] {
            let hole = |offset: u64| if offset < QUARTER { Ok(QUARTER) } else { answer };
            let stored = stored(data(Err(Errno::NXIO)), hole);
            assert_eq!(stored, [(0, 16), (32, 64)], "{answer:?}");
        }
    }

    #[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
    #[test]
    fn an_error_at_the_very_beginning_of_the_rest_does_not_end_in_a_loop() {
        assert_eq!(stored(Ok, |_| Ok(u64::MAX)), [(0, 64)]);
        assert_eq!(stored(Ok, |offset| Ok(offset + 1)), [(0, 64)]);
    }
}
