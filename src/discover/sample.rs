//! Single pages of a file, for finding out what it is. An unreadable page is simply missing here;
//! the scan will say so later.

use crate::page::Page;
use crate::page::address::PageId;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Page `page` of `file`; an error if it is not whole.
pub(super) fn page(file: &mut File, page: PageId) -> io::Result<Page> {
    let mut whole = Page::ZERO;
    file.seek(SeekFrom::Start(page.offset_bytes()))?;
    file.read_exact(whole.bytes_mut())?;
    Ok(whole)
}

/// The first bytes of `file`, at most one page, fewer if the file is shorter.
pub(super) fn beginning(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(crate::page::PAGE_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Asks the system to read nothing ahead. What it would read ahead into its cache nobody asked for,
/// and to the scan it would look like something that was there before.
#[cfg(target_os = "linux")]
pub(crate) fn read_nothing_ahead(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn read_nothing_ahead(_: &File) {}
