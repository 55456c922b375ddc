//! What looks like an attack that goes on. Never flipped bits at a period, which a failing part
//! leaves as well, nor an ending alone: people rename files in good faith.

use super::step::step;
use crate::consolidate::report::{FileKey, FileReport, Pattern, ScrubReport, Step, Suspect};
use crate::discover::names::has_foreign_ending;
use crate::page::EXTENT_PAGES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Suspects as random as encrypted ones that make an attack likely, at least.
const ENCRYPTED_MIN: usize = 8;
/// Of the pages at fixed places in the first extent of a file, so many are noise where its head is.
const HEAD_NOISE_MIN: usize = 5;

/// What looks like an attack that goes on is stopped before anything else.
pub(super) fn isolate(report: &ScrubReport) -> Option<Step> {
    let is_attack = is_most_noise(&report.suspects, &report.patterns) || are_heads_noise(report);
    is_attack.then(|| {
        step(
            "Isolate the host",
            "Programs that encrypt leave damage like this: noise in most suspects, at every so \
             many pages, or at the beginning of files that have got another ending. Take the host \
             off the network, keep it running, and restore nothing onto it before that is ruled \
             out.",
        )
    })
}

fn is_most_noise(suspects: &[Suspect], patterns: &[Pattern]) -> bool {
    let is_noise =
        |suspect: &&Suspect| matches!(suspect.cause.as_deref(), Some("encrypted" | "garbage"));
    let noise = suspects.iter().filter(is_noise).count();
    let encrypted = suspects.iter().filter(|s| s.cause.as_deref() == Some("encrypted")).count();
    let is_encrypted = encrypted >= ENCRYPTED_MIN && 2 * encrypted > suspects.len();
    let has = |kind: &str| patterns.iter().any(|pattern| pattern.kind == kind);
    // A member of an array that returns noise looks like encryption, and is none.
    has("period") && 2 * noise > suspects.len() || is_encrypted && !has("stripe_member")
}

/// A file begins with noise and has a foreign ending, or several files begin with it.
fn are_heads_noise(report: &ScrubReport) -> bool {
    let heads = noisy_heads(report);
    let is_foreign = |file: &&FileReport| {
        heads.contains(&file.key()) && has_foreign_ending(Path::new(&*file.path))
    };
    heads.len() > 1 || report.files.iter().any(|file| is_foreign(&file))
}

/// Files of which the first extent is noise, and data files of databases that are nothing else: of
/// those no page is left to be a suspect.
fn noisy_heads(report: &ScrubReport) -> BTreeSet<FileKey<'_>> {
    let mut pages: BTreeMap<FileKey<'_>, usize> = BTreeMap::new();
    for suspect in report.suspects.iter().filter(|suspect| !suspect.is_in_backup()) {
        if suspect.page_id < EXTENT_PAGES && suspect.cause.as_deref() == Some("encrypted") {
            *pages.entry(suspect.file_key()).or_default() += 1;
        }
    }
    pages.retain(|_, pages| *pages >= HEAD_NOISE_MIN);
    let mut heads: BTreeSet<FileKey<'_>> = pages.into_keys().collect();
    let lost: BTreeSet<(Option<&str>, &str)> = report.lost_files().collect();
    let is_noise = |file: &&FileReport| {
        let is_lost = lost.contains(&(file.host.as_deref(), &*file.path));
        is_lost && file.content.as_deref() == Some("noise")
    };
    heads.extend(report.files.iter().filter(is_noise).map(FileReport::key));
    heads
}
