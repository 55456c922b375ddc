//! What counts how much in a score: the one place (docs/ranking.md explains each number).

use serde::{Deserialize, Serialize};

/// Points of the terms must add up to this.
const SCORE_MAX: u32 = 1000;

/// All numbers of the ranking. A file with weights names those that it changes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// Most points of each term.
    pub points: Points,
    /// What is lost, by tier.
    pub consequence: ByTier,
    /// How sure the damage is.
    pub certainty: Certainty,
    /// How sure it is that the page is in use; scales the whole score.
    pub in_use: InUse,
    /// How much is damaged around a page.
    pub incident: Around,
    /// How hard it is to get the page back.
    pub recovery: Recovery,
    /// Pages in backups.
    pub backup: InBackup,
    /// Least scores of the priorities.
    pub priority: Priorities,
}

/// Most points of each term of a score; together 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Points {
    /// What is lost.
    pub consequence: u32,
    /// How sure it is.
    pub certainty: u32,
    /// How much is damaged around it.
    pub incident: u32,
    /// How hard it is to get it back.
    pub recovery: u32,
    /// How much of its object depends on it.
    pub blast: u32,
}

/// A share of the consequence's points for each tier.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "UPPERCASE")]
pub struct ByTier {
    /// The database may not start.
    pub t0: f64,
    /// A whole object, or the backup chain.
    pub t1: f64,
    /// Rows.
    pub t2: f64,
    /// What can be made again from rows.
    pub t3: f64,
    /// What nobody needs to keep.
    pub t4: f64,
    /// Not in use.
    pub u: f64,
}

/// A share of the certainty's points.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Certainty {
    /// The same bad bytes in two looks, by two computations.
    pub stable: f64,
    /// Bad by what other pages say: an IAM page, or a copy of it.
    #[serde(alias = "without_checksum")]
    pub by_others: f64,
    /// Other bad bytes at each look.
    pub changing: f64,
}

/// A factor for the whole score.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InUse {
    /// Its PFS page says so.
    pub certain: f64,
    /// Its PFS page is bad; its own header is whole.
    pub likely: f64,
    /// Its PFS page is bad, and its header is no help.
    pub doubtful: f64,
}

/// A share of the incident's points.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Around {
    /// An incident of so many pages gets all points; below, by the logarithm.
    pub pages_full: u32,
    /// Added if the incident spans several files.
    pub several_files: f64,
}

/// A share of the recovery's points.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recovery {
    /// No clean copy is known.
    pub no_copy: f64,
    /// It can be made again from rows.
    pub from_rows: f64,
    /// It is made anew by itself.
    pub by_itself: f64,
}

/// Factors for pages in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InBackup {
    /// For the whole score: it is a copy that is damaged.
    pub copy: f64,
    /// For the certainty, if the backup was taken without CHECKSUM: redo may cure the page.
    pub curable: f64,
}

/// Least scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Priorities {
    /// Act now.
    pub p1: u32,
    /// Today.
    pub p2: u32,
    /// Plan.
    pub p3: u32,
}

/// Where the weights of a report come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsOrigin {
    /// The file; null for those built in.
    pub path: Option<String>,
    /// SHA-256 of that file, as sha256sum prints it; null if it changes nothing.
    pub sha256: Option<String>,
}

impl Default for Points {
    fn default() -> Self {
        Self { consequence: 340, certainty: 220, incident: 180, recovery: 140, blast: 120 }
    }
}

impl Default for ByTier {
    fn default() -> Self {
        Self { t0: 1.0, t1: 0.85, t2: 0.7, t3: 0.35, t4: 0.15, u: 0.05 }
    }
}

impl Default for Certainty {
    fn default() -> Self {
        Self { stable: 1.0, by_others: 0.8, changing: 0.25 }
    }
}

impl Default for InUse {
    fn default() -> Self {
        Self { certain: 1.0, likely: 0.8, doubtful: 0.125 }
    }
}

impl Default for Around {
    fn default() -> Self {
        Self { pages_full: 1024, several_files: 0.2 }
    }
}

impl Default for Recovery {
    fn default() -> Self {
        Self { no_copy: 1.0, from_rows: 0.3, by_itself: 0.0 }
    }
}

impl Default for InBackup {
    fn default() -> Self {
        Self { copy: 0.8, curable: 0.5 }
    }
}

impl Default for Priorities {
    fn default() -> Self {
        Self { p1: 700, p2: 400, p3: 150 }
    }
}

impl Weights {
    /// Reads weights from TOML; those that are not named are the ones built in.
    ///
    /// # Errors
    /// If it is no TOML, names something unknown, or holds numbers that make no score.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let weights: Self = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        weights.fault().map_or(Ok(weights), |fault| Err(fault.to_owned()))
    }

    fn fault(&self) -> Option<&'static str> {
        let Points { consequence, certainty, incident, recovery, blast } = self.points;
        let points = [consequence, certainty, incident, recovery, blast].map(u64::from);
        let Priorities { p1, p2, p3 } = self.priority;
        if points.iter().sum::<u64>() != u64::from(SCORE_MAX) {
            Some("the points of the five terms must add up to 1000")
        } else if !self.shares().iter().all(|share| (0.0..=1.0).contains(share)) {
            Some("shares and factors must be from 0 to 1")
        } else if self.incident.pages_full < 2 {
            Some("incident.pages_full must be 2 or more")
        } else if p1 < p2 || p2 < p3 || p1 > SCORE_MAX {
            Some("the scores of priorities must descend, p1 from 1000 at most")
        } else {
            None
        }
    }

    fn shares(&self) -> [f64; 18] {
        let ByTier { t0, t1, t2, t3, t4, u } = self.consequence;
        let Certainty { stable, by_others, changing } = self.certainty;
        let InUse { certain, likely, doubtful } = self.in_use;
        let Recovery { no_copy, from_rows, by_itself } = self.recovery;
        let several = self.incident.several_files;
        let InBackup { copy, curable } = self.backup;
        [
            t0, t1, t2, t3, t4, u, stable, by_others, changing, certain, likely, doubtful, no_copy,
            from_rows, by_itself, several, copy, curable,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_what_it_names_and_nothing_else() {
        let weights = Weights::from_toml("[consequence]\nT3 = 0.5\n[priority]\np1 = 800\n");
        let mut expected = Weights::default();
        expected.consequence.t3 = 0.5;
        expected.priority.p1 = 800;
        assert_eq!(weights, Ok(expected));
        assert_eq!(Weights::from_toml(""), Ok(Weights::default()));
    }

    #[test]
    fn numbers_that_make_no_score_are_refused() {
        for (text, complaint) in [
            ("[points]\nblast = 500", "add up"),
            ("[consequence]\nT0 = 1.5", "from 0 to 1"),
            ("[consequence]\nT0 = nan", "from 0 to 1"),
            ("[consequence]\nT9 = 1.0", "unknown field"),
            ("[priority]\np2 = 900", "descend"),
            ("[incident]\npages_full = 0", "2 or more"),
            ("[backup]\ncurable = 2.0", "from 0 to 1"),
            ("points = 3", "invalid type"),
            ("consequence", "key"),
        ] {
            let refused = Weights::from_toml(text).unwrap_err();
            assert!(refused.contains(complaint), "{text:?}: {refused}");
        }
    }

    /// The table that docs/ranking.md shows is a whole file with the weights built in.
    #[test]
    fn the_documentation_shows_the_weights_that_are_built_in() {
        let page = include_str!("../../docs/ranking.md");
        let shown = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        assert_eq!(Weights::from_toml(shown.unwrap()), Ok(Weights::default()));
        let numbers = shown.unwrap().lines().filter(|line| line.contains('=')).count();
        assert_eq!(numbers, 5 + 6 + 3 + 3 + 2 + 3 + 2 + 3, "every number is shown");
    }
}
