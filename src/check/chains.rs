//! The chain of IAM pages of an allocation unit, and what it claims (docs/page-format.md, section
//! 4.5): rules I1 and I2, and of rule I4 what IAM pages alone can tell.

use super::catalog::Unit;
use super::rule::Rule;
use super::{Breach, File, Pages};
use crate::page::address::{ExtentId, FileId, PageAddress, PageId};
use crate::page::iam::IamPage;
use std::collections::BTreeSet;
use std::ops::Range;

/// The IAM pages of a unit, as far as they could be followed.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// In their order.
    pub pages: Vec<PageAddress>,
    /// Pages of mixed extents that they claim.
    pub singles: Vec<PageAddress>,
    /// Runs of extents that they claim, by their numbers in a file.
    pub extents: Vec<(FileId, Range<u32>)>,
    /// The intervals that they describe, by their first pages.
    pub intervals: BTreeSet<PageAddress>,
    /// There is no more of it, and nothing in it is wrong: what it claims is all that the unit has.
    pub is_whole: bool,
    /// It goes on, and nobody knows where: the unit may claim more than is known.
    pub is_cut: bool,
    /// The page with which it would go on, if that was not sound.
    pub not_read: Option<PageAddress>,
}

impl Chain {
    /// Follows the chain of `unit`. Where some files of the database are not there, what leads
    /// into them is not wrong.
    pub fn of(
        unit: &Unit,
        pages: &dyn Pages,
        is_complete: bool,
        tell: &mut dyn FnMut(Breach),
    ) -> Self {
        let mut walk = Walk { unit, pages, is_complete, wrong: false, chain: Self::default() };
        let mut at = unit.first_iam;
        while let Some(place) = at {
            match walk.step(place) {
                Step::To(next, breach) => {
                    breach.into_iter().for_each(&mut *tell);
                    at = next;
                }
                Step::Cut(breach) => {
                    breach.into_iter().for_each(&mut *tell);
                    walk.chain.is_cut = true;
                    break;
                }
            }
        }
        let Walk { mut chain, wrong, .. } = walk;
        chain.is_whole = !wrong && !chain.is_cut;
        chain
    }
}

/// What one page of a chain leads to, and what is wrong with it.
enum Step {
    To(Option<PageAddress>, Option<Breach>),
    /// It cannot be followed.
    Cut(Option<Breach>),
}

struct Walk<'a> {
    unit: &'a Unit,
    pages: &'a dyn Pages,
    is_complete: bool,
    wrong: bool,
    chain: Chain,
}

impl Walk<'_> {
    fn step(&mut self, place: PageAddress) -> Step {
        let before = self.chain.pages.last().copied();
        let from = before.unwrap_or(self.unit.row_at);
        let rule = if before.is_none() { Rule::I1 } else { Rule::I2 };
        let breach = |place, other| Breach::of(rule, place).with(other).about(self.unit.id);
        let Some(file) = self.file(place.file).filter(|file| place.page.0 < file.end) else {
            let may_exist = !self.is_complete && self.file(place.file).is_none();
            return Step::Cut((!may_exist).then(|| breach(from, place)));
        };
        debug_assert!(file.end > 0);
        let Some(page) = self.pages.sound(place) else {
            self.chain.not_read = Some(place);
            return Step::Cut(None);
        };
        let own = |iam: &IamPage<'_>| iam.unit() == self.unit.id && iam.place() == place;
        let Some(iam) = IamPage::of(&page).filter(own) else {
            return Step::Cut(Some(breach(place, from)));
        };
        if !self.chain.intervals.insert(iam.start()) {
            return Step::Cut(Some(Breach::of(Rule::I2, place).with(from).about(self.unit.id)));
        }
        let breach = self.wrong_with(iam, before);
        self.wrong |= breach.is_some();
        self.take(iam, place);
        Step::To(iam.next(), breach)
    }

    fn file(&self, id: FileId) -> Option<&File> {
        self.pages.files().iter().find(|file| file.id == id)
    }

    /// The first rule that a page of the unit breaks; `before` leads to it.
    fn wrong_with(&self, iam: IamPage<'_>, before: Option<PageAddress>) -> Option<Breach> {
        let of = |rule| Breach::of(rule, iam.place()).about(self.unit.id);
        let rule = if before.is_none() { Rule::I1 } else { Rule::I2 };
        let other = |breach: Breach| before.into_iter().fold(breach, Breach::with);
        let filegroup = self.file(iam.start().file).map(|file| file.filegroup);
        if iam.previous() != before || iam.sequence() as usize != self.chain.pages.len() {
            Some(other(of(rule)))
        } else if filegroup.map_or(self.is_complete, |group| group != self.unit.filegroup) {
            Some(of(Rule::I2))
        } else if before.is_some() && iam.single_pages().next().is_some() {
            Some(of(Rule::I4))
        } else {
            self.beyond_the_end(iam)
        }
    }

    /// A claim of pages that its file does not have.
    fn beyond_the_end(&self, iam: IamPage<'_>) -> Option<Breach> {
        let ends_at = |id| self.file(id).map_or(u32::MAX, |file| file.end);
        let start = iam.start();
        let beyond =
            |extent: &Range<u32>| ExtentId(extent.end - 1).first_page().0 >= ends_at(start.file);
        let extent = iam.extents(PageId(u32::MAX)).find(beyond);
        let single = iam.single_pages().find(|single| {
            let is_known = self.is_complete || self.file(single.file).is_some();
            is_known && single.page.0 >= self.file(single.file).map_or(0, |file| file.end)
        });
        let breach = |rule, other| Breach::of(rule, iam.place()).with(other).about(self.unit.id);
        let of_extent = extent.map(|run| {
            let first_page = ExtentId(run.end - 1).first_page();
            breach(Rule::A6b, PageAddress::new(start.file, first_page))
        });
        single.map(|single| breach(Rule::I4, single)).or(of_extent)
    }

    fn take(&mut self, iam: IamPage<'_>, place: PageAddress) {
        let file = iam.start().file;
        let end = self.file(file).map_or(u32::MAX, |file| file.end);
        if self.chain.pages.is_empty() {
            self.chain.singles.extend(iam.single_pages());
        }
        self.chain.extents.extend(iam.extents(PageId(end)).map(|run| (file, run)));
        self.chain.pages.push(place);
    }
}
