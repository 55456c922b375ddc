//! Verdicts in, one [`report::ScrubReport`] out.
//!
//! The tally must add up to what was planned, suspects are ranked by what their loss means, and
//! neighbours are told as one incident. The same verdicts in any order give the same report.

pub mod advice;
pub mod backup;
pub mod clean_copy;
pub mod conclude;
pub mod contradiction;
pub mod database;
pub mod gaps;
pub mod harm;
pub mod incident;
pub mod merge;
pub mod message;
pub mod only;
pub mod pattern;
pub mod rank;
pub mod recovery;
pub mod report;
pub mod score;
pub mod shift;
pub mod tally;
pub mod throughput;
pub mod transient;
pub mod verdict;
pub mod verified;
pub mod weights;
