//! Unpacks LZ77 with Huffman coding ("XPRESS Huffman"), as Microsoft's \[MS-XCA\] 2.2 defines it.
//!
//! A block gives 65,536 bytes, the last one less. It begins with a table of 512 code lengths, half
//! a byte each: symbols below 256 are bytes, the others name the length and the number of offset
//! bits of a match, and 256 where nothing more is due is the end. `codes` looks up what the next
//! bits mean, `bits` loads them, `copy` repeats what a match names.

mod bits;
mod codes;
mod copy;
mod error;
#[cfg(test)]
mod tests;

pub use error::DecompressError;

use bits::Bits;
use codes::{Code, Codes, TABLE_BYTES};
use copy::{ROOM_BYTES, copy_any, copy_short};

const BLOCK_BYTES: usize = 1 << 16;

/// Unpacks `input` into the whole of `output`; after an error, what is in `output` has no meaning.
///
/// Takes time linear in both, and memory for one table, whatever the input.
pub fn decompress(input: &[u8], output: &mut [u8]) -> Result<(), DecompressError> {
    let mut codes = Codes::new();
    let (mut at, mut done) = (0, 0);
    loop {
        let lengths = input.get(at..).and_then(|rest| rest.first_chunk());
        codes.build(lengths.ok_or(DecompressError::Truncated)?)?;
        let mut bits = Bits::new(input, at + TABLE_BYTES);
        let end = output.len().min(done + BLOCK_BYTES);
        done = unpack_most(&codes, &mut bits, output, done, end)?;
        done = unpack_rest(&codes, &mut bits, output, done, end)?;
        bits.not_overrun()?;
        if done == output.len() {
            bits.refill();
            let last = codes.next(bits.next());
            bits.take(last.bits());
            bits.not_overrun()?;
            return if last.is_end() { Ok(()) } else { Err(DecompressError::NoEnd) };
        }
        at = bits.position();
    }
}

/// Unpacks the block from `done` on until little is missing to its `end` or to that of `output`, so
/// that copies may write too much, and a second symbol is of the block in any case.
fn unpack_most(
    codes: &Codes,
    left: &mut Bits<'_>,
    output: &mut [u8],
    mut done: usize,
    end: usize,
) -> Result<usize, DecompressError> {
    // Copies, which compilers keep in registers.
    let (mut bits, output_bytes) = (*left, output.len());
    let end = end.saturating_sub(1).min(output_bytes.saturating_sub(ROOM_BYTES));
    while done < end {
        bits.refill();
        let mut code = codes.next(bits.next());
        if let Some(byte) = code.literal() {
            output[done] = byte;
            done += 1;
            bits.take(code.bits());
            code = codes.next(bits.next());
            if let Some(byte) = code.literal() {
                output[done] = byte;
                done += 1;
                bits.take(code.bits());
                continue;
            }
            bits.refill();
        }
        let Some(length) = code.short_length() else {
            done += unpack_long(&mut bits, code, output, done)?;
            continue;
        };
        let offset = code.offset(bits.next());
        bits.take(code.bits());
        if offset > done {
            return Err(DecompressError::Offset);
        }
        copy_short(output, done, offset, length);
        done += length;
    }
    *left = bits;
    Ok(done)
}

/// Unpacks until `end` is reached; a match may go beyond it, but not beyond `output`.
fn unpack_rest(
    codes: &Codes,
    bits: &mut Bits<'_>,
    output: &mut [u8],
    mut done: usize,
    end: usize,
) -> Result<usize, DecompressError> {
    while done < end {
        bits.refill();
        let code = codes.next(bits.next());
        if let Some(byte) = code.literal() {
            output[done] = byte;
            done += 1;
            bits.take(code.bits());
        } else {
            done += unpack_long(bits, code, output, done)?;
        }
    }
    Ok(done)
}

/// Unpacks the match `code` of any length, wherever it ends; says how long it is.
#[inline(always)]
fn unpack_long(
    bits: &mut Bits<'_>,
    code: Code,
    output: &mut [u8],
    done: usize,
) -> Result<usize, DecompressError> {
    bits.take(code.code_bits());
    let length = match code.short_length() {
        Some(length) => length,
        None => bits.long_length()?,
    };
    let offset = bits.match_offset(code.offset_bits());
    if offset > done {
        return Err(DecompressError::Offset);
    }
    if length > output.len() - done {
        return Err(DecompressError::Length);
    }
    copy_any(output, done, offset, length);
    Ok(length)
}
