//! What tells of which database a file is (docs/page-format.md, section 5.5).

use crate::discover::DataFile;
use crate::discover::backup::Part;
use crate::page::address::FileId;
use crate::page::file_header::BindingId;
use crate::page::header::Lsn;
use crate::page::line::{Guid, Line};

/// What tells of which database a file has pages.
pub(crate) struct Origin {
    pub(crate) file_id: FileId,
    pub(crate) line: Line,
    /// Where the copy ends.
    pub(crate) end: Option<Lsn>,
    pub(crate) binding: Option<BindingId>,
    pub(crate) guid: Option<Guid>,
}

impl Origin {
    /// Of `file`; `by_catalog` says what its own catalog has as its GUID, where page 0 does not
    /// tell.
    pub(crate) fn of(file: &DataFile, by_catalog: impl FnOnce() -> Option<Guid>) -> Self {
        let header = file.header.as_ref();
        let set = file.part.as_ref().map(Part::set);
        let told = set.and_then(|set| set.files.iter().find(|f| f.file_id == file.file_id.0));
        let of_set = set.map(|set| set.line).filter(Line::is_told);
        let boot = file.boot.as_ref();
        let by_boot = boot.map(|boot| boot.line).unwrap_or_default();
        let end = set.and_then(|set| set.last_lsn);
        Self {
            file_id: file.file_id,
            line: of_set.unwrap_or(by_boot),
            end: end.or_else(|| boot.map(|boot| boot.checkpoint_lsn)),
            // The set says whose backup it is; page 0 in it may be older.
            binding: set.and_then(|set| set.binding_id).or_else(|| header.map(|h| h.binding_id)),
            guid: told
                .and_then(|file| file.guid)
                .or_else(|| header.and_then(|h| h.file_guid))
                .or_else(by_catalog),
        }
    }

    /// Something tells of which database it is.
    pub(crate) fn is_known(&self) -> bool {
        self.line.is_told() || self.binding.is_some() || self.guid.is_some()
    }

    /// True if both are of one line of one database, and of the same file of it.
    pub(crate) fn is_of_one_with(&self, other: &Self) -> bool {
        self.file_id == other.file_id
            && self.line.kinship(self.end, &other.line, other.end).is_line().unwrap_or_else(|| {
                let is_same = self.guid.is_some() && self.guid == other.guid;
                is_same || (self.binding.is_some() && self.binding == other.binding)
            })
    }
}
