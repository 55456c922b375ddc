//! What the loss of a page means, and the order that follows from it.

#[cfg(test)]
mod tests;

use super::clean_copy::CleanCopy;
use crate::catalog::object::Object;
use crate::catalog::owners::NamedBy;
use crate::diagnose::cause::{self, Cause, Confidence};
use crate::diagnose::evidence::Evidence;
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::allocation::fixed_page_type;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Suspects listed at most; more are counted, not listed. The list keeps those that rank highest.
pub const SUSPECTS_MAX: usize = 1_000_000;
/// The list grows by a part of so many beyond what is kept, before the least urgent are dropped.
const BEYOND_PART: usize = 4;
/// Object ids below this belong to the system tables.
const SYSTEM_OBJECT_ID_END: u64 = 100;
/// Those of system tables that say where all others are, and which files there are, in any version
/// (docs/page-format.md, section 6.5): sysrscols, sysrowsetcolumns, sysrowsets, sysallocunits,
/// sysfiles1, syshobtcolumns, syshobts, sysfgfrag, sysdbfiles, sysphfg, sysprufiles, and sysdbfiles
/// of 2005.
const ENGINE_TABLES: [u64; 12] = [3, 4, 5, 7, 8, 13, 15, 19, 20, 23, 24, 76];
/// Allocation units made for users since SQL Server 2005 have this index id or a higher one.
const USER_INDEX_ID_START: u64 = 256;

/// What is lost with a page; in order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Consequence {
    /// The database may not start, and the page cannot be restored alone.
    StopsDatabase,
    /// A system table that is read to find all others: the database may not start.
    EngineTable,
    /// Another system table, or an allocation map: whole objects at risk.
    SystemOrMap,
    /// Rows or LOB values.
    Rows,
    /// Index entries, which can be made again from the rows.
    Index,
    /// Nothing now: the page is not in use.
    NotInUse,
}

/// Pages of a unit that has one page beside its IAM page.
const ONE_PAGE_UNIT: u64 = 2;

/// How sure it is that a suspect page is in use; in order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Usage {
    /// Its PFS byte says so, or its place.
    Certain,
    /// Its PFS page is bad, but it carries a whole header with its own id.
    Likely,
    /// Its PFS page is bad and its header is no help: as likely old content of a free page.
    Doubtful,
}

impl Usage {
    fn of(allocation: Allocation, header: Option<&PageHeader>) -> Self {
        match (allocation, header) {
            (Allocation::Allocated | Allocation::Free, _) => Self::Certain,
            (Allocation::Unknown, Some(header)) if header.is_plausible() => Self::Likely,
            (Allocation::Unknown, _) => Self::Doubtful,
        }
    }

    fn factor(self) -> u32 {
        match self {
            Self::Certain => 1,
            Self::Likely => 2,
            Self::Doubtful => 8,
        }
    }
}

/// A suspect page as the scan found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Index of the file in the plan; files are in order of their paths.
    pub file: usize,
    /// Where the page is.
    pub place: PageAddress,
    /// What is wrong.
    pub reason: SuspectReason,
    /// Whether it is in use.
    pub allocation: Allocation,
    /// What it is, as far as its place or its own header can be believed.
    pub page_type: Option<PageType>,
    /// Level in its index, 0 for leaves and where the header cannot be believed.
    #[serde(default)]
    pub level: u8,
    /// It is the page that the tree of its index begins with, says sysallocunits.
    #[serde(skip)]
    pub is_root: bool,
    /// What it belongs to: as far as its header can be believed, until the allocation structures
    /// are asked at the end of a scan.
    pub allocation_unit: Option<u64>,
    /// How that is known, if it was asked for.
    #[serde(skip)]
    pub named_by: Option<NamedBy>,
    /// Units whose IAM pages claim it, 2 for more than one; `None` if nobody was asked.
    #[serde(skip)]
    pub iam_claims: Option<u8>,
    /// What that is; looked up at the end of a scan.
    #[serde(skip)]
    pub object: Option<Arc<Object>>,
    /// Of a page of another owner, what it says that it belongs to; looked up as well.
    #[serde(skip)]
    pub says_object: Option<Arc<Object>>,
    /// What is lost.
    pub consequence: Consequence,
    /// How sure it is that it is lost.
    pub usage: Usage,
    /// The page that its header names, if that is whole and names another.
    #[serde(default)]
    pub names: Option<PageAddress>,
    /// No two looks saw the same bytes.
    pub unsettled: bool,
    /// What its bytes show; `None` if none could be read.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// What follows from that; found out at the end of a scan.
    #[serde(skip)]
    pub cause: Option<(Cause, Confidence)>,
    /// Which of the shifts of the scan it is a part of, if it is; found out at the end of a scan.
    #[serde(skip)]
    pub shift: Option<usize>,
    /// Clean copies of it, the newest first; looked up at the end of a scan.
    #[serde(skip)]
    pub copies: Vec<CleanCopy>,
}

/// What the allocation structures say of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// The unit that it belongs to, if that can be told.
    pub unit: Option<u64>,
    /// How.
    pub named_by: Option<NamedBy>,
    /// Units whose IAM pages claim it, 2 for more than one.
    pub claims: u8,
    /// It is an IAM page itself.
    pub is_iam: bool,
}

impl Finding {
    /// Describes a suspect by the bytes that were seen, if any could be read.
    pub fn new(
        file: usize,
        place: PageAddress,
        reason: SuspectReason,
        allocation: Allocation,
        page: Option<&Page>,
    ) -> Self {
        let header = page.map(PageHeader::of).filter(|h| h.is_sane() && h.address() == place);
        let names = page.map(PageHeader::of).and_then(|header| named_by(header, place));
        let fixed = fixed_page_type(place.file, place.page);
        let by_header = header.map(|h| PageType::of(h.page_type));
        let page_type = fixed.or_else(|| by_header.filter(|kind| !kind.has_fixed_place()));
        let header_unit = header.map(PageHeader::allocation_unit_id);
        let names_another = names.is_some();
        let evidence = page.map(|page| Evidence { names_another, ..Evidence::of(page, &reason) });
        Self {
            file,
            place,
            reason,
            allocation,
            page_type,
            level: header.map_or(0, |header| header.level),
            is_root: false,
            allocation_unit: header_unit.filter(|_| fixed.is_none()),
            named_by: None,
            iam_claims: None,
            object: None,
            says_object: None,
            consequence: consequence(page_type, header_unit, allocation),
            usage: Usage::of(allocation, header),
            names,
            unsettled: false,
            evidence,
            cause: None,
            shift: None,
            copies: Vec::new(),
        }
    }

    /// The page was read `looks` times, and these differed or did not.
    pub fn was_seen(&mut self, looks: u8, looks_differ: bool) {
        if let Some(evidence) = &mut self.evidence {
            (evidence.looks, evidence.looks_differ) = (looks, looks_differ);
        }
    }

    /// The address that stands on the page, if it is another one's.
    pub fn found(&self) -> Option<PageAddress> {
        match self.reason {
            SuspectReason::WrongPageId { found, .. } => Some(found),
            _ => self.names,
        }
    }

    /// The allocation unit that it says it belongs to, if another one owns it.
    pub fn says_unit(&self) -> Option<u64> {
        match self.reason {
            SuspectReason::WrongObject { unit, .. } => Some(unit),
            _ => None,
        }
    }

    /// True if an allocation unit must own it: it is in use and stands at no fixed place.
    pub fn has_owner(&self) -> bool {
        let is_fixed = fixed_page_type(self.place.file, self.place.page).is_some();
        self.allocation != Allocation::Free && !is_fixed
    }

    /// How its allocation unit is known; `None` if it is not.
    pub fn named_by(&self) -> Option<NamedBy> {
        self.allocation_unit.map(|_| self.named_by.unwrap_or(NamedBy::Header))
    }

    /// The page belongs to the unit that the allocation structures name, or to none that is known,
    /// whatever its header says. Where they contradict the header, nothing in it is believed.
    pub fn is_owned(&mut self, ownership: Ownership) {
        let Ownership { unit, named_by, claims, is_iam } = ownership;
        let is_refuted = self.allocation_unit.is_some() && unit.is_none() && claims == 0;
        let is_no_iam = claims > 0 && self.page_type == Some(PageType::Iam);
        if is_iam {
            self.page_type = Some(PageType::Iam);
        } else if is_refuted || is_no_iam {
            self.page_type = None;
        }
        (self.allocation_unit, self.named_by, self.iam_claims) = (unit, named_by, Some(claims));
        self.consequence = consequence(self.page_type, unit, self.allocation);
    }

    /// The page belongs to `object`. What is lost with it is then known better than by the page
    /// alone. Where only its header says so, and its type is none that the object has, it is the
    /// header that is wrong; where others say so, it is the type.
    pub fn is_of(&mut self, object: &Arc<Object>) {
        if self.page_type.is_some_and(|page_type| !object.can_own(page_type)) {
            if self.named_by() == Some(NamedBy::Header) {
                return;
            }
            self.page_type = None;
        }
        self.object = Some(Arc::clone(object));
        self.is_root = object.has_root_at(self.place);
        self.consequence = match self.consequence {
            Consequence::StopsDatabase | Consequence::EngineTable | Consequence::NotInUse => {
                self.consequence
            }
            _ if self.page_type == Some(PageType::Iam) => self.consequence,
            _ if object.is_system() => Consequence::SystemOrMap,
            _ if object.can_be_rebuilt() => Consequence::Index,
            _ => Consequence::Rows,
        };
    }

    /// The whole of an index hangs on it: its root, unless that is all there is of it, or a page
    /// between that and its leaves.
    pub fn is_upper(&self) -> bool {
        let is_all = |object: &Arc<Object>| object.unit_pages.is_some_and(|n| n <= ONE_PAGE_UNIT);
        match self.page_type {
            Some(PageType::Index) => true,
            None => self.is_root && !self.object.as_ref().is_some_and(is_all),
            Some(_) => false,
        }
    }

    /// Tells the likely cause, by all evidence there is by now. Old content of a page that is free
    /// has none, and nobody knows whether this one is, unless all around it has moved.
    pub fn conclude(&mut self) {
        self.cause = match self.shift {
            Some(_) => Some((Cause::Shifted, Confidence::Likely)),
            None if self.usage == Usage::Doubtful => None,
            None => cause::of(&self.reason, self.evidence.as_ref(), self.unsettled),
        };
    }

    /// How urgent it is by what its own page says: enough to tell which ones to keep if there are
    /// too many. Equal only for the same page.
    pub fn urgency(&self) -> (u32, Consequence, usize, PageAddress) {
        let remoteness = (self.consequence as u32 + 1) * self.usage.factor();
        (remoteness, self.consequence, self.file, self.place)
    }
}

#[cfg(test)]
impl Finding {
    /// Of a page whose header is whole and says that it is of this type and `(object, index)` unit.
    pub(crate) fn made(
        file: usize,
        page: u32,
        page_type: u8,
        (object_id, index_id): (u32, u16),
        allocation: Allocation,
    ) -> Self {
        use crate::page::address::{FileId, PageId};
        let place = PageAddress::new(FileId(1), PageId(page));
        let mut bytes = Page::ZERO;
        *PageHeader::of_mut(&mut bytes) = PageHeader {
            header_version: 1,
            page_type,
            free_data: 96,
            file_id: 1,
            page_id: page,
            object_id,
            index_id,
            ..bytemuck::Zeroable::zeroed()
        };
        Self::new(file, place, SuspectReason::BadHeader, allocation, Some(&bytes))
    }
}

/// The other page than the one at `place` that `header` names, if it has all that a header has.
fn named_by(header: &PageHeader, place: PageAddress) -> Option<PageAddress> {
    let named = header.address();
    (header.is_plausible() && named != place && named.can_exist()).then_some(named)
}

/// The object id of the system table that `unit` is of, if it is of one (section 6.1).
fn system_table(unit: u64) -> Option<u64> {
    let (index_id, object_id) = (unit >> 48, unit >> 16 & 0xffff_ffff);
    let is_system = object_id < SYSTEM_OBJECT_ID_END && index_id < USER_INDEX_ID_START;
    is_system.then_some(object_id)
}

fn consequence(page_type: Option<PageType>, unit: Option<u64>, in_use: Allocation) -> Consequence {
    use PageType::{Boot, DiffMap, FileHeader, Gam, Iam, Index, MlMap, Pfs, Sgam};
    let table = unit.and_then(system_table);
    match page_type {
        _ if in_use == Allocation::Free => Consequence::NotInUse,
        Some(FileHeader | Boot | Pfs | Gam | Sgam) => Consequence::StopsDatabase,
        Some(Iam | DiffMap | MlMap) => Consequence::SystemOrMap,
        _ if table.is_some_and(|id| ENGINE_TABLES.contains(&id)) => Consequence::EngineTable,
        _ if table.is_some() => Consequence::SystemOrMap,
        Some(Index) => Consequence::Index,
        // Not knowing what a page was is no reason to rank it below rows.
        _ => Consequence::Rows,
    }
}

/// The suspects of a scan, the most urgent [`SUSPECTS_MAX`] of them.
#[derive(Clone, Debug)]
pub struct Findings {
    list: Vec<Finding>,
    kept_max: usize,
}

impl Default for Findings {
    fn default() -> Self {
        Self::keeping(SUSPECTS_MAX)
    }
}

impl Findings {
    fn keeping(kept_max: usize) -> Self {
        Self { list: Vec::new(), kept_max }
    }

    /// Adds one. Which ones are kept does not depend on the order of adding.
    pub fn add(&mut self, finding: Finding) {
        self.list.push(finding);
        if self.list.len() == self.kept_max + self.kept_max / BEYOND_PART {
            self.cut();
        }
    }

    /// Those that are kept, in order of their places.
    pub fn into_list(mut self) -> Vec<Finding> {
        self.cut();
        by_place(&mut self.list);
        self.list
    }

    fn cut(&mut self) {
        if self.list.len() > self.kept_max {
            self.list.select_nth_unstable_by_key(self.kept_max, Finding::urgency);
            self.list.truncate(self.kept_max);
        }
    }
}

/// Puts those first that are most urgent by what their own pages say.
pub fn by_urgency(findings: &mut [Finding]) {
    findings.sort_unstable_by_key(Finding::urgency);
}

/// Puts them in the order of their places.
pub fn by_place(findings: &mut [Finding]) {
    findings.sort_unstable_by_key(|finding| (finding.file, finding.place));
}

impl From<Vec<Finding>> for Findings {
    fn from(list: Vec<Finding>) -> Self {
        let mut findings = Self::default();
        for finding in list {
            findings.add(finding);
        }
        findings
    }
}
