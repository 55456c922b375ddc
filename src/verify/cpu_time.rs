//! What work costs in CPU time.

/// CPU time that all threads of this process have used, in seconds.
#[cfg(unix)]
pub fn cpu_seconds() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u32::try_from(time.tv_sec).ok()?;
    Some(f64::from(seconds) + time.tv_nsec as f64 / 1e9)
}

/// CPU time is only asked for where it can be had without `unsafe`.
#[cfg(not(unix))]
pub fn cpu_seconds() -> Option<f64> {
    None
}
