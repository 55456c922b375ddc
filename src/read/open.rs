//! Choosing how a file is read.

use super::PageSource;
use super::mmap::{self, Auto, Mapped};
use super::pread::Pread;
use super::uncached::Direct;
use std::io;
use std::path::Path;

/// The reader, by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Mapped where the page cache holds the range already, past the cache elsewhere.
    Auto,
    /// Mapped memory for everything.
    Mmap,
    /// Positioned reads for everything.
    Pread,
    /// Past the page cache for everything, many reads at a time.
    Direct,
}

impl Reader {
    /// All readers.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Mmap, Self::Pread, Self::Direct];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mmap => "mmap",
            Self::Pread => "pread",
            Self::Direct => "direct",
        }
    }

    /// Why this reader cannot be had on this system, if it cannot.
    pub fn unavailable(self) -> Option<&'static str> {
        match self {
            Self::Mmap => mmap::unavailable(),
            Self::Auto | Self::Pread | Self::Direct => None,
        }
    }

    /// Opens `path` for reading pages.
    pub fn open(self, path: &Path) -> io::Result<Box<dyn PageSource>> {
        let pread = Pread::open(path)?;
        Ok(match self {
            Self::Auto => Box::new(Auto::over(pread)),
            Self::Mmap => Box::new(Mapped::over(pread)),
            Self::Pread => Box::new(pread),
            Self::Direct => Box::new(Direct::over(pread)),
        })
    }
}
