//! What two copies of one page are to each other.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// What two copies of one page are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// In use, and the same byte by byte.
    Equal,
    /// A has the larger LSN.
    NewerInA,
    /// B has the larger LSN.
    NewerInB,
    /// Other bytes under one LSN, on a page that SQL Server rewrites so.
    Rewritten,
    /// In use in A, free in B.
    FreeInB,
    /// In use in B, free in A.
    FreeInA,
    /// In use in A; B does not have it.
    OnlyInA,
    /// In use in B; A does not have it.
    OnlyInB,
    /// In use in neither: free, or free and not there.
    Free,
    /// Other bytes under one LSN, both in order by themselves: one of them is wrong.
    SameLsn,
    /// A lacks a change that its own checkpoint covers, and B has it.
    StaleInA,
    /// B lacks a change that its own checkpoint covers, and A has it.
    StaleInB,
    /// Damaged in A, and sound, free or absent in B.
    DamagedInA,
    /// Damaged in B, and sound, free or absent in A.
    DamagedInB,
    /// Damaged in both.
    DamagedInBoth,
}

impl Class {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 15] = [
        Self::Equal,
        Self::NewerInA,
        Self::NewerInB,
        Self::Rewritten,
        Self::FreeInA,
        Self::FreeInB,
        Self::OnlyInA,
        Self::OnlyInB,
        Self::Free,
        Self::SameLsn,
        Self::StaleInA,
        Self::StaleInB,
        Self::DamagedInA,
        Self::DamagedInB,
        Self::DamagedInBoth,
    ];

    /// Its name in JSON and CSV.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::NewerInA => "newer_in_a",
            Self::NewerInB => "newer_in_b",
            Self::Rewritten => "rewritten",
            Self::FreeInA => "free_in_a",
            Self::FreeInB => "free_in_b",
            Self::OnlyInA => "only_in_a",
            Self::OnlyInB => "only_in_b",
            Self::Free => "free",
            Self::SameLsn => "same_lsn",
            Self::StaleInA => "stale_in_a",
            Self::StaleInB => "stale_in_b",
            Self::DamagedInA => "damaged_in_a",
            Self::DamagedInB => "damaged_in_b",
            Self::DamagedInBoth => "damaged_in_both",
        }
    }

    /// One of the pages, or both, are damaged.
    pub fn is_damage(self) -> bool {
        matches!(self, Self::DamagedInA | Self::DamagedInB | Self::DamagedInBoth)
    }

    /// Both pages are in order by themselves, and cannot both be right.
    pub fn is_contradiction(self) -> bool {
        matches!(self, Self::SameLsn | Self::StaleInA | Self::StaleInB)
    }

    /// Each such page is listed by itself, with what it holds on both sides.
    pub fn is_listed(self) -> bool {
        self.is_damage() || self.is_contradiction()
    }

    /// There is nothing to be said of such pages but how many there are.
    pub fn is_alike(self) -> bool {
        matches!(self, Self::Equal | Self::Free)
    }
}

impl Serialize for Class {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(to)
    }
}

/// Pages by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Class::ALL.len()]);

impl Counts {
    /// One page more of `class`.
    pub fn add(&mut self, class: Class) {
        self.0[class as usize] += 1;
    }

    /// All pages of `other` more.
    pub fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }

    /// Pages of `class`.
    pub fn of(&self, class: Class) -> u64 {
        self.0[class as usize]
    }

    /// Pages of all classes for which `is_it`.
    pub fn of_all(&self, is_it: impl Fn(Class) -> bool) -> u64 {
        Class::ALL.into_iter().filter(|class| is_it(*class)).map(|class| self.of(class)).sum()
    }

    /// All pages.
    pub fn pages(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(Class::ALL.len()))?;
        for class in Class::ALL {
            map.serialize_entry(class.name(), &self.of(class))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_counts_by_itself_and_has_its_own_name() {
        let mut counts = Counts::default();
        for (times, class) in Class::ALL.into_iter().enumerate() {
            (0..=times).for_each(|_| counts.add(class));
        }
        for (times, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(counts.of(class), times as u64 + 1, "{class:?}");
        }
        let names: std::collections::BTreeSet<_> = Class::ALL.map(Class::name).into();
        assert_eq!((names.len(), counts.pages()), (15, 120));
        let listed = Class::ALL.into_iter().filter(|class| class.is_listed());
        assert!(listed.clone().count() == 6 && listed.into_iter().all(|class| !class.is_alike()));
    }
}
