//! Contents of every kind, made and told apart.

use super::*;
use rand_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

fn content(bytes: &[u8]) -> Content {
    Content::of(&bytes.to_vec()).unwrap()
}

fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    Xoshiro256PlusPlus::seed_from_u64(seed).fill_bytes(&mut noise);
    noise
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn nothing_and_zeros_and_noise_are_told_apart_at_every_size() {
    assert_eq!(content(b""), Content::Empty);
    for bytes in [1, 511, 8192, 60_000, 1 << 20, (1 << 20) + 77] {
        assert_eq!(content(&vec![0; bytes]), Content::Zeros, "{bytes}");
    }
    for bytes in [256, 511, 8192, 40_000, 60_001, 1 << 18, (1 << 20) + 77] {
        for seed in 0..20 {
            assert_eq!(content(&noise(bytes, seed)), Content::Noise, "{bytes} bytes, seed {seed}");
        }
    }
}

/// Whatever few bytes of noise are taken for, they are not quiet.
#[test]
fn few_bytes_of_noise_are_no_text() {
    let texts = (0..10_000).filter(|&seed| content(&noise(64, seed)) == Content::Text).count();
    assert_eq!(texts, 0);
    for seed in 0..100 {
        assert_ne!(content(&[&b"\xff\xfe"[..], &noise(4096, seed)].concat()), Content::Text);
    }
}

#[test]
fn texts_of_every_encoding_are_text() {
    let western = "<configuration>\r\n\t<add key=\"caf\u{e9}\"/>\r\n".repeat(3000);
    let chinese = "\u{6570}\u{636e}\u{5e93}\u{5907}\u{4efd}\u{5b8c}\u{6210}\r\n".repeat(9000);
    let latin1: Vec<u8> = western.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let cyrillic: Vec<u8> = [0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2, b' '].repeat(20_000);
    let marked = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
    for (bytes, what) in [
        (b"x".to_vec(), "a letter"),
        (western.clone().into_bytes(), "UTF-8"),
        (chinese.clone().into_bytes(), "UTF-8, three bytes a letter"),
        (marked(b"\xef\xbb\xbf", western.clone().into_bytes()), "UTF-8 with its mark"),
        (marked(b"\xff\xfe", utf16(&western, u16::to_le_bytes)), "UTF-16 LE"),
        (marked(b"\xfe\xff", utf16(&western, u16::to_be_bytes)), "UTF-16 BE"),
        (utf16(&western, u16::to_le_bytes), "UTF-16 LE without its mark"),
        (utf16(&western, u16::to_be_bytes), "UTF-16 BE without its mark"),
        (marked(b"\xff\xfe", utf16(&chinese, u16::to_le_bytes)), "UTF-16 of Chinese"),
        (latin1, "Latin-1"),
        (cyrillic, "Windows-1251"),
    ] {
        assert_eq!(content(&bytes), Content::Text, "{what}");
    }
}

#[test]
fn text_with_noise_in_it_is_no_text() {
    let mut bytes = b"-- a script\n".repeat(100_000);
    let middle = bytes.len() / 2;
    bytes[middle - 200_000..middle + 200_000].copy_from_slice(&noise(400_000, 1));
    assert_eq!(content(&bytes), Content::Unknown);
}

#[test]
fn marks_of_formats_are_known_and_noise_has_none() {
    let with = |at: usize, mark: &[u8]| {
        let mut bytes = noise(1 << 20, 3);
        bytes[at..at + mark.len()].copy_from_slice(mark);
        content(&bytes)
    };
    for (at, mark, what) in MAGIC {
        assert_eq!(with(at, mark), what, "{mark:?}");
    }
    assert_eq!(with((1 << 20) - 512, b"conectix"), MayHold("a virtual disk (VHD)"));
    for seed in 0..2000 {
        let first = noise(8192, seed);
        assert_eq!(by_mark(&first, &first[..512]), None, "seed {seed}");
    }
    assert_eq!(with(510, &[0x55, 0xaa]), Content::Noise);
    assert_eq!(with(1080, &[0x53, 0xef]), Content::Noise);
}

#[test]
fn partition_tables_and_superblocks_are_known_by_more_than_their_mark() {
    let mut disk = vec![0; 1 << 20];
    disk[446..462].copy_from_slice(&[0x80, 1, 1, 0, 7, 254, 255, 255, 0, 8, 0, 0, 0, 0, 16, 0]);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    assert_eq!(content(&disk), MayHold("a disk image with partitions (MBR)"));
    disk[446] = 0x7f;
    assert_eq!(content(&disk), Content::Unknown);
    let mut volume = vec![0; 1 << 20];
    volume[1024 + 56..1024 + 58].copy_from_slice(&[0x53, 0xef]);
    volume[1024 + 60] = 1;
    assert_eq!(content(&volume), MayHold("an ext volume"));
    volume[1024 + 60] = 9;
    assert_eq!(content(&volume), Content::Unknown);
}

#[test]
fn what_is_foreign_says_what_it_is() {
    let why = |bytes: &[u8]| content(bytes).why(bytes.len() as u64);
    assert!(why(b"").contains("empty"));
    assert!(why(b"x").contains("text; smaller than one page"));
    assert!(why(b"version https://git-lfs.github.com/spec/v1\n").contains("LFS"));
    assert!(why(b"\n <!DOCTYPE html>").contains("HTML"));
    assert!(why(&[0; 9000]).contains("zeros") && !why(&[0; 9000]).contains("encrypted"));
    let noise = noise(9000, 1);
    assert!(why(&noise).contains("noise") && !why(&noise).contains("zeros"));
    // Nothing is said to be lost of what is recognised.
    for known in [&b"PK\x03\x04"[..], b"%PDF-1.4", b"text", b"SQLite format 3\0"] {
        assert!(!why(known).contains("lost"), "{}", why(known));
    }
}

#[test]
fn every_field_of_a_partition_or_superblock_counts() {
    let disk = |entry: [u8; 16]| {
        let mut disk = vec![0; 1 << 20];
        disk[446..462].copy_from_slice(&entry);
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        content(&disk)
    };
    // Neither where it is nor how long; or no byte of that is zero.
    assert_eq!(disk([0, 1, 1, 0, 7, 254, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]), Content::Unknown);
    let full = [0, 1, 1, 0, 7, 254, 255, 255, 1, 8, 1, 1, 1, 1, 16, 1];
    assert_eq!(disk(full), MayHold("a disk image with partitions (MBR)"));
    let volume = |at: usize| {
        let mut volume = vec![0; 1 << 20];
        volume[1024 + 56..1024 + 61].copy_from_slice(&[0x53, 0xef, 0, 0, 1]);
        volume[1024 + at] = 1;
        content(&volume)
    };
    // The sizes of a block and the revisions that there are: their low bytes, and then none.
    assert_eq!([24, 76].map(volume), [MayHold("an ext volume"); 2]);
    assert_eq!([26, 27, 78, 79].map(volume), [Content::Unknown; 4]);
}

#[test]
fn a_text_may_be_cut_in_the_middle_of_a_letter() {
    let text = "\u{6570}\u{636e}\u{5e93}".as_bytes();
    assert_eq!([9, 8, 7].map(|bytes| content(&text[..bytes])), [Content::Text; 3]);
}

#[test]
fn only_what_nobody_would_have_put_there_is_lost() {
    let lost = [Content::Empty, Content::Zeros, Content::Noise, Content::Unknown];
    assert_eq!(lost.map(Content::lost), ["empty", "zeros", "noise", "unknown"].map(Some));
    for known in [Content::Text, Content::Html, Content::GitLfsPointer, MayHold("an ext volume")] {
        assert_eq!(known.lost(), None, "{known:?}");
    }
}
