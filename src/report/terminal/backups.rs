//! The backups: what each holds by its own words, what of it was verified, and what is damaged.

use super::super::escape::terminal as safe;
use super::BOLD;
use super::layout::{Look, counted};
use crate::consolidate::backup::{BackupReport, SetReport, fault_words};
use crate::consolidate::harm::{self, Harm};
use crate::consolidate::report::{FileReport, ScrubReport};
use crate::report::file_names::FileNames;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Faults of one backup, sets and files printed at most, unless all is asked for.
const LISTED_MAX: usize = 5;

/// Prints a block for each backup.
pub(super) fn write(report: &ScrubReport, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let backups: Vec<_> = report.backups().collect();
    if backups.is_empty() {
        return Ok(());
    }
    let names = FileNames::of(report);
    writeln!(out, "\n{BOLD}Backups{BOLD:#}")?;
    let shown = most_telling(&backups, look);
    let suspects = suspects(report);
    let harms = harm::of_each(&report.files, &report.suspects);
    for (file, backup) in &shown {
        let key = (file.host.as_deref(), &*file.path);
        let count = suspects.get(&key).copied().unwrap_or_default();
        let harm = harms.get(&key).copied().unwrap_or_default();
        block((file, backup), (count, harm), &names, look, out)?;
    }
    match backups.len() - shown.len() {
        0 => Ok(()),
        hidden => {
            writeln!(out, "  ... and {} (-v lists all)", counted(hidden as u64, "more backup"))
        }
    }
}

type Backup<'a> = (&'a FileReport, &'a BackupReport);

/// Backups with something to say come before healthy ones when not all fit.
fn most_telling<'a>(backups: &[Backup<'a>], look: Look) -> Vec<Backup<'a>> {
    let mut shown = backups.to_vec();
    shown.sort_by_key(|(_, backup)| (backup.fault_count() == 0, !backup.is_incomplete()));
    shown.truncate(if look.verbose { usize::MAX } else { look.rows_max });
    shown.sort_by(|(a, _), (b, _)| a.key().cmp(&b.key()));
    shown
}

/// How many suspects each backup has, by machine and path.
fn suspects(report: &ScrubReport) -> BTreeMap<(Option<&str>, &str), u64> {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for file in report.files.iter().filter(|file| file.backup_set.is_some()) {
        let count = counts.entry((file.host.as_deref(), &*file.path)).or_default();
        *count = count.saturating_add(file.coverage.suspect);
    }
    counts
}

fn block(
    (file, backup): Backup<'_>,
    (suspects, harm): (u64, Harm),
    names: &FileNames<'_>,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let member = backup.member_words().map(|words| format!("  ({words})")).unwrap_or_default();
    writeln!(out, "  {}{member}", names.name(file.host.as_deref(), &file.path))?;
    let most = if look.verbose { usize::MAX } else { LISTED_MAX };
    let mut line = |text: String| look.paragraph(&format!("    {}", safe(&text)), 6, out);
    for set in backup.sets.iter().take(most) {
        line(set_line(set))?;
        let mut files = set.files.iter().take(most);
        files.try_for_each(|part| line(format!("  {}", part.words(file.is_packed()))))?;
        more(set.files.len(), most, "  ", "more file", &mut line)?;
    }
    more(backup.sets.len(), most, "", "more set", &mut line)?;
    line(backup.checksum_words())?;
    if suspects > 0 {
        let pages = counted(suspects, "suspect page");
        line(format!("DAMAGED {pages}: {}", harm.of_pages()))?;
    }
    for fault in backup.faults.iter().take(most) {
        line(format!("FAULT {}", fault_words(fault)))?;
    }
    let listed = backup.faults.len().min(most) as u64;
    let hidden = backup.fault_count().saturating_sub(listed);
    if hidden > 0 {
        line(format!("... and {}", counted(hidden, "more fault")))?;
    }
    backup.gaps().into_iter().try_for_each(|gap| line(format!("INCOMPLETE {gap}")))
}

/// `set 1: full backup of Sales, 2017-05-18 04:18:19; server S, ...`
fn set_line(set: &SetReport) -> String {
    let mut words = vec![format!("set {}: {}", set.position, set.words())];
    words.extend(set.facts());
    words.join("; ")
}

fn more(
    all: usize,
    most: usize,
    blanks: &str,
    what: &str,
    line: &mut dyn FnMut(String) -> io::Result<()>,
) -> io::Result<()> {
    match all.saturating_sub(most) {
        0 => Ok(()),
        hidden => line(format!("{blanks}... and {} (-v lists all)", counted(hidden as u64, what))),
    }
}
