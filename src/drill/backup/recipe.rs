//! What a synthetic backup set is made from. Equal recipes give equal bytes.

use crate::drill::generate::GenerateError;
use crate::drill::recipe::{OtherFiles, Recipe};
use crate::drill::synthetic::SyntheticFile;

/// Most members of a striped backup that SQL Server allows.
const STRIPES_MAX: u16 = 64;
/// Most data files of a set that are worth a drill.
pub(super) const FILES_MAX: usize = 16;

/// Which part of a database a backup has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupKind {
    /// All allocated extents.
    Full,
    /// The first extent of each file, and those that the DIFF map says have changed.
    Differential,
    /// No extents, only log.
    Log,
}

/// What decides the bytes of one backup set, beside the name of its file and its position there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRecipe {
    /// The data files, all of the same seed, ascending by file id.
    pub files: Vec<Recipe>,
    /// What the set has of them.
    pub kind: BackupKind,
    /// As BACKUP WITH CHECKSUM does, a checksum after every stream of pages or log.
    pub with_checksum: bool,
    /// The first two extents once more at the end, with a newer boot page.
    pub second_copy: bool,
    /// Fill up each member to whole MiB with extents of padding pages.
    pub padding: bool,
    /// Members over which extents are dealt, 1 MiB each in turn.
    pub stripes: u16,
    /// Physical block size: 512, 4096 or 65,536.
    pub block_bytes: u32,
    /// Of a log backup: which one since the full backup, from 1; it begins where the one before it
    /// ends. If it is not told, the next one of its file.
    pub log_number: Option<u32>,
    /// Of a differential: the GUID of the full backup that it is based on. If it is not told, that
    /// of the last one in the file that it is appended to; if there is none, no GUID is written,
    /// and its LSNs name every full backup of the seed.
    pub base: Option<[u8; 16]>,
}

impl BackupRecipe {
    /// A full backup of one file, without checksum, in blocks of 4096 bytes.
    pub fn new(file: Recipe) -> Self {
        Self {
            files: vec![file],
            kind: BackupKind::Full,
            with_checksum: false,
            second_copy: false,
            padding: false,
            stripes: 1,
            block_bytes: 4096,
            log_number: None,
            base: None,
        }
    }

    /// The seed of the database.
    pub(super) fn seed(&self) -> u64 {
        self.files.first().map_or(0, |file| file.seed)
    }

    /// The data files of the database.
    ///
    /// # Errors
    /// If there can be no such database or backup.
    pub(super) fn data_files(&self) -> Result<Vec<SyntheticFile>, GenerateError> {
        let ascends = self.files.is_sorted_by(|a, b| a.file_id < b.file_id);
        if self.files.is_empty() || self.files.len() > FILES_MAX || !ascends {
            return Err(GenerateError::NoBackup("name 1 to 16 different data files, ascending"));
        }
        if self.files.iter().any(|file| file.seed != self.seed()) {
            return Err(GenerateError::NoBackup("all files of a backup have the same seed"));
        }
        if !(1..=STRIPES_MAX).contains(&self.stripes) {
            return Err(GenerateError::NoBackup("a backup has 1 to 64 stripes"));
        }
        if self.log_number == Some(0) {
            return Err(GenerateError::NoBackup("log backups are numbered from 1"));
        }
        if !matches!(self.block_bytes, 512 | 4096 | 65_536) {
            return Err(GenerateError::NoBackup("the block size is 512, 4096 or 65536"));
        }
        let files = self.files.iter().map(|&file| {
            SyntheticFile::new(Recipe {
                others: OtherFiles::among(&self.files, file.file_id),
                ..file
            })
        });
        files.collect::<Result<_, _>>().map_err(GenerateError::Recipe)
    }
}
