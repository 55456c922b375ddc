//! Looking at extents, at no more than is needed, by several threads: where all of them must be
//! looked at, a header of each is read, and each read waits for the device, or for the kernel.

use super::place::told_by;
use super::{EXTENT_BYTES, Holds, Look, Place, STRETCHES_MAX, Stretch, place_of};
use crate::backup::ReadAt;
use crate::page::header::PageHeader;
use crate::page::{EXTENT_PAGES, Page};
use bytemuck::Zeroable;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Extents that one thread looks at in one go, if it must look at each: 16 MiB of them.
const GAP_EXTENTS: u32 = 256;
/// Threads that look at the same time, however many CPUs there are: they wait more than they
/// compute, and a solid state disk answers eight small reads in the time of one.
pub const THREADS: usize = 8;

/// An extent, by its number, and what it is.
type Seen = (u32, Holds);

/// What there is between two extents, of which the first is known and the other one not told yet.
type Gap = (Seen, Seen);

pub(super) struct Search<'a> {
    pub(super) source: &'a dyn ReadAt,
    pub(super) offset_bytes: u64,
    pub(super) look: Look,
}

impl Search<'_> {
    /// What the first `extents` extents are, in order, without gaps.
    pub(super) fn all(&self, extents: u32) -> io::Result<Vec<Stretch>> {
        let Some(last) = extents.checked_sub(1) else { return Ok(Vec::new()) };
        let first = self.see(0);
        let mut found = vec![self.stretch(0, 1, first.1)];
        let mut gaps = Vec::new();
        if last > 0 {
            self.walk(first, self.see(last), GAP_EXTENTS, |gap| gaps.push(gap));
        }
        for stretch in self.in_all(&gaps)?.into_iter().flatten() {
            push(&mut found, stretch);
        }
        if found.len() > STRETCHES_MAX { Err(too_scattered()) } else { Ok(found) }
    }

    /// What is in each of `gaps`.
    fn in_all(&self, gaps: &[Gap]) -> io::Result<Vec<Vec<Stretch>>> {
        let found: Vec<OnceLock<Vec<Stretch>>> = gaps.iter().map(|_| OnceLock::new()).collect();
        let (next, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // What is in one gap may go on in the next one.
        let count_max = STRETCHES_MAX + gaps.len();
        let work = || {
            while count.load(Ordering::Relaxed) <= count_max {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(gap) = gaps.get(at) else { break };
                let stretches = self.in_gap(*gap);
                count.fetch_add(stretches.len(), Ordering::Relaxed);
                // Nobody else has this one.
                let _ = found[at].set(stretches);
            }
        };
        work_in_threads(gaps.len(), &work);
        if count.into_inner() > count_max {
            return Err(too_scattered());
        }
        Ok(found.into_iter().filter_map(OnceLock::into_inner).collect())
    }

    fn in_gap(&self, (low, high): Gap) -> Vec<Stretch> {
        let mut found = Vec::new();
        self.walk(low, high, 1, |((low, low_holds), (high, high_holds))| {
            if let (Holds::Extent(file, first), 2..) = (low_holds, high - low) {
                let between = Holds::Extent(file, first + 1);
                push(&mut found, self.stretch(low + 1, high - low - 1, between));
            }
            push(&mut found, self.stretch(high, 1, high_holds));
        });
        found
    }

    /// Goes from `low` to `high` in gaps that are no wider than `width`, or of which all is known by
    /// their ends.
    fn walk(&self, mut low: Seen, high: Seen, width: u32, mut visit: impl FnMut(Gap)) {
        // What lies between `low` and each of these, the next one last.
        let mut ahead = vec![high];
        while let Some(&high) = ahead.last() {
            if high.0 - low.0 <= width || self.is_believed(low, high) {
                visit((low, high));
                low = high;
                ahead.pop();
            } else {
                ahead.push(self.see(low.0 + (high.0 - low.0) / 2));
            }
        }
    }

    /// All between two extents follows from them.
    fn is_believed(&self, low: Seen, high: Seen) -> bool {
        match (self.look, low.1, high.1) {
            (Look::Ends, Holds::Extent(file, first), Holds::Extent(other, last)) => {
                file == other && first.checked_add(high.0 - low.0) == Some(last)
            }
            _ => false,
        }
    }

    fn stretch(&self, index: u32, extents: u32, holds: Holds) -> Stretch {
        let offset_bytes = self.offset_bytes + u64::from(index) * EXTENT_BYTES;
        Stretch { offset_bytes, extents, holds }
    }

    fn see(&self, index: u32) -> Seen {
        (index, self.holds(index))
    }

    /// What one extent is. Where that is checked by the scan, a header of the first page will do:
    /// it is a sixteenth of the bytes. Padding is not checked against its place by anyone.
    pub(super) fn holds(&self, index: u32) -> Holds {
        if self.look == Look::Ends
            && let Some(holds) = self.by_first_page(index)
        {
            return holds;
        }
        let mut pages = vec![Page::ZERO; EXTENT_PAGES as usize];
        let at = self.offset_bytes + u64::from(index) * EXTENT_BYTES;
        let bytes = bytemuck::cast_slice_mut(&mut pages);
        if self.source.read_exact_at(at, bytes).is_err() {
            return Holds::Unplaced;
        }
        holds(place_of(&pages))
    }

    fn by_first_page(&self, index: u32) -> Option<Holds> {
        let mut header = PageHeader::zeroed();
        let at = self.offset_bytes + u64::from(index) * EXTENT_BYTES;
        self.source.read_exact_at(at, bytemuck::bytes_of_mut(&mut header)).ok()?;
        told_by(&header, 0).map(holds).filter(|holds| matches!(holds, Holds::Extent(..)))
    }
}

/// Does `work`, of which there are `parts`, in as many threads as can be had.
fn work_in_threads(parts: usize, work: &(impl Fn() + Sync)) {
    thread::scope(|scope| {
        for _ in 1..parts.min(THREADS) {
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

fn push(found: &mut Vec<Stretch>, next: Stretch) {
    if !found.last_mut().is_some_and(|last| last.absorbs(&next)) {
        found.push(next);
    }
}

fn holds(place: Place) -> Holds {
    match place {
        Place::Extent(file, extent) => Holds::Extent(file, extent),
        Place::Padding => Holds::Padding,
        Place::Unknown => Holds::Unplaced,
    }
}

fn too_scattered() -> io::Error {
    io::Error::other(format!(
        "its extents are in more than {STRETCHES_MAX} pieces, which is more than are kept in memory"
    ))
}
