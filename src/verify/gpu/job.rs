//! What is asked of a GPU, and what comes back: checksums, or the reason for which there are none;
//! in both cases the buffer, with the same bytes.

use crate::page::checksum::Checksum;
use crate::read::arena::PageBuffer;
use std::fmt;
use std::sync::mpsc::Sender;

/// Pages for a GPU to look at.
#[derive(Debug)]
pub struct Job {
    /// Holds them, from its beginning on.
    pub buffer: PageBuffer,
    /// How many they are.
    pub pages: u32,
    /// Whose it is; comes back with the answer.
    pub token: u64,
    /// Where the answer goes.
    pub answer_to: Sender<Answer>,
}

/// What came of a job.
#[derive(Debug)]
pub struct Answer {
    /// The job's, with the same bytes.
    pub buffer: PageBuffer,
    /// The job's.
    pub token: u64,
    /// Which of the GPUs it was.
    pub gpu: usize,
    /// The checksum that each page should carry, or why there is none.
    pub sums: Result<Vec<Checksum>, GpuError>,
}

/// Why a GPU did not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuError {
    /// The device is gone.
    Lost(String),
    /// It did not answer in time.
    TimedOut,
    /// It has not enough memory.
    OutOfMemory(String),
    /// It refused a command.
    Refused(String),
    /// It reported success and left words unwritten.
    Silent,
    /// It is not used any more.
    Retired,
}

impl GpuError {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lost(_) => "lost",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory(_) => "out_of_memory",
            Self::Refused(_) => "refused",
            Self::Silent => "silent",
            Self::Retired => "retired",
        }
    }

    /// True if there is no point in trying again.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::TimedOut | Self::Retired)
    }
}

impl fmt::Display for GpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(why) => write!(f, "the device was lost ({why})"),
            Self::TimedOut => f.write_str("the device did not answer in time"),
            Self::OutOfMemory(why) => write!(f, "out of memory ({why})"),
            Self::Refused(why) => write!(f, "a command was refused ({why})"),
            Self::Silent => f.write_str("the device left results unwritten"),
            Self::Retired => f.write_str("the device is not used any more"),
        }
    }
}

impl std::error::Error for GpuError {}
