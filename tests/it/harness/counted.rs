//! Bytes that know how much was read of them.

use pagescrub::backup::ReadAt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Some bytes.
pub struct Counted<'a> {
    bytes: &'a [u8],
    asked: AtomicU64,
}

impl<'a> Counted<'a> {
    /// `bytes`, of which nothing was read.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, asked: AtomicU64::new(0) }
    }

    /// How many were asked for, each as often as it was.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ReadAt for Counted<'_> {
    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.asked.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.bytes.read_exact_at(offset_bytes, buffer)
    }
}
