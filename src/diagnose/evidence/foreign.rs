//! What a page begins with that has no page header: the first bytes of other files and file
//! systems.

use super::sectors::period_bytes;
use crate::page::{PAGE_BYTES, Page, SECTOR_BYTES};
use serde::{Deserialize, Serialize};

/// Something that is no page of a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Foreign {
    /// Text in ASCII or UTF-8.
    Text,
    /// Text in UTF-16.
    Utf16Text,
    /// A file record, directory index or log record of NTFS.
    Ntfs,
    /// A superblock or inode of XFS.
    Xfs,
    /// A superblock of ext2, ext3 or ext4.
    Ext,
    /// A superblock of Btrfs.
    Btrfs,
    /// A backup of SQL Server (Microsoft Tape Format).
    Backup,
    /// A compressed backup of SQL Server.
    CompressedBackup,
    /// A ZIP archive, which Office documents are too.
    Zip,
    /// A gzip file.
    Gzip,
    /// A 7-Zip archive.
    SevenZip,
    /// A program for Linux.
    Elf,
    /// A program for Windows.
    Exe,
    /// A PDF document.
    Pdf,
    /// A PNG image.
    Png,
    /// A JPEG image.
    Jpeg,
    /// A `SQLite` database.
    Sqlite,
}

/// Bytes at an offset, and what they are the mark of. None of them can begin a page header.
const MAGIC: [(usize, &[u8], Foreign); 19] = [
    (0, b"FILE0\0", Foreign::Ntfs),
    (0, b"FILE*\0", Foreign::Ntfs),
    (0, b"INDX(\0", Foreign::Ntfs),
    (0, b"RCRD(\0", Foreign::Ntfs),
    (3, b"NTFS    ", Foreign::Ntfs),
    (0, b"XFSB\0\0", Foreign::Xfs),
    (0x438, b"\x53\xef\x01\0", Foreign::Ext),
    (0x40, b"_BHRfS_M", Foreign::Btrfs),
    (0, b"TAPE", Foreign::Backup),
    (0, b"MSSQLBAK", Foreign::CompressedBackup),
    (0, b"PK\x03\x04", Foreign::Zip),
    (0, b"\x1f\x8b\x08", Foreign::Gzip),
    (0, b"7z\xbc\xaf\x27\x1c", Foreign::SevenZip),
    (0, b"\x7fELF", Foreign::Elf),
    (0, b"MZ\x90\0", Foreign::Exe),
    (0, b"%PDF-", Foreign::Pdf),
    (0, b"\x89PNG\r\n\x1a\n", Foreign::Png),
    (0, b"\xff\xd8\xff", Foreign::Jpeg),
    (0, b"SQLite format 3\0", Foreign::Sqlite),
];

impl Foreign {
    /// What `page` begins with, if that can be told.
    pub(super) fn of(page: &Page) -> Option<Self> {
        let bytes = page.bytes();
        let is_here =
            |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|b| b.starts_with(magic));
        let known = MAGIC.iter().find(|(at, magic, _)| is_here(*at, magic));
        known.map(|(_, _, foreign)| *foreign).or_else(|| text(bytes))
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Utf16Text => "UTF-16 text",
            Self::Ntfs => "NTFS metadata",
            Self::Xfs => "XFS metadata",
            Self::Ext => "an ext file system",
            Self::Btrfs => "a Btrfs file system",
            Self::Backup => "a SQL Server backup",
            Self::CompressedBackup => "a compressed SQL Server backup",
            Self::Zip => "a ZIP archive",
            Self::Gzip => "a gzip file",
            Self::SevenZip => "a 7-Zip archive",
            Self::Elf => "a Linux program",
            Self::Exe => "a Windows program",
            Self::Pdf => "a PDF document",
            Self::Png => "a PNG image",
            Self::Jpeg => "a JPEG image",
            Self::Sqlite => "a SQLite database",
        }
    }
}

/// The whole first sector is text, and not a few characters repeated, which is fill.
fn text(bytes: &[u8; PAGE_BYTES]) -> Option<Foreign> {
    let sector = &bytes[..SECTOR_BYTES];
    let is_repeated = period_bytes(sector).is_some();
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if is_repeated {
        None
    } else if is_utf8(sector, is_control) {
        Some(Foreign::Text)
    } else {
        is_utf16(sector).then_some(Foreign::Utf16Text)
    }
}

/// A character may be cut at the end of the sector.
fn is_utf8(sector: &[u8], is_control: impl Fn(char) -> bool) -> bool {
    let whole = match std::str::from_utf8(sector) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&sector[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !whole.is_empty() && !whole.chars().any(is_control)
}

/// Little-endian and of western letters, or with its byte order mark: any pairs of bytes could be
/// Chinese.
fn is_utf16(sector: &[u8]) -> bool {
    let units = sector.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let is_letter = |unit: u16| matches!(unit, 9 | 10 | 13 | 0x20..=0x7e | 0xa0..=0x24f);
    units.skip_while(|unit| *unit == 0xfeff).all(is_letter)
}
