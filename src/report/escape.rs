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

/// Text as a T-SQL expression on one line: what sqlcmd, an editor or a terminal might obey stands
/// as a number.
pub fn tsql_text(text: &str) -> String {
    let mut literal = String::from("N'");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\'', _) => literal += "''",
            ('$', Some('(')) | ('*', Some('/')) | ('/', Some('*')) => {
                literal += &format!("{c}' + N'");
            }
            _ if is_obeyed_in_tsql(c) => literal += &format!("' + NCHAR({}) + N'", u32::from(c)),
            _ => literal.push(c),
        }
    }
    literal + "'"
}

/// A path as the literal that RESTORE takes, which is no expression; `None` where it would have to
/// be one, where the path is longer than RESTORE takes, or not known exactly.
pub fn tsql_path(path: &str) -> Option<String> {
    // Nothing joins or ends lines here, so that a backslash is nothing but itself.
    let is_obeyed = |c: char| is_obeyed_in_tsql(c) && c != '\\';
    let is_plain = !path.contains(|c| is_obeyed(c) || c == char::REPLACEMENT_CHARACTER)
        && ![SQLCMD_VARIABLE, "/*", "*/"].iter().any(|obeyed| path.contains(obeyed));
    let has_room = (1..=PATH_UNITS_MAX).contains(&path.encode_utf16().count());
    (is_plain && has_room).then(|| format!("N'{}'", path.replace('\'', "''")))
}

/// UTF-16 units in the longest path that RESTORE takes.
const PATH_UNITS_MAX: usize = 259;

/// How a variable of sqlcmd begins.
const SQLCMD_VARIABLE: &str = "$(";

/// A backslash joins lines in a literal of T-SQL.
fn is_obeyed_in_tsql(c: char) -> bool {
    is_dangerous(c) || matches!(c, '<' | '>' | '\\')
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
    fn names_stay_names_in_t_sql_and_in_sqlcmd() {
        assert_eq!(tsql_identifier("a]b'c").as_deref(), Some("[a]]b'c]"));
        for obeyed in ["a\nGO\n", "$(x)", "a\u{2028}b", "<a, b, c>", "a\\", "/*", "*/"] {
            assert_eq!(tsql_identifier(obeyed), None, "{obeyed}");
        }
        assert_eq!(tsql_text("a'b]"), "N'a''b]'");
        assert_eq!(tsql_text("a\n$(b)"), "N'a' + NCHAR(10) + N'$' + N'(b)'");
        assert_eq!(tsql_text("*/-- <x>"), "N'*' + N'/-- ' + NCHAR(60) + N'x' + NCHAR(62) + N''");
        assert_eq!(tsql_comment("a\n$(b)*//*"), "a\\n$ (b)* // *");
    }

    #[test]
    fn a_path_is_one_literal_or_none() {
        let windows = "D:\\b'k\\full.bak";
        assert_eq!(tsql_path(windows).as_deref(), Some("N'D:\\b''k\\full.bak'"));
        for no_literal in ["", "a\nb", "$(x)", "<a>", "*/", "/*", "a\u{fffd}", "\u{202e}"] {
            assert_eq!(tsql_path(no_literal), None, "{no_literal}");
        }
        assert!(tsql_path(&"x".repeat(259)).is_some() && tsql_path(&"x".repeat(260)).is_none());
    }

    #[test]
    fn labels_end_where_they_should() {
        assert_eq!(label("C:\\a\"b\n"), "C:\\\\a\\\"b\\\\n");
    }
}
