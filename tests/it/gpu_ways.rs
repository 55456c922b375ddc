//! Pages take the best way to a GPU, which says what became of better ones, and several GPUs leave
//! the CPU what it needs.

#![cfg(feature = "gpu")]

use crate::harness::gpu::{Damaged, adapters, changed, found, slow};
use crate::harness::{pagescrub, scan_json};
use pagescrub::consolidate::report::ScrubReport;
use pagescrub::read::arena::Arena;
use pagescrub::scrub::Silent;
use pagescrub::verify::gpu::adapter::Adapter;
use pagescrub::verify::gpu::pool::{GpuSummary, Gpus, Share};
use pagescrub::verify::gpu::select::{Selected, Terms, start_all};
use pagescrub::verify::gpu::worker::{Drill, start};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use wgpu::DeviceType;

fn terms(threads: usize) -> Terms<'static> {
    let drill = Drill { slot_jobs: Some(4), ..Drill::default() };
    Terms { threads, check_one_in: 10, drivers_answer: &|| Ok(()), drill }
}

/// The best adapter, which says that its memory is not the CPU's.
fn with_memory_of_its_own() -> Adapter {
    let mut adapter = adapters().remove(0);
    "a real one".clone_into(&mut adapter.facts.name);
    adapter.facts.device_type = DeviceType::DiscreteGpu;
    assert!(adapter.facts.has_own_memory());
    adapter
}

fn can_import() -> bool {
    adapters()[0].facts.not_imported().is_none()
}

fn way(report: &ScrubReport) -> &str {
    &report.run.gpus[0].identity.upload
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_gpu_with_memory_of_its_own_takes_the_faster_way_and_says_so() {
    let adapter = with_memory_of_its_own();
    let file = Damaged::new();
    let selected = start_all(std::slice::from_ref(&adapter), Share::Gpu, &terms(2));
    let report = file.scan(Some(&selected), &Silent);
    assert_eq!(found(&report), found(&file.by_cpu()));
    let [GpuSummary { ways, pages, .. }] = &report.run.gpus[..] else { panic!("one") };
    assert!(*pages > 4000, "{pages} of 5,120");
    if let Some(why) = adapter.facts.not_imported() {
        assert_eq!((way(&report), ways.len()), ("copy", 0));
        assert!(report.run.notes.iter().any(|note| note.contains(&why)), "{:?}", report.run.notes);
        return;
    }
    assert!(ways.iter().map(|way| way.upload.as_str()).eq(["host_import", "import_copy"]));
    assert!(ways.iter().all(|way| way.gb_per_second > 0.0), "{ways:?}");
    let fastest = ways.iter().max_by(|a, b| a.gb_per_second.total_cmp(&b.gb_per_second));
    assert_eq!(fastest.map(|way| way.upload.as_str()), Some(way(&report)));
    assert_eq!(report.run.notes, Vec::<String>::new());
}

/// It is found out while its ways are measured, before it has looked at any page.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_gpu_that_lies_or_is_lost_while_its_ways_are_measured_costs_nothing() {
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    let wrong = changed("sum = ((sum << 1u)", "sum = ((sum << 2u)");
    let liar = Drill { shader: Some(wrong), ..terms(2).drill };
    let lost = Drill { lost_after: Some(3), ..terms(2).drill };
    for (drill, exit_code, findings) in [(liar, 4, 1), (lost, 1, 0)] {
        let terms = Terms { drill, ..terms(2) };
        let selected = start_all(&[with_memory_of_its_own()], Share::Gpu, &terms);
        let report = file.scan(Some(&selected), &Silent);
        assert_eq!(found(&report), expected);
        assert_eq!((report.exit_code, report.host_findings.len()), (exit_code, findings));
        let gpu = &report.run.gpus[0];
        assert!(gpu.retired.is_some(), "{gpu:?}");
        assert!(gpu.pages == 0 || gpu.ways.is_empty() && !can_import(), "{gpu:?}");
    }
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn devices_promises_the_way_that_a_scan_takes() {
    let allowed = "--allow-software-gpu";
    let devices = pagescrub(&["devices", "--json", allowed]).json();
    let adapters = devices["gpu"]["adapters"].as_array().expect("a list");
    let selected = adapters.iter().find(|adapter| adapter["selected"] == true).expect("one");
    let file = Damaged::new();
    let path = &file.discovery.files[0].path;
    let (code, report) = scan_json(path, &["--engine=gpu", allowed]);
    assert_eq!(code, 1);
    let (promised, took) = (&selected["upload"], &report["run"]["gpus"][0]["upload"]);
    let has_chosen = promised == "host_import" && took == "import_copy";
    assert!(promised == took || has_chosen, "{promised}, and then {took}");
    let notes = report["run"]["notes"].as_array().expect("a list");
    let is_told = notes.iter().any(|note| note.to_string().contains("host_import ("));
    assert_eq!(is_told, promised != "host_import", "{notes:?}");
}

#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_way_may_change_between_any_two_submissions() {
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    let selected = start_all(&[adapters().remove(0)], Share::Gpu, &terms(2));
    let gpu = selected.gpus.as_ref().expect("a GPU").gpu(0);
    let ways = gpu.ways().count();
    thread::scope(|scope| {
        let scans = scope.spawn(|| {
            for _ in 0..3 {
                let report = file.scan(Some(&selected), &Silent);
                assert_eq!(found(&report), expected);
                assert_eq!(report.run.gpus[0].errors.len(), 0, "{:?}", report.run.gpus);
                assert_eq!((report.exit_code, report.host_findings.len()), (1, 0));
            }
        });
        for turn in 0.. {
            if scans.is_finished() {
                break;
            }
            gpu.take_way(turn % ways);
            thread::sleep(Duration::from_micros(300));
        }
    });
}

/// So many threads share more memory with it than it takes in one piece.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn a_way_that_is_lost_is_told_with_the_reason() {
    const THREADS: usize = 100;
    const LITTLE: u64 = 16 << 20;
    let too_much = format!("it takes {LITTLE} bytes in one piece, and 157286400 are shared");
    let mut adapter = adapters().remove(0);
    let can_import = can_import();
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    let scanned = |adapter: &Adapter| -> (Selected, ScrubReport) {
        let selected = start_all(std::slice::from_ref(adapter), Share::Gpu, &terms(THREADS));
        let report = file.scan_with(Some(&selected), THREADS, &Silent);
        assert_eq!(found(&report), expected);
        assert_eq!(report.run.notes, selected.notes);
        (selected, report)
    };
    adapter.facts.limits.max_storage_buffer_binding_size = LITTLE;
    let (selected, report) = scanned(&adapter);
    let [note] = &selected.notes[..] else { panic!("{:?}", selected.notes) };
    if can_import {
        assert!(note.contains(&format!("host_import ({too_much}")), "{note}");
        assert!(note.ends_with("they take import_copy"), "{note}");
        assert_eq!(way(&report), "import_copy");
    }
    adapter.facts.limits.max_buffer_size = LITTLE;
    let (selected, report) = scanned(&adapter);
    let [note] = &selected.notes[..] else { panic!("{:?}", selected.notes) };
    assert!(["mappable", "copy"].contains(&way(&report)), "{:?}", report.run.gpus);
    assert!(note.ends_with(&format!("they take {}", way(&report))), "{note}");
    assert_eq!(note.matches(&too_much).count(), if can_import { 2 } else { 0 }, "{note}");
}

/// One adapter, opened twice, stands for two.
#[test]
#[cfg_attr(not(gpu_tests), ignore = "needs a GPU or lavapipe, and REQUIRE_GPU=1")]
fn gpus_that_share_leave_the_cpu_its_buffers() {
    const BUFFERS: usize = 16;
    const TURNS: u32 = 50_000;
    let file = Damaged::new();
    let expected = found(&file.by_cpu());
    let adapter = &adapters()[0];
    let drill = Drill { shader: Some(slow(TURNS)), slot_jobs: Some(4), ..Drill::default() };
    for count in [1, 2] {
        let arena = Arena::new(BUFFERS).expect("memory");
        let gpus = (0..count).map(|i| start(adapter, i, &arena, &drill).expect("it starts"));
        let gpus = Gpus::new(Arc::clone(&arena), gpus.collect(), Share::Hybrid, 10);
        let report = file.scan_by(Some(&gpus), Vec::new(), None, 2, &Silent);
        assert_eq!(found(&report), expected);
        // The file is 80 buffers long, and they have 8 at a time.
        let pages: u64 = report.run.gpus.iter().map(|gpu| gpu.pages).sum();
        assert!((1..2560).contains(&pages), "{count} GPUs: {pages} of 5,120");
    }
}
