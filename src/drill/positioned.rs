//! Whole pages at their places: reads and writes that need no shared file position, so that many
//! threads can use one file.

use crate::backup::source::read_exact_at;
use crate::page::{Page, address::PageId};
use std::fs::File;
use std::io;

/// Reads page `page`.
pub(super) fn read_page(file: &File, page: PageId) -> io::Result<Box<Page>> {
    let mut content = Box::new(Page::ZERO);
    read_exact_at(file, page.offset_bytes(), content.bytes_mut())?;
    Ok(content)
}

/// Writes `pages` from page `first` on.
pub(super) fn write_pages(file: &File, first: PageId, pages: &[Page]) -> io::Result<()> {
    write_all_at(file, bytemuck::cast_slice(pages), first.offset_bytes())
}

#[cfg(unix)]
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset_bytes)
}

#[cfg(windows)]
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset_bytes: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset_bytes)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => {
                bytes = &bytes[n..];
                offset_bytes += n as u64;
            }
        }
    }
    Ok(())
}
