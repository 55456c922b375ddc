//! What each kind of damage leaves on a page.

use super::*;
use crate::page::checksum;
use crate::page::{PAGE_BYTES, PAGE_SECTORS, SECTOR_BYTES};

const ROW_BYTES: usize = 100;

/// A data page with `rows` rows of 100 bytes, sealed.
pub(crate) fn data_page(rows: usize) -> Page {
    let mut page = Page::ZERO;
    for row in 0..rows {
        let at = 96 + row * ROW_BYTES;
        let letters = |i: usize| b'a' + (i * (row + 3) % 13) as u8;
        let bytes: [u8; ROW_BYTES] = std::array::from_fn(letters);
        page.bytes_mut()[at..at + ROW_BYTES].copy_from_slice(&bytes);
        page.bytes_mut()[at..at + 4].copy_from_slice(&[0x10, 0, 96, 0]);
        let slot = PAGE_BYTES - 2 * (row + 1);
        page.bytes_mut()[slot..slot + 2].copy_from_slice(&(at as u16).to_le_bytes());
    }
    *PageHeader::of_mut(&mut page) = PageHeader {
        header_version: 1,
        page_type: 1,
        flag_bits: FLAG_CHECKSUM,
        page_id: 500,
        file_id: 1,
        free_data: (96 + rows * ROW_BYTES) as u16,
        slot_count: rows as u16,
        free_count: (8096 - rows * (ROW_BYTES + 2)) as u16,
        lsn_vlf: 30,
        ..bytemuck::Zeroable::zeroed()
    };
    checksum::seal(&mut page);
    page
}

/// Bytes that no test of randomness tells from encrypted ones.
pub(crate) fn noise(page: &mut Page, bytes: std::ops::Range<usize>) {
    use rand_xoshiro::rand_core::{Rng, SeedableRng};
    let mut dice = rand_xoshiro::Xoshiro256StarStar::seed_from_u64(bytes.end as u64);
    page.bytes_mut()[bytes].fill_with(|| dice.next_u64() as u8);
}

pub(crate) fn bad_checksum(page: &Page) -> SuspectReason {
    let (stored, computed) = (Checksum::stored_in(page), Checksum::of(page));
    SuspectReason::BadChecksum { stored, computed }
}

fn evidence(page: &Page) -> Evidence {
    Evidence::of(page, &bad_checksum(page))
}

fn flipped(page: &Page, bit: usize) -> Page {
    let mut flipped = *page;
    flipped.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
    flipped
}

fn syndrome(page: &Page) -> u32 {
    Checksum::stored_in(page).0 ^ Checksum::of(page).0
}

#[test]
fn candidates_are_as_many_as_bits_that_leave_the_same_syndrome_alone() {
    let page = data_page(60);
    let by_syndrome = (0..8 * PAGE_BYTES).fold([0_u16; 32], |mut counts, bit| {
        let syndrome = syndrome(&flipped(&page, bit));
        assert_eq!(syndrome.count_ones(), 1, "bit {bit}");
        // A page that had no flag before would have carried no checksum.
        let is_flag = bit == 8 * FLAG_WORD_OFFSET + 9;
        counts[syndrome.trailing_zeros() as usize] += u16::from(!is_flag);
        counts
    });
    for bit in [3, 700, 8 * 60 + 5, 8 * 4000 + 1, 8 * 8191 + 7] {
        let found = evidence(&flipped(&page, bit));
        let syndrome = found.syndrome.expect("the checksum is bad").0;
        assert_eq!(found.candidate_bits, Some(by_syndrome[syndrome.trailing_zeros() as usize]));
    }
    // Without its flag, only the flag explains what is seen.
    let found = evidence(&flipped(&page, 8 * FLAG_WORD_OFFSET + 9));
    assert_eq!((found.candidate_bits, found.has_lost_flag), (Some(1), true));
}

#[test]
fn the_published_syndrome_of_two_is_one_bit() {
    let reason = SuspectReason::BadChecksum {
        stored: Checksum(0xfdff_74c9),
        computed: Checksum(0xfdff_74cb),
    };
    let found = Evidence::of(&data_page(60), &reason);
    assert_eq!(found.syndrome, Some(Checksum(2)));
    assert_eq!((found.syndrome_bits, found.candidate_bits), (Some(1), Some(2048)));
}

/// Texts of ddrescue's and others' fill modes, from any byte on, and anew in each sector or not.
#[test]
fn whatever_repeats_itself_within_64_bytes_is_fill_in_any_phase() {
    let texts: [&[u8]; 6] = [
        b"DDRESCUE-BAD-SECTOR",
        b"-*TestDisk*-",
        b"BADSECTR",
        b"\xde\xad\xbe\xef",
        b"BAD SECTOR\n",
        &std::array::from_fn::<u8, 64, _>(|i| (i * i * 31 + i * 7) as u8),
    ];
    for text in texts {
        for phase in 0..text.len() {
            let mut page = data_page(75);
            let fill = text.iter().cycle().skip(phase).copied();
            page.bytes_mut()[1024..4096].iter_mut().zip(fill).for_each(|(at, byte)| *at = byte);
            let letter = if text.len() == 4 { "p" } else { "r" };
            let found = evidence(&page);
            let expected = format!("..{}........", letter.repeat(6));
            assert_eq!(String::from(found.sectors), expected, "{text:?} from byte {phase}");
            assert_eq!(Vec::from(found.lost_sectors), [2, 3, 4, 5, 6, 7], "{text:?}");
        }
    }
    let mut page = data_page(75);
    let long: Vec<u8> = (0..512).map(|i| (i % 65 * 3) as u8).collect();
    page.bytes_mut()[1024..1536].copy_from_slice(&long);
    assert!(evidence(&page).lost_sectors.is_empty(), "65 bytes are too many");
}

/// A table of constants: its rows repeat themselves, and its slots lead to each of them.
#[test]
fn short_rows_that_are_all_the_same_are_rows() {
    let mut page = Page::ZERO;
    let rows = 200;
    for row in 0..rows {
        let (at, slot) = (96 + row * 29, PAGE_BYTES - 2 * (row + 1));
        page.bytes_mut()[at..at + 29]
            .copy_from_slice(b"\x10\0\x18\0the same in each row!\x01\0\0\0");
        page.bytes_mut()[slot..slot + 2].copy_from_slice(&(at as u16).to_le_bytes());
    }
    *PageHeader::of_mut(&mut page) = PageHeader {
        free_data: (96 + rows * 29) as u16,
        slot_count: rows as u16,
        ..*PageHeader::of(&data_page(1))
    };
    let found = evidence(&page);
    assert_eq!((found.slots, found.lost_sectors.is_empty()), (Slots::Sound, true), "{found}");
    let text = b"DDRESCUE-BAD-SECTOR".iter().cycle().copied();
    page.bytes_mut()[2048..2560].iter_mut().zip(text).for_each(|(at, byte)| *at = byte);
    let found = evidence(&page);
    assert_eq!((found.slots, Vec::from(found.lost_sectors)), (Slots::Broken, vec![4]), "{found}");
}

#[test]
fn the_map_has_a_letter_for_each_sector() {
    let mut page = data_page(75);
    page.bytes_mut()[512..1024].fill(0);
    page.bytes_mut()[1024..1536].fill(0xcc);
    noise(&mut page, 1536..2048);
    let map = SectorMap::of(&page);
    assert_eq!(String::from(map), ".0pn............");
    assert_eq!(SectorMap::try_from(".0pn............".to_owned()), Ok(map));
    assert!(SectorMap::try_from("0".to_owned()).is_err());
}

#[test]
fn random_bytes_are_noise_and_records_are_not() {
    let mut page = Page::ZERO;
    for seed in 0..100 {
        page.bytes_mut()[0] = 0;
        noise(&mut page, 0..PAGE_BYTES);
        page.bytes_mut().rotate_left(seed);
        assert_eq!(SectorMap::of(&page).count(Sector::Noise), PAGE_SECTORS);
        assert!(SectorMap::and_entropy(&page).1 >= 7_970);
    }
    assert_eq!(SectorMap::of(&data_page(75)).count(Sector::Noise), 0);
    assert_eq!(SectorMap::and_entropy(&Page::ZERO).1, 0);
}

/// What is counted in two tables, eight bytes at a time, is what one count after another gives.
#[test]
fn noise_and_entropy_are_those_of_a_plain_count() {
    let entropy_bits = |bytes: &[u8]| -> f64 {
        let mut counts = [0_u32; 256];
        for byte in bytes {
            counts[usize::from(*byte)] += 1;
        }
        let share = |count: &u32| f64::from(*count) / bytes.len() as f64;
        let shares = counts.iter().filter(|count| **count > 0).map(share);
        shares.map(|share| -share * share.log2()).sum()
    };
    let is_noise = |sector: &[u8]| {
        let alike =
            |a: usize| (0..sector.len()).filter(move |b| a != *b && sector[a] == sector[*b]);
        (0..sector.len()).map(|a| alike(a).count()).sum::<usize>() <= 1250
    };
    for kinds in 1..=60 {
        let mut page = Page::ZERO;
        noise(&mut page, 0..PAGE_BYTES);
        // Few kinds of bytes in the first sectors, nearly as many as in noise in the last ones.
        for (at, byte) in page.bytes_mut().iter_mut().enumerate() {
            *byte = (u32::from(*byte) * (kinds * 16 + at as u32 / 512) / 976) as u8;
        }
        let (map, millibits) = SectorMap::and_entropy(&page);
        let wanted: Vec<_> = page.bytes().chunks(SECTOR_BYTES).map(is_noise).collect();
        let found: Vec<_> = map.sectors().iter().map(|is| *is == Sector::Noise).collect();
        assert_eq!(found, wanted, "{kinds}");
        assert_eq!(millibits, (entropy_bits(page.bytes()) * 1000.0).round() as u16, "{kinds}");
    }
}

#[test]
fn fill_is_lost_only_where_there_must_be_something() {
    let page = data_page(20);
    let zeroed = |sector: usize| {
        let mut page = page;
        page.bytes_mut()[sector * SECTOR_BYTES..][..SECTOR_BYTES].fill(0);
        let found = evidence(&page);
        assert!(found.lost_sectors.iter().all(|lost| lost == sector));
        !found.lost_sectors.is_empty()
    };
    // Records end at 2096, the slot array begins at 8152.
    let lost: Vec<usize> = (0..PAGE_SECTORS).filter(|sector| zeroed(*sector)).collect();
    assert_eq!(lost, [0, 1, 2, 3, 4, 15]);
}

#[test]
fn blanks_are_values_and_no_fill() {
    let mut page = data_page(1);
    PageHeader::of_mut(&mut page).free_data = 7000;
    page.bytes_mut()[100..7000].fill(b' ');
    assert!(evidence(&page).lost_sectors.is_empty());
    page.bytes_mut()[100..7000].fill(0xff);
    assert_eq!(evidence(&page).lost_sectors.len(), 12);
}

#[test]
fn a_slot_that_leads_nowhere_or_twice_to_one_record_breaks_the_array() {
    let page = data_page(60);
    assert_eq!(evidence(&page).slots, Slots::Sound);
    for slot in [0_u16, 95, 7000, 97, 196] {
        let mut page = page;
        page.bytes_mut()[8190..].copy_from_slice(&slot.to_le_bytes());
        assert_eq!(evidence(&page).slots, Slots::Broken, "{slot}");
    }
    assert_eq!(evidence(&data_page(0)).slots, Slots::None);
}

/// The header counts two rows more than the end of the page knows of.
#[test]
fn slots_that_were_never_written_are_told_from_broken_ones() {
    let mut page = data_page(60);
    page.bytes_mut()[8192 - 120..8192 - 116].fill(0);
    assert_eq!(evidence(&page).slots, Slots::Unwritten);
    page.bytes_mut()[8190] ^= 1;
    assert_eq!(evidence(&page).slots, Slots::Broken);
}

#[test]
fn a_break_is_where_sound_records_end() {
    let mut page = data_page(75);
    page.bytes_mut()[4096..7596].fill(b'x');
    assert_eq!(evidence(&page).breaks_at, Some(4096));
    let mut page = data_page(75);
    page.bytes_mut()[6144..7596].fill(b'x');
    assert_eq!(evidence(&page).breaks_at, Some(6144));
    assert_eq!(evidence(&data_page(75)).breaks_at, None);
}

#[test]
fn noise_at_the_beginning_is_measured_where_the_rest_is_intact() {
    let head = |bytes: usize| {
        let mut page = data_page(75);
        noise(&mut page, 0..bytes);
        evidence(&page).noise_head_bytes
    };
    assert_eq!([96, 128, 256].map(head), [Some(96), Some(128), Some(256)]);
    assert_eq!([0, 512, PAGE_BYTES].map(head), [None; 3]);
}

#[test]
fn other_files_are_known_by_their_first_bytes_and_text_by_its_letters() {
    let begins = |bytes: &[u8]| {
        let mut page = Page::ZERO;
        page.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        evidence(&page).foreign
    };
    assert_eq!(begins(b"FILE0\0\x03"), Some(Foreign::Ntfs));
    assert_eq!(begins(b"PK\x03\x04"), Some(Foreign::Zip));
    assert_eq!(begins(b"SQLite format 3\0"), Some(Foreign::Sqlite));
    let line = |n| format!("Dear Sir or Madam, naïve but plain {n}.\r\n");
    let text: String = (0..20).map(line).collect();
    assert_eq!(begins(text.as_bytes()), Some(Foreign::Text));
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(begins(&wide), Some(Foreign::Utf16Text));
    assert_eq!(begins(&[b'!'; 512]), None);
    assert_eq!(begins(&b"BAD SECTOR\n".repeat(50)), None);
    assert_eq!(begins(b"FILE"), None);
    let mut page = data_page(3);
    page.bytes_mut()[0x40..0x48].copy_from_slice(b"_BHRfS_M");
    assert_eq!(evidence(&page).foreign, None);
}

#[test]
fn evidence_survives_being_saved_and_older_reports_have_less_of_it() {
    let mut page = data_page(75);
    page.bytes_mut()[512..1024].fill(0);
    let found = evidence(&page);
    let saved = serde_json::to_value(&found).unwrap();
    assert_eq!(saved["sectors"], ".0..............");
    assert_eq!(saved["lost_sectors"], serde_json::json!([1]));
    assert_eq!(serde_json::from_value::<Evidence>(saved).unwrap(), found);
    assert_eq!(serde_json::from_str::<Evidence>("{}").unwrap(), Evidence::default());
    assert!(serde_json::from_str::<Evidence>(r#"{"lost_sectors":[16]}"#).is_err());
}

#[test]
fn the_words_name_what_is_there_and_nothing_else() {
    let text = evidence(&flipped(&data_page(75), 8 * 4000)).to_string();
    let expected = "syndrome 0x00000100 (1 bit, 2048 candidates); sectors ................; \
        entropy 4.0 bits/byte; header sane; slots sound; LSN (30:0:0)";
    assert_eq!(text, expected);
    assert!(Evidence::of(&Page::ZERO, &SuspectReason::Zeroed).to_string().starts_with("sectors 0"));
}

#[test]
fn every_letter_of_a_map_is_read_as_it_was_written() {
    let text = "rn0p.rn0p.rn0p.r".to_owned();
    assert_eq!(String::from(SectorMap::try_from(text.clone()).unwrap()), text);
}

#[test]
fn one_flipped_bit_of_a_half_empty_page_explains_all_but_new_fill_in_free_space() {
    let explains = |page: &Page| {
        let found = evidence(page);
        assert_eq!(found.syndrome_bits, Some(1));
        (found.slots, found.one_bit_explains)
    };
    let mut page = flipped(&data_page(45), 8 * 1000);
    assert_eq!(explains(&page), (Slots::Sound, true));
    // A slot that leads astray may be all that happened.
    let slot_5 = 8 * (PAGE_BYTES - 12);
    assert_eq!(explains(&flipped(&data_page(45), slot_5)), (Slots::Broken, true));
    // Words that repeat themselves change no checksum.
    page.bytes_mut()[5120..5632].fill(0xcc);
    assert_eq!(explains(&page), (Slots::Sound, false));
}

#[test]
fn text_in_utf_16_may_end_in_blanks_from_any_byte_on() {
    for blank in [[b' ', 0], [0, b' ']] {
        let mut page = data_page(1);
        PageHeader::of_mut(&mut page).free_data = 7000;
        page.bytes_mut()[100..7000].copy_from_slice(&blank.repeat(3450));
        assert!(evidence(&page).lost_sectors.is_empty(), "{blank:?}");
    }
}

#[test]
fn slots_that_are_all_zeros_are_broken() {
    let mut page = data_page(60);
    page.bytes_mut()[PAGE_BYTES - 120..].fill(0);
    assert_eq!(evidence(&page).slots, Slots::Broken);
}

/// Letters that no record begins with, and that do not repeat themselves within 64 bytes.
fn scrawl(page: &mut Page, bytes: std::ops::Range<usize>) {
    for at in bytes {
        page.bytes_mut()[at] = b'a' + (at * at / 7 % 13) as u8;
    }
}

#[test]
fn a_break_may_be_in_either_half_and_sound_records_on_either_side() {
    let broken = |bytes: std::ops::Range<usize>| {
        let mut page = data_page(75);
        scrawl(&mut page, bytes);
        evidence(&page).breaks_at
    };
    assert_eq!(broken(2048..7596), Some(2048));
    assert_eq!(broken(96..4096), Some(4096), "the records behind it are sound");
    assert_eq!(broken(96..2500), Some(2048 + 512));
    assert_eq!(broken(2048..6144), None, "sound on both sides");
}

/// Fewer than 16 bytes of records at the beginning of a sector may all be zero.
#[test]
fn the_end_of_a_record_may_be_zeros() {
    let mut page = data_page(35);
    page.bytes_mut()[3584..4096].fill(0);
    assert!(evidence(&page).lost_sectors.is_empty(), "12 bytes of the last row");
    page.bytes_mut()[3072..3584].fill(0);
    assert_eq!(Vec::from(evidence(&page).lost_sectors), [6]);
}

#[test]
fn free_space_that_holds_old_rows_and_no_fill_is_not_mixed() {
    let mut page = data_page(45);
    scrawl(&mut page, 4600..8100);
    checksum::seal(&mut page);
    assert!(evidence(&flipped(&page, 8 * 1000)).one_bit_explains);
}

#[test]
fn what_is_lost_up_to_the_end_breaks_where_it_begins() {
    let mut page = data_page(75);
    page.bytes_mut()[6144..].fill(0);
    let found = evidence(&page);
    assert_eq!(
        (Vec::from(found.lost_sectors), found.breaks_at),
        (vec![12, 13, 14, 15], Some(6144))
    );
}

#[test]
fn rows_of_an_index_begin_otherwise_than_those_of_a_table() {
    let slots = |status: u8| {
        let mut page = data_page(30);
        PageHeader::of_mut(&mut page).page_type = 2;
        (0..30).for_each(|row| page.bytes_mut()[96 + row * ROW_BYTES] = status);
        evidence(&page).slots
    };
    // With a null bitmap and without, ghosts, compressed ones.
    for status in [0x16, 0x06, 0x1a, 0x01] {
        assert_eq!(slots(status), Slots::Sound, "{status:#x}");
    }
    for status in [0x10, 0x30, 0x47, 0x96] {
        assert_eq!(slots(status), Slots::Broken, "{status:#x}");
    }
}

/// Two records on each side agree, four where slots lead nowhere.
#[test]
fn a_break_is_believed_by_few_records_if_no_slot_goes_astray() {
    let mut page = data_page(73);
    scrawl(&mut page, 7168..7396);
    assert_eq!(evidence(&page).breaks_at, Some(7168));
    page.bytes_mut()[PAGE_BYTES - 2..].copy_from_slice(&95_u16.to_le_bytes());
    assert_eq!(evidence(&page).breaks_at, None);
}

#[test]
fn a_page_without_a_header_needs_three_records_to_be_believed() {
    let head = |rows: usize, bytes: usize| {
        let mut page = data_page(rows);
        noise(&mut page, 0..bytes);
        // Torn bits would be put back, also into slots.
        PageHeader::of_mut(&mut page).flag_bits = FLAG_CHECKSUM;
        evidence(&page).noise_head_bytes
    };
    // The first row is noise, too, or begins just behind it.
    assert_eq!((head(4, 128), head(3, 128)), (Some(128), None));
    assert_eq!((head(3, 96), head(2, 96)), (Some(96), None));
}

/// By chance, a row has as many different bytes as noise. It begins as others do.
#[test]
fn a_first_row_that_looks_like_noise_is_a_row() {
    let mut page = data_page(75);
    page.bytes_mut()[97..128].copy_from_slice(&std::array::from_fn::<u8, 31, _>(|i| 100 + i as u8));
    noise(&mut page, 0..96);
    assert_eq!(evidence(&page).noise_head_bytes, Some(96));
    page.bytes_mut()[96] = 0x30;
    assert_eq!(evidence(&page).noise_head_bytes, Some(128));
}

#[test]
fn slots_of_a_page_without_a_header_are_followed_up_to_one_that_leads_out_of_the_page() {
    let lost = |slot_3: Option<u16>| {
        let mut page = data_page(75);
        noise(&mut page, 0..96);
        page.bytes_mut()[6656..7168].fill(0);
        if let Some(at) = slot_3 {
            page.bytes_mut()[PAGE_BYTES - 8..PAGE_BYTES - 6].copy_from_slice(&at.to_le_bytes());
        }
        Vec::from(evidence(&page).lost_sectors)
    };
    assert_eq!(lost(None), [13]);
    for at in [8190, 8192, 8195, u16::MAX] {
        assert_eq!(lost(Some(at)), [0_u8; 0], "{at}");
    }
}

#[test]
fn words_tell_of_the_page_that_is_named_and_of_the_file_that_begins() {
    let words = |names_another, shared_sectors| {
        Evidence { names_another, shared_sectors, ..Evidence::default() }.to_string()
    };
    assert!(words(true, None).ends_with("; names another page"));
    assert!(words(true, Some(1)).ends_with("; its first sector is that of the page it names"));
    assert!(words(true, Some(9)).ends_with("; its first 9 sectors are those of the page it names"));
    // None of them, or all.
    assert!(words(true, Some(16)).ends_with("; names another page"));
    assert!(words(false, Some(0)).ends_with("; no sane header"));
    let mut page = Page::ZERO;
    page.bytes_mut()[..4].copy_from_slice(b"PK\x03\x04");
    let found = evidence(&page);
    assert!(found.to_string().ends_with("; begins as a ZIP archive"), "{found}");
    assert_eq!(found.looks, 1);
}
