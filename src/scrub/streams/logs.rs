//! What is told of a log stream without reading its records.

use crate::backup::StreamPiece;
use crate::backup::stream_checksum;
use crate::page::SECTOR_BYTES;

/// A log stream that is looked at.
pub(super) struct Log<'a> {
    /// Which one, by its index.
    pub(super) stream: usize,
    pub(super) piece: &'a StreamPiece,
    pub(super) sum: u32,
    /// All of it could be read.
    pub(super) is_whole: bool,
    pub(super) doubtful: Doubtful,
}

impl<'a> Log<'a> {
    pub(super) fn new(stream: usize, piece: &'a StreamPiece) -> Self {
        Self { stream, piece, sum: 0, is_whole: true, doubtful: Doubtful::default() }
    }

    pub(super) fn look(&mut self, seen: &[u8]) {
        self.sum = stream_checksum::go_on(self.sum, seen);
        self.doubtful.look(seen);
    }
}

/// Sectors that do not begin as those of a log do. Nothing else tells damage in a log whose backup
/// has no checksums.
#[derive(Default)]
pub(super) struct Doubtful {
    looked_at: u64,
    foreign: u64,
    blank: u64,
}

impl Doubtful {
    fn look(&mut self, log: &[u8]) {
        for first in log.iter().step_by(SECTOR_BYTES) {
            self.looked_at += 1;
            self.blank += u64::from(*first == 0);
            self.foreign += u64::from(!is_log_sector(*first));
        }
    }

    /// A log of nothing is none.
    pub(super) fn sectors(&self) -> u64 {
        if self.blank == self.looked_at { self.looked_at } else { self.foreign }
    }
}

/// True for the first byte of a sector of log: the parity of its use of the file, 0x40 or 0x80, and
/// marks of the first and the last sector of a block; or nothing after the end
/// (docs/page-format.md, section 9.1).
fn is_log_sector(first: u8) -> bool {
    const MARKS: u8 = 0x18;
    matches!(first & !MARKS, 0x40 | 0x80) || first == 0
}
