//! Pages in, checksums out, on GPUs.
//!
//! Who reads hands over a buffer of pages ([`job::Job`]) and gets it back with a checksum for each
//! page, or with the reason for which there is none; then the CPU looks at the same bytes. One
//! thread owns each device. It gathers buffers into submissions, of which a few are in flight, and
//! no other thread ever touches memory that a driver has mapped: losing a device takes that away.

#[cfg(feature = "gpu")]
pub mod adapter;
pub mod calibration;
#[cfg(feature = "gpu")]
mod device;
#[cfg(feature = "gpu")]
pub mod host_memory;
pub mod job;
#[cfg(feature = "gpu")]
pub mod pipeline;
#[cfg_attr(not(feature = "gpu"), allow(dead_code, reason = "nobody makes a GPU"))]
pub mod pool;
#[cfg(feature = "gpu")]
pub mod select;
#[cfg(feature = "gpu")]
mod slot;
pub mod upload;
#[cfg(feature = "gpu")]
pub mod ways;
#[cfg(feature = "gpu")]
pub mod word;
#[cfg(feature = "gpu")]
pub mod worker;
#[cfg(feature = "gpu")]
pub mod yardstick;

/// Buffers of one submission: 16 MiB, which takes a bus well over 100 µs, so that a submission
/// costs little, and is the least that an adapter which is of use takes in a binding.
pub const SLOT_JOBS: usize = 32;
/// Submissions in flight at a time.
const SLOTS: usize = 8;
/// Buffers at a GPU that has enough to do.
const BUSY_JOBS: usize = SLOTS * SLOT_JOBS;
