//! Extents that tell their place, and those that do not.

use super::*;
use crate::page::header::{FLAG_CHECKSUM, PageHeader};
use crate::page::{Page, checksum};
use std::sync::atomic::{AtomicUsize, Ordering};

fn page(file: u16, page_id: u32, page_type: u8) -> Page {
    let mut page = Page::ZERO;
    *PageHeader::of_mut(&mut page) = PageHeader {
        header_version: 1,
        page_type,
        flag_bits: FLAG_CHECKSUM,
        page_id,
        file_id: file,
        free_data: 96,
        free_count: 8000,
        ..bytemuck::Zeroable::zeroed()
    };
    checksum::seal(&mut page);
    page
}

fn extent(file: u16, number: u32) -> Vec<Page> {
    (0..8).map(|slot| page(file, number * 8 + slot, 1)).collect()
}

fn padding() -> Vec<Page> {
    vec![page(0, 0, 101); 8]
}

fn zeros() -> Vec<Page> {
    vec![Page::ZERO; 8]
}

fn backup(extents: &[Vec<Page>]) -> Vec<u8> {
    let bytes = extents.iter().flatten().flat_map(|page| page.bytes().iter().copied());
    [0; 512].into_iter().chain(bytes).collect()
}

/// Kind, file, number and length of all stretches.
fn told(extents: &[Vec<Page>], look: Look) -> Vec<(Holds, u32)> {
    let bytes = backup(extents);
    let found = stretches(&bytes, (512, bytes.len() as u64 - 512), look, Map::Gam).unwrap();
    assert_eq!(found.iter().map(Stretch::bytes).sum::<u64>(), bytes.len() as u64 - 512);
    found.iter().map(|stretch| (stretch.holds, stretch.extents)).collect()
}

fn of(file: u16, number: u32, extents: u32) -> (Holds, u32) {
    (Holds::Extent(FileId(file), number), extents)
}

#[test]
fn runs_gaps_files_and_padding_are_told_apart() {
    let mut extents: Vec<_> = (0..40).chain(44..46).map(|n| extent(1, n)).collect();
    extents.extend((0..3).chain(90..130).map(|n| extent(3, n)));
    extents.extend([padding(), padding()]);
    let expected = [of(1, 0, 40), of(1, 44, 2), of(3, 0, 3), of(3, 90, 40), (Holds::Padding, 2)];
    assert_eq!(told(&extents, Look::Ends), expected);
    assert_eq!(told(&extents, Look::Each), expected);
    assert_eq!(told(&[], Look::Ends), []);
    assert_eq!(told(&extents[..1], Look::Ends), [of(1, 0, 1)]);
}

#[test]
fn what_tells_no_place_has_the_one_that_is_left_for_it() {
    let mut extents: Vec<_> = (0..20).map(|n| extent(1, n)).collect();
    for damaged in [vec![3], vec![3, 4, 5], vec![1, 18], (1..19).collect()] {
        for &n in &damaged {
            extents[n] = zeros();
        }
        assert_eq!(told(&extents, Look::Each), [of(1, 0, 20)], "{damaged:?}");
        assert_eq!(told(&extents, Look::Ends), [of(1, 0, 20)], "{damaged:?}");
    }
}

#[test]
fn where_more_than_one_place_is_left_none_is_taken() {
    let extents = [extent(1, 0), zeros(), extent(1, 5), zeros(), zeros()];
    let expected = [of(1, 0, 1), (Holds::Unplaced, 1), of(1, 5, 1), (Holds::Unplaced, 2)];
    assert_eq!(told(&extents, Look::Ends), expected);
}

#[test]
fn an_extent_of_elsewhere_in_a_gap_has_no_place() {
    let extents = [extent(1, 7), extent(1, 900), extent(1, 90), extent(1, 900)];
    let expected = [of(1, 7, 1), (Holds::Unplaced, 1), of(1, 90, 1), of(1, 900, 1)];
    assert_eq!(told(&extents, Look::Each), expected);
}

/// Of 12, which is there twice, one stands where 11 or 13 belongs: what is in order stays, and the
/// other one has no place but by the maps.
#[test]
fn a_copy_behind_its_original_does_not_move_that_into_the_gap_before_it() {
    let extents = [extent(1, 10), extent(1, 12), extent(1, 12), extent(1, 14)];
    let expected = [of(1, 10, 1), of(1, 12, 1), (Holds::Unplaced, 1), of(1, 14, 1)];
    assert_eq!(told(&extents, Look::Each), expected);
    // Where nothing follows that tells, it stays a copy.
    let expected = [of(1, 10, 1), of(1, 12, 1), of(1, 12, 1)];
    assert_eq!(told(&extents[..3], Look::Each), expected);
    // Nor has it a choice where there is no room further ahead.
    let extents = [extent(1, 0), extent(1, 1), extent(1, 1), extent(1, 3)];
    assert_eq!(told(&extents, Look::Each), [of(1, 0, 4)]);
    let extents = [extent(1, 0), extent(1, 0), extent(1, 2)];
    assert_eq!(told(&extents, Look::Each), [of(1, 0, 3)]);
}

/// A write that went to the wrong place, or what a free extent held before.
#[test]
fn an_extent_of_elsewhere_between_two_that_agree_is_not_believed() {
    let extents = [extent(1, 7), extent(1, 900), extent(1, 9)];
    assert_eq!(told(&extents, Look::Each), [of(1, 7, 3)]);
    assert_eq!(told(&extents, Look::Ends), [of(1, 7, 3)]);
}

#[test]
fn only_a_look_at_each_sees_what_changed_places_between_ends_that_agree() {
    let mut extents: Vec<_> = (0..64).map(|n| extent(1, n)).collect();
    extents[1..31].rotate_left(16);
    assert_eq!(told(&extents, Look::Ends), [of(1, 0, 64)]);
    let each = told(&extents, Look::Each);
    assert_eq!(each, [of(1, 0, 1), of(1, 17, 14), of(1, 1, 16), of(1, 31, 33)]);
}

/// The scan would see that a page is elsewhere, but not that it is no padding.
#[test]
fn an_extent_is_not_padding_by_its_first_page() {
    let mut extents: Vec<_> = (0..6).map(|n| extent(1, 2 * n)).collect();
    extents[3][0] = padding()[0];
    let bytes = backup(&extents);
    let is_padding = |look| told(&extents, look).iter().any(|(holds, _)| *holds == Holds::Padding);
    assert!(!is_padding(Look::Ends) && !is_padding(Look::Each));
    extents[3][0] = page(1, 2 * 8, 1);
    assert_eq!(told(&extents, Look::Each)[3], of(1, 6, 1));
    let run = |n: u32| PageRun {
        range: PageRange::between(16 * n, 16 * n + 8),
        offset_bytes: 512 + u64::from(n) * EXTENT_BYTES,
    };
    assert!(is_as_told(&bytes, FileId(1), &run(3)) && !is_as_told(&bytes, FileId(2), &run(3)));
    assert!(!is_as_told(&bytes, FileId(1), &PageRun { offset_bytes: 512, ..run(3) }));
}

#[test]
fn the_majority_of_an_extent_decides_and_sealed_pages_count_more() {
    let mut pages = extent(1, 6);
    for (slot, stale) in (0..).zip(&mut pages[..3]) {
        *stale = page(2, 800 + slot, 1);
    }
    assert_eq!(place_of(&pages), Place::Extent(FileId(1), 6));
    for broken in &mut pages[4..] {
        broken.bytes_mut()[5000] ^= 1;
    }
    // Three sealed pages of elsewhere against one of here and four that are damaged.
    assert_eq!(place_of(&pages), Place::Extent(FileId(2), 100));
    assert_eq!(place_of(&zeros()), Place::Unknown);
    assert_eq!(place_of(&padding()), Place::Padding);
    let far = vec![page(1, u32::MAX - 7, 1); 8];
    assert_eq!(place_of(&far), Place::Unknown);
}

/// A GAM or DIFF map of file 1 over `extents`.
fn map_page(page_id: u32, page_type: u8, extents: &[u32]) -> Page {
    let mut map = page(1, page_id, page_type);
    for extent in extents {
        map.bytes_mut()[194 + *extent as usize / 8] |= 1 << (extent % 8);
    }
    checksum::seal(&mut map);
    map
}

#[test]
fn what_neighbours_leave_open_the_maps_decide() {
    let mut first = extent(1, 0);
    let free: Vec<u32> = (0..63_904).filter(|n| ![0, 1, 2, 7, 8, 9, 20].contains(n)).collect();
    first[2] = map_page(2, 8, &free);
    first[6] = map_page(6, 16, &[0, 1, 2, 7, 8, 9, 20]);
    // Two of three in a gap, and the last one of the file, of which nothing follows but padding.
    let extents = [
        first,
        extent(1, 1),
        zeros(),
        zeros(),
        extent(1, 8),
        extent(1, 9),
        zeros(),
        padding(),
        padding(),
    ];
    let bytes = backup(&extents);
    let placed = |map| {
        let all = (512, bytes.len() as u64 - 512);
        let placed = stretches(&bytes, all, Look::Each, map).unwrap();
        placed.iter().map(|stretch| (stretch.holds, stretch.extents)).collect::<Vec<_>>()
    };
    let expected = [of(1, 0, 3), of(1, 7, 3), of(1, 20, 1), (Holds::Padding, 2)];
    assert_eq!(placed(Map::Gam), expected);
    assert_eq!(placed(Map::Diff), expected);
}

#[test]
fn a_map_that_fails_its_check_or_does_not_fit_places_nothing() {
    let mut first = extent(1, 0);
    first[6] = map_page(6, 16, &[0, 5, 9, 12]);
    let mut extents = [first, zeros(), extent(1, 9), zeros(), extent(1, 12)];
    let placed = |extents: &[Vec<Page>]| {
        let bytes = backup(extents);
        let all = (512, bytes.len() as u64 - 512);
        let placed = stretches(&bytes, all, Look::Each, Map::Diff).unwrap();
        placed.iter().map(|stretch| stretch.holds == Holds::Unplaced).collect::<Vec<_>>()
    };
    // Between 9 and 12 the map has nothing.
    assert_eq!(placed(&extents), [false, false, false, true, false]);
    extents[0][6].bytes_mut()[5000] ^= 1;
    assert_eq!(placed(&extents), [false, true, false, true, false]);
}

/// A backup of extents of which nothing is kept but where they belong.
struct Drawn {
    numbers: Vec<u32>,
    /// The DIFF map of the first interval.
    map: Option<Box<Page>>,
    reads: AtomicUsize,
}

impl Drawn {
    fn new(numbers: Vec<u32>, map: Option<Box<Page>>) -> Self {
        Self { numbers, map, reads: AtomicUsize::new(0) }
    }

    fn found(&self) -> Vec<Stretch> {
        stretches(self, (0, self.bytes()), Look::Ends, Map::Diff).unwrap()
    }

    /// What should be found.
    fn expected(&self) -> Vec<Stretch> {
        let mut expected: Vec<Stretch> = Vec::new();
        for (&number, at) in self.numbers.iter().zip(0..) {
            let holds = Holds::Extent(FileId(1), number);
            let next = Stretch { offset_bytes: at * EXTENT_BYTES, extents: 1, holds };
            if !expected.last_mut().is_some_and(|last| last.absorbs(&next)) {
                expected.push(next);
            }
        }
        expected
    }
}

impl ReadAt for Drawn {
    fn bytes(&self) -> u64 {
        self.numbers.len() as u64 * EXTENT_BYTES
    }

    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let mut pages = extent(1, self.numbers[(offset_bytes / EXTENT_BYTES) as usize]);
        if let Some(map) = self.map.as_deref().filter(|_| offset_bytes < EXTENT_BYTES) {
            pages[6] = *map;
        }
        let from = (offset_bytes % EXTENT_BYTES) as usize;
        buffer.copy_from_slice(&bytemuck::cast_slice(&pages)[from..from + buffer.len()]);
        Ok(())
    }
}

/// Several threads find the same in whatever order they look, with a read or two for each run.
#[test]
fn many_runs_are_told_apart_with_few_reads() {
    let runs = (0..900_u32).flat_map(|run| {
        let first = run * 100 + run % 7;
        first..first + 1 + run * run % 5
    });
    // And one long run at the end, that is not looked into.
    let drawn = Drawn::new(runs.chain(200_000..300_000).collect(), None);
    let (found, expected) = (drawn.found(), drawn.expected());
    assert!(found == expected, "{} runs of {}", found.len(), expected.len());
    let (reads, runs) = (drawn.reads.into_inner(), found.len());
    assert!(reads < 3 * runs + 100, "{reads} reads for {runs} runs");
}

/// What the map has is believed where it fits; where it has too much or too little, each is looked
/// at.
#[test]
fn where_the_map_fits_few_extents_are_looked_at() {
    let numbers: Vec<u32> = (0..60_000).filter(|n| n % 7 == 0 || n % 31 == 3).collect();
    let count = numbers.len();
    let mapped = |mapped: &[u32]| {
        let drawn = Drawn::new(numbers.clone(), Some(Box::new(map_page(6, 16, mapped))));
        assert_eq!(drawn.found(), drawn.expected());
        drawn.reads.into_inner()
    };
    let reads = mapped(&numbers);
    assert!(reads < count / 50, "{reads} reads for {count} extents");
    // One more than there is, and one less: only what is around them is looked at.
    let too_many: Vec<u32> = numbers.iter().copied().chain([30_001]).collect();
    let too_few: Vec<u32> = numbers.iter().copied().filter(|n| *n != 30_002).collect();
    assert!(too_few.len() < count && !numbers.contains(&30_001));
    for other in [too_many, too_few] {
        let more = mapped(&other);
        assert!(reads < more && more < reads + 600, "{more} reads");
    }
    // Nothing that the map says is believed once it fails its check.
    let mut damaged = map_page(6, 16, &numbers);
    damaged.bytes_mut()[300] ^= 1;
    let drawn = Drawn::new(numbers.clone(), Some(Box::new(damaged)));
    assert!(drawn.found() == drawn.expected() && drawn.reads.into_inner() > count / 2);
}
