//! How the scan ran: when, with what, and what held it back.

use super::super::terminal::layout::{counted, number};
use super::super::terminal::result_line;
use super::safe;
use super::words::{duration, moment, rate, size, words};
use crate::consolidate::report::{Run, ScrubReport, Source};
use crate::plan::pace::PaceSummary;
use crate::verify::gpu::calibration::Speed;
use crate::verify::gpu::pool::{GpuSummary, WaySpeed};
use maud::{Markup, html};

/// Devices, GPUs, notes and histograms shown at most.
const SHOWN_MAX: usize = 200;

pub(super) fn section(report: &ScrubReport) -> Markup {
    html! {
        section #run {
            h2 { "Run" }
            dl.facts.columns {
                @for (label, value) in facts(report) { div { dt { (label) } dd { (value) } } }
            }
        }
        footer { code { (safe(&result_line(report))) } }
    }
}

/// Labels and safe values, in the order in which questions come.
fn facts(report: &ScrubReport) -> Vec<(&'static str, String)> {
    let (run, throughput) = (&report.run, &report.throughput);
    let mut facts = vec![
        ("Program", safe(&format!("{} {}", report.tool.name, report.tool.version)).into_owned()),
        ("Run", safe(&run.id).into_owned()),
        ("Began", safe(&moment(&run.started_at)).into_owned()),
        ("Took", took(report)),
        ("Read", size(report.coverage.bytes_read)),
        ("Mean rate", rate(throughput.bytes_per_second)),
        ("Engine", format!("{} ({})", safe(&run.engine), safe(&run.devices.join(" + ")))),
        ("Reader", format!("{} ({})", safe(&run.reader), readers(report))),
        ("Threads", format!("{}, batches of {} pages", run.threads, run.batch_pages)),
    ];
    facts.extend((!run.command_line.is_empty()).then(|| ("Command", command(run))));
    facts.extend(run.host.iter().map(|host| ("Host", safe(host).into_owned())));
    facts.extend(report.sources.iter().take(SHOWN_MAX).map(|source| ("Scan", one_scan(source))));
    facts.extend(calibration(report).map(|text| ("Choice of engine", text)));
    facts.extend(run.gpus.iter().take(SHOWN_MAX).map(|gpu| ("GPU", worked(gpu))));
    facts.extend(run.pace.iter().take(SHOWN_MAX).map(|pace| ("Device", paced(pace))));
    let note = |note: &String| ("Note", safe(note).into_owned());
    facts.extend(run.notes.iter().take(SHOWN_MAX).map(note));
    let histograms = &throughput.histogram_files;
    if !histograms.is_empty() {
        let shown = &histograms[..histograms.len().min(SHOWN_MAX)];
        facts.push(("Histograms", safe(&shown.join(", ")).into_owned()));
    }
    facts.push(("Schema", format!("{}, exit code {}", safe(&report.schema), report.exit_code)));
    facts
}

/// As it was typed, or could have been.
fn command(run: &Run) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./\\:=,+@%".contains(c);
    let word = |word: &String| {
        if word.chars().all(is_plain) && !word.is_empty() {
            return safe(word).into_owned();
        }
        format!("'{}'", safe(&word.replace('\'', "'\\''")))
    };
    run.command_line.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// One of the scans of a merged report.
fn one_scan(source: &Source) -> String {
    let Source { host, run, verdict, throughput, .. } = source;
    let (host, began) = (safe(host), moment(&run.started_at));
    let (took, rate) = (duration(run.elapsed_seconds), rate(throughput.bytes_per_second));
    format!("{host}: {}, began {}, took {took}, {rate}", verdict.name(), safe(&began))
}

fn took(report: &ScrubReport) -> String {
    let time = duration(report.run.elapsed_seconds);
    match report.run.resumed {
        0 => time,
        n => format!("{time}, resumed {}", counted(n, "time")),
    }
}

/// The ways in which bytes were read, with how many.
fn readers(report: &ScrubReport) -> String {
    let ways = report.throughput.bytes_by_reader.iter().take(SHOWN_MAX);
    let text: Vec<_> = ways.map(|(way, bytes)| format!("{} {}", safe(way), size(*bytes))).collect();
    if text.is_empty() {
        safe(&report.run.readers.join(" + ")).into_owned()
    } else {
        text.join(", ")
    }
}

fn calibration(report: &ScrubReport) -> Option<String> {
    let calibration = report.run.calibration.as_ref()?;
    let speed = |name: &str, speed: Option<Speed>| {
        let Speed { gb_per_second, cpu_seconds_per_gib } = speed?;
        let cost = cpu_seconds_per_gib.map(|cost| format!(" at {cost:.3} CPU s/GiB"));
        Some(format!("; {name} {gb_per_second:.1} GB/s{}", cost.unwrap_or_default()))
    };
    let measured = [speed("CPU", calibration.cpu), speed("GPU", calibration.gpu)];
    let measured: String = measured.into_iter().flatten().collect();
    Some(format!("{}: {}{measured}", safe(&calibration.chosen), safe(&calibration.why)))
}

fn worked(gpu: &GpuSummary) -> String {
    let identity = &gpu.identity;
    let errors = gpu.errors.iter().take(SHOWN_MAX);
    let errors: Vec<_> = errors.map(|(name, n)| format!(", {n} {}", words(name))).collect();
    let retired = gpu.retired.as_ref().map(|why| format!("; retired: {}", safe(why)));
    let way = |way: &WaySpeed| format!("{} {:.1} GB/s", words(&way.upload), way.gb_per_second);
    let ways: Vec<_> = gpu.ways.iter().take(SHOWN_MAX).map(way).collect();
    let measured = (!ways.is_empty()).then(|| format!("; measured: {}", ways.join(", ")));
    let measured = measured.unwrap_or_default();
    format!(
        "{} ({}, {}, {}{measured}): {}, {} of them checked by the CPU{}{}",
        safe(&identity.name),
        safe(&identity.driver),
        safe(&identity.backend),
        words(&identity.upload),
        counted(gpu.pages, "page"),
        number(gpu.pages_checked),
        errors.concat(),
        retired.unwrap_or_default(),
    )
}

fn paced(pace: &PaceSummary) -> String {
    let mut text = format!(
        "{}: {}, {}, {} in flight",
        safe(pace.device.as_deref().unwrap_or("unknown")),
        counted(pace.members.into(), "disk"),
        if pace.rotational { "moving heads" } else { "no moving heads" },
        pace.queue_depth,
    );
    if let Some(node) = pace.numa_node {
        text += &format!(", NUMA node {node}");
    }
    if let Some(ceiling) = pace.rate_bytes_per_second {
        text += &format!("; at most {}", rate(ceiling as f64));
    }
    if let Some(limit) = pace.latency_max_ms {
        let (times, paused) = (counted(pace.backed_off, "time"), pace.paused_seconds);
        let depth = pace.lowest_queue_depth;
        text += &format!("; slowed down {times} for reads over {limit} ms");
        text += &format!(", down to {depth} in flight, paused {paused:.1} s");
    }
    text
}
