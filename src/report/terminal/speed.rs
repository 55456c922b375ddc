//! How fast a scan was, with what, and what held it back.

use super::layout::{counted, number};
use super::{Look, headed};
use crate::consolidate::report::{Run, ScrubReport};
use crate::plan::pace::PaceSummary;
use crate::report::escape::terminal as safe;
use crate::verify::gpu::calibration::{Calibration, Speed};
use crate::verify::gpu::pool::GpuSummary;
use std::io::{self, Write};

/// Rates over time, lowest to highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const BARS_MAX: usize = 48;

/// Writes it.
pub(super) fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let run = &report.run;
    let text = format!(
        "{} in {:.2} s, {}/s with {} ({}{})",
        bytesize::ByteSize(report.coverage.bytes_read).display().iec(),
        run.elapsed_seconds,
        bytesize::ByteSize(report.throughput.bytes_per_second as u64).display().si(),
        safe(&run.devices.join("+")),
        readers(run),
        counted(run.threads as u64, "thread"),
    );
    headed("Speed", &text, look, out)?;
    let stages = ["read", "verify"].into_iter().filter_map(|name| stage(report, name));
    let stages: Vec<String> = stages.collect();
    if !stages.is_empty() {
        headed("", &format!("per read: {}", stages.join("; ")), look, out)?;
    }
    let timeline = &report.throughput.timeline;
    if timeline.bytes.len() > 2 {
        let per = timeline.interval_seconds * timeline.bytes.len().div_ceil(BARS_MAX) as f64;
        headed("", &format!("{} {per:.1} s each", sparkline(&timeline.bytes)), look, out)?;
    }
    for gpu in &run.gpus {
        headed("GPU", &safe(&worked(gpu)), look, out)?;
    }
    if let Some(text) = run.calibration.as_ref().and_then(calibrated) {
        headed("Engine", &safe(&text), look, out)?;
    }
    for pace in &run.pace {
        if let Some(text) = paced(pace) {
            headed("Pace", &safe(&text), look, out)?;
        }
    }
    for note in &run.notes {
        headed("Note", &safe(note), look, out)?;
    }
    Ok(())
}

/// `mmap+io_uring reader, `, if anything was read.
fn readers(run: &Run) -> String {
    match run.readers.as_slice() {
        [] => String::new(),
        readers => format!("{} reader, ", safe(&readers.join("+"))),
    }
}

/// What a GPU did.
fn worked(gpu: &GpuSummary) -> String {
    let errors = gpu.errors.values().copied().fold(0, u64::saturating_add);
    let failed = (errors > 0).then(|| format!(", {}", counted(errors, "error")));
    format!(
        "{}: {} ({}), {} of them checked by the CPU{}",
        gpu.identity.name,
        counted(gpu.pages, "page"),
        gpu.identity.upload.replace('_', " "),
        number(gpu.pages_checked),
        failed.unwrap_or_default(),
    )
}

/// Why `auto` took the GPUs or left them, if that was measured.
fn calibrated(calibration: &Calibration) -> Option<String> {
    let speed = |name: &str, speed: Option<Speed>| {
        let Speed { gb_per_second, cpu_seconds_per_gib } = speed?;
        let cost = cpu_seconds_per_gib.map(|cost| format!(" at {cost:.3} CPU s/GiB"));
        Some(format!("{name} {gb_per_second:.1} GB/s{}", cost.unwrap_or_default()))
    };
    let (cpu, gpu) = (speed("CPU", calibration.cpu)?, speed("GPU", calibration.gpu)?);
    Some(format!("{}, because {}: {cpu}, {gpu}", calibration.chosen, calibration.why))
}

/// How a device was held back, if it was to be.
fn paced(pace: &PaceSummary) -> Option<String> {
    let rate = pace
        .rate_bytes_per_second
        .map(|rate| format!("at most {}/s", bytesize::ByteSize(rate).display().si()));
    let latency = pace.latency_max_ms.map(|limit| {
        if pace.backed_off == 0 {
            return format!("never slowed down for reads over {limit} ms");
        }
        format!(
            "slowed down {} for reads over {limit} ms, from {} in flight to {}, and paused {:.1} s",
            counted(pace.backed_off, "time"),
            pace.queue_depth,
            pace.lowest_queue_depth,
            pace.paused_seconds,
        )
    });
    let limits: Vec<_> = rate.into_iter().chain(latency).collect();
    let device = pace.device.as_deref().unwrap_or("device");
    (!limits.is_empty()).then(|| format!("{device}: {}", limits.join("; ")))
}

fn stage(report: &ScrubReport, name: &str) -> Option<String> {
    let stage = report.throughput.stages.get(name)?;
    let [p50, p99, max] = [stage.p50_us, stage.p99_us, stage.max_us].map(micros);
    Some(format!("{name} p50 {p50}, p99 {p99}, max {max}"))
}

fn sparkline(bytes: &[u64]) -> String {
    // The mean, so that a last chunk of fewer points does not look slow.
    let mean =
        |chunk: &[u64]| chunk.iter().copied().fold(0, u64::saturating_add) / chunk.len() as u64;
    let joined: Vec<u64> = bytes.chunks(bytes.len().div_ceil(BARS_MAX)).map(mean).collect();
    let highest = joined.iter().copied().max().unwrap_or(0).max(1);
    let bar = |&value: &u64| BARS[(u128::from(value) * 7 / u128::from(highest)) as usize];
    joined.iter().map(bar).collect()
}

/// Microseconds in the unit that suits them.
pub(in crate::report) fn micros(us: u64) -> String {
    match us {
        0..1000 => format!("{us} us"),
        1000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_is_short_and_reaches_its_top() {
        let line = sparkline(&(0..500).collect::<Vec<_>>());
        assert!(line.chars().count() <= BARS_MAX && line.ends_with('█'));
    }
}
