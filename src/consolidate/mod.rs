//! Verdicts in, one [`report::ScrubReport`] out.
//!
//! The tally must add up to what was planned, suspects are ranked by what their loss means, and
//! neighbours are told as one incident. The same verdicts in any order give the same report.

// What is counted and found, and what is said of it.
pub mod tally;
pub mod throughput;
pub mod clean_copy;
pub mod findings;
pub mod file_facts;
pub mod transient;
pub mod message;
pub mod backup;
pub mod weights;
// The report, which all below fill in or read.
pub mod report;
// What became of files, backups and databases, and how they come back.
pub mod verified;
pub mod gaps;
pub mod harm;
pub mod recovery;
pub mod database;
pub mod verdict;
// What the findings prove together, how urgent each is, and what to do.
pub mod incident;
pub mod pattern;
pub mod score;
pub mod rank;
pub mod advice;
pub mod conclude;
// Reports that are read again, joined, or cut down.
pub mod contradiction;
mod other_hosts;
pub mod merge;
pub mod only;
