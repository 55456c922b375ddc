//! Where a page is: file id, page id, extent id, and the byte offset they stand for.

use super::{EXTENT_PAGES, PAGE_BYTES};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of a file inside its database. 1 is the primary data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub u16);

/// The number of a page inside its file; page n begins at byte n x 8192.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageId(pub u32);

/// The number of an extent (eight pages, 64 KiB) inside its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtentId(pub u32);

/// A page of a database, written `(1:1314)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PageAddress {
    /// The file.
    pub file: FileId,
    /// The page in it.
    pub page: PageId,
}

/// The highest file id there can be: SQL Server keeps it in a signed number.
const FILE_ID_MAX: u16 = i16::MAX as u16;
/// The highest page id there can be: likewise.
const PAGE_ID_MAX: u32 = i32::MAX as u32;

/// Consecutive pages of one file. The page after the last has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "WrittenRange")]
pub struct PageRange {
    /// The first page.
    pub first: PageId,
    /// How many pages; 0 is an empty range.
    pub pages: u32,
}

/// A range as a file has it, which may be anything.
#[derive(Deserialize)]
struct WrittenRange {
    first: PageId,
    pages: u32,
}

impl TryFrom<WrittenRange> for PageRange {
    type Error = &'static str;

    fn try_from(WrittenRange { first, pages }: WrittenRange) -> Result<Self, Self::Error> {
        let end = first.0.checked_add(pages).ok_or("a page range that has no end")?;
        Ok(Self::between(first.0, end))
    }
}

impl PageRange {
    /// Pages from `first` up to, but without, `end`.
    pub fn between(first: u32, end: u32) -> Self {
        Self { first: PageId(first), pages: end.saturating_sub(first) }
    }

    /// The page after the last.
    pub fn end(self) -> u32 {
        self.first.0 + self.pages
    }

    /// Byte offset of the first page.
    pub fn offset_bytes(self) -> u64 {
        self.first.offset_bytes()
    }

    /// Bytes of all pages.
    pub fn bytes(self) -> u64 {
        u64::from(self.pages) * PAGE_BYTES as u64
    }

    /// Parts of at most `pages_max` pages (at least 1), ascending.
    pub fn pieces(self, pages_max: u32) -> impl Iterator<Item = Self> {
        let firsts = (self.first.0..self.end()).step_by(pages_max as usize);
        firsts
            .map(move |first| Self::between(first, self.end().min(first.saturating_add(pages_max))))
    }

    /// The ids, ascending.
    pub fn ids(self) -> impl Iterator<Item = PageId> {
        (self.first.0..self.end()).map(PageId)
    }
}

impl PageId {
    /// Byte offset of the page in its file.
    pub fn offset_bytes(self) -> u64 {
        u64::from(self.0) * PAGE_BYTES as u64
    }

    /// The extent that holds the page.
    pub fn extent(self) -> ExtentId {
        ExtentId(self.0 / EXTENT_PAGES)
    }
}

impl ExtentId {
    /// The first of the extent's eight pages.
    pub fn first_page(self) -> PageId {
        PageId(self.0 * EXTENT_PAGES)
    }
}

impl PageAddress {
    /// Page `page` of file `file`.
    pub fn new(file: FileId, page: PageId) -> Self {
        Self { file, page }
    }

    /// True if a database can have such a page. What names another is no page of another place.
    pub fn can_exist(self) -> bool {
        (1..=FILE_ID_MAX).contains(&self.file.0) && self.page.0 <= PAGE_ID_MAX
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PageAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}:{})", self.file, self.page)
    }
}

impl From<PageAddress> for String {
    fn from(address: PageAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for PageAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bare = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        let parsed = bare.and_then(|bare| bare.split_once(':')).and_then(|(file, page)| {
            Some(Self::new(FileId(file.parse().ok()?), PageId(page.parse().ok()?)))
        });
        parsed.ok_or_else(|| format!("{text:?} is no page address, such as (1:1314)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_as_sql_server_prints_it() {
        let address = PageAddress::new(FileId(1), PageId(510_524));
        assert_eq!(address.to_string(), "(1:510524)");
        assert_eq!(address.page.offset_bytes(), 0xf947_8000);
        assert_eq!(PageAddress::try_from(address.to_string()), Ok(address));
        for wrong in ["", "1:2", "(1:2", "(1)", "(70000:1)", "(1:-1)", "(1:4294967296)"] {
            assert!(PageAddress::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_without_an_end_is_not_read() {
        let read = |text: &str| serde_json::from_str::<PageRange>(text).map_err(|e| e.to_string());
        let last = PageRange::between(4_294_967_287, u32::MAX);
        assert_eq!(read(r#"{"first":4294967287,"pages":8}"#), Ok(last));
        assert_eq!(serde_json::to_string(&last).unwrap(), r#"{"first":4294967287,"pages":8}"#);
        for wrong in [r#"{"first":4294967288,"pages":8}"#, r#"{"first":1,"pages":4294967295}"#] {
            assert!(read(wrong).is_err_and(|why| why.contains("has no end")), "{wrong}");
        }
    }

    #[test]
    fn no_database_has_a_page_beyond_the_signed_numbers_or_a_file_0() {
        let can_exist = |file, page| PageAddress::new(FileId(file), PageId(page)).can_exist();
        assert!(can_exist(1, 0) && can_exist(32_767, 2_147_483_647));
        for (file, page) in [(0, 0), (32_768, 1), (1, 2_147_483_648)] {
            assert!(!can_exist(file, page), "({file}:{page})");
        }
    }

    #[test]
    fn offsets_go_beyond_four_gigabytes() {
        assert_eq!(PageId(u32::MAX).offset_bytes(), 35_184_372_080_640);
        assert_eq!(PageId(17).extent().first_page(), PageId(16));
    }

    #[test]
    fn a_range_ends_behind_its_last_page_and_is_cut_into_pieces() {
        let range = PageRange::between(14, 40);
        assert_eq!((range.pages, range.end()), (26, 40));
        assert_eq!((range.offset_bytes(), range.bytes()), (14 * 8192, 26 * 8192));
        assert!(range.ids().eq((14..40).map(PageId)));
        let pieces = [PageRange::between(14, 30), PageRange::between(30, 40)];
        assert!(range.pieces(16).eq(pieces));
        assert_eq!(PageRange::between(9, 3).pages, 0);
    }
}
