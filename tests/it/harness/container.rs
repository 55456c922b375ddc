//! Writes small containers of compressed backups, packed in the simplest way that is legal.

use pagescrub::backup::compressed::{MAGIC, Version, checksum};

/// The end, and a match of one byte back whose length follows as bytes.
const END: u16 = 256;
const RUN: u16 = 256 + 15;
/// Symbols with codes of nine bits; bytes below 253 and 253 itself have eight.
const LONGER: [u16; 4] = [254, 255, END, RUN];

/// Bits in words, and bytes between them, as a decoder meets them.
struct Bits {
    bytes: Vec<u8>,
    /// Where the next two words go.
    words: [usize; 2],
    #[allow(clippy::struct_field_names, reason = "the bits themselves")]
    bits: u32,
    count: u32,
}

impl Bits {
    fn new(table: &[u8]) -> Self {
        let at = table.len();
        let bytes = [table, &[0; 4]].concat();
        Self { bytes, words: [at, at + 2], bits: 0, count: 0 }
    }

    fn put(&mut self, code: u32, bits: u32) {
        for bit in (0..bits).rev() {
            if self.count == 16 {
                self.word();
                self.words = [self.words[1], self.bytes.len()];
                self.bytes.extend([0; 2]);
                (self.bits, self.count) = (0, 0);
            }
            self.bits = self.bits << 1 | (code >> bit & 1);
            self.count += 1;
        }
    }

    fn word(&mut self) {
        let word = ((self.bits << (16 - self.count)) as u16).to_le_bytes();
        self.bytes[self.words[0]..][..2].copy_from_slice(&word);
    }

    fn symbol(&mut self, symbol: u16) {
        match LONGER.iter().position(|longer| *longer == symbol) {
            Some(i) => self.put(508 + i as u32, 9),
            None => self.put(symbol.into(), 8),
        }
    }

    /// The byte before, `length` times (18 to 65,538).
    fn run(&mut self, length: usize) {
        self.symbol(RUN);
        if length - 18 < 255 {
            self.bytes.push((length - 18) as u8);
        } else {
            self.bytes.push(255);
            self.bytes.extend(((length - 3) as u16).to_le_bytes());
        }
    }
}

fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut set = |symbol: u16, bits: u8| {
        table[usize::from(symbol / 2)] |= bits << (4 * (symbol % 2));
    };
    (0..254).for_each(|symbol| set(symbol, 8));
    for symbol in LONGER {
        set(symbol, 9);
    }
    table
}

/// Packs `bytes`: single bytes and runs.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let blocks = bytes.chunks(65_536);
    let last = blocks.len().saturating_sub(1);
    for (i, block) in blocks.enumerate() {
        let mut bits = Bits::new(&table());
        let mut at = 0;
        while at < block.len() {
            bits.symbol(block[at].into());
            let run = block[at + 1..].iter().take_while(|byte| **byte == block[at]).count();
            at += 1;
            if run >= 18 {
                bits.run(run);
                at += run;
            }
        }
        if i == last {
            bits.symbol(END);
        }
        bits.word();
        packed.extend(bits.bytes);
    }
    packed
}

/// A record with this payload.
pub fn record(payload: &[u8], uncompressed_bytes: usize) -> Vec<u8> {
    let mut record = vec![0x21, (uncompressed_bytes / 512) as u8];
    record.extend((payload.len() as u16).to_le_bytes());
    record.extend([0xee; 16]);
    record.extend([0; 4]);
    record.extend(checksum(payload).to_le_bytes());
    record.extend(payload);
    record
}

/// A container, written item by item.
pub struct Writer {
    pub bytes: Vec<u8>,
    block_bytes: usize,
    marks: u32,
}

impl Writer {
    pub fn new(block_bytes: usize) -> Self {
        let mut bytes = vec![0; Version::Two.header_bytes()];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8] = 2;
        bytes[12] = 3;
        Self { bytes, block_bytes, marks: 0 }
    }

    /// A record that unpacks to `bytes`, a multiple of 512.
    pub fn record(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(record(&pack(bytes), bytes.len()));
        self
    }

    /// Padding, and a file mark.
    pub fn mark(&mut self) -> &mut Self {
        let end = (self.bytes.len() + 24).next_multiple_of(self.block_bytes);
        let padding = end - self.bytes.len() - 24;
        self.bytes.extend([0x24, 0]);
        self.bytes.extend((padding as u16).to_le_bytes());
        self.bytes.resize(end + self.block_bytes, 0);
        let mark = &mut self.bytes[end..];
        mark[..4].copy_from_slice(b"SFMB");
        mark[8..10].copy_from_slice(&u16::try_from(self.block_bytes).unwrap_or(0).to_le_bytes());
        mark[56] = self.marks as u8;
        let sum = mark[..50].chunks(2).fold([0; 2], |s, w| [s[0] ^ w[0], s[1] ^ w[1]]);
        mark[50..52].copy_from_slice(&sum);
        self.marks += 1;
        self
    }
}
