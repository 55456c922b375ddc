//! Finds the next record or file mark whose own check agrees, in bytes that make no sense.
//!
//! Each byte passed pays for the sums of a few others, so that no bytes, however made, take more
//! time than a multiple of their number.

use super::item::Item;
use super::record::RecordHeader;
use super::{SECTOR_BYTES, Version};
use crate::backup::xpress;

/// How many bytes may be summed for each byte that was passed.
const SUMMED_PER_BYTE: u64 = 64;
/// How many may be summed at first.
const SUMMED_AT_FIRST: u64 = 16 << 20;

/// Looks for something whose own check agrees.
#[derive(Clone, Debug)]
pub(super) struct Resync {
    version: Version,
    /// Bytes that may still be summed.
    credit: u64,
    /// Up to where bytes were paid for.
    paid_to: u64,
}

impl Resync {
    pub(super) fn new(version: Version) -> Self {
        Self { version, credit: SUMMED_AT_FIRST, paid_to: 0 }
    }

    /// The first offset from `from` on, and below `end`, at which something is right. `bytes` begin
    /// at `start` and go on behind `end`.
    pub(super) fn find(&mut self, bytes: &[u8], start: u64, from: u64, end: u64) -> Option<u64> {
        (from..end).find(|at| self.is_proven(&bytes[(at - start) as usize..], *at))
    }

    fn is_proven(&mut self, bytes: &[u8], at: u64) -> bool {
        let begins = match bytes.first() {
            Some(b'S') => at.is_multiple_of(SECTOR_BYTES),
            tag => tag == Some(&self.version.record_tag()),
        };
        begins && self.proof(bytes, at)
    }

    fn proof(&mut self, bytes: &[u8], at: u64) -> bool {
        self.credit += at.saturating_sub(self.paid_to) * SUMMED_PER_BYTE;
        self.paid_to = self.paid_to.max(at);
        let header = RecordHeader::of(self.version, bytes);
        let cost = header.map_or(0, |header| 2 * header.bytes() as u64);
        if cost > self.credit {
            return false;
        }
        self.credit -= cost;
        match self.version.item_that_proves_itself(bytes, at) {
            Some(Item::Record(header)) => header.agrees(bytes),
            other => matches!(other, Some(Item::FileMark { intact: true })),
        }
    }
}

/// True if somewhere behind the container's header is a record that is right and unpacks.
pub(super) fn holds_a_record(version: Version, beginning: &[u8]) -> bool {
    let mut resync = Resync::new(version);
    let end = beginning.len() as u64;
    let mut from = version.header_bytes() as u64;
    while let Some(at) = resync.find(beginning, 0, from, end) {
        let bytes = &beginning[at as usize..];
        if RecordHeader::of(version, bytes).is_some_and(|header| unpacks(&header, bytes)) {
            return true;
        }
        from = at + 1;
    }
    false
}

/// True if the payload unpacks to what its header says.
pub(super) fn unpacks(header: &RecordHeader, bytes: &[u8]) -> bool {
    let mut output = vec![0; header.uncompressed_bytes as usize];
    let payload = header.payload(bytes);
    payload.is_some_and(|payload| xpress::decompress(payload, &mut output).is_ok())
}
