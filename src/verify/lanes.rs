//! `N` words side by side: `std::simd` where the compiler has it, plain arrays elsewhere.

#[cfg(portable_simd)]
mod words {
    use std::simd::Simd;
    use std::simd::num::SimdUint;

    pub(in crate::verify) type Lanes<const N: usize> = Simd<u32, N>;

    #[inline(always)]
    pub(in crate::verify) fn load<const N: usize>(words: &[u32]) -> Lanes<N> {
        Simd::from_slice(words)
    }

    #[inline(always)]
    pub(in crate::verify) fn xor<const N: usize>(a: Lanes<N>, b: Lanes<N>) -> Lanes<N> {
        a ^ b
    }

    #[inline(always)]
    pub(in crate::verify) fn rotate_left_one<const N: usize>(a: Lanes<N>) -> Lanes<N> {
        (a << Simd::splat(1)) | (a >> Simd::splat(31))
    }

    #[inline(always)]
    pub(in crate::verify) fn fold<const N: usize>(a: Lanes<N>) -> u32 {
        a.reduce_xor()
    }

    #[inline(always)]
    pub(in crate::verify) fn zero<const N: usize>() -> Lanes<N> {
        Simd::splat(0)
    }
}

#[cfg(not(portable_simd))]
mod words {
    pub(in crate::verify) type Lanes<const N: usize> = [u32; N];

    #[inline(always)]
    pub(in crate::verify) fn load<const N: usize>(words: &[u32]) -> Lanes<N> {
        std::array::from_fn(|i| words[i])
    }

    #[inline(always)]
    pub(in crate::verify) fn xor<const N: usize>(a: Lanes<N>, b: Lanes<N>) -> Lanes<N> {
        std::array::from_fn(|i| a[i] ^ b[i])
    }

    #[inline(always)]
    pub(in crate::verify) fn rotate_left_one<const N: usize>(a: Lanes<N>) -> Lanes<N> {
        a.map(|word| word.rotate_left(1))
    }

    #[inline(always)]
    pub(in crate::verify) fn fold<const N: usize>(a: Lanes<N>) -> u32 {
        a.iter().fold(0, |sum, word| sum ^ word)
    }

    #[inline(always)]
    pub(in crate::verify) fn zero<const N: usize>() -> Lanes<N> {
        [0; N]
    }
}

pub(super) use words::{Lanes, fold, load, rotate_left_one, xor, zero};

/// Lanes for AVX-512: without `std::simd`, sixteen array lanes are compiled into code several
/// times slower than eight.
pub(super) const AVX512_LANES: usize = if cfg!(portable_simd) { 16 } else { 8 };
