//! Writes one member of a media set, block by block and stream by stream, and keeps count of where
//! everything is.

use super::descriptor::{self, LOGICAL_BLOCK_BYTES, SOFT_FILEMARK};
use super::record::{BLOCK_HEADER_BYTES, Record, STREAM_HEADER_BYTES, seal, stream_header};
use std::fs::File;
use std::io::{self, BufWriter, Write};

pub(super) const MEDIA_VARIABLE: u16 = 0x2;
pub(super) const MEDIA_END: u16 = 0x6;
pub(super) const MEDIA_PADDING: u16 = 0x80;
pub(super) const MEDIA_CHECKSUM: u16 = 0x100;
/// Before the first page or log byte of a stream.
pub(super) const PAD_BYTES: usize = 2;
const ZEROS: [u8; 4096] = [0; 4096];

pub(super) struct Member {
    out: BufWriter<File>,
    /// Where the next byte goes.
    pub(super) at: u64,
    block_bytes: u32,
    /// Addresses count from here, in logical blocks.
    base: u64,
    /// The number of the next block of this set.
    block: u32,
    pub(super) filemarks: Vec<u64>,
}

impl Member {
    /// Goes on at byte `at` of `file`, which is the end of it.
    pub(super) fn new(file: File, at: u64, block_bytes: u32, filemarks: Vec<u64>) -> Self {
        Self { out: BufWriter::new(file), at, block_bytes, base: at, block: 0, filemarks }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn put_zeros(&mut self, mut bytes: u64) -> io::Result<()> {
        while bytes > 0 {
            let step = bytes.min(ZEROS.len() as u64);
            self.put(&ZEROS[..step as usize])?;
            bytes -= step;
        }
        Ok(())
    }

    /// Counts addresses from here on.
    pub(super) fn begin(&mut self) {
        (self.base, self.block) = (self.at, 0);
    }

    /// A descriptor block, complete with where its streams begin, address, number and check.
    pub(super) fn block(&mut self, mut record: Record) -> io::Result<()> {
        let is_filemark = record.0.starts_with(&SOFT_FILEMARK);
        if is_filemark {
            self.filemarks.push(self.at);
        } else {
            let begin = descriptor::begin_of_streams(&record);
            record.0.resize(begin, 0);
            record.u16(8, begin as u16);
            record.u64(20, (self.at - self.base) / u64::from(LOGICAL_BLOCK_BYTES));
            record.u32(36, self.block);
            self.block += 1;
        }
        seal(&mut record.0[..BLOCK_HEADER_BYTES]);
        self.put(&record.0)
    }

    pub(super) fn filemark(&mut self) -> io::Result<()> {
        self.block(descriptor::filemark(self.block_bytes, &self.filemarks))
    }

    /// The header of a stream at the next multiple of 4.
    pub(super) fn stream(&mut self, id: [u8; 4], media: u16, data_bytes: u64) -> io::Result<()> {
        self.put_zeros(self.at.next_multiple_of(4) - self.at)?;
        self.put(&stream_header(id, media, data_bytes))
    }

    /// A stream with its data.
    pub(super) fn whole_stream(&mut self, id: [u8; 4], media: u16, data: &[u8]) -> io::Result<()> {
        self.stream(id, media, data.len() as u64)?;
        self.put(data)
    }

    /// A stream of nothing, so that the data of the next one, behind its pad bytes, begins where a
    /// block would.
    pub(super) fn align_data(&mut self) -> io::Result<()> {
        let header = STREAM_HEADER_BYTES as u64;
        let lead = header + PAD_BYTES as u64;
        let end = self.aligned(self.at.next_multiple_of(4) + header + lead, self.unit()) - lead;
        self.fill(*b"APAD", MEDIA_PADDING, end)
    }

    /// Ends a block: the next begins at the next logical block.
    pub(super) fn end_block(&mut self) -> io::Result<()> {
        self.end_at_multiple_of(u64::from(LOGICAL_BLOCK_BYTES))
    }

    /// Ends a block: the next begins at the next physical block.
    pub(super) fn end_physical_block(&mut self) -> io::Result<()> {
        self.end_at_multiple_of(self.unit())
    }

    fn end_at_multiple_of(&mut self, unit: u64) -> io::Result<()> {
        let after_header = self.at.next_multiple_of(4) + STREAM_HEADER_BYTES as u64;
        self.fill(*b"SPAD", 0, self.aligned(after_header, unit))
    }

    /// A stream of zeros that ends at the next physical block.
    pub(super) fn fill_physical_block(&mut self, id: [u8; 4]) -> io::Result<()> {
        let after_header = self.at.next_multiple_of(4) + STREAM_HEADER_BYTES as u64;
        self.fill(id, 0, self.aligned(after_header, self.unit()))
    }

    fn fill(&mut self, id: [u8; 4], media: u16, end: u64) -> io::Result<()> {
        let data = end - self.at.next_multiple_of(4) - STREAM_HEADER_BYTES as u64;
        self.stream(id, media, data)?;
        self.put_zeros(data)
    }

    fn unit(&self) -> u64 {
        self.block_bytes.max(LOGICAL_BLOCK_BYTES.into()).into()
    }

    fn aligned(&self, at: u64, unit: u64) -> u64 {
        self.base + (at - self.base).next_multiple_of(unit)
    }

    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.at)
    }
}
