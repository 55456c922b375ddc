//! Text records, of which LOB values are made, and the pointers in rows that lead to them
//! (docs/page-format.md, section 6.7).

use super::slots::{Columns, ROW_ID_BYTES, RowId, Slot};

const BLOB_ID: usize = 4;
const TYPE: usize = 12;
const LINK_COUNT: usize = 16;
/// Where the links of a root begin, and how long each is: its end, then where it leads.
const ROOT_LINKS: (usize, usize) = (24, 12);
/// Those of an internal record.
const INTERNAL_LINKS: (usize, usize) = (20, 16);
/// A pointer to a root: id, four bytes, where it is.
const TEXT_POINTER_BYTES: usize = 16;
/// A root inside a row: its id, and where its links begin.
const IN_ROW_ID: usize = 8;
const IN_ROW_LINKS: usize = 12;
/// Its first byte.
const IN_ROW_ROOT: u8 = 4;
/// What leads from a forwarded row to its stub: two bytes, then where that is.
const BACK_POINTER: [u8; 2] = [0, 4];
const BACK_POINTER_BYTES: usize = 2 + ROW_ID_BYTES;

/// A text record.
#[derive(Clone, Copy)]
pub struct Blob<'a> {
    bytes: &'a [u8],
    /// 0 small root, 2 internal, 3 data, 4 old root, 5 root, 8 null.
    pub kind: u16,
}

impl<'a> Blob<'a> {
    /// The one in `slot`, if it is as long as it says.
    pub fn of(slot: Slot<'a>) -> Option<Self> {
        let bytes = slot.record()?;
        let kind = u16::from_le_bytes(bytes.get(TYPE..TYPE + 2)?.try_into().ok()?);
        Some(Self { bytes, kind })
    }

    /// It is of a type that there is.
    pub fn is_known(self) -> bool {
        matches!(self.kind, 0 | 2 | 3 | 4 | 5 | 8)
    }

    /// It begins a value: rows point at it.
    pub fn is_root(self) -> bool {
        matches!(self.kind, 0 | 4 | 5 | 8)
    }

    /// Which value it is a part of.
    pub fn id(self) -> u64 {
        self.bytes
            .get(BLOB_ID..BLOB_ID + 8)
            .map_or(0, |id| u64::from_le_bytes(id.try_into().unwrap_or_default()))
    }

    /// Where its links begin, and how long each is; `None` if it has none.
    fn shape(self) -> Option<(usize, usize)> {
        match self.kind {
            4 | 5 => Some(ROOT_LINKS),
            2 => Some(INTERNAL_LINKS),
            _ => None,
        }
    }

    /// Its links, as far as they are in it: where each part of the value ends, and where it is.
    pub fn links(self) -> impl Iterator<Item = (u64, RowId)> {
        let (first, each) = self.shape().unwrap_or(ROOT_LINKS);
        let count = if self.shape().is_some() { self.link_count() } else { 0 };
        let links = self.bytes.get(first..).unwrap_or_default();
        links.chunks_exact(each).take(count.into()).filter_map(link)
    }

    fn link_count(self) -> u16 {
        let count = self.bytes.get(LINK_COUNT..LINK_COUNT + 2);
        count.map_or(0, |bytes| u16::from_le_bytes(bytes.try_into().unwrap_or_default()))
    }

    /// Its links are all there, and their ends ascend.
    pub fn ascends(self) -> bool {
        let mut before = None;
        let is_all =
            self.shape().is_none() || self.links().count() == usize::from(self.link_count());
        is_all
            && self.links().all(|(end, _)| {
                let ascends = before.is_none_or(|before| before < end);
                before = Some(end);
                ascends
            })
    }
}

/// The end, in four or eight bytes, then where it leads.
fn link(bytes: &[u8]) -> Option<(u64, RowId)> {
    let (end, to) = bytes.split_at_checked(bytes.len() - ROW_ID_BYTES)?;
    let mut wide = [0; 8];
    wide[..end.len()].copy_from_slice(end);
    Some((u64::from_le_bytes(wide), RowId::of(to)?))
}

/// What a complex column of a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer<'a> {
    /// The lower half of a value's id, and where its root is.
    Text(u32, RowId),
    /// A root in the row: bits 16 to 47 of the value's id, and its links.
    InRow(u32, &'a [u8]),
    /// Where the stub of a forwarded row is.
    Back(RowId),
    /// Something else.
    Other,
}

impl<'a> Pointer<'a> {
    /// What `bytes` of a complex column are (docs/page-format.md, section 6.7).
    pub fn of(bytes: &'a [u8]) -> Self {
        let u32_at = |at: usize| {
            let bytes = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let text = || Some(Self::Text(u32_at(0)?, RowId::of(bytes.get(8..)?)?));
        let in_row = || Some(Self::InRow(u32_at(IN_ROW_ID)?, bytes.get(IN_ROW_LINKS..)?));
        let is_in_row = bytes.first() == Some(&IN_ROW_ROOT)
            && bytes.len() >= IN_ROW_LINKS + ROOT_LINKS.1
            && bytes.len().is_multiple_of(ROOT_LINKS.1);
        let pointer = match bytes.len() {
            TEXT_POINTER_BYTES => text(),
            BACK_POINTER_BYTES if bytes.starts_with(&BACK_POINTER) => {
                RowId::of(&bytes[BACK_POINTER.len()..]).map(Self::Back)
            }
            _ if is_in_row => in_row(),
            _ => None,
        };
        pointer.unwrap_or(Self::Other)
    }

    /// The links of a root in a row.
    pub fn links(self) -> impl Iterator<Item = RowId> + use<'a> {
        let links = if let Self::InRow(_, links) = self { links } else { &[] };
        links.chunks_exact(ROOT_LINKS.1).filter_map(link).map(|(_, to)| to)
    }
}

/// The complex columns of the record in `slot`.
pub fn pointers(slot: Slot<'_>, columns: Columns) -> impl Iterator<Item = Pointer<'_>> {
    (0..columns.variable).filter_map(move |index| {
        let (bytes, is_complex) = slot.variable(&columns, index)?;
        is_complex.then(|| Pointer::of(bytes))
    })
}
