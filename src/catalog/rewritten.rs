//! Pages whose LSN does not tell their content (docs/page-format.md, section 5.6).

use super::SystemTable;
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::BOOT_PAGE;
use crate::page::header::PageHeader;

/// In the primary file: sysfiles1, which attaching the file rewrites.
const SYSFILES1: PageAddress = PageAddress { file: FileId(1), page: PageId(32) };

/// SQL Server rewrites the page at `place` under an old LSN, or wrote it without logging: then it
/// carries (0:0:1).
pub fn is_without_lsn(header: &PageHeader, place: PageAddress) -> bool {
    let is_boot = place == PageAddress::new(FileId(1), BOOT_PAGE);
    place.page == PageId(0) || is_boot || header.lsn_vlf == 0
}

/// Attaching a data file rewrites the page at `place`.
pub fn is_rewritten_by_attach(header: &PageHeader, place: PageAddress) -> bool {
    place == SYSFILES1 || SystemTable::of(header) == Some(SystemTable::SysPruFiles)
}
