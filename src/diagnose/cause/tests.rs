//! The cause that each kind of damage is given.

use super::*;
use crate::diagnose::evidence::SectorSet;
use crate::diagnose::evidence::tests::{bad_checksum, data_page, noise};
use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::checksum::Checksum;
use crate::page::header::{FLAG_CHECKSUM, FLAG_TORN, PageHeader};
use crate::page::{PAGE_BYTES, Page, torn as signature};
use crate::read::ReadError;
use Cause::*;
use Confidence::*;

fn of_page(page: &Page, reason: &SuspectReason) -> (Cause, Confidence) {
    of(reason, Some(&Evidence::of(page, reason)), false).expect("there is evidence")
}

/// The cause of what `damage` does to a page full of rows.
fn after(damage: impl Fn(&mut Page)) -> (Cause, Confidence) {
    let mut page = data_page(78);
    damage(&mut page);
    of_page(&page, &bad_checksum(&page))
}

fn fill(at: std::ops::Range<usize>, byte: u8) -> impl Fn(&mut Page) {
    move |page| page.bytes_mut()[at.clone()].fill(byte)
}

#[test]
fn the_reason_itself_may_be_all_there_is_to_say() {
    let unreadable = SuspectReason::Unreadable(std::io::Error::from_raw_os_error(5).into());
    assert_eq!(of(&unreadable, None, false), Some((IoError, Certain)));
    let beyond_the_end = SuspectReason::Unreadable(ReadError::Ended);
    assert_eq!(of(&beyond_the_end, None, false), None);
    assert_eq!(of(&SuspectReason::Zeroed, None, false), Some((Zeroed, Certain)));
    assert_eq!(of(&SuspectReason::Zeroed, None, true), Some((InFlux, Likely)));
    assert_eq!(of(&SuspectReason::BadHeader, None, false), None);
}

#[test]
fn what_stands_at_home_tells_how_a_page_got_elsewhere() {
    let at = |page| PageAddress::new(FileId(1), PageId(page));
    let reason = SuspectReason::WrongPageId { expected: at(501), found: at(500) };
    let cause = |home| {
        let evidence = Evidence { home, ..Evidence::of(&data_page(9), &reason) };
        of(&reason, Some(&evidence), false)
    };
    assert_eq!(cause(Some(Home::Older)), Some((StaleHome, Likely)));
    assert_eq!(cause(Some(Home::Same)), Some((Misplaced, Certain)));
    for home in [None, Some(Home::Newer), Some(Home::Damaged), Some(Home::Elsewhere)] {
        assert_eq!(cause(home), Some((Misplaced, Likely)));
    }
}

#[test]
fn any_one_bit_of_a_page_with_records_is_likely_a_bit_flip() {
    for bit in 0..8 * PAGE_BYTES {
        // All of the header and of the slot array, and some of the rest.
        if (800..8 * 8036).contains(&bit) && bit % 101 != 0 {
            continue;
        }
        let flip = |page: &mut Page| page.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(after(flip), (BitFlip, Likely), "bit {bit}");
    }
}

#[test]
fn one_bit_is_only_possible_where_fill_could_have_left_it() {
    let mut page = data_page(0);
    page.bytes_mut()[0x1000] ^= 1;
    assert_eq!(of_page(&page, &bad_checksum(&page)), (BitFlip, Possible));
    let mut page = data_page(9);
    page.bytes_mut()[7000..7010].fill(b'!');
    crate::page::checksum::seal(&mut page);
    page.bytes_mut()[200] ^= 1;
    assert_eq!(of_page(&page, &bad_checksum(&page)), (BitFlip, Possible));
}

#[test]
fn two_or_three_bits_may_be_flips_and_more_say_nothing() {
    let xor = |changes: &'static [(usize, u8)]| {
        move |page: &mut Page| {
            for (at, bits) in changes {
                page.bytes_mut()[*at] ^= bits;
            }
        }
    };
    assert_eq!(after(xor(&[(4000, 3)])), (BitFlip, Possible));
    assert_eq!(after(xor(&[(4008, 1), (4010, 0x40)])), (BitFlip, Likely));
    assert_eq!(after(xor(&[(4008, 15)])), (UnknownChange, Possible));
}

#[test]
fn zeros_and_patterns_where_records_were_are_lost_sectors() {
    for byte in [0, 0xff, 0xcc] {
        assert_eq!(after(fill(1024..1536, byte)), (LostSectors, Likely), "{byte:x}");
        assert_eq!(after(fill(0..512, byte)), (LostSectors, Likely), "{byte:x}");
        assert_eq!(after(fill(7680..8192, byte)), (LostSectors, Likely), "{byte:x}");
        assert_eq!(after(fill(0..4096, byte)), (LostBlock, Likely), "{byte:x}");
        assert_eq!(after(fill(4096..8192, byte)), (LostBlock, Likely), "{byte:x}");
        assert_eq!(after(fill(3584..7680, byte)), (LostSectors, Likely), "{byte:x}");
    }
    assert_eq!(after(fill(0..8192, 0xff)), (LostSectors, Likely));
}

/// What a recovery tool writes where it could not read, from any byte of its text on.
#[test]
fn fill_texts_are_lost_sectors_and_neither_noise_nor_another_file() {
    for text in ["DDRESCUE-BAD-SECTOR", "-*TestDisk*-", "BADSECTR", "unreadable\r\n"] {
        let filled = |bytes: std::ops::Range<usize>, phase: usize| {
            let fill = text.bytes().cycle().skip(phase).take(bytes.len()).collect::<Vec<u8>>();
            after(|page| page.bytes_mut()[bytes.clone()].copy_from_slice(&fill))
        };
        for phase in 0..text.len() {
            assert_eq!(filled(0..8192, phase), (LostSectors, Likely), "{text} {phase}");
            assert_eq!(filled(0..512, phase), (LostSectors, Likely), "{text} {phase}");
            assert_eq!(filled(1024..2048, phase), (LostSectors, Likely), "{text} {phase}");
            assert_eq!(filled(4096..8192, phase), (LostBlock, Likely), "{text} {phase}");
        }
    }
}

/// It is no word that repeats itself, so that a bit flipped beside it is one all the same.
#[test]
fn a_bit_beside_a_text_that_is_a_value_is_a_bit_flip() {
    let mut page = data_page(78);
    let value = b"Lorem ipsum dolor ".iter().cycle().copied();
    page.bytes_mut()[96 + 4..96 + 2000].iter_mut().zip(value).for_each(|(at, byte)| *at = byte);
    let (row, slots) = (96_u16, PAGE_BYTES - 2);
    page.bytes_mut()[slots..].copy_from_slice(&row.to_le_bytes());
    (PageHeader::of_mut(&mut page).slot_count, PageHeader::of_mut(&mut page).free_data) = (1, 2096);
    crate::page::checksum::seal(&mut page);
    page.bytes_mut()[2050] ^= 4;
    assert_eq!(of_page(&page, &bad_checksum(&page)).0, BitFlip);
}

#[test]
fn the_first_sectors_of_the_page_that_is_named_are_a_part_of_it() {
    let page = data_page(78);
    let cause = |reason: &SuspectReason, shared_sectors, slots| {
        let of_page = Evidence::of(&page, reason);
        let evidence = Evidence { names_another: true, shared_sectors, slots, ..of_page };
        of(reason, Some(&evidence), false).unwrap()
    };
    let bad = SuspectReason::BadChecksum { stored: Checksum(0), computed: Checksum(0xfff) };
    for shared in [1, 8, 15] {
        assert_eq!(cause(&bad, Some(shared), Slots::Sound), (PartOfAnotherPage, Likely));
    }
    assert_eq!(cause(&bad, None, Slots::Broken), (PartOfAnotherPage, Possible));
    assert_eq!(cause(&bad, Some(0), Slots::Sound), (UnknownChange, Possible));
    // Torn bits hold half the time for the sectors of two pages.
    let at = |page| PageAddress::new(FileId(1), PageId(page));
    let wrong = SuspectReason::WrongPageId { expected: at(501), found: at(500) };
    assert_eq!(cause(&wrong, Some(8), Slots::Broken), (PartOfAnotherPage, Likely));
    assert_eq!(cause(&wrong, Some(16), Slots::Sound), (Misplaced, Likely));
}

#[test]
fn an_id_that_no_page_can_have_is_a_damaged_header_and_no_misplaced_page() {
    let cause = |file, page| {
        let at = |file, page| PageAddress::new(FileId(file), PageId(page));
        let reason = SuspectReason::WrongPageId { expected: at(1, 500), found: at(file, page) };
        of_page(&data_page(9), &reason)
    };
    assert_eq!(cause(40_000, 7), (Garbage, Possible));
    assert_eq!(cause(1, 0xffff_ffff), (Garbage, Possible));
    assert_eq!(cause(0, 0), (Garbage, Possible));
    assert_eq!(cause(0x8001, 500), (BitFlip, Likely));
    assert_eq!(cause(1, 500 + (1 << 31)), (BitFlip, Likely));
    assert_eq!(cause(1, 501), (Misplaced, Likely));
}

#[test]
fn torn_bits_without_their_flag_are_a_lost_flag_however_they_look() {
    let without_flag = |damage: fn(&mut Page)| {
        torn_page(|page| {
            PageHeader::of_mut(page).flag_bits = 0;
            damage(page);
        })
    };
    assert_eq!(without_flag(|_| ()), (FlagLost, Likely));
    assert_eq!(without_flag(|page| page.bytes_mut()[2047] ^= 3), (FlagLost, Possible));
}

#[test]
fn a_half_of_noise_is_a_lost_block_and_a_whole_page_of_it_encrypted() {
    let random = |at: std::ops::Range<usize>| move |page: &mut Page| noise(page, at.clone());
    assert_eq!(after(random(4096..8192)), (LostBlock, Likely));
    assert_eq!(after(random(0..4096)), (LostBlock, Likely));
    assert_eq!(after(random(0..8192)), (Encrypted, Likely));
    assert_eq!(after(random(96..8192)), (Encrypted, Possible));
    assert_eq!(after(random(0..128)), (Encrypted, Possible));
    assert_eq!(after(random(0..96)), (Garbage, Likely));
    assert_eq!(after(random(0..1024)), (Garbage, Likely));
    assert_eq!(after(random(2048..3072)), (UnknownChange, Possible));
}

/// Images are stored compressed: that is noise, too.
#[test]
fn a_lob_page_is_not_called_encrypted() {
    let mut page = data_page(1);
    noise(&mut page, 104..8180);
    page.bytes_mut()[96] = 0x08;
    let header = PageHeader::of_mut(&mut page);
    (header.page_type, header.free_data) = (3, 8180);
    crate::page::checksum::seal(&mut page);
    page.bytes_mut()[5000..5008].fill(b'x');
    assert_eq!(of_page(&page, &bad_checksum(&page)), (UnknownChange, Possible));
}

#[test]
fn another_file_in_its_place_is_foreign() {
    let zip = |page: &mut Page| {
        noise(page, 0..PAGE_BYTES);
        page.bytes_mut()[..4].copy_from_slice(b"PK\x03\x04");
    };
    assert_eq!(after(zip), (Foreign, Likely));
}

#[test]
fn records_that_end_to_be_sound_at_a_block_are_another_block() {
    assert_eq!(after(fill(4096..7896, b'x')), (LostSectors, Likely));
    assert_eq!(after(fill(6144..7896, b'x')), (LostSectors, Likely));
    let rewritten = |from: usize| {
        move |page: &mut Page| {
            page.bytes_mut()[from..7896]
                .iter_mut()
                .enumerate()
                .for_each(|(i, b)| *b = b'a' + (i * i * i / 11 % 7) as u8);
        }
    };
    assert_eq!(after(rewritten(6144)), (TornWrite, Possible));
    assert_eq!(after(rewritten(4096)), (LostBlock, Possible));
}

#[test]
fn a_flag_that_is_gone_is_the_one_flipped_bit_or_a_guess() {
    let without = |page: &mut Page| PageHeader::of_mut(page).flag_bits ^= FLAG_CHECKSUM;
    assert_eq!(after(without), (BitFlip, Likely));
    let both = |page: &mut Page| {
        without(page);
        page.bytes_mut()[4000..4010].fill(b'7');
    };
    assert_eq!(after(both), (FlagLost, Possible));
}

fn torn_page(damage: impl Fn(&mut Page)) -> (Cause, Confidence) {
    let mut page = data_page(78);
    PageHeader::of_mut(&mut page).flag_bits = FLAG_TORN;
    signature::seal(&mut page, 2);
    damage(&mut page);
    of_page(&page, &SuspectReason::TornPage(TornCheck::of(&page)))
}

#[test]
fn a_torn_write_leaves_the_other_signature_and_a_flipped_bit_none() {
    let sectors = |sectors: &'static [usize], bits: u8| {
        move |page: &mut Page| {
            for k in sectors {
                page.bytes_mut()[k * 512 + 511] ^= bits;
            }
        }
    };
    assert_eq!(torn_page(sectors(&[13, 14, 15], 3)), (TornWrite, Likely));
    assert_eq!(torn_page(sectors(&[3], 3)), (TornWrite, Possible));
    assert_eq!(torn_page(sectors(&[3], 1)), (BitFlip, Likely));
    assert_eq!(torn_page(sectors(&[3, 9], 1)), (UnknownChange, Possible));
    let header = |bits| move |page: &mut Page| PageHeader::of_mut(page).torn_bits ^= bits;
    assert_eq!(torn_page(header(3)), (TornWrite, Possible));
    assert_eq!(torn_page(header(1)), (BitFlip, Likely));
    assert_eq!(torn_page(header(2)), (BitFlip, Likely));
}

#[test]
fn fill_and_noise_on_a_torn_protected_page_are_no_torn_write() {
    assert_eq!(torn_page(fill(1024..1536, 0)), (LostSectors, Likely));
    assert_eq!(torn_page(fill(1024..1536, 0x21)), (LostSectors, Likely));
    let encrypted = |page: &mut Page| noise(page, 0..PAGE_BYTES);
    assert_eq!(torn_page(encrypted), (Encrypted, Likely));
}

#[test]
fn a_saved_set_of_all_sectors_is_no_lost_sector_of_its_own() {
    let all = SectorSet::try_from((0..16).collect::<Vec<u8>>()).unwrap();
    let evidence = Evidence { lost_sectors: all, ..Evidence::default() };
    assert!(of(&SuspectReason::BadHeader, Some(&evidence), false).is_some());
}

#[test]
fn a_record_that_is_bad_is_no_error_of_the_system() {
    let unreadable = |code| {
        let error = ReadError::Os { code, text: "bad".to_owned() };
        of(&SuspectReason::Unreadable(error), None, false)
    };
    assert_eq!(unreadable(Some(5)), Some((Cause::IoError, Confidence::Certain)));
    assert_eq!(unreadable(None), None);
}

#[test]
fn causes_are_called_the_same_everywhere() {
    let causes = [
        IoError,
        InFlux,
        Zeroed,
        Misplaced,
        Shifted,
        StaleHome,
        PartOfAnotherPage,
        LostWrite,
        TornWrite,
        BitFlip,
        LostSectors,
        LostBlock,
        Foreign,
        Encrypted,
        FlagLost,
        Garbage,
        UnknownChange,
    ];
    for cause in causes {
        assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
    }
    for confidence in [Certain, Likely, Possible] {
        assert_eq!(serde_json::to_value(confidence).unwrap(), confidence.name());
    }
}

/// All sectors but the first differ from it in one bit: one bit of its own signature is wrong if it
/// is none that is written, and else nobody knows.
#[test]
fn one_bit_of_the_signature_in_the_header_makes_all_others_wrong() {
    let cause = |expected: u32, actual: u32| {
        let reason = SuspectReason::TornPage(TornCheck { expected, actual });
        of_page(&data_page(78), &reason)
    };
    assert_eq!(cause(0, 0x5555_5554), (BitFlip, Likely));
    assert_eq!(cause(u32::MAX, 0xaaaa_aaab), (BitFlip, Likely));
    assert_eq!(cause(0x5555_5555, 1), (UnknownChange, Possible));
    assert_eq!(cause(0x5555_5555, 0xaaaa_aaa9), (TornWrite, Possible));
}

#[test]
fn slots_that_were_never_written_are_a_write_that_was_torn() {
    let mut page = data_page(60);
    page.bytes_mut()[PAGE_BYTES - 120..PAGE_BYTES - 112].fill(0);
    assert_eq!(of_page(&page, &bad_checksum(&page)), (TornWrite, Possible));
}
