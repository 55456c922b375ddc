//! Pages in, verdict words out, on GPUs.

pub mod adapter;
pub mod host_memory;
pub mod pipeline;
pub mod word;
