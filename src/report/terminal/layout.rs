//! How text and tables fit the terminal.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use std::io::{self, Write};

/// Below this many columns, tables keep to what is needed to find a page.
const WIDE_COLUMNS: u16 = 120;
const LINE_UNDER_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns of the terminal; `None` for no limit.
    pub width: Option<u16>,
    /// Suspects, incidents and files listed at most.
    pub rows_max: usize,
    /// Everything: also messages, skipped files and healthy files.
    pub verbose: bool,
}

impl Look {
    /// True if there is room for every column.
    pub(crate) fn is_wide(self) -> bool {
        self.width.is_none_or(|width| width >= WIDE_COLUMNS)
    }

    /// Prints `text`, wrapped, further lines indented by `indent` blanks.
    pub(crate) fn paragraph(
        self,
        text: &str,
        indent: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let Some(width) = self.width else { return writeln!(out, "{text}") };
        let blanks = " ".repeat(indent);
        let options = textwrap::Options::new(width.into()).subsequent_indent(&blanks);
        textwrap::wrap(text, options).iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}

/// An empty table with `header`, as wide as the terminal at most.
pub(crate) fn table(look: Look, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(LINE_UNDER_HEADER).set_header(header.to_vec());
    match look.width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table
}

/// `1,234 pages`, `1 page`.
pub(in crate::report) fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", number(n), if n == 1 { "" } else { "s" })
}

/// With a comma every three digits.
pub(in crate::report) fn number(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(12), "12");
        assert_eq!(counted(1, "page"), "1 page");
    }
}
