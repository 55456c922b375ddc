//! What the system lets this process have (`ulimit`): better known before the start than met in the
//! middle, where a lack of memory ends a program without a word.

use super::exit::Failure;

/// Refuses work that needs `bytes` of memory more where the limits of this process leave less.
#[cfg(target_os = "linux")]
pub(crate) fn check(bytes: u64) -> Result<(), Failure> {
    use rustix::process::Resource;
    let Some([size, data]) = in_use() else { return Ok(()) };
    for (resource, used, option) in [(Resource::As, size, "-v"), (Resource::Data, data, "-d")] {
        let limit = rustix::process::getrlimit(resource).current;
        if let Some(limit) = limit.filter(|&limit| limit < used.saturating_add(bytes)) {
            let [limit, needed] = [limit, used.saturating_add(bytes)]
                .map(|n| bytesize::ByteSize(n).display().iec().to_string());
            return Err(Failure::work(format!(
                "this needs {needed} of memory and may have {limit} (ulimit {option}): raise the \
                 limit, or let a scan have less with --threads and --batch-size"
            )));
        }
    }
    Ok(())
}

/// Bytes of address space and of data that this process has already.
#[cfg(target_os = "linux")]
fn in_use() -> Option<[u64; 2]> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: Vec<u64> = statm.split_whitespace().flat_map(str::parse).collect();
    let bytes =
        |field: usize| Some(pages.get(field)?.saturating_mul(rustix::param::page_size() as u64));
    Some([bytes(0)?, bytes(5)?])
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "such limits are not known there")]
pub(crate) fn check(_: u64) -> Result<(), Failure> {
    Ok(())
}

/// Starts the threads that generating and measuring share; without them, the first use of them
/// would be a panic.
pub(crate) fn start_threads() -> Result<(), Failure> {
    let started = rayon::ThreadPoolBuilder::new().stack_size(STACK_BYTES).build_global();
    started.map_err(|error| Failure::work(format!("cannot start threads: {error} (ulimit -u, -v)")))
}

/// The stack of a thread, however small the one is that `ulimit -s` gives the first thread.
pub(crate) const STACK_BYTES: usize = 8 << 20;
