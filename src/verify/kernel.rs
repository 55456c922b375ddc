//! The checksum kernel: one generic body, one thin wrapper per instruction set.
//!
//! Eight pages of an extent are read side by side, sector by sector. A core's hardware
//! prefetcher follows one stream per 4 KiB and restarts at each; eight open pages hide the
//! restarts, which reads memory about 1.5 times as fast as one page after another. Each lane
//! keeps `acc = rotl(acc, 1) ^ sector`: after sixteen sectors, sector i has been rotated by
//! 15 - i, as the definition asks. Rotation distributes over XOR, so one horizontal XOR at the
//! end of a page is enough, and the stored word is taken out of the sum afterwards.

use super::lanes::{Lanes, fold, load, rotate_left_one, xor, zero};
use crate::page::checksum::{Checksum, SECTOR_WORDS};
use crate::page::header::PageHeader;
use crate::page::{EXTENT_PAGES, PAGE_SECTORS, Page};

/// Pages read side by side.
const ABREAST: usize = EXTENT_PAGES as usize;

/// Computes the checksum of each page with `N` lanes.
#[inline(always)]
fn checksums<const N: usize>(pages: &[Page], sums: &mut [Checksum]) {
    assert_eq!(pages.len(), sums.len(), "one checksum per page");
    let (extents, rest) = pages.as_chunks::<ABREAST>();
    let (extent_sums, rest_sums) = sums.as_chunks_mut::<ABREAST>();
    for (extent, sums) in extents.iter().zip(extent_sums) {
        *sums = abreast::<N, ABREAST>(extent);
    }
    for (page, sum) in rest.iter().zip(rest_sums) {
        [*sum] = abreast::<N, 1>(std::array::from_ref(page));
    }
}

#[inline(always)]
fn abreast<const N: usize, const PAGES: usize>(pages: &[Page; PAGES]) -> [Checksum; PAGES] {
    let mut sums = [zero::<N>(); PAGES];
    for sector in 0..PAGE_SECTORS {
        for (sum, page) in sums.iter_mut().zip(pages) {
            *sum = xor(rotate_left_one(*sum), sector_xor::<N>(page, sector));
        }
    }
    std::array::from_fn(|i| {
        Checksum::from_sum_with_stored(fold(sums[i]), PageHeader::of(&pages[i]).torn_bits)
    })
}

#[inline(always)]
fn sector_xor<const N: usize>(page: &Page, sector: usize) -> Lanes<N> {
    let words = &page.words()[sector * SECTOR_WORDS..(sector + 1) * SECTOR_WORDS];
    words.chunks_exact(N).fold(zero(), |sum, chunk| xor(sum, load(chunk)))
}

/// The plain reference, page by page.
pub(super) fn scalar(pages: &[Page], sums: &mut [Checksum]) {
    assert_eq!(pages.len(), sums.len(), "one checksum per page");
    for (page, sum) in pages.iter().zip(sums) {
        *sum = Checksum::of(page);
    }
}

/// Four lanes: SSE2 on x86-64, NEON on AArch64; both are part of the base instruction set.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn four_lanes(pages: &[Page], sums: &mut [Checksum]) {
    checksums::<4>(pages, sums);
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{avx2, avx512};

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use super::super::lanes::AVX512_LANES;
    use super::{Checksum, Page, checksums};

    #[target_feature(enable = "avx2")]
    fn avx2_body(pages: &[Page], sums: &mut [Checksum]) {
        checksums::<8>(pages, sums);
    }

    #[target_feature(enable = "avx512f")]
    fn avx512_body(pages: &[Page], sums: &mut [Checksum]) {
        checksums::<AVX512_LANES>(pages, sums);
    }

    pub(in crate::verify) fn avx2(pages: &[Page], sums: &mut [Checksum]) {
        assert!(is_x86_feature_detected!("avx2"), "kernel chosen without its instruction set");
        // SAFETY: the assertion on the line above proved that this CPU has AVX2.
        unsafe { avx2_body(pages, sums) }
    }

    pub(in crate::verify) fn avx512(pages: &[Page], sums: &mut [Checksum]) {
        assert!(is_x86_feature_detected!("avx512f"), "kernel chosen without its instruction set");
        // SAFETY: the assertion on the line above proved that this CPU has AVX-512F.
        unsafe { avx512_body(pages, sums) }
    }
}
