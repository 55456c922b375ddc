//! Finds blocks, streams and sets of a backup again. Only for drills: it follows lengths as they
//! stand, and gives up where a block makes no sense.

use super::descriptor::SOFT_FILEMARK;
use super::identity::Guid;
use super::mark;
use super::recipe::BackupRecipe;
use super::record::{BLOCK_HEADER_BYTES, STREAM_HEADER_BYTES};
use crate::backup::source::read_exact_at;
use std::fs::File;
use std::io;

/// Block types of a backup.
const KINDS: [[u8; 4]; 9] =
    [*b"TAPE", *b"SFMB", *b"SSET", *b"VOLB", *b"MSCI", *b"MSDA", *b"MSTL", *b"MSLS", *b"ESET"];
const SECTOR_BYTES: u64 = 512;
const BLOCKS_MAX: usize = 1 << 20;
const STREAMS_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 1024;

/// What is in one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Media {
    pub(super) sets: Vec<Set>,
    /// Where soft filemarks are.
    pub(super) filemarks: Vec<u64>,
    pub(super) block_bytes: u32,
    pub(super) guid: Option<Guid>,
    /// The member's number in the media set, from 1.
    pub(super) family: u16,
    /// Where the last block ends, if that is the end of the file.
    pub(super) end: Option<u64>,
}

/// One backup set.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    /// What it was made from, if it was made here.
    pub(super) recipe: Option<BackupRecipe>,
    pub(super) id: Option<Guid>,
    pub(super) blocks: Vec<Block>,
}

/// One descriptor block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) kind: [u8; 4],
    pub(super) at: u64,
    pub(super) streams: Vec<Stream>,
}

/// One stream of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) id: [u8; 4],
    pub(super) header_at: u64,
    pub(super) data_bytes: u64,
}

impl Stream {
    pub(super) fn data_at(&self) -> u64 {
        self.header_at + STREAM_HEADER_BYTES as u64
    }

    fn end(&self) -> Option<u64> {
        self.data_at().checked_add(self.data_bytes)?.checked_next_multiple_of(4)
    }
}

impl Set {
    /// All streams, in file order.
    pub(super) fn streams(&self) -> impl Iterator<Item = Stream> + '_ {
        self.blocks.iter().flat_map(|block| block.streams.iter().copied())
    }
}

/// What is in `file`; `None` if it is no uncompressed backup.
///
/// # Errors
/// If reading fails.
pub(super) fn media(file: &File) -> io::Result<Option<Media>> {
    let file_bytes = file.metadata()?.len();
    let mut media = Media::default();
    let mut at = 0;
    for n in 0..BLOCKS_MAX {
        let Some((block, end)) = block(file, at, file_bytes)? else { break };
        if (n == 0) != (&block.kind == b"TAPE") {
            return Ok(None);
        }
        at = end;
        media.take(file, block, end)?;
    }
    media.end = (at == file_bytes).then_some(at);
    Ok((at > 0).then_some(media))
}

impl Media {
    fn take(&mut self, file: &File, block: Block, end: u64) -> io::Result<()> {
        match &block.kind {
            b"TAPE" => {
                let raid = block.streams.iter().find(|stream| &stream.id == b"RAID");
                self.family = raid.map_or(Ok(1), |raid| u16_at(file, raid.data_at() + 24))?;
                self.guid = raid.map(|raid| bytes_at(file, raid.data_at())).transpose()?;
            }
            b"SFMB" => {
                self.filemarks.push(block.at);
                self.block_bytes = (end - block.at) as u32;
            }
            b"SSET" => {
                let recipe = mark::recipe_of(&text(file, block.at, 68)?);
                let id = set_id(file, block.at)?;
                self.sets.push(Set { recipe, id, blocks: vec![block] });
            }
            _ => {
                if let Some(set) = self.sets.last_mut() {
                    set.blocks.push(block);
                }
            }
        }
        Ok(())
    }
}

/// The block at `at` and where the next begins.
fn block(file: &File, at: u64, file_bytes: u64) -> io::Result<Option<(Block, u64)>> {
    let Some(header) = header_at::<BLOCK_HEADER_BYTES>(file, at, file_bytes)? else {
        return Ok(None);
    };
    let kind = first_four(&header);
    if !KINDS.contains(&kind) {
        return Ok(None);
    }
    let begin = u64::from(u16::from_le_bytes([header[8], header[9]]));
    let mut block = Block { kind, at, streams: Vec::new() };
    if kind == SOFT_FILEMARK {
        let bytes = if begin == 0 { 1 << 16 } else { begin };
        return Ok((at + bytes <= file_bytes).then_some((block, at + bytes)));
    }
    let mut next = at + begin;
    for _ in 0..STREAMS_MAX {
        let found = header_at::<STREAM_HEADER_BYTES>(file, next, file_bytes)?;
        let stream = found.map(|header| stream(&header, next));
        let Some((stream, end)) = stream.and_then(|stream| Some((stream, stream.end()?))) else {
            break;
        };
        block.streams.push(stream);
        if &stream.id == b"SPAD" {
            return Ok(end.is_multiple_of(SECTOR_BYTES).then_some((block, end)));
        }
        next = end;
    }
    // Its last stream lies beyond the end.
    Ok((!block.streams.is_empty()).then_some((block, next)))
}

fn stream(header: &[u8; STREAM_HEADER_BYTES], at: u64) -> Stream {
    let mut data_bytes = [0; 8];
    data_bytes.copy_from_slice(&header[8..16]);
    let data_bytes = u64::from_le_bytes(data_bytes);
    Stream { id: first_four(header), header_at: at, data_bytes }
}

fn first_four<const N: usize>(header: &[u8; N]) -> [u8; 4] {
    let mut id = [0; 4];
    id.copy_from_slice(&header[..4]);
    id
}

fn header_at<const N: usize>(file: &File, at: u64, file_bytes: u64) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    if at.checked_add(N as u64).is_none_or(|end| end > file_bytes) {
        return Ok(None);
    }
    read_exact_at(file, at, &mut bytes)?;
    Ok(Some(bytes))
}

fn u16_at(file: &File, at: u64) -> io::Result<u16> {
    bytes_at(file, at).map(u16::from_le_bytes)
}

fn bytes_at<const N: usize>(file: &File, at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    read_exact_at(file, at, &mut bytes)?;
    Ok(bytes)
}

/// The GUID of the set that begins at `block_at`, if it tells one.
fn set_id(file: &File, block_at: u64) -> io::Result<Option<Guid>> {
    if usize::from(u16_at(file, block_at + 44)?) < size_of::<Guid>() {
        return Ok(None);
    }
    let at = block_at + u64::from(u16_at(file, block_at + 46)?);
    bytes_at(file, at).map(Some)
}

/// The string that the block at `block_at` points to at byte `pointer`.
fn text(file: &File, block_at: u64, pointer: u64) -> io::Result<String> {
    let bytes = usize::from(u16_at(file, block_at + pointer)?).min(TEXT_BYTES_MAX);
    let at = block_at + u64::from(u16_at(file, block_at + pointer + 2)?);
    let mut text = vec![0; bytes];
    read_exact_at(file, at, &mut text)?;
    let units: Vec<u16> =
        text.as_chunks::<2>().0.iter().map(|&two| u16::from_le_bytes(two)).collect();
    Ok(String::from_utf16_lossy(&units))
}
