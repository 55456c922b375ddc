//! Which of the geometries that chance does not explain explains the damage best.
//!
//! A dead member shows in other geometries, too: in each half of its units, in units that hold it
//! and its neighbour, and two of them in whatever holds both. How unlikely each of these is by
//! chance tells little, for each counts other units as events. So what is compared is how much
//! it says of where a damaged page is: that all are on an eighth of the bytes says more than that
//! a quarter of them are on a 32nd part, or all of them on the half.

use super::binomial::ln_tail;
use super::{Count, EXTENT_BYTES, Folding, Found, Kind, UNIT_BYTES_MAX, inside};

/// ln 217: of 217 geometries that say nothing, the best one fits about this much better than the
/// right one, by chance alone. So a pair of members that is not sure must beat a member that is by
/// more than this to cast doubt on it.
const DOUBT_FROM: f64 = 5.4;
/// What chance leaves out less often than this is not on the member.
const LEFT_OUT_P_VALUE_MAX: f64 = 1e-4;
/// Rounds, and parts of a unit, that are told apart in a member to see whether all of it is hit.
const PARTS: [(u32, u32); 11] =
    [(1, 2), (1, 4), (2, 1), (2, 2), (2, 4), (3, 1), (3, 2), (3, 4), (4, 1), (4, 2), (4, 4)];

/// How well a geometry with one or two members explains the damage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    /// What it says of where one damaged page is, in nats: the mean gain of its logarithmic
    /// likelihood over that of pages that are as likely anywhere.
    information: f64,
    /// ln of how many choices of members there are: more choices fit better by chance.
    ln_choices: f64,
}

impl Fit {
    /// Of `count` of `all` pages on `named` of the members.
    pub(super) fn new(folding: Folding, named: u32, on_named: u64, all: u64) -> Self {
        let members = f64::from(folding.members);
        let share = f64::from(named) / members;
        let hit = on_named as f64 / all.max(1) as f64;
        let term = |hit: f64, share: f64| if hit > 0.0 { hit * (hit / share).ln() } else { 0.0 };
        let is_more = hit > share;
        let ln_second = if named > 1 { ((members - 1.0) / 2.0).ln() } else { 0.0 };
        Self {
            information: if is_more {
                term(hit, share) + term(1.0 - hit, 1.0 - share)
            } else {
                0.0
            },
            ln_choices: members.ln() + ln_second,
        }
    }
}

/// The best of those that are sure; none if a pair that is not explains the damage better.
pub(super) fn winner(candidates: &[Found]) -> Option<Found> {
    let sure = candidates.iter().copied().filter(|found| found.is_sure);
    let best = sure.reduce(|best, found| if beats(&found, &best) { found } else { best })?;
    let is_doubt = |found: &Found| !found.is_sure && gain(found, &best) > DOUBT_FROM;
    (!candidates.iter().any(is_doubt)).then_some(best)
}

/// Of equals the one with the fewest members.
fn beats(found: &Found, other: &Found) -> bool {
    let key = |found: &Found| (found.folding.members, found.folding.unit_bytes);
    let order = gain(other, found).total_cmp(&0.0);
    order.then_with(|| key(found).cmp(&key(other))).is_lt()
}

/// How much more likely `found` makes the damage than `other` does, as a logarithm. The pages of
/// a unit are damaged together: so that they do not count as witnesses of their own, as many
/// count as the one with the fewer events has.
fn gain(found: &Found, other: &Found) -> f64 {
    let events = found.events.min(other.events) as f64;
    let (fit, than) = (found.fit, other.fit);
    events * (fit.information - than.information) - (fit.ln_choices - than.ln_choices)
}

/// Whether the two that are named are one member of another geometry: of half as many members, or
/// of units twice as large. It may as well be that one, which would have won if it were sure.
pub(super) fn is_one_of_another(found: &Found) -> bool {
    let Folding { unit_bytes, members, .. } = found.folding;
    let Some((other, _)) = found.second else { return false };
    let is_half = members.is_multiple_of(2) && members > 2;
    let is_in_one_unit = found.member / 2 == other / 2 && unit_bytes < UNIT_BYTES_MAX;
    is_half && (is_in_one_unit || found.member.abs_diff(other) == members / 2)
}

/// Whether the damage is on all of each member that is named, not only on some of its rounds or
/// some extents of its units: then it is the wrong geometry. Parts of extents do not count:
/// small tables use the first pages only.
pub(super) fn is_on_all_parts(found: &Found, pages: &[u64]) -> bool {
    let folding = found.folding;
    let named = [Some(found.member), found.second.map(|(member, _)| member)];
    let is_left_out = |rounds: u32, parts: u32| {
        let unit_bytes = folding.unit_bytes / u64::from(parts);
        if parts > 1 && !unit_bytes.is_multiple_of(EXTENT_BYTES) {
            return false;
        }
        let members = folding.members * rounds * parts;
        let mut counts = vec![Count::default(); members as usize];
        let finer = Folding { unit_bytes, members, ..folding };
        finer.count(&inside(pages, unit_bytes), &mut counts);
        let part_of = |member: u32| {
            let is_of = move |part: &usize| *part as u32 / parts % folding.members == member;
            (0..counts.len()).filter(is_of).map(|part| counts[part].events).collect::<Vec<_>>()
        };
        named.into_iter().flatten().any(|member| is_one_left_out(&part_of(member)))
    };
    folding.kind == Kind::Period
        || !PARTS.into_iter().any(|(rounds, parts)| is_left_out(rounds, parts))
}

/// Whether one of the parts has fewer events than chance leaves it.
fn is_one_left_out(events: &[u64]) -> bool {
    let (all, parts) = (events.iter().sum::<u64>(), events.len() as f64);
    let fewest = events.iter().copied().min().unwrap_or_default();
    parts.ln() + ln_tail(all, all - fewest, 1.0 - 1.0 / parts) < LEFT_OUT_P_VALUE_MAX.ln()
}
