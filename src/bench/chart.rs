//! The report of a bench as a picture: a bar for each row, and a line where its limit is. SVG, or
//! the same in a page of HTML; nothing in it is fetched from elsewhere, and it follows the reader's
//! choice of light or dark.

use super::report::{BenchReport, Row, Section};
use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle};
use std::error::Error;

const WIDTH: i32 = 1040;
const MARGIN: i32 = 24;
const BARS_LEFT: i32 = 300;
const BARS_RIGHT: i32 = 760;
const ROW_HEIGHT: i32 = 22;
const BAR_HEIGHT: i32 = 14;
const HEADING_HEIGHT: i32 = 44;
const FONT_SIZE: i32 = 13;
const TITLE_SIZE: i32 = 20;
const TOP_HEIGHT: i32 = 84;

/// Each colour stands for a role, so that a style sheet can tell the roles apart.
const INK: RGBColor = RGBColor(0x1B, 0x1F, 0x24);
const FAINT: RGBColor = RGBColor(0x5F, 0x6B, 0x7A);
const LIMIT_BAR: RGBColor = RGBColor(0xB8, 0xC2, 0xCC);
const OWN_BAR: RGBColor = RGBColor(0x2B, 0x6C, 0xB0);
const LIMIT_LINE: RGBColor = RGBColor(0xC2, 0x41, 0x0C);

/// The same roles on a dark ground.
const STYLE: &str = "<style>
svg { background: #ffffff; font-family: system-ui, sans-serif }
@media (prefers-color-scheme: dark) {
  svg { background: #14171a }
  [fill='#1B1F24'] { fill: #e8eaed }
  [fill='#5F6B7A'] { fill: #9aa5b1 }
  [stroke='#1B1F24'] { stroke: #e8eaed }
  [fill='#B8C2CC'] { fill: #4a5460 }
  [fill='#2B6CB0'] { fill: #63a4e8 }
  [stroke='#C2410C'] { stroke: #ff9d5c }
}
</style>
";

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error + Send + Sync>>;

/// The picture as an SVG document.
///
/// # Errors
/// If the drawing library fails.
pub fn svg(report: &BenchReport) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut text = String::new();
    {
        let size = (WIDTH as u32, height(report) as u32);
        let canvas = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(report, &canvas)?;
        canvas.present()?;
    }
    // The style must stand inside the outermost element.
    let inside = text.find("<svg").and_then(|at| Some(at + text[at..].find('>')? + 1));
    text.insert_str(inside.ok_or("the drawing library wrote no SVG")?, &format!("\n{STYLE}"));
    Ok(text)
}

/// The picture in a page of HTML that needs nothing else.
///
/// # Errors
/// If the drawing library fails.
pub fn html(report: &BenchReport) -> Result<String, Box<dyn Error + Send + Sync>> {
    let svg = svg(report)?;
    let svg = &svg[svg.find("<svg").unwrap_or(0)..];
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width\"/>\n\
         <title>pagescrub bench</title>\n<style>\n\
         body {{ margin: 0; background: #ffffff }}\n\
         svg {{ display: block; margin: auto; max-width: 100%; height: auto }}\n\
         @media (prefers-color-scheme: dark) {{ body {{ background: #14171a }} }}\n\
         </style>\n</head>\n<body>\n{svg}\n</body>\n</html>\n"
    ))
}

fn height(report: &BenchReport) -> i32 {
    let rows: usize = report.sections.iter().map(|section| section.rows.len()).sum();
    let lines = rows + report.verdicts.len() + report.notes.len();
    let headings = report.sections.len() + 1;
    let pixels =
        |count: usize, each: i32| i32::try_from(count).unwrap_or(i32::from(i16::MAX)) * each;
    TOP_HEIGHT + pixels(headings, HEADING_HEIGHT) + pixels(lines, ROW_HEIGHT) + MARGIN
}

fn draw(report: &BenchReport, canvas: &Canvas<'_>) -> Drawn {
    let machine = &report.machine;
    let about = format!(
        "{}, {} cores; GB/s, medians of {} rounds, whiskers from least to most",
        machine.cpu, machine.cores, report.rounds
    );
    label(canvas, "pagescrub bench", (MARGIN, 30), TITLE_SIZE, INK)?;
    label(canvas, &about, (MARGIN, 54), FONT_SIZE, FAINT)?;
    legend(canvas, 78)?;
    let mut y = TOP_HEIGHT;
    for section in &report.sections {
        y = draw_section(section, canvas, y)?;
    }
    label(canvas, "What it means", (MARGIN, y + 28), FONT_SIZE + 2, INK)?;
    y += HEADING_HEIGHT;
    let verdicts = report.verdicts.iter().map(|v| format!("{}: {}", v.bound.name(), v.text));
    for line in verdicts.chain(report.notes.iter().cloned()) {
        label(canvas, &line, (MARGIN, y + ROW_HEIGHT / 2), FONT_SIZE, INK)?;
        y += ROW_HEIGHT;
    }
    Ok(())
}

fn legend(canvas: &Canvas<'_>, y: i32) -> Drawn {
    let entries = [(OWN_BAR, "pagescrub"), (LIMIT_BAR, "a limit: less, or nothing, done")];
    let mut x = MARGIN;
    for (colour, words) in entries {
        bar(canvas, x, x + 18, y, colour)?;
        label(canvas, words, (x + 26, y), FONT_SIZE, INK)?;
        x += 126;
    }
    x += 120;
    limit_line(canvas, x, y)?;
    label(canvas, "the limit of a bar, and the share of it", (x + 10, y), FONT_SIZE, INK)
}

/// Draws from `top` on and returns where the next section begins.
fn draw_section(
    section: &Section,
    canvas: &Canvas<'_>,
    top: i32,
) -> Result<i32, Box<dyn Error + Send + Sync>> {
    label(canvas, &section.title, (MARGIN, top + 28), FONT_SIZE + 2, INK)?;
    let greatest = section.rows.iter().map(|row| row.gb_per_second.max).fold(0.0, f64::max);
    let x = |gb_per_second: f64| {
        let share = gb_per_second / greatest.max(f64::MIN_POSITIVE);
        BARS_LEFT + (share * f64::from(BARS_RIGHT - BARS_LEFT)) as i32
    };
    let mut y = top + HEADING_HEIGHT + ROW_HEIGHT / 2;
    for row in &section.rows {
        draw_row(section, row, canvas, y, &x)?;
        y += ROW_HEIGHT;
    }
    Ok(y - ROW_HEIGHT / 2)
}

fn draw_row(
    section: &Section,
    row: &Row,
    canvas: &Canvas<'_>,
    y: i32,
    x: &dyn Fn(f64) -> i32,
) -> Drawn {
    let speed = row.gb_per_second;
    label(canvas, &row.name, (MARGIN, y), FONT_SIZE, INK)?;
    let colour = if row.is_limit { LIMIT_BAR } else { OWN_BAR };
    bar(canvas, BARS_LEFT, x(speed.median), y, colour)?;
    let whisker = vec![(x(speed.min), y), (x(speed.max), y)];
    canvas.draw(&PathElement::new(whisker, INK.stroke_width(1)))?;
    let mut value = format!("{:.2} GB/s", speed.median);
    if let Some(comparison) = &row.of_limit {
        value += &format!(", {:.2} of its limit", comparison.ratio.median);
        if let Some(limit) = section.row(&comparison.row) {
            limit_line(canvas, x(limit.gb_per_second.median), y)?;
        }
    }
    label(canvas, &value, (BARS_RIGHT + 16, y), FONT_SIZE, INK)
}

fn bar(canvas: &Canvas<'_>, left: i32, right: i32, y: i32, colour: RGBColor) -> Drawn {
    let corners = [(left, y - BAR_HEIGHT / 2), (right.max(left + 1), y + BAR_HEIGHT / 2)];
    Ok(canvas.draw(&Rectangle::new(corners, colour.filled()))?)
}

/// As high as a row, so that the lines of neighbours meet.
fn limit_line(canvas: &Canvas<'_>, x: i32, y: i32) -> Drawn {
    let ends = vec![(x, y - ROW_HEIGHT / 2), (x, y + ROW_HEIGHT / 2)];
    Ok(canvas.draw(&PathElement::new(ends, LIMIT_LINE.stroke_width(2)))?)
}

fn label(canvas: &Canvas<'_>, text: &str, at: (i32, i32), size: i32, colour: RGBColor) -> Drawn {
    let style = TextStyle::from(("sans-serif", size).into_font()).color(&colour);
    let style = style.pos(Pos::new(HPos::Left, VPos::Center));
    Ok(canvas.draw(&Text::new(text.to_owned(), at, style))?)
}
