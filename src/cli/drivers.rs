//! Whether the drivers of GPUs can be loaded at all: tried in a process of its own, because a
//! driver that hangs or crashes takes its process with it, and a scan must not be that process.

use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A driver that takes longer does not answer; several GPUs at rest may take seconds each.
const PATIENCE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(5);

/// Looks for GPUs in another process.
///
/// # Errors
/// What became of it, if it did not come back as it should.
pub(super) fn answer() -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut looking = Command::new(program)
        .args(["devices", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        match looking.try_wait() {
            Ok(None) => std::thread::sleep(TICK),
            Ok(Some(status)) => return judged(status),
            Err(error) => return Err(error.to_string()),
        }
    }
    // It may be stuck in the kernel; then it ends when that lets go of it.
    let _ = looking.kill();
    Err(format!("it did not answer for {} s", PATIENCE.as_secs()))
}

fn judged(status: ExitStatus) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(format!("it ended with {status}")) }
}
