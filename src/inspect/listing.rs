//! The pages of objects, in the order in which they follow each other: what DBCC IND lists, and
//! what is to be said of each page.

use super::chain::{self, Broken};
use super::image::{Image, Looked, Missing};
use crate::catalog::object::Object;
use crate::catalog::owners::is_same_unit;
use crate::catalog::units::Unit;
use crate::check::Pages;
use crate::diagnose::verdict::Allocation;
use crate::page::EXTENT_PAGES;
use crate::page::address::{ExtentId, FileId, PageAddress, PageId, PageRange};
use crate::page::allocation::fixed_page_type;
use crate::page::header::{Lsn, PageHeader};
use crate::page::iam::IamPage;
use crate::page::kind::PageType;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// The content of an allocation unit whose pages are a heap or a tree.
const IN_ROW: u8 = 1;

/// A page of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it stands.
    pub place: PageAddress,
    /// The IAM page that claims it; `None` for IAM pages themselves, and where none does.
    pub iam: Option<PageAddress>,
    /// What its header says, if it could be read and is not all zeros.
    pub says: Option<Says>,
    /// `intact`, `intact_torn`, `unprotected`, `free`, the reason why it is suspect, or
    /// `not_in_backup` and `not_here` for pages that are not there to be read.
    pub state: &'static str,
    /// It is a suspect.
    pub is_suspect: bool,
}

/// What the header of a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Says {
    /// `m_type`.
    pub page_type: PageType,
    /// `m_level`.
    pub level: u8,
    /// `m_prevPage`; of file 0 for none.
    pub previous: PageAddress,
    /// `m_nextPage`; of file 0 for none.
    pub next: PageAddress,
    /// `m_lsn`.
    pub lsn: Lsn,
    /// `m_slotCnt`.
    pub slots: u16,
}

/// The unit that pages are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What sysallocunits says of it; `None` for pages that no unit claims.
    pub unit: Option<Unit>,
    /// The object, if it is known.
    pub object: Option<Arc<Object>>,
    /// Its pages: first its IAM pages, then level by level from the root on, each in the order of
    /// its links; of heaps and LOB values by their places.
    pub pages: Vec<Listed>,
    /// Where its chain of IAM pages ends too early: what comes behind is not listed.
    pub broken: Option<Broken>,
}

/// What all units listed so far claim.
#[derive(Default)]
pub struct Claimed {
    extents: BTreeMap<FileId, Vec<Range<u32>>>,
    singles: BTreeSet<PageAddress>,
}

impl Listing {
    /// The pages of `unit` in `image`; adds what it claims to `claimed`.
    pub fn of(
        image: &Image,
        unit: &Unit,
        object: Option<Arc<Object>>,
        claimed: &mut Claimed,
    ) -> Self {
        let (mut iams, mut pages) = (Vec::new(), Vec::new());
        let broken = unit.first_iam.and_then(|first| {
            let walked = chain::walk(image, unit.id, first, &mut |looked, iam| {
                claimed.add(looked.place, iam);
                iams.push(Listed::of(looked.place, None, &Ok(looked.clone())));
                add_pages(image, unit.id, iam, &mut pages);
            });
            walked.err()
        });
        let is_tree = unit.content == IN_ROW && unit.index_id.is_some_and(|index| index > 0);
        let pages = if is_tree { in_order_of_links(pages) } else { pages };
        iams.extend(pages);
        Self { unit: Some(unit.clone()), object, pages: iams, broken }
    }

    /// Pages in use that nobody in `claimed` claims and that stand in no fixed place.
    pub fn of_nobody(image: &Image, claimed: &Claimed) -> Self {
        let mut pages = Vec::new();
        for file in image.files() {
            for page in PageRange::between(0, file.end).ids() {
                let place = PageAddress::new(file.id, page);
                if !claimed.has(place) && is_lost(image, place) {
                    pages.push(Listed::of(place, None, &image.look(place)));
                }
            }
        }
        Self { unit: None, object: None, pages, broken: None }
    }
}

/// In use, and in no fixed place.
fn is_lost(image: &Image, place: PageAddress) -> bool {
    let allocation = image.allocation(place).map(|(allocation, _)| allocation);
    allocation == Ok(Allocation::Allocated) && fixed_page_type(place.file, place.page).is_none()
}

/// Adds the pages that `iam` claims for `unit`.
fn add_pages(image: &Image, unit: u64, iam: IamPage<'_>, pages: &mut Vec<Listed>) {
    let by = Some(iam.place());
    for single in iam.single_pages() {
        pages.push(Listed::of(single, by, &image.look(single)));
    }
    let file = iam.start().file;
    let end = image.end_page(file).unwrap_or(u32::MAX);
    for extent in iam.extents(PageId(end)).flatten().map(ExtentId) {
        let first = PageAddress::new(file, extent.first_page());
        image.look_at_run(first, EXTENT_PAGES, &mut |place, looked| {
            if is_listed(image, unit, place, &looked) {
                pages.push(Listed::of(place, by, &looked));
            }
        });
    }
}

/// Of an extent that a unit claims not all pages need be in use. Where nothing tells which are,
/// those that say they are of the unit are listed.
fn is_listed(
    image: &Image,
    unit: u64,
    place: PageAddress,
    looked: &Result<Looked, Missing>,
) -> bool {
    if fixed_page_type(place.file, place.page).is_some() {
        return false;
    }
    match (looked, image.allocation(place)) {
        (_, Ok((Allocation::Allocated, _))) => true,
        (Ok(looked), Ok((Allocation::Unknown, _))) => {
            let header = PageHeader::of(&looked.page);
            looked.is_sound() && is_same_unit(header.allocation_unit_id(), unit)
        }
        _ => false,
    }
}

impl Listed {
    fn of(place: PageAddress, iam: Option<PageAddress>, looked: &Result<Looked, Missing>) -> Self {
        let says = |looked: &Looked| {
            let header = PageHeader::of(&looked.page);
            let address = |file, page| PageAddress::new(FileId(file), PageId(page));
            (!looked.page.is_zero()).then(|| Says {
                page_type: PageType::of(header.page_type),
                level: header.level,
                previous: address(header.prev_file, header.prev_page),
                next: address(header.next_file, header.next_page),
                lsn: header.lsn(),
                slots: header.slot_count,
            })
        };
        let (state, is_suspect) = match looked {
            Ok(looked) => (looked.state(), looked.reason().is_some()),
            Err(Missing::Unreadable(_)) => ("unreadable", true),
            Err(Missing::NotInBackup) => ("not_in_backup", false),
            Err(Missing::File(_) | Missing::Beyond(_)) => ("not_here", false),
        };
        Self { place, iam, says: looked.as_ref().ok().and_then(says), state, is_suspect }
    }

    /// It is not there to be read.
    pub fn is_missing(&self) -> bool {
        matches!(self.state, "not_in_backup" | "not_here" | "unreadable")
    }

    /// Which level of a tree it is on, the root's first. On the leaves of a clustered index there
    /// are data pages, and the level above them may say 0 as well (docs/check.md).
    fn level(&self) -> (bool, u8) {
        self.says.map_or((false, 0), |says| (says.page_type == PageType::Index, says.level))
    }
}

/// The pages of a tree, level by level from the root on, each level in the order of its links.
/// Those to which no link leads stand where their places put them.
fn in_order_of_links(pages: Vec<Listed>) -> Vec<Listed> {
    let mut levels: BTreeMap<(bool, u8), BTreeMap<PageAddress, Listed>> = BTreeMap::new();
    for page in pages {
        levels.entry(page.level()).or_default().insert(page.place, page);
    }
    levels.into_values().rev().flat_map(linked).collect()
}

fn linked(mut level: BTreeMap<PageAddress, Listed>) -> Vec<Listed> {
    let begins = |page: &&Listed| page.says.is_none_or(|says| !level.contains_key(&says.previous));
    let firsts: Vec<PageAddress> = level.values().filter(begins).map(|page| page.place).collect();
    let rest: Vec<PageAddress> = level.keys().copied().collect();
    let mut ordered = Vec::with_capacity(level.len());
    for first in firsts.into_iter().chain(rest) {
        let mut next = Some(first);
        while let Some(page) = next.and_then(|at| level.remove(&at)) {
            next = page.says.map(|says| says.next);
            ordered.push(page);
        }
    }
    ordered
}

impl Claimed {
    fn add(&mut self, iam_page: PageAddress, iam: IamPage<'_>) {
        self.singles.insert(iam_page);
        self.singles.extend(iam.single_pages());
        self.extents.entry(iam.start().file).or_default().extend(iam.extents(PageId(u32::MAX)));
    }

    /// Puts runs together, so that each page can be looked up.
    pub fn settle(&mut self) {
        for runs in self.extents.values_mut() {
            runs.sort_by_key(|run| run.start);
            let mut apart: Vec<Range<u32>> = Vec::new();
            for run in runs.drain(..) {
                match apart.last_mut() {
                    Some(before) if run.start <= before.end => before.end = before.end.max(run.end),
                    _ => apart.push(run),
                }
            }
            *runs = apart;
        }
    }

    /// A unit claims `place`. To be asked after [`Self::settle`].
    fn has(&self, place: PageAddress) -> bool {
        let extent = place.page.extent().0;
        let runs = self.extents.get(&place.file).map_or(&[][..], Vec::as_slice);
        let before = runs.partition_point(|run| run.start <= extent);
        let is_in_run = before > 0 && runs[before - 1].contains(&extent);
        is_in_run || self.singles.contains(&place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32, kind: PageType, level: u8, links: (u32, u32)) -> Listed {
        let at = |page: u32| PageAddress::new(FileId(u16::from(page > 0)), PageId(page));
        let (previous, next) = (at(links.0), at(links.1));
        let says = Says { page_type: kind, level, previous, next, lsn: Lsn::default(), slots: 0 };
        Listed {
            place: at(number),
            iam: None,
            says: Some(says),
            state: "intact",
            is_suspect: false,
        }
    }

    #[test]
    fn a_tree_is_listed_from_its_root_on_and_each_level_as_it_is_linked() {
        use PageType::{Data, Index};
        let pages = vec![
            page(20, Data, 0, (22, 21)),
            page(21, Data, 0, (20, 0)),
            page(22, Data, 0, (0, 20)),
            page(30, Index, 1, (0, 0)),
            page(31, Index, 0, (0, 32)),
            page(32, Index, 0, (31, 0)),
        ];
        let ordered: Vec<u32> = in_order_of_links(pages).iter().map(|p| p.place.page.0).collect();
        assert_eq!(ordered, [30, 31, 32, 22, 20, 21]);
    }

    #[test]
    fn links_that_lead_round_or_away_lose_no_page() {
        let round = [(1, (3, 2)), (2, (1, 3)), (3, (2, 1)), (7, (9, 99)), (8, (7, 8))];
        let pages = round.map(|(number, links)| page(number, PageType::Data, 0, links)).to_vec();
        let mut all: Vec<u32> = in_order_of_links(pages).iter().map(|p| p.place.page.0).collect();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 7, 8]);
    }
}
