//! The header of a page field by field, by Microsoft's names and in the order of DBCC PAGE.

use crate::page::address::{FileId, PageAddress, PageId};
use crate::page::header::PageHeader;
use serde::{Serialize, Serializer};
use std::fmt;

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As DBCC PAGE calls it.
    pub name: &'static str,
    /// What it holds.
    pub value: Value,
}

/// What a field holds, as DBCC PAGE prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Decimal.
    Number(i64),
    /// Hexadecimal.
    Bits(u16),
    /// A page, an LSN, a transaction.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Bits(bits) => write!(f, "{bits:#x}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Bits(_) | Self::Text(_) => serializer.collect_str(self),
        }
    }
}

/// All fields of `header`, the reserved bytes apart.
pub fn fields(header: &PageHeader) -> Vec<Field> {
    let number = |name, value: i64| Field { name, value: Value::Number(value) };
    let bits = |name, value: u16| Field { name, value: Value::Bits(value) };
    let text = |name, value: String| Field { name, value: Value::Text(value) };
    let page = |file: u16, page: u32| PageAddress::new(FileId(file), PageId(page)).to_string();
    vec![
        text("m_pageId", header.address().to_string()),
        number("m_headerVersion", header.header_version.into()),
        number("m_type", header.page_type.into()),
        bits("m_typeFlagBits", header.type_flag_bits.into()),
        number("m_level", header.level.into()),
        bits("m_flagBits", header.flag_bits),
        number("m_objId", header.object_id.into()),
        number("m_indexId", header.index_id.into()),
        text("m_prevPage", page(header.prev_file, header.prev_page)),
        text("m_nextPage", page(header.next_file, header.next_page)),
        number("pminlen", header.pminlen.into()),
        number("m_slotCnt", header.slot_count.into()),
        number("m_freeCnt", header.free_count.into()),
        number("m_freeData", header.free_data.into()),
        number("m_reservedCnt", header.reserved_count.into()),
        text("m_lsn", header.lsn().to_string()),
        number("m_xactReserved", header.xact_reserved.into()),
        text("m_xdesId", format!("({}:{})", header.xdes_id_high, header.xdes_id_low)),
        number("m_ghostRecCnt", header.ghost_record_count.into()),
        number("m_tornBits", header.torn_bits.cast_signed().into()),
    ]
}

/// The fields as one object, in their order.
pub(super) fn as_object<S: Serializer>(fields: &[Field], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|field| (field.name, &field.value)))
}
