//! How fast it was, in pictures. Colours stand for roles, which the style sheet turns into those of
//! a light or a dark ground.

use super::super::terminal::layout::number;
use super::words::micros;
use super::{latencies, timeline};
use crate::consolidate::report::ScrubReport;
use maud::{Markup, PreEscaped, html};
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::style::{IntoFont, RGBColor, TextStyle};
use std::error::Error;

/// Each colour is a role in `style.css`.
pub(super) const INK: RGBColor = RGBColor(0x1B, 0x1F, 0x24);
pub(super) const FAINT: RGBColor = RGBColor(0x5F, 0x6B, 0x7A);
pub(super) const GRID: RGBColor = RGBColor(0xD9, 0xDE, 0xE4);
pub(super) const FIRST: RGBColor = RGBColor(0x2B, 0x6C, 0xB0);
pub(super) const FIRST_AREA: RGBColor = RGBColor(0xDB, 0xE7, 0xF3);
pub(super) const SECOND: RGBColor = RGBColor(0xC2, 0x41, 0x0C);

const SIZE: (u32, u32) = (540, 230);
const FONT_SIZE: i32 = 13;

pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn = Result<(), Box<dyn Error + Send + Sync>>;

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

/// What `draw` draws, as an element; `None` if the drawing library fails.
pub(super) fn svg(draw: impl FnOnce(&Canvas<'_>) -> Drawn) -> Option<String> {
    let mut text = String::new();
    {
        let canvas = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&canvas).ok()?;
        canvas.present().ok()?;
    }
    Some(text.split_off(text.find("<svg")?))
}

/// The style of numbers at an axis.
pub(super) fn label_style() -> TextStyle<'static> {
    TextStyle::from(("sans-serif", FONT_SIZE).into_font()).color(&FAINT)
}
