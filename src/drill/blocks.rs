//! Damage to sectors and blocks inside a page: fill patterns, lost halves, rows that never arrived.

use super::chance::{Dice, below};
use super::damage::Source;
use super::fields::put_slot;
use super::junk;
use crate::page::header::{HEADER_BYTES, PageHeader, Protection};
use crate::page::{PAGE_BYTES, PAGE_SECTORS, Page, SECTOR_BYTES, kind::PageType, torn};
use std::ops::Range;

/// A block of a 4Kn disk: half a page.
pub(super) const BLOCK_BYTES: usize = 4096;
/// What drives and controllers fill with. The low bits of the first two are no torn-page signature;
/// those of the last are, so that torn bits may not see it.
const PATTERNS: [u8; 3] = [0xff, 0xcc, 0x55];
const PATTERN_SECTORS_MAX: u64 = 7;
/// Rows that a torn insert lacks at most.
const ROWS_LACKING_MAX: u64 = 8;

/// The bytes between the header and `m_freeData`, where the rows are.
pub(super) fn row_area(page: &Page) -> Range<usize> {
    let end = usize::from(PageHeader::of(page).free_data).clamp(HEADER_BYTES, PAGE_BYTES);
    HEADER_BYTES..end
}

/// The sectors that rows fill from end to end.
pub(super) fn full_sectors(page: &Page) -> Range<usize> {
    let end = (row_area(page).end / SECTOR_BYTES).max(1);
    1..end
}

/// Fills sectors of rows, or any but the first if rows fill none.
pub(super) fn fill_sectors(page: &mut Page, dice: &mut Dice) -> String {
    let full = full_sectors(page);
    let within = if full.is_empty() { 1..PAGE_SECTORS } else { full };
    let torn = PageHeader::of(page).protection() == Protection::Torn;
    let patterns = if torn { &PATTERNS[..2] } else { &PATTERNS[..] };
    let pattern = patterns[below(dice, patterns.len() as u64) as usize];
    let sectors = 1 + below(dice, PATTERN_SECTORS_MAX.min(within.len() as u64)) as usize;
    let first = within.start + below(dice, (within.len() - sectors + 1) as u64) as usize;
    page.bytes_mut()[first * SECTOR_BYTES..][..sectors * SECTOR_BYTES].fill(pattern);
    format!("sectors {first} to {} filled with {pattern:#04x}", first + sectors - 1)
}

/// Replaces one half. Another page's half only where a checksum is sure to see it.
pub(super) fn lose_block(page: &mut Page, dice: &mut Dice, source: Option<&Source>) -> String {
    let half = below(dice, 2) as usize;
    let block = half * BLOCK_BYTES..(half + 1) * BLOCK_BYTES;
    let other = source.filter(|_| PageHeader::of(page).protection() == Protection::Checksum);
    let (what, content) = match (below(dice, 3), other) {
        (0, Some((id, content))) => (format!("are those of page {id}"), **content),
        (1, _) => ("are zeros".to_owned(), Page::ZERO),
        _ => ("are noise".to_owned(), junk::noise(dice)),
    };
    page.bytes_mut()[block.clone()].copy_from_slice(&content.bytes()[block]);
    format!("the 4096 bytes of half {half} {what}")
}

/// True if the page's rows lie in the order of their slots, so that it can be told what it was
/// before the last of them came, and if they reach past the first sector.
pub(super) fn can_lack_rows(page: &Page) -> bool {
    let page = &torn::restored(page);
    let header = PageHeader::of(page);
    let slots = usize::from(header.slot_count);
    let is_of_rows = matches!(PageType::of(header.page_type), PageType::Data | PageType::Index);
    is_of_rows
        && header.is_sane()
        && slots > 1
        && row_area(page).end > 2 * SECTOR_BYTES
        && (1..slots).all(|slot| offset_of(page, slot - 1) < offset_of(page, slot))
        && (HEADER_BYTES..PAGE_BYTES).contains(&offset_of(page, 0))
        && offset_of(page, slots - 1) < row_area(page).end
}

/// Takes the last rows away in the last sectors only: the write that brought them and raised the
/// slot count in the header did not arrive there.
pub(super) fn tear_insert(page: &mut Page, dice: &mut Dice) -> String {
    if !can_lack_rows(page) {
        return "it has no rows that an insert could have brought last".to_owned();
    }
    let slots = usize::from(PageHeader::of(page).slot_count);
    let lacking = 1 + below(dice, ROWS_LACKING_MAX.min(slots as u64 - 1)) as usize;
    let first_old = 1 + below(dice, PAGE_SECTORS as u64 - 1) as usize;
    let old = first_old * SECTOR_BYTES;
    let rows = offset_of(&torn::restored(page), slots - lacking)..row_area(page).end;
    let end = rows.end.max(old);
    page.bytes_mut()[rows.start.max(old)..end].fill(0);
    for slot in slots - lacking..slots {
        if slot_at(slot) >= old {
            put_slot(page, slot, 0);
        }
    }
    if PageHeader::of(page).protection() == Protection::Torn {
        return turn_signatures(page, first_old, lacking);
    }
    detail(first_old, lacking)
}

/// The old sectors of a torn-protected page also carry the signature of the write before.
fn turn_signatures(page: &mut Page, first_old: usize, lacking: usize) -> String {
    let signature = PageHeader::of(page).torn_bits as u8 & 0b11;
    for sector in first_old..PAGE_SECTORS {
        let byte = &mut page.bytes_mut()[(sector + 1) * SECTOR_BYTES - 1];
        *byte = *byte & !0b11 | !signature & 0b11;
    }
    detail(first_old, lacking)
}

fn detail(first_old: usize, lacking: usize) -> String {
    format!("sectors {first_old} to {} lack the last {lacking} rows", PAGE_SECTORS - 1)
}

/// Where entry `slot` of the slot array stands.
pub(super) fn slot_at(slot: usize) -> usize {
    PAGE_BYTES - 2 * (slot + 1)
}

fn offset_of(page: &Page, slot: usize) -> usize {
    usize::from(page.u16_at(slot_at(slot)))
}
