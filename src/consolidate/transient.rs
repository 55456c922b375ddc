//! Pages that were bad and then good: what SQL Server reports as Msg 825, the first sign of a
//! failing path. They are no suspects, and none of them may be forgotten.

use crate::diagnose::confirm::Looks;
use crate::diagnose::verdict::SuspectReason;
use crate::page::address::PageAddress;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Pages listed at most, in the order of their places; all are counted.
pub const TRANSIENTS_MAX: usize = 10_000;

/// A page that was bad and then good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transient {
    /// Index of the file in the plan; files are in order of their paths.
    pub file: usize,
    /// Where the page is.
    pub place: PageAddress,
    /// What was wrong first.
    pub reason: SuspectReason,
    /// Reads that failed or gave wrong bytes.
    pub failures: u8,
    /// All reads.
    pub tries: u8,
}

impl Transient {
    /// The page at `place`, which was bad for `reason` first and then good.
    pub fn new(file: usize, place: PageAddress, reason: SuspectReason, looks: Looks) -> Self {
        Self { file, place, reason, failures: looks.failures, tries: looks.tries }
    }
}

/// The first [`TRANSIENTS_MAX`] of a scan, by their places: which ones are kept does not depend on
/// the order of adding.
#[derive(Clone, Debug, Default)]
pub struct Transients(BTreeMap<(usize, PageAddress), Transient>);

impl Transients {
    /// Adds one.
    pub fn add(&mut self, transient: Transient) {
        self.0.insert((transient.file, transient.place), transient);
        if self.0.len() > TRANSIENTS_MAX {
            self.0.pop_last();
        }
    }

    /// Those that are kept, in the order of their places.
    pub fn into_list(self) -> Vec<Transient> {
        self.0.into_values().collect()
    }
}

impl From<Vec<Transient>> for Transients {
    fn from(list: Vec<Transient>) -> Self {
        let mut transients = Self::default();
        for transient in list {
            transients.add(transient);
        }
        transients
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::{FileId, PageId};

    #[test]
    fn of_too_many_the_first_are_kept_in_whatever_order_they_come() {
        let kept = |pages: &mut dyn Iterator<Item = u32>| {
            let mut transients = Transients::default();
            for page in pages {
                let place = PageAddress::new(FileId(1), PageId(page));
                let looks = Looks { seen: 3, failures: 1, tries: 3, reads_apart: 2, differ: true };
                transients.add(Transient::new(0, place, SuspectReason::Zeroed, looks));
            }
            transients.into_list()
        };
        let many = TRANSIENTS_MAX as u32 + 5;
        let forward = kept(&mut (0..many));
        assert_eq!(forward.len(), TRANSIENTS_MAX);
        assert_eq!(forward, kept(&mut (0..many).rev()));
        assert_eq!(forward, Transients::from(forward.clone()).into_list());
    }
}
