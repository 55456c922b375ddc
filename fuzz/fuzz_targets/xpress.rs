//! Any bytes as a packed record, unpacked to a size that the first two bytes choose.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pagescrub::backup::xpress::decompress;

fuzz_target!(|bytes: &[u8]| {
    let Some(([low, high], packed)) = bytes.split_first_chunk() else { return };
    let mut output = vec![0; 2 * usize::from(u16::from_le_bytes([*low, *high]))];
    let _ = decompress(packed, &mut output);
});
