//! One scan, one checkpoint: a second one would overwrite what the first has done, and go on from
//! counts that are not its own.

use super::stored;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A checkpoint that no other scan writes as long as this is kept.
pub struct Held {
    /// Locked; the system lets go of it however this process ends.
    _file: File,
    path: PathBuf,
}

impl Held {
    /// Holds the checkpoint at `path`; `WouldBlock` if another scan does.
    pub fn take(path: &Path) -> io::Result<Self> {
        let path = stored::lock_of(path);
        loop {
            let file = stored::opened_lock(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
                // Not every network file system has locks; there, nobody watches.
                Err(TryLockError::Error(_)) => return Ok(Self { _file: file, path }),
            }
            // Who held it before may have removed it between the two lines above.
            if is_still_there(&file, &path) {
                return Ok(Self { _file: file, path });
            }
        }
    }
}

#[cfg(unix)]
fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |found: fs::Metadata| (found.dev(), found.ino());
    let (ours, there) = (file.metadata().map(inode), fs::metadata(path).map(inode));
    ours.is_ok_and(|ours| there.is_ok_and(|there| ours == there))
}

/// An open file cannot be replaced there.
#[cfg(not(unix))]
fn is_still_there(_: &File, path: &Path) -> bool {
    path.exists()
}

impl Drop for Held {
    fn drop(&mut self) {
        // What is left of it, locked by nobody, is no hindrance.
        let _ = fs::remove_file(&self.path);
    }
}
