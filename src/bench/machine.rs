//! What is known of the machine and of this process, where the system tells.

use super::report::Machine;

impl Machine {
    /// The machine this runs on.
    pub fn this() -> Self {
        Self {
            cpu: cpu_name().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            os: std::env::consts::OS.to_owned(),
        }
    }
}

fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Memory that can be had without swapping, in bytes.
pub(super) fn available_bytes() -> Option<u64> {
    meminfo("MemAvailable:")
}

/// The page cache of the whole system, in bytes.
pub(super) fn page_cache_bytes() -> Option<u64> {
    meminfo("Cached:")
}

fn meminfo(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib << 10)
}
