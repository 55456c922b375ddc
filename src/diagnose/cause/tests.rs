//! The cause that each kind of damage is given.

use super::*;
use crate::diagnose::evidence::SectorSet;
use crate::diagnose::evidence::tests::{bad_checksum, data_page, noise};
use crate::page::address::{FileId, PageAddress, PageId};
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
    let unreadable = SuspectReason::Unreadable(ReadError::Ended);
    assert_eq!(of(&unreadable, None, false), Some((IoError, Certain)));
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
    assert_eq!(after(fill(0..8192, 0xff)), (Garbage, Likely));
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
                .for_each(|(i, b)| *b = b'a' + (i % 7) as u8);
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
