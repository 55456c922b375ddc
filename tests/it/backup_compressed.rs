//! A compressed backup made by SQL Server, whole and damaged in every way that a test can think of.

use pagescrub::backup::compressed::{
    ByteClass, Container, Decompressed, RecordHeader, Verified, checksum, classes, verify,
};
use pagescrub::backup::{FaultKind, ReadAt};
use pagescrub::page::Page;
use pagescrub::page::checksum::Checksum;
use pagescrub::page::header::PageHeader;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Real records, their bytes, and what they unpack to.
const RECORDS: u64 = 49;
const UNPACKED_BYTES: u64 = 2_905_088;
/// Where its first MQDA stream has its pages, and how many there are.
const PAGES_AT: u64 = 0x2000;
const EXTENTS: u64 = 43;

fn real() -> Vec<u8> {
    let folder = std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it");
    let path = std::path::PathBuf::from(folder).join("TutorialDB_compressed.bak");
    std::fs::read(path).expect("it is there")
}

fn verified(bytes: &[u8]) -> Verified {
    let mut read = |at: u64, buffer: &mut [u8]| bytes.read_exact_at(at, buffer);
    verify(&mut read, bytes.len() as u64, &mut |_| true)
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_record_of_a_real_backup_agrees_and_every_byte_is_accounted_for() {
    let bytes = real();
    let container = Container::read(&bytes).expect("readable").expect("of a known kind");
    assert_eq!((container.version, container.variant), (2, 3));
    let found = verified(&bytes);
    assert_eq!(found.faults, []);
    assert_eq!((found.records, found.uncompressed_bytes), (RECORDS, UNPACKED_BYTES));
    assert_eq!((found.file_marks, found.faults_not_listed), (3, 0));
    let mut sizes: BTreeMap<ByteClass, u64> = BTreeMap::new();
    let mut at = 0;
    for (range, class) in classes(&bytes) {
        assert!(range.start == at && range.end > at, "{range:?} {class:?}");
        *sizes.entry(class).or_default() += range.end - range.start;
        at = range.end;
    }
    println!("{sizes:?}");
    assert_eq!(at, bytes.len() as u64);
    assert!(!sizes.contains_key(&ByteClass::Unknown));
    assert_eq!(sizes[&ByteClass::RecordTag], 4 * RECORDS);
    assert_eq!(sizes[&ByteClass::Payload] + 28 * RECORDS, found.bytes_verified);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn the_pages_of_a_real_backup_unpack_and_agree_with_their_checksums() {
    let bytes = real();
    let found = verified(&bytes);
    let stream = Decompressed::new(&bytes, &found.index);
    assert_eq!(stream.bytes(), UNPACKED_BYTES);
    let mut all = vec![0; UNPACKED_BYTES as usize];
    stream.read_exact_at(0, &mut all).expect("all of it unpacks");
    assert!(all.starts_with(b"TAPE"));
    let (mut right, mut flagged) = (0, 0);
    for number in 0..EXTENTS * 8 {
        let mut page = Page::ZERO;
        let place = PAGES_AT + number * 8192;
        stream.read_exact_at(place, page.bytes_mut()).expect("a page");
        assert_eq!(page.bytes()[..], all[place as usize..][..8192]);
        if PageHeader::of(&page).flag_bits & 0x200 != 0 {
            flagged += 1;
            right += u32::from(Checksum::of(&page) == Checksum::stored_in(&page));
        }
    }
    println!("{right} of {flagged} pages with a checksum agree");
    assert_eq!(right, flagged);
    assert!(right > 100);
}

/// Changes bits, each alone: all bits of the small classes, a sample of the others.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn each_changed_bit_is_found_in_every_class_of_bytes_that_is_protected() {
    let whole = real();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    let mut tried: BTreeMap<(ByteClass, bool), u32> = BTreeMap::new();
    for (range, class) in classes(&whole) {
        let bits = (range.end - range.start) * 8;
        let is_rare = matches!(
            class,
            ByteClass::ContainerMagic
                | ByteClass::PaddingTag
                | ByteClass::IndexTag
                | ByteClass::Index
                | ByteClass::FileMark
                | ByteClass::RecordTag
        );
        let count = if is_rare { bits } else { 12 };
        for i in 0..count {
            let bit = range.start * 8 + if is_rare { i } else { rng.next_u64() % bits };
            if bit < 64 {
                continue;
            }
            let mut bytes = whole.clone();
            bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
            let found = verified(&bytes);
            assert!(
                !found.faults.is_empty() || !class.is_protected(),
                "bit {bit} ({:#x}) of {class:?}",
                bit / 8
            );
            assert!(
                found.records + 3 >= RECORDS,
                "bit {bit} of {class:?} costs {:?}",
                found.faults
            );
            *tried.entry((class, !found.faults.is_empty())).or_default() += 1;
        }
    }
    println!("{tried:?}");
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_bad_payload_is_one_record_and_its_neighbours_stay_readable() {
    let mut bytes = real();
    bytes[0x5000] ^= 0x10;
    let found = verified(&bytes);
    assert_eq!(found.records, RECORDS - 1);
    let [fault] = &found.faults[..] else { panic!("{:?}", found.faults) };
    assert_eq!((fault.kind, fault.offset_bytes), (FaultKind::RecordChecksum, 0x4c81));
    let stream = Decompressed::new(&bytes, &found.index);
    let mut page = [0; 8192];
    let error = stream.read_exact_at(0x32000, &mut page).expect_err("the record is bad");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("19585"), "{error}");
    stream.read_exact_at(0x42000, &mut page).expect("the next one is good");
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_file_cut_anywhere_is_called_truncated() {
    let whole = real();
    let cuts = (512..whole.len()).step_by(512).chain(0x5000..0x5040);
    for cut in cuts {
        let found = verified(&whole[..cut]);
        let kinds: BTreeSet<_> = found.faults.iter().map(|fault| fault.kind).collect();
        assert!(kinds.contains(&FaultKind::Truncated), "{cut:#x}: {:?}", found.faults);
    }
}

/// The window, the bursts and the threads must not show.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn damage_of_all_kinds_is_found_the_same_with_any_number_of_threads() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let whole = real();
    for _ in 0..60 {
        let mut bytes = whole.repeat(1 + rng.next_u64() as usize % 30);
        for _ in 0..rng.next_u64() % 12 {
            let at = rng.next_u64() as usize % bytes.len();
            let end = bytes.len().min(at + (1 << (rng.next_u64() % 17)));
            match rng.next_u64() % 3 {
                0 => bytes[at..end].fill(0),
                1 => rng.fill_bytes(&mut bytes[at..end]),
                _ => drop(bytes.drain(at..end)),
            }
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
        let (one, many) = (pool.install(|| verified(&bytes)), verified(&bytes));
        assert_eq!((&one.faults, one.records), (&many.faults, many.records));
        let stream = Decompressed::new(&bytes, &many.index);
        let mut page = [0; 8192];
        for at in (0..stream.bytes().saturating_sub(8192)).step_by(1 << 20) {
            if let Err(error) = stream.read_exact_at(at, &mut page) {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error} at {at}");
            }
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn the_plain_checksum_judges_each_real_record() {
    let bytes = real();
    let mut records = 0;
    for (range, class) in classes(&bytes) {
        if class == ByteClass::RecordTag {
            let record = &bytes[range.start as usize..];
            let header = RecordHeader::of(record).expect("28 bytes");
            let payload = header.payload(record).expect("whole");
            assert_eq!(checksum(payload), header.checksum);
            records += 1;
        }
    }
    assert_eq!(records, RECORDS);
}
