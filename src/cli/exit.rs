//! Exit codes, and errors that end a command.

use pagescrub::report::escape;
use std::fmt::Display;
use std::process::ExitCode;

/// How a command ends; the numbers are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything planned was verified and nothing is suspect; or a command did its work.
    Clean = 0,
    /// Suspect pages.
    Damaged = 1,
    /// Wrong usage.
    Usage = 2,
    /// Something was not verified, or work could not be done.
    Incomplete = 3,
    /// This machine or this program is at fault.
    Internal = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// The exit that a report asks for.
    pub(crate) fn of_report(exit_code: u8) -> Self {
        match exit_code {
            0 => Self::Clean,
            1 => Self::Damaged,
            2 => Self::Usage,
            3 => Self::Incomplete,
            _ => Self::Internal,
        }
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

    /// Says it on stderr.
    pub(crate) fn tell(&self) -> Exit {
        anstream::eprintln!("pagescrub: {}", escape::terminal(&self.message));
        self.exit
    }
}
