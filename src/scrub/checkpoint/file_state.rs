//! One file in a checkpoint: what it was, and what was counted of it.

use crate::discover::DataFile;
use crate::discover::paths::{self, FileIdentity, FileTimes};
use crate::page::address::PageRange;
use crate::plan::PlannedFile;
use crate::scrub::tally::{BackupTally, FileTally};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// A file as it was, and what was counted of it.
#[derive(Serialize, Deserialize)]
pub(in crate::scrub) struct FileState {
    /// As reported.
    pub(super) path: String,
    pub(super) identity: FileIdentity,
    pub(super) bytes: u64,
    pub(super) times: Times,
    pub(super) tally: FileTally,
}

/// When a file changed last: UTC, to the nanosecond.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Times {
    modified: Option<String>,
    changed: Option<String>,
    created: Option<String>,
}

impl FileState {
    /// Of `file` as it is now, of which `tally` was counted.
    pub(in crate::scrub) fn with_tally(file: &DataFile, tally: FileTally) -> Self {
        Self {
            path: paths::text(&file.path).into_owned(),
            identity: file.identity.clone(),
            bytes: file.bytes,
            times: Times::of(&file.times),
            tally,
        }
    }

    /// What makes the file another one than it was.
    pub(super) fn difference(&self, now: &DataFile) -> Option<String> {
        if self.identity != now.identity {
            Some("is another file now, or its volume was mounted anew".to_owned())
        } else if self.bytes != now.bytes {
            Some(format!("had {} bytes and has {} now", self.bytes, now.bytes))
        } else {
            self.times.difference(&Times::of(&now.times))
        }
    }
}

impl Times {
    fn of(times: &FileTimes) -> Self {
        let text = |time: SystemTime| Some(jiff::Timestamp::try_from(time).ok()?.to_string());
        Self {
            modified: times.modified.and_then(text),
            changed: times.changed.and_then(text),
            created: times.created.and_then(text),
        }
    }

    /// Why what a file holds may have changed since `self`. A change of its mode or name counts as
    /// well: nothing tells it from one of its content after which the time was put back.
    fn difference(&self, now: &Self) -> Option<String> {
        let or_none = |time: &Option<String>| time.clone().unwrap_or_else(|| "no time".to_owned());
        if self.modified != now.modified {
            let [then, now] = [&self.modified, &now.modified].map(or_none);
            Some(format!("was last written to at {then} and is now at {now}"))
        } else if self.created.is_some() && now.created.is_some() && self.created != now.created {
            Some("is another file now".to_owned())
        } else if self.changed != now.changed {
            let [then, now] = [&self.changed, &now.changed].map(or_none);
            Some(format!(
                "was changed at {now} (before that at {then}), although its size and the time it \
                 was last written to are the same: either only its mode, owner, name or links \
                 changed, or it was written to and the time put back"
            ))
        } else {
            None
        }
    }
}

impl FileTally {
    /// False for counts that no scan of `planned` can have come to.
    pub(super) fn is_plausible(&self, index: usize, planned: &PlannedFile) -> bool {
        self.done.end() <= planned.pages
            && (!planned.only_stored || self.done_in(&planned.stored) == self.done.pages())
            && self.backup.is_plausible()
            && self.coverage.is_plausible(u64::from(self.done.pages()), self.backup.bytes_beside)
            && self.flagless_pages <= self.coverage.unprotected
            && self.flagless.len() as u64 <= self.flagless_pages
            && self.catalog.is_plausible(planned.pages)
            && self.owner_sums.is_plausible(planned.pages)
            && self.flagless.iter().all(|finding| finding.file == index)
    }
}

impl FileTally {
    /// The same for a file that is number `index` now.
    pub(super) fn moved_to(&self, index: usize) -> Self {
        let mut moved = self.clone();
        moved.flagless.iter_mut().for_each(|finding| finding.file = index);
        moved
    }

    /// How many pages of `ranges`, which are disjoint, are done.
    fn done_in(&self, ranges: &[PageRange]) -> u32 {
        ranges.iter().map(|range| range.pages - self.done.left_in(*range)).sum()
    }
}

impl BackupTally {
    /// False for counts of which no file has so many, and for ranges without an end.
    fn is_plausible(&self) -> bool {
        // More bytes than any file system gives to a file, and less than would not add up.
        const COUNT_MAX: u64 = 1 << 60;
        let counts = [
            self.faults_not_listed,
            self.padding_pages,
            self.superseded_pages,
            self.unplaced_pages,
            self.streams_verified,
            self.streams_without_checksum,
            self.streams_not_computed,
            self.records,
            self.log_sectors_doubtful,
            self.log_bytes,
            self.bytes_beside,
        ];
        let classes = self.media.iter().flat_map(|media| &media.classes);
        counts.iter().all(|count| *count <= COUNT_MAX)
            && classes.into_iter().all(|(range, _)| range.start <= range.end)
    }
}
