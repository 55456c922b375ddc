//! Damaged backups: what must not be relied on, and statements that look at it. Nothing is restored
//! because of them, and their pages are no suspects of a database.

use super::script::Script;
use crate::consolidate::backup::{BackupReport, fault_words};
use crate::consolidate::harm::Harm;
use crate::consolidate::report::{FileReport, ScrubReport, Suspect};
use crate::report::escape::tsql_comment as safe;
use std::collections::BTreeMap;
use std::io;

/// Backups described at most; those after them are counted.
const BACKUPS_MAX: usize = 200;
/// Faults, suspects and sets of one backup described at most.
const DESCRIBED_MAX: usize = 20;

/// The machine, in a merged report, and the path of a backup.
type Key<'a> = (Option<&'a str>, &'a str);

/// A backup with faults or suspects.
struct Damaged<'a> {
    file: &'a FileReport,
    backup: &'a BackupReport,
    suspects: Vec<&'a Suspect>,
}

/// The damaged backups of a report.
pub(super) struct DamagedBackups<'a>(Vec<Damaged<'a>>, Harm);

impl<'a> DamagedBackups<'a> {
    pub(super) fn of(report: &'a ScrubReport) -> Self {
        let mut by_path: BTreeMap<Key<'_>, Vec<&Suspect>> = BTreeMap::new();
        for suspect in report.suspects_in_backups() {
            by_path.entry((suspect.host.as_deref(), &*suspect.path)).or_default().push(suspect);
        }
        let mut damaged = |(file, backup): (&'a FileReport, &'a BackupReport)| {
            let suspects = by_path.remove(&(file.host.as_deref(), &*file.path));
            let suspects = suspects.unwrap_or_default();
            let is_damaged = !suspects.is_empty() || backup.fault_count() > 0;
            is_damaged.then_some(Damaged { file, backup, suspects })
        };
        Self(report.backups().filter_map(&mut damaged).collect(), Harm::of(report))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The part of the script about them.
    pub(super) fn write(&self, script: &mut Script<'_>) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        script.heading("Damaged backups: do not rely on these")?;
        script.remark(&format!(
            "What is damaged here is a copy. Restore nothing into a database because of it: its \
             data files may be sound, which a scan of them tells. Where they are, a new full \
             backup WITH CHECKSUM comes first, to storage that has not failed; where they are not, \
             it comes when the database is mended. Delete neither these backups nor older ones \
             before that is verified. {}",
            self.1.words().trim_end()
        ))?;
        for (i, damaged) in self.0.iter().take(BACKUPS_MAX).enumerate() {
            one(i + 1, damaged, script)?;
        }
        match self.0.len().saturating_sub(BACKUPS_MAX) {
            0 => Ok(()),
            more => script.remark(&format!("And {more} more damaged backups.")),
        }
    }
}

fn one(number: usize, damaged: &Damaged<'_>, script: &mut Script<'_>) -> io::Result<()> {
    let Damaged { file, backup, suspects } = damaged;
    let host = file.host.as_ref().map(|host| format!("{host}:")).unwrap_or_default();
    script.title(&safe(&format!("Backup {number}: {host}{}", file.path)))?;
    for set in backup.sets.iter().take(DESCRIBED_MAX) {
        script.remark(&safe(&format!("- set {}: {}", set.position, set.words())))?;
    }
    for fault in backup.faults.iter().take(DESCRIBED_MAX) {
        script.remark(&safe(&format!("- fault {}", fault_words(fault))))?;
    }
    let listed = backup.faults.len().min(DESCRIBED_MAX) as u64;
    and_more(backup.fault_count().saturating_sub(listed), "faults", script)?;
    for suspect in suspects.iter().take(DESCRIBED_MAX) {
        script.remark(&safe(&described(suspect)))?;
    }
    and_more(suspects.len().saturating_sub(DESCRIBED_MAX) as u64, "suspects", script)?;
    for gap in backup.gaps() {
        script.remark(&format!("- {gap}"))?;
    }
    if backup.members > 1 {
        script
            .remark("It is a member of a striped backup: name all members, separated by commas.")?;
    }
    let path = format!("<backup{number}, nvarchar(260), >");
    script.off(&format!("RESTORE HEADERONLY FROM DISK = {path};"))?;
    if backup.sets.len() > 1 {
        script.remark("Several sets: add FILE = n, with the number of the set.")?;
    }
    if backup.sets.iter().any(|set| set.has_checksum == Some(false)) {
        script.remark(
            "A set taken without CHECKSUM: leave WITH CHECKSUM out (Msg 3187); VERIFYONLY says \
             little about it.",
        )?;
    }
    script.off(&format!("RESTORE VERIFYONLY FROM DISK = {path} WITH CHECKSUM;"))
}

/// `- #4 page (1:57) of Sales, set 1, at byte 126976: bad checksum`
fn described(suspect: &Suspect) -> String {
    let Suspect { rank, address, reason, .. } = suspect;
    let unpacked = if suspect.offset_unpacked { " unpacked" } else { "" };
    let at = format!("byte {}{unpacked}", suspect.offset_bytes);
    let database = suspect.database.as_deref().unwrap_or("a database that is not known");
    let set = suspect.backup_set.unwrap_or_default();
    let reason = reason.replace('_', " ");
    format!("- #{rank} page {address} of {database}, set {set}, at {at}: {reason}")
}

fn and_more(more: u64, what: &str, script: &mut Script<'_>) -> io::Result<()> {
    if more == 0 { Ok(()) } else { script.remark(&format!("- and {more} more {what}")) }
}
