//! What a scan passed over in directories: files that are no database files, files that may hold
//! some and cannot be looked into, and files that the user did not want.

use serde::{Deserialize, Serialize};

/// Paths listed at most.
pub const SKIPPED_LISTED_MAX: usize = 1000;

/// Files that are no database files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub paths: Vec<String>,
}

/// Files that may hold databases and cannot be looked into: archives, encrypted files, disks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotLookedInto {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub files: Vec<Closed>,
}

/// A file that may hold databases and cannot be looked into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// As found.
    pub path: String,
    /// What it is, in words.
    pub what: String,
}
