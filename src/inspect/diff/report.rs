//! What comes out: schema `pagescrub.diff/1` (docs/formats.md).

use super::class::{Class, Counts};
use super::compare::{Both, Seen, broken_rule, differing};
use super::relation::Relation;
use crate::check::rule::Rule;
use crate::consolidate::report::Tool;
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::page::address::{FileId, PageAddress};
use crate::page::checksum::Checksum;
use crate::page::header::{Lsn, PageHeader, Protection};
use crate::page::kind::PageType;
use serde::Serialize;

/// The schema's name; keys are only ever added to it.
pub const SCHEMA: &str = "pagescrub.diff/1";

/// What two copies are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// All pages in use are the same in both, or were rewritten under their LSN.
    Equal,
    /// They differ as copies of two moments do.
    Different,
    /// Not all was read that should be there.
    Incomplete,
    /// Pages that are in order by themselves cannot all be right.
    Contradictory,
    /// Pages are damaged.
    Damaged,
}

/// The outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What wrote it.
    pub tool: Tool,
    /// The worst of all files.
    pub answer: Answer,
    /// 0, 1 or 3.
    pub exit_code: u8,
    /// Pages of all files.
    pub counts: Counts,
    /// By file id.
    pub files: Vec<FileDiff>,
}

/// Two copies of one data file.
#[derive(Clone, Debug, Serialize)]
pub struct FileDiff {
    /// File id.
    pub file_id: FileId,
    /// The one copy.
    pub a: CopyFacts,
    /// The other one.
    pub b: CopyFacts,
    /// How it is known that they are copies of one file.
    pub relation: Relation,
    /// What the two are to each other.
    pub answer: Answer,
    /// Pages by class.
    pub counts: Counts,
    /// By object, those first that have most pages that differ.
    pub objects: Vec<ObjectDiff>,
    /// Pages that differ, ascending.
    pub runs: Vec<RunOfPages>,
    /// Runs beyond the longest list.
    pub runs_not_listed: u64,
    /// Pages that are damaged, or contradict each other, ascending.
    pub pages: Vec<PageDiff>,
    /// Those beyond the longest list.
    pub pages_not_listed: u64,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// What should be there and was not read.
    pub missing: Vec<String>,
    /// Extents of a backup may not be where they were taken to be.
    #[serde(skip)]
    pub has_wrong_ids: bool,
}

/// One copy.
#[derive(Clone, Debug, Serialize)]
pub struct CopyFacts {
    /// As given.
    pub path: String,
    /// `data file`, `full backup`, `differential backup` and so on.
    pub kind: &'static str,
    /// In a backup: the position of the set.
    pub backup_set: Option<u32>,
    /// Database.
    pub database: Option<String>,
    /// Server that made the backup.
    pub server: Option<String>,
    /// When the backup was finished, by the server's clock.
    pub finished: Option<String>,
    /// Pages that the copy has.
    pub pages: u64,
    /// The page after the last one.
    pub end_page: u32,
    /// All changes before it are in the copy.
    pub checkpoint_lsn: Option<Lsn>,
}

/// Pages of one object, or of none.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectDiff {
    /// Its name, `allocation unit N` where the catalog does not tell, or what else the pages are.
    pub object: String,
    /// `heap`, `clustered_index` and so on, where it is known.
    pub object_kind: Option<&'static str>,
    /// Its pages by class.
    pub counts: Counts,
}

/// Pages that follow each other, of one class and one object.
#[derive(Clone, Debug, Serialize)]
pub struct RunOfPages {
    /// What they are.
    pub class: Class,
    /// The first one.
    pub first_page: u32,
    /// How many.
    pub pages: u32,
    /// What they belong to, as in [`ObjectDiff::object`].
    pub object: String,
}

/// A page that is damaged, or of which one copy must be wrong.
#[derive(Clone, Debug, Serialize)]
pub struct PageDiff {
    /// Where it stands.
    pub address: PageAddress,
    /// What it is.
    pub class: Class,
    /// As in A; none if A does not have it.
    pub a: Option<SideOfPage>,
    /// As in B.
    pub b: Option<SideOfPage>,
    /// Bytes that are not the same.
    pub differing_bytes: Option<u32>,
    /// Sectors of 512 bytes that are not the same, from 0.
    pub differing_sectors: Vec<u8>,
    /// The copy that is wrong, `a`, `b` or `both`, if that is known.
    pub wrong: Option<&'static str>,
    /// Why, in words.
    pub because: String,
    /// What it belongs to.
    pub object: String,
}

/// A page as one copy has it.
#[derive(Clone, Debug, Serialize)]
pub struct SideOfPage {
    /// By its header; none if it could not be read.
    pub lsn: Option<Lsn>,
    /// By its header.
    pub page_type: Option<&'static str>,
    /// By its header.
    pub allocation_unit_id: Option<u64>,
    /// What its header says that it carries: `checksum`, `torn` or `none`.
    pub protection: Option<&'static str>,
    /// `yes`, `no` or `unknown`.
    pub allocated: &'static str,
    /// What is wrong with it by itself, as in a scan.
    pub reason: Option<&'static str>,
    /// The rule of its own content that it breaks, though its checksum is right.
    pub broken_rule: Option<String>,
    /// The checksum that it carries, if that is wrong.
    pub stored: Option<Checksum>,
    /// The checksum of its bytes, if it is not the stored one.
    pub computed: Option<Checksum>,
    /// The page that it says it is, if that is another one.
    pub found: Option<PageAddress>,
}

impl Diff {
    /// Of the compared `files`.
    pub(super) fn of(schema: &'static str, tool: Tool, files: Vec<FileDiff>) -> Self {
        let mut counts = Counts::default();
        for file in &files {
            counts.add_all(&file.counts);
        }
        let answer = files.iter().map(|file| file.answer).max().unwrap_or(Answer::Incomplete);
        Self { schema, tool, answer, exit_code: answer.exit_code(), counts, files }
    }

    /// Extents of a backup may not be where they were taken to be.
    pub(super) fn may_be_misplaced(&self) -> bool {
        let is_backup = |file: &FileDiff| file.a.backup_set.or(file.b.backup_set).is_some();
        self.files.iter().any(|file| file.has_wrong_ids && is_backup(file))
    }
}

impl Answer {
    /// Of what was counted, and whether something is missing.
    pub(super) fn of(counts: &Counts, is_incomplete: bool) -> Self {
        let is_different = |class: Class| !class.is_alike() && class != Class::Rewritten;
        match () {
            () if counts.of_all(Class::is_damage) > 0 => Self::Damaged,
            () if counts.of_all(Class::is_contradiction) > 0 => Self::Contradictory,
            () if is_incomplete || counts.pages() == 0 => Self::Incomplete,
            () if counts.of_all(is_different) > 0 => Self::Different,
            () => Self::Equal,
        }
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Different => "different",
            Self::Incomplete => "incomplete",
            Self::Contradictory => "contradictory",
            Self::Damaged => "damaged",
        }
    }

    fn exit_code(self) -> u8 {
        match self {
            Self::Equal | Self::Different => 0,
            Self::Contradictory | Self::Damaged => 1,
            Self::Incomplete => 3,
        }
    }
}

impl PageDiff {
    /// The page at `address`, of which nothing is known yet but what its copies show.
    pub(super) fn of(address: PageAddress, class: Class, (a, b): Both<'_>) -> Self {
        let pages = a.and_then(|a| a.page).zip(b.and_then(|b| b.page));
        let side = |seen: &Seen<'_>| SideOfPage::of(seen, broken_rule(address, seen));
        let differing = pages.map(|(a, b)| differing(a, b));
        let sectors = differing.map_or(0, |(_, sectors)| sectors);
        Self {
            address,
            class,
            a: a.map(side),
            b: b.map(side),
            differing_bytes: differing.map(|(bytes, _)| bytes),
            differing_sectors: (0..16).filter(|sector| sectors >> sector & 1 == 1).collect(),
            wrong: None,
            because: String::new(),
            object: String::new(),
        }
    }
}

impl SideOfPage {
    fn of(seen: &Seen<'_>, rule: Option<Rule>) -> Self {
        let header = seen.page.map(PageHeader::of);
        let reason = seen.reason.as_ref();
        let checksums = reason.and_then(SuspectReason::checksums);
        let has_header = header.filter(|header| header.is_sane());
        let allocated = match seen.allocation {
            Allocation::Allocated => "yes",
            Allocation::Free => "no",
            Allocation::Unknown => "unknown",
        };
        Self {
            lsn: header.map(PageHeader::lsn),
            page_type: has_header.map(|header| PageType::of(header.page_type).name()),
            allocation_unit_id: has_header.map(PageHeader::allocation_unit_id),
            protection: has_header.map(protection),
            allocated,
            reason: reason.map(SuspectReason::name),
            broken_rule: rule.map(|rule| format!("{}: {}", rule.name(), rule.wrong())),
            stored: checksums.map(|(stored, _)| stored),
            computed: checksums.map(|(_, computed)| computed),
            found: match reason {
                Some(SuspectReason::WrongPageId { found, .. }) => Some(*found),
                _ => None,
            },
        }
    }
}

fn protection(header: &PageHeader) -> &'static str {
    match header.protection() {
        Protection::Checksum => "checksum",
        Protection::Torn => "torn",
        Protection::None => "none",
    }
}
