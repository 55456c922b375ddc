//! Looking at extents, at no more than is needed. What lies between two of them is believed without
//! a look if they are as far apart in their file, or if the map in the backup has just as many
//! there. Where all must be looked at, a header of each is read, by several threads: each read
//! waits for the device, or for the kernel.

use super::maps::{Maps, map_page};
use super::place::told_by;
use super::{EXTENT_BYTES, Holds, Look, Map, Place, STRETCHES_MAX, Stretch, place_of};
use crate::backup::ReadAt;
use crate::page::address::FileId;
use crate::page::allocation::GAM_INTERVAL_EXTENTS;
use crate::page::header::PageHeader;
use crate::page::{EXTENT_PAGES, Page};
use bytemuck::Zeroable;
use std::collections::BTreeSet;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// One of so many extents is looked at, 16 MiB of them, whatever is believed of those between two;
/// and what one thread looks at in one go, if it must look at each.
const GAP_EXTENTS: u32 = 256;
/// Threads that look at the same time, however many CPUs there are: they wait more than they
/// compute, and a solid state disk answers eight small reads in the time of one.
pub const THREADS: usize = 8;

/// An extent, by its number, and what it is.
type Seen = (u32, Holds);

/// Where one thread reads the pages of an extent.
pub(super) type Room = Vec<Page>;

/// What there is between two extents, of which the first is known and the other one not told yet.
type Gap = (Seen, Seen);

pub(super) struct Search<'a> {
    pub(super) source: &'a dyn ReadAt,
    pub(super) offset_bytes: u64,
    pub(super) look: Look,
    /// Which map says what extents there are.
    pub(super) map: Map,
}

impl Search<'_> {
    /// What the first `extents` extents are, in order, without gaps.
    pub(super) fn all(&self, extents: u32) -> io::Result<Vec<Stretch>> {
        let Some(last) = extents.checked_sub(1) else { return Ok(Vec::new()) };
        let mut room = Room::default();
        let first = self.see(0, &mut room);
        let mut found = vec![self.stretch(0, 1, first.1)];
        let mut gaps = Vec::new();
        if last > 0 {
            let all = (first, self.see(last, &mut room));
            self.walk(all, GAP_EXTENTS, &mut room, |gap| gaps.push(gap));
        }
        for stretch in self.in_all(&gaps)?.into_iter().flatten() {
            push(&mut found, stretch);
        }
        if found.len() > STRETCHES_MAX { Err(too_scattered()) } else { Ok(found) }
    }

    /// What is in each of `gaps`.
    fn in_all(&self, gaps: &[Gap]) -> io::Result<Vec<Vec<Stretch>>> {
        let with_maps = self.with_maps(gaps);
        let found: Vec<OnceLock<Vec<Stretch>>> = gaps.iter().map(|_| OnceLock::new()).collect();
        let (next, count) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // What is in one gap may go on in the next one.
        let count_max = STRETCHES_MAX + gaps.len();
        let work = || {
            let (mut maps, mut room) = (self.maps(&with_maps), Room::default());
            while count.load(Ordering::Relaxed) <= count_max {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(gap) = gaps.get(at) else { break };
                let stretches = self.in_gap(*gap, &mut maps, &mut room);
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

    fn in_gap(&self, gap: Gap, maps: &mut Maps<'_>, room: &mut Room) -> Vec<Stretch> {
        let mut found = Vec::new();
        if let Some((file, extents)) = self.told_by_map(gap, maps) {
            for (index, extent) in (gap.0.0 + 1..).zip(extents) {
                push(&mut found, self.stretch(index, 1, Holds::Extent(file, *extent)));
            }
            return found;
        }
        self.walk(gap, 1, room, |((low, low_holds), (high, high_holds))| {
            if let (Holds::Extent(file, first), 2..) = (low_holds, high - low) {
                let between = Holds::Extent(file, first + 1);
                push(&mut found, self.stretch(low + 1, high - low - 1, between));
            }
            push(&mut found, self.stretch(high, 1, high_holds));
        });
        found
    }

    /// The extents of a gap, its high end the last of them, if the map has just as many as there is
    /// room for: a backup has them all, in their order.
    fn told_by_map<'m>(
        &self,
        (low, high): Gap,
        maps: &'m mut Maps<'_>,
    ) -> Option<(FileId, &'m [u32])> {
        let (Holds::Extent(file, first), Holds::Extent(other, last)) = (low.1, high.1) else {
            return None;
        };
        let is_one = file == other && first < last && interval_of(first) == interval_of(last);
        if self.look != Look::Ends || !is_one || self.is_believed(low, high) {
            return None;
        }
        let extents = maps.should_have(file, &(first + 1..last + 1))?;
        let is_exact = extents.len() as u64 == u64::from(high.0 - low.0);
        (is_exact && extents.last() == Some(&last)).then_some((file, extents))
    }

    fn maps<'m>(&self, with_maps: &[Stretch]) -> Maps<'m>
    where
        Self: 'm,
    {
        Maps::among(with_maps, self.source, self.map)
    }

    /// The extents that hold the maps of all that is in `gaps`.
    fn with_maps(&self, gaps: &[Gap]) -> Vec<Stretch> {
        let of = |(low, high): &Gap| match (self.look, low.1) {
            (Look::Ends, Holds::Extent(file, extent)) if !self.is_believed(*low, *high) => {
                Some((file, interval_of(extent)))
            }
            _ => None,
        };
        let intervals: BTreeSet<(FileId, u32)> = gaps.iter().filter_map(of).collect();
        let mut room = Room::default();
        let extent = |(file, interval)| (file, map_page(self.map, interval).extent().0);
        let found = intervals.into_iter().map(extent);
        found.filter_map(|(file, extent)| self.find(file, extent, gaps, &mut room)).collect()
    }

    /// Looks for an extent of `file`, where it would be if all were in order.
    fn find(&self, file: FileId, extent: u32, gaps: &[Gap], room: &mut Room) -> Option<Stretch> {
        let place = (file, extent);
        let is_around = |(low, high): &&Gap| {
            let (low, high) = (place_in(low.1), place_in(high.1));
            low.is_some_and(|low| low <= place) && high.is_some_and(|high| place <= high)
        };
        let (mut low, mut high) = *gaps.iter().find(is_around)?;
        while high.0 - low.0 > 1 && place_in(low.1)? != place {
            let middle = self.see(low.0 + (high.0 - low.0) / 2, room);
            if place_in(middle.1)? <= place {
                low = middle;
            } else {
                high = middle;
            }
        }
        let is_it = |seen: &Seen| place_in(seen.1) == Some(place);
        let (index, holds) = [low, high].into_iter().find(is_it)?;
        Some(self.stretch(index, 1, holds))
    }

    /// Goes from one end of a gap to the other in gaps that are no wider than `width`, or of which
    /// all is known by their ends.
    fn walk(&self, (mut low, high): Gap, width: u32, room: &mut Room, mut visit: impl FnMut(Gap)) {
        // What lies between `low` and each of these, the next one last.
        let mut ahead = vec![high];
        while let Some(&high) = ahead.last() {
            if high.0 - low.0 <= width || self.is_believed(low, high) {
                visit((low, high));
                low = high;
                ahead.pop();
            } else {
                ahead.push(self.see(low.0 + (high.0 - low.0) / 2, room));
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

    fn see(&self, index: u32, room: &mut Room) -> Seen {
        (index, self.holds(index, room))
    }

    /// What one extent is. Where that is checked by the scan, a header of the first page will do:
    /// it is a sixteenth of the bytes. Padding is not checked against its place by anyone.
    pub(super) fn holds(&self, index: u32, room: &mut Room) -> Holds {
        if self.look == Look::Ends
            && let Some(holds) = self.by_first_page(index)
        {
            return holds;
        }
        room.resize(EXTENT_PAGES as usize, Page::ZERO);
        let at = self.offset_bytes + u64::from(index) * EXTENT_BYTES;
        if self.source.read_exact_at(at, bytemuck::cast_slice_mut(room)).is_err() {
            return Holds::Unplaced;
        }
        holds(place_of(room))
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

fn interval_of(extent: u32) -> u32 {
    extent / GAM_INTERVAL_EXTENTS
}

fn place_in(holds: Holds) -> Option<(FileId, u32)> {
    if let Holds::Extent(file, extent) = holds { Some((file, extent)) } else { None }
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
