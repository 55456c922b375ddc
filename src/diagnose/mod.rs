//! Checksums, headers and allocation in, verdicts out.
//!
//! A page is judged in two steps: [`judge`] looks once, fast, at every page; [`confirm`] reads
//! each page that looked bad again, past the cache, and judges it by the plain reference.

pub mod allocation;
pub mod cause;
pub mod confirm;
pub mod evidence;
pub mod judge;
pub mod shift;
pub mod verdict;
