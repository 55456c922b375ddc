//! The LSNs of copies held against each other, in one pass over all of them: what is older than its
//! copy in an older one, and whether the two have parted.

use super::kin::{Pair, Proof, Relatives};
use super::page_lsns::{PageLsns, Seen, end_page};
use crate::discover::DataFile;
use crate::page::EXTENT_PAGES;
use crate::page::address::{PageId, PageRange};
use crate::page::header::Lsn;
use crate::plan::DoneRanges;
use std::io;

/// LSNs in memory at a time, of all copies together: 16 MiB.
const SEEN_MAX: usize = 1 << 20;
/// Pages of a copy read in one go.
const RUN_PAGES: std::ops::RangeInclusive<usize> = 64..=4096;
/// Pages named where nothing is proved.
pub(super) const NAMED_MAX: usize = 10;

/// A page that looks older than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stale {
    pub(super) page: PageId,
    /// Its own LSN.
    pub(super) lsn: Lsn,
    /// That of the older copy, which is larger.
    pub(super) copy_lsn: Lsn,
}

/// What a pair of copies shows.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) pair: Pair,
    /// Pages that look stale.
    pub(super) count: u64,
    /// The first of them.
    pub(super) first: Vec<Stale>,
    /// They lie in more than one extent.
    is_scattered: bool,
    /// Pages that are what they are only where both went their own way: equal LSN and other bytes,
    /// or changed in the later copy before the checkpoint of the older one, which lacks that.
    parted: u64,
}

impl Compared {
    fn new(pair: Pair) -> Self {
        Self { pair, count: 0, first: Vec::new(), is_scattered: false, parted: 0 }
    }

    /// That the pages are older is damage, and nothing else.
    pub(super) fn is_proof(&self) -> bool {
        match self.pair.proof {
            Proof::Named => true,
            Proof::Line => self.parted == 0,
            Proof::Lsn => self.parted == 0 && !self.is_scattered,
            Proof::Nothing => false,
        }
    }

    /// Other pages show that the copies have parted.
    pub(super) fn has_parted(&self) -> bool {
        self.parted > 0
    }

    /// Notes what the two copies of `page` are to each other. Of pages that look stale as many as
    /// `room` says are kept.
    fn add(&mut self, page: PageId, later: Seen, older: Seen, room: &mut usize) {
        let (lsn, copy_lsn) = (later.lsn(), older.lsn());
        let is_of_data = self.pair.later_checkpoint.is_none();
        if is_of_data && (later.is_rewritten() || older.is_rewritten()) {
            return;
        }
        if lsn == copy_lsn {
            self.parted += u64::from(later.differs(older));
        } else if lsn > copy_lsn {
            self.parted += u64::from(lsn < self.pair.older_checkpoint);
        } else if self.pair.later_checkpoint.is_none_or(|checkpoint| copy_lsn <= checkpoint) {
            self.add_stale(Stale { page, lsn, copy_lsn }, room);
        }
    }

    fn add_stale(&mut self, stale: Stale, room: &mut usize) {
        self.count += 1;
        let is_elsewhere = |first: &Stale| first.page.extent() != stale.page.extent();
        self.is_scattered |= self.first.first().is_some_and(is_elsewhere);
        if self.first.len() < NAMED_MAX {
            self.first.push(stale);
        } else if self.is_proof() && *room > 0 {
            *room -= 1;
            self.first.push(stale);
        }
    }
}

/// Holds each copy against the older ones. `room` says how many pages may be kept in all.
///
/// # Errors
/// If what was written down cannot be read.
pub(super) fn compare(
    relatives: &Relatives,
    files: &[DataFile],
    lsns: &PageLsns,
    room: &mut usize,
) -> io::Result<Vec<Compared>> {
    let copies = &relatives.copies;
    let mut compared: Vec<_> = relatives.pairs.iter().copied().map(Compared::new).collect();
    let ends: Vec<u32> = copies.iter().map(|copy| end_page(files, copy)).collect();
    let run = (SEEN_MAX / copies.len().max(1)).clamp(*RUN_PAGES.start(), *RUN_PAGES.end());
    let run = run.next_multiple_of(EXTENT_PAGES as usize);
    let mut seen = vec![vec![bytemuck::Zeroable::zeroed(); run]; copies.len()];
    for first in runs(copies, files, run as u32) {
        for ((copy, seen), end) in copies.iter().zip(&mut seen).zip(&ends) {
            let pages = end.saturating_sub(first).min(run as u32) as usize;
            lsns.read(copy[0], first, &mut seen[..pages])?;
            seen[pages..].fill(bytemuck::Zeroable::zeroed());
        }
        for compared in &mut compared {
            let (later, older) = (&seen[compared.pair.later], &seen[compared.pair.older]);
            for ((later, older), page) in later.iter().zip(older).zip(first..) {
                if later.is_there() && older.is_there() {
                    compared.add(PageId(page), *later, *older, room);
                }
            }
        }
    }
    Ok(compared)
}

/// The first pages of the runs of `pages` in which one of `copies` has any, ascending.
fn runs(copies: &[Vec<usize>], files: &[DataFile], pages: u32) -> impl Iterator<Item = u32> {
    let mut there = DoneRanges::default();
    for range in copies.iter().flatten().flat_map(|file| &files[*file].stored) {
        let end = range.end().checked_next_multiple_of(pages).unwrap_or(u32::MAX);
        there.add(PageRange::between(range.first.0 / pages * pages, end));
    }
    let there = Vec::from(there).into_iter();
    there.flat_map(move |range| (range.first.0..range.end()).step_by(pages as usize))
}
