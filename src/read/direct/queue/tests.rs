//! Real files, real rings.

use super::super::DirectFile;
use super::*;
use crate::page::Page;
use std::io::Write;
use std::sync::Arc;
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

fn assert_pages(queue: &ReadQueue, read: &Finished, offset: u32) {
    assert_eq!(read.outcome, Ok(()));
    let expected = (read.range.first.0..read.range.end()).map(|number| number + offset);
    assert!(queue.pages(read).iter().map(|page| page.u32_at(0)).eq(expected));
}

#[test]
fn every_read_brings_its_own_pages_whatever_the_order() {
    let (_file, direct) = numbered(1000);
    let mut queue = ReadQueue::new(4).unwrap();
    let mut ranges = (0..1000)
        .step_by(7)
        .map(|first| PageRange::between(first, (first + READ_PAGES_MAX).min(1000)));
    let (mut begun, mut seen) = (0, Vec::new());
    loop {
        while queue.has_room() {
            let Some(range) = ranges.next() else { break };
            queue.begin(&direct, range, range.first.0 as usize);
            begun += 1;
        }
        if queue.in_flight() == 0 {
            break;
        }
        let read = queue.next(LONG).unwrap().unwrap();
        assert_eq!(read.token, read.range.first.0 as usize);
        assert_pages(&queue, &read, 0);
        seen.push(read.token);
        queue.give_back(read);
    }
    seen.sort_unstable();
    assert_eq!(begun, 143);
    assert!(seen.iter().copied().eq((0..1000).step_by(7)));
}

/// More files than the ring knows at a time, sent off together: none is taken for another.
#[test]
fn files_are_not_mixed_up_when_there_are_many() {
    let files: Vec<_> = (0..40).map(|_| numbered(64)).collect();
    for (number, (file, _)) in files.iter().enumerate() {
        let mut page = Page::ZERO;
        page.bytes_mut()[..4].copy_from_slice(&(number as u32 * 1000).to_le_bytes());
        let mut named = file.reopen().unwrap();
        named.write_all(page.bytes()).unwrap();
        named.sync_all().unwrap();
    }
    let mut queue = ReadQueue::new(40).unwrap();
    for _ in 0..3 {
        for (number, (_, direct)) in files.iter().enumerate() {
            queue.begin(direct, PageRange::between(0, 1), number);
        }
        for _ in 0..files.len() {
            let read = queue.next(LONG).unwrap().unwrap();
            assert_pages(&queue, &read, read.token as u32 * 1000);
            queue.give_back(read);
        }
    }
}

#[test]
fn a_read_across_the_end_says_so_and_one_that_fails_gives_the_reason() {
    let (file, direct) = numbered(10);
    let mut queue = ReadQueue::new(2).unwrap();
    queue.begin(&direct, PageRange::between(8, 12), 0);
    let read = queue.next(LONG).unwrap().unwrap();
    assert_eq!(read.outcome, Err(ReadError::Ended));
    queue.give_back(read);
    let folder = DirectFile::open(file.path().parent().unwrap()).unwrap();
    if let Some(folder) = folder.map(Arc::new) {
        queue.begin(&folder, PageRange::between(0, 1), 1);
        let read = queue.next(LONG).unwrap().unwrap();
        assert!(matches!(read.outcome, Err(ReadError::Os { code: Some(_), .. })));
    }
}

#[test]
fn nothing_in_flight_is_nothing_to_wait_for() {
    let mut queue = ReadQueue::new(2).unwrap();
    assert!(queue.next(Duration::from_millis(1)).unwrap().is_none());
}

#[test]
fn a_queue_may_end_with_reads_in_flight() {
    let (_file, direct) = numbered(640);
    for _ in 0..20 {
        let mut queue = ReadQueue::new(10).unwrap();
        (0..10).for_each(|i| {
            queue.begin(&direct, PageRange::between(i * 64, i * 64 + 64), 0);
        });
        queue.send();
        assert_eq!(queue.unfinished().len(), 10);
    }
}

#[test]
fn a_device_is_not_blamed_for_the_time_in_which_nobody_looked_out() {
    let (_file, direct) = numbered(64);
    let mut queue = ReadQueue::new(2).unwrap();
    let away = Duration::from_millis(300);
    queue.begin(&direct, PageRange::between(0, 64), 0);
    queue.send();
    std::thread::sleep(away);
    let read = queue.next(LONG).unwrap().unwrap();
    assert!(read.latency >= away && read.latency_min < away / 2, "{read:?}");
}
