//! Each kernel over pages in memory, against merely reading the same memory.
//!
//! `cargo bench --bench kernel`. Ratios within one run are what counts; the buffer is larger than
//! the caches, so the limit is memory, not arithmetic.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench that cannot go on must fail"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pagescrub::page::checksum::{Checksum, seal};
use pagescrub::page::{PAGE_BYTES, Page};
use pagescrub::verify::engine::{Engine, supported};
use pagescrub::verify::order::PageOrder;
use pagescrub::verify::yardstick::AccessOrder;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::hint::black_box;
use std::time::Instant;

/// 512 MiB, beyond any cache.
const PAGES: usize = 65_536;
/// 256 KiB, a part of any L2 cache.
const CACHED_PAGES: usize = 32;
const TRIES: usize = 2000;

fn sealed_pages() -> Vec<Page> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut pages = vec![Page::ZERO; PAGES];
    for page in &mut pages {
        rng.fill_bytes(page.bytes_mut());
        seal(page);
    }
    pages
}

fn kernels(criterion: &mut Criterion) {
    let pages = sealed_pages();
    let mut sums = vec![Checksum(0); PAGES];
    let mut group = criterion.benchmark_group("kernel");
    group.throughput(Throughput::Bytes((PAGES * PAGE_BYTES) as u64)).sample_size(10);
    for kernel in supported() {
        for order in AccessOrder::ALL {
            let name = format!("read_{}_{order:?}", kernel.name);
            let read = || black_box(kernel.read_only(black_box(&pages), order));
            group.bench_function(&name, |b| b.iter(read));
        }
    }
    for kernel in supported() {
        for order in PageOrder::ALL {
            let engine = Engine::with_order(kernel, order);
            let name = format!("{}_{order:?}", kernel.name);
            group.bench_function(&name, |b| b.iter(|| engine.checksums(&pages, &mut sums)));
            engine.checksums(&pages, &mut sums);
            let right =
                sums.iter().zip(&pages).all(|(sum, page)| *sum == Checksum::stored_in(page));
            assert!(right, "{name} computed a wrong checksum");
        }
    }
    group.finish();
    no_kernel_is_a_trap(&pages[..CACHED_PAGES]);
}

/// Plain array lanes can be compiled into code many times slower than one word at a time. In the
/// cache, where nothing hides that, no kernel may be slower than half of the scalar one.
fn no_kernel_is_a_trap(pages: &[Page]) {
    let mut scalar = None;
    for kernel in supported() {
        for order in PageOrder::ALL {
            let engine = Engine::with_order(kernel, order);
            let seconds = fastest_seconds(&engine, pages);
            let ratio = *scalar.get_or_insert(seconds) / seconds;
            println!("{} {order:?}: {ratio:.2} of the scalar speed in the cache", kernel.name);
            assert!(ratio >= 0.5, "{} {order:?} is compiled badly", kernel.name);
        }
    }
}

/// The fastest of many tries: what others do on this machine only makes them slower.
fn fastest_seconds(engine: &Engine, pages: &[Page]) -> f64 {
    let mut sums = vec![Checksum(0); pages.len()];
    let tries = (0..TRIES).map(|_| {
        let started = Instant::now();
        engine.checksums(black_box(pages), &mut sums);
        black_box(&sums);
        started.elapsed().as_secs_f64()
    });
    tries.fold(f64::INFINITY, f64::min)
}

criterion_group!(benches, kernels);
criterion_main!(benches);
