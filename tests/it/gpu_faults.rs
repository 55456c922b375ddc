//! GPUs that fail, lie or fall silent: the report is right all the same, and says so.

#![cfg(feature = "gpu")]

use crate::harness::gpu::{
    Damaged, PAGE_ID, STORED, adapters, changed, found, slow, started, started_with,
};
use crate::harness::stopped::{How, part};
use pagescrub::read::arena::Arena;
use pagescrub::read::open::Reader;
use pagescrub::scrub::{Progress, Silent};
use pagescrub::verify::engine::Engine;
use pagescrub::verify::gpu::adapter::Wish;
use pagescrub::verify::gpu::calibration;
use pagescrub::verify::gpu::pipeline::Shader;
use pagescrub::verify::gpu::pool::{Gpus, Share};
use pagescrub::verify::gpu::select::{Selected, Terms, auto};
use pagescrub::verify::gpu::worker::{Drill, start};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of the good news, none but the first is checked.
const NEVER: u32 = u32::MAX;
const SHARES: [Share; 2] = [Share::Gpu, Share::Hybrid];

/// One that says `sum`, an expression of WGSL, instead of the checksum `sum`.
fn saying(sum: &str) -> Shader {
    changed("vec2(sum, mark(group))", &format!("vec2({sum}, mark(group))"))
}

/// One that turns sums too far.
fn wrong() -> Shader {
    changed("sum = ((sum << 1u)", "sum = ((sum << 2u)")
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
fn assert_is_found_out(shader: &Shader, check_one_in: u32) {
    let file = Damaged::new();
    let expected = file.by_cpu();
    for share in SHARES {
        let selected = started_with(share, 2, check_one_in, with_shader(shader.clone()));
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
                uploads: Some(vec![upload]),
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
    let write = "words[index * GROUP_PAGES + page] = vec2(sum, mark(group));";
    assert_survives(&with_shader(changed(write, "")), "silent");
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn words_of_another_submission_do_not_count() {
    let nonce = "DONE | (group.pages_and_nonce & NONCE)";
    assert_survives(&with_shader(changed(nonce, "DONE | 0xffff0000u")), "silent");
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_page_that_is_left_out_is_noticed() {
    let guard = "thread % LANES != 0u || !is_in(group, page)";
    let shader = changed(guard, &format!("{guard} || {PAGE_ID} == 1999u"));
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
    let drill = Drill { timeout: Some(Duration::from_millis(5)), ..with_shader(slow(20_000)) };
    assert_survives(&drill, "timed_out");
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn bad_news_that_are_wrong_are_found_out() {
    assert_is_found_out(&saying(&format!("select(sum, sum ^ 1u, {PAGE_ID} > 2000u)")), NEVER);
}

/// All of the first pages are checked.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn good_news_that_are_wrong_are_found_out_at_the_first_page() {
    assert_is_found_out(&saying(STORED), NEVER);
}

/// One that begins to lie later is found out by the sample.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_lie_without_contradiction_is_found_out_by_the_sample() {
    assert_is_found_out(&saying(&format!("select(sum, {STORED}, {PAGE_ID} >= 1000u)")), 10);
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_wrong_checksum_is_found_out() {
    assert_is_found_out(&wrong(), NEVER);
    // Also where it begins to be wrong only later.
    assert_is_found_out(&saying(&format!("select(sum, 0u, {PAGE_ID} / 8u == 375u)")), NEVER);
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
    let selected = started(Share::Gpu, with_shader(wrong()));
    let counter = Counter::default();
    file.scan(Some(&selected), &counter);
    assert_eq!(counter.begun.into_inner(), 2);
    assert_eq!(counter.bytes.into_inner(), 40 << 20);
}

/// One adapter, opened twice, stands for two.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn of_two_gpus_one_may_fail_or_lie() {
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    let adapter = &adapters()[0];
    let small = Drill { slot_jobs: Some(4), ..Drill::default() };
    let lost = Drill { lost_after: Some(2), ..small.clone() };
    let liar = with_shader(wrong());
    for (first, exit_code) in [(&small, 1), (&lost, 1), (&liar, 4)] {
        let arena = Arena::new(64).expect("memory");
        let gpus = [first, &small].into_iter().enumerate();
        let gpus = gpus.map(|(i, drill)| start(adapter, i, &arena, drill).expect("it starts"));
        let gpus = Gpus::new(Arc::clone(&arena), gpus.collect(), Share::Gpu, 10);
        let selected = Selected { gpus: Some(gpus), ..Selected::default() };
        let report = file.scan(Some(&selected), &Silent);
        assert_eq!(found(&report), expected);
        assert_eq!(report.exit_code, exit_code);
        let [first, second] = &report.run.gpus[..] else { panic!("{:?}", report.run.gpus) };
        assert_eq!(second.retired, None, "its neighbour is not to blame");
        assert!(first.pages > 0 && second.pages > 0, "{first:?} {second:?}");
    }
}

/// Whoever looked at pages before the interruption and after it.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_scan_that_was_stopped_goes_on_with_and_without_a_gpu() {
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    let paths: Vec<_> = file.discovery.files.iter().map(|file| file.path.clone()).collect();
    let drill = Drill { slot_jobs: Some(2), ..Drill::default() };
    let checkpoint = paths[0].with_extension("checkpoint");
    for is_first in [true, false] {
        let gpus = started(Share::Gpu, drill.clone()).gpus.expect("a GPU");
        let gpus: Option<&Gpus> = Some(Box::leak(Box::new(gpus)));
        let (first, second) = if is_first { (gpus, None) } else { (None, gpus) };
        let how = How { gpus: first, reader: Reader::Direct, stop_after: 2, ..How::default() };
        let stopped = part(&paths, how, &checkpoint, Duration::from_hours(1)).report;
        assert_eq!(stopped.exit_code, 3);
        assert!(stopped.coverage.not_reached > 0);
        let how = How { gpus: second, reader: Reader::Direct, ..How::default() };
        let finished = part(&paths, how, &checkpoint, Duration::from_hours(1)).report;
        assert_eq!(found(&finished), expected);
        assert_eq!(finished.run.resumed, 1);
        // Who looked at a page can be told also after an interruption.
        let [gpu] = &finished.run.gpus[..] else { panic!("{:?}", finished.run.gpus) };
        let before = stopped.run.gpus.first().map(|gpu| gpu.pages);
        assert!(gpu.pages > 0 && (is_first || gpu.pages < 5120), "{gpu:?}");
        assert_eq!(before, is_first.then_some(gpu.pages));
        assert_eq!(finished.run.devices.len(), 2);
        std::fs::remove_file(&checkpoint).expect("ours");
    }
}

/// It counts nothing that was there before it was found out, not even what a checkpoint kept.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_liar_makes_a_resumed_scan_begin_from_the_beginning() {
    let file = Damaged::new();
    let paths: Vec<_> = file.discovery.files.iter().map(|file| file.path.clone()).collect();
    let checkpoint = paths[0].with_extension("checkpoint");
    let liar = with_shader(wrong());
    let gpus: &Gpus = Box::leak(Box::new(started(Share::Gpu, liar).gpus.expect("a GPU")));
    let how = How { stop_after: 20, reader: Reader::Direct, ..How::default() };
    part(&paths, how, &checkpoint, Duration::from_hours(1));
    let how = How { gpus: Some(gpus), reader: Reader::Direct, ..How::default() };
    let report = part(&paths, how, &checkpoint, Duration::from_hours(1)).report;
    assert_eq!((report.exit_code, report.run.resumed), (4, 1));
    assert_eq!(found(&report), found(&file.by_cpu()));
}

/// A measurement that uses GPUs, whatever it chooses.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn auto_measures_and_says_what_it_found() {
    let measured = chosen_for(1 << 40, Drill::default());
    let calibration = measured.calibration.as_ref().expect("it was measured");
    assert_eq!(measured.gpus.is_some(), calibration.is_for_gpus());
    for speed in [calibration.cpu, calibration.gpu] {
        assert!(speed.expect("measured").gb_per_second > 0.0, "{calibration:?}");
    }
    let small = chosen_for(255 << 30, Drill::default());
    assert!(small.gpus.is_none() && small.calibration.is_none(), "not worth a look");
    let lost = chosen_for(1 << 40, Drill { lost_after: Some(3), ..Drill::default() });
    assert!(lost.gpus.is_none() && lost.wrong.is_none() && !lost.notes.is_empty());
}

/// It is a fault of this machine, and no page was looked at by it.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_gpu_that_is_wrong_when_it_is_measured_is_a_finding() {
    let file = Damaged::new();
    let selected = chosen_for(1 << 40, with_shader(wrong()));
    assert!(selected.gpus.is_none());
    let wrong = selected.wrong.clone().expect("it is wrong");
    let report = file.scan(Some(&selected), &Silent);
    assert_eq!((report.exit_code, &report.host_findings[..]), (4, &[wrong][..]));
    assert_eq!(found(&report), found(&file.by_cpu()));
}

fn chosen_for(bytes: u64, drill: Drill) -> Selected {
    let engine = Engine::named("auto").expect("there is one");
    let wish = Wish { allow_software: true, ..Wish::default() };
    let terms = Terms { threads: 2, check_one_in: 1000, drivers_answer: &|| Ok(()), drill };
    auto(&wish, bytes, &engine, &terms).expect("none is named")
}

/// A scan counts its own pages only, and has all of its buffers.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn what_was_measured_is_not_part_of_the_scan() {
    let file = Damaged::new();
    let selected = started_with(Share::Gpu, 2, 1000, Drill::default());
    let gpus = selected.gpus.as_ref().expect("a GPU");
    let buffers = gpus.arena().take(gpus.arena().buffers()).expect("nobody has any");
    calibration::gpus(gpus, buffers).expect("it works");
    let report = file.scan(Some(&selected), &Silent);
    let all = report.coverage.pages_planned - report.coverage.suspect;
    let gpu = &report.run.gpus[0];
    assert!((all..=report.coverage.pages_planned).contains(&gpu.pages), "{gpu:?} of {all}");
    assert!(gpu.pages_checked < gpu.pages / 2, "{gpu:?}");
    assert_eq!(report.run.notes, selected.notes);
    assert_eq!(report.run.readers, file.by_cpu().run.readers);
}
