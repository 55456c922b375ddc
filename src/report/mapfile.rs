//! One data file as a GNU ddrescue mapfile: which of its bytes are good, bad, or not known.

use super::escape::terminal as safe;
use super::file_names::FileKey;
use crate::consolidate::report::{FileReport, ScrubReport};
use crate::discover::FileKind;
use crate::page::PAGE_BYTES;
use crate::page::address::PageRange;
use std::collections::BTreeMap;
use std::io::{self, Write};

const GOOD: char = '+';
const BAD: char = '-';
const UNKNOWN: char = '?';

/// The files of `report` that have a map, each with its position in `files`. Backups have none: a
/// report does not tell where in them sound pages are.
pub fn mapped(report: &ScrubReport) -> impl Iterator<Item = (usize, &FileReport)> {
    let has_pages =
        |file: &FileReport| file.kind == FileKind::Data && file.coverage.pages_planned > 0;
    report.files.iter().enumerate().filter(move |(_, file)| has_pages(file))
}

/// The name of the map of `files[position]`.
pub fn name(position: usize) -> String {
    format!("file-{position:04}.map")
}

/// True for what [`name`] gives.
pub fn is_name(name: &str) -> bool {
    name.strip_prefix("file-").and_then(|rest| rest.strip_suffix(".map")).is_some()
}

/// The page ids of all suspects in data files, by file.
pub fn suspect_pages(report: &ScrubReport) -> BTreeMap<FileKey<'_>, Vec<u32>> {
    let mut pages: BTreeMap<FileKey<'_>, Vec<u32>> = BTreeMap::new();
    for suspect in report.suspects.iter().filter(|suspect| !suspect.is_in_backup()) {
        let file = (suspect.host.as_deref(), &*suspect.path);
        pages.entry(file).or_default().push(suspect.page_id);
    }
    for pages in pages.values_mut() {
        pages.sort_unstable();
    }
    pages
}

/// Writes the map of `file`, of which the pages `suspects` (ascending) are listed in `report`.
pub fn write(
    report: &ScrubReport,
    file: &FileReport,
    suspects: &[u32],
    out: &mut dyn Write,
) -> io::Result<()> {
    let blocks = blocks(file, suspects);
    let is_known = blocks.iter().all(|block| block.status != UNKNOWN);
    let current = if is_known { GOOD } else { UNKNOWN };
    let tool = &report.tool;
    let own = report.sources.iter().find(|source| Some(&source.host) == file.host.as_ref());
    let run = own.map_or(&report.run, |source| &source.run);
    writeln!(out, "# Mapfile. Created by {} {}", safe(&tool.name), safe(&tool.version))?;
    if let Some(host) = &file.host {
        writeln!(out, "# Host: {}", safe(host))?;
    }
    writeln!(out, "# Data file: {}", safe(&file.path))?;
    writeln!(out, "# Scanned: {} ({})", safe(&run.started_at), safe(&run.id))?;
    writeln!(out, "# + read and not suspect, - suspect, ? not reached or not known")?;
    writeln!(out, "# current_pos  current_status  current_pass")?;
    writeln!(out, "0x{:08X}     {current}               1", 0)?;
    writeln!(out, "#      pos        size  status")?;
    blocks.iter().try_for_each(|block| {
        let (position, size) = (bytes(block.first), bytes(block.end - block.first));
        writeln!(out, "0x{position:08X}  0x{size:08X}  {}", block.status)
    })
}

fn bytes(pages: u64) -> u64 {
    pages.saturating_mul(PAGE_BYTES as u64)
}

/// Pages of one status.
struct Block {
    first: u64,
    end: u64,
    status: char,
}

/// All promised pages, without gaps. What is not known by its place is not called good.
fn blocks(file: &FileReport, suspects: &[u32]) -> Vec<Block> {
    let coverage = &file.coverage;
    let are_all_listed = coverage.suspect == suspects.len() as u64;
    let not_reached = file.not_reached_ranges.as_deref();
    let rest = match not_reached {
        Some(_) if are_all_listed => GOOD,
        None if are_all_listed && coverage.not_reached == 0 => GOOD,
        _ => UNKNOWN,
    };
    let unknown = not_reached.unwrap_or_default().iter().map(|range| (*range, UNKNOWN));
    let bad = suspects.iter().map(|&page| (PageRange::between(page, page.saturating_add(1)), BAD));
    let mut marked: Vec<_> = unknown.chain(bad).collect();
    marked.sort_by_key(|(range, _)| range.first);

    let mut map = Map { blocks: Vec::new(), end: 0 };
    for (range, status) in marked {
        let first = u64::from(range.first.0).min(coverage.pages_planned);
        map.fill(first, rest);
        let end = u64::from(range.first.0) + u64::from(range.pages);
        map.fill(end.min(coverage.pages_planned), status);
    }
    map.fill(coverage.pages_planned, rest);
    map.blocks
}

struct Map {
    blocks: Vec<Block>,
    end: u64,
}

impl Map {
    /// All pages up to `end` that have no status yet.
    fn fill(&mut self, end: u64, status: char) {
        if end <= self.end {
            return;
        }
        match self.blocks.last_mut() {
            Some(last) if last.status == status => last.end = end,
            _ => self.blocks.push(Block { first: self.end, end, status }),
        }
        self.end = end;
    }
}
