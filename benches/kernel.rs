//! Each kernel over pages in memory, against merely reading the same memory.
//!
//! `cargo bench --bench kernel`. Ratios within one run are what counts; the buffer is larger than
//! the caches, so the limit is memory, not arithmetic.

#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot go on must fail")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pagescrub::page::checksum::{Checksum, seal};
use pagescrub::page::{PAGE_BYTES, Page};
use pagescrub::verify::engine::{Engine, supported};
use pagescrub::verify::order::PageOrder;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::hint::black_box;

/// 512 MiB, beyond any cache.
const PAGES: usize = 65_536;

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
    group.bench_function("read_linear", |b| b.iter(|| black_box(xor_of(&pages))));
    for kernel in supported() {
        for order in PageOrder::ALL {
            let engine = Engine::with_order(kernel, order);
            let name = format!("{}_{order:?}", kernel.name);
            group.bench_function(&name, |b| b.iter(|| engine.checksums(&pages, &mut sums)));
            let right =
                sums.iter().zip(&pages).all(|(sum, page)| *sum == Checksum::stored_in(page));
            assert!(right, "{name} computed a wrong checksum");
        }
    }
    group.finish();
}

/// The yardstick: touches every word in order and does nothing else with it.
fn xor_of(pages: &[Page]) -> u64 {
    let words: &[u64] = bytemuck::cast_slice(pages);
    words.iter().fold(0, |sum, word| sum ^ word)
}

criterion_group!(benches, kernels);
criterion_main!(benches);
