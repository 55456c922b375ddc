//! Data files in, a [`Plan`] out: every page exactly once, in batches, interleaved so that
//! every device is busy. Pure: the same files give the same plan, and a plan of a 15 TiB file is as
//! small as its list of stored ranges, because batches are counted out, not kept.

mod batches;
mod done;
pub mod pace;
pub mod throttles;

pub use batches::{Batches, DeviceBatches};
pub use done::DoneRanges;

use crate::discover::{DataFile, FileKind};
use crate::page::address::{FileId, PageRange};
use crate::page::ranges::PageRanges;
use crate::page::{EXTENT_PAGES, PAGE_BYTES};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Most pages in one batch: 16 MiB, the most memory one thread may fill.
pub const BATCH_PAGES_MAX: u32 = 2048;
/// Pages of a batch unless asked otherwise: 2 MiB, the size of a huge page, so that two threads do
/// not map the same one. What stays in a core's cache is decided by the reader.
pub const BATCH_PAGES_DEFAULT: u32 = 256;

/// What will be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Pages per batch, a multiple of eight.
    pub batch_pages: u32,
    /// By path.
    pub files: Vec<PlannedFile>,
}

/// One file of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFile {
    /// Where it is.
    #[serde(with = "path_as_text")]
    pub path: PathBuf,
    /// Which device holds it.
    pub device: u64,
    /// Its id in its database.
    pub file_id: FileId,
    /// Data or log.
    pub kind: FileKind,
    /// Whole pages; the last one of those to verify and all before it.
    pub pages: u32,
    /// Pages that should exist and do not: the file ends before the size in its header, or in the
    /// middle of a page. They are planned and will not be reached.
    pub missing_pages: u32,
    /// Bytes after the last whole page.
    pub tail_bytes: u32,
    /// Pages that are stored, ascending and disjoint; all others are holes. Of a backup whole
    /// extents.
    pub stored: Vec<PageRange>,
    /// Pages that are not stored are not planned either: a backup does not have them.
    #[serde(default)]
    pub only_stored: bool,
}

/// So that names which are no text can be written and read again.
mod path_as_text {
    use crate::discover::paths::{from_text, text};
    use serde::{Deserialize, Deserializer, Serializer};
    use std::path::{Path, PathBuf};

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&text(path))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        String::deserialize(from).map(|text| from_text(&text))
    }
}

/// Pages of one file, to be verified by one thread in one go: 1 to [`BATCH_PAGES_MAX`] if stored,
/// else no more than lie in one PFS interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtentBatch {
    /// Index into [`Plan::files`].
    pub file: usize,
    /// The pages: one range, or of a backup as many as make a batch.
    pub ranges: PageRanges,
    /// False for a hole, which reads as zeros.
    pub stored: bool,
}

impl Plan {
    /// Plans `files` in batches of `batch_pages` (rounded down to whole extents, at least one).
    pub fn new(files: &[DataFile], batch_pages: u32) -> Self {
        let extents = (batch_pages.min(BATCH_PAGES_MAX) / EXTENT_PAGES).max(1);
        let files = files.iter().map(planned_file).collect();
        Self { batch_pages: extents * EXTENT_PAGES, files }
    }

    /// All batches, each page once, devices in turn.
    pub fn batches(&self) -> Batches<'_> {
        self.batches_left(&[])
    }

    /// The batches of what is not done; files beyond `done` are not begun.
    pub fn batches_left(&self, done: &[DoneRanges]) -> Batches<'_> {
        Batches::new(self, done)
    }

    /// The same batches, a queue for each device.
    pub fn queues_left<'a>(&'a self, done: &[DoneRanges]) -> Vec<DeviceBatches<'a>> {
        DeviceBatches::of(self, done).collect()
    }

    /// Pages promised: those to verify and those that are missing.
    pub fn pages(&self) -> u64 {
        self.files.iter().map(PlannedFile::promised_pages).sum()
    }

    /// Bytes that will be read.
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes_left(&[])
    }

    /// Bytes that will be read if `done` is not; files beyond it are not begun.
    pub fn stored_bytes_left(&self, done: &[DoneRanges]) -> u64 {
        let nothing = DoneRanges::default();
        let done = done.iter().chain(std::iter::repeat(&nothing));
        self.files.iter().zip(done).map(|(file, done)| file.stored_bytes_left(done)).sum()
    }
}

impl PlannedFile {
    /// Pages to verify and pages that are missing.
    pub fn promised_pages(&self) -> u64 {
        u64::from(self.pages_to_look_at()) + u64::from(self.missing_pages)
    }

    /// Pages to verify: without those that a backup does not have.
    pub fn pages_to_look_at(&self) -> u32 {
        if self.only_stored {
            self.stored.iter().map(|range| range.pages).sum()
        } else {
            self.pages
        }
    }

    fn stored_bytes_left(&self, done: &DoneRanges) -> u64 {
        let pages: u64 = self.stored.iter().map(|&range| u64::from(done.left_in(range))).sum();
        pages * PAGE_BYTES as u64
    }
}

fn planned_file(file: &DataFile) -> PlannedFile {
    let whole_pages = (file.bytes / PAGE_BYTES as u64) as u32;
    let tail_bytes = (file.bytes % PAGE_BYTES as u64) as u32;
    let (pages, missing_pages, tail_bytes) = match file.kind {
        FileKind::Log => (1, 0, 0),
        _ if file.part.is_some() => (file.end_page(), missing_in_backup(file), 0),
        FileKind::Backup | FileKind::CompressedBackup => (0, 0, 0),
        _ => (whole_pages, missing_pages(file, whole_pages, tail_bytes), tail_bytes),
    };
    PlannedFile {
        path: file.path.clone(),
        device: file.device,
        file_id: file.file_id,
        kind: file.kind,
        pages,
        missing_pages,
        tail_bytes,
        stored: file.stored.clone(),
        only_stored: file.part.is_some(),
    }
}

/// Fewer pages than the backup set promises, where it is known to have lost some.
fn missing_in_backup(file: &DataFile) -> u32 {
    let here = file.part.as_ref().map_or(0, |part| part.runs.pages());
    file.promise.pages.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX))
}

/// Fewer pages than the file itself promises means truncation.
fn missing_pages(file: &DataFile, whole_pages: u32, tail_bytes: u32) -> u32 {
    file.promise.pages.saturating_sub(whole_pages).max(u32::from(tail_bytes > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::discover;

    const HEALTHY: &[u8] = include_bytes!("../../datasets/healthy.mdf");

    /// A data file of so many bytes, as it is planned if it were of `kind`.
    fn planned(bytes: usize, kind: FileKind) -> PlannedFile {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sales.mdf"), &HEALTHY[..bytes]).unwrap();
        let file = discover(&[folder.path().to_owned()]).files.remove(0);
        planned_file(&DataFile { kind, ..file })
    }

    #[test]
    fn the_pages_of_a_data_file_are_planned_and_those_that_it_should_have() {
        let told = |bytes| {
            let file = planned(bytes, FileKind::Data);
            assert_eq!(file.pages_to_look_at(), file.pages);
            (file.pages, file.missing_pages, file.tail_bytes, file.promised_pages())
        };
        assert_eq!(told(256 * 8192), (256, 0, 0, 256));
        assert_eq!(told(250 * 8192), (250, 6, 0, 256), "by its own header");
        assert_eq!(told(255 * 8192 + 100), (255, 1, 100, 256));
    }

    #[test]
    fn a_log_has_one_page_and_a_backup_none_of_its_own() {
        let pages = |kind| {
            let file = planned(256 * 8192, kind);
            (file.pages, file.missing_pages, file.tail_bytes)
        };
        assert_eq!(pages(FileKind::Log), (1, 0, 0));
        assert_eq!(pages(FileKind::Backup), (0, 0, 0));
        assert_eq!(pages(FileKind::CompressedBackup), (0, 0, 0));
    }

    #[test]
    fn of_a_backup_only_what_it_holds_is_planned_and_what_is_missing() {
        let part = planned_file(&crate::discover::tests::part_of_a_cut_backup());
        assert_eq!((part.pages, part.missing_pages, part.tail_bytes), (64, 16, 0));
        assert!(part.only_stored);
        assert_eq!((part.pages_to_look_at(), part.promised_pages()), (64, 80));
    }

    #[test]
    fn a_batch_is_whole_extents_and_at_least_one() {
        let pages = |asked| Plan::new(&[], asked).batch_pages;
        assert_eq!([0, 7, 8, 23, 1 << 20].map(pages), [8, 8, 8, 16, BATCH_PAGES_MAX]);
    }
}
