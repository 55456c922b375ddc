//! What a page belongs to: an object, one of its indexes, and what of it the page holds.

use crate::page::address::PageAddress;
use crate::page::kind::PageType;
use std::fmt;
use std::sync::Arc;

/// Object ids below this belong to the system tables.
const SYSTEM_OBJECT_ID_END: i32 = 100;

/// `type` in sys.indexes: columnstore indexes, of which segments are stored as LOB values.
const CLUSTERED_COLUMNSTORE: u8 = 5;
const NONCLUSTERED_COLUMNSTORE: u8 = 6;

/// What an allocation unit stores. Names are text from outside and may hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// As in sys.objects.
    pub object_id: i32,
    /// As in sys.indexes: 0 heap, 1 clustered index, 2 and above nonclustered indexes.
    pub index_id: i32,
    /// What of it the unit stores.
    pub kind: ObjectKind,
    /// Schema, if it was found.
    pub schema: Option<Arc<str>>,
    /// Table or view, if it was found.
    pub table: Option<Arc<str>>,
    /// Index; a heap has none.
    pub index: Option<Arc<str>>,
    /// An indexed view: its rows are computed from tables.
    pub is_view: bool,
    /// A table that SQL Server keeps for itself: of a queue, of an XML index, of full text.
    pub is_internal: bool,
    /// Pages of the unit as SQL Server counted them, IAM pages and all; `None` if not known.
    pub unit_pages: Option<u64>,
    /// The page that its tree begins with, if it is an index of rows.
    pub root: Option<PageAddress>,
    /// Its partition, from 1, if it has more than one.
    pub partition: Option<u32>,
}

/// What an allocation unit holds of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// Rows of a table without a clustered index.
    Heap,
    /// Rows of a table, and the index that leads to them.
    ClusteredIndex,
    /// Copies of columns, which can be made again from the rows.
    NonclusteredIndex,
    /// Rows of a table, column by column.
    ClusteredColumnstore,
    /// Copies of columns, column by column.
    NonclusteredColumnstore,
    /// Values of LOB types.
    LobData,
    /// Columns that do not fit into their rows.
    RowOverflowData,
}

impl ObjectKind {
    /// By the content of an allocation unit (`type` in sysallocunits), its index id and the kind of
    /// that index (`type` in sys.indexes), if it is known.
    pub(crate) fn of(content: u8, index_id: i32, index: Option<u8>) -> Option<Self> {
        Some(match (content, index_id) {
            (1..=3, 1) if index == Some(CLUSTERED_COLUMNSTORE) => Self::ClusteredColumnstore,
            (1..=3, 2..) if index == Some(NONCLUSTERED_COLUMNSTORE) => {
                Self::NonclusteredColumnstore
            }
            (1, 0) => Self::Heap,
            (1, 1) => Self::ClusteredIndex,
            (1, _) => Self::NonclusteredIndex,
            (2, _) => Self::LobData,
            (3, _) => Self::RowOverflowData,
            _ => return None,
        })
    }

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::ClusteredIndex => "clustered_index",
            Self::NonclusteredIndex => "nonclustered_index",
            Self::ClusteredColumnstore => "clustered_columnstore",
            Self::NonclusteredColumnstore => "nonclustered_columnstore",
            Self::LobData => "lob_data",
            Self::RowOverflowData => "row_overflow_data",
        }
    }

    /// It is a tree of pages: sysallocunits names the first of it.
    pub(super) fn has_root(self) -> bool {
        matches!(self, Self::ClusteredIndex | Self::NonclusteredIndex)
    }

    fn is_in_row(self) -> bool {
        !matches!(self, Self::LobData | Self::RowOverflowData)
    }

    fn is_columnstore(self) -> bool {
        matches!(self, Self::ClusteredColumnstore | Self::NonclusteredColumnstore)
    }
}

#[cfg(test)]
impl Object {
    /// One of which only this is known.
    pub(crate) fn unnamed(object_id: i32, index_id: i32, kind: ObjectKind) -> Self {
        Self {
            object_id,
            index_id,
            kind,
            schema: None,
            table: None,
            index: None,
            is_view: false,
            is_internal: false,
            unit_pages: None,
            root: None,
            partition: None,
        }
    }
}

impl Object {
    /// A system base table.
    pub fn is_system(&self) -> bool {
        self.object_id < SYSTEM_OBJECT_ID_END
    }

    /// `place` is the page that its tree begins with.
    pub fn has_root_at(&self, place: PageAddress) -> bool {
        self.root == Some(place)
    }

    /// `name` is its table's, with or without schema, or with schema and index; in upper or lower
    /// case, in brackets or not.
    pub fn is_called(&self, name: &str) -> bool {
        let bare = |text: &str| text.replace(['[', ']'], "").to_lowercase();
        let (schema, table) = (self.schema.as_deref(), self.table.as_deref().unwrap_or_default());
        let index = self.index.as_deref();
        let with_schema = schema.map(|schema| format!("{schema}.{table}"));
        let with_index = with_schema.as_ref().zip(index).map(|(table, i)| format!("{table}.{i}"));
        let names = [Some(table.to_owned()), with_schema, with_index];
        names.iter().flatten().any(|own| !own.is_empty() && bare(own) == bare(name))
    }

    /// Everything in it can be made again from the rows of tables.
    pub fn can_be_rebuilt(&self) -> bool {
        !self.is_system() && !self.is_internal && (self.index_id > 1 || self.is_view)
    }

    /// False if no page of `page_type` belongs to such an object: then the page's header is
    /// damaged, and a name found by it would be a wrong one. Above all, rows must never be taken
    /// for an index that can be made again.
    pub fn can_own(&self, page_type: PageType) -> bool {
        match page_type {
            _ if self.kind.is_columnstore() => true,
            PageType::Data => self.kind.is_in_row() && self.index_id < 2,
            PageType::Index => self.kind.is_in_row() && self.kind != ObjectKind::Heap,
            PageType::TextMix | PageType::TextTree => !self.kind.is_in_row(),
            _ => true,
        }
    }
}

/// `dbo.Orders.IX_Orders_Date`, in brackets where SQL Server wants them; ids where names are
/// missing.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.schema, &self.table) {
            (Some(schema), Some(table)) => write!(f, "{}.{}", Quoted(schema), Quoted(table))?,
            (None, Some(table)) => Quoted(table).fmt(f)?,
            (_, None) => write!(f, "object id {}", self.object_id)?,
        }
        // LOB values are the table's, not its clustered index's.
        let has_index = if self.kind.is_in_row() { self.index_id > 0 } else { self.index_id > 1 };
        match &self.index {
            Some(index) if has_index && self.table.is_some() => write!(f, ".{}", Quoted(index))?,
            _ if has_index => write!(f, ", index id {}", self.index_id)?,
            _ => {}
        }
        f.write_str(match self.kind {
            ObjectKind::LobData => " (LOB data)",
            ObjectKind::RowOverflowData => " (row-overflow data)",
            _ => "",
        })
    }
}

/// A name as QUOTENAME gives it, if it is no regular identifier.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_regular = |c: char| c.is_alphanumeric() || "_@#$".contains(c);
        if self.0.chars().all(is_regular) {
            f.write_str(self.0)
        } else {
            write!(f, "[{}]", self.0.replace(']', "]]"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: ObjectKind, index_id: i32, table: &str, index: &str) -> Object {
        let name = |text: &str| (!text.is_empty()).then(|| text.into());
        Object {
            object_id: 245_575_913,
            index_id,
            kind,
            schema: name("dbo"),
            table: name(table),
            index: name(index),
            is_view: false,
            is_internal: false,
            unit_pages: None,
            root: None,
            partition: None,
        }
    }

    #[test]
    fn names_are_written_as_sql_server_writes_them() {
        use ObjectKind::{ClusteredIndex, Heap, LobData, NonclusteredIndex, RowOverflowData};
        for (object, text) in [
            (object(Heap, 0, "Import", ""), "dbo.Import"),
            (object(ClusteredIndex, 1, "Orders", "PK"), "dbo.Orders.PK"),
            (object(NonclusteredIndex, 2, "a]b", "x.y"), "dbo.[a]]b].[x.y]"),
            (object(NonclusteredIndex, 2, "Orders", ""), "dbo.Orders, index id 2"),
            (object(NonclusteredIndex, 2, "", "IX"), "object id 245575913, index id 2"),
            (object(LobData, 1, "Order Details", "PK"), "dbo.[Order Details] (LOB data)"),
            (object(RowOverflowData, 2, "T", "IX"), "dbo.T.IX (row-overflow data)"),
        ] {
            assert_eq!(object.to_string(), text);
        }
    }

    #[test]
    fn an_object_is_called_by_its_table_or_more() {
        let index = object(ObjectKind::NonclusteredIndex, 2, "Order Details", "IX");
        for name in ["order details", "dbo.Order Details", "[dbo].[Order Details].[IX]"] {
            assert!(index.is_called(name), "{name}");
        }
        for name in ["IX", "dbo", "", "Details", "dbo.Order Details.PK"] {
            assert!(!index.is_called(name), "{name}");
        }
    }

    #[test]
    fn only_copies_of_users_rows_can_be_rebuilt() {
        let index = object(ObjectKind::NonclusteredIndex, 2, "T", "IX");
        assert!(index.can_be_rebuilt());
        assert!(!Object { object_id: 34, ..index }.can_be_rebuilt());
        let rows = object(ObjectKind::ClusteredIndex, 1, "T", "PK");
        assert!(!rows.can_be_rebuilt());
        assert!(Object { is_view: true, ..rows }.can_be_rebuilt());
    }

    #[test]
    fn a_page_of_another_type_is_not_the_objects() {
        let heap = object(ObjectKind::Heap, 0, "T", "");
        let owned = [PageType::Data, PageType::Iam, PageType::Index, PageType::TextMix];
        assert_eq!(owned.map(|kind| heap.can_own(kind)), [true, true, false, false]);
        let lob = object(ObjectKind::LobData, 1, "T", "PK");
        assert_eq!(owned.map(|kind| lob.can_own(kind)), [false, true, false, true]);
    }
    #[test]
    fn rows_that_are_stored_by_column_are_never_taken_for_a_copy() {
        use ObjectKind::{ClusteredColumnstore, LobData, NonclusteredColumnstore};
        let kind = |content, index_id, index| ObjectKind::of(content, index_id, index).unwrap();
        assert_eq!(kind(2, 1, Some(5)), ClusteredColumnstore);
        assert_eq!(kind(2, 2, Some(6)), NonclusteredColumnstore);
        assert_eq!([kind(2, 1, None), kind(2, 1, Some(1)), kind(2, 0, Some(5))], [LobData; 3]);
        let rows = object(ClusteredColumnstore, 1, "Facts", "CCI");
        let copies = object(NonclusteredColumnstore, 2, "Facts", "NCCI");
        assert!(!rows.can_be_rebuilt() && copies.can_be_rebuilt());
        assert!(!Object { is_internal: true, ..copies }.can_be_rebuilt());
        assert!([PageType::Data, PageType::TextMix].iter().all(|kind| rows.can_own(*kind)));
        assert_eq!(rows.to_string(), "dbo.Facts.CCI");
    }
}
