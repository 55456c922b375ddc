//! Each reader over a file in the page cache, without computing more than the XOR of its words.
//!
//! `cargo bench --bench read`. Ratios within one run are what counts.

#![allow(clippy::expect_used, missing_docs, reason = "a bench that cannot go on must fail")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pagescrub::drill::{Recipe, generate};
use pagescrub::page::address::PageRange;
use pagescrub::page::{PAGE_BYTES, Page};
use pagescrub::plan::BATCH_PAGES_DEFAULT;
use pagescrub::read::PageSource;
use pagescrub::read::open::Reader;
use std::fs;

const FILE_BYTES: u64 = 256 << 20;
const PAGES: u32 = (FILE_BYTES / PAGE_BYTES as u64) as u32;

fn readers(criterion: &mut Criterion) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    generate(file.path(), Recipe::new(FILE_BYTES, 7), true, &|_| {}).expect("generated");
    let bytes = fs::read(file.path()).expect("read into the page cache");
    let words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("8")));
    let expected = words.fold(0, |sum, word| sum ^ word);
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(FILE_BYTES)).sample_size(10);
    for reader in Reader::ALL.into_iter().filter(|reader| reader.unavailable().is_none()) {
        let source = reader.open(file.path()).expect("it can be opened");
        group.bench_function(reader.name(), |b| {
            b.iter(|| assert_eq!(xor_of(&*source), expected, "{}", reader.name()));
        });
    }
    group.finish();
}

fn xor_of(source: &dyn PageSource) -> u64 {
    let (mut sum, mut buffer) = (0, Vec::new());
    for first in (0..PAGES).step_by(BATCH_PAGES_DEFAULT as usize) {
        let range = PageRange::between(first, PAGES.min(first + BATCH_PAGES_DEFAULT));
        let mut visit = |_, pages: &[Page]| {
            let words: &[u64] = bytemuck::cast_slice(pages);
            sum ^= words.iter().fold(0, |sum, word| sum ^ word);
        };
        source.visit_pieces(range, &mut buffer, &mut visit).expect("a healthy file");
    }
    sum
}

criterion_group!(benches, readers);
criterion_main!(benches);
