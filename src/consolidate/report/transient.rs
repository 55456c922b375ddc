//! What a report says of a page that was bad and then good.

use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::message::{self, Message};
use crate::consolidate::transient::Transient;
use crate::diagnose::verdict::SuspectReason;
use crate::page::address::PageAddress;
use crate::page::checksum::Checksum;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

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
    pub(in crate::consolidate) fn order(
        &self,
    ) -> (Option<Arc<str>>, Arc<str>, Option<u32>, PageAddress) {
        (self.host.clone(), Arc::clone(&self.path), self.backup_set, self.address)
    }
}
