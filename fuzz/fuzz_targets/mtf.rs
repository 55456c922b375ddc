//! Any bytes as the Microsoft Tape Format of a backup.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pagescrub::backup::media::Media;

fuzz_target!(|bytes: Vec<u8>| {
    let _ = Media::read(&bytes);
});
