//! Pages in, checksums out, as fast as memory delivers them.
//!
//! Every kernel equals [`crate::page::checksum::Checksum::of`] bit for bit; what a checksum means
//! is decided in `diagnose`.

pub mod cpu_time;
pub mod engine;
pub mod gpu;
mod kernel;
mod lanes;
pub mod order;
pub mod yardstick;
