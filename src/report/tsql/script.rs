//! The lines of a script: remarks, statements that are commented out, and those that are not.

use std::io::{self, Write};

/// Columns of a remark.
const COLUMNS: usize = 98;
/// Stands before the text of a remark. Uncommented by mistake, a line of words may be a statement:
/// two words call a procedure, and a name from outside is broken where it may begin with DROP.
/// Nothing in T-SQL begins with a bar.
const BAR: &str = "| ";

/// A script in the making. Text that comes from outside must be escaped before it gets here.
pub(super) struct Script<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Script<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    /// `text` as lines of comment: two dashes, a blank, and what no statement begins with. An item
    /// of a list begins with a dash already, a title with a comment.
    pub(super) fn remark(&mut self, text: &str) -> io::Result<()> {
        let options = textwrap::Options::new(COLUMNS - 3 - BAR.len()).break_words(false);
        let lines = textwrap::wrap(text.trim_start(), options);
        lines.iter().map(|line| line.trim()).try_for_each(|line| {
            let is_inert = line.starts_with("- ") || line.starts_with("--");
            writeln!(self.out, "-- {}{line}", if is_inert { "" } else { BAR })
        })
    }

    /// What a part of the script is about.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "\n-- {}", "=".repeat(COLUMNS - 3))?;
        self.remark(text)?;
        writeln!(self.out, "-- {}", "=".repeat(COLUMNS - 3))
    }

    /// What a sequence of statements is about.
    pub(super) fn title(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out)?;
        self.remark(&format!("---- {text}"))
    }

    /// The title of a sequence that restores: nobody, this connection included, may use the
    /// database when it begins.
    pub(super) fn way(&mut self, text: &str) -> io::Result<()> {
        self.title(&format!("Way {text}"))?;
        self.off("USE [master];")
    }

    /// `statement` commented out: two dashes, no blank.
    pub(super) fn off(&mut self, statement: &str) -> io::Result<()> {
        statement.lines().try_for_each(|line| writeln!(self.out, "--{line}"))
    }

    /// `statement` as it is; it must only read.
    pub(super) fn on(&mut self, statement: &str) -> io::Result<()> {
        writeln!(self.out, "{statement}")
    }
}
