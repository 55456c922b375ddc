//! The boot page, (1:9): the database's own description (docs/page-format.md, section 5.2).

use super::Page;
use super::address::{FileId, PageAddress, PageId};
use super::header::Lsn;
use super::line::{Guid, Line, told};
use super::record::utf16;
use super::torn;
use serde::{Deserialize, Serialize};

const VERSION: usize = 100;
const STATUS: usize = 132;
const NAME: std::ops::Range<usize> = 148..148 + 256;
/// How many bytes of the name count: what stands behind them may be of a longer one before.
const NAME_BYTES: usize = 404;
const DATABASE_ID: usize = 408;
const LAST_FULL_LSN: usize = 432;
const CHECKPOINT_LSN: usize = 444;
const FAMILY: usize = 504;
const FORK: usize = 552;
const FORK_POINT: usize = 568;
const EARLIER_FORK: usize = 580;
const LAST_FULL: usize = 596;
const FIRST_SYSTEM_PAGE: usize = 612;
const STATUS_SIMPLE: u32 = 0x8;
const STATUS_TORN: u32 = 0x10;
const STATUS_CHECKSUM: u32 = 0x1_0000;
const STATUS_CLEAN_SHUTDOWN: u32 = 0x4000_0000;
/// What SQL Server pads the name with, besides blanks and zeros: U+2020, two ASCII blanks read as
/// one UTF-16 unit.
const NAME_PADDING: [char; 3] = ['\u{2020}', ' ', '\0'];

/// The database option PAGE_VERIFY. It rules what is written next, not what a page carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PageVerify {
    /// Pages get a checksum when written.
    Checksum,
    /// Pages get torn bits when written.
    Torn,
    /// Pages get nothing when written.
    None,
}

impl PageVerify {
    /// By the status word of a database, as on its boot page at 132 (section 5.2).
    pub fn of_status(status: u32) -> Self {
        if status & STATUS_CHECKSUM != 0 {
            Self::Checksum
        } else if status & STATUS_TORN != 0 {
            Self::Torn
        } else {
            Self::None
        }
    }
}

/// What the boot page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootPage {
    /// `dbi_version`: internal version of the database.
    pub internal_version: u16,
    /// Database name.
    pub database: String,
    /// `dbi_dbid`, the database id on the server that had it last.
    pub database_id: u16,
    /// The option in force.
    pub page_verify: PageVerify,
    /// Shut down cleanly; else pages may be older than the log says.
    pub clean_shutdown: bool,
    /// SIMPLE recovery model: no page restore.
    pub simple_recovery: bool,
    /// `dbi_checkptLSN`: in a clean file no page is newer.
    pub checkpoint_lsn: Lsn,
    /// What tells its origin and its line. Every GUID that is zero is `None`.
    pub line: Line,
    /// The set GUID of the last full backup.
    pub last_full_id: Option<Guid>,
    /// The checkpoint LSN of that backup.
    pub last_full_lsn: Option<Lsn>,
    /// `dbi_firstSysIndexes`: the first page of sysallocunits, from which all others are found.
    pub first_system_page: PageAddress,
}

impl BootPage {
    /// Reads the boot page.
    pub fn of(page: &Page) -> Self {
        let page = torn::restored(page);
        let status = page.u32_at(STATUS);
        Self {
            internal_version: page.u16_at(VERSION),
            database: name(&page),
            database_id: page.u16_at(DATABASE_ID),
            page_verify: PageVerify::of_status(status),
            clean_shutdown: status & STATUS_CLEAN_SHUTDOWN != 0,
            simple_recovery: status & STATUS_SIMPLE != 0,
            checkpoint_lsn: lsn_at(&page, CHECKPOINT_LSN),
            line: Line {
                family_id: guid_at(&page, FAMILY),
                fork_id: guid_at(&page, FORK),
                earlier_fork_id: guid_at(&page, EARLIER_FORK),
                fork_point_lsn: told_lsn_at(&page, FORK_POINT),
            },
            last_full_id: guid_at(&page, LAST_FULL),
            last_full_lsn: told_lsn_at(&page, LAST_FULL_LSN),
            first_system_page: PageAddress::new(
                FileId(page.u16_at(FIRST_SYSTEM_PAGE + 4)),
                PageId(page.u32_at(FIRST_SYSTEM_PAGE)),
            ),
        }
    }
}

fn lsn_at(page: &Page, at: usize) -> Lsn {
    Lsn { vlf: page.u32_at(at), block: page.u32_at(at + 4), slot: page.u16_at(at + 8) }
}

/// An LSN; zeros are none.
fn told_lsn_at(page: &Page, at: usize) -> Option<Lsn> {
    Some(lsn_at(page, at)).filter(|lsn| *lsn != Lsn::default())
}

fn guid_at(page: &Page, at: usize) -> Option<Guid> {
    let mut guid = Guid::default();
    guid.copy_from_slice(&page.bytes()[at..at + 16]);
    told(guid)
}

/// A length that no name can have is damage: the name then ends where its padding begins.
fn name(page: &Page) -> String {
    let room = &page.bytes()[NAME];
    let length = page.u32_at(NAME_BYTES) as usize;
    let is_length = (2..=room.len()).contains(&length) && length.is_multiple_of(2);
    if is_length {
        return utf16(&room[..length]);
    }
    utf16(room).trim_end_matches(NAME_PADDING).to_owned()
}

/// The release of SQL Server that writes `internal_version` (section 5.3).
pub fn sql_server_release(internal_version: u16) -> Option<&'static str> {
    Some(match internal_version {
        515 => "7.0",
        539 => "2000",
        611 | 612 => "2005",
        655 => "2008",
        660 | 661 => "2008 R2",
        706 => "2012",
        782 => "2014",
        852 => "2016",
        859 | 868 | 869 => "2017",
        895..=904 => "2019",
        950 | 957 => "2022",
        998 => "2025",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, rest: &str, bytes: u32) -> String {
        let mut page = Page::ZERO;
        let units = name.encode_utf16().chain(rest.encode_utf16()).flat_map(u16::to_le_bytes);
        for (byte, at) in units.zip(NAME) {
            page.bytes_mut()[at] = byte;
        }
        page.bytes_mut()[NAME_BYTES..NAME_BYTES + 4].copy_from_slice(&bytes.to_le_bytes());
        BootPage::of(&page).database
    }

    #[test]
    fn a_name_ends_where_its_length_says_and_not_with_the_one_before_it() {
        assert_eq!(named("QLHH", "ANG  ", 8), "QLHH");
        assert_eq!(named("Sales", " of 2009", 26), "Sales of 2009");
        // Without a length that a name can have, its padding ends it.
        for length in [0, 7, 258, u32::MAX] {
            assert_eq!(named("Sales", "\u{2020}\u{2020}  ", length), "Sales");
        }
    }

    #[test]
    fn fields_are_read_from_their_documented_offsets() {
        let mut page = Page::ZERO;
        let mut put = |at: usize, bytes: &[u8]| {
            page.bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        };
        put(100, &904_u16.to_le_bytes());
        put(132, &0x4001_0008_u32.to_le_bytes());
        put(408, &[5, 0]);
        put(432, &[30, 0, 0, 0, 16, 1, 0, 0, 2, 0]);
        put(444, &[31, 0, 0, 0, 17, 0, 0, 0, 3, 0]);
        put(568, &[29, 0, 0, 0, 18, 0, 0, 0, 4, 0]);
        put(612, &[16, 0, 0, 0, 1, 0]);
        for (at, byte) in [(504, 1), (552, 2), (580, 3), (596, 4)] {
            put(at, &[byte; 16]);
        }
        let expected = BootPage {
            internal_version: 904,
            database: String::new(),
            database_id: 5,
            page_verify: PageVerify::Checksum,
            clean_shutdown: true,
            simple_recovery: true,
            checkpoint_lsn: Lsn { vlf: 31, block: 17, slot: 3 },
            line: Line {
                family_id: Some([1; 16]),
                fork_id: Some([2; 16]),
                earlier_fork_id: Some([3; 16]),
                fork_point_lsn: Some(Lsn { vlf: 29, block: 18, slot: 4 }),
            },
            last_full_id: Some([4; 16]),
            last_full_lsn: Some(Lsn { vlf: 30, block: 272, slot: 2 }),
            first_system_page: PageAddress::new(FileId(1), PageId(16)),
        };
        assert_eq!(BootPage::of(&page), expected);
    }

    #[test]
    fn zeros_are_no_guid_no_lsn_and_no_option() {
        let boot = BootPage::of(&Page::ZERO);
        assert_eq!(
            (boot.line.is_told(), boot.last_full_id, boot.last_full_lsn),
            (false, None, None)
        );
        assert_eq!(boot.page_verify, PageVerify::None);
        assert!(!boot.clean_shutdown && !boot.simple_recovery);
        assert_eq!(PageVerify::of_status(0x10), PageVerify::Torn);
    }

    /// As in docs/page-format.md, section 5.3.
    #[test]
    fn a_release_is_told_by_the_internal_version_of_the_database() {
        for (versions, release) in [
            (&[515][..], "7.0"),
            (&[539], "2000"),
            (&[611, 612], "2005"),
            (&[655], "2008"),
            (&[660, 661], "2008 R2"),
            (&[706], "2012"),
            (&[782], "2014"),
            (&[852], "2016"),
            (&[868, 869], "2017"),
            (&[895, 904], "2019"),
            (&[957], "2022"),
            (&[998], "2025"),
        ] {
            for version in versions {
                assert_eq!(sql_server_release(*version), Some(release), "{version}");
            }
        }
        assert_eq!([0, 538, 613, 905].map(sql_server_release), [None; 4]);
    }
}
