//! Runs of headers of which is known where they lie.

use super::*;

const PAGE: i64 = 8192;

fn witnesses(runs: &[(std::ops::Range<u32>, i64)]) -> Vec<Witness> {
    let run = |(pages, bytes): &(std::ops::Range<u32>, i64)| {
        let bytes = *bytes;
        pages.clone().map(move |page| Witness { page: PageId(page), bytes }).collect::<Vec<_>>()
    };
    runs.iter().flat_map(run).collect()
}

/// What is found where every page is a suspect but those in their places: first, last, bytes, and
/// whether what follows is in its place.
fn found(runs: &[(std::ops::Range<u32>, i64)]) -> Vec<(u32, u32, i64, bool)> {
    let suspects = |first: PageId, last: PageId| (last.0 - first.0 + 1) as usize;
    let found = shifts(&witnesses(runs), &suspects, None);
    found.iter().map(|s| (s.first.0, s.last.0, s.bytes, s.returns)).collect()
}

#[test]
fn what_lies_one_distance_off_up_to_the_end_is_a_shift() {
    assert_eq!(found(&[(0..640, 0), (641..900, PAGE)]), [(641, 899, PAGE, false)]);
    assert_eq!(found(&[(0..640, 0), (640..656, -1)]), [(640, 655, -1, false)]);
    assert_eq!(found(&[(0..16, 512)]), [(0, 15, 512, false)], "from the first page on");
    assert_eq!(found(&[(0..640, 0), (640..655, 1)]), [], "too few pages");
    assert_eq!(found(&[(0..640, 0)]), []);
    assert_eq!(found(&[]), []);
}

#[test]
fn what_one_write_put_into_a_wrong_place_is_none() {
    for (pages, far) in [(1, 8), (8, 64), (32, 1000), (128, 1), (128, -500)] {
        let stray = (600..600 + pages, far * PAGE);
        assert_eq!(found(&[(0..600, 0), stray.clone(), (800..900, 0)]), [], "{pages} {far}");
        // At the very end, the distance tells.
        let is_near = far.unsigned_abs() < u64::from(pages) && pages >= 16;
        assert_eq!(found(&[(0..600, 0), stray]).is_empty(), !is_near, "{pages} {far}");
    }
}

#[test]
fn members_of_an_array_in_a_wrong_order_are_none() {
    let chunks = (0..100_u32).map(|i| {
        let far = if i % 2 == 0 { 8 * PAGE } else { -8 * PAGE };
        (i * 8..i * 8 + 8, far)
    });
    assert_eq!(found(&chunks.collect::<Vec<_>>()), []);
    let all = |first: PageId, last: PageId| (last.0 - first.0 + 1) as usize;
    let apart =
        (0..100_u32).map(|i| Witness { page: PageId(i * 9), bytes: i64::from(i % 5) * PAGE });
    assert_eq!(shifts(&apart.collect::<Vec<_>>(), &all, None), []);
}

/// The first member is taken for the last one.
#[test]
fn members_that_are_rotated_are_none() {
    for unit in [8_u32, 16, 128, 512] {
        let stripes = (0..20_u32).flat_map(|stripe| {
            let (first, pages, unit) = (stripe * 4 * unit, unit, i64::from(unit));
            let last = first + 3 * pages;
            let end = last + pages;
            [(first..last, -unit * PAGE), (last..end, 3 * unit * PAGE)]
        });
        assert_eq!(found(&stripes.collect::<Vec<_>>()), [], "{unit}");
    }
}

#[test]
fn what_comes_back_into_its_place_must_be_long_and_longer_than_it_is_far() {
    let run = |pages: u32, far| [(0..600, 0), (600..600 + pages, far), (900..1000, 0)];
    assert_eq!(found(&run(129, PAGE)), [(600, 728, PAGE, true)]);
    assert_eq!(found(&run(128, PAGE)), []);
    assert_eq!(found(&run(200, 300 * PAGE)), []);
}

#[test]
fn several_shifts_are_told_apart() {
    let runs = [(0..100, 0), (101..300, PAGE), (300..500, PAGE + 7), (500..700, 7), (701..800, 0)];
    let expected = [(101, 299, PAGE, false), (300, 499, PAGE + 7, false), (500, 699, 7, true)];
    assert_eq!(found(&runs), expected);
    // A few pages of another distance were misplaced before.
    let runs = [(0..100, 0), (101..300, PAGE), (300..304, 5 * PAGE), (304..500, PAGE)];
    assert_eq!(found(&runs), [(101, 499, PAGE, false)]);
}

#[test]
fn what_lies_further_and_further_off_is_one() {
    let runs: Vec<_> = (0..30).map(|i| (i * 3..i * 3 + 3, 7 + 11 * i64::from(i))).collect();
    let suspects = |first: PageId, last: PageId| (last.0 - first.0 + 1) as usize;
    let [shift] = shifts(&witnesses(&runs), &suspects, None)[..] else { panic!("one") };
    assert_eq!((shift.first.0, shift.last.0, shift.bytes, shift.places), (0, 89, 326, 30));
    // Further than fits between them.
    let runs: Vec<_> = (0..30).map(|i| (i * 3..i * 3 + 3, i64::from(i + 1) * 40 * PAGE)).collect();
    assert_eq!(found(&runs), []);
}

#[test]
fn a_file_shorter_by_what_is_missing_proves_a_short_end() {
    let suspects = |first: PageId, last: PageId| (last.0 - first.0 + 1) as usize;
    let runs = witnesses(&[(0..600, 0), (600..620, -100 * PAGE)]);
    assert_eq!(shifts(&runs, &suspects, Some(99 * PAGE)), []);
    assert_eq!(shifts(&runs, &suspects, Some(100 * PAGE)).len(), 1);
}

#[test]
fn a_header_is_found_at_any_offset() {
    let mut header: PageHeader = bytemuck::Zeroable::zeroed();
    (header.header_version, header.page_type, header.free_data) = (1, 1, 96);
    (header.file_id, header.page_id) = (3, 700);
    let own = 700 * PAGE as u64;
    for (at, offset) in [(0, own), (1, own), (5000, own - 8192), (8191, own + 8192)] {
        let mut bytes = vec![0; 2 * PAGE_BYTES];
        bytes[at..at + 96].copy_from_slice(bytemuck::bytes_of(&header));
        let expected = (offset + at as u64).checked_signed_diff(own);
        assert_eq!(distance(&bytes, offset, FileId(3), 1 << 30), expected, "{at} {offset}");
        assert_eq!(distance(&bytes, offset, FileId(1), 1 << 30), None, "another file's");
        bytes[at + 90] = 1;
        assert_eq!(distance(&bytes, offset, FileId(3), 1 << 30), None, "no header");
    }
}

/// What one write each leaves, anywhere, and what is right between.
#[test]
fn writes_that_went_astray_are_no_shift_however_they_fall() {
    let kinds: [(u64, u64); 9] =
        [(1, 1), (1, 8), (8, 8), (32, 32), (128, 128), (1, 128), (16, 64), (100, 128), (64, 64)];
    for (kind, &(least, most)) in kinds.iter().enumerate() {
        for seed in 0..1000_u64 {
            let mut state = seed * 9 + kind as u64;
            let mut below = |end: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) % end
            };
            // Of one fault, all may be equally far.
            let far = |below: &mut dyn FnMut(u64) -> u64| i64::from(below(4000) as u32) - 2000;
            let same = far(&mut below);
            let (mut runs, mut page) = (Vec::new(), 0);
            for _ in 0..below(60) {
                let right = page + 1 + below(300) as u32;
                runs.push((page..right, 0));
                let wrong = right + (least + below(most - least + 1)) as u32;
                let by = if seed.is_multiple_of(2) { same } else { far(&mut below) };
                runs.push((right..wrong, by * PAGE));
                page = wrong;
            }
            runs.push((page..page + 200, 0));
            assert_eq!(found(&runs), [], "kind {kind}, seed {seed}");
        }
    }
}

/// Of a shift that comes to an end, more pages are seen than were inserted.
#[test]
fn what_comes_back_is_measured_by_all_of_its_pages() {
    let run = |far| found(&[(0..600, 0), (600..729, far), (900..1000, 0)]);
    let half = PAGE / 2;
    assert_eq!(run(128 * PAGE + half), [(600, 728, 128 * PAGE + half, true)]);
    assert_eq!(run(129 * PAGE), []);
}

#[test]
fn what_divides_a_shift_and_is_as_long_as_one_is_another_one() {
    let runs = [(0..100, 0), (101..300, PAGE), (300..316, 5 * PAGE), (316..500, PAGE)];
    let expected = [(101, 299, PAGE), (300, 315, 5 * PAGE), (316, 499, PAGE)];
    assert_eq!(found(&runs), expected.map(|(first, last, bytes)| (first, last, bytes, false)));
}
