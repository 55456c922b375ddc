//! One look at one page: pure, fast, without reading anything else.

use super::verdict::{Allocation, FreeContent, SuspectReason, Verdict};
use crate::page::Page;
use crate::page::address::PageAddress;
use crate::page::allocation::fits_its_place;
use crate::page::checksum::Checksum;
use crate::page::header::{FLAG_CHECKSUM, FLAG_WORD_OFFSET, HEADER_BYTES, PageHeader, Protection};
use crate::page::torn::TornCheck;

/// Judges `page`, found at `place`, whose checksum is `computed`.
///
/// The order of the tests is SQL Server's: protection before identity, so that the message is the
/// one it would print.
#[inline]
pub fn judge(
    page: &Page,
    computed: Checksum,
    place: PageAddress,
    allocation: Allocation,
) -> Verdict {
    let header = PageHeader::of(page);
    let is_right = header.is_sane() && header.address() == place && fits_its_place(page, place);
    match (allocation, header.protection()) {
        // By far the most frequent case, decided by a few comparisons.
        (Allocation::Allocated, Protection::Checksum)
            if is_right && header.torn_bits == computed.0 =>
        {
            Verdict::IntactChecksum
        }
        (Allocation::Free, _) => Verdict::Free(free_content(page, computed, place)),
        _ => judge_in_detail(page, computed, place, allocation),
    }
}

fn judge_in_detail(
    page: &Page,
    computed: Checksum,
    place: PageAddress,
    allocation: Allocation,
) -> Verdict {
    if is_zero(page, computed) {
        // Zero and free are the same thing where the allocation page is lost: not verified.
        return match allocation {
            Allocation::Allocated => Verdict::Suspect(SuspectReason::Zeroed),
            Allocation::Free | Allocation::Unknown => Verdict::Unprotected,
        };
    }
    let header = PageHeader::of(page);
    let reason = broken_protection(page, computed).or_else(|| {
        // A page without protection has nothing but its header to be known by.
        let is_unprotected = header.protection() == Protection::None;
        let is_known = || header.is_plausible() || header.is_server_configuration();
        if !header.is_sane() || (is_unprotected && !is_known()) {
            Some(SuspectReason::BadHeader)
        } else if header.address() != place {
            Some(SuspectReason::WrongPageId { expected: place, found: header.address() })
        } else if !fits_its_place(page, place) {
            Some(SuspectReason::BadHeader)
        } else {
            None
        }
    });
    match (reason, header.protection()) {
        (Some(reason), _) => Verdict::Suspect(reason),
        (None, Protection::Checksum) => Verdict::IntactChecksum,
        (None, Protection::Torn) => Verdict::IntactTorn,
        (None, Protection::None) => Verdict::Unprotected,
    }
}

fn broken_protection(page: &Page, computed: Checksum) -> Option<SuspectReason> {
    let stored = Checksum::stored_in(page);
    let bad_checksum = SuspectReason::BadChecksum { stored, computed };
    match PageHeader::of(page).protection() {
        Protection::Checksum => (stored != computed).then_some(bad_checksum),
        Protection::Torn => {
            let check = TornCheck::of(page);
            (!check.is_intact()).then_some(SuspectReason::TornPage(check))
        }
        Protection::None => lost_its_flag(stored, computed).then_some(bad_checksum),
    }
}

/// True if the page would be intact with its checksum flag set: the flag was flipped off, which
/// must not make the page look merely unprotected. Chance does this once in 2^32 pages.
fn lost_its_flag(stored: Checksum, computed: Checksum) -> bool {
    let flag = Checksum::header_delta(u32::from(FLAG_CHECKSUM), FLAG_WORD_OFFSET);
    stored.0 != 0 && stored.0 ^ computed.0 == flag
}

fn free_content(page: &Page, computed: Checksum, place: PageAddress) -> FreeContent {
    let header = PageHeader::of(page);
    // Good enough for a count that nothing depends on, and spares a second pass over many pages.
    if computed == Checksum(0) && bytemuck::bytes_of(header) == [0; HEADER_BYTES] {
        return FreeContent::Zero;
    }
    let protection = header.protection();
    let holds = match protection {
        Protection::Checksum => header.torn_bits == computed.0,
        Protection::Torn => TornCheck::of(page).is_intact(),
        Protection::None => true,
    };
    FreeContent::Stale { protection, holds, right_id: header.address() == place }
}

/// Zero pages have checksum 0, so that only pages with checksum 0 need the long look.
fn is_zero(page: &Page, computed: Checksum) -> bool {
    computed == Checksum(0) && page.is_zero()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::{FileId, PageId};
    use crate::page::checksum;
    use crate::page::header::FLAG_TORN;
    use crate::page::torn;

    const PLACE: PageAddress = PageAddress { file: FileId(1), page: PageId(500) };

    fn unsealed(flag_bits: u16) -> Page {
        let mut page = Page::new(&std::array::from_fn(|i| (i * i / 3) as u8));
        *PageHeader::of_mut(&mut page) = PageHeader {
            header_version: 1,
            page_type: 1,
            flag_bits,
            page_id: PLACE.page.0,
            file_id: PLACE.file.0,
            free_data: 5000,
            slot_count: 10,
            free_count: 3000,
            ..bytemuck::Zeroable::zeroed()
        };
        page
    }

    fn sealed() -> Page {
        let mut page = unsealed(FLAG_CHECKSUM | 0x8000);
        checksum::seal(&mut page);
        page
    }

    fn look(page: &Page, allocation: Allocation) -> Verdict {
        judge(page, Checksum::of(page), PLACE, allocation)
    }

    fn reason(page: &Page) -> &'static str {
        match look(page, Allocation::Allocated) {
            Verdict::Suspect(reason) => reason.name(),
            other => panic!("not suspect: {other:?}"),
        }
    }

    #[test]
    fn healthy_pages_are_counted_by_their_protection() {
        let mut torn = unsealed(FLAG_TORN);
        torn::seal(&mut torn, 1);
        let allocated = |page: &Page| look(page, Allocation::Allocated);
        assert_eq!(allocated(&sealed()), Verdict::IntactChecksum);
        assert_eq!(allocated(&torn), Verdict::IntactTorn);
        assert_eq!(allocated(&unsealed(0)), Verdict::Unprotected);
    }

    /// Even the flip of the flag that says there is a checksum.
    #[test]
    fn no_single_flipped_bit_of_a_checksum_page_goes_unseen() {
        let clean = sealed();
        for bit in 0..65_536 {
            let mut page = clean;
            page.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            let verdict = look(&page, Allocation::Allocated);
            assert!(matches!(verdict, Verdict::Suspect(_)), "bit {bit}: {verdict:?}");
        }
    }

    #[test]
    fn each_kind_of_damage_has_its_reason() {
        let mut moved = unsealed(FLAG_CHECKSUM);
        PageHeader::of_mut(&mut moved).page_id = 501;
        checksum::seal(&mut moved);
        assert_eq!(reason(&moved), "wrong_page_id");

        let mut other_file = unsealed(FLAG_CHECKSUM);
        PageHeader::of_mut(&mut other_file).file_id = 3;
        checksum::seal(&mut other_file);
        assert_eq!(reason(&other_file), "wrong_page_id");

        let spoilt: [fn(&mut PageHeader); 3] =
            [|h| h.header_version = 9, |h| h.page_type = 0, |h| h.reserved[20] = 1];
        for spoil in spoilt {
            let mut headless = unsealed(0);
            spoil(PageHeader::of_mut(&mut headless));
            assert_eq!(reason(&headless), "bad_header");
        }

        let mut torn = unsealed(FLAG_TORN);
        torn::seal(&mut torn, 2);
        torn.bytes_mut()[1023] ^= 1;
        assert_eq!(reason(&torn), "torn_page");

        assert_eq!(reason(&Page::ZERO), "zeroed");
    }

    /// A type that nobody knows is no damage where the page's own check holds; without one, the
    /// type is all there is to go by.
    #[test]
    fn an_unknown_type_is_suspect_only_on_a_page_without_protection() {
        let of_type = |flag_bits, page_type| {
            let mut page = unsealed(flag_bits);
            PageHeader::of_mut(&mut page).page_type = page_type;
            page
        };
        for page_type in [5, 6, 12, 14, 19, 20, 99, 255] {
            let mut checksum = of_type(FLAG_CHECKSUM, page_type);
            checksum::seal(&mut checksum);
            assert_eq!(look(&checksum, Allocation::Allocated), Verdict::IntactChecksum);
            let mut torn = of_type(FLAG_TORN, page_type);
            torn::seal(&mut torn, 1);
            assert_eq!(look(&torn, Allocation::Allocated), Verdict::IntactTorn);
            assert_eq!(reason(&of_type(0, page_type)), "bad_header", "type {page_type}");
        }
    }

    /// (1:10) of master, which nothing protects.
    #[test]
    fn the_server_configuration_page_is_a_page_in_its_own_place_only() {
        let judged = |file, page, spoil: fn(&mut PageHeader)| {
            let mut bytes = unsealed(0);
            let header = PageHeader::of_mut(&mut bytes);
            (header.page_type, header.file_id, header.page_id) = (14, file, page);
            spoil(header);
            let place = PageAddress::new(FileId(file), PageId(page));
            judge(&bytes, Checksum::of(&bytes), place, Allocation::Allocated)
        };
        let bad_header = Verdict::Suspect(SuspectReason::BadHeader);
        assert_eq!(judged(1, 10, |_| ()), Verdict::Unprotected);
        for (file, page) in [(1, 11), (3, 10)] {
            assert_eq!(judged(file, page, |_| ()), bad_header, "({file}:{page})");
        }
        assert_eq!(judged(1, 10, |header| header.reserved[9] = 1), bad_header);
    }

    #[test]
    fn nothing_on_a_free_page_is_a_finding() {
        let mut junk = sealed();
        junk.bytes_mut()[4000] ^= 0xff;
        for page in [&junk, &Page::ZERO, &sealed(), &unsealed(FLAG_TORN)] {
            assert!(matches!(look(page, Allocation::Free), Verdict::Free(_)));
        }
    }

    #[test]
    fn where_allocation_is_unknown_damage_is_found_and_zeros_are_not_damage() {
        let mut bad = sealed();
        bad.bytes_mut()[4000] ^= 0xff;
        assert!(matches!(look(&bad, Allocation::Unknown), Verdict::Suspect(_)));
        assert_eq!(look(&sealed(), Allocation::Unknown), Verdict::IntactChecksum);
        assert_eq!(look(&Page::ZERO, Allocation::Unknown), Verdict::Unprotected);
    }

    #[test]
    fn what_a_free_page_holds_is_nothing_or_something_old() {
        let content = |page: &Page| judge(page, Checksum::of(page), PLACE, Allocation::Free);
        let stale = |protection, holds, right_id| {
            Verdict::Free(FreeContent::Stale { protection, holds, right_id })
        };
        assert_eq!(content(&Page::ZERO), Verdict::Free(FreeContent::Zero));
        let mut page = sealed();
        assert_eq!(content(&page), stale(Protection::Checksum, true, true));
        page.bytes_mut()[5000] ^= 1;
        PageHeader::of_mut(&mut page).page_id = 7;
        assert_eq!(content(&page), stale(Protection::Checksum, false, false));
        // Nothing but an id, of which no checksum is left.
        let mut page = Page::ZERO;
        (page.bytes_mut()[32], page.bytes_mut()[36]) = (1, 1);
        assert_eq!(Checksum::of(&page), Checksum(0));
        assert_eq!(content(&page), stale(Protection::None, true, false));
    }
}
