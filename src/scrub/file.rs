//! One file during a scan: opened with its first batch, closed after its last.

use super::{Open, lock};
use crate::consolidate::tally::Coverage;
use crate::consolidate::throughput::StageLatencies;
use crate::diagnose::allocation::AllocationMap;
use crate::discover::FileKind;
use crate::discover::paths::explain;
use crate::page::PAGE_BYTES;
use crate::plan::PlannedFile;
use crate::read::PageSource;
use std::sync::{Arc, Mutex};

/// Files with latencies of their own; those of further files are only in the total.
const FILE_LATENCIES_MAX: usize = 4096;

/// What is known of a file so far.
pub(super) struct FileScan<'a> {
    pub(super) planned: &'a PlannedFile,
    pub(super) index: usize,
    pub(super) allocation: AllocationMap,
    source: Mutex<Source>,
    pub(super) tally: Mutex<FileTally>,
}

enum Source {
    Unopened,
    Open(Arc<dyn PageSource>),
    /// Could not be opened, and why; or done with.
    Closed,
}

/// What has been counted.
pub(super) struct FileTally {
    pub(super) coverage: Coverage,
    pub(super) latencies: Option<StageLatencies>,
    /// Why pages were not reached.
    pub(super) failure: Option<String>,
    /// Pages not yet handed back by a worker.
    pages_left: u32,
}

impl<'a> FileScan<'a> {
    pub(super) fn new(index: usize, planned: &'a PlannedFile) -> Self {
        let is_log = planned.kind == FileKind::Log;
        Self {
            planned,
            index,
            allocation: AllocationMap::new(planned.file_id, is_log),
            source: Mutex::new(Source::Unopened),
            tally: Mutex::new(FileTally {
                coverage: Coverage::planned(planned.promised_pages()),
                latencies: (index < FILE_LATENCIES_MAX).then(StageLatencies::default),
                failure: None,
                pages_left: planned.pages,
            }),
        }
    }

    /// The file's source, opened now if it was not; `None` if it cannot be opened.
    pub(super) fn source(&self, open: Open<'_>) -> Option<Arc<dyn PageSource>> {
        let mut source = lock(&self.source);
        if matches!(*source, Source::Unopened) {
            *source = match open(&self.planned.path) {
                Ok(opened) => Source::Open(opened.into()),
                Err(error) => {
                    self.fail(format!("could not be opened: {}", explain(&error)));
                    Source::Closed
                }
            };
        }
        match &*source {
            Source::Open(open) => Some(Arc::clone(open)),
            Source::Unopened | Source::Closed => None,
        }
    }

    /// Remembers why pages were not reached; the first reason is kept.
    pub(super) fn fail(&self, why: String) {
        lock(&self.tally).failure.get_or_insert(why);
    }

    /// The file ends before what was planned.
    pub(super) fn has_shrunk(&self) {
        let planned_bytes = u64::from(self.planned.pages) * PAGE_BYTES as u64;
        self.fail(format!(
            "became shorter than the {planned_bytes} bytes it had when the scan began; \
             scan a copy that nothing changes, or a storage snapshot"
        ));
    }

    /// A worker is done with `pages` pages. The file is closed after its last one, so that the
    /// number of open files is that of files in work.
    pub(super) fn done_with(&self, pages: u32) {
        let mut tally = lock(&self.tally);
        tally.pages_left -= pages;
        if tally.pages_left == 0 {
            drop(tally);
            *lock(&self.source) = Source::Closed;
        }
    }
}
