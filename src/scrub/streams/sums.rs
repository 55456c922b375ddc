//! Comparing the checksums that BACKUP wrote with those of what was read.

use super::FoundBeside;
use crate::backup::FaultKind;
use crate::backup::stream_checksum::StreamSum;
use crate::discover::DataFile;
use crate::discover::backup::BackupFile;
use crate::page::PAGE_BYTES;
use crate::scrub::{Shared, lock};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the pages of all parts of `backup` add to its streams.
pub(super) fn of_pages(backup: &DataFile, shared: &Shared<'_>) -> BTreeMap<usize, StreamSum> {
    let mut sums: BTreeMap<usize, StreamSum> = BTreeMap::new();
    let Some(whole) = &backup.backup else { return sums };
    for scan in shared.files.iter().filter(|scan| scan.is_part_of(whole)) {
        for (stream, sum) in &lock(&scan.tally).stream_sums {
            sums.entry(*stream).or_default().add(*sum);
        }
    }
    sums
}

/// Compares, and adds to `looked` what was found.
pub(super) fn compare(
    backup: &Arc<BackupFile>,
    pages: &BTreeMap<usize, StreamSum>,
    looked: &mut FoundBeside,
) {
    for (index, stream) in backup.streams.iter().enumerate() {
        let piece = &stream.piece;
        let Some(stored) = piece.checksum else {
            looked.tally.streams_without_checksum += 1;
            continue;
        };
        let is_cut = piece.bytes < piece.promised_bytes;
        let computed = if stream.is_log {
            looked.logs.get(&index).copied()
        } else {
            let mut sum = pages.get(&index).copied().unwrap_or_default();
            sum.add(looked.sums.get(&index).copied().unwrap_or_default());
            (sum.pages == piece.bytes / PAGE_BYTES as u64).then_some(sum.sum)
        };
        match computed.filter(|_| !is_cut) {
            None => looked.tally.streams_not_computed += 1,
            Some(computed) if computed == stored => looked.tally.streams_verified += 1,
            Some(computed) => {
                let (bytes, offset) = (piece.bytes, piece.offset_bytes);
                let what = if stream.is_log { "log" } else { "data" };
                let text = format!(
                    "the checksum of the {what} stream ({bytes} bytes) is {stored:#010x} in the \
                     backup and {computed:#010x} by its bytes"
                );
                looked.fault(FaultKind::StreamChecksum, offset, bytes, text);
            }
        }
    }
}
