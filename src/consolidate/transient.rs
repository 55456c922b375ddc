//! Pages that were bad and then good: what SQL Server reports as Msg 825, the first sign of a
//! failing path. They are no suspects, and none of them may be forgotten.

use super::conclude::FileFacts;
use super::message::{self, Message};
use crate::diagnose::confirm::Looks;
use crate::diagnose::verdict::SuspectReason;
use crate::page::address::PageAddress;
use crate::page::checksum::Checksum;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pages listed at most, in the order of their places; all are counted.
pub const TRANSIENTS_MAX: usize = 10_000;

/// A page that was bad and then good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transient {
    /// Index of the file in the plan; files are in order of their paths.
    pub file: usize,
    /// Where the page is.
    pub place: PageAddress,
    /// What was wrong first.
    pub reason: SuspectReason,
    /// Reads that failed or gave wrong bytes.
    pub failures: u8,
    /// All reads.
    pub tries: u8,
}

impl Transient {
    /// The page at `place`, which was bad for `reason` first and then good.
    pub fn new(file: usize, place: PageAddress, reason: SuspectReason, looks: Looks) -> Self {
        Self { file, place, reason, failures: looks.failures, tries: looks.tries }
    }
}

/// The first [`TRANSIENTS_MAX`] of a scan, by their places: which ones are kept does not depend on
/// the order of adding.
#[derive(Clone, Debug, Default)]
pub struct Transients(BTreeMap<(usize, PageAddress), Transient>);

impl Transients {
    /// Adds one.
    pub fn add(&mut self, transient: Transient) {
        self.0.insert((transient.file, transient.place), transient);
        if self.0.len() > TRANSIENTS_MAX {
            self.0.pop_last();
        }
    }

    /// Those that are kept, in the order of their places.
    pub fn into_list(self) -> Vec<Transient> {
        self.0.into_values().collect()
    }
}

impl From<Vec<Transient>> for Transients {
    fn from(list: Vec<Transient>) -> Self {
        let mut transients = Self::default();
        for transient in list {
            transients.add(transient);
        }
        transients
    }
}

/// A page that was bad and then good, as the report tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransientReport {
    /// The machine that scanned it; null unless the report is a merged one.
    #[serde(default)]
    pub host: Option<Arc<str>>,
    /// The file.
    pub path: Arc<str>,
    /// In a backup: the position of the backup set.
    #[serde(default)]
    pub backup_set: Option<u32>,
    /// The database, if known.
    pub database: Option<Arc<str>>,
    /// `(file:page)`.
    pub address: PageAddress,
    /// File id.
    pub file_id: u16,
    /// Page id.
    pub page_id: u32,
    /// Where the page begins in its file.
    pub offset_bytes: u64,
    /// That is in what a compressed backup unpacks to.
    #[serde(default)]
    pub offset_unpacked: bool,
    /// What was wrong first.
    pub reason: Cow<'static, str>,
    /// What `msdb.dbo.suspect_pages` would call that. It does not record what goes away.
    pub event_type: u8,
    /// The checksum it carried at first, where that was the reason.
    pub stored: Option<Checksum>,
    /// The checksum its bytes gave at first, where that was the reason.
    pub computed: Option<Checksum>,
    /// The address it carried at first, where that was the reason.
    pub found: Option<PageAddress>,
    /// Reads that failed or gave wrong bytes.
    pub failures: u8,
    /// All reads.
    pub tries: u8,
    /// Msg 825, in SQL Server's words.
    pub message: Message,
}

impl TransientReport {
    /// What the report says of `transient` in `file`.
    pub fn of(transient: &Transient, file: &FileFacts) -> Self {
        let Transient { place, reason, failures, tries, .. } = transient;
        let (stored, computed) = reason.checksums().unzip();
        Self {
            host: None,
            path: Arc::clone(&file.path),
            backup_set: file.part.as_ref().map(|part| part.position),
            database: file.database.clone(),
            address: *place,
            file_id: place.file.0,
            page_id: place.page.0,
            offset_bytes: file.offset_bytes(place.page),
            offset_unpacked: file.is_unpacked(),
            reason: reason.name().into(),
            event_type: reason.event_type(),
            stored,
            computed,
            found: match reason {
                SuspectReason::WrongPageId { found, .. } => Some(*found),
                _ => None,
            },
            failures: *failures,
            tries: *tries,
            message: message::of_transient(transient, file),
        }
    }

    /// Its place among those of other files and machines.
    pub(super) fn order(&self) -> (Option<Arc<str>>, Arc<str>, Option<u32>, PageAddress) {
        (self.host.clone(), Arc::clone(&self.path), self.backup_set, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::{FileId, PageId};

    #[test]
    fn of_too_many_the_first_are_kept_in_whatever_order_they_come() {
        let kept = |pages: &mut dyn Iterator<Item = u32>| {
            let mut transients = Transients::default();
            for page in pages {
                let place = PageAddress::new(FileId(1), PageId(page));
                let looks = Looks { seen: 3, failures: 1, tries: 3, differ: true };
                transients.add(Transient::new(0, place, SuspectReason::Zeroed, looks));
            }
            transients.into_list()
        };
        let many = TRANSIENTS_MAX as u32 + 5;
        let forward = kept(&mut (0..many));
        assert_eq!(forward.len(), TRANSIENTS_MAX);
        assert_eq!(forward, kept(&mut (0..many).rev()));
        assert_eq!(forward, Transients::from(forward.clone()).into_list());
    }
}
