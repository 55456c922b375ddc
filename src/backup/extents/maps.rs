//! Extents that tell no place of their own, placed by the maps in the backup: a full backup has
//! the extents that the GAM pages call allocated, a differential one those that the DIFF maps call
//! changed; so it was in every real backup at hand (docs/page-format.md, section 9.2).

use super::place::is_sealed;
use super::{EXTENT_BYTES, Holds, Stretch};
use crate::backup::ReadAt;
use crate::page::address::{ExtentId, FileId, PageId};
use crate::page::allocation::{GAM_INTERVAL_EXTENTS, extent_bit, gam_page_of};
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::{EXTENT_PAGES, PAGE_BYTES, Page, torn};
use std::ops::Range;

/// Which map says what extents a backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Allocated extents: full backups.
    Gam,
    /// Changed extents: differential backups.
    Diff,
}

/// Places what has no place in `found`, where the maps leave just enough places for it.
pub(super) fn place_by_maps(found: Vec<Stretch>, source: &dyn ReadAt, map: Map) -> Vec<Stretch> {
    if found.iter().all(|stretch| stretch.holds != Holds::Unplaced) {
        return found;
    }
    let mut maps = Maps::among(&found, source, map);
    let mut placed: Vec<Stretch> = Vec::with_capacity(found.len());
    let mut rest = &*found;
    while let [first, ..] = rest {
        let unplaced = rest.iter().take_while(|s| s.holds == Holds::Unplaced).count();
        if unplaced == 0 {
            placed.push(*first);
            rest = &rest[1..];
            continue;
        }
        let (group, behind) = rest.split_at(unplaced);
        match maps.places_for(group, placed.last(), behind.first()) {
            Some(free) => placed.extend(extents_of(group).zip(free).map(at)),
            None => placed.extend_from_slice(group),
        }
        rest = behind;
    }
    placed.dedup_by(|next, stretch| stretch.absorbs(next));
    placed
}

/// The offsets of all extents in `group`.
fn extents_of(group: &[Stretch]) -> impl Iterator<Item = u64> {
    group.iter().flat_map(|stretch| {
        (0..stretch.extents).map(|n| stretch.offset_bytes + u64::from(n) * EXTENT_BYTES)
    })
}

fn at((offset_bytes, (file, extent)): (u64, (FileId, u32))) -> Stretch {
    Stretch { offset_bytes, extents: 1, holds: Holds::Extent(file, extent) }
}

/// File, first extent, number of extents, offset: by file and extent.
type Index = Vec<(FileId, u32, u32, u64)>;

fn index(found: &[Stretch]) -> Index {
    let place = |stretch: &Stretch| match stretch.holds {
        Holds::Extent(file, first) => Some((file, first, stretch.extents, stretch.offset_bytes)),
        Holds::Padding | Holds::Unplaced => None,
    };
    let mut index: Index = found.iter().filter_map(place).collect();
    index.sort_unstable();
    index
}

/// The page that holds the map of an interval.
pub(super) fn map_page(map: Map, interval: u32) -> PageId {
    let first = ExtentId(interval * GAM_INTERVAL_EXTENTS).first_page();
    match map {
        Map::Gam => gam_page_of(first),
        Map::Diff => PageId(first.0 + 6),
    }
}

/// The maps of a backup, read as they are needed.
pub(super) struct Maps<'a> {
    source: &'a dyn ReadAt,
    map: Map,
    by_extent: Index,
    /// Of one interval of one file: the extents that the backup should have, ascending.
    known: Option<(FileId, u32, Vec<u32>)>,
}

impl<'a> Maps<'a> {
    /// Those in the extents of `found` that tell their place.
    pub(super) fn among(found: &[Stretch], source: &'a dyn ReadAt, map: Map) -> Self {
        Self { source, map, by_extent: index(found), known: None }
    }

    /// A place for each extent of `group`, which stands between `before` and `behind`.
    fn places_for(
        &mut self,
        group: &[Stretch],
        before: Option<&Stretch>,
        behind: Option<&Stretch>,
    ) -> Option<Vec<(FileId, u32)>> {
        let before = before?;
        let Holds::Extent(file, first) = before.holds else { return None };
        let start = first.checked_add(before.extents)?;
        let interval_end = (start / GAM_INTERVAL_EXTENTS + 1).checked_mul(GAM_INTERVAL_EXTENTS)?;
        let end = match behind.map(|behind| behind.holds) {
            Some(Holds::Extent(other, next)) if other == file => next.min(interval_end),
            _ => interval_end,
        };
        let wanted: u64 = group.iter().map(|stretch| u64::from(stretch.extents)).sum();
        let places = self.should_have(file, &(start..end))?;
        let is_exact = places.len() as u64 == wanted;
        is_exact.then(|| places.iter().map(|extent| (file, *extent)).collect())
    }

    /// The extents of `file` in `range`, which is inside one interval, that the backup should have.
    pub(super) fn should_have(&mut self, file: FileId, range: &Range<u32>) -> Option<&[u32]> {
        let interval = range.start / GAM_INTERVAL_EXTENTS;
        let is_known = |(f, i, _): &(FileId, u32, Vec<u32>)| (*f, *i) == (file, interval);
        if !self.known.as_ref().is_some_and(is_known) {
            self.known = Some((file, interval, self.read(file, interval)?));
        }
        let (_, _, extents) = self.known.as_ref()?;
        let from = extents.partition_point(|extent| *extent < range.start);
        let to = extents.partition_point(|extent| *extent < range.end);
        extents.get(from..to)
    }

    fn read(&self, file: FileId, interval: u32) -> Option<Vec<u32>> {
        let first = interval * GAM_INTERVAL_EXTENTS;
        let page = map_page(self.map, interval);
        let expected = match self.map {
            Map::Gam => PageType::Gam,
            Map::Diff => PageType::DiffMap,
        };
        let map = self.page(file, page)?;
        let header = PageHeader::of(&map);
        let is_it = header.page_type == expected.m_type() && header.page_id == page.0;
        if !is_it || header.file_id != file.0 || !is_sealed(&map) {
            return None;
        }
        let map = torn::restored(&map);
        let has = |extent: &u32| {
            let bit = extent_bit(&map, ExtentId(*extent).first_page());
            (self.map == Map::Diff) == bit
        };
        Some((first..first + GAM_INTERVAL_EXTENTS).filter(has).collect())
    }

    fn page(&self, file: FileId, page: PageId) -> Option<Page> {
        let extent = page.extent().0;
        let after = self.by_extent.partition_point(|at| (at.0, at.1) <= (file, extent));
        let (f, first, extents, offset) = *self.by_extent.get(after.checked_sub(1)?)?;
        if f != file || extent >= first + extents {
            return None;
        }
        let pages = u64::from((extent - first) * EXTENT_PAGES + page.0 % EXTENT_PAGES);
        let mut read = Page::ZERO;
        let at = offset + pages * PAGE_BYTES as u64;
        self.source.read_exact_at(at, read.bytes_mut()).ok().map(|()| read)
    }
}
