//! What a scan has found so far, so that it can be stopped and go on later: its counts <-> a file,
//! and what of them holds for files as they are when it goes on.

mod file_state;
mod fitted;
mod held;
mod refused;
mod stored;
mod writer;

pub(super) use file_state::FileState;
pub use held::Held;
pub use refused::Refused;
pub use stored::{check_writable, is_checkpoint, remove, written};
pub(super) use writer::{Counted, while_checkpointing};

use super::tally::FileTally;
use crate::consolidate::findings::Finding;
use crate::consolidate::throughput::{StageLatencies, Timeline};
use crate::consolidate::transient::{TRANSIENTS_MAX, Transient};
use crate::discover::paths;
use crate::discover::{DataFile, Discovery};
use crate::page::PAGE_BYTES;
use crate::read::Way;
use crate::verify::gpu::pool::GpuSummary;
use refused::{Why, damaged};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

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
    pub(super) files: Vec<FileState>,
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
    /// Files that are not what they were, by path, and why not; told when it is read.
    #[serde(skip)]
    pub(super) changed: BTreeMap<String, String>,
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
    /// Every extent of backups is looked at to learn where it belongs: guesses were wrong.
    pub(super) looks_at_each_extent: bool,
}

impl Checkpoint {
    /// Reads the checkpoint at `path` for a scan of `discovery`. Refused if it is not whole, or
    /// if it has counts of files that are there and that the scan leaves out. Files that are not
    /// what they were are scanned again, and the others go on.
    pub fn read(path: &Path, discovery: &Discovery) -> Result<Self, Refused> {
        let read = stored::read(path).and_then(|mut checkpoint: Self| {
            checkpoint.check_paths(&discovery.files)?;
            checkpoint.check_counts()?;
            checkpoint.changed = checkpoint.changed_of(&discovery.files);
            Ok(checkpoint)
        });
        read.map_err(|why| Refused { path: path.to_owned(), why })
    }

    /// Bytes of files that are done and still what they were, holes included.
    pub fn done_bytes(&self) -> u64 {
        let unchanged = self.files.iter().filter(|file| !self.changed.contains_key(&file.path));
        let pages = unchanged.map(|file| u64::from(file.tally.done.pages()));
        pages.sum::<u64>() * PAGE_BYTES as u64
    }

    /// Files that are not what they were, by path, and why not.
    pub fn changed(&self) -> &BTreeMap<String, String> {
        &self.changed
    }

    /// What was counted of the file at `index`.
    pub(super) fn tally(&self, index: usize) -> FileTally {
        self.files[index].tally.clone()
    }

    /// What is there and left out this time would lose what was done of it.
    fn check_paths(&self, now: &[DataFile]) -> Result<(), Why> {
        let given: BTreeSet<_> = now.iter().map(|file| paths::text(&file.path)).collect();
        let is_left_out = |file: &&FileState| {
            !given.contains(file.path.as_str()) && paths::from_text(&file.path).exists()
        };
        let left_out = self.files.iter().find(is_left_out);
        left_out
            .map_or(Ok(()), |file| Err(Why::OtherFiles(format!("{} was among them", file.path))))
    }

    fn changed_of(&self, now: &[DataFile]) -> BTreeMap<String, String> {
        let now: BTreeMap<_, _> = now.iter().map(|file| (paths::text(&file.path), file)).collect();
        let changed = |then: &FileState| {
            let why = then.difference(now.get(then.path.as_str())?)?;
            Some((then.path.clone(), why))
        };
        self.files.iter().filter_map(changed).collect()
    }

    /// Counts that do not add up would be a panic later.
    fn check_counts(&self) -> Result<(), Why> {
        let mut listed_by_file = vec![0_u64; self.files.len()];
        for finding in &self.findings {
            let listed = listed_by_file.get_mut(finding.file);
            *listed.ok_or_else(|| damaged("its suspects do not add up"))? += 1;
        }
        let counted = self.files.iter().map(|file| file.tally.coverage.suspect);
        if counted.zip(listed_by_file).any(|(counted, listed)| listed > counted) {
            return Err(damaged("its suspects do not add up"));
        }
        self.check_transients()?;
        let is_plausible = self.timeline.is_plausible();
        is_plausible.then_some(()).ok_or_else(|| damaged("its timeline is none"))
    }

    /// All of them are listed, unless there are too many.
    fn check_transients(&self) -> Result<(), Why> {
        let counted = self.files.iter().map(|file| file.tally.coverage.transient);
        let counted = counted.fold(0_u64, u64::saturating_add);
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
            looks_at_each_extent: false,
        }
    }

    /// Of a scan that is resumed now.
    pub(super) fn resumed(&self) -> Self {
        Self { resumed: self.resumed.saturating_add(1), ..self.clone() }
    }
}
