//! What a check of structures found, in words.

use super::names::Names;
use crate::check::outcome::NotChecked;
use crate::check::rule::Rule;
use crate::consolidate::report::ScrubReport;
use crate::consolidate::report::consistency::{CheckedDatabase, Unsettled};
use crate::report::escape::terminal as safe;
use crate::report::terminal::layout::{counted, number};

/// A database that was checked. All of it is safe to show.
pub(in crate::report) struct Checked {
    /// `sales (sales.mdf)`.
    pub(in crate::report) name: String,
    /// `1,234 pages with 56,789 records, 90 allocation units held against each other`.
    pub(in crate::report) what: String,
    /// Rules that are broken, each with how often.
    pub(in crate::report) broken: Vec<String>,
    /// The same, where recovery may put it right.
    pub(in crate::report) unsettled: Vec<String>,
    /// The first of the latter, page by page.
    pub(in crate::report) listed: Vec<String>,
    /// What was not checked.
    pub(in crate::report) left_out: Vec<String>,
}

/// Of each database that was checked, those first that break rules; `None` if none was to be.
pub(in crate::report) fn checked(report: &ScrubReport) -> Option<Vec<Checked>> {
    let names = Names::of(report);
    let mut databases: Vec<&CheckedDatabase> =
        report.consistency.as_ref()?.databases.iter().collect();
    databases.sort_by_key(|database| (database.broken.is_empty(), database.unsettled.is_empty()));
    Some(databases.iter().map(|database| Checked::of(database, &names)).collect())
}

/// What was to be checked and is in no database above.
pub(in crate::report) fn packed(report: &ScrubReport) -> Option<String> {
    let packed = report.files.iter().filter(|file| file.is_packed()).count() as u64;
    let why = "not checked, because their pages were not unpacked (--deep)";
    (packed > 0).then(|| format!("{} {why}", counted(packed, "compressed backup")))
}

/// `clean` says this of the rules as well.
pub(super) fn held(report: &ScrubReport) -> Option<String> {
    let databases = report.consistency.as_ref()?.databases.len() as u64;
    Some(match databases {
        0 => "no database could be checked for consistency".to_owned(),
        n => format!("{} checked for consistency (see Consistency)", counted(n, "database")),
    })
}

/// No damage, and nothing to forget.
pub(super) fn unsettled(report: &ScrubReport) -> Option<String> {
    let (_, unsettled) = report.consistency.as_ref()?.counts();
    let what = "in databases that were not shut down cleanly, or in backups: recovery may put \
                that right; let a server recover a copy, and check it (see Consistency)";
    (unsettled > 0).then(|| format!("{} {what}", counted(unsettled, "broken rule")))
}

impl Checked {
    fn of(database: &CheckedDatabase, names: &Names<'_>) -> Self {
        let (pages, records) =
            (counted(database.pages, "page"), counted(database.records, "record"));
        let units = counted(database.units, "allocation unit");
        let rules = |(rule, count): (&Rule, &u64)| rule_words(*rule, *count);
        let mut left_out: Vec<String> =
            database.not_checked.iter().map(|(what, n)| not_checked_words(*what, *n)).collect();
        let is_sound = database.broken.is_empty() && database.unsettled.is_empty();
        let sound = if is_sound { "; no rule is broken" } else { "" };
        let more = counted(database.left_out, "broken rule");
        left_out.extend((database.left_out > 0).then(|| format!("{more} not listed")));
        Self {
            name: name(database, names),
            what: format!("{pages} with {records}, {units} held against each other{sound}"),
            broken: database.broken.iter().map(rules).collect(),
            unsettled: database.unsettled.iter().map(rules).collect(),
            listed: database.unsettled_listed.iter().map(listed_words).collect(),
            left_out,
        }
    }
}

fn name(database: &CheckedDatabase, names: &Names<'_>) -> String {
    let file = names.file(database.host.as_deref(), &database.path);
    let set = database.backup_set.map(|set| format!(", set {set}")).unwrap_or_default();
    match &database.name {
        Some(name) => format!("{} ({file}{set})", safe(name)),
        None => format!("{file}{set}"),
    }
}

/// `P4, 3 times: two records overlap (like Msg 8942)`.
fn rule_words(rule: Rule, count: u64) -> String {
    let times = if count == 1 { "once".to_owned() } else { format!("{} times", number(count)) };
    format!("{}, {times}: {} (like Msg {})", rule.name(), rule.wrong(), rule.message())
}

/// `(1:90) dbo.Orders.PK_Orders, T3: its links are not the order of its parents`.
fn listed_words(unsettled: &Unsettled) -> String {
    let Unsettled { address, broken, object, message } = unsettled;
    let object = object.as_ref().map(|object| format!(" {}", safe(object))).unwrap_or_default();
    format!("{address}{object}, {}: {}", broken.rule.name(), safe(message))
}

fn not_checked_words(what: NotChecked, n: u64) -> String {
    let (one, end) = match what {
        NotChecked::CompressedPages => ("page", " with compressed records"),
        NotChecked::ColumnstoreUnits => ("allocation unit", " of columnstore indexes"),
        NotChecked::PartitionedUnits => ("allocation unit", " of partitioned tables and indexes"),
        NotChecked::RowOverflowUnits => ("allocation unit", " of row-overflow data"),
        NotChecked::UnitsWithoutWholeChain => {
            ("allocation unit", " whose chain of IAM pages is not whole")
        }
        NotChecked::UnitsWithSuspects => {
            ("allocation unit", " with a page that is suspect or was not read")
        }
        NotChecked::PagesNotSound => ("page", " suspect or not read"),
        NotChecked::IncompleteDatabases => {
            return "rules that need all of its files or pages, which are not all here".to_owned();
        }
        NotChecked::DatabasesWithoutCatalog => {
            return "what its system tables would tell, which could not be read".to_owned();
        }
    };
    counted(n, one) + end
}
