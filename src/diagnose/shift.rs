//! Content that has moved in its file: bytes were inserted or are missing somewhere, and everything
//! behind that lies too late or too early. What one write put into a wrong place is none.
//!
//! What is known of a page header is where it stands and which page it is of. A file whose content
//! has moved has one distance between the two over a long run, up to its end or to where as many
//! bytes are missing again.

use crate::page::PAGE_BYTES;
use crate::page::address::{FileId, PageId};
use crate::page::header::PageHeader;

/// Suspects of a run at least.
pub const PAGES_MIN: usize = 16;
/// Headers in it at least of which the distance was seen.
const WITNESSES_MIN: usize = 4;
/// Pages that one write puts into a wrong place at most: 1 MiB. A longer run is no such write.
pub const ONE_WRITE_PAGES: usize = 128;
/// Places at which bytes were inserted, or are missing, that are told as one: as many, each of them
/// behind the one before, are what a transfer in text mode leaves.
const PLACES_OF_ONE_MIN: usize = 8;

/// A distance that returns more often is that of members of an array in a wrong order.
const RECURRING_MAX: usize = 4;

/// A page header, or that there is none to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The page of the file that it begins in.
    pub page: PageId,
    /// How many bytes it lies behind its own place; negative if before, 0 where all is right.
    pub bytes: i64,
}

/// Content that has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The page of the file in which the first header that has moved begins.
    pub first: PageId,
    /// The same of the last one that is known.
    pub last: PageId,
    /// How many bytes it lies too late, at its end; negative if too early.
    pub bytes: i64,
    /// Places at which bytes were inserted or are missing, at least.
    pub places: usize,
    /// Content in its own place follows.
    pub returns: bool,
}

/// How many bytes the first header of file `file` in `bytes` lies behind its own place; `offset` is
/// where `bytes` begin in the file, which has `file_bytes`.
pub fn distance(bytes: &[u8], offset: u64, file: FileId, file_bytes: u64) -> Option<i64> {
    PageHeader::search(bytes).filter(|(_, header)| header.file_id == file.0).find_map(
        |(at, header)| {
            let own = PageId(header.page_id).offset_bytes();
            let distance = (offset + at as u64).checked_signed_diff(own)?;
            (distance.unsigned_abs() < file_bytes).then_some(distance)
        },
    )
}

/// The headers of one distance that follow each other.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: PageId,
    last: PageId,
    bytes: i64,
    witnesses: usize,
}

/// What has moved of a file, by `witnesses` in the order of their pages. `suspects` counts those of
/// a range of pages; `missing_bytes` is how much shorter the file is than it says of itself, if
/// that is known.
pub fn shifts(
    witnesses: &[Witness],
    suspects: &dyn Fn(PageId, PageId) -> usize,
    missing_bytes: Option<i64>,
) -> Vec<Shift> {
    let all = runs(witnesses);
    let runs_of = |bytes| all.iter().filter(|run| run.bytes == bytes).count();
    let runs = without_strays(all.clone(), suspects);
    let mut shifts = Vec::new();
    let islands: Vec<&[Run]> = runs.split(|run| run.bytes == 0).collect();
    for (at, island) in islands.iter().enumerate() {
        let returns = at + 1 < islands.len();
        match gradual(island, returns, suspects) {
            Some(shift) => shifts.push(shift),
            None => shifts.extend(steps(island, returns, suspects, missing_bytes)),
        }
    }
    shifts.retain(|shift| runs_of(shift.bytes) <= RECURRING_MAX);
    shifts
}

fn runs(witnesses: &[Witness]) -> Vec<Run> {
    let of_one = witnesses.chunk_by(|a, b| a.bytes == b.bytes);
    let run = |of_one: &[Witness]| {
        let (first, last) = (of_one.first()?, of_one.last()?);
        let Witness { bytes, .. } = *first;
        Some(Run { first: first.page, last: last.page, bytes, witnesses: of_one.len() })
    };
    of_one.filter_map(run).collect()
}

/// Joins long runs of one distance that a few pages of another one divide: those were misplaced
/// before.
fn without_strays(runs: Vec<Run>, suspects: &dyn Fn(PageId, PageId) -> usize) -> Vec<Run> {
    let is_short = |run: &Run| suspects(run.first, run.last) < PAGES_MIN;
    let mut kept: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        if let [.., before, stray] = &mut kept[..]
            && before.bytes == run.bytes
            && stray.bytes != 0
            && is_short(stray)
            && !is_short(before)
            && !is_short(&run)
        {
            (before.last, before.witnesses) = (run.last, before.witnesses + run.witnesses);
            kept.pop();
        } else {
            kept.push(run);
        }
    }
    kept
}

/// Everything lies further off than what stands before it: bytes were inserted here and there, or
/// are missing.
fn gradual(
    island: &[Run],
    returns: bool,
    suspects: &dyn Fn(PageId, PageId) -> usize,
) -> Option<Shift> {
    let (first, last) = (island.first()?, island.last()?);
    let is_further = |pair: &[Run]| {
        pair[0].bytes.signum() == pair[1].bytes.signum()
            && pair[0].bytes.unsigned_abs() < pair[1].bytes.unsigned_abs()
            // What was inserted between two headers fits between them.
            && bytes_between(&pair[0], &pair[1]) >= pair[1].bytes.abs_diff(pair[0].bytes)
    };
    let is_gradual = island.len() >= PLACES_OF_ONE_MIN
        && !returns
        && suspects(first.first, last.last) >= PAGES_MIN
        && island.windows(2).all(is_further);
    let Run { bytes, last, .. } = *last;
    let shift = Shift { first: first.first, last, bytes, places: island.len(), returns };
    is_gradual.then_some(shift)
}

fn bytes_between(before: &Run, after: &Run) -> u64 {
    (u64::from(after.first.0.abs_diff(before.last.0)) + 1) * PAGE_BYTES as u64
}

/// The runs of `island` that are none of what one write leaves. From the back: whether something
/// comes to an end depends on what follows.
fn steps(
    island: &[Run],
    returns: bool,
    suspects: &dyn Fn(PageId, PageId) -> usize,
    missing_bytes: Option<i64>,
) -> Vec<Shift> {
    let mut shifts: Vec<Shift> = Vec::new();
    for (at, run) in island.iter().enumerate().rev() {
        let pages = suspects(run.first, run.last);
        let before = at.checked_sub(1).map_or(0, |before| island[before].bytes);
        let inserted = run.bytes.unsigned_abs().min(run.bytes.abs_diff(before));
        let span = (u64::from(run.last.0 - run.first.0) + 1) * PAGE_BYTES as u64;
        let is_long = pages > ONE_WRITE_PAGES;
        let is_last = shifts.is_empty();
        let is_shift = if returns && is_last {
            is_long && span > inserted
        } else {
            let is_by_size = missing_bytes.is_some_and(|bytes| bytes == -run.bytes) && is_last;
            is_long || span > inserted || is_by_size
        };
        if is_shift && pages >= PAGES_MIN && run.witnesses >= WITNESSES_MIN {
            let Run { first, last, bytes, .. } = *run;
            shifts.push(Shift { first, last, bytes, places: 1, returns: returns && is_last });
        }
    }
    shifts.reverse();
    shifts
}

#[cfg(test)]
mod tests;
