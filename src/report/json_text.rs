//! JSON in which every character can be seen: what a terminal would obey, or a reader not see,
//! stands as `\\u200c`, which every parser turns back into what it was.

use super::escape::{is_dangerous, is_plain};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use std::io::{self, BufWriter, Write};

const GATHERED_BYTES: usize = 16 << 10;

/// Writes `value`, indented.
pub fn write_pretty(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    write(value, Visible(PrettyFormatter::new()), out)
}

/// Writes `value` on one line, without its end.
pub fn write_line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    write(value, Visible(CompactFormatter), out)
}

/// A serializer writes a few bytes at a time: they are gathered here, where the compiler sees how
/// few, rather than behind `out`.
fn write(value: &impl Serialize, formatter: impl Formatter, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(GATHERED_BYTES, out);
    value.serialize(&mut Serializer::with_formatter(&mut out, formatter))?;
    out.flush()
}

/// Leaves the layout to another formatter.
struct Visible<F>(F);

/// Methods that do what the other formatter does.
macro_rules! as_inner {
    ($($method:ident($($argument:ident: $kind:ty),*);)*) => {$(
        fn $method<W: ?Sized + Write>(
            &mut self,
            out: &mut W
            $(, $argument: $kind)*
        ) -> io::Result<()> {
            self.0.$method(out $(, $argument)*)
        }
    )*};
}

impl<F: Formatter> Formatter for Visible<F> {
    as_inner! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        text: &str,
    ) -> io::Result<()> {
        if is_plain(text) {
            return self.0.write_string_fragment(out, text);
        }
        let mut from = 0;
        for (at, hidden) in text.match_indices(is_dangerous) {
            self.0.write_string_fragment(out, &text[from..at])?;
            hidden.encode_utf16().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?;
            from = at + hidden.len();
        }
        self.0.write_string_fragment(out, &text[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_stands_as_a_number_and_comes_back_as_it_was() {
        let text = "ü\u{200c}\u{e0041}\u{85}\u{7f}\n\"\\";
        for write in [write_pretty, write_line] {
            let mut out = Vec::new();
            write(&[text], &mut out).unwrap();
            let json = String::from_utf8(out).unwrap();
            assert!(json.contains("ü\\u200c\\udb40\\udc41\\u0085\\u007f\\n"), "{json}");
            assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [text]);
        }
    }

    #[test]
    fn the_layout_is_the_usual_one() {
        let value = serde_json::json!({"a": [1, {"b": null}], "c": {}, "d": []});
        let mut out = Vec::new();
        write_pretty(&value, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string_pretty(&value).unwrap());
    }
}
