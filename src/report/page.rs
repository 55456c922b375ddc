//! One page for people, in the order and the words of DBCC PAGE.

mod hex;
mod rows;

use super::escape::terminal as safe;
use crate::inspect::against::Against;
use crate::inspect::sector::SectorView;
use crate::inspect::view::{MessageView, OwnerView, PageView};
use anstyle::{AnsiColor, Color, Style};
use std::io::{self, Write};

const BOLD: Style = Style::new().bold();
const GOOD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Green)));
const BAD: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red)));
/// Fields of the header in a line, and how wide each is.
const FIELDS_IN_LINE: usize = 3;
const FIELD_WIDTH: usize = 32;
/// Ranges of differing bytes that are named.
const RANGES_MAX: usize = 12;

/// How much is printed: the fourth argument of DBCC PAGE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrintOption {
    /// 0: the header.
    Header,
    /// 1: the header, each record in hexadecimal, the slot array.
    Rows,
    /// 2: the header, the whole page in hexadecimal, the slot array.
    Whole,
    /// 3: the header, each record with its columns.
    Columns,
}

/// Prints `view`. Colours are written as escapes; a stream that is no terminal must strip them.
pub fn write(view: &PageView, style: PrintOption, out: &mut dyn Write) -> io::Result<()> {
    head(view, out)?;
    message(view.message.as_ref(), out)?;
    header(view, out)?;
    protection(view, out)?;
    allocation(view, out)?;
    owner(&view.owner, out)?;
    damage(view, out)?;
    against(view.against.as_ref(), out)?;
    match style {
        PrintOption::Header => {}
        PrintOption::Rows | PrintOption::Columns => rows::write(view, style, out)?,
        PrintOption::Whole => {
            title("DATA:", out)?;
            let copy = view.against.as_ref().map(|against| against.copy().bytes().as_slice());
            let page = hex::Dump { bytes: view.looked().page.bytes(), first: 0, copy };
            page.write(&|at| is_bad(view, at), out)?;
        }
    }
    if matches!(style, PrintOption::Rows | PrintOption::Whole) {
        rows::write_slots(view, out)?;
    }
    Ok(())
}

fn title(text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}{text}{BOLD:#}\n")
}

fn head(view: &PageView, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{BOLD}PAGE: {}{BOLD:#}\n", view.address)?;
    let set = view.backup_set.map(|set| format!(", backup set {set}")).unwrap_or_default();
    let at = match (view.offset_bytes, view.offset_unpacked) {
        (Some(at), false) => format!(" at byte {at} ({at:#x})"),
        (Some(at), true) => format!(" at byte {at} ({at:#x}) of what it unpacks to"),
        (None, _) => String::new(),
    };
    writeln!(out, "File     {}{set}{at}", safe(&view.path))?;
    if let Some(database) = &view.database {
        writeln!(out, "Database {}", safe(database))?;
    }
    let style = if view.is_suspect { BAD } else { GOOD };
    let word = if view.is_suspect { "SUSPECT " } else { "" };
    writeln!(out, "Type     {}", view.page_type)?;
    writeln!(out, "State    {style}{word}{}{style:#}", view.state)
}

fn message(view: Option<&MessageView>, out: &mut dyn Write) -> io::Result<()> {
    let Some(MessageView { contradicts_itself, fits, .. }) = view else { return Ok(()) };
    let fits = match fits {
        Some(true) => {
            "the page is as it was when the message was written: both numbers are the same"
        }
        Some(false) => "the page is another than when the message was written: its numbers differ",
        None => "it tells no checksums to compare",
    };
    writeln!(out, "Message  {fits}")?;
    if *contradicts_itself {
        writeln!(out, "         its offset is not that of its page, which was taken")?;
    }
    Ok(())
}

fn header(view: &PageView, out: &mut dyn Write) -> io::Result<()> {
    title("PAGE HEADER:", out)?;
    for line in view.header.chunks(FIELDS_IN_LINE) {
        let text =
            |field: &crate::inspect::fields::Field| format!("{} = {}", field.name, field.value);
        let cells = line.iter().map(|field| format!("{:FIELD_WIDTH$}", text(field)));
        writeln!(out, "{}", cells.collect::<String>().trim_end())?;
    }
    Ok(())
}

fn protection(view: &PageView, out: &mut dyn Write) -> io::Result<()> {
    let told = &view.protection;
    writeln!(out)?;
    match (told.kind, told.torn) {
        (_, Some(torn)) => writeln!(
            out,
            "Torn bits: expected signature {:#010x}, actual signature {:#010x}; at 0x3C stand {}",
            torn.expected, torn.actual, told.stored_bytes
        ),
        ("checksum", _) => writeln!(
            out,
            "Checksum: stored {} (expected; bytes {} at 0x3C), computed {} (actual)",
            told.stored, told.stored_bytes, told.computed
        ),
        _ => writeln!(
            out,
            "No checksum and no torn bits, by m_flagBits: at 0x3C stand {}, its bytes give {}",
            told.stored_bytes, told.computed
        ),
    }
}

fn allocation(view: &PageView, out: &mut dyn Write) -> io::Result<()> {
    title("Allocation Status", out)?;
    for (name, told) in view.allocation.named() {
        let says = told.says.as_deref().unwrap_or("not known: that page is damaged or not here");
        writeln!(out, "{name} {} = {says}", told.page)?;
    }
    Ok(())
}

fn owner(owner: &OwnerView, out: &mut dyn Write) -> io::Result<()> {
    title("Metadata", out)?;
    if owner.is_claimed_twice {
        return writeln!(out, "{BAD}Several allocation units claim it.{BAD:#}");
    }
    let Some(unit) = owner.allocation_unit_id else {
        return writeln!(out, "No allocation unit claims it.");
    };
    let optional = |name: &str, value: Option<String>| {
        value.map(|value| format!("{name} = {value}\n")).unwrap_or_default()
    };
    let name = owner.name.as_deref().map(|name| safe(name).into_owned());
    let lines = [
        optional("Object", name),
        optional("Kind", owner.kind.map(str::to_owned)),
        optional("ObjectId", owner.object_id.map(|id| id.to_string())),
        optional("IndexId", owner.index_id.map(|id| id.to_string())),
        optional("Partition", owner.partition.map(|id| id.to_string())),
        optional("PartitionId", owner.partition_id.map(|id| id.to_string())),
        format!("AllocUnitId = {unit}\n"),
        optional("IAM page", owner.iam.map(|page| page.to_string())),
        optional("Known by", owner.named_by.map(str::to_owned)),
    ];
    out.write_all(lines.concat().as_bytes())
}

/// Where the damage is, sector by sector.
fn damage(view: &PageView, out: &mut dyn Write) -> io::Result<()> {
    if !view.is_suspect && view.against.is_none() {
        return Ok(());
    }
    title("Sectors", out)?;
    if let Some(evidence) = &view.evidence {
        writeln!(out, "{evidence}\n")?;
    }
    view.sectors.iter().try_for_each(|sector| write_sector(sector, out))?;
    if view.sectors.iter().any(SectorView::is_bad) || view.against.is_some() {
        return Ok(());
    }
    writeln!(out, "\nThe page alone does not tell in which of them: --against a copy of it does.")
}

fn write_sector(sector: &SectorView, out: &mut dyn Write) -> io::Result<()> {
    let mut words = vec![sector.holds.to_owned()];
    words.extend(sector.is_lost.then(|| "nothing of it is left".to_owned()));
    words.extend((sector.is_torn == Some(true)).then(|| "of another write".to_owned()));
    let differing = sector.differing_bytes.filter(|bytes| *bytes > 0);
    words.extend(differing.map(|bytes| format!("{bytes} bytes differ from the copy")));
    let style = if sector.is_bad() { BAD } else { Style::new() };
    let (number, offset) = (sector.sector, sector.offset);
    writeln!(out, "{style}{number:2}  {offset:#06x}  {}{style:#}", words.join(", "))
}

fn against(against: Option<&Against>, out: &mut dyn Write) -> io::Result<()> {
    let Some(against) = against else { return Ok(()) };
    title("Against its copy", out)?;
    let set = against.backup_set.map(|set| format!(", backup set {set}")).unwrap_or_default();
    writeln!(out, "Copy     {}{set}", safe(&against.path))?;
    if against.is_of_same_database == Some(false) {
        writeln!(out, "{BAD}         of another database, by their ids{BAD:#}")?;
    }
    let age = match against.is {
        "same" => "the same as here",
        other => other,
    };
    writeln!(out, "State    {}, m_lsn {}: {age}", against.state, against.lsn)?;
    let named = against.ranges.iter().take(RANGES_MAX).map(|range| {
        let (first, last) = (range.offset, range.offset + (range.bytes - 1));
        if first == last { format!("{first:#06x}") } else { format!("{first:#06x} to {last:#06x}") }
    });
    let named: Vec<String> = named.collect();
    let more = against.ranges.len().saturating_sub(RANGES_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match against.differing_bytes {
        0 => writeln!(out, "Bytes    all are the same"),
        bytes => writeln!(out, "Bytes    {bytes} differ: {}{more}", named.join(", ")),
    }
}

/// The byte at `offset` is known to be wrong, or to differ from the copy.
fn is_bad(view: &PageView, offset: usize) -> bool {
    match &view.against {
        Some(against) => against.differs_at(offset),
        None => {
            view.sectors.get(offset / crate::page::SECTOR_BYTES).is_some_and(SectorView::is_bad)
        }
    }
}
