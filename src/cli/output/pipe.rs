//! Pipes with names: opening one for writing waits until somebody reads it, and a signal must be
//! able to end that.

use crate::cli::say::say;
use crate::cli::stop;
use pagescrub::discover::paths;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);
/// How long a reader is waited for after the scan was stopped, and before the user is told.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens the pipe at `path` for writing, once somebody reads it.
///
/// # Errors
/// If nobody does and a signal comes, or has come.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let (began, was_stopped) = (Instant::now(), stop::is_asked_for());
    let mut is_told = false;
    loop {
        if let Some(file) = open_if_read(path)? {
            return Ok(file);
        }
        let is_late = began.elapsed() > PATIENCE;
        if stop::is_asked_for() && (is_late || !was_stopped) {
            return Err(io::Error::other("nobody reads this pipe"));
        }
        if is_late && !is_told {
            is_told = true;
            let path = paths::text(path);
            say(format!("nobody reads the pipe {path} yet: waiting; a signal ends that"));
        }
        thread::sleep(TICK);
    }
}

/// `None` if nobody reads it yet.
fn open_if_read(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    match File::options().write(true).custom_flags(flags).open(path) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            Ok(None)
        }
        opened => {
            let file = opened?;
            // Writing waits for the reader as usual.
            fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
            Ok(Some(file))
        }
    }
}
