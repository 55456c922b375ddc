//! One dead member, or two, among other damage: the geometry that is named is the right one.

use super::*;

/// 64 MiB.
const PAGES: u64 = 8192;
const STRAY: [u64; 7] = [0, 2, 10, 60, 100, 200, 400];
const FULL: [InUse; 4] =
    [InUse::Pages(50), InUse::Pages(75), InUse::Extents(60), InUse::Pages(100)];

/// The damage of `dead` members of 8 with units of 64 KiB, and so many stray pages.
fn damage(dead: &[u64], in_use: InUse, stray: u64, seed: u64) -> Vec<u64> {
    let mut dice = Dice::new(seed);
    let stray: Vec<u64> = (0..stray).map(|_| dice.below(PAGES)).collect();
    let dead = dead.iter().flat_map(|&member| on_member(PAGES, 64 * KIB, 8, member));
    dead.filter(|&page| in_use.holds(seed, page)).chain(stray).collect()
}

fn second(found: &Pattern) -> Option<u32> {
    let (_, rest) = found.text.split_once(" on member ")?.1.split_once(" on member ")?;
    rest.split(' ').next()?.parse().ok()
}

type Named = ((u64, u32, u32), Option<u32>);

fn named(found: &Pattern) -> Named {
    let (geometry, second) = (geometry(found), second(found));
    let in_order = second.map(|second| (second.min(geometry.2), second.max(geometry.2)));
    match in_order {
        Some((one, other)) => ((geometry.0, geometry.1, one), Some(other)),
        None => (geometry, None),
    }
}

#[test]
fn one_dead_member_is_named_however_many_other_pages_are_bad() {
    for (stray, in_use) in STRAY.into_iter().flat_map(|n| FULL.map(|in_use| (n, in_use))) {
        for seed in 0..8 {
            let member = seed % 8;
            let found = in_file(damage(&[member], in_use, stray, seed)).unwrap();
            let is = ((64, 8, member as u32), None);
            assert_eq!(named(&found), is, "{stray} {in_use:?} {seed}: {}", found.text);
        }
    }
}

/// The same bytes may be one member of fewer, or of units twice as large.
fn names_of_two(one: u32, other: u32) -> Named {
    match (one, other - one) {
        (_, 4) => ((64, 4, one), None),
        (0 | 2 | 4 | 6, 1) => ((128, 4, one / 2), None),
        _ => ((64, 8, one), Some(other)),
    }
}

#[test]
fn of_two_dead_members_both_or_the_one_that_is_the_same_bytes_are_named() {
    let pairs = (0..8).flat_map(|one| (one + 1..8).map(move |other| (one, other)));
    let pairs: Vec<(u64, u64)> = pairs.collect();
    assert_eq!(pairs.len(), 28);
    let (mut right, mut nothing) = (0, 0);
    for (stray, in_use) in STRAY.into_iter().flat_map(|n| FULL.map(|in_use| (n, in_use))) {
        for (&(one, other), seed) in pairs.iter().flat_map(|pair| [1, 2, 3].map(|s| (pair, s))) {
            let Some(found) = in_file(damage(&[one, other], in_use, stray, seed)) else {
                nothing += 1;
                continue;
            };
            right += 1;
            let is = names_of_two(one as u32, other as u32);
            assert_eq!(named(&found), is, "{stray} {in_use:?} {one} {other}: {}", found.text);
        }
    }
    println!("{right} right, {nothing} nothing");
    assert!(nothing * 20 < right, "{nothing} {right}");
}

#[test]
fn where_only_some_units_are_hit_the_geometry_is_right_or_none() {
    for dead in [&[3][..], &[0, 5], &[2, 7], &[1, 3]] {
        for units in [8, 10, 12, 16, 20, 30, 60] {
            let mut said = [0; 3];
            for seed in 0..200 {
                let mut dice = Dice::new(seed);
                let hit: Vec<u64> = (0..units)
                    .map(|_| {
                        dice.below(PAGES / 64) * 8 + dead[dice.below(dead.len() as u64) as usize]
                    })
                    .collect();
                let pages = hit.into_iter().flat_map(|unit| run(unit * 8, 8));
                let found = in_file(pages.filter(|&page| InUse::Pages(70).holds(seed, page)));
                let is = match *dead {
                    [one] => ((64, 8, one as u32), None),
                    _ => names_of_two(dead[0] as u32, dead[1] as u32),
                };
                let which = match found {
                    None => 0,
                    Some(found) if named(&found) == is => 1,
                    Some(_) => 2,
                };
                said[which] += 1;
            }
            println!("{dead:?} {units} units: nothing, right, wrong {said:?}");
        }
    }
}

#[test]
fn of_three_and_more() {
    for dead in [
        &[0, 1, 4][..],
        &[0, 3, 5],
        &[1, 2, 7],
        &[0, 2, 4],
        &[0, 1, 2],
        &[0, 1, 2, 4],
        &[0, 2, 3, 5],
        &[0, 1, 6, 7],
    ] {
        for stray in [0, 100] {
            let found = in_file(damage(dead, InUse::Pages(70), stray, 3));
            println!("{dead:?} {stray}: {:?}", found.map(|found| found.text));
        }
    }
}
#[test]
fn a_period_of_16_pages_is_that_among_other_damage_too() {
    for stray in STRAY {
        for phase in 0..16 {
            let mut dice = Dice::new(phase);
            let stray: Vec<u64> = (0..stray).map(|_| dice.below(PAGES)).collect();
            let periodic = (0..PAGES).filter(|&page| page % 16 == phase);
            let found =
                in_file(periodic.filter(|&page| InUse::Pages(60).holds(phase, page)).chain(stray));
            let found = found.unwrap();
            assert_eq!((&*found.kind, geometry(&found)), ("period", (8, 16, phase as u32)));
        }
    }
}
