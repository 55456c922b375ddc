//! Choosing how a file is read.

use super::PageSource;
use super::mmap::{self, Mapped, When};
use super::pread::Pread;
use std::io;
use std::path::Path;

/// The reader, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Mapped where the page cache holds the range already, positioned reads elsewhere.
    Auto,
    /// Mapped memory for everything.
    Mmap,
    /// Positioned reads for everything.
    Pread,
}

impl Reader {
    /// All readers.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Mmap, Self::Pread];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mmap => "mmap",
            Self::Pread => "pread",
        }
    }

    /// Why this reader cannot be had on this system, if it cannot.
    pub fn unavailable(self) -> Option<&'static str> {
        match self {
            Self::Mmap => mmap::unavailable(),
            Self::Auto | Self::Pread => None,
        }
    }

    /// Opens `path` for reading pages.
    pub fn open(self, path: &Path) -> io::Result<Box<dyn PageSource>> {
        let pread = Pread::open(path)?;
        let when = match self {
            Self::Pread => return Ok(Box::new(pread)),
            Self::Mmap => When::Always,
            Self::Auto => When::Cached,
        };
        Ok(match Mapped::over(pread, when) {
            Ok(mapped) => Box::new(mapped),
            Err(pread) => Box::new(pread),
        })
    }
}
