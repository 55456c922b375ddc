//! The engine table: every kernel with its name and whether this machine can run it. The best is
//! chosen by default; each can be forced by name, and `cycle` rotates through all of them.

use super::kernel;
use crate::page::Page;
use crate::page::checksum::Checksum;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One way to compute checksums.
pub struct Kernel {
    /// The name on the command line and in reports.
    pub name: &'static str,
    is_supported: fn() -> bool,
    checksums: fn(&[Page], &mut [Checksum]),
}

/// Slowest first, so that the last supported one is the default.
static KERNELS: &[Kernel] = &[
    Kernel { name: "scalar", is_supported: || true, checksums: kernel::scalar },
    #[cfg(target_arch = "aarch64")]
    Kernel { name: "neon", is_supported: || true, checksums: kernel::four_lanes },
    #[cfg(target_arch = "x86_64")]
    Kernel { name: "sse2", is_supported: || true, checksums: kernel::four_lanes },
    #[cfg(target_arch = "x86_64")]
    Kernel {
        name: "avx2",
        is_supported: || is_x86_feature_detected!("avx2"),
        checksums: kernel::avx2,
    },
    #[cfg(target_arch = "x86_64")]
    Kernel {
        name: "avx512",
        is_supported: || is_x86_feature_detected!("avx512f"),
        checksums: kernel::avx512,
    },
];

/// The kernels this machine can run, slowest first.
pub fn supported() -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter().filter(|kernel| (kernel.is_supported)())
}

/// What computes the checksums of a scan.
pub enum Engine {
    /// One kernel for every batch.
    Fixed(&'static Kernel),
    /// Another kernel for each batch, in turn.
    Cycle {
        /// The supported kernels.
        kernels: Vec<&'static Kernel>,
        /// Batches so far.
        turn: AtomicUsize,
    },
}

/// Why an engine cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub struct NoSuchEngine {
    asked: String,
}

impl Engine {
    /// The engine called `name`: `auto`, `cpu`, `cycle` or a kernel's name.
    pub fn named(name: &str) -> Result<Self, NoSuchEngine> {
        match name {
            "auto" | "cpu" => supported().last().map(Self::Fixed),
            "cycle" => {
                Some(Self::Cycle { kernels: supported().collect(), turn: AtomicUsize::new(0) })
            }
            other => supported().find(|kernel| kernel.name == other).map(Self::Fixed),
        }
        .ok_or_else(|| NoSuchEngine { asked: name.to_owned() })
    }

    /// Names of the kernels in use.
    pub fn kernel_names(&self) -> Vec<&'static str> {
        match self {
            Self::Fixed(kernel) => vec![kernel.name],
            Self::Cycle { kernels, .. } => kernels.iter().map(|kernel| kernel.name).collect(),
        }
    }

    /// The checksum of each of `pages` into `sums` (same length), equal to the plain reference
    /// for every input.
    pub fn checksums(&self, pages: &[Page], sums: &mut [Checksum]) {
        let kernel = match self {
            Self::Fixed(kernel) => kernel,
            Self::Cycle { kernels, turn } => {
                kernels[turn.fetch_add(1, Ordering::Relaxed) % kernels.len()]
            }
        };
        (kernel.checksums)(pages, sums);
    }
}

impl std::fmt::Display for NoSuchEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = supported().map(|kernel| kernel.name).collect();
        write!(
            f,
            "engine '{}' is not available here; this machine has: auto, cpu, cycle, {}",
            self.asked,
            names.join(", ")
        )
    }
}

impl std::error::Error for NoSuchEngine {}
