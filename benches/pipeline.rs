//! A whole scan of a file with known damage, from the page cache.
//!
//! `cargo bench --bench pipeline`. Every scan must find what the answer key says.

#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot go on must fail")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pagescrub::discover::discover;
use pagescrub::drill::{
    Expected, Fault, InjectedFault, Injection, Recipe, Target, generate, inject,
};
use pagescrub::read::open::Reader;
use pagescrub::scrub::{Settings, Silent, Stop, scrub};
use pagescrub::verify::engine::Engine;
use std::path::Path;

const FILE_BYTES: u64 = 256 << 20;
const FAULTS: u32 = 100;

fn pipeline(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("damaged.mdf");
    generate(&path, Recipe::new(FILE_BYTES, 7), true, &|_| {}).expect("generated");
    let target = Target::Random(FAULTS);
    let injection = Injection { fault: Fault::BitFlip, target, seed: 7, force: false };
    let key = inject(&path, &injection).expect("damaged");
    let is_suspect = |fault: &&InjectedFault| fault.expected == Expected::Suspect;
    let found = key.faults.iter().filter(is_suspect).count() + key.side_effects.len();
    let expected = found as u64;
    let discovery = discover(&[path]);
    let engine = Engine::named("auto").expect("there is always an engine");
    let stop = Stop::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let open = |path: &Path| Reader::Auto.open(path);
    let settings = Settings { threads, ..Settings::new(&engine, &open, &stop) };
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Bytes(FILE_BYTES)).sample_size(10);
    group.bench_function("scrub", |b| {
        b.iter(|| {
            let report = scrub(&discovery, &settings, &Silent).report;
            assert_eq!(report.coverage.suspect, expected);
        });
    });
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
