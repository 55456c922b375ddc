//! Single pages of a file, for finding out what it is. An unreadable page is simply missing here;
//! the scan will say so later.

use crate::backup::ReadAt;
use crate::page::Page;
use crate::page::address::PageId;
use crate::page::checksum::Checksum;
use crate::page::header::{PageHeader, Protection};
use crate::page::torn::TornCheck;
use std::fs::File;
use std::io;

/// Page `page` of `file`; an error if it is not whole.
pub(super) fn page(file: &dyn ReadAt, page: PageId) -> io::Result<Page> {
    let mut whole = Page::ZERO;
    file.read_exact_at(page.offset_bytes(), whole.bytes_mut())?;
    Ok(whole)
}

/// At most `bytes` of `file` from `offset_bytes` on, fewer where it ends before that.
pub(super) fn piece(file: &dyn ReadAt, offset_bytes: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let there = file.bytes().saturating_sub(offset_bytes);
    let mut piece = vec![0; bytes.min(there) as usize];
    file.read_exact_at(offset_bytes, &mut piece)?;
    Ok(piece)
}

/// True if `page` carries what it should, or at least a header that can be one.
pub(super) fn passes_its_check(page: &Page) -> bool {
    match PageHeader::of(page).protection() {
        Protection::Checksum => Checksum::of(page) == Checksum::stored_in(page),
        Protection::Torn => TornCheck::of(page).is_intact(),
        Protection::None => PageHeader::of(page).is_sane(),
    }
}

/// Asks the system to read nothing ahead. What it would read ahead into its cache nobody asked for,
/// and to the scan it would look like something that was there before.
#[cfg(target_os = "linux")]
pub(crate) fn read_nothing_ahead(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn read_nothing_ahead(_: &File) {}
