//! What to do about a suspect, about an incident, and in which order.

mod backups;
mod incident;
mod isolate;
mod plan;
mod restore;
mod routes;
mod shifted;
mod step;
mod system;

use incident::incident_actions;
use routes::Routes;
pub use step::rank_runs;

use super::file_facts::FileFacts;
use super::findings::{Consequence, Finding, Usage};
use super::report::ScrubReport;
use crate::page::kind::PageType;

/// Fills in what depends on all of `report`: the actions of its suspects and incidents, and the
/// plan.
pub fn advise(report: &mut ScrubReport) {
    let routes = Routes::of(report);
    routes.overrule(&mut report.suspects);
    backups::overrule(report);
    let ScrubReport { suspects, incidents, patterns, files, .. } = report;
    backups::mark_copies(suspects, files);
    incident_actions(incidents, suspects, patterns, &routes);
    report.plan = plan::plan(report);
}

/// Beside a database in SIMPLE, which has the newest rows.
macro_rules! beside {
    ($before:expr) => {
        concat!(
            $before,
            "restore the last backup beside it, under another name, and copy over what can still \
             be read: the damaged one has the newest rows"
        )
    };
}

/// What is said of a page that page restore brings back.
macro_rules! by_page {
    ($before:expr, $after:expr) => {
        concat!(
            $before,
            "RESTORE DATABASE ... PAGE",
            $after,
            "; in an availability group RESTORE is refused: ask its other replicas first"
        )
    };
}

/// What is said of pages of a database in SIMPLE.
const UNDER_SIMPLE: &str = beside!("SIMPLE recovery model, no page restore: ");

/// Not what to do about other damage: a page that a server wrote so is the same in its backups.
const INCONSISTENT: &str = "passes its check and breaks a rule, perhaps in backups, too: page \
    restore may bring back the same. Have DBCC CHECKDB confirm it on a restored copy; then restore \
    a backup from before, or make the object again from what can still be read";

/// What to do about `finding`, as far as it does not depend on others.
pub(super) fn action(finding: &Finding, file: &FileFacts) -> &'static str {
    let is_extent_map = matches!(finding.page_type, Some(PageType::DiffMap | PageType::MlMap));
    match finding.consequence {
        _ if file.part.is_some() => {
            "do not rely on this backup, and restore nothing because of it: scan the data files"
        }
        _ if finding.unsettled => {
            "changed between looks: scan an offline copy or a storage snapshot before acting"
        }
        _ if finding.usage == Usage::Doubtful => {
            "perhaps only old content of a free page: scan again once its PFS page is restored"
        }
        Consequence::NotInUse => {
            "not in use: no data is lost, but a backup may read it; see to the storage"
        }
        _ if file.is_log => {
            "a log file's header: do not detach or restart; restore the database, with its log \
             tail if that can still be backed up"
        }
        Consequence::Index if finding.object.is_some() => {
            "its index can be made again if the table is sound: DBCC CHECKTABLE and mend the table \
             first, script the index (unique? constraint? foreign keys?), stop writers, then DROP \
             and CREATE it in one transaction, or DISABLE and REBUILD it (never a clustered one: \
             the table becomes inaccessible); in doubt restore it"
        }
        _ if finding.reason.breach().is_some() => INCONSISTENT,
        Consequence::StopsDatabase if file.simple_recovery == Some(true) => {
            beside!("cannot be restored alone (SIMPLE recovery model): do not detach or restart; ")
        }
        Consequence::StopsDatabase => {
            "cannot be restored alone: do not detach or restart; back up the log tail, \
             then restore the file or the database"
        }
        _ if file.simple_recovery == Some(true) => UNDER_SIMPLE,
        Consequence::SystemOrMap if is_extent_map => {
            "a DIFF or ML map: back up the log tail, then restore the file; page restore of it is \
             not excluded by the documentation, to be tried on a copy first"
        }
        Consequence::EngineTable | Consequence::SystemOrMap => {
            by_page!("back up the log tail, then ", "; if refused, restore the file")
        }
        Consequence::Rows if file.simple_recovery.is_none() => by_page!(
            "recovery model not known: under FULL, ",
            " from the last full backup, then its differentials and logs; under SIMPLE, restore \
             the database"
        ),
        Consequence::Rows => {
            by_page!("", " from the last full backup, then its differentials and logs")
        }
        Consequence::Index => {
            "whose index it is, is not known: never DISABLE it; if a nonclustered one, DBCC \
             CHECKTABLE and mend the table first, script the index, DROP and CREATE it; else as \
             rows: RESTORE DATABASE ... PAGE, or under SIMPLE the database beside it"
        }
    }
}
