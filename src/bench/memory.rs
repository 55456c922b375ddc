//! Pages in memory: the kernels against merely reading, threads, and what a scan does besides.

use super::BenchError;
use super::image::Image;
use super::report::Section;
use super::rounds::{Limit, Rounds, Sample, Variant, timed};
use crate::consolidate::report::RunVerdict;
use crate::page::Page;
use crate::page::checksum::Checksum;
use crate::read;
use crate::scrub::{Settings, Silent, Stop, scrub};
use crate::verify::engine::{Engine, Kernel, supported};
use crate::verify::order::PageOrder;
use crate::verify::yardstick::AccessOrder;
use bytesize::ByteSize;
use std::hint::black_box;
use std::path::Path;

/// Pages that a kernel is given in one go, as in a scan: 256 KiB.
const PIECE_PAGES: usize = read::PIECE_PAGES as usize;
/// Up to here every number of threads is measured, above only doublings and the last.
const EVERY_COUNT_MAX: usize = 4;

type Read = (&'static Kernel, AccessOrder);
type Sum = (&'static Kernel, PageOrder);

/// What [`kernels`] found to be fastest.
pub(super) struct Fastest {
    read: Read,
    sum: Sum,
}

impl Fastest {
    pub(super) fn of(kernels: &Section) -> Option<Self> {
        let speed = |name: &str| kernels.row(name).map_or(0.0, |row| row.gb_per_second.median);
        let read = reads().max_by(|a, b| speed(&read_name(*a)).total_cmp(&speed(&read_name(*b))));
        let sum = sums().max_by(|a, b| speed(&sum_name(*a)).total_cmp(&speed(&sum_name(*b))));
        Some(Self { read: read?, sum: sum? })
    }
}

fn reads() -> impl Iterator<Item = Read> {
    supported().flat_map(|kernel| AccessOrder::ALL.map(|order| (kernel, order)))
}

/// The scalar kernel knows one order only.
fn sums() -> impl Iterator<Item = Sum> {
    let all = supported().flat_map(|kernel| PageOrder::ALL.map(|order| (kernel, order)));
    all.filter(|(kernel, order)| kernel.name != "scalar" || *order == PageOrder::Linear)
}

fn read_name((kernel, order): Read) -> String {
    format!("read {} {}", kernel.name, order.name())
}

fn sum_name((kernel, order): Sum) -> String {
    let order = match order {
        PageOrder::Linear => "linear",
        PageOrder::ExtentAbreast => "8 pages abreast",
    };
    format!("checksum {} {order}", kernel.name)
}

/// One thread: every kernel in every order, and reading alone with the same instruction sets.
pub(super) fn kernels(image: &Image, rounds: &Rounds<'_>) -> Result<Section, BenchError> {
    let reads = reads().map(|read| {
        Variant::new(read_name(read), Limit::Itself, move || Ok(time_reading(image, read, 1)))
    });
    let sums = sums().map(|sum| {
        let engine = Engine::with_order(sum.0, sum.1);
        let name = sum_name(sum);
        Variant::new(name.clone(), Limit::Fastest, move || time_summing(image, &engine, 1, &name))
    });
    let title = format!("Memory, one thread, {}", size(image));
    rounds.section("kernels", title, reads.chain(sums).collect())
}

/// The fastest kernel and the fastest reading, with ever more threads.
pub(super) fn threads(
    image: &Image,
    fastest: &Fastest,
    threads_max: usize,
    rounds: &Rounds<'_>,
) -> Result<Section, BenchError> {
    let (read_name, sum_name) = (read_name(fastest.read), sum_name(fastest.sum));
    let mut variants = Vec::new();
    for threads in counts(threads_max) {
        let read = fastest.read;
        let limit = with_threads(&read_name, threads);
        let measure = move || Ok(time_reading(image, read, threads));
        let mut reading = Variant::new(limit.clone(), Limit::Itself, measure);
        let engine = Engine::with_order(fastest.sum.0, fastest.sum.1);
        let name = with_threads(&sum_name, threads);
        let measure =
            move || time_summing(image, &engine, threads, &engine.kernel_names().join(" "));
        let mut summing = Variant::new(name, Limit::Row(limit), measure);
        if threads > 1 {
            reading.one_thread = Some(with_threads(&read_name, 1));
            summing.one_thread = Some(with_threads(&sum_name, 1));
        }
        variants.extend([reading, summing]);
    }
    let title = format!("Memory, more threads, {}, each its own part", size(image));
    rounds.section("threads", title, variants)
}

/// Off: checksums alone. On: a whole scan of the same pages as one file, with allocation, verdicts,
/// counts, latencies and report; only opening and reading a file are left out, pages are shown
/// where they are. Both with the kernel that a scan takes.
pub(super) fn diagnostics(
    image: &Image,
    threads_max: usize,
    rounds: &Rounds<'_>,
) -> Result<Section, BenchError> {
    let mut variants = Vec::new();
    let mut counts = vec![1, threads_max];
    counts.dedup();
    for threads in counts {
        let off = with_threads("checksums alone", threads);
        let engine = Engine::named("auto").map_err(|e| BenchError::Work(e.to_string()))?;
        let name = engine.kernel_names().join(" ");
        let measure = move || time_summing(image, &engine, threads, &name);
        variants.push(Variant::new(off.clone(), Limit::Itself, measure));
        let on = with_threads("whole scan", threads);
        variants.push(Variant::new(on, Limit::Row(off), move || time_scanning(image, threads)));
    }
    let title = format!("A scan's work on each page, from memory, {}", size(image));
    rounds.section("diagnostics", title, variants)
}

fn size(image: &Image) -> String {
    ByteSize(image.bytes()).display().iec().to_string()
}

fn with_threads(name: &str, threads: usize) -> String {
    format!("{name}, {threads} thr.")
}

fn counts(max: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = (1..=max.min(EVERY_COUNT_MAX)).collect();
    counts.extend((3..).map(|power| 1 << power).take_while(|count| *count < max));
    if max > EVERY_COUNT_MAX {
        counts.push(max);
    }
    counts
}

fn time_reading(image: &Image, (kernel, order): Read, threads: usize) -> Sample {
    let parts = image.pages().chunks(image.pages().len().div_ceil(threads));
    let read = |part: &[Page]| {
        black_box(kernel.read_only(black_box(part), order));
    };
    timed(image.bytes(), || in_parallel(parts, read)).1
}

fn time_summing(
    image: &Image,
    engine: &Engine,
    threads: usize,
    name: &str,
) -> Result<Sample, BenchError> {
    let pages = image.pages();
    let mut sums = vec![Checksum(0); pages.len()];
    let part = pages.len().div_ceil(threads);
    let parts = pages.chunks(part).zip(sums.chunks_mut(part));
    let sum = |(pages, sums): (&[Page], &mut [Checksum])| {
        for (pages, sums) in pages.chunks(PIECE_PAGES).zip(sums.chunks_mut(PIECE_PAGES)) {
            engine.checksums(pages, sums);
        }
    };
    let ((), sample) = timed(image.bytes(), || in_parallel(parts, sum));
    image.check(&sums, name)?;
    Ok(sample)
}

/// The caller's thread does the first part, so that one thread is no thread more.
pub(super) fn in_parallel<Part: Send>(
    mut parts: impl Iterator<Item = Part>,
    work: impl Fn(Part) + Sync + Copy + Send,
) {
    let Some(own) = parts.next() else { return };
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(move || work(part));
        }
        work(own);
    });
}

fn time_scanning(image: &Image, threads: usize) -> Result<Sample, BenchError> {
    let work = |error: &dyn std::fmt::Display| BenchError::Work(error.to_string());
    let engine = Engine::named("auto").map_err(|e| work(&e))?;
    let discovery = image.discovery().map_err(|e| work(&e))?;
    let (open, stop) = (|_: &Path| Ok(image.source()), Stop::default());
    let settings = Settings { threads, ..Settings::new(&engine, &open, &stop) };
    let (scrubbed, sample) = timed(image.bytes(), || scrub(&discovery, &settings, &Silent));
    let report = scrubbed.report;
    if report.verdict == RunVerdict::Clean && report.host_findings.is_empty() {
        return Ok(sample);
    }
    let suspects = report.coverage.suspect;
    Err(BenchError::Wrong(format!("a scan found {suspects} suspects in a healthy file in memory")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_threads_are_measured_in_doublings() {
        assert_eq!(counts(1), [1]);
        assert_eq!(counts(4), [1, 2, 3, 4]);
        assert_eq!(counts(8), [1, 2, 3, 4, 8]);
        assert_eq!(counts(24), [1, 2, 3, 4, 8, 16, 24]);
    }
}
