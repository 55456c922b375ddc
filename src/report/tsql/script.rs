//! The lines of a script: remarks, statements that are commented out, and those that are not.

use std::io::{self, Write};

/// Columns of a remark.
const COLUMNS: usize = 98;

/// A script in the making. Text that comes from outside must be escaped before it gets here.
pub(super) struct Script<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Script<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    /// `text` as lines of comment: two dashes and a blank.
    pub(super) fn remark(&mut self, text: &str) -> io::Result<()> {
        let options = textwrap::Options::new(COLUMNS - 3).break_words(false);
        let lines = textwrap::wrap(text.trim_start(), options);
        lines.iter().try_for_each(|line| writeln!(self.out, "-- {}", line.trim()))
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

    /// `statement` commented out: two dashes, no blank.
    pub(super) fn off(&mut self, statement: &str) -> io::Result<()> {
        statement.lines().try_for_each(|line| writeln!(self.out, "--{line}"))
    }

    /// `statement` as it is; it must only read.
    pub(super) fn on(&mut self, statement: &str) -> io::Result<()> {
        writeln!(self.out, "{statement}")
    }
}
