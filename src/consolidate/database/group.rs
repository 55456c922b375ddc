//! What is of one database: its files and its backup sets.

use super::sets::Medium;
use crate::consolidate::backup::SetFile;
use crate::consolidate::report::FileReport;
use crate::page::header::Lsn;
use crate::page::line::Line;

/// The id of a primary file.
pub(super) const PRIMARY: u16 = 1;

/// What is of one database.
#[derive(Default)]
pub(super) struct Group<'a> {
    pub(super) host: Option<&'a str>,
    /// Data files and logs, the primary file first if it is there.
    pub(super) files: Vec<&'a FileReport>,
    /// Files, by id, that stand where it has one, and hold nothing of it.
    pub(super) lost: Vec<(u16, &'a FileReport)>,
    /// Backup sets of its line.
    pub(super) sets: Vec<Medium<'a>>,
}

impl Group<'_> {
    /// Of its primary file, else of the newest of its sets.
    pub(super) fn line(&self) -> Line {
        let newest = self.newest_set();
        self.told_by_files().or_else(|| Some(newest?.set.line)).unwrap_or_default()
    }

    /// The backup set that ends last.
    pub(super) fn newest_set(&self) -> Option<&Medium<'_>> {
        self.sets.iter().max_by_key(|medium| medium.last_lsn)
    }

    fn told_by_files(&self) -> Option<Line> {
        self.files.iter().map(|file| file.line).find(Line::is_told)
    }

    /// Where the copy ends that is told by its files.
    pub(super) fn end(&self) -> Option<Lsn> {
        self.files.iter().find_map(|file| file.checkpoint_lsn)
    }

    /// True if `medium` is a backup of it.
    pub(super) fn has_backup(&self, medium: &Medium<'_>) -> bool {
        let kinship = self.told_by_files().and_then(|line| {
            line.kinship(self.end(), &medium.set.line, Some(medium.last_lsn)).is_line()
        });
        kinship.unwrap_or_else(|| self.shares_a_file(medium) || self.shares_binding(medium))
    }

    fn shares_a_file(&self, medium: &Medium<'_>) -> bool {
        self.files.iter().any(|file| {
            let is_it =
                |told: &SetFile| Some(told.file_id) == file.file_id && told.guid == file.file_guid;
            file.file_guid.is_some() && medium.set.files.iter().any(is_it)
        })
    }

    fn shares_binding(&self, medium: &Medium<'_>) -> bool {
        let binding = self.files.iter().find_map(|file| file.binding_id.as_deref());
        binding.is_some() && binding == medium.binding_id
    }
}
