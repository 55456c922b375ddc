//! Where a sparse file stores bytes. Holes read as zeros and cost no I/O.

use crate::page::address::PageRange;
use crate::page::{EXTENT_PAGES, PAGE_BYTES};
use std::fs::File;

/// Stored ranges told apart at most; what lies beyond is treated as stored and read.
const STORED_RANGES_MAX: usize = 1_000_000;
const EXTENT_BYTES: u64 = EXTENT_PAGES as u64 * PAGE_BYTES as u64;

/// The stored parts of `file`, of which `pages` whole pages count: whole extents (the last may be
/// cut by the end of the file), ascending, apart from each other. Everything if the file system
/// does not tell, and everything from where it stops telling.
pub(super) fn stored_ranges(file: &File, pages: u32) -> Vec<PageRange> {
    // A part of a page may follow.
    let limit_bytes = (u64::from(pages) + 1) * PAGE_BYTES as u64;
    collected(|offset| next_stored(file, offset, limit_bytes), pages)
}

/// The ranges that `next` gives, which is asked for the first stored bytes at or after an offset.
fn collected(mut next: impl FnMut(u64) -> Option<(u64, u64)>, pages: u32) -> Vec<PageRange> {
    let mut ranges: Vec<PageRange> = Vec::new();
    let mut cursor = 0;
    while let Some((start, end)) = next(cursor) {
        if ranges.len() == STORED_RANGES_MAX {
            let last = ranges.remove(STORED_RANGES_MAX - 1);
            ranges.push(PageRange::between(last.first.0, pages));
            return ranges;
        }
        let first = page_at(start / EXTENT_BYTES * EXTENT_BYTES, pages);
        let end_page = page_at(end.checked_next_multiple_of(EXTENT_BYTES).unwrap_or(end), pages);
        match ranges.last_mut() {
            Some(last) if first <= last.end() => {
                *last = PageRange::between(last.first.0, end_page.max(last.end()));
            }
            _ => ranges.push(PageRange::between(first, end_page)),
        }
        cursor = end;
        if end_page == pages {
            break;
        }
    }
    ranges.retain(|range| range.pages > 0);
    ranges
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
        assert!(holds(0) && holds(7) && holds(4096), "{ranges:?}");
        // A file system may not know holes; then all is stored.
        assert!(covered == 8192 || !holds(2000), "{ranges:?}");
    }

    /// What systems answer that do not know holes.
    #[test]
    fn a_file_stored_without_end_is_stored_as_a_whole() {
        assert_eq!(page_at(u64::MAX, 100), 100);
        let end = u64::MAX.checked_next_multiple_of(EXTENT_BYTES).unwrap_or(u64::MAX);
        assert_eq!(page_at(end, 100), 100);
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
