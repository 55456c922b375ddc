//! Percentiles of how long reads and checksums took.

use super::canvas::{Canvas, Drawn, FAINT, FIRST, GRID, INK, SECOND, label_style, svg};
use super::words::micros;
use crate::consolidate::report::Throughput;
use crate::consolidate::throughput::StageSummary;
use plotters::chart::ChartBuilder;
use plotters::coord::combinators::IntoLogRange;
use plotters::element::{Circle, PathElement, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor};

const NAMES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];
/// A day; more is no latency, and axes must end somewhere.
const MICROS_MAX: u64 = 86_400_000_000;

type Series = (&'static str, RGBColor, [f64; 5]);

/// The picture; `None` if nothing was measured.
pub(super) fn drawn(throughput: &Throughput) -> Option<String> {
    let series = [("read", FIRST), ("verify", SECOND)].into_iter().filter_map(|(name, colour)| {
        Some((name, colour, percentiles(throughput.stages.get(name)?)))
    });
    let series: Vec<Series> = series.collect();
    if series.is_empty() { None } else { svg(|canvas| draw(&series, canvas)) }
}

fn percentiles(stage: &StageSummary) -> [f64; 5] {
    [stage.p50_us, stage.p90_us, stage.p99_us, stage.p999_us, stage.max_us]
        .map(|us| us.clamp(1, MICROS_MAX) as f64)
}

fn draw(series: &[Series], canvas: &Canvas<'_>) -> Drawn {
    let all = || series.iter().flat_map(|(_, _, values)| values);
    let highest = all().copied().fold(10.0, f64::max) * 2.0;
    let lowest = all().copied().fold(highest, f64::min) / 2.0;
    let mut chart = ChartBuilder::on(canvas)
        .margin(8)
        .margin_right(54)
        .x_label_area_size(26)
        .y_label_area_size(74)
        .build_cartesian_2d(-0.2..4.2, (lowest..highest).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .axis_style(FAINT)
        .label_style(label_style())
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&|x| name(*x).to_owned())
        .y_label_formatter(&|y| micros(*y as u64))
        .draw()?;
    for (name, colour, values) in series {
        let points: Vec<_> = (0..).map(f64::from).zip(values.iter().copied()).collect();
        chart.draw_series([PathElement::new(points.clone(), colour.stroke_width(2))])?;
        chart.draw_series(points.iter().map(|at| Circle::new(*at, 3, colour.filled())))?;
        let style = label_style().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        chart.draw_series([Text::new(*name, (4.15, values[4]), style)])?;
    }
    Ok(())
}

fn name(x: f64) -> &'static str {
    let is_one = (x - x.round()).abs() < 0.01 && x > -0.5;
    NAMES.get(x.round() as usize).filter(|_| is_one).copied().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_of_nothing_and_of_centuries_make_a_picture() {
        for us in [0, 1, 500, u64::MAX] {
            let stage =
                StageSummary { p50_us: us, p99_us: us / 3, max_us: us, ..Default::default() };
            let stages = [("read".to_owned(), stage)].into();
            let throughput = Throughput { stages, ..Default::default() };
            assert!(drawn(&throughput).is_some_and(|svg| svg.contains("p99.9")), "{us}");
        }
        assert!(drawn(&Throughput::default()).is_none());
    }
}
