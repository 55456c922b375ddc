//! Whether a file is a backup, also if its first bytes are damaged.

use crate::backup::block::{BLOCK_HEADER_BYTES, BlockHeader};
use crate::backup::compressed::{Container, MAGIC, Refused};
use crate::backup::{Fault, FaultKind, ReadAt, media};
use std::io;

/// Sizes of a physical block: a file mark stands at the end of the first one or two.
const BLOCK_BYTES: [u64; 8] = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];

/// A file with fewer of the right first bytes is not searched for compressed records.
const MAGIC_BYTES_MIN: usize = 4;

/// What kind of backup a file is.
pub(super) enum Kind {
    /// Microsoft Tape Format.
    Tape,
    /// A container of compressed records.
    Compressed(Result<Container, Refused>),
}

/// Looks at the beginning of `source`; `None` if it is no backup. A fault says that its first
/// bytes are not what they should be.
pub(super) fn kind_of(source: &dyn ReadAt) -> io::Result<Option<(Kind, Option<Fault>)>> {
    let mut magic = [0; MAGIC.len()];
    let room = magic.len().min(source.bytes() as usize);
    source.read_exact_at(0, &mut magic[..room])?;
    if magic.starts_with(&media::MAGIC) {
        return Ok(Some((Kind::Tape, None)));
    }
    if magic == *MAGIC {
        return Ok(Some((Kind::Compressed(Container::read(source)?), None)));
    }
    // A compressed backup has file marks, too, that are not compressed.
    if magic.iter().zip(MAGIC).filter(|(is, right)| is == right).count() >= MAGIC_BYTES_MIN {
        let container = Container::read(&Patched { source, magic: MAGIC })?;
        let fault = Some(wrong_magic(MAGIC));
        return Ok(container.is_ok().then_some((Kind::Compressed(container), fault)));
    }
    let is_tape = has_block(source);
    Ok(is_tape.then(|| (Kind::Tape, Some(wrong_magic(&media::MAGIC)))))
}

fn wrong_magic(magic: &[u8]) -> Fault {
    let text = format!(
        "the file does not begin with {}, and is a backup otherwise",
        String::from_utf8_lossy(magic)
    );
    let bytes = magic.len() as u64;
    Fault { kind: FaultKind::DescriptorCheck, offset_bytes: 0, bytes, text }
}

/// A file mark or the beginning of a set, with a right check, where one can be.
fn has_block(source: &dyn ReadAt) -> bool {
    let is_block = |offset: u64| {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        let read = source.read_exact_at(offset, &mut bytes);
        let header = read.ok().and_then(|()| BlockHeader::checked(&bytes));
        header.is_some_and(|header| [*b"SFMB", *b"SSET"].contains(&header.tag))
    };
    BLOCK_BYTES.into_iter().any(is_block)
}

/// A file as it would be with the first bytes that it should have.
pub(super) struct Patched<'a> {
    /// As it is.
    pub(super) source: &'a dyn ReadAt,
    /// What it should begin with.
    pub(super) magic: &'a [u8],
}

impl ReadAt for Patched<'_> {
    fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.source.read_exact_at(offset_bytes, buffer)?;
        for (byte, right) in buffer.iter_mut().zip(self.magic.iter().skip(offset_bytes as usize)) {
            *byte = *right;
        }
        Ok(())
    }
}

/// True if `source` begins with a block of a backup that passes its own check, or has one behind
/// its first block. What cannot be read passes none.
pub(in crate::discover) fn begins_soundly(source: &dyn ReadAt) -> bool {
    let mut bytes = [0; BLOCK_HEADER_BYTES];
    if source.read_exact_at(0, &mut bytes).is_err() {
        return false;
    }
    let is_container = || matches!(Container::read(source), Ok(Ok(_)));
    let block = BlockHeader::checked(&bytes);
    block.is_some_and(|block| block.tag == media::MAGIC)
        || (bytes.starts_with(MAGIC) && is_container())
        || has_block(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_other_first_bytes_is_as_long_as_it_was() {
        let source: Vec<u8> = (0..100).collect();
        let patched = Patched { source: &source, magic: b"TAPE" };
        assert_eq!(patched.bytes(), 100);
        let read = |at| {
            let mut buffer = [0; 4];
            patched.read_exact_at(at, &mut buffer).map(|()| buffer)
        };
        assert_eq!(read(0).unwrap(), *b"TAPE");
        assert_eq!(read(2).unwrap(), [b'P', b'E', 4, 5]);
        assert_eq!(read(96).unwrap(), [96, 97, 98, 99]);
        assert!(read(97).is_err());
    }

    /// A block header that passes its check, at `offset` of 4096 bytes.
    fn with_block(tag: [u8; 4], offset: usize) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[offset..offset + 4].copy_from_slice(&tag);
        let check = crate::backup::block::excess(&tag).to_le_bytes();
        bytes[offset + BLOCK_HEADER_BYTES - 2..][..2].copy_from_slice(&check);
        bytes
    }

    #[test]
    fn a_block_with_a_right_check_shows_a_backup_at_its_beginning_or_behind_its_first_block() {
        for (tag, offset, is_sound) in [
            (*b"TAPE", 0, true),
            (*b"SFMB", 512, true),
            (*b"SSET", 2048, true),
            (*b"SSET", 0, false),
            (*b"TAPE", 512, false),
            (*b"SFMB", 700, false),
        ] {
            assert_eq!(begins_soundly(&with_block(tag, offset)), is_sound, "{tag:?} {offset}");
        }
        let mut damaged = with_block(*b"TAPE", 0);
        damaged[10] = 1;
        assert!(!begins_soundly(&damaged) && !begins_soundly(&vec![0; 10]));
    }
}
