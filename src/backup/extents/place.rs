//! What eight pages that stand together say of where they belong.

use crate::page::address::FileId;
use crate::page::checksum::Checksum;
use crate::page::header::{PageHeader, Protection};
use crate::page::torn::TornCheck;
use crate::page::{EXTENT_PAGES, Page};

/// Pages of a padding extent (docs/page-format.md, section 1.1).
const PADDING_TYPE: u8 = 101;
/// No data file has more pages than this: 16 TiB.
const FILE_PAGES_MAX: u32 = 1 << 31;
/// What a page counts whose own check is right, ...
const SEALED: u32 = 4;
/// ... and one that merely looks like a page in use.
const PLAUSIBLE: u32 = 1;

/// Where an extent belongs, by its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An extent of a file, by its number.
    Extent(FileId, u32),
    /// Room that BACKUP did not need.
    Padding,
    /// Nobody knows.
    Unknown,
}

/// Where `pages`, eight that stand together, belong: where most of them say, those more that pass
/// their own check. Free pages may hold pages of elsewhere.
pub fn place_of(pages: &[Page]) -> Place {
    let told = || {
        (0..EXTENT_PAGES)
            .zip(pages)
            .filter_map(|(slot, page)| Some((told_by(PageHeader::of(page), slot)?, page)))
    };
    if let Some((place, _)) = told().next()
        && told().all(|(other, _)| other == place)
    {
        return place;
    }
    let mut votes: Vec<(Place, u32)> = Vec::new();
    for (place, page) in told() {
        let weight = if is_sealed(page) { SEALED } else { PLAUSIBLE };
        match votes.iter_mut().find(|(known, _)| *known == place) {
            Some((_, sum)) => *sum += weight,
            None => votes.push((place, weight)),
        }
    }
    let most = votes.iter().map(|(_, weight)| *weight).max().unwrap_or_default();
    let mut winners = votes.iter().filter(|(_, weight)| *weight == most);
    match (winners.next(), winners.next()) {
        (Some((place, _)), None) => *place,
        // Two places with equal right to it: neither.
        _ => Place::Unknown,
    }
}

/// Where the page with this `header` in this `slot` of an extent says that the extent belongs.
pub(super) fn told_by(header: &PageHeader, slot: u32) -> Option<Place> {
    let has_place = header.is_sane() && header.reserved == [0; 32];
    if !has_place {
        return None;
    }
    let address = (header.file_id, header.page_id);
    if header.page_type == PADDING_TYPE {
        return (address == (0, 0)).then_some(Place::Padding);
    }
    let (file, page_id) = address;
    let is_here = file != 0 && page_id < FILE_PAGES_MAX && page_id % EXTENT_PAGES == slot;
    is_here.then_some(Place::Extent(FileId(file), page_id / EXTENT_PAGES))
}

/// True if the page passes a check of its own.
pub(super) fn is_sealed(page: &Page) -> bool {
    match PageHeader::of(page).protection() {
        Protection::Checksum => Checksum::of(page) == Checksum::stored_in(page),
        Protection::Torn => TornCheck::of(page).is_intact(),
        Protection::None => false,
    }
}
