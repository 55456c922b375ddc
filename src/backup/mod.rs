//! What BACKUP wrote: descriptor blocks and streams of Microsoft Tape Format, and the records of a
//! compressed backup (docs/page-format.md, sections 9.2 to 9.4).
//!
//! Everything here reads a [`ReadAt`] and answers with places, checks and words; nothing here
//! judges a page. Whatever a backup says of itself is from outside: lengths lie, offsets refer to
//! themselves, and all of that is a [`Fault`], never a panic and never more memory.

pub mod block;
pub mod class;
pub mod compressed;
mod configuration;
mod contents;
mod date;
pub mod extents;
mod fields;
pub mod layout;
pub mod media;
mod order;
mod recover;
pub mod set;
pub mod source;
pub mod stream_checksum;
mod walk;
pub mod xpress;

pub use class::ByteClass;
pub use media::{Media, MediaFamily};
pub use set::{BackedUpFile, BackupKind, BackupSet, StreamPiece};
pub use source::ReadAt;

use serde::{Deserialize, Serialize};

/// Something in a backup that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of damage.
    pub kind: FaultKind,
    /// Where, in bytes of the backup file.
    pub offset_bytes: u64,
    /// How many bytes are affected; 0 if that is not known.
    pub bytes: u64,
    /// In words, without the place.
    pub text: String,
}

impl Fault {
    /// Of a compressed backup whose records unpack to something else.
    pub fn no_description() -> Self {
        let text = "its records do not unpack to the description of a backup".to_owned();
        Self { kind: FaultKind::Structure, offset_bytes: 0, bytes: 0, text }
    }
}

/// Where the reading of a backup ended before its end, for a reason of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRead {
    /// From here on, in bytes of the backup file.
    pub offset_bytes: u64,
    /// Why, in words.
    pub why: String,
}

/// Kinds of damage to a backup, apart from its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A descriptor block or stream header fails its own 16-bit check.
    DescriptorCheck,
    /// The structure contradicts itself: lengths that lie, blocks where none can be.
    Structure,
    /// The file ends before what its descriptors promise.
    Truncated,
    /// The checksum of a stream (`CSUM`) is not that of its bytes.
    StreamChecksum,
    /// A record of a compressed backup fails its own checksum, or does not decompress.
    RecordChecksum,
    /// Bytes that the operating system could not read.
    Unreadable,
    /// A page that RESTORE would not keep, padding or an older copy, fails its own check.
    UnusedPage,
}
