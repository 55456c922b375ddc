//! The boot page, (1:9): the database's own description (docs/page-format.md, section 5.2).

use super::Page;
use super::header::Lsn;
use super::record::utf16;
use super::torn;
use serde::{Deserialize, Serialize};

const VERSION: usize = 100;
const STATUS: usize = 132;
const NAME: std::ops::Range<usize> = 148..148 + 256;
/// How many bytes of the name count: what stands behind them may be of a longer one before.
const NAME_BYTES: usize = 404;
const DATABASE_ID: usize = 408;
const CHECKPOINT_LSN: usize = 444;
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
            page_verify: page_verify(status),
            clean_shutdown: status & STATUS_CLEAN_SHUTDOWN != 0,
            simple_recovery: status & STATUS_SIMPLE != 0,
            checkpoint_lsn: Lsn {
                vlf: page.u32_at(CHECKPOINT_LSN),
                block: page.u32_at(CHECKPOINT_LSN + 4),
                slot: page.u16_at(CHECKPOINT_LSN + 8),
            },
        }
    }
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

fn page_verify(status: u32) -> PageVerify {
    if status & STATUS_CHECKSUM != 0 {
        PageVerify::Checksum
    } else if status & STATUS_TORN != 0 {
        PageVerify::Torn
    } else {
        PageVerify::None
    }
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
