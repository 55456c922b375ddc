//! One copy of a data file: its pages are in one file, or in the members of a striped backup.

use super::super::find::NotOpened;
use super::compare::Checkpoint;
use crate::backup::layout::{Layout, Sibling};
use crate::diagnose::allocation::AllocationMap;
use crate::diagnose::confirm::{Confirmed, FirstLook, confirm};
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, SuspectReason, Verdict};
use crate::discover::backup::Part;
use crate::discover::paths::{explain, text};
use crate::discover::{DataFile, FileKind};
use crate::page::Page;
use crate::page::address::{PageAddress, PageId, PageRange};
use crate::page::allocation::PfsByte;
use crate::page::checksum::Checksum;
use crate::read::open::Reader;
use crate::read::salvage::salvage;
use crate::read::unpacked::Unpacked;
use crate::read::{PageSource, ReadError};
use crate::scrub::open_unchanged;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A copy that is open.
pub(super) struct Side<'a> {
    pub(super) file: &'a DataFile,
    members: Vec<Member>,
    allocation: AllocationMap,
    pub(super) checkpoint: Checkpoint,
}

/// Where some of its pages are.
struct Member {
    layout: Layout,
    source: Box<dyn PageSource>,
}

/// What became of one page of a read.
pub(super) enum State {
    /// The copy does not have it.
    Absent,
    Read,
    Lost(ReadError),
}

/// What is to be said of a page that the copy has.
pub(super) struct Judged {
    pub(super) allocation: Allocation,
    /// Its PFS byte, if the PFS page is there and sound.
    pub(super) pfs: Option<PfsByte>,
    pub(super) reason: Option<SuspectReason>,
}

impl<'a> Side<'a> {
    pub(super) fn open(file: &'a DataFile) -> Result<Self, NotOpened> {
        let failed = |path: &Path, error: &io::Error| {
            NotOpened::Failed(format!("{}: could not be opened: {}", text(path), explain(error)))
        };
        let own = open_unchanged(file, &open).map_err(|error| failed(&file.path, &error))?;
        let mut members = vec![Member { layout: file.layout(), source: own }];
        for sibling in siblings(file) {
            let opened = member(sibling).map_err(|error| failed(&sibling.path, &error))?;
            members.push(opened);
        }
        let set = file.part.as_ref().map(Part::set);
        let checkpoint = match set {
            Some(set) => set.checkpoint_lsn,
            None => file.boot.as_ref().map(|boot| boot.checkpoint_lsn),
        };
        let allocation = AllocationMap::new(file.file_id, file.kind == FileKind::Log);
        Ok(Self { file, members, allocation, checkpoint })
    }

    /// The pages that it has, ascending in each member.
    pub(super) fn ranges(&self) -> impl Iterator<Item = PageRange> {
        let whole = PageRange::between(0, self.file.end_page());
        self.members.iter().flat_map(move |member| match &member.layout {
            Layout::Whole => vec![whole],
            Layout::Runs(runs) => runs.ranges(),
        })
    }

    /// How many pages it has.
    pub(super) fn pages(&self) -> u64 {
        self.ranges().map(|range| u64::from(range.pages)).sum()
    }

    /// Fills `pages` with those of `range` that it has, and tells what became of each.
    pub(super) fn read(&self, range: PageRange, pages: &mut [Page]) -> Vec<State> {
        let mut states: Vec<State> = pages.iter().map(|_| State::Absent).collect();
        let at = |page: u32| (page - range.first.0) as usize;
        for member in &self.members {
            for part in member.parts(range, self.file.end_page()) {
                let (start, end) = (at(part.first.0), at(part.end()));
                let pages = &mut pages[start..end];
                states[start..end].fill_with(|| State::Read);
                let Err(error) = member.source.fill(part.first, pages) else { continue };
                for (page, error) in salvage(&*member.source, (part, error), 0, pages).lost {
                    states[at(page.0)] = State::Lost(error);
                }
            }
        }
        states
    }

    /// Judges the `pages` of `range`, of which `states` tells what became and `sums` are the
    /// checksums. What looks bad is read again, and stands in `pages` as it was seen then.
    pub(super) fn judge(
        &self,
        range: PageRange,
        pages: &mut [Page],
        states: Vec<State>,
        sums: &[Checksum],
    ) -> Vec<Option<Judged>> {
        let mut interval = self.allocation.interval_of(range.first, self.source());
        let each = range.ids().zip(pages).zip(states).zip(sums);
        each.map(|(((id, page), state), sum)| {
            if !interval.holds(id) {
                interval = self.allocation.interval_of(id, self.source());
            }
            let allocation = interval.of(id);
            let reason = match state {
                State::Absent => return None,
                State::Lost(error) => Some(SuspectReason::Unreadable(error)),
                State::Read => self.reason(id, page, *sum, allocation),
            };
            Some(Judged { allocation, pfs: interval.pfs_byte(id), reason })
        })
        .collect()
    }

    /// What is wrong with `page`, by two looks.
    fn reason(
        &self,
        id: PageId,
        page: &mut Page,
        sum: Checksum,
        allocation: Allocation,
    ) -> Option<SuspectReason> {
        if allocation == Allocation::Free {
            return None;
        }
        let place = PageAddress::new(self.file.file_id, id);
        let Verdict::Suspect(reason) = judge(page, sum, place, allocation) else { return None };
        let first = FirstLook { reason, seen: Some(page), again: None };
        match confirm(self.source_of(id), place, allocation, &first) {
            Confirmed::Judged { verdict, page: seen, .. } => {
                if let Some(seen) = seen {
                    *page = *seen;
                }
                if let Verdict::Suspect(reason) = verdict { Some(reason) } else { None }
            }
            Confirmed::Gone => Some(SuspectReason::Unreadable(ReadError::Ended)),
        }
    }

    /// All its pages, those of other members one by one.
    fn source(&self) -> &dyn PageSource {
        &*self.members[0].source
    }

    fn source_of(&self, page: PageId) -> &dyn PageSource {
        let has = |member: &&Member| member.layout.page_offset_bytes(page).is_some();
        self.members.iter().find(has).map_or(self.source(), |member| &*member.source)
    }
}

impl Member {
    /// The parts of `range` that it has, of a file of `end` pages.
    fn parts(&self, range: PageRange, end: u32) -> Vec<PageRange> {
        let end = if matches!(self.layout, Layout::Whole) { end } else { u32::MAX };
        let inside = PageRange::between(range.first.0, range.end().min(end));
        let pieces = self.layout.pieces(inside).into_iter();
        let there = pieces.filter(|(part, offset)| offset.is_some() && part.pages > 0);
        there.map(|(part, _)| part).collect()
    }
}

fn open(path: &Path) -> io::Result<Box<dyn PageSource>> {
    Reader::Auto.open(path)
}

fn siblings(file: &DataFile) -> &[Sibling] {
    file.part.as_ref().map_or(&[], |part| &part.siblings)
}

/// Opens another member of a striped backup.
fn member(sibling: &Sibling) -> io::Result<Member> {
    let layout = sibling.layout.clone();
    let source: Box<dyn PageSource> = match &sibling.records {
        Some(index) => Box::new(Unpacked::open(&sibling.path, Arc::clone(index), layout.clone())?),
        None => open(&sibling.path)?.laid_out(layout.clone()),
    };
    Ok(Member { layout, source })
}
