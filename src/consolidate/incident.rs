//! Suspects that are neighbours, told as one incident: failures are local, in a file and on a
//! device.

use crate::page::address::PageId;
use std::ops::Range;

/// Pages apart at most for two suspects of one file to be neighbours.
const NEIGHBOUR_PAGES: u32 = 64;
/// Bytes apart at most for two suspects on one device to be neighbours, in whichever files.
const NEIGHBOUR_BYTES: u64 = 1 << 20;

/// Where a suspect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index of its file.
    pub file: usize,
    /// The page in it.
    pub page: PageId,
    /// Index of its device, and where it begins on that.
    pub device: Option<(usize, u64)>,
}

/// Indices of places, in groups of neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incidents {
    /// The groups one after the other, each by file and page.
    members: Vec<usize>,
    /// Where in `members` each group ends.
    ends: Vec<usize>,
}

impl Incidents {
    /// Groups `places`, given in any order: each is a neighbour of another one of its incident, by
    /// its place in the file or on the device.
    pub fn group(places: &[Place]) -> Self {
        Self::group_also(places, |_, _| false)
    }

    /// The same; those are neighbours as well of which `are_one` says so of their indices, if no
    /// other stands between them in their file.
    pub fn group_also(places: &[Place], are_one: impl Fn(usize, usize) -> bool) -> Self {
        let by_page = in_order(places.iter().map(|place| Some((place.file, place.page))));
        let mut groups = Groups::of_one_each(places.len());
        groups.join_neighbours(&by_page, |&a, &b| {
            are_near_in_file(&places[a], &places[b]) || are_one(a, b)
        });
        let by_device = in_order(places.iter().map(|place| place.device));
        groups.join_neighbours(&by_device, |&a, &b| are_near_on_device(&places[a], &places[b]));
        groups.in_order_of(&by_page)
    }

    /// The incidents by file and page of their first suspects. Each is a list of indices into
    /// what was grouped, by file and page.
    pub fn iter(&self) -> impl Iterator<Item = &[usize]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.members[Range { start, end }])
    }
}

/// Indices of `keys` in their order; of those that are known.
fn in_order<K: Ord>(keys: impl Iterator<Item = Option<K>>) -> Vec<usize> {
    let known = |(index, key): (usize, Option<K>)| Some((key?, index));
    let mut keyed: Vec<(K, usize)> = keys.enumerate().filter_map(known).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, index)| index).collect()
}

/// The parts of `incident` in one file each.
pub fn spans<'a>(incident: &'a [usize], places: &[Place]) -> impl Iterator<Item = &'a [usize]> {
    incident.chunk_by(|&a, &b| places[a].file == places[b].file)
}

fn are_near_in_file(a: &Place, b: &Place) -> bool {
    a.file == b.file && a.page.0.abs_diff(b.page.0) <= NEIGHBOUR_PAGES
}

fn are_near_on_device(a: &Place, b: &Place) -> bool {
    let near = |((a, at), (b, bt)): ((usize, u64), (usize, u64))| {
        a == b && at.abs_diff(bt) <= NEIGHBOUR_BYTES
    };
    a.device.zip(b.device).is_some_and(near)
}

/// Disjoint sets of indices, each a tree that leads to one of them.
struct Groups {
    parents: Vec<usize>,
}

impl Groups {
    fn of_one_each(count: usize) -> Self {
        Self { parents: (0..count).collect() }
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    /// Joins those that stand next to each other in `order` and are neighbours.
    fn join_neighbours(&mut self, order: &[usize], near: impl Fn(&usize, &usize) -> bool) {
        for (a, b) in order.iter().zip(order.iter().skip(1)).filter(|(a, b)| near(a, b)) {
            let (a, b) = (self.root(*a), self.root(*b));
            self.parents[b] = a;
        }
    }

    /// The groups in the order of their first members, and those in the order given.
    fn in_order_of(mut self, order: &[usize]) -> Incidents {
        const NONE: usize = usize::MAX;
        let mut number_of_root = vec![NONE; order.len()];
        // First the size of each group, then where its next member goes.
        let mut ends: Vec<usize> = Vec::new();
        let mut numbers = Vec::with_capacity(order.len());
        for &index in order {
            let root = self.root(index);
            if number_of_root[root] == NONE {
                number_of_root[root] = ends.len();
                ends.push(0);
            }
            ends[number_of_root[root]] += 1;
            numbers.push(number_of_root[root]);
        }
        let mut end = 0;
        for size in &mut ends {
            (*size, end) = (end, end + *size);
        }
        let mut members = vec![0; order.len()];
        for (&index, number) in order.iter().zip(numbers) {
            members[ends[number]] = index;
            ends[number] += 1;
        }
        Incidents { members, ends }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    fn at(file: usize, page: u32) -> Place {
        Place { file, page: PageId(page), device: None }
    }

    fn on(file: usize, page: u32, device: usize, offset: u64) -> Place {
        Place { device: Some((device, offset)), ..at(file, page) }
    }

    fn groups(places: &[Place]) -> Vec<Vec<usize>> {
        Incidents::group(places).iter().map(<[usize]>::to_vec).collect()
    }

    #[test]
    fn neighbours_in_a_file_make_one_incident_and_files_are_kept_apart() {
        let places = [at(0, 1), at(0, 1000), at(0, 1064), at(0, 1129), at(1, 1130)];
        assert_eq!(groups(&places), [vec![0], vec![1, 2], vec![3], vec![4]]);
        assert!(groups(&[]).is_empty());
    }

    #[test]
    fn neighbours_on_a_device_make_one_incident_in_whichever_files() {
        let mib = 1 << 20;
        let places = [
            on(0, 10_000, 0, 5 * mib),
            on(1, 7, 0, 6 * mib),
            on(1, 900, 0, 7 * mib + 1),
            on(2, 3, 1, 5 * mib),
            at(3, 3),
        ];
        assert_eq!(groups(&places), [vec![0, 1], vec![2], vec![3], vec![4]]);
        let incidents = Incidents::group(&places);
        let first = incidents.iter().next().unwrap();
        assert_eq!(spans(first, &places).collect::<Vec<_>>(), [[0], [1]]);
    }

    /// Pages 1 and 500 are apart in their file and on the device; what lies between them on the
    /// device is in another file, of which one page is near the first and one near the second.
    #[test]
    fn a_chain_over_another_file_is_one_incident() {
        let kib = 1 << 10;
        let places = [
            on(0, 500, 0, 3000 * kib),
            on(1, 70, 0, 2500 * kib),
            on(0, 1, 0, 1000 * kib),
            on(1, 20, 0, 1900 * kib),
        ];
        assert_eq!(groups(&places), [vec![2, 0, 3, 1]]);
        let incidents = Incidents::group(&places);
        let parts: Vec<_> = spans(incidents.iter().next().unwrap(), &places).collect();
        assert_eq!(parts, [&[2, 0][..], &[3, 1]]);
    }

    /// By the definition: joined as long as any two are near.
    fn plainly(places: &[Place]) -> Vec<Vec<usize>> {
        let near = |a: usize, b: usize| {
            let (a, b) = (&places[a], &places[b]);
            are_near_in_file(a, b) || are_near_on_device(a, b)
        };
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for i in 0..places.len() {
            let is_joined = |group: &Vec<usize>| group.iter().any(|&j| near(i, j));
            let (joined, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_joined);
            groups = apart;
            groups.push(joined.into_iter().flatten().chain([i]).collect());
        }
        for group in &mut groups {
            group.sort_by_key(|&i| places[i]);
        }
        groups.sort_by_key(|group| places[group[0]]);
        groups
    }

    #[test]
    fn any_order_gives_the_groups_of_the_definition() {
        for seed in 0..200 {
            let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut below = |end: u64| dice.next_u64() % end;
            let mut place = |i: u32| {
                let device = (below(4) > 0).then(|| (below(2) as usize, below(40) << 18));
                Place { device, ..at(below(3) as usize, below(50) as u32 * 30 + i % 7) }
            };
            let mut places: Vec<Place> = (0..30).map(&mut place).collect();
            places.sort_unstable();
            places.dedup_by_key(|place| (place.file, place.page));
            let shift = seed as usize % places.len();
            places.rotate_left(shift);
            assert_eq!(groups(&places), plainly(&places), "seed {seed}");
        }
    }

    #[test]
    fn a_million_suspects_are_grouped_without_holding_each_against_each() {
        let place = |i: u64| {
            let scattered = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 34;
            on((i % 100) as usize, scattered as u32, (i % 7) as usize, scattered << 13)
        };
        let places: Vec<Place> = (0..1_000_000).map(place).collect();
        // Pairs would be a million times a million.
        let incidents = Incidents::group(&places);
        assert_eq!(incidents.iter().map(<[usize]>::len).sum::<usize>(), places.len());
    }
}
