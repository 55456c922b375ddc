//! Chains of IAM pages: what a unit's IAM pages say counts only if they are all there.

use crate::catalog::owners::{clustered, is_same_unit};
use crate::page::address::PageAddress;
use crate::page::iam::IamPage;
use std::collections::{BTreeMap, BTreeSet};

/// One page of a chain.
struct Link {
    place: PageAddress,
    sequence: u32,
    previous: Option<PageAddress>,
    next: Option<PageAddress>,
    /// The first page of the interval that it describes.
    start: PageAddress,
}

/// The chains of all units of a database.
pub(super) struct Chains {
    units: BTreeMap<u64, Vec<Link>>,
    /// There may be IAM pages that were not seen.
    pub(super) may_lack_some: bool,
}

impl Chains {
    pub(super) fn new(may_lack_some: bool) -> Self {
        Self { units: BTreeMap::new(), may_lack_some }
    }

    pub(super) fn add(&mut self, iam: IamPage<'_>) {
        self.units.entry(iam.unit()).or_default().push(Link {
            place: iam.place(),
            sequence: iam.sequence(),
            previous: iam.previous(),
            next: iam.next(),
            start: iam.start(),
        });
    }

    /// Puts the pages of each chain in their order.
    pub(super) fn sort(&mut self) {
        let by_sequence = |links: &mut Vec<Link>| links.sort_by_key(|link| link.sequence);
        self.units.values_mut().for_each(by_sequence);
    }

    /// The first pages of the chains that have only one.
    pub(super) fn first_pages(&self) -> BTreeSet<PageAddress> {
        self.units.values().filter_map(|links| Some(links.first()?.place)).collect()
    }

    /// The first page of the chain of `unit`, if every page of that is there: each leads to the
    /// next one and back, and no two describe one interval.
    pub(super) fn whole(&self, unit: u64) -> Option<PageAddress> {
        let links = self.units.get(&unit)?;
        let (first, last) = (links.first()?, links.last()?);
        let is_linked = |(at, pair): (usize, &[Link])| {
            pair[0].next == Some(pair[1].place)
                && pair[1].previous == Some(pair[0].place)
                && pair[1].sequence as usize == at + 1
        };
        let intervals: BTreeSet<PageAddress> = links.iter().map(|link| link.start).collect();
        let is_whole = first.sequence == 0
            && first.previous.is_none()
            && last.next.is_none()
            && intervals.len() == links.len()
            && links.windows(2).enumerate().all(is_linked);
        is_whole.then_some(first.place)
    }

    /// True if a page whose header says `unit` would be claimed by it, if it were its own: all of
    /// its IAM pages were seen, or it has none.
    pub(super) fn speaks_for_itself(&self, unit: u64) -> bool {
        let also = [clustered(unit), unclustered(unit)].into_iter().flatten();
        let mut known = also.chain([unit]).filter(|unit| self.units.contains_key(unit)).peekable();
        let is_known = known.peek().is_some();
        known.all(|unit| self.whole(unit).is_some()) && (is_known || !self.may_lack_some)
    }
}

/// The unit for which `unit` is the clustered one (docs/page-format.md, section 6.3).
fn unclustered(unit: u64) -> Option<u64> {
    let other = unit & !(1 << 48);
    (other != unit && is_same_unit(unit, other)).then_some(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::{FileId, PageId};
    use crate::page::allocation::GAM_INTERVAL_PAGES;

    const UNIT: u64 = 101 << 16;

    fn at(page: u32) -> PageAddress {
        PageAddress::new(FileId(1), PageId(page))
    }

    /// A chain of the pages 80, 90 and 100, which are given in another order.
    fn chain(change: impl FnOnce(&mut Vec<Link>)) -> Chains {
        let link = |sequence: u32| Link {
            place: at(80 + 10 * sequence),
            sequence,
            previous: (sequence > 0).then(|| at(70 + 10 * sequence)),
            next: (sequence < 2).then(|| at(90 + 10 * sequence)),
            start: at(sequence * GAM_INTERVAL_PAGES),
        };
        let mut links = [2, 0, 1].map(link).into();
        change(&mut links);
        let mut chains = Chains::new(false);
        chains.units.insert(UNIT, links);
        chains.sort();
        chains
    }

    #[test]
    fn a_chain_is_whole_if_every_page_leads_to_the_next_and_back() {
        let whole = chain(|_| ());
        assert_eq!((whole.whole(UNIT), whole.whole(7)), (Some(at(80)), None));
        assert_eq!(whole.first_pages(), BTreeSet::from([at(80)]));
        let broken: [fn(&mut Vec<Link>); 8] = [
            |links| links.truncate(2),
            |links| links.retain(|link| link.sequence > 0),
            |links| links.retain(|link| link.sequence < 2),
            |links| links[2].sequence = 7,
            |links| links[2].next = Some(at(110)),
            |links| links[2].previous = None,
            |links| links[1].previous = Some(at(5)),
            |links| links[0].start = links[1].start,
        ];
        for (n, breaks) in broken.into_iter().enumerate() {
            let broken = chain(breaks);
            assert_eq!(broken.whole(UNIT), None, "{n}");
            assert!(!broken.speaks_for_itself(UNIT), "{n}");
        }
    }

    #[test]
    fn a_unit_without_iam_pages_claims_nothing_unless_some_were_not_seen() {
        let mut chains = chain(|_| ());
        let units = [UNIT, UNIT | 1 << 48, 7];
        assert_eq!(units.map(|unit| chains.speaks_for_itself(unit)), [true; 3]);
        chains.may_lack_some = true;
        assert_eq!(units.map(|unit| chains.speaks_for_itself(unit)), [true, true, false]);
    }
}
