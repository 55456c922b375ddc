//! Whether two files are copies of one, and of one line (docs/page-format.md, section 5.5).

use crate::backup::BackupKind;
use crate::discover::DataFile;
use crate::discover::backup::Part;
use crate::page::line::{Guid, Kinship, digits};
use crate::scrub::Origin;
use serde::Serialize;

/// How it is known that two files are copies of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The same family, and the same recovery fork, or one that left it behind the end of the
    /// other.
    Line,
    /// One is a differential backup, the other the full backup that it builds upon.
    Base,
    /// The GUID of the file; a line is not told.
    File,
    /// The binding id of the database; neither a line nor the GUID of the file is told.
    Binding,
    /// One of the two does not tell of which database it is.
    Unknown,
}

impl Relation {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Line => "copies of one file, of one line (family and recovery fork)",
            Self::Base => "a differential backup and the full backup that it builds upon",
            Self::File => "copies of one file (its GUID); whether they are of one line is not told",
            Self::Binding => {
                "files of one database by its binding id; whether they are of one line is not told"
            }
            Self::Unknown => {
                "nothing tells whether they are copies of one file: of one of the two, neither \
                 page 0 nor the boot page can be read"
            }
        }
    }
}

/// How `a` and `b` are related.
///
/// # Errors
/// If they are no copies of one file, or each went its own way: what differs.
pub(super) fn of(a: &DataFile, b: &DataFile) -> Result<Relation, String> {
    let (own, other) = (Origin::of(a, || None), Origin::of(b, || None));
    if is_base(a, b) || is_base(b, a) {
        return Ok(Relation::Base);
    }
    let kinship = own.line.kinship(own.end, &other.line, other.end);
    let families = (own.line.family_id, other.line.family_id);
    let forks = (own.line.fork_id, other.line.fork_id);
    match kinship {
        Kinship::None => Err(differs("family id of the databases", families)),
        Kinship::Sisters => Err(format!(
            "{}: each went its own way from where they were one (restored to an earlier time, or \
             the log rebuilt), and LSNs of the two cannot be compared",
            differs("recovery fork", forks)
        )),
        _ if are_two(own.guid, other.guid) => {
            Err(differs("GUID of the files", (own.guid, other.guid)))
        }
        Kinship::Line => Ok(Relation::Line),
        Kinship::Unknown if own.guid.is_some() && own.guid == other.guid => Ok(Relation::File),
        Kinship::Unknown if are_two(own.binding, other.binding) => {
            Err(differs("binding id of the databases", (own.binding, other.binding)))
        }
        Kinship::Unknown if own.binding.is_some() && own.binding == other.binding => {
            Ok(Relation::Binding)
        }
        Kinship::Unknown => Ok(Relation::Unknown),
    }
}

/// `full` is the set that `differential` names as its base.
fn is_base(full: &DataFile, differential: &DataFile) -> bool {
    let (Some(full), Some(set)) =
        (full.part.as_ref().map(Part::set), differential.part.as_ref().map(Part::set))
    else {
        return false;
    };
    let is_named = full.set_id.is_some() && full.set_id == set.differential_base_id;
    set.kind == BackupKind::Differential && is_named
}

fn are_two(a: Option<Guid>, b: Option<Guid>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a != b)
}

fn differs(what: &str, (a, b): (Option<Guid>, Option<Guid>)) -> String {
    let shown = |id: Option<Guid>| id.map_or_else(|| "none".to_owned(), |id| digits(&id));
    format!("no copies of one file: {what} {} of A, {} of B", shown(a), shown(b))
}
