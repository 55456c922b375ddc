//! Where a sparse file stores bytes. Holes read as zeros and cost no I/O.

use crate::page::address::PageRange;
use crate::page::{EXTENT_PAGES, PAGE_BYTES};
use std::fs::File;

/// Stored ranges told apart at most; what lies beyond is treated as stored and read.
const STORED_RANGES_MAX: usize = 1_000_000;
const EXTENT_BYTES: u64 = EXTENT_PAGES as u64 * PAGE_BYTES as u64;

/// The stored parts of `file`, of which `pages` whole pages count: whole extents (the last may be
/// cut by the end of the file), ascending, apart from each other. Everything if the file system
/// does not tell.
pub(super) fn stored_ranges(file: &File, pages: u32) -> Vec<PageRange> {
    let mut ranges: Vec<PageRange> = Vec::new();
    let mut cursor = 0;
    while let Some((start, end)) = next_stored(file, cursor) {
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
    }
    ranges.retain(|range| range.pages > 0);
    ranges
}

fn page_at(offset_bytes: u64, pages: u32) -> u32 {
    (offset_bytes / PAGE_BYTES as u64).min(u64::from(pages)) as u32
}

/// The next stored bytes at or after `offset`: start and end.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "macos"))]
fn next_stored(file: &File, offset: u64) -> Option<(u64, u64)> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;
    match seek(file, SeekFrom::Data(offset)) {
        Ok(start) => Some((start, seek(file, SeekFrom::Hole(start)).unwrap_or(u64::MAX))),
        // Nothing stored from here to the end.
        Err(Errno::NXIO) => None,
        // Not told (a block device, an old file system): all of it, once.
        Err(_) => (offset == 0).then_some((0, u64::MAX)),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "macos")))]
fn next_stored(_: &File, offset: u64) -> Option<(u64, u64)> {
    (offset == 0).then_some((0, u64::MAX))
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
}
