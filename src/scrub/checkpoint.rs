//! What a scan has found so far, so that it can be stopped and go on later: its counts <-> a file,
//! and the reasons for which a scan does not go on from one.

mod stored;
mod writer;

pub use stored::{check_writable, is_checkpoint, remove, written};
pub(super) use writer::while_checkpointing;

use super::file::{BackupTally, FileScan, FileTally};
use super::{Shared, lock};
use crate::consolidate::findings::Finding;
use crate::consolidate::throughput::{StageLatencies, Timeline};
use crate::consolidate::transient::{TRANSIENTS_MAX, Transient};
use crate::discover::paths::{self, FileIdentity, FileTimes};
use crate::discover::{DataFile, Discovery};
use crate::page::PAGE_BYTES;
use crate::page::address::PageRange;
use crate::plan::{BATCH_PAGES_DEFAULT, Plan, PlannedFile};
use crate::read::Way;
use crate::verify::gpu::pool::GpuSummary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// That and how a scan writes checkpoints.
#[derive(Clone)]
pub struct Checkpointing<'a> {
    /// The file.
    pub path: &'a Path,
    /// Time from one to the next, at least; longer where writing takes long.
    pub interval: Duration,
    /// What to go on from; read for the same files.
    pub resume: Option<&'a Checkpoint>,
    /// Told of the first one that could not be written. The scan goes on.
    pub failed: &'a (dyn Fn(&io::Error) + Sync),
}

/// A scan so far.
#[derive(Serialize, Deserialize)]
pub struct Checkpoint {
    pub(super) history: History,
    files: Vec<FileState>,
    pub(super) findings: Vec<Finding>,
    pub(super) transients: Vec<Transient>,
    pub(super) latencies: StageLatencies,
    pub(super) timeline: Timeline,
    pub(super) host_findings: Vec<String>,
    pub(super) notes: BTreeSet<String>,
    /// What GPUs did.
    #[serde(default)]
    pub(super) gpus: Vec<GpuSummary>,
    /// One of them was wrong; nothing of what they said is in these counts.
    #[serde(default)]
    pub(super) are_gpus_wrong: bool,
    /// By [`Way`].
    pub(super) bytes_by_way: [u64; Way::ALL.len()],
}

/// A scan's name, and its time over all interruptions.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct History {
    pub(super) id: String,
    pub(super) started_at: String,
    /// Before this process took over.
    pub(super) elapsed: Duration,
    /// How often it was resumed.
    pub(super) resumed: u64,
}

/// A file as it was, and what was counted of it.
#[derive(Serialize, Deserialize)]
struct FileState {
    /// As reported.
    path: String,
    identity: FileIdentity,
    bytes: u64,
    times: Times,
    tally: FileTally,
}

/// When a file changed last: UTC, to the nanosecond.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Times {
    modified: Option<String>,
    changed: Option<String>,
    created: Option<String>,
}

/// Why a scan cannot go on from a checkpoint.
#[derive(Debug)]
pub struct Refused {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unreadable(io::Error),
    Foreign,
    OtherVersion(String),
    Damaged(String),
    OtherFiles(String),
    Changed(String),
}

impl Checkpoint {
    /// Reads the checkpoint at `path` for a scan of `discovery`. Refused if it is not whole, or
    /// if a file is not what it was.
    pub fn read(path: &Path, discovery: &Discovery) -> Result<Self, Refused> {
        let read = stored::read(path).and_then(|checkpoint: Self| {
            checkpoint.check_files(&discovery.files)?;
            checkpoint.check_counts(&Plan::new(&discovery.files, BATCH_PAGES_DEFAULT))?;
            Ok(checkpoint)
        });
        read.map_err(|why| Refused { path: path.to_owned(), why })
    }

    /// What `shared` has counted, between two batches.
    fn of(shared: &Shared<'_>, discovery: &Discovery) -> Self {
        let between_batches = shared.commit.between_batches();
        let history = History { elapsed: shared.elapsed(), ..shared.history.clone() };
        let files = shared.files.iter().zip(&discovery.files).map(FileState::of).collect();
        let findings = lock(&shared.findings).clone();
        let transients = lock(&shared.transients).clone();
        let latencies = lock(&shared.latencies).clone();
        let timeline = lock(&shared.timeline).clone();
        let host_findings = lock(&shared.host_findings).clone();
        let notes = lock(&shared.notes).clone();
        let gpus = shared.gpu_summaries();
        let bytes_by_way =
            shared.bytes_by_way.each_ref().map(|bytes| bytes.load(Ordering::Relaxed));
        drop(between_batches);
        let (findings, transients) = (findings.into_list(), transients.into_list());
        Self {
            history,
            files,
            findings,
            transients,
            latencies,
            timeline,
            host_findings,
            notes,
            gpus,
            are_gpus_wrong: shared.are_gpus_wrong,
            bytes_by_way,
        }
    }

    /// Bytes of the files that are done, holes included.
    pub fn done_bytes(&self) -> u64 {
        let pages = self.files.iter().map(|file| u64::from(file.tally.done.pages()));
        pages.sum::<u64>() * PAGE_BYTES as u64
    }

    /// What was counted of the file at `index`.
    pub(super) fn tally(&self, index: usize) -> FileTally {
        self.files[index].tally.clone()
    }

    fn check_files(&self, now: &[DataFile]) -> Result<(), Why> {
        for (then, now) in self.files.iter().zip(now) {
            let path = paths::text(&now.path);
            if then.path != path {
                let first = path.as_ref().min(&then.path);
                let word = if first == path { "was not" } else { "was" };
                return Err(Why::OtherFiles(format!("{first} {word} among them")));
            }
            if let Some(what) = then.difference(now) {
                return Err(Why::Changed(format!("{path} {what}")));
            }
        }
        let (then, now) = (self.files.len(), now.len());
        if now != then {
            return Err(Why::OtherFiles(format!("there were {then} and are {now}")));
        }
        Ok(())
    }

    /// Counts that do not add up would be a panic later.
    fn check_counts(&self, plan: &Plan) -> Result<(), Why> {
        for (index, (file, planned)) in self.files.iter().zip(&plan.files).enumerate() {
            if file.tally.coverage.pages_planned != planned.promised_pages() {
                let what = "says that it has another number of pages than it said then";
                return Err(Why::Changed(format!("{} {what}", file.path)));
            }
            if !file.tally.is_plausible(index, planned) {
                return Err(damaged(format!("its counts of {} do not add up", file.path)));
            }
        }
        let suspects: u64 = self.files.iter().map(|file| file.tally.coverage.suspect).sum();
        let of_no_file = |finding: &Finding| finding.file >= self.files.len();
        if self.findings.len() as u64 > suspects || self.findings.iter().any(of_no_file) {
            return Err(damaged("its suspects do not add up"));
        }
        self.check_transients()?;
        let is_plausible = self.timeline.is_plausible();
        is_plausible.then_some(()).ok_or_else(|| damaged("its timeline is none"))
    }

    /// All of them are listed, unless there are too many.
    fn check_transients(&self) -> Result<(), Why> {
        let counted: u64 = self.files.iter().map(|file| file.tally.coverage.transient).sum();
        let listed = self.transients.len() as u64;
        let of_no_file = |transient: &Transient| transient.file >= self.files.len();
        let are_all = listed == counted.min(TRANSIENTS_MAX as u64);
        let is_plausible = are_all && !self.transients.iter().any(of_no_file);
        is_plausible.then_some(()).ok_or_else(|| damaged("its pages that healed do not add up"))
    }
}

impl History {
    /// Of a scan that begins now.
    pub(super) fn new() -> Self {
        let now = jiff::Timestamp::now();
        Self {
            id: format!("{}-{:x}", now.strftime("%Y%m%dT%H%M%SZ"), std::process::id()),
            started_at: now.to_string(),
            elapsed: Duration::ZERO,
            resumed: 0,
        }
    }

    /// Of a scan that is resumed now.
    pub(super) fn resumed(&self) -> Self {
        Self { resumed: self.resumed.saturating_add(1), ..self.clone() }
    }
}

impl FileState {
    fn of((scan, file): (&FileScan<'_>, &DataFile)) -> Self {
        Self {
            path: paths::text(&file.path).into_owned(),
            identity: file.identity.clone(),
            bytes: file.bytes,
            times: Times::of(&file.times),
            tally: lock(&scan.tally).clone(),
        }
    }

    /// What makes the file another one than it was.
    fn difference(&self, now: &DataFile) -> Option<String> {
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
    fn is_plausible(&self, index: usize, planned: &PlannedFile) -> bool {
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

fn damaged(what: impl Into<String>) -> Why {
    Why::Damaged(what.into())
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = paths::text(&self.path);
        write!(f, "cannot go on from {path}: ")?;
        match &self.why {
            Why::Unreadable(error) => return write!(f, "it cannot be read: {error}"),
            Why::Foreign => return f.write_str("it is no checkpoint; give the file another name"),
            Why::OtherVersion(by) => {
                let this = env!("CARGO_PKG_VERSION");
                write!(f, "{by} wrote it and this is {this}; go on with that version")
            }
            Why::Damaged(what) => write!(f, "it is damaged ({what})"),
            Why::OtherFiles(what) => {
                write!(f, "it belongs to a scan of other files: {what}; give the same paths")
            }
            Why::Changed(what) => {
                write!(f, "{what}: what was verified of it may not be true any more")
            }
        }?;
        let or = if matches!(self.why, Why::OtherVersion(_) | Why::OtherFiles(_)) {
            ", or"
        } else {
            ";"
        };
        write!(f, "{or} delete {path} to start anew")
    }
}
