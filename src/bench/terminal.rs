//! The report of a bench for people: a table for each section, then what it means.

use super::report::{BenchReport, Bound, Clock, Comparison, Row, Section, Verdict};
use crate::report::escape::terminal as safe;
use crate::report::terminal::Look;
use crate::report::terminal::layout::table;
use anstyle::Style;
use comfy_table::{Cell, CellAlignment};
use std::io::{self, Write};

const BOLD: Style = Style::new().bold();
const INDENT: usize = 10;

/// Prints `report`. Escapes for bold text must be stripped by a stream that is no terminal.
pub fn write(report: &BenchReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let machine = &report.machine;
    let head = format!(
        "{}, {} cores, {}; pagescrub {}; medians of {} interleaved rounds (least..most)",
        machine.cpu, machine.cores, machine.os, report.version, report.rounds
    );
    look.paragraph(&safe(&head), 0, out)?;
    for section in &report.sections {
        write_section(section, look, out)?;
    }
    writeln!(out)?;
    for note in &report.notes {
        look.paragraph(&format!("{:INDENT$}{}", "Note", safe(note)), INDENT, out)?;
    }
    for (i, verdict) in report.verdicts.iter().enumerate() {
        let heading = if i == 0 { "Verdict" } else { "" };
        let text = format!("{heading:INDENT$}{}: {}", verdict.bound.name(), verdict.text);
        look.paragraph(&text, INDENT, out)?;
    }
    writeln!(out, "\n{}", result_line(report))
}

/// The last line: stable words for scripts; the share of its limit that each section reached.
pub fn result_line(report: &BenchReport) -> String {
    let ratio = |verdict: &Verdict| format!(" {}={:.2}", verdict.section, verdict.ratio);
    let mut told: Vec<_> =
        report.verdicts.iter().filter(|verdict| verdict.bound != Bound::Emulation).collect();
    let ratios: String = told.iter().copied().map(ratio).collect();
    // What a scan that takes the CPU comes to.
    told.retain(|verdict| !verdict.section.starts_with("gpu"));
    let bound = told.last().map_or("none", |verdict| verdict.bound.name());
    format!("RESULT verdict={bound}{ratios}")
}

impl Bound {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory-bound",
            Self::Storage => "storage-bound",
            Self::Bus => "bus-bound",
            Self::Compute => "compute-bound",
            Self::Reader => "reader-bound",
            Self::Emulation => "emulation",
        }
    }
}

impl Clock {
    fn name(self) -> &'static str {
        match self {
            Self::Timestamps => "GPU",
            Self::Wall => "wall",
        }
    }
}

fn write_section(section: &Section, look: Look, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}{}{BOLD:#}", safe(&section.title))?;
    let columns = Columns::of(section, look);
    let mut table = table(look, &columns.header());
    for row in &section.rows {
        table.add_row(columns.cells(row));
    }
    writeln!(out, "{table}")
}

/// Columns that have something to say, and room.
struct Columns {
    has_spread: bool,
    has_cpu: bool,
    has_threads: bool,
    has_cache: bool,
    has_clock: bool,
    is_wide: bool,
}

impl Columns {
    fn of(section: &Section, look: Look) -> Self {
        let any = |has: fn(&Row) -> bool| section.rows.iter().any(has);
        let has_threads = any(|row| row.of_one_thread.is_some());
        Self {
            has_spread: look.is_wide() || !has_threads,
            has_cpu: any(|row| row.cpu_seconds_per_gib.is_some()),
            has_threads,
            has_cache: section.name == "cold" && any(|row| row.page_cache_growth_bytes.is_some()),
            has_clock: any(|row| row.clock.is_some()),
            is_wide: look.is_wide(),
        }
    }

    fn header(&self) -> Vec<&'static str> {
        let mut header = vec!["What", "GB/s"];
        header.extend(self.has_spread.then_some("least..most"));
        header.extend(self.has_cpu.then_some("CPU s/GiB"));
        header.extend(self.has_threads.then_some("x 1 thr."));
        header.extend(self.has_cache.then_some("cache MiB"));
        header.extend(self.has_clock.then_some("clock"));
        header.push("of limit");
        header.extend(self.is_wide.then_some("limit"));
        header
    }

    fn cells(&self, row: &Row) -> Vec<Cell> {
        let speed = row.gb_per_second;
        let number = |value: Option<String>| {
            Cell::new(value.unwrap_or_default()).set_alignment(CellAlignment::Right)
        };
        let median = |comparison: &Option<Comparison>| {
            comparison.as_ref().map(|comparison| format!("{:.2}", comparison.ratio.median))
        };
        let mut cells =
            vec![Cell::new(safe(&row.name)), number(Some(format!("{:.2}", speed.median)))];
        if self.has_spread {
            cells.push(number(Some(format!("{:.2}..{:.2}", speed.min, speed.max))));
        }
        if self.has_cpu {
            cells.push(number(row.cpu_seconds_per_gib.map(|seconds| format!("{seconds:.3}"))));
        }
        if self.has_threads {
            cells.push(number(median(&row.of_one_thread)));
        }
        if self.has_cache {
            let mib = row.page_cache_growth_bytes.map(|bytes| (bytes >> 20).to_string());
            cells.push(number(mib));
        }
        if self.has_clock {
            cells.push(Cell::new(row.clock.map_or("", Clock::name)));
        }
        cells.push(number(median(&row.of_limit)));
        if self.is_wide {
            let limit = row.of_limit.as_ref().map(|limit| limit.row.clone());
            cells.push(Cell::new(limit.unwrap_or_default()));
        }
        cells
    }
}
