//! A [`ScrubReport`](crate::consolidate::report::ScrubReport) in, bytes out: one format per file
//! (docs/formats.md).
//!
//! File names and database names are untrusted text and pass through [`escape`] first.

pub mod csv;
pub mod diff;
pub mod escape;
pub mod file_names;
pub mod hgrm;
pub mod html;
pub mod json;
pub mod json_text;
pub mod jsonl;
pub mod mapfile;
mod moment;
pub mod page;
pub mod pages;
pub mod prometheus;
pub mod terminal;
pub mod tsql;
mod view;
