//! What a synthetic file is made from. Two equal recipes give the same file, bit by bit.

use crate::page::boot::PageVerify;
use crate::page::{EXTENT_PAGES, PAGE_BYTES, address::FileId};
use std::fmt;

const EXTENT_BYTES: u64 = EXTENT_PAGES as u64 * PAGE_BYTES as u64;
/// Data files of a database, beside one, that are worth a drill.
const OTHER_FILES_MAX: usize = 15;
/// Room for one extent of every kind.
const SIZE_BYTES_MIN: u64 = 1 << 20;
/// The largest data file that SQL Server allows, 16 TiB.
const SIZE_BYTES_MAX: u64 = 16 << 40;
pub(super) const LOG_FILE_ID: FileId = FileId(2);

/// Everything that decides the bytes of a synthetic data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Length of the file; rounded down to whole extents of 64 KiB.
    pub size_bytes: u64,
    /// Decides which extents belong to what, and all content. Files of the same seed belong to
    /// the same database.
    pub seed: u64,
    /// How the pages are protected.
    pub page_verify: PageVerify,
    /// Leave free extents as holes, and allocate only a bounded part of the file.
    pub sparse: bool,
    /// 1 makes a primary file, with boot page and system tables; any other id but 2 a secondary.
    pub file_id: FileId,
    /// The other data files of its database, which the primary file names.
    pub others: OtherFiles,
}

/// Other data files of a database: ids, 0 for none, and sizes in extents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherFiles([(u16, u32); OTHER_FILES_MAX]);

impl OtherFiles {
    /// Those among `files` that are not `own`; what is beyond the most there may be is left out.
    pub fn among(files: &[Recipe], own: FileId) -> Self {
        let mut others = Self::default();
        let all = files.iter().filter(|file| file.file_id != own);
        for (place, file) in others.0.iter_mut().zip(all) {
            *place = (file.file_id.0, (file.size_bytes / EXTENT_BYTES) as u32);
        }
        others
    }

    /// Id and pages of each.
    pub(super) fn pages(&self) -> impl Iterator<Item = (FileId, u32)> {
        let files = self.0.iter().filter(|(id, _)| *id != 0);
        files.map(|(id, extents)| (FileId(*id), extents * EXTENT_PAGES))
    }
}

impl Recipe {
    /// A primary file with checksums and no holes.
    pub fn new(size_bytes: u64, seed: u64) -> Self {
        let page_verify = PageVerify::Checksum;
        let (file_id, others) = (FileId(1), OtherFiles::default());
        Self { size_bytes, seed, page_verify, sparse: false, file_id, others }
    }

    /// Whole extents of the file.
    ///
    /// # Errors
    /// If no SQL Server data file has this size or file id.
    pub(super) fn extents(&self) -> Result<u32, RecipeError> {
        match self.size_bytes {
            _ if matches!(self.file_id, FileId(0) | LOG_FILE_ID) => {
                Err(RecipeError::FileId(self.file_id))
            }
            ..SIZE_BYTES_MIN => Err(RecipeError::TooSmall(self.size_bytes)),
            bytes if bytes > SIZE_BYTES_MAX => Err(RecipeError::TooLarge(bytes)),
            bytes => Ok((bytes / EXTENT_BYTES) as u32),
        }
    }
}

/// A recipe that describes no data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipeError {
    /// Bytes asked for, below the minimum.
    TooSmall(u64),
    /// Bytes asked for, above the maximum.
    TooLarge(u64),
    /// A file id that no data file has.
    FileId(FileId),
}

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall(bytes) => {
                write!(f, "{bytes} bytes are too few for a data file; ask for 1 MiB or more")
            }
            Self::TooLarge(bytes) => {
                write!(f, "{bytes} bytes exceed SQL Server's largest data file; 16 TiB is the most")
            }
            Self::FileId(id) => write!(f, "file id {id} is no data file's; use 1, or 3 and above"),
        }
    }
}

impl std::error::Error for RecipeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_cut_to_whole_extents() {
        assert_eq!(Recipe::new((1 << 20) + 65_535, 0).extents(), Ok(16));
        assert_eq!(Recipe::new(SIZE_BYTES_MAX, 0).extents(), Ok(1 << 28));
    }

    #[test]
    fn impossible_files_are_refused() {
        assert_eq!(Recipe::new(1 << 19, 0).extents(), Err(RecipeError::TooSmall(1 << 19)));
        assert!(Recipe::new(SIZE_BYTES_MAX + 1, 0).extents().is_err());
        let log = Recipe { file_id: FileId(2), ..Recipe::new(1 << 20, 0) };
        assert_eq!(log.extents(), Err(RecipeError::FileId(FileId(2))));
    }
}
