//! The report: what a scan promised, what it found, and how it went
//! (docs/report-schema.md, schema `pagescrub.report/1`).

pub mod consistency;
pub mod database;
mod file;
mod keys;
mod passed;
mod shift;
pub mod transient;

pub use file::{FileReport, Outcome, base_name, folder};
pub use keys::FileKey;
pub use passed::{Closed, NotLookedInto, SKIPPED_LISTED_MAX, Skipped};
pub use shift::ShiftReport;
pub use transient::TransientReport;

use consistency::{BrokenRule, Consistency};
use database::DatabaseReport;

use super::clean_copy::{CleanCopy, HostCopy};
use super::message::Message;
use super::tally::Coverage;
use super::throughput::{StageSummary, Timeline};
use super::weights::WeightsOrigin;
use crate::diagnose::evidence::Evidence;
use crate::page::address::PageAddress;
use crate::page::checksum::Checksum;
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
    /// The scans that a merged report was made from, by host; empty for a report of one scan.
    #[serde(default)]
    pub sources: Vec<Source>,
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
    /// Files in directories that may hold databases and cannot be looked into.
    #[serde(default)]
    pub not_looked_into: NotLookedInto,
    /// Files in directories that the user did not want.
    #[serde(default)]
    pub excluded: Skipped,
    /// The most urgent first.
    pub suspects: Vec<Suspect>,
    /// Suspects beyond the longest list there is; counted in `coverage.suspect`.
    pub suspects_not_listed: u64,
    /// Pages that were bad and then good (Msg 825), in the order of their places.
    #[serde(default)]
    pub transients: Vec<TransientReport>,
    /// Those beyond the longest list; counted in `coverage.transient`.
    #[serde(default)]
    pub transients_not_listed: u64,
    /// Neighbouring suspects; the one with the most urgent page first.
    pub incidents: Vec<IncidentReport>,
    /// Incidents beyond the longest list.
    #[serde(default)]
    pub incidents_not_listed: u64,
    /// Content that has moved in its file, by file and page.
    #[serde(default)]
    pub shifts: Vec<ShiftReport>,
    /// Regularities in where the damage is.
    #[serde(default)]
    pub patterns: Vec<Pattern>,
    /// What was seen of each database, the worst first.
    #[serde(default)]
    pub databases: Vec<DatabaseReport>,
    /// What a check of structures found; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// What to do, in order.
    #[serde(default)]
    pub plan: Vec<Step>,
    /// By which weights it is ranked.
    #[serde(default)]
    pub weights: WeightsOrigin,
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

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self { name: "pagescrub".into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}

/// How a scan ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Tells runs apart.
    pub id: String,
    /// The machine's name; null in reports of before it was told, and in merged ones.
    #[serde(default)]
    pub host: Option<Arc<str>>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// The program and its arguments; empty in merged reports and those of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command_line: Vec<String>,
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
    /// What carries no checksums is not enough (`--require-checksums`).
    #[serde(default)]
    pub require_checksums: bool,
    /// Databases of which data files are missing are incomplete (`--whole-databases`).
    #[serde(default)]
    pub whole_databases: bool,
    /// How often it went on from a checkpoint.
    #[serde(default)]
    pub resumed: u64,
    /// The checkpoint to go on from, if it was stopped.
    #[serde(default)]
    pub checkpoint: Option<String>,
}

/// One of the scans that a merged report was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Where it ran.
    pub host: Arc<str>,
    /// How it ran.
    pub run: Run,
    /// Its answer.
    pub verdict: RunVerdict,
    /// Its exit code.
    pub exit_code: u8,
    /// Its rates and latencies.
    pub throughput: Throughput,
}

/// The answer of a scan, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// Everything planned was reached and nothing is suspect.
    Clean,
    /// The same, but nothing was there to verify it by.
    Unverified,
    /// No suspects, but not everything was reached.
    Incomplete,
    /// There are suspects.
    Damaged,
}

/// A suspect page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    /// From 1.
    pub rank: usize,
    /// P1 act now, P2 today, P3 plan, P4 note.
    pub priority: Cow<'static, str>,
    /// What is lost with it: `T0` the database may not start, `T1` a whole object or the backup
    /// chain, `T2` rows, `T3` what can be made again from rows, `T4` what nobody needs to keep,
    /// `U` nothing, for it is not in use.
    #[serde(default)]
    pub tier: Cow<'static, str>,
    /// 0 to 1000, the sum of its terms.
    pub score: u32,
    /// What the score is made of.
    #[serde(default)]
    pub terms: ScoreTerms,
    /// Rank of its incident; 0 in reports of before there were any.
    #[serde(default)]
    pub incident: usize,
    /// The machine that scanned it; null unless the report is a merged one.
    #[serde(default)]
    pub host: Option<Arc<str>>,
    /// The file.
    pub path: Arc<str>,
    /// In a backup: the position of the backup set.
    #[serde(default)]
    pub backup_set: Option<u32>,
    /// The database, if known.
    pub database: Option<Arc<str>>,
    /// `(file:page)`.
    pub address: PageAddress,
    /// File id.
    pub file_id: u16,
    /// Page id.
    pub page_id: u32,
    /// Where the page begins in its file.
    pub offset_bytes: u64,
    /// That is in what a compressed backup unpacks to.
    #[serde(default)]
    pub offset_unpacked: bool,
    /// The block device that it is on, where the file system tells.
    #[serde(default)]
    pub device: Option<Arc<str>>,
    /// Where it begins on that device.
    #[serde(default)]
    pub device_offset_bytes: Option<u64>,
    /// What is wrong.
    pub reason: Cow<'static, str>,
    /// As in `msdb.dbo.suspect_pages`.
    pub event_type: u8,
    /// The checksum it carries, where that is the reason.
    pub stored: Option<Checksum>,
    /// The checksum it should carry, where that is the reason.
    pub computed: Option<Checksum>,
    /// The address it carries, where that is another page's.
    pub found: Option<PageAddress>,
    /// The allocation unit that it says it belongs to, where another one owns its extent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_allocation_unit_id: Option<u64>,
    /// What that is: the object's name, else the allocation unit's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_object: Option<Arc<str>>,
    /// The rule that it breaks, where that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Box<BrokenRule>>,
    /// What it is, by its place or its own header; `unknown` where neither tells.
    pub page_type: Cow<'static, str>,
    /// Of an index page whose header can be believed: its level, 0 for leaves.
    #[serde(default)]
    pub level: Option<u8>,
    /// It is the page that the tree of its index begins with.
    #[serde(default)]
    pub is_root: bool,
    /// `yes`, `no` or `unknown`.
    pub allocated: Cow<'static, str>,
    /// What it belongs to: the object's name, else the allocation unit's id.
    pub object: Option<Arc<str>>,
    /// The object's schema. This and all that follows to `index_id` is null where unknown.
    pub schema: Option<Arc<str>>,
    /// The table's or view's name.
    pub table: Option<Arc<str>>,
    /// The index's name.
    pub index: Option<Arc<str>>,
    /// What of the object: `heap`, `clustered_index`, `nonclustered_index`, `lob_data`,
    /// `row_overflow_data`, `clustered_columnstore` or `nonclustered_columnstore`.
    pub object_kind: Option<Cow<'static, str>>,
    /// As in sys.objects.
    pub object_id: Option<i32>,
    /// As in sys.indexes.
    pub index_id: Option<i32>,
    /// Its partition, from 1, if it has more than one.
    #[serde(default)]
    pub partition: Option<u32>,
    /// The allocation unit that it belongs to.
    pub allocation_unit_id: Option<u64>,
    /// How that is known: `header`, `iam`, `both`, `extent` or `catalog`.
    #[serde(default)]
    pub named_by: Option<Cow<'static, str>>,
    /// Allocation units whose IAM pages claim it, 2 for more than one; null if nobody was asked.
    #[serde(default)]
    pub iam_claims: Option<u8>,
    /// The likely cause, by its code: `bit_flip`.
    pub cause: Option<Cow<'static, str>>,
    /// How sure that is: `certain`, `likely` or `possible`.
    #[serde(default)]
    pub confidence: Option<Cow<'static, str>>,
    /// What its bytes show; null if none could be read.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// True if no two looks saw the same bytes.
    pub unsettled: bool,
    /// In SQL Server's words.
    pub message: Message,
    /// What to do.
    pub action: Cow<'static, str>,
    /// Clean copies of it in other files of the scan, the newest first.
    #[serde(default)]
    pub clean_copies: Vec<CleanCopy>,
    /// Other machines that scanned a copy of its file and found nothing wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_hosts: Vec<HostCopy>,
}

/// What the score of a suspect is made of, in points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreTerms {
    /// What is lost.
    pub consequence: u32,
    /// How sure it is.
    pub certainty: u32,
    /// How much is damaged around it.
    pub incident: u32,
    /// How hard it is to get it back.
    pub recovery: u32,
    /// How much of its object depends on it.
    pub blast: u32,
}

/// A regularity in where the damage is that chance does not explain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// `stripe_member` or `period`.
    pub kind: Cow<'static, str>,
    /// The machine that scanned it; null unless the report is a merged one.
    #[serde(default)]
    pub host: Option<Arc<str>>,
    /// The file or the device whose offsets show it.
    pub scope: Arc<str>,
    /// The offsets are those on a device, not those in a file.
    pub on_device: bool,
    /// The reason or the cause of the damage that shows it; null for damage of every kind.
    #[serde(default)]
    pub damage: Option<Cow<'static, str>>,
    /// Bytes that go to one member before the next one's turn; of a period, those of a page.
    pub unit_bytes: u64,
    /// Members of the array; of a period, its pages.
    pub members: u32,
    /// Which of them, from 0: that of the offsets that leave this remainder.
    pub member: u32,
    /// Damaged units.
    pub events: u64,
    /// Those of them on this member.
    pub hits: u64,
    /// How likely chance does as much, after correction for all geometries that were tried.
    pub p_value: f64,
    /// The geometry was given, not searched for.
    pub given: bool,
    /// In words.
    pub text: String,
}

/// One step of what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// In a few words.
    pub title: String,
    /// Why and how.
    pub text: String,
    /// The suspects it is for, as runs of ranks: `1-3, 7`; empty where it is for none of them.
    pub ranks: String,
    /// How many those are.
    pub suspects: u64,
}

/// Neighbouring suspects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentReport {
    /// From 1.
    pub rank: usize,
    /// Of its most urgent page.
    pub priority: Cow<'static, str>,
    /// The machine that scanned it; null unless the report is a merged one.
    #[serde(default)]
    pub host: Option<Arc<str>>,
    /// The file.
    pub path: Arc<str>,
    /// First page.
    pub first: PageAddress,
    /// Last page.
    pub last: PageAddress,
    /// Suspects in it.
    pub pages: usize,
    /// How many for which reason.
    pub reasons: BTreeMap<String, usize>,
    /// How many for which cause.
    #[serde(default)]
    pub causes: BTreeMap<String, usize>,
    /// Of its most urgent page.
    #[serde(default)]
    pub tier: Cow<'static, str>,
    /// Of its most urgent page.
    #[serde(default)]
    pub score: u32,
    /// Where it is: one entry for each file, in their order.
    #[serde(default)]
    pub spans: Vec<Span>,
    /// What to do about it as a whole, and why.
    #[serde(default)]
    pub action: String,
    /// Ranks of its suspects, in page order.
    pub suspects: Vec<usize>,
}

/// The part of an incident in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The file.
    pub path: Arc<str>,
    /// First page.
    pub first: PageAddress,
    /// Last page.
    pub last: PageAddress,
    /// Suspects in it.
    pub pages: usize,
    /// The block device, where the file system tells.
    pub device: Option<Arc<str>>,
    /// Where the first of its suspects begins on it, by their places on the device.
    pub device_offset_bytes: Option<u64>,
    /// Where the last of them ends there: the last byte of it.
    #[serde(default)]
    pub device_last_byte: Option<u64>,
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
