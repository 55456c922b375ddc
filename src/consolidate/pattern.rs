//! Regularities in where the damage is: all on one member of a striped array, or on every so
//! many pages.
//!
//! Offsets are folded: of each unit that is damaged only the remainder modulo the members counts.
//! What is then too often on one remainder for chance is a pattern. Three things keep chance,
//! and what looks like more than chance, from being called one:
//!
//! - An event is a damaged unit, however many of its pages are damaged. A run of damage passes
//!   over all members in turn, so that runs make the fullest member emptier, not fuller.
//! - SQL Server fills extents from their first page on. So which page of its extent is damaged is
//!   not left to chance, only which extent ([`Folding::chance`]). And only extents that are in use
//!   can be damaged: where a table has every second one, so has chance (`in_use`).
//! - The p-value is multiplied by the number of geometries that were tried.
//!
//! Damage of one kind may drown in that of others, so each kind is folded alone as well. What is
//! told is consistent with a failed member, and proves none.
//!
//! Of the geometries that chance does not explain, `race` tells the right one.

mod binomial;
mod in_use;
mod race;
pub mod scopes;
#[cfg(test)]
mod tests;
mod words;

use super::report::Pattern;
use crate::page::address::PageId;
use crate::page::{EXTENT_PAGES, PAGE_BYTES};
use binomial::ln_tail;
pub use in_use::ExtentsInUse;
use race::Fit;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What chance does less often than this is a pattern.
const P_VALUE_MAX: f64 = 0.01;
/// What chance does less often than this, among the other members, is a second failed one.
const SECOND_P_VALUE_MAX: f64 = 0.001;
/// Smaller p-values are given as this.
const P_VALUE_MIN: f64 = 1e-300;
/// Units of stripes that are tried: 16 KiB to 1 MiB.
const UNITS: [u64; 7] = [1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19, UNIT_BYTES_MAX];
const UNIT_BYTES_MAX: u64 = 1 << 20;
/// Members of arrays that are tried.
const MEMBERS: std::ops::RangeInclusive<u32> = 2..=32;
/// Periods that are tried, in pages.
const PERIODS: std::ops::RangeInclusive<u32> = 2..=256;
/// How much of the error that is allowed the stripes may make, if periods are tried as well.
const SHARE_OF_STRIPES: f64 = 0.75;
/// How much of it damage of single kinds may make, where there are several.
const SHARE_OF_KINDS: f64 = 0.05;
/// Damaged units on one member needed at least, where the geometry is searched for.
const HITS_MIN: u64 = 6;
/// With fewer damaged pages in a scope nothing can be said of it.
const PAGES_MIN: usize = 4;
/// Scopes looked at at most: those with the most damage.
const SCOPES_MAX: usize = 1000;

const EXTENT_BYTES: u64 = EXTENT_PAGES as u64 * PAGE_BYTES as u64;

/// Fewer members are no array.
pub const MEMBERS_MIN: u32 = 2;

/// How an array deals out bytes to its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    unit_bytes: u64,
    members: u32,
}

impl Geometry {
    /// A multiple of 512 bytes up to 16 MiB for each of 2 to 64 members in turn.
    ///
    /// # Errors
    /// In words, if it is anything else.
    pub fn new(unit_bytes: u64, members: u32) -> Result<Self, &'static str> {
        if unit_bytes == 0 || !unit_bytes.is_multiple_of(512) || unit_bytes > 16 << 20 {
            return Err("a stripe unit is a multiple of 512 bytes, at most 16 MiB");
        }
        if !(MEMBERS_MIN..=64).contains(&members) {
            return Err("an array has 2 to 64 members");
        }
        Ok(Self { unit_bytes, members })
    }
}

/// What offsets are counted in, and what can show in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offsets {
    /// Those on a device: stripes.
    Device,
    /// Those in a file of which nothing else is known: stripes and periods.
    File,
    /// Those in a file that is known by its offsets on a device, too: periods.
    MappedFile,
}

/// A damaged page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damaged {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// The index of its file.
    pub file: usize,
    /// Which page of that it is.
    pub page: PageId,
}

/// Damaged pages that are folded together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The device or the file.
    pub name: Arc<str>,
    /// What `pages` have their offsets in.
    pub offsets: Offsets,
    /// The reason or the cause of all of them; `None` for damage of whatever kind.
    pub kind: Option<&'static str>,
    /// What is damaged.
    pub pages: Vec<Damaged>,
    /// Pages in use that are not damaged.
    pub sound_pages: u64,
}

/// The patterns in `scopes`: one for each device and each file at most, the surest first. Only the
/// geometry that is given is tried, if one is.
pub fn find(
    mut scopes: Vec<Scope>,
    given: Option<Geometry>,
    in_use: &dyn ExtentsInUse,
) -> Vec<Pattern> {
    scopes.retain(can_tell);
    scopes.sort_by(|a, b| {
        let key = |scope: &Scope| (Reverse(scope.pages.len()), scope.offsets, scope.kind);
        (key(a), &a.name).cmp(&(key(b), &b.name))
    });
    scopes.truncate(SCOPES_MAX);
    let tried = Tried::over(&scopes, given);
    let best = |scope: &Scope, left_out: &BTreeSet<usize>| {
        let found = tried.best(scope, left_out)?;
        let found = tried.confirmed(found, scope, left_out, in_use)?;
        Some((found, found.report(scope, given)))
    };
    let (on_devices, in_files): (Vec<_>, Vec<_>) =
        scopes.iter().partition(|scope| scope.offsets == Offsets::Device);
    let mut patterns = Vec::new();
    let mut periodic = BTreeSet::new();
    for scope in in_files {
        let Some((found, pattern)) = best(scope, &BTreeSet::new()) else { continue };
        if found.folding.kind == Kind::Period {
            periodic.extend(scope.pages.iter().map(|page| page.file));
        }
        patterns.push(pattern);
    }
    // What is periodic in a file is so on a device, too, where it would pass for a member.
    let on_devices = on_devices.into_iter().filter_map(|scope| best(scope, &periodic));
    patterns.extend(on_devices.map(|(_, pattern)| pattern));
    patterns.sort_by(|a, b| {
        let key = |pattern: &Pattern| (Arc::clone(&pattern.scope), pattern.damage.clone());
        a.p_value.total_cmp(&b.p_value).then_with(|| key(a).cmp(&key(b)))
    });
    let mut told = BTreeSet::new();
    patterns.retain(|pattern| told.insert((Arc::clone(&pattern.scope), pattern.on_device)));
    patterns
}

/// Where nearly all is damaged, damage is where the pages in use are.
fn can_tell(scope: &Scope) -> bool {
    scope.pages.len() >= PAGES_MIN && scope.sound_pages >= scope.pages.len() as u64 / 2
}

/// The geometries that are tried for each kind of offsets, and what they cost: a p-value is
/// multiplied by how many (scope, geometry) pairs are tried, divided by the share of the error that
/// their kind may spend (Bonferroni's correction), so that all of them together find a pattern in
/// random damage in one scan of a hundred at most.
struct Tried {
    stripes: Vec<Folding>,
    periods: Vec<Folding>,
    /// How much less often than [`P_VALUE_MAX`] each one may be wrong, so that all of them together
    /// are not wrong more often: how many are tried, over their share of the error. For damage of
    /// every kind, and for one.
    cost_of_stripe: [f64; 2],
    cost_of_period: [f64; 2],
    /// No geometry is given.
    is_search: bool,
}

impl Tried {
    fn over(scopes: &[Scope], given: Option<Geometry>) -> Self {
        let searched = || UNITS.into_iter().flat_map(|unit| MEMBERS.map(move |n| (unit, n)));
        let stripes: Vec<(u64, u32)> = match given {
            Some(Geometry { unit_bytes, members }) => vec![(unit_bytes, members)],
            None => searched().collect(),
        };
        let foldings = |kind: Kind, pairs: Vec<(u64, u32)>| -> Vec<Folding> {
            let folding = |(unit_bytes, members)| Folding { kind, unit_bytes, members };
            pairs.into_iter().map(folding).filter(|folding| folding.chance() < 1.0).collect()
        };
        let stripes = foldings(Kind::Stripe, stripes);
        let period = |pages| (PAGE_BYTES as u64, pages);
        let periods = foldings(Kind::Period, PERIODS.map(period).collect());
        let times = |kind, is_of_kind| {
            let is_it =
                |scope: &&Scope| scope.offsets.show(kind) && scope.is_of_kind() == is_of_kind;
            scopes.iter().filter(is_it).count()
        };
        let any = |kind| times(kind, false) + times(kind, true);
        let share = match (any(Kind::Stripe), any(Kind::Period)) {
            (_, 0) => 1.0,
            (0, _) => 0.0,
            _ => SHARE_OF_STRIPES,
        };
        let has_kinds = scopes.iter().any(Scope::is_of_kind);
        let of_all = if has_kinds { 1.0 - SHARE_OF_KINDS } else { 1.0 };
        let cost = |kind, foldings: &[Folding], share: f64| {
            let cost = |of, part| (times(kind, of) * foldings.len()) as f64 / (share * part);
            [cost(false, of_all), cost(true, SHARE_OF_KINDS)]
        };
        Self {
            cost_of_stripe: cost(Kind::Stripe, &stripes, share),
            cost_of_period: cost(Kind::Period, &periods, 1.0 - share),
            stripes,
            periods,
            is_search: given.is_none(),
        }
    }

    /// Of all geometries that chance does not explain, the one that explains best where the
    /// damage is. Pages of the files `left_out` do not count.
    fn best(&self, scope: &Scope, left_out: &BTreeSet<usize>) -> Option<Found> {
        let mut pages: Vec<u64> = kept(scope, left_out).map(|page| page.offset).collect();
        pages.sort_unstable();
        let families = [(Kind::Stripe, &self.stripes), (Kind::Period, &self.periods)];
        let shown = families.into_iter().filter(|(kind, _)| scope.offsets.show(*kind));
        let mut candidates = Vec::new();
        let mut counts = Vec::new();
        for run in shown.flat_map(|(_, all)| all.chunk_by(|a, b| a.unit_bytes == b.unit_bytes)) {
            let units = inside(&pages, run.first()?.unit_bytes);
            let folded = |folding: &Folding| self.fold(*folding, scope, &units, &mut counts);
            candidates.extend(run.iter().flat_map(folded).flatten());
        }
        let best = race::winner(&candidates)?;
        let is_wrong = || race::is_one_of_another(&best) || !race::is_on_all_parts(&best, &pages);
        (!self.is_search || !is_wrong()).then_some(best)
    }

    /// The fullest member, if it is sure, and the two fullest.
    fn fold(
        &self,
        folding: Folding,
        scope: &Scope,
        units: &[Unit],
        counts: &mut Vec<Count>,
    ) -> [Option<Found>; 2] {
        let (one, two) = folding.fold(units, counts, self.cost(folding.kind, scope));
        let is_sure = |found: &Found| found.is_sure && (!self.is_search || found.hits >= HITS_MIN);
        let is_pair = self.is_search && folding.kind == Kind::Stripe && folding.members > 2;
        let two = Found { is_sure: is_sure(&two), ..two };
        [is_sure(&one).then_some(one), is_pair.then_some(two)]
    }

    /// `found` as chance explains it where only extents in use can be damaged, if that is still
    /// too little.
    fn confirmed(
        &self,
        found: Found,
        scope: &Scope,
        left_out: &BTreeSet<usize>,
        in_use: &dyn ExtentsInUse,
    ) -> Option<Found> {
        let mut pages: Vec<Damaged> = kept(scope, left_out).copied().collect();
        pages.sort_unstable();
        let found = in_use::confirmed(found, &pages, scope.offsets, in_use)?;
        let p_value = (found.ln_p + self.cost(found.folding.kind, scope).ln()).exp();
        let p_value = p_value.clamp(P_VALUE_MIN, 1.0);
        (p_value < P_VALUE_MAX).then_some(Found { p_value, ..found })
    }

    fn cost(&self, kind: Kind, scope: &Scope) -> f64 {
        let of = usize::from(scope.is_of_kind());
        match kind {
            Kind::Stripe => self.cost_of_stripe[of],
            Kind::Period => self.cost_of_period[of],
        }
    }
}

impl Scope {
    fn is_of_kind(&self) -> bool {
        self.kind.is_some()
    }
}

/// What is damaged in `scope`, without the files `left_out`.
fn kept<'a>(scope: &'a Scope, left_out: &BTreeSet<usize>) -> impl Iterator<Item = &'a Damaged> {
    scope.pages.iter().filter(|page| !left_out.contains(&page.file))
}

impl Offsets {
    fn show(self, kind: Kind) -> bool {
        !matches!((self, kind), (Self::Device, Kind::Period) | (Self::MappedFile, Kind::Stripe))
    }
}

/// What offsets are folded over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The members of an array.
    Stripe,
    /// Pages.
    Period,
}

/// One geometry: units of so many bytes, dealt out to so many members.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Folding {
    kind: Kind,
    unit_bytes: u64,
    members: u32,
}

impl Folding {
    /// How likely a page is on a given member, at most, if only its extent is left to chance, not
    /// its place in the extent: 1 of 8 for 64 KiB on 8 members, 1 of 2 for every 16th page.
    fn chance(&self) -> f64 {
        let round = self.unit_bytes * u64::from(self.members);
        // Extents begin at multiples of this, in each round alike.
        let step = gcd(EXTENT_BYTES, round);
        (self.unit_bytes.div_ceil(step) * step) as f64 / round as f64
    }

    /// Counts ascending `units` by member, with `counts` as a place to do it in. What the fullest
    /// member explains, and what the two fullest do.
    fn fold(self, units: &[Unit], counts: &mut Vec<Count>, cost: f64) -> (Found, Found) {
        counts.clear();
        counts.resize(self.members as usize, Count::default());
        self.count(units, counts);
        let all = units.iter().map(|unit| unit.pages).sum();
        let events = units.len() as u64;
        let (member, first) = take_fullest(counts);
        let (other, second) = take_fullest(counts);
        let is_second = self.is_second(events - first.events, second.events);
        let ln_p = self.ln_p(events, first.events, self.chance());
        let p_value = (ln_p + cost.ln()).exp().clamp(P_VALUE_MIN, 1.0);
        let named = Some((other, second.events));
        let one = Found {
            folding: self,
            member,
            events,
            hits: first.events,
            second: named.filter(|_| is_second),
            ln_p,
            p_value,
            is_sure: p_value < P_VALUE_MAX,
            fit: Fit::new(self, 1, first.pages, all),
        };
        let fit = Fit::new(self, 2, first.pages + second.pages, all);
        (one, Found { second: named, is_sure: one.is_sure && is_second, fit, ..one })
    }

    /// ln of how likely chance does as much on any member, if it is on one with `chance`.
    fn ln_p(self, events: u64, hits: u64, chance: f64) -> f64 {
        f64::from(self.members).ln() + ln_tail(events, hits, chance.min(1.0))
    }

    fn count(self, units: &[Unit], counts: &mut [Count]) {
        // Units ascend. Small numbers divide several times faster.
        let is_small = units.last().is_none_or(|last| u32::try_from(last.number).is_ok());
        let members = u64::from(self.members);
        for unit in units {
            let number = unit.number;
            let member =
                if is_small { u64::from(number as u32 % self.members) } else { number % members };
            counts[member as usize].events += 1;
            counts[member as usize].pages += unit.pages;
        }
    }

    /// Whether one of the other members has more of the rest than chance explains.
    fn is_second(&self, rest: u64, hits: u64) -> bool {
        let others = f64::from(self.members - 1);
        let chance = self.chance() * f64::from(self.members) / others;
        chance < 1.0 && others.ln() + ln_tail(rest, hits, chance) < SECOND_P_VALUE_MAX.ln()
    }
}

/// A unit with damage in it.
#[derive(Clone, Copy, Debug)]
struct Unit {
    number: u64,
    /// Damaged pages.
    pages: u64,
}

/// What is damaged on a member.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Units.
    events: u64,
    pages: u64,
}

/// The units that ascending `pages` are in. A page that reaches into the next unit may be bad
/// because of either, and does not count.
fn inside(pages: &[u64], unit_bytes: u64) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for offset in pages.iter().filter(|&&at| at % unit_bytes + PAGE_BYTES as u64 <= unit_bytes) {
        let number = offset / unit_bytes;
        match units.last_mut() {
            Some(last) if last.number == number => last.pages += 1,
            _ => units.push(Unit { number, pages: 1 }),
        }
    }
    units
}

/// The first of the members with the most events, and what it has, which then no longer counts.
fn take_fullest(counts: &mut [Count]) -> (u32, Count) {
    let most = counts.iter().map(|count| count.events).max().unwrap_or_default();
    let member = counts.iter().position(|count| count.events == most).unwrap_or_default();
    (member as u32, counts.get_mut(member).map(std::mem::take).unwrap_or_default())
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What one geometry shows.
#[derive(Clone, Copy, Debug)]
struct Found {
    folding: Folding,
    member: u32,
    events: u64,
    hits: u64,
    /// Another failed member, and its events.
    second: Option<(u32, u64)>,
    /// How likely chance does as much, as a logarithm, before correction.
    ln_p: f64,
    p_value: f64,
    /// Neither chance nor, if a pair is, chance and the one member explain it.
    is_sure: bool,
    fit: Fit,
}

impl Found {
    fn report(&self, scope: &Scope, given: Option<Geometry>) -> Pattern {
        let is_stripe = self.folding.kind == Kind::Stripe;
        Pattern {
            host: None,
            kind: if is_stripe { "stripe_member" } else { "period" }.into(),
            scope: Arc::clone(&scope.name),
            on_device: scope.offsets == Offsets::Device,
            damage: scope.kind.map(Into::into),
            unit_bytes: self.folding.unit_bytes,
            members: self.folding.members,
            member: self.member,
            events: self.events,
            hits: self.hits,
            p_value: self.p_value,
            given: is_stripe && given.is_some(),
            text: words::text(self, scope),
        }
    }
}
