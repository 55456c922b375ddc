//! Compressed backups on one core: checksums of records against merely reading, and unpacking.
//!
//! `cargo bench --bench backup`. Unpacking needs the real backup in the folder that
//! `PAGESCRUB_REAL_DATA` names: made-up data would be as fast as one likes.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pagescrub::backup::compressed::{
    ByteClass, RecordHeader, Version, checksum, checksum_fast, classes, verify,
};
use pagescrub::backup::{Fault, FaultKind, ReadAt, xpress};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::hint::black_box;
use std::path::PathBuf;

/// A usual payload: the mean of the real backup is 8.7 KiB.
const PAYLOAD_BYTES: usize = 8900;
/// Inside a core's second cache.
const CACHED_BYTES: usize = 512 << 10;
/// Beyond all caches.
const MEMORY_BYTES: usize = 256 << 20;
const ROW_BYTES: usize = 256;

/// Merely reads: what every checksum must do at least.
fn read_only(bytes: &[u8]) -> u64 {
    let (rows, _) = bytes.as_chunks::<ROW_BYTES>();
    let any = rows.iter().fold([0_u64; ROW_BYTES / 8], |any, row| {
        let (words, _) = row.as_chunks::<8>();
        std::array::from_fn(|i| any[i] | u64::from_le_bytes(words[i]))
    });
    any.iter().fold(0, |all, word| all | word)
}

fn sums(payloads: &[u8], sum: fn(&[u8]) -> u32) -> u32 {
    payloads.chunks(PAYLOAD_BYTES).fold(0, |all, payload| all ^ sum(payload))
}

fn checksums(criterion: &mut Criterion) {
    let mut bytes = vec![0; MEMORY_BYTES];
    Xoshiro256PlusPlus::seed_from_u64(9).fill_bytes(&mut bytes);
    let cached = &bytes[..CACHED_BYTES];
    assert_eq!(sums(cached, checksum), sums(cached, checksum_fast));
    for (place, bytes) in [("cached", cached), ("memory", &bytes[..])] {
        let mut group = criterion.benchmark_group(format!("records_{place}"));
        group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
        group.bench_function("read", |b| b.iter(|| read_only(black_box(bytes))));
        let fast = || sums(black_box(bytes), checksum_fast);
        group.bench_function("checksum_fast", |b| b.iter(fast));
        if place == "cached" {
            group.bench_function("checksum", |b| b.iter(|| sums(black_box(bytes), checksum)));
        }
        group.finish();
    }
}

/// The packed records of the real backup, and what they unpack to.
#[allow(clippy::type_complexity, reason = "used once")]
fn real_records() -> Option<(Vec<u8>, Vec<(Vec<u8>, usize)>)> {
    let folder = PathBuf::from(std::env::var_os("PAGESCRUB_REAL_DATA")?);
    let bytes = std::fs::read(folder.join("TutorialDB_compressed.bak")).ok()?;
    let mut records = Vec::new();
    for (range, class) in classes(&bytes) {
        if class == ByteClass::RecordTag {
            let record = &bytes[range.start as usize..];
            let header = RecordHeader::of(Version::Two, record)?;
            records.push((header.payload(record)?.to_vec(), header.uncompressed_bytes as usize));
        }
    }
    Some((bytes, records))
}

fn unpacking(criterion: &mut Criterion) {
    let Some((bytes, records)) = real_records() else {
        println!("unpacking is not measured: PAGESCRUB_REAL_DATA names no folder with the backup");
        return;
    };
    let unpacked: usize = records.iter().map(|(_, bytes)| bytes).sum();
    assert_eq!((records.len(), unpacked), (49, 2_905_088));
    let mut output = vec![0; 1 << 17];
    let mut group = criterion.benchmark_group("unpack");
    group.throughput(Throughput::Bytes(unpacked as u64)).sample_size(20);
    group.bench_function("real_records", |b| {
        b.iter(|| {
            for (payload, bytes) in &records {
                xpress::decompress(payload, &mut output[..*bytes]).expect("it unpacks");
            }
        });
    });
    group.finish();
    walking(criterion, &bytes);
}

/// The whole walk on one thread: reading, headers, checksums. As in a large backup, records unpack
/// to one extent each; where sizes change, the walk unpacks them, which is slow.
fn walking(criterion: &mut Criterion, bytes: &[u8]) {
    const RECORDS: usize = 20_000;
    let of_an_extent = |start: &usize| {
        let header = RecordHeader::of(Version::Two, &bytes[*start..]);
        header.is_some_and(|header| header.uncompressed_bytes == 65_536)
    };
    let starts = classes(bytes).into_iter().filter(|(_, class)| *class == ByteClass::RecordTag);
    let mut starts: Vec<usize> =
        starts.map(|(range, _)| range.start as usize).filter(of_an_extent).collect();
    starts.sort_by_key(|start| {
        RecordHeader::of(Version::Two, &bytes[*start..]).map(|header| header.bytes())
    });
    let start = starts[starts.len() / 2];
    let record = RecordHeader::of(Version::Two, &bytes[start..]).expect("it is one");
    let record = &bytes[start..start + record.bytes()];
    let many = [&bytes[..480], &record.repeat(RECORDS)].concat();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Bytes(many.len() as u64)).sample_size(20);
    group.bench_function("container", |b| {
        b.iter(|| {
            let read = |at: u64, buffer: &mut [u8]| many.read_exact_at(at, buffer);
            let found = pool.install(|| {
                verify(&mut |at, buffer| read(at, buffer), many.len() as u64, &mut |_| true)
            });
            let is_bad = |fault: &Fault| fault.kind == FaultKind::RecordChecksum;
            assert_eq!((found.records, found.faults.iter().any(is_bad)), (RECORDS as u64, false));
        });
    });
    group.finish();
}

criterion_group!(benches, checksums, unpacking);
criterion_main!(benches);
