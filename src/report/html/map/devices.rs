//! A map of each device that suspects are on, from the first of them to the last: what is far apart
//! in files may be one place there.

use super::super::super::terminal::layout::{counted, number};
use super::super::safe;
use super::super::words::size;
use super::{COLUMNS, Cell, ROWS_MAX, drawn};
use crate::consolidate::report::{ScrubReport, Suspect};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Maps at most.
const DEVICES_MAX: usize = 12;
/// A cell is a multiple of an extent.
const CELL_STEP_BYTES: u64 = 64 << 10;

/// A machine, in a merged report, and a device of it.
type Device<'a> = (Option<&'a str>, &'a str);

pub(super) fn section(report: &ScrubReport) -> Markup {
    let devices = by_device(report);
    let hidden = devices.len().saturating_sub(DEVICES_MAX);
    html! {
        @if !devices.is_empty() {
            h3 { "On the devices" }
            div.maps {
                @for (device, suspects) in devices.iter().take(DEVICES_MAX) {
                    (one(*device, suspects))
                }
            }
            @if hidden > 0 {
                p.more { "And " (counted(hidden as u64, "more device")) ", without a map." }
            }
        }
    }
}

fn by_device(report: &ScrubReport) -> BTreeMap<Device<'_>, Vec<(u64, &Suspect)>> {
    let mut devices: BTreeMap<Device<'_>, Vec<(u64, &Suspect)>> = BTreeMap::new();
    for suspect in &report.suspects {
        if let (Some(device), Some(at)) = (&suspect.device, suspect.device_offset_bytes) {
            devices.entry((suspect.host.as_deref(), device)).or_default().push((at, suspect));
        }
    }
    devices
}

fn one((host, device): Device<'_>, suspects: &[(u64, &Suspect)]) -> Markup {
    let offsets = || suspects.iter().map(|(at, _)| *at);
    let (first, last) = (offsets().min().unwrap_or(0), offsets().max().unwrap_or(0));
    let cell_bytes = ((last - first) / (COLUMNS * ROWS_MAX - 1)).max(1);
    let cell_bytes = cell_bytes.div_ceil(CELL_STEP_BYTES) * CELL_STEP_BYTES;
    let start = first / cell_bytes * cell_bytes;
    let mut cells = vec![Cell::default(); ((last - start) / cell_bytes) as usize + 1];
    for (at, suspect) in suspects {
        cells[((at - start) / cell_bytes) as usize].mark(suspect);
    }
    let name = host.map(|host| format!("{host}:")).unwrap_or_default() + device;
    let title = |at: usize, cell: &Cell<'_>| {
        let from = start + at as u64 * cell_bytes;
        format!("bytes {} to {}{}", number(from), number(from + (cell_bytes - 1)), cell.words())
    };
    html! {
        figure {
            figcaption {
                strong { (safe(&name)) }
                span { (counted(suspects.len() as u64, "suspect")) }
                small { "from byte " (number(start)) " on, a cell is " (size(cell_bytes)) }
            }
            (drawn(&cells, &safe(&name), &title))
        }
    }
}
