//! Pages of another owner than the IAM page of their extent says (Msg 605): what a write leaves
//! that never came, where a page had belonged to something else before.
//!
//! While scanning, each PFS interval got the sum of what its pages say (`catalog/owner_sums.rs`).
//! Here the intervals are looked at again in which that is not what IAM and PFS pages say. What is
//! found is a suspect where nothing but damage explains it: in a database that was shut down
//! cleanly, of which every data file was scanned as a whole, and where the IAM chains of both
//! units are whole, so that neither can claim the page by an IAM page that was not seen. Elsewhere
//! it is a note.

mod chains;
mod doubt;

use super::Open;
use super::Stop;
use super::context::Opened;
use super::file::FileTally;
use super::known_owners::{KnownOwners, SumsByInterval};
use super::leads::{Remembered, read};
use super::names::Primaries;
use crate::catalog::claims::{Claims, IamClaims};
use crate::catalog::owner_sums::{ExpectedSums, is_owned};
use crate::catalog::owners::is_same_unit;
use crate::catalog::units_by_first_iam;
use crate::consolidate::findings::{Finding, Findings, SUSPECTS_MAX};
use crate::consolidate::transient::Transient;
use crate::diagnose::judge::judge;
use crate::diagnose::verdict::{Allocation, SuspectReason, Verdict};
use crate::page::Page;
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::allocation::{PFS_INTERVAL_PAGES, PagesInUse, PfsByte};
use crate::page::checksum::Checksum;
use crate::page::header::PageHeader;
use crate::page::iam::IamPage;
use crate::page::kind::PageType;
use crate::plan::Plan;
use chains::Chains;
use std::collections::{BTreeMap, BTreeSet};

/// Intervals whose pages are read again at most, where that can prove damage: 64 GiB. In a database
/// at rest, nothing but damage makes one of them differ.
const INTERVALS_MAX: usize = 1024;
/// Those that are read for a note: 4 GiB. In one at work, a few always differ.
const UNPROVEN_INTERVALS_MAX: usize = 64;
/// Intervals whose PFS pages are held in memory at a time: 64 MiB of it.
const INTERVALS_AT_ONCE: usize = 65_536;
/// Pages read in one go.
const RUN_PAGES_MAX: usize = 64;
/// Pages that a note names.
const NAMED_MAX: usize = 10;

/// What was scanned, before it is known what belongs to what.
pub(super) struct Scanned<'a> {
    pub(super) files: &'a [Remembered<'a>],
    pub(super) plan: &'a Plan,
    pub(super) tallies: &'a [FileTally],
    pub(super) primaries: &'a Primaries,
    /// In the order of their places.
    pub(super) findings: &'a [Finding],
    /// The same.
    pub(super) transients: &'a [Transient],
    pub(super) open: Open<'a>,
    /// Once true, nothing more is read.
    pub(super) stop: &'a Stop,
}

/// What was found in one file.
pub(super) struct Found {
    file: usize,
    /// Suspects, and what they had been taken for.
    suspects: Vec<(Finding, Verdict)>,
    unproven: Option<Unproven>,
}

/// Pages of another owner that prove no damage, and what was not looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Unproven {
    pages: u64,
    /// The first of them.
    first: Vec<PageAddress>,
    why: &'static str,
    /// Intervals that were not looked at.
    intervals_left: usize,
}

impl Found {
    /// In the file at `index`, of which so many intervals were not looked at.
    fn nothing(index: usize, intervals_left: usize) -> Self {
        let unproven = Unproven { intervals_left, ..Unproven::default() };
        Self { file: index, suspects: Vec::new(), unproven: Some(unproven) }
    }
}

/// Finds them in all files. `known` has for each file what its IAM and PFS pages say.
pub(super) fn find(scanned: &Scanned<'_>, known: &mut [KnownOwners]) -> Vec<Found> {
    let has_sums = |index: &usize| !scanned.tallies[*index].owner_sums.is_empty();
    let doubtful: Vec<usize> = (0..scanned.tallies.len()).filter(has_sums).collect();
    if doubtful.is_empty() {
        return Vec::new();
    }
    let databases = databases(scanned);
    // Where not even the suspects are all known, nothing more is looked for.
    let can_tell = scanned.findings.len() < SUSPECTS_MAX;
    let mut proving = if can_tell { INTERVALS_MAX } else { 0 };
    let mut noting = if can_tell { UNPROVEN_INTERVALS_MAX } else { 0 };
    let mut found = Vec::new();
    for index in doubtful {
        let alone = vec![index];
        let members = scanned.primaries.of(index).and_then(|of| databases.get(&of));
        let members = members.filter(|members| members.contains(&index)).unwrap_or(&alone);
        let mut sums = scanned.tallies[index].owner_sums.clone();
        scanned.not_summed(index).for_each(|page| known[index].leave_out(page));
        let others = members.iter().filter(|member| **member != index);
        known[index].keep_those_that_differ(&mut sums, others.map(|member| &known[*member]));
        if !sums.is_empty() {
            let doubt = doubt::of(index, members, scanned);
            let left = if doubt.is_none() { &mut proving } else { &mut noting };
            found.extend(match Search::new(index, members, doubt, scanned) {
                Some(search) if *left > 0 => search.run(&sums, left),
                _ => Some(Found::nothing(index, sums.intervals().count())),
            });
        }
    }
    found
}

/// The files of each database, by its primary file. Where two have one id, nobody knows which of
/// them is meant: such databases are left out.
fn databases(scanned: &Scanned<'_>) -> BTreeMap<usize, Vec<usize>> {
    let mut databases: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, _) in scanned.files.iter().enumerate().filter(|(_, file)| file.file.has_pages()) {
        if let Some(primary) = scanned.primaries.of(index) {
            databases.entry(primary).or_default().push(index);
        }
    }
    databases.retain(|_, members| {
        let ids: BTreeSet<FileId> =
            members.iter().map(|member| scanned.files[*member].file.file_id).collect();
        ids.len() == members.len()
    });
    databases
}

impl Scanned<'_> {
    /// The suspects of the file at `index`.
    fn suspects_of(&self, index: usize) -> &[Finding] {
        let first = self.findings.partition_point(|finding| finding.file < index);
        let end = self.findings.partition_point(|finding| finding.file <= index);
        &self.findings[first..end]
    }

    /// Pages of the file at `index` that were right at the second look.
    fn healed(&self, index: usize) -> impl Iterator<Item = PageId> {
        let first = self.transients.partition_point(|healed| healed.file < index);
        let healed = self.transients[first..].iter().take_while(move |page| page.file == index);
        healed.map(|healed| healed.place.page)
    }

    /// Pages of the file at `index` that may be in use and were not added to its sums. A page that
    /// is only older than its copy was: nothing was wrong with it while it was looked at.
    fn not_summed(&self, index: usize) -> impl Iterator<Item = PageId> {
        let is_left_out =
            |suspect: &&Finding| !matches!(suspect.reason, SuspectReason::StalePage { .. });
        let suspects = self.suspects_of(index).iter().filter(is_left_out);
        suspects.map(|suspect| suspect.place.page).chain(self.healed(index))
    }
}

/// A look at the intervals of one file that differ.
struct Search<'a> {
    index: usize,
    members: Vec<(&'a Remembered<'a>, Opened<'a>)>,
    /// Of this file.
    own: Opened<'a>,
    /// Why nothing is proven.
    doubt: Option<&'static str>,
    scanned: &'a Scanned<'a>,
}

impl<'a> Search<'a> {
    fn new(
        index: usize,
        members: &[usize],
        doubt: Option<&'static str>,
        scanned: &'a Scanned<'a>,
    ) -> Option<Self> {
        let open = |member: usize| {
            let file = &scanned.files[member];
            Some((file, Opened::new(file.file, scanned.open)?))
        };
        Some(Self {
            index,
            own: open(index)?.1,
            members: members.iter().map(|member| open(*member)).collect::<Option<_>>()?,
            doubt,
            scanned,
        })
    }

    fn run(&self, sums: &SumsByInterval, intervals_left: &mut usize) -> Option<Found> {
        let mut differing = self.differing(sums);
        let left_out = differing.len().saturating_sub(*intervals_left);
        differing.truncate(*intervals_left);
        *intervals_left -= differing.len();
        let mut found = Found { file: self.index, suspects: Vec::new(), unproven: None };
        let mut unproven = Unproven { intervals_left: left_out, ..Unproven::default() };
        let map = Map::of(self, &differing);
        for interval in differing {
            if self.scanned.stop.ends_looking() {
                unproven.intervals_left += 1;
                continue;
            }
            let doubt = self.doubt.or_else(|| doubt::of_maps(self, interval, &map));
            self.look_at(interval, &map, &mut |page, reason, verdict| match doubt {
                None => found.suspects.push((self.finding(page, reason), verdict)),
                Some(why) => unproven.add(PageHeader::of(page).address(), why),
            });
        }
        found.unproven = Some(unproven).filter(|u| u.pages > 0 || u.intervals_left > 0);
        (!found.suspects.is_empty() || found.unproven.is_some()).then_some(found)
    }

    fn finding(&self, page: &Page, reason: SuspectReason) -> Finding {
        let place = PageHeader::of(page).address();
        Finding::new(self.index, place, reason, Allocation::Allocated, Some(page))
    }

    /// Shows every sound IAM page of the database that its PFS page calls one.
    fn visit_iam(&self, visit: &mut dyn FnMut(IamPage<'_>)) {
        for (file, opened) in &self.members {
            file.visit_iam(self.scanned.open, &mut |iam| {
                if opened.pfs_byte(iam.place().page).is_some_and(PfsByte::is_iam) {
                    visit(iam);
                }
            });
        }
    }

    /// What `iam` claims.
    fn claims(&self, iam: IamPage<'_>) -> IamClaims {
        let end = PageId(self.scanned.plan.files[self.index].pages);
        IamClaims::of(iam, self.scanned.files[self.index].file.file_id, end)
    }

    /// The intervals of `sums` that do differ, now that all of their IAM and PFS pages are read.
    fn differing(&self, sums: &SumsByInterval) -> Vec<u32> {
        let intervals: Vec<u32> = sums.intervals().collect();
        let mut differing = Vec::new();
        for intervals in intervals.chunks(INTERVALS_AT_ONCE) {
            let in_use = self.pages_in_use(intervals);
            let file = self.scanned.files[self.index].file.file_id;
            let mut expected = ExpectedSums::of(file, &in_use);
            self.visit_iam(&mut |iam| expected.add(&self.claims(iam)));
            let mut sums = sums.of(intervals);
            sums.keep_those_that_differ(&expected);
            // Where the PFS page is bad now, nothing can be told.
            differing.extend(sums.intervals().filter(|interval| in_use.contains_key(interval)));
        }
        differing
    }

    /// Which pages of `intervals` are in use and were added to the sums.
    fn pages_in_use(&self, intervals: &[u32]) -> BTreeMap<u32, Box<PagesInUse>> {
        let of = |interval: &u32| {
            let in_use = self.own.pages_in_use(PageId(interval * PFS_INTERVAL_PAGES))?;
            Some((*interval, Box::new(in_use)))
        };
        let mut in_use: BTreeMap<u32, Box<PagesInUse>> = intervals.iter().filter_map(of).collect();
        for page in self.scanned.not_summed(self.index) {
            if let Some(in_use) = in_use.get_mut(&(page.0 / PFS_INTERVAL_PAGES)) {
                in_use.remove(page.0 % PFS_INTERVAL_PAGES);
            }
        }
        in_use
    }

    /// Shows the pages of `interval` that belong to another unit than they say, with what they had
    /// been taken for.
    fn look_at(
        &self,
        interval: u32,
        map: &Map,
        show: &mut dyn FnMut(&Page, SuspectReason, Verdict),
    ) {
        let first = interval * PFS_INTERVAL_PAGES;
        let end = first.saturating_add(PFS_INTERVAL_PAGES);
        let end = end.min(self.scanned.plan.files[self.index].pages);
        let may_be_wrong = |page: &PageId| {
            let byte = self.own.pfs_byte(*page).filter(|byte| byte.is_allocated());
            let owner = byte.and_then(|byte| map.claims.claimed(*page).owner(byte.is_mixed()));
            owner.is_some() && !map.known_bad.contains(page)
        };
        let pages: Vec<PageId> = (first..end).map(PageId).filter(may_be_wrong).collect();
        let runs = pages.chunk_by(|a, b| a.0 + 1 == b.0);
        for run in runs.flat_map(|run| run.chunks(RUN_PAGES_MAX)) {
            for (page, id) in read(self.own.source(), run).iter().zip(run) {
                if self.wrong_owner(page, *id, map).is_some() {
                    self.look_again(*id, map, show);
                }
            }
        }
    }

    /// What is wrong is looked at once more, past the cache.
    fn look_again(
        &self,
        id: PageId,
        map: &Map,
        show: &mut dyn FnMut(&Page, SuspectReason, Verdict),
    ) {
        let Ok(page) = self.own.source().fill_uncached(id) else { return };
        let place = self.place(id);
        let verdict = judge(&page, Checksum::of(&page), place, Allocation::Allocated);
        let reason = self.wrong_owner(&page, id, map);
        if let (Some(reason), false) = (reason, matches!(verdict, Verdict::Suspect(_))) {
            show(&page, reason, verdict);
        }
    }

    fn place(&self, page: PageId) -> PageAddress {
        PageAddress::new(self.scanned.files[self.index].file.file_id, page)
    }

    /// The reason for which the page at `id` is suspect, if it is one of another owner.
    fn wrong_owner(&self, page: &Page, id: PageId, map: &Map) -> Option<SuspectReason> {
        let header = PageHeader::of(page);
        if !is_owned(header) || header.address() != self.place(id) {
            return None;
        }
        let is_mixed = self.own.pfs_byte(id)?.is_mixed();
        let owner = map.claims.claimed(id).owner(is_mixed)?;
        let unit = header.allocation_unit_id();
        let is_certain =
            || map.is_known(owner) && map.chains.speaks_for_itself(unit) || self.doubt.is_some();
        let is_wrong = !is_same_unit(unit, owner) && is_certain();
        is_wrong.then_some(SuspectReason::WrongObject { unit, owner })
    }

    /// An IAM page may be among the suspects, or among pages that nobody knows to be in use.
    fn may_lack_iam_pages(&self) -> bool {
        let is_unsure = |(file, opened): &(&Remembered<'_>, Opened<'_>)| {
            let index = self.scanned.files.iter().position(|other| std::ptr::eq(other, *file));
            let Some(index) = index else { return true };
            let may_be_iam = |suspect: &Finding| {
                let by_pfs = opened.pfs_byte(suspect.place.page);
                suspect.page_type == Some(PageType::Iam) || by_pfs.is_none_or(PfsByte::is_iam)
            };
            file.catalog.is_cut()
                || self.scanned.tallies[index].coverage.allocation_unknown > 0
                || self.scanned.suspects_of(index).iter().any(may_be_iam)
        };
        self.members.iter().any(is_unsure)
    }
}

/// Who owns the pages of certain intervals of a file, and how far that can be believed.
struct Map {
    claims: Claims,
    chains: Chains,
    /// Units by their first IAM pages, as sysallocunits has it.
    first_iams: BTreeMap<PageAddress, u64>,
    /// Pages that are suspect anyway, or were.
    known_bad: BTreeSet<PageId>,
}

impl Map {
    fn of(search: &Search<'_>, intervals: &[u32]) -> Self {
        let scanned = search.scanned;
        let file = scanned.files[search.index].file.file_id;
        let mut claims = Claims::of(file, intervals.iter().copied());
        let mut chains = Chains::new(search.may_lack_iam_pages());
        search.visit_iam(&mut |iam| {
            claims.add(&search.claims(iam));
            chains.add(iam);
        });
        chains.sort();
        let suspects = scanned.suspects_of(search.index).iter().map(|suspect| suspect.place.page);
        let primary = scanned.primaries.of(search.index).map(|primary| &scanned.files[primary]);
        let first_iams = primary.map(|primary| {
            units_by_first_iam(&chains.first_pages(), &|table, visit| {
                primary.visit(table, scanned.open, visit);
            })
        });
        Self {
            claims,
            chains,
            first_iams: first_iams.unwrap_or_default(),
            known_bad: suspects.chain(scanned.healed(search.index)).collect(),
        }
    }

    /// Every IAM page of `unit` was seen, and the catalog knows the first one for its own.
    fn is_known(&self, unit: u64) -> bool {
        let first = self.chains.whole(unit);
        first.is_some_and(|first| self.first_iams.get(&first) == Some(&unit))
    }
}

impl Unproven {
    fn add(&mut self, place: PageAddress, why: &'static str) {
        self.pages += 1;
        self.why = why;
        if self.first.len() < NAMED_MAX {
            self.first.push(place);
        }
    }

    /// What is said of it.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let named: Vec<String> = self.first.iter().map(PageAddress::to_string).collect();
        let more = if self.pages as usize > named.len() { ", ..." } else { "" };
        let pages = (self.pages > 0).then(|| {
            format!(
                "{} pages in use say that they belong to other allocation units than the ones that \
                 own their extents ({}{more}): {}; DBCC CHECKDB can tell",
                self.pages,
                named.join(", "),
                self.why,
            )
        });
        let left = (self.intervals_left > 0).then(|| {
            format!(
                "{} stretches of 64 MB, in which perhaps not all pages belong to who owns their \
                 extents, were not looked at again; DBCC CHECKDB can tell",
                self.intervals_left
            )
        });
        pages.into_iter().chain(left)
    }
}

/// Counts what was found in the `tallies`, and adds the suspects to `findings`.
pub(super) fn count(
    found: Vec<Found>,
    tallies: &mut [FileTally],
    findings: Vec<Finding>,
) -> Vec<Finding> {
    if found.is_empty() {
        return findings;
    }
    let mut findings = Findings::from(findings);
    for Found { file, suspects, unproven } in found {
        let tally = &mut tallies[file];
        for (finding, verdict) in suspects {
            if tally.coverage.suspect_after_all(&verdict) {
                findings.add(finding);
            }
        }
        tally.unproven_owners = unproven;
    }
    findings.into_list()
}
