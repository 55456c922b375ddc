//! Content that has moved in its file, as the report tells it: one finding, however many suspects.

use crate::diagnose::shift::Shift;
use crate::page::address::{FileId, PageAddress};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// Content of a file that lies too late or too early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftReport {
    /// The machine that scanned it; null unless the report is a merged one.
    #[serde(default)]
    pub host: Option<Arc<str>>,
    /// The file.
    pub path: Arc<str>,
    /// The first page of the file that holds content that has moved.
    pub first: PageAddress,
    /// The last one.
    pub last: PageAddress,
    /// How far it has moved; where it has moved more and more, at its end.
    pub bytes: u64,
    /// `late`: bytes were inserted before it; `early`: bytes are missing.
    pub direction: Cow<'static, str>,
    /// Places at which bytes were inserted or are missing, at least.
    pub places: u64,
    /// Suspects that it explains, listed or not.
    pub pages: u64,
    /// In words.
    pub text: String,
}

impl ShiftReport {
    /// Of `shift` in file `file_id` at `path`, which explains so many `pages`; what stands before
    /// it lies so many bytes `off` its own place.
    pub fn new(shift: &Shift, off: i64, path: &Arc<str>, file_id: FileId, pages: u64) -> Self {
        let at = |page| PageAddress::new(file_id, page);
        Self {
            host: None,
            path: Arc::clone(path),
            first: at(shift.first),
            last: at(shift.last),
            bytes: shift.bytes.unsigned_abs(),
            direction: if shift.bytes > 0 { "late" } else { "early" }.into(),
            places: shift.places as u64,
            pages,
            text: text(shift, off, at(shift.first), at(shift.last)),
        }
    }
}

/// `from (1:641) on, everything lies 8,192 bytes too late: bytes were inserted before it; copy the
/// file again from its source`
fn text(shift: &Shift, off: i64, first: PageAddress, last: PageAddress) -> String {
    let how = if shift.bytes > 0 { "late" } else { "early" };
    let what = if shift.bytes > off { "bytes were inserted" } else { "bytes are missing" };
    let far = grouped(shift.bytes.unsigned_abs());
    let bytes = if far == "1" { "1 byte".to_owned() } else { format!("{far} bytes") };
    let from =
        if shift.returns { format!("from {first} to {last}") } else { format!("from {first} on") };
    if shift.places > 1 {
        return format!(
            "{from}, more and more lies too {how}, {bytes} in the end: {what} in at least {} \
             places, as a transfer in text mode leaves it; copy the file again from its source, in \
             binary mode",
            grouped(shift.places as u64)
        );
    }
    let back = if shift.returns { ", and what follows is in its place again" } else { "" };
    format!(
        "{from}, everything lies {bytes} too {how}: {what} before it{back}; copy the file again \
         from its source"
    )
}

/// `8,192`
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::PageId;

    fn told(bytes: i64, places: usize, returns: bool) -> String {
        let shift = Shift { first: PageId(641), last: PageId(2000), bytes, places, returns };
        ShiftReport::new(&shift, 0, &"x.mdf".into(), FileId(1), 17).text
    }

    #[test]
    fn what_was_done_is_told_by_what_stands_before() {
        let (first, last) = (PageId(641), PageId(2000));
        let shift = Shift { first, last, bytes: 5000, places: 1, returns: false };
        let report = ShiftReport::new(&shift, 13_192, &"x.mdf".into(), FileId(1), 17);
        assert!(report.text.contains("5,000 bytes too late: bytes are missing before it; "));
    }

    #[test]
    fn a_shift_is_told_with_its_place_its_bytes_and_what_to_do() {
        let copy = "copy the file again from its source";
        let late = "from (1:641) on, everything lies 8,192 bytes too late: bytes were inserted";
        assert_eq!(told(8192, 1, false), format!("{late} before it; {copy}"));
        let early = "from (1:641) to (1:2000), everything lies 1 byte too early: bytes are missing \
            before it, and what follows is in its place again; ";
        assert_eq!(told(-1, 1, true), format!("{early}{copy}"));
        let more = "from (1:641) on, more and more lies too late, 1,234,567 bytes in the end: \
            bytes were inserted in at least 1,000 places, as a transfer in text mode leaves it; ";
        assert_eq!(told(1_234_567, 1000, false), format!("{more}{copy}, in binary mode"));
    }
}
