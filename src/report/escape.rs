//! Untrusted text, made harmless for the place where it is shown.

use std::borrow::Cow;

/// For a terminal: control characters, and those that turn or hide the text around them, are
/// shown as escapes instead of being obeyed.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_dangerous(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// For a cell that a spreadsheet may open: as for a terminal, and nothing is taken for a formula.
///
/// Where lists are separated by `;`, a spreadsheet cuts cells there too, so what follows a `;` is
/// looked at as well.
pub fn spreadsheet(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 1);
    for part in terminal(text).split_inclusive(';') {
        if part.trim_start_matches([' ', '"']).starts_with(FORMULA_STARTS) {
            cell.push('\'');
        }
        cell += part;
    }
    cell
}

/// What formulas begin with, in full width too. Tabs and returns are escaped already.
const FORMULA_STARTS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// For the value of a Prometheus label, without its quotes: as for a terminal, and escaped.
pub fn label(text: &str) -> String {
    terminal(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn is_dangerous(c: char) -> bool {
    let is_invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    let turns_text = matches!(c, '\u{61c}' | '\u{2028}'..='\u{202e}' | '\u{2065}'..='\u{2069}');
    c.is_control() || is_invisible || turns_text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown_and_not_obeyed() {
        assert_eq!(terminal("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
        assert_eq!(terminal("x\u{202e}fdm"), "x\\u{202e}fdm");
        assert_eq!(terminal("a\u{61c}b\u{2068}c"), "a\\u{61c}b\\u{2068}c");
        assert_eq!(terminal("übermäßig große Datei.mdf"), "übermäßig große Datei.mdf");
    }

    #[test]
    fn no_cell_is_a_formula_whatever_separates_the_list() {
        assert_eq!(spreadsheet("=cmd()"), "'=cmd()");
        assert_eq!(spreadsheet("\t=1"), "\\t=1");
        assert_eq!(spreadsheet("a;-1; \"@x"), "a;'-1;' \"@x");
        assert_eq!(spreadsheet("a-b=c; d"), "a-b=c; d");
    }

    #[test]
    fn labels_end_where_they_should() {
        assert_eq!(label("C:\\a\"b\n"), "C:\\\\a\\\"b\\\\n");
    }
}
