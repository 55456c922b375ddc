//! Which page of a synthetic file is what. Pure: every answer follows from the recipe and a page
//! id alone, so pages can be made in any order and by any number of threads.
//!
//! An interval is what one GAM page describes. It begins with its control extent, then a few mixed
//! extents with the IAM pages; the rest is cut into runs of extents, and each run belongs to one
//! unit or is free (docs/page-format.md, section 4).

use super::chance::{Purpose, draw};
use super::recipe::{Recipe, RecipeError};
use super::units::{SYSTEM_UNITS, Shape, UNITS, USER_UNITS, UnitIndex};
use crate::page::address::{ExtentId, FileId, PageId};
use crate::page::allocation::{
    GAM_INTERVAL_EXTENTS, GAM_INTERVAL_PAGES, PFS_INTERVAL_PAGES, fixed_page_type,
};
use crate::page::{EXTENT_PAGES, kind::PageType};
use std::ops::Range;

pub(super) const PFS_INTERVAL_EXTENTS: u32 = PFS_INTERVAL_PAGES / EXTENT_PAGES;
/// Pages 8 to 39 hold the boot page, the system units and the first page of everything.
const FIRST_INTERVAL_MIXED_EXTENTS: u32 = 4;
/// Later intervals need room for the IAM pages only.
const LATER_INTERVAL_MIXED_EXTENTS: u32 = 1;
/// The first two pages of that extent stay free: the first may be a PFS page.
const LATER_IAM_PAGES_START: u32 = EXTENT_PAGES + 2;
const RUN_EXTENTS_MAX: u32 = 64;
/// Small files get shorter runs, so that there are some of every kind.
const RUNS_WANTED: u32 = 32;
/// The last 1/16 of a file is free, as after growth.
const FREE_TAIL_DIVISOR: u32 = 16;
/// With the next one: at most 128 MiB of a sparse file are allocated to units.
const SPARSE_INTERVALS_MAX: u32 = 4;
const SPARSE_RUNS_MAX: u32 = 8;
const SPECIAL_IAM: PageId = PageId(12);
const PRIMARY: FileId = FileId(1);

/// Who has an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// It holds a PFS page or the maps; its other pages are never used.
    Control,
    /// Its pages belong to different units.
    Mixed,
    /// All of it belongs to one unit.
    Unit(UnitIndex),
    /// Nobody.
    Free,
}

/// What one page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A page with a fixed place.
    Control(PageType),
    /// The IAM page of a unit for one GAM interval.
    Iam { unit: UnitIndex, interval: u32 },
    /// Page 12, which every primary file has and nothing protects.
    SpecialIam,
    /// The unit's page in a mixed extent.
    Single(UnitIndex),
    /// A page of the unit's own extents; `upper` if it points to the other pages of its run.
    Content { unit: UnitIndex, upper: bool },
    /// Not allocated; may hold anything.
    Free,
    /// Not allocated and always zero, like pages 4 and 5.
    Unused,
}

/// The plan of one file.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) recipe: Recipe,
    /// Extents of the file.
    pub(super) extents: u32,
    run_extents: u32,
}

impl Layout {
    pub(super) fn new(recipe: Recipe) -> Result<Self, RecipeError> {
        let extents = recipe.extents()?;
        let run_extents = (extents / RUNS_WANTED).clamp(1, RUN_EXTENTS_MAX);
        Ok(Self { recipe, extents, run_extents })
    }

    /// Pages of the file.
    pub(super) fn pages(&self) -> u32 {
        self.extents * EXTENT_PAGES
    }

    /// GAM intervals that the file reaches into.
    pub(super) fn intervals(&self) -> u32 {
        self.extents.div_ceil(GAM_INTERVAL_EXTENTS)
    }

    /// True if this file holds the boot page and the system tables.
    pub(super) fn is_primary(&self) -> bool {
        self.recipe.file_id == PRIMARY
    }

    /// True if units may own extents in `interval`; if not, only control pages are allocated there.
    pub(super) fn is_settled(&self, interval: u32) -> bool {
        let head_end = interval * GAM_INTERVAL_EXTENTS + 1 + mixed_extents(interval);
        head_end < self.extents && (!self.recipe.sparse || interval < SPARSE_INTERVALS_MAX)
    }

    /// Who has `extent`.
    pub(super) fn owner(&self, extent: u32) -> Owner {
        let interval = extent / GAM_INTERVAL_EXTENTS;
        let position = extent % GAM_INTERVAL_EXTENTS;
        let settled = extent < self.extents && self.is_settled(interval);
        if position == 0 {
            Owner::Control
        } else if settled && position <= mixed_extents(interval) {
            Owner::Mixed
        } else if extent.is_multiple_of(PFS_INTERVAL_EXTENTS) {
            Owner::Control
        } else if settled {
            self.run_owner(interval, self.run_of(extent), extent)
        } else {
            Owner::Free
        }
    }

    fn run_owner(&self, interval: u32, run: u32, extent: u32) -> Owner {
        if self.extents - extent <= self.extents / FREE_TAIL_DIVISOR {
            return Owner::Free;
        }
        let chance = draw(self.recipe.seed, Purpose::RunOwner, run_number(interval, run));
        match (interval, run as usize) {
            (_, run) if self.recipe.sparse && run >= SPARSE_RUNS_MAX as usize => Owner::Free,
            (0, run) if run < USER_UNITS => Owner::Unit(SYSTEM_UNITS + run),
            (0, USER_UNITS) => Owner::Free,
            _ if chance.is_multiple_of(4) => Owner::Free,
            _ => Owner::Unit(SYSTEM_UNITS + (chance >> 8) as usize % USER_UNITS),
        }
    }

    /// The number of the run that holds `extent`, counted in its interval.
    fn run_of(&self, extent: u32) -> u32 {
        let interval = extent / GAM_INTERVAL_EXTENTS;
        (extent % GAM_INTERVAL_EXTENTS - 1 - mixed_extents(interval)) / self.run_extents
    }

    /// The extents of run `run` of `interval`.
    pub(super) fn run_range(&self, interval: u32, run: u32) -> Range<u32> {
        let interval_start = interval * GAM_INTERVAL_EXTENTS;
        let end = (interval_start + GAM_INTERVAL_EXTENTS).min(self.extents);
        let start = interval_start + 1 + mixed_extents(interval) + run * self.run_extents;
        start.min(end)..(start + self.run_extents).min(end)
    }

    /// The pages of the run that holds `page`, which is in no control or mixed extent.
    pub(super) fn run_pages(&self, page: PageId) -> Range<u32> {
        let extent = page.extent().0;
        let run = self.run_range(extent / GAM_INTERVAL_EXTENTS, self.run_of(extent));
        run.start * EXTENT_PAGES..run.end * EXTENT_PAGES
    }

    /// The first page of the run of `pages` that may belong to a unit: it may begin with a control
    /// extent.
    fn first_page_of(&self, pages: &Range<u32>) -> Option<PageId> {
        let mut extents = pages.start / EXTENT_PAGES..pages.end / EXTENT_PAGES;
        let first = extents.find(|extent| self.owner(*extent) != Owner::Control);
        first.map(|extent| ExtentId(extent).first_page())
    }

    /// The first pages of the runs of `unit` behind that of `page`, ascending.
    pub(super) fn runs_behind(
        &self,
        unit: UnitIndex,
        page: PageId,
    ) -> impl Iterator<Item = PageId> {
        let (interval, run) = self.place_of_run(page);
        let rest = run + 1..self.settled_runs(interval).end;
        let here = rest.map(move |run| (interval, run));
        here.chain(self.runs(interval + 1..self.intervals())).filter_map(self.start_for(unit))
    }

    /// The first pages of the runs of `unit` before that of `page`, descending.
    pub(super) fn runs_before(
        &self,
        unit: UnitIndex,
        page: PageId,
    ) -> impl Iterator<Item = PageId> {
        let (interval, run) = self.place_of_run(page);
        let here = (0..run).rev().map(move |run| (interval, run));
        here.chain(self.runs(0..interval).rev()).filter_map(self.start_for(unit))
    }

    /// The first pages of all runs of `unit`, ascending.
    pub(super) fn runs_of(&self, unit: UnitIndex) -> impl Iterator<Item = PageId> {
        self.runs(0..self.intervals()).filter_map(self.start_for(unit))
    }

    fn runs(&self, intervals: Range<u32>) -> impl DoubleEndedIterator<Item = (u32, u32)> {
        intervals.flat_map(|interval| self.settled_runs(interval).map(move |run| (interval, run)))
    }

    fn place_of_run(&self, page: PageId) -> (u32, u32) {
        let extent = page.extent().0;
        (extent / GAM_INTERVAL_EXTENTS, self.run_of(extent))
    }

    /// Where a run of `unit` begins; `None` for runs of others.
    fn start_for(&self, unit: UnitIndex) -> impl FnMut((u32, u32)) -> Option<PageId> {
        move |(interval, run)| {
            let run = self.run_range(interval, run);
            let first = self.first_page_of(&(run.start * EXTENT_PAGES..run.end * EXTENT_PAGES));
            first.filter(|first| self.owner(first.extent().0) == Owner::Unit(unit))
        }
    }

    /// The runs of `interval` that may belong to units.
    pub(super) fn settled_runs(&self, interval: u32) -> Range<u32> {
        let all = GAM_INTERVAL_EXTENTS.div_ceil(self.run_extents);
        match (self.is_settled(interval), self.recipe.sparse) {
            (false, _) => 0..0,
            (true, true) => 0..SPARSE_RUNS_MAX.min(all),
            (true, false) => 0..all,
        }
    }

    /// What `page` is.
    pub(super) fn role(&self, page: PageId) -> Role {
        if page.0 >= self.pages() {
            return Role::Unused;
        }
        if let Some(kind) = fixed_page_type(self.recipe.file_id, page) {
            return Role::Control(kind);
        }
        match self.owner(page.extent().0) {
            Owner::Control => Role::Unused,
            Owner::Mixed => self.mixed_role(page),
            Owner::Unit(unit) => self.run_role(unit, page),
            Owner::Free => Role::Free,
        }
    }

    fn mixed_role(&self, page: PageId) -> Role {
        let interval = page.0 / GAM_INTERVAL_PAGES;
        if interval > 0 {
            return later_mixed_role(interval, page.0 % GAM_INTERVAL_PAGES);
        }
        let present = if self.is_primary() { 0..UNITS.len() } else { SYSTEM_UNITS..UNITS.len() };
        if self.is_primary() && page == SPECIAL_IAM {
            return Role::SpecialIam;
        }
        let unit_with = |has: &dyn Fn(UnitIndex) -> bool| present.clone().find(|&unit| has(unit));
        if let Some(unit) = unit_with(&|unit| UNITS[unit].first_iam == page) {
            Role::Iam { unit, interval }
        } else if let Some(unit) = unit_with(&|unit| UNITS[unit].single_page == page) {
            Role::Single(unit)
        } else {
            Role::Free
        }
    }

    /// The first page of a run of an index is the upper page; of the rest one in sixteen is free.
    fn run_role(&self, unit: UnitIndex, page: PageId) -> Role {
        let is_index = matches!(UNITS[unit].shape, Shape::Clustered | Shape::Nonclustered);
        if self.first_page_of(&self.run_pages(page)) == Some(page) {
            return Role::Content { unit, upper: is_index };
        }
        let chance = draw(self.recipe.seed, Purpose::PageInUse, page.0.into());
        if chance.is_multiple_of(16) { Role::Free } else { Role::Content { unit, upper: false } }
    }

    /// True if `page` is in use.
    pub(super) fn is_allocated(&self, page: PageId) -> bool {
        !matches!(self.role(page), Role::Free | Role::Unused)
    }

    /// True if `page` stays a hole: in a sparse file, all of a free extent.
    pub(super) fn is_hole(&self, page: PageId) -> bool {
        self.recipe.sparse && self.owner(page.extent().0) == Owner::Free
    }

    /// True if `extent` is a mixed one with a page to spare.
    pub(super) fn is_mixed_with_room(&self, extent: u32) -> bool {
        let first = ExtentId(extent).first_page().0;
        self.owner(extent) == Owner::Mixed
            && (first..first + EXTENT_PAGES).any(|page| !self.is_allocated(PageId(page)))
    }
}

fn mixed_extents(interval: u32) -> u32 {
    if interval == 0 { FIRST_INTERVAL_MIXED_EXTENTS } else { LATER_INTERVAL_MIXED_EXTENTS }
}

fn later_mixed_role(interval: u32, position: u32) -> Role {
    match position.checked_sub(LATER_IAM_PAGES_START) {
        Some(n) if (n as usize) < USER_UNITS => {
            Role::Iam { unit: SYSTEM_UNITS + n as usize, interval }
        }
        _ => Role::Free,
    }
}

/// The IAM page of `unit` for `interval`.
pub(super) fn iam_page(unit: UnitIndex, interval: u32) -> PageId {
    match interval {
        0 => UNITS[unit].first_iam,
        _ => PageId(
            interval * GAM_INTERVAL_PAGES + LATER_IAM_PAGES_START + (unit - SYSTEM_UNITS) as u32,
        ),
    }
}

fn run_number(interval: u32, run: u32) -> u64 {
    u64::from(interval) << 32 | u64::from(run)
}
