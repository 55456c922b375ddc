//! The Huffman code of one block: what the next bits mean.

use super::error::DecompressError;

/// The lengths of all codes, half a byte each.
pub(super) const TABLE_BYTES: usize = 256;
const SYMBOLS: usize = 2 * TABLE_BYTES;
const CODE_BITS_MAX: usize = 15;
/// Codes up to this length are looked up at once; their table is a part of any L1 cache.
const FAST_BITS: usize = 11;
const FIRST_MATCH: u16 = 256;
/// The length in a match symbol that says: more of it follows as bytes.
pub(super) const LONG: usize = 15;
pub(super) const SHORTEST_MATCH: usize = 3;

/// What a code stands for, in one word: bits of code and offset together (0 to 4), of the offset
/// (5 to 8), whether it is a match (9), its length if that is all of it (10 to 14), and the byte
/// that it is otherwise (16 to 23). All zeros are no code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(u32);

impl Code {
    const NONE: Self = Self(0);
    const MATCH: u32 = 1 << 9;

    fn of(symbol: u16, code_bits: usize) -> Self {
        let code_bits = code_bits as u32;
        let Some(of_match) = symbol.checked_sub(FIRST_MATCH).map(u32::from) else {
            return Self(u32::from(symbol) << 16 | code_bits);
        };
        let (length, offset_bits) = (of_match % 16, of_match / 16);
        let length = if length == LONG as u32 { 0 } else { length + SHORTEST_MATCH as u32 };
        Self(Self::MATCH | length << 10 | offset_bits << 5 | (code_bits + offset_bits))
    }

    /// Bits of the code, and of the offset behind it.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        self.0 & 31
    }

    #[inline(always)]
    pub(super) fn offset_bits(self) -> u32 {
        self.0 >> 5 & 15
    }

    #[inline(always)]
    pub(super) fn code_bits(self) -> u32 {
        self.bits() - self.offset_bits()
    }

    /// The byte, if it is one and not a match.
    #[inline(always)]
    pub(super) fn literal(self) -> Option<u8> {
        (self.0 & Self::MATCH == 0).then_some((self.0 >> 16) as u8)
    }

    /// The length of a match, unless more of it follows.
    #[inline(always)]
    pub(super) fn short_length(self) -> Option<usize> {
        let length = (self.0 >> 10 & 31) as usize;
        (length > 0).then_some(length)
    }

    /// The offset of a match of which no more length follows; `next` begin with its code.
    #[inline(always)]
    pub(super) fn offset(self, next: u64) -> usize {
        let highest = 1_u64 << self.offset_bits();
        let low = next.wrapping_shr(64_u32.wrapping_sub(self.bits())) & highest.wrapping_sub(1);
        (highest | low) as usize
    }

    /// True for the match that ends all where nothing more is due.
    pub(super) fn is_end(self) -> bool {
        self.literal().is_none()
            && self.offset_bits() == 0
            && self.short_length() == Some(SHORTEST_MATCH)
    }
}

/// The Huffman code of one block.
pub(super) struct Codes {
    /// For the next `FAST_BITS` bits; nothing where the code is longer.
    fast: [Code; 1 << FAST_BITS],
    /// Symbols by length, then by value.
    sorted: [u16; SYMBOLS],
    /// For each length: the first 15 bits that a longer code begins with.
    limit: [u32; CODE_BITS_MAX + 1],
    /// For each length: its first code in 15 bits, and where its symbols begin in `sorted`.
    first: [(u32, u32); CODE_BITS_MAX + 1],
}

impl Codes {
    pub(super) fn new() -> Self {
        Self {
            fast: [Code::NONE; 1 << FAST_BITS],
            sorted: [0; SYMBOLS],
            limit: [0; CODE_BITS_MAX + 1],
            first: [(0, 0); CODE_BITS_MAX + 1],
        }
    }

    pub(super) fn build(&mut self, lengths: &[u8; TABLE_BYTES]) -> Result<(), DecompressError> {
        let lengths: [u8; SYMBOLS] = std::array::from_fn(|i| lengths[i / 2] >> (4 * (i % 2)) & 15);
        self.lay_out(&lengths)?;
        let mut next = self.first.map(|(_, index)| index as usize);
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut next[usize::from(*length)];
            self.sorted[*place] = symbol as u16;
            *place += 1;
        }
        self.fill_fast(&next);
        Ok(())
    }

    /// Where the codes and the symbols of each length begin.
    fn lay_out(&mut self, lengths: &[u8; SYMBOLS]) -> Result<(), DecompressError> {
        let mut counts = [0_u32; CODE_BITS_MAX + 1];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        let (mut code, mut index) = (0, 0);
        #[allow(clippy::needless_range_loop, reason = "lengths are what the tables are about")]
        for length in 1..=CODE_BITS_MAX {
            self.first[length] = (code, index);
            code += counts[length] << (CODE_BITS_MAX - length);
            index += counts[length];
            self.limit[length] = code;
        }
        if code == 1 << CODE_BITS_MAX { Ok(()) } else { Err(DecompressError::Table) }
    }

    /// `ends`: for each length, where its symbols end in `sorted`.
    fn fill_fast(&mut self, ends: &[usize; CODE_BITS_MAX + 1]) {
        let mut place = 0;
        #[allow(clippy::needless_range_loop, reason = "lengths are what the tables are about")]
        for length in 1..=FAST_BITS {
            let repeat = 1 << (FAST_BITS - length);
            for symbol in &self.sorted[self.first[length].1 as usize..ends[length]] {
                self.fast[place..place + repeat].fill(Code::of(*symbol, length));
                place += repeat;
            }
        }
        self.fast[place..].fill(Code::NONE);
    }

    /// The code that `next`, of which at least 15 bits are loaded, begin with.
    #[inline(always)]
    pub(super) fn next(&self, next: u64) -> Code {
        let code = self.fast[(next >> (64 - FAST_BITS)) as usize];
        if code == Code::NONE { self.long((next >> (64 - CODE_BITS_MAX)) as u32) } else { code }
    }

    #[cold]
    fn long(&self, code: u32) -> Code {
        let longer = (FAST_BITS + 1..CODE_BITS_MAX).find(|length| code < self.limit[*length]);
        let length = longer.unwrap_or(CODE_BITS_MAX);
        let (first, index) = self.first[length];
        let index = index + (code.saturating_sub(first) >> (CODE_BITS_MAX - length));
        Code::of(self.sorted[index as usize % SYMBOLS], length)
    }
}
