//! Whether the page cache holds a range.
//!
//! cachestat(2) counts it. Where the kernel has it not (before Linux 6.5) or refuses it for a file
//! that somebody else owns, one byte of each piece is read with RWF_NOWAIT, which fails instead of
//! waiting for a device. mincore(2) would be no better: for files that the caller may not write it
//! answers that everything is cached.

use super::super::pieces;
use crate::page::address::PageRange;
use rustix::io::ReadWriteFlags;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;

/// True if the page cache holds all of `range` of `file`.
pub(super) fn is_cached(file: &File, range: PageRange) -> bool {
    match cached_bytes(file, range) {
        Some(bytes) => bytes >= range.bytes(),
        None => pieces(range).all(|piece| {
            let start = piece.offset_bytes();
            is_byte_cached(file, start) && is_byte_cached(file, start + piece.bytes() - 1)
        }),
    }
}

fn is_byte_cached(file: &File, offset: u64) -> bool {
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    rustix::io::preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT) == Ok(1)
}

/// The number of cachestat(2), the same on all architectures; newer than the C library's table.
const SYS_CACHESTAT: libc::c_long = 451;

/// What is asked for, in bytes of the file.
#[repr(C)]
struct CachestatRange {
    offset: u64,
    length: u64,
}

/// The answer, in pages of memory.
#[repr(C)]
#[derive(Default)]
struct Cachestat {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Bytes of `range` in the page cache; `None` if the kernel does not tell.
#[allow(unsafe_code)]
fn cached_bytes(file: &File, range: PageRange) -> Option<u64> {
    let wanted = CachestatRange { offset: range.offset_bytes(), length: range.bytes() };
    let mut answer = Cachestat::default();
    // SAFETY: both pointers lead to live structures, laid out as the kernel wants them (`repr(C)`
    // above), of which it reads the first and writes the second before the call returns.
    let status = unsafe {
        libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), &raw const wanted, &raw mut answer, 0)
    };
    (status == 0).then(|| answer.cached * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_was_read_is_cached_and_what_was_dropped_is_not() {
        let folder = std::env::current_dir().unwrap();
        let mut file = tempfile::NamedTempFile::new_in(folder).unwrap();
        file.write_all(&vec![1; 4 << 20]).unwrap();
        file.as_file().sync_all().unwrap();
        let all = PageRange::between(0, 512);
        rustix::fs::fadvise(file.as_file(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
        assert!(!is_cached(file.as_file(), all));
        let mut bytes = Vec::new();
        file.reopen().unwrap().read_to_end(&mut bytes).unwrap();
        assert!(is_cached(file.as_file(), all));
        assert!(is_byte_cached(file.as_file(), (4 << 20) - 1));
    }
}
