//! Verdicts in, one [`report::ScrubReport`] out.
//!
//! The tally must add up to what was planned, suspects are ranked by what their loss means, and
//! neighbours are told as one incident. The same verdicts in any order give the same report.

pub mod advice;
pub mod conclude;
pub mod incident;
mod message;
pub mod rank;
pub mod recovery;
pub mod report;
pub mod tally;
pub mod throughput;
