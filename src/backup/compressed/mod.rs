//! Compressed backups: a container of packed records, each with a checksum of its own
//! (docs/page-format.md, section 9.4).
//!
//! `version` has what tells the two kinds of containers apart, `item` knows what can stand at an
//! offset, `walk` goes from one to the next and finds its way back after damage, `verify` does so
//! for a whole file, and `stream` unpacks what is read.

mod classes;
mod index;
mod item;
mod record;
mod resync;
mod stream;
mod verify;
mod version;
mod walk;

pub use classes::{ByteClass, classes};
pub use index::{Lost, RecordIndex};
pub use record::{RecordHeader, SIZE_UNIT_BYTES, UNCOMPRESSED_BYTES_MAX};
pub use record::{checksum, checksum_fast};
pub use stream::Decompressed;
pub use verify::{CHUNK_BYTES, FAULTS_MAX, Verified, verify};
pub use version::Version;

use super::ReadAt;
use std::io;

/// What a compressed backup begins with.
pub const MAGIC: &[u8; 8] = b"MSSQLBAK";
const WORD_BYTES: usize = 4;
/// Items and file marks that stand at fixed places do so at multiples of this.
const SECTOR_BYTES: u64 = 512;
/// Where a file with a damaged beginning is searched for a record that is right.
const SEARCH_BYTES: u64 = 1 << 20;

/// A compressed backup that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    /// What its records are those of.
    pub version: Version,
    /// What it calls its version.
    pub version_stated: u32,
    /// The word behind the version: 1 in version 1 and 3 in version 2, of no known meaning.
    pub variant: u32,
}

/// The version whose records stand in `beginning`. The one that a container names goes first.
fn version_of_records(beginning: &[u8]) -> Option<Version> {
    let stated = stated_version(beginning).and_then(Version::of).unwrap_or_default();
    let others = Version::ALL.into_iter().filter(|other| *other != stated);
    let head = &beginning[..beginning.len().min(SEARCH_BYTES as usize)];
    std::iter::once(stated).chain(others).find(|version| resync::holds_a_record(*version, head))
}

/// What a container calls its version.
fn stated_version(beginning: &[u8]) -> Option<u32> {
    beginning.get(MAGIC.len()..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// A compressed backup of a kind that was never seen; in words, what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl Container {
    /// What the beginning of `source` says. The records decide: a container in whose first MiB is
    /// one that agrees with its checksum and unpacks can be read, whatever stands in front of it.
    ///
    /// # Errors
    /// What the system says when it cannot be read.
    pub fn read(source: &dyn ReadAt) -> io::Result<Result<Self, Refused>> {
        let mut bytes = vec![0; source.bytes().min(SEARCH_BYTES) as usize];
        source.read_exact_at(0, &mut bytes)?;
        Ok(Self::of(&bytes))
    }

    /// The same, from the first MiB of a file.
    pub fn of(beginning: &[u8]) -> Result<Self, Refused> {
        let word = |at: usize| beginning.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
        let (Some(version), Some(variant)) = (word(8), word(12)) else {
            return Err(Refused("fewer than 16 bytes".into()));
        };
        if !beginning.starts_with(MAGIC) {
            return Err(Refused("no compressed backup: it does not begin with MSSQLBAK".into()));
        }
        if let Some(of_records) = version_of_records(beginning) {
            return Ok(Self { version: of_records, version_stated: version, variant });
        }
        let header_bytes = Version::of(version).unwrap_or_default().header_bytes();
        let method = beginning.get(header_bytes).map(|byte| format!("{byte:#04x}"));
        let known = Version::ALL
            .map(|known| format!("version {}, tag {:#04x}", known.number(), known.record_tag()));
        Err(Refused(format!(
            "container version {version}, variant {variant}, first record tag {}: no record of the \
             kinds known ({})",
            method.unwrap_or_else(|| "missing".into()),
            known.join("; ")
        )))
    }
}
