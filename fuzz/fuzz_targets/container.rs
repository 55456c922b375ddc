//! Any bytes as a compressed backup: walked, and read where it says that there is something.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pagescrub::backup::ReadAt;
use pagescrub::backup::compressed::{Container, Decompressed, classes, verify};

fuzz_target!(|bytes: Vec<u8>| {
    let _ = Container::of(&bytes);
    let mut read = |at: u64, buffer: &mut [u8]| bytes.read_exact_at(at, buffer);
    let found = verify(&mut read, bytes.len() as u64, &mut |_| true);
    let end = classes(&bytes).iter().fold(0, |at, (range, _)| {
        assert!(range.start == at && range.end > at);
        range.end
    });
    assert_eq!(end, bytes.len() as u64);
    let stream = Decompressed::new(&bytes, &found.index);
    let mut room = [0; 700];
    for at in (0..stream.bytes().saturating_sub(700)).step_by(60_000).take(8) {
        let _ = stream.read_exact_at(at, &mut room);
    }
});
