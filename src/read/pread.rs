//! Positioned reads: works for every file on every system.

use super::{PageSource, ReadError};
use crate::page::address::PageId;
use crate::page::{PAGE_BYTES, Page};
use std::fs::File;
use std::io;
use std::path::Path;

/// What every block device is content with, in memory; less than a page.
const UNBUFFERED_ALIGNMENT: usize = 4096;

/// A file read at offsets, without moving a cursor, so that threads can share it.
pub struct Pread {
    file: File,
    /// The same file opened past the page cache, where the file system allows it.
    uncached: Option<File>,
}

impl Pread {
    /// Opens `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, uncached: open_uncached(path) })
    }

    /// The file itself.
    #[cfg(target_os = "linux")]
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

impl PageSource for Pread {
    fn fill(&self, first: PageId, pages: &mut [Page]) -> Result<(), ReadError> {
        let bytes = bytemuck::cast_slice_mut(pages);
        Ok(read_exact_at(&self.file, first.offset_bytes(), bytes)?)
    }

    fn fill_uncached(&self, page: PageId) -> Result<Page, ReadError> {
        let file = self.uncached.as_ref().unwrap_or(&self.file);
        drop_from_cache(&self.file, page);
        match read_aligned(file, page) {
            // A file system may accept the flag and refuse the read.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput && self.uncached.is_some() => {
                Ok(read_aligned(&self.file, page)?)
            }
            outcome => Ok(outcome?),
        }
    }
}

/// Reads one page into memory aligned as unbuffered reads want it.
fn read_aligned(file: &File, page: PageId) -> io::Result<Page> {
    let mut room = vec![Page::ZERO; 2];
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut room);
    let start = bytes.as_ptr().align_offset(UNBUFFERED_ALIGNMENT);
    let aligned = &mut bytes[start..start + PAGE_BYTES];
    read_exact_at(file, page.offset_bytes(), aligned)?;
    let mut whole = Page::ZERO;
    whole.bytes_mut().copy_from_slice(aligned);
    Ok(whole)
}

/// Fills `bytes` from `offset` of `file`, or fails with `UnexpectedEof` where the file ends.
fn read_exact_at(file: &File, offset: u64, mut bytes: &mut [u8]) -> io::Result<()> {
    let mut at = offset;
    while !bytes.is_empty() {
        match read_at(file, at, bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                at += count as u64;
                bytes = &mut bytes[count..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    // ERROR_HANDLE_EOF: Windows calls the end of the file an error.
    const HANDLE_EOF: i32 = 38;
    match std::os::windows::fs::FileExt::seek_read(file, bytes, offset) {
        Err(error) if error.raw_os_error() == Some(HANDLE_EOF) => Ok(0),
        outcome => outcome,
    }
}

#[cfg(target_os = "linux")]
fn open_uncached(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let direct = rustix::fs::OFlags::DIRECT.bits().cast_signed();
    std::fs::OpenOptions::new().read(true).custom_flags(direct).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_uncached(_: &Path) -> Option<File> {
    None
}

/// For file systems without unbuffered reads: asks the system to forget the cached page. A hint
/// only, so its outcome does not matter.
#[cfg(target_os = "linux")]
fn drop_from_cache(file: &File, page: PageId) {
    let length = std::num::NonZeroU64::new(crate::page::PAGE_BYTES as u64);
    let _ = rustix::fs::fadvise(file, page.offset_bytes(), length, rustix::fs::Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
fn drop_from_cache(_: &File, _: PageId) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn whole_pages_are_delivered_and_a_cut_one_is_the_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![7; 3 * 8192 + 100]).unwrap();
        let source = Pread::open(file.path()).unwrap();
        let mut pages = vec![Page::ZERO; 3];
        source.fill(PageId(0), &mut pages).unwrap();
        assert!(pages.iter().all(|page| page.bytes() == &[7; 8192]));
        assert_eq!(source.fill(PageId(1), &mut pages), Err(ReadError::Ended));
        assert_eq!(source.fill_uncached(PageId(2)).unwrap().bytes(), &[7; 8192]);
        assert_eq!(source.fill_uncached(PageId(3)).err(), Some(ReadError::Ended));
    }
}
