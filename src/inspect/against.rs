//! A page held against the same page in a copy, byte by byte.

use super::image::{Image, Looked};
use crate::discover::paths;
use crate::page::header::{Lsn, PageHeader, Protection, TORN_BITS_OFFSET};
use crate::page::{PAGE_BYTES, PAGE_SECTORS, Page, SECTOR_BYTES};
use serde::Serialize;
use std::cmp::Ordering;

/// The word that holds the checksum or the torn bits.
const TORN_WORD: std::ops::Range<usize> = TORN_BITS_OFFSET..TORN_BITS_OFFSET + 4;

/// How a page and its copy differ.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    /// Where the copy is.
    pub path: String,
    /// In a backup: the position of the set.
    pub backup_set: Option<u32>,
    /// What is to be said of the copy: `intact`, or what is wrong with it.
    pub state: &'static str,
    /// Its `m_lsn`.
    pub lsn: Lsn,
    /// `older`, `same` or `newer`, by its `m_lsn`; says nothing if one of the two headers is
    /// damaged.
    pub is: &'static str,
    /// Whether it is of the same database, by what all copies of one share; `None` if one of them
    /// does not tell.
    pub is_of_same_database: Option<bool>,
    /// Bytes that differ. Of two writes with torn bits, as SQL Server has the pages in memory:
    /// each write has a signature of its own.
    pub differing_bytes: u16,
    /// Where they are: the first byte, and how many follow each other.
    pub ranges: Vec<DifferingRange>,
    #[serde(skip)]
    differs: Vec<bool>,
    #[serde(skip)]
    copy: Box<Page>,
}

/// Bytes that follow each other and differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DifferingRange {
    /// The first byte in the page.
    pub offset: u16,
    /// How many.
    pub bytes: u16,
}

impl Against {
    /// Holds the page of `image` that was looked at, `own`, against the same one of `copies`,
    /// `copy`.
    pub fn of((image, own): (&Image, &Looked), (copies, copy): (&Image, &Looked)) -> Self {
        let (one, other) = comparable(own, copy);
        let differs = |at: usize| one.bytes()[at] != other.bytes()[at];
        let differs: Vec<bool> = (0..PAGE_BYTES).map(differs).collect();
        let (own_lsn, lsn) = (PageHeader::of(&own.page).lsn(), PageHeader::of(&copy.page).lsn());
        let file = copies.data_file(copy.place.file);
        let part = file.and_then(|file| file.part.as_ref());
        Self {
            path: file.map(|file| paths::text(&file.path).into_owned()).unwrap_or_default(),
            backup_set: part.map(|part| part.set().position),
            state: copy.state(),
            lsn,
            is: match lsn.cmp(&own_lsn) {
                Ordering::Less => "older",
                Ordering::Equal => "same",
                Ordering::Greater => "newer",
            },
            is_of_same_database: image.family().zip(copies.family()).map(|(a, b)| a == b),
            differing_bytes: count(&differs),
            ranges: ranges(&differs),
            differs,
            copy: Box::new(copy.page),
        }
    }

    /// The copy, as it stands there.
    pub fn copy(&self) -> &Page {
        &self.copy
    }

    /// True if the byte at `offset` differs.
    pub fn differs_at(&self, offset: usize) -> bool {
        self.differs.get(offset).copied().unwrap_or_default()
    }

    /// How many bytes of each sector differ.
    pub fn by_sector(&self) -> [u16; PAGE_SECTORS] {
        let sectors: Vec<u16> = self.differs.chunks(SECTOR_BYTES).map(count).collect();
        std::array::from_fn(|sector| sectors.get(sector).copied().unwrap_or_default())
    }
}

/// What of the two pages is to be compared. Two writes of the same content have other torn bits,
/// and so another word for them.
fn comparable(own: &Looked, copy: &Looked) -> (Page, Page) {
    let pages = [&own.page, &copy.page];
    let are_torn = pages.iter().all(|page| PageHeader::of(page).protection() == Protection::Torn);
    let is_one_write = PageHeader::of(pages[0]).torn_bits == PageHeader::of(pages[1]).torn_bits;
    if !are_torn || is_one_write {
        return (own.page, copy.page);
    }
    let mut whole = [own.whole(), copy.whole()];
    for page in &mut whole {
        page.bytes_mut()[TORN_WORD].fill(0);
    }
    (whole[0], whole[1])
}

fn count(differs: &[bool]) -> u16 {
    differs.iter().filter(|differs| **differs).count() as u16
}

fn ranges(differs: &[bool]) -> Vec<DifferingRange> {
    let mut offset = 0;
    let mut ranges = Vec::new();
    for run in differs.chunk_by(|a, b| a == b) {
        let bytes = run.len() as u16;
        if run.first() == Some(&true) {
            ranges.push(DifferingRange { offset, bytes });
        }
        offset += bytes;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_follow_each_other_are_one_range() {
        let differs = [true, true, false, false, true];
        let expected = [(0, 2), (4, 1)].map(|(offset, bytes)| DifferingRange { offset, bytes });
        assert_eq!(ranges(&differs), expected);
        assert!(ranges(&[false; 9]).is_empty());
        assert_eq!(count(&differs), 3);
    }
}
