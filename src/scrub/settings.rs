//! How to scan, and whom to tell how far it has come.

use super::checkpoint::Checkpointing;
use super::stop::Stop;
use crate::consolidate::pattern::Geometry;
use crate::consolidate::weights::{Weights, WeightsOrigin};
use crate::plan::BATCH_PAGES_DEFAULT;
use crate::plan::throttles::Throttles;
use crate::read::PageSource;
use crate::verify::engine::Engine;
use crate::verify::gpu::calibration::Calibration;
use crate::verify::gpu::pool::Gpus;
use std::io;
use std::path::Path;

/// Opens a file for reading pages. The readers of [`crate::read::open`] in production, broken
/// disks in tests.
pub type Open<'a> = &'a (dyn Fn(&Path) -> io::Result<Box<dyn PageSource>> + Sync);

/// How to scan.
#[derive(Clone)]
pub struct Settings<'a> {
    /// What computes checksums on the CPU.
    pub engine: &'a Engine,
    /// GPUs that look at pages, if any do.
    pub gpus: Option<&'a Gpus>,
    /// How `auto` chose between them.
    pub calibration: Option<Calibration>,
    /// What the user should know, from before the scan.
    pub notes: Vec<String>,
    /// What was wrong with this machine before the scan.
    pub host_findings: Vec<String>,
    /// The engine's name as asked for.
    pub engine_name: String,
    /// What opens files.
    pub open: Open<'a>,
    /// The reader's name as asked for.
    pub reader_name: String,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Pages per batch.
    pub batch_pages: u32,
    /// How fast devices may be read, whoever reads.
    pub throttles: Throttles,
    /// What counts how much in a score.
    pub weights: Weights,
    /// Where the weights come from.
    pub weights_origin: WeightsOrigin,
    /// Once true, no further batch is begun; what was not reached is reported as such.
    pub stop: &'a Stop,
    /// How the array deals out bytes to its disks, if that is known.
    pub geometry: Option<Geometry>,
    /// Compressed backups are unpacked, and the pages in them verified.
    pub deep: bool,
    /// What carries no checksums is not enough.
    pub require_checksums: bool,
    /// Databases of which data files are missing are incomplete.
    pub whole_databases: bool,
    /// Pages are held against older copies of them.
    pub lost_writes: bool,
    /// What pages say of each other is checked, too.
    pub check: bool,
    /// Whether and how to write checkpoints, and the one to go on from.
    pub checkpoint: Option<Checkpointing<'a>>,
}

impl<'a> Settings<'a> {
    /// One thread, no limits and no checkpoints, unless said otherwise. The names are those of
    /// the default engine and reader.
    pub fn new(engine: &'a Engine, open: Open<'a>, stop: &'a Stop) -> Self {
        Self {
            engine,
            gpus: None,
            calibration: None,
            notes: Vec::new(),
            host_findings: Vec::new(),
            engine_name: "auto".to_owned(),
            open,
            reader_name: "auto".to_owned(),
            threads: 1,
            batch_pages: BATCH_PAGES_DEFAULT,
            throttles: Throttles::default(),
            weights: Weights::default(),
            weights_origin: WeightsOrigin::default(),
            stop,
            geometry: None,
            deep: false,
            require_checksums: false,
            whole_databases: false,
            lost_writes: true,
            check: false,
            checkpoint: None,
        }
    }
}

/// Told how far a scan has come, from several threads.
pub trait Progress: Sync {
    /// The scan begins, or goes on, and will read `bytes`.
    fn begin(&self, bytes: u64);
    /// `bytes` more have been read.
    fn advance(&self, bytes: u64);
    /// Suspects so far.
    fn suspects(&self, count: u64);
    /// All is read.
    fn end(&self);
    /// Now it is looked into `what`.
    fn looking_into(&self, _what: &'static str) {}
    /// The scan is over.
    fn finished(&self) {}
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn suspects(&self, _: u64) {}
    fn end(&self) {}
}
