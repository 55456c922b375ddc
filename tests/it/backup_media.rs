//! The structure of uncompressed backups: what SQL Server wrote, and what is left of it when bytes
//! are changed, cut off, or lie.
//!
//! The real backups are read from the folder named by `PAGESCRUB_REAL_DATA`.

use crate::harness::counted::Counted;
use pagescrub::backup::block::{
    BLOCK_HEADER_BYTES, BlockHeader, STREAM_HEADER_BYTES, StreamHeader, excess,
};
use pagescrub::backup::{BackupKind, BackupSet, ByteClass, Fault, FaultKind, Media, ReadAt};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use std::io;
use std::path::PathBuf;

const SECTOR: usize = 512;
/// How often each byte may be asked for.
const ASKED_MAX: u64 = 8;

fn folder() -> PathBuf {
    std::env::var_os("PAGESCRUB_REAL_DATA").expect("the tests were built with it").into()
}

fn backups() -> Vec<(String, Vec<u8>, Value)> {
    let text = std::fs::read_to_string(folder().join("EXPECTED.json")).expect("it is there");
    let all: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("it is JSON");
    let backups = all.into_iter().filter(|(_, expected)| expected["kind"] == "backup");
    let read = |name: &str| std::fs::read(folder().join(name)).expect("a backup");
    let found: Vec<_> =
        backups.map(|(name, expected)| (name.clone(), read(&name), expected)).collect();
    assert!(found.len() >= 4, "EXPECTED.json names the backups");
    found
}

fn backup(name: &str) -> Vec<u8> {
    let mut backups = backups();
    backups.retain(|(file, ..)| file.starts_with(name));
    backups.pop().expect("a backup of that name").1
}

/// Reads `bytes`, whatever they are, in no more time than their number allows: each is asked for a
/// few times at most.
fn read_in_few_bytes(bytes: &[u8]) -> Media {
    let counted = Counted::new(bytes);
    let media = Media::read(&counted).expect("memory has no errors").expect("it begins with TAPE");
    let asked = counted.asked();
    assert!(asked <= ASKED_MAX * (bytes.len() as u64 + (64 << 10)), "{asked} of {}", bytes.len());
    media
}

/// Reads bytes that may be anything, and checks what must hold for all of them.
#[expect(clippy::ptr_arg, reason = "a slice is no object that can be read from")]
fn media_of(bytes: &Vec<u8>) -> Media {
    let media = read_in_few_bytes(bytes);
    let mut end = 0;
    for (range, _) in &media.classes {
        assert!(range.start == end && range.end > end, "a gap at {end}");
        end = range.end;
    }
    assert_eq!(end, bytes.len() as u64);
    assert!(media.faults.len() <= 1000 && media.sets.len() <= 100_000);
    for piece in media.sets.iter().flat_map(|set| set.data.iter().chain(&set.logs)) {
        assert!(piece.bytes <= piece.promised_bytes);
        assert!(piece.offset_bytes + piece.bytes <= bytes.len() as u64 || piece.bytes == 0);
    }
    media
}

fn only_set(media: &Media) -> &BackupSet {
    assert_eq!(media.sets.len(), 1);
    &media.sets[0]
}

/// The headers of blocks or streams, as the map of classes has them.
fn headers(media: &Media, class: ByteClass) -> Vec<usize> {
    let of_class = media.classes.iter().filter(|(_, found)| *found == class);
    of_class.map(|(range, _)| range.start as usize).collect()
}

/// Block, offset and bytes of all pieces of pages.
fn pages_of(media: &Media) -> Vec<(u32, u64, u64)> {
    let pieces = media.sets.iter().flat_map(|set| &set.data);
    pieces.map(|piece| (piece.block, piece.offset_bytes, piece.bytes)).collect()
}

/// Makes the check of a header agree again.
fn seal(header: &mut [u8]) {
    let [low, high] = excess(header).to_le_bytes();
    let end = header.len();
    header[end - 2] ^= low;
    header[end - 1] ^= high;
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn blocks_and_stream_checksums_are_those_that_another_program_counted() {
    for (name, bytes, expected) in backups() {
        let media = media_of(&bytes);
        assert_eq!(media.faults, [], "{name}");
        let blocks = expected["dblks"].as_object().expect("counts");
        assert_eq!(media.blocks.len(), blocks.len(), "{name}");
        for (tag, count) in blocks {
            let tag: [u8; 4] = tag.as_bytes().try_into().expect("four letters");
            assert_eq!(media.blocks.get(&tag).copied(), count.as_u64(), "{name} {tag:?}");
        }
        let set = only_set(&media);
        let sums = |pieces: &[_]| pieces.iter().filter(|p: &&Piece| p.checksum.is_some()).count();
        let counts = expected["stream_checksums"].as_object().expect("counts");
        let count = |kind: &str| counts.get(&format!("('{kind}', True)")).map_or(0, as_count);
        assert_eq!((sums(&set.data), sums(&set.logs)), (count("MQDA"), count("MQTL")), "{name}");
        assert_eq!(u64::from(set.internal_version.expect("told")), expected["internal_version"]);
    }
}

type Piece = pagescrub::backup::StreamPiece;

fn as_count(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn the_full_backup_and_the_differential_upon_it_tell_that_they_belong_together() {
    let [full, differential] =
        ["sqltools_Full", "sqltools_Diff"].map(|name| media_of(&backup(name)));
    let (full, differential) = (only_set(&full), only_set(&differential));
    assert_eq!((full.kind, differential.kind), (BackupKind::Full, BackupKind::Differential));
    assert!(full.set_id.is_some() && full.set_id != differential.set_id);
    assert_eq!(differential.differential_base_id, full.set_id);
    assert_eq!(full.differential_base_id, None);
    assert_eq!(differential.database_backup_lsn, full.checkpoint_lsn);
    for set in [full, differential] {
        assert_eq!((set.database.as_str(), set.server.as_str()), ("BackupTestDb", "LEILALALI-PC"));
        assert_eq!((set.position, set.is_complete, set.has_checksum), (1, true, Some(false)));
        assert_eq!(set.user, "Redmond\\llali");
        assert_eq!(set.files.len(), 2);
        assert_eq!(&*set.files[0].filegroup, "PRIMARY");
    }
    assert_eq!(full.first_lsn.map(|lsn| lsn.to_string()).as_deref(), Some("(53:296:37)"));
    assert!(full.last_lsn > full.first_lsn && differential.first_lsn > full.last_lsn);
    assert!(full.started < differential.started && full.started <= full.finished);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn pages_log_and_files_of_every_backup_are_found() {
    let media = media_of(&backup("db1_661"));
    let set = only_set(&media);
    assert_eq!((set.kind, set.has_checksum), (BackupKind::Differential, Some(true)));
    let files: Vec<_> = set.files.iter().map(|f| (f.file_id, f.pages, f.is_log)).collect();
    assert_eq!(files, [(1, 32, false), (3, 8, false), (2, 0, true)]);
    assert_eq!(set.data[0].checksum, Some(0xb545_a85e));
    assert_eq!((set.data[0].offset_bytes, set.data[0].bytes), (0x2200, 1 << 20));

    let media = media_of(&backup("InventoryDB"));
    let set = only_set(&media);
    assert_eq!(pages_of(&media), [(0, 0x4000, 56 << 16), (1, 0x38_5000, 2 << 16)]);
    assert_eq!(set.name, "InventoryDB-Full Database Backup");
    assert_eq!(set.started.map(|date| date.to_string()).as_deref(), Some("2022-06-08T21:54:00"));
    assert!(set.finished >= set.started);
    // The description behind the pages has the last LSN; the one before them does not yet.
    assert_eq!(set.last_lsn.map(|lsn| lsn.to_string()).as_deref(), Some("(37:1664:1)"));
    let family = media.family.as_ref().expect("TAPE tells it");
    assert_eq!((family.family_number, family.family_count, family.media_sequence), (1, 1, 1));
    assert_eq!((family.software.as_str(), media.block_bytes), ("Microsoft SQL Server", 4096));
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn binding_ids_are_those_of_page_0() {
    use pagescrub::page::{Page, file_header::FileHeader};
    for (name, bytes, _) in backups() {
        let media = media_of(&bytes);
        let set = only_set(&media);
        let at = set.data[0].offset_bytes as usize;
        let page: &[u8; 8192] = bytes[at..at + 8192].try_into().expect("a page");
        let header = FileHeader::of(&Page::new(page)).expect("page 0");
        assert_eq!(set.binding_id, Some(header.binding_id), "{name}");
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_flipped_bit_in_a_header_is_a_fault_and_loses_no_page() {
    for (name, mut bytes, _) in backups() {
        let whole = media_of(&bytes);
        let blocks = headers(&whole, ByteClass::BlockHeader).into_iter();
        let streams = headers(&whole, ByteClass::StreamHeader).into_iter();
        let all = blocks.map(|at| (at, BLOCK_HEADER_BYTES));
        for (at, count) in all.chain(streams.map(|at| (at, STREAM_HEADER_BYTES))) {
            // The first four bytes are what tells a backup from other files.
            for byte in at.max(4)..at + count {
                let bit = (byte * 5 + at / 4) % 8;
                bytes[byte] ^= 1 << bit;
                let media = media_of(&bytes);
                assert!(!media.faults.is_empty(), "{name} byte {byte:#x} bit {bit}");
                assert_eq!(pages_of(&media), pages_of(&whole), "{name} byte {byte:#x} bit {bit}");
                assert!(only_set(&media).is_complete, "{name} byte {byte:#x} bit {bit}");
                bytes[byte] ^= 1 << bit;
            }
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_lost_sector_of_structure_loses_no_page() {
    for (name, mut bytes, _) in backups() {
        let whole = media_of(&bytes);
        let is_pages = |at: usize| {
            let inside = |&(_, start, count): &(u32, u64, u64)| {
                (start..start + count).contains(&(at as u64))
            };
            pages_of(&whole).iter().any(inside)
        };
        for at in (SECTOR..bytes.len()).step_by(SECTOR).filter(|at| !is_pages(*at)) {
            let saved = bytes[at..at + SECTOR].to_vec();
            bytes[at..at + SECTOR].fill(0xc3);
            assert_eq!(pages_of(&media_of(&bytes)), pages_of(&whole), "{name} at {at:#x}");
            bytes[at..at + SECTOR].copy_from_slice(&saved);
        }
    }
}

/// A backup of which one sector cannot be read.
struct BadSector<'a> {
    bytes: &'a Vec<u8>,
    at: u64,
}

impl ReadAt for BadSector<'_> {
    fn bytes(&self) -> u64 {
        self.bytes.bytes()
    }

    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset_bytes + buffer.len() as u64;
        if offset_bytes < self.at + SECTOR as u64 && end > self.at {
            return Err(io::Error::other("a bad sector"));
        }
        self.bytes.read_exact_at(offset_bytes, buffer)
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_sector_that_cannot_be_read_is_told_and_loses_no_page() {
    for (name, bytes, _) in backups() {
        let whole = media_of(&bytes);
        let blocks = headers(&whole, ByteClass::BlockHeader);
        for at in blocks.into_iter().chain(headers(&whole, ByteClass::StreamHeader)) {
            let at = (at / SECTOR * SECTOR) as u64;
            let read = Media::read(&BadSector { bytes: &bytes, at });
            if at == 0 {
                assert_eq!(read.expect_err("the first sector").to_string(), "a bad sector");
                continue;
            }
            let media = read.expect("only the first bytes must be readable").expect("a backup");
            assert_eq!(pages_of(&media), pages_of(&whole), "{name} at {at:#x}");
            let is_told = media.faults.iter().any(|fault| fault.kind == FaultKind::Unreadable);
            assert!(is_told, "{name} at {at:#x}");
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn a_backup_cut_off_anywhere_says_so() {
    for (name, whole, _) in backups() {
        let mut bytes = whole.clone();
        while bytes.len() > SECTOR {
            bytes.truncate((bytes.len() - 1) / SECTOR * SECTOR);
            let media = media_of(&bytes);
            let is_told = media.faults.iter().any(|fault| fault.kind == FaultKind::Truncated);
            assert!(is_told, "{name} at {:#x}", bytes.len());
        }
        bytes.clear();
        assert_eq!(Media::read(&bytes).expect("no errors"), None);
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn pages_that_are_cut_off_count_as_far_as_they_are_there() {
    let mut bytes = backup("sqltools_Full");
    bytes.truncate(0x4000 + 100_000);
    let media = media_of(&bytes);
    let piece = &only_set(&media).data[0];
    assert_eq!((piece.bytes, piece.promised_bytes), (100_000, 40 << 16));
    assert!(!only_set(&media).is_complete);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn lengths_that_lie_with_a_right_check_are_faults() {
    for (name, mut bytes, _) in backups() {
        let whole = media_of(&bytes);
        for at in headers(&whole, ByteClass::StreamHeader) {
            let header = at..at + STREAM_HEADER_BYTES;
            let saved = bytes[header.clone()].to_vec();
            let truth = u64::from_le_bytes(saved[8..16].try_into().expect("eight bytes"));
            for lie in [0, 1, 1 << 31, 1 << 63, u64::MAX] {
                bytes[at + 8..at + 16].copy_from_slice(&lie.to_le_bytes());
                seal(&mut bytes[header.clone()]);
                let media = media_of(&bytes);
                assert!(lie == truth || !media.faults.is_empty(), "{name} {at:#x} {lie:#x}");
            }
            bytes[header].copy_from_slice(&saved);
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn streams_that_begin_nowhere_are_faults() {
    for (name, mut bytes, _) in backups() {
        let whole = media_of(&bytes);
        for at in headers(&whole, ByteClass::BlockHeader) {
            let header = at..at + BLOCK_HEADER_BYTES;
            let saved = bytes[header.clone()].to_vec();
            for lie in [0_u16, 1, 8, 51, 52, 4094, 0xfffc, 0xffff] {
                bytes[at + 8..at + 10].copy_from_slice(&lie.to_le_bytes());
                seal(&mut bytes[header.clone()]);
                let media = media_of(&bytes);
                assert!(!media.faults.is_empty(), "{name} {at:#x} {lie:#x}");
                assert_eq!(pages_of(&media), pages_of(&whole), "{name} {at:#x} {lie:#x}");
            }
            bytes[header].copy_from_slice(&saved);
        }
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn sets_that_follow_each_other_in_one_file_are_kept_apart() {
    let mut bytes = backup("sqltools_Full");
    let appended = backup("sqltools_Diff");
    let [full, differential] = [&bytes, &appended].map(media_of);
    // The second set begins where the first file ends, without TAPE and the filemark behind it.
    let moved = bytes.len() as u64 - 0x2000;
    let start = bytes.len();
    bytes.extend_from_slice(&appended[0x2000..]);
    bytes[start + 80..start + 88].copy_from_slice(&(start as u64).to_le_bytes());
    let media = media_of(&bytes);
    assert_eq!((media.faults.as_slice(), media.sets.len()), (&[][..], 2));
    assert_eq!(media.sets[0], full.sets[0]);
    assert_eq!((media.sets[1].position, media.sets[1].kind), (2, BackupKind::Differential));
    assert_eq!(media.sets[1].set_id, differential.sets[0].set_id);
    let place = differential.sets[0].data[0].offset_bytes + moved;
    assert_eq!((media.sets[1].data[0].offset_bytes, media.sets[1].data[0].block), (place, 0));
    let mut cut = bytes.clone();
    cut.truncate(bytes.len() - 0x6000);
    let media = media_of(&cut);
    assert_eq!(media.sets.iter().map(|set| set.is_complete).collect::<Vec<_>>(), [true, false]);
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn zeros_behind_the_end_are_no_fault_and_anything_else_is() {
    let mut bytes = backup("db1_661");
    let end = bytes.len();
    // Also where they are too few for a block.
    for more in [1, 51, 100_000] {
        bytes.resize(end + more, 0);
        assert_eq!(media_of(&bytes).faults, [], "{more} zeros");
        bytes[end + more - 1] = 1;
        assert_eq!(media_of(&bytes).faults[0].kind, FaultKind::Structure, "{more} bytes");
        bytes.truncate(end);
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn descriptions_that_contradict_each_other_are_a_fault() {
    let bytes = backup("InventoryDB");
    for (at, what) in [(0x2838 + 22 + 0x190, "database"), (0x2838 + 22 + 0x7c, "binding id")] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let media = media_of(&bytes);
        assert_eq!(media.faults.len(), 1, "{what}: {:?}", media.faults);
        assert_eq!(media.faults[0].kind, FaultKind::Structure);
    }
}

#[test]
#[cfg_attr(not(real_data), ignore = "PAGESCRUB_REAL_DATA names no folder")]
fn random_damage_never_ends_in_a_panic_or_without_an_answer() {
    const SEED: u64 = 0x6d74_6620_7365_6564;
    println!("seed {SEED:#x}");
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut bytes = backup("db1_661");
    let whole = media_of(&bytes);
    let places: Vec<_> = [ByteClass::BlockHeader, ByteClass::StreamHeader]
        .iter()
        .flat_map(|class| headers(&whole, *class))
        .collect();
    for _ in 0..4000 {
        let mut changed = Vec::new();
        for _ in 0..=random.next_u32() % 6 {
            let place = places[random.next_u32() as usize % places.len()];
            let at = 4.max(place + random.next_u32() as usize % 600).min(bytes.len() - 1);
            changed.push((at, bytes[at]));
            bytes[at] = random.next_u32() as u8;
            let count = if random.next_u32() % 2 == 0 { 22 } else { 52 };
            // Half of the damage has a right check, or nothing would come behind it.
            if place >= 4 && at < place + count - 2 && random.next_u32() % 2 == 0 {
                let end = place + count;
                changed.extend([(end - 2, bytes[end - 2]), (end - 1, bytes[end - 1])]);
                seal(&mut bytes[place..end]);
            }
        }
        media_of(&bytes);
        for (at, byte) in changed.into_iter().rev() {
            bytes[at] = byte;
        }
    }
    assert_eq!(media_of(&bytes), whole);
}

/// A block of `tag` with nothing but padding, 512 bytes.
fn small_block(tag: [u8; 4]) -> Vec<u8> {
    let mut block = vec![0; SECTOR];
    block[..4].copy_from_slice(&tag);
    block[8] = 52;
    seal(&mut block[..52]);
    block[52..56].copy_from_slice(b"SPAD");
    block[60..68].copy_from_slice(&(SECTOR as u64 - 74).to_le_bytes());
    seal(&mut block[52..74]);
    let stream: &[u8; STREAM_HEADER_BYTES] = block[52..74].try_into().expect("22 bytes");
    assert!(StreamHeader::checked(stream).is_some());
    let header: &[u8; BLOCK_HEADER_BYTES] = block[..52].try_into().expect("52 bytes");
    assert!(BlockHeader::checked(header).is_some());
    block
}

/// A file of `sets` sets with nothing in them.
fn small_sets(sets: usize) -> Vec<u8> {
    let mark = |bytes: &mut Vec<u8>| {
        let mut mark = small_block(*b"SFMB");
        mark[8..10].copy_from_slice(&(SECTOR as u16).to_le_bytes());
        seal(&mut mark[..52]);
        bytes.extend(mark);
    };
    let mut bytes = small_block(*b"TAPE");
    mark(&mut bytes);
    for _ in 0..sets {
        bytes.extend(small_block(*b"SSET"));
        mark(&mut bytes);
        bytes.extend(small_block(*b"ESET").repeat(2));
        mark(&mut bytes);
    }
    bytes
}

/// Log that is backed up every five minutes into one file comes to 100,000 sets in a year.
#[test]
fn a_hundred_thousand_sets_are_read_and_more_are_not_read_which_is_no_damage() {
    let media = Media::read(&small_sets(2000)).expect("readable").expect("a backup");
    assert_eq!((media.sets.len(), &media.not_read), (2000, &None));
    assert!(media.sets.iter().all(|set| set.is_complete));
    let bytes = small_sets(100_002);
    let media = read_in_few_bytes(&bytes);
    assert_eq!(media.sets.len(), 100_000);
    let not_read = media.not_read.expect("it is told");
    let end = bytes.len() - 2 * 5 * SECTOR;
    assert_eq!(
        (not_read.offset_bytes, &*not_read.why),
        (end as u64, "it has more than 100,000 backup sets")
    );
    let is_limit = |fault: &&Fault| fault.text.contains("more than");
    assert_eq!(media.faults.iter().filter(is_limit).count(), 0);
}

#[test]
fn a_backup_of_junk_is_read_once_and_not_kept() {
    let mut bytes = small_block(*b"TAPE");
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    bytes.resize(16 << 20, 0);
    random.fill_bytes(&mut bytes[SECTOR..]);
    let media = media_of(&bytes);
    assert_eq!(
        (media.sets.len(), media.classes.last().map(|c| c.1)),
        (0, Some(ByteClass::Unaccounted))
    );
    assert!(media.faults.len() >= 2);
}

#[test]
fn alternating_junk_takes_no_more_than_linear_time() {
    let mut bytes = small_block(*b"TAPE");
    for _ in 0..4000 {
        bytes.extend([0xaa; SECTOR]);
        bytes.extend(small_block(*b"VOLB"));
    }
    let media = media_of(&bytes);
    assert_eq!(media.blocks[b"VOLB"], 4000);
    // One for each stretch of junk, and one for the end that is missing.
    assert_eq!((media.faults.len(), media.faults_not_listed), (1000, 3001));
}
