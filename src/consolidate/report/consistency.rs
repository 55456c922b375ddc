//! What a check of structures found, by database (docs/check.md).

use crate::check::Breach;
use crate::check::outcome::{NotChecked, Outcome};
use crate::check::rule::Rule;
use crate::consolidate::file_facts::FileFacts;
use crate::consolidate::findings::Finding;
use crate::consolidate::message::breach;
use crate::page::address::PageAddress;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pages that recovery may put right, listed at most for one database.
pub const UNSETTLED_LISTED_MAX: usize = 1000;

/// What no check looks at, whatever the database: only a server knows it.
pub const NEVER_CHECKED: [&str; 9] = [
    "what the columns of rows say, and whether their types allow it",
    "the order of keys, and whether they are unique",
    "nonclustered indexes against the rows of their tables",
    "constraints and foreign keys",
    "computed columns, indexed views, XML and spatial indexes",
    "system tables beyond those of allocation units and rowsets",
    "Service Broker",
    "full-text indexes, FILESTREAM and memory-optimized tables",
    "the transaction log",
];

/// What was checked of all databases, and what of it does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// By path and backup set.
    pub databases: Vec<CheckedDatabase>,
    /// [`NEVER_CHECKED`], so that a report can be read alone.
    #[serde(default)]
    pub never_checked: Vec<Cow<'static, str>>,
}

/// What a check of one database found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedDatabase {
    /// The machine that scanned it; null unless the report is a merged one.
    #[serde(default)]
    pub host: Option<Arc<str>>,
    /// The database, if known.
    pub name: Option<Arc<str>>,
    /// Its primary file, or the backup that has it.
    pub path: Arc<str>,
    /// In a backup: the position of the backup set.
    #[serde(default)]
    pub backup_set: Option<u32>,
    /// Pages whose records were checked.
    pub pages: u64,
    /// Records in them.
    pub records: u64,
    /// Allocation units whose pages were held against each other.
    pub units: u64,
    /// How often which rule is broken: damage. The pages are suspects.
    #[serde(default)]
    pub broken: BTreeMap<Rule, u64>,
    /// How often which rule is broken that recovery may put right: no damage yet.
    #[serde(default)]
    pub unsettled: BTreeMap<Rule, u64>,
    /// The first [`UNSETTLED_LISTED_MAX`] of these, by page.
    #[serde(default)]
    pub unsettled_listed: Vec<Unsettled>,
    /// Broken rules beyond the longest list, of either kind.
    #[serde(default)]
    pub left_out: u64,
    /// What could not be checked, and how many of it.
    #[serde(default)]
    pub not_checked: BTreeMap<NotChecked, u64>,
}

/// A page that breaks a rule, and that recovery may put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// `(file:page)`.
    pub address: PageAddress,
    /// The rule.
    pub broken: BrokenRule,
    /// What it belongs to: the object's name, else the allocation unit's id.
    pub object: Option<Arc<str>>,
    /// In words.
    pub message: String,
}

/// A rule that a page breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenRule {
    /// Its id in docs/check.md.
    pub rule: Rule,
    /// The message of DBCC CHECKDB that fits best.
    pub dbcc_message: u32,
    /// The slot in which, if it is in one.
    #[serde(default)]
    pub slot: Option<u16>,
    /// The page with which it disagrees, if there is one.
    #[serde(default)]
    pub page: Option<PageAddress>,
    /// The allocation unit that this is about, where the page does not tell.
    #[serde(default)]
    pub allocation_unit_id: Option<u64>,
}

impl Consistency {
    /// Of `databases`.
    pub fn of(mut databases: Vec<CheckedDatabase>) -> Self {
        databases.sort_by(|a, b| a.order().cmp(&b.order()));
        Self { databases, never_checked: NEVER_CHECKED.map(Into::into).into() }
    }

    /// How often rules are broken in all databases: as damage; where recovery may put it right.
    pub fn counts(&self) -> (u64, u64) {
        let sum = |of: fn(&CheckedDatabase) -> &BTreeMap<Rule, u64>| {
            let counts = self.databases.iter().flat_map(|database| of(database).values());
            counts.fold(0, |sum: u64, count| sum.saturating_add(*count))
        };
        (sum(|database| &database.broken), sum(|database| &database.unsettled))
    }
}

impl CheckedDatabase {
    /// What `outcome` says of the database whose primary file is `file`; the first of what is
    /// unsettled as findings, so that they have names.
    pub fn of(outcome: &Outcome, unsettled: &[Finding], file: &FileFacts) -> Self {
        Self {
            host: None,
            name: file.database.clone(),
            path: Arc::clone(&file.path),
            backup_set: file.part.as_ref().map(|part| part.position),
            pages: outcome.pages,
            records: outcome.records,
            units: outcome.units,
            broken: by_rule(&outcome.broken),
            unsettled: by_rule(&outcome.unsettled),
            unsettled_listed: unsettled.iter().filter_map(Unsettled::of).collect(),
            left_out: outcome.left_out,
            not_checked: outcome.not_checked.clone(),
        }
    }

    fn order(&self) -> (&Option<Arc<str>>, &Arc<str>, Option<u32>) {
        (&self.host, &self.path, self.backup_set)
    }
}

fn by_rule(breaches: &[Breach]) -> BTreeMap<Rule, u64> {
    let mut counts = BTreeMap::new();
    for breach in breaches {
        *counts.entry(breach.rule).or_default() += 1;
    }
    counts
}

impl Unsettled {
    fn of(finding: &Finding) -> Option<Self> {
        let breach = finding.reason.breach()?;
        let object = finding.object.as_ref().map(ToString::to_string);
        let unit = finding.allocation_unit.map(|unit| format!("allocation unit {unit}"));
        Some(Self {
            address: finding.place,
            broken: BrokenRule::of(breach),
            object: object.or(unit).map(Into::into),
            message: breach::words(breach),
        })
    }
}

impl BrokenRule {
    /// That of `breach`.
    pub fn of(breach: &Breach) -> Self {
        Self {
            rule: breach.rule,
            dbcc_message: breach.rule.message(),
            slot: breach.slot,
            page: breach.other,
            allocation_unit_id: breach.unit,
        }
    }
}
