//! A database of the script: how T-SQL calls it, and what of it is restored how.

use super::chain::{Chain, Media};
use super::script::Script;
use crate::consolidate::database::is_secondary;
use crate::consolidate::recovery::{
    DatabaseLoss, FileLoss, Model, PAGE_RESTORE_MAX, Remedy, Route, Why,
};
use crate::consolidate::report::Suspect;
use crate::report::escape::{tsql_identifier, tsql_text};
use std::io;

/// File and page of the page that a database's name and recovery model are read from.
const BOOT_PAGE: (u16, u32) = (1, 9);

/// A database of the script.
pub(super) struct Target<'a> {
    /// From 1; part of the names of what is to be filled in.
    pub(super) number: usize,
    /// How T-SQL calls it: `[sales]`, a variable where no identifier is safe, or what is to be
    /// filled in.
    pub(super) sql: String,
    /// Its name as an expression, if it is known.
    pub(super) text: Option<String>,
    pub(super) loss: DatabaseLoss<'a>,
    /// Backups of the scan that it can be restored from.
    pub(super) chain: Chain<'a>,
}

impl<'a> Target<'a> {
    pub(super) fn new(number: usize, loss: DatabaseLoss<'a>, media: &Media<'a>) -> Self {
        let sql = match (loss.name, loss.name.and_then(tsql_identifier)) {
            (_, Some(identifier)) => identifier,
            (Some(_), None) => format!("@db{number}"),
            (None, _) => format!("<db{number}_name, sysname, >"),
        };
        let text = loss.name.map(tsql_text);
        let chain = Chain::of(&loss, media);
        Self { number, sql, text, loss, chain }
    }

    /// Something to fill in; a syntax error until then.
    pub(super) fn hole(&self, what: &str) -> String {
        format!("<db{}_{what}, nvarchar(260), >", self.number)
    }

    /// Makes it the current database; `USE` takes no variable.
    pub(super) fn use_it(&self, script: &mut Script<'_>) -> io::Result<()> {
        if self.sql.starts_with('@') {
            return script.remark("Make it the current database first.");
        }
        script.off(&format!("USE {};", self.sql))
    }

    /// What declares the variable that [`Self::sql`] is, if it is one.
    pub(super) fn how_it_is_called(&self, script: &mut Script<'_>) -> io::Result<()> {
        match (&self.text, self.loss.name) {
            (Some(text), _) if self.sql.starts_with('@') => {
                script.remark(
                    "Its name has characters that are not safe as they are. Run this line together \
                     with each statement:",
                )?;
                script.off(&format!("DECLARE {} sysname = {text};", self.sql))
            }
            (None, _) => script.remark(
                "Its name is not known: its primary file was not scanned, or its boot page cannot \
                 be read. Part 1 lists all files by path: look for the one above.",
            ),
            _ => Ok(()),
        }
    }

    /// Its own boot page is a suspect, so that all that is known by it are hints.
    pub(super) fn is_hint(&self) -> bool {
        self.loss.suspects().any(|s| (s.file_id, s.page_id) == BOOT_PAGE)
    }

    /// Its recovery model, as far as that can be believed.
    pub(super) fn model(&self) -> Model {
        if self.is_hint() { Model::Unknown } else { self.loss.model }
    }

    /// Nothing less than all of it can be restored.
    pub(super) fn is_whole(&self) -> bool {
        self.loss.has_log() || (self.model() == Model::Simple && self.loss.is_whole())
    }

    /// Some of its files are restored as a whole.
    pub(super) fn has_files(&self) -> bool {
        self.loss.whole_files().next().is_some()
    }

    /// Pages that are restored alone, by file and page; those of indexes if nothing else is to be
    /// restored.
    pub(super) fn pages(&self) -> Vec<&'a Suspect> {
        if self.is_only_rebuild() {
            return self.rebuilds_by_page();
        }
        self.loss.files_by_page().flat_map(|file| file.with(&[Remedy::Page])).collect()
    }

    /// Pages of indexes that are made again; none of them is restored otherwise.
    pub(super) fn rebuilds(&self) -> Vec<&'a Suspect> {
        self.with_rebuilds().flat_map(|file| file.with(&[Remedy::Rebuild])).collect()
    }

    fn with_rebuilds(&self) -> impl Iterator<Item = &FileLoss<'a>> {
        let is_alone = |file: &&FileLoss<'_>| matches!(file.route(), Route::Pages | Route::None);
        self.loss.files.iter().filter(is_alone).filter(|_| !self.is_whole())
    }

    /// Those of them that page restore takes, should it be in doubt that they can be made again.
    pub(super) fn rebuilds_by_page(&self) -> Vec<&'a Suspect> {
        let files = self.with_rebuilds().map(|file| file.with(&[Remedy::Rebuild]));
        files.filter(|pages| pages.len() <= PAGE_RESTORE_MAX).flatten().collect()
    }

    /// Files that have too many of them for page restore.
    pub(super) fn rebuilds_by_file(&self) -> Vec<u16> {
        let is_above =
            |file: &&FileLoss<'_>| file.with(&[Remedy::Rebuild]).len() > PAGE_RESTORE_MAX;
        self.with_rebuilds().filter(is_above).map(|file| file.file_id).collect()
    }

    /// Ids of the files that are restored as a whole.
    pub(super) fn files(&self) -> Vec<u16> {
        if self.is_only_rebuild() {
            return self.rebuilds_by_file();
        }
        self.loss.whole_files().map(|(file, _)| file.file_id).collect()
    }

    /// Pages that are restored alone if DIFF and ML maps are taken for such; none if that would
    /// spare no file.
    pub(super) fn pages_with_maps(&self) -> Vec<&'a Suspect> {
        let is_map = |(_, why): (&FileLoss<'_>, Why)| why == Why::ExtentMap;
        if self.is_whole() || !self.has_files() || !self.loss.whole_files().all(is_map) {
            return Vec::new();
        }
        let remedies = [Remedy::File, Remedy::Page];
        self.loss.files.iter().flat_map(|file| file.with(&remedies)).collect()
    }

    /// All files that are restored are in secondary filegroups.
    pub(super) fn is_online(&self) -> bool {
        self.has_files() && !self.is_whole() && is_secondary(&self.loss)
    }

    /// A full backup of the scan is named, and the scan has no differential that is based on it.
    pub(super) fn lacks_differential(&self) -> bool {
        self.chain.full().is_some() && self.chain.differential().is_none()
    }

    /// Nothing has to be restored.
    pub(super) fn is_sound(&self) -> bool {
        let has_pages = |file: &FileLoss<'_>| !file.with(&[Remedy::Page]).is_empty();
        let is_by_page = self.loss.files_by_page().any(has_pages);
        !self.loss.has_log() && !self.has_files() && !is_by_page
    }

    /// Nothing has to be restored if its indexes can be made again.
    pub(super) fn is_only_rebuild(&self) -> bool {
        self.is_sound() && !self.rebuilds().is_empty()
    }
}

/// ` PAGE = '1:57, 3:90'`, each with as many pages as a statement takes: each of them reads the
/// backup from its beginning.
pub(super) fn page_lists(pages: &[&Suspect]) -> Vec<String> {
    let address = |suspect: &&Suspect| format!("{}:{}", suspect.file_id, suspect.page_id);
    let list = |chunk: &[&Suspect]| chunk.iter().map(address).collect::<Vec<_>>().join(", ");
    pages.chunks(PAGE_RESTORE_MAX).map(|chunk| format!(" PAGE = '{}'", list(chunk))).collect()
}
