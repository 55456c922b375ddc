//! Which page is meant: an address, a number, an offset, or a message of SQL Server.

use super::find::NotOpened;
use super::image::Image;
use crate::page::PAGE_BYTES;
use crate::page::address::{FileId, PageAddress, PageId};
use serde::Serialize;

/// A page, as the user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `(1:1314)` or `1:1314`.
    Address(PageAddress),
    /// `1314`: of the file that is asked for.
    Number(PageId),
    /// `offset:10764288`, `offset:0xa44000` or `0xa44000`: a byte of the data file, in whatever
    /// backup its pages are.
    Offset(u64),
}

impl Place {
    /// Reads one of these forms. What stands behind `0x` is always an offset, for SQL Server prints
    /// those in this way, and ids of pages never.
    ///
    /// # Errors
    /// Says what is accepted.
    pub fn of(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
        let offset = text.strip_prefix("offset:").or(Some(text).filter(|t| t.starts_with("0x")));
        let place = match (offset, bare.contains(':')) {
            (Some(offset), _) => bytes(offset).map(Self::Offset),
            (None, true) => PageAddress::try_from(format!("({bare})")).ok().map(Self::Address),
            (None, false) => text.parse().ok().map(|page| Self::Number(PageId(page))),
        };
        place.ok_or_else(|| {
            format!(
                "{text:?} is no page: write (1:1314), 1:1314, 1314, offset:10764288 or 0xa44000"
            )
        })
    }

    /// The page that is meant in `image`.
    ///
    /// # Errors
    /// If it takes a file id to tell.
    pub fn address(self, image: &Image) -> Result<PageAddress, NotOpened> {
        let page = match self {
            Self::Address(address) => return Ok(address),
            Self::Number(page) => page,
            Self::Offset(offset) => {
                let page = u32::try_from(offset / PAGE_BYTES as u64);
                PageId(page.map_err(|_| NotOpened::Choose(format!("no page is at {offset:#x}")))?)
            }
        };
        let first = image.data_files().next();
        let is_of_first =
            |file: &FileId| image.data_file(*file).map(|f| &f.path) == first.map(|f| &f.path);
        let ids: Vec<FileId> = image.data_files().map(|f| f.file_id).filter(is_of_first).collect();
        if let [file] = *ids.as_slice() {
            return Ok(PageAddress::new(file, page));
        }
        let ids: Vec<String> = ids.iter().map(|id| format!("({id}:{page})")).collect();
        let why = "there are pages of several data files in it: write";
        Err(NotOpened::Choose(format!("{why} {}", ids.join(" or "))))
    }
}

/// Decimal, or hexadecimal behind `0x`.
fn bytes(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What a message of SQL Server says of a page: 823, 824, 825, 605, 3043 and those of DBCC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The page.
    pub address: Option<PageAddress>,
    /// Where it is in its file.
    pub offset_bytes: Option<u64>,
    /// The file, as the server calls it.
    pub path: Option<String>,
    /// What the message calls expected: what was stored in the page, or its signature.
    pub expected: Option<u32>,
    /// What it calls actual: what was computed from the page, or its signatures.
    pub actual: Option<u32>,
}

impl Message {
    /// What `text` says: the first of each.
    ///
    /// # Errors
    /// If neither a page nor an offset is in it.
    pub fn of(text: &str) -> Result<Self, String> {
        let hexadecimal = |name: &str| {
            let (digits, _) = split_digits(behind(text, name)?.trim_start().strip_prefix("0x")?);
            u32::from_str_radix(digits, 16).ok()
        };
        let message = Self {
            address: address(text),
            offset_bytes: behind(text, "at offset 0x")
                .and_then(|rest| u64::from_str_radix(split_digits(rest).0, 16).ok()),
            path: behind(text, "in file '")
                .and_then(|rest| rest.split_once('\''))
                .map(|(path, _)| path.to_owned()),
            expected: hexadecimal("expected:").or_else(|| hexadecimal("expected signature:")),
            actual: hexadecimal("actual:").or_else(|| hexadecimal("actual signature:")),
        };
        if message.address.is_none() && message.offset_bytes.is_none() {
            return Err(
                "names no page: it has neither \"page (1:1314)\" nor \"at offset 0x...\"".into()
            );
        }
        Ok(message)
    }

    /// The page that is meant. Where the message has both, its address counts.
    pub fn place(&self) -> Option<Place> {
        self.address.map(Place::Address).or(self.offset_bytes.map(Place::Offset))
    }

    /// Its offset is that of another page than its address: it was edited, or speaks of a backup.
    pub fn contradicts_itself(&self) -> bool {
        let both = self.address.zip(self.offset_bytes);
        both.is_some_and(|(address, offset)| address.page.offset_bytes() != offset)
    }
}

/// The first address behind the word page.
fn address(text: &str) -> Option<PageAddress> {
    text.match_indices('(').find_map(|(at, _)| {
        let before = text[..at].trim_end().to_ascii_lowercase();
        let (inside, _) = text[at + 1..].split_once(')')?;
        let is_named = before.ends_with("page") || before.ends_with("page id");
        let address = PageAddress::try_from(format!("({inside})")).ok()?;
        is_named.then_some(address)
    })
}

fn behind<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    text.split_once(what).map(|(_, rest)| rest)
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: u16, page: u32) -> PageAddress {
        PageAddress::new(FileId(file), PageId(page))
    }

    #[test]
    fn a_page_is_named_in_five_ways_and_no_other() {
        assert_eq!(Place::of("(1:1314)"), Ok(Place::Address(at(1, 1314))));
        assert_eq!(Place::of("3:8"), Ok(Place::Address(at(3, 8))));
        assert_eq!(Place::of("1314"), Ok(Place::Number(PageId(1314))));
        let offset = Ok(Place::Offset(10_764_288));
        for text in ["0xa44000", "offset:0xa44000", "offset:10764288"] {
            assert_eq!(Place::of(text), offset, "{text}");
        }
        for text in ["", "1:", "(1:2", "0x", "offset:", "-1", "page 3", "1:2:3", "4294967296"] {
            assert!(Place::of(text).is_err_and(|why| why.contains("(1:1314)")), "{text}");
        }
    }

    /// Texts of messages that servers printed, from public logs and Microsoft's documentation.
    #[test]
    fn messages_of_servers_are_understood() {
        let checksum = "SQL Server detected a logical consistency-based I/O error: incorrect \
            checksum (expected: 0xfa1ea5ee; actual: 0xfa1ec1ee). It occurred during a read of page \
            (1:392) in database ID 7 at offset 0x00000000310000 in file 'D:\\Data\\Lab.mdf'.";
        let message = Message::of(checksum).unwrap();
        assert_eq!(message.address, Some(at(1, 392)));
        assert_eq!(message.offset_bytes, Some(392 * 8192));
        assert_eq!(message.path.as_deref(), Some("D:\\Data\\Lab.mdf"));
        let both = (message.expected, message.actual);
        assert_eq!(both, (Some(0xfa1e_a5ee), Some(0xfa1e_c1ee)));
        assert!(!message.contradicts_itself());
        let torn = Message::of(
            "torn page (expected signature: 0xaaaaaaaa; actual signature: 0x3d21e612). It occurred \
             during a read of page (2:0) in database ID 9 at offset 0000000000000000 in file 'x'.",
        )
        .unwrap();
        assert_eq!((torn.address, torn.actual), (Some(at(2, 0)), Some(0x3d21_e612)));
        let id = "incorrect pageid (expected 1:43686; actual 0:0). It occurred during a read of \
            page (1:43686) in database ID 23 at offset 0x0000001554c000 in file 'x'";
        assert_eq!(Message::of(id).unwrap().place(), Some(Place::Address(at(1, 43_686))));
        let system = "The operating system returned error 23 to SQL Server during a read at offset \
            0x000000012cd000 in file 'x'";
        assert_eq!(Message::of(system).unwrap().place(), Some(Place::Offset(0x012c_d000)));
        let dbcc = "Table error: Object ID 0, index ID -1, alloc unit ID 0 (type Unknown), page ID \
            (1:77) contains an incorrect page ID in its page header.";
        assert_eq!(Message::of(dbcc).unwrap().address, Some(at(1, 77)));
        assert!(Message::of("the disk is full").is_err());
    }

    /// A published message whose offset was edited: 43517 x 8192 is 0x153fa000.
    #[test]
    fn a_message_that_was_edited_shows() {
        let text = "read of page (1:43517) in database ID 5 at offset 0x000000025ee000 in file 'x'";
        assert!(Message::of(text).unwrap().contradicts_itself());
    }
}
