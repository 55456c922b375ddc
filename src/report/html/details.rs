//! All that is known of a suspect, as lines of a label and a value. Each line is written here
//! once, for the page and for the data that its script shows.

use super::safe;
use super::words::words;
use crate::consolidate::clean_copy::COPIES_MAX;
use crate::consolidate::message::breach::like;
use crate::consolidate::report::Suspect;
use crate::diagnose::evidence::{Evidence, Home, Slots};
use crate::page::header::Lsn;
use crate::report::view;

/// A line of what is known.
pub(super) struct Line {
    pub label: &'static str,
    /// Safe to show.
    pub value: String,
    /// Hardly any other suspect has it.
    pub is_rare: bool,
}

fn line(label: &'static str, value: impl Into<String>) -> Line {
    Line { label, value: value.into(), is_rare: false }
}

fn rare(label: &'static str, value: impl Into<String>) -> Line {
    Line { is_rare: true, ..line(label, value) }
}

/// Everything but the action and the message.
pub(super) fn all(suspect: &Suspect) -> Vec<Line> {
    let mut lines = vec![line("File", safe(&suspect.path))];
    lines.extend(suspect.host.as_ref().map(|host| line("Host", safe(host))));
    if let Some(database) = &suspect.database {
        lines.push(line("Database", safe(database)));
    }
    lines.push(line("Page", kind(suspect)));
    lines.extend(belongs(suspect).map(|text| line("Belongs to", text)));
    lines.extend(suspect.backup_set.map(|set| line("Backup set", set.to_string())));
    let what = match suspect.is_in_backup() {
        true if suspect.offset_unpacked => "unpacked backup",
        true => "backup",
        false => "file",
    };
    lines.push(line("Offset", format!("byte {} of the {what}", suspect.offset_bytes)));
    if let Some(device) = &suspect.device {
        let at = suspect.device_offset_bytes.map(|at| format!(", byte {at}"));
        lines.push(rare("Device", format!("{}{}", safe(device), at.unwrap_or_default())));
    }
    if let Some(found) = &suspect.found {
        lines.push(rare("Address on it", found.to_string()));
    }
    if let Some(object) = &suspect.found_object {
        lines.push(rare("Object on it", safe(object)));
    }
    lines.extend(suspect.broken.as_ref().map(|broken| rare("Rule", like(broken.rule))));
    lines.extend(cause(suspect));
    lines.extend(evidence(suspect));
    let copies = suspect.clean_copies.iter().take(COPIES_MAX);
    lines.extend(copies.map(|copy| rare("Clean copy", safe(&copy.in_words))));
    let elsewhere = suspect.other_hosts.iter();
    lines.extend(elsewhere.map(|copy| rare("Elsewhere", safe(&copy.in_words))));
    lines
}

/// What supports the cause.
pub(super) fn evidence(suspect: &Suspect) -> Vec<Line> {
    let mut lines = Vec::new();
    if let (Some(stored), Some(computed)) = (suspect.stored, suspect.computed) {
        lines.push(line("Checksum", format!("stored {stored}, computed {computed}")));
    }
    // A page that was looked at has been looked at once.
    let Some(evidence) = suspect.evidence.as_ref().filter(|evidence| evidence.looks > 0) else {
        return lines;
    };
    lines.extend(bits(evidence));
    lines.push(line("Sectors", String::from(evidence.sectors)));
    lines.push(line("Content", content(evidence)));
    if let Some(at) = evidence.breaks_at {
        lines.push(line("Breaks at", format!("byte {at} of the page")));
    }
    lines.extend(log(evidence));
    lines.extend(evidence.home.map(|home| line("Its own place", home_words(home))));
    let same = if evidence.looks_differ { "not all the same" } else { "all the same" };
    lines.push(line("Looks", format!("{}, {same}", evidence.looks)));
    lines
}

/// The likely cause.
pub(super) fn cause(suspect: &Suspect) -> Option<Line> {
    let cause = words(suspect.cause.as_ref()?);
    let sure = suspect.confidence.as_ref().map(|sure| format!(" ({})", words(sure)));
    Some(line("Cause", cause + &sure.unwrap_or_default()))
}

/// What the score is made of; empty for reports of before that was told.
pub(super) fn terms(suspect: &Suspect) -> Vec<(&'static str, u32)> {
    let terms = &suspect.terms;
    let named = [
        ("consequence", terms.consequence),
        ("certainty", terms.certainty),
        ("incident", terms.incident),
        ("recovery", terms.recovery),
        ("blast", terms.blast),
    ];
    if named.iter().all(|(_, points)| *points == 0) { Vec::new() } else { named.to_vec() }
}

fn kind(suspect: &Suspect) -> String {
    let kind = match &*suspect.page_type {
        "unknown" => "type unknown".to_owned(),
        _ => view::kind(suspect),
    };
    let usage = match &*suspect.allocated {
        "yes" => "in use",
        "no" => "not in use",
        _ => "perhaps not in use",
    };
    format!("{kind}, {usage}; event type {}", suspect.event_type)
}

fn belongs(suspect: &Suspect) -> Option<String> {
    let object = safe(suspect.object.as_ref()?);
    let kind = suspect.object_kind.as_ref().map(|kind| words(kind));
    let id = suspect.object_id.map(|id| format!("object {id}"));
    let index = suspect.index_id.map(|id| format!("index {id}"));
    let facts: Vec<_> = kind.into_iter().chain(id).chain(index).collect();
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    Some(format!("{object}{facts}"))
}

fn bits(evidence: &Evidence) -> Option<Line> {
    let bits = evidence.syndrome_bits?;
    let plural = if bits == 1 { "" } else { "s" };
    let syndrome = evidence.syndrome.map(|syndrome| format!(" ({syndrome})"));
    let candidates = evidence
        .candidate_bits
        .map(|n| format!("; {n} bits of the page would explain it, each alone"));
    let text = format!(
        "{bits} bit{plural} of the checksum differ{}{}",
        syndrome.unwrap_or_default(),
        candidates.unwrap_or_default()
    );
    Some(line("Syndrome", text))
}

fn content(evidence: &Evidence) -> String {
    let header = if evidence.header_is_sane { "header holds" } else { "header does not hold" };
    let slots = match evidence.slots {
        Slots::None => "",
        Slots::Sound => "; slots lead to records",
        Slots::Unwritten => "; the last slots are zeros, all others lead to records",
        Slots::Broken => "; slots do not all lead to records",
    };
    let foreign = evidence.foreign.map(|kind| format!("; begins like {}", kind.name()));
    let foreign = foreign.unwrap_or_default();
    let entropy = f64::from(evidence.entropy_millibits) / 1000.0;
    format!("{header}{slots}{foreign}; {entropy:.2} of 8 bits of entropy per byte")
}

fn log(evidence: &Evidence) -> Option<Line> {
    let own = evidence.lsn.map(|lsn| format!("page {lsn}"));
    let between = |(low, high): (Lsn, Lsn)| format!("neighbours {low} to {high}");
    let beside = evidence.neighbours_lsn_low.zip(evidence.neighbours_lsn_high).map(between);
    let last = evidence.checkpoint_lsn.map(|lsn| format!("last checkpoint {lsn}"));
    let known: Vec<_> = own.into_iter().chain(beside).chain(last).collect();
    (!known.is_empty()).then(|| rare("LSN", known.join("; ")))
}

fn home_words(home: Home) -> &'static str {
    match home {
        Home::Same => "holds the same version of it",
        Home::Older => "holds an older version: the write that came here never came there",
        Home::Newer => "holds a newer version",
        Home::Damaged => "holds nothing sound",
        Home::Elsewhere => "is not in the files scanned",
    }
}
