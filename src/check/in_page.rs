//! Rules that one page keeps or breaks by itself: header, slot array, records (docs/check.md,
//! section "In one page"). They hold wherever the page is from, unclean shutdowns and backups too.

use super::Breach;
use super::rule::Rule;
use crate::page::address::PageAddress;
use crate::page::allocation::{PfsByte, fixed_page_type};
use crate::page::blob::Blob;
use crate::page::header::PageHeader;
use crate::page::iam::IamPage;
use crate::page::kind::PageType;
use crate::page::slots::{Columns, ROWS_BEGIN, RecordType, SLOT_BYTES, Slot, Slots};
use crate::page::{PAGE_BYTES, Page};

/// Free bytes of a page without rows.
const FREE_BYTES_MAX: usize = PAGE_BYTES - ROWS_BEGIN;
/// `m_objId` of pages with a fixed place.
const FIXED_OBJECT_ID: u32 = 99;
/// Status byte A: never set on a page in use.
const STATUS_UNUSED: u8 = 0x80;
/// Of a PFS byte: never set on a page in use.
const PFS_UNUSED: u8 = 0x80;
/// First and second record of GAM, SGAM, DIFF, ML and IAM pages: where, and their first bytes.
const MAP_RECORDS: [(u16, [u8; 4]); 2] = [(96, [0, 0, 0x5e, 0]), (190, [0, 0, 0x38, 0x1f])];
/// Where the second one is when records are padded.
const PADDED_MAP_RECORD: u16 = 192;

/// The rows of a page, as far as they are those of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Records that were looked at.
    pub records: u32,
    /// They are compressed: not looked at.
    pub are_compressed: bool,
}

/// What is wrong with `page`, torn bits restored, which is in use at `place` and passes its own
/// check; `pfs` is what its PFS page says of it. The first rule that is broken, in their order.
/// Shows `visit` each record; what it has seen counts only if no rule is broken.
pub fn check<'p>(
    page: &'p Page,
    place: PageAddress,
    pfs: PfsByte,
    mut visit: impl FnMut(Slot<'p>, &Columns),
) -> Result<Rows, Breach> {
    let header = PageHeader::of(page);
    check_header(header, place, pfs).map_err(|rule| Breach::of(rule, place))?;
    match PageType::of(header.page_type) {
        PageType::Data | PageType::Index | PageType::TextMix | PageType::TextTree => {
            check_rows(page, place, &mut visit)
        }
        PageType::Gam | PageType::Sgam | PageType::Iam | PageType::DiffMap | PageType::MlMap
            if !has_map_records(page) =>
        {
            Err(Breach::of(Rule::P0, place))
        }
        _ => Ok(Rows::default()),
    }
}

fn check_header(header: &PageHeader, place: PageAddress, pfs: PfsByte) -> Result<(), Rule> {
    let kind = PageType::of(header.page_type);
    let fixed = fixed_page_type(place.file, place.page);
    let is_of_pages_in_use = kind.is_of_pages_in_use() || header.is_server_configuration();
    let breaks = [
        (Rule::H1, !header.is_sane() || header.reserved != [0; 32]),
        (Rule::H2, header.level != 0 && kind != PageType::Index && is_of_pages_in_use),
        (Rule::H3, !is_of_pages_in_use),
        (Rule::H4, kind.has_fixed_place() && fixed != Some(kind)),
        (Rule::H4, fixed.is_some() && header.object_id != FIXED_OBJECT_ID),
        (Rule::A6, pfs.is_iam() != (kind == PageType::Iam) || pfs.0 & PFS_UNUSED != 0),
    ];
    breaks.into_iter().find(|(_, is_broken)| *is_broken).map_or(Ok(()), |(rule, _)| Err(rule))
}

fn has_map_records(page: &Page) -> bool {
    let slots = Slots::of(page);
    let [first, second] = MAP_RECORDS;
    let second_at = if slots.padding() == 1 { second.0 } else { PADDED_MAP_RECORD };
    let begins = |at: u16, with: [u8; 4]| page.bytes()[usize::from(at)..][..4] == with;
    slots.count() == 2
        && (slots.offset(0), slots.offset(1)) == (first.0, second_at)
        && begins(first.0, first.1)
        && begins(second_at, second.1)
        && (PageHeader::of(page).page_type != PageType::Iam.m_type() || IamPage::of(page).is_some())
}

fn check_rows<'p>(
    page: &'p Page,
    place: PageAddress,
    visit: &mut impl FnMut(Slot<'p>, &Columns),
) -> Result<Rows, Breach> {
    let (slots, header) = (Slots::of(page), PageHeader::of(page));
    let broken = |rule: Rule| Breach::of(rule, place);
    if slots.are_compressed() {
        return Ok(Rows { are_compressed: true, ..Rows::default() });
    }
    let limits = Limits::of(header);
    // Bytes of rows, each at most once: a bit for each byte of the page.
    let mut taken = Taken::default();
    let (mut records, mut bytes, mut ghosts) = (0, 0, 0);
    for slot in slots.all() {
        let in_slot = |rule| Breach { slot: Some(slot.number), ..broken(rule) };
        let Some((columns, length)) = limits.record(slot).map_err(in_slot)? else { continue };
        let padded = length.next_multiple_of(slots.padding());
        if !taken.take(usize::from(slot.offset), length) {
            return Err(in_slot(Rule::P4));
        }
        visit(slot, &columns);
        records += 1;
        bytes += padded;
        ghosts += u16::from(matches!(slot.kind(), RecordType::GhostIndex | RecordType::GhostData));
    }
    let free = FREE_BYTES_MAX.checked_sub(bytes + SLOT_BYTES * usize::from(slots.count()));
    if free != Some(usize::from(header.free_count)) {
        return Err(broken(Rule::P8));
    }
    if ghosts != header.ghost_record_count {
        return Err(broken(Rule::P9));
    }
    if header.reserved_count > header.free_count {
        return Err(broken(Rule::P10));
    }
    Ok(Rows { records, are_compressed: false })
}

/// What the records of a page must keep to.
struct Limits {
    kind: PageType,
    is_heap_or_text: bool,
    free_data: usize,
}

impl Limits {
    fn of(header: &PageHeader) -> Self {
        let kind = PageType::of(header.page_type);
        // Index pages have no empty slots. Of data pages it is not known here whether they are of a
        // heap: of an index they have a neighbour, or are all of it.
        let is_heap_or_text = kind != PageType::Index;
        Self { kind, is_heap_or_text, free_data: header.free_data.into() }
    }

    /// The columns of the record in `slot` and its length, `None` if that is empty, or the rule
    /// that it breaks.
    #[inline]
    fn record(&self, slot: Slot<'_>) -> Result<Option<(Columns, usize)>, Rule> {
        if slot.is_empty() && self.is_heap_or_text {
            return Ok(None);
        }
        let at = usize::from(slot.offset);
        if at < ROWS_BEGIN || at >= self.free_data {
            return Err(Rule::P1);
        }
        let kind = slot.kind();
        if !self.may_have(kind) || slot.status() & STATUS_UNUSED != 0 {
            return Err(Rule::P2);
        }
        let is_row = self.kind == PageType::Data && kind != RecordType::ForwardingStub;
        if is_row && slot.status_b() > 1 {
            return Err(Rule::P3);
        }
        let columns = slot.columns().ok_or(Rule::P6)?;
        Self::check_columns(slot, &columns, is_row)?;
        let length = slot.length().ok_or(Rule::P5)?;
        if at + length > self.free_data {
            return Err(Rule::P5);
        }
        if kind == RecordType::Blob && !is_text_record(slot) {
            return Err(Rule::L1);
        }
        Ok(Some((columns, length)))
    }

    fn may_have(&self, kind: RecordType) -> bool {
        use RecordType::{Blob, Forwarded, ForwardingStub, GhostData, GhostIndex, Index, Primary};
        match self.kind {
            PageType::Data => matches!(kind, Primary | Forwarded | ForwardingStub | GhostData),
            PageType::Index => matches!(kind, Index | GhostIndex),
            _ => kind == Blob,
        }
    }

    #[inline]
    fn check_columns(slot: Slot<'_>, columns: &Columns, is_row: bool) -> Result<(), Rule> {
        if is_row && !slot.has_null_bitmap() {
            return Err(Rule::P7);
        }
        if (is_row && columns.fixed_end < 4) || columns.fixed_end > PAGE_BYTES - ROWS_BEGIN {
            return Err(Rule::P6);
        }
        // A forwarded row has one more: where its stub is.
        let more = u16::from(slot.kind() == RecordType::Forwarded);
        if slot.has_null_bitmap() && columns.variable > columns.count.saturating_add(more) {
            return Err(Rule::P6);
        }
        let ascends = |index: u16| slot.variable_range(columns, index).is_some();
        if !(0..columns.variable).all(ascends) {
            return Err(Rule::P6);
        }
        Ok(())
    }
}

/// A text record has a type that there is, and its links ascend.
fn is_text_record(slot: Slot<'_>) -> bool {
    Blob::of(slot).is_some_and(|blob| blob.is_known() && blob.ascends())
}

/// Which bytes of a page are taken by records.
struct Taken([u64; PAGE_BYTES / 64]);

impl Default for Taken {
    fn default() -> Self {
        Self([0; PAGE_BYTES / 64])
    }
}

impl Taken {
    /// Takes `length` bytes from `at` on; false if one of them is taken already.
    #[inline]
    fn take(&mut self, at: usize, length: usize) -> bool {
        let (mut at, end) = (at, at + length);
        while at < end {
            let (word, bit) = (at / 64, at % 64);
            let count = (64 - bit).min(end - at);
            let bits = (u64::MAX >> (64 - count)) << bit;
            if self.0[word] & bits != 0 {
                return false;
            }
            self.0[word] |= bits;
            at += count;
        }
        true
    }
}

#[cfg(test)]
mod tests;
