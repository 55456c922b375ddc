//! Real files, real rings.

use super::super::super::arena::{Arena, BUFFER_PAGES};
use super::super::DirectFile;
use super::*;
use crate::page::address::PageRange;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::NamedTempFile;

const LONG: Duration = Duration::from_secs(10);

/// A file of `pages` pages that carry their number; on a file system that can be read past the
/// cache, which the folder of the project is expected to be on.
fn numbered(pages: u32) -> (NamedTempFile, Arc<DirectFile>) {
    let mut file = NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    for number in 0..pages {
        let mut page = Page::ZERO;
        page.bytes_mut()[..4].copy_from_slice(&number.to_le_bytes());
        file.write_all(page.bytes()).unwrap();
    }
    let direct = Arc::new(DirectFile::open(file.path()).unwrap().unwrap());
    (file, direct)
}

/// A queue and its buffers.
fn queue_of(buffers: usize) -> (ReadQueue, Vec<PageBuffer>) {
    let buffers = Arena::new(buffers).unwrap().take(buffers).unwrap();
    (ReadQueue::new(&buffers).unwrap(), buffers)
}

fn assert_pages(read: &Finished, offset: u32) {
    assert_eq!(read.outcome, Ok(()));
    let expected = read.ranges.positions().map(|(page, _)| page.0 + offset);
    assert!(read.pages().iter().map(|page| page.u32_at(0)).eq(expected));
}

#[test]
fn every_read_brings_its_own_pages_whatever_the_order() {
    let (_file, direct) = numbered(1000);
    let (mut queue, mut free) = queue_of(4);
    let mut ranges = (0..1000)
        .step_by(7)
        .map(|first| PageRange::between(first, (first + BUFFER_PAGES).min(1000)));
    let (mut begun, mut seen) = (0, Vec::new());
    loop {
        while !free.is_empty() {
            let Some(range) = ranges.next() else { break };
            queue.begin(&direct, range, range.first.0 as usize, free.pop().unwrap());
            begun += 1;
        }
        if queue.in_flight() == 0 {
            break;
        }
        let read = queue.next(LONG).unwrap().unwrap();
        assert_eq!(read.token, read.ranges.first().0 as usize);
        assert_pages(&read, 0);
        seen.push(read.token);
        free.push(read.buffer);
    }
    seen.sort_unstable();
    assert_eq!(begun, 143);
    assert!(seen.iter().copied().eq((0..1000).step_by(7)));
}

/// More files than the ring knows at a time, sent off together: none is taken for another.
#[test]
fn files_are_not_mixed_up_when_there_are_many() {
    assert_not_mixed_up(3, false);
}

/// The kernel's own threads look up the file of a read when they get to it, which may be after its
/// place in the ring's table was given to another.
#[test]
fn nor_are_files_whose_reads_are_handed_to_threads_of_the_kernel() {
    assert_not_mixed_up(100, true);
}

fn assert_not_mixed_up(rounds: usize, may_block: bool) {
    let mut files: Vec<_> = (0..40).map(|_| numbered(64)).collect();
    for (number, (file, direct)) in files.iter_mut().enumerate() {
        let opened = DirectFile::open(file.path()).unwrap().unwrap();
        *direct = Arc::new(DirectFile { may_block, ..opened });
        let mut page = Page::ZERO;
        page.bytes_mut()[..4].copy_from_slice(&(number as u32 * 1000).to_le_bytes());
        let mut named = file.reopen().unwrap();
        named.write_all(page.bytes()).unwrap();
        named.sync_all().unwrap();
    }
    let (mut queue, mut free) = queue_of(40);
    for _ in 0..rounds {
        for (number, (_, direct)) in files.iter().enumerate() {
            queue.begin(direct, PageRange::between(0, 1), number, free.pop().unwrap());
        }
        for _ in 0..files.len() {
            let read = queue.next(LONG).unwrap().unwrap();
            assert_pages(&read, read.token as u32 * 1000);
            free.push(read.buffer);
        }
    }
}

#[test]
fn a_read_across_the_end_says_so_and_one_that_fails_gives_the_reason() {
    let (file, direct) = numbered(10);
    let (mut queue, mut free) = queue_of(2);
    queue.begin(&direct, PageRange::between(8, 12), 0, free.pop().unwrap());
    let read = queue.next(LONG).unwrap().unwrap();
    assert_eq!(read.outcome, Err(ReadError::Ended));
    let folder = DirectFile::open(file.path().parent().unwrap()).unwrap();
    if let Some(folder) = folder.map(Arc::new) {
        queue.begin(&folder, PageRange::between(0, 1), 1, read.buffer);
        let read = queue.next(LONG).unwrap().unwrap();
        assert!(matches!(read.outcome, Err(ReadError::Os { code: Some(_), .. })));
    }
}

#[test]
fn nothing_in_flight_is_nothing_to_wait_for() {
    let (mut queue, _) = queue_of(2);
    assert!(queue.next(Duration::from_millis(1)).unwrap().is_none());
}

#[test]
fn a_queue_may_end_with_reads_in_flight() {
    let (_file, direct) = numbered(640);
    for _ in 0..20 {
        let (mut queue, free) = queue_of(10);
        for (i, buffer) in (0..).zip(free) {
            queue.begin(&direct, PageRange::between(i * 64, i * 64 + 64), 0, buffer);
        }
        queue.send();
        assert_eq!(queue.unfinished().len(), 10);
    }
}

/// A pipe that nobody writes to is a device that never answers.
#[test]
fn what_the_kernel_may_still_write_to_is_never_used_again() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let stuck = Arc::new(DirectFile {
        layout: crate::backup::layout::Layout::Whole,
        file: std::os::fd::OwnedFd::from(reader).into(),
        is_refused: AtomicBool::new(false),
        is_vouched_for: true,
        may_block: false,
    });
    let arena = Arena::new(3).unwrap();
    let mut buffers = arena.take(3).unwrap();
    let mut queue = ReadQueue::new(&buffers).unwrap();
    queue.begin(&stuck, PageRange::between(0, 64), 7, buffers.remove(1));
    assert!(queue.next(Duration::from_millis(1)).unwrap().is_none());
    assert_eq!(queue.unfinished(), [(PageRange::between(0, 64).into(), 7)]);
    drop((queue, buffers));
    let (first, last) = (arena.take(1).unwrap(), arena.take(1).unwrap());
    assert_eq!((first[0].index(), last[0].index()), (0, 2));
    assert!(arena.take(1).is_none());
}

#[test]
#[should_panic(expected = "neighbours of one arena")]
fn buffers_that_are_no_neighbours_are_not_registered() {
    let arena = Arena::new(3).unwrap();
    let mut buffers = arena.take(3).unwrap();
    buffers.remove(1);
    let _ = ReadQueue::new(&buffers);
}

#[test]
#[should_panic(expected = "a buffer that this queue was made with")]
fn the_buffer_of_another_queue_is_refused() {
    let (_file, direct) = numbered(1);
    let (mut queue, _free) = queue_of(2);
    let (_other, mut foreign) = queue_of(2);
    queue.begin(&direct, PageRange::between(0, 1), 0, foreign.remove(0));
}

#[test]
fn a_device_is_not_blamed_for_the_time_in_which_nobody_looked_out() {
    let (_file, direct) = numbered(64);
    let (mut queue, mut free) = queue_of(2);
    let away = Duration::from_millis(300);
    queue.begin(&direct, PageRange::between(0, 64), 0, free.pop().unwrap());
    queue.send();
    std::thread::sleep(away);
    let read = queue.next(LONG).unwrap().unwrap();
    assert!(read.latency >= away && read.latency_min < away / 2, "{read:?}");
}
