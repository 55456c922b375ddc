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
    /// Two or three bits are inverted, in different columns of the checksum.
    MultiBitFlip,
    /// One to seven sectors where records are hold one repeated byte.
    PatternSectors,
    /// One half of the page, a block of 4 KiB, is zeros, noise or another page's.
    LostBlock,
    /// Content of something that is no data file stands here.
    ForeignContent,
    /// All 8192 bytes are noise.
    EncryptedPage,
    /// The flag that says that there is a checksum is cleared.
    LostFlag,
    /// A newer version of another page stands here, and the older one in that page's own place.
    StaleHome,
    /// The last rows of a page are missing in its last sectors, while its header counts them.
    TornInsert,
    /// All that one member of an array of 8 holds, in units of 64 KiB, is zeros or noise.
    DeadMember,
    /// One unit of 64 KiB in eight, anywhere, is zeros or noise.
    DeadZone,
}

/// Every fault, its name, and one line on what it is.
pub const FAULTS: [(Fault, &str, &str); 19] = [
    (Fault::BitFlip, "bit-flip", "one bit inverted, as by bad memory or a bad cable"),
    (Fault::ZeroPage, "zero-page", "the page reads as zeros, as after a lost extent"),
    (Fault::ZeroSector, "zero-sector", "one 512-byte sector reads as zeros, as after remapping"),
    (Fault::TornWrite, "torn-write", "only the first sectors of the last write arrived"),
    (Fault::MisdirectedWrite, "misdirected-write", "another valid page was written here"),
    (Fault::StaleChecksum, "stale-checksum", "the stored checksum is that of an older version"),
    (Fault::GarbageHeader, "garbage-header", "the 96 header bytes are noise"),
    (Fault::RansomwareStripe, "ransomware-stripe", "128 bytes encrypted at every 128 KiB"),
    (Fault::JunkOnFreePage, "junk-on-free-page", "old disk content on a free page: no damage"),
    (Fault::MultiBitFlip, "multi-bit-flip", "two or three bits inverted"),
    (Fault::PatternSectors, "pattern-sectors", "1 to 7 sectors of records hold FF, CC or 55"),
    (Fault::LostBlock, "lost-block", "one half of 4 KiB is zeros, noise or another page's half"),
    (Fault::ForeignContent, "foreign-content", "overwritten by a file of another kind"),
    (Fault::EncryptedPage, "encrypted-page", "all 8192 bytes are noise, as after encryption"),
    (Fault::LostFlag, "lost-flag", "the flag that says there is a checksum is cleared"),
    (Fault::StaleHome, "stale-home", "another page's newest version was written here, not there"),
    (Fault::TornInsert, "torn-insert", "the last sectors lack rows that the header counts"),
    (Fault::DeadMember, "dead-member", "one disk of a stripe of 8, 64 KiB each, is zeros or noise"),
    (Fault::DeadZone, "dead-zone", "as much as dead-member, at random places"),
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
