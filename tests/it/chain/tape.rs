//! Writes what is told. A generated backup knows one day of one line; the fields of its
//! description that a chain is made of are written over here, at their places in the files that
//! SQL Server writes.

use super::{Fate, Guid, Set, State, Story, Tape};
use crate::harness::container::Writer;
use pagescrub::drill::{
    BackupFault, BackupInjection, BackupKind, BackupRecipe, Damage, Expected, Fault, InjectError,
    Media, Recipe, Target, generate, generate_backup, inject_into_backup, member_paths,
};
use std::fs;
use std::path::{Path, PathBuf};

/// Byte offsets in `SCIN`.
const FIRST_LSN: usize = 0x20;
const LAST_LSN: usize = 0x2a;
const CHECKPOINT_LSN: usize = 0x34;
const BASE_LSN: usize = 0x3e;
const STARTED: usize = 0x4d;
const FINISHED: usize = 0x52;
const END_LSN: usize = 0x90;
const FORK: usize = 0x9c;
const FORK_POINT: usize = 0xac;
const EARLIER_FORK: usize = 0xb8;
const BASE_ID: usize = 0xc8;
const FAMILY: usize = 0xe0;
const DIFFERENTIAL_BASE_LSN: usize = 0x104;
/// And in the block that begins a set.
const SET_DATE: usize = 88;
const SET_ID: usize = 100;

const VLF: u32 = 41;
/// So much unpacked makes a record, which then fits whatever is in it.
const RECORD_BYTES: usize = 32_768;
const MARK: &[u8; 4] = b"SFMB";
const SECTOR_BYTES: usize = 512;
/// Bytes of log before a cut.
const LEFT_BYTES: u64 = 5000;

/// The names of the members of `tape`.
pub fn names(tape: &Tape) -> Vec<String> {
    let name = |path: PathBuf| path.display().to_string();
    member_paths(Path::new(&tape.name), tape.members).into_iter().map(name).collect()
}

/// When `set` was finished, as reports tell it.
pub fn finished(set: &Set) -> String {
    format!("2025-03-{:02}T02:{:02}:{:02}", set.day, set.minute, 30 * set.fork)
}

/// The GUID of fork number `fork`: that of the family, or another one.
pub fn fork_id(family: Guid, fork: usize) -> Guid {
    let mut id = family;
    id[3] ^= fork as u8;
    id
}

/// Writes the files of `story` to `folder`; the GUID of its family.
pub fn write(story: &Story, folder: &Path) -> Guid {
    let recipe = Recipe::new(story.bytes, story.seed);
    if story.has_data_file {
        let path = folder.join(format!("data_{:x}.mdf", story.seed));
        generate(&path, recipe, false, &|_| {}).expect("room");
    }
    let mut family = Guid::default();
    for (index, tape) in story.tapes.iter().enumerate() {
        let paths = member_paths(&folder.join(&tape.name), tape.members);
        for set in story.sets.iter().filter(|set| set.tape == index) {
            family = write_set(story, set, recipe, &folder.join(&tape.name));
        }
        strike(story, index, &paths);
        for path in &paths {
            pack(tape, path);
        }
        take_away(tape, &paths);
    }
    family
}

fn write_set(story: &Story, set: &Set, recipe: Recipe, path: &Path) -> Guid {
    let tape = &story.tapes[set.tape];
    let backup = BackupRecipe {
        kind: set.kind,
        with_checksum: set.with_checksum,
        stripes: tape.members,
        block_bytes: tape.block_bytes,
        ..BackupRecipe::new(recipe)
    };
    let paths = member_paths(path, tape.members);
    let size = |path: &PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len() as usize);
    let before: Vec<usize> = paths.iter().map(size).collect();
    let media = if set.position > 1 { Media::Appended } else { Media::New };
    generate_backup(path, &backup, media, &|_| {}).expect("room");
    let mut family = Guid::default();
    for (path, before) in paths.iter().zip(before) {
        let mut bytes = fs::read(path).expect("it was written");
        let own = &mut bytes[before..];
        let start = block(own, *b"SSET");
        put(own, start + SET_DATE, &date(set, 59));
        put(own, start + SET_ID, &set.id);
        for (tag, last) in [(*b"MSCI", set.told_first), (*b"MSLS", set.last)] {
            let block = block(own, tag);
            let behind = own[block..].windows(4).position(|tag| tag == b"SCIN");
            let at = block + behind.expect("it has one");
            family.copy_from_slice(&own[at + FAMILY..][..16]);
            describe(story, set, family, last, &mut own[at..]);
        }
        fs::write(path, bytes).expect("room");
    }
    family
}

/// Where the first block with this tag begins.
fn block(bytes: &[u8], tag: [u8; 4]) -> usize {
    let is_it = |at: &usize| bytes[*at..].starts_with(&tag);
    (0..bytes.len()).step_by(SECTOR_BYTES).find(is_it).expect("it has one")
}

fn describe(story: &Story, set: &Set, family: Guid, last: u32, scin: &mut [u8]) {
    put(scin, FIRST_LSN, &lsn(set.first));
    put(scin, LAST_LSN, &lsn(last));
    put(scin, CHECKPOINT_LSN, &lsn(set.checkpoint));
    put(scin, STARTED, &date(set, 1));
    put(scin, FINISHED, &date(set, 30 * set.fork as u32));
    put(scin, END_LSN, &lsn(last));
    put(scin, FORK, &fork_id(family, set.fork));
    if let Some(fork) = story.fork.filter(|_| set.fork > 0) {
        put(scin, FORK_POINT, &lsn(fork.point));
        put(scin, EARLIER_FORK, &fork_id(family, 0));
    }
    let base = set.base.map(|index| &story.sets[index]);
    let base_lsn = base.map_or([0; 10], |base| lsn(base.checkpoint));
    put(scin, BASE_LSN, &base_lsn);
    put(scin, BASE_ID, &base.filter(|_| set.names_base).map_or(Guid::default(), |base| base.id));
    put(scin, DIFFERENTIAL_BASE_LSN, &base_lsn);
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn lsn(block: u32) -> [u8; 10] {
    let mut lsn = [0; 10];
    lsn[..4].copy_from_slice(&VLF.to_le_bytes());
    lsn[4..8].copy_from_slice(&block.to_le_bytes());
    lsn[8] = 1;
    lsn
}

/// Year, month, day, hour, minute and second in 14, 4, 5, 5, 6 and 6 bits.
fn date(set: &Set, second: u32) -> [u8; 5] {
    let fields = [(2025, 14), (3, 4), (set.day, 5), (2, 5), (set.minute, 6), (second, 6)];
    let packed = fields.iter().fold(0_u64, |date, (value, bits)| date << bits | u64::from(*value));
    packed.to_be_bytes()[3..].try_into().expect("five bytes")
}

/// Inverts a bit in a page in use or of the log, or cuts.
fn strike(story: &Story, tape: usize, paths: &[PathBuf]) {
    let sets = || story.sets.iter().filter(move |set| set.tape == tape);
    let is_hit = |set: &&Set| set.state == State::Damaged;
    let Some(set) = sets().find(is_hit).filter(|_| !story.tapes[tape].is_packed) else { return };
    let (damage, member) = match story.tapes[tape].fate {
        Fate::Cut(member) => return cut(&paths[member]),
        Fate::Struck(_, member) if set.kind == BackupKind::Log => {
            (Damage::Backup(BackupFault::LogBit), member)
        }
        Fate::Struck(_, member) => (Damage::Pages(Fault::BitFlip), member),
        _ => return,
    };
    let injection = BackupInjection {
        damage,
        target: Target::Random(1),
        seed: story.seed ^ u64::from(set.last),
        force: false,
        set: set.position as u16,
    };
    let key = match inject_into_backup(&paths[member], &injection) {
        // The pages of a small database are all in the first member.
        Err(InjectError::TooFewPages(..)) => inject_into_backup(&paths[0], &injection),
        other => other,
    };
    let key = key.unwrap_or_else(|error| panic!("{error} in {}", paths[member].display()));
    let is_sure = key.faults.iter().all(|fault| fault.expected == Expected::Suspect)
        && key.backup_faults.iter().all(|fault| !fault.expected.is_empty());
    assert!(is_sure, "{key:?}");
}

/// Cuts off the end of the backup at `path`, from amid the log of its last set on.
fn cut(path: &Path) {
    let bytes = fs::read(path).expect("it was written");
    let is_log = |at: &usize| bytes[*at..].starts_with(b"MSTL");
    let sectors = (0..bytes.len()).step_by(SECTOR_BYTES);
    // Of the four blocks that tell of the log the first has it.
    let block = sectors.rev().filter(is_log).nth(3).expect("it has log");
    let file = fs::File::options().write(true).open(path).expect("it was written");
    file.set_len(block as u64 + LEFT_BYTES).expect("it is shorter");
}

/// Makes a compressed backup of the one at `path`, and damages it if that is its fate.
fn pack(tape: &Tape, path: &Path) {
    if !tape.is_packed {
        return;
    }
    let bytes = fs::read(path).expect("it was written");
    let block_bytes = tape.block_bytes as usize;
    let mut writer = Writer::new(block_bytes);
    let mut segment = Vec::new();
    let mut records = Vec::new();
    for block in bytes.chunks(block_bytes) {
        if !block.starts_with(MARK) {
            segment.extend_from_slice(block);
            continue;
        }
        for part in segment.chunks(RECORD_BYTES) {
            records.push(writer.bytes.len());
            writer.record(part);
        }
        writer.mark();
        segment.clear();
    }
    assert!(segment.is_empty(), "a backup ends with a mark");
    let mut packed = writer.bytes;
    let names = names(tape);
    let is_here = |member: usize| path.ends_with(&names[member]);
    // Amid a record of the set.
    let at = records[records.len() / 2] + 28 + 300;
    match tape.fate {
        Fate::Struck(_, member) if is_here(member) => packed[at] ^= 0x10,
        Fate::Cut(member) if is_here(member) => packed.truncate(at),
        _ => {}
    }
    fs::write(path, packed).expect("room");
}

fn take_away(tape: &Tape, paths: &[PathBuf]) {
    let gone = match tape.fate {
        Fate::Deleted => paths,
        Fate::MemberLost(member) => &paths[member..=member],
        _ => &[],
    };
    for path in gone {
        fs::remove_file(path).expect("it was written");
    }
}
