//! The report: what a scan promised, what it found, and how it went
//! (docs/report-schema.md, schema `pagescrub.report/1`).

use super::incident;
use super::rank::{Consequence, Finding, Usage, priority};
use super::tally::Coverage;
use super::throughput::{StageSummary, Timeline};
use crate::diagnose::verdict::{Allocation, SuspectReason};
use crate::discover::FileKind;
use crate::page::address::PageRange;
use crate::page::boot::PageVerify;
use crate::page::checksum::Checksum;
use crate::page::kind::PageType;
use crate::plan::pace::PaceSummary;
use crate::verify::gpu::calibration::Calibration;
use crate::verify::gpu::pool::GpuSummary;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The schema's name; keys are only ever added to it.
pub const SCHEMA: &str = "pagescrub.report/1";

/// One scan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScrubReport {
    /// [`SCHEMA`].
    pub schema: Cow<'static, str>,
    /// What wrote it.
    pub tool: Tool,
    /// How it ran.
    pub run: Run,
    /// The answer.
    pub verdict: RunVerdict,
    /// The exit code that goes with it.
    pub exit_code: u8,
    /// All files together.
    pub coverage: Coverage,
    /// Every file looked at, by path.
    pub files: Vec<FileReport>,
    /// Files in directories that are no database files.
    pub skipped: Skipped,
    /// The most urgent first.
    pub suspects: Vec<Suspect>,
    /// Suspects beyond the longest list there is; counted in `coverage.suspect`.
    pub suspects_not_listed: u64,
    /// Neighbouring suspects; the one with the most urgent page first.
    pub incidents: Vec<IncidentReport>,
    /// Signs that this machine computes wrongly; then no verdict on a page can be trusted.
    pub host_findings: Vec<String>,
    /// Rates and latencies.
    pub throughput: Throughput,
}

/// Name and version of this program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `pagescrub`.
    pub name: Cow<'static, str>,
    /// Of the package.
    pub version: Cow<'static, str>,
}

/// How a scan ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Tells runs apart.
    pub id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// From the first to the last byte, without interruptions.
    pub elapsed_seconds: f64,
    /// As asked for.
    pub engine: String,
    /// The kernels and the GPUs that were used.
    pub devices: Vec<String>,
    /// How `auto` chose between CPU and GPUs.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// What each GPU did.
    #[serde(default)]
    pub gpus: Vec<GpuSummary>,
    /// The reader as asked for.
    #[serde(default)]
    pub reader: String,
    /// The ways in which bytes were read: `mmap`, `io_uring`, `direct`, `pread`.
    pub readers: Vec<String>,
    /// Worker threads.
    pub threads: usize,
    /// Pages per batch.
    pub batch_pages: u32,
    /// How each device was read.
    #[serde(default)]
    pub pace: Vec<PaceSummary>,
    /// What the user should know about how files were read.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Stopped by a signal before its end.
    #[serde(default)]
    pub stopped: bool,
    /// How often it went on from a checkpoint.
    #[serde(default)]
    pub resumed: u64,
    /// The checkpoint to go on from, if it was stopped.
    #[serde(default)]
    pub checkpoint: Option<String>,
}

/// The answer of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// Everything planned was reached and nothing is suspect.
    Clean,
    /// There are suspects.
    Damaged,
    /// No suspects, but not everything was reached.
    Incomplete,
}

impl RunVerdict {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Damaged => "damaged",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its pages were verified.
    Scanned,
    /// Looked at and declined.
    Refused,
    /// Could not be opened, or not read to its end.
    Failed,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// As given or found.
    pub path: Arc<str>,
    /// What it is.
    pub kind: FileKind,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was not scanned, or not to its end.
    pub why: Option<String>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
    /// Its id in its database.
    pub file_id: Option<u16>,
    /// The database's name.
    pub database: Option<Arc<str>>,
    /// The database's internal version.
    pub internal_version: Option<u16>,
    /// The release that writes this version.
    pub sql_server: Option<Cow<'static, str>>,
    /// The option PAGE_VERIFY.
    pub page_verify: Option<PageVerify>,
    /// Shut down cleanly.
    pub clean_shutdown: Option<bool>,
    /// SIMPLE recovery model: no page restore.
    #[serde(default)]
    pub simple_recovery: Option<bool>,
    /// Whole pages.
    pub pages: u64,
    /// Its part of the tally.
    pub coverage: Coverage,
    /// Where the pages are that were not reached; `None` if only their number is known.
    #[serde(default)]
    pub not_reached_ranges: Option<Vec<PageRange>>,
}

/// Files that are no database files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub paths: Vec<String>,
}

/// Skipped paths listed at most.
pub const SKIPPED_LISTED_MAX: usize = 1000;

/// A suspect page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    /// From 1.
    pub rank: usize,
    /// P1 act now, P2 today, P3 plan, P4 note.
    pub priority: Cow<'static, str>,
    /// 0 to 1000.
    pub score: u32,
    /// The file.
    pub path: Arc<str>,
    /// The database, if known.
    pub database: Option<Arc<str>>,
    /// `(file:page)`.
    pub address: String,
    /// File id.
    pub file_id: u16,
    /// Page id.
    pub page_id: u32,
    /// Where the page begins in its file.
    pub offset_bytes: u64,
    /// What is wrong.
    pub reason: Cow<'static, str>,
    /// As in `msdb.dbo.suspect_pages`.
    pub event_type: u8,
    /// The checksum it carries, where that is the reason.
    pub stored: Option<Checksum>,
    /// The checksum it should carry, where that is the reason.
    pub computed: Option<Checksum>,
    /// The address it carries, where that is the reason.
    pub found: Option<String>,
    /// What it is, by its place or its own header; `unknown` where neither tells.
    pub page_type: Cow<'static, str>,
    /// `yes`, `no` or `unknown`.
    pub allocated: Cow<'static, str>,
    /// What it belongs to: the object's name, else the allocation unit's id.
    pub object: Option<String>,
    /// The object's schema. This and all that follows to `index_id` is null where unknown.
    pub schema: Option<Arc<str>>,
    /// The table's or view's name.
    pub table: Option<Arc<str>>,
    /// The index's name.
    pub index: Option<Arc<str>>,
    /// What of the object: `heap`, `clustered_index`, `nonclustered_index`, `lob_data` or
    /// `row_overflow_data`.
    pub object_kind: Option<Cow<'static, str>>,
    /// As in sys.objects.
    pub object_id: Option<i32>,
    /// As in sys.indexes.
    pub index_id: Option<i32>,
    /// The allocation unit that its header names.
    pub allocation_unit_id: Option<u64>,
    /// The likely cause; not determined by this version.
    pub cause: Option<String>,
    /// True if no two looks saw the same bytes.
    pub unsettled: bool,
    /// In SQL Server's words.
    pub message: String,
    /// What to do.
    pub action: Cow<'static, str>,
}

/// Neighbouring suspects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentReport {
    /// From 1.
    pub rank: usize,
    /// Of its most urgent page.
    pub priority: Cow<'static, str>,
    /// The file.
    pub path: Arc<str>,
    /// First page.
    pub first: String,
    /// Last page.
    pub last: String,
    /// Suspects in it.
    pub pages: usize,
    /// How many for which reason.
    pub reasons: BTreeMap<String, usize>,
    /// Ranks of its suspects, in page order.
    pub suspects: Vec<usize>,
}

/// Rates and latencies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Mean rate over the run.
    pub bytes_per_second: f64,
    /// Bytes by the way in which they were read: the names in [`Run::readers`].
    #[serde(default)]
    pub bytes_by_reader: BTreeMap<String, u64>,
    /// By stage: `read`, `verify`.
    pub stages: BTreeMap<String, StageSummary>,
    /// The rate over time.
    pub timeline: Timeline,
    /// By file: path to stages.
    pub files: BTreeMap<String, BTreeMap<String, StageSummary>>,
    /// Histograms written besides.
    pub histogram_files: Vec<String>,
}

/// What a finding needs to know of its file.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// As reported.
    pub path: Arc<str>,
    /// If known.
    pub database: Option<Arc<str>>,
    /// 0 if not known.
    pub database_id: u16,
    /// SIMPLE recovery model: no page restore. `None` where the boot page does not tell.
    pub simple_recovery: Option<bool>,
    /// A transaction log.
    pub is_log: bool,
}

/// Ranks `findings` (most urgent first) into suspects and incidents.
pub fn rank_and_group(
    findings: &[Finding],
    files: &[FileFacts],
) -> (Vec<Suspect>, Vec<IncidentReport>) {
    let suspects: Vec<Suspect> = findings
        .iter()
        .enumerate()
        .map(|(i, finding)| suspect(i + 1, finding, &files[finding.file]))
        .collect();
    let incidents = incident::group(findings)
        .iter()
        .enumerate()
        .map(|(i, incident)| incident_report(i + 1, incident, &suspects))
        .collect();
    (suspects, incidents)
}

fn suspect(rank: usize, finding: &Finding, file: &FileFacts) -> Suspect {
    let score = finding.score();
    let object = finding.object.as_deref();
    let (stored, computed) = match finding.reason {
        SuspectReason::BadChecksum { stored, computed } => (Some(stored), Some(computed)),
        _ => (None, None),
    };
    Suspect {
        rank,
        priority: priority(score).into(),
        score,
        path: Arc::clone(&file.path),
        database: file.database.clone(),
        address: finding.place.to_string(),
        file_id: finding.place.file.0,
        page_id: finding.place.page.0,
        offset_bytes: finding.place.page.offset_bytes(),
        reason: finding.reason.name().into(),
        event_type: finding.reason.event_type(),
        stored,
        computed,
        found: found(&finding.reason),
        page_type: finding.page_type.map_or("unknown", |kind| kind.name()).into(),
        allocated: allocated(finding.allocation).into(),
        object: belongs_to(finding),
        schema: object.and_then(|object| object.schema.clone()),
        table: object.and_then(|object| object.table.clone()),
        index: object.and_then(|object| object.index.clone()),
        object_kind: object.map(|object| object.kind.name().into()),
        object_id: object.map(|object| object.object_id),
        index_id: object.map(|object| object.index_id),
        allocation_unit_id: finding.allocation_unit,
        cause: None,
        unsettled: finding.unsettled,
        message: super::message::of(finding, file),
        action: action(finding, file).into(),
    }
}

fn belongs_to(finding: &Finding) -> Option<String> {
    let unit = || finding.allocation_unit.map(|id| format!("allocation unit {id}"));
    finding.object.as_ref().map(ToString::to_string).or_else(unit)
}

fn found(reason: &SuspectReason) -> Option<String> {
    match reason {
        SuspectReason::WrongPageId { found, .. } => Some(found.to_string()),
        _ => None,
    }
}

fn allocated(allocation: Allocation) -> &'static str {
    match allocation {
        Allocation::Allocated => "yes",
        Allocation::Free => "no",
        Allocation::Unknown => "unknown",
    }
}

fn action(finding: &Finding, file: &FileFacts) -> &'static str {
    let is_extent_map = matches!(finding.page_type, Some(PageType::DiffMap | PageType::MlMap));
    match finding.consequence {
        _ if finding.unsettled => {
            "changed between looks: scan an offline copy or a storage snapshot before acting"
        }
        _ if finding.usage == Usage::Doubtful => {
            "perhaps only old content of a free page: scan again once its PFS page is restored"
        }
        Consequence::NotInUse => {
            "not in use: no data is lost, but a backup may read it; see to the storage"
        }
        _ if file.is_log => {
            "a log file's header: do not detach or restart; restore the database, with its log \
             tail if that can still be backed up"
        }
        Consequence::Index if finding.object.is_some() => {
            "its index can be made again if the table is sound: DBCC CHECKTABLE and mend the table \
             first, script the index (unique? constraint? foreign keys?), stop writers, then DROP \
             and CREATE it (a rebuild may read the damaged one); in doubt restore it"
        }
        Consequence::StopsDatabase if file.simple_recovery == Some(true) => {
            "cannot be restored alone: do not detach or restart; restore the database from its \
             last backup (SIMPLE recovery model)"
        }
        Consequence::StopsDatabase => {
            "cannot be restored alone: do not detach or restart; back up the log tail, \
             then restore the file or the database"
        }
        _ if file.simple_recovery == Some(true) => {
            "SIMPLE recovery model, no page restore: restore the database from its last backup"
        }
        Consequence::SystemOrMap if is_extent_map => {
            "a DIFF or ML map, not restored alone: back up the log tail, then restore the file"
        }
        Consequence::SystemOrMap => {
            "back up the log tail, then RESTORE DATABASE ... PAGE; if refused, restore the file"
        }
        Consequence::Rows if file.simple_recovery.is_none() => {
            "recovery model not known: under FULL, RESTORE DATABASE ... PAGE from the last full \
             backup, then its differentials and logs; under SIMPLE, restore the database"
        }
        Consequence::Rows => {
            "RESTORE DATABASE ... PAGE from the last full backup, then its differentials and logs"
        }
        Consequence::Index => {
            "if its index is nonclustered, DROP and CREATE it; else RESTORE DATABASE ... PAGE"
        }
    }
}

fn incident_report(
    rank: usize,
    incident: &incident::Incident,
    suspects: &[Suspect],
) -> IncidentReport {
    let members = || incident.findings.iter().map(|&i| &suspects[i]);
    let mut reasons = BTreeMap::new();
    members().for_each(|suspect| *reasons.entry(suspect.reason.to_string()).or_default() += 1);
    let first = &suspects[incident.findings[0]];
    let last = &suspects[incident.findings[incident.findings.len() - 1]];
    IncidentReport {
        rank,
        priority: members().map(|s| &s.priority).min().unwrap_or(&first.priority).clone(),
        path: Arc::clone(&first.path),
        first: first.address.clone(),
        last: last.address.clone(),
        pages: incident.findings.len(),
        reasons,
        suspects: members().map(|suspect| suspect.rank).collect(),
    }
}
