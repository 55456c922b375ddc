//! Damage by chance is no pattern; a dead member and a fixed period are.

mod copies;
mod geometries;

use super::*;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;

const KIB: u64 = 1 << 10;
const PAGE: u64 = PAGE_BYTES as u64;
const SEEDS: u64 = 1000;
/// False alarms allowed in that many: what the p-value promises.
const ALARMS_MAX: usize = 10;

/// Chance with a printed seed.
struct Dice(Xoshiro256PlusPlus);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(end)) >> 64) as u64
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// 1 or more, on average so many.
    fn geometric(&mut self, mean: u64) -> u64 {
        1 + (0..20 * mean).take_while(|_| self.below(mean) > 0).count() as u64
    }
}

/// Which pages are in use.
#[derive(Clone, Copy, Debug)]
enum InUse {
    /// So many percent of the pages, by chance.
    Pages(u64),
    /// So many percent of the extents, by chance, as wholes.
    Extents(u64),
    /// The first so many pages of each extent: small tables.
    FirstOfExtent(u64),
    /// The first so many pages of every second extent: a table that has those.
    OfEverySecondExtent(u64),
    /// All of every third extent.
    EveryThirdExtent,
}

impl InUse {
    const ALL: [Self; 11] = [
        Self::Pages(100),
        Self::Pages(70),
        Self::Pages(30),
        Self::Extents(80),
        Self::Extents(30),
        Self::FirstOfExtent(1),
        Self::FirstOfExtent(2),
        Self::FirstOfExtent(5),
        Self::OfEverySecondExtent(8),
        Self::OfEverySecondExtent(1),
        Self::EveryThirdExtent,
    ];

    fn holds(self, seed: u64, page: u64) -> bool {
        let percent = |of: u64| Dice::new(seed ^ (of << 20)).below(100);
        match self {
            Self::Pages(share) => percent(page) < share,
            Self::Extents(share) => percent(page / 8) < share,
            Self::FirstOfExtent(pages) => page % 8 < pages,
            Self::OfEverySecondExtent(pages) => page / 8 % 2 == 1 && page % 8 < pages,
            Self::EveryThirdExtent => page / 8 % 3 == 2,
        }
    }
}

/// Nobody knows what is in use.
struct Unknown;

impl ExtentsInUse for Unknown {
    fn around(&self, _: &Damaged, _: Offsets) -> Option<Vec<u64>> {
        None
    }
}

/// What is in use is known.
struct Known(u64, InUse);

impl ExtentsInUse for Known {
    fn around(&self, page: &Damaged, _: Offsets) -> Option<Vec<u64>> {
        let extent = u64::from(page.page.0) / 8;
        let is_used = |extent: &u64| run(extent * 8, 8).any(|page| self.1.holds(self.0, page));
        let extents = extent.saturating_sub(64)..extent + 65;
        Some(extents.filter(is_used).map(|extent| extent * EXTENT_BYTES).collect())
    }
}

fn run(first: u64, pages: u64) -> std::ops::Range<u64> {
    first..first + pages
}

/// Ways in which chance damages a file of so many pages.
type Damage = (&'static str, fn(&mut Dice, u64) -> Vec<u64>);

const BY_CHANCE: [Damage; 9] = [
    ("single pages", |dice, pages| (0..120).map(|_| dice.below(pages)).collect()),
    ("64 KiB chunks", |dice, pages| {
        let extents = 10 + dice.below(60);
        (0..extents).flat_map(|_| run(dice.below(pages / 8) * 8, 8)).collect()
    }),
    ("as many chunks as a dead member of 8 has", |dice, pages| {
        let is_hit = |_: &u64| dice.below(8) == 0;
        (0..pages / 8).filter(is_hit).flat_map(|extent| run(extent * 8, 8)).collect()
    }),
    ("runs of geometric length", |dice, pages| {
        let runs = 5 + dice.below(30);
        (0..runs).flat_map(|_| run(dice.below(pages), dice.geometric(12))).collect()
    }),
    ("clusters of runs", |dice, pages| {
        let near = |dice: &mut Dice, centre| {
            run(centre + dice.geometric(100), dice.geometric(6)).collect::<Vec<_>>()
        };
        let cluster = |dice: &mut Dice| {
            let centre = dice.below(pages);
            (0..12).flat_map(|_| near(dice, centre)).collect::<Vec<_>>()
        };
        (0..5).flat_map(|_| cluster(dice)).collect()
    }),
    ("a mixture", |dice, pages| {
        let one = |dice: &mut Dice| match dice.below(3) {
            0 => run(dice.below(pages), 1),
            1 => run(dice.below(pages / 8) * 8, 8),
            _ => run(dice.below(pages), dice.geometric(40)),
        };
        (0..30).flat_map(|_| one(dice)).collect()
    }),
    ("long runs", |dice, pages| {
        (0..4).flat_map(|_| run(dice.below(pages), dice.below(1000))).collect()
    }),
    ("the first hundredth, by chance", |dice, pages| {
        (0..pages / 100).filter(|_| dice.percent(50)).collect()
    }),
    ("a few pages", |dice, pages| {
        let few = 4 + dice.below(12);
        (0..few).map(|_| dice.below(pages)).collect()
    }),
];

fn scope(offsets: Offsets, pages: impl IntoIterator<Item = u64>) -> Scope {
    let pages: BTreeSet<u64> = pages.into_iter().collect();
    let damaged = |page| Damaged { offset: page * PAGE, file: 0, page: PageId(page as u32) };
    let pages = pages.into_iter().map(damaged).collect();
    Scope { name: "/dev/md0".into(), offsets, kind: None, pages, sound_pages: u64::MAX }
}

/// [`super::find`] where nobody knows what is in use.
fn find(scopes: Vec<Scope>, given: Option<Geometry>) -> Vec<Pattern> {
    super::find(scopes, given, &Unknown)
}

fn in_file(pages: impl IntoIterator<Item = u64>) -> Option<Pattern> {
    find(vec![scope(Offsets::File, pages)], None).pop()
}

fn alarms(damage: Damage, offsets: Offsets, given: Option<Geometry>) -> Vec<(u64, InUse, Pattern)> {
    let alarm = |seed: u64| {
        let mut dice = Dice::new(seed);
        let pages = 4096 << dice.below(3);
        let in_use = InUse::ALL[dice.below(InUse::ALL.len() as u64) as usize];
        let damaged = damage.1(&mut dice, pages);
        let seen = damaged.into_iter().filter(|&page| page < pages && in_use.holds(seed, page));
        let found = super::find(vec![scope(offsets, seen)], given, &Known(seed, in_use)).pop()?;
        Some((seed, in_use, found))
    };
    (0..SEEDS).filter_map(alarm).collect()
}

#[test]
fn damage_by_chance_is_called_a_pattern_less_than_once_in_a_hundred_times() {
    for damage in BY_CHANCE {
        let alarms = alarms(damage, Offsets::File, None);
        assert!(alarms.len() <= ALARMS_MAX, "{}: {} {alarms:#?}", damage.0, alarms.len());
    }
}

#[test]
fn nor_is_it_where_the_geometry_is_given() {
    for (unit, members) in [(64, 8), (16, 6), (24, 5), (512, 3)] {
        let given = Geometry::new(unit * KIB, members).ok();
        for damage in BY_CHANCE {
            let alarms = alarms(damage, Offsets::Device, given);
            assert!(
                alarms.len() <= ALARMS_MAX,
                "{unit} KiB x {members}, {}: {}",
                damage.0,
                alarms.len()
            );
        }
    }
}

#[test]
fn damage_in_one_piece_is_no_pattern_however_large() {
    let pieces: [(&str, Vec<u64>); 8] = [
        ("100 MiB of zeros", run(5000, 12_800).collect()),
        (
            "several runs",
            [run(3, 700), run(9000, 900), run(20_000, 64)].into_iter().flatten().collect(),
        ),
        ("pages 1 to 8", run(1, 8).collect()),
        ("300 pages", run(777, 300).collect()),
        ("the first of a hundred", run(0, 1310).collect()),
        ("everything", run(0, 131_072).collect()),
        ("one page of each extent", run(0, 2000).map(|extent| extent * 8).collect()),
        ("one extent", run(64, 8).collect()),
    ];
    for (name, pages) in pieces {
        for offsets in [Offsets::File, Offsets::Device, Offsets::MappedFile] {
            let found = find(vec![scope(offsets, pages.clone())], None);
            assert_eq!(found, [], "{name}");
        }
    }
}

/// The pages of `pages` that are on `member`.
fn on_member(pages: u64, unit_bytes: u64, members: u64, member: u64) -> impl Iterator<Item = u64> {
    (0..pages).filter(move |page| page * PAGE / unit_bytes % members == member)
}

fn geometry(found: &Pattern) -> (u64, u32, u32) {
    (found.unit_bytes / KIB, found.members, found.member)
}

#[test]
fn a_dead_member_is_found_in_small_and_large_files_however_full_they_are() {
    for (pages, in_use) in [
        (8192, InUse::Pages(50)),
        (8192, InUse::Extents(50)),
        (8192, InUse::Pages(100)),
        (131_072, InUse::Pages(50)),
        (131_072, InUse::Extents(30)),
    ] {
        let seen = on_member(pages, 64 * KIB, 8, 3).filter(|&page| in_use.holds(7, page));
        let found = in_file(seen).unwrap();
        assert_eq!((&*found.kind, geometry(&found)), ("stripe_member", (64, 8, 3)), "{in_use:?}");
        assert_eq!(found.hits, found.events);
        assert!(found.p_value > 0.0 && found.p_value < 1e-9 && !found.given);
    }
}

#[test]
fn every_usual_geometry_is_told_by_its_dead_member() {
    for unit in UNITS {
        // Where an extent goes around all members, they are not told from pages of extents.
        let usual = [2, 3, 4, 5, 6, 8, 12, 16, 24, 32];
        for members in usual.into_iter().filter(|members| members * unit > 64 * KIB) {
            let member = members - 1 - u64::from(unit > 64 * KIB);
            let pages = 40 * members * unit / PAGE;
            let seen = on_member(pages, unit, members, member);
            let found = in_file(seen).unwrap();
            let is = (unit / KIB, members as u32, member as u32);
            assert_eq!((&*found.kind, geometry(&found)), ("stripe_member", is));
        }
    }
}

#[test]
fn a_dead_member_is_found_among_damage_by_chance() {
    let mut dice = Dice::new(5);
    let stray: Vec<u64> = (0..60).map(|_| dice.below(8192)).collect();
    let found = in_file(on_member(8192, 64 * KIB, 8, 6).chain(stray)).unwrap();
    assert_eq!(geometry(&found), (64, 8, 6));
    assert!(found.hits < found.events);
}

#[test]
fn a_few_units_are_enough_and_fewer_if_the_geometry_is_given() {
    let given = Geometry::new(64 * KIB, 8).ok();
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let mut units = |count| -> Vec<u64> {
            (0..count).map(|_| dice.below(2000) * 64 + 3 * 8 + dice.below(8)).collect()
        };
        let found = find(vec![scope(Offsets::Device, units(12))], given).pop().unwrap();
        assert_eq!((geometry(&found), found.given), ((64, 8, 3), true), "seed {seed}");
        let three = scope(Offsets::Device, units(3).into_iter().chain([24 + 64]));
        let two = scope(Offsets::Device, [24, 25, 26, 88]);
        assert!(find(vec![two], given).is_empty(), "two units");
        assert!(find(vec![three.clone()], None).is_empty(), "four units, nothing known");
    }
    // Six incidents, apart from each other, are the fewest: 8 x 8^-6 x 217 geometries < 0.01.
    let apart = |count| (0..count).map(|i: u64| (i * i * 37 + 11 * i) * 64 + 24);
    let found = |count| find(vec![scope(Offsets::Device, apart(count))], None).pop();
    assert_eq!((0..6).find(|&count| found(count).is_some()), None);
    assert!(found(7).is_some());
}

#[test]
fn a_period_of_16_pages_is_that_and_no_stripe() {
    for phase in [0, 3, 8, 15] {
        let pages = (0..2048).filter(|page| page % 16 == phase);
        let found = in_file(pages).unwrap();
        assert_eq!((&*found.kind, geometry(&found)), ("period", (8, 16, phase as u32)));
        assert_eq!((found.events, found.hits), (128, 128));
        assert!(found.text.starts_with("128 of 128 damaged pages: every 16th page from page "));
        assert!(found.text.ends_with("encrypts the head of every 128 KiB"), "{}", found.text);
    }
    for in_use in [InUse::Pages(50), InUse::Extents(60)] {
        let pages = (0..4096).filter(|&page| page % 16 == 3 && in_use.holds(1, page));
        let found = in_file(pages).unwrap();
        assert_eq!((&*found.kind, geometry(&found)), ("period", (8, 16, 3)), "{in_use:?}");
    }
}

#[test]
fn other_periods_are_found_as_well() {
    for period in [10, 12, 24, 32, 64, 100, 128, 256] {
        let found = in_file((0..period * 150).filter(|page| page % period == 5)).unwrap();
        assert_eq!((&*found.kind, geometry(&found)), ("period", (8, period as u32, 5)));
    }
}

#[test]
fn what_is_periodic_in_a_file_is_no_member_of_the_array_below_it() {
    let pages = || (0..4096).filter(|page| page % 16 == 3);
    let both = [scope(Offsets::MappedFile, pages()), scope(Offsets::Device, pages())];
    let [found] = &find(both.to_vec(), None)[..] else { panic!("one pattern") };
    assert_eq!(&*found.kind, "period");
    let dead = || on_member(8192, 64 * KIB, 8, 3);
    let both = [scope(Offsets::MappedFile, dead()), scope(Offsets::Device, dead())];
    let [found] = &find(both.to_vec(), None)[..] else { panic!("one pattern") };
    assert_eq!(geometry(found), (64, 8, 3));
}

/// Left-symmetric, as md lays it out: in each stripe parity moves one disk down, and the data
/// begins on the disk after it.
#[test]
fn a_disk_of_raid_5_is_found_by_plain_folding_over_all_disks() {
    let disks = 5;
    let disk_of = |unit: u64| {
        let (stripe, place) = (unit / (disks - 1), unit % (disks - 1));
        let parity = disks - 1 - stripe % disks;
        (parity + 1 + place) % disks
    };
    let lost = (0..16_384).filter(|page| disk_of(page / 8) == 2);
    let found = in_file(lost).unwrap();
    assert_eq!((geometry(&found), found.hits), ((64, 5, 2), found.events));
}

#[test]
fn of_two_dead_members_both_are_named() {
    for (one, other) in [(2, 5), (0, 7), (1, 2)] {
        let both = || {
            let member = |member| on_member(8192, 64 * KIB, 8, member);
            member(one).chain(member(other))
        };
        let given = Geometry::new(64 * KIB, 8).ok();
        let found = find(vec![scope(Offsets::Device, both())], given).pop().unwrap();
        assert_eq!(geometry(&found), (64, 8, one as u32));
        let second = format!(
            "128 of 256 damaged 64 KiB units lie on member {one} of 8, and 128 on \
            member {other} (counted from 0; p = "
        );
        assert!(found.text.starts_with(&second), "{}", found.text);
        assert!(found.text.ends_with(
            "): consistent with two failing disks or paths, or more, of the array behind /dev/md0"
        ));
    }
    let member = |member| on_member(8192, 64 * KIB, 8, member);
    let found = in_file(member(2).chain(member(5))).unwrap();
    assert_eq!(geometry(&found), (64, 8, 2), "also where it is searched for");
    assert!(found.text.contains("and 128 on member 5"), "{}", found.text);
}

#[test]
fn the_text_names_the_member_and_how_sure_it_is() {
    let given = Geometry::new(64 * KIB, 8).ok();
    let pages = on_member(31 * 64, 64 * KIB, 8, 3);
    let found = find(vec![scope(Offsets::Device, pages)], given).pop().unwrap();
    let is = "31 of 31 damaged 64 KiB units lie on member 3 of 8 (counted from 0; p = 8e-28): \
        consistent with one failing disk or path of the array behind /dev/md0";
    assert_eq!(found.text, is);
    let everywhere = find(vec![scope(Offsets::Device, on_member(1 << 19, 64 * KIB, 8, 3))], None);
    assert!(everywhere[0].text.contains("p = 1e-300 or less"), "{}", everywhere[0].text);
}

#[test]
fn a_dead_member_is_found_where_it_is_known_what_is_in_use() {
    for in_use in InUse::ALL {
        let known = Known(7, in_use);
        // Of every second extent, and every third one, a member may have none.
        let member = on_member(32_768, 64 * KIB, 8, 5).filter(|&page| in_use.holds(7, page));
        let found = super::find(vec![scope(Offsets::Device, member)], None, &known);
        let [found] = &found[..] else { panic!("{in_use:?}: {found:#?}") };
        assert!(found.p_value < 1e-6, "{in_use:?}: {}", found.text);
        let is_on_it = |page: u64| page * PAGE / (64 * KIB) % 8 == 5;
        let (unit, members, member) = geometry(found);
        let named = on_member(32_768, unit * KIB, members.into(), member.into());
        assert!(named.into_iter().any(is_on_it), "{in_use:?}: {}", found.text);
    }
}

#[test]
fn damage_everywhere_in_a_table_on_every_second_extent_is_no_pattern() {
    for in_use in
        [InUse::OfEverySecondExtent(8), InUse::OfEverySecondExtent(1), InUse::EveryThirdExtent]
    {
        for offsets in [Offsets::File, Offsets::Device] {
            let mut dice = Dice::new(3);
            let pages = || (0..8192).filter(|&page| in_use.holds(3, page));
            let some: Vec<u64> = pages().filter(|_| dice.percent(20)).collect();
            for damaged in [some, pages().collect()] {
                let all = vec![scope(offsets, damaged)];
                assert_eq!(super::find(all.clone(), None, &Known(3, in_use)), [], "{in_use:?}");
                assert!(!find(all, None).is_empty(), "{in_use:?}: it must be told to be spared");
            }
        }
    }
}

#[test]
fn zeroed_units_of_a_member_are_found_among_other_damage() {
    let mut right = 0;
    for seed in 0..100 {
        let mut dice = Dice::new(seed);
        let zeroed: Vec<u64> = (0..10).flat_map(|_| run(dice.below(1000) * 64 + 24, 8)).collect();
        let other: Vec<u64> = (0..300).map(|_| dice.below(64_000)).collect();
        let of_kind =
            |kind, pages: &[u64]| Scope { kind, ..scope(Offsets::Device, pages.iter().copied()) };
        let all = of_kind(None, &[&zeroed[..], &other].concat());
        let alone = [of_kind(Some("zeroed"), &zeroed), of_kind(Some("bit_flip"), &other)];
        let found = find([std::slice::from_ref(&all), &alone[..]].concat(), None);
        let [found] = &found[..] else { panic!("{seed}: {found:#?}") };
        assert_eq!(found.damage.as_deref(), Some("zeroed"), "{seed}");
        assert!(found.text.contains("units (zeroed only) lie on member "), "{}", found.text);
        // Ten units alone may leave out half of a member by chance.
        right += u64::from(geometry(found) == (64, 8, 3));
        assert_eq!(find(vec![all], None), [], "{seed}: it drowns in the other damage");
    }
    assert!(right >= 90, "{right} of 100");
}

#[test]
fn where_hardly_a_page_is_sound_nothing_is_said() {
    let member = || scope(Offsets::File, on_member(8192, 64 * KIB, 8, 3));
    let with = |sound_pages| find(vec![Scope { sound_pages, ..member() }], None).len();
    assert_eq!([0, 100, 7168].map(with), [0, 0, 1]);
}

#[test]
fn scopes_in_any_order_give_the_same_patterns() {
    let scopes: Vec<Scope> = (0..5)
        .map(|i| Scope {
            name: format!("/dev/md{i}").into(),
            ..scope(Offsets::Device, on_member(8192, 64 * KIB, 8, i % 3))
        })
        .collect();
    let mut backwards = scopes.clone();
    backwards.reverse();
    for scope in &mut backwards {
        scope.pages.reverse();
    }
    let patterns = find(scopes, None);
    assert_eq!(patterns.len(), 5);
    assert_eq!(patterns, find(backwards, None));
}

#[test]
fn geometries_that_no_array_has_are_refused() {
    let refused = [(0, 8), (513, 8), ((16 << 20) + 512, 8), (512, 1), (512, 65), (u64::MAX, 8)];
    assert!(refused.iter().all(|&(unit, members)| Geometry::new(unit, members).is_err()));
    assert!([(512, 2), (16 << 20, 64)].iter().all(|&(u, m)| Geometry::new(u, m).is_ok()));
}
