//! Evidence and causes, on pages and files that SQL Server wrote and on a whole scan.

use crate::harness::scanned::folder_in_memory;
use crate::harness::{pagescrub, scan_json};
use pagescrub::diagnose::cause::{self, Cause, Confidence};
use pagescrub::diagnose::evidence::{Evidence, Slots};
use pagescrub::diagnose::verdict::SuspectReason;
use pagescrub::page::checksum::{self, Checksum};
use pagescrub::page::header::{PageHeader, Protection};
use pagescrub::page::{PAGE_BYTES, PAGE_SECTORS, Page, SECTOR_BYTES, torn};
use rand_xoshiro::Xoshiro256StarStar;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it").into()
}

/// The pages in use of all real data files, with what they are protected by.
fn pages_in_use() -> Vec<Page> {
    let files = fs::read_dir(folder()).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "mdf"));
    files.sort();
    assert!(files.len() >= 7);
    files.iter().flat_map(|path| of_file(path)).collect()
}

fn of_file(path: &Path) -> Vec<Page> {
    let bytes = fs::read(path).expect("readable");
    let whole = bytes.chunks_exact(PAGE_BYTES).take(8088);
    let pages: Vec<Page> =
        whole.map(|bytes| Page::new(bytes.try_into().expect("a page"))).collect();
    let pfs = torn::restored(&pages[1]);
    let in_use = |index: &usize| pfs.bytes()[100 + *index] & 0x40 != 0;
    (0..pages.len()).filter(in_use).map(|index| pages[index]).collect()
}

fn has_records(page: &Page) -> bool {
    let header = PageHeader::of(page);
    (1..=4).contains(&header.page_type) && header.slot_count > 0
}

fn with_checksum(page: &Page) -> bool {
    PageHeader::of(page).protection() == Protection::Checksum
}

fn bad_checksum(page: &Page) -> SuspectReason {
    let (stored, computed) = (Checksum::stored_in(page), Checksum::of(page));
    SuspectReason::BadChecksum { stored, computed }
}

fn look(page: &Page) -> (Evidence, Cause, Confidence) {
    let reason = bad_checksum(page);
    let evidence = Evidence::of(page, &reason);
    let (cause, confidence) =
        cause::of(&reason, Some(&evidence), false).expect("there is evidence");
    (evidence, cause, confidence)
}

fn below(dice: &mut Xoshiro256StarStar, end: usize) -> usize {
    (dice.next_u64() % end as u64) as usize
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn healthy_pages_have_sound_slots_and_nothing_lost() {
    let pages = pages_in_use();
    let with_records = pages.iter().filter(|page| has_records(page)).count();
    assert!(with_records > 1000, "{with_records}");
    for page in &pages {
        let evidence = Evidence::of(page, &SuspectReason::BadHeader);
        let header = PageHeader::of(page);
        assert!(evidence.header_is_sane && evidence.lost_sectors.is_empty(), "{header:?}");
        assert!(evidence.breaks_at.is_none() && evidence.foreign.is_none(), "{header:?}");
        let slots = if has_records(page) { Slots::Sound } else { Slots::None };
        assert_eq!(evidence.slots, slots, "{header:?}");
    }
}

/// On maps and in mixed free space, a sector of fill may have left the same syndrome: there it is
/// less than certain.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_flipped_bit_of_a_real_page_is_always_told_to_be_one() {
    let mut dice = Xoshiro256StarStar::seed_from_u64(1);
    let pages: Vec<Page> = pages_in_use().into_iter().filter(with_checksum).collect();
    assert!(pages.len() > 500);
    let mut likely = 0;
    for turn in 0..5000 {
        let page = &pages[turn % pages.len()];
        let bit = below(&mut dice, 8 * PAGE_BYTES);
        let mut flipped = *page;
        flipped.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
        let (evidence, cause, confidence) = look(&flipped);
        assert_eq!(cause, Cause::BitFlip, "bit {bit}: {evidence}");
        assert_eq!(evidence.candidate_bits, Some(candidates(&flipped)), "bit {bit}");
        assert_ne!(confidence, Confidence::Certain, "a torn write may leave the same");
        likely += usize::from(confidence == Confidence::Likely);
    }
    println!("{likely} of 5000 are likely, the others possible");
    assert!(likely > 2500, "{likely}");
}

/// By trying one bit of each sector and column: all words of a sector are summed alike.
fn candidates(page: &Page) -> u16 {
    let syndrome = |page: &Page| Checksum::stored_in(page).0 ^ Checksum::of(page).0;
    let wanted = syndrome(page);
    if PageHeader::of(page).protection() == Protection::None {
        return 1;
    }
    let mut found = 0;
    let mut tried = *page;
    for sector in 0..PAGE_SECTORS {
        // The last word of each stands for all; the first sector has one that is the checksum.
        let at = (sector + 1) * SECTOR_BYTES - 4;
        for bit in 0..32 {
            let flip = |page: &mut Page| page.bytes_mut()[at + bit / 8] ^= 1 << (bit % 8);
            flip(&mut tried);
            let explains = syndrome(&tried) == 0;
            flip(&mut tried);
            found += 128 * u16::from(explains);
        }
    }
    let is_flags = wanted == 0x0200_u32.rotate_left(15);
    found - u16::from(is_flags)
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn the_flipped_bit_is_among_those_that_explain_it() {
    let page = pages_in_use().into_iter().find(|p| with_checksum(p) && has_records(p));
    let page = page.expect("there is one");
    let true_bit = 8 * 5000 + 3;
    let flip = |page: &Page, bit: usize| {
        let mut flipped = *page;
        flipped.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
        flipped
    };
    let bad = flip(&page, true_bit);
    let explains = |bit: &usize| {
        let tried = flip(&bad, *bit);
        with_checksum(&tried) && Checksum::stored_in(&tried) == Checksum::of(&tried)
    };
    let explaining: Vec<usize> = (0..8 * PAGE_BYTES).filter(explains).collect();
    assert_eq!(look(&bad).0.candidate_bits, Some(explaining.len() as u16));
    assert!(explaining.contains(&true_bit));
}

/// Bytes of records and slots in a sector, by the header of the healthy page.
fn needed_bytes(page: &Page, sector: usize) -> usize {
    let header = PageHeader::of(page);
    let (start, end) = (sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    let slots = PAGE_BYTES - 2 * usize::from(header.slot_count);
    let records = end.min(usize::from(header.free_data)).saturating_sub(start);
    records + end.saturating_sub(start.max(slots))
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_lost_sector_of_a_real_page_is_seen_unless_it_was_empty() {
    let pages: Vec<Page> = pages_in_use().into_iter().filter(has_records).collect();
    let (mut seen, mut empty) = (0, 0);
    for page in pages.iter().filter(|page| with_checksum(page)) {
        for sector in 0..PAGE_SECTORS {
            for fill in [0, 0xff] {
                let mut lost = *page;
                lost.bytes_mut()[sector * SECTOR_BYTES..][..SECTOR_BYTES].fill(fill);
                if lost.bytes() == page.bytes() || Checksum::of(&lost) == Checksum::of(page) {
                    continue;
                }
                let (evidence, cause, confidence) = look(&lost);
                let found = (cause == Cause::LostSectors) && evidence.lost_sectors.has(sector);
                let needed = needed_bytes(page, sector);
                assert!(found || needed < 16, "{sector}: {cause:?} {evidence}");
                assert!(!found || needed > 0, "{sector}: {cause:?} {evidence}");
                assert_ne!((cause, confidence), (Cause::BitFlip, Confidence::Certain));
                *(if found { &mut seen } else { &mut empty }) += 1;
            }
        }
    }
    assert!(seen > 10_000 && empty > 100, "{seen} {empty}");
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn nothing_that_is_done_to_a_real_page_gives_a_wrong_cause_for_certain() {
    let mut dice = Xoshiro256StarStar::seed_from_u64(2);
    let pages: Vec<Page> = pages_in_use().into_iter().filter(with_checksum).collect();
    let mut encrypted = 0;
    for (turn, page) in pages.iter().cycle().take(4000).enumerate() {
        let mut bad = *page;
        let from = below(&mut dice, PAGE_BYTES - 1);
        let until = from + 2 + below(&mut dice, PAGE_BYTES - from - 1);
        let other = &pages[below(&mut dice, pages.len())];
        match turn % 5 {
            0 => bad.bytes_mut()[from..until.min(PAGE_BYTES)].fill_with(|| dice.next_u64() as u8),
            1 => bad.bytes_mut()[4096..].copy_from_slice(&other.bytes()[4096..]),
            2 => bad.bytes_mut()[from / 512 * 512..until.div_ceil(512) * 512].fill(0),
            3 => bad.bytes_mut().fill_with(|| dice.next_u64() as u8),
            _ => bad.bytes_mut()[..128].fill_with(|| dice.next_u64() as u8),
        }
        let changed = bad.bytes().iter().zip(page.bytes()).map(|(a, b)| (a ^ b).count_ones());
        let changed: u32 = changed.sum();
        if Checksum::stored_in(&bad) == Checksum::of(&bad) {
            continue;
        }
        let (evidence, cause, confidence) = look(&bad);
        assert!(confidence != Confidence::Certain || changed == 1, "{turn} {cause:?}: {evidence}");
        // What is the same in many words hardly shows in a sum.
        let is_said = cause == Cause::BitFlip && confidence != Confidence::Possible;
        assert!(!is_said || changed < 100, "{turn} {cause:?}: {evidence}");
        encrypted += usize::from(turn % 5 == 3 && cause == Cause::Encrypted);
    }
    assert_eq!(encrypted, 800);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn the_page_that_dbcc_writepage_changed_has_the_published_syndrome() {
    let bytes = fs::read(folder().join("vectors/page_1_392_corrupt.bin")).expect("it is there");
    let page = Page::new(&bytes.try_into().expect("one page"));
    let (evidence, cause, confidence) = look(&page);
    assert_eq!(evidence.syndrome, Some(Checksum(0x6400)));
    assert_eq!((evidence.syndrome_bits, evidence.candidate_bits), (Some(3), None));
    assert_eq!((evidence.slots, evidence.header_is_sane), (Slots::Sound, true));
    assert_eq!((cause, confidence), (Cause::BitFlip, Confidence::Possible));
    assert_eq!(evidence.lsn.expect("sane").to_string(), "(39:496:70)");
}

/// A synthetic file with page `at` replaced, scanned.
fn scan_with(at: usize, change: impl Fn(&mut [Page])) -> serde_json::Value {
    let folder = folder_in_memory();
    let path = folder.path().join("made.mdf");
    let size = ["--size", "8MiB", "--seed", "7"].map(std::ffi::OsStr::new);
    let made = pagescrub(&[&["generate".as_ref(), path.as_os_str()], &size[..]].concat());
    assert_eq!(made.code, 0, "{}", made.stderr);
    let bytes = fs::read(&path).expect("it was made");
    let mut pages: Vec<Page> = bytes
        .chunks_exact(PAGE_BYTES)
        .map(|bytes| Page::new(bytes.try_into().expect("a page")))
        .collect();
    change(&mut pages);
    fs::write(&path, bytemuck::cast_slice::<Page, u8>(&pages)).expect("room");
    let (_, report) = scan_json(&path, &[]);
    let suspects = report["suspects"].as_array().expect("a list");
    let suspect = suspects.iter().find(|suspect| suspect["page_id"] == at);
    suspect.unwrap_or_else(|| panic!("page {at} is no suspect: {suspects:?}")).clone()
}

const HOME: usize = 200;
const AWAY: usize = 208;

#[test]
fn a_page_in_anothers_place_is_compared_with_what_stands_in_its_own() {
    let older = |page: &mut Page| {
        PageHeader::of_mut(page).lsn_vlf -= 1;
        checksum::seal(page);
    };
    let newer = |page: &mut Page| {
        PageHeader::of_mut(page).lsn_vlf += 1;
        checksum::seal(page);
    };
    let damaged = |page: &mut Page| page.bytes_mut()[5000] ^= 3;
    let cases: [(fn(&mut Page), _, _, _); 4] = [
        (|_| (), "same", "misplaced", "certain"),
        (older, "older", "stale_home", "likely"),
        (newer, "newer", "misplaced", "likely"),
        (damaged, "damaged", "misplaced", "likely"),
    ];
    for (change, home, cause, confidence) in cases {
        let suspect = scan_with(AWAY, |pages| {
            pages[AWAY] = pages[HOME];
            change(&mut pages[HOME]);
        });
        assert_eq!(suspect["evidence"]["home"], home);
        assert_eq!(
            (&suspect["cause"], &suspect["confidence"]),
            (&cause.into(), &confidence.into())
        );
    }
    let suspect = scan_with(AWAY, |pages| {
        PageHeader::of_mut(&mut pages[AWAY]).page_id = 4_000_000;
        checksum::seal(&mut pages[AWAY]);
    });
    assert_eq!(suspect["evidence"]["home"], "elsewhere");
}

#[test]
fn a_suspect_is_shown_with_the_lsns_around_it_and_how_often_it_was_read() {
    let suspect = scan_with(AWAY, |pages| pages[AWAY].bytes_mut()[5000] ^= 4);
    let evidence = &suspect["evidence"];
    assert_eq!(evidence["looks"], 2);
    assert_eq!(evidence["looks_differ"], false);
    for key in ["lsn", "neighbours_lsn_low", "neighbours_lsn_high", "checkpoint_lsn"] {
        assert!(evidence[key].is_string(), "{key}: {evidence}");
    }
    assert_eq!((&suspect["cause"], &suspect["confidence"]), (&"bit_flip".into(), &"likely".into()));
}

/// The first sectors are another page's: in half a page, and in any run from the beginning.
#[test]
fn the_page_whose_first_sectors_stand_in_anothers_place_is_named() {
    for sectors in [1, 3, 8, 15] {
        let suspect = scan_with(AWAY, |pages| {
            let head = pages[HOME].bytes()[..sectors * SECTOR_BYTES].to_vec();
            pages[AWAY].bytes_mut()[..head.len()].copy_from_slice(&head);
        });
        assert_eq!(suspect["reason"], "bad_checksum", "{suspect}");
        assert_eq!(suspect["found"], format!("(1:{HOME})"), "{suspect}");
        assert_eq!(suspect["evidence"]["shared_sectors"], sectors, "{suspect}");
        let said = (&suspect["cause"], &suspect["confidence"]);
        assert_eq!(said, (&"part_of_another_page".into(), &"likely".into()), "{suspect}");
    }
}

#[test]
fn an_id_that_no_page_can_have_names_no_other_page() {
    let suspect = scan_with(AWAY, |pages| {
        let header = PageHeader::of_mut(&mut pages[AWAY]);
        (header.page_id, header.file_id) = (0x8765_4321, 0xabcd);
        checksum::seal(&mut pages[AWAY]);
    });
    assert_eq!(suspect["reason"], "wrong_page_id");
    assert_eq!(
        (&suspect["cause"], &suspect["confidence"]),
        (&"garbage".into(), &"possible".into())
    );
    assert!(suspect["evidence"]["home"].is_null(), "{suspect}");
}

/// No page of a real file is fill, whatever its rows repeat.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_fill_text_on_a_real_page_is_told_from_its_rows() {
    let pages: Vec<Page> = pages_in_use().into_iter().filter(has_records).collect();
    let text = b"DDRESCUE-BAD-SECTOR";
    let (mut seen, mut empty) = (0, 0);
    for (turn, page) in pages.iter().filter(|page| with_checksum(page)).enumerate() {
        for sector in 0..PAGE_SECTORS {
            let mut lost = *page;
            let fill: Vec<u8> = text.iter().cycle().skip(turn % 19).take(512).copied().collect();
            lost.bytes_mut()[sector * SECTOR_BYTES..][..SECTOR_BYTES].copy_from_slice(&fill);
            let (evidence, cause, _) = look(&lost);
            let found = cause == Cause::LostSectors && evidence.lost_sectors.has(sector);
            assert!(found || needed_bytes(page, sector) < 16, "{sector}: {cause:?} {evidence}");
            *(if found { &mut seen } else { &mut empty }) += 1;
        }
    }
    assert!(seen > 5_000 && empty > 100, "{seen} {empty}");
}
