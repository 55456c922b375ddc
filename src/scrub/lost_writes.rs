//! Lost writes: pages that are sound and in use, and older than a copy of them that was taken
//! before (docs/page-format.md, section 5.6). Nothing on such a page is wrong; only two copies show
//! it.
//!
//! While a scan reads, the LSNs of the pages of files that have relatives in it are written down.
//! At its end they are held against each other, and what looks stale is read again before it is
//! called anything: a suspect where the history of both copies is proved, else a note.

mod compare;
mod confirm;
mod kin;
mod page_lsns;

use super::Open;
use super::context::Opened;
use super::primaries::Primaries;
use crate::consolidate::findings::Finding;
use crate::diagnose::verdict::Verdict;
use crate::discover::DataFile;
use crate::discover::paths::explain;
use crate::page::address::PageId;
use crate::page::allocation::BOOT_PAGE;
use crate::page::boot::BootPage;
use crate::page::ranges::PageRanges;
use compare::{Compared, NAMED_MAX, compare};
use confirm::{Doubt, confirmed, words};
use kin::{Relatives, relatives};
use page_lsns::PageLsns;
pub(super) use page_lsns::Seen;
use std::collections::{BTreeMap, BTreeSet};

/// Pages that are read again at most, of both copies: 1 GiB.
const STALE_MAX: usize = 65_536;

/// More stale pages than this are no lost writes where nothing else proves it.
const PARTED_MIN: u64 = 64;

/// What becomes of the LSNs of the pages that a scan reads.
pub(super) struct LostWrites {
    lsns: PageLsns,
    /// Pages that were read before this process took over, of files with relatives.
    read_before: u64,
}

/// What the copies of one scan show of each other.
#[derive(Default)]
pub(super) struct Shown {
    /// Stale pages, each with the verdict that it was counted with.
    pub(super) stale: Vec<(Finding, Verdict)>,
    /// What is no more than a note, by file.
    pub(super) notes: Vec<(usize, String)>,
    /// What was not compared.
    pub(super) not_compared: Vec<String>,
}

impl LostWrites {
    /// For a scan of `files`, of each of which so many pages are `done` before; `None` if none of
    /// them has a relative. The error is what the user should know.
    pub(super) fn of(
        files: &[DataFile],
        done: impl Iterator<Item = u32>,
    ) -> Result<Option<Self>, String> {
        let relatives = relatives(files, &|file| files[file].boot.as_ref());
        if relatives.is_empty() {
            return Ok(None);
        }
        let lsns =
            PageLsns::new(files, &relatives).map_err(|error| not_compared(&explain(&error)))?;
        let of_relatives = done.enumerate().filter(|(file, _)| lsns.has(*file));
        let read_before = of_relatives.map(|(_, pages)| u64::from(pages)).sum();
        Ok(Some(Self { lsns, read_before }))
    }

    /// Pages of the file with this index are of use.
    pub(super) fn wants(&self, file: usize) -> bool {
        self.lsns.has(file)
    }

    /// Remembers what was seen of one batch of pages, which ascend.
    pub(super) fn remember(&self, file: usize, ranges: &PageRanges, mut seen: &[(PageId, Seen)]) {
        for range in ranges.iter() {
            // What lies between two ranges may be in another stripe.
            let inside = seen.partition_point(|(page, _)| page.0 < range.end());
            let (these, behind) = seen.split_at(inside);
            self.lsns.write(file, these);
            seen = behind;
        }
    }

    /// Holds all copies against each other.
    pub(super) fn show(&self, files: &[DataFile], primaries: &Primaries, open: Open<'_>) -> Shown {
        let mut shown = Shown::default();
        if let Some(why) = self.lsns.failure() {
            shown.not_compared.push(not_compared(&why));
            return shown;
        }
        if self.read_before > 0 {
            shown.not_compared.push(format!(
                "{} pages were read before the scan was resumed, and were not compared with other \
                 copies of them: a lost write among them is not seen",
                self.read_before
            ));
        }
        let boots = sound_boots(files, primaries, &self.lsns, open);
        let mut room = STALE_MAX;
        for relatives in relatives(files, &|file| boots.get(&file).copied()) {
            match compare(&relatives, files, &self.lsns, &mut room) {
                Ok(compared) => shown.add(&relatives, compared, files, open),
                Err(error) => shown.not_compared.push(not_compared(&explain(&error))),
            }
        }
        shown
    }
}

fn not_compared(why: &str) -> String {
    format!(
        "pages were not compared with other copies of them, lost writes are not seen: {why} (it \
         takes a temporary file, and TMPDIR says in which folder)"
    )
}

/// The boot page of the database of each data file with relatives, where it is still sound.
fn sound_boots<'a>(
    files: &'a [DataFile],
    primaries: &Primaries,
    lsns: &PageLsns,
    open: Open<'_>,
) -> BTreeMap<usize, &'a BootPage> {
    let wanted = (0..files.len()).filter(|file| lsns.has(*file) && files[*file].part.is_none());
    let of_file: Vec<_> = wanted.filter_map(|file| Some((file, primaries.of(file)?))).collect();
    let all: BTreeSet<usize> = of_file.iter().map(|(_, primary)| *primary).collect();
    let is_sound = |primary: &usize| {
        let opened = Opened::new(&files[*primary], open);
        opened.is_some_and(|opened| opened.clean_page(BOOT_PAGE).is_some())
    };
    let sound: BTreeSet<usize> = all.into_iter().filter(is_sound).collect();
    let of_file = of_file.into_iter().filter(|(_, primary)| sound.contains(primary));
    of_file.filter_map(|(file, primary)| Some((file, files[primary].boot.as_ref()?))).collect()
}

impl Shown {
    /// Adds what `compared`, all pairs of `relatives`, show.
    fn add(
        &mut self,
        relatives: &Relatives,
        compared: Vec<Compared>,
        files: &[DataFile],
        open: Open<'_>,
    ) {
        let compared = compared.into_iter().filter(|pair| pair.count > 0);
        let (proofs, others): (Vec<_>, Vec<_>) = compared.partition(Compared::is_proof);
        let doubts = newest_copies(&proofs, relatives, files);
        let stale = confirmed(&doubts, files, open);
        self.stale.extend(stale.into_iter().map(|page| (page.finding, page.verdict)));
        self.notes.extend(proofs.iter().filter_map(|pair| not_listed(pair, relatives, files)));
        let known: BTreeSet<_> = doubts.iter().map(|doubt| (doubt.file, doubt.page)).collect();
        for pair in worst(&others) {
            self.notes.extend(note(pair, relatives, files, &known, open));
        }
    }
}

/// The stale pages that are proved, each with the copy that is newest, by files and pages.
fn newest_copies(proofs: &[Compared], relatives: &Relatives, files: &[DataFile]) -> Vec<Doubt> {
    let mut newest = BTreeMap::new();
    for pair in proofs {
        let doubts = pair.first.iter().filter_map(|stale| {
            Some((stale.copy_lsn, Doubt::of(stale, pair.pair, relatives, files)?))
        });
        for (copy_lsn, doubt) in doubts {
            let known = newest.entry((doubt.file, doubt.page)).or_insert((copy_lsn, doubt));
            if known.0 < copy_lsn {
                *known = (copy_lsn, doubt);
            }
        }
    }
    let mut doubts: Vec<Doubt> = newest.into_values().map(|(_, doubt)| doubt).collect();
    doubts.sort_unstable();
    doubts
}

/// That there are more stale pages than were kept.
fn not_listed(
    pair: &Compared,
    relatives: &Relatives,
    files: &[DataFile],
) -> Option<(usize, String)> {
    let left = Some(pair.count - pair.first.len() as u64).filter(|left| *left > 0)?;
    let older = words(&files[relatives.copies[pair.pair.older][0]]);
    let text = format!(
        "{left} more pages in use than are listed look older than their copies in {older}; they \
         were not read again"
    );
    Some((relatives.copies[pair.pair.later][0], text))
}

/// Of each copy the pair that has most stale pages.
fn worst(pairs: &[Compared]) -> impl Iterator<Item = &Compared> {
    let mut worst: BTreeMap<usize, &Compared> = BTreeMap::new();
    for pair in pairs {
        let known = worst.entry(pair.pair.later).or_insert(pair);
        if known.count < pair.count {
            *known = pair;
        }
    }
    worst.into_values()
}

/// What is said of a pair of which nothing proves the history, beside the pages that are `known`
/// to be stale; nothing where a second look shows none.
fn note(
    pair: &Compared,
    relatives: &Relatives,
    files: &[DataFile],
    known: &BTreeSet<(usize, PageId)>,
    open: Open<'_>,
) -> Option<(usize, String)> {
    let first = pair.first.iter().take(NAMED_MAX);
    let mut doubts: Vec<Doubt> =
        first.filter_map(|stale| Doubt::of(stale, pair.pair, relatives, files)).collect();
    doubts.sort_unstable();
    let found = confirmed(&doubts, files, open);
    let is_new = |found: &&Finding| !known.contains(&(found.file, found.place.page));
    let pages: Vec<&Finding> = found.iter().map(|found| &found.finding).filter(is_new).collect();
    let file = pages.first()?.file;
    let beyond = pair.count - pair.first.len().min(NAMED_MAX) as u64;
    let count = pages.len() as u64 + beyond;
    let copy = words(&files[*relatives.copies[pair.pair.older].first()?]);
    let names: Vec<String> = pages.iter().map(|page| page.place.to_string()).collect();
    let (names, and) = (names.join(", "), if beyond > 0 { " and others" } else { "" });
    let each = match count {
        1 => format!("a page in use, {names}, is older than its copy in {copy}"),
        _ => {
            format!("each of {count} pages in use, {names}{and}, is older than its copy in {copy}")
        }
    };
    Some((file, format!("{each}: {}", what_it_means(pair, count))))
}

fn what_it_means(pair: &Compared, count: u64) -> &'static str {
    if pair.has_parted() || count > PARTED_MIN {
        "these copies have parted, each went its own way from where they were one; that explains \
         it, and a single write that was lost would not show beside it"
    } else {
        "a write that was lost, or these copies have parted: nothing here proves that the file \
         took that backup or a later one"
    }
}
