//! What SQL Server wrote: pages, their headers, checksums and allocation bytes.
//!
//! Bytes come in, facts go out. No files, no threads, no opinions about damage; those are made
//! further down. Every offset is drawn, with its source, in `docs/page-format.md`.

pub mod address;
pub mod allocation;
pub mod blob;
pub mod boot;
pub mod checksum;
pub mod file_header;
pub mod header;
pub mod iam;
pub mod kind;
pub mod line;
pub mod ranges;
pub mod record;
pub mod slots;
pub mod torn;

use bytemuck::{Pod, Zeroable};

#[cfg(target_endian = "big")]
compile_error!(
    "pagescrub reads little-endian pages in place; big-endian targets are not supported"
);

/// Bytes of one page.
pub const PAGE_BYTES: usize = 8192;
/// Bytes of one sector, the unit of the checksum (section 2), whatever the disk's own sector is.
pub const SECTOR_BYTES: usize = 512;
/// Sectors of one page.
pub const PAGE_SECTORS: usize = PAGE_BYTES / SECTOR_BYTES;
/// 32-bit words of one page.
pub const PAGE_WORDS: usize = PAGE_BYTES / 4;
/// Pages of one extent.
pub const EXTENT_PAGES: u32 = 8;

/// One whole page. Never partial: a file's short tail is a finding, not a page.
///
/// Aligned to a cache line, which every mapped page is. Not to 4096 bytes: with that alignment,
/// LLVM 22 drops the prologue of some optimised functions that keep a page in a local (it is also
/// the step of the stack probe), and the caller's registers are lost.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Page([u8; PAGE_BYTES]);

const _: () = assert!(align_of::<Page>() < 4096);

impl Page {
    /// The page of zeros.
    pub const ZERO: Self = Self([0; PAGE_BYTES]);

    /// Copies `bytes` into a page.
    pub fn new(bytes: &[u8; PAGE_BYTES]) -> Self {
        Self(*bytes)
    }

    /// The bytes as pages without copying, or `None` if they are not whole pages that start at a
    /// multiple of 64 in memory.
    pub fn slice_of(bytes: &[u8]) -> Option<&[Self]> {
        bytemuck::try_cast_slice(bytes).ok()
    }

    /// The 8192 bytes.
    pub fn bytes(&self) -> &[u8; PAGE_BYTES] {
        &self.0
    }

    /// The 8192 bytes, writable.
    pub fn bytes_mut(&mut self) -> &mut [u8; PAGE_BYTES] {
        &mut self.0
    }

    /// The page as 2048 little-endian words.
    pub fn words(&self) -> &[u32; PAGE_WORDS] {
        bytemuck::cast_ref(&self.0)
    }

    /// True if every byte is zero.
    pub fn is_zero(&self) -> bool {
        // Sector by sector: without an early exit inside, the compiler can use wide registers.
        let is_zero = |sector: &[u32]| sector.iter().fold(0, |any, word| any | word) == 0;
        self.words().chunks_exact(PAGE_WORDS / PAGE_SECTORS).all(is_zero)
    }

    /// The little-endian `u16` at byte `offset` (at most 8190).
    pub fn u16_at(&self, offset: usize) -> u16 {
        u16::from_le_bytes([self.0[offset], self.0[offset + 1]])
    }

    /// The little-endian `u32` at byte `offset` (at most 8188).
    pub fn u32_at(&self, offset: usize) -> u32 {
        u32::from(self.u16_at(offset)) | u32::from(self.u16_at(offset + 2)) << 16
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page{:?}", header::PageHeader::of(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_zero_if_every_bit_of_it_is() {
        assert!(Page::ZERO.is_zero());
        for at in [0, 59, 511, 512, 4096, PAGE_BYTES - 1] {
            let mut page = Page::ZERO;
            page.bytes_mut()[at] = 0x80;
            assert!(!page.is_zero(), "byte {at}");
        }
    }

    #[test]
    fn numbers_are_little_endian_and_may_stand_at_any_byte() {
        let mut page = Page::ZERO;
        page.bytes_mut()[PAGE_BYTES - 4..].copy_from_slice(&[0x44, 0x33, 0x22, 0x91]);
        assert_eq!((page.u32_at(8188), page.u32_at(8187)), (0x9122_3344, 0x2233_4400));
        assert_eq!((page.u16_at(8190), page.u16_at(8187)), (0x9122, 0x4400));
        assert_eq!(page.words()[PAGE_WORDS - 2..], [0, 0x9122_3344]);
    }
}
