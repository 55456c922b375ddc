//! The yardstick of the kernels: memory that is read and not used, with the same instruction sets
//! and in several orders. No kernel can be faster than the fastest of these, but for noise.

use super::kernel::{Lanewise, sector_xor};
use super::lanes::{Lanes, fold, xor, zero};
use crate::page::checksum::SECTOR_WORDS;
use crate::page::{EXTENT_PAGES, PAGE_SECTORS, Page};

/// In which order a buffer is read, one sector of 512 bytes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessOrder {
    /// From beginning to end.
    Linear,
    /// Eight parts of the buffer in turn.
    Streams8,
    /// Sixteen parts of the buffer in turn.
    Streams16,
    /// The eight pages of an extent in turn.
    PagesAbreast,
}

impl AccessOrder {
    /// All orders.
    pub const ALL: [Self; 4] = [Self::Linear, Self::Streams8, Self::Streams16, Self::PagesAbreast];

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Streams8 => "8 streams",
            Self::Streams16 => "16 streams",
            Self::PagesAbreast => "8 pages abreast",
        }
    }
}

/// Takes sectors in. A trait, because a closure cannot be told on stable compilers to be inlined.
trait Sink {
    /// Must be inlined, as in [`Lanewise`].
    fn take(&mut self, sector: &Sector);
}

/// What a C programmer would write: one sum, and the compiler's registers.
struct Plain(u32);

impl Sink for Plain {
    #[inline(always)]
    fn take(&mut self, sector: &Sector) {
        self.0 ^= sector.iter().fold(0, |sum, word| sum ^ word);
    }
}

struct Sums<const N: usize>(Lanes<N>);

impl<const N: usize> Sink for Sums<N> {
    #[inline(always)]
    fn take(&mut self, sector: &Sector) {
        // As the kernels do it: the compiler unrolls this, and an XOR a cycle outruns memory.
        self.0 = xor(self.0, sector_xor(sector));
    }
}

pub(super) fn plain(pages: &[Page], order: AccessOrder) -> u32 {
    let mut sum = Plain(0);
    in_order(pages, order, &mut sum);
    sum.0
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn four_lanes(pages: &[Page], order: AccessOrder) -> u32 {
    Read { pages, order }.run::<4>()
}

#[cfg(target_arch = "x86_64")]
pub(super) fn avx2(pages: &[Page], order: AccessOrder) -> u32 {
    super::kernel::x86::with_avx2(Read { pages, order })
}

#[cfg(target_arch = "x86_64")]
pub(super) fn avx512(pages: &[Page], order: AccessOrder) -> u32 {
    super::kernel::x86::with_avx512(Read { pages, order })
}

struct Read<'a> {
    pages: &'a [Page],
    order: AccessOrder,
}

impl Lanewise for Read<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<const N: usize>(self) -> u32 {
        let mut sums = Sums(zero::<N>());
        in_order(self.pages, self.order, &mut sums);
        fold(sums.0)
    }
}

type Sector = [u32; SECTOR_WORDS];

/// Shows every sector of `pages` once.
#[inline(always)]
fn in_order(pages: &[Page], order: AccessOrder, sink: &mut impl Sink) {
    let mut rest: &[Sector] = bytemuck::cast_slice(pages);
    match order {
        AccessOrder::Linear => {}
        AccessOrder::Streams8 => rest = streams(rest, 8, sink),
        AccessOrder::Streams16 => rest = streams(rest, 16, sink),
        AccessOrder::PagesAbreast => rest = abreast(rest, sink),
    }
    for sector in rest {
        sink.take(sector);
    }
}

/// Shows `count` parts in turn and returns what is left over. A part has an odd number of sectors,
/// so that the streams do not meet in the same sets of the cache.
#[inline(always)]
fn streams<'a>(sectors: &'a [Sector], count: usize, sink: &mut impl Sink) -> &'a [Sector] {
    let Some(odd) = (sectors.len() / count).checked_sub(1).map(|n| n | 1) else { return sectors };
    let (parts, rest) = sectors.split_at(odd * count);
    for i in 0..odd {
        for stream in 0..count {
            sink.take(&parts[stream * odd + i]);
        }
    }
    rest
}

/// Shows the pages of each extent sector by sector and returns what is left over.
#[inline(always)]
fn abreast<'a>(sectors: &'a [Sector], sink: &mut impl Sink) -> &'a [Sector] {
    const EXTENT_SECTORS: usize = EXTENT_PAGES as usize * PAGE_SECTORS;
    let (extents, rest) = sectors.as_chunks::<EXTENT_SECTORS>();
    for extent in extents {
        for i in 0..PAGE_SECTORS {
            for page in 0..EXTENT_PAGES as usize {
                sink.take(&extent[page * PAGE_SECTORS + i]);
            }
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::engine::supported;

    #[test]
    fn every_order_reads_every_word_once() {
        for count in [0, 1, 7, 8, 9, 16, 31, 64] {
            let page =
                |i: usize| Page::new(&std::array::from_fn(|b| (b * b + 31 * i + b / 7) as u8));
            let pages: Vec<Page> = (0..count).map(page).collect();
            let all = pages.iter().flat_map(Page::words).fold(0, |sum, word| sum ^ word);
            for kernel in supported() {
                for order in AccessOrder::ALL {
                    let read = kernel.read_only(&pages, order);
                    assert_eq!(read, all, "{} {order:?}, {count} pages", kernel.name);
                }
            }
        }
    }
}
