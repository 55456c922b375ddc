//! Bytes in hexadecimal, as DBCC PAGE prints them: offset, groups of four bytes in the order of
//! storage, and what of it ASCII can show.

use super::BAD;
use std::io::{self, Write};

const LINE_BYTES: usize = 16;
const GROUP_BYTES: usize = 4;

/// Prints `bytes`, of which the first is called `first`; those at which `is_bad` says so in red.
pub(super) fn write(
    bytes: &[u8],
    first: usize,
    is_bad: &dyn Fn(usize) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (index, line) in bytes.chunks(LINE_BYTES).enumerate() {
        let start = first + index * LINE_BYTES;
        write!(out, "{start:016x}:   ")?;
        for (at, byte) in line.iter().enumerate() {
            marked(&format!("{byte:02x}"), is_bad(start + at), out)?;
            if at % GROUP_BYTES == GROUP_BYTES - 1 {
                out.write_all(b" ")?;
            }
        }
        let missing = LINE_BYTES - line.len();
        let blanks = 2 * missing + missing.div_ceil(GROUP_BYTES);
        write!(out, "{:blanks$}  ", "")?;
        for (at, byte) in line.iter().enumerate() {
            let shown = if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
            marked(&shown.to_string(), is_bad(start + at), out)?;
        }
        writeln!(out)?;
    }
    Ok(())
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
        write(b"\x30\0Row of 18 bytes.", 0x60, &|at| at == 0x70, &mut out).unwrap();
        let text = anstream::adapter::strip_bytes(&out).into_vec();
        let lines = "0000000000000060:   3000526f 77206f66 20313820 62797465   0.Row of 18 byte\n\
                     0000000000000070:   732e                                  s.\n";
        assert_eq!(String::from_utf8(text).unwrap(), lines);
        assert!(String::from_utf8(out).unwrap().contains("\u{1b}["));
    }
}
