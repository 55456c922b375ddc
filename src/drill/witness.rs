//! The independent witness: what a scan must say about a page, worked out from its bytes with the
//! plain reference functions alone. The scan has its own judge; this one only writes answer keys.

use super::answer_key::{Expected, Reason};
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::allocation::fits_its_place;
use crate::page::checksum::Checksum;
use crate::page::header::{FLAG_CHECKSUM, PageHeader, Protection};
use crate::page::torn::TornCheck;

/// What the bytes of a page say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Testimony {
    Suspect(Reason),
    Free,
    Intact,
    Unprotected,
}

impl Testimony {
    /// The verdict for the answer key.
    pub(super) fn expected(self) -> (Expected, Option<Reason>) {
        match self {
            Self::Suspect(reason) => (Expected::Suspect, Some(reason)),
            Self::Free => (Expected::Free, None),
            Self::Intact => (Expected::Undetectable, None),
            Self::Unprotected => (Expected::Unprotected, None),
        }
    }

    /// True if nothing is wrong with the page, as far as one page can tell.
    pub(super) fn is_healthy(self) -> bool {
        matches!(self, Self::Intact | Self::Unprotected)
    }
}

/// Looks at `page`, read at `place`. The order of the questions is the scan's: zeros, protection,
/// header bounds, page id.
pub(super) fn testify(page: &Page, place: PageAddress, allocated: bool) -> Testimony {
    let header = PageHeader::of(page);
    if !allocated {
        Testimony::Free
    } else if page.bytes().iter().all(|&byte| byte == 0) {
        Testimony::Suspect(Reason::Zeroed)
    } else if let Some(reason) = broken_protection(page) {
        Testimony::Suspect(reason)
    } else if !header.is_sane() || (is_unprotected(page) && !header.is_plausible()) {
        Testimony::Suspect(Reason::BadHeader)
    } else if header.address() != place {
        Testimony::Suspect(Reason::WrongPageId)
    } else if !fits_its_place(page, place) {
        Testimony::Suspect(Reason::BadHeader)
    } else if header.protection() == Protection::None {
        Testimony::Unprotected
    } else {
        Testimony::Intact
    }
}

fn is_unprotected(page: &Page) -> bool {
    PageHeader::of(page).protection() == Protection::None
}

fn broken_protection(page: &Page) -> Option<Reason> {
    match PageHeader::of(page).protection() {
        Protection::Checksum => {
            (Checksum::of(page) != Checksum::stored_in(page)).then_some(Reason::BadChecksum)
        }
        Protection::Torn => (!TornCheck::of(page).is_intact()).then_some(Reason::TornPage),
        Protection::None => lost_its_flag(page).then_some(Reason::BadChecksum),
    }
}

/// A page without a flag whose `m_tornBits` is exactly its checksum with the flag set: the flag
/// itself was damaged. It must not hide that.
fn lost_its_flag(page: &Page) -> bool {
    let mut flagged = *page;
    PageHeader::of_mut(&mut flagged).flag_bits |= FLAG_CHECKSUM;
    Checksum::of(&flagged) == Checksum::stored_in(page)
}
