//! Whether the page cache holds a range.
//!
//! cachestat(2) counts it; before Linux 6.5, mincore(2) on the mapping tells. Both tell the truth
//! only to those who own the file: for others the answer is no, which costs speed and nothing else.
//! Trying to read without waiting (RWF_NOWAIT) would tell everybody, but starts reading ahead into
//! the cache.

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// True if the page cache holds all of `range` of `file`, mapped at `bytes`. Both begin and end on
/// pages of memory, or with the file.
pub(super) fn is_cached(file: &File, range: Range<u64>, bytes: &[u8]) -> bool {
    match counted(file, range) {
        Ok(cached) => cached >= bytes.len() as u64,
        Err(is_unknown_call) => is_unknown_call && is_ours(file) && is_in_core(bytes),
    }
}

/// Bytes of `range` of `file` in the page cache; `None` if the kernel does not tell.
pub(super) fn cached_bytes(file: &File, range: Range<u64>) -> Option<u64> {
    counted(file, range).ok()
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

/// Bytes of `range` in the page cache. An error is true where the kernel does not know the call.
#[allow(unsafe_code)]
fn counted(file: &File, range: Range<u64>) -> Result<u64, bool> {
    let wanted = CachestatRange { offset: range.start, length: range.end - range.start };
    let mut answer = Cachestat::default();
    // SAFETY: both pointers lead to live structures, laid out as the kernel wants them (`repr(C)`
    // above), of which it reads the first and writes the second before the call returns.
    let status = unsafe {
        libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), &raw const wanted, &raw mut answer, 0)
    };
    if status == 0 {
        return Ok(answer.cached * rustix::param::page_size() as u64);
    }
    Err(std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS))
}

/// To others, mincore answers that everything is in memory.
fn is_ours(file: &File) -> bool {
    let user = rustix::process::geteuid();
    let owner = rustix::fs::fstat(file).map(|stat| stat.st_uid);
    user.is_root() || owner == Ok(user.as_raw())
}

/// True if all of mapped `bytes`, which start on a page of memory, need no device to be read.
#[allow(unsafe_code)]
fn is_in_core(bytes: &[u8]) -> bool {
    const PAGE_IS_IN_CORE: u8 = 1;
    let mut pages = vec![0_u8; bytes.len().div_ceil(rustix::param::page_size())];
    let start = bytes.as_ptr().cast_mut().cast();
    // SAFETY: `bytes` are mapped, as they are borrowed; the kernel writes a byte for each of their
    // pages of memory, for which the line above made room, and does not touch what is mapped.
    let status = unsafe { libc::mincore(start, bytes.len(), pages.as_mut_ptr()) };
    status == 0 && pages.iter().all(|page| page & PAGE_IS_IN_CORE != 0)
}

#[cfg(test)]
mod tests {
    use super::super::mmap::Map;
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_was_read_is_cached_and_what_was_dropped_is_not_in_both_tongues() {
        let mut file = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&vec![1; 4 << 20]).unwrap();
        let all = 0..4 << 20;
        let map = Map::of(file.as_file()).unwrap();
        let ask = || {
            let answers =
                [is_cached(file.as_file(), all.clone(), map.bytes()), is_in_core(map.bytes())];
            assert_eq!(answers[0], answers[1]);
            answers[0]
        };
        assert!(ask());
        // What was just written stays until the kernel is done with it.
        let is_dropped = (0..100).any(|_| {
            file.as_file().sync_all().unwrap();
            rustix::fs::fadvise(file.as_file(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(10));
            !ask()
        });
        assert!(is_dropped);
        let mut bytes = Vec::new();
        file.reopen().unwrap().read_to_end(&mut bytes).unwrap();
        assert!(ask());
        assert!(is_ours(file.as_file()));
    }
}
