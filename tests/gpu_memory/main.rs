//! A GPU that does not get the memory it wants. Alone in its process, whose memory it limits.

#![cfg(all(feature = "gpu", target_os = "linux"))]
#![allow(clippy::expect_used, reason = "a test that cannot go on must fail")]
#![allow(unreachable_pub, reason = "nothing is public here but to the tests beside it")]

#[allow(dead_code, reason = "only a part of it is needed here")]
#[path = "../it/harness/mod.rs"]
mod harness;

use harness::gpu::{Damaged, adapters, found, started};
use pagescrub::scrub::Silent;
use pagescrub::verify::gpu::pool::Share;
use pagescrub::verify::gpu::upload::Upload;
use pagescrub::verify::gpu::worker::Drill;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Jobs of a submission that takes 128 MiB on the device, and as much for its way there; several
/// are made.
const TOO_MANY_JOBS: usize = 256;

fn address_space_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: u64 = statm.split(' ').next().expect("a number").parse().expect("a number");
    pages * 4096
}

/// Runs `work` with `bytes` more memory at most than this process has now.
fn with_no_more_than<T>(bytes: u64, work: impl FnOnce() -> T) -> T {
    let before = getrlimit(Resource::As);
    let limit = Rlimit { current: Some(address_space_bytes() + bytes), ..before };
    setrlimit(Resource::As, limit).expect("less is allowed");
    let done = work();
    setrlimit(Resource::As, before).expect("as before");
    done
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_gpu_without_memory_takes_less_or_leaves_the_work_to_the_cpu() {
    let file = Damaged::new();
    let expected = file.by_cpu();
    assert!(!adapters().is_empty(), "the driver is loaded before memory is short");
    let drill = Drill {
        uploads: Some(vec![Upload::Copy]),
        slot_jobs: Some(TOO_MANY_JOBS),
        ..Drill::default()
    };
    for more_mib in [900, 300, 60] {
        let selected = with_no_more_than(more_mib << 20, || started(Share::Gpu, drill.clone()));
        let has_gpu = selected.gpus.is_some();
        // Half of what it would take is enough.
        assert!(has_gpu || more_mib < 900, "{:?}", selected.notes);
        assert!(!has_gpu || more_mib > 60, "less than the memory that it shares with readers");
        let report = file.scan(Some(&selected), &Silent);
        assert_eq!(found(&report), found(&expected), "{more_mib} MiB");
        assert_eq!(report.exit_code, 1);
        let is_told = report.run.notes.iter().any(|note| note.contains("memory"));
        assert_eq!(is_told, !has_gpu, "{:?}", report.run.notes);
    }
}
