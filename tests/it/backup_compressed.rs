//! A compressed backup made by SQL Server, whole and damaged in every way that a test can think of.

use pagescrub::backup::compressed::{
    ByteClass, Container, Decompressed, RecordHeader, Verified, Version, checksum, classes, verify,
};
use pagescrub::backup::{FaultKind, ReadAt};
use pagescrub::page::Page;
use pagescrub::page::checksum::Checksum;
use pagescrub::page::header::PageHeader;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

/// A real backup, and what is known of it.
struct Original {
    bytes: Vec<u8>,
    version: Version,
    variant: u32,
    /// Its records, and what they unpack to.
    records: u64,
    unpacked_bytes: u64,
    /// Where its first MQDA stream has its pages, and how many there are.
    pages_at: u64,
    extents: u64,
    /// Of its pages, those that have a checksum, and those of them that agree; free pages need not.
    flagged: u32,
    right: u32,
}

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it"))
}

fn of_version_2() -> Original {
    Original {
        bytes: std::fs::read(folder().join("TutorialDB_compressed.bak")).expect("it is there"),
        version: Version::Two,
        variant: 3,
        records: 49,
        unpacked_bytes: 2_905_088,
        pages_at: 0x2000,
        extents: 43,
        flagged: 274,
        right: 274,
    }
}

fn of_version_1() -> Original {
    let backups = folder().parent().expect("it has a neighbour").join("backups");
    Original {
        bytes: std::fs::read(backups.join("container_v1_655.bak")).expect("it is there"),
        version: Version::One,
        variant: 1,
        records: 38,
        unpacked_bytes: 2_182_144,
        pages_at: 0x1c00,
        extents: 32,
        flagged: 162,
        right: 158,
    }
}

fn verified(bytes: &[u8]) -> Verified {
    let mut read = |at: u64, buffer: &mut [u8]| bytes.read_exact_at(at, buffer);
    verify(&mut read, bytes.len() as u64, &mut |_| true)
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn every_record_of_a_real_backup_agrees_and_every_byte_is_accounted_for() {
    account_for_every_byte(&of_version_2());
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn every_record_of_a_real_backup_agrees_and_every_byte_is_accounted_for_in_version_1() {
    account_for_every_byte(&of_version_1());
}

fn account_for_every_byte(original: &Original) {
    let bytes = &original.bytes;
    let container = Container::read(bytes).expect("readable").expect("of a known kind");
    assert_eq!((container.version, container.variant), (original.version, original.variant));
    assert_eq!(container.version_stated, original.version.number());
    let found = verified(bytes);
    assert_eq!(found.faults, []);
    let (records, unpacked) = (original.records, original.unpacked_bytes);
    assert_eq!((found.records, found.uncompressed_bytes), (records, unpacked));
    assert_eq!((found.file_marks, found.faults_not_listed), (3, 0));
    let mut sizes: BTreeMap<ByteClass, u64> = BTreeMap::new();
    let mut at = 0;
    for (range, class) in classes(bytes) {
        assert!(range.start == at && range.end > at, "{range:?} {class:?}");
        *sizes.entry(class).or_default() += range.end - range.start;
        at = range.end;
    }
    assert_eq!(at, bytes.len() as u64);
    assert!(!sizes.contains_key(&ByteClass::Unknown));
    let header_bytes = original.version.record_header_bytes() as u64;
    assert_eq!(sizes[&ByteClass::RecordTag], 4 * records);
    assert_eq!(sizes[&ByteClass::Payload] + header_bytes * records, found.bytes_verified);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn the_pages_of_a_real_backup_unpack_and_agree_with_their_checksums() {
    unpack_pages(&of_version_2());
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn the_pages_of_a_real_backup_unpack_and_agree_with_their_checksums_in_version_1() {
    unpack_pages(&of_version_1());
}

fn unpack_pages(original: &Original) {
    let bytes = &original.bytes;
    let found = verified(bytes);
    let stream = Decompressed::new(bytes, &found.index);
    assert_eq!(stream.bytes(), original.unpacked_bytes);
    let mut all = vec![0; original.unpacked_bytes as usize];
    stream.read_exact_at(0, &mut all).expect("all of it unpacks");
    assert!(all.starts_with(b"TAPE"));
    let (mut right, mut flagged) = (0, 0);
    for number in 0..original.extents * 8 {
        let mut page = Page::ZERO;
        let place = original.pages_at + number * 8192;
        stream.read_exact_at(place, page.bytes_mut()).expect("a page");
        assert_eq!(page.bytes()[..], all[place as usize..][..8192]);
        if PageHeader::of(&page).flag_bits & 0x200 != 0 {
            flagged += 1;
            right += u32::from(Checksum::of(&page) == Checksum::stored_in(&page));
        }
    }
    assert_eq!((flagged, right), (original.flagged, original.right));
}

/// Changes bits, each alone: all bits of the small classes, a sample of the others.
#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn each_changed_bit_is_found_in_every_class_of_bytes_that_is_protected() {
    change_bits(&of_version_2());
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn each_changed_bit_is_found_in_every_class_of_bytes_that_is_protected_in_version_1() {
    change_bits(&of_version_1());
}

fn change_bits(original: &Original) {
    let whole = &original.bytes;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    for (range, class) in classes(whole) {
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
                found.records + 3 >= original.records,
                "bit {bit} of {class:?} costs {:?}",
                found.faults
            );
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_bad_payload_is_one_record_and_its_neighbours_stay_readable() {
    let Original { mut bytes, records, .. } = of_version_2();
    bytes[0x5000] ^= 0x10;
    let found = verified(&bytes);
    assert_eq!(found.records, records - 1);
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
    cut(&of_version_2());
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn a_file_cut_anywhere_is_called_truncated_in_version_1() {
    cut(&of_version_1());
}

fn cut(original: &Original) {
    let whole = &original.bytes;
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
    damage(&of_version_2());
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn damage_of_all_kinds_is_found_the_same_with_any_number_of_threads_in_version_1() {
    damage(&of_version_1());
}

fn damage(original: &Original) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let whole = &original.bytes;
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
    judge(&of_version_2());
}

#[test]
#[cfg_attr(not(real_backups), ignore = "there is no folder `backups` beside PAGESCRUB_REAL_DATA")]
fn the_plain_checksum_judges_each_real_record_in_version_1() {
    judge(&of_version_1());
}

fn judge(original: &Original) {
    let bytes = &original.bytes;
    let mut records = 0;
    for (range, class) in classes(bytes) {
        if class == ByteClass::RecordTag {
            let record = &bytes[range.start as usize..];
            let header = RecordHeader::of(original.version, record).expect("whole");
            let payload = header.payload(record).expect("whole");
            assert_eq!(checksum(payload), header.checksum);
            records += 1;
        }
    }
    assert_eq!(records, original.records);
}
