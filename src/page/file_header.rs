//! The file header page, page 0 of every file (docs/page-format.md, section 5.1).

use super::Page;
use super::address::FileId;
use super::header::HEADER_BYTES;
use super::line::{Guid, told};
use super::record::{Record, utf16};
use super::torn;

const BINDING_ID: usize = 0;
const FILE_ID: usize = 2;
const FILEGROUP_ID: usize = 3;
const SIZE_PAGES: usize = 4;
const FILE_GUID: usize = 23;
const LOGICAL_NAME: usize = 27;
/// The filegroup id of log files.
const LOG_FILEGROUP: u16 = 0;

/// The GUID that all files of one database share.
pub type BindingId = Guid;

/// What page 0 says about its file. Nothing here is believed without the page's own check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Shared by all files of the database.
    pub binding_id: BindingId,
    /// The file's own id.
    pub file_id: FileId,
    /// 0 for a log file, 1 for PRIMARY.
    pub filegroup_id: u16,
    /// A lower bound in pages: often stale in healthy files, but never too large.
    pub size_pages: u32,
    /// The file's own GUID; absent in files laid out by SQL Server 2000.
    pub file_guid: Option<Guid>,
    /// Logical file name; absent in files laid out by SQL Server 2000.
    pub logical_name: Option<String>,
}

impl FileHeader {
    /// Reads page 0; `None` if its record cannot be followed.
    pub fn of(page: &Page) -> Option<Self> {
        let whole = torn::restored(page);
        let record = Record::at(&whole, HEADER_BYTES)?;
        let u16_of = |column| Some(u16::from_le_bytes(record.variable(column)?.try_into().ok()?));
        Some(Self {
            binding_id: record.variable(BINDING_ID)?.try_into().ok()?,
            file_id: FileId(u16_of(FILE_ID)?),
            filegroup_id: u16_of(FILEGROUP_ID)?,
            size_pages: u32::from_le_bytes(record.variable(SIZE_PAGES)?.try_into().ok()?),
            file_guid: record.variable(FILE_GUID).and_then(|guid| told(guid.try_into().ok()?)),
            logical_name: record.variable(LOGICAL_NAME).map(utf16).filter(|name| !name.is_empty()),
        })
    }

    /// True for a transaction log.
    pub fn is_log(&self) -> bool {
        self.filegroup_id == LOG_FILEGROUP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_a_record_is_no_file_header() {
        assert_eq!(FileHeader::of(&Page::ZERO), None);
        assert_eq!(FileHeader::of(&Page::new(&[0xff; 8192])), None);
    }
}
