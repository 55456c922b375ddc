//! Evidence in, the likely cause out: the first signature that fits.

use serde::{Deserialize, Serialize};

/// What probably happened to a suspect page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The operating system could not read it.
    IoError,
    /// No two looks saw the same bytes.
    InFlux,
    /// In use, and nothing but zeros.
    Zeroed,
    /// A page of another place.
    Misplaced,
    /// A page of another place, where an older version of it stands.
    StaleHome,
    /// Only a part of the last write arrived.
    TornWrite,
    /// One bit, or a few, inverted.
    BitFlip,
    /// Some sectors hold zeros or a fill pattern.
    LostSectors,
    /// One block of 4 KiB is not this page's.
    LostBlock,
    /// Content of something that is no data file.
    Foreign,
    /// As random as encrypted bytes.
    Encrypted,
    /// Its protection flag is gone.
    FlagLost,
    /// No page header.
    Garbage,
    /// Changed in a way that leaves no signature.
    UnknownChange,
}

/// How sure a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Nothing else leaves this evidence.
    Certain,
    /// Little else does.
    Likely,
    /// Other causes are as good.
    Possible,
}

impl Cause {
    /// Its code, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::IoError => "io_error",
            Self::InFlux => "in_flux",
            Self::Zeroed => "zeroed",
            Self::Misplaced => "misplaced",
            Self::StaleHome => "stale_home",
            Self::TornWrite => "torn_write",
            Self::BitFlip => "bit_flip",
            Self::LostSectors => "lost_sectors",
            Self::LostBlock => "lost_block",
            Self::Foreign => "foreign",
            Self::Encrypted => "encrypted",
            Self::FlagLost => "flag_lost",
            Self::Garbage => "garbage",
            Self::UnknownChange => "unknown_change",
        }
    }
}

impl Confidence {
    /// Its word, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}
