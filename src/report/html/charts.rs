//! How fast it was, in pictures and numbers.

use super::super::terminal::layout::number;
use super::words::micros;
use super::{latencies, timeline};
use crate::consolidate::report::ScrubReport;
use maud::{Markup, PreEscaped, html};

pub(super) fn section(report: &ScrubReport) -> Markup {
    let over_time = timeline::drawn(&report.throughput.timeline);
    let percentiles = latencies::drawn(&report.throughput);
    html! {
        section #speed {
            h2 { "Speed" }
            div.charts {
                @if let Some(svg) = over_time {
                    (figure("Throughput over time", "bytes verified in each interval", &svg))
                }
                @if let Some(svg) = percentiles {
                    (figure("Latency of reads, and of checksums", "percentiles, logarithmic", &svg))
                }
            }
            (stages(report))
        }
    }
}

/// All text in `svg` is ours.
fn figure(title: &str, text: &str, svg: &str) -> Markup {
    html! {
        figure role="group" aria-label=(title) {
            figcaption { strong { (title) } small { (text) } }
            div.chart { (PreEscaped(svg)) }
        }
    }
}

/// The numbers of the picture, and those that it leaves out.
fn stages(report: &ScrubReport) -> Markup {
    let stages = ["read", "verify"];
    let stages = stages.map(|name| (name, report.throughput.stages.get(name)));
    html! {
        @if stages.iter().any(|(_, stage)| stage.is_some()) {
            table.stages {
                caption { "How long reads and checksums of a batch took" }
                thead { tr {
                    th scope="col" { "Stage" }
                    @for heading in ["Batches", "Mean", "p50", "p90", "p99", "p99.9", "Max"] {
                        th.number scope="col" .wide[["Batches", "Mean", "p90"].contains(&heading)] {
                            (heading)
                        }
                    }
                } }
                tbody {
                    @for (name, stage) in stages {
                        @if let Some(stage) = stage {
                            tr {
                                td { (name) }
                                td.number.wide { (number(stage.batches)) }
                                td.number.wide { (micros(stage.mean_us as u64)) }
                                td.number { (micros(stage.p50_us)) }
                                td.number.wide { (micros(stage.p90_us)) }
                                td.number { (micros(stage.p99_us)) }
                                td.number { (micros(stage.p999_us)) }
                                td.number { (micros(stage.max_us)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
