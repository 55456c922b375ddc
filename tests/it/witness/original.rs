//! A healthy file whose pages are known by place, to be copied and damaged.

use super::{PAGE, Pages, Say, gam_bit, id, restored};
use crate::mtf;
use std::collections::{BTreeMap, BTreeSet};

/// Pages of an extent.
const EXTENT: usize = 8;
/// Address of a page: file and page id.
pub type Place = (u16, u32);

/// The type of pages that fill up what BACKUP did not need.
const PADDING: u8 = 101;

/// Which map names the extents of a backup.
#[derive(Clone, Copy)]
pub enum Map {
    /// A full one has those in use.
    Gam,
    /// A differential one has those that have changed.
    Diff,
}

/// A file without faults.
pub struct Original {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Where which page of which file is; of a data file, one after the other.
    pub places: BTreeMap<Place, usize>,
    /// PAGE_VERIFY is on.
    pub verify: bool,
    pub is_backup: bool,
}

impl Original {
    pub fn data_file(name: &str, bytes: Vec<u8>, verify: bool) -> Self {
        let file = id(&bytes).0;
        let pages = 0..(bytes.len() / PAGE) as u32;
        let places = pages.map(|page| ((file, page), page as usize * PAGE)).collect();
        Self { name: name.to_owned(), bytes, places, verify, is_backup: false }
    }

    /// The last copy of each extent counts. An extent whose pages do not say where they belong is
    /// the next one of its file that `map` names.
    pub fn backup(name: &str, bytes: Vec<u8>, map: Map) -> Self {
        let mut places = BTreeMap::new();
        let media = mtf::media(&bytes);
        for stream in media.page_streams() {
            let mut last = None;
            let starts = (stream.data.start + 2..stream.data.end).step_by(EXTENT * PAGE);
            for start in starts {
                let extent = &bytes[start..start + EXTENT * PAGE];
                if extent[1] == PADDING {
                    continue;
                }
                let told = extent_of(extent);
                let next = || next_of(last?, map, &places, &bytes);
                last = told.or_else(next);
                if let Some((file, first)) = last {
                    let pages = (0..EXTENT).map(|n| ((file, first + n as u32), start + n * PAGE));
                    places.extend(pages);
                }
            }
        }
        Self { name: name.to_owned(), bytes, places, verify: true, is_backup: true }
    }

    /// What must be said of every page of `bytes`, a copy of it.
    pub fn says(&self, bytes: &[u8]) -> (BTreeMap<Place, Say>, bool) {
        let mut says = BTreeMap::new();
        let mut has_lost_its_end = false;
        let files: BTreeSet<u16> = self.places.keys().map(|place| place.0).collect();
        for file in files {
            let pages = self.pages_of(file, bytes);
            let testimony = pages.testify();
            has_lost_its_end |= !self.is_backup && pages.has_lost_its_end();
            if !self.is_backup {
                let lost = pages.lost().into_iter();
                says.extend(lost.map(|page| ((file, page as u32), Say::Suspect(Some(1)))));
            }
            let numbered = testimony.into_iter().enumerate();
            says.extend(numbered.map(|(page, say)| ((file, page as u32), say)));
        }
        says.retain(|_, say| *say != Say::Absent);
        (says, has_lost_its_end)
    }

    fn pages_of<'a>(&self, file: u16, bytes: &'a [u8]) -> Pages<'a> {
        if !self.is_backup {
            return Pages::of_file(file, bytes);
        }
        let places = self.places.range((file, 0)..=(file, u32::MAX));
        let mut pages = Vec::new();
        for (&(_, page), &at) in places.filter(|(_, at)| **at + PAGE <= bytes.len()) {
            pages.resize(page as usize, None);
            pages.push(Some(&bytes[at..at + PAGE]));
        }
        Pages { file, by_id: pages, verify: Some(self.verify) }
    }
}

/// The address of the first page of an extent, by most of its healthy pages.
fn extent_of(extent: &[u8]) -> Option<Place> {
    let mut votes: BTreeMap<Place, usize> = BTreeMap::new();
    for (n, page) in extent.chunks(PAGE).enumerate() {
        let (file, page_id) = id(page);
        if page[0] == 1 && file > 0 && page_id as usize % EXTENT == n {
            *votes.entry((file, page_id - n as u32)).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(first, _)| first)
}

/// The extent after the one that begins with `last`, by the map of its file.
fn next_of(last: Place, map: Map, places: &BTreeMap<Place, usize>, bytes: &[u8]) -> Option<Place> {
    let (at, bit) = match map {
        Map::Gam => (2, false),
        Map::Diff => (6, true),
    };
    let at = *places.get(&(last.0, at))?;
    let map = restored(&bytes[at..at + PAGE]);
    let mut later = last.1 as usize / EXTENT + 1..63_904;
    later.find(|extent| gam_bit(&map, *extent) == bit).map(|n| (last.0, (n * EXTENT) as u32))
}
