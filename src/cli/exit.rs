//! Exit codes, and errors that end a command.

use clap::ValueEnum;
use pagescrub::consolidate::report::{RunVerdict, ScrubReport};
use pagescrub::consolidate::verified::units;
use std::ffi::OsString;
use std::fmt::Display;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything planned was verified and nothing is suspect; or a command did its work.
    Clean,
    /// The same, but somebody should have a look: pages were read wrongly at first, or some of it
    /// has nothing to be verified by.
    Remarkable,
    /// Everything was read, and nothing was there to verify it by.
    Unverified,
    /// Suspect pages.
    Damaged,
    /// Wrong usage.
    Usage,
    /// Something was not verified, or work could not be done.
    Incomplete,
    /// The same, but there are suspect pages already.
    DamagedSoFar,
    /// This machine or this program is at fault.
    Internal,
}

/// What an exit code says; the numbers are contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExitStyle {
    /// 0 clean, 1 damage, 2 wrong usage, 3 incomplete or unverified, 4 this machine is at fault
    Plain,
    /// 0 OK, 1 WARNING (no damage, but see the report: some of it carries nothing to verify it by),
    /// 2 CRITICAL (damage), 3 UNKNOWN (all else)
    Nagios,
}

impl ExitStyle {
    /// The style that `words` ask for, which may not be understood otherwise: Nagios would take
    /// the code of wrong usage for damage.
    pub(crate) fn asked_for(words: impl IntoIterator<Item = OsString>) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        let is_in_one = words.iter().any(|word| word == "--exit-style=nagios");
        let is_in_two = words.windows(2).any(|pair| pair == ["--exit-style", "nagios"]);
        if is_in_one || is_in_two { Self::Nagios } else { Self::Plain }
    }

    /// The number for `exit`.
    pub(crate) fn code(self, exit: Exit) -> u8 {
        let (plain, nagios) = match exit {
            Exit::Clean => (0, 0),
            Exit::Remarkable => (0, 1),
            Exit::Unverified => (3, 1),
            Exit::Damaged => (1, 2),
            Exit::Usage => (2, 3),
            Exit::Incomplete => (3, 3),
            Exit::DamagedSoFar => (3, 2),
            Exit::Internal => (4, 3),
        };
        match self {
            Self::Plain => plain,
            Self::Nagios => nagios,
        }
    }
}

impl Exit {
    /// The exit that `report` asks for.
    pub(crate) fn of_report(report: &ScrubReport) -> Self {
        let coverage = &report.coverage;
        // Every healthy database has a few pages without protection, not one in ten.
        let in_use = coverage.intact.saturating_add(coverage.unprotected);
        let of_backups = report.verified_streams().saturating_add(report.verified_records());
        let is_nothing = coverage.intact == 0 && of_backups == 0;
        let is_unproven = is_nothing || coverage.unprotected.saturating_mul(10) > in_use;
        let is_unverified = units(&report.files).any(|unit| unit.is_unverified());
        match report.exit_code {
            0 if coverage.transient > 0 || is_unproven || is_unverified => Self::Remarkable,
            0 => Self::Clean,
            1 => Self::Damaged,
            3 if report.verdict == RunVerdict::Damaged => Self::DamagedSoFar,
            3 if report.verdict == RunVerdict::Unverified && !report.run.stopped => {
                Self::Unverified
            }
            3 => Self::Incomplete,
            _ => Self::Internal,
        }
    }

    /// True if it must be told even if the report could not be written.
    pub(crate) fn matters_more_than_output(self) -> bool {
        matches!(self, Self::Damaged | Self::DamagedSoFar | Self::Internal)
    }
}

/// An error that ends a command: what went wrong and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// The command line asks for what cannot be.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }

    /// The work could not be done.
    pub(crate) fn work(message: impl Display) -> Self {
        Self { exit: Exit::Incomplete, message: message.to_string() }
    }

    /// This machine or this program computes wrongly.
    pub(crate) fn internal(message: impl Display) -> Self {
        Self { exit: Exit::Internal, message: message.to_string() }
    }

    /// With `more` at its end.
    pub(crate) fn and(mut self, more: impl Display) -> Self {
        self.message += &more.to_string();
        self
    }

    /// How the command ends for it.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What went wrong and what to do next.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}
