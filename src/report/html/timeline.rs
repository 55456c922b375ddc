//! The rate over time.

use super::canvas::{Canvas, Drawn, FAINT, FIRST, FIRST_AREA, GRID, label_style, svg};
use crate::consolidate::throughput::Timeline;
use plotters::chart::ChartBuilder;
use plotters::element::{PathElement, Polygon};
use plotters::style::Color;
use std::iter::once;

/// Points at most, and fewer than that say nothing.
const POINTS_MAX: usize = 256;
const POINTS_MIN: usize = 3;
/// More is no rate and no time of a machine, and axes must end somewhere.
const RATE_MAX: f64 = 1e15;
const SECONDS_MAX: f64 = 1e9;

/// The picture; `None` if there is too little to show.
pub(super) fn drawn(timeline: &Timeline) -> Option<String> {
    let seconds = timeline.interval_seconds * timeline.bytes.len() as f64;
    let is_time = seconds > 0.0 && seconds <= SECONDS_MAX;
    if timeline.bytes.len() < POINTS_MIN || !is_time {
        return None;
    }
    let points = points(timeline);
    svg(|canvas| draw(&points, seconds, canvas))
}

/// Second and bytes per second, the middle of each interval.
fn points(timeline: &Timeline) -> Vec<(f64, f64)> {
    let joined = timeline.bytes.len().div_ceil(POINTS_MAX);
    let interval = timeline.interval_seconds;
    let mean = |(i, chunk): (usize, &[u64])| {
        let bytes: f64 = chunk.iter().map(|&bytes| bytes as f64).sum();
        let middle = (i * joined) as f64 + chunk.len() as f64 / 2.0;
        (middle * interval, (bytes / (chunk.len() as f64 * interval)).min(RATE_MAX))
    };
    timeline.bytes.chunks(joined).enumerate().map(mean).collect()
}

fn draw(points: &[(f64, f64)], seconds: f64, canvas: &Canvas<'_>) -> Drawn {
    let highest = points.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    // Axes are divided where numbers are round, so they must be in the unit that is shown.
    let (divisor, unit) = time_unit(seconds);
    let points: Vec<_> = points.iter().map(|(x, rate)| (x / divisor, *rate)).collect();
    let mut chart = ChartBuilder::on(canvas)
        .margin(8)
        .x_label_area_size(26)
        .y_label_area_size(74)
        .build_cartesian_2d(0.0..seconds / divisor, 0.0..highest * 1.08)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .axis_style(FAINT)
        .label_style(label_style())
        .x_labels(6)
        .y_labels(5)
        .x_label_formatter(&|x| format!("{} {unit}", (x * 100.0).round() / 100.0))
        .y_label_formatter(&|y| super::words::rate(*y))
        .draw()?;
    let first = points.first().map(|(x, _)| (*x, 0.0));
    let last = points.last().map(|(x, _)| (*x, 0.0));
    let outline: Vec<_> = first.into_iter().chain(points.iter().copied()).chain(last).collect();
    chart.draw_series(once(Polygon::new(outline, FIRST_AREA.filled())))?;
    chart.draw_series(once(PathElement::new(points, FIRST.stroke_width(2))))?;
    Ok(())
}

fn time_unit(seconds: f64) -> (f64, &'static str) {
    match seconds {
        ..180.0 => (1.0, "s"),
        180.0..10_800.0 => (60.0, "min"),
        _ => (3600.0, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_from_anybody_makes_a_picture_or_none_and_never_ends_the_program() {
        let of = |interval_seconds, bytes: &[u64]| {
            drawn(&Timeline { interval_seconds, bytes: bytes.to_vec() })
        };
        for interval in [f64::MIN_POSITIVE, 1e-300, 0.1, 1e6, 1e300, f64::INFINITY, f64::NAN, -1.0]
        {
            of(interval, &[u64::MAX, 0, u64::MAX, 7]);
            of(interval, &[0; 4]);
        }
        assert!(of(0.1, &[1, 2]).is_none());
        assert!(of(0.0, &[1; 9]).is_none());
        assert!(
            of(0.1, &vec![5; 10_000])
                .is_some_and(|svg| svg.starts_with("<svg") && svg.len() < 50_000)
        );
    }
}
