//! What a report must say of a damaged copy, and the complaint where it does not.

use super::original::{Original, Place};
use super::{PAGE, Say};
use crate::mtf;
use pagescrub::consolidate::report::ScrubReport;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What must be said.
pub struct Answer {
    pub says: BTreeMap<Place, Say>,
    /// Exit codes that are right.
    pub exit_codes: Vec<u8>,
}

/// What is wrong with a report.
#[derive(Default)]
pub struct Complaint {
    missed: Vec<(Place, Say)>,
    invented: Vec<(Place, Say)>,
    other: String,
}

impl Answer {
    /// Of `bytes`, a damaged copy of `original`.
    pub fn of(original: &Original, bytes: &[u8]) -> Self {
        let (says, has_lost_its_end) = original.says(bytes);
        let is = |wanted: fn(&Say) -> bool| says.values().any(wanted);
        let intact = says.values().filter(|say| matches!(say, Say::Checksum | Say::Torn)).count();
        let is_free = says.values().filter(|say| **say == Say::Free).count();
        let is_whole = bytes.len().is_multiple_of(PAGE);
        let exit_codes = if is(|say| matches!(say, Say::Suspect(_))) {
            vec![1]
        } else if is(|say| *say == Say::Open) {
            vec![0, 1, 3]
        } else if original.is_backup {
            let are_broken = !mtf::media(bytes).broken_sums().is_empty();
            vec![u8::from(are_broken)]
        } else if intact * 2 < says.len() - is_free {
            // Whether what carries no protection is verified is not for pages to say.
            vec![0, 3]
        } else if has_lost_its_end || !is_whole {
            vec![3]
        } else {
            vec![0]
        };
        Self { says, exit_codes }
    }

    fn counts(&self) -> Option<[u64; 5]> {
        let count =
            |wanted: fn(&Say) -> bool| self.says.values().filter(|say| wanted(say)).count() as u64;
        (count(|say| *say == Say::Open) == 0).then(|| {
            [
                count(|say| *say == Say::Checksum),
                count(|say| *say == Say::Torn),
                count(|say| *say == Say::Unprotected),
                count(|say| *say == Say::Free),
                count(|say| matches!(say, Say::Suspect(_))),
            ]
        })
    }
}

/// What is wrong with `report`, if anything is.
pub fn complaint(answer: &Answer, report: &ScrubReport) -> Option<Complaint> {
    let mut complaint = Complaint::default();
    let found: BTreeMap<Place, u8> = report
        .suspects
        .iter()
        .map(|suspect| ((suspect.file_id, suspect.page_id), suspect.event_type))
        .collect();
    for (&place, &say) in &answer.says {
        match (say, found.get(&place)) {
            (Say::Suspect(Some(event)), Some(&other)) if event != other => {
                let _ = writeln!(complaint.other, "{place:?}: event type {other}, not {event}");
            }
            (Say::Suspect(_), None) => complaint.missed.push((place, say)),
            (Say::Suspect(_) | Say::Open, _) | (_, None) => {}
            (_, Some(_)) => complaint.invented.push((place, say)),
        }
    }
    let of_no_page = found.keys().filter(|place| !answer.says.contains_key(place));
    complaint.invented.extend(of_no_page.map(|place| (*place, Say::Absent)));
    let coverage = &report.coverage;
    let counts = [
        coverage.intact_checksum,
        coverage.intact_torn,
        coverage.unprotected,
        coverage.free,
        coverage.suspect,
    ];
    if answer.counts().is_some_and(|right| right != counts) {
        let right = answer.counts().unwrap_or_default();
        let _ = writeln!(complaint.other, "counts {counts:?}, not {right:?}");
    }
    if !answer.exit_codes.contains(&report.exit_code) {
        let why: Vec<_> = report.files.iter().filter_map(|file| file.why.as_deref()).collect();
        let (is, right) = (report.exit_code, &answer.exit_codes);
        let _ = writeln!(complaint.other, "exit code {is}, not {right:?}: {why:?}");
    }
    let is_fine =
        complaint.missed.is_empty() && complaint.invented.is_empty() && complaint.other.is_empty();
    (!is_fine).then_some(complaint)
}

impl Complaint {
    /// In words; `done` is what was done to a page.
    pub fn in_words(&self, done: &dyn Fn(Place) -> &'static str) -> String {
        let list = |places: &[(Place, Say)]| {
            let named = places.iter().take(10);
            let named = named.map(|(place, say)| format!("{place:?} {say:?}: {}", done(*place)));
            format!("{} {:#?}", places.len(), named.collect::<Vec<_>>())
        };
        format!("missed {}\ninvented {}\n{}", list(&self.missed), list(&self.invented), self.other)
    }
}
