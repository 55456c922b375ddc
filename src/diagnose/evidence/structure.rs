//! Whether a page's header, records and slot array fit together (docs/page-format.md, sections 1
//! and 6.2).
//!
//! The bounds used here hold on every data, index and text page in use of seven real files: 1,264
//! pages with 88,169 slots, none of which has a sector of zeros or of one word repeated where
//! records or slots are.

use super::sectors::{FILL_TEXT_BYTES_MAX, period_bytes};
use super::{Sector, SectorMap, SectorSet, Slots};
use crate::page::checksum::{Checksum, header_bits_behind};
use crate::page::header::{HEADER_BYTES, PageHeader, TORN_BITS_OFFSET};
use crate::page::kind::PageType;
use crate::page::{PAGE_BYTES, PAGE_SECTORS, Page, SECTOR_BYTES};
use std::collections::BTreeSet;
use std::ops::Range;

const SLOT_BYTES: usize = 2;
/// Bytes of records in a sector that must not all be zero. Fewer may be the end of a record, which
/// often is zero.
const RECORD_BYTES_MIN: usize = 16;
/// Repeated words that are values of columns: blanks, of one byte or two.
const BLANKS: [u32; 2] = [0x2020_2020, 0x0020_0020];
/// A break between records is believed where so many on each side agree.
const AGREEING_RECORDS_MIN: usize = 2;
/// Rows that repeat themselves within 64 bytes: as many begin in a sector, at least.
const EQUAL_ROWS_MIN: usize = SECTOR_BYTES / FILL_TEXT_BYTES_MAX - 1;
/// What most disks of today write at a time.
const HALF: usize = PAGE_BYTES / 2;
/// Noise is looked for in steps of so many bytes, ...
const NOISE_STEP: usize = 32;
/// ... of which at least so many differ from each other: random ones 30, text and rows far fewer.
const NOISE_DISTINCT_MIN: usize = 25;
/// Records that show that a page without a header is otherwise intact.
const TAIL_RECORDS_MIN: usize = 3;

/// What a page with records is made of.
#[derive(Debug, Default)]
pub(super) struct Structure {
    pub(super) slots: Slots,
    pub(super) lost: SectorSet,
    pub(super) breaks_at: Option<u16>,
    /// Slots that lead to no record.
    broken: usize,
    /// Free space is in part of one fill and in part of something else.
    free_is_mixed: bool,
}

impl Structure {
    /// Of `page`, torn bits restored, whose sectors hold `map`.
    pub(super) fn of(page: &Page, map: SectorMap) -> Self {
        let header = PageHeader::of(page);
        let walk =
            if header.is_sane() { Walk::by_header(page, map) } else { Walk::by_tail(page, map, 0) };
        let lost = walk.lost(page, map);
        let slots = if walk.is_by_header { walk.verdict() } else { Slots::None };
        Self {
            slots,
            lost,
            breaks_at: breaks_at(&walk, map, lost, slots),
            broken: walk.astray + walk.bad.count,
            free_is_mixed: walk.free_is_mixed(page, map),
        }
    }

    /// One flipped bit may be all that happened. Not where fill may be new: over what repeats
    /// itself it leaves a syndrome of one bit as well.
    pub(super) fn fits_one_bit(&self, map: SectorMap) -> bool {
        let is_all_records = self.slots != Slots::None || map.fills() == 0;
        self.broken <= 1 && !self.has_new_fill(map) && is_all_records
    }

    fn is_sound(&self, map: SectorMap) -> bool {
        self.slots == Slots::Sound && !self.has_new_fill(map)
    }

    fn has_new_fill(&self, map: SectorMap) -> bool {
        map.has_word_fill(self.lost) || self.free_is_mixed
    }
}

/// What the slots of a page lead to.
#[derive(Default)]
struct Walk {
    /// The header told how many slots there are; else all that lead to records were taken.
    is_by_header: bool,
    slots: usize,
    /// Where records end, at the least.
    used_end: usize,
    /// Slots that lead out of the records, or to where another one leads.
    astray: usize,
    /// Those of them that stand last in the array and are zeros.
    unwritten: usize,
    good: Found,
    bad: Found,
    starts: SectorSet,
}

/// Records of one kind, by the offsets at which they begin.
#[derive(Default)]
struct Found {
    count: usize,
    first: usize,
    last: usize,
}

impl Found {
    fn add(&mut self, at: usize) {
        self.first = if self.count == 0 { at } else { self.first.min(at) };
        self.last = self.last.max(at);
        self.count += 1;
    }
}

impl Walk {
    /// All slots that the header, which is sane, says there are.
    fn by_header(page: &Page, map: SectorMap) -> Self {
        let header = PageHeader::of(page);
        let kind = PageType::of(header.page_type);
        let used_end = usize::from(header.free_data);
        let mut walk = Self { is_by_header: true, used_end, ..Self::default() };
        if !has_records(kind) {
            return walk;
        }
        walk.slots = usize::from(header.slot_count);
        let last = (0..walk.slots).rev();
        walk.unwritten = last.take_while(|slot| slot_at(page, *slot) == 0).count();
        let mut seen = Seen::default();
        for slot in 0..walk.slots {
            let at = slot_at(page, slot);
            if !(HEADER_BYTES..used_end).contains(&at) || !seen.is_new(at) {
                walk.astray += 1;
                continue;
            }
            walk.starts.add(at / SECTOR_BYTES);
            let is_fill = map.sectors()[at / SECTOR_BYTES].is_fill();
            let is_record = !is_fill && is_record(page.bytes()[at], kind);
            let found = if is_record { &mut walk.good } else { &mut walk.bad };
            found.add(at);
        }
        walk
    }

    /// The slots from the end of the page on that lead to records, or into fill or the first
    /// `unreadable` bytes.
    fn by_tail(page: &Page, map: SectorMap, unreadable: usize) -> Self {
        let mut walk = Self::default();
        let mut seen = Seen::default();
        for slot in 0..(PAGE_BYTES - HEADER_BYTES) / SLOT_BYTES {
            let at = slot_at(page, slot);
            let slots_start = PAGE_BYTES - SLOT_BYTES * (slot + 1);
            if !(HEADER_BYTES..slots_start).contains(&at) || !seen.is_new(at) {
                break;
            }
            let is_unreadable = at < unreadable || map.sectors()[at / SECTOR_BYTES].is_fill();
            if !is_unreadable && !is_any_record(page.bytes()[at]) {
                break;
            }
            walk.slots += 1;
            walk.starts.add(at / SECTOR_BYTES);
            walk.used_end = walk.used_end.max(at + RECORD_BYTES_MIN);
            if !is_unreadable {
                walk.good.add(at);
            }
        }
        if walk.good.count < TAIL_RECORDS_MIN { Self::default() } else { walk }
    }

    fn verdict(&self) -> Slots {
        match (self.slots, self.astray + self.bad.count) {
            (0, _) => Slots::None,
            (_, 0) => Slots::Sound,
            (_, wrong) if wrong == self.unwritten && self.good.count > 0 => Slots::Unwritten,
            _ => Slots::Broken,
        }
    }

    /// Sectors of fill where there must be something else.
    fn lost(&self, page: &Page, map: SectorMap) -> SectorSet {
        let mut lost = SectorSet::default();
        let slots_start = PAGE_BYTES - SLOT_BYTES * self.slots;
        let used_end = if self.slots > 0 { self.used_end } else { 0 };
        for (k, sector) in map.sectors().iter().enumerate() {
            let at = k * SECTOR_BYTES;
            let bytes = at..at + SECTOR_BYTES;
            let records = overlap(&bytes, &(HEADER_BYTES..used_end));
            let is_needed = k == 0
                || records >= RECORD_BYTES_MIN
                || (records > 0 && self.starts.has(k))
                || overlap(&bytes, &(slots_start..PAGE_BYTES)) > 0;
            let is_blank = *sector == Sector::Pattern && is_blank(page, at);
            if sector.is_fill() && is_needed && !is_blank {
                lost.add(k);
            }
        }
        lost
    }

    /// True if a sector of free space is fill and not all of free space is the same: one changed
    /// byte aside, and what SQL Server leaves before its own fill.
    fn free_is_mixed(&self, page: &Page, map: SectorMap) -> bool {
        let slots_start = PAGE_BYTES - SLOT_BYTES * self.slots;
        let free = self.used_end + SLOT_BYTES..slots_start;
        let is_free = |k: &usize| {
            let bytes = k * SECTOR_BYTES..(k + 1) * SECTOR_BYTES;
            map.sectors()[*k].is_word_fill() && overlap(&bytes, &free) == SECTOR_BYTES
        };
        let Some(fill) = (0..PAGE_SECTORS).find(is_free) else { return false };
        let byte = page.bytes()[fill * SECTOR_BYTES];
        let free = page.bytes().get(free).unwrap_or_default();
        self.slots > 0 && free.iter().filter(|other| **other != byte).count() > 1
    }

    /// Where records end to be sound, or begin to be.
    fn record_break(&self) -> Option<u16> {
        let (good, bad) = (&self.good, &self.bad);
        let min = AGREEING_RECORDS_MIN * if self.astray > 0 { 2 } else { 1 };
        if good.count < min || bad.count < min {
            None
        } else if good.last < bad.first {
            boundary(good.last, bad.first)
        } else if bad.last < good.first {
            boundary(bad.last, good.first)
        } else {
            None
        }
    }
}

/// Offsets that were seen, one bit each.
struct Seen([u64; PAGE_BYTES / 64]);

impl Default for Seen {
    fn default() -> Self {
        Self([0; PAGE_BYTES / 64])
    }
}

impl Seen {
    /// Remembers `at`, which is inside a page; true if it was not seen before.
    fn is_new(&mut self, at: usize) -> bool {
        let (word, bit) = (&mut self.0[at / 64], 1 << (at % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

/// The multiple of 512 in `after..=until`, 4096 before all others.
fn boundary(after: usize, until: usize) -> Option<u16> {
    let aligned = until / SECTOR_BYTES * SECTOR_BYTES;
    if after < HALF && HALF <= until {
        Some(HALF as u16)
    } else {
        (aligned > after).then_some(aligned as u16)
    }
}

fn breaks_at(walk: &Walk, map: SectorMap, lost: SectorSet, slots: Slots) -> Option<u16> {
    if map.fills() == PAGE_SECTORS {
        return None;
    }
    let is_other_half = map.half_of(Sector::Noise).is_some() && slots != Slots::Sound;
    if is_other_half || lost.spans_half(0) || lost.spans_half(1) {
        return Some(HALF as u16);
    }
    let run_edge = || {
        let first = lost.iter().next()?;
        let end = (first..PAGE_SECTORS).find(|k| !lost.has(*k))?;
        Some(((if first > 0 { first } else { end }) * SECTOR_BYTES) as u16)
    };
    let last_edge = || lost.iter().next().filter(|k| *k > 0).map(|k| (k * SECTOR_BYTES) as u16);
    run_edge().or_else(last_edge).or_else(|| walk.record_break())
}

/// `map` of `page` without sectors of short rows that are all the same, which repeat themselves as
/// a fill text does. But they begin where slots say, at the same byte of each repetition.
pub(super) fn without_rows(page: &Page, map: SectorMap) -> SectorMap {
    let is_of_rows = |k: &usize| {
        let sector = k * SECTOR_BYTES..(k + 1) * SECTOR_BYTES;
        let Some(period) = period_bytes(&page.bytes()[sector.clone()]) else { return false };
        let slots = (0..(PAGE_BYTES - HEADER_BYTES) / SLOT_BYTES).map(|slot| slot_at(page, slot));
        let slots = slots.take_while(|at| (HEADER_BYTES..PAGE_BYTES).contains(at));
        // Where there are no slots, what fills the page may look like one slot many times.
        let starts: BTreeSet<usize> = slots.filter(|at| sector.contains(at)).collect();
        let phases: BTreeSet<usize> = starts.iter().map(|at| at % period).collect();
        let are_rows = starts.iter().all(|at| starts_row(page.bytes()[*at]));
        starts.len() >= EQUAL_ROWS_MIN && phases.len() == 1 && are_rows
    };
    // The first one has the header, which repeats nothing.
    let repeats = (1..PAGE_SECTORS).filter(|k| map.sectors()[*k] == Sector::Repeat);
    repeats.filter(is_of_rows).fold(map, SectorMap::without)
}

/// Compressed rows included.
fn starts_row(status: u8) -> bool {
    is_any_record(status) || is_record(status, PageType::Data)
}

fn has_records(kind: PageType) -> bool {
    use PageType::{Data, Index, TextMix, TextTree};
    matches!(kind, Data | Index | TextMix | TextTree)
}

fn slot_at(page: &Page, slot: usize) -> usize {
    usize::from(page.u16_at(PAGE_BYTES - SLOT_BYTES * (slot + 1)))
}

/// True if `status`, status byte A, is one that records of such a page begin with. Rows of
/// compressed pages begin otherwise, with their lowest bit set.
fn is_record(status: u8, kind: PageType) -> bool {
    let (record_type, has_null_bitmap) = (status >> 1 & 7, status & 0x10 != 0);
    if status & 0x80 != 0 {
        return false;
    }
    let is_compressed = status & 1 != 0 && status & 0x40 == 0;
    match kind {
        PageType::Data => match record_type {
            _ if is_compressed => true,
            0 | 1 | 6 | 7 => has_null_bitmap && status & 1 == 0,
            // A stub has neither null bitmap nor variable columns.
            2 => status & 0x31 == 0,
            _ => false,
        },
        PageType::Index => is_compressed || (matches!(record_type, 3 | 5) && status & 1 == 0),
        _ => record_type == 4 && status & 1 == 0,
    }
}

/// One that a record of any page may begin with, without compressed ones: almost anything would do
/// for these.
fn is_any_record(status: u8) -> bool {
    let kinds = [PageType::Data, PageType::Index, PageType::TextMix];
    status & 1 == 0 && kinds.iter().any(|kind| is_record(status, *kind))
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> usize {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

fn is_blank(page: &Page, at: usize) -> bool {
    let word = page.u32_at(at);
    BLANKS.iter().any(|blank| *blank == word || blank.rotate_left(8) == word)
}

/// How many bytes of noise `page` begins with, in steps of 32, if that is its header at least and
/// the records and slots after it are intact.
pub(super) fn noise_head_bytes(page: &Page, map: SectorMap) -> Option<u16> {
    if PageHeader::of(page).is_sane() {
        return None;
    }
    let sector = page.bytes()[..SECTOR_BYTES].chunks_exact(NOISE_STEP);
    let noise = sector.take_while(|step| is_noise(step)).count() * NOISE_STEP;
    // All of a sector, and it may be a whole sector that is somebody else's.
    if !(HEADER_BYTES..SECTOR_BYTES).contains(&noise) {
        return None;
    }
    let walk = Walk::by_tail(page, map, noise);
    let first_is_intact = || {
        let status = page.bytes()[HEADER_BYTES];
        let mut offsets = (0..walk.slots).map(|slot| slot_at(page, slot));
        offsets.any(|at| at >= noise && at > HEADER_BYTES && page.bytes()[at] == status)
    };
    let noise = if first_is_intact() { HEADER_BYTES } else { noise };
    (walk.good.count >= TAIL_RECORDS_MIN).then_some(noise as u16)
}

fn is_noise(step: &[u8]) -> bool {
    let mut seen = [0_u64; 4];
    for byte in step {
        seen[usize::from(byte / 64)] |= 1 << (byte % 64);
    }
    seen.iter().map(|word| word.count_ones() as usize).sum::<usize>() >= NOISE_DISTINCT_MIN
}

/// True if a bit of the header that explains `syndrome`, flipped back, makes `page` sound.
pub(super) fn header_bit_explains(page: &Page, map: SectorMap, syndrome: Checksum) -> bool {
    let bits = header_bits_behind(syndrome);
    let mut words = (0..HEADER_BYTES).step_by(4).filter(|at| *at != TORN_BITS_OFFSET);
    words.any(|at| {
        let mut before = *page;
        let word = (page.u32_at(at) ^ bits).to_le_bytes();
        before.bytes_mut()[at..at + 4].copy_from_slice(&word);
        Structure::of(&before, map).is_sound(map)
    })
}
