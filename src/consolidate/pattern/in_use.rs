//! What chance explains where only extents that are in use can be damaged.
//!
//! A table may have every second extent, and then all damage in it is on one place of every 16
//! pages, or on one of two members. So each event is as likely on a member as the extents in use
//! around it are. Of events with different chances, as many as the mean chance explains are at
//! least as likely (Hoeffding 1956).

use super::binomial::ln_tail;
use super::{Damaged, EXTENT_BYTES, Folding, Found, Offsets, SECOND_P_VALUE_MAX};
use crate::page::PAGE_BYTES;

/// Events whose surroundings are looked at at most, evenly over all.
const EVENTS_MAX: usize = 1024;

/// Where so many extents are in use around an event, its own does not count: it is in use because
/// it is an event.
const AROUND_MIN: usize = 32;
/// A chance that is so much higher is that of a structure; a little more is chance itself.
const STRUCTURE_FROM: f64 = 1.15;

/// Which extents are in use.
pub trait ExtentsInUse {
    /// Where the extents in use around a damaged page begin, with its own; `None` if that is not
    /// known.
    fn around(&self, page: &Damaged, offsets: Offsets) -> Option<Vec<u64>>;
}

/// `found` among `pages`, in order, with the chance that the extents in use leave; `None` if a
/// second member is then not needed to explain them.
pub(super) fn confirmed(
    found: Found,
    pages: &[Damaged],
    offsets: Offsets,
    in_use: &dyn ExtentsInUse,
) -> Option<Found> {
    let folding = found.folding;
    let events = events(pages, folding.unit_bytes);
    let step = events.len().div_ceil(EVENTS_MAX).max(1);
    let (mut all, mut rest) = (Mean::default(), Mean::default());
    for event in events.iter().step_by(step) {
        let around = in_use.around(event, offsets).map(|around| others(around, event));
        let share = |member| share(around.as_deref(), folding, member);
        let on_member = share(found.member);
        all.add(on_member);
        let is_on_member = folding.member_of(event.offset) == found.member;
        if let (Some((other, _)), false) = (found.second, is_on_member) {
            rest.add(share(other) / (1.0 - on_member).max(f64::EPSILON));
        }
    }
    let is_second = |hits| {
        let others = f64::from(folding.members - 1);
        let chance = rest.value().max(folding.chance() * (others + 1.0) / others).min(1.0);
        others.ln() + ln_tail(found.events - found.hits, hits, chance) < SECOND_P_VALUE_MAX.ln()
    };
    if found.second.is_some_and(|(_, hits)| !is_second(hits)) {
        return None;
    }
    let chance = all.value();
    if chance < STRUCTURE_FROM * folding.chance() {
        return Some(found);
    }
    Some(Found { ln_p: folding.ln_p(found.events, found.hits, chance), ..found })
}

/// The extents `around` an `event` without its own, if these are enough.
fn others(mut around: Vec<u64>, event: &Damaged) -> Vec<u64> {
    if around.len() > AROUND_MIN {
        around.retain(|at| !(*at..at + EXTENT_BYTES).contains(&event.offset));
    }
    around
}

/// The first damaged page of each unit.
fn events(pages: &[Damaged], unit_bytes: u64) -> Vec<Damaged> {
    let is_inside = |page: &&Damaged| page.offset % unit_bytes + PAGE_BYTES as u64 <= unit_bytes;
    let mut events: Vec<Damaged> = pages.iter().filter(is_inside).copied().collect();
    events.dedup_by_key(|page| page.offset / unit_bytes);
    events
}

/// The share of the extents at `offsets` that reach onto `member`.
fn share(offsets: Option<&[u64]>, folding: Folding, member: u32) -> f64 {
    let Some(offsets) = offsets.filter(|offsets| !offsets.is_empty()) else {
        return folding.chance();
    };
    let reaches = |&&at: &&u64| {
        let units = at / folding.unit_bytes..=(at + EXTENT_BYTES - 1) / folding.unit_bytes;
        units.into_iter().any(|unit| unit % u64::from(folding.members) == u64::from(member))
    };
    offsets.iter().filter(reaches).count() as f64 / offsets.len() as f64
}

impl Folding {
    fn member_of(self, offset: u64) -> u32 {
        (offset / self.unit_bytes % u64::from(self.members)) as u32
    }
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value.min(1.0);
        self.count += 1;
    }

    fn value(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / f64::from(self.count) }
    }
}
