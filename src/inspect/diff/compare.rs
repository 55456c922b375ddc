//! One page in two copies: pure, without reading anything.

use super::class::Class;
use crate::catalog::rewritten::{is_rewritten_by_attach, is_without_lsn};
use crate::check::in_page;
use crate::check::rule::Rule;
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::page::address::PageAddress;
use crate::page::allocation::PfsByte;
use crate::page::header::{Lsn, PageHeader, Protection};
use crate::page::{Page, torn};
use std::cmp::Ordering;

/// A page as one copy has it.
pub(super) struct Seen<'a> {
    /// Its bytes; `None` if they could not be read.
    pub(super) page: Option<&'a Page>,
    pub(super) allocation: Allocation,
    pub(super) pfs: Option<PfsByte>,
    /// What is wrong with it by itself.
    pub(super) reason: Option<SuspectReason>,
}

impl Seen<'_> {
    pub(super) fn is_free(&self) -> bool {
        self.allocation == Allocation::Free
    }

    /// In use, or perhaps in use, and nothing is wrong with it.
    pub(super) fn sound(&self) -> Option<&Page> {
        self.page.filter(|_| !self.is_free() && self.reason.is_none())
    }
}

/// The rule that a sound page breaks by itself (docs/check.md), if its PFS byte is known, which two
/// of the rules need.
pub(super) fn broken_rule(place: PageAddress, seen: &Seen<'_>) -> Option<Rule> {
    let (page, pfs) = seen.sound().zip(seen.pfs)?;
    let breach = in_page::check(&torn::restored(page), place, pfs, |_, _| ()).err();
    breach.map(|breach| breach.rule)
}

/// A checkpoint: all changes before it are on the disk.
pub(super) type Checkpoint = Option<Lsn>;

/// A page as A has it, and as B; `None` where a copy does not have it.
pub(super) type Both<'a> = (Option<&'a Seen<'a>>, Option<&'a Seen<'a>>);

/// What the two copies of the page at `place` are to each other; `None` if there is none.
pub(super) fn class(
    place: PageAddress,
    (a, b): Both<'_>,
    checkpoints: (Checkpoint, Checkpoint),
) -> Option<Class> {
    let is_bad = |seen: Option<&Seen<'_>>| seen.is_some_and(|seen| seen.reason.is_some());
    let sound = (a.and_then(Seen::sound), b.and_then(Seen::sound));
    Some(match (is_bad(a), is_bad(b)) {
        (true, true) => Class::DamagedInBoth,
        (true, false) => Class::DamagedInA,
        (false, true) => Class::DamagedInB,
        (false, false) => match (sound, a.is_some(), b.is_some()) {
            (_, false, false) => return None,
            ((Some(a), Some(b)), ..) => of_sound(place, (a, b), checkpoints),
            ((Some(_), None), _, false) => Class::OnlyInA,
            ((None, Some(_)), false, _) => Class::OnlyInB,
            ((Some(_), None), ..) => Class::FreeInB,
            ((None, Some(_)), ..) => Class::FreeInA,
            ((None, None), ..) => Class::Free,
        },
    })
}

fn of_sound(
    place: PageAddress,
    (a, b): (&Page, &Page),
    (end_a, end_b): (Checkpoint, Checkpoint),
) -> Class {
    if a.bytes() == b.bytes() {
        return Class::Equal;
    }
    let headers = [PageHeader::of(a), PageHeader::of(b)];
    let [lsn_a, lsn_b] = headers.map(PageHeader::lsn);
    let is_rewritten = headers.iter().any(|header| is_rewritten_by_attach(header, place));
    let is_without = headers.iter().any(|header| is_without_lsn(header, place));
    let tells = !is_rewritten && !is_without;
    let covers = |end: Checkpoint, lsn: Lsn| tells && end.is_some_and(|end| lsn <= end);
    match lsn_a.cmp(&lsn_b) {
        Ordering::Greater if covers(end_b, lsn_a) => Class::StaleInB,
        Ordering::Less if covers(end_a, lsn_b) => Class::StaleInA,
        Ordering::Greater => Class::NewerInA,
        Ordering::Less => Class::NewerInB,
        Ordering::Equal if !tells || is_only_written_again(a, b) => Class::Rewritten,
        Ordering::Equal => Class::SameLsn,
    }
}

/// Each write of a page with torn bits changes them, and nothing else.
fn is_only_written_again(a: &Page, b: &Page) -> bool {
    let are_torn = [a, b].map(|page| PageHeader::of(page).protection() == Protection::Torn);
    let content = |page: &Page| {
        let mut page = torn::restored(page);
        PageHeader::of_mut(&mut page).torn_bits = 0;
        page
    };
    are_torn == [true; 2] && content(a).bytes() == content(b).bytes()
}

/// How many bytes of the two pages differ, and in which of the 16 sectors: a bit each, the first
/// sector in the lowest one.
pub(super) fn differing(a: &Page, b: &Page) -> (u32, u16) {
    let (mut bytes, mut sectors) = (0, 0);
    for (at, (a, b)) in a.bytes().iter().zip(b.bytes()).enumerate() {
        if a != b {
            bytes += 1;
            sectors |= 1 << (at / crate::page::SECTOR_BYTES);
        }
    }
    (bytes, sectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::{FileId, PageId};
    use crate::page::header::FLAG_TORN;

    fn place(page: u32) -> PageAddress {
        PageAddress::new(FileId(1), PageId(page))
    }

    fn page(vlf: u32, last: u8) -> Page {
        let mut page = Page::ZERO;
        PageHeader::of_mut(&mut page).lsn_vlf = vlf;
        page.bytes_mut()[8191] = last;
        page
    }

    fn seen(page: &Page, allocation: Allocation) -> Seen<'_> {
        Seen { page: Some(page), allocation, pfs: None, reason: None }
    }

    fn end(vlf: u32) -> Lsn {
        Lsn { vlf, block: 0, slot: 0 }
    }

    fn of(at: u32, a: &Page, b: &Page, ends: (Checkpoint, Checkpoint)) -> Option<Class> {
        let [a, b] = [a, b].map(|page| seen(page, Allocation::Allocated));
        class(place(at), (Some(&a), Some(&b)), ends)
    }

    #[test]
    fn the_lsn_tells_which_is_newer_and_the_checkpoint_whether_it_may_be_older() {
        let (older, newer) = (page(30, 0), page(40, 1));
        let unknown = (None, None);
        assert_eq!(of(50, &older, &older, unknown), Some(Class::Equal));
        assert_eq!(of(50, &older, &newer, unknown), Some(Class::NewerInB));
        assert_eq!(of(50, &newer, &older, unknown), Some(Class::NewerInA));
        assert_eq!(of(50, &newer, &older, (Some(end(45)), Some(end(39)))), Some(Class::NewerInA));
        assert_eq!(of(50, &newer, &older, (Some(end(35)), Some(end(40)))), Some(Class::StaleInB));
        assert_eq!(of(50, &older, &newer, (Some(end(41)), None)), Some(Class::StaleInA));
        assert_eq!(of(50, &older, &page(30, 1), unknown), Some(Class::SameLsn));
    }

    #[test]
    fn some_pages_are_rewritten_under_their_lsn() {
        let (a, b) = (page(30, 0), page(30, 1));
        for at in [0, 9, 32] {
            assert_eq!(of(at, &a, &b, (None, None)), Some(Class::Rewritten), "{at}");
        }
        assert_eq!(of(7, &page(0, 1), &page(0, 2), (None, None)), Some(Class::Rewritten));
        // Attaching rewrites (1:32), which is no lost write.
        assert_eq!(of(32, &page(31, 0), &b, (Some(end(90)), Some(end(90)))), Some(Class::NewerInA));
        assert_eq!(of(9, &page(31, 0), &b, (None, Some(end(90)))), Some(Class::NewerInA));
        assert_eq!(of(8, &page(31, 0), &b, (None, Some(end(90)))), Some(Class::StaleInB));
    }

    #[test]
    fn torn_bits_are_new_with_each_write() {
        let written = |signature| {
            let mut page = page(30, 7);
            PageHeader::of_mut(&mut page).flag_bits = FLAG_TORN;
            torn::seal(&mut page, signature);
            page
        };
        let (a, mut b) = (written(1), written(2));
        assert_ne!(a.bytes(), b.bytes());
        assert_eq!(of(50, &a, &b, (None, None)), Some(Class::Rewritten));
        b.bytes_mut()[300] = 1;
        assert_eq!(of(50, &a, &b, (None, None)), Some(Class::SameLsn));
    }

    #[test]
    fn what_is_free_or_absent_on_one_side_is_no_contradiction() {
        let (one, other) = (page(30, 0), page(30, 1));
        let [used, free] = [Allocation::Allocated, Allocation::Free].map(|is| seen(&one, is));
        let bad =
            Seen { reason: Some(SuspectReason::BadHeader), ..seen(&other, Allocation::Unknown) };
        let of = |a, b| class(place(50), (a, b), (None, None));
        for (a, b, expected) in [
            (Some(&used), Some(&free), Some(Class::FreeInB)),
            (Some(&free), Some(&used), Some(Class::FreeInA)),
            (Some(&free), Some(&free), Some(Class::Free)),
            (Some(&free), None, Some(Class::Free)),
            (Some(&used), None, Some(Class::OnlyInA)),
            (None, Some(&used), Some(Class::OnlyInB)),
            (None, None, None),
            (Some(&bad), Some(&free), Some(Class::DamagedInA)),
            (None, Some(&bad), Some(Class::DamagedInB)),
            (Some(&bad), Some(&bad), Some(Class::DamagedInBoth)),
        ] {
            assert_eq!(of(a, b), expected);
        }
    }

    #[test]
    fn what_differs_is_counted_by_bytes_and_told_by_sectors() {
        let (a, mut b) = (page(30, 0), page(30, 1));
        b.bytes_mut()[512] = 3;
        b.bytes_mut()[513] = 3;
        assert_eq!(differing(&a, &b), (3, 1 << 15 | 1 << 1));
    }
}
