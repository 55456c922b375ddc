//! One file whose owners are looked into.

use super::chains::Chains;
use super::doubt::CONTRADICTION;
use super::unproven::Unproven;
use super::{Found, INTERVALS_AT_ONCE, RUN_PAGES_MAX, Scanned};
use crate::catalog::claims::{Claims, IamClaims};
use crate::catalog::owner_sums::{ExpectedSums, is_owned};
use crate::catalog::owners::{Claim, is_same_unit};
use crate::catalog::units_by_first_iam;
use crate::consolidate::findings::Finding;
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, SuspectReason, Verdict};
use crate::page::Page;
use crate::page::address::{PageAddress, PageId};
use crate::page::allocation::{PFS_INTERVAL_PAGES, PagesInUse, PfsByte, fixed_page_type};
use crate::page::checksum::Checksum;
use crate::page::header::PageHeader;
use crate::page::iam::IamPage;
use crate::page::kind::PageType;
use crate::scrub::context::Opened;
use crate::scrub::known_owners::SumsByInterval;
use crate::scrub::leads::{Remembered, read};
use std::collections::{BTreeMap, BTreeSet};

/// A look at the intervals of one file that differ.
pub(super) struct Search<'a> {
    pub(super) index: usize,
    pub(super) members: Vec<(&'a Remembered<'a>, Opened<'a>)>,
    /// Of this file.
    pub(super) own: Opened<'a>,
    /// Why nothing is proven.
    pub(super) doubt: Option<&'static str>,
    pub(super) scanned: &'a Scanned<'a>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        index: usize,
        members: &[usize],
        doubt: Option<&'static str>,
        scanned: &'a Scanned<'a>,
    ) -> Option<Self> {
        let open = |member: usize| {
            let file = &scanned.files[member];
            Some((file, Opened::new(file.file, scanned.open)?))
        };
        Some(Self {
            index,
            own: open(index)?.1,
            members: members.iter().map(|member| open(*member)).collect::<Option<_>>()?,
            doubt,
            scanned,
        })
    }

    pub(super) fn run(&self, sums: &SumsByInterval, intervals_left: &mut usize) -> Option<Found> {
        let mut differing = self.differing(sums);
        let left_out = differing.len().saturating_sub(*intervals_left);
        differing.truncate(*intervals_left);
        *intervals_left -= differing.len();
        let mut found = Found { file: self.index, suspects: Vec::new(), unproven: None };
        let mut unproven = Unproven { intervals_left: left_out, ..Unproven::default() };
        let map = Map::of(self, &differing);
        for interval in differing {
            if self.scanned.stop.ends_looking() {
                unproven.intervals_left += 1;
                continue;
            }
            let doubt = self.doubt.or_else(|| doubt_of_maps(self, interval, &map));
            self.look_at(interval, &map, &mut |page, reason, verdict| match doubt {
                None => found.suspects.push((self.finding(page, reason), verdict)),
                Some(why) => unproven.add(PageHeader::of(page).address(), why),
            });
        }
        found.unproven = Some(unproven).filter(|u| u.pages > 0 || u.intervals_left > 0);
        (!found.suspects.is_empty() || found.unproven.is_some()).then_some(found)
    }

    pub(super) fn finding(&self, page: &Page, reason: SuspectReason) -> Finding {
        let place = PageHeader::of(page).address();
        Finding::new(self.index, place, reason, Allocation::Allocated, Some(page))
    }

    /// Shows every sound IAM page of the database that its PFS page calls one.
    pub(super) fn visit_iam(&self, visit: &mut dyn FnMut(IamPage<'_>)) {
        for (file, opened) in &self.members {
            file.visit_iam(self.scanned.open, &mut |iam| {
                if opened.pfs_byte(iam.place().page).is_some_and(PfsByte::is_iam) {
                    visit(iam);
                }
            });
        }
    }

    /// What `iam` claims.
    pub(super) fn claims(&self, iam: IamPage<'_>) -> IamClaims {
        let end = PageId(self.scanned.plan.files[self.index].pages);
        IamClaims::of(iam, self.scanned.files[self.index].file.file_id, end)
    }

    /// The intervals of `sums` that do differ, now that all of their IAM and PFS pages are read.
    pub(super) fn differing(&self, sums: &SumsByInterval) -> Vec<u32> {
        let intervals: Vec<u32> = sums.intervals().collect();
        let mut differing = Vec::new();
        for intervals in intervals.chunks(INTERVALS_AT_ONCE) {
            let in_use = self.pages_in_use(intervals);
            let file = self.scanned.files[self.index].file.file_id;
            let mut expected = ExpectedSums::of(file, &in_use);
            self.visit_iam(&mut |iam| expected.add(&self.claims(iam)));
            let mut sums = sums.of(intervals);
            sums.keep_those_that_differ(&expected);
            // Where the PFS page is bad now, nothing can be told.
            differing.extend(sums.intervals().filter(|interval| in_use.contains_key(interval)));
        }
        differing
    }

    /// Which pages of `intervals` are in use and were added to the sums.
    pub(super) fn pages_in_use(&self, intervals: &[u32]) -> BTreeMap<u32, Box<PagesInUse>> {
        let of = |interval: &u32| {
            let in_use = self.own.pages_in_use(PageId(interval * PFS_INTERVAL_PAGES))?;
            Some((*interval, Box::new(in_use)))
        };
        let mut in_use: BTreeMap<u32, Box<PagesInUse>> = intervals.iter().filter_map(of).collect();
        for page in self.scanned.not_summed(self.index) {
            if let Some(in_use) = in_use.get_mut(&(page.0 / PFS_INTERVAL_PAGES)) {
                in_use.remove(page.0 % PFS_INTERVAL_PAGES);
            }
        }
        in_use
    }

    /// Shows the pages of `interval` that belong to another unit than they say, with what they had
    /// been taken for.
    pub(super) fn look_at(
        &self,
        interval: u32,
        map: &Map,
        show: &mut dyn FnMut(&Page, SuspectReason, Verdict),
    ) {
        let first = interval * PFS_INTERVAL_PAGES;
        let end = first.saturating_add(PFS_INTERVAL_PAGES);
        let end = end.min(self.scanned.plan.files[self.index].pages);
        let may_be_wrong = |page: &PageId| {
            let byte = self.own.pfs_byte(*page).filter(|byte| byte.is_allocated());
            let owner = byte.and_then(|byte| map.claims.claimed(*page).owner(byte.is_mixed()));
            owner.is_some() && !map.known_bad.contains(page)
        };
        let pages: Vec<PageId> = (first..end).map(PageId).filter(may_be_wrong).collect();
        let runs = pages.chunk_by(|a, b| a.0 + 1 == b.0);
        for run in runs.flat_map(|run| run.chunks(RUN_PAGES_MAX)) {
            for (page, id) in read(self.own.source(), run).iter().zip(run) {
                if self.wrong_owner(page, *id, map).is_some() {
                    self.look_again(*id, map, show);
                }
            }
        }
    }

    /// What is wrong is looked at once more, past the cache.
    pub(super) fn look_again(
        &self,
        id: PageId,
        map: &Map,
        show: &mut dyn FnMut(&Page, SuspectReason, Verdict),
    ) {
        let Ok(page) = self.own.source().fill_uncached(id) else { return };
        let place = self.place(id);
        let verdict = judge(&page, Checksum::of(&page), place, Allocation::Allocated);
        let reason = self.wrong_owner(&page, id, map);
        if let (Some(reason), false) = (reason, matches!(verdict, Verdict::Suspect(_))) {
            show(&page, reason, verdict);
        }
    }

    pub(super) fn place(&self, page: PageId) -> PageAddress {
        PageAddress::new(self.scanned.files[self.index].file.file_id, page)
    }

    /// The reason for which the page at `id` is suspect, if it is one of another owner.
    pub(super) fn wrong_owner(&self, page: &Page, id: PageId, map: &Map) -> Option<SuspectReason> {
        let header = PageHeader::of(page);
        if !is_owned(header) || header.address() != self.place(id) {
            return None;
        }
        let is_mixed = self.own.pfs_byte(id)?.is_mixed();
        let owner = map.claims.claimed(id).owner(is_mixed)?;
        let unit = header.allocation_unit_id();
        let is_certain =
            || map.is_known(owner) && map.chains.speaks_for_itself(unit) || self.doubt.is_some();
        let is_wrong = !is_same_unit(unit, owner) && is_certain();
        is_wrong.then_some(SuspectReason::WrongObject { unit, owner })
    }

    /// An IAM page may be among the suspects, or among pages that nobody knows to be in use.
    pub(super) fn may_lack_iam_pages(&self) -> bool {
        let is_unsure = |(file, opened): &(&Remembered<'_>, Opened<'_>)| {
            let index = self.scanned.files.iter().position(|other| std::ptr::eq(other, *file));
            let Some(index) = index else { return true };
            let may_be_iam = |suspect: &Finding| {
                let by_pfs = opened.pfs_byte(suspect.place.page);
                suspect.page_type == Some(PageType::Iam) || by_pfs.is_none_or(PfsByte::is_iam)
            };
            file.catalog.is_cut()
                || self.scanned.tallies[index].coverage.allocation_unknown > 0
                || self.scanned.suspects_of(index).iter().any(may_be_iam)
        };
        self.members.iter().any(is_unsure)
    }
}

/// Who owns the pages of certain intervals of a file, and how far that can be believed.
pub(super) struct Map {
    pub(super) claims: Claims,
    pub(super) chains: Chains,
    /// Units by their first IAM pages, as sysallocunits has it.
    pub(super) first_iams: BTreeMap<PageAddress, u64>,
    /// Pages that are suspect anyway, or were.
    pub(super) known_bad: BTreeSet<PageId>,
}

impl Map {
    pub(super) fn of(search: &Search<'_>, intervals: &[u32]) -> Self {
        let scanned = search.scanned;
        let file = scanned.files[search.index].file.file_id;
        let mut claims = Claims::of(file, intervals.iter().copied());
        let mut chains = Chains::new(search.may_lack_iam_pages());
        search.visit_iam(&mut |iam| {
            claims.add(&search.claims(iam));
            chains.add(iam);
        });
        chains.sort();
        let suspects = scanned.suspects_of(search.index).iter().map(|suspect| suspect.place.page);
        let primary = scanned.primaries.of(search.index).map(|primary| &scanned.files[primary]);
        let first_iams = primary.map(|primary| {
            units_by_first_iam(&chains.first_pages(), &|table, visit| {
                primary.visit(table, scanned.open, visit);
            })
        });
        Self {
            claims,
            chains,
            first_iams: first_iams.unwrap_or_default(),
            known_bad: suspects.chain(scanned.healed(search.index)).collect(),
        }
    }

    /// Every IAM page of `unit` was seen, and the catalog knows the first one for its own.
    pub(super) fn is_known(&self, unit: u64) -> bool {
        let first = self.chains.whole(unit);
        first.is_some_and(|first| self.first_iams.get(&first) == Some(&unit))
    }
}

/// Why nothing is proven in `interval`: what its PFS page says fits ill with what IAM pages claim,
/// so that it may be the map that is wrong, such as that of another database. In every healthy file
/// each page in use is claimed once, in the way that its PFS byte says, but IAM pages and those
/// with a fixed place.
fn doubt_of_maps(search: &Search<'_>, interval: u32, map: &Map) -> Option<&'static str> {
    let first = interval * PFS_INTERVAL_PAGES;
    let end = first.saturating_add(PFS_INTERVAL_PAGES);
    let file = search.scanned.files[search.index].file.file_id;
    let contradicts = |page: PageId| {
        let claimed = map.claims.claimed(page);
        let Some(byte) = search.own.pfs_byte(page) else { return false };
        if !byte.is_allocated() {
            return claimed.alone != Claim::Nobody;
        }
        let must_have_owner = !byte.is_iam() && fixed_page_type(file, page).is_none();
        let is_bad = map.known_bad.contains(&page);
        must_have_owner && !is_bad && claimed.owner(byte.is_mixed()).is_none()
    };
    let end = end.min(search.scanned.plan.files[search.index].pages);
    (first..end).map(PageId).any(contradicts).then_some(CONTRADICTION)
}
