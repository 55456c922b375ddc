//! The kinds of damage that can be injected, by name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One kind of damage; its name is kebab-case: `bit-flip`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// One bit is inverted.
    BitFlip,
    /// The whole page reads as zeros.
    ZeroPage,
    /// One sector of 512 bytes reads as zeros.
    ZeroSector,
    /// The last sectors hold what they held before the last write.
    TornWrite,
    /// Another valid page of the file stands here.
    MisdirectedWrite,
    /// `m_tornBits` belongs to an older version of the page.
    StaleChecksum,
    /// The 96 bytes of the header are noise.
    GarbageHeader,
    /// The first 128 bytes of every 128 KiB are encrypted, to the end of the file.
    RansomwareStripe,
    /// A free page holds old disk content that looks like a damaged page.
    JunkOnFreePage,
}

/// Every fault, its name, and one line on what it is.
pub const FAULTS: [(Fault, &str, &str); 9] = [
    (Fault::BitFlip, "bit-flip", "one bit inverted, as by bad memory or a bad cable"),
    (Fault::ZeroPage, "zero-page", "the page reads as zeros, as after a lost extent"),
    (Fault::ZeroSector, "zero-sector", "one 512-byte sector reads as zeros, as after remapping"),
    (Fault::TornWrite, "torn-write", "only the first sectors of the last write arrived"),
    (Fault::MisdirectedWrite, "misdirected-write", "another valid page was written here"),
    (Fault::StaleChecksum, "stale-checksum", "the stored checksum is that of an older version"),
    (Fault::GarbageHeader, "garbage-header", "the 96 header bytes are noise"),
    (Fault::RansomwareStripe, "ransomware-stripe", "128 bytes encrypted at every 128 KiB"),
    (Fault::JunkOnFreePage, "junk-on-free-page", "old disk content on a free page: no damage"),
];

impl Fault {
    /// The name on the command line and in answer keys.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// One line on what it is.
    pub fn explanation(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        FAULTS[self as usize]
    }
}

/// A name that no fault has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let row = FAULTS.iter().find(|(_, name, _)| *name == text);
        row.map(|&(fault, ..)| fault).ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = FAULTS.iter().map(|&(_, name, _)| name).collect();
        write!(f, "no fault is called {:?}; use one of {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_fault() {
        for (fault, name, _) in FAULTS {
            assert_eq!(name.parse(), Ok(fault));
            assert_eq!(fault.to_string(), name);
            assert_eq!(serde_json::to_value(fault).unwrap(), name);
        }
        assert!("bitrot".parse::<Fault>().unwrap_err().to_string().contains("zero-sector"));
    }
}
