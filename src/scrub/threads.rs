//! The threads of a scan.

/// The stack of each thread: no default, and no environment, makes it too small.
pub const THREAD_STACK_BYTES: usize = 2 << 20;

/// `threads` threads of a scan, or fewer where the system does not give so many.
pub(super) fn pool(threads: usize) -> Option<rayon::ThreadPool> {
    let threads = threads.max(1);
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.stack_size(THREAD_STACK_BYTES).build().ok()
    };
    (0..=threads.ilog2()).find_map(|halvings| of(threads >> halvings))
}

/// The same; where there is none to be had, the caller's own thread is the pool. Without one, work
/// that is shared out would start threads by itself, and panic over it.
pub(crate) fn pool_or_own_thread(threads: usize) -> Option<rayon::ThreadPool> {
    let own = || rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok();
    pool(threads).or_else(own)
}

/// Keeps this thread on `cpus`, which are some of its own, so that its buffers are in the memory
/// next to them. Where that is not allowed, it only reads more slowly.
#[cfg(target_os = "linux")]
pub(super) fn stay_on(cpus: &[usize]) {
    let mut set = rustix::thread::CpuSet::new();
    for &cpu in cpus {
        set.set(cpu);
    }
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn stay_on(_: &[usize]) {}
