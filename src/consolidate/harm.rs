//! What RESTORE makes of damage in backups. It verifies pages only in sets taken WITH CHECKSUM:
//! from others it restores damaged pages as they are.

use super::backup::BackupReport;
use super::report::{FileKey, FileReport, ScrubReport, Suspect};
use crate::backup::FaultKind;
use std::collections::BTreeMap;

/// The machine, in a merged report, and the path of a backup.
pub type BackupKey<'a> = (Option<&'a str>, &'a str);

/// What is damaged in a backup, or in several of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Harm {
    /// Suspect pages in sets taken WITH CHECKSUM.
    pub noticed: bool,
    /// Suspect pages in sets that do not say that they were.
    pub unnoticed: bool,
    /// Suspect pages that pass their own check, in whatever set.
    pub stale: bool,
    /// A stream's checksum is wrong.
    pub streams: bool,
    /// Bytes are not what was written, or cannot be read: storage may be at fault. Where a file
    /// only ends too early or has blocks of another one, a copy of it may be.
    pub storage: bool,
    /// It ends too early, or its structure contradicts itself.
    pub structure: bool,
}

/// What is damaged in each backup of `files` that has `suspects` or faults.
pub fn of_each<'a>(files: &'a [FileReport], suspects: &[Suspect]) -> BTreeMap<BackupKey<'a>, Harm> {
    let checksums = checksums(files);
    let stale = stale(suspects);
    let mut harms: BTreeMap<BackupKey<'_>, Harm> = BTreeMap::new();
    for file in files {
        let key = (file.host.as_deref(), &*file.path);
        let of_faults = file.backup.as_ref().filter(|backup| backup.fault_count() > 0);
        if let Some(backup) = of_faults {
            harms.entry(key).or_default().add(Harm::of_faults(backup));
        }
        if let Some(position) = file.backup_set.filter(|_| file.coverage.suspect > 0) {
            let stale = stale.get(&file.key()).copied().unwrap_or_default();
            let has_others = file.coverage.suspect > stale;
            let is_checked = checksums.get(&(key, position)) == Some(&true);
            harms.entry(key).or_default().add(Harm {
                noticed: has_others && is_checked,
                unnoticed: has_others && !is_checked,
                stale: stale > 0,
                storage: true,
                ..Harm::default()
            });
        }
    }
    harms
}

/// How many of `suspects` pass their own check, by file.
fn stale(suspects: &[Suspect]) -> BTreeMap<FileKey<'_>, u64> {
    let mut stale = BTreeMap::new();
    for suspect in suspects.iter().filter(|suspect| suspect.passes_its_check()) {
        *stale.entry(suspect.file_key()).or_default() += 1;
    }
    stale
}

/// Whether backup sets were taken WITH CHECKSUM, where that is known: by file and position.
pub fn checksums(files: &[FileReport]) -> BTreeMap<(BackupKey<'_>, u32), bool> {
    let backups = files.iter().filter_map(|file| Some((file, file.backup.as_ref()?)));
    let sets = backups.flat_map(|(file, backup)| {
        let key = (file.host.as_deref(), &*file.path);
        let sets = backup.sets.iter();
        sets.filter_map(move |set| Some(((key, set.position), set.has_checksum?)))
    });
    sets.collect()
}

impl Harm {
    /// Of all backups of `report` together.
    pub fn of(report: &ScrubReport) -> Self {
        let mut all = Self::default();
        for harm in of_each(&report.files, &report.suspects).into_values() {
            all.add(harm);
        }
        all
    }

    fn of_faults(backup: &BackupReport) -> Self {
        // What is not listed may be anything.
        let mut harm = Self { storage: backup.faults_not_listed > 0, ..Self::default() };
        for fault in &backup.faults {
            match fault.kind {
                FaultKind::Structure | FaultKind::Truncated => harm.structure = true,
                kind => {
                    harm.storage = true;
                    harm.streams |= kind == FaultKind::StreamChecksum;
                }
            }
        }
        harm
    }

    fn add(&mut self, other: Self) {
        self.noticed |= other.noticed;
        self.unnoticed |= other.unnoticed;
        self.stale |= other.stale;
        self.streams |= other.streams;
        self.storage |= other.storage;
        self.structure |= other.structure;
    }

    /// What RESTORE makes of damaged pages; empty without any.
    pub fn of_pages(self) -> &'static str {
        match (self.noticed, self.unnoticed || self.stale) {
            (false, false) => "",
            (true, false) => "RESTORE stops at the first with Msg 3183",
            (false, true) => "RESTORE and VERIFYONLY will not notice: they restore the damage",
            (true, true) => {
                "RESTORE stops with Msg 3183 at pages that fail their check in a set taken WITH \
                 CHECKSUM; others RESTORE and VERIFYONLY will not notice: they restore the damage"
            }
        }
    }

    /// All that RESTORE makes of it, in sentences.
    pub fn words(self) -> String {
        let mut sentences: Vec<&str> = Vec::new();
        match (self.noticed, self.streams) {
            (true, true) => sentences.push(
                "RESTORE stops at a damaged page (Msg 3183), or where a stream's checksum is \
                 wrong (Msg 3189)",
            ),
            (true, false) => sentences.push("RESTORE stops at a damaged page (Msg 3183)"),
            (false, true) => {
                sentences.push("RESTORE stops where a stream's checksum is wrong (Msg 3189)");
            }
            (false, false) => {}
        }
        if self.noticed || self.streams {
            sentences.push(
                "WITH CONTINUE_AFTER_ERROR it goes on, and leaves a database that CHECKDB must be \
                 run in: the last resort",
            );
        }
        if self.unnoticed {
            sentences.push(
                "Damaged pages of a set taken without CHECKSUM: RESTORE and VERIFYONLY will not \
                 notice; they restore the damaged page, and Msg 824 comes when it is first read",
            );
        }
        if self.stale {
            sentences.push(
                "Stale and inconsistent pages pass every check: RESTORE, VERIFYONLY and the server \
                 will not notice",
            );
        }
        if self.structure {
            sentences.push("RESTORE ends where a backup is cut off or its blocks are broken");
        }
        sentences.into_iter().flat_map(|sentence| [sentence, ". "]).collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_named_only_where_a_server_would_say_them() {
        let pages = |noticed| Harm { noticed, unnoticed: !noticed, ..Harm::default() };
        assert!(pages(true).words().contains("3183") && pages(true).of_pages().contains("3183"));
        let blind = pages(false);
        assert!(blind.of_pages().contains("will not notice"));
        let words = blind.words();
        for claimed in ["3183", "3189", "CONTINUE_AFTER_ERROR"] {
            assert!(!words.contains(claimed), "{words}");
        }
        let stale = Harm { stale: true, ..Harm::default() };
        assert!(stale.of_pages().contains("will not notice") && !stale.words().contains("Msg"));
        let cut = Harm { structure: true, ..Harm::default() }.words();
        assert!(!cut.contains("Msg") && cut.contains("cut off"), "{cut}");
        let streams = Harm { streams: true, ..Harm::default() }.words();
        assert!(streams.contains("3189") && !streams.contains("3183"), "{streams}");
    }
}
