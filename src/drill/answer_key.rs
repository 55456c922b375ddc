//! The answer key: which pages were damaged, how, and what a scan must say about each.

use super::backup::{BackupFinding, InjectedBackupFault};
use super::fault::Fault;
use super::signature::{HOME_WAS_STRUCK, Signature};
use crate::diagnose::cause::Cause;
use crate::page::address::{PageAddress, PageId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The schema that [`AnswerKey`] writes.
const SCHEMA: &str = "pagescrub.answer-key/1";

/// All damage that was injected into one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerKey {
    /// `pagescrub.answer-key/1`.
    pub schema: String,
    /// Name of the damaged file, without its directory.
    pub file: String,
    /// Seed of the injections.
    pub seed: u64,
    /// One entry per page, by page id.
    pub faults: Vec<InjectedFault>,
    /// Free pages that a scan must report all the same, because the PFS page that told them apart
    /// from damaged ones was damaged; by page id.
    #[serde(default)]
    pub side_effects: Vec<SideEffect>,
    /// Damage to a backup apart from its pages, in file order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup_faults: Vec<InjectedBackupFault>,
}

/// A free page whose old content now counts as possible damage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideEffect {
    /// The page.
    pub page_id: PageId,
    /// The page as SQL Server writes it, `(1:17)`.
    pub address: String,
    /// The reason that a scan must give; it must also say that allocation is unknown.
    pub reason: Reason,
}

/// One damaged page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectedFault {
    /// What was done.
    pub fault: Fault,
    /// The page.
    pub page_id: PageId,
    /// The page as SQL Server writes it, `(1:17)`.
    pub address: String,
    /// Byte offset of the page in the file.
    pub offset_bytes: u64,
    /// Which bit, which sector, which source page.
    pub detail: String,
    /// What a scan must say.
    pub expected: Expected,
    /// The reason it must give for a suspect page; null for others.
    pub reason: Option<Reason>,
    /// Why a page that is not suspect is none; null for suspect pages.
    pub why: Option<String>,
    /// The cause that must be named for a suspect page; null for others, and in older keys.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// Another cause that says the same of these bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause_also: Option<Cause>,
    /// True if the bytes of the file show the cause.
    #[serde(default)]
    pub decidable: bool,
    /// Why they do not.
    #[serde(default)]
    pub undecidable_because: Option<String>,
    /// The page whose content stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_page_id: Option<PageId>,
    /// Position of the backup set in the file, from 1; null in data files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_position: Option<u16>,
    /// What else a scan of the backup must find because of this page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_found: Vec<BackupFinding>,
}

/// What a scan must say about a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Damaged.
    Suspect,
    /// Not in use, so never a suspect.
    Free,
    /// Damaged in a way that no check of a single page can see.
    Undetectable,
    /// Carries no protection, so content cannot be verified.
    Unprotected,
}

/// Why a page is suspect; the words of the scan report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The stored checksum differs from the computed one.
    BadChecksum,
    /// The sectors carry different torn-page signatures.
    TornPage,
    /// The header names another page or file.
    WrongPageId,
    /// In use, but all zero.
    Zeroed,
    /// Header fields are out of bounds.
    BadHeader,
}

/// Two keys that are not about the same file and seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MixedKeys {
    file: String,
    seed: u64,
}

impl AnswerKey {
    /// A key with these faults, brought into file order.
    pub(super) fn new(
        file: String,
        seed: u64,
        mut faults: Vec<InjectedFault>,
        mut side_effects: Vec<SideEffect>,
    ) -> Self {
        faults.sort_by_key(|fault| (fault.set_position, fault.page_id));
        forget_struck_homes(&mut faults);
        let is_listed = |effect: &SideEffect| {
            let same = |fault: &&InjectedFault| fault.page_id == effect.page_id;
            faults.iter().find(same).is_some_and(|fault| fault.expected == Expected::Suspect)
        };
        side_effects.retain(|effect| !is_listed(effect));
        side_effects.sort_by_key(|effect| effect.page_id);
        side_effects.dedup();
        let schema = SCHEMA.to_owned();
        Self { schema, file, seed, faults, side_effects, backup_faults: Vec::new() }
    }

    /// This key, with damage to a backup.
    pub(super) fn with_backup_faults(self, backup_faults: Vec<InjectedBackupFault>) -> Self {
        Self { backup_faults, ..self }
    }

    /// Whether this key can be followed by one about `file` with `seed`.
    ///
    /// # Errors
    /// If it is about another file or seed.
    pub fn check_goes_on(&self, file: &str, seed: u64) -> Result<(), MixedKeys> {
        if (&*self.schema, &*self.file, self.seed) == (SCHEMA, file, seed) {
            return Ok(());
        }
        Err(MixedKeys { file: self.file.clone(), seed: self.seed })
    }

    /// This key and a newer one of the same file and seed as one. Where both name a page, the
    /// newer entry stays.
    ///
    /// # Errors
    /// If the keys are about different files or seeds.
    pub fn followed_by(self, newer: Self) -> Result<Self, MixedKeys> {
        self.check_goes_on(&newer.file, newer.seed)?;
        let place = |fault: &InjectedFault| (fault.set_position, fault.page_id);
        let is_older =
            |fault: &InjectedFault| newer.faults.iter().all(|newer| place(newer) != place(fault));
        let mut faults: Vec<_> = self.faults.into_iter().filter(is_older).collect();
        faults.extend(newer.faults);
        let side_effects = [self.side_effects, newer.side_effects].concat();
        let of_backup = super::backup::merged(self.backup_faults, newer.backup_faults);
        Ok(Self::new(newer.file, newer.seed, faults, side_effects).with_backup_faults(of_backup))
    }
}

impl InjectedFault {
    /// An entry whose verdict is still to be found.
    pub(super) fn new(fault: Fault, place: PageAddress, detail: String) -> Self {
        Self {
            fault,
            page_id: place.page,
            address: place.to_string(),
            offset_bytes: place.page.offset_bytes(),
            detail,
            expected: Expected::Undetectable,
            reason: None,
            why: None,
            cause: None,
            cause_also: None,
            decidable: false,
            undecidable_because: None,
            source_page_id: None,
            set_position: None,
            also_found: Vec::new(),
        }
    }

    /// Writes down what the bytes tell about the cause.
    pub(super) fn sign(&mut self, signature: Signature) {
        self.cause = Some(signature.cause);
        self.cause_also = signature.also;
        self.decidable = signature.silent_because.is_none();
        self.undecidable_because = signature.silent_because.map(str::to_owned);
    }
}

/// A write that is missing at home shows only there; if that page, too, was struck, it is gone.
/// `faults` are sorted by page.
fn forget_struck_homes(faults: &mut [InjectedFault]) {
    let struck: Vec<PageId> = faults.iter().map(|fault| fault.page_id).collect();
    let is_struck = |home: Option<PageId>| home.is_some_and(|id| struck.binary_search(&id).is_ok());
    for fault in faults {
        if fault.cause == Some(Cause::StaleHome) && is_struck(fault.source_page_id) {
            fault.sign(Signature {
                cause: Cause::StaleHome,
                also: Some(Cause::Misplaced),
                silent_because: Some(HOME_WAS_STRUCK),
            });
        }
    }
}

impl fmt::Display for MixedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, seed } = self;
        write!(f, "the answer key there is about {file:?} with seed {seed}; name another key file")
    }
}

impl std::error::Error for MixedKeys {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::FileId;

    fn key(seed: u64, pages: &[u32], detail: &str) -> AnswerKey {
        let place = |&page| PageAddress::new(FileId(1), PageId(page));
        let fault = |page| InjectedFault::new(Fault::BitFlip, place(page), detail.to_owned());
        AnswerKey::new("a.mdf".to_owned(), seed, pages.iter().map(fault).collect(), Vec::new())
    }

    #[test]
    fn a_newer_key_extends_an_older_one_and_wins() {
        let both = key(1, &[9, 4], "old").followed_by(key(1, &[4, 2], "new")).unwrap();
        let entries: Vec<_> = both.faults.iter().map(|f| (f.page_id.0, &*f.detail)).collect();
        assert_eq!(entries, [(2, "new"), (4, "new"), (9, "old")]);
    }

    #[test]
    fn a_missing_write_cannot_be_seen_once_its_home_is_struck() {
        let mut moved = key(1, &[9], "");
        moved.faults[0].source_page_id = Some(PageId(4));
        moved.faults[0].sign(Signature::clear(Cause::StaleHome));
        let with = |page| moved.clone().followed_by(key(1, &[page], "")).unwrap();
        let decidable = |key: AnswerKey| key.faults.iter().any(|fault| fault.decidable);
        assert!(decidable(with(5)));
        assert!(!decidable(with(4)));
    }

    #[test]
    fn a_key_of_before_there_were_causes_is_still_read() {
        let mut old = serde_json::to_value(key(1, &[9], "")).unwrap();
        let fault = old["faults"][0].as_object_mut().unwrap();
        for name in ["cause", "decidable", "undecidable_because"] {
            assert!(fault.remove(name).is_some(), "{name}");
        }
        let read: AnswerKey = serde_json::from_value(old).unwrap();
        assert_eq!((read.faults[0].cause, read.faults[0].decidable), (None, false));
    }

    #[test]
    fn keys_of_different_seeds_do_not_mix() {
        assert!(key(1, &[9], "").followed_by(key(2, &[4], "")).is_err());
    }
}
