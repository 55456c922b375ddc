//! Which extent of which file stands where in a backup's data: told by the headers of their pages
//! alone, since nothing else in a backup says it (docs/page-format.md, section 9.2).
//!
//! An extent that does not tell its place gets the one that is left for it, by its neighbours or by
//! the maps in the backup.
//!
//! Extents come in ascending order with few gaps, so that not every one needs to be looked at: two
//! that are as far apart in the backup as in their file have all those between them, and so have
//! two between which a map in the backup has just as many as there is room for. That is a
//! guess until the scan has seen each page; where it finds one that is elsewhere, [`Look::Each`]
//! looks at every extent.

mod maps;
mod place;
mod search;

pub use maps::Map;
pub use place::{Place, place_of};
pub use search::THREADS;

use super::ReadAt;
use super::layout::PageRun;
use crate::page::address::{FileId, PageRange};
use crate::page::{EXTENT_PAGES, PAGE_BYTES};
use maps::{Maps, place_by_maps};
use search::{Room, Search};
use std::io;

/// Bytes of an extent.
pub const EXTENT_BYTES: u64 = EXTENT_PAGES as u64 * PAGE_BYTES as u64;

/// Runs of extents told apart in a stream at most: what is kept of them takes some 100 bytes each
/// at the worst moment, so that 256 MiB are enough for a backup of any size.
pub const STRETCHES_MAX: usize = 1 << 21;

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Believe that what begins and ends in order is in order.
    Ends,
    /// Look at each extent.
    Each,
}

/// Extents that follow each other in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where the first of them begins.
    pub offset_bytes: u64,
    /// How many.
    pub extents: u32,
    /// What the first of them is; those after it follow in their file, or are of the same kind.
    pub holds: Holds,
}

/// What extents are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// An extent of a data file.
    Extent(FileId, u32),
    /// Room that BACKUP did not need (page type 101).
    Padding,
    /// Nothing that tells its place.
    Unplaced,
}

impl Stretch {
    /// Its pages, if it is of a data file.
    pub fn run(&self) -> Option<(FileId, PageRun)> {
        let Holds::Extent(file, extent) = self.holds else { return None };
        let first = extent * EXTENT_PAGES;
        let range = PageRange::between(first, first + self.extents * EXTENT_PAGES);
        Some((file, PageRun { range, offset_bytes: self.offset_bytes }))
    }

    /// Bytes of its extents.
    pub fn bytes(&self) -> u64 {
        u64::from(self.extents) * EXTENT_BYTES
    }

    fn end(&self) -> u64 {
        self.offset_bytes + self.bytes()
    }

    fn absorbs(&mut self, next: &Self) -> bool {
        let follows = match (self.holds, next.holds) {
            (Holds::Extent(file, extent), Holds::Extent(other, then)) => {
                file == other && extent.checked_add(self.extents) == Some(then)
            }
            (ours, theirs) => ours == theirs,
        };
        let absorbs = follows && self.end() == next.offset_bytes;
        if absorbs {
            self.extents += next.extents;
        }
        absorbs
    }
}

/// Finds out what the extents from `offset_bytes` on are, `bytes` (whole extents) in all, of a
/// backup that has the extents which `map` names. An extent that cannot be read tells nothing.
pub fn stretches(
    source: &dyn ReadAt,
    (offset_bytes, bytes): (u64, u64),
    look: Look,
    map: Map,
) -> io::Result<Vec<Stretch>> {
    let extents = u32::try_from(bytes / EXTENT_BYTES)
        .map_err(|_| io::Error::other("a piece of more than 2^32 extents"))?;
    let mut found = Search { source, offset_bytes, look, map }.all(extents)?;
    place_between(&mut found, source, map);
    unplace_strays(&mut found);
    found.dedup_by(|next, stretch| stretch.absorbs(next));
    Ok(place_by_maps(found, source, map))
}

/// True if each extent of `run` says, all of its pages asked, that it is where `run` has it in
/// `file`.
pub fn is_as_told(source: &dyn ReadAt, file: FileId, run: &PageRun) -> bool {
    let PageRun { range, offset_bytes } = *run;
    let search = Search { source, offset_bytes, look: Look::Each, map: Map::Gam };
    let first = range.first.extent().0;
    let mut room = Room::default();
    (0..range.pages / EXTENT_PAGES)
        .all(|n| search.holds(n, &mut room) == Holds::Extent(file, first + n))
}

/// Gives a place to extents that do not tell theirs, and to those that contradict their neighbours,
/// where what stands before and after them leaves just enough room for them. None of the latter is
/// given one that the backup should not have by its maps.
fn place_between(found: &mut [Stretch], source: &dyn ReadAt, map: Map) {
    let (mut at, mut maps) = (1, None);
    while at + 1 < found.len() {
        let end = end_of_gap(found, at);
        if let Some(end) = end.filter(|end| *end > at) {
            let before = found[at - 1];
            let mut next = before.extents;
            let is_open = may_be_the_stray(found, at, end);
            if let Holds::Extent(file, first) = before.holds {
                for between in at..end {
                    let extents = first + next..first + next + found[between].extents;
                    next += found[between].extents;
                    let is_stray = found[between].holds != Holds::Unplaced;
                    let is_unused = is_stray && {
                        let maps = maps.get_or_insert_with(|| Maps::among(found, source, map));
                        maps.should_have(file, &extents).is_some_and(<[_]>::is_empty)
                    };
                    found[between].holds = if is_open || is_unused {
                        Holds::Unplaced
                    } else {
                        Holds::Extent(file, extents.start)
                    };
                }
            }
        }
        at = end.unwrap_or(at).max(at) + 1;
    }
}

/// One of those from `at` to `end` is a copy of the extent before them, and the stretch before
/// could stand further ahead as well: nobody knows which of the two is where it says.
fn may_be_the_stray(found: &[Stretch], at: usize, end: usize) -> bool {
    let before = found[at - 1];
    let Holds::Extent(file, first) = before.holds else { return false };
    let has_room = match at.checked_sub(2).map(|further| found[further]) {
        Some(Stretch { holds: Holds::Extent(other, start), extents, .. }) if other == file => {
            start.saturating_add(extents) != first
        }
        _ => first > 0,
    };
    let last = Holds::Extent(file, first.saturating_add(before.extents.saturating_sub(1)));
    has_room && found[at..end].iter().any(|stretch| stretch.holds == last)
}

/// How many stretches of doubtful extents may stand between two that agree.
const GAP_STRETCHES_MAX: usize = 16;

/// The stretch after `at` that goes on where the one before `at` ended, if those between them fit.
fn end_of_gap(found: &[Stretch], at: usize) -> Option<usize> {
    let before = found[at - 1];
    let Holds::Extent(file, first) = before.holds else { return None };
    let start = first.checked_add(before.extents)?;
    let mut after = start;
    for (ahead, stretch) in found[at..].iter().take(GAP_STRETCHES_MAX + 1).enumerate() {
        if stretch.holds == Holds::Extent(file, after) {
            // One that follows a gap in order is where it says, whatever comes behind it.
            let is_in_order = |stretch: &Stretch| match stretch.holds {
                Holds::Extent(other, here) => other == file && (start..=after).contains(&here),
                Holds::Padding | Holds::Unplaced => false,
            };
            let are_doubtful = !found[at..at + ahead].iter().any(is_in_order);
            return are_doubtful.then_some(at + ahead);
        }
        let may_be_doubtful = match stretch.holds {
            Holds::Unplaced => true,
            Holds::Padding => false,
            // One extent of elsewhere, among others: its neighbours know better.
            Holds::Extent(..) => stretch.extents == 1,
        };
        if !may_be_doubtful {
            return None;
        }
        after = after.checked_add(stretch.extents)?;
    }
    None
}

/// An extent that interrupts the order of those around it is not where it says.
fn unplace_strays(found: &mut [Stretch]) {
    for at in 1..found.len().saturating_sub(1) {
        let places = [at - 1, at, at + 1].map(|i| match found[i].holds {
            Holds::Extent(file, first) => Some((file, first)),
            Holds::Padding | Holds::Unplaced => None,
        });
        if let [Some(before), Some(here), Some(after)] = places {
            let is_in_order = before <= here && here <= after;
            if found[at].extents == 1 && before < after && !is_in_order {
                found[at].holds = Holds::Unplaced;
            }
        }
    }
}

#[cfg(test)]
mod tests;
