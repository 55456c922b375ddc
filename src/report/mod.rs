//! A [`ScrubReport`](crate::consolidate::report::ScrubReport) in, bytes out: one format per file.
//!
//! File names and database names are untrusted text and pass through [`escape`] first.

pub mod escape;
pub mod hgrm;
pub mod json;
pub mod terminal;
