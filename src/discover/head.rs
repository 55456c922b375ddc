//! A file whose head is in memory. What a file is says its head, which is asked page by page and
//! block by block: it is read once, so that a file that is none of SQL Server's costs a disk with
//! moving heads no more than it must.

use crate::backup::ReadAt;
use std::io;

/// Bytes of a head: the first two extents, and where the formats of others have their marks.
const HEAD_BYTES: usize = 128 << 10;

/// A source whose head has been read.
pub(super) struct Headed<S> {
    source: S,
    /// Empty where it cannot be read as a whole: then every part of it is tried by itself, so that
    /// one bad sector hides no more than the page that it is in.
    head: Vec<u8>,
}

impl<S: ReadAt> Headed<S> {
    /// Reads the head of `source`.
    pub(super) fn new(source: S) -> Self {
        let room = usize::try_from(source.bytes()).unwrap_or(HEAD_BYTES).min(HEAD_BYTES);
        let mut head = vec![0; room];
        if source.read_exact_at(0, &mut head).is_err() {
            head.clear();
        }
        Self { source, head }
    }
}

impl<S: ReadAt> ReadAt for Headed<S> {
    fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.head
            .read_exact_at(offset_bytes, buffer)
            .or_else(|_| self.source.read_exact_at(offset_bytes, buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Bytes, one of which may not be readable, and how often they were read.
    struct Disk {
        bytes: Vec<u8>,
        bad: Option<u64>,
        reads: AtomicUsize,
    }

    impl ReadAt for &Disk {
        fn bytes(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let range = offset_bytes..offset_bytes + buffer.len() as u64;
            if self.bad.is_some_and(|bad| range.contains(&bad)) {
                return Err(io::Error::from_raw_os_error(5));
            }
            self.bytes.read_exact_at(offset_bytes, buffer)
        }
    }

    fn disk(bytes: usize, bad: Option<u64>) -> Disk {
        let bytes = (0..bytes).map(|at| (at / 512) as u8).collect();
        Disk { bytes, bad, reads: AtomicUsize::new(0) }
    }

    /// The first byte of 100 at an offset, and how many reads there were in all.
    fn look(disk: &Disk, offset: u64) -> (Option<u8>, usize) {
        let headed = Headed::new(disk);
        let mut buffer = [0; 100];
        let read = headed.read_exact_at(offset, &mut buffer);
        (read.ok().map(|()| buffer[0]), disk.reads.load(Ordering::Relaxed))
    }

    #[test]
    fn what_is_in_the_head_is_read_once_and_all_else_when_it_is_asked_for() {
        assert_eq!(look(&disk(1 << 20, None), 5 * 512), (Some(5), 1));
        assert_eq!(look(&disk(1 << 20, None), (128 << 10) - 99), (Some(255), 2));
        assert_eq!(look(&disk(1 << 20, None), 130 << 10), (Some(4), 2));
        assert_eq!(look(&disk(1000, None), 512), (Some(1), 1));
        assert_eq!(look(&disk(1000, None), 950), (None, 2), "beyond the end");
        assert_eq!(look(&disk(0, None), 0), (None, 2));
    }

    #[test]
    fn a_bad_sector_in_the_head_hides_nothing_but_itself() {
        assert_eq!(look(&disk(1 << 20, Some(3000)), 2950), (None, 2));
        assert_eq!(look(&disk(1 << 20, Some(3000)), 6 * 512), (Some(6), 2));
    }
}
