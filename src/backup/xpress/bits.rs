//! The input as bits, and as the bytes between them.
//!
//! The bits come in 16-bit words, of which the format always has two loaded, and the bytes of long
//! match lengths stand where the next word would. Here up to four are loaded; what is too much is
//! put back where bytes are wanted.

use super::codes::{LONG, SHORTEST_MATCH};
use super::error::DecompressError;

const WORD_BITS: u32 = 16;
/// Loaded after each refill, at least: three codes, or one with its offset and another.
const LOADED_BITS: u32 = 3 * WORD_BITS;

/// Where the decoder is in its input.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    input: &'a [u8],
    /// The next byte that is not loaded.
    at: usize,
    /// The next bits, from the highest on. Behind `count` is nothing, or what will be loaded there.
    next: u64,
    /// How many bits are loaded, less than 64.
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(input: &'a [u8], at: usize) -> Self {
        Self { input, at, next: 0, count: 0 }
    }

    /// The next bits, from the highest on.
    #[inline(always)]
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Loads words until there are at least [`LOADED_BITS`].
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let Some(bytes) = self.input.get(self.at..).and_then(|rest| rest.first_chunk()) else {
            // By value, so that `self` can stay in registers.
            *self = self.refilled_at_end();
            return;
        };
        // The first word goes on top.
        let words = u64::from_le_bytes(*bytes).rotate_left(32);
        let words = (words & 0xffff_0000_ffff) << 16 | (words >> 16 & 0xffff_0000_ffff);
        self.next |= words.wrapping_shr(self.count);
        let new = (u64::BITS - 1).wrapping_sub(self.count) / WORD_BITS;
        self.at = self.at.wrapping_add(2 * new as usize);
        // The same as adding the new words: the bits of a part of a word stay.
        self.count |= LOADED_BITS;
    }

    #[cold]
    fn refilled_at_end(mut self) -> Self {
        self.forget_what_is_not_loaded();
        while self.count < LOADED_BITS {
            self.next |= u64::from(self.word()) << (u64::BITS - WORD_BITS - self.count);
            self.at += 2;
            self.count += WORD_BITS;
        }
        self
    }

    fn forget_what_is_not_loaded(&mut self) {
        self.next &= !(u64::MAX >> self.count);
    }

    /// The word at `at`; zeros behind the input, which [`Self::not_overrun`] tells in the end.
    fn word(&self) -> u16 {
        match self.input.get(self.at..) {
            Some([low, high, ..]) => u16::from_le_bytes([*low, *high]),
            Some([low]) => u16::from(*low),
            _ => 0,
        }
    }

    /// Goes on by `count` bits, as many as are loaded and at most 30.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) {
        self.next = self.next.wrapping_shl(count);
        self.count = self.count.wrapping_sub(count);
    }

    #[inline(always)]
    pub(super) fn match_offset(&mut self, bits: u32) -> usize {
        // In two steps, since 64 - 0 is one shift too many.
        let low = self.next >> 1 >> (63 - bits);
        self.take(bits);
        (1 << bits) + low as usize
    }

    /// The length of a match whose symbol does not say it, and bits for the offset behind it.
    #[inline(always)]
    pub(super) fn long_length(&mut self) -> Result<usize, DecompressError> {
        self.put_back();
        let more = match self.bytes::<1>()? {
            [u8::MAX] => self.longest_length()?,
            [byte] => LONG + usize::from(byte),
        };
        self.refill();
        Ok(SHORTEST_MATCH + more)
    }

    fn longest_length(&mut self) -> Result<usize, DecompressError> {
        let length = match u16::from_le_bytes(self.bytes()?) {
            0 => u32::from_le_bytes(self.bytes()?),
            length => u32::from(length),
        };
        if length < LONG as u32 { Err(DecompressError::Length) } else { Ok(length as usize) }
    }

    /// Puts back the words beyond the two that the format has loaded.
    #[inline(always)]
    fn put_back(&mut self) {
        self.at = self.position();
        self.count = WORD_BITS + self.count % WORD_BITS;
        self.forget_what_is_not_loaded();
    }

    /// The next byte behind the two words that the format has loaded, the first of them in part.
    #[inline(always)]
    pub(super) fn position(&self) -> usize {
        self.at + 2 - 2 * (self.count / WORD_BITS) as usize
    }

    #[inline(always)]
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], DecompressError> {
        let rest = self.input.get(self.at..).and_then(|rest| rest.first_chunk());
        self.at += N;
        rest.copied().ok_or(DecompressError::Truncated)
    }

    pub(super) fn not_overrun(&self) -> Result<(), DecompressError> {
        if self.position() > self.input.len() { Err(DecompressError::Truncated) } else { Ok(()) }
    }
}
