//! Verdicts in, one [`report::ScrubReport`] out.
//!
//! The tally must add up to what was planned, suspects are ranked by what their loss means, and
//! neighbours are told as one incident. The same verdicts in any order give the same report.

pub mod tally;
pub mod throughput;
pub mod clean_copy;
pub mod findings;
pub mod file_facts;
pub mod transient;
pub mod message;
pub mod backup;
pub mod weights;
pub mod report;
pub mod verified;
pub mod gaps;
pub mod harm;
pub mod recovery;
pub mod database;
pub mod verdict;
pub mod incident;
pub mod pattern;
pub mod score;
pub mod rank;
pub mod advice;
pub mod conclude;
pub mod contradiction;
mod other_hosts;
pub mod merge;
pub mod only;
