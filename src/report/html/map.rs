//! A map of each file with something to see: where suspects are, and what was not reached. And one
//! of each device that suspects are known to be on.

mod devices;

use super::super::terminal::layout::{counted, number};
use super::safe;
use super::words::{PRIORITIES, TIERS, colour, size};
use crate::consolidate::backup::BackupReport;
use crate::consolidate::report::{FileKey, FileReport, ScrubReport, Suspect};
use crate::page::{EXTENT_PAGES, PAGE_BYTES};
use crate::report::file_names::{FileNames, part_words};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Maps at most, and cells of each.
const MAPS_MAX: usize = 24;
const COLUMNS: u64 = 64;
const ROWS_MAX: u64 = 16;
/// Side of a cell.
const CELL: u64 = 10;

pub(super) fn section(report: &ScrubReport, names: &FileNames<'_>) -> Markup {
    let by_file = suspects_by_file(report);
    let has_more = |file: &&FileReport| {
        let coverage = &file.coverage;
        coverage.pages_planned > 0 && coverage.suspect + coverage.not_reached.min(1) > 0
    };
    let files: Vec<_> = report.files.iter().filter(has_more).collect();
    html! {
        @if !files.is_empty() {
            section #map {
                h2 { "Where it is" small { "file by file, from its first page to its last" } }
                (symbols())
                (legend(report))
                div.maps {
                    @for file in files.iter().take(MAPS_MAX) {
                        (one(file, pages(report, file), of_file(&by_file, file), names))
                    }
                }
                @if files.len() > MAPS_MAX {
                    p.more { "And " (counted((files.len() - MAPS_MAX) as u64, "more file"))
                        ", without a map." }
                }
                (devices::section(report))
            }
        }
    }
}

/// Pages of the whole file: a backup does not have those that are free.
fn pages(report: &ScrubReport, file: &FileReport) -> u64 {
    let Some(position) = file.backup_set else { return file.coverage.pages_planned };
    let of_path = |(other, _): &(&FileReport, &BackupReport)| {
        (&other.host, &other.path) == (&file.host, &file.path)
    };
    let set = report.backups().find(of_path).and_then(|(_, backup)| backup.set(position));
    let listed = set.into_iter().flat_map(|set| &set.files);
    let listed = listed.filter(|listed| Some(listed.file_id) == file.file_id);
    listed.map(|listed| u64::from(listed.pages)).max().unwrap_or(file.coverage.pages_planned)
}

fn of_file<'a, 'b>(
    by_file: &'a BTreeMap<FileKey<'_>, Vec<&'b Suspect>>,
    file: &'a FileReport,
) -> &'a [&'b Suspect] {
    by_file.get(&file.key()).map_or(&[], Vec::as_slice)
}

fn suspects_by_file(report: &ScrubReport) -> BTreeMap<FileKey<'_>, Vec<&Suspect>> {
    let mut by_file: BTreeMap<FileKey<'_>, Vec<&Suspect>> = BTreeMap::new();
    for suspect in &report.suspects {
        by_file.entry(suspect.file_key()).or_default().push(suspect);
    }
    by_file
}

/// Shapes besides colours: not everybody sees these, and printers may have none.
fn symbols() -> Markup {
    html! {
        svg.symbols width="0" height="0" aria-hidden="true" {
            defs {
                (symbol("t0", "M2 2L8 8M8 2L2 8"))
                (symbol("t1", "M2 8L8 2M1 5L5 1M5 9L9 5"))
                (symbol("t2", "M2 5H8M5 2V8"))
                (symbol("t3", "M2 5H8"))
                (symbol("t4", "M4.5 4.5H5.5V5.5H4.5Z"))
                (symbol("tu", "M3 3H7V7H3Z"))
                (symbol("missed", "M0 10L10 0M-2 2L2 -2M8 12L12 8"))
            }
        }
    }
}

fn symbol(class: &str, path: &str) -> Markup {
    html! {
        symbol id={ "cell-" (class) } viewBox="0 0 10 10" {
            rect.cell.(class) x="0.5" y="0.5" width="9" height="9" {}
            path.mark d=(path) {}
        }
    }
}

fn legend(report: &ScrubReport) -> Markup {
    let has_tiers = report.suspects.iter().any(|suspect| !suspect.tier.is_empty());
    let tiers = TIERS.map(|(name, lost)| (colour(name, ""), format!("{name} {lost}")));
    let urgent = PRIORITIES.map(|(name, asks)| (colour("", name), format!("{name} {asks}")));
    let worst = if has_tiers { &tiers[..] } else { &urgent[..] };
    let is_used = |class: &str| {
        report.suspects.iter().any(|suspect| colour(&suspect.tier, &suspect.priority) == class)
    };
    html! {
        ul.legend {
            @for (class, words) in worst.iter().filter(|(class, _)| is_used(class)) {
                li { (key(class)) (words) }
            }
            @if report.coverage.not_reached > 0 { li { (key("missed")) "not reached" } }
            li { svg.key viewBox="0 0 10 10" aria-hidden="true" {
                rect.ground x="0.5" y="0.5" width="9" height="9" {} } "nothing found" }
        }
    }
}

fn key(class: &str) -> Markup {
    html! {
        svg.key viewBox="0 0 10 10" aria-hidden="true" {
            use href={ "#cell-" (class) } width="10" height="10" {}
        }
    }
}

/// What is in one cell.
#[derive(Clone, Default)]
struct Cell<'a> {
    suspects: u64,
    /// The most urgent one.
    worst: Option<&'a Suspect>,
    is_missed: bool,
}

impl<'a> Cell<'a> {
    fn mark(&mut self, suspect: &'a Suspect) {
        self.suspects += 1;
        self.worst = self.worst.filter(|worst| worst.rank <= suspect.rank).or(Some(suspect));
    }

    /// `: 3 suspects, worst #1 P1 T0`, and whether all was reached.
    fn words(&self) -> String {
        let mut words = String::new();
        if let Some(worst) = self.worst {
            let (priority, tier) = (safe(&worst.priority), safe(&worst.tier));
            let suspects = counted(self.suspects, "suspect");
            words = format!(": {suspects}, worst #{} {priority} {tier}", worst.rank);
        }
        if self.is_missed {
            words += "; not reached, or in part";
        }
        words
    }
}

/// The cells of a file.
struct Grid<'a> {
    pages: u64,
    pages_per_cell: u64,
    cells: Vec<Cell<'a>>,
}

impl<'a> Grid<'a> {
    fn of(file: &FileReport, pages: u64, suspects: &[&'a Suspect]) -> Self {
        // A part of a file may lie behind the end that a backup's list of files tells.
        let end = suspects.iter().map(|suspect| u64::from(suspect.page_id) + 1).max();
        let is_part = file.backup_set.is_some();
        let pages = end.filter(|_| is_part).map_or(pages, |end| end.max(pages));
        let extents = pages.div_ceil(u64::from(EXTENT_PAGES));
        let extents_per_cell = extents.div_ceil(COLUMNS * ROWS_MAX).max(1);
        let pages_per_cell = extents_per_cell.saturating_mul(u64::from(EXTENT_PAGES));
        let cells = vec![Cell::default(); pages.div_ceil(pages_per_cell) as usize];
        let mut grid = Self { pages, pages_per_cell, cells };
        for suspect in suspects {
            grid.mark(suspect);
        }
        grid.miss(file);
        grid
    }

    fn mark(&mut self, suspect: &'a Suspect) {
        let at = (u64::from(suspect.page_id) / self.pages_per_cell) as usize;
        // A saved report may place a suspect anywhere.
        let Some(cell) = self.cells.get_mut(at) else { return };
        cell.mark(suspect);
    }

    /// Ranges may overlap, and be many; each is looked at once.
    fn miss(&mut self, file: &FileReport) {
        let mut changes = vec![0_i64; self.cells.len() + 1];
        for range in file.not_reached_ranges.iter().flatten().filter(|range| range.pages > 0) {
            let first = u64::from(range.first.0);
            let last = (first + u64::from(range.pages) - 1).min(self.pages.saturating_sub(1));
            if first <= last {
                changes[(first / self.pages_per_cell) as usize] += 1;
                changes[(last / self.pages_per_cell) as usize + 1] -= 1;
            }
        }
        let mut open = 0;
        for (cell, change) in self.cells.iter_mut().zip(changes) {
            open += change;
            cell.is_missed = open > 0;
        }
    }

    fn title(&self, at: usize, cell: &Cell<'_>) -> String {
        let first = at as u64 * self.pages_per_cell;
        let last = first.saturating_add(self.pages_per_cell).min(self.pages) - 1;
        format!("pages {} to {}{}", number(first), number(last), cell.words())
    }
}

fn one(file: &FileReport, pages: u64, suspects: &[&Suspect], names: &FileNames<'_>) -> Markup {
    let grid = Grid::of(file, pages, suspects);
    let coverage = &file.coverage;
    let cell_bytes = grid.pages_per_cell.saturating_mul(PAGE_BYTES as u64);
    html! {
        figure {
            figcaption {
                strong title=(safe(&file.path)) {
                    (names.name(file.host.as_deref(), &file.path)) (part_words(file))
                }
                span {
                    (counted(coverage.suspect, "suspect"))
                    @if coverage.not_reached > 0 {
                        ", " (number(coverage.not_reached)) " not reached"
                        @if file.not_reached_ranges.is_none() { " (nobody knows where)" }
                    }
                }
                small { (counted(coverage.pages_planned, "page")) ", a cell is "
                    (counted(grid.pages_per_cell, "page")) " (" (size(cell_bytes)) ")" }
            }
            (drawn(&grid.cells, &names.name(file.host.as_deref(), &file.path), &|at, cell| {
                grid.title(at, cell)
            }))
        }
    }
}

/// Draws `cells`, each with a title by its number.
fn drawn(cells: &[Cell<'_>], name: &str, title: &dyn Fn(usize, &Cell<'_>) -> String) -> Markup {
    let count = cells.len() as u64;
    let (whole, rest) = (count / COLUMNS, count % COLUMNS);
    let height = count.div_ceil(COLUMNS) * CELL;
    let marked = cells.iter().enumerate();
    let marked = marked.filter(|(_, cell)| cell.worst.is_some() || cell.is_missed);
    html! {
        svg.map viewBox={ "0 0 " (COLUMNS * CELL) " " (height) } role="img"
            aria-label={ "Map of " (name) } {
            @if whole > 0 { rect.ground width=(COLUMNS * CELL) height=(whole * CELL) {} }
            @if rest > 0 {
                rect.ground y=(whole * CELL) width=(rest * CELL) height=(CELL) {}
            }
            @for (at, cell) in marked {
                @let class = cell.worst.map_or("missed", |s| colour(&s.tier, &s.priority));
                use href={ "#cell-" (class) } x=(at as u64 % COLUMNS * CELL)
                    y=(at as u64 / COLUMNS * CELL) width=(CELL) height=(CELL) {
                    title { (title(at, cell)) }
                }
            }
        }
    }
}
