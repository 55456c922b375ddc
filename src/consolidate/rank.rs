//! What the loss of a page means, and the order that follows from it.

use crate::catalog::object::Object;
use crate::diagnose::cause::{self, Cause, Confidence};
use crate::diagnose::evidence::Evidence;
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::allocation::fixed_page_type;
use crate::page::header::PageHeader;
use crate::page::kind::PageType;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::sync::Arc;

/// Suspects listed at most; more are counted, not listed. The list keeps those that rank highest.
pub const SUSPECTS_MAX: usize = 100_000;
/// Object ids below this belong to the system tables.
const SYSTEM_OBJECT_ID_END: u32 = 100;
/// Allocation units made for users since SQL Server 2005 have this index id or a higher one.
const USER_INDEX_ID_START: u16 = 256;

/// What is lost with a page; in order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Consequence {
    /// The database may not start, and the page cannot be restored alone.
    StopsDatabase,
    /// A system table or an allocation map: whole objects at risk.
    SystemOrMap,
    /// Rows or LOB values.
    Rows,
    /// Index entries, which can be made again from the rows.
    Index,
    /// Nothing now: the page is not in use.
    NotInUse,
}

impl Consequence {
    /// From 0 (note) to 1000 (now).
    fn score(self) -> u32 {
        match self {
            Self::StopsDatabase => 1000,
            Self::SystemOrMap => 800,
            Self::Rows => 600,
            Self::Index => 300,
            Self::NotInUse => 50,
        }
    }
}

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

    fn divisor(self) -> u32 {
        match self {
            Self::Certain => 1,
            Self::Likely => 2,
            Self::Doubtful => 8,
        }
    }
}

/// P1 act now, P2 today, P3 plan, P4 note.
pub fn priority(score: u32) -> &'static str {
    match score {
        700.. => "P1",
        400.. => "P2",
        150.. => "P3",
        _ => "P4",
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
    /// What it belongs to, as far as its header can be believed.
    pub allocation_unit: Option<u64>,
    /// What that is; looked up at the end of a scan.
    #[serde(skip)]
    pub object: Option<Arc<Object>>,
    /// What is lost.
    pub consequence: Consequence,
    /// How sure it is that it is lost.
    pub usage: Usage,
    /// No two looks saw the same bytes.
    pub unsettled: bool,
    /// What its bytes show; `None` if none could be read.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// What follows from that; found out at the end of a scan.
    #[serde(skip)]
    pub cause: Option<(Cause, Confidence)>,
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
        let fixed = fixed_page_type(place.file, place.page);
        let page_type = fixed.or_else(|| header.map(|h| PageType::of(h.page_type)));
        let is_system = header.is_some_and(is_system);
        let evidence = page.map(|page| Evidence::of(page, &reason));
        Self {
            file,
            place,
            reason,
            allocation,
            page_type,
            allocation_unit: header.filter(|_| fixed.is_none()).map(PageHeader::allocation_unit_id),
            object: None,
            consequence: consequence(page_type, is_system, allocation),
            usage: Usage::of(allocation, header),
            unsettled: false,
            evidence,
            cause: None,
        }
    }

    /// The page was read `looks` times, and these differed or did not.
    pub fn was_seen(&mut self, looks: u8, looks_differ: bool) {
        if let Some(evidence) = &mut self.evidence {
            (evidence.looks, evidence.looks_differ) = (looks, looks_differ);
        }
    }

    /// The page belongs to `object`, unless its type tells that its header is wrong. What is lost
    /// with it is then known better than by the page alone.
    pub fn is_of(&mut self, object: &Arc<Object>) {
        if !self.page_type.is_some_and(|page_type| object.can_own(page_type)) {
            return;
        }
        self.object = Some(Arc::clone(object));
        self.consequence = match self.consequence {
            Consequence::StopsDatabase | Consequence::NotInUse => self.consequence,
            _ if self.page_type == Some(PageType::Iam) => self.consequence,
            _ if object.is_system() => Consequence::SystemOrMap,
            _ if object.can_be_rebuilt() => Consequence::Index,
            _ => Consequence::Rows,
        };
    }

    /// Tells the likely cause, by all evidence there is by now.
    pub fn conclude(&mut self) {
        self.cause = cause::of(&self.reason, self.evidence.as_ref(), self.unsettled);
    }

    /// From 0 (note) to 1000 (now): what is lost, by how sure that is.
    pub fn score(&self) -> u32 {
        self.consequence.score() / self.usage.divisor()
    }

    /// Urgency; equal only for the same page.
    fn rank(&self) -> (Reverse<u32>, Consequence, usize, PageAddress) {
        (Reverse(self.score()), self.consequence, self.file, self.place)
    }
}

fn is_system(header: &PageHeader) -> bool {
    header.object_id < SYSTEM_OBJECT_ID_END && header.index_id < USER_INDEX_ID_START
}

fn consequence(page_type: Option<PageType>, is_system: bool, in_use: Allocation) -> Consequence {
    use PageType::{Boot, DiffMap, FileHeader, Gam, Iam, Index, MlMap, Pfs, Sgam};
    match page_type {
        _ if in_use == Allocation::Free => Consequence::NotInUse,
        Some(FileHeader | Boot | Pfs | Gam | Sgam) => Consequence::StopsDatabase,
        Some(Iam | DiffMap | MlMap) => Consequence::SystemOrMap,
        _ if is_system => Consequence::SystemOrMap,
        Some(Index) => Consequence::Index,
        // Not knowing what a page was is no reason to rank it below rows.
        _ => Consequence::Rows,
    }
}

/// The suspects of a scan, the most urgent [`SUSPECTS_MAX`] of them.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// Adds one. Which ones are kept does not depend on the order of adding.
    pub fn add(&mut self, finding: Finding) {
        self.list.push(finding);
        if self.list.len() == 2 * SUSPECTS_MAX {
            self.cut();
        }
    }

    /// The most urgent first; pages of one kind in one file stay together.
    pub fn ranked(mut self) -> Vec<Finding> {
        self.cut();
        self.list
    }

    fn cut(&mut self) {
        rank(&mut self.list);
        self.list.truncate(SUSPECTS_MAX);
    }
}

/// Puts the most urgent first.
pub fn rank(findings: &mut [Finding]) {
    findings.sort_by_key(Finding::rank);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::object::ObjectKind;
    use crate::page::address::{FileId, PageId};

    fn finding(file: usize, page: u32, page_type: u8, unknown: bool) -> Finding {
        let place = PageAddress::new(FileId(1), PageId(page));
        let mut bytes = Page::ZERO;
        *PageHeader::of_mut(&mut bytes) = PageHeader {
            header_version: 1,
            page_type,
            free_data: 96,
            file_id: 1,
            page_id: page,
            object_id: 100,
            index_id: 256,
            ..bytemuck::Zeroable::zeroed()
        };
        let allocation = if unknown { Allocation::Unknown } else { Allocation::Allocated };
        Finding::new(file, place, SuspectReason::BadHeader, allocation, Some(&bytes))
    }

    #[test]
    fn the_order_is_pinned_on_a_fixed_set() {
        let mut findings = Findings::default();
        for f in [
            finding(0, 300, 2, false),
            finding(1, 205, 1, false),
            finding(0, 200, 1, true),
            finding(0, 204, 1, false),
            finding(1, 40, 10, false),
            finding(0, 201, 3, false),
            finding(1, 1, 11, false),
            finding(0, 9, 13, false),
        ] {
            findings.add(f);
        }
        let order: Vec<_> = findings.ranked().iter().map(|f| (f.file, f.place.page.0)).collect();
        let expected = [(0, 9), (1, 1), (1, 40), (0, 201), (0, 204), (1, 205), (0, 200), (0, 300)];
        assert_eq!(order, expected);
    }

    #[test]
    fn what_may_be_free_ranks_below_what_is_in_use() {
        let (likely, certain) = (finding(0, 200, 1, true), finding(0, 300, 1, false));
        let place = PageAddress::new(FileId(1), PageId(100));
        let (reason, page) = (SuspectReason::BadHeader, Some(&Page::ZERO));
        let doubtful = Finding::new(0, place, reason, Allocation::Unknown, page);
        assert_eq!([&certain, &likely, &doubtful].map(Finding::score), [600, 300, 75]);
        assert_eq!(priority(doubtful.score()), "P4");
    }

    #[test]
    fn the_object_tells_what_is_lost_unless_the_page_cannot_be_its() {
        let object = |object_id, index_id, kind| Object {
            object_id,
            index_id,
            kind,
            schema: None,
            table: None,
            index: None,
            is_view: false,
            is_internal: false,
        };
        let score = |page_type, object: &Object| {
            let mut finding = finding(0, 200, page_type, false);
            finding.is_of(&Arc::new(object.clone()));
            (finding.score(), finding.object.is_some())
        };
        let clustered = object(1000, 1, ObjectKind::ClusteredIndex);
        assert_eq!([1, 2].map(|kind| score(kind, &clustered)), [(600, true); 2]);
        let nonclustered = object(1000, 2, ObjectKind::NonclusteredIndex);
        assert_eq!([2, 10].map(|kind| score(kind, &nonclustered)), [(300, true), (800, true)]);
        assert_eq!(score(2, &object(34, 2, ObjectKind::NonclusteredIndex)), (800, true));
        assert_eq!(score(2, &object(1000, 0, ObjectKind::Heap)), (300, false));
    }

    #[test]
    fn a_destroyed_header_is_known_by_its_place_or_not_at_all() {
        let at = |page| PageAddress::new(FileId(1), PageId(page));
        let of = |page| {
            let allocation = Allocation::Allocated;
            Finding::new(0, at(page), SuspectReason::Zeroed, allocation, Some(&Page::ZERO))
        };
        assert_eq!(of(8088).page_type, Some(PageType::Pfs));
        assert_eq!(of(8088).consequence, Consequence::StopsDatabase);
        assert_eq!(of(8089).page_type, None);
        assert_eq!(of(8089).consequence, Consequence::Rows);
    }

    #[test]
    fn of_too_many_the_most_urgent_are_kept_in_whatever_order_they_come() {
        let many = 2 * SUSPECTS_MAX as u32 + 5;
        let kept = |pages: &mut dyn Iterator<Item = u32>| {
            let mut findings = Findings::default();
            pages.for_each(|page| findings.add(finding(0, page + 1000, 1, false)));
            findings.ranked()
        };
        let forward = kept(&mut (0..many));
        assert_eq!(forward.len(), SUSPECTS_MAX);
        assert_eq!(forward, kept(&mut (0..many).rev()));
    }
}
