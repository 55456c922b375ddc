//! Adds a batch to the counts: wholly or not at all, as a checkpoint must see it.

use super::file::FileScan;
use super::lock;
use super::shared::{HOST_FINDINGS_MAX, Shared};
use crate::backup::stream_checksum::StreamSum;
use crate::catalog::Lead;
use crate::catalog::claims::IamClaims;
use crate::catalog::owner_sums::OwnerSums;
use crate::check::collected::Collected;
use crate::consolidate::findings::Finding;
use crate::consolidate::tally::Coverage;
use crate::consolidate::transient::Transient;
use crate::page::address::PageId;
use crate::page::ranges::PageRanges;
use crate::read::Way;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What one batch adds to the counts.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) coverage: Coverage,
    pub(super) findings: Vec<Finding>,
    pub(super) flagless: Vec<Finding>,
    pub(super) transients: Vec<Transient>,
    pub(super) host_findings: Vec<String>,
    /// Pages of system tables and IAM pages that can be believed.
    pub(super) leads: Vec<(Lead, PageId)>,
    /// To whom the pages say that they belong.
    pub(super) owner_sums: OwnerSums,
    /// What the IAM pages among them say.
    pub(super) claims: Vec<IamClaims>,
    /// What the pages say of each other, if that is to be checked.
    pub(super) collected: Collected,
    /// The file ended before one of the pages.
    pub(super) has_shrunk: bool,
    /// A read of several pages failed.
    pub(super) failed_reads: bool,
    /// A page failed by itself, at least at the first try.
    pub(super) failed_pages: bool,
    /// What the pages add to the checksum of a backup stream, by its index.
    pub(super) stream_sum: Option<(usize, StreamSum)>,
    /// `None` for a hole, which is not read.
    pub(super) took: Option<Took>,
}

/// How long the stages of a batch took.
#[derive(Clone, Copy)]
pub(super) struct Took {
    pub(super) read: Duration,
    pub(super) way: Way,
    pub(super) verify: Duration,
}

impl Shared<'_> {
    /// The pages of `ranges` are done and came out as `settled`.
    pub(super) fn commit(&self, file: &FileScan<'_>, ranges: &PageRanges, settled: Settled) {
        let _adding = self.commit.adding();
        if let Some(took) = settled.took {
            self.record(file, took, settled.coverage.bytes_read);
            self.bytes_by_way[took.way as usize].fetch_add(ranges.bytes(), Ordering::Relaxed);
            self.progress.advance(ranges.bytes());
        }
        self.add_findings(settled.findings, settled.host_findings);
        self.add_transients(settled.transients);
        let owner_sums: Vec<(u32, u64)> = settled.owner_sums.by_interval().collect();
        if file.asks_owners {
            let mut known = lock(&file.known_owners);
            known.add_claims(settled.claims, &self.owners_room);
            known.add_intervals(&owner_sums, &file.allocation, &self.owners_room);
        }
        let mut tally = lock(&file.tally);
        tally.coverage += &settled.coverage;
        tally.owner_sums.add(&owner_sums);
        tally.add_flagless(settled.flagless);
        tally.catalog.add(settled.leads);
        tally.collected.merge(settled.collected);
        if let Some((stream, sum)) = settled.stream_sum {
            tally.stream_sums.entry(stream).or_default().add(sum);
        }
        tally.failed_reads |= settled.failed_reads;
        tally.failed_pages |= settled.failed_pages;
        if settled.has_shrunk {
            tally.failure.get_or_insert_with(|| file.shrunk());
        }
        drop(tally);
        if file.done_with(ranges) {
            let mut known = lock(&file.known_owners);
            known.settle(&mut lock(&file.tally).owner_sums, &self.owners_room);
        }
    }

    fn record(&self, file: &FileScan<'_>, took: Took, bytes_read: u64) {
        lock(&self.latencies).record(took.read, took.verify);
        lock(&self.timeline).add(self.elapsed(), bytes_read);
        if let Some(latencies) = &mut lock(&file.tally).latencies {
            latencies.record(took.read, took.verify);
        }
    }

    fn add_transients(&self, found: Vec<Transient>) {
        if !found.is_empty() {
            let mut transients = lock(&self.transients);
            for transient in found {
                transients.add(transient);
            }
        }
    }

    fn add_findings(&self, found: Vec<Finding>, about_host: Vec<String>) {
        if !found.is_empty() {
            let count = found.len() as u64;
            let mut findings = lock(&self.findings);
            for finding in found {
                findings.add(finding);
            }
            drop(findings);
            self.progress.suspects(count);
        }
        if !about_host.is_empty() {
            let mut host_findings = lock(&self.host_findings);
            let room = HOST_FINDINGS_MAX.saturating_sub(host_findings.len());
            host_findings.extend(about_host.into_iter().take(room));
        }
    }
}
