//! Why a scan does not go on from a checkpoint, in words.

use crate::discover::paths;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a scan cannot go on from a checkpoint.
#[derive(Debug)]
pub struct Refused {
    pub(super) path: PathBuf,
    pub(super) why: Why,
}

#[derive(Debug)]
pub(super) enum Why {
    Unreadable(io::Error),
    Foreign,
    OtherVersion(String),
    Damaged(String),
    OtherFiles(String),
}

pub(super) fn damaged(what: impl Into<String>) -> Why {
    Why::Damaged(what.into())
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = paths::text(&self.path);
        write!(f, "cannot go on from {path}: ")?;
        match &self.why {
            Why::Unreadable(error) => return write!(f, "it cannot be read: {error}"),
            Why::Foreign => return f.write_str("it is no checkpoint; give the file another name"),
            Why::OtherVersion(by) => {
                let this = env!("CARGO_PKG_VERSION");
                write!(f, "{by} wrote it and this is {this}; go on with that version")
            }
            Why::Damaged(what) => write!(f, "it is damaged ({what})"),
            Why::OtherFiles(what) => {
                write!(f, "it belongs to a scan of other files: {what}; give the same paths")
            }
        }?;
        let or = if matches!(self.why, Why::OtherVersion(_) | Why::OtherFiles(_)) {
            ", or"
        } else {
            ";"
        };
        write!(f, "{or} delete {path} to start anew")
    }
}
