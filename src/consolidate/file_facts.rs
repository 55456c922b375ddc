//! What a finding needs to know of its file: told by discovery, and at the end of a scan by the
//! catalog and the file system.

use crate::backup::layout::Layout;
use crate::discover::device::placement::Placement;
use crate::page::address::{FileId, PageId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a finding needs to know of its file.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// As reported.
    pub path: Arc<str>,
    /// If known.
    pub database: Option<Arc<str>>,
    /// 0 if not known.
    pub database_id: u16,
    /// SIMPLE recovery model: no page restore. `None` where the boot page does not tell.
    pub simple_recovery: Option<bool>,
    /// A transaction log.
    pub is_log: bool,
    /// In a backup: where its pages are there, and of which set.
    pub part: Option<PartFacts>,
    /// Where it is stored, if it has suspects and the file system tells.
    pub placement: Option<Placement>,
    /// Pages in use that are not suspect.
    pub sound_pages: u64,
    /// Its database's primary file is among the files.
    pub has_primary: bool,
    /// Its database's boot page is suspect: what that says are hints.
    pub is_boot_suspect: bool,
    /// Of a primary file: the files of its database.
    pub database_files: Vec<CatalogEntry>,
    /// Nothing in it tells of which database it is, so that no copies could be looked for.
    pub is_of_unknown_database: bool,
    /// Suspects that are content which has moved: they are copied again, not restored.
    pub moved_pages: u64,
}

/// What a finding needs to know of the backup set that it is in.
#[derive(Clone, Debug)]
pub struct PartFacts {
    /// Where the pages are.
    pub layout: Layout,
    /// The set's position in the backup, as in `RESTORE ... FILE = n`.
    pub position: u32,
    /// The file's logical name, by the backup's list of files; else its id.
    pub logical_name: Arc<str>,
    /// The backup was taken WITH CHECKSUM, so that every page in it was verified when it was read.
    pub has_checksum: bool,
    /// The backup is compressed: offsets are those in what it unpacks to.
    pub is_unpacked: bool,
}

impl FileFacts {
    /// Where `page` begins in the file at its path.
    pub fn offset_bytes(&self, page: PageId) -> u64 {
        let in_part = self.part.as_ref().and_then(|part| part.layout.page_offset_bytes(page));
        in_part.unwrap_or_else(|| page.offset_bytes())
    }

    /// Of a primary file: its own GUID, by its catalog.
    pub fn own_guid(&self, file_id: FileId) -> Option<&Arc<str>> {
        self.database_files.iter().find(|told| told.file_id == file_id.0)?.guid.as_ref()
    }

    /// Its offsets are those in what a compressed backup unpacks to.
    pub fn is_unpacked(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.is_unpacked)
    }

    /// A file of tempdb, which is made anew whenever the server starts.
    pub fn is_tempdb(&self) -> bool {
        self.database.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("tempdb"))
    }
}

/// A file of a database, as the catalog in its primary file names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEntry {
    /// File id.
    pub file_id: u16,
    /// Filegroup id; 0 for a log.
    #[serde(default)]
    pub filegroup_id: Option<u32>,
    /// 0 data, 1 log, 2 FILESTREAM or memory-optimized container, 4 full-text.
    pub kind: u8,
    /// Logical name.
    pub logical_name: Arc<str>,
    /// Path on the server.
    pub physical_name: Arc<str>,
    /// Size; true if the database was shut down cleanly.
    pub pages: u32,
    /// Its GUID, as on its page 0.
    pub guid: Option<Arc<str>>,
}
