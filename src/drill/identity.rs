//! What tells the database of one drill from those of all others (docs/page-format.md, sections 5
//! and 9.2.2). It was never restored, and its log never rebuilt: there is one recovery fork, with
//! the GUID of the family.

use super::chance::{Purpose, draw};
use crate::page::address::FileId;

/// A GUID as it stands in a file; never zero, which would mean that there is none.
pub(super) type Guid = [u8; 16];

/// The family of the database that `seed` stands for, and its recovery fork.
pub(super) fn family(seed: u64) -> Guid {
    guid(seed, u64::MAX)
}

/// The service broker's GUID.
pub(super) fn broker(seed: u64) -> Guid {
    guid(seed, u64::MAX - 1)
}

/// The GUID of a file of the database.
pub(super) fn file(seed: u64, file: FileId) -> Guid {
    guid(seed, file.0.into())
}

fn guid(seed: u64, n: u64) -> Guid {
    let halves = [0, 1].map(|half| draw(seed, Purpose::Identity, n ^ half << 32).to_le_bytes());
    let mut guid = [0; 16];
    guid[..8].copy_from_slice(&halves[0]);
    guid[8..].copy_from_slice(&halves[1]);
    guid
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_guids_are_equal_and_none_is_zero() {
        let of = |seed| [family(seed), broker(seed), file(seed, FileId(1)), file(seed, FileId(2))];
        let guids: BTreeSet<Guid> = (0..100).flat_map(of).collect();
        assert!(guids.len() == 400 && !guids.contains(&[0; 16]));
    }
}
