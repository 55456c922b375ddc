//! The decoder against a plain one: bit by bit, byte by byte, word by word as the format has it.

use super::{DecompressError, decompress};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The words of the input, of which always two are loaded, and the bytes between them.
struct Plain<'a> {
    input: &'a [u8],
    at: usize,
    loaded: u32,
    spare: i32,
    codes: Vec<(u32, u32, usize)>,
}

impl Plain<'_> {
    fn byte(&self, at: usize) -> u32 {
        self.input.get(at).copied().unwrap_or(0).into()
    }

    fn word(&mut self) -> u32 {
        self.at += 2;
        self.byte(self.at - 2) | self.byte(self.at - 1) << 8
    }

    fn begin_block(&mut self) -> Result<(), DecompressError> {
        let table = self.input.get(self.at..self.at + 256).ok_or(DecompressError::Truncated)?;
        let lengths: Vec<u32> =
            table.iter().flat_map(|byte| [byte & 15, byte >> 4].map(u32::from)).collect();
        self.at += 256;
        self.codes.clear();
        let mut code = 0;
        for length in 1..16 {
            for symbol in (0..512).filter(|symbol| lengths[*symbol] == length) {
                self.codes.push((length, code >> (15 - length), symbol));
                code += 1 << (15 - length);
            }
        }
        self.spare = 16;
        self.loaded = self.word() << 16;
        self.loaded |= self.word();
        if code == 1 << 15 { Ok(()) } else { Err(DecompressError::Table) }
    }

    fn bits(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |bits, _| {
            let bit = self.loaded >> 31;
            self.loaded <<= 1;
            self.spare -= 1;
            if self.spare < 0 {
                self.loaded |= self.word() << 1;
                self.spare = 15;
            }
            bits << 1 | bit
        })
    }

    fn symbol(&mut self) -> usize {
        let next = self.loaded;
        let is_next = |(length, code, _): &&(u32, u32, usize)| next >> (32 - length) == *code;
        let (length, _, symbol) = *self.codes.iter().find(is_next).expect("codes are complete");
        self.bits(length);
        symbol
    }

    fn number(&mut self, bytes: usize) -> Result<usize, DecompressError> {
        let number = (0..bytes).fold(0, |number, i| number | self.byte(self.at + i) << (8 * i));
        self.at += bytes;
        if self.at > self.input.len() {
            Err(DecompressError::Truncated)
        } else {
            Ok(number as usize)
        }
    }

    fn length(&mut self, short: usize) -> Result<usize, DecompressError> {
        if short < 15 {
            return Ok(short + 3);
        }
        let mut length = self.number(1)? + 15;
        if length == 255 + 15 {
            length = self.number(2)?;
            if length == 0 {
                length = self.number(4)?;
            }
        }
        if length < 15 { Err(DecompressError::Length) } else { Ok(length + 3) }
    }

    fn not_overrun(&self) -> Result<(), DecompressError> {
        if self.at > self.input.len() { Err(DecompressError::Truncated) } else { Ok(()) }
    }

    /// As far as it comes, and why not further.
    fn all(&mut self, bytes: usize) -> (Vec<u8>, Result<(), DecompressError>) {
        let mut output = Vec::new();
        let outcome = self.unpack(bytes, &mut output);
        (output, outcome)
    }

    fn unpack(&mut self, bytes: usize, output: &mut Vec<u8>) -> Result<(), DecompressError> {
        loop {
            self.begin_block()?;
            let end = bytes.min(output.len() + 65_536);
            while output.len() < end {
                self.next(bytes, output)?;
            }
            self.not_overrun()?;
            if output.len() == bytes {
                let is_end = self.symbol() == 256;
                self.not_overrun()?;
                return if is_end { Ok(()) } else { Err(DecompressError::NoEnd) };
            }
        }
    }

    fn next(&mut self, bytes: usize, output: &mut Vec<u8>) -> Result<(), DecompressError> {
        let symbol = self.symbol();
        if symbol < 256 {
            output.push(symbol as u8);
            return Ok(());
        }
        let length = self.length(symbol % 16)?;
        let offset_bits = (symbol - 256) as u32 / 16;
        let offset = (1 << offset_bits) + self.bits(offset_bits) as usize;
        if offset > output.len() {
            return Err(DecompressError::Offset);
        }
        if length > bytes - output.len() {
            return Err(DecompressError::Length);
        }
        (0..length).for_each(|_| output.push(output[output.len() - offset]));
        Ok(())
    }
}

fn plain(input: &[u8], bytes: usize) -> (Vec<u8>, Result<(), DecompressError>) {
    Plain { input, at: 0, loaded: 0, spare: 16, codes: Vec::new() }.all(bytes)
}

fn assert_agree(input: &[u8], bytes: usize) -> Result<(), DecompressError> {
    let mut output = vec![0xa5; bytes];
    let outcome = decompress(input, &mut output);
    let (expected, why) = plain(input, bytes);
    assert_eq!(outcome, why, "{} bytes to {bytes}", input.len());
    if expected.len() == bytes {
        assert!(output == expected, "{} bytes to {bytes}", input.len());
    }
    outcome
}

/// Code lengths of a complete code over `symbols`, in no order: codes are split until there are
/// enough.
fn lengths(rng: &mut Xoshiro256PlusPlus, symbols: &[usize]) -> [u8; 512] {
    let mut lengths = vec![0_u8];
    while lengths.len() < symbols.len() {
        let at = rng.next_u64() as usize % lengths.len();
        if lengths[at] < 15 {
            lengths[at] += 1;
            lengths.push(lengths[at]);
        }
    }
    let mut all = [0; 512];
    for (symbol, length) in symbols.iter().zip(lengths) {
        all[*symbol] = length;
    }
    all
}

/// Bytes, and matches whose offsets are soon behind what was unpacked.
fn symbols(rng: &mut Xoshiro256PlusPlus) -> Vec<usize> {
    let offset_bits = 1 + rng.next_u64() as usize % 12;
    let bytes = 1 + rng.next_u64() as usize % 256;
    let matches = rng.next_u64() as usize % 60;
    let mut symbols: Vec<usize> = (0..bytes).collect();
    symbols.extend((0..matches).map(|_| 256 + rng.next_u64() as usize % (16 * offset_bits)));
    symbols.push(256);
    symbols.sort_unstable();
    symbols.dedup();
    // In the order of the alphabet, the first code would always be the shortest.
    for i in (1..symbols.len()).rev() {
        symbols.swap(i, rng.next_u64() as usize % (i + 1));
    }
    symbols
}

/// Any bits are some symbols of a complete code: so random bits reach all ways through the decoder.
#[test]
fn random_codes_and_random_bits_unpack_as_the_plain_decoder_says() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(16);
    let mut outcomes = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..4000 {
        let symbols = symbols(&mut rng);
        let lengths = lengths(&mut rng, &symbols);
        let table = lengths.as_chunks::<2>().0.iter().map(|[low, high]| low | high << 4);
        let mut input: Vec<u8> = table.collect();
        let mut bits = vec![0; rng.next_u64() as usize % 3000];
        rng.fill_bytes(&mut bits);
        input.extend(bits);
        // Large enough for a second block now and then, where the first one's bytes repeat.
        let again = input.clone();
        input.extend(again);
        let bytes = [1, 40, 100, 512, 3000, 70_000][rng.next_u64() as usize % 6];
        let outcome = assert_agree(&input, bytes);
        *outcomes.entry(format!("{outcome:?}")).or_default() += 1;
    }
    println!("{outcomes:?}");
    assert!(outcomes.len() >= 5, "{outcomes:?}");
}

/// Codes of eight bits each, so that they can be written as bytes: a look may take two bytes, and
/// the second one may not be of the next block.
#[test]
fn a_block_ends_where_it_ends_also_between_two_bytes() {
    const SHORTEST_MATCH: u8 = 254;
    let mut lengths = [0; 512];
    lengths[..254].fill(8);
    lengths[254..256].fill(9);
    lengths[256] = 8;
    let table = lengths.as_chunks::<2>().0.iter().map(|[low, high]| low | high << 4);
    let table: Vec<u8> = table.collect();
    let byte = |i: usize| (i * 7 % 254) as u8;
    for second in [2, 5000] {
        // Two bytes and three of a match, so that the others come in pairs that begin at odd
        // places.
        let first = (0..65_534).map(|i| if i == 2 { SHORTEST_MATCH } else { byte(i) });
        let last = (0..second).map(byte).chain([SHORTEST_MATCH, 0]);
        let mut input = Vec::new();
        for codes in [first.collect::<Vec<u8>>(), last.collect()] {
            input.extend(&table);
            // Words have their low byte first, and one is loaded behind the last.
            input.extend(codes.as_chunks::<2>().0.iter().flat_map(|[one, two]| [two, one]));
            input.extend([0; 2]);
        }
        assert_eq!(assert_agree(&input, 65_536 + second), Ok(()));
    }
}
