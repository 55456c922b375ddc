//! Checks what pages say of each other, when all of them have been read: each database by itself,
//! with the rules of `check`. What is broken in a database at rest is damage; elsewhere recovery
//! may put it right, unless one page breaks it alone.

use super::checked_pages::CheckedPages;
use super::primaries::Primary;
use super::wrong_owners::Scanned;
use super::wrong_owners::doubt;
use crate::backup::BackupKind;
use crate::check::Breach;
use crate::check::collected::Collected;
use crate::check::database::{self, Given};
use crate::check::outcome::{NotChecked, Outcome};
use crate::check::rule::Rule;
use crate::check::sums::Sums;
use crate::consolidate::findings::{Finding, SUSPECTS_MAX};
use crate::diagnose::verdict::{SuspectReason, Verdict};
use crate::discover::backup::Part;
use crate::page::address::{FileId, PageAddress};
use crate::page::allocation::{BOOT_PAGE, pfs_page_of};
use std::collections::{BTreeMap, BTreeSet};

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// Of each database that was checked, with the index of its primary file, or of its first one.
    pub(super) outcomes: Vec<(usize, Outcome)>,
    /// Pages that break rules, and what they had been taken for.
    pub(super) suspects: Vec<(Finding, Verdict)>,
}

/// Checks each database of `scanned`, of the files of which this was `collected`.
pub(super) fn find(scanned: &Scanned<'_>, mut collected: Vec<Collected>) -> Found {
    let mut found = Found::default();
    for (primary, members) in databases(scanned) {
        if scanned.stop.ends_looking() {
            break;
        }
        let checked = Database { primary, members, scanned };
        let checked = checked.check(&mut collected, &mut found.suspects);
        found.outcomes.push(checked);
    }
    found
}

/// The files with pages, by the primary file of their database; those of which that is not known
/// each by itself.
fn databases(scanned: &Scanned<'_>) -> BTreeMap<(Primary, usize), Vec<usize>> {
    let mut databases: BTreeMap<(Primary, usize), Vec<usize>> = BTreeMap::new();
    for (index, _) in scanned.files.iter().enumerate().filter(|(_, file)| file.file.has_pages()) {
        let primary = scanned.primaries.of(index);
        let alone = if primary.is_none() { index } else { 0 };
        databases.entry((primary, alone)).or_default().push(index);
    }
    databases
}

/// One database.
struct Database<'a> {
    primary: (Primary, usize),
    members: Vec<usize>,
    scanned: &'a Scanned<'a>,
}

impl Database<'_> {
    fn check(
        &self,
        collected: &mut [Collected],
        suspects: &mut Vec<(Finding, Verdict)>,
    ) -> (usize, Outcome) {
        let scanned = self.scanned;
        let mut outcome = Outcome::default();
        let (mut sums, mut known) = (Sums::default(), Vec::new());
        for member in &self.members {
            let of_file = std::mem::take(&mut collected[*member]);
            sums.merge(of_file.sums);
            known.extend(of_file.broken);
            outcome.left_out += of_file.left_out;
        }
        (outcome.pages, outcome.records) = (sums.pages, sums.records);
        sums.join_parents();
        let pages = CheckedPages::of(&self.members, &known, scanned);
        let is_complete = self.is_complete();
        let whole = pages.as_ref().filter(|_| !self.is_partial());
        outcome.leaves(NotChecked::IncompleteDatabases, u64::from(whole.is_none() || !is_complete));
        let broken = match whole {
            Some(pages) => {
                database::check(&Given { pages, sums: &sums, is_complete }, known, &mut outcome)
            }
            None => known,
        };
        self.tell(broken, pages.as_ref(), suspects, &mut outcome);
        (self.index(), outcome)
    }

    /// The file that stands for the database.
    fn index(&self) -> usize {
        self.primary.0.unwrap_or(self.members[0])
    }

    /// Its pages are not all there, or not certainly of one database: pages are not held against
    /// each other.
    fn is_partial(&self) -> bool {
        let files = || self.members.iter().map(|at| self.scanned.files[*at].file);
        let lacks_pages =
            |part: &Part| part.set().kind != BackupKind::Full || !part.has_all_stripes();
        // The stripes of a set have parts of one file; nothing else has its id twice.
        let ids: BTreeSet<FileId> = files().map(|file| file.file_id).collect();
        let is_ambiguous = ids.len() != files().count() && files().any(|file| file.part.is_none());
        let mut parts = files().filter_map(|file| file.part.as_ref());
        self.primary.0.is_none() || is_ambiguous || parts.any(lacks_pages)
    }

    /// Every data file of the database is there.
    fn is_complete(&self) -> bool {
        doubt::are_all(self.index(), &self.members, self.scanned)
    }

    /// It is at rest: what is wrong in it now stays so.
    fn is_settled(&self) -> bool {
        doubt::is_at_rest(self.index(), &self.members, self.scanned)
    }

    fn tell(
        &self,
        broken: Vec<Breach>,
        pages: Option<&CheckedPages<'_>>,
        suspects: &mut Vec<(Finding, Verdict)>,
        outcome: &mut Outcome,
    ) {
        let is_settled = self.is_settled();
        for breach in broken {
            if !is_settled && !is_certain(breach.rule) {
                outcome.unsettled.push(breach);
                continue;
            }
            outcome.broken.push(breach);
            let suspect = pages.and_then(|pages| Self::suspect(breach, pages));
            if suspects.len() < SUSPECTS_MAX {
                suspects.extend(suspect);
            }
        }
    }

    /// The page of `breach` as a suspect. What is not there is told of the PFS page that should
    /// tell of it; and of the boot page, if not even its file is there.
    fn suspect(breach: Breach, pages: &CheckedPages<'_>) -> Option<(Finding, Verdict)> {
        let pfs = PageAddress::new(breach.place.file, pfs_page_of(breach.place.page));
        let boot = PageAddress::new(FileId(1), BOOT_PAGE);
        let mut places = [breach.place, pfs, boot].into_iter().filter(|place| pages.has(*place));
        let place = places.next()?;
        let (index, page, allocation, verdict) = pages.judged(place)?;
        let other = if place == breach.place { breach.other } else { Some(breach.place) };
        let reason = SuspectReason::Inconsistent(Breach { place, other, ..breach });
        let finding = Finding::new(index, place, reason, allocation, Some(&page));
        Some((finding, verdict))
    }
}

/// Recovery does not change that: it stands in one page, and does not depend on what its PFS page
/// said at another moment.
fn is_certain(rule: Rule) -> bool {
    rule.is_of_one_page() && !matches!(rule, Rule::H3 | Rule::H4 | Rule::A6)
}
