//! `pagescrub generate --backup`: a synthetic backup instead of a data file.

use super::exit::Failure;
use super::output::Guard;
use clap::ValueEnum;
use pagescrub::discover::paths;
use pagescrub::drill::{BackupKind, BackupRecipe, GenerateError, Generated, Media, Recipe};
use pagescrub::drill::{full_set_id, generate_backup, member_paths};
use pagescrub::page::address::FileId;
use std::path::{Path, PathBuf};

/// What `generate` takes for backups.
#[derive(clap::Args)]
#[command(next_help_heading = "Backups")]
pub(crate) struct Options {
    /// Write an uncompressed backup of the database instead of a data file
    #[arg(long, value_enum, value_name = "KIND")]
    pub(super) backup: Option<Kind>,
    /// Follow pages and log by their checksum, as BACKUP WITH CHECKSUM does
    #[arg(long, requires = "backup")]
    with_checksum: bool,
    /// Deal the extents out over N files, 1 MiB each in turn; their names are that of FILE with
    /// `_1` to `_N` before the extension
    #[arg(long, value_name = "N", default_value_t = 1, requires = "backup")]
    stripes: u16,
    /// Add the set behind those in FILE, an earlier generated backup
    #[arg(long, requires = "backup", conflicts_with = "force")]
    append: bool,
    /// Repeat the first two extents at the end, with a newer boot page
    #[arg(long, requires = "backup")]
    second_copy: bool,
    /// Fill up to whole MiB with extents of padding pages
    #[arg(long, requires = "backup")]
    padding: bool,
    /// Physical block size: 512, 4096 or 65536
    #[arg(long, value_name = "BYTES", default_value_t = 4096, requires = "backup")]
    block_size: u32,
    /// Which log backup since the full one it is, from 1: it begins where the one before ends;
    /// without it, the next one of FILE
    #[arg(long, value_name = "N", requires = "backup")]
    log_number: Option<u32>,
    /// The generated full backup that a differential is based on; without it, the last one in FILE
    /// with --append, else the LSNs name every full backup of the seed
    #[arg(long, value_name = "FULL", requires = "backup")]
    base: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// All allocated extents
    Full,
    /// What the DIFF map calls changed, and the first extent of each file
    Differential,
    /// Log only
    Log,
}

impl Options {
    /// Writes a backup of `kind` of the database that has `files`.
    pub(super) fn generate(
        &self,
        path: &Path,
        kind: Kind,
        files: Vec<Recipe>,
        force: bool,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Generated, GenerateError> {
        let recipe = BackupRecipe {
            files,
            kind: match kind {
                Kind::Full => BackupKind::Full,
                Kind::Differential => BackupKind::Differential,
                Kind::Log => BackupKind::Log,
            },
            with_checksum: self.with_checksum,
            second_copy: self.second_copy,
            padding: self.padding,
            stripes: self.stripes,
            block_bytes: self.block_size,
            log_number: self.log_number,
            base: self.base.as_deref().map(full_set_id).transpose()?,
        };
        let media = match (self.append, force) {
            (true, _) => Media::Appended,
            (false, true) => Media::Overwritten,
            (false, false) => Media::New,
        };
        generate_backup(path, &recipe, media, progress)
    }

    /// The backup that a differential is based on is not written over.
    pub(super) fn spare_base(&self, path: &Path) -> Result<(), Failure> {
        let base = self.base.as_deref().filter(|_| !self.append);
        let guard = Guard::default().and(base);
        member_paths(path, self.stripes).iter().try_for_each(|path| guard.refuse(path))
    }

    /// The names of what was written.
    pub(super) fn names(&self, path: &Path) -> String {
        let names = member_paths(path, self.stripes);
        let names = names.iter().map(|path| paths::text(path));
        names.collect::<Vec<_>>().join(", ")
    }
}

/// One recipe per file of the database, all as long as `base`.
pub(super) fn database(base: Recipe, file_ids: &[u16]) -> Vec<Recipe> {
    file_ids.iter().map(|&id| Recipe { file_id: FileId(id), ..base }).collect()
}

/// The only file id that was given.
pub(super) fn only(file_ids: &[u16]) -> Result<FileId, Failure> {
    match file_ids {
        [id] => Ok(FileId(*id)),
        _ => Err(Failure::usage("a data file has one file id; several are for --backup")),
    }
}
