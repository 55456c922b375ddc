//! Made-up containers: shapes that the real ones do not have, and bytes that lie.

use crate::harness::container::{Writer, pack, record};
use pagescrub::backup::compressed::{Container, Decompressed, Verified, verify};
use pagescrub::backup::xpress::decompress;
use pagescrub::backup::{FaultKind, ReadAt};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::io;

fn verified(bytes: &[u8]) -> Verified {
    let mut read = |at: u64, buffer: &mut [u8]| bytes.read_exact_at(at, buffer);
    verify(&mut read, bytes.len() as u64, &mut |_| true)
}

/// Bytes with runs in them, so that they pack well.
fn content(rng: &mut Xoshiro256PlusPlus, bytes: usize) -> Vec<u8> {
    let mut content = vec![rng.next_u64() as u8; bytes];
    for _ in 0..bytes / 100 {
        let at = rng.next_u64() as usize % bytes;
        content[at] = rng.next_u64() as u8;
    }
    content
}

fn two_sets(block_bytes: usize, rng: &mut Xoshiro256PlusPlus) -> (Vec<u8>, Vec<u8>) {
    let mut writer = Writer::new(block_bytes);
    let mut stream = Vec::new();
    let mut add = |writer: &mut Writer, bytes: usize| {
        let bytes = content(rng, bytes);
        writer.record(&bytes);
        stream.extend(bytes);
    };
    add(&mut writer, 1024);
    writer.mark();
    for _ in 0..2 {
        (0..60).for_each(|_| add(&mut writer, 65_536));
        add(&mut writer, 130_560);
        add(&mut writer, 2048);
        writer.mark();
        add(&mut writer, 1024);
        writer.mark();
    }
    (writer.bytes, stream)
}

#[test]
fn several_sets_and_blocks_of_all_sizes_are_walked_and_unpacked() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    for block_bytes in [512, 1024, 4096, 65_536] {
        let (bytes, stream) = two_sets(block_bytes, &mut rng);
        assert!(Container::read(&bytes).expect("readable").is_ok());
        let found = verified(&bytes);
        assert_eq!(found.faults, [], "blocks of {block_bytes}");
        assert_eq!((found.records, found.file_marks), (1 + 2 * 63, 5));
        let unpacked = Decompressed::new(&bytes, &found.index);
        assert_eq!(unpacked.bytes(), stream.len() as u64);
        for _ in 0..200 {
            let at = rng.next_u64() as usize % stream.len();
            let mut room = vec![0; (rng.next_u64() as usize % 200_000).min(stream.len() - at)];
            unpacked.read_exact_at(at as u64, &mut room).expect("all is well");
            assert!(room == stream[at..at + room.len()], "{at}");
        }
        let end = unpacked.read_exact_at(stream.len() as u64 - 1, &mut [0; 2]);
        assert_eq!(end.expect_err("beyond").kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn what_was_packed_unpacks_to_that_size_and_to_no_other() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    for bytes in [512, 1024, 60_000, 65_536, 65_537, 130_560] {
        let plain = content(&mut rng, bytes);
        let packed = pack(&plain);
        let mut output = vec![0; bytes];
        decompress(&packed, &mut output).expect("legal");
        assert_eq!(output, plain);
        assert!(decompress(&packed, &mut output[1..]).is_err());
        assert!(decompress(&packed, &mut vec![0; bytes + 1]).is_err());
        for cut in [0, 100, 256, 259, packed.len() / 2, packed.len() - 5] {
            assert!(decompress(&packed[..cut], &mut output).is_err(), "{bytes} cut to {cut}");
        }
    }
}

#[test]
fn no_bytes_make_the_decoder_panic() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut output = vec![0; 130_560];
    for _ in 0..20_000 {
        let mut packed = pack(&content(&mut rng, 512));
        for _ in 0..=rng.next_u64() % 4 {
            let at = 128 + rng.next_u64() as usize % (packed.len() - 128);
            packed[at] = rng.next_u64() as u8;
        }
        let _ = decompress(&packed, &mut output[..512]);
        let _ = decompress(&packed, &mut output);
    }
}

#[test]
fn lengths_that_lie_cost_their_record_and_no_other() {
    let (whole, _) = two_sets(512, &mut Xoshiro256PlusPlus::seed_from_u64(4));
    let all = verified(&whole).records;
    let third = 0x1e0 + 28 + u64::from(u16::from_le_bytes([whole[0x1e2], whole[0x1e3]]));
    let first_of_set = (third.next_multiple_of(512) + 512) as usize;
    for length in [0, 1, 259, 260, 1000, 30_000, 65_535] {
        let mut bytes = whole.clone();
        bytes[first_of_set + 2..][..2].copy_from_slice(&u16::to_le_bytes(length));
        let found = verified(&bytes);
        assert_eq!(found.records, all - 1, "{length}: {:?}", found.faults);
        assert_eq!(found.faults[0].kind, FaultKind::Structure);
        assert_eq!(found.faults[0].offset_bytes, first_of_set as u64);
    }
}

#[test]
fn what_cannot_be_read_is_said_once_and_the_rest_is_verified() {
    let (bytes, _) = two_sets(512, &mut Xoshiro256PlusPlus::seed_from_u64(5));
    let all = verified(&bytes).records;
    let bad = 40_960..49_152;
    let mut read = |at: u64, buffer: &mut [u8]| {
        let end = at + buffer.len() as u64;
        if at < bad.end && bad.start < end {
            return Err(io::Error::other("medium error"));
        }
        bytes.read_exact_at(at, buffer)
    };
    let found = verify(&mut read, bytes.len() as u64, &mut |_| true);
    let [fault] = &found.faults[..] else { panic!("{:?}", found.faults) };
    assert_eq!((fault.kind, fault.text.as_str()), (FaultKind::Unreadable, "medium error"));
    assert_eq!((fault.offset_bytes, fault.bytes), (bad.start, 8192));
    assert!(found.records < all && found.records + 20 > all, "{}", found.records);
}

#[test]
fn other_kinds_are_refused_in_words() {
    let refused = |bytes: &[u8]| Container::of(bytes).expect_err("unknown").0;
    let writer = Writer::new(512);
    for (version, place, tag) in [
        (7, 480, "version 7, variant 3, first record tag 0x40"),
        (1, 16, "version 1, variant 3, first record tag 0x40"),
    ] {
        let mut bytes = writer.bytes.clone();
        bytes[8] = version;
        bytes.extend([0; 4000]);
        bytes[place] = 0x40;
        let text = refused(&bytes);
        assert!(text.contains(tag), "{text}");
    }
    assert!(refused(b"MSSQLBAK").contains("16 bytes"));
    assert!(refused(&[0; 100]).contains("MSSQLBAK"));
}

/// Whatever the bytes: no panic, a bounded list, and time that grows with the size only.
#[test]
fn hostile_containers_take_no_more_time_than_their_size_allows() {
    let empty = vec![0x55; 260];
    let liar = [&record(&empty, 512)[..], &[0x21, 1, 0xff, 0xff]].concat();
    let tags = [0x21_u8, 0xff, 0xff, 0xff];
    for unit in [&liar[..], &tags, &[0x21], &[0], &[0x24, 0, 0, 0], b"SFMB", &[0x2c, 0, 0, 0]] {
        let mut bytes = Writer::new(512).bytes;
        while bytes.len() < 6 << 20 {
            bytes.extend(unit);
        }
        let started = std::time::Instant::now();
        let found = verified(&bytes);
        assert!(found.faults.len() <= pagescrub::backup::compressed::FAULTS_MAX);
        assert!(!found.faults.is_empty(), "{unit:?}");
        let seconds = started.elapsed().as_secs_f64();
        assert!(seconds < 20.0, "{seconds} s for {:?}", &unit[..4.min(unit.len())]);
        let mut room = vec![0; 4096];
        let unpacked = Decompressed::new(&bytes, &found.index);
        for at in [0, 1 << 20, unpacked.bytes().saturating_sub(4096)] {
            drop(unpacked.read_exact_at(at, &mut room));
        }
    }
}
