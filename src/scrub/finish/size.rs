//! What became of the size of a file while it was scanned.

use crate::discover::paths::FileTimes;
use crate::discover::{DataFile, FileKind};
use crate::page::PAGE_BYTES;
use crate::plan::PlannedFile;

/// The size of a file at the end of a scan, next to the one that was planned.
pub(in crate::scrub) enum SizeNow {
    /// The same, or nobody knows: a device does not tell what is written to it.
    AsPlanned,
    /// Bytes were added, and with them pages that nobody had promised.
    Longer {
        /// All that was added.
        bytes: u64,
        /// Pages begun, also by a few bytes.
        pages: u64,
    },
    /// What was looked at is not all there any more.
    Shorter {
        /// What it had.
        planned_bytes: u64,
    },
}

impl SizeNow {
    /// The size of what the path of `file` leads to. Parts of a backup have none of their own, and
    /// of a log no more than its first page is looked at.
    pub(in crate::scrub) fn of(file: &DataFile, planned: &PlannedFile) -> Self {
        let has_size = file.part.is_none() && file.kind != FileKind::Log;
        // What has no times is no file.
        let has_size = has_size && file.times != FileTimes::default();
        let metadata = std::fs::metadata(&file.path).ok();
        let metadata = metadata.filter(|found| has_size && found.is_file());
        let Some(now) = metadata.map(|found| found.len()) else { return Self::AsPlanned };
        if now < file.bytes {
            return Self::Shorter { planned_bytes: file.bytes };
        }
        match now - file.bytes {
            0 => Self::AsPlanned,
            bytes => Self::Longer { bytes, pages: added_pages(file, planned, now) },
        }
    }

    /// Pages that were not planned and are there now.
    pub(super) fn pages_added(&self) -> u64 {
        if let Self::Longer { pages, .. } = self { *pages } else { 0 }
    }

    /// Why not all of the file has been verified, if that is so.
    pub(super) fn why(&self) -> Option<String> {
        match self {
            Self::AsPlanned => None,
            Self::Longer { bytes, .. } => Some(format!(
                "grew by {bytes} bytes during the scan, which were not verified; is it still \
                 being written (a copy, a backup, a database in use)? scan it again when it is \
                 whole"
            )),
            Self::Shorter { planned_bytes } => Some(shorter(*planned_bytes)),
        }
    }
}

/// That a file ends before what was planned.
pub(in crate::scrub) fn shorter(planned_bytes: u64) -> String {
    format!(
        "became shorter than the {planned_bytes} bytes it had when the scan began; scan a copy \
         that nothing changes, or a storage snapshot"
    )
}

/// A file may grow into what it has promised: those pages are planned.
fn added_pages(file: &DataFile, planned: &PlannedFile, bytes_now: u64) -> u64 {
    if !file.has_pages() {
        return 0;
    }
    bytes_now.div_ceil(PAGE_BYTES as u64).saturating_sub(planned.promised_pages())
}
