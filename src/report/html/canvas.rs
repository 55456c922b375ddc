//! What pictures are drawn on. Colours stand for roles, which the style sheet turns into those of a
//! light or a dark ground.

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
