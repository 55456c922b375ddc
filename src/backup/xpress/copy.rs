//! Repeats what was unpacked before.
//!
//! Where there is room behind what is due, whole steps are written, also if that is too much: what
//! follows is written over it.

/// What a step writes.
const STEP_BYTES: usize = 16;
/// The longest match whose length stands in its symbol: two steps, and what short offsets leave of
/// one. Where so much room is left, [`copy_short`] may be asked.
pub(super) const ROOM_BYTES: usize = 3 * STEP_BYTES;

/// For each offset up to a step: the bits of so many bytes.
const FIRST: [u128; STEP_BYTES + 1] = first();
/// For each of them: a factor that fills a step with these bytes again and again.
const REPEAT: [u128; STEP_BYTES + 1] = repeat();

const fn first() -> [u128; STEP_BYTES + 1] {
    let mut all = [u128::MAX; STEP_BYTES + 1];
    let mut offset = 0;
    while offset < STEP_BYTES {
        all[offset] = (1 << (8 * offset)) - 1;
        offset += 1;
    }
    all
}

const fn repeat() -> [u128; STEP_BYTES + 1] {
    let mut all = [0; STEP_BYTES + 1];
    let mut offset = 1;
    while offset <= STEP_BYTES {
        let mut at = 0;
        while at < STEP_BYTES {
            all[offset] |= 1 << (8 * at);
            at += offset;
        }
        offset += 1;
    }
    all
}

/// Repeats `length` bytes (at most 17) from `offset` (1 to `done`) before `done`; [`ROOM_BYTES`]
/// behind `done` may be written.
#[inline(always)]
pub(super) fn copy_short(output: &mut [u8], done: usize, offset: usize, length: usize) {
    // Without a branch, since nobody could guess it: three of ten offsets are within a step.
    let short = offset.min(STEP_BYTES);
    let bytes = u128::from_le_bytes(step(output, done - offset)) & FIRST[short];
    let repeated = bytes.wrapping_mul(REPEAT[short]).to_le_bytes();
    put(output, done, repeated);
    if length > STEP_BYTES {
        copy_second(output, done, offset, repeated);
    }
}

#[inline(always)]
fn copy_second(output: &mut [u8], done: usize, offset: usize, repeated: [u8; STEP_BYTES]) {
    if offset >= STEP_BYTES {
        let second = step(output, done - offset + STEP_BYTES);
        put(output, done + STEP_BYTES, second);
    } else {
        put(output, done + STEP_BYTES - STEP_BYTES % offset, repeated);
    }
}

/// The same for any length that `output` has.
pub(super) fn copy_any(output: &mut [u8], done: usize, offset: usize, length: usize) {
    let has_room = output.len() - done >= length + STEP_BYTES;
    if offset == 1 {
        let byte = output[done - 1];
        output[done..done + length].fill(byte);
    } else if offset >= STEP_BYTES && has_room {
        for copied in (0..length).step_by(STEP_BYTES) {
            let next = step(output, done - offset + copied);
            put(output, done + copied, next);
        }
    } else {
        copy_doubling(output, done, offset, length);
    }
}

/// What is there already is doubled until it is enough.
fn copy_doubling(output: &mut [u8], done: usize, offset: usize, length: usize) {
    let start = done - offset;
    let mut copied = 0;
    while copied < length {
        let count = (offset + copied).min(length - copied);
        output.copy_within(start..start + count, done + copied);
        copied += count;
    }
}

#[inline(always)]
fn step(output: &[u8], at: usize) -> [u8; STEP_BYTES] {
    let mut step = [0; STEP_BYTES];
    step.copy_from_slice(&output[at..at + STEP_BYTES]);
    step
}

#[inline(always)]
fn put(output: &mut [u8], at: usize, step: [u8; STEP_BYTES]) {
    output[at..at + STEP_BYTES].copy_from_slice(&step);
}
