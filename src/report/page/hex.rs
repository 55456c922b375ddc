//! Bytes in hexadecimal, as DBCC PAGE prints them: offset, groups of four bytes in the order of
//! storage, and what of it ASCII can show.

use super::BAD;
use std::io::{self, Write};

const LINE_BYTES: usize = 16;
const GROUP_BYTES: usize = 4;
/// As wide as an offset.
const COPY: &str = "         its copy";

/// Bytes of a page.
pub(super) struct Dump<'a> {
    pub(super) bytes: &'a [u8],
    /// What the first of them is called.
    pub(super) first: usize,
    /// The same bytes of a copy.
    pub(super) copy: Option<&'a [u8]>,
}

impl Dump<'_> {
    /// Prints them. Those at which `is_bad` says so are red, and their lines have a star; where
    /// there is a copy, what that has stands below.
    pub(super) fn write(
        &self,
        is_bad: &dyn Fn(usize) -> bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for (index, line) in self.bytes.chunks(LINE_BYTES).enumerate() {
            let start = index * LINE_BYTES;
            let is_bad = |at: usize| is_bad(self.first + start + at);
            let has_bad = (0..line.len()).any(is_bad);
            let star = if has_bad { '*' } else { ' ' };
            write!(out, "{:016x}:{star}  ", self.first + start)?;
            write_line(line, &is_bad, out)?;
            let copy = self.copy.and_then(|copy| copy.get(start..start + line.len()));
            if let Some(copy) = copy.filter(|_| has_bad) {
                write!(out, "{COPY}   ")?;
                write_line(copy, &|_| false, out)?;
            }
        }
        Ok(())
    }
}

fn write_line(line: &[u8], is_bad: &dyn Fn(usize) -> bool, out: &mut dyn Write) -> io::Result<()> {
    for (at, byte) in line.iter().enumerate() {
        marked(&format!("{byte:02x}"), is_bad(at), out)?;
        if at % GROUP_BYTES == GROUP_BYTES - 1 {
            out.write_all(b" ")?;
        }
    }
    let missing = LINE_BYTES - line.len();
    let blanks = 2 * missing + missing.div_ceil(GROUP_BYTES);
    write!(out, "{:blanks$}  ", "")?;
    for (at, byte) in line.iter().enumerate() {
        let shown = if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        marked(&shown.to_string(), is_bad(at), out)?;
    }
    writeln!(out)
}

fn marked(text: &str, is_bad: bool, out: &mut dyn Write) -> io::Result<()> {
    if is_bad { write!(out, "{BAD}{text}{BAD:#}") } else { out.write_all(text.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_an_offset_groups_and_what_can_be_read() {
        let mut out = Vec::new();
        let (bytes, copy) = (b"\x30\0Row of 18 bytes.", b"\x30\0Row of 18 bytes!");
        let dump = Dump { bytes, first: 0x60, copy: Some(copy) };
        dump.write(&|at| at == 0x71, &mut out).unwrap();
        let text = anstream::adapter::strip_bytes(&out).into_vec();
        let lines = [
            "0000000000000060:   3000526f 77206f66 20313820 62797465   0.Row of 18 byte",
            "0000000000000070:*  732e                                  s.",
            "         its copy   7321                                  s!",
        ];
        assert!(String::from_utf8(text).unwrap().lines().eq(lines));
        assert!(String::from_utf8(out).unwrap().contains("\u{1b}["));
    }
}
