//! The slot array of a page and the records that it leads to: their types, lengths and columns
//! (docs/page-format.md, sections 6.2 and 6.6).

use super::address::{FileId, PageAddress, PageId};
use super::header::PageHeader;
use super::kind::PageType;
use super::{PAGE_BYTES, Page};
use std::ops::Range;

/// Bytes of one slot.
pub const SLOT_BYTES: usize = 2;
/// Bytes of the header.
pub const ROWS_BEGIN: usize = 96;

/// Status byte A: a record of row or page compression, in another layout.
const IS_COMPRESSED: u8 = 0x01;
const TYPE_SHIFT: u8 = 1;
const TYPE_MASK: u8 = 7;
const HAS_NULL_BITMAP: u8 = 0x10;
const HAS_VARIABLE_COLUMNS: u8 = 0x20;
const HAS_VERSION_TAG: u8 = 0x40;
/// Of `m_typeFlagBits`: all records of the page are compressed.
const PAGE_IS_COMPRESSED: u8 = 0x80;
/// Of `m_flagBits`: records are padded to four bytes. Of the IAM pages only page 12 has it.
const PADS_RECORDS: u16 = 0x0002;
/// Marks the end of a complex column: a pointer.
const IS_COMPLEX: u16 = 0x8000;
const VERSION_TAG_BYTES: usize = 14;
/// Status, page, file, slot.
const STUB_BYTES: usize = 9;
/// Of a row: status bytes, and the end of the fixed part.
const ROW_HEAD_BYTES: usize = 4;
/// Page, file, slot.
pub const ROW_ID_BYTES: usize = 8;

/// What a record is, by bits 1 to 3 of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordType {
    /// A row.
    Primary,
    /// A row of a heap that did not fit into its place any more; a stub leads to it.
    Forwarded,
    /// What is left in that place.
    ForwardingStub,
    /// An entry of an index.
    Index,
    /// A piece of LOB values.
    Blob,
    /// A deleted entry of an index.
    GhostIndex,
    /// A deleted row.
    GhostData,
    /// A deleted row that is kept for its version.
    GhostVersion,
}

impl RecordType {
    fn of(status: u8) -> Self {
        match status >> TYPE_SHIFT & TYPE_MASK {
            0 => Self::Primary,
            1 => Self::Forwarded,
            2 => Self::ForwardingStub,
            3 => Self::Index,
            4 => Self::Blob,
            5 => Self::GhostIndex,
            6 => Self::GhostData,
            _ => Self::GhostVersion,
        }
    }

    /// As DBCC PAGE prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY_RECORD",
            Self::Forwarded => "FORWARDED_RECORD",
            Self::ForwardingStub => "FORWARDING_STUB",
            Self::Index => "INDEX_RECORD",
            Self::Blob => "BLOB_FRAGMENT",
            Self::GhostIndex => "GHOST_INDEX_RECORD",
            Self::GhostData => "GHOST_DATA_RECORD",
            Self::GhostVersion => "GHOST_VERSION_RECORD",
        }
    }

    /// It is deleted, and will be removed.
    pub fn is_ghost(self) -> bool {
        self >= Self::GhostIndex
    }
}

/// A slot of a page: a slot, and what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowId {
    /// The page.
    pub page: PageAddress,
    /// The slot on it.
    pub slot: u16,
}

impl RowId {
    /// The first eight of `bytes`: page, file, slot.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let slot = u16::from_le_bytes(bytes.get(6..ROW_ID_BYTES)?.try_into().ok()?);
        Some(Self { page: address_of(bytes)?, slot })
    }
}

/// The first six of `bytes`: page, file.
pub fn address_of(bytes: &[u8]) -> Option<PageAddress> {
    let page = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let file = u16::from_le_bytes(bytes.get(4..6)?.try_into().ok()?);
    Some(PageAddress::new(FileId(file), PageId(page)))
}

/// The slot array of a page whose torn bits are restored. Nothing in it is trusted.
#[derive(Clone, Copy)]
pub struct Slots<'a> {
    page: &'a Page,
    header: &'a PageHeader,
}

impl<'a> Slots<'a> {
    /// Those of `page`.
    pub fn of(page: &'a Page) -> Self {
        Self { page, header: PageHeader::of(page) }
    }

    /// How many there are, at most as many as fit into the page.
    pub fn count(self) -> u16 {
        self.header.slot_count.min(((PAGE_BYTES - ROWS_BEGIN) / SLOT_BYTES) as u16)
    }

    /// The records of the page are compressed, most of them or all of it. Their layout is another.
    pub fn are_compressed(self) -> bool {
        let has_rows =
            matches!(PageType::of(self.header.page_type), PageType::Data | PageType::Index);
        has_rows
            && (self.header.type_flag_bits & PAGE_IS_COMPRESSED != 0 || self.most_are_compressed())
    }

    /// What is no record may have any first byte; and one record, or one slot that leads into
    /// another, must not hide a page from who checks it.
    fn most_are_compressed(self) -> bool {
        let records = self.all().filter(|slot| usize::from(slot.offset) >= ROWS_BEGIN);
        let (all, compressed) = records.fold((0, 0), |(all, compressed), slot| {
            (all + 1, compressed + u32::from(slot.status() & IS_COMPRESSED))
        });
        2 * compressed > all
    }

    /// Records are padded to so many bytes.
    pub fn padding(self) -> usize {
        if self.header.flag_bits & PADS_RECORDS == 0 { 1 } else { 4 }
    }

    /// The offset that stands in slot `number`, below [`Self::count`].
    #[inline]
    pub fn offset(self, number: u16) -> u16 {
        self.page.u16_at(PAGE_BYTES - SLOT_BYTES * (usize::from(number) + 1))
    }

    /// All of them. A slot of offset 0 is empty.
    #[inline]
    pub fn all(self) -> impl Iterator<Item = Slot<'a>> {
        (0..self.count()).map(move |number| self.slot(number))
    }

    /// The slot `number`, below [`Self::count`].
    #[inline]
    pub fn slot(self, number: u16) -> Slot<'a> {
        let offset = self.offset(number);
        let bytes = self.page.bytes().get(usize::from(offset)..).unwrap_or_default();
        Slot { number, offset, bytes, fixed_of_index: self.header.pminlen }
    }
}

/// One slot, and the bytes of its page from its record on.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// From 0.
    pub number: u16,
    /// Where its record begins; 0 if it is empty.
    pub offset: u16,
    bytes: &'a [u8],
    fixed_of_index: u16,
}

impl<'a> Slot<'a> {
    /// No record.
    pub fn is_empty(self) -> bool {
        self.offset == 0
    }

    /// Status byte A.
    #[inline]
    pub fn status(self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// Status byte B, which index and text records do not have.
    pub fn status_b(self) -> u8 {
        self.bytes.get(1).copied().unwrap_or_default()
    }

    /// What it is.
    #[inline]
    pub fn kind(self) -> RecordType {
        RecordType::of(self.status())
    }

    /// It has a null bitmap.
    pub fn has_null_bitmap(self) -> bool {
        self.status() & HAS_NULL_BITMAP != 0
    }

    /// It has columns of variable length.
    pub fn has_variable_columns(self) -> bool {
        self.status() & HAS_VARIABLE_COLUMNS != 0
    }

    /// Its last 14 bytes are a version tag: where the version before it is, and whose this is.
    pub fn has_version_tag(self) -> bool {
        self.status() & HAS_VERSION_TAG != 0
    }

    /// Where its columns are; `None` if that leads out of the page.
    #[inline]
    pub fn columns(self) -> Option<Columns> {
        let fixed_end = match self.kind() {
            RecordType::ForwardingStub => return Some(Columns::none(STUB_BYTES)),
            RecordType::Blob => return Some(Columns::none(self.u16_at(2)?.into())),
            RecordType::Index | RecordType::GhostIndex => self.fixed_of_index,
            _ => self.u16_at(2)?,
        };
        let fixed_end = usize::from(fixed_end);
        let (mut end, mut count) = (fixed_end, 0);
        if self.has_null_bitmap() {
            count = self.u16_at(end)?;
            end += 2 + usize::from(count).div_ceil(8);
        }
        let bitmap = fixed_end + 2;
        let mut columns = Columns { fixed_end, count, bitmap, variable: 0, ends: end, end };
        if self.has_variable_columns() {
            columns.variable = self.u16_at(end)?;
            columns.ends = end + 2;
            end = columns.ends + 2 * usize::from(columns.variable);
            columns.end = match columns.variable {
                0 => end,
                n => usize::from(self.u16_at(columns.ends + 2 * usize::from(n - 1))? & !IS_COMPLEX),
            };
            // An end before the beginning is told by who checks; the record is no shorter.
            columns.end = columns.end.max(end);
        }
        Some(columns)
    }

    /// Its length in bytes, with its version tag; `None` if it leads out of the page.
    #[inline]
    pub fn length(self) -> Option<usize> {
        let tag = if self.has_version_tag() { VERSION_TAG_BYTES } else { 0 };
        let length = self.columns()?.end + tag;
        (length <= self.bytes.len()).then_some(length)
    }

    /// Its bytes, if its length can be told.
    pub fn record(self) -> Option<&'a [u8]> {
        self.bytes.get(..self.length()?)
    }

    /// Variable column `index` of `columns`: its bytes, and whether it is a pointer.
    pub fn variable(self, columns: &Columns, index: u16) -> Option<(&'a [u8], bool)> {
        let range = self.variable_range(columns, index)?;
        let end = self.u16_at(columns.ends + 2 * usize::from(index))?;
        Some((self.bytes.get(range)?, end & IS_COMPLEX != 0))
    }

    /// Where in the record variable column `index` of `columns` is.
    pub fn variable_range(self, columns: &Columns, index: u16) -> Option<Range<usize>> {
        if index >= columns.variable {
            return None;
        }
        let end_of = |index: u16| {
            let end = self.u16_at(columns.ends + 2 * usize::from(index))?;
            Some(usize::from(end & !IS_COMPLEX))
        };
        let first = columns.ends + 2 * usize::from(columns.variable);
        let start = if index == 0 { first } else { end_of(index - 1)? };
        let end = end_of(index)?;
        (start <= end).then_some(start..end)
    }

    /// Whether column `index`, counted over all, has no value.
    pub fn is_null(self, columns: &Columns, index: u16) -> bool {
        let byte = self.bytes.get(columns.bitmap + usize::from(index / 8));
        index < columns.count && byte.is_some_and(|byte| byte >> (index % 8) & 1 != 0)
    }

    /// The page that an entry of an index page above the leaves leads to: the last six bytes of
    /// its fixed part.
    pub fn child(self) -> Option<PageAddress> {
        let end = usize::from(self.fixed_of_index);
        address_of(self.bytes.get(end.checked_sub(6)?..end)?)
    }

    /// Where a forwarding stub leads.
    pub fn forwards_to(self) -> Option<RowId> {
        RowId::of(self.bytes.get(1..STUB_BYTES)?)
    }

    #[inline]
    fn u16_at(self, offset: usize) -> Option<u16> {
        let pair = self.bytes.get(offset..offset + 2)?;
        Some(u16::from_le_bytes([pair[0], pair[1]]))
    }
}

/// Where the parts of a record are; offsets count from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Where the fixed part ends.
    pub fixed_end: usize,
    /// Columns in all, by the null bitmap; 0 if there is none.
    pub count: u16,
    /// Where the bits of the null bitmap begin.
    pub bitmap: usize,
    /// Columns of variable length.
    pub variable: u16,
    /// Where their ends stand.
    pub ends: usize,
    /// Where the record ends, but for a version tag.
    pub end: usize,
}

impl Columns {
    fn none(end: usize) -> Self {
        Self { fixed_end: end, count: 0, bitmap: end, variable: 0, ends: end, end }
    }

    /// Where the fixed columns are.
    pub fn fixed(&self, kind: RecordType) -> Range<usize> {
        let head = match kind {
            RecordType::Index | RecordType::GhostIndex => 1,
            _ => ROW_HEAD_BYTES,
        };
        head.min(self.fixed_end)..self.fixed_end
    }
}
