//! The pages of objects as a text table, CSV or JSON: the columns of DBCC IND, then ours
//! (docs/report-schema.md).

use super::escape::{spreadsheet, terminal as safe};
use super::json_text::write_line;
use crate::catalog::units::Unit;
use crate::inspect::listing::{Listed, Listing};
use crate::page::address::{FileId, PageAddress};
use crate::page::kind::PageType;
use csv::{Terminator, WriterBuilder};
use serde::Serialize;
use std::io::{self, Write};

/// The schema of the JSON. Keys are only ever added.
pub const SCHEMA: &str = "pagescrub.pages/1";

/// The columns: first those of DBCC IND, in its order and by its names.
pub const COLUMNS: [&str; 22] = [
    "PageFID",
    "PagePID",
    "IAMFID",
    "IAMPID",
    "ObjectID",
    "IndexID",
    "PartitionNumber",
    "PartitionID",
    "iam_chain_type",
    "PageType",
    "IndexLevel",
    "NextPageFID",
    "NextPagePID",
    "PrevPageFID",
    "PrevPagePID",
    "allocation_unit_id",
    "object",
    "object_kind",
    "page_type",
    "lsn",
    "slots",
    "state",
];

/// A row, with the columns as keys.
#[derive(Debug, PartialEq, Serialize)]
#[allow(non_snake_case, reason = "the names of DBCC IND")]
struct Row {
    PageFID: u16,
    PagePID: u32,
    IAMFID: Option<u16>,
    IAMPID: Option<u32>,
    ObjectID: Option<i32>,
    IndexID: Option<i32>,
    PartitionNumber: Option<u32>,
    PartitionID: Option<u64>,
    iam_chain_type: Option<&'static str>,
    PageType: Option<u8>,
    IndexLevel: Option<u8>,
    NextPageFID: Option<u16>,
    NextPagePID: Option<u32>,
    PrevPageFID: Option<u16>,
    PrevPagePID: Option<u32>,
    allocation_unit_id: Option<u64>,
    object: Option<String>,
    object_kind: Option<&'static str>,
    page_type: Option<&'static str>,
    lsn: Option<String>,
    slots: Option<u16>,
    state: &'static str,
}

impl Row {
    fn of(listing: &Listing, page: &Listed) -> Self {
        let (unit, object) = (listing.unit.as_ref(), listing.object.as_ref());
        let says = page.says.as_ref();
        // DBCC IND has no level of IAM pages.
        let leveled = says.filter(|says| says.page_type != PageType::Iam);
        Self {
            PageFID: page.place.file.0,
            PagePID: page.place.page.0,
            IAMFID: page.iam.map(|iam| iam.file.0),
            IAMPID: page.iam.map(|iam| iam.page.0),
            ObjectID: unit.and_then(|unit| unit.object_id),
            IndexID: unit.and_then(|unit| unit.index_id),
            PartitionNumber: unit.and_then(|unit| unit.partition),
            PartitionID: unit.map(|unit| unit.rowset_id),
            iam_chain_type: unit.map(Unit::content_words),
            PageType: says.map(|says| says.page_type.m_type()),
            IndexLevel: leveled.map(|says| says.level),
            NextPageFID: says.map(|says| says.next.file.0),
            NextPagePID: says.map(|says| says.next.page.0),
            PrevPageFID: says.map(|says| says.previous.file.0),
            PrevPagePID: says.map(|says| says.previous.page.0),
            allocation_unit_id: unit.map(|unit| unit.id),
            object: object.map(ToString::to_string),
            object_kind: object.map(|object| object.kind.name()),
            page_type: says.map(|says| says.page_type.name()),
            lsn: says.map(|says| says.lsn.to_string()),
            slots: says.map(|says| says.slots),
            state: page.state,
        }
    }

    fn cells(&self) -> [String; COLUMNS.len()] {
        fn cell(value: Option<&impl ToString>) -> String {
            value.map(ToString::to_string).unwrap_or_default()
        }
        [
            self.PageFID.to_string(),
            self.PagePID.to_string(),
            cell(self.IAMFID.as_ref()),
            cell(self.IAMPID.as_ref()),
            cell(self.ObjectID.as_ref()),
            cell(self.IndexID.as_ref()),
            cell(self.PartitionNumber.as_ref()),
            cell(self.PartitionID.as_ref()),
            cell(self.iam_chain_type.as_ref()),
            cell(self.PageType.as_ref()),
            cell(self.IndexLevel.as_ref()),
            cell(self.NextPageFID.as_ref()),
            cell(self.NextPagePID.as_ref()),
            cell(self.PrevPageFID.as_ref()),
            cell(self.PrevPagePID.as_ref()),
            cell(self.allocation_unit_id.as_ref()),
            self.object.as_deref().map(spreadsheet).unwrap_or_default(),
            cell(self.object_kind.as_ref()),
            cell(self.page_type.as_ref()),
            cell(self.lsn.as_ref()),
            cell(self.slots.as_ref()),
            self.state.to_owned(),
        ]
    }
}

/// Writes listings, one after another, so that memory holds one of them.
pub trait Sheet {
    /// Writes the pages of `listing`.
    fn add(&mut self, listing: &Listing, out: &mut dyn Write) -> io::Result<()>;

    /// Writes what comes last.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// For people.
#[derive(Default)]
pub struct Text {
    pages: u64,
    suspects: u64,
}

impl Sheet for Text {
    fn add(&mut self, listing: &Listing, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", heading(listing))?;
        if listing.pages.is_empty() && listing.broken.is_none() {
            return writeln!(out, "  no pages\n");
        }
        writeln!(
            out,
            "  {:<16} {:<10} {:>5} {:<16} {:<16} {:<16} {:<20} {:>5} state",
            "page", "type", "level", "iam", "previous", "next", "lsn", "slots"
        )?;
        for page in &listing.pages {
            self.pages += 1;
            self.suspects += u64::from(page.is_suspect);
            write_line_of(page, out)?;
        }
        if let Some(broken) = &listing.broken {
            writeln!(out, "  NOT ALL: {}", safe(&broken.to_string()))?;
        }
        writeln!(out)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "PAGES listed={} suspects={}", self.pages, self.suspects)
    }
}

fn heading(listing: &Listing) -> String {
    let Some(unit) = &listing.unit else { return "in use, and no unit claims them".to_owned() };
    let name = listing.object.as_ref().map_or_else(|| "not named".to_owned(), ToString::to_string);
    let id = |id: Option<i32>| id.map_or("?".to_owned(), |id| id.to_string());
    let partition = unit.partition.map_or("?".to_owned(), |number| number.to_string());
    format!(
        "{}: object {}, index {}, partition {partition}, allocation unit {}, {}",
        safe(&name),
        id(unit.object_id),
        id(unit.index_id),
        unit.id,
        unit.content_words(),
    )
}

fn write_line_of(page: &Listed, out: &mut dyn Write) -> io::Result<()> {
    let address = |place: Option<PageAddress>| {
        place.filter(|place| place.file != FileId(0)).map_or("-".to_owned(), |p| p.to_string())
    };
    let says = page.says.as_ref();
    let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let leveled = says.filter(|says| says.page_type != PageType::Iam);
    writeln!(
        out,
        "  {:<16} {:<10} {:>5} {:<16} {:<16} {:<16} {:<20} {:>5} {}",
        page.place.to_string(),
        says.map_or("-", |says| says.page_type.name()),
        text(leveled.map(|says| says.level.to_string())),
        address(page.iam),
        address(says.map(|says| says.previous)),
        address(says.map(|says| says.next)),
        text(says.map(|says| says.lsn.to_string())),
        text(says.map(|says| says.slots.to_string())),
        page.state,
    )
}

/// RFC 4180, with the columns in the first row.
#[derive(Default)]
pub struct Csv {
    is_begun: bool,
}

impl Csv {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if std::mem::replace(&mut self.is_begun, true) {
            return Ok(());
        }
        record(out, &COLUMNS)
    }
}

fn record(out: &mut dyn Write, cells: &[impl AsRef<[u8]>]) -> io::Result<()> {
    let mut table = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    table.write_record(cells)?;
    table.flush()
}

impl Sheet for Csv {
    fn add(&mut self, listing: &Listing, out: &mut dyn Write) -> io::Result<()> {
        self.begin(out)?;
        listing.pages.iter().try_for_each(|page| record(out, &Row::of(listing, page).cells()))
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.begin(out)
    }
}

/// One document, a page a line.
pub struct Json {
    path: String,
    backup_set: Option<u32>,
    broken: Vec<String>,
    is_begun: bool,
}

impl Json {
    /// Of the pages in the file at `path`, in a backup in this set.
    pub fn of(path: String, backup_set: Option<u32>) -> Self {
        Self { path, backup_set, broken: Vec::new(), is_begun: false }
    }

    fn separate(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if std::mem::replace(&mut self.is_begun, true) {
            return out.write_all(b",\n");
        }
        write!(out, "{{\"schema\":\"{SCHEMA}\",\"path\":")?;
        write_line(&self.path, out)?;
        out.write_all(b",\"backup_set\":")?;
        write_line(&self.backup_set, out)?;
        out.write_all(b",\"pages\":[\n")
    }
}

impl Sheet for Json {
    fn add(&mut self, listing: &Listing, out: &mut dyn Write) -> io::Result<()> {
        for page in &listing.pages {
            self.separate(out)?;
            write_line(&Row::of(listing, page), out)?;
        }
        self.broken.extend(listing.broken.iter().map(ToString::to_string));
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !self.is_begun {
            self.separate(out)?;
        }
        out.write_all(b"\n],\"not_followed\":")?;
        write_line(&self.broken, out)?;
        out.write_all(b"}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::listing::Says;
    use crate::page::address::PageId;
    use crate::page::header::Lsn;

    fn listing() -> Listing {
        let at = |file, page| PageAddress::new(FileId(file), PageId(page));
        let says = Says {
            page_type: PageType::Index,
            level: 2,
            previous: at(0, 0),
            next: at(1, 9),
            lsn: Lsn { vlf: 1, block: 2, slot: 3 },
            slots: 4,
        };
        let page = Listed {
            place: at(1, 8),
            iam: Some(at(1, 7)),
            says: Some(says),
            state: "intact",
            is_suspect: false,
        };
        Listing { unit: None, object: None, pages: vec![page], broken: None }
    }

    fn written(mut sheet: impl Sheet, listings: &[Listing]) -> String {
        let mut out = Vec::new();
        for listing in listings {
            sheet.add(listing, &mut out).unwrap();
        }
        sheet.end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keys_and_columns_are_the_same_and_stand_in_the_same_order() {
        let row = Row::of(&listing(), &listing().pages[0]);
        let json = serde_json::to_value(&row).unwrap();
        let keys: std::collections::BTreeSet<_> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), COLUMNS.len());
        for (column, cell) in COLUMNS.iter().zip(row.cells()) {
            let value = &json[*column];
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(cell, if value.is_null() { String::new() } else { text }, "{column}");
        }
    }

    #[test]
    fn nothing_to_list_is_a_whole_table_all_the_same() {
        let json = || Json::of("a\"b".into(), Some(2));
        for (listings, pages) in [(&[][..], 0), (&[listing(), listing()][..], 2)] {
            let read: serde_json::Value = serde_json::from_str(&written(json(), listings)).unwrap();
            assert_eq!(read["pages"].as_array().unwrap().len(), pages);
            assert_eq!((&read["path"], &read["backup_set"]), (&"a\"b".into(), &2.into()));
            assert_eq!(written(Csv::default(), listings).lines().count(), 1 + pages);
        }
    }
}
