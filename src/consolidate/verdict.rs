//! The answer of a run: its verdict and its exit code follow from what its report lists, and from
//! nothing else. A scan, a report that is read again and a merged one are judged alike.

use super::gaps::Gaps;
use super::report::{RunVerdict, ScrubReport, Source};
use super::tally::Verified;
use super::verified::units;

impl RunVerdict {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Clean, Self::Unverified, Self::Incomplete, Self::Damaged];

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Unverified => "unverified",
            Self::Damaged => "damaged",
            Self::Incomplete => "incomplete",
        }
    }
}

impl ScrubReport {
    /// The verdict that follows from what is listed. Of several scans, it is that of the worst.
    pub fn verdict_by_content(&self) -> RunVerdict {
        self.verdicts_by_content().0
    }

    /// The best and the worst one that can follow: reports of earlier versions do not say which
    /// refused files make a run incomplete.
    pub fn verdicts_by_content(&self) -> (RunVerdict, RunVerdict) {
        let of_sources = self.sources.iter().map(|source| source.verdict).max();
        let worst = |own: RunVerdict| of_sources.map_or(own, |verdict| verdict.max(own));
        (worst(judged(self, false)), worst(judged(self, true)))
    }

    /// The exit code that goes with the verdict.
    pub fn exit_code_by_content(&self) -> u8 {
        let is_host_at_fault =
            !self.host_findings.is_empty() || self.sources.iter().any(Source::is_host_at_fault);
        let was_stopped = self.run.stopped || self.sources.iter().any(|source| source.run.stopped);
        exit_code(self.verdict, was_stopped, is_host_at_fault)
    }

    /// Says what follows from the rest: verdict and exit code, what was verified of each file, and
    /// what becomes of each database.
    pub fn conclude(&mut self) {
        super::verified::tell(&mut self.files);
        super::database::tell(self);
        self.verdict = self.verdict_by_content();
        self.exit_code = self.exit_code_by_content();
    }

    /// It was written before reports said all that their verdict follows from; then the rules of
    /// that time are those that need no more.
    pub fn is_of_earlier_version(&self) -> bool {
        self.files.iter().any(|file| file.counts.is_none() || file.verified.is_none())
    }
}

impl Source {
    /// Its machine could not be trusted.
    pub fn is_host_at_fault(&self) -> bool {
        // A code that no version has written says nothing that may be believed.
        !matches!(self.exit_code, 0 | 1 | 3)
    }
}

fn judged(report: &ScrubReport, unsaid_counts: bool) -> RunVerdict {
    if report.has_damage() {
        RunVerdict::Damaged
    } else if !Gaps::if_unsaid(report, unsaid_counts).is_empty() {
        RunVerdict::Incomplete
    } else if is_unverified(report) {
        RunVerdict::Unverified
    } else {
        RunVerdict::Clean
    }
}

/// There is something of which nothing could be verified, and nothing else that was; or what was
/// not is enough, if checksums are asked for.
fn is_unverified(report: &ScrubReport) -> bool {
    let (mut is_any, mut is_all) = (false, true);
    for unit in units(&report.files) {
        let is_weak = report.run.require_checksums && unit.is_structure_only();
        is_any |= unit.is_unverified() || is_weak;
        is_all &= unit.verified <= Verified::Structure;
    }
    is_any && (is_all || report.run.require_checksums)
}

/// A scan that was stopped has no answer yet, whatever it has found.
pub(super) fn exit_code(verdict: RunVerdict, was_stopped: bool, is_host_at_fault: bool) -> u8 {
    match verdict {
        _ if is_host_at_fault => 4,
        _ if was_stopped => 3,
        RunVerdict::Clean => 0,
        RunVerdict::Damaged => 1,
        RunVerdict::Unverified | RunVerdict::Incomplete => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [RunVerdict; 4] = RunVerdict::ALL;

    #[test]
    fn a_machine_that_computes_wrongly_outranks_every_verdict() {
        for verdict in ALL {
            assert_eq!(exit_code(verdict, false, true), 4);
            assert_eq!(exit_code(verdict, true, true), 4);
        }
        assert_eq!(ALL.map(|verdict| exit_code(verdict, false, false)), [0, 3, 3, 1]);
    }

    #[test]
    fn a_scan_that_was_stopped_is_incomplete_also_if_it_found_suspects() {
        assert_eq!(ALL.map(|verdict| exit_code(verdict, true, false)), [3; 4]);
    }
}
