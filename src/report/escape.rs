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

fn is_dangerous(c: char) -> bool {
    let is_invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    let turns_text = matches!(c, '\u{2028}'..='\u{202e}' | '\u{2065}'..='\u{2069}');
    c.is_control() || is_invisible || turns_text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown_and_not_obeyed() {
        assert_eq!(terminal("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\\nc");
        assert_eq!(terminal("x\u{202e}fdm"), "x\\u{202e}fdm");
        assert_eq!(terminal("übermäßig große Datei.mdf"), "übermäßig große Datei.mdf");
    }
}
