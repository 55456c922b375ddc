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
pub(crate) mod tests {
    use super::super::checksum;
    use super::super::header::{FLAG_CHECKSUM, PageHeader};
    use super::super::kind::PageType;
    use super::*;

    /// Page 0 of file 1, which carries its checksum.
    pub(crate) fn sealed(filegroup_id: u16, size_pages: u32) -> Page {
        let (filegroup, size) = (filegroup_id.to_le_bytes(), size_pages.to_le_bytes());
        let mut page = page_0(&[&[7; 16], &[], &[1, 0], &filegroup, &size]);
        *PageHeader::of_mut(&mut page) = PageHeader {
            header_version: 1,
            page_type: PageType::FileHeader.m_type(),
            flag_bits: FLAG_CHECKSUM,
            file_id: 1,
            free_data: 200,
            ..bytemuck::Zeroable::zeroed()
        };
        checksum::seal(&mut page);
        page
    }

    #[test]
    fn a_page_without_a_record_is_no_file_header() {
        assert_eq!(FileHeader::of(&Page::ZERO), None);
        assert_eq!(FileHeader::of(&Page::new(&[0xff; 8192])), None);
    }

    /// Page 0 with a record that has these variable columns.
    fn page_0(columns: &[&[u8]]) -> Page {
        let count = (columns.len() as u16).to_le_bytes();
        let mut record = [&[0x30, 0, 4, 0], &count[..]].concat();
        record.resize(record.len() + columns.len().div_ceil(8), 0);
        record.extend(count);
        let mut end = record.len() + 2 * columns.len();
        for column in columns {
            end += column.len();
            record.extend((end as u16).to_le_bytes());
        }
        record.extend(columns.concat());
        let mut page = Page::ZERO;
        page.bytes_mut()[HEADER_BYTES..][..record.len()].copy_from_slice(&record);
        page
    }

    #[test]
    fn columns_are_read_by_their_documented_numbers() {
        let name: Vec<u8> = "Sales_log".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut columns = [&[][..]; 28];
        (columns[0], columns[2], columns[3]) = (&[7; 16], &[2, 0], &[0, 0]);
        (columns[4], columns[23], columns[27]) = (&[0, 1, 0, 0], &[9; 16], &name);
        let expected = FileHeader {
            binding_id: [7; 16],
            file_id: FileId(2),
            filegroup_id: 0,
            size_pages: 256,
            file_guid: Some([9; 16]),
            logical_name: Some("Sales_log".to_owned()),
        };
        assert!(expected.is_log());
        assert_eq!(FileHeader::of(&page_0(&columns)).as_ref(), Some(&expected));
        // As SQL Server 2000 laid it out, and with a name and a GUID that are there and empty.
        let nameless = FileHeader { file_guid: None, logical_name: None, ..expected };
        assert_eq!(FileHeader::of(&page_0(&columns[..20])).as_ref(), Some(&nameless));
        (columns[3], columns[23], columns[27]) = (&[1, 0], &[0; 16], &[]);
        let of_data = FileHeader { filegroup_id: 1, ..nameless };
        assert!(!of_data.is_log());
        assert_eq!(FileHeader::of(&page_0(&columns)), Some(of_data));
        assert_eq!(FileHeader::of(&page_0(&columns[..4])), None, "no size");
    }
}
