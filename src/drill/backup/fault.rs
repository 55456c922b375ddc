//! The kinds of damage that only backups can have, by name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One kind of damage to a backup; its name is kebab-case: `log-bit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupFault {
    /// One bit of the header of a descriptor block is inverted.
    BlockHeaderBit,
    /// One bit of the header of a stream is inverted.
    StreamHeaderBit,
    /// One bit of a stored stream checksum is inverted.
    BackupChecksumBit,
    /// One bit of the log is inverted.
    LogBit,
    /// One bit of the configuration is inverted.
    ConfigurationBit,
    /// The file ends amid its pages or log.
    Truncation,
    /// An extent of 64 KiB reads as zeros.
    ZeroExtent,
}

/// Every fault of backups, its name, and one line on what it is.
pub const BACKUP_FAULTS: [(BackupFault, &str, &str); 7] = [
    (
        BackupFault::BlockHeaderBit,
        "block-header-bit",
        "backups: one bit of a block header inverted",
    ),
    (
        BackupFault::StreamHeaderBit,
        "stream-header-bit",
        "backups: one bit of a stream header inverted",
    ),
    (BackupFault::BackupChecksumBit, "backup-checksum-bit", "backups: one bit of a CSUM inverted"),
    (BackupFault::LogBit, "log-bit", "backups: one bit of the log inverted"),
    (
        BackupFault::ConfigurationBit,
        "configuration-bit",
        "backups: one bit of MQCI inverted: no damage that shows",
    ),
    (BackupFault::Truncation, "truncation", "backups: the file ends amid its pages or log"),
    (BackupFault::ZeroExtent, "zero-extent", "backups: 64 KiB of pages read as zeros"),
];

impl BackupFault {
    /// The name on the command line and in answer keys.
    pub fn name(self) -> &'static str {
        BACKUP_FAULTS[self as usize].1
    }
}

/// A name that no fault of backups has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownBackupFault;

impl FromStr for BackupFault {
    type Err = UnknownBackupFault;

    fn from_str(text: &str) -> Result<Self, UnknownBackupFault> {
        let row = BACKUP_FAULTS.iter().find(|(_, name, _)| *name == text);
        row.map(|&(fault, ..)| fault).ok_or(UnknownBackupFault)
    }
}

impl fmt::Display for BackupFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_fault() {
        for (fault, name, _) in BACKUP_FAULTS {
            assert_eq!(name.parse(), Ok(fault));
            assert_eq!(fault.to_string(), name);
            assert_eq!(serde_json::to_value(fault).unwrap(), name);
        }
        assert!("bit-flip".parse::<BackupFault>().is_err());
    }
}
