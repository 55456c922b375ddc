//! Looks for content that has moved in its file, at the end of a scan: whole pages say themselves
//! where they belong, and where suspects are no pages at all, a header is searched for in what
//! stands there. Bounded: samples are taken, and between two that differ it is narrowed down.

mod lies;

use super::Open;
use super::file::open_unchanged;
use crate::consolidate::findings::Finding;
use crate::diagnose::shift::{self, Shift, Witness};
use crate::diagnose::verdict::Allocation;
use crate::discover::{DataFile, FileKind};
use crate::page::address::{PageAddress, PageId};
use crate::page::allocation::{BOOT_PAGE, PFS_INTERVAL_PAGES, pfs_page_of};
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use crate::page::{PAGE_BYTES, Page};
use crate::read::PageSource;
use lies::Lies;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

/// Bytes of a page, of which there may be less than none.
const PAGE: i64 = 8192;
const _: () = assert!(PAGE.unsigned_abs() == PAGE_BYTES as u64);
/// Places of one file that are looked at at most, ...
const LOOKS_MAX: usize = 4096;
/// ... and of all files: 512 MiB if all of them are alone.
const LOOKS_OF_SCAN_MAX: usize = 32_768;
/// Samples of a file, evenly over its suspects, of which one must show that something has moved ...
const FIRST_SAMPLES: usize = 32;
/// ... before so many are taken.
const SAMPLES: usize = 256;
/// Gaps between suspects that are looked into: the largest ones.
const GAPS_MAX: usize = 128;
/// Places in a gap at most that are looked at, and pages of each.
const LOOKS_PER_GAP: u32 = 8;
const LOOK_PAGES: u32 = 8;
/// Looks that are left for gaps.
const LOOKS_FOR_GAPS: usize = (GAPS_MAX + 1) * LOOKS_PER_GAP as usize;
/// Looks that are left for them and for PFS pages.
const LOOKS_FOR_OTHERS: usize = LOOKS_FOR_GAPS + 512;
/// Pages that a header is searched for in: it begins in the first one wherever content is.
const SEARCH_PAGES: u32 = 2;
/// Pages around its place that a PFS page is searched for in, if it has not moved further.
const PFS_SEARCH_PAGES: u32 = 64;

/// Fewer headers in a wrong place are not looked into.
const MOVED_MIN: usize = 4;

/// Finds what has moved in `files`, and tells the `findings`, which are in the order of their
/// places and know of their own pages only, to which of it they belong. Gives the index of the file
/// of each.
pub(super) fn find(
    findings: &mut [Finding],
    files: &[DataFile],
    open: Open<'_>,
) -> Vec<(usize, Shift)> {
    let mut found = Vec::new();
    let mut looks_left = LOOKS_OF_SCAN_MAX;
    for of_file in findings.chunk_by_mut(|a, b| a.file == b.file) {
        let index = of_file[0].file;
        let file = &files[index];
        let is_data = file.kind == FileKind::Data && file.part.is_none();
        if !is_data || of_file.len() < shift::PAGES_MIN {
            continue;
        }
        let Ok(source) = open_unchanged(file, open) else { continue };
        let looks = looks_left.min(LOOKS_MAX);
        let mut search = Search { file, source, looks, is_moved: HashMap::new() };
        let shifts = search.shifts(of_file);
        looks_left -= looks - search.looks;
        for (shift, members) in shifts {
            of_file[members].iter_mut().for_each(|finding| finding.shift = Some(found.len()));
            found.push((index, shift));
        }
    }
    found
}

/// One file.
struct Search<'a> {
    file: &'a DataFile,
    source: Box<dyn PageSource>,
    /// How often may be looked at it yet.
    looks: usize,
    /// For a PFS interval and a direction, whether its PFS page has moved.
    is_moved: HashMap<(u32, bool), bool>,
}

impl Search<'_> {
    /// What has moved, and which of `findings` are of it.
    fn shifts(&mut self, findings: &[Finding]) -> Vec<(Shift, Range<usize>)> {
        let mut lies: Vec<Lies> = findings.iter().map(Lies::of).collect();
        self.look_at_samples(findings, &mut lies);
        self.disbelieve(findings, &mut lies);
        if lies.iter().filter(|lies| lies.is_moved()).count() < MOVED_MIN {
            return Vec::new();
        }
        let witnesses = self.witnesses(findings, &lies);
        let position = |page| findings.partition_point(|finding| finding.place.page < page);
        let suspects = |first: PageId, last: PageId| position(PageId(last.0 + 1)) - position(first);
        let promised = PageId(self.file.promise.pages).offset_bytes();
        let missing = promised.checked_signed_diff(self.file.bytes).filter(|_| promised > 0);
        let shifts = shift::shifts(&witnesses, &suspects, missing);
        let begins: Vec<usize> = shifts.iter().map(|shift| position(shift.first)).collect();
        let ends = begins.iter().skip(1).copied().chain([findings.len()]);
        let members = begins.iter().zip(ends).zip(&shifts).map(|((&begin, end), shift)| {
            let end = if shift.returns { position(PageId(shift.last.0 + 1)) } else { end };
            around(begin..end, findings, &lies)
        });
        let members: Vec<_> = members.collect();
        shifts.into_iter().zip(members).collect()
    }

    /// Looks at suspects of which nobody knows where they belong.
    fn look_at_samples(&mut self, findings: &[Finding], lies: &mut [Lies]) {
        let unseen: Vec<usize> =
            (0..lies.len()).filter(|&index| lies[index] == Lies::Unseen).collect();
        for samples in [FIRST_SAMPLES, SAMPLES] {
            let step = unseen.len().div_ceil(samples).max(1);
            for &index in unseen.iter().step_by(step) {
                self.look_at(findings, lies, index);
            }
            if !lies.iter().any(|lies| lies.is_moved()) {
                return;
            }
        }
        while self.narrow(findings, lies) {}
    }

    /// Looks before each suspect that lies otherwise than the one before it of which that is known,
    /// half-way to what was looked at. False if nothing is left to look at.
    fn narrow(&mut self, findings: &[Finding], lies: &mut [Lies]) -> bool {
        let mut between = Vec::new();
        let (mut before, mut looked_at) = (Lies::By(0), None);
        for (index, lies) in lies.iter().enumerate().filter(|(_, lies)| **lies != Lies::Unseen) {
            let first = looked_at.map_or(0, |at: usize| at + 1);
            if matches!(lies, Lies::By(_)) {
                let is_other = std::mem::replace(&mut before, *lies) != *lies;
                between
                    .extend((is_other && first < index).then_some(usize::midpoint(first, index)));
            }
            looked_at = Some(index);
        }
        for &index in &between {
            self.look_at(findings, lies, index);
        }
        !between.is_empty() && self.looks > LOOKS_FOR_OTHERS
    }

    fn look_at(&mut self, findings: &[Finding], lies: &mut [Lies], index: usize) {
        if lies[index] != Lies::Unseen || self.looks <= LOOKS_FOR_OTHERS {
            return;
        }
        let page = findings[index].place.page;
        let distance = self.read(page, SEARCH_PAGES).and_then(|pages| self.distance(page, &pages));
        lies[index] = distance.map_or(Lies::Nowhere, Lies::By);
    }

    /// `pages` pages from `first` on, fewer at the end of the file; `None` if they cannot be read.
    fn read(&mut self, first: PageId, pages: u32) -> Option<Vec<Page>> {
        self.looks = self.looks.checked_sub(1)?;
        let left = self.file.end_page().checked_sub(first.0)?;
        let mut read = vec![Page::ZERO; pages.min(left) as usize];
        self.source.fill(first, &mut read).ok()?;
        Some(read)
    }

    fn distance(&self, first: PageId, pages: &[Page]) -> Option<i64> {
        let (offset, of) = (first.offset_bytes(), self.file.file_id);
        shift::distance(bytemuck::cast_slice(pages), offset, of, self.file.bytes)
    }

    /// What free pages hold is from before, be it of another database. So, where the PFS page is
    /// bad, only that it has moved as well makes content that has moved believed.
    fn disbelieve(&mut self, findings: &[Finding], lies: &mut [Lies]) {
        let at_fixed = findings.iter().zip(&*lies);
        let at_fixed = at_fixed.take_while(|(finding, _)| finding.place.page <= BOOT_PAGE);
        let is_head_moved = at_fixed.into_iter().any(|(_, lies)| lies.is_moved());
        for (finding, lies) in findings.iter().zip(lies) {
            let Lies::By(bytes) = *lies else { continue };
            let is_known = bytes == 0 || finding.allocation == Allocation::Allocated;
            if !is_known && !self.is_pfs_moved(finding.place.page, bytes, is_head_moved) {
                *lies = Lies::Nowhere;
            }
        }
    }

    /// Whether the PFS page of `page` lies in the direction of `bytes` from its place.
    fn is_pfs_moved(&mut self, page: PageId, bytes: i64, is_head_moved: bool) -> bool {
        let key = (page.0 / PFS_INTERVAL_PAGES, bytes > 0);
        if let Some(known) = self.is_moved.get(&key) {
            return *known;
        }
        let pfs = pfs_page_of(page);
        let moved_to = i64::from(pfs.0) + bytes.div_euclid(PAGE);
        let is_moved = match u32::try_from(moved_to) {
            // It is among what is missing.
            Err(_) => bytes < 0 && is_head_moved,
            Ok(to) => self.holds_pfs(pfs, to, bytes > 0),
        };
        self.is_moved.insert(key, is_moved);
        is_moved
    }

    fn holds_pfs(&mut self, pfs: PageId, moved_to: u32, is_late: bool) -> bool {
        let (first, last) = (pfs.0.min(moved_to), pfs.0.max(moved_to));
        let is_near = last - first < PFS_SEARCH_PAGES;
        let first = PageId(if is_near { first } else { moved_to });
        let pages = if is_near { last - first.0 + SEARCH_PAGES } else { SEARCH_PAGES };
        let read = (self.looks > LOOKS_FOR_GAPS).then(|| self.read(first, pages)).flatten();
        let Some(read) = read else { return false };
        let place = PageAddress::new(self.file.file_id, pfs);
        PageHeader::search(bytemuck::cast_slice(&read)).any(|(at, header)| {
            let is_pfs = header.page_type == PageType::Pfs.m_type() && header.address() == place;
            let at = first.offset_bytes() + at as u64;
            is_pfs && at != pfs.offset_bytes() && (at > pfs.offset_bytes()) == is_late
        })
    }

    /// What is known of the headers of `findings`, and of content between and behind them that has
    /// not moved.
    fn witnesses(&mut self, findings: &[Finding], lies: &[Lies]) -> Vec<Witness> {
        let known = findings.iter().zip(lies).filter_map(|(finding, lies)| match lies {
            Lies::By(bytes) => Some(Witness { page: finding.place.page, bytes: *bytes }),
            _ => None,
        });
        let mut witnesses: Vec<Witness> = known.collect();
        let sound = self.gaps(findings).into_iter().filter_map(|gap| self.in_place(gap));
        witnesses.extend(sound.collect::<Vec<_>>());
        witnesses.sort_by_key(|witness| witness.page);
        witnesses
    }

    /// What lies behind all suspects, and the largest ranges of pages between them.
    fn gaps(&self, findings: &[Finding]) -> Vec<Range<u32>> {
        let pages = findings.iter().map(|finding| finding.place.page.0);
        let next = pages.clone().skip(1).chain([self.file.end_page()]);
        let gaps = pages.zip(next).map(|(page, next)| page + 1..next.min(self.file.end_page()));
        let mut gaps: Vec<Range<u32>> = gaps.filter(|gap| !gap.is_empty()).collect();
        let is_behind = |gap: &Range<u32>| gap.end == self.file.end_page();
        gaps.sort_by_key(|gap| (!is_behind(gap), Reverse(gap.len()), gap.start));
        gaps.truncate(GAPS_MAX + 1);
        gaps
    }

    /// A page in `gap` with its own header in its own place. Where nobody may look any more, it
    /// is taken for granted: nothing is called moved for want of looking.
    fn in_place(&mut self, gap: Range<u32>) -> Option<Witness> {
        if self.looks < LOOKS_PER_GAP as usize {
            return Some(Witness { page: PageId(gap.start), bytes: 0 });
        }
        let last = gap.end.saturating_sub(LOOK_PAGES).max(gap.start);
        let step = |at: u32| u64::from(last - gap.start) * u64::from(at);
        let at = |at: u32| gap.start + (step(at) / u64::from(LOOKS_PER_GAP - 1)) as u32;
        let mut firsts: Vec<u32> = (0..LOOKS_PER_GAP).map(at).collect();
        firsts.dedup();
        firsts.into_iter().find_map(|first| {
            let pages = self.read(PageId(first), LOOK_PAGES.min(gap.end - first))?;
            let file = self.file.file_id;
            let is_here = |(page, id): (&Page, u32)| {
                let header = PageHeader::of(page);
                let is_own = header.page_id == id && header.file_id == file.0;
                (is_own && header.is_plausible()).then_some(PageId(id))
            };
            let page = pages.iter().zip(first..).find_map(is_here)?;
            Some(Witness { page, bytes: 0 })
        })
    }
}

/// `members` with the suspects right beside them that say nothing of where they belong: what was
/// inserted, and what was cut in two.
fn around(members: Range<usize>, findings: &[Finding], lies: &[Lies]) -> Range<usize> {
    let is_beside = |a: usize, b: usize| findings[a].place.page.0 + 1 == findings[b].place.page.0;
    let is_silent = |index: usize| !matches!(lies[index], Lies::By(_));
    let Range { mut start, mut end } = members;
    while start > 0 && is_silent(start - 1) && is_beside(start - 1, start) {
        start -= 1;
    }
    while end < findings.len() && is_silent(end) && is_beside(end - 1, end) {
        end += 1;
    }
    start..end
}
