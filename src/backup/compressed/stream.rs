//! What a compressed backup unpacks to, as bytes at offsets.

use super::index::{Place, RecordIndex, Wanted};
use super::record::checksum_fast;
use crate::backup::extents::THREADS;
use crate::backup::{ReadAt, xpress};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Records kept unpacked, for reads that come in small steps: two for each thread that looks at
/// extents, or one would take from the others what they are at.
const KEPT_RECORDS: usize = 2 * THREADS;

/// The packed stream of a container: Microsoft Tape Format, without its file marks.
///
/// Each record is checked against its checksum when it is read; one that is wrong is an error of
/// kind `InvalidData` for whoever reads any of its bytes.
pub struct Decompressed<'a> {
    source: &'a dyn ReadAt,
    index: &'a RecordIndex,
    kept: Mutex<VecDeque<Arc<Unpacked>>>,
}

struct Unpacked {
    stream: u64,
    bytes: Vec<u8>,
}

impl Unpacked {
    /// Its bytes from `offset` of the stream on, if it has any.
    fn from(&self, offset: u64) -> Option<&[u8]> {
        let at = usize::try_from(offset.checked_sub(self.stream)?).ok()?;
        self.bytes.get(at..).filter(|bytes| !bytes.is_empty())
    }
}

impl<'a> Decompressed<'a> {
    /// The stream of `source`, whose records `index` tells.
    pub fn new(source: &'a dyn ReadAt, index: &'a RecordIndex) -> Self {
        Self { source, index, kept: Mutex::default() }
    }

    fn record_at(&self, offset: u64) -> io::Result<Arc<Unpacked>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(i) = kept.iter().position(|unpacked| unpacked.from(offset).is_some()) {
            return Ok(Arc::clone(&kept[i]));
        }
        // Others may read meanwhile; two of them may unpack the same record.
        drop(kept);
        let mut read = |at: u64, buffer: &mut [u8]| self.source.read_exact_at(at, buffer);
        let unpacked = Arc::new(unpack(&mut read, self.index, offset)?);
        kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT_RECORDS - 1);
        kept.push_front(Arc::clone(&unpacked));
        Ok(unpacked)
    }
}

fn unpack(
    read: &mut dyn FnMut(u64, &mut [u8]) -> io::Result<()>,
    index: &RecordIndex,
    offset: u64,
) -> io::Result<Unpacked> {
    let Place { offset, stream, header } = index.find(read, Wanted::Stream(offset))?;
    let bad = |why: &str| {
        let text = format!("the record at byte {offset} of the backup is damaged: {why}");
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    let mut payload = vec![0; header.payload_bytes as usize];
    read(offset + header.version.record_header_bytes() as u64, &mut payload)?;
    if checksum_fast(&payload) != header.checksum {
        return Err(bad("it fails its checksum"));
    }
    let mut bytes = vec![0; header.uncompressed_bytes as usize];
    xpress::decompress(&payload, &mut bytes).map_err(|error| bad(&error.to_string()))?;
    Ok(Unpacked { stream, bytes })
}

impl ReadAt for Decompressed<'_> {
    fn bytes(&self) -> u64 {
        self.index.stream_bytes()
    }

    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset_bytes.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.bytes()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (mut at, mut room) = (offset_bytes, buffer);
        while !room.is_empty() {
            let unpacked = self.record_at(at)?;
            let bytes = unpacked.from(at).ok_or(io::ErrorKind::InvalidData)?;
            let count = bytes.len().min(room.len());
            room[..count].copy_from_slice(&bytes[..count]);
            room = &mut room[count..];
            at += count as u64;
        }
        Ok(())
    }
}
