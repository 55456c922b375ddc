//! One extent: what PFS, GAM, SGAM and IAM pages say of it must fit together (docs/check.md).

use super::Breach;
use super::rule::Rule;
use super::units::IamOf;
use crate::catalog::owners::Claim;
use crate::page::EXTENT_PAGES;
use crate::page::address::{ExtentId, FileId, PageAddress, PageId};
use crate::page::allocation::{
    GAM_INTERVAL_EXTENTS, PFS_INTERVAL_EXTENTS, PfsByte, fixed_page_type,
};

/// What is said of an extent, by pages that are sound.
pub(super) struct Extent {
    pub(super) file: FileId,
    pub(super) id: ExtentId,
    /// By the PFS page.
    pub(super) bytes: [PfsByte; EXTENT_PAGES as usize],
    /// By the GAM page.
    pub(super) is_free: bool,
    /// By the SGAM page: it is mixed, and may have a page to spare.
    pub(super) has_room: bool,
    /// By the bitmaps of IAM pages.
    pub(super) claim: Claim,
    /// By their single pages.
    pub(super) singles: Vec<(PageId, Claim)>,
    /// By the links of their chains.
    pub(super) iam_pages: Vec<(PageId, IamOf)>,
}

/// What must be claimed. Where an IAM page is lost, nobody knows what it claimed.
#[derive(Clone, Copy)]
pub(super) struct Must {
    /// Uniform extents.
    pub(super) extents: bool,
    /// Pages of mixed extents.
    pub(super) singles: bool,
}

impl Extent {
    /// The rules that are broken, at most one of each page, and of the extent only if no page of
    /// it alone explains that. `is_orphan` tells whether an IAM page, by its PFS byte, is one that
    /// no chain can have.
    pub(super) fn breaches(&self, must: Must, is_orphan: &dyn Fn(PageId) -> bool) -> Vec<Breach> {
        if self.is_free && self.has_room {
            return vec![self.breach(Rule::A2, self.first())];
        }
        let mut found: Vec<Breach> = self.iam_breaches(is_orphan).collect();
        found.extend(self.single_breaches());
        if found.is_empty() {
            found.extend(self.extent_breach(must));
        }
        if found.is_empty() {
            found.extend(self.page_breaches(must));
        }
        found
    }

    /// Rules I1, I2, I3 and I5.
    fn iam_breaches(&self, is_orphan: &dyn Fn(PageId) -> bool) -> impl Iterator<Item = Breach> {
        self.pages().filter_map(move |(page, byte)| {
            let Some((_, of)) = self.iam_pages.iter().find(|(iam, _)| *iam == page) else {
                let is_wrong = byte.is_iam() && is_orphan(page);
                return is_wrong.then(|| self.breach(Rule::I3, page));
            };
            let is_claimed = self.claim != Claim::Nobody || self.is_single(page);
            let rule = match of.is_first {
                true if !byte.is_allocated() => Rule::I1,
                false if !byte.is_allocated() => Rule::I2,
                _ if !byte.is_mixed() || is_claimed => Rule::I5,
                _ => return None,
            };
            Some(self.breach(rule, page).about(of.unit))
        })
    }

    /// Rule I4: who claims a page alone has it from a mixed extent.
    fn single_breaches(&self) -> impl Iterator<Item = Breach> {
        let wrong = self.singles.iter().filter(|(page, _)| !self.byte(*page).is_mixed());
        wrong.map(|(page, claim)| about(self.breach(Rule::I4, *page), *claim))
    }

    /// The first rule that the extent as a whole breaks.
    fn extent_breach(&self, must: Must) -> Option<Breach> {
        let in_use = self.in_use_unless_fixed();
        if let (true, Some(page)) = (self.is_free, in_use) {
            return Some(self.breach(Rule::A1, page));
        }
        if !self.is_free && !self.is_control() {
            let of_kind = self.mixed_breach().or_else(|| self.uniform_breach(must));
            if of_kind.is_some() {
                return of_kind;
            }
        }
        let wrong = self.is_free || self.has_room || self.pages().any(|(_, byte)| byte.is_mixed());
        let is_claimed = self.claim != Claim::Nobody;
        (is_claimed && wrong).then(|| about(self.breach(Rule::A6b, self.first()), self.claim))
    }

    /// Rules A3 and A4: its pages agree about its being mixed.
    fn mixed_breach(&self) -> Option<Breach> {
        let mut in_use = self.pages().filter(|(_, byte)| byte.is_allocated());
        if self.has_room {
            let (page, _) = in_use.find(|(_, byte)| !byte.is_mixed())?;
            return Some(self.breach(Rule::A3, page));
        }
        let mixed = self.pages().filter(|(_, byte)| byte.is_mixed()).count();
        if mixed == 0 || mixed == EXTENT_PAGES as usize {
            return None;
        }
        // Most of its pages know better, and whoever claims it as a whole.
        let is_uniform = self.claim != Claim::Nobody || mixed < EXTENT_PAGES as usize / 2;
        let odd = self.pages().find(|(_, byte)| byte.is_mixed() == is_uniform);
        odd.map(|(page, _)| self.breach(Rule::A4, page))
    }

    /// Rules A5 and A5b: a uniform extent is somebody's.
    fn uniform_breach(&self, must: Must) -> Option<Breach> {
        let is_uniform = !self.has_room && self.pages().all(|(_, byte)| !byte.is_mixed());
        match self.claim {
            Claim::Nobody if is_uniform && must.extents => {
                Some(self.breach(Rule::A5, self.first()))
            }
            Claim::Several => Some(self.breach(Rule::A5b, self.first())),
            _ => None,
        }
    }

    /// Rules O1 and O1b: a page of a mixed extent is somebody's.
    fn page_breaches(&self, must: Must) -> impl Iterator<Item = Breach> {
        let is_iam = |page| self.iam_pages.iter().any(|(iam, _)| *iam == page);
        let may_be_owned = move |page, byte: PfsByte| {
            byte.is_mixed() && !byte.is_iam() && !is_iam(page) && !self.is_fixed(page)
        };
        let owned = self.pages().filter(move |(page, byte)| may_be_owned(*page, *byte));
        owned.filter_map(move |(page, _)| {
            let single = self.singles.iter().find(|(single, _)| *single == page);
            match single.map_or(Claim::Nobody, |(_, claim)| *claim) {
                Claim::Nobody => must.singles.then(|| self.breach(Rule::O1, page)),
                Claim::Several => Some(self.breach(Rule::O1b, page)),
                Claim::Unit(_) => None,
            }
        })
    }

    /// What is at the start of an interval: only its pages with fixed places are ever in use, and
    /// the extents of PFS pages stay free in the GAM.
    fn is_control(&self) -> bool {
        let ExtentId(id) = self.id;
        id.is_multiple_of(PFS_INTERVAL_EXTENTS) || id.is_multiple_of(GAM_INTERVAL_EXTENTS)
    }

    /// A page in use that may not be so in a free extent.
    fn in_use_unless_fixed(&self) -> Option<PageId> {
        let may_be_free = |page| self.is_control() && self.id.0 > 0 && self.is_fixed(page);
        let mut in_use = self.pages().filter(|(_, byte)| byte.is_allocated());
        in_use.find(|(page, _)| !may_be_free(*page)).map(|(page, _)| page)
    }

    fn is_fixed(&self, page: PageId) -> bool {
        fixed_page_type(self.file, page).is_some()
    }

    fn is_single(&self, page: PageId) -> bool {
        self.singles.iter().any(|(single, _)| *single == page)
    }

    fn first(&self) -> PageId {
        self.id.first_page()
    }

    fn pages(&self) -> impl Iterator<Item = (PageId, PfsByte)> {
        (self.first().0..).map(PageId).zip(self.bytes)
    }

    fn byte(&self, page: PageId) -> PfsByte {
        self.bytes[(page.0 % EXTENT_PAGES) as usize]
    }

    fn breach(&self, rule: Rule, page: PageId) -> Breach {
        Breach::of(rule, PageAddress::new(self.file, page))
    }
}

/// The breach, about the one that claims the page.
fn about(breach: Breach, claim: Claim) -> Breach {
    if let Claim::Unit(unit) = claim { breach.about(unit) } else { breach }
}
