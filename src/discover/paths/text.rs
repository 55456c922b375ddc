//! Paths as text without loss: what is no text in a name is escaped, so that different files have
//! different names in reports, and [`from_text`] finds them again.
//!
//! On Unix, a byte that is no UTF-8 is `\xf6`; on Windows, a surrogate without its other half is
//! `\u{d800}`. A name in which the like stands literally has its backslash escaped. An absolute
//! path tells by its first character which of both it is.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// `path` as text; the same for two paths only if they are the same.
pub fn text(path: &Path) -> Cow<'_, str> {
    match path.to_str() {
        Some(text) if !has_escape(text) => Cow::Borrowed(text),
        _ => Cow::Owned(of_system::text(path)),
    }
}

/// The path of which `text` is the text.
pub fn from_text(text: &str) -> PathBuf {
    if has_escape(text) { of_system::path(text) } else { PathBuf::from(text) }
}

/// The bytes of a Unix path of which `text` is the text.
pub fn unix_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        bytes.extend(before.as_bytes());
        let byte = escaped_byte(from.as_bytes());
        bytes.push(byte.unwrap_or(b'\\'));
        rest = &from[if byte.is_some() { BYTE_ESCAPE } else { 1 }..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

/// Length of `\xf6`.
const BYTE_ESCAPE: usize = 4;
/// Length of `\u{d800}`.
#[cfg(any(windows, test))]
const UNIT_ESCAPE: usize = 8;

/// The byte that `text` begins with, if it begins with an escape.
fn escaped_byte(text: &[u8]) -> Option<u8> {
    match text {
        [b'\\', b'x', high, low, ..] => {
            let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
            Some(digit(*high)? << 4 | digit(*low)?)
        }
        _ => None,
    }
}

/// The text of a Unix path.
#[cfg(any(unix, test))]
fn of_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + BYTE_ESCAPE);
    for chunk in bytes.utf8_chunks() {
        for (at, c) in chunk.valid().char_indices() {
            text.push(c);
            if c == '\\' && escaped_byte(&chunk.valid().as_bytes()[at..]).is_some() {
                text += "x5c";
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// The UTF-16 unit that `text` begins with, if it begins with an escape.
#[cfg(any(windows, test))]
fn escaped_unit(text: &[u16]) -> Option<u16> {
    let text: Vec<u8> =
        text.iter().take(UNIT_ESCAPE).map(|&unit| u8::try_from(unit).unwrap_or(0)).collect();
    let digits = text.strip_prefix(b"\\u{")?.strip_suffix(b"}")?;
    let is_four = digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit);
    is_four.then(|| u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

/// The text of a Windows path.
#[cfg(any(windows, test))]
fn of_units(units: &[u16]) -> String {
    let (mut text, mut at) = (String::with_capacity(units.len()), 0);
    for c in char::decode_utf16(units.iter().copied()) {
        match c {
            Ok('\\') if escaped_unit(&units[at..]).is_some() => text += "\\u{005c}",
            Ok(c) => text.push(c),
            Err(ref half) => text += &format!("\\u{{{:04x}}}", half.unpaired_surrogate()),
        }
        at += c.map_or(1, char::len_utf16);
    }
    text
}

/// The units of a Windows path of which `text` is the text.
#[cfg(any(windows, test))]
fn windows_units(text: &str) -> Vec<u16> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let (mut decoded, mut rest) = (Vec::with_capacity(units.len()), &units[..]);
    while let [first, ..] = rest {
        let unit = escaped_unit(rest);
        decoded.push(unit.unwrap_or(*first));
        rest = &rest[if unit.is_some() { UNIT_ESCAPE } else { 1 }..];
    }
    decoded
}

#[cfg(unix)]
mod of_system {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    pub(super) fn text(path: &Path) -> String {
        super::of_bytes(path.as_os_str().as_bytes())
    }

    pub(super) fn path(text: &str) -> PathBuf {
        OsString::from_vec(super::unix_bytes(text)).into()
    }
}

#[cfg(windows)]
mod of_system {
    use std::ffi::OsString;
    use std::os::windows::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    pub(super) fn text(path: &Path) -> String {
        super::of_units(&path.as_os_str().encode_wide().collect::<Vec<_>>())
    }

    pub(super) fn path(text: &str) -> PathBuf {
        OsString::from_wide(&super::windows_units(text)).into()
    }
}

/// True if `text` has what this system's paths escape; elsewhere, that is a name like any other.
fn has_escape(text: &str) -> bool {
    let escape = if cfg!(windows) { "\\u{" } else { "\\x" };
    text.contains(escape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    #[test]
    fn what_is_no_text_is_escaped_and_what_looks_like_an_escape_too() {
        assert_eq!(of_bytes(b"M\xf6ller"), "M\\xf6ller");
        assert_eq!(of_bytes(b"a\\b\\x4g"), "a\\b\\x4g");
        assert_eq!(of_bytes(b"M\\xf6ller"), "M\\x5cxf6ller");
        assert_eq!(of_units(&[0x4d, 0xd800, 0x5c]), "M\\u{d800}\\");
        let literal: Vec<u16> = "D:\\u{d800}".encode_utf16().collect();
        assert_eq!(of_units(&literal), "D:\\u{005c}u{d800}");
    }

    #[test]
    fn every_path_has_a_text_of_its_own_and_is_found_again() {
        let alphabet = [b'\\', b'x', b'5', b'c', b'F', b'u', b'{', b'}', 0xf6, 0xc3, 0xb6, b'0'];
        let mut random = Xoshiro256PlusPlus::seed_from_u64(22);
        let mut pick = |count: usize| (random.next_u64() % count as u64) as usize;
        for _ in 0..100_000 {
            let length = pick(16);
            let bytes: Vec<u8> = (0..length).map(|_| alphabet[pick(alphabet.len())]).collect();
            assert_eq!(unix_bytes(&of_bytes(&bytes)), bytes);
            let wide = |byte: &u8| if byte.is_ascii() { u16::from(*byte) } else { 0xd8c3 };
            let mut units: Vec<u16> = bytes.iter().map(wide).collect();
            units.extend((pick(3) == 0).then_some(0xdc00));
            assert_eq!(windows_units(&of_units(&units)), units);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_text_of_a_path_leads_to_it() {
        use std::os::unix::ffi::OsStrExt;
        for bytes in [&b"/b/M\xf6ller.mdf"[..], b"/b/M\\xf6ller.mdf", "/b/ü\u{200c}".as_bytes()] {
            let path = Path::new(std::ffi::OsStr::from_bytes(bytes));
            assert_eq!(from_text(&text(path)), path);
        }
    }

    #[test]
    fn an_escape_of_windows_has_four_digits() {
        for literal in ["D:\\u{12}", "D:\\u{+123}.mdf", "D:\\u{00g0}.mdf"] {
            let units: Vec<u16> = literal.encode_utf16().collect();
            assert_eq!(windows_units(literal), units);
            assert_eq!(of_units(&units), literal);
        }
        assert_eq!(windows_units("\\u{d800}"), [0xd800]);
    }
}
