//! Unpacks LZ77 with Huffman coding ("XPRESS Huffman"), as Microsoft's \[MS-XCA\] 2.2 defines it.
//!
//! A block gives 65,536 bytes, the last one less. It begins with a table of 512 code lengths, half
//! a byte each: symbols below 256 are bytes, the others name the length and the number of offset
//! bits of a match, and 256 where nothing more is due is the end. The bits come in 16-bit words, of
//! which two are always loaded; the bytes of long match lengths stand where the next word would.

use std::fmt;

const TABLE_BYTES: usize = 256;
const SYMBOLS: usize = 2 * TABLE_BYTES;
const CODE_BITS_MAX: usize = 15;
const BLOCK_BYTES: usize = 1 << 16;
/// Codes up to this length are looked up at once; their table is a part of any L1 cache.
const FAST_BITS: usize = 11;
const FIRST_MATCH: u16 = 256;
const END: u16 = 256;
/// The length in a match symbol that says: more of it follows as bytes.
const LONG: usize = 15;
const SHORTEST_MATCH: usize = 3;
/// What one copy of a match moves at least; that it may write too much is what makes it fast.
const STEP: usize = 16;

/// Why bytes could not be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecompressError {
    /// The input ends too early.
    Truncated,
    /// The code lengths of a block are not those of a Huffman code.
    Table,
    /// A match begins before the output does.
    Offset,
    /// A match is longer than what is due, or its length is written in a way that cannot be.
    Length,
    /// The output is full, and the input does not end there.
    NoEnd,
}

impl fmt::Display for DecompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the packed bytes end too early",
            Self::Table => "the code lengths are those of no Huffman code",
            Self::Offset => "a match begins before the first byte",
            Self::Length => "a match is longer than it can be",
            Self::NoEnd => "the packed bytes hold more than they should",
        })
    }
}

impl std::error::Error for DecompressError {}

/// Unpacks `input` into the whole of `output`; after an error, what is in `output` has no meaning.
///
/// Takes time linear in both, and memory for one table, whatever the input.
pub fn decompress(input: &[u8], output: &mut [u8]) -> Result<(), DecompressError> {
    let mut codes = Codes::new();
    let (mut at, mut done) = (0, 0);
    loop {
        let lengths = input.get(at..at + TABLE_BYTES).ok_or(DecompressError::Truncated)?;
        codes.build(lengths)?;
        let mut bits = Bits::new(input, at + TABLE_BYTES);
        let end = output.len().min(done + BLOCK_BYTES);
        done = unpack_block(&codes, &mut bits, output, done, end)?;
        if done == output.len() {
            let ends = codes.next(&mut bits) == END;
            bits.not_overrun()?;
            return if ends { Ok(()) } else { Err(DecompressError::NoEnd) };
        }
        at = bits.at;
    }
}

/// Unpacks until `end` is reached; a match may go beyond it, but not beyond `output`.
fn unpack_block(
    codes: &Codes,
    bits: &mut Bits<'_>,
    output: &mut [u8],
    mut done: usize,
    end: usize,
) -> Result<usize, DecompressError> {
    while done < end {
        let symbol = codes.next(bits);
        if symbol < FIRST_MATCH {
            output[done] = symbol as u8;
            done += 1;
            continue;
        }
        let symbol = usize::from(symbol - FIRST_MATCH);
        let length = bits.match_length(symbol % 16)?;
        let offset = bits.match_offset(symbol as u32 / 16);
        if offset > done {
            return Err(DecompressError::Offset);
        }
        if length > output.len() - done {
            return Err(DecompressError::Length);
        }
        copy_match(output, done, offset, length);
        done += length;
    }
    bits.not_overrun().map(|()| done)
}

/// Repeats `length` bytes from `offset` (1 to `done`) before `done`.
#[inline(always)]
fn copy_match(output: &mut [u8], done: usize, offset: usize, length: usize) {
    if offset < STEP || output.len() - done < length + STEP {
        return copy_overlapping(output, done, offset, length);
    }
    let mut copied = 0;
    while copied < length {
        let mut step = [0; STEP];
        step.copy_from_slice(&output[done - offset + copied..][..STEP]);
        output[done + copied..][..STEP].copy_from_slice(&step);
        copied += STEP;
    }
}

/// The same for matches that overlap themselves closely, or end near the end of the output: what is
/// there already is doubled until it is enough.
fn copy_overlapping(output: &mut [u8], done: usize, offset: usize, length: usize) {
    let start = done - offset;
    let mut copied = 0;
    while copied < length {
        let count = (offset + copied).min(length - copied);
        output.copy_within(start..start + count, done + copied);
        copied += count;
    }
}

/// The Huffman code of one block.
struct Codes {
    /// For the next `FAST_BITS` bits: symbol * 16 + length, or 0 where the code is longer.
    fast: [u16; 1 << FAST_BITS],
    /// Symbols by length, then by value.
    sorted: [u16; SYMBOLS],
    /// For each length: the first 15 bits that a longer code begins with.
    limit: [u32; CODE_BITS_MAX + 1],
    /// For each length: its first code in 15 bits, and where its symbols begin in `sorted`.
    first: [(u32, u32); CODE_BITS_MAX + 1],
}

impl Codes {
    fn new() -> Self {
        Self {
            fast: [0; 1 << FAST_BITS],
            sorted: [0; SYMBOLS],
            limit: [0; CODE_BITS_MAX + 1],
            first: [(0, 0); CODE_BITS_MAX + 1],
        }
    }

    fn build(&mut self, lengths: &[u8]) -> Result<(), DecompressError> {
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
                self.fast[place..place + repeat].fill(symbol << 4 | length as u16);
                place += repeat;
            }
        }
        self.fast[place..].fill(0);
    }

    #[inline(always)]
    fn next(&self, bits: &mut Bits<'_>) -> u16 {
        let entry = self.fast[(bits.next >> (32 - FAST_BITS)) as usize];
        let entry = if entry == 0 { self.long(bits.next >> (32 - CODE_BITS_MAX)) } else { entry };
        bits.take(u32::from(entry & 15));
        entry >> 4
    }

    #[cold]
    fn long(&self, code: u32) -> u16 {
        let longer = (FAST_BITS + 1..CODE_BITS_MAX).find(|length| code < self.limit[*length]);
        let length = longer.unwrap_or(CODE_BITS_MAX);
        let (first, index) = self.first[length];
        let index = index + (code.saturating_sub(first) >> (CODE_BITS_MAX - length));
        self.sorted[index as usize % SYMBOLS] << 4 | length as u16
    }
}

/// The input as bits, and as the bytes between them.
struct Bits<'a> {
    input: &'a [u8],
    /// The next byte that is not loaded.
    at: usize,
    /// The next bits, from the highest on.
    next: u32,
    /// How many bits are loaded beyond sixteen.
    spare: i32,
}

impl<'a> Bits<'a> {
    fn new(input: &'a [u8], at: usize) -> Self {
        let mut bits = Self { input, at, next: 0, spare: 16 };
        bits.next = bits.word() << 16;
        bits.at += 2;
        bits.next |= bits.word();
        bits.at += 2;
        bits
    }

    /// The word at `at`; zeros behind the input, which [`Self::not_overrun`] tells in the end.
    #[inline(always)]
    fn word(&self) -> u32 {
        match self.input.get(self.at..) {
            Some([low, high, ..]) => u32::from(u16::from_le_bytes([*low, *high])),
            Some([low]) => u32::from(*low),
            _ => 0,
        }
    }

    /// Goes on by `count` bits, 0 to 15.
    #[inline(always)]
    fn take(&mut self, count: u32) {
        self.next <<= count;
        self.spare -= count.cast_signed();
        if self.spare < 0 {
            self.next |= self.word() << -self.spare;
            self.at += 2;
            self.spare += 16;
        }
    }

    #[inline(always)]
    fn match_offset(&mut self, bits: u32) -> usize {
        // In two steps, since 32 - 0 is one shift too many for a u32.
        let low = self.next >> 1 >> (31 - bits);
        self.take(bits);
        (1 << bits) + low as usize
    }

    #[inline(always)]
    fn match_length(&mut self, short: usize) -> Result<usize, DecompressError> {
        Ok(SHORTEST_MATCH + if short == LONG { self.long_length()? } else { short })
    }

    fn long_length(&mut self) -> Result<usize, DecompressError> {
        let byte = self.bytes::<1>()?[0];
        if byte < u8::MAX {
            return Ok(LONG + usize::from(byte));
        }
        let length = match u16::from_le_bytes(self.bytes()?) {
            0 => u32::from_le_bytes(self.bytes()?),
            length => u32::from(length),
        };
        if length < LONG as u32 { Err(DecompressError::Length) } else { Ok(length as usize) }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], DecompressError> {
        let rest = self.input.get(self.at..).and_then(|rest| rest.first_chunk());
        self.at += N;
        rest.copied().ok_or(DecompressError::Truncated)
    }

    fn not_overrun(&self) -> Result<(), DecompressError> {
        if self.at > self.input.len() { Err(DecompressError::Truncated) } else { Ok(()) }
    }
}
