//! Whether the drivers of GPUs can be loaded and used at all: tried in a process of its own,
//! because a driver that hangs or crashes takes its process with it, and a scan must not be that
//! process.

use super::exit::Exit;
use super::options::GpuArgs;
use pagescrub::verify::gpu::select::self_test;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A driver that takes longer does not answer; several GPUs at rest may take seconds each.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the end of a process that was killed is waited for.
const FAREWELL: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(5);

/// Has the GPUs of `gpu` looked for, opened and tested in another process.
///
/// # Errors
/// What became of that process, if it did not end by itself.
pub(super) fn answer(gpu: &GpuArgs) -> Result<(), String> {
    let mut probe = Command::new(this_program()?)
        .args(["devices", "--probe"])
        .args(gpu.words())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(status) = end_of(&mut probe, PATIENCE)? {
        return judged(status);
    }
    // It may be stuck in the kernel; then it ends when that lets go of it.
    let _ = probe.kill();
    let _ = end_of(&mut probe, FAREWELL);
    Err(format!("it did not answer for {} s", PATIENCE.as_secs()))
}

/// What the other process does. It must not outlive this one.
pub(super) fn probe(gpu: &GpuArgs) {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    // What is found out here is found out again, and said, by who uses them.
    drop(self_test(&gpu.into()));
}

/// Also where the file has been replaced since.
fn this_program() -> Result<PathBuf, String> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe().map_err(|error| error.to_string())
}

fn end_of(process: &mut Child, patience: Duration) -> Result<Option<ExitStatus>, String> {
    let started = Instant::now();
    while started.elapsed() < patience {
        match process.try_wait() {
            Ok(None) => std::thread::sleep(TICK),
            ended => return ended.map_err(|error| error.to_string()),
        }
    }
    Ok(None)
}

/// A process that ended with one of our own exit codes has told of no driver's fault.
fn judged(status: ExitStatus) -> Result<(), String> {
    let is_ours = |code| (0..=Exit::Internal as i32).contains(&code);
    if status.code().is_some_and(is_ours) { Ok(()) } else { Err(format!("it ended with {status}")) }
}
