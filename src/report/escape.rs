//! Untrusted text, made harmless for the place where it is shown.

use crate::discover::paths::unix_bytes;
use std::borrow::Cow;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// For a terminal: control characters, and those that turn or hide the text around them, are
/// shown as escapes instead of being obeyed.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if is_plain(text) || !text.chars().any(is_dangerous) {
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

/// For a comment of T-SQL that ends with its line: as for a terminal, and without what sqlcmd would
/// replace or what could begin or end a comment of several lines.
pub fn tsql_comment(text: &str) -> String {
    let one_line = terminal(text).replace(SQLCMD_VARIABLE, "$ (");
    one_line.replace("*/", "* /").replace("/*", "/ *")
}

/// A name as a T-SQL identifier; `None` where brackets would not be enough: sqlcmd obeys `$(x)`
/// and some lines (`GO`, `:r`, `!!`) even inside of them, and editors fill in what stands in `<>`.
pub fn tsql_identifier(name: &str) -> Option<String> {
    let is_plain = !name.chars().any(is_obeyed_in_tsql)
        && !name.contains(SQLCMD_VARIABLE)
        && !name.contains("/*")
        && !name.contains("*/");
    is_plain.then(|| format!("[{}]", name.replace(']', "]]")))
}

/// Text as a T-SQL expression on one line: what sqlcmd, an editor or a terminal might obey, or a
/// reader not see, stands as a number.
pub fn tsql_text(text: &str) -> String {
    expression(text, is_obeyed_in_tsql)
}

fn expression(text: &str, is_obeyed: fn(char) -> bool) -> String {
    let (mut terms, mut literal) = (Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if is_obeyed(c) {
            terms.extend(quoted(&mut literal));
            terms.extend(
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("NCHAR(0x{unit:04X})")),
            );
            continue;
        }
        literal.push(c);
        if matches!((c, rest.peek()), ('$', Some('(')) | ('*', Some('/')) | ('/', Some('*'))) {
            terms.extend(quoted(&mut literal));
        }
    }
    terms.extend(quoted(&mut literal));
    if terms.is_empty() { "N''".to_owned() } else { terms.join(" + ") }
}

/// What was gathered as a literal, if there is anything.
fn quoted(gathered: &mut String) -> Option<String> {
    let text = std::mem::take(gathered);
    (!text.is_empty()).then(|| format!("N'{}'", text.replace('\'', "''")))
}

/// How RESTORE can be told a path: it takes a literal or a variable, and no expression.
#[derive(Debug, PartialEq, Eq)]
pub enum TsqlPath {
    /// As it is.
    Literal(String),
    /// The expression that a variable must be set to.
    Variable(String),
}

/// The path that the text `path` of a report means; `None` where it is longer than RESTORE takes,
/// not known exactly, or has bytes that SQL Server cannot name.
pub fn tsql_path(path: &str) -> Option<TsqlPath> {
    let name = real_name(path)?;
    if !(1..=PATH_UNITS_MAX).contains(&name.encode_utf16().count()) || name.contains('\u{fffd}') {
        return None;
    }
    let is_joined = [SQLCMD_VARIABLE, "/*", "*/"].iter().any(|obeyed| name.contains(obeyed));
    let expression = expression(&name, is_obeyed_in_path);
    Some(if is_joined || name.contains(is_obeyed_in_path) {
        TsqlPath::Variable(expression)
    } else {
        TsqlPath::Literal(expression)
    })
}

/// Unix paths are absolute with a slash; their text may have escapes (`discover::paths::text`).
fn real_name(path: &str) -> Option<Cow<'_, str>> {
    if path.starts_with('/') {
        String::from_utf8(unix_bytes(path)).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(path))
    }
}

/// UTF-16 units in the longest path that RESTORE takes.
const PATH_UNITS_MAX: usize = 259;

/// How a variable of sqlcmd begins.
const SQLCMD_VARIABLE: &str = "$(";

/// A backslash joins lines in a literal of T-SQL.
fn is_obeyed_in_tsql(c: char) -> bool {
    is_dangerous(c) || matches!(c, '<' | '>' | '\\')
}

/// In the literal of a path nothing joins or ends lines, so that a backslash is nothing but itself.
fn is_obeyed_in_path(c: char) -> bool {
    is_obeyed_in_tsql(c) && c != '\\'
}

/// Nothing but what ASCII shows, as nearly all text is: told several times as fast as looking at
/// each character.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Obeyed instead of shown, or not to be seen.
pub(super) fn is_dangerous(c: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let category = c.general_category();
    matches!(category, Control | Format | LineSeparator | ParagraphSeparator) || is_blank(c)
}

/// Drawn as nothing at all, although Unicode calls them letters, marks or symbols: fillers and
/// selectors (`Default_Ignorable_Code_Point` beyond `Format`), and the empty braille cell.
fn is_blank(c: char) -> bool {
    let fillers = matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}');
    let joiners = matches!(c, '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}');
    let selectors = matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}');
    let reserved = matches!(c, '\u{2065}' | '\u{fff0}'..='\u{fff8}');
    fillers || joiners || selectors || reserved
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
    fn names_stay_names_in_t_sql_and_in_sqlcmd() {
        assert_eq!(tsql_identifier("a]b'c").as_deref(), Some("[a]]b'c]"));
        for obeyed in ["a\nGO\n", "$(x)", "a\u{2028}b", "<a, b, c>", "a\\", "/*", "*/"] {
            assert_eq!(tsql_identifier(obeyed), None, "{obeyed}");
        }
        assert_eq!(tsql_text("a'b]"), "N'a''b]'");
        assert_eq!(tsql_text("a\n$(b)"), "N'a' + NCHAR(0x000A) + N'$' + N'(b)'");
        assert_eq!(tsql_text("*/-- <x>"), "N'*' + N'/-- ' + NCHAR(0x003C) + N'x' + NCHAR(0x003E)");
        assert_eq!(tsql_text("a\u{e0041}"), "N'a' + NCHAR(0xDB40) + NCHAR(0xDC41)");
        assert_eq!(tsql_text(""), "N''");
        assert_eq!(tsql_comment("a\n$(b)*//*"), "a\\n$ (b)* // *");
    }

    #[test]
    fn a_path_is_a_literal_or_a_variable_with_its_real_name() {
        let [literal, variable] = [TsqlPath::Literal, TsqlPath::Variable]
            .map(|kind| move |text: &str| Some(kind(text.to_owned())));
        assert_eq!(tsql_path("D:\\b'k\\full.bak"), literal("N'D:\\b''k\\full.bak'"));
        assert_eq!(tsql_path("D:\\xf6\\a.bak"), literal("N'D:\\xf6\\a.bak'"));
        let hidden = "N'/b/ab' + NCHAR(0x200C) + N'c.bak'";
        assert_eq!(tsql_path("/b/ab\u{200c}c.bak"), variable(hidden));
        assert_eq!(tsql_path("D:\\$(x)"), variable("N'D:\\$' + N'(x)'"));
        assert_eq!(tsql_path("/b/a\\x5cx41.bak"), literal("N'/b/a\\x41.bak'"));
        for no_name in ["", "a\u{fffd}", "/b/M\\xf6ller.bak"] {
            assert_eq!(tsql_path(no_name), None, "{no_name}");
        }
        assert!(tsql_path(&"x".repeat(259)).is_some() && tsql_path(&"x".repeat(260)).is_none());
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        let hidden = "\u{ad}\u{200b}\u{200f}\u{202e}\u{2060}\u{2069}\u{feff}\u{2028}\u{e0041}";
        let fillers = "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{fe0f}\u{e0100}\u{34f}\u{2800}";
        for c in hidden.chars().chain(fillers.chars()) {
            assert_eq!(terminal(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        let seen = "Größe 数据库 قاعدة бд बैकअप 한글 e\u{301} \u{1f600}";
        assert_eq!(terminal(seen), seen);
    }

    #[test]
    fn labels_end_where_they_should() {
        assert_eq!(label("C:\\a\"b\n"), "C:\\\\a\\\"b\\\\n");
    }
}
