//! A page held against the same page in a copy, byte by byte.

use super::image::Looked;
use crate::page::header::{Lsn, PageHeader, Protection, TORN_BITS_OFFSET};
use crate::page::{PAGE_BYTES, PAGE_SECTORS, SECTOR_BYTES};
use serde::Serialize;
use std::cmp::Ordering;

/// The word that holds the checksum or the torn bits.
const TORN_WORD: std::ops::Range<usize> = TORN_BITS_OFFSET..TORN_BITS_OFFSET + 4;

/// How a page and its copy differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Against {
    /// Where the copy is.
    pub path: String,
    /// In a backup: the position of the set.
    pub backup_set: Option<u32>,
    /// What is to be said of the copy: `intact`, or what is wrong with it.
    pub state: &'static str,
    /// Its `m_lsn`.
    pub lsn: Lsn,
    /// `older`, `same` or `newer`, by its `m_lsn`; says nothing if one of the two headers is damaged.
    pub is: &'static str,
    /// Bytes that differ. Of torn-protected pages, as SQL Server has them in memory.
    pub differing_bytes: u16,
    /// Where they are: the first byte, and how many follow each other.
    pub ranges: Vec<DifferingRange>,
    #[serde(skip)]
    differs: Vec<bool>,
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
    /// Holds `own` against `copy`, which is in the backup set or the file at `path`.
    pub fn of(own: &Looked, copy: &Looked, path: String, backup_set: Option<u32>) -> Self {
        let (one, other) = (own.whole(), copy.whole());
        // Of two writes of the same content the signatures differ, and with them this word.
        let are_torn = [own, copy]
            .iter()
            .all(|looked| PageHeader::of(&looked.page).protection() == Protection::Torn);
        let differs = |at: usize| {
            let counts = !(are_torn && TORN_WORD.contains(&at));
            counts && one.bytes()[at] != other.bytes()[at]
        };
        let differs: Vec<bool> = (0..PAGE_BYTES).map(differs).collect();
        let (own_lsn, lsn) = (PageHeader::of(&own.page).lsn(), PageHeader::of(&copy.page).lsn());
        Self {
            path,
            backup_set,
            state: copy.state(),
            lsn,
            is: match lsn.cmp(&own_lsn) {
                Ordering::Less => "older",
                Ordering::Equal => "same",
                Ordering::Greater => "newer",
            },
            differing_bytes: count(&differs),
            ranges: ranges(&differs),
            differs,
        }
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
