//! The engine table: every kernel with its name and whether this machine can run it. The best is
//! chosen by default; each can be forced by name, and `cycle` rotates through all of them.

use super::kernel;
use super::order::PageOrder;
use super::yardstick::{self, AccessOrder};
use crate::page::checksum::Checksum;
use crate::page::{EXTENT_PAGES, Page};
use std::sync::atomic::{AtomicUsize, Ordering};

const ABREAST: usize = EXTENT_PAGES as usize;

type Checksums = fn(&[Page], &mut [Checksum]);

/// One way to compute checksums.
pub struct Kernel {
    /// The name on the command line and in reports.
    pub name: &'static str,
    is_supported: fn() -> bool,
    linear: Checksums,
    extent_abreast: Checksums,
    read_only: fn(&[Page], AccessOrder) -> u32,
}

impl Kernel {
    /// True if this machine can run it.
    pub fn is_supported(&self) -> bool {
        (self.is_supported)()
    }

    /// The yardstick: reads `pages` in `order` with this kernel's instruction set and does nothing
    /// with them. Returns the XOR of all words, so that no read can be left out.
    pub fn read_only(&self, pages: &[Page], order: AccessOrder) -> u32 {
        (self.read_only)(pages, order)
    }
}

/// Narrow registers first; the last supported one is the default unless `best` knows better.
static KERNELS: &[Kernel] = &[
    Kernel {
        name: "scalar",
        is_supported: || true,
        linear: kernel::scalar::<1>,
        extent_abreast: kernel::scalar::<ABREAST>,
        read_only: yardstick::plain,
    },
    #[cfg(target_arch = "aarch64")]
    Kernel {
        name: "neon",
        is_supported: || true,
        linear: kernel::four_lanes::<1>,
        extent_abreast: kernel::four_lanes::<ABREAST>,
        read_only: yardstick::four_lanes,
    },
    #[cfg(target_arch = "x86_64")]
    Kernel {
        name: "sse2",
        is_supported: || true,
        linear: kernel::four_lanes::<1>,
        extent_abreast: kernel::four_lanes::<ABREAST>,
        read_only: yardstick::four_lanes,
    },
    #[cfg(target_arch = "x86_64")]
    Kernel {
        name: "avx2",
        is_supported: || is_x86_feature_detected!("avx2"),
        linear: kernel::avx2::<1>,
        extent_abreast: kernel::avx2::<ABREAST>,
        read_only: yardstick::avx2,
    },
    #[cfg(target_arch = "x86_64")]
    Kernel {
        name: "avx512",
        is_supported: || is_x86_feature_detected!("avx512f"),
        linear: kernel::avx512::<1>,
        extent_abreast: kernel::avx512::<ABREAST>,
        read_only: yardstick::avx512,
    },
];

/// The kernels of this build, narrow registers first.
pub fn all() -> &'static [Kernel] {
    KERNELS
}

/// Those of them that this machine can run.
pub fn supported() -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter().filter(|kernel| kernel.is_supported())
}

/// The kernel to use unless another is asked for. Where pages are read one after another, memory
/// is the limit and 512-bit registers only cost: AVX2 is 4 to 7 % faster there.
fn best(order: PageOrder) -> Option<&'static Kernel> {
    let avx2 = supported().find(|kernel| kernel.name == "avx2");
    avx2.filter(|_| order == PageOrder::Linear).or_else(|| supported().last())
}

/// What computes the checksums of a scan.
pub struct Engine {
    /// One or, for `cycle`, all: every batch takes the next.
    kernels: Vec<(&'static Kernel, PageOrder)>,
    batches: AtomicUsize,
}

/// Why an engine cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub struct NoSuchEngine {
    asked: String,
}

impl Engine {
    /// The engine called `name`: `auto`, `cpu`, `cycle` or a kernel's name.
    pub fn named(name: &str) -> Result<Self, NoSuchEngine> {
        let best_order = PageOrder::of_this_cpu();
        let kernels: Vec<_> = match name {
            "auto" | "cpu" => {
                best(best_order).map(|kernel| (kernel, best_order)).into_iter().collect()
            }
            "cycle" => {
                supported().flat_map(|kernel| PageOrder::ALL.map(|order| (kernel, order))).collect()
            }
            other => supported()
                .filter(|kernel| kernel.name == other)
                .map(|kernel| (kernel, best_order))
                .collect(),
        };
        if kernels.is_empty() {
            return Err(NoSuchEngine { asked: name.to_owned() });
        }
        Ok(Self { kernels, batches: AtomicUsize::new(0) })
    }

    /// `kernel` with its pages read in `order`.
    pub fn with_order(kernel: &'static Kernel, order: PageOrder) -> Self {
        Self { kernels: vec![(kernel, order)], batches: AtomicUsize::new(0) }
    }

    /// Names of the kernels in use.
    pub fn kernel_names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.kernels.iter().map(|(kernel, _)| kernel.name).collect();
        names.dedup();
        names
    }

    /// The checksum of each of `pages` into `sums` (same length), equal to the plain reference
    /// for every input.
    pub fn checksums(&self, pages: &[Page], sums: &mut [Checksum]) {
        let (kernel, order) = if let [only] = self.kernels[..] {
            // Without the counter, for which the threads would fight at every piece.
            only
        } else {
            let batch = self.batches.fetch_add(1, Ordering::Relaxed);
            self.kernels[batch % self.kernels.len()]
        };
        match order {
            PageOrder::Linear => (kernel.linear)(pages, sums),
            PageOrder::ExtentAbreast => (kernel.extent_abreast)(pages, sums),
        }
    }
}

impl std::fmt::Display for NoSuchEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = supported().map(|kernel| kernel.name).collect();
        write!(
            f,
            "engine '{}' is not available here; this machine has: auto, cpu, {}cycle, {}",
            self.asked,
            if cfg!(feature = "gpu") { "gpu, hybrid, " } else { "" },
            names.join(", ")
        )
    }
}

impl std::error::Error for NoSuchEngine {}

#[cfg(test)]
mod tests;
