//! A small, strict reader of uncompressed backups. It stops at the first thing that is not as
//! docs/page-format.md, sections 9.2 and 9.3, has it; real backups pass.

use std::collections::BTreeSet;

const BLOCK_HEADER_BYTES: usize = 52;
const STREAM_HEADER_BYTES: usize = 22;

/// A descriptor block.
#[derive(Clone, Debug)]
pub struct Block {
    pub kind: String,
    pub at: usize,
    pub attributes: u32,
    pub string_type: u8,
    pub streams: Vec<Stream>,
}

/// A stream.
#[derive(Clone, Debug)]
pub struct Stream {
    pub id: String,
    pub media: u16,
    pub header_at: usize,
    pub data: std::ops::Range<usize>,
}

/// All of a file.
pub struct Media<'a> {
    pub bytes: &'a [u8],
    pub blocks: Vec<Block>,
}

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// True if the last u16 of `header` is the XOR of those before.
pub fn is_sealed(header: &[u8]) -> bool {
    (0..header.len() / 2).fold(0, |xor, n| xor ^ u16_at(header, 2 * n)) == 0
}

/// The plain definition of section 9.3.
pub fn stream_sum(data: &[u8]) -> u32 {
    data.chunks(512).fold(0_u32, |sum, sector| {
        sum.rotate_left(1) ^ (0..128).fold(0, |xor, n| xor ^ u32_at(sector, 4 * n))
    })
}

/// Reads all blocks; they fill the file to its last byte.
pub fn media(bytes: &[u8]) -> Media<'_> {
    let mut blocks = Vec::new();
    let (mut at, mut set, mut number) = (0, 0, 0);
    while at < bytes.len() {
        let (block, end) = block(bytes, at);
        if block.kind == "SSET" {
            (set, number) = (at, 0);
            assert_eq!(u64_at(bytes, at + 80), at as u64, "a set knows where it is");
        }
        let is_numbered = !matches!(&*block.kind, "TAPE" | "SFMB" | "ESET");
        let address = if is_numbered { (at - set) / 1024 } else { 0 };
        assert_eq!(u64_at(bytes, at + 20), address as u64, "address of {} at {at}", block.kind);
        let id = if is_numbered { number } else { 0 };
        assert_eq!(u32_at(bytes, at + 36), id, "number of {} at {at}", block.kind);
        number += u32::from(is_numbered);
        blocks.push(block);
        at = end;
    }
    assert_eq!(at, bytes.len());
    Media { bytes, blocks }
}

fn block(bytes: &[u8], at: usize) -> (Block, usize) {
    assert_eq!(at % 512, 0);
    let header = &bytes[at..at + BLOCK_HEADER_BYTES];
    assert!(is_sealed(header), "block at {at}");
    let mut block = Block {
        kind: String::from_utf8_lossy(&header[..4]).into_owned(),
        at,
        attributes: u32_at(header, 4),
        string_type: header[48],
        streams: Vec::new(),
    };
    let first = usize::from(u16_at(header, 8));
    if block.kind == "SFMB" {
        return (block, at + if first == 0 { 65_536 } else { first });
    }
    let mut next = at + first;
    loop {
        assert_eq!(next % 4, 0);
        let header = &bytes[next..next + STREAM_HEADER_BYTES];
        assert!(is_sealed(header), "stream at {next}");
        let start = next + STREAM_HEADER_BYTES;
        let end = start + u64_at(header, 8) as usize;
        assert!(end <= bytes.len(), "stream at {next} goes beyond the end");
        let id = String::from_utf8_lossy(&header[..4]).into_owned();
        let is_last = id == "SPAD";
        let media = u16_at(header, 6);
        block.streams.push(Stream { id, media, header_at: next, data: start..end });
        if is_last {
            return (block, end);
        }
        next = end.next_multiple_of(4);
    }
}

impl Media<'_> {
    /// Streams of all blocks of type `kind`.
    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.blocks.iter().flat_map(|block| &block.streams)
    }

    /// Streams with pages.
    pub fn page_streams(&self) -> Vec<&Stream> {
        self.streams().filter(|stream| stream.id == "MQDA" && !stream.data.is_empty()).collect()
    }

    /// The bytes of `stream` behind its pad bytes.
    pub fn content(&self, stream: &Stream) -> &[u8] {
        &self.bytes[stream.data.start + 2..stream.data.end]
    }

    /// Where streams begin whose checksum is wrong. All that announce one have one.
    pub fn broken_sums(&self) -> BTreeSet<usize> {
        let mut broken = BTreeSet::new();
        for block in &self.blocks {
            for (n, stream) in block.streams.iter().enumerate() {
                if stream.media & 0x100 == 0 {
                    continue;
                }
                let sum = &block.streams[n + 1];
                assert_eq!((&*sum.id, sum.data.len()), ("CSUM", 4));
                if u32_at(self.bytes, sum.data.start) != stream_sum(self.content(stream)) {
                    broken.insert(stream.header_at);
                }
            }
        }
        broken
    }

    /// Types and attributes of blocks and streams, with empty log blocks as one: how many virtual
    /// log files there are is no matter of layout.
    pub fn shape(&self) -> Vec<String> {
        let mut shape: Vec<_> = self.blocks.iter().map(shape_of).collect();
        shape.dedup();
        shape
    }
}

fn shape_of(block: &Block) -> String {
    let streams = block.streams.iter().map(|stream| format!("{}:{:x}", stream.id, stream.media));
    let streams = streams.collect::<Vec<_>>().join(" ");
    format!("{} {:x} {}: {streams}", block.kind, block.attributes, block.string_type)
}

/// What a configuration stream says.
#[derive(Debug, PartialEq, Eq)]
pub struct Configuration {
    pub database: String,
    pub server: String,
    pub letter: char,
    pub flags: u32,
    pub internal_version: u16,
    /// Of the first and the last, the checkpoint and the backup the set is based on.
    pub lsns: [(u32, u32, u16); 4],
    /// Id, pages in the set, bytes, logical and physical name.
    pub files: Vec<(u32, u32, u64, String, String)>,
}

/// The configuration of every set, from `MQCI` of its `MSCI`.
pub fn configurations(media: &Media<'_>) -> Vec<Configuration> {
    let blocks = media.blocks.iter().filter(|block| block.kind == "MSCI");
    blocks
        .map(|block| {
            assert_eq!(block.streams[0].id, "MQCI");
            configuration(&media.bytes[block.streams[0].data.clone()])
        })
        .collect()
}

fn configuration(bytes: &[u8]) -> Configuration {
    let lsn = |at| (u32_at(bytes, at), u32_at(bytes, at + 4), u16_at(bytes, at + 8));
    assert_eq!(&bytes[..4], b"SCIN");
    let mut read = Configuration {
        database: text(bytes, 104),
        server: text(bytes, 108),
        letter: char::from(bytes[87]),
        flags: u32_at(bytes, 8),
        internal_version: u16_at(bytes, 94),
        lsns: [lsn(32), lsn(42), lsn(52), lsn(62)],
        files: Vec::new(),
    };
    let mut at = 0;
    while at < bytes.len() {
        let record = &bytes[at..at + u32_at(bytes, at + 4) as usize];
        match &record[..4] {
            b"SFIN" => read.files.push((
                u32_at(record, 20),
                u32_at(record, 24),
                u64_at(record, 40),
                text(record, 48),
                text(record, 52),
            )),
            tag => assert!(matches!(tag, b"SCIN" | b"SFGI"), "{tag:?}"),
        }
        at += record.len();
    }
    read
}

/// The string to which the pointer at `pointer` leads.
pub fn text(bytes: &[u8], pointer: usize) -> String {
    let at = usize::from(u16_at(bytes, pointer + 2));
    let units = (0..usize::from(u16_at(bytes, pointer)) / 2).map(|n| u16_at(bytes, at + 2 * n));
    String::from_utf16_lossy(&units.collect::<Vec<_>>())
}
