//! GPUs that fail, lie or fall silent: the report is right all the same, and says so.

#![cfg(feature = "gpu")]
#![allow(clippy::expect_used, reason = "a test that cannot go on must fail")]

mod harness;

use harness::gpu::{Damaged, adapters, found, started};
use pagescrub::scrub::{Progress, Silent};
use pagescrub::verify::gpu::adapter::facts::Upload;
use pagescrub::verify::gpu::pipeline::Shader;
use pagescrub::verify::gpu::pool::Share;
use pagescrub::verify::gpu::worker::Drill;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SHARES: [Share; 2] = [Share::Gpu, Share::Hybrid];

/// The portable shader with `part` replaced.
fn changed(part: &str, by: &str) -> Shader {
    let source = Shader::Portable.source();
    assert_eq!(source.matches(part).count(), 1, "{part} is in the shader");
    Shader::Custom(source.replace(part, by).into())
}

fn with_shader(shader: Shader) -> Drill {
    Drill { shader: Some(shader), slot_jobs: Some(4), ..Drill::default() }
}

/// Nothing is lost, nothing is blamed on this machine, and the report tells of it.
fn assert_survives(drill: &Drill, error: &str) {
    let file = Damaged::new();
    let expected = file.by_cpu();
    assert_eq!(expected.coverage.suspect, 400);
    for share in SHARES {
        let selected = started(share, drill.clone());
        assert!(selected.gpus.is_some(), "{:?}", selected.notes);
        let report = file.scan(Some(&selected), &Silent);
        assert_eq!(found(&report), found(&expected), "{share:?}");
        assert_eq!((report.exit_code, report.host_findings.len()), (1, 0));
        let gpu = &report.run.gpus[0];
        assert!(gpu.errors.get(error).is_some_and(|&count| count > 0), "{share:?} {gpu:?}");
        let why = gpu.retired.as_ref().expect("it is given up");
        assert!(report.run.notes.iter().any(|note| note.contains(why)), "{:?}", report.run.notes);
    }
}

/// It is found out, all it said is looked at again, and the report names it.
fn assert_is_found_out(shader: &Shader) {
    let file = Damaged::new();
    let expected = file.by_cpu();
    for share in SHARES {
        let selected = started(share, with_shader(shader.clone()));
        let report = file.scan(Some(&selected), &Silent);
        assert_eq!(found(&report), found(&expected), "{share:?}");
        assert_eq!(report.exit_code, 4);
        let [finding] = &report.host_findings[..] else { panic!("{:?}", report.host_findings) };
        let gpu = &report.run.gpus[0];
        assert!(finding.contains(&gpu.identity.name), "{finding}");
        assert_eq!(gpu.retired.as_ref(), Some(finding));
    }
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_device_that_is_lost_in_mid_scan_costs_nothing() {
    for lost_after in [1, 5] {
        let ways = adapters()[0].facts.uploads();
        for upload in ways {
            let drill = Drill {
                lost_after: Some(lost_after),
                upload: Some(upload),
                slot_jobs: Some(4),
                ..Drill::default()
            };
            assert_survives(&drill, "lost");
        }
    }
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_shader_that_writes_nothing_is_noticed() {
    let write = "words[index * GROUP_PAGES + page] = vec2(whole.x, bits);";
    assert_survives(&with_shader(changed(write, "")), "silent");
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn words_of_another_submission_do_not_count() {
    let nonce = "| (group.pages_and_nonce & NONCE);";
    assert_survives(&with_shader(changed(nonce, "| 0xffff0000u;")), "silent");
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_page_that_is_left_out_is_noticed() {
    let guard = "thread % LANES != STORED_LANE || !is_in(group, page)";
    let shader = changed(guard, &format!("{guard} || group.page_id + page == 1999u"));
    let drill = with_shader(shader);
    let file = Damaged::new();
    let selected = started(Share::Gpu, drill);
    let report = file.scan(Some(&selected), &Silent);
    assert_eq!(found(&report), found(&file.by_cpu()));
    let gpu = &report.run.gpus[0];
    assert_eq!((gpu.errors.get("silent"), &gpu.retired), (Some(&1), &None), "once is not enough");
    assert!(gpu.pages > 2000, "{gpu:?}");
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_device_that_takes_too_long_is_given_up() {
    let spin = "var turns = 0u; while turns < 40000000u { turns += 1u + (thread >> 20u); }
        if turns == 7u { return; }
        let page = thread / LANES;
    if thread";
    let shader = changed("let page = thread / LANES;\n    if thread", spin);
    let drill = Drill { timeout: Some(Duration::from_millis(50)), ..with_shader(shader) };
    assert_survives(&drill, "timed_out");
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn bad_news_that_are_wrong_are_found_out() {
    let mismatch = "select(0u, MISMATCH, whole.x != stored)";
    assert_is_found_out(&changed(mismatch, "select(0u, MISMATCH, group.page_id > 2000u)"));
}

/// Only the sample can tell.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn good_news_that_are_wrong_are_found_out_by_the_sample() {
    let mismatch = "select(0u, MISMATCH, whole.x != stored)";
    let only_early = "select(0u, MISMATCH, whole.x != stored && group.page_id < 1000u)";
    assert_is_found_out(&changed(mismatch, only_early));
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_wrong_checksum_is_found_out() {
    assert_is_found_out(&changed("sum = ((sum << 1u)", "sum = ((sum << 2u)"));
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_shader_that_the_driver_refuses_leaves_the_work_to_the_cpu() {
    let file = Damaged::new();
    let selected = started(Share::Gpu, with_shader(Shader::Custom("fn main( {".into())));
    assert!(selected.gpus.is_none());
    let report = file.scan(Some(&selected), &Silent);
    assert_eq!(found(&report), found(&file.by_cpu()));
    assert_eq!(report.exit_code, 1);
    assert!(report.run.notes.iter().any(|note| note.contains("is not used")));
}

/// What a scan sees of a progress bar.
#[derive(Default)]
struct Counter {
    begun: AtomicU64,
    bytes: AtomicU64,
}

impl Progress for Counter {
    fn begin(&self, _: u64) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    fn suspects(&self, _: u64) {}
    fn end(&self) {}
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn what_a_liar_said_is_scanned_again_from_the_beginning() {
    let file = Damaged::new();
    let shader = changed("sum = ((sum << 1u)", "sum = ((sum << 2u)");
    let selected = started(Share::Gpu, with_shader(shader));
    let counter = Counter::default();
    file.scan(Some(&selected), &counter);
    assert_eq!(counter.begun.into_inner(), 2);
    assert_eq!(counter.bytes.into_inner(), 40 << 20);
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn every_upload_was_tried() {
    let ways = adapters()[0].facts.uploads();
    assert!(ways.contains(&Upload::Copy), "{ways:?}");
}
