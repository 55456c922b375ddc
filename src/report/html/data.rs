//! The suspects as data for the script. Texts that return stand once, in a dictionary; rows have
//! their numbers. So 100,000 suspects take less than 30 MB.

use super::details;
use super::words::{colour, words};
use super::{SUSPECTS_MAX, safe};
use crate::consolidate::report::{IncidentReport, ScrubReport, Suspect};
use crate::page::PAGE_BYTES;
use crate::page::checksum::Checksum;
use crate::report::file_names::FileNames;
use crate::report::view::{kind, wrong};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

/// Placeholders in the texts of a row, which the page's script fills with the row's own address,
/// its offset as messages have it and in bytes, its checksums and their difference. So 100,000 messages
/// that differ in these only are one text. Control characters, which text that passed [`safe`]
/// does not have.
const MARKS: [&str; 6] = ["\u{1}", "\u{2}", "\u{3}", "\u{4}", "\u{5}", "\u{6}"];
/// Shorter offsets are found in numbers that are none.
const OFFSET_DIGITS_MIN: usize = 4;

#[derive(Serialize)]
struct Data {
    /// Texts, each once.
    texts: Vec<String>,
    rows: Vec<Row>,
}

/// A text of the dictionary, or itself.
#[derive(Serialize)]
#[serde(untagged)]
enum Text {
    Known(usize),
    Itself(String),
}

/// One suspect; the script names the places.
#[derive(Serialize)]
struct Row(
    usize,        // rank
    usize,        // priority
    usize,        // tier
    u32,          // score
    u16,          // file id
    u32,          // page id
    usize,        // type
    usize,        // what is wrong
    usize,        // cause
    usize,        // object
    usize,        // file
    usize,        // incident
    &'static str, // colour
    Vec<u32>,     // terms of the score
    [String; 2],  // checksums
    Vec<Text>,    // lines: label, tab, value
    [usize; 3],   // action, message, its end
);

/// Writes an element with the first [`SUSPECTS_MAX`] suspects.
pub(super) fn write(
    report: &ScrubReport,
    names: &FileNames<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if report.suspects.is_empty() {
        return Ok(());
    }
    let incidents = incidents(report);
    let mut texts = Texts::default();
    let rows = report.suspects.iter().take(SUSPECTS_MAX);
    let rows = rows.map(|suspect| row(suspect, &incidents, names, &mut texts)).collect();
    out.write_all(b"<script type=\"application/json\" id=\"data\">")?;
    let data = Data { texts: texts.list, rows };
    data.serialize(&mut Serializer::with_formatter(&mut *out, InsideHtml(CompactFormatter)))?;
    out.write_all(b"</script>")
}

/// The incident of each rank.
fn incidents(report: &ScrubReport) -> BTreeMap<usize, usize> {
    let ranks = |incident: &'_ IncidentReport| {
        let pair = |&rank| (rank, incident.rank);
        incident.suspects.iter().map(pair).collect::<Vec<_>>()
    };
    report.incidents.iter().flat_map(ranks).collect()
}

#[derive(Default)]
struct Texts {
    list: Vec<String>,
    known: HashMap<String, usize>,
}

impl Texts {
    fn number(&mut self, text: impl Into<String>) -> usize {
        let text = text.into();
        if let Some(number) = self.known.get(&text) {
            return *number;
        }
        let number = self.list.len();
        self.list.push(text.clone());
        self.known.insert(text, number);
        number
    }
}

fn row(
    suspect: &Suspect,
    incidents: &BTreeMap<usize, usize>,
    names: &FileNames<'_>,
    texts: &mut Texts,
) -> Row {
    let lines = details::all(suspect).into_iter().map(|line| {
        let text = format!("{}\t{}", line.label, line.value);
        if line.is_rare {
            Text::Itself(text)
        } else {
            Text::Known(texts.number(marked(&text, suspect)))
        }
    });
    let lines = lines.collect();
    let message = marked(&safe(&suspect.message.to_string()), suspect);
    // What comes after the first sentence is the same for many pages.
    let (message, end) = message.split_once(". ").unwrap_or((&message, ""));
    let object = safe(suspect.object.as_deref().unwrap_or_default());
    let cause = suspect.cause.as_deref().map(words).unwrap_or_default();
    Row(
        suspect.rank,
        texts.number(safe(&suspect.priority)),
        texts.number(safe(&suspect.tier)),
        suspect.score,
        suspect.file_id,
        suspect.page_id,
        texts.number(kind(suspect)),
        texts.number(wrong(suspect, false)),
        texts.number(cause),
        texts.number(object),
        texts.number(names.name(suspect.host.as_deref(), &suspect.path)),
        incidents.get(&suspect.rank).copied().unwrap_or(suspect.incident),
        colour(&suspect.tier, &suspect.priority),
        details::terms(suspect).into_iter().map(|(_, points)| points).collect(),
        checksums(suspect),
        lines,
        [texts.number(safe(&suspect.action)), texts.number(message), texts.number(end)],
    )
}

fn checksums(suspect: &Suspect) -> [String; 2] {
    let text = |sum: Option<_>| sum.map_or_else(String::new, |sum| format!("{sum}"));
    [text(suspect.stored), text(suspect.computed)]
}

/// `text` with [`MARKS`] for what the row holds.
fn marked(text: &str, suspect: &Suspect) -> String {
    let bytes = u64::from(suspect.page_id) * PAGE_BYTES as u64;
    let decimal = Some(bytes.to_string()).filter(|text| text.len() >= OFFSET_DIGITS_MIN);
    let [stored, computed] = checksums(suspect);
    let differ = suspect.stored.zip(suspect.computed).map(|(a, b)| Checksum(a.0 ^ b.0).to_string());
    let held = [
        format!("({}:{})", suspect.file_id, suspect.page_id),
        format!("{bytes:#016x}"),
        stored,
        computed,
        decimal.unwrap_or_default(),
        differ.unwrap_or_default(),
    ];
    let mut text = text.to_owned();
    for (held, mark) in held.iter().zip(MARKS).filter(|(held, _)| !held.is_empty()) {
        text = text.replace(held, mark);
    }
    text
}

/// JSON that neither ends the element it is in nor begins another.
struct InsideHtml(CompactFormatter);

impl Formatter for InsideHtml {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        text: &str,
    ) -> io::Result<()> {
        const OBEYED: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];
        let mut from = 0;
        for (at, obeyed) in text.match_indices(OBEYED) {
            self.0.write_string_fragment(out, &text[from..at])?;
            write!(out, "\\u{:04x}", obeyed.chars().next().map_or(0, u32::from))?;
            from = at + obeyed.len();
        }
        self.0.write_string_fragment(out, &text[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_html_or_a_script_would_obey_is_escaped_and_comes_back_as_it_was() {
        let text = "</script><!-- a&b \u{2028}\u{2029} ü \" \\ \n";
        let mut out = Vec::new();
        text.serialize(&mut Serializer::with_formatter(&mut out, InsideHtml(CompactFormatter)))
            .unwrap();
        let json = String::from_utf8(out).unwrap();
        assert!(!json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
