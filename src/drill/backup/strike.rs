//! Damage to what surrounds the pages of a backup: chosen by the seed, done, and judged by the
//! bytes that are there afterwards.

use super::configuration::SCIN_IDLE;
use super::fault::BackupFault;
use super::member::PAD_BYTES;
use super::places::page_streams;
use super::record::{BLOCK_HEADER_BYTES, STREAM_HEADER_BYTES, is_sealed};
use super::sum::StreamSum;
use super::walk::{Set, Stream};
use crate::backup::source::read_exact_at;
use crate::drill::chance::{Dice, Purpose, below, dice};
use crate::drill::positioned::write_all_at;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;

/// Not the type or id with which a header begins: without it there is no header to find.
const ID_BYTES: u64 = 4;
const SECTOR_BYTES: u64 = 512;
/// Read at once when a stream is summed; whole extents.
const STEP_BYTES: u64 = 1 << 20;

/// Damage to a backup apart from its pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectedBackupFault {
    /// What was done.
    pub fault: BackupFault,
    /// Position of the backup set in the file, from 1.
    pub set_position: u16,
    /// Where, in bytes of the file.
    pub offset_bytes: u64,
    /// How many bytes were struck.
    pub bytes: u64,
    /// Where the block, stream header, checksum or stream begins to which they belong.
    pub object_offset_bytes: u64,
    /// Which bit of what.
    pub detail: String,
    /// What a scan must find at the object, apart from suspect pages.
    pub expected: Vec<BackupFinding>,
    /// Why it must find nothing; null if it must find something.
    pub why: Option<String>,
}

/// What a scan must find in a backup, apart from suspect pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupFinding {
    /// The checksum of a stream of pages or log is not that of its bytes.
    StreamChecksum,
    /// A block or stream header fails its own check.
    DescriptorCheck,
    /// The file ends before what its headers promise.
    Truncated,
}

/// Places for a fault: `count` units of `unit` bytes from `at` on, which belong to an object.
#[derive(Clone, Copy, Debug)]
struct Room {
    object_at: u64,
    at: u64,
    unit: u64,
    count: u64,
}

/// Two lists as one, in file order. An object that was struck again was judged last by the newer
/// entries.
pub(in crate::drill) fn merged(
    older: Vec<InjectedBackupFault>,
    newer: Vec<InjectedBackupFault>,
) -> Vec<InjectedBackupFault> {
    let place = |fault: &InjectedBackupFault| (fault.fault, fault.offset_bytes);
    let is_kept = |old: &InjectedBackupFault| newer.iter().all(|new| place(new) != place(old));
    let mut all: Vec<_> = older.into_iter().filter(is_kept).collect();
    let object = |fault: &InjectedBackupFault| (fault.fault, fault.object_offset_bytes);
    for old in &mut all {
        if let Some(new) = newer.iter().find(|new| object(new) == object(old)) {
            (old.expected, old.why) = (new.expected.clone(), new.why.clone());
        }
    }
    all.extend(newer);
    all.sort_by_key(|fault| fault.offset_bytes);
    all
}

/// Does `fault` at `wanted` different places of `set`, which stands at `position`. `Err` with the
/// number of places if there are fewer.
///
/// # Errors
/// If reading or writing fails.
pub(super) fn strike(
    file: &File,
    set: &Set,
    position: u16,
    fault: BackupFault,
    (wanted, seed): (u32, u64),
) -> io::Result<Result<Vec<InjectedBackupFault>, u64>> {
    let rooms = rooms(set, fault);
    let places: u64 = rooms.iter().map(|room| room.count).sum();
    let most = if fault == BackupFault::Truncation { places.min(1) } else { places };
    if most < u64::from(wanted) {
        return Ok(Err(most));
    }
    let mut dice = dice(seed ^ fault as u64, Purpose::BackupFault, position.into());
    let mut chosen = BTreeSet::new();
    while chosen.len() < wanted as usize {
        chosen.insert(below(&mut dice, places));
    }
    let mut done = Vec::new();
    for n in chosen {
        let Some((room, at)) = place(&rooms, n) else { continue };
        let (offset_bytes, bytes, detail) = damage(file, fault, at, room.unit, &mut dice)?;
        let object_offset_bytes = room.object_at;
        let (set_position, expected, why) = (position, Vec::new(), None);
        done.push(InjectedBackupFault {
            fault,
            set_position,
            offset_bytes,
            bytes,
            object_offset_bytes,
            detail,
            expected,
            why,
        });
    }
    for entry in &mut done {
        judge(file, set, entry)?;
    }
    Ok(Ok(done))
}

fn place(rooms: &[Room], mut n: u64) -> Option<(Room, u64)> {
    for room in rooms {
        if n < room.count {
            return Some((*room, room.at + n * room.unit));
        }
        n -= room.count;
    }
    None
}

/// Where `fault` can strike.
fn rooms(set: &Set, fault: BackupFault) -> Vec<Room> {
    let header = |at: u64, bytes: usize| Room {
        object_at: at,
        at: at + ID_BYTES,
        unit: bytes as u64 - ID_BYTES,
        count: 1,
    };
    let with_id = |id: &'static [u8; 4]| set.streams().filter(move |stream| &stream.id == id);
    match fault {
        BackupFault::BlockHeaderBit => {
            set.blocks.iter().map(|block| header(block.at, BLOCK_HEADER_BYTES)).collect()
        }
        BackupFault::StreamHeaderBit => {
            set.streams().map(|stream| header(stream.header_at, STREAM_HEADER_BYTES)).collect()
        }
        BackupFault::BackupChecksumBit => with_id(b"CSUM")
            .map(|stream| Room {
                object_at: stream.header_at,
                at: stream.data_at(),
                unit: 4,
                count: 1,
            })
            .collect(),
        BackupFault::LogBit => with_id(b"MQTL").map(|stream| sectors(&stream)).collect(),
        BackupFault::ConfigurationBit => with_id(b"MQCI")
            .map(|stream| Room {
                object_at: stream.header_at,
                at: stream.data_at() + SCIN_IDLE.start as u64,
                unit: 4,
                count: SCIN_IDLE.len() as u64 / 4,
            })
            .collect(),
        BackupFault::Truncation => page_streams(set)
            .chain(with_id(b"MQTL"))
            .take(1)
            .map(|stream| sectors(&stream))
            .collect(),
        // Struck as pages.
        BackupFault::ZeroExtent => Vec::new(),
    }
}

fn sectors(stream: &Stream) -> Room {
    let pad = PAD_BYTES as u64;
    let count = stream.data_bytes.saturating_sub(pad) / SECTOR_BYTES;
    Room { object_at: stream.header_at, at: stream.data_at() + pad, unit: SECTOR_BYTES, count }
}

/// Strikes the unit at `at`: where exactly, how many bytes, and what was done.
fn damage(
    file: &File,
    fault: BackupFault,
    at: u64,
    unit: u64,
    dice: &mut Dice,
) -> io::Result<(u64, u64, String)> {
    if fault == BackupFault::Truncation {
        let bytes = file.metadata()?.len().saturating_sub(at);
        file.set_len(at)?;
        return Ok((at, bytes, format!("the last {bytes} bytes are cut off")));
    }
    let bit = below(dice, unit * 8);
    let at = at + bit / 8;
    let mut byte = [0];
    read_exact_at(file, at, &mut byte)?;
    byte[0] ^= 1 << (bit % 8);
    write_all_at(file, &byte, at)?;
    Ok((at, 1, format!("bit {} of byte {at} is inverted", bit % 8)))
}

/// Decides by the bytes as they are now what must be found.
fn judge(file: &File, set: &Set, entry: &mut InjectedBackupFault) -> io::Result<()> {
    let object = entry.object_offset_bytes;
    let silent_because = match entry.fault {
        BackupFault::BlockHeaderBit | BackupFault::StreamHeaderBit => {
            let is_block = entry.fault == BackupFault::BlockHeaderBit;
            let mut header = [0; BLOCK_HEADER_BYTES];
            let bytes = if is_block { BLOCK_HEADER_BYTES } else { STREAM_HEADER_BYTES };
            read_exact_at(file, object, &mut header[..bytes])?;
            entry.expected = vec![BackupFinding::DescriptorCheck];
            is_sealed(&header[..bytes]).then_some("the inverted bits cancel out in the check")
        }
        BackupFault::BackupChecksumBit | BackupFault::LogBit | BackupFault::ZeroExtent => {
            entry.expected = vec![BackupFinding::StreamChecksum];
            match checksum_holds(file, set, entry.offset_bytes)? {
                None => Some("without WITH CHECKSUM nothing protects it"),
                Some(holds) => holds.then_some("the checksum of the stream is right all the same"),
            }
        }
        BackupFault::ConfigurationBit => Some("nothing protects the configuration"),
        BackupFault::Truncation => {
            entry.expected = vec![BackupFinding::Truncated];
            None
        }
    };
    if let Some(because) = silent_because {
        (entry.expected, entry.why) = (Vec::new(), Some(because.to_owned()));
    }
    Ok(())
}

/// Whether the checksum of the stream holds that has byte `at`, or whose checksum has it; `None`
/// if there is no checksum.
///
/// # Errors
/// If reading fails.
pub(super) fn checksum_holds(file: &File, set: &Set, at: u64) -> io::Result<Option<bool>> {
    let streams: Vec<Stream> = set.streams().collect();
    let has = |stream: &Stream| {
        (stream.header_at..stream.data_at().saturating_add(stream.data_bytes)).contains(&at)
    };
    for pair in streams.windows(2) {
        let [stream, checksum] = pair else { continue };
        if &checksum.id == b"CSUM" && (has(stream) || has(checksum)) {
            let mut stored = [0; 4];
            read_exact_at(file, checksum.data_at(), &mut stored)?;
            return Ok(Some(sum_of(file, stream)? == StreamSum(u32::from_le_bytes(stored))));
        }
    }
    Ok(None)
}

fn sum_of(file: &File, stream: &Stream) -> io::Result<StreamSum> {
    let Room { mut at, unit, count, .. } = sectors(stream);
    let end = at + unit * count;
    let mut sum = StreamSum::default();
    let mut buffer = vec![0; STEP_BYTES as usize];
    while at < end {
        let step = (end - at).min(STEP_BYTES);
        let bytes = &mut buffer[..step as usize];
        read_exact_at(file, at, bytes)?;
        sum.append(StreamSum::of(bytes));
        at += step;
    }
    Ok(sum)
}

/// What was done to the extent at `at`.
pub(super) fn zeroed_extent(
    file: &File,
    set: &Set,
    set_position: u16,
    at: u64,
    bytes: u64,
) -> io::Result<InjectedBackupFault> {
    let has = |stream: &Stream| stream.data_at() <= at && at - stream.data_at() < stream.data_bytes;
    let stream = page_streams(set).find(has);
    let mut entry = InjectedBackupFault {
        fault: BackupFault::ZeroExtent,
        set_position,
        offset_bytes: at,
        bytes,
        object_offset_bytes: stream.map_or(at, |stream| stream.header_at),
        detail: "the extent reads as zeros".to_owned(),
        expected: Vec::new(),
        why: None,
    };
    judge(file, set, &mut entry)?;
    Ok(entry)
}
