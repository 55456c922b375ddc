//! The checksum kernel: one generic body, one thin wrapper per instruction set.
//!
//! Each lane keeps `acc = rotl(acc, 1) ^ sector`: after sixteen sectors, sector i has been
//! rotated by 15 - i, as the definition asks. Rotation distributes over XOR, so one horizontal
//! XOR at the end of a page is enough, and the stored word is taken out of the sum afterwards.
//! `ABREAST` pages are read side by side, sector by sector; see [`super::order`] for why.

use super::lanes::{Lanes, fold, load, rotate_left_one, xor, zero};
use crate::page::checksum::{Checksum, SECTOR_WORDS};
use crate::page::header::PageHeader;
use crate::page::{PAGE_SECTORS, Page};

/// Work that every instruction set compiles for itself, in registers of `N` words.
pub(super) trait Lanewise {
    /// What it gives.
    type Output;

    /// Does it. Must be inlined, and call only what is: a function of its own would be compiled
    /// for the base instruction set.
    fn run<const N: usize>(self) -> Self::Output;
}

/// The checksum of each page, `ABREAST` pages side by side.
struct Checksums<'a, const ABREAST: usize> {
    pages: &'a [Page],
    sums: &'a mut [Checksum],
}

impl<const ABREAST: usize> Lanewise for Checksums<'_, ABREAST> {
    type Output = ();

    #[inline(always)]
    fn run<const N: usize>(self) {
        checksums::<N, ABREAST>(self.pages, self.sums);
    }
}

#[inline(always)]
fn checksums<const N: usize, const ABREAST: usize>(pages: &[Page], sums: &mut [Checksum]) {
    assert_eq!(pages.len(), sums.len(), "one checksum per page");
    let (groups, rest) = pages.as_chunks::<ABREAST>();
    let (group_sums, rest_sums) = sums.as_chunks_mut::<ABREAST>();
    for (group, sums) in groups.iter().zip(group_sums) {
        *sums = abreast::<N, ABREAST>(group);
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
            *sum = xor(rotate_left_one(*sum), sector_xor::<N>(sector_of(page, sector)));
        }
    }
    std::array::from_fn(|i| {
        Checksum::from_sum_with_stored(fold(sums[i]), PageHeader::of(&pages[i]).torn_bits)
    })
}

#[inline(always)]
fn sector_of(page: &Page, sector: usize) -> &[u32] {
    &page.words()[sector * SECTOR_WORDS..(sector + 1) * SECTOR_WORDS]
}

#[inline(always)]
pub(super) fn sector_xor<const N: usize>(sector: &[u32]) -> Lanes<N> {
    sector.chunks_exact(N).fold(zero(), |sum, chunk| xor(sum, load(chunk)))
}

/// The plain reference, page by page; no order but its own.
pub(super) fn scalar<const ABREAST: usize>(pages: &[Page], sums: &mut [Checksum]) {
    assert_eq!(pages.len(), sums.len(), "one checksum per page");
    for (page, sum) in pages.iter().zip(sums) {
        *sum = Checksum::of(page);
    }
}

/// Four lanes: SSE2 on x86-64, NEON on AArch64; both are part of the base instruction set.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn four_lanes<const ABREAST: usize>(pages: &[Page], sums: &mut [Checksum]) {
    Checksums::<ABREAST> { pages, sums }.run::<4>();
}

#[cfg(target_arch = "x86_64")]
pub(super) fn avx2<const ABREAST: usize>(pages: &[Page], sums: &mut [Checksum]) {
    x86::with_avx2(Checksums::<ABREAST> { pages, sums });
}

#[cfg(target_arch = "x86_64")]
pub(super) fn avx512<const ABREAST: usize>(pages: &[Page], sums: &mut [Checksum]) {
    x86::with_avx512(Checksums::<ABREAST> { pages, sums });
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub(super) mod x86 {
    use super::super::lanes::AVX512_LANES;
    use super::Lanewise;

    #[target_feature(enable = "avx2")]
    fn avx2_body<Work: Lanewise>(work: Work) -> Work::Output {
        work.run::<8>()
    }

    #[target_feature(enable = "avx512f")]
    fn avx512_body<Work: Lanewise>(work: Work) -> Work::Output {
        work.run::<AVX512_LANES>()
    }

    pub(in crate::verify) fn with_avx2<Work: Lanewise>(work: Work) -> Work::Output {
        assert!(is_x86_feature_detected!("avx2"), "kernel chosen without its instruction set");
        // SAFETY: the assertion on the line above proved that this CPU has AVX2.
        unsafe { avx2_body(work) }
    }

    pub(in crate::verify) fn with_avx512<Work: Lanewise>(work: Work) -> Work::Output {
        assert!(is_x86_feature_detected!("avx512f"), "kernel chosen without its instruction set");
        // SAFETY: the assertion on the line above proved that this CPU has AVX-512F.
        unsafe { avx512_body(work) }
    }
}
