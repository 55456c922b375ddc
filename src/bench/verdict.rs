//! What the rows mean, in words.

#[cfg(feature = "gpu")]
pub(super) mod gpu;

use super::report::{Bound, Comparison, Row, Section, Verdict};

/// A share of the limit from which on the limit, and not this program, holds the speed back.
const BOUND_RATIO_MIN: f64 = 0.90;
/// With less than this much of a core busy, it is not computing that holds the speed back.
const CORES_BUSY_MIN: f64 = 0.8;

/// The conclusions from all sections that there are.
pub(super) fn of(sections: &[Section]) -> Vec<Verdict> {
    sections.iter().filter_map(conclusion).collect()
}

fn conclusion(section: &Section) -> Option<Verdict> {
    match section.name.as_str() {
        "kernels" => kernels(section),
        "threads" => threads(section),
        "diagnostics" => diagnostics(section),
        #[cfg(feature = "gpu")]
        _ if section.gpu.is_some() => gpu::conclusion(section),
        _ => storage(section),
    }
}

fn kernels(section: &Section) -> Option<Verdict> {
    let best = section.fastest(|row| !row.is_limit)?;
    let limit = best.of_limit.as_ref()?;
    let (name, ratio) = (&best.name, limit.ratio.median);
    let text = match bound_by(Bound::Memory, ratio) {
        Bound::Compute => {
            format!("one thread ({name}) reaches {ratio:.2} of merely reading memory")
        }
        _ => format!("one thread ({name}) is as fast as merely reading memory ({ratio:.2})"),
    };
    Some(verdict(section, Bound::Memory, ratio, text))
}

fn threads(section: &Section) -> Option<Verdict> {
    let most = section.rows.iter().rfind(|row| !row.is_limit)?;
    let limit = most.of_limit.as_ref()?;
    let scaling = most.of_one_thread.as_ref().map_or(1.0, |one| one.ratio.median);
    let text = format!(
        "{} at {:.1} GB/s: {scaling:.2} times one thread, {:.2} of merely reading memory",
        most.name, most.gb_per_second.median, limit.ratio.median
    );
    Some(verdict(section, Bound::Memory, limit.ratio.median, text))
}

fn diagnostics(section: &Section) -> Option<Verdict> {
    let scan = section.rows.iter().rfind(|row| !row.is_limit)?;
    let ratio = scan.of_limit.as_ref()?.ratio.median;
    let text =
        format!("judging pages, counting and reporting keep {ratio:.2} of the checksum's speed");
    Some(verdict(section, Bound::Memory, ratio, text))
}

/// The reader that a scan takes by itself against the fastest way to get the bytes.
fn storage(section: &Section) -> Option<Verdict> {
    let scan = section.row("scan auto")?;
    let limit = section.fastest(|row| row.is_limit)?;
    let Comparison { ratio, .. } = scan.compared_with(limit);
    let limited = if section.name == "hot" { Bound::Memory } else { Bound::Storage };
    let bound = match bound_by(limited, ratio.median) {
        Bound::Compute if cores_used(scan) < CORES_BUSY_MIN => Bound::Reader,
        bound => bound,
    };
    let text = format!(
        "a scan reads at {:.2} GB/s, {:.2} of the fastest raw read ({}, {:.2} GB/s)",
        scan.gb_per_second.median,
        ratio.median,
        without_read(limit),
        limit.gb_per_second.median
    );
    Some(Verdict { section: section.name.clone(), bound, ratio: ratio.median, text })
}

/// Cores that a run kept busy, on average.
fn cores_used(row: &Row) -> f64 {
    const GIB_PER_GB: f64 = 1e9 / (1_u64 << 30) as f64;
    row.cpu_seconds_per_gib.unwrap_or_default() * row.gb_per_second.median * GIB_PER_GB
}

fn without_read(limit: &Row) -> &str {
    limit.name.trim_start_matches("read ")
}

fn verdict(section: &Section, limit: Bound, ratio: f64, text: String) -> Verdict {
    Verdict { section: section.name.clone(), bound: bound_by(limit, ratio), ratio, text }
}

fn bound_by(limit: Bound, ratio: f64) -> Bound {
    if ratio >= BOUND_RATIO_MIN { limit } else { Bound::Compute }
}
