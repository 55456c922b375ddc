//! What is kept of a file, while it is scanned, to tell whether its pages belong to whom its IAM
//! pages say.
//!
//! The sums of what the pages' headers say are counts like others: a few bytes for each 64 MB. What
//! IAM and PFS pages say is kept as well, as long as there is room, so that nothing has to be read
//! twice of a file that is in order. Where it is not kept, the sums do not agree, and the file is
//! looked at again at the end: what comes out is the same.

use crate::catalog::claims::IamClaims;
use crate::catalog::owner_sums::ExpectedSums;
use crate::diagnose::allocation::AllocationMap;
use crate::page::address::{FileId, PageId};
use crate::page::allocation::{PFS_INTERVAL_PAGES, PagesInUse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes kept for all files of a scan together: enough for 4 TiB in work.
const ROOM_BYTES: usize = 64 << 20;

/// Room for what is kept, in bytes.
pub(super) struct Room(AtomicUsize);

impl Default for Room {
    fn default() -> Self {
        Self(AtomicUsize::new(ROOM_BYTES))
    }
}

impl Room {
    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Sums of owners, by PFS interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct SumsByInterval(BTreeMap<u32, u64>);

impl SumsByInterval {
    /// Adds what the pages of a batch add to the sums of their intervals.
    pub(super) fn add(&mut self, sums: &[(u32, u64)]) {
        for (interval, more) in sums {
            let sum = self.0.entry(*interval).or_default();
            *sum = sum.wrapping_add(*more);
        }
    }

    /// The intervals, ascending.
    pub(super) fn intervals(&self) -> impl Iterator<Item = u32> {
        self.0.keys().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps those that are not what is `expected`.
    pub(super) fn keep_those_that_differ(&mut self, expected: &ExpectedSums<'_>) {
        self.0.retain(|interval, sum| !expected.is(*interval, *sum));
    }

    /// Those of these `intervals`.
    pub(super) fn of(&self, intervals: &[u32]) -> Self {
        let sum = |interval: &u32| Some((*interval, *self.0.get(interval)?));
        Self(intervals.iter().filter_map(sum).collect())
    }

    /// True if a scan of a file with so many `pages` can have come to this.
    pub(super) fn is_plausible(&self, pages: u32) -> bool {
        self.0.last_key_value().is_none_or(|(last, _)| *last < pages.div_ceil(PFS_INTERVAL_PAGES))
    }
}

/// What IAM and PFS pages of a file say, as far as there is room.
pub(super) struct KnownOwners {
    file: FileId,
    in_use: BTreeMap<u32, Box<PagesInUse>>,
    claims: Vec<IamClaims>,
}

impl KnownOwners {
    pub(super) fn of(file: FileId) -> Self {
        Self { file, in_use: BTreeMap::new(), claims: Vec::new() }
    }

    pub(super) fn add_claims(&mut self, claims: Vec<IamClaims>, room: &Room) {
        self.claims.extend(claims.into_iter().filter(|claims| room.take(claims.bytes())));
    }

    /// Keeps which pages of the intervals of `sums` are in use.
    pub(super) fn add_intervals(&mut self, sums: &[(u32, u64)], map: &AllocationMap, room: &Room) {
        for (interval, _) in sums {
            if !self.in_use.contains_key(interval) && room.take(size_of::<PagesInUse>()) {
                let in_use = map.known(*interval).and_then(|known| known.pages_in_use());
                match in_use {
                    Some(in_use) => drop(self.in_use.insert(*interval, Box::new(in_use))),
                    None => room.give_back(size_of::<PagesInUse>()),
                }
            }
        }
    }

    /// All pages of the file were seen: forgets the intervals of `sums` that are in order, and what
    /// is known of them. What is said of other files stays.
    pub(super) fn settle(&mut self, sums: &mut SumsByInterval, room: &Room) {
        let before = self.bytes();
        self.keep_those_that_differ(sums, std::iter::empty());
        self.in_use.retain(|interval, _| sums.0.contains_key(interval));
        let (own, is_settled) = (self.file, sums.is_empty());
        self.claims.retain(|claims| !is_settled || claims.is_of_others(own));
        self.claims.shrink_to_fit();
        room.give_back(before - self.bytes());
    }

    /// Keeps those of `sums` that are not what this file and `others` of its database say.
    pub(super) fn keep_those_that_differ<'a>(
        &'a self,
        sums: &mut SumsByInterval,
        others: impl Iterator<Item = &'a Self>,
    ) {
        let mut expected = ExpectedSums::of(self.file, &self.in_use);
        for known in others.chain([self]) {
            known.claims.iter().for_each(|claims| expected.add(claims));
        }
        sums.keep_those_that_differ(&expected);
    }

    /// A page that is in use and was not added to the sums.
    pub(super) fn leave_out(&mut self, page: PageId) {
        if let Some(in_use) = self.in_use.get_mut(&(page.0 / PFS_INTERVAL_PAGES)) {
            in_use.remove(page.0 % PFS_INTERVAL_PAGES);
        }
    }

    fn bytes(&self) -> usize {
        let claims: usize = self.claims.iter().map(IamClaims::bytes).sum();
        claims + self.in_use.len() * size_of::<PagesInUse>()
    }
}
