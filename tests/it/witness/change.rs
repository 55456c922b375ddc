//! What happens to a page: every kind of change by name, so that a failure can say which.

use super::dice::Dice;
use super::{CHECKSUM, PAGE, SECTOR, TORN, flags, restored, seal};

/// Changes one page. `others` is the file as it was, to take bytes from.
pub type Change = fn(&mut [u8], &[u8], &mut Dice);

/// All of them.
pub const CHANGES: [(&str, Change); 34] = [
    ("one bit", one_bit),
    ("a few bits", few_bits),
    ("two bits of one column", column),
    ("two words of a sector swapped", words_swapped),
    ("one bit of the header", header_bit),
    ("one bit of the flags", flag_bit),
    ("one bit of the stored word", stored_bit),
    ("a run of bytes", run),
    ("a run of zeros", zero_run),
    ("a sector of zeros", zero_sector),
    ("sectors of fill", fill_sectors),
    ("two sectors swapped", sectors_swapped),
    ("a sector of another page", sector_of_another),
    ("a sector from elsewhere in a page", sector_from_elsewhere),
    ("4 KiB of another page", half_of_another),
    ("4 KiB of noise", half_of_noise),
    ("a torn write", torn_write),
    ("a torn write over an equal signature", torn_write_of_equal_signature),
    ("a lost write", lost_write),
    ("another page", another_page),
    ("a page of another file", page_of_another_file),
    ("zeros", zeros),
    ("fill", fill),
    ("noise", noise),
    ("noise with a header", noise_with_header),
    ("noise with a header and no flag", noise_without_flag),
    ("its flag lost", flag_lost),
    ("its flag lost and more", flag_lost_and_more),
    ("its flag and stored word lost", unprotected),
    ("the other flag", other_flag),
    ("another type", another_type),
    ("another type, sealed", another_type_sealed),
    ("header fields, sealed", fields_sealed),
    ("noise in the header", header_noise),
];

fn one_bit(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    page[dice.below(PAGE)] ^= 1 << dice.below(8);
}

fn few_bits(page: &mut [u8], others: &[u8], dice: &mut Dice) {
    for _ in 0..2 + dice.below(7) {
        one_bit(page, others, dice);
    }
}

/// No checksum sees it: an even number of flips of one bit of a word, in one sector.
fn column(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let (sector, bit) = (dice.below(16) * SECTOR, dice.below(8));
    let first = dice.below(SECTOR);
    let second = (first + 4 * (1 + dice.below(127))) % SECTOR;
    page[sector + first] ^= 1 << bit;
    page[sector + second] ^= 1 << bit;
}

fn words_swapped(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let (sector, first, second) = (dice.below(16) * SECTOR, dice.below(128), dice.below(128));
    for byte in 0..4 {
        page.swap(sector + 4 * first + byte, sector + 4 * second + byte);
    }
}

fn header_bit(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    page[dice.below(96)] ^= 1 << dice.below(8);
}

fn flag_bit(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    page[4 + dice.below(2)] ^= 1 << dice.below(8);
}

fn stored_bit(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    page[60 + dice.below(4)] ^= 1 << dice.below(8);
}

fn some_run(dice: &mut Dice) -> std::ops::Range<usize> {
    let start = dice.below(PAGE);
    start..(start + 1 + dice.below(700)).min(PAGE)
}

fn run(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let run = some_run(dice);
    dice.fill(&mut page[run]);
}

fn zero_run(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    page[some_run(dice)].fill(0);
}

fn zero_sector(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let sector = dice.below(16) * SECTOR;
    page[sector..sector + SECTOR].fill(0);
}

fn pattern(bytes: &mut [u8], dice: &mut Dice) {
    let patterns: [&[u8]; 6] =
        [&[0xff], &[0x21], &[0xf6], &[0xde, 0xad, 0xbe, 0xef], b"UNREADABLE ", &[0x00, 0xff]];
    let pattern = dice.of(&patterns);
    for (byte, fill) in bytes.iter_mut().zip(pattern.iter().cycle()) {
        *byte = *fill;
    }
}

fn fill_sectors(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let first = dice.below(16);
    let count = 1 + dice.below(16 - first);
    pattern(&mut page[first * SECTOR..(first + count) * SECTOR], dice);
}

fn sectors_swapped(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let (first, second) = (dice.below(16), dice.below(16));
    for byte in 0..SECTOR {
        page.swap(first * SECTOR + byte, second * SECTOR + byte);
    }
}

/// Any page of the file as it was.
fn other<'a>(others: &'a [u8], dice: &mut Dice) -> &'a [u8] {
    let page = dice.below(others.len() / PAGE);
    &others[page * PAGE..(page + 1) * PAGE]
}

fn sector_of_another(page: &mut [u8], others: &[u8], dice: &mut Dice) {
    let (other, sector) = (other(others, dice), dice.below(16) * SECTOR);
    page[sector..sector + SECTOR].copy_from_slice(&other[sector..sector + SECTOR]);
}

fn sector_from_elsewhere(page: &mut [u8], others: &[u8], dice: &mut Dice) {
    let (other, from, to) = (other(others, dice), dice.below(16), dice.below(16));
    let from = &other[from * SECTOR..(from + 1) * SECTOR];
    page[to * SECTOR..(to + 1) * SECTOR].copy_from_slice(from);
}

fn half_of_another(page: &mut [u8], others: &[u8], dice: &mut Dice) {
    let (other, half) = (other(others, dice), dice.below(2) * PAGE / 2);
    page[half..half + PAGE / 2].copy_from_slice(&other[half..half + PAGE / 2]);
}

fn half_of_noise(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let half = dice.below(2) * PAGE / 2;
    dice.fill(&mut page[half..half + PAGE / 2]);
}

/// The page as a later write would have it: some rows and its LSN changed, its protection right.
fn next_version(page: &[u8], signature: u8, dice: &mut Dice) -> Vec<u8> {
    let mut next = restored(page);
    for _ in 0..=dice.below(40) {
        next[96 + dice.below(PAGE - 96)] = dice.byte();
    }
    next[44] = next[44].wrapping_add(1 + dice.byte() % 200);
    seal(&mut next, signature);
    next
}

/// The first or the last sectors of a later write.
fn written_in_part(page: &mut [u8], next: &[u8], dice: &mut Dice) {
    let sectors = 1 + dice.below(15);
    let range = if dice.once_in(2) { 0..sectors * SECTOR } else { sectors * SECTOR..PAGE };
    page[range.clone()].copy_from_slice(&next[range]);
}

fn torn_write(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let signature = if page[60] & 3 == 1 { 2 } else { 1 };
    let next = next_version(page, signature, dice);
    written_in_part(page, &next, dice);
}

/// Two writes after another: torn bits are those of before.
fn torn_write_of_equal_signature(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let next = next_version(page, page[60] & 3, dice);
    written_in_part(page, &next, dice);
}

/// What is there is another version of the page, and whole.
fn lost_write(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let signature = 1 + dice.byte() % 2;
    let version = next_version(page, signature, dice);
    page.copy_from_slice(&version);
}

fn another_page(page: &mut [u8], others: &[u8], dice: &mut Dice) {
    page.copy_from_slice(other(others, dice));
}

fn page_of_another_file(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let mut moved = restored(page);
    moved[36] ^= 1 + dice.byte() % 7;
    seal(&mut moved, 1);
    page.copy_from_slice(&moved);
}

fn zeros(page: &mut [u8], _: &[u8], _: &mut Dice) {
    page.fill(0);
}

fn fill(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    pattern(page, dice);
}

fn noise(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    dice.fill(page);
}

fn noise_with_header(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    dice.fill(&mut page[96..]);
}

fn noise_without_flag(page: &mut [u8], others: &[u8], dice: &mut Dice) {
    noise_with_header(page, others, dice);
    unprotected(page, others, dice);
}

fn flag_lost(page: &mut [u8], _: &[u8], _: &mut Dice) {
    page[5] &= 0xfc;
}

fn flag_lost_and_more(page: &mut [u8], others: &[u8], dice: &mut Dice) {
    few_bits(page, others, dice);
    page[5] &= 0xfc;
}

fn unprotected(page: &mut [u8], _: &[u8], _: &mut Dice) {
    page[5] &= 0xfc;
    page[60..64].fill(0);
}

fn other_flag(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    page[5] ^= dice.of(&[1, 2, 3]);
}

fn another_type(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    page[1] = dice.byte() % 24;
}

fn another_type_sealed(page: &mut [u8], others: &[u8], dice: &mut Dice) {
    let mut changed = restored(page);
    another_type(&mut changed, others, dice);
    seal(&mut changed, 2);
    page.copy_from_slice(&changed);
}

/// Fields that bounds hold for, the page's address among them.
fn fields_sealed(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    let mut changed = restored(page);
    let field = dice.of(&[0, 22, 28, 30, 32, 33, 35, 36, 64, 80, 95]);
    changed[field] ^= 1 << dice.below(8);
    if flags(&changed) & (CHECKSUM | TORN) != 0 || dice.once_in(2) {
        seal(&mut changed, 1);
    }
    page.copy_from_slice(&changed);
}

fn header_noise(page: &mut [u8], _: &[u8], dice: &mut Dice) {
    dice.fill(&mut page[..96]);
}
