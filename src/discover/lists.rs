//! Lists of paths: `@list.txt`, and `-` for one on stdin. In UTF-8 with or without a byte order
//! mark, in UTF-16, as Windows writes them, or in the bytes that the file system has.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;

/// Bytes of a list read at most: far beyond any fleet, but a bound.
const LIST_BYTES_MAX: u64 = 256 << 20;
/// Bytes by which it is decided whether it is a list at all.
const BEGINNING_BYTES: usize = 64 << 10;
/// Of so many bytes, one may be a control character in a name.
const BYTES_PER_CONTROL_MIN: usize = 50;
/// Bytes by which UTF-16 is known without its mark: four letters.
const UTF16_BYTES: usize = 8;

/// Expands `@list.txt` and `-` among the words of a command line. What is no list is
/// [`ErrorKind::InvalidData`].
pub fn expand_lists(words: &[PathBuf], stdin: &mut dyn Read) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for word in words {
        match word.to_str() {
            Some("-") => {
                let in_words = |e| explained("the list on stdin", &e);
                paths.extend(read_list(stdin, LIST_BYTES_MAX).map_err(in_words)?);
            }
            Some(text) if text.starts_with('@') => {
                let in_words = |e| explained(&format!("list {}", &text[1..]), &e);
                let list = File::open(&text[1..]);
                let read = list.and_then(|mut list| read_list(&mut list, LIST_BYTES_MAX));
                paths.extend(read.map_err(in_words)?);
            }
            _ => paths.push(word.clone()),
        }
    }
    Ok(paths)
}

fn explained(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {what}: {error}"))
}

/// One path per line, or separated by NUL bytes as `find -print0` does it; empty lines are
/// nothing.
fn read_list(list: &mut dyn Read, bytes_max: u64) -> io::Result<Vec<PathBuf>> {
    let mut bytes = Vec::new();
    list.take(BEGINNING_BYTES as u64).read_to_end(&mut bytes)?;
    let encoding = Encoding::of(&bytes);
    if !encoding.is_utf16() && is_binary(&bytes) {
        let why = "it is no list of paths, but a binary file; to scan it, leave out the @";
        return Err(io::Error::new(ErrorKind::InvalidData, why));
    }
    let rest = bytes_max.saturating_sub(bytes.len() as u64) + 1;
    list.take(rest).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let why = format!("it is longer than {bytes_max} bytes, more than a list may have");
        return Err(io::Error::new(ErrorKind::InvalidData, why));
    }
    let bytes = encoding.decoded(bytes)?;
    let separator = if bytes.contains(&0) { 0 } else { b'\n' };
    Ok(bytes
        .split(|&byte| byte == separator)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(path_of)
        .collect())
}

/// Two NUL bytes side by side separate nothing, and control characters are rare in names.
fn is_binary(beginning: &[u8]) -> bool {
    let is_control = |byte: &&u8| matches!(byte, 1..=8 | 11..=12 | 14..=31 | 127);
    let controls = beginning.iter().filter(is_control).count();
    beginning.windows(2).any(|pair| pair == [0, 0])
        || controls * BYTES_PER_CONTROL_MIN > beginning.len()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// As the file system has them, behind so many bytes.
    Bytes(usize),
    Utf16Le(usize),
    Utf16Be(usize),
}

impl Encoding {
    fn of(beginning: &[u8]) -> Self {
        match beginning {
            [0xef, 0xbb, 0xbf, ..] => Self::Bytes(3),
            [0xff, 0xfe, ..] => Self::Utf16Le(2),
            [0xfe, 0xff, ..] => Self::Utf16Be(2),
            _ if has_nul_in_each_pair(beginning, 1) => Self::Utf16Le(0),
            _ if has_nul_in_each_pair(beginning, 0) => Self::Utf16Be(0),
            _ => Self::Bytes(0),
        }
    }

    fn is_utf16(self) -> bool {
        !matches!(self, Self::Bytes(_))
    }

    /// As the file system has them.
    fn decoded(self, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let (mark_bytes, unit): (_, fn([u8; 2]) -> u16) = match self {
            Self::Bytes(mark_bytes) => {
                bytes.drain(..mark_bytes);
                return Ok(bytes);
            }
            Self::Utf16Le(mark_bytes) => (mark_bytes, u16::from_le_bytes),
            Self::Utf16Be(mark_bytes) => (mark_bytes, u16::from_be_bytes),
        };
        let pairs = bytes[mark_bytes..].chunks_exact(2);
        let is_whole = pairs.remainder().is_empty();
        let units: Vec<u16> = pairs.map(|pair| unit([pair[0], pair[1]])).collect();
        let text = String::from_utf16(&units).ok().filter(|_| is_whole);
        // Of UTF-32 and binary files, each letter would become a path, and `/` is one.
        let text = text.filter(|text| !text.contains('\0') && !is_binary(text.as_bytes()));
        text.map(String::into_bytes).ok_or_else(|| {
            let why = "it begins as UTF-16 and is not: write it in UTF-8, one path per line";
            io::Error::new(ErrorKind::InvalidData, why)
        })
    }
}

/// Every second of the first bytes is NUL and the others are not: western letters in UTF-16.
fn has_nul_in_each_pair(beginning: &[u8], at: usize) -> bool {
    beginning.get(..UTF16_BYTES).is_some_and(|first| {
        first.chunks_exact(2).all(|pair| pair[at] == 0 && matches!(pair[1 - at], b' '..=b'~'))
    })
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bytes: &[u8]) -> io::Result<Vec<PathBuf>> {
        read_list(&mut &bytes[..], 1 << 20)
    }

    fn read(bytes: &[u8]) -> Vec<PathBuf> {
        list(bytes).unwrap()
    }

    #[test]
    fn lists_are_split_at_lines_or_at_nul_bytes() {
        assert_eq!(read(b"/a b\r\n\n/c\n"), [PathBuf::from("/a b"), PathBuf::from("/c")]);
        assert_eq!(read(b"/a\nb\0/c\0"), [PathBuf::from("/a\nb"), PathBuf::from("/c")]);
        assert_eq!(read(b""), Vec::<PathBuf>::new());
    }

    #[test]
    fn lists_of_windows_are_read_in_every_encoding() {
        let text = "C:\\Data\\Verk\u{e4}ufe.mdf\r\nD:\\\u{1f600}.mdf\r\n";
        let expected = ["C:\\Data\\Verk\u{e4}ufe.mdf", "D:\\\u{1f600}.mdf"].map(PathBuf::from);
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let utf8 = text.as_bytes();
        for (mark, bytes) in [
            (&b""[..], utf8),
            (b"\xef\xbb\xbf", utf8),
            (b"", &le),
            (b"\xff\xfe", &le),
            (b"", &be),
            (b"\xfe\xff", &be),
        ] {
            assert_eq!(read(&[mark, bytes].concat()), expected, "{mark:?} {:?}", &bytes[..4]);
        }
    }

    #[test]
    fn what_is_no_list_is_refused_by_its_first_bytes() {
        struct Endless {
            beginning: &'static [u8],
            bytes: usize,
        }
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let bytes = self.beginning.iter().cycle().skip(self.bytes % self.beginning.len());
                buffer.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
                self.bytes += buffer.len();
                assert!(self.bytes <= 2 * BEGINNING_BYTES, "more is read than is needed to tell");
                Ok(buffer.len())
            }
        }
        let beginnings =
            [&[1, 15, 0, 0, 0, 2][..], b"TAPE\0\0\x03\0", b"\x7fELF\x02\x01\x01", &[0]];
        for beginning in beginnings {
            let mut endless = Endless { beginning, bytes: 0 };
            let error = read_list(&mut endless, LIST_BYTES_MAX).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains("binary"), "{error}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_or_no_utf16_is_refused() {
        let too_long = read_list(&mut &b"/a\n/b\n"[..], 5).unwrap_err();
        assert!(too_long.to_string().contains("5 bytes"), "{too_long}");
        for bytes in [&b"\xff\xfea\0b"[..], b"\xff\xfe\0\xd8a\0"] {
            assert!(list(bytes).unwrap_err().to_string().contains("UTF-16"));
        }
    }

    /// Names may hold nearly every byte.
    #[test]
    fn names_in_other_encodings_and_with_a_control_character_are_names() {
        let name = b"/data/M\xf6ller\x07 and a long name that has nothing to do with bells.mdf";
        assert_eq!(read(&[&name[..], b"\n"].concat()), [path_of(name)]);
    }

    #[test]
    fn a_missing_list_is_an_error_that_names_it() {
        let error = expand_lists(&[PathBuf::from("@/nowhere.txt")], &mut io::empty()).unwrap_err();
        assert!(error.to_string().contains("/nowhere.txt"));
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_list_in_utf_32_is_not_one_path_for_each_letter() {
        let utf_32: Vec<u8> =
            "\u{feff}x/d.mdf\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let error = read_list(&mut &utf_32[..], 1 << 20).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }

    #[test]
    fn a_list_may_be_as_long_as_it_says() {
        let read = |bytes_max| read_list(&mut &b"/a\n/b\n"[..], bytes_max);
        assert_eq!(read(6).unwrap(), [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert!(read(5).unwrap_err().to_string().contains("longer than 5 bytes"));
    }
}
