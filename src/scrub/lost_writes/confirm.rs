//! What looks stale is read again on both sides, past the cache, before it is called anything.

use super::compare::Stale;
use super::kin::{Pair, Relatives};
use crate::consolidate::findings::Finding;
use crate::diagnose::verdict::{Allocation, SuspectReason, Verdict};
use crate::discover::DataFile;
use crate::discover::paths;
use crate::page::address::{PageAddress, PageId};
use crate::page::header::{PageHeader, Protection};
use crate::scrub::Open;
use crate::scrub::context::Opened;
use std::sync::Arc;

/// A stale page, and the files of the two copies that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Doubt {
    pub(super) file: usize,
    pub(super) older: usize,
    pub(super) page: PageId,
}

impl Doubt {
    /// That `stale` is, in the files of the `pair` of copies that have it.
    pub(super) fn of(
        stale: &Stale,
        pair: Pair,
        relatives: &Relatives,
        files: &[DataFile],
    ) -> Option<Self> {
        let page = stale.page;
        let holder = |copy: usize| {
            let of_copy = relatives.copies[copy].iter().copied();
            of_copy.into_iter().find(|file| files[*file].offset_bytes(page).is_some())
        };
        Some(Self { file: holder(pair.later)?, older: holder(pair.older)?, page })
    }
}

/// A page that is stale for certain, as far as its bytes go.
pub(super) struct Confirmed {
    pub(super) finding: Finding,
    /// As what it was counted.
    pub(super) verdict: Verdict,
}

/// Those of `doubts`, in their order, that are what they look like: on both sides sound and not
/// free, and older where they should be newer.
pub(super) fn confirmed(doubts: &[Doubt], files: &[DataFile], open: Open<'_>) -> Vec<Confirmed> {
    let mut found = Vec::new();
    for of_pair in doubts.chunk_by(|a, b| (a.file, a.older) == (b.file, b.older)) {
        let (file, older) = (of_pair[0].file, of_pair[0].older);
        let opened = Opened::new(&files[file], open).zip(Opened::new(&files[older], open));
        let Some((later, copy)) = opened else { continue };
        let words: Arc<str> = words(&files[older]).into();
        found.extend(of_pair.iter().filter_map(|doubt| {
            let page = later.clean_page(doubt.page)?;
            let lsn = PageHeader::of(&page).lsn();
            let copy_lsn = copy.clean(doubt.page)?.lsn();
            let reason = SuspectReason::StalePage { lsn, copy_lsn, copy: Arc::clone(&words) };
            let place = PageAddress::new(files[file].file_id, doubt.page);
            let finding = Finding::new(file, place, reason, Allocation::Allocated, Some(&page));
            let verdict = match PageHeader::of(&page).protection() {
                Protection::Torn => Verdict::IntactTorn,
                Protection::Checksum | Protection::None => Verdict::IntactChecksum,
            };
            (lsn < copy_lsn).then_some(Confirmed { finding, verdict })
        }));
    }
    found
}

/// Where a copy is.
pub(super) fn words(file: &DataFile) -> String {
    let path = paths::text(&file.path);
    match &file.part {
        Some(part) => format!("{path}, set {}", part.set().position),
        None => path.into_owned(),
    }
}
